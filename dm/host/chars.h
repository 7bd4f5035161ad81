/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The outside ends of character streams: what -serial and -chardev name. Both ends have
 * back-pressure, so nothing is buffered here but what a protocol needs; what is written while
 * nobody listens is dropped. SIGPIPE and SIGXFSZ must be ignored. One thread.
 */
#ifndef HOST_CHARS_H
#define HOST_CHARS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/chars.h"
#include "core/loop.h"

enum chars_kind {
    CHARS_NULL,
    CHARS_PTY,
    CHARS_STDIO,
    CHARS_FILE,   /* path; output only */
    CHARS_PIPE,   /* path.in and path.out, or path both ways */
    CHARS_DEVICE, /* path: a tty or another character device */
    CHARS_TCP,    /* host, port */
    CHARS_UDP,    /* to host:port, from local_host:local_port */
    CHARS_UNIX,   /* path */
};

/* As struct config_chardev has them; strings may be NULL where a kind has no use for them. */
struct chars_spec {
    enum chars_kind kind;
    const char *id;
    const char *path;
    const char *host, *port; /* "" is any */
    const char *local_host, *local_port;
    int fd;      /* TCP, UNIX: an inherited socket (listening when `server`), or -1 */
    bool server; /* listens; one peer at a time, the next one waits */
    bool wait;   /* ... and this call waits for the first */
    bool telnet, nodelay, append, abstract;
    bool mux; /* mon: */
};

/*
 * Free it with chars_free. NULL: `why` names the line, what was asked and what is wrong.
 * `chars->user` is all NULL until a chip fills it in and calls chars_accept: input waits until
 * then.
 */
struct chars *chars_open(struct loop *loop, const struct chars_spec *spec, char *why,
                         size_t why_len);
void chars_free(struct chars *chars);

#endif
