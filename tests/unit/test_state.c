/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state stream: what goes out comes back, and everything else is refused by name. CRC-32C check
 * value: RFC 3720, B.4.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/crc.h"
#include "core/fifo.h"
#include "core/state.h"
#include "fixture.h"

struct inner {
    uint16_t x;
    bool on;
};

static const struct field inner_fields[] = {F(struct inner, x), F(struct inner, on), F_END};

struct chip {
    uint8_t status;
    uint64_t wide;
    uint8_t head;
    uint32_t regs[3];
    uint8_t bytes[5];
    struct inner one, many[2];
    struct timer timer;
    uint8_t *heap;
    struct fifo fifo;
};

static const struct field chip_fields[] = {
    F(struct chip, status),
    F(struct chip, wide),
    F_MAX(struct chip, head, 15),
    F_ARRAY(struct chip, regs),
    F_BYTES(struct chip, bytes),
    F_STRUCT(struct chip, one, inner_fields),
    F_STRUCTS(struct chip, many, inner_fields),
    F_TIMER(struct chip, timer),
    F_DYNAMIC(struct chip, heap, 4),
    F_STRUCT(struct chip, fifo, fifo_fields),
    F_END,
};

static bool loaded_ok;

static bool chip_loaded(void *dev, char *why, size_t why_len) {
    (void)dev;
    strncpy(why, "said no", why_len);
    return loaded_ok;
}

static const struct state chip_state = {"chip", 3, chip_fields, chip_loaded};

struct world {
    struct fixture fx;
    struct chip a, b;
    uint8_t heap_a[4], heap_b[4];
    struct state_buf buf;
};

static void ring(void *dev) {
    (void)dev;
}

static int setup(void **arg) {
    struct world *w = calloc(1, sizeof(*w));
    fixture_init(&w->fx);
    w->a = (struct chip){.status = 0x5a, .wide = UINT64_C(0x0123456789abcdef), .head = 15,
                         .regs = {1, 2, 0xffffffff}, .bytes = {9, 8, 7, 6, 5},
                         .one = {0xbeef, true}, .many = {{1, false}, {2, true}}};
    fifo_put(&w->a.fifo, FIFO_LEN, 0x42);
    w->a.heap = memcpy(w->heap_a, "heap", 4);
    w->b.heap = w->heap_b;
    timer_init(&w->a.timer, w->fx.clock, ring, w);
    timer_init(&w->b.timer, w->fx.clock, ring, w);
    timer_after(&w->a.timer, 1000);
    loaded_ok = true;
    state_save(&w->buf, &chip_state, "chip0", &w->a);
    *arg = w;
    return 0;
}

static int teardown(void **arg) {
    struct world *w = *arg;
    state_buf_free(&w->buf);
    fixture_done(&w->fx);
    free(w);
    return 0;
}

static void seal(uint8_t *bytes, size_t len) {
    store_le32(bytes + len - 4, crc32c(bytes, len - 4));
}

static uint8_t *find(struct world *w, const char *name) {
    uint8_t *at = memmem(w->buf.bytes, w->buf.len, name, strlen(name));
    assert_non_null(at);
    return at;
}

/* Where the first value of that field is. */
static uint8_t *value_of(struct world *w, const char *name) {
    return find(w, name) + strlen(name) + 8;
}

static bool load(struct world *w, char *why, size_t len) {
    size_t used;
    return state_load(w->buf.bytes, w->buf.len, &used, &chip_state, "chip0", &w->b, why, len);
}

static void refused(struct world *w, const char *because) {
    char why[256] = "";
    seal(w->buf.bytes, w->buf.len);
    assert_false(load(w, why, sizeof(why)));
    if (!strstr(why, because))
        fail_msg("\"%s\" does not say \"%s\"", why, because);
}

static void test_crc(void **arg) {
    (void)arg;
    uint8_t zeros[32] = {0}, up[32];
    for (unsigned i = 0; i < 32; i++)
        up[i] = (uint8_t)i;
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(zeros, 32), 0x8a9136aa);
    assert_int_equal(crc32c(up, 32), 0x46dd794e);
    assert_int_equal(crc32c_plain("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c_plain(up, 32), 0x46dd794e);
}

static void test_round_trip(void **arg) {
    struct world *w = *arg;
    char why[256] = "", where[256] = "";
    size_t used = 0;
    assert_false(state_equal(&chip_state, &w->a, &w->b, where, sizeof(where)));
    assert_string_equal(where, "chip.status");
    assert_true(state_load(w->buf.bytes, w->buf.len, &used, &chip_state, "chip0", &w->b, why,
                           sizeof(why)));
    assert_int_equal(used, w->buf.len);
    assert_true(state_equal(&chip_state, &w->a, &w->b, where, sizeof(where)));
    assert_int_equal(w->b.wide, UINT64_C(0x0123456789abcdef));
    assert_memory_equal(w->heap_b, "heap", 4);
    assert_int_equal(fifo_get(&w->b.fifo), 0x42);
    w->b.many[1].x = 3;
    assert_false(state_equal(&chip_state, &w->a, &w->b, where, sizeof(where)));
    assert_string_equal(where, "chip.many[1].x");
}

static void test_timer_is_relative(void **arg) {
    struct world *w = *arg;
    char why[256];
    w->fx.now += 500000;
    assert_true(load(w, why, sizeof(why)));
    assert_int_equal(w->b.timer.deadline, w->fx.now + 1000);
    memset(value_of(w, "timer"), 0xff, 8);
    seal(w->buf.bytes, w->buf.len);
    assert_true(load(w, why, sizeof(why)));
    assert_false(timer_is_on(&w->b.timer));
    memset(value_of(w, "timer"), 0xfe, 8);
    seal(w->buf.bytes, w->buf.len);
    assert_true(load(w, why, sizeof(why)));
    assert_true(w->b.timer.deadline > w->fx.now);
}

static void test_two_records(void **arg) {
    struct world *w = *arg;
    char name[16], id[16], why[256];
    size_t first = w->buf.len, used;
    w->a.status = 0x77;
    state_save(&w->buf, &chip_state, "chip1", &w->a);
    assert_int_equal(state_peek(w->buf.bytes, w->buf.len, name, sizeof(name), id, sizeof(id), why,
                                sizeof(why)), first);
    assert_string_equal(name, "chip");
    assert_string_equal(id, "chip0");
    assert_true(state_load(w->buf.bytes + first, w->buf.len - first, &used, &chip_state, "chip1",
                           &w->b, why, sizeof(why)));
    assert_int_equal(w->b.status, 0x77);
}

static void test_refusals(void **arg) {
    struct world *w = *arg;
    char why[256];
    uint8_t *status = find(w, "status"), *head = value_of(w, "head");
    w->buf.bytes[w->buf.len - 1] ^= 1;
    assert_false(load(w, why, sizeof(why)));
    assert_non_null(strstr(why, "checksum"));
    *head = 16;
    refused(w, "chip.head: element 0 is 0x10, but 0xf");
    *head = 15;
    *value_of(w, "\2on") = 2; /* a bool */
    refused(w, "chip.one.on");
    *value_of(w, "\2on") = 1;
    status[0] = 'S';
    refused(w, "chip.Status: no such field");
    status[0] = 's';
    status[6] = 2; /* element size */
    refused(w, "chip.status: is 1 times 2 bytes in the stream, but 1 times 1 here");
    status[6] = 1;
    uint8_t *regs = find(w, "regs");
    memcpy(regs, "wide", 4);
    refused(w, "chip.wide: is there twice");
    memcpy(regs, "regs", 4);
    store_le32(w->buf.bytes + 8, 4);
    refused(w, "version 4");
    store_le32(w->buf.bytes + 8, 3);
    loaded_ok = false;
    refused(w, "said no");
}

static void test_wrong_owner(void **arg) {
    struct world *w = *arg;
    char why[256];
    size_t used;
    assert_false(state_load(w->buf.bytes, w->buf.len, &used, &chip_state, "other", &w->b, why,
                            sizeof(why)));
    assert_non_null(strstr(why, "\"chip0\""));
    w->buf.bytes[0] ^= 1;
    assert_false(load(w, why, sizeof(why)));
    assert_non_null(strstr(why, "no record of state here"));
}

static void test_truncated(void **arg) {
    struct world *w = *arg;
    char why[256];
    for (size_t len = 0; len < w->buf.len; len++) {
        size_t used;
        uint8_t *cut = malloc(len + !len);
        memcpy(cut, w->buf.bytes, len);
        assert_false(state_load(cut, len, &used, &chip_state, "chip0", &w->b, why, sizeof(why)));
        if (len >= 16) { /* as if it had been written so */
            store_le32(cut + 4, (uint32_t)len);
            seal(cut, len);
            state_load(cut, len, &used, &chip_state, "chip0", &w->b, why, sizeof(why));
        }
        free(cut);
    }
}

static void test_absent_keeps_reset(void **arg) {
    struct world *w = *arg;
    static const struct field fewer[] = {F(struct chip, wide), F_END};
    static const struct state old = {"chip", 1, fewer, NULL};
    char why[256];
    w->b.status = 0x11;
    w->buf.len = 0;
    state_save(&w->buf, &old, "chip0", &w->a);
    assert_true(load(w, why, sizeof(why)));
    assert_int_equal(w->b.status, 0x11);
    assert_int_equal(w->b.wide, w->a.wide);
}

/* A buffer of which another field says how much matters: the rest is neither saved nor compared. */
static void test_dynamic_used(void **arg) {
    struct buffered {
        uint32_t end;
        uint8_t *buf;
    };
    static const struct field fields[] = {
        F_MAX(struct buffered, end, 8), F_DYNAMIC_USED(struct buffered, buf, 8, end), F_END};
    static const struct state state = {"buffered", 1, fields, NULL};
    uint8_t bytes_a[8] = "abcdefg", bytes_b[8] = "ABCDEFG";
    struct buffered a = {3, bytes_a}, b = {0, bytes_b};
    struct state_buf buf = {0};
    char why[128], where[64];
    size_t used;
    (void)arg;
    state_save(&buf, &state, "x", &a);
    size_t short_len = buf.len;
    assert_true(state_load(buf.bytes, buf.len, &used, &state, "x", &b, why, sizeof(why)));
    assert_memory_equal(bytes_b, "abcDEFG", 8);
    assert_true(state_equal(&state, &a, &b, where, sizeof(where)));
    bytes_b[2] = 'x';
    assert_false(state_equal(&state, &a, &b, where, sizeof(where)));
    a.end = 8;
    buf.len = 0;
    state_save(&buf, &state, "x", &a);
    assert_int_equal(buf.len, short_len + 5);
    uint8_t *count = memmem(buf.bytes, buf.len, "\3buf", 4);
    assert_non_null(count);
    store_le32(count + 8, 9); /* more than the buffer holds */
    seal(buf.bytes, buf.len);
    assert_false(state_load(buf.bytes, buf.len, &used, &state, "x", &b, why, sizeof(why)));
    assert_non_null(strstr(why, "buf"));
    state_buf_free(&buf);
}

static void collect(void *arg, const char *text) {
    char *all = arg;
    strcat(strcat(all, text), "\n");
}

static void test_print(void **arg) {
    struct world *w = *arg;
    char all[4096] = "";
    state_print(&chip_state, &w->a, collect, all);
    assert_non_null(strstr(all, "chip.status = 0x5a\n"));
    assert_non_null(strstr(all, "chip.regs = 0x1 0x2 0xffffffff\n"));
    assert_non_null(strstr(all, "chip.many[1].x = 0x2\n"));
    assert_non_null(strstr(all, "chip.timer = in 1000 ns\n"));
    assert_non_null(strstr(all, "... (256 in all, CRC-32C 0x"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_crc),       TEST(test_round_trip), TEST(test_timer_is_relative),
        TEST(test_two_records), TEST(test_refusals), TEST(test_wrong_owner),
        TEST(test_truncated), TEST(test_absent_keeps_reset),
        TEST(test_dynamic_used), TEST(test_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
