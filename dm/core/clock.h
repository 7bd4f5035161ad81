/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest-visible time in ns, and the timers on it. The machine has one clock; it stands still while
 * the machine is paused. A timer that is off costs nothing; there are no periodic timers. One
 * thread.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_NEVER UINT64_MAX
#define NS_PER_SEC UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_US UINT64_C(1000)

struct clock;

struct timer {
    uint64_t deadline;          /* state: ns on the clock, or TIMER_NEVER */
    void (*expired)(void *dev); /* wires */
    void *dev;
    struct clock *clock;
    struct timer *next;
    bool queued;
};

/* `source` gives monotonic ns; the real one for Xen, the peer's for the socket engine. */
struct clock *clock_new(uint64_t (*source)(void *arg), void *arg);
void clock_free(struct clock *clock);

uint64_t clock_now(struct clock *clock);
void clock_pause(struct clock *clock, bool pause);

/* The earliest deadline, on the *source's* scale, or TIMER_NEVER (also while paused). */
uint64_t clock_next(const struct clock *clock);

/* Runs all timers that are due, earliest first. A timer set anew by its own callback to a time that
 * has come runs in the same call, but the call is bounded: it never runs a timer for ever. */
void clock_run(struct clock *clock);

/* When a device is made. Off until timer_at. */
void timer_init(struct timer *timer, struct clock *clock, void (*expired)(void *), void *dev);

void timer_at(struct timer *timer, uint64_t deadline);
void timer_after(struct timer *timer, uint64_t ns);
void timer_off(struct timer *timer);

static inline bool timer_is_on(const struct timer *timer) {
    return timer->deadline != TIMER_NEVER;
}

/* After a load put the deadline in the field and call this: it is queued again. */
void timer_restore(struct timer *timer);

#endif
