/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How often the CPU is given away: each time while that pays, ever less while it does not. */
#define __XEN_TOOLS__ 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <time.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/xen.h>

#include "xen_yield.h"

static unsigned calls, sends, notifies;
static int answer, send_answer;
static uint32_t told[16]; /* ports, by whichever way */
static long now_us;

/* In the libraries' places. */
int xencall2(xencall_handle *call, unsigned int op, uint64_t arg1, uint64_t arg2) {
    assert_ptr_equal(call, (xencall_handle *)&calls);
    calls++;
    if (op != __HYPERVISOR_multicall) {
        assert_int_equal(op, __HYPERVISOR_sched_op);
        assert_int_equal(arg1, SCHEDOP_yield);
        assert_int_equal(arg2, 0);
        return answer;
    }
    multicall_entry_t *entry = (multicall_entry_t *)(uintptr_t)arg1;
    for (; arg2 > 1; arg2--, entry++) {
        assert_int_equal(entry->op, __HYPERVISOR_event_channel_op);
        assert_int_equal(entry->args[0], EVTCHNOP_send);
        told[sends++] = ((const evtchn_send_t *)(uintptr_t)entry->args[1])->port;
        entry->result = (xen_ulong_t)(long)send_answer;
    }
    assert_int_equal(entry->op, __HYPERVISOR_sched_op);
    assert_int_equal(entry->args[0], SCHEDOP_yield);
    entry->result = (xen_ulong_t)(long)answer;
    return 0;
}

int xenevtchn_notify(xenevtchn_handle *evtchn, evtchn_port_t port) {
    assert_ptr_equal(evtchn, (xenevtchn_handle *)&notifies);
    told[sends + notifies++] = port;
    return 0;
}

void *xencall_alloc_buffer(xencall_handle *call, size_t size) {
    (void)call;
    return malloc(size);
}

void xencall_free_buffer(xencall_handle *call, void *buffer) {
    (void)call;
    free(buffer);
}

int clock_gettime(clockid_t clock, struct timespec *ts) {
    (void)clock;
    *ts = (struct timespec){now_us / 1000000, now_us % 1000000 * 1000};
    return 0;
}

static int setup(void **state) {
    static struct xen_yield y;
    calls = sends = notifies = 0;
    answer = send_answer = 0;
    now_us = 5;
    assert_true(xen_yield_open(&y, (xencall_handle *)&calls, (xenevtchn_handle *)&notifies));
    *state = &y;
    return 0;
}

static int teardown(void **state) {
    xen_yield_close(*state);
    assert_false(xen_yield_ready(*state));
    return 0;
}

/* Wakes until the next one that tries. */
static unsigned pause_of(struct xen_yield *y) {
    unsigned n = 0;
    while (!xen_yield_try(y))
        n++;
    return n;
}

static void a_guest_that_comes_back_is_waited_for_each_time(void **state) {
    struct xen_yield *y = *state;
    for (unsigned i = 0; i < 100; i++) {
        assert_true(xen_yield_try(y));
        assert_true(xen_yield(y));
        xen_yield_learn(y, true);
    }
    assert_int_equal(calls, 100);
}

static void one_that_does_not_is_waited_for_ever_less(void **state) {
    static const unsigned pauses[] = {1, 3, 7, 15, 31, 63, 63, 63};
    struct xen_yield *y = *state;
    for (unsigned i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        xen_yield_learn(y, false);
        assert_false(xen_yield_ready(y));
        assert_int_equal(pause_of(y), pauses[i]);
        assert_true(xen_yield_ready(y));
    }
    xen_yield_learn(y, true); /* and one that came once is trusted again */
    assert_int_equal(pause_of(y), 0);
    xen_yield_learn(y, false);
    assert_int_equal(pause_of(y), 1);
}

/* Of a CPU whose TSC runs at 2 GHz since it was first looked at. */
static int64_t tick(const struct xen_yield *y) {
    return y->tick_first + 2000 * (now_us - y->us_first);
}

static void be_away(struct xen_yield *y, long us) {
    int64_t left = tick(y);
    now_us += us;
    xen_yield_was_away(y, left, tick(y));
}

/* A neighbour has kept the CPU for its time slice, and all of dom0 has waited: at most a hundredth
 * of the time goes so, however often the guest was back. */
static void one_that_costs_a_time_slice_is_seldom(void **state) {
    struct xen_yield *y = *state;
    for (unsigned i = 0; i < 3; i++) {
        be_away(y, 800); /* a guest at work: Xen would not have stopped a neighbour so soon */
        assert_true(xen_yield_ready(y));
        be_away(y, 10000);
        xen_yield_learn(y, true);
        assert_false(xen_yield_ready(y));
        now_us += 999999;
        xen_yield_wait_over(y, tick(y));
        assert_false(xen_yield_ready(y));
        now_us++;
        xen_yield_wait_over(y, tick(y));
        assert_true(xen_yield_ready(y));
    }
}

/* The same by the TSC that there is: as slow as it may be, so in less time than the clock says. */
static void a_wake_knows_when_the_wait_is_over(void **state) {
    struct xen_yield *y = *state;
    now_us += 1000;
    xen_yield_was_away(y, y->tick_first, y->tick_first + 1000000);
    assert_false(xen_yield_try(y));
    y->not_before -= INT64_C(101000000);
    assert_true(xen_yield_try(y));
}

/* Of a TSC that is another CPU's nothing follows that lasts. */
static void a_clock_that_jumps_back_is_no_absence(void **state) {
    struct xen_yield *y = *state;
    now_us += 1000;
    xen_yield_was_away(y, y->tick_first + INT64_C(1000000000000), y->tick_first);
    assert_true(xen_yield_ready(y));
}

static bool finds(void *arg) {
    (*(unsigned *)arg)++;
    return true;
}

static bool finds_nothing(void *arg) {
    (*(unsigned *)arg)++;
    return false;
}

static void a_look_follows_a_yield(void **state) {
    struct xen_yield *y = *state;
    unsigned looks = 0;
    assert_true(xen_yield_look(y, finds, &looks));
    assert_false(xen_yield_look(y, finds_nothing, &looks));
    assert_int_equal(looks, 2);
    assert_int_equal(calls, 2);
    assert_false(xen_yield_look(y, finds, &looks)); /* it does not pay now */
    assert_int_equal(looks, 2);
    assert_int_equal(calls, 2);
}

/* Answers go out with the yield that waits for what they lead to. */
static void who_is_told_by_a_yield(void **state) {
    struct xen_yield *y = *state;
    xen_yield_tell(y, 7);
    xen_yield_tell(y, 9);
    assert_int_equal(sends + notifies, 0);
    assert_true(xen_yield(y));
    assert_int_equal(calls, 1);
    assert_int_equal(sends, 2);
    assert_int_equal(told[0], 7);
    assert_int_equal(told[1], 9);
    assert_true(xen_yield(y)); /* and once */
    assert_int_equal(sends, 2);
    for (uint32_t port = 1; port <= 10; port++)
        xen_yield_tell(y, port);
    assert_int_equal(notifies, 2); /* more than fit into a call */
    assert_true(xen_yield(y));
    assert_int_equal(sends, 10);
    assert_int_equal(notifies, 2);
}

/* Without a yield to come nobody waits for one. */
static void who_is_told_without_one(void **state) {
    struct xen_yield *y = *state;
    xen_yield_tell(y, 7);
    xen_yield_tell_all(y);
    assert_int_equal(notifies, 1);
    assert_int_equal(told[0], 7);
    xen_yield_tell_all(y);
    assert_int_equal(notifies, 1);
    xen_yield_learn(y, false);
    xen_yield_tell(y, 8);
    assert_int_equal(notifies, 2);
    assert_int_equal(told[1], 8);
    assert_int_equal(calls, 0);
}

/* An event that Xen does not take from us that way is sent the other way, and so are those to
 * come. */
static void who_is_told_when_xen_refuses(void **state) {
    struct xen_yield *y = *state;
    send_answer = -1;
    xen_yield_tell(y, 7);
    assert_false(xen_yield(y));
    assert_int_equal(notifies, 1);
    xen_yield_tell(y, 8);
    assert_int_equal(notifies, 2);
    assert_false(xen_yield_ready(y));
}

static void a_refusal_is_the_last_word(void **state) {
    struct xen_yield *y = *state, none = {.call = NULL};
    answer = -1;
    assert_true(xen_yield_try(y));
    assert_false(xen_yield(y));
    xen_yield_learn(y, true);
    assert_false(xen_yield_ready(y));
    assert_false(xen_yield_try(y));
    assert_int_equal(calls, 1);
    assert_false(xen_yield_ready(&none));
    assert_false(xen_yield_try(&none));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_guest_that_comes_back_is_waited_for_each_time),
        T(one_that_does_not_is_waited_for_ever_less),
        T(one_that_costs_a_time_slice_is_seldom),
        T(a_wake_knows_when_the_wait_is_over),
        T(a_clock_that_jumps_back_is_no_absence),
        T(a_look_follows_a_yield),
        T(who_is_told_by_a_yield),
        T(who_is_told_without_one),
        T(who_is_told_when_xen_refuses),
        T(a_refusal_is_the_last_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
