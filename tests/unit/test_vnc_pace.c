/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the guest's screen is looked at: see vnc_pace.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "vnc_pace.h"

static struct vnc_pace pace;
static uint64_t now;

static int setup(void **state) {
    (void)state;
    memset(&pace, 0, sizeof(pace));
    now = 1000 * NS_PER_SEC;
    vnc_pace_prompt(&pace, now);
    vnc_pace_looked(&pace, now, true);
    return 0;
}

static unsigned next_ms(void) {
    return (unsigned)(vnc_pace_next(&pace, now, 0) / NS_PER_MS);
}

/* Looks as often as it should for so long; `every`: the screen changes, in ms, 0: it does not. How
 * often that was; *late: the longest that a change had to wait to be seen. */
static unsigned looks_in(unsigned ms, unsigned every, unsigned *late) {
    uint64_t end = now + ms * NS_PER_MS, change = now + every * NS_PER_MS;
    unsigned looks = 0;
    for (; now < end; looks++) {
        now += vnc_pace_next(&pace, now, 0);
        bool changed = every && now >= change;
        if (changed && late && (now - change) / NS_PER_MS > *late)
            *late = (unsigned)((now - change) / NS_PER_MS);
        while (every && change <= now)
            change += every * NS_PER_MS;
        vnc_pace_looked(&pace, now, changed);
    }
    return looks;
}

/* The packaged QEMU waits 50 ms longer each time: 10 looks from the first second to the sixth, 36
 * in the minute after, then 20 a minute. */
static void at_rest(void **state) {
    (void)state;
    assert_int_equal(next_ms(), 16);
    assert_in_range(looks_in(1000, 0, NULL), 10, 20);
    assert_in_range(looks_in(5000, 0, NULL), 7, 10);
    assert_in_range(looks_in(60000, 0, NULL), 33, 36);
    looks_in(30000, 0, NULL);
    assert_in_range(looks_in(60000, 0, NULL), 19, 21);
    assert_int_equal(next_ms(), 3000);
}

static void what_is_slow_may_be_a_quarter_slower(void **state) {
    for (unsigned ms = 120; ms < 4000; ms += 60) {
        setup(state);
        looks_in(ms, 0, NULL);
        assert_in_range(next_ms(), 16, ms / 4 + ms / 16 + 1);
    }
}

static void pictures_are_seen_each(void **state) {
    unsigned late = 0;
    assert_in_range(looks_in(2000, 16, NULL), 120, 126);
    setup(state);
    assert_in_range(looks_in(2000, 40, &late), 90, 126);
    assert_true(late <= 20);
    setup(state);
    looks_in(200, 100, NULL); /* until it is known that they come so */
    late = 0;
    assert_in_range(looks_in(2000, 100, &late), 60, 126);
    assert_true(late <= 50);
}

/* Linux' framebuffer console: on for 200 ms, off for 200 ms. */
static void a_cursor_costs_few_looks(void **state) {
    unsigned late = 0;
    (void)state;
    looks_in(1000, 200, NULL);
    assert_in_range(looks_in(2000, 200, &late), 20, 40);
    assert_true(late <= 100);
}

/* A change after a long rest: the next soon after it is not long unseen. */
static void the_first_of_a_series(void **state) {
    (void)state;
    looks_in(100000, 0, NULL);
    vnc_pace_looked(&pace, now, true);
    assert_int_equal(next_ms(), 50);
    now += 50 * NS_PER_MS;
    vnc_pace_looked(&pace, now, true);
    assert_int_equal(next_ms(), 16);
}

static void who_does_something_sees_it(void **state) {
    (void)state;
    looks_in(100000, 0, NULL);
    now += NS_PER_SEC;
    assert_int_equal(next_ms(), 2000);
    vnc_pace_prompt(&pace, now);
    assert_int_equal(next_ms(), 5);
    now += 5 * NS_PER_MS;
    vnc_pace_looked(&pace, now, false);
    assert_int_equal(next_ms(), 16); /* and if the guest is slower: as after a change */
    assert_in_range(looks_in(1000, 0, NULL), 10, 22);
    vnc_pace_looked(&pace, now, true);
    vnc_pace_prompt(&pace, now); /* many a time in a row */
    assert_int_equal(next_ms(), 8);
}

static void what_a_device_tells_is_seen(void **state) {
    (void)state;
    looks_in(100000, 0, NULL);
    vnc_pace_tell(&pace);
    assert_int_equal(next_ms(), 16); /* of a picture that was looked at just now */
    now += NS_PER_SEC;
    assert_int_equal(next_ms(), 5);
    now += 5 * NS_PER_MS;
    vnc_pace_looked(&pace, now, false); /* it was invisible */
    assert_int_equal(next_ms(), 3000);
}

/* A guest that draws all the time has four fifths of it for itself, and people don't wait. */
static void looks_that_take_long(void **state) {
    (void)state;
    vnc_pace_took(&pace, 3 * NS_PER_MS);
    assert_int_equal(next_ms(), 16); /* less than a fifth anyway */
    vnc_pace_took(&pace, 6 * NS_PER_MS);
    assert_int_equal(next_ms(), 30);
    assert_in_range(looks_in(3000, 10, NULL), 99, 101);
    assert_int_equal(vnc_pace_next(&pace, now, 1) / NS_PER_MS, 30);
    vnc_pace_tell(&pace);
    assert_int_equal(next_ms(), 30);
    vnc_pace_prompt(&pace, now);
    assert_int_equal(next_ms(), 8);
    vnc_pace_looked(&pace, now, true);
    vnc_pace_took(&pace, NS_PER_SEC); /* ten a second are seen of anything */
    assert_int_equal(next_ms(), 100);
    looks_in(100000, 0, NULL);
    assert_int_equal(next_ms(), 3000); /* and at rest all is as ever */
}

static void blinks(void **state) {
    (void)state;
    looks_in(100000, 0, NULL);
    assert_int_equal(vnc_pace_next(&pace, now, 266) / NS_PER_MS, 266);
    assert_int_equal(vnc_pace_next(&pace, now, 1) / NS_PER_MS, 16);
    now += 200 * NS_PER_MS;
    assert_int_equal(vnc_pace_next(&pace, now, 266) / NS_PER_MS, 66);
}

int main(void) {
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(at_rest), T(what_is_slow_may_be_a_quarter_slower), T(pictures_are_seen_each),
        T(a_cursor_costs_few_looks), T(the_first_of_a_series), T(who_does_something_sees_it),
        T(what_a_device_tells_is_seen), T(looks_that_take_long), T(blinks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
