/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A limit is a bucket that empties at the rate `avg`. A request may go when the bucket is not
 * fuller than a burst allows, and then puts into it what it costs, even if that is more than there
 * is room for: the next one waits the longer. The level is kept as the time at which the bucket
 * will be empty, so nothing has to be done while nothing happens. See throttle.h.
 */
#include "throttle.h"

#include <stddef.h>

#include "bits.h"
#include "mem.h"

/* More than the largest request has of anything; keeps products in 64 bits. */
#define UNITS_MAX (UINT64_C(1) << 33)
#define WAIT_MAX (UINT64_C(3600) * NS_PER_SEC)

struct bucket {
    uint64_t rate;     /* a second; 0: no limit */
    uint64_t room;     /* ns that it may take to empty when one more request goes */
    uint64_t empty_at; /* ns on the clock */
    uint64_t rest;     /* of the last division, in units of 1/rate ns */
};

struct waiting {
    struct block_req *first, **end;
};

struct throttle {
    struct block *block;
    struct clock *clock;
    struct timer timer;
    struct throttle_limits limits;
    struct bucket average[THROTTLE_WHATS][THROTTLE_WHOSES], burst[THROTTLE_WHATS][THROTTLE_WHOSES];
    struct waiting waiting[2]; /* reads, writes */
    bool write_next, hold_nothing;
};

/* ---- buckets ---- */

static uint64_t time_of(uint64_t units, uint64_t rate) {
    if (units <= UINT64_MAX / NS_PER_SEC)
        return units * NS_PER_SEC / rate;
    return MIN(units / rate, UINT64_C(1) << 32) * NS_PER_SEC;
}

static uint64_t wait_of(const struct bucket *b, uint64_t now) {
    return b->rate && b->empty_at > now + b->room ? b->empty_at - now - b->room : 0;
}

static void fill(struct bucket *b, uint64_t now, uint64_t units) {
    if (!b->rate)
        return;
    uint64_t work = units * NS_PER_SEC + b->rest;
    b->empty_at = MAX(b->empty_at, now) + work / b->rate;
    b->rest = work % b->rate;
}

/* Which buckets a request has to do with. */
static bool concerns(enum throttle_whose whose, bool write) {
    return whose == THROTTLE_TOTAL || (whose == THROTTLE_WRITE) == write;
}

static uint64_t wait_for(const struct throttle *t, bool write, uint64_t now) {
    uint64_t wait = 0;
    for (unsigned what = 0; what < THROTTLE_WHATS; what++)
        for (unsigned whose = 0; whose < THROTTLE_WHOSES; whose++)
            if (concerns(whose, write)) {
                wait = MAX(wait, wait_of(&t->average[what][whose], now));
                wait = MAX(wait, wait_of(&t->burst[what][whose], now));
            }
    return wait;
}

static void charge(struct throttle *t, const struct block_req *req, uint64_t now) {
    uint64_t units[THROTTLE_WHATS] = {MIN((uint64_t)req->len, UNITS_MAX), 1};
    if (t->limits.iops_size && req->len)
        units[THROTTLE_IOPS] = (units[THROTTLE_BPS] - 1) / t->limits.iops_size + 1;
    for (unsigned what = 0; what < THROTTLE_WHATS; what++)
        for (unsigned whose = 0; whose < THROTTLE_WHOSES; whose++)
            if (concerns(whose, req->op != BLOCK_READ)) {
                fill(&t->average[what][whose], now, units[what]);
                fill(&t->burst[what][whose], now, units[what]);
            }
}

/* ---- what waits ---- */

static void pass_on(struct throttle *t, struct block_req *req, uint64_t now) {
    charge(t, req, now);
    t->block->ops->submit(t->block, req);
}

static void pass_first(struct throttle *t, bool write, uint64_t now) {
    struct waiting *w = &t->waiting[write];
    struct block_req *req = w->first;
    w->first = req->next;
    if (!w->first)
        w->end = &w->first;
    pass_on(t, req, now);
}

/* Reads and writes in turn, as far as their limits let them. */
static void run(void *arg) {
    struct throttle *t = arg;
    uint64_t now = clock_now(t->clock), wait = WAIT_MAX;
    unsigned stuck = 0;
    while (stuck < 2) {
        bool write = t->write_next;
        t->write_next = !write;
        stuck++;
        if (!t->waiting[write].first)
            continue;
        uint64_t its = t->hold_nothing ? 0 : wait_for(t, write, now);
        if (!its) {
            pass_first(t, write, now);
            stuck = 0;
            wait = WAIT_MAX;
        } else {
            wait = MIN(wait, its);
        }
    }
    if (t->waiting[0].first || t->waiting[1].first)
        timer_at(&t->timer, now + wait);
    else
        timer_off(&t->timer);
}

void throttle_submit(struct throttle *t, struct block_req *req) {
    bool write = req->op != BLOCK_READ;
    uint64_t now = clock_now(t->clock);
    struct waiting *w = &t->waiting[write];
    if (req->op == BLOCK_FLUSH) {
        t->block->ops->submit(t->block, req);
        return;
    }
    if (t->hold_nothing || (!w->first && !wait_for(t, write, now))) {
        pass_on(t, req, now);
        return;
    }
    req->next = NULL;
    *w->end = req;
    w->end = &req->next;
    if (w->first == req) /* those behind it wait no less */
        run(t);
}

void throttle_hold_nothing(struct throttle *t, bool yes) {
    t->hold_nothing = yes;
    if (yes)
        run(t);
}

/* ---- limits ---- */

static void set_bucket(struct bucket *b, uint64_t rate, uint64_t room, uint64_t now) {
    b->rate = rate;
    b->room = room;
    b->empty_at = MIN(b->empty_at, now); /* what was owed at another rate is forgiven */
    b->rest = 0;
}

static void set_limits(struct throttle *t, const struct throttle_limits *limits) {
    uint64_t now = clock_now(t->clock);
    t->limits = *limits;
    for (unsigned what = 0; what < THROTTLE_WHATS; what++) {
        for (unsigned whose = 0; whose < THROTTLE_WHOSES; whose++) {
            const struct throttle_limit *l = &limits->limit[what][whose];
            uint64_t seconds = MAX(l->length, 1), tenth = NS_PER_SEC / 10;
            uint64_t room = !l->avg ? 0 : l->max ? time_of(l->max * seconds, l->avg) : tenth;
            set_bucket(&t->average[what][whose], l->avg, room, now);
            set_bucket(&t->burst[what][whose], seconds > 1 ? l->max : 0, tenth, now);
        }
    }
}

static bool any(const struct throttle_limits *limits) {
    for (unsigned what = 0; what < THROTTLE_WHATS; what++)
        for (unsigned whose = 0; whose < THROTTLE_WHOSES; whose++)
            if (limits->limit[what][whose].avg)
                return true;
    return false;
}

void block_throttle(struct block *block, struct clock *clock,
                    const struct throttle_limits *limits) {
    struct throttle *t = block->throttle;
    if (!any(limits)) {
        if (!t)
            return;
        throttle_hold_nothing(t, true);
        throttle_free(t);
        return;
    }
    if (!t) {
        t = mem_new(sizeof(*t));
        t->block = block;
        t->clock = clock;
        timer_init(&t->timer, clock, run, t);
        for (unsigned i = 0; i < 2; i++)
            t->waiting[i].end = &t->waiting[i].first;
        block->throttle = t;
    }
    set_limits(t, limits);
    run(t);
}

void throttle_free(struct throttle *t) {
    timer_off(&t->timer);
    t->block->throttle = NULL;
    mem_free(t);
}

const char *throttle_name(enum throttle_what what, enum throttle_whose whose) {
    static const char *const names[THROTTLE_WHATS][THROTTLE_WHOSES] = {
        {"bps-total", "bps-read", "bps-write"}, {"iops-total", "iops-read", "iops-write"}};
    return names[what][whose];
}

const char *throttle_check(const struct throttle_limits *limits) {
    const uint64_t most = UINT64_C(1) << 50, longest = 3600;
    for (unsigned what = 0; what < THROTTLE_WHATS; what++) {
        const struct throttle_limit *l = limits->limit[what];
        if (l[THROTTLE_TOTAL].avg && (l[THROTTLE_READ].avg || l[THROTTLE_WRITE].avg))
            return "a limit of reads or of writes can't be had together with one of both";
        for (unsigned whose = 0; whose < THROTTLE_WHOSES; whose++, l++) {
            if ((l->max || l->length) && !l->avg)
                return "a burst (max) needs a limit that it goes beyond";
            if (l->max && l->max < l->avg)
                return "a burst (max) is no less than the limit that it goes beyond";
            if (l->length > 1 && !l->max)
                return "the length of a burst needs its rate (max)";
            if (l->avg > most || l->max > most || l->length > longest)
                return "the largest limit is 2^50 a second, the longest burst an hour";
        }
    }
    return NULL;
}
