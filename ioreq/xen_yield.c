/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SCHEDOP_yield: xen/include/public/sched.h. See xen_yield.h. */
#include "xen_yield.h"

#include <stddef.h>
#include <time.h>
#include <xen/sched.h>

#include "core/bits.h"

/* AWAY_US: just less than Xen leaves the CPU to whoever wants it for longer, its sched_ratelimit_us
 * of 1000. */
enum { DOUBT_MAX = 63, LOOKS_MAX = 32, AWAY_US = 900, AWAY_SHARE = 100 };

static int64_t now_us(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

bool xen_yield_try(struct xen_yield *y) {
    if (y->not_before && now_us() >= y->not_before)
        y->not_before = 0;
    bool ready = xen_yield_ready(y);
    if (y->skip)
        y->skip--;
    return ready;
}

bool xen_yield(struct xen_yield *y) {
    int64_t left = now_us();
    y->refused = xencall2(y->call, __HYPERVISOR_sched_op, SCHEDOP_yield, 0) != 0;
    int64_t back = now_us();
    if (back - left > AWAY_US)
        y->not_before = back + AWAY_SHARE * (back - left);
    return !y->refused;
}

void xen_yield_learn(struct xen_yield *y, bool came) {
    y->doubt = came ? 0 : MIN(2 * y->doubt + 1, (unsigned)DOUBT_MAX);
    y->skip = y->doubt;
}

bool xen_yield_look(struct xen_yield *y, bool (*look)(void *arg), void *arg) {
    if (y->looks++ >= LOOKS_MAX || !xen_yield_ready(y) || !xen_yield(y))
        return false;
    bool came = look(arg);
    xen_yield_learn(y, came);
    return came;
}
