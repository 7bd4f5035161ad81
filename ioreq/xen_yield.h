/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that was answered often asks again at once: a driver's accesses and a PV disk's requests
 * come in series. Where the guest and dom0 share a CPU, a device model that sleeps after each
 * answer makes dom0's kernel go to rest, be interrupted, wake the device model and be asked for the
 * event: up to half of what an access costs. So the hypervisor is asked to give the CPU to the
 * guest, which dom0's kernel doesn't notice, and the shared page is looked at before anybody
 * sleeps.
 *
 * Where nobody waits for the CPU, Xen gives it back at once. A look that finds nothing makes the
 * next ones rarer, down to one in 64 wakes, so that guests that don't come back, or come from CPUs
 * of their own, cost next to nothing. Who has work of its own, be it another CPU of the guest that
 * spins, keeps the CPU for Xen's time slice, tens of milliseconds and never less than one, in which
 * the guest and all of dom0 on this CPU wait: after an absence as long as that there is none for a
 * hundred times as long, whatever was found. A guest that takes a burst of frames comes back after
 * hundreds of microseconds. dom0's kernel takes the time that others had for the
 * device model's. Xen takes no such call from a restricted device model.
 *
 * Absences are measured by the TSC: dom0's clock is a system call unless Xen itself runs on the
 * TSC, and two of them were a tenth of an access. The clock says only how fast the TSC is.
 */
#ifndef IOREQ_XEN_YIELD_H
#define IOREQ_XEN_YIELD_H

#include <stdbool.h>
#include <stdint.h>
#include <xencall.h>
#include <xenevtchn.h>

struct xen_yield_call;

struct xen_yield {
    xencall_handle *call; /* NULL: it can't be done */
    xenevtchn_handle *evtchn;
    struct xen_yield_call *buffer;
    unsigned told; /* ports in it */
    bool refused;
    unsigned doubt, skip;
    int64_t not_before; /* tick of the TSC; 0: now */
    int64_t tick_first, us_first; /* at the same time, the second on CLOCK_MONOTONIC */
};

static inline bool xen_yield_ready(const struct xen_yield *y) {
    return y->call && !y->refused && !y->skip && !y->not_before;
}

/* False: it can't be done, for want of memory. Neither handle becomes its own. */
bool xen_yield_open(struct xen_yield *y, xencall_handle *call, xenevtchn_handle *evtchn);
void xen_yield_close(struct xen_yield *y);

bool xen_yield_due(struct xen_yield *y);

/* Once a wake: whether it is worth a try this time. */
static inline bool xen_yield_try(struct xen_yield *y) {
    if (!y->skip)
        return xen_yield_due(y);
    y->skip--;
    return false;
}

/*
 * The event goes out with the next yield, by the same hypercall, which is to follow at once; or now
 * where none will.
 */
void xen_yield_tell(struct xen_yield *y, evtchn_port_t port);
/* What was to go out with a yield goes out without. */
void xen_yield_tell_all(struct xen_yield *y);
/* Lets others have this CPU. False: Xen does not do that for us. */
bool xen_yield(struct xen_yield *y);
/* By ticks of the TSC: from when to when the CPU was away; what time it is for those who wait
 * after an absence that was too long. */
void xen_yield_was_away(struct xen_yield *y, int64_t left, int64_t back);
void xen_yield_wait_over(struct xen_yield *y, int64_t tick);
/* Whether the guest had come back meanwhile. */
void xen_yield_learn(struct xen_yield *y, bool came);
/*
 * All of it, before a loop sleeps: the CPU is given away, if it is worth it, and `look` says
 * whether there is work now. False: sleep.
 */
bool xen_yield_look(struct xen_yield *y, bool (*look)(void *arg), void *arg);

#endif
