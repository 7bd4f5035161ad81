/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a viewer's bytes travel: a socket, TLS on it or not, a WebSocket on that or not. Never waits.
 * One thread.
 */
#ifndef HOST_VNC_CONN_H
#define HOST_VNC_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls;
struct tls_creds;
struct ws;

struct conn {
    int fd;
    struct tls *tls; /* NULL: none */
    struct ws *ws;   /* NULL: none */
    bool handshaking; /* TLS's */
    /* the data frame that is on its way out */
    uint8_t head[10];
    unsigned head_len, head_sent;
    size_t frame_left;
};

enum conn_result {
    CONN_GOOD,
    CONN_LATER, /* the socket has no more, or takes no more */
    CONN_END,   /* send what there is, then hang up */
    CONN_GONE,
};

/* False: no memory. */
bool conn_websocket(struct conn *c);
bool conn_start_tls(struct conn *c, struct tls_creds *creds);
void conn_free(struct conn *c); /* closes the socket, too */

/* Goes on with TLS's handshake: to be called until it is CONN_GOOD. */
enum conn_result conn_handshake(struct conn *c);
bool conn_wants_write(const struct conn *c); /* in the handshake */
/* One piece: *n bytes of it are the viewer's, perhaps none. */
enum conn_result conn_read(struct conn *c, uint8_t *bytes, size_t size, size_t *n);
/* Bytes that were read off the socket wait inside: it will not be told of again. */
bool conn_pending(const struct conn *c);
/* Sends of bytes[*sent .. n), and what the layers have to say. CONN_GOOD: all is sent. */
enum conn_result conn_write(struct conn *c, const uint8_t *bytes, size_t n, size_t *sent);

#endif
