/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames out of a tap, many by one system call: here out of a socket, which gives as many a
 * read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tap_batch.h"

enum { LONG = 9000 };

static struct tap_ring ring;
static struct tap_batch batch;
static int far;
static uint32_t sent, taken;
static unsigned reads; /* of single frames, those that found none too */

static int setup(void **arg) {
    (void)arg;
    int fd[2], room = 1 << 20;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fd), 0);
    setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    ring = (struct tap_ring){.fd = fd[0]};
    batch = (struct tap_batch){.ring = &ring};
    far = fd[1];
    sent = taken = reads = 0;
    return 0;
}

static int teardown(void **arg) {
    (void)arg;
    tap_batch_free(&batch);
    tap_ring_free(&ring);
    close(ring.fd);
    close(far);
    return 0;
}

/* Each has its number at both ends. */
static void put(size_t len) {
    static uint8_t f[LONG];
    memcpy(f, &sent, sizeof(sent));
    memcpy(f + len - sizeof(sent), &sent, sizeof(sent));
    assert_int_equal(send(far, f, len, 0), len);
    sent++;
}

static void check(const uint8_t *f, size_t len) {
    assert_true(len >= 60);
    assert_memory_equal(f, &taken, sizeof(taken));
    assert_memory_equal(f + len - sizeof(taken), &taken, sizeof(taken));
    taken++;
}

/* As the tap does: false, there is none now. */
static bool take(void) {
    static uint8_t f[LONG];
    size_t len = 0;
    bool over;
    int err;
    const uint8_t *frame = tap_batch_next(&batch, &len, &over, &err);
    assert_int_equal(err, 0);
    if (!frame && !over) {
        ssize_t got = read(ring.fd, f, sizeof(f));
        len = got > 0 ? (size_t)got : 0;
        tap_batch_note(&batch, len);
        reads++;
        frame = f;
    }
    if (len)
        check(frame, len);
    return len;
}

static void series(unsigned n) {
    for (unsigned i = 0; i < n; i++)
        put(60 + i);
    reads = 0;
    while (take())
        ;
    assert_int_equal(taken, sent);
}

/* Once it is known how many come, they come by calls for 16; what finds none is called off. */
static void test_expected(void **arg) {
    (void)arg;
    series(16);
    assert_int_equal(reads, 4); /* then 4, 8 and 16 that find none */
    series(16);
    series(16);
    assert_int_equal(reads, 1); /* whether there are more */
    assert_true(ring.reads);
    series(7);
    assert_int_equal(reads, 0); /* the call that wanted 16 has said so */
    series(7);
    series(7);
    assert_int_equal(reads, 1);
    series(9);
    assert_int_equal(reads, 3);
    series(1);
    series(1);
    series(1);
    assert_int_equal(reads, 2);
}

/* Frames that come later are not taken by requests of before. */
static void test_called_off(void **arg) {
    (void)arg;
    uint8_t f[100];
    for (unsigned i = 0; i < 3; i++)
        series(16);
    series(2);
    assert_int_equal(batch.last, 2);
    put(60);
    assert_int_equal(recv(ring.fd, f, sizeof(f), 0), 60);
}

/* Any number, with long ones between them, and readers that stop in between. */
static void test_random(void **arg) {
    (void)arg;
    srand(5);
    for (unsigned round = 0; round < 2000; round++) {
        unsigned n = (unsigned)rand() % 40, stop = (unsigned)rand() % 50;
        for (unsigned i = 0; i < n && sent - taken < 50; i++)
            put(rand() % 20 ? 60 + (unsigned)rand() % 1460 : LONG);
        while (stop && take())
            stop--;
    }
    while (taken < sent)
        take();
    assert_false(take());
}

/* After long ones each is read to its place. */
static void test_long(void **arg) {
    (void)arg;
    for (unsigned i = 0; i < 3; i++)
        series(16);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 8; i++)
            put(LONG);
        reads = 0;
        while (take())
            ;
    }
    assert_int_equal(reads, 8 + 1);
}

/* Why a tap can't be read. */
static void test_error(void **arg) {
    (void)arg;
    for (unsigned i = 0; i < 3; i++)
        series(16);
    size_t len;
    bool over;
    int err, right = ring.fd;
    ring.fd = -1;
    assert_null(tap_batch_next(&batch, &len, &over, &err));
    assert_true(over);
    assert_int_equal(err, EBADF);
    ring.fd = right;
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_expected), T(test_called_off), T(test_random), T(test_long), T(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
