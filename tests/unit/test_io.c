/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The port and memory maps, by what core/io.h promises. What is claimed from the engine is watched
 * by the fixture itself, which ends the test on an overlap; here it is compared with the map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"
#include "fixture_priv.h"

/* A chip of bytes that writes down how it was asked. */
struct bytes {
    uint8_t at[64];
    unsigned reads, writes, strings, last_size;
    uint64_t last_off;
};

static uint64_t bytes_read(void *dev, uint64_t off, unsigned size) {
    struct bytes *b = dev;
    b->reads++;
    b->last_off = off;
    b->last_size = size;
    assert_true(off + size <= sizeof(b->at));
    return load_le(b->at + off, size);
}

static void bytes_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct bytes *b = dev;
    b->writes++;
    b->last_off = off;
    b->last_size = size;
    assert_true(off + size <= sizeof(b->at));
    assert_int_equal(val & ~size_mask(size), 0);
    store_le(b->at + off, size, val);
}

static unsigned bytes_read_string(void *dev, uint64_t off, unsigned size, void *buf, unsigned n) {
    struct bytes *b = dev;
    b->strings++;
    b->last_off = off;
    memset(buf, 0x33, (size_t)n * size);
    return n;
}

static const struct io_ops plain = {.read = bytes_read, .write = bytes_write, .min = 1, .max = 4};
static const struct io_ops narrow = {.read = bytes_read, .write = bytes_write, .min = 1, .max = 1};
static const struct io_ops wide = {.read = bytes_read, .write = bytes_write, .min = 4, .max = 4};
static const struct io_ops strings = {.read = bytes_read, .read_string = bytes_read_string};
static const struct io_ops nothing = {.min = 1};

struct world {
    struct fixture fx;
    struct bytes a, b;
    struct io_region ra, rb;
};

static int setup(void **arg) {
    struct world *w = calloc(1, sizeof(*w));
    fixture_init(&w->fx);
    for (unsigned i = 0; i < 64; i++) {
        w->a.at[i] = (uint8_t)(0x40 + i);
        w->b.at[i] = (uint8_t)(0x80 + i);
    }
    *arg = w;
    return 0;
}

static int teardown(void **arg) {
    struct world *w = *arg;
    fixture_done(&w->fx);
    free(w);
    return 0;
}

static void map_a(struct world *w, const struct io_ops *ops, enum io_space space, uint64_t base,
                  uint64_t size) {
    io_map_new(w->fx.io, &w->ra, "a", ops, &w->a, space, base, size);
}

static void map_b(struct world *w, const struct io_ops *ops, enum io_space space, uint64_t base,
                  uint64_t size) {
    io_map_new(w->fx.io, &w->rb, "b", ops, &w->b, space, base, size);
}

static bool port_claimed(struct world *w, unsigned port) {
    const struct fixture_priv *priv = w->fx.priv;
    return bitmap_get(priv->ports, port);
}

static bool memory_claimed(struct world *w, uint64_t addr) {
    const struct fixture_priv *priv = w->fx.priv;
    for (unsigned i = 0; i < priv->mem_count; i++)
        if (addr >= priv->mem[i].first && addr <= priv->mem[i].last)
            return true;
    return false;
}

static void test_unclaimed_reads_ones(void **arg) {
    struct world *w = *arg;
    assert_int_equal(in8(&w->fx, 0x1f7), 0xff);
    assert_int_equal(in16(&w->fx, 0x1f7), 0xffff);
    assert_int_equal(in32(&w->fx, 0xfffe), 0xffffffff);
    assert_int_equal(mem_read(&w->fx, 0xfee00000, 8), UINT64_MAX);
    out32(&w->fx, 0xfffe, 0);
}

static void test_offsets_and_sizes(void **arg) {
    struct world *w = *arg;
    map_a(w, &plain, IO_PORT, 0x100, 8);
    assert_int_equal(in8(&w->fx, 0x103), 0x43);
    assert_int_equal(w->a.last_off, 3);
    assert_int_equal(in32(&w->fx, 0x104), 0x47464544);
    assert_int_equal(w->a.last_size, 4);
    out16(&w->fx, 0x101, 0xbeef);
    assert_int_equal(w->a.at[1], 0xef);
    assert_int_equal(w->a.at[2], 0xbe);
    assert_int_equal(w->a.writes, 1);
}

static void test_wide_is_split(void **arg) {
    struct world *w = *arg;
    map_a(w, &narrow, IO_PORT, 0x100, 8);
    assert_int_equal(in32(&w->fx, 0x100), 0x43424140);
    assert_int_equal(w->a.reads, 4);
    out32(&w->fx, 0x102, 0x0a0b0c0d);
    assert_int_equal(w->a.writes, 4);
    assert_int_equal(w->a.last_off, 5); /* ascending */
    assert_int_equal(load_le32(&w->a.at[2]), 0x0a0b0c0d);
}

static void test_narrow_is_cut_and_merged(void **arg) {
    struct world *w = *arg;
    map_a(w, &wide, IO_MEM, 0xe0000000, 16);
    assert_int_equal(mem_read(&w->fx, 0xe0000006, 1), 0x46);
    assert_int_equal(w->a.last_off, 4);
    assert_int_equal(w->a.last_size, 4);
    assert_int_equal(mem_read(&w->fx, 0xe0000003, 2), 0x4443); /* from two words */
    mem_write(&w->fx, 0xe0000009, 2, 0x1234);
    assert_int_equal(load_le32(&w->a.at[8]), 0x4b123448);
    mem_write(&w->fx, 0xe0000003, 2, 0xaabb);
    assert_int_equal(w->a.at[3], 0xbb);
    assert_int_equal(w->a.at[4], 0xaa);
    assert_int_equal(mem_read(&w->fx, 0xe0000000, 8), UINT64_C(0x474645aabb424140));
}

static void test_straddle(void **arg) {
    struct world *w = *arg;
    map_a(w, &plain, IO_PORT, 0x100, 2);
    map_b(w, &plain, IO_PORT, 0x102, 1);
    assert_int_equal(in32(&w->fx, 0x100), 0xff804140);
    out32(&w->fx, 0x0ff, 0x44332211);
    assert_int_equal(w->a.at[0], 0x22);
    assert_int_equal(w->a.at[1], 0x33);
    assert_int_equal(w->b.at[0], 0x44);
    map_a(w, &plain, IO_PORT, 0xfffe, 2);
    assert_int_equal(in32(&w->fx, 0xfffe), 0xffff3322);
}

/* 82441FX 3.1.1 and PIIX3 2.5: 0xcf8 is CONFADD as a dword, and 0xcf9 is RC as a byte. */
static void test_island_in_the_middle(void **arg) {
    struct world *w = *arg;
    map_a(w, &plain, IO_PORT, 0xcf8, 4);
    map_b(w, &plain, IO_PORT, 0xcf9, 1);
    assert_int_equal(in32(&w->fx, 0xcf8), 0x43424140);
    assert_int_equal(in8(&w->fx, 0xcf9), 0x80);
    assert_int_equal(in16(&w->fx, 0xcf8), 0x8040);
    map_a(w, &plain, IO_MEM, 0xe0000000, 8);
    map_b(w, &plain, IO_MEM, 0xe0000006, 1);
    assert_int_equal(mem_read(&w->fx, 0xe0000004, 4), 0x47804544);
}

static void test_last_mapped_answers(void **arg) {
    struct world *w = *arg;
    map_a(w, &plain, IO_MEM, 0xe0000000, 32);
    map_b(w, &plain, IO_MEM, 0xe0000010, 32);
    assert_int_equal(mem_read(&w->fx, 0xe000000f, 1), 0x4f);
    assert_int_equal(mem_read(&w->fx, 0xe0000010, 1), 0x80);
    assert_int_equal(mem_read(&w->fx, 0xe000000e, 4), 0x81804f4e);
    io_unmap(&w->rb);
    assert_int_equal(mem_read(&w->fx, 0xe0000010, 1), 0x50);
    assert_int_equal(mem_read(&w->fx, 0xe0000020, 1), 0xff);
    map_b(w, &plain, IO_MEM, 0xe0000008, 8);
    map_a(w, &plain, IO_MEM, 0xe0000000, 32); /* mapped anew: now on top */
    assert_int_equal(mem_read(&w->fx, 0xe0000008, 1), 0x48);
}

static void test_claims_follow(void **arg) {
    struct world *w = *arg;
    map_a(w, &plain, IO_PORT, 0x100, 16);
    map_b(w, &plain, IO_PORT, 0x108, 16);
    for (unsigned p = 0xff; p <= 0x118; p++)
        assert_int_equal(port_claimed(w, p), p >= 0x100 && p < 0x118);
    io_unmap(&w->ra);
    for (unsigned p = 0xff; p <= 0x118; p++)
        assert_int_equal(port_claimed(w, p), p >= 0x108 && p < 0x118);
    io_unmap(&w->rb);
    io_unmap(&w->rb);
    assert_false(port_claimed(w, 0x108));
    map_a(w, &plain, IO_MEM, 0xe0000000, 0x1000);
    map_b(w, &plain, IO_MEM, 0xe0000100, 0x10);
    io_unmap(&w->ra);
    assert_false(memory_claimed(w, 0xe00000ff));
    assert_true(memory_claimed(w, 0xe0000100));
    assert_false(memory_claimed(w, 0xe0000110));
    io_unmap(&w->rb);
    assert_false(memory_claimed(w, 0xe0000100));
}

static void test_refused(void **arg) {
    struct world *w = *arg;
    struct io_region r = {.name = "r", .ops = &plain, .dev = &w->a, .size = 2};
    assert_false(io_map(w->fx.io, &r, IO_PORT, 0xffff));
    assert_false(io_map(w->fx.io, &r, IO_PORT, 0x10000));
    assert_false(io_map(w->fx.io, &r, IO_MEM, UINT64_MAX));
    assert_true(io_map(w->fx.io, &r, IO_MEM, UINT64_MAX - 1));
    assert_int_equal(io_read(w->fx.io, IO_MEM, UINT64_MAX, 1), 0x41);
    assert_int_equal(io_read(w->fx.io, IO_MEM, UINT64_MAX - 3, 4), 0x4140ffff);
    r.size = 0;
    assert_false(io_map(w->fx.io, &r, IO_PORT, 0));
    assert_null(io_find(w->fx.io, IO_MEM, UINT64_MAX));
}

static void test_no_handlers(void **arg) {
    struct world *w = *arg;
    map_a(w, &nothing, IO_PORT, 0x80, 1);
    assert_int_equal(in8(&w->fx, 0x80), 0xff);
    out8(&w->fx, 0x80, 1);
    assert_int_equal(io_read_string(w->fx.io, IO_PORT, 0x80, 1, w->fx.ram, 4), 0);
}

static void test_strings(void **arg) {
    struct world *w = *arg;
    uint8_t buf[64] = {0};
    map_a(w, &strings, IO_PORT, 0x1f0, 8);
    assert_int_equal(io_read_string(w->fx.io, IO_PORT, 0x1f0, 2, buf, 16), 16);
    assert_int_equal(w->a.strings, 1);
    assert_int_equal(w->a.last_off, 0);
    assert_int_equal(buf[31], 0x33);
    assert_int_equal(buf[32], 0);
    assert_int_equal(io_read_string(w->fx.io, IO_PORT, 0x1f7, 2, buf, 16), 0); /* straddles */
    assert_int_equal(io_write_string(w->fx.io, IO_PORT, 0x1f0, 2, buf, 16), 0); /* has none */
    assert_int_equal(io_read_string(w->fx.io, IO_PORT, 0x1f0, 2, buf, 0), 0);
    map_a(w, &strings, IO_MEM, 0xa0000, 32);
    map_b(w, &plain, IO_MEM, 0xa0010, 8);
    assert_int_equal(io_read_string(w->fx.io, IO_MEM, 0xa0000, 4, buf, 16), 4); /* up to b */
    assert_int_equal(io_read_string(w->fx.io, IO_MEM, 0xa0001, 4, buf, 16), 3);
    assert_int_equal(io_read_string(w->fx.io, IO_MEM, 0xa0018, 4, buf, 16), 2); /* up to the end */
    assert_int_equal(w->a.last_off, 0x18);
    assert_int_equal(io_read_string(w->fx.io, IO_MEM, 0xa001e, 4, buf, 16), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_unclaimed_reads_ones), TEST(test_offsets_and_sizes), TEST(test_wide_is_split),
        TEST(test_narrow_is_cut_and_merged), TEST(test_straddle), TEST(test_island_in_the_middle),
        TEST(test_last_mapped_answers), TEST(test_claims_follow), TEST(test_refused),
        TEST(test_no_handlers), TEST(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
