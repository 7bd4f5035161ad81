/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fifo of bytes in a chip's struct. Declare it in the state as F_STRUCT(..., fifo_fields); both
 * indices are bounded there, so a loaded one can't point outside.
 */
#ifndef CORE_FIFO_H
#define CORE_FIFO_H

#include <stdbool.h>
#include <stdint.h>

#include "state.h"

enum { FIFO_LEN = 256 };

struct fifo {
    uint16_t count; /* 0 to FIFO_LEN */
    uint8_t head;   /* the oldest byte */
    uint8_t bytes[FIFO_LEN];
};

extern const struct field fifo_fields[];

static inline void fifo_reset(struct fifo *f) {
    *f = (struct fifo){0}; /* the dead bytes too: a reset chip is as a fresh one */
}

/* False: full up to `limit` (at most FIFO_LEN), nothing was put. */
static inline bool fifo_put(struct fifo *f, unsigned limit, uint8_t byte) {
    if (f->count >= limit)
        return false;
    f->bytes[(uint8_t)(f->head + f->count)] = byte;
    f->count++;
    return true;
}

/* The oldest byte, taken out; 0 when there is none. */
static inline uint8_t fifo_get(struct fifo *f) {
    if (!f->count)
        return 0;
    uint8_t byte = f->bytes[f->head];
    f->head++;
    f->count--;
    return byte;
}

static inline uint8_t fifo_peek(const struct fifo *f) {
    return f->count ? f->bytes[f->head] : 0;
}

#endif
