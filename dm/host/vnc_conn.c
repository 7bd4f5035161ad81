/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See vnc_conn.h.
 */
#include "vnc_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bits.h"
#include "tls.h"
#include "ws.h"

bool conn_websocket(struct conn *c) {
    c->ws = malloc(sizeof(*c->ws));
    if (c->ws)
        ws_open(c->ws);
    return c->ws;
}

bool conn_start_tls(struct conn *c, struct tls_creds *creds) {
    c->tls = tls_open(creds, c->fd);
    c->handshaking = c->tls;
    return c->tls;
}

void conn_free(struct conn *c) {
    tls_close(c->tls);
    free(c->ws);
    close(c->fd);
    *c = (struct conn){.fd = -1};
}

enum conn_result conn_handshake(struct conn *c) {
    switch (tls_handshake(c->tls)) {
    case TLS_DONE:
        c->handshaking = false;
        return CONN_GOOD;
    case TLS_AGAIN:
        return CONN_LATER;
    default:
        return CONN_GONE;
    }
}

bool conn_wants_write(const struct conn *c) {
    return c->handshaking && tls_wants_write(c->tls);
}

/* ---- what lies below the WebSocket ---- */

static enum conn_result result_of(ssize_t n) {
    return n > 0 ? CONN_GOOD : n == 0 ? CONN_LATER : CONN_GONE;
}

static enum conn_result lower_read(struct conn *c, void *bytes, size_t size, size_t *n) {
    ssize_t got;
    *n = 0;
    if (c->tls) {
        got = tls_recv(c->tls, bytes, size);
    } else {
        do
            got = recv(c->fd, bytes, size, 0);
        while (got < 0 && errno == EINTR);
        if (got <= 0) /* 0 is the end */
            got = got < 0 && errno == EAGAIN ? 0 : -1;
    }
    if (got > 0)
        *n = (size_t)got;
    return result_of(got);
}

static enum conn_result lower_write(struct conn *c, const uint8_t *bytes, size_t n, size_t *sent) {
    while (*sent < n) {
        ssize_t put;
        if (c->tls) {
            put = tls_send(c->tls, bytes + *sent, n - *sent);
        } else {
            put = send(c->fd, bytes + *sent, n - *sent, MSG_NOSIGNAL);
            if (put < 0 && errno == EINTR)
                continue;
            if (put <= 0)
                put = put < 0 && errno == EAGAIN ? 0 : -1;
        }
        if (put <= 0)
            return result_of(put);
        *sent += (size_t)put;
    }
    return CONN_GOOD;
}

/* ---- what lies above ---- */

enum conn_result conn_read(struct conn *c, uint8_t *bytes, size_t size, size_t *n) {
    enum conn_result result = lower_read(c, bytes, size, n);
    if (result != CONN_GOOD || !c->ws)
        return result;
    return ws_input(c->ws, bytes, *n, n) ? CONN_GOOD : CONN_END;
}

bool conn_pending(const struct conn *c) {
    return c->tls && !c->handshaking && tls_pending(c->tls);
}

/* Control frames go between data frames. */
static enum conn_result say(struct conn *c) {
    return c->frame_left || c->head_sent < c->head_len
               ? CONN_GOOD
               : lower_write(c, c->ws->say, c->ws->say_len, &c->ws->said);
}

static enum conn_result write_frame(struct conn *c, const uint8_t *bytes, size_t n, size_t *sent) {
    if (!c->frame_left && c->head_sent == c->head_len) {
        c->frame_left = n - *sent;
        c->head_len = ws_frame(c->head, c->frame_left);
        c->head_sent = 0;
    }
    size_t head_sent = c->head_sent, before = *sent;
    enum conn_result result = lower_write(c, c->head, c->head_len, &head_sent);
    c->head_sent = (unsigned)head_sent;
    if (result != CONN_GOOD)
        return result;
    result = lower_write(c, bytes, *sent + c->frame_left, sent);
    c->frame_left -= *sent - before;
    return result;
}

enum conn_result conn_write(struct conn *c, const uint8_t *bytes, size_t n, size_t *sent) {
    if (!c->ws)
        return lower_write(c, bytes, n, sent);
    enum conn_result result = say(c);
    if (result == CONN_GOOD && !ws_ready(c->ws) && !c->frame_left)
        *sent = c->ws->state == WS_CLOSED ? n : *sent; /* what came too late is dropped */
    while (result == CONN_GOOD && *sent < n && (ws_ready(c->ws) || c->frame_left)) {
        result = write_frame(c, bytes, n, sent);
        if (result == CONN_GOOD)
            result = say(c);
    }
    return result;
}
