/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits on what a disk may do in a second: requests and bytes, of reads, of writes, of both. They
 * belong to the image, so the emulated drive and the PV backend share them. What has to wait is
 * kept here, in order, reads and writes in turn; one timer is on while something waits. Pure.
 */
#ifndef CORE_THROTTLE_H
#define CORE_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "block.h"
#include "clock.h"

enum throttle_what { THROTTLE_BPS, THROTTLE_IOPS, THROTTLE_WHATS };
enum throttle_whose { THROTTLE_TOTAL, THROTTLE_READ, THROTTLE_WRITE, THROTTLE_WHOSES };

struct throttle_limit {
    uint64_t avg;    /* a second, in the long run; 0: no limit */
    uint64_t max;    /* a second, in a burst; 0: bursts of a tenth of a second at most */
    uint64_t length; /* seconds that a burst at `max` may last; 0 is 1 */
};

/* Discards count as writes; flushes are not limited. */
struct throttle_limits {
    struct throttle_limit limit[THROTTLE_WHATS][THROTTLE_WHOSES];
    uint64_t iops_size; /* each started piece of so many bytes counts as a request; 0: all of it */
};

/* NULL: they make sense together. Otherwise a sentence. */
const char *throttle_check(const struct throttle_limits *limits);

/* "bps-total", ... for messages, and what options are called: of the enum pair. */
const char *throttle_name(enum throttle_what what, enum throttle_whose whose);

/* From now on these, which throttle_check likes; what waits is looked at anew. All 0: none, and no
 * cost. */
void block_throttle(struct block *block, struct clock *clock,
                    const struct throttle_limits *limits);

/* block.c's: */
void throttle_submit(struct throttle *throttle, struct block_req *req);
/* Passes on all that waits; until it is told otherwise nothing waits. */
void throttle_hold_nothing(struct throttle *throttle, bool yes);
void throttle_free(struct throttle *throttle); /* nothing waits */

#endif
