/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GnuTLS 3.6 or newer. See tls.h.
 */
#include "tls.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/log.h"
#include "late.h"

static struct {
    int (*x509_new)(gnutls_certificate_credentials_t *);
    void (*x509_free)(gnutls_certificate_credentials_t);
    int (*x509_trust)(gnutls_certificate_credentials_t, const char *, gnutls_x509_crt_fmt_t);
    int (*x509_crl)(gnutls_certificate_credentials_t, const char *, gnutls_x509_crt_fmt_t);
    int (*x509_key)(gnutls_certificate_credentials_t, const char *, const char *,
                    gnutls_x509_crt_fmt_t);
    int (*anon_new)(gnutls_anon_server_credentials_t *);
    void (*anon_free)(gnutls_anon_server_credentials_t);
    int (*anon_dh)(gnutls_anon_server_credentials_t, gnutls_sec_param_t);
    int (*init)(gnutls_session_t *, unsigned);
    void (*deinit)(gnutls_session_t);
    int (*priority)(gnutls_session_t, const char *, const char **);
    int (*set_creds)(gnutls_session_t, gnutls_credentials_type_t, void *);
    void (*request)(gnutls_session_t, gnutls_certificate_request_t);
    void (*transport)(gnutls_session_t, int, int);
    int (*handshake)(gnutls_session_t);
    int (*direction)(gnutls_session_t);
    int (*verify)(gnutls_session_t, unsigned *);
    ssize_t (*recv)(gnutls_session_t, void *, size_t);
    ssize_t (*send)(gnutls_session_t, const void *, size_t);
    size_t (*pending)(gnutls_session_t);
    int (*fatal)(int);
    const char *(*error)(int);
} lib;

static const struct late_symbol symbols[] = {
    LATE(lib, x509_new, "gnutls_certificate_allocate_credentials"),
    LATE(lib, x509_free, "gnutls_certificate_free_credentials"),
    LATE(lib, x509_trust, "gnutls_certificate_set_x509_trust_file"),
    LATE(lib, x509_crl, "gnutls_certificate_set_x509_crl_file"),
    LATE(lib, x509_key, "gnutls_certificate_set_x509_key_file"),
    LATE(lib, anon_new, "gnutls_anon_allocate_server_credentials"),
    LATE(lib, anon_free, "gnutls_anon_free_server_credentials"),
    LATE(lib, anon_dh, "gnutls_anon_set_server_known_dh_params"),
    LATE(lib, init, "gnutls_init"),
    LATE(lib, deinit, "gnutls_deinit"),
    LATE(lib, priority, "gnutls_priority_set_direct"),
    LATE(lib, set_creds, "gnutls_credentials_set"),
    LATE(lib, request, "gnutls_certificate_server_set_request"),
    LATE(lib, transport, "gnutls_transport_set_int2"),
    LATE(lib, handshake, "gnutls_handshake"),
    LATE(lib, direction, "gnutls_record_get_direction"),
    LATE(lib, verify, "gnutls_certificate_verify_peers2"),
    LATE(lib, recv, "gnutls_record_recv"),
    LATE(lib, send, "gnutls_record_send"),
    LATE(lib, pending, "gnutls_record_check_pending"),
    LATE(lib, fatal, "gnutls_error_is_fatal"),
    LATE(lib, error, "gnutls_strerror"),
};

static struct late gnutls = {.file = "libgnutls.so.30", .package = "libgnutls30",
                             .symbols = symbols, .count = ARRAY_LEN(symbols)};

/* ---- credentials ---- */

struct tls_creds {
    bool verify_peer;
    char *priority;
    gnutls_certificate_credentials_t x509; /* one of these two */
    gnutls_anon_server_credentials_t anon;
};

static bool failed(int error, const char *what, char *why, size_t why_len) {
    if (error < 0)
        snprintf(why, why_len, "TLS: %s: %s", what, lib.error(error));
    return error < 0;
}

static bool read_files(struct tls_creds *c, const char *dir, char *why, size_t why_len) {
    char ca[4096], crl[4096], cert[4096], key[4096];
    snprintf(ca, sizeof(ca), "%s/ca-cert.pem", dir);
    snprintf(crl, sizeof(crl), "%s/ca-crl.pem", dir);
    snprintf(cert, sizeof(cert), "%s/server-cert.pem", dir);
    snprintf(key, sizeof(key), "%s/server-key.pem", dir);
    if (failed(lib.x509_new(&c->x509), "no memory", why, why_len))
        return false;
    bool trusted = !access(ca, F_OK) || c->verify_peer;
    if (trusted && failed(lib.x509_trust(c->x509, ca, GNUTLS_X509_FMT_PEM), ca, why, why_len))
        return false;
    if (!access(crl, F_OK) &&
        failed(lib.x509_crl(c->x509, crl, GNUTLS_X509_FMT_PEM), crl, why, why_len))
        return false;
    return !failed(lib.x509_key(c->x509, cert, key, GNUTLS_X509_FMT_PEM), cert, why, why_len);
}

static bool make_anonymous(struct tls_creds *c, char *why, size_t why_len) {
    return !failed(lib.anon_new(&c->anon), "no memory", why, why_len) &&
           !failed(lib.anon_dh(c->anon, GNUTLS_SEC_PARAM_MEDIUM), "no DH parameters", why,
                   why_len);
}

/* Nobody has to prove who they are, and TLS 1.3 has no such thing. */
static char *make_priority(const struct tls_options *o) {
    char text[512];
    snprintf(text, sizeof(text), "%s%s", o->priority ? o->priority : "NORMAL",
             o->anonymous ? ":-VERS-TLS1.3:+ANON-ECDH:+ANON-DH" : "");
    return strdup(text);
}

/* A wrong word is told at the start, not to each viewer. */
static bool check_priority(struct tls_creds *c, char *why, size_t why_len) {
    gnutls_session_t session;
    const char *at = NULL;
    if (!c->priority || lib.init(&session, GNUTLS_SERVER) < 0) {
        snprintf(why, why_len, "TLS: no memory");
        return false;
    }
    int error = lib.priority(session, c->priority, &at);
    lib.deinit(session);
    if (error < 0)
        snprintf(why, why_len, "TLS: priority=%s: %s", c->priority, lib.error(error));
    return error >= 0;
}

struct tls_creds *tls_creds_new(const struct tls_options *o, char *why, size_t why_len) {
    if (!late_load(&gnutls, why, why_len))
        return NULL;
    struct tls_creds *c = calloc(1, sizeof(*c));
    if (!c) {
        snprintf(why, why_len, "TLS: no memory");
        return NULL;
    }
    c->verify_peer = o->verify_peer && !o->anonymous;
    c->priority = make_priority(o);
    if (check_priority(c, why, why_len) &&
        (o->anonymous ? make_anonymous(c, why, why_len) : read_files(c, o->dir, why, why_len)))
        return c;
    tls_creds_free(c);
    return NULL;
}

void tls_creds_free(struct tls_creds *c) {
    if (!c)
        return;
    if (c->x509)
        lib.x509_free(c->x509);
    if (c->anon)
        lib.anon_free(c->anon);
    free(c->priority);
    free(c);
}

bool tls_anonymous(const struct tls_creds *c) {
    return c->anon;
}

/* ---- sessions ---- */

struct tls {
    struct tls_creds *creds;
    gnutls_session_t session;
    bool sending; /* a record is on its way: it is finished before the next */
};

struct tls *tls_open(struct tls_creds *creds, int fd) {
    struct tls *tls = calloc(1, sizeof(*tls));
    if (!tls || lib.init(&tls->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0) {
        free(tls);
        return NULL;
    }
    tls->creds = creds;
    bool anonymous = tls_anonymous(creds);
    int error = lib.priority(tls->session, creds->priority, NULL);
    if (error >= 0)
        error = lib.set_creds(tls->session, anonymous ? GNUTLS_CRD_ANON : GNUTLS_CRD_CERTIFICATE,
                              anonymous ? (void *)creds->anon : (void *)creds->x509);
    if (error < 0) {
        tls_close(tls);
        return NULL;
    }
    if (!anonymous)
        lib.request(tls->session, creds->verify_peer ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
    lib.transport(tls->session, fd, fd);
    return tls;
}

void tls_close(struct tls *tls) {
    if (!tls)
        return;
    lib.deinit(tls->session);
    free(tls);
}

static bool peer_is_good(struct tls *tls) {
    unsigned status = 0;
    if (!tls->creds->verify_peer)
        return true;
    if (lib.verify(tls->session, &status) >= 0 && !status)
        return true;
    static struct log_limit limit;
    log_guest(&limit, "VNC: a viewer's certificate is not from our authority (%#x)", status);
    return false;
}

enum tls_result tls_handshake(struct tls *tls) {
    int error = lib.handshake(tls->session);
    if (error == GNUTLS_E_SUCCESS)
        return peer_is_good(tls) ? TLS_DONE : TLS_FAILED;
    return lib.fatal(error) ? TLS_FAILED : TLS_AGAIN;
}

bool tls_wants_write(const struct tls *tls) {
    return lib.direction(tls->session);
}

ssize_t tls_recv(struct tls *tls, void *bytes, size_t n) {
    ssize_t got = lib.recv(tls->session, bytes, n);
    if (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED)
        return 0;
    return got > 0 ? got : -1; /* also what would start a new handshake */
}

ssize_t tls_send(struct tls *tls, const void *bytes, size_t n) {
    ssize_t sent = lib.send(tls->session, tls->sending ? NULL : bytes, tls->sending ? 0 : n);
    tls->sending = sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED;
    if (tls->sending)
        return 0;
    return sent > 0 ? sent : -1;
}

size_t tls_pending(const struct tls *tls) {
    return lib.pending(tls->session);
}
