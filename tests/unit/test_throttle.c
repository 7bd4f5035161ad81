/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits of a disk on a clock that stands still until told: rates are exact. The rules are those
 * that administrators know from QEMU: a bucket that leaks at the rate, a tenth of a second of burst
 * where none is given, whole seconds of it where one is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/throttle.h"
#include "fixture.h"

enum { MANY = 4000, DISK = 16 << 20 };

static struct fixture fx;
static struct block *disk;
static struct block_req reqs[MANY];
static struct iovec iovs[MANY];
static uint8_t buf[DISK];
static unsigned order[MANY], finished;

static void done(struct block_req *req, int err) {
    assert_int_equal(err, 0);
    order[finished++] = (unsigned)(req - reqs);
}

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    disk = fixture_block(&fx, DISK, false);
    finished = 0;
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    fixture_done(&fx);
    return 0;
}

static void limit(enum throttle_what what, enum throttle_whose whose, uint64_t avg, uint64_t max,
                  uint64_t length) {
    struct throttle_limits limits = {0};
    limits.limit[what][whose] = (struct throttle_limit){avg, max, length};
    assert_null(throttle_check(&limits));
    block_throttle(disk, fx.clock, &limits);
}

static void submit(unsigned from, unsigned n, enum block_op op, size_t len) {
    for (unsigned i = from; i < from + n; i++) {
        iovs[i] = (struct iovec){buf, len};
        reqs[i] = (struct block_req){.op = op, .len = len, .iov = &iovs[i],
                                     .niov = op == BLOCK_FLUSH ? 0 : 1, .done = done};
        block_submit(disk, &reqs[i]);
    }
}

/* How many were done in so many ns from now. */
static unsigned done_in(uint64_t ns) {
    unsigned before = finished;
    fixture_sleep(&fx, ns);
    fixture_io(&fx);
    return finished - before;
}

static void costs_nothing_without_limits(void **unused) {
    (void)unused;
    const struct throttle_limits none = {0};
    block_throttle(disk, fx.clock, &none);
    assert_null(disk->throttle);
    submit(0, 100, BLOCK_READ, 512);
    assert_int_equal(clock_next(fx.clock), TIMER_NEVER);
    assert_int_equal(fixture_io(&fx), 100);
}

/* 100 a second: 10 at once, one more because the bucket may run over, then one each 10 ms. */
static void requests_a_second(void **unused) {
    (void)unused;
    limit(THROTTLE_IOPS, THROTTLE_TOTAL, 100, 0, 0);
    submit(0, 2000, BLOCK_READ, 512);
    assert_int_equal(done_in(0), 11);
    assert_int_equal(done_in(10 * NS_PER_MS - 1), 0);
    assert_int_equal(done_in(1), 1);
    assert_int_equal(done_in(10 * NS_PER_SEC), 1000);
    for (unsigned i = 0; i < finished; i++)
        assert_int_equal(order[i], i);
}

/* What does not divide evenly must not drift: 3 a second are 300 in 100 s. */
static void no_drift(void **unused) {
    (void)unused;
    limit(THROTTLE_IOPS, THROTTLE_TOTAL, 3, 0, 0);
    submit(0, 1000, BLOCK_READ, 512);
    unsigned first = done_in(0);
    assert_int_equal(first, 1);
    fixture_sleep(&fx, 0);
    assert_int_equal(done_in(100 * NS_PER_SEC), 300);
}

static void bytes_a_second(void **unused) {
    (void)unused;
    limit(THROTTLE_BPS, THROTTLE_TOTAL, MIB(1), 0, 0);
    submit(0, 1000, BLOCK_WRITE, KIB(64));
    done_in(0);
    assert_int_equal(done_in(10 * NS_PER_SEC), 160);
    /* one that is larger than a burst goes, and is paid for by those behind it */
    block_drain(disk);
    fixture_sleep(&fx, 3600 * NS_PER_SEC);
    finished = 0;
    submit(0, 1, BLOCK_READ, MIB(8));
    submit(1, 1, BLOCK_READ, 512);
    assert_int_equal(done_in(0), 1);
    assert_int_equal(done_in(7800 * NS_PER_MS), 0);
    assert_int_equal(done_in(200 * NS_PER_MS), 1);
}

static void bursts(void **unused) {
    (void)unused;
    /* 100 a second, 1000 in a burst of one second; then quiet for long enough, and again */
    limit(THROTTLE_IOPS, THROTTLE_TOTAL, 100, 1000, 1);
    for (unsigned round = 0; round < 2; round++) {
        finished = 0;
        submit(0, 1500, BLOCK_READ, 512);
        assert_int_equal(done_in(0), 1001);
        assert_int_equal(done_in(NS_PER_SEC), 100);
        block_drain(disk);
        fixture_sleep(&fx, 100 * NS_PER_SEC);
    }
    /* a burst of 3 s keeps to its own rate meanwhile */
    limit(THROTTLE_IOPS, THROTTLE_TOTAL, 10, 100, 3);
    finished = 0;
    submit(0, 1000, BLOCK_READ, 512);
    assert_int_equal(done_in(0), 11);
    assert_int_equal(done_in(NS_PER_SEC), 100);
    assert_int_equal(done_in(NS_PER_SEC), 100);
    done_in(20 * NS_PER_SEC);
    assert_int_equal(finished, 3 * 100 + 1 + 22 * 10); /* the bucket, one over, what leaked */
    assert_int_equal(done_in(NS_PER_SEC), 10);
}

static void sizes(void **unused) {
    (void)unused;
    struct throttle_limits limits = {.iops_size = 4096};
    limits.limit[THROTTLE_IOPS][THROTTLE_TOTAL].avg = 100;
    block_throttle(disk, fx.clock, &limits);
    submit(0, 1000, BLOCK_READ, 16 << 10); /* 4 of them each */
    done_in(0);
    assert_int_equal(done_in(10 * NS_PER_SEC), 250);
    block_drain(disk);
    fixture_sleep(&fx, 3600 * NS_PER_SEC);
    finished = 0;
    submit(0, 1000, BLOCK_READ, 512);
    done_in(0);
    assert_int_equal(done_in(NS_PER_SEC), 100);
}

static void reads_and_writes_apart(void **unused) {
    (void)unused;
    struct throttle_limits limits = {0};
    limits.limit[THROTTLE_IOPS][THROTTLE_READ].avg = 100;
    limits.limit[THROTTLE_BPS][THROTTLE_WRITE].avg = 512 * 50;
    block_throttle(disk, fx.clock, &limits);
    submit(0, 1000, BLOCK_READ, 512);
    submit(1000, 1000, BLOCK_WRITE, 512);
    done_in(0);
    finished = 0;
    assert_int_equal(done_in(2 * NS_PER_SEC), 300);
    unsigned reads = 0;
    for (unsigned i = 0; i < finished; i++)
        reads += order[i] < 1000;
    assert_int_equal(reads, 200);
    /* discards are writes, flushes are free */
    submit(2000, 1, BLOCK_DISCARD, 512);
    submit(2001, 1, BLOCK_FLUSH, 0);
    finished = 0;
    assert_int_equal(done_in(0), 1);
    assert_int_equal(order[0], 2001);
}

/* A flood of one kind leaves the other its half. */
static void no_starvation(void **unused) {
    (void)unused;
    limit(THROTTLE_IOPS, THROTTLE_TOTAL, 100, 0, 0);
    submit(0, 2000, BLOCK_WRITE, 512);
    done_in(0);
    submit(2000, 50, BLOCK_READ, 512);
    finished = 0;
    done_in(NS_PER_SEC);
    unsigned reads = 0;
    for (unsigned i = 0; i < finished; i++)
        reads += order[i] >= 2000;
    assert_int_equal(finished, 100);
    assert_in_range(reads, 49, 50);
}

static void no_timer_when_nothing_waits(void **unused) {
    (void)unused;
    limit(THROTTLE_IOPS, THROTTLE_TOTAL, 10, 0, 0);
    assert_int_equal(clock_next(fx.clock), TIMER_NEVER);
    submit(0, 4, BLOCK_READ, 512);
    assert_true(clock_next(fx.clock) != TIMER_NEVER);
    done_in(NS_PER_SEC);
    assert_int_equal(finished, 4);
    assert_int_equal(clock_next(fx.clock), TIMER_NEVER);
}

static struct block_req again;
static unsigned agains;

static void done_again(struct block_req *req, int err) {
    assert_int_equal(err, 0);
    if (++agains < 100)
        block_submit(disk, req);
}

/* A pause doesn't wait for the limit, not even for what is asked meanwhile. */
static void drains_at_once(void **unused) {
    (void)unused;
    limit(THROTTLE_IOPS, THROTTLE_TOTAL, 1, 0, 0);
    submit(0, 500, BLOCK_WRITE, 512);
    agains = 0;
    again = (struct block_req){.op = BLOCK_FLUSH, .done = done_again};
    block_submit(disk, &again);
    clock_pause(fx.clock, true);
    block_drain(disk);
    assert_int_equal(finished, 500);
    assert_int_equal(agains, 100);
    clock_pause(fx.clock, false);
    assert_int_equal(clock_next(fx.clock), TIMER_NEVER);
    submit(500, 1, BLOCK_READ, 512);
    assert_int_equal(done_in(NS_PER_SEC), 0); /* it was no gift */
    block_drain(disk);
}

static void changed_while_it_waits(void **unused) {
    (void)unused;
    const struct throttle_limits none = {0};
    limit(THROTTLE_IOPS, THROTTLE_TOTAL, 1, 0, 0);
    submit(0, 1000, BLOCK_WRITE, 512);
    done_in(0);
    limit(THROTTLE_IOPS, THROTTLE_TOTAL, 100, 0, 0);
    done_in(0);
    assert_int_equal(done_in(NS_PER_SEC), 100);
    block_throttle(disk, fx.clock, &none);
    done_in(0);
    assert_int_equal(finished, 1000);
    assert_null(disk->throttle);
    assert_int_equal(clock_next(fx.clock), TIMER_NEVER);
}

static void largest(void **unused) {
    (void)unused;
    limit(THROTTLE_BPS, THROTTLE_TOTAL, UINT64_C(1) << 50, UINT64_C(1) << 50, 3600);
    submit(0, 1000, BLOCK_READ, MIB(1));
    assert_int_equal(done_in(0), 1000);
    limit(THROTTLE_IOPS, THROTTLE_READ, 1, UINT64_C(1) << 50, 3600);
    submit(0, 1000, BLOCK_READ, MIB(1));
    assert_int_equal(done_in(0), 1000);
}

static void nonsense(void **unused) {
    (void)unused;
    static const struct throttle_limits bad[] = {
        {.limit[0][0].avg = 1, .limit[0][1].avg = 1},
        {.limit[1][0].avg = 1, .limit[1][2].avg = 1},
        {.limit[0][0].max = 1},
        {.limit[1][1].length = 1},
        {.limit[1][1] = {2, 1, 0}},
        {.limit[1][1] = {2, 0, 2}},
        {.limit[0][0].avg = UINT64_MAX},
        {.limit[0][0] = {1, UINT64_MAX, 0}},
        {.limit[0][0] = {1, 2, UINT64_MAX}},
    };
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        assert_non_null(throttle_check(&bad[i]));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(costs_nothing_without_limits), T(requests_a_second), T(no_drift), T(bytes_a_second),
        T(bursts), T(sizes), T(reads_and_writes_apart), T(no_starvation),
        T(no_timer_when_nothing_waits), T(drains_at_once), T(changed_while_it_waits), T(largest),
        T(nonsense),
    };
    return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
