/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Short frames on their way to a tap: those of one turn of the loop go to the kernel by one system
 * call of io_uring. That call costs as much as the single ones did, but whom the first frame wakes
 * in dom0 does not take the CPU after each of them: it finds all. Without io_uring each is written
 * by a call of its own.
 */
#ifndef HOST_TAP_QUEUE_H
#define HOST_TAP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tap_ring.h"

enum { TAP_QUEUE_FRAMES = TAP_RING_CALLS, TAP_QUEUE_LONGEST = 2048, TAP_QUEUE_BYTES = 65536 };

/* All zeros but the first two: an empty one. */
struct tap_queue {
    struct tap_ring *ring;
    bool unlimited; /* the tap is never without room */
    unsigned count;
    uint32_t used;
    uint32_t begin[TAP_QUEUE_FRAMES];
    uint16_t len[TAP_QUEUE_FRAMES];
    uint8_t bytes[TAP_QUEUE_BYTES];
};

/* Takes a copy of what the list has. False: it is too long, or there is no room. */
bool tap_queue_add(struct tap_queue *q, const struct iovec *iov, unsigned n);

/*
 * Writes all in their order. What the kernel doesn't want (the tap is not up) is dropped and
 * counted. False: it has no room now for what is left.
 */
bool tap_queue_flush(struct tap_queue *q, uint64_t *dropped);

#endif
