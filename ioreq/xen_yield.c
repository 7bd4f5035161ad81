/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SCHEDOP_yield: xen/include/public/sched.h. See xen_yield.h. */
#include "xen_yield.h"

#include <stddef.h>
#include <xen/sched.h>

enum { DOUBT_MAX = 63 };

bool xen_yield_try(struct xen_yield *y) {
    bool ready = xen_yield_ready(y);
    if (y->skip)
        y->skip--;
    return ready;
}

bool xen_yield(struct xen_yield *y) {
    y->refused = xencall2(y->call, __HYPERVISOR_sched_op, SCHEDOP_yield, 0) != 0;
    return !y->refused;
}

void xen_yield_learn(struct xen_yield *y, bool came) {
    y->doubt = came ? 0 : y->doubt < DOUBT_MAX ? 2 * y->doubt + 1 : DOUBT_MAX;
    y->skip = y->doubt;
}
