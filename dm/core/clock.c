/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time and timers: a list sorted by deadline. A machine has a dozen timers, of which two or three
 * are on, so a list beats a heap. See clock.h.
 */
#include "clock.h"

#include <stddef.h>

#include "mem.h"

struct clock {
    uint64_t (*source)(void *arg);
    void *arg;
    uint64_t behind;    /* source minus guest time */
    uint64_t frozen;    /* guest time while paused */
    bool paused;
    struct timer *head;
};

struct clock *clock_new(uint64_t (*source)(void *), void *arg) {
    struct clock *clock = mem_new(sizeof(*clock));
    clock->source = source;
    clock->arg = arg;
    return clock;
}

void clock_free(struct clock *clock) {
    mem_free(clock);
}

uint64_t clock_now(struct clock *clock) {
    return clock->paused ? clock->frozen : clock->source(clock->arg) - clock->behind;
}

void clock_pause(struct clock *clock, bool pause) {
    if (pause == clock->paused)
        return;
    if (pause)
        clock->frozen = clock_now(clock);
    else
        clock->behind = clock->source(clock->arg) - clock->frozen;
    clock->paused = pause;
}

uint64_t clock_next(const struct clock *clock) {
    if (clock->paused || !clock->head)
        return TIMER_NEVER;
    uint64_t at = clock->head->deadline + clock->behind;
    return at < clock->behind ? TIMER_NEVER : at;
}

void clock_run(struct clock *clock) {
    if (clock->paused)
        return;
    uint64_t now = clock_now(clock);
    enum { RUN_MAX = 1024 };
    for (unsigned i = 0; i < RUN_MAX && clock->head && clock->head->deadline <= now; i++) {
        struct timer *timer = clock->head;
        timer_off(timer);
        timer->expired(timer->dev);
    }
}

void timer_init(struct timer *timer, struct clock *clock, void (*expired)(void *), void *dev) {
    *timer = (struct timer){
        .deadline = TIMER_NEVER, .expired = expired, .dev = dev, .clock = clock};
}

static void timer_unlink(struct timer *timer) {
    if (!timer->queued)
        return;
    struct timer **p = &timer->clock->head;
    while (*p != timer)
        p = &(*p)->next;
    *p = timer->next;
    timer->queued = false;
}

void timer_restore(struct timer *timer) {
    timer_unlink(timer);
    if (timer->deadline == TIMER_NEVER)
        return;
    struct timer **p = &timer->clock->head;
    while (*p && (*p)->deadline <= timer->deadline)
        p = &(*p)->next;
    timer->next = *p;
    *p = timer;
    timer->queued = true;
}

void timer_at(struct timer *timer, uint64_t deadline) {
    timer->deadline = deadline;
    timer_restore(timer);
}

void timer_after(struct timer *timer, uint64_t ns) {
    timer_at(timer, clock_now(timer->clock) + ns);
}

void timer_off(struct timer *timer) {
    timer->deadline = TIMER_NEVER;
    timer_unlink(timer);
}
