/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pages in which Xen hands accesses over (xen/hvm/ioreq.h), decoded into calls of the engine's
 * sink. Nothing of libxen here: memory in, calls out. One thread, no allocation, no lock.
 */
#ifndef IOREQ_RING_H
#define IOREQ_RING_H

#include <stdbool.h>

#include "core/engine.h"
#include "core/log.h"

struct ioreq;
struct buffered_iopage;

struct ring {
    struct engine *engine;     /* its sink takes accesses, its map finds the memory of strings */
    struct ioreq *slots;       /* one for each vCPU */
    unsigned vcpus;
    struct buffered_iopage *buffered;
    void (*invalidate)(struct engine *engine); /* mappings of guest memory may be stale */
    uint32_t drained; /* slots, ever */
    struct log_limit odd;
};

/* Answers the vCPU's request, if there is one: then the vCPU's channel is to be notified. */
bool ring_serve(struct ring *ring, unsigned vcpu);

/* Does all buffered writes; returns how many slots they took. Before any ring_serve, and before the
 * state is saved. */
unsigned ring_drain(struct ring *ring);

#endif
