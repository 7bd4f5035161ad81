/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's side of one WebSocket (RFC 6455), as a state machine from bytes to bytes: it never
 * waits, knows no sockets and holds a bounded amount whatever comes. Browsers speak RFB on it. One
 * thread.
 */
#ifndef HOST_WS_H
#define HOST_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WS_LINE = 512,         /* of the request; longer ones are nobody's that we know */
    WS_REQUEST = 16384,    /* all of it */
    WS_CONTROL = 125,      /* a ping's or close's payload */
    WS_PAYLOAD = 16 << 20, /* a data frame's */
    WS_SAY = 512, WS_HEAD = 10,
};

enum ws_state { WS_HANDSHAKE, WS_HEADER, WS_DATA, WS_CONTROL_DATA, WS_CLOSED };

struct ws {
    enum ws_state state;
    /* the request */
    char line[WS_LINE];
    size_t line_len, request_len;
    bool first, upgrade, connection, version, refused;
    bool asks_protocol, binary; /* a sub-protocol, and ours is among them */
    char key[25];
    /* the frame that is coming in */
    uint8_t head[14];
    unsigned head_len;
    uint8_t opcode, mask[4];
    bool fin, in_message; /* a message has begun that is not finished */
    unsigned mask_at;
    uint64_t left;
    uint8_t control[WS_CONTROL];
    unsigned control_len;
    /* What we say besides data: send it between two frames. */
    uint8_t say[WS_SAY];
    size_t say_len, said;
};

void ws_open(struct ws *ws);

/*
 * Bytes off the wire; what of them is payload stays at their front, unmasked. False:
 * send what there is to say, then hang up; the payload still counts.
 */
bool ws_input(struct ws *ws, uint8_t *bytes, size_t n, size_t *payload);

/* Data may be sent. */
static inline bool ws_ready(const struct ws *ws) {
    return ws->state != WS_HANDSHAKE && ws->state != WS_CLOSED;
}

/* The header of a binary frame of n bytes; returns its length. */
unsigned ws_frame(uint8_t head[WS_HEAD], uint64_t n);

#endif
