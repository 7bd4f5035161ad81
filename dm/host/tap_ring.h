/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many reads or writes of a tap by one system call of io_uring. The ring is made when it is first
 * of use; without one everybody makes calls of their own.
 */
#ifndef HOST_TAP_RING_H
#define HOST_TAP_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAP_RING_CALLS = 64 };

/* All zeros but the first: one that is not made yet. */
struct tap_ring {
    int fd; /* the tap, which doesn't block */
    bool tried, writes, reads; /* it was made, or was to be, and what it can do */
    bool call_off;
    unsigned asked;
    struct io_uring ring;
};

/* `got` is what the call would return, an error as -errno. Frames that were read come in the order
 * of these answers. */
typedef void tap_ring_answer(void *arg, unsigned which, int got);

bool tap_ring_can_write(struct tap_ring *r);
bool tap_ring_can_read(struct tap_ring *r);

/* Up to TAP_RING_CALLS of one kind, then tap_ring_run. */
void tap_ring_write(struct tap_ring *r, unsigned which, const void *buf, size_t len);
void tap_ring_read(struct tap_ring *r, unsigned which, void *buf, size_t len);

/* Asks for all of it; reads that find nothing end, too, with -EAGAIN or -ECANCELED. False: the
 * kernel refused, what has no answer is not done or is lost, and the ring is gone. */
bool tap_ring_run(struct tap_ring *r, tap_ring_answer *answer, void *arg);

void tap_ring_free(struct tap_ring *r);

#endif
