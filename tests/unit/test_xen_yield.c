/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How often the CPU is given away: each time while that pays, ever less while it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>
#include <xen/sched.h>

#include "xen_yield.h"

static unsigned calls;
static int answer;
static long now_us, absence_us; /* how long a yield takes */

/* In the library's place. */
int xencall2(xencall_handle *call, unsigned int op, uint64_t arg1, uint64_t arg2) {
    assert_ptr_equal(call, (xencall_handle *)&calls);
    assert_int_equal(op, __HYPERVISOR_sched_op);
    assert_int_equal(arg1, SCHEDOP_yield);
    assert_int_equal(arg2, 0);
    calls++;
    now_us += absence_us;
    return answer;
}

int clock_gettime(clockid_t clock, struct timespec *ts) {
    (void)clock;
    *ts = (struct timespec){now_us / 1000000, now_us % 1000000 * 1000};
    return 0;
}

static int setup(void **state) {
    static struct xen_yield y;
    y = (struct xen_yield){.call = (xencall_handle *)&calls};
    calls = 0;
    answer = 0;
    absence_us = 40;
    now_us = 5;
    *state = &y;
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

/* A neighbour has kept the CPU for its time slice, and all of dom0 has waited: at most a hundredth
 * of the time goes so, however often the guest was back. */
static void one_that_costs_a_time_slice_is_seldom(void **state) {
    struct xen_yield *y = *state;
    for (unsigned i = 0; i < 3; i++) {
        absence_us = 10000;
        assert_true(xen_yield_try(y));
        assert_true(xen_yield(y));
        xen_yield_learn(y, true);
        now_us += 999999;
        assert_false(xen_yield_try(y));
        assert_false(xen_yield_ready(y));
        now_us++;
        absence_us = 40;
        assert_true(xen_yield_try(y));
        assert_true(xen_yield(y));
        xen_yield_learn(y, true);
    }
}

/* Half a millisecond is a guest at work: Xen would not have stopped a neighbour so soon. */
static void one_that_works_before_it_comes_back_is_waited_for(void **state) {
    struct xen_yield *y = *state;
    absence_us = 800;
    a_guest_that_comes_back_is_waited_for_each_time(state);
    absence_us = 1000;
    assert_true(xen_yield(y));
    assert_false(xen_yield_try(y));
}

static bool finds(void *arg) {
    (*(unsigned *)arg)++;
    return true;
}

/* Looks in a row end: others get their turn; and at once, where one was too long. */
static void looks_in_a_row_end(void **state) {
    struct xen_yield *y = *state;
    unsigned looks = 0;
    while (xen_yield_look(y, finds, &looks))
        ;
    assert_int_equal(looks, 32);
    assert_int_equal(calls, 32);
    y->looks = looks = 0;
    absence_us = 10000;
    while (xen_yield_look(y, finds, &looks))
        ;
    assert_int_equal(looks, 1);
    assert_int_equal(calls, 33);
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
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(a_guest_that_comes_back_is_waited_for_each_time),
        T(one_that_does_not_is_waited_for_ever_less),
        T(one_that_costs_a_time_slice_is_seldom),
        T(one_that_works_before_it_comes_back_is_waited_for),
        T(looks_in_a_row_end),
        T(a_refusal_is_the_last_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
