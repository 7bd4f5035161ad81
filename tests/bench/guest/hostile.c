/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What neither Xen nor a sane guest does, or what happens seldom: events lost and events for
 * nothing, ioreq slots in odd states, requests with nonsense in every field, a buffered ring whose
 * pointers jump, frames that are gone. None of these may end, hang or slow the device model; `in`
 * afterwards tells.
 */
#include "plays.h"

#include <stdio.h>
#include <string.h>

#include "hv.h"

static const char *result(enum hv_error e) {
    return e == HV_OK ? NULL : hv_error(e);
}

/* Post a request but lose its event; then raise the event after all. */
static const char *play_lost(int argc, char **argv, char *answer) {
    ioreq_t r = { .type = IOREQ_TYPE_PIO, .dir = IOREQ_READ, .addr = 0x80, .size = 1, .count = 1 };
    int wait_ms = (int)play_number(argc, argv, 0, 50);
    enum hv_error e;
    uint64_t data;

    hv_post(0, &r);
    e = hv_answer(0, wait_ms, &data);
    if (e == HV_OK) {
        strcpy(answer, "answered without its event");
        return NULL;
    }
    if (e != HV_TIMEOUT)
        return hv_error(e);
    e = hv_event(WORLD_VCPU_PORT);
    strcpy(answer, "answered after its event");
    return e == HV_OK ? result(hv_answer(0, hv_timeout_ms, &data)) : hv_error(e);
}

static const char *play_spurious(int argc, char **argv, char *answer) {
    unsigned vcpu = (unsigned)play_number(argc, argv, 0, 0);
    unsigned long n = play_number(argc, argv, 1, 1);

    (void)answer;
    for (unsigned long i = 0; i < n; i++) {
        enum hv_error e =
            hv_event_forced(vcpu == WORLD_VCPUS ? WORLD_BUFIOREQ_PORT : WORLD_VCPU_PORT + vcpu);

        if (e != HV_OK || (i % 64 == 63 && (e = hv_pump(0)) == HV_GONE))
            return hv_error(e);
    }
    return NULL;
}

/* The slot in a state in which the device model has nothing to do. */
static const char *play_state(int argc, char **argv, char *answer) {
    volatile ioreq_t *slot = hv_slot(0);
    enum hv_error e;

    slot->state = play_number(argc, argv, 0, 2) & 15;
    e = hv_event(WORLD_VCPU_PORT);
    for (int i = 0; i < 20 && e != HV_GONE; i++)
        e = hv_pump(5);
    sprintf(answer, "%u", slot->state);
    slot->state = STATE_IOREQ_NONE;
    return e == HV_GONE ? hv_error(e) : NULL;
}

/* Any request at all. */
static const char *play_raw(int argc, char **argv, char *answer) {
    ioreq_t r = { .type = (uint8_t)play_number(argc, argv, 0, 0),
                  .dir = play_number(argc, argv, 1, 0) & 1,
                  .addr = play_number(argc, argv, 2, 0),
                  .size = (uint32_t)play_number(argc, argv, 3, 1),
                  .data = play_number(argc, argv, 4, 0),
                  .data_is_ptr = play_number(argc, argv, 5, 0) & 1,
                  .count = (uint32_t)play_number(argc, argv, 6, 1),
                  .df = play_number(argc, argv, 7, 0) & 1 };
    uint64_t data = 0;
    enum hv_error e = hv_request(0, &r, &data);

    sprintf(answer, "0x%llx", (unsigned long long)data);
    return result(e);
}

/* Ring pointers as given, slots full of what is there, and the event. */
static const char *play_ring(int argc, char **argv, char *answer) {
    volatile buffered_iopage_t *ring = hv_ring();
    enum hv_error e = HV_OK;

    ring->read_pointer = (uint32_t)play_number(argc, argv, 0, 0);
    __sync_synchronize();
    ring->write_pointer = (uint32_t)play_number(argc, argv, 1, 0);
    hv_event(WORLD_BUFIOREQ_PORT);
    for (int i = 0; i < 40 && e != HV_GONE; i++)
        e = hv_pump(5);
    sprintf(answer, "%u %u", ring->read_pointer, ring->write_pointer);
    return e == HV_GONE ? hv_error(e) : NULL;
}

/* The renormalisation of Xen's hvm_send_buffered_ioreq: both pointers drop by a multiple of the
 * ring at once. */
static const char *play_renormalise(int argc, char **argv, char *answer) {
    volatile buffered_iopage_t *ring = hv_ring();
    uint32_t n = (uint32_t)play_number(argc, argv, 0, 1) * IOREQ_BUFFER_SLOT_NUM;
    volatile uint64_t *both = (volatile uint64_t *)&ring->read_pointer;

    for (uint64_t old = *both;;) {
        uint64_t now = ((uint64_t)((uint32_t)(old >> 32) - n) << 32) | ((uint32_t)old - n);

        if (__atomic_compare_exchange_n(both, &old, now, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            break;
    }
    sprintf(answer, "%u %u", ring->read_pointer, ring->write_pointer);
    return NULL;
}

static const char *play_balloon(int argc, char **argv, char *answer) {
    (void)answer;
    hv_balloon(play_number(argc, argv, 0, 0), play_number(argc, argv, 1, 1));
    return NULL;
}

/* Every byte of both ioreq pages at random, with all events; the guest's slots are put back
 * afterwards. */
static const char *play_noise(int argc, char **argv, char *answer) {
    unsigned long rounds = play_number(argc, argv, 0, 16);
    uint64_t seed = play_number(argc, argv, 1, 1) * 2 + 1;
    enum hv_error e = HV_OK;

    (void)answer;
    for (unsigned long i = 0; i < rounds && e != HV_GONE; i++) {
        uint32_t port = hv_slot(0)->vp_eport;

        for (unsigned j = 0; j < sizeof(ioreq_t) / 8; j++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            ((volatile uint64_t *)hv_slot(0))[j] = seed >> (i & 31);
        }
        hv_slot(0)->vp_eport = port;
        hv_slot(0)->type = (uint8_t)(seed >> 40) % 10;
        hv_slot(0)->count %= 70000;
        hv_slot(0)->state = STATE_IOREQ_READY;
        hv_event(WORLD_VCPU_PORT);
        hv_answer(0, 200, &(uint64_t){ 0 });
        hv_slot(0)->state = STATE_IOREQ_NONE;
        e = hv_pump(0);
    }
    return e == HV_GONE ? hv_error(e) : NULL;
}

static uint64_t random_next(uint64_t *seed) {
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return *seed >> 24;
}

/* Every address of a range at every size, read and, with a seed, also written at random. */
static const char *sweep(ioreq_t r, uint64_t first, uint64_t last, unsigned most, uint64_t seed) {
    uint64_t data;

    for (uint64_t at = first; at <= last; at++)
        for (r.size = 1; r.size <= most; r.size *= 2)
            for (unsigned dir = 0; dir < 2; dir++) {
                enum hv_error e;

                r.addr = at;
                r.dir = dir & 1;
                r.data = dir == IOREQ_WRITE ? random_next(&seed) : 0;
                if (dir == IOREQ_WRITE && !seed)
                    continue;
                e = hv_access(0, &r, &data);
                if (e != HV_OK)
                    return hv_error(e);
            }
    return NULL;
}

static const char *play_sweep(int argc, char **argv, char *answer) {
    const ioreq_t r = { .type = IOREQ_TYPE_PIO, .count = 1 };

    (void)answer;
    return sweep(r, play_number(argc, argv, 0, 0), play_number(argc, argv, 1, 0), 4,
                 play_number(argc, argv, 2, 0));
}

static const char *play_memory_sweep(int argc, char **argv, char *answer) {
    const ioreq_t r = { .type = IOREQ_TYPE_COPY, .count = 1 };

    (void)answer;
    return sweep(r, play_number(argc, argv, 0, 0), play_number(argc, argv, 1, 0), 8,
                 play_number(argc, argv, 2, 0));
}

static const char *play_config_sweep(int argc, char **argv, char *answer) {
    const ioreq_t r = { .type = IOREQ_TYPE_PCI_CONFIG, .count = 1 };
    uint64_t function = play_number(argc, argv, 0, 0) << 32;

    (void)answer;
    return sweep(r, function, function + 0xff, 4, play_number(argc, argv, 1, 0));
}

const struct play hostile_plays[] = {
    { "lost", "[MS]", "a request whose event comes late", 0, play_lost },
    { "spurious", "VCPU [TIMES]", "events for nothing (VCPU 128: the ring's)", 1, play_spurious },
    { "state", "STATE", "an event with the slot in an odd state", 1, play_state },
    { "raw", "TYPE DIR ADDR SIZE DATA IS_PTR COUNT [DF]", "any request at all", 7, play_raw },
    { "ring", "READ WRITE", "set the ring's pointers", 2, play_ring },
    { "renormalise", "[LAPS]", "both pointers back by laps of the ring", 0, play_renormalise },
    { "balloon", "GFN [FRAMES]", "take frames away", 1, play_balloon },
    { "noise", "[ROUNDS [SEED]]", "requests of random bytes", 0, play_noise },
    { "sweep", "FIRST LAST [SEED]", "every port at every size; a seed also writes", 2, play_sweep },
    { "sweep-memory", "FIRST LAST [SEED]", "the same for addresses", 2, play_memory_sweep },
    { "sweep-pci", "DEVFN [SEED]", "the same for a function's configuration", 1,
      play_config_sweep },
    { NULL, NULL, NULL, 0, NULL },
};
