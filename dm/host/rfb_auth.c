/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a viewer gets in: RFC 6143, sections 7.1 and 7.2; rfbproto.rst, VeNCrypt 0.2, of which the
 * sub-types are offered that this server asks for: TLSNone, TLSVnc, X509None, X509Vnc. See rfb.h.
 */
#include <string.h>

#include "core/bits.h"
#include "des.h"
#include "rfb_priv.h"

enum {
    SECURITY_INVALID = 0, SECURITY_NONE = 1, SECURITY_VNC = 2, SECURITY_VENCRYPT = 19,
    TLS_NONE = 257, TLS_VNC = 258, X509_NONE = 260, X509_VNC = 261,
    VENCRYPT_MINOR = 2, /* version 0.2 */
};

static const char greeting[] = "RFB 003.008\n";

enum { VERSION_LEN = sizeof(greeting) - 1 };

void rfb_auth_greet(struct rfb *rfb) {
    rfb_buf_put(&rfb->out, greeting, VERSION_LEN);
}

static size_t refuse(struct rfb *rfb, const char *why) {
    rfb_buf_u32(&rfb->out, (uint32_t)strlen(why));
    rfb_buf_put(&rfb->out, why, strlen(why));
    rfb->state = RFB_CLOSED;
    return 0;
}

static void send_result(struct rfb *rfb, bool good) {
    rfb_buf_u32(&rfb->out, !good);
    if (good)
        rfb->state = RFB_CLIENT_INIT;
    else if (rfb->minor >= 8)
        refuse(rfb, "wrong password");
    else
        rfb->state = RFB_CLOSED;
}

static void start_password(struct rfb *rfb) {
    rfb_buf_put(&rfb->out, rfb->challenge, RFB_CHALLENGE);
    rfb->state = RFB_RESPONSE;
}

static uint8_t security_type(const struct rfb *rfb) {
    if (rfb->access != RFB_PLAIN)
        return SECURITY_VENCRYPT;
    return rfb->want_password ? SECURITY_VNC : SECURITY_NONE;
}

static size_t got_version(struct rfb *rfb) {
    const uint8_t *in = rfb->in;
    if (memcmp(in, "RFB 003.", 8) || in[11] != '\n') {
        rfb->state = RFB_CLOSED;
        return 0;
    }
    unsigned minor = (in[8] - '0') * 100u + (in[9] - '0') * 10u + (in[10] - '0');
    rfb->minor = minor == 7 ? 7 : minor >= 8 && minor < 800 ? 8 : 3; /* 889 is a 3 */
    uint8_t type = security_type(rfb);
    const char *closed = NULL;
    if (rfb->want_password && !rfb->password[0])
        closed = "no password is set, or it has expired";
    if (rfb->minor == 3 && type == SECURITY_VENCRYPT)
        closed = "TLS is asked for, which your viewer does not know";
    if (rfb->minor == 3) { /* the server decides */
        rfb_buf_u32(&rfb->out, closed ? SECURITY_INVALID : type);
        if (!closed && type == SECURITY_VNC)
            start_password(rfb);
        else if (!closed)
            rfb->state = RFB_CLIENT_INIT;
    } else {
        rfb_buf_u8(&rfb->out, !closed);
        if (!closed)
            rfb_buf_u8(&rfb->out, type);
        rfb->state = RFB_SECURITY;
    }
    if (closed)
        refuse(rfb, closed);
    return VERSION_LEN;
}

static size_t got_security(struct rfb *rfb) {
    uint8_t type = security_type(rfb);
    if (rfb->in[0] != type) {
        rfb->state = RFB_CLOSED;
    } else if (type == SECURITY_VENCRYPT) {
        rfb_buf_u8(&rfb->out, 0);
        rfb_buf_u8(&rfb->out, VENCRYPT_MINOR);
        rfb->state = RFB_VENCRYPT_VERSION;
    } else if (type == SECURITY_VNC) {
        start_password(rfb);
    } else if (rfb->minor >= 8) {
        send_result(rfb, true);
    } else {
        rfb->state = RFB_CLIENT_INIT;
    }
    return 1;
}

static uint32_t vencrypt_type(const struct rfb *rfb) {
    uint32_t none = rfb->access == RFB_TLS_X509 ? X509_NONE : TLS_NONE;
    return none + (rfb->want_password ? TLS_VNC - TLS_NONE : 0);
}

static size_t got_vencrypt_version(struct rfb *rfb) {
    bool known = rfb->in[0] == 0 && rfb->in[1] == VENCRYPT_MINOR;
    rfb_buf_u8(&rfb->out, !known);
    if (known) {
        rfb_buf_u8(&rfb->out, 1);
        rfb_buf_u32(&rfb->out, vencrypt_type(rfb));
    }
    rfb->state = known ? RFB_VENCRYPT_TYPE : RFB_CLOSED;
    return 2;
}

static size_t got_vencrypt_type(struct rfb *rfb) {
    bool known = load_be32(rfb->in) == vencrypt_type(rfb);
    rfb_buf_u8(&rfb->out, known);
    rfb->state = known ? RFB_START_TLS : RFB_CLOSED;
    return 4;
}

void rfb_secured(struct rfb *rfb) {
    if (rfb->want_password)
        start_password(rfb);
    else
        send_result(rfb, true);
}

/* The password is the key, each of its bytes turned end for end. */
static size_t got_response(struct rfb *rfb) {
    uint8_t key[8], expected[RFB_CHALLENGE], differs = 0;
    for (unsigned i = 0; i < 8; i++) {
        key[i] = 0;
        for (unsigned bit = 0; bit < 8; bit++)
            key[i] |= (uint8_t)(((uint8_t)rfb->password[i] >> bit & 1) << (7 - bit));
    }
    des_encrypt(key, rfb->challenge, expected);
    des_encrypt(key, rfb->challenge + 8, expected + 8);
    for (unsigned i = 0; i < RFB_CHALLENGE; i++)
        differs |= expected[i] ^ rfb->in[i];
    send_result(rfb, !differs);
    return RFB_CHALLENGE;
}

size_t rfb_auth_step(struct rfb *rfb) {
    static const struct {
        size_t needs;
        size_t (*got)(struct rfb *rfb);
    } steps[] = {
        [RFB_VERSION] = {VERSION_LEN, got_version},
        [RFB_SECURITY] = {1, got_security},
        [RFB_VENCRYPT_VERSION] = {2, got_vencrypt_version},
        [RFB_VENCRYPT_TYPE] = {4, got_vencrypt_type},
        [RFB_RESPONSE] = {RFB_CHALLENGE, got_response},
    };
    return rfb->in_len >= steps[rfb->state].needs ? steps[rfb->state].got(rfb) : 0;
}
