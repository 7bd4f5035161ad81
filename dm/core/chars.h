/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream of bytes with an outside end: pty, socket, file. The chip writes and is handed what
 * arrives; both ends have back-pressure. One thread.
 */
#ifndef CORE_CHARS_H
#define CORE_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chars;

/* The chip's end. */
struct chars_user {
    void *dev;
    size_t (*room)(void *dev); /* how many bytes the chip takes now */
    void (*received)(void *dev, const uint8_t *bytes, size_t n); /* n <= room */
    void (*writable)(void *dev); /* after a short write: there is space again */
    void (*opened)(void *dev, bool open); /* a peer came or went; optional */
};

struct chars_ops {
    /* Takes up to n bytes and returns how many; what nobody listens to is taken and dropped. */
    size_t (*write)(struct chars *chars, const uint8_t *bytes, size_t n);
    /* The chip has room again after it had none. */
    void (*accept)(struct chars *chars);
    void (*free)(struct chars *chars);
};

struct chars {
    const struct chars_ops *ops;
    const char *id;           /* as on the command line: "serial0" */
    const char *filename;     /* as query-chardev shows it: "pty:/dev/pts/3" */
    bool open;                /* a peer is there */
    struct chars_user user;
};

static inline size_t chars_write(struct chars *chars, const uint8_t *bytes, size_t n) {
    return chars ? chars->ops->write(chars, bytes, n) : n;
}

static inline void chars_accept(struct chars *chars) {
    if (chars)
        chars->ops->accept(chars);
}

#endif
