/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all of Xen's I/O rings have in common: a header of 64 bytes with four indices, then slots.
 * Document: xen/io/ring.h. `ring` is the first page, mapped; the guest writes it at any time, so
 * what is loaded has to be bounded. Thread: the backend's.
 */
#ifndef DEVICES_PV_SHARED_RING_H
#define DEVICES_PV_SHARED_RING_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RING_REQ_PROD = 0, RING_REQ_EVENT = 4, RING_RSP_PROD = 8, RING_RSP_EVENT = 12,
    RING_SLOTS = 64,
};

static inline uint32_t shared_load(const uint8_t *ring, unsigned off) {
    return __atomic_load_n((const uint32_t *)(const void *)(ring + off), __ATOMIC_ACQUIRE);
}

static inline void shared_store(uint8_t *ring, unsigned off, uint32_t v) {
    __atomic_store_n((uint32_t *)(void *)(ring + off), v, __ATOMIC_RELEASE);
}

/* Asks to be told when REQ_PROD reaches `event`; look at REQ_PROD once more after it. */
static inline void shared_want(uint8_t *ring, uint32_t event) {
    shared_store(ring, RING_REQ_EVENT, event);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* our wish before the guest's index */
}

/* Shows the answers [before, rsp). True: the guest wants to be told of one of them. */
static inline bool shared_publish(uint8_t *ring, uint32_t before, uint32_t rsp) {
    shared_store(ring, RING_RSP_PROD, rsp);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* our index before the guest's wish */
    uint32_t wanted = shared_load(ring, RING_RSP_EVENT);
    return (uint32_t)(rsp - wanted) < (uint32_t)(rsp - before);
}

#endif
