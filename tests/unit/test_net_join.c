/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments that are joined give the frame they were cut from, and nothing that differs is joined.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/net_join.h"

enum { HEADER = 66 /* with a time stamp */, MSS = 1448, PAYLOAD = 10000, FLAGS = 47 };

static uint8_t whole[HEADER + PAYLOAD];
static struct net_meta whole_meta;
static struct net_segments cut;
static struct net_join *j;

static void make_whole(uint8_t flags) {
    memset(whole, 0, HEADER);
    store_be16(whole + 12, NET_ETH_IP4);
    whole[14] = 0x45;
    store_be16(whole + 18, 0xfffd); /* the ids wrap */
    whole[22] = 64;
    whole[23] = NET_PROTO_TCP;
    store_be32(whole + 26, 0x0a000001);
    store_be32(whole + 30, 0x0a000002);
    store_be32(whole + 38, 0xfffff000); /* and the sequence */
    whole[46] = 0x80;
    whole[FLAGS] = flags;
    memcpy(whole + 54, "\1\1\10\12\0\0\1\2\0\0\3\4", 12);
    for (unsigned i = HEADER; i < sizeof(whole); i++)
        whole[i] = (uint8_t)(i * 7 + i / 251);
    assert_true(net_prepare_tso(whole, HEADER, PAYLOAD, MSS, &whole_meta));
    struct iovec iov = {whole, sizeof(whole)};
    assert_true(net_segments_begin(&cut, &iov, 1, sizeof(whole), &whole_meta));
}

static size_t segment(unsigned i, uint8_t *f) {
    size_t len = i < 6 ? MSS : PAYLOAD - 6 * MSS;
    struct iovec data = {whole + HEADER + MSS * i, len};
    net_segment(&cut, i, f, &data, 1, len);
    memcpy(f + HEADER, data.iov_base, len);
    return HEADER + len;
}

static bool add(uint8_t *f, size_t len) {
    struct iovec iov[3] = {{f, 20}, {f + 20, 80}, {f + 100, len - 100}};
    return net_join_add(j, iov, 3);
}

static int setup(void **arg) {
    (void)arg;
    j = calloc(1, sizeof(*j));
    make_whole(0x10);
    return 0;
}

static int teardown(void **arg) {
    (void)arg;
    free(j);
    return 0;
}

static void test_whole(void **arg) {
    (void)arg;
    static const uint8_t flags[] = {0x10, 0x18};
    uint8_t f[2000];
    struct net_meta meta;
    for (unsigned k = 0; k < 2; k++) {
        make_whole(flags[k]);
        j->segments = 0;
        for (unsigned i = 0; i < 7; i++) {
            assert_true(add(f, segment(i, f)));
            assert_int_equal(j->ended, i == 6);
        }
        assert_false(add(f, segment(0, f)));
        net_join_finish(j, &meta);
        assert_int_equal(j->len, sizeof(whole));
        assert_memory_equal(j->bytes, whole, sizeof(whole));
        assert_memory_equal(&meta, &whole_meta, sizeof(meta));
    }
}

/* One alone is as it came. */
static void test_one(void **arg) {
    (void)arg;
    uint8_t f[2000];
    struct net_meta meta, plain = {0};
    size_t len = segment(2, f);
    assert_true(add(f, len));
    net_join_finish(j, &meta);
    assert_int_equal(j->len, len);
    assert_memory_equal(j->bytes, f, len);
    assert_memory_equal(&meta, &plain, sizeof(meta));
}

/* Sums that are right again, so that it is the difference that counts. */
static void sum_again(uint8_t *f, size_t len) {
    struct iovec iov = {f, len};
    struct net_layout l;
    store_be16(f + 24, 0);
    store_be16(f + 24, (uint16_t)~net_sum(0, f + 14, 20));
    if (!net_layout(&iov, 1, &l) || l.l4 != 34)
        return;
    store_be16(f + 50, 0);
    store_be16(f + 50, (uint16_t)~net_sum(net_pseudo_sum(&iov, 1, &l, len - 34), f + 34, len - 34));
}

/* Any bit of the headers that is another. */
static void test_other_headers(void **arg) {
    (void)arg;
    uint8_t f[2000];
    for (unsigned bit = 0; bit < HEADER * 8; bit++) {
        j->segments = 0;
        assert_true(add(f, segment(0, f)));
        size_t len = segment(1, f);
        f[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool sum = bit / 8 == 24 || bit / 8 == 25 || bit / 8 == 50 || bit / 8 == 51;
        if (!sum)
            sum_again(f, len);
        bool push = bit / 8 == FLAGS && f[FLAGS] == 0x18;
        if (add(f, len) != push)
            fail_msg("header byte %u, bit %u", bit / 8, bit % 8);
    }
}

static void test_not_joined(void **arg) {
    (void)arg;
    uint8_t f[2000];
    size_t len = segment(1, f);
    f[700] ^= 1; /* a sum that is wrong */
    assert_false(add(f, len));
    assert_true(add(f, segment(0, f)));
    len = segment(1, f);
    f[700] ^= 1;
    assert_false(add(f, len));
    assert_false(add(f, segment(2, f))); /* one is missing */
    len = segment(1, f);
    assert_false(add(f, len + 4)); /* padding */
    assert_true(add(f, len));
    assert_int_equal(j->segments, 2);
    /* flags that say more than data do */
    for (unsigned flags = 0; flags < 256; flags++) {
        make_whole((uint8_t)flags);
        j->segments = 0;
        len = segment(6, f);
        assert_int_equal(add(f, len), (f[FLAGS] | 8) == 0x18);
    }
    /* 64 KiB are the end */
    make_whole(0x10);
    j->segments = 0;
    unsigned n = 0;
    len = segment(0, f);
    for (; add(f, len); n++) {
        store_be16(f + 18, (uint16_t)(load_be16(f + 18) + 1));
        store_be32(f + 38, load_be32(f + 38) + MSS);
        sum_again(f, len);
        assert_true(n < 50);
    }
    assert_int_equal(n, (65535 - HEADER) / MSS);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_whole), T(test_one), T(test_other_headers),
                                       T(test_not_joined)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
