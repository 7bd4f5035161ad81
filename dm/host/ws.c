/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 6455, sections 4.2 (the handshake), 5 (frames), 7.4 (why it is closed). Messages are nothing
 * but bytes to RFB, so their parts are handed on as they come. Not modelled: extensions, which are
 * not agreed to; text messages, which RFB has none of.
 */
#include "ws.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/bits.h"
#include "sha1.h"

/* 5.2 */
enum {
    FIN = 0x80, RESERVED = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f, LENGTH_16 = 126,
    LENGTH_64 = 127, MASK_LEN = 4, IS_CONTROL = 8,
    CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10,
};

/* 7.4.1 */
enum { BAD_PROTOCOL = 1002, BAD_TYPE = 1003, TOO_BIG = 1009 };

void ws_open(struct ws *ws) {
    *ws = (struct ws){.first = true};
}

/* What doesn't fit is not said: the peer does not read. */
static void say(struct ws *ws, const void *bytes, size_t n) {
    if (ws->said == ws->say_len)
        ws->said = ws->say_len = 0;
    if (n > WS_SAY - ws->say_len)
        return;
    memcpy(ws->say + ws->say_len, bytes, n);
    ws->say_len += n;
}

static void say_control(struct ws *ws, uint8_t opcode, const uint8_t *bytes, size_t n) {
    uint8_t frame[2 + WS_CONTROL] = {(uint8_t)(FIN | opcode), (uint8_t)n};
    if (n)
        memcpy(frame + 2, bytes, n);
    say(ws, frame, 2 + n);
}

static void hang_up(struct ws *ws, uint16_t why) {
    uint8_t code[2];
    store_be16(code, why);
    say_control(ws, CLOSE, code, sizeof(code));
    ws->state = WS_CLOSED;
}

/* ---- the handshake ---- */

static void base64(const uint8_t *bytes, size_t n, char *to) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)bytes[i] << 16;
        v |= i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0;
        v |= i + 2 < n ? bytes[i + 2] : 0;
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *to++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *to = '\0';
}

static void refuse(struct ws *ws, const char *status) {
    char text[256];
    int n = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nConnection: close\r\n"
                     "Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n", status);
    say(ws, text, (size_t)n);
    ws->state = WS_CLOSED;
}

/* Whether a comma-separated list has the word. */
static bool list_has(const char *list, const char *word) {
    size_t len = strlen(word);
    while (*list) {
        list += strspn(list, ", \t");
        size_t n = strcspn(list, ", \t");
        if (n == len && !strncasecmp(list, word, len))
            return true;
        list += n;
    }
    return false;
}

static void field(struct ws *ws, const char *name, const char *value) {
    if (!strcasecmp(name, "Upgrade"))
        ws->upgrade |= list_has(value, "websocket");
    else if (!strcasecmp(name, "Connection"))
        ws->connection |= list_has(value, "upgrade");
    else if (!strcasecmp(name, "Sec-WebSocket-Version"))
        ws->version |= list_has(value, "13");
    else if (!strcasecmp(name, "Sec-WebSocket-Key") && strlen(value) == sizeof(ws->key) - 1)
        strcpy(ws->key, value);
    else if (!strcasecmp(name, "Sec-WebSocket-Protocol")) {
        ws->asks_protocol = true;
        ws->binary |= list_has(value, "binary");
    }
}

static void agree(struct ws *ws) {
    char text[256], accept[32];
    uint8_t digest[SHA1_LEN];
    int n = snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", ws->key);
    sha1(text, (size_t)n, digest);
    base64(digest, sizeof(digest), accept);
    n = snprintf(text, sizeof(text), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n", accept,
                 ws->binary ? "Sec-WebSocket-Protocol: binary\r\n" : "");
    say(ws, text, (size_t)n);
    ws->state = WS_HEADER;
}

static void request_done(struct ws *ws) {
    if (ws->refused || !ws->upgrade || !ws->connection || !ws->key[0] ||
        (ws->asks_protocol && !ws->binary))
        refuse(ws, "400 Bad Request");
    else if (!ws->version)
        refuse(ws, "426 Upgrade Required");
    else
        agree(ws);
}

/* One line of the request, without its end. */
static void request_line(struct ws *ws) {
    char *line = ws->line;
    size_t n = ws->line_len;
    line[n] = '\0';
    ws->line_len = 0;
    if (ws->first) {
        ws->first = false;
        ws->refused = strncmp(line, "GET ", 4) || n < 13 || strcmp(line + n - 9, " HTTP/1.1");
        return;
    }
    if (!n) {
        request_done(ws);
        return;
    }
    char *value = strchr(line, ':');
    if (!value)
        return; /* more of a field that is none of ours */
    *value++ = '\0';
    value += strspn(value, " \t");
    for (n = strlen(value); n && strchr(" \t", value[n - 1]); n--)
        value[n - 1] = '\0';
    field(ws, line, value);
}

/* Returns how many bytes it took. */
static size_t take_request(struct ws *ws, const uint8_t *bytes, size_t n) {
    size_t used = 0;
    while (used < n && ws->state == WS_HANDSHAKE) {
        uint8_t byte = bytes[used++];
        if (++ws->request_len > WS_REQUEST) {
            refuse(ws, "431 Request Header Fields Too Large");
        } else if (byte == '\n') {
            ws->line_len -= ws->line_len && ws->line[ws->line_len - 1] == '\r';
            request_line(ws);
        } else if (ws->line_len < WS_LINE - 1) {
            ws->line[ws->line_len++] = (char)byte;
        }
        if (ws->first && ws->line_len <= 4 && memcmp(ws->line, "GET ", ws->line_len))
            refuse(ws, "400 Bad Request");
    }
    return used;
}

/* ---- frames ---- */

static unsigned head_needs(const struct ws *ws) {
    if (ws->head_len < 2)
        return 2;
    unsigned length = ws->head[1] & LENGTH;
    return 2 + (length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0) + MASK_LEN;
}

static void got_head(struct ws *ws) {
    const uint8_t *head = ws->head, *mask = head + ws->head_len - MASK_LEN;
    unsigned length = head[1] & LENGTH;
    ws->head_len = 0;
    ws->fin = head[0] & FIN;
    ws->opcode = head[0] & OPCODE;
    ws->left = length == LENGTH_16 ? load_be16(head + 2)
             : length == LENGTH_64 ? load_be64(head + 2) : length;
    memcpy(ws->mask, mask, MASK_LEN);
    ws->mask_at = 0;
    ws->control_len = 0;
    bool control = ws->opcode & IS_CONTROL;
    if (control && (!ws->fin || ws->left > WS_CONTROL || ws->opcode > PONG))
        hang_up(ws, BAD_PROTOCOL);
    else if (control)
        ws->state = WS_CONTROL_DATA;
    else if (ws->opcode == TEXT)
        hang_up(ws, BAD_TYPE);
    else if (ws->opcode > BINARY || (ws->opcode == CONTINUATION) != ws->in_message)
        hang_up(ws, BAD_PROTOCOL);
    else if (ws->left > WS_PAYLOAD)
        hang_up(ws, TOO_BIG);
    else {
        ws->in_message = !ws->fin;
        ws->state = ws->left ? WS_DATA : WS_HEADER;
    }
}

static size_t take_head(struct ws *ws, const uint8_t *bytes, size_t n) {
    size_t used = 0;
    while (used < n && ws->head_len < head_needs(ws)) {
        ws->head[ws->head_len++] = bytes[used++];
        if (ws->head_len == 2 && (ws->head[0] & RESERVED || !(ws->head[1] & MASKED))) {
            hang_up(ws, BAD_PROTOCOL);
            return used;
        }
    }
    if (ws->head_len == head_needs(ws))
        got_head(ws);
    return used;
}

static void unmask(struct ws *ws, uint8_t *to, const uint8_t *from, size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] ^ ws->mask[ws->mask_at++ % MASK_LEN];
    ws->left -= n;
}

/* A close frame's code is sent back. */
static void got_control(struct ws *ws) {
    ws->state = WS_HEADER;
    if (ws->opcode == PING)
        say_control(ws, PONG, ws->control, ws->control_len);
    if (ws->opcode != CLOSE)
        return;
    say_control(ws, CLOSE, ws->control, ws->control_len >= 2 ? 2 : 0);
    ws->state = WS_CLOSED;
}

static size_t take_control(struct ws *ws, const uint8_t *bytes, size_t n) {
    size_t piece = MIN((uint64_t)n, ws->left);
    unmask(ws, ws->control + ws->control_len, bytes, piece);
    ws->control_len += (unsigned)piece;
    if (!ws->left)
        got_control(ws);
    return piece;
}

bool ws_input(struct ws *ws, uint8_t *bytes, size_t n, size_t *payload) {
    uint8_t *to = bytes;
    size_t at = 0, piece;
    /* an empty control frame ends without a byte of its own */
    while (at < n || (ws->state == WS_CONTROL_DATA && !ws->left)) {
        switch (ws->state) {
        case WS_HANDSHAKE:
            at += take_request(ws, bytes + at, n - at);
            break;
        case WS_HEADER:
            at += take_head(ws, bytes + at, n - at);
            break;
        case WS_DATA:
            piece = MIN((uint64_t)(n - at), ws->left);
            unmask(ws, to, bytes + at, piece);
            to += piece;
            at += piece;
            if (!ws->left)
                ws->state = WS_HEADER;
            break;
        case WS_CONTROL_DATA:
            at += take_control(ws, bytes + at, n - at);
            break;
        case WS_CLOSED:
            at = n;
            break;
        }
    }
    *payload = (size_t)(to - bytes);
    return ws->state != WS_CLOSED;
}

unsigned ws_frame(uint8_t head[WS_HEAD], uint64_t n) {
    head[0] = FIN | BINARY;
    if (n < LENGTH_16) {
        head[1] = (uint8_t)n;
        return 2;
    }
    head[1] = n <= UINT16_MAX ? LENGTH_16 : LENGTH_64;
    if (n <= UINT16_MAX) {
        store_be16(head + 2, (uint16_t)n);
        return 4;
    }
    store_be64(head + 2, n);
    return 10;
}
