/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop's owner side: what main does with the loop that core/loop.h shows to everybody
 * else. One thread.
 */
#ifndef HOST_LOOP_H
#define HOST_LOOP_H

#include <stdint.h>

#include "core/clock.h"
#include "core/loop.h"

#define LOOP_FOREVER UINT64_MAX

/* NULL: errno says why. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* CLOCK_MONOTONIC in ns: the source for clock_new. */
uint64_t loop_monotonic(void *unused);

/* Sleeps until there is something to do, does it, and so on until loop_stop. The clock's source
 * must be loop_monotonic; NULL: somebody else runs the clock, as the peer of the socket engine
 * does. */
void loop_run(struct loop *loop, struct clock *clock);
void loop_stop(struct loop *loop);

/*
 * One turn: descriptors, then timers that are due, then deferred tasks; sleeps for at most `ns`
 * when there are none. May be called inside a callback (a drain); the callback's own descriptor is
 * then watched as ever. Returns how many descriptors were ready.
 */
unsigned loop_once(struct loop *loop, struct clock *clock, uint64_t ns);

/* From now on the signal does not interrupt anything, but calls fn in the loop. Threads made after
 * this inherit it. False: errno says why. */
bool loop_signal(struct loop *loop, int signo, void (*fn)(void *arg, int signo), void *arg);

#endif
