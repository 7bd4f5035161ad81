/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the packer for viewers makes, unpacked by zlib: RFC 1950 and 1951. Every append has to come
 * out whole at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "core/bits.h"

/* Its codes are looked at by themselves: what makes them deepest, repetitions would hide. */
#define deflate_append own_append
#define deflate_room own_room
#include "deflate.c"

enum { ROOM = 300000 };

static struct deflate packer;
static z_stream stream;
static uint8_t plain[ROOM], packed[ROOM + 4096], out[ROOM];

static int start(void **state) {
    (void)state;
    memset(&packer, 0, sizeof(packer));
    memset(&stream, 0, sizeof(stream));
    srand(1);
    return inflateInit(&stream) != Z_OK;
}

static int stop(void **state) {
    (void)state;
    inflateEnd(&stream);
    return 0;
}

/* Appends n bytes and has them back; returns how many were on the way. */
static size_t there_and_back(const uint8_t *from, size_t n) {
    size_t room = deflate_room(n);
    assert_true(room <= sizeof(packed));
    memset(packed, 0xa5, sizeof(packed));
    size_t m = deflate_append(&packer, packed, from, n);
    assert_true(m <= room);
    for (size_t i = room; i < sizeof(packed) && i < room + 64; i++)
        assert_int_equal(packed[i], 0xa5);
    stream.next_in = packed;
    stream.avail_in = (uInt)m;
    stream.next_out = out;
    stream.avail_out = ROOM;
    int result = inflate(&stream, Z_SYNC_FLUSH);
    assert_true(result == Z_OK || (result == Z_BUF_ERROR && !n));
    assert_int_equal(stream.avail_in, 0);
    assert_int_equal(ROOM - stream.avail_out, n);
    assert_memory_equal(out, from, n);
    return m;
}

static void nothing_and_little(void **state) {
    (void)state;
    assert_int_equal(there_and_back(plain, 0), 2 + 5); /* the head, an empty block */
    assert_int_equal(packed[0] & 15, 8);               /* deflate */
    assert_int_equal((packed[0] << 8 | packed[1]) % 31, 0);
    for (size_t n = 0; n < 40; n++) {
        memcpy(plain, "abcabcabcabcdefghijklmnopqrstuvwxyzabcabc", 41);
        there_and_back(plain, n);
    }
}

static void what_repeats_gets_small(void **state) {
    (void)state;
    memset(plain, 7, 100000);
    assert_in_range(there_and_back(plain, 100000), 1, 1100);
    for (unsigned i = 0; i < 100000; i++)
        plain[i] = (uint8_t)(i % 1000 * 167 >> 4);
    assert_in_range(there_and_back(plain, 100000), 1, 3000);
    assert_in_range(there_and_back(plain, 1000), 1, 60); /* as before, in an append of its own */
}

static void noise_gets_hardly_larger(void **state) {
    (void)state;
    for (unsigned i = 0; i < 200000; i++)
        plain[i] = (uint8_t)(rand() >> 7);
    assert_in_range(there_and_back(plain, 200000), 200000, 200100);
}

/* What lies 32768 bytes back may be named, what lies further back may not. */
static void the_window_ends(void **state) {
    (void)state;
    for (unsigned distance = 32760; distance < 32776; distance++) {
        memset(plain, 0, 70000);
        for (unsigned i = 0; i < 64; i++)
            plain[100 + i] = plain[100 + distance + i] = (uint8_t)(rand() >> 7);
        there_and_back(plain, 70000);
    }
}

/* Frequencies that grow as Fibonacci's numbers make Huffman's deepest trees: deeper than allowed. A
 * code is complete when its words fill the space of their bits. */
static void codes_stay_below_their_limit(void **state) {
    static const unsigned limits[] = {MOST_BITS, MOST_LENGTH_BITS};
    (void)state;
    for (unsigned n = 1; n < 24; n++)
        for (unsigned l = 0; l < ARRAY_LEN(limits); l++) {
            unsigned often[LITERALS] = {0}, a = 1, b = 1, space = 0;
            struct codes c;
            for (unsigned i = 0; i < MIN(n, LENGTHS - l); i++) {
                often[LENGTHS - 1 - i] = a;
                b += a;
                a = b - a;
            }
            make_codes(&c, often, LENGTHS, limits[l]);
            for (unsigned i = 0; i < LENGTHS; i++) {
                assert_in_range(c.bits[i], 0, limits[l]);
                space += c.bits[i] ? 1u << (limits[l] - c.bits[i]) : 0;
            }
            assert_int_equal(space, 1u << limits[l]);
        }
}

/* Runs, copies from before and noise, in any mixture and any pieces. */
static void random_mixtures(void **state) {
    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        unsigned n = 0, end = 1 + (unsigned)rand() % (round % 20 ? 3000 : 100000);
        unsigned alphabet = 1 + (unsigned)rand() % 256;
        while (n < end) {
            unsigned len = MIN(1 + (unsigned)rand() % (rand() % 8 ? 30 : 600), end - n);
            unsigned back = n ? 1 + (unsigned)rand() % n : 0, kind = (unsigned)rand() % 3;
            for (unsigned i = 0; i < len; i++, n++)
                plain[n] = kind && back ? plain[n - (kind == 1 ? 1 : back)]
                                        : (uint8_t)((unsigned)rand() % alphabet);
        }
        there_and_back(plain, n);
    }
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        T(nothing_and_little), T(what_repeats_gets_small), T(noise_gets_hardly_larger),
        T(the_window_ends), T(codes_stay_below_their_limit), T(random_mixtures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
