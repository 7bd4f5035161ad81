/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vnc_pace.h"

#include "core/bits.h"
#include "core/clock.h"

enum {
    BUSY_MS = 16,    /* between two looks, at least */
    PROMPT_MS = 8,   /* and after what somebody did */
    TIMES = 5,       /* of the CPU time of a look are between it and the next, */
    TIMES_MS = 100,  /* up to this */
    SOON_MS = 5,     /* in which a guest answers, or finishes what it began */
    SHARE = 4,       /* of the time that a change took it may stay unseen, up to a second, */
    REST_SHARE = 45, /* and of the time of rest beyond that, */
    REST_MS = 3000,  /* up to this */
    SERIES_MS = 200, /* A first change may have others behind it: it counts as if the one before
                      * had been so long ago, however long the rest was. */
};

void vnc_pace_prompt(struct vnc_pace *pace, uint64_t now) {
    pace->active = now;
    pace->gap = 0;
    pace->prompted = true;
}

void vnc_pace_tell(struct vnc_pace *pace) {
    pace->told = true;
}

void vnc_pace_looked(struct vnc_pace *pace, uint64_t now, bool changed) {
    pace->looked = now;
    pace->prompted = pace->told = false;
    if (!changed)
        return;
    pace->gap = MIN(now - pace->active, SERIES_MS * NS_PER_MS);
    pace->active = now;
}

void vnc_pace_took(struct vnc_pace *pace, uint64_t ns) {
    pace->took = ns;
}

/* From one look to the next, if nobody does anything. */
static uint64_t busy(const struct vnc_pace *pace) {
    return MAX(BUSY_MS * NS_PER_MS, MIN(pace->took, TIMES_MS * NS_PER_MS / TIMES) * TIMES);
}

static uint64_t patience(const struct vnc_pace *pace, uint64_t now) {
    uint64_t quiet = now - pace->active + pace->gap;
    uint64_t wait = MIN(quiet / SHARE, NS_PER_SEC + quiet / REST_SHARE);
    return MIN(wait, REST_MS * NS_PER_MS);
}

uint64_t vnc_pace_next(const struct vnc_pace *pace, uint64_t now, unsigned blink_ms) {
    uint64_t since = now - pace->looked, wait = patience(pace, now);
    bool urgent = pace->prompted || pace->told;
    if (blink_ms)
        wait = MIN(wait, blink_ms * NS_PER_MS);
    if (pace->told)
        wait = 0;
    wait = MAX(wait, busy(pace));
    if (pace->prompted)
        wait = PROMPT_MS * NS_PER_MS;
    return MAX(wait - MIN(since, wait), (urgent ? SOON_MS : 1) * NS_PER_MS);
}
