/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine on a stream of characters whose peer plays CPU, memory and clock: QEMU's qtest text
 * protocol, so that clients written for it can drive us. Guest memory is a memfd. One thread.
 */
#ifndef IOREQ_SOCK_H
#define IOREQ_SOCK_H

#include <stddef.h>
#include <stdint.h>

#include "core/chars.h"
#include "core/clock.h"
#include "core/engine.h"

/* What the machine's owner wants to hear; each may be NULL. */
struct sock_events {
    void *arg;
    void (*shutdown)(void *arg, enum engine_shutdown how); /* inside the access that asks for it */
    void (*suspended)(void *arg, bool suspended);
    void (*closed)(void *arg); /* the peer is gone */
};

/* `chars` stays the caller's, is not used by anybody else and outlives the engine. Of the RAM,
 * low_bytes are below 4 GiB, the rest above. NULL: `why` says that the memory can't be had. */
struct engine *sock_engine_new(struct chars *chars, uint64_t ram_bytes, uint64_t low_bytes,
                               char *why, size_t why_len);

/* Virtual time, the engine's own: starts at 0 and moves by clock_step and clock_set only. Who made
 * timers on it puts them off before the engine is freed. */
struct clock *sock_engine_clock(struct engine *engine);

/* Commands are taken from now on: after the machine is built. */
void sock_engine_start(struct engine *engine, const struct sock_events *events);

#endif
