/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames out of a tap, many by one system call of io_uring. A tap gives one frame a read, and does
 * not say how many it has; so as many reads are asked for as frames came the last times, and what
 * finds none is called off in the same call. Long frames and the first ones of a series are left to
 * the tap's own read: they go to where they belong without a copy.
 */
#ifndef HOST_TAP_BATCH_H
#define HOST_TAP_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tap_ring.h"

enum { TAP_BATCH_FRAMES = 16, TAP_BATCH_LEAST = 4, TAP_BATCH_SHORT = 2048 };

/* All zeros but the first: one that has nothing. */
struct tap_batch {
    struct tap_ring *ring;
    /* of this series of frames, which ends when the tap has none, and those before */
    unsigned series, last, before;
    bool has_long;
    /* what was read and not yet taken */
    unsigned next, count;
    bool over; /* nor had the tap more */
    uint16_t order[TAP_BATCH_FRAMES];
    uint32_t len[TAP_BATCH_FRAMES];
    uint8_t *bytes; /* of which a page is touched for each short frame */
};

/* A frame was read by other means; its length, 0: there was none. */
void tap_batch_note(struct tap_batch *b, size_t len);

/*
 * The next frame, which stays there until the next call; its length in *len. NULL: there is none
 * here; the tap is to be read, or with *over has no more now. *err: 0, or why it can't be read
 * (EBADFD: it is gone).
 */
const uint8_t *tap_batch_next(struct tap_batch *b, size_t *len, bool *over, int *err);

static inline bool tap_batch_has(const struct tap_batch *b) {
    return b->next < b->count;
}

/* There may be more by now. */
static inline void tap_batch_again(struct tap_batch *b) {
    b->over = false;
}

void tap_batch_free(struct tap_batch *b);

#endif
