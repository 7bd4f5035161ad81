/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCHEDOP_yield: xen/include/public/sched.h; EVTCHNOP_send: event_channel.h; both in one multicall:
 * xen.h. See xen_yield.h.
 */
#define __XEN_TOOLS__ 1 /* hypercalls as they are numbered since Xen 3.1 */
#include "xen_yield.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/xen.h>

#include "core/bits.h"

static_assert(__HYPERVISOR_sched_op == 29 && __HYPERVISOR_event_channel_op == 32,
              "these are those of an older Xen, with other arguments");

/* AWAY_US: just less than Xen leaves the CPU to whoever wants it for longer, its sched_ratelimit_us
 * of 1000. */
enum { DOUBT_MAX = 63, AWAY_US = 900, AWAY_SHARE = 100, TELL_MAX = 8 };
enum { AWAY_TICKS = AWAY_US * 1000 }; /* no TSC is slower than 1 GHz */

/* What a multicall names lies in memory of the library, which the hypervisor can always read. */
struct xen_yield_call {
    multicall_entry_t entry[TELL_MAX + 1];
    evtchn_send_t send[TELL_MAX];
};

static int64_t now_us(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

bool xen_yield_open(struct xen_yield *y, xencall_handle *call, xenevtchn_handle *evtchn) {
    struct xen_yield_call *buffer = call ? xencall_alloc_buffer(call, sizeof(*buffer)) : NULL;
    if (!buffer)
        return false;
    memset(buffer, 0, sizeof(*buffer));
    *y = (struct xen_yield){.call = call, .evtchn = evtchn, .buffer = buffer,
                            .tick_first = (int64_t)__rdtsc(), .us_first = now_us()};
    return true;
}

void xen_yield_close(struct xen_yield *y) {
    if (y->buffer)
        xencall_free_buffer(y->call, y->buffer);
    y->buffer = NULL;
    y->call = NULL;
}

void xen_yield_wait_over(struct xen_yield *y, int64_t tick) {
    if (tick >= y->not_before)
        y->not_before = 0;
}

bool xen_yield_due(struct xen_yield *y) {
    if (y->not_before)
        xen_yield_wait_over(y, (int64_t)__rdtsc());
    return xen_yield_ready(y);
}

void xen_yield_tell(struct xen_yield *y, evtchn_port_t port) {
    if (!xen_yield_ready(y) || y->told == TELL_MAX)
        xenevtchn_notify(y->evtchn, port);
    else
        y->buffer->send[y->told++].port = port;
}

void xen_yield_tell_all(struct xen_yield *y) {
    for (unsigned i = 0; i < y->told; i++)
        xenevtchn_notify(y->evtchn, y->buffer->send[i].port);
    y->told = 0;
}

/* False: Xen did not do all of it. */
static bool tell_and_yield(struct xen_yield *y) {
    multicall_entry_t *entry = y->buffer->entry;
    for (unsigned i = 0; i < y->told; i++)
        entry[i] = (multicall_entry_t){.op = __HYPERVISOR_event_channel_op,
                                       .args = {EVTCHNOP_send, (uintptr_t)&y->buffer->send[i]}};
    entry[y->told] =
        (multicall_entry_t){.op = __HYPERVISOR_sched_op, .args = {SCHEDOP_yield}};
    bool done = !xencall2(y->call, __HYPERVISOR_multicall, (uintptr_t)entry, y->told + 1);
    for (unsigned i = 0; i <= y->told; i++)
        done = done && !entry[i].result;
    if (done)
        y->told = 0;
    return done;
}

void xen_yield_was_away(struct xen_yield *y, int64_t left, int64_t back) {
    int64_t away = back - left;
    if (away < AWAY_TICKS)
        return;
    double ticks_a_us = (double)(back - y->tick_first) / (double)(now_us() - y->us_first);
    if ((double)away > AWAY_US * ticks_a_us)
        y->not_before = back + AWAY_SHARE * away;
}

bool xen_yield(struct xen_yield *y) {
    int64_t left = (int64_t)__rdtsc();
    y->refused = y->told ? !tell_and_yield(y)
                         : xencall2(y->call, __HYPERVISOR_sched_op, SCHEDOP_yield, 0) != 0;
    xen_yield_was_away(y, left, (int64_t)__rdtsc());
    xen_yield_tell_all(y);
    return !y->refused;
}

void xen_yield_learn(struct xen_yield *y, bool came) {
    y->doubt = came ? 0 : MIN(2 * y->doubt + 1, (unsigned)DOUBT_MAX);
    y->skip = y->doubt;
}

bool xen_yield_look(struct xen_yield *y, bool (*look)(void *arg), void *arg) {
    if (!xen_yield_ready(y) || !xen_yield(y))
        return false;
    bool came = look(arg);
    xen_yield_learn(y, came);
    return came;
}
