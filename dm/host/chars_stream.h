/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all lines over descriptors share: reading as far as the chip has room, writing as far as the
 * descriptor takes it, coming and going of the peer. For the files chars*.c alone. One thread.
 */
#ifndef HOST_CHARS_STREAM_H
#define HOST_CHARS_STREAM_H

#include "chars.h"

enum { STREAM_NAME = 256 };

struct stream {
    struct chars chars;
    struct loop *loop;
    struct loop_fd in, out; /* fd -1: none; the two are never the same descriptor */
    bool wants_space;       /* the last write was short */
    bool in_ends_alone;     /* the end of input leaves the way out open */
    char id[64];
    char filename[STREAM_NAME];
    /* Optional: the peer is gone (after the stream was detached). */
    void (*lost)(struct stream *stream);
    /* Optional: takes a protocol out of what was read, in place; returns how much is left. */
    size_t (*decode)(struct stream *stream, uint8_t *bytes, size_t n);
};

#define STREAM(chars_) CONTAINER_OF(chars_, struct stream, chars)

void stream_init(struct stream *stream, struct loop *loop, const struct chars_ops *ops,
                 const struct chars_spec *spec, const char *filename);
/* Takes both descriptors, makes them non-blocking; equal ones are duplicated. The line is open.
 * False: errno says why, and they are closed. */
bool stream_attach(struct stream *stream, int in, int out);
/* Closes both; the chip hears of it and may write on, into the void. */
void stream_detach(struct stream *stream);
/* The two operations for struct chars_ops. */
size_t stream_write(struct chars *chars, const uint8_t *bytes, size_t n);
void stream_accept(struct chars *chars);

/* What chars_open chooses from. They fill in `why`. */
struct chars *chars_pty_open(struct loop *loop, const struct chars_spec *spec, char *why,
                             size_t why_len);
struct chars *chars_socket_open(struct loop *loop, const struct chars_spec *spec, char *why,
                                size_t why_len);
struct chars *chars_udp_open(struct loop *loop, const struct chars_spec *spec, char *why,
                             size_t why_len);

#endif
