/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The small machinery: clock, DMA, register tables, input routing, fifo, block refusals. By what
 * their headers in dm/core promise.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/dma.h"
#include "core/fifo.h"
#include "core/regs.h"
#include "fixture.h"

struct world {
    struct fixture fx;
    struct timer a, b, c;
    char order[64];
    uint64_t at[64];
    unsigned runs;
};

static int setup(void **arg) {
    struct world *w = calloc(1, sizeof(*w));
    fixture_init(&w->fx);
    *arg = w;
    return 0;
}

static int teardown(void **arg) {
    struct world *w = *arg;
    assert_int_equal(w->fx.maps, 0);
    fixture_done(&w->fx);
    free(w);
    return 0;
}

/* ---- clock ---- */

static void ran(struct world *w, char what) {
    w->at[w->runs] = clock_now(w->fx.clock);
    w->order[w->runs++ % 63] = what;
}

static void ran_a(void *dev) {
    ran(dev, 'a');
}

static void ran_b(void *dev) {
    ran(dev, 'b');
}

static void ran_again(void *dev) {
    struct world *w = dev;
    w->runs++;
    timer_after(&w->c, 0);
}

static void test_timers_in_order(void **arg) {
    struct world *w = *arg;
    uint64_t t = clock_now(w->fx.clock);
    timer_init(&w->a, w->fx.clock, ran_a, w);
    timer_init(&w->b, w->fx.clock, ran_b, w);
    assert_false(timer_is_on(&w->a));
    assert_int_equal(clock_next(w->fx.clock), TIMER_NEVER);
    timer_after(&w->a, 300);
    timer_after(&w->b, 200);
    assert_int_equal(clock_next(w->fx.clock), w->fx.now + 200);
    fixture_sleep(&w->fx, 199);
    assert_int_equal(w->runs, 0);
    fixture_sleep(&w->fx, 1000);
    assert_string_equal(w->order, "ba");
    assert_int_equal(w->at[0], t + 200);
    assert_int_equal(w->at[1], t + 300);
    timer_after(&w->a, 50); /* set anew: moves */
    timer_after(&w->a, 100);
    timer_after(&w->b, 75);
    timer_off(&w->b);
    fixture_sleep(&w->fx, 1000);
    assert_string_equal(w->order, "baa");
}

static void test_clock_run_is_bounded(void **arg) {
    struct world *w = *arg;
    timer_init(&w->c, w->fx.clock, ran_again, w);
    timer_after(&w->c, 0);
    clock_run(w->fx.clock);
    assert_in_range(w->runs, 2, 100000);
}

static void test_pause_stops_time(void **arg) {
    struct world *w = *arg;
    uint64_t t = clock_now(w->fx.clock);
    timer_init(&w->a, w->fx.clock, ran_a, w);
    timer_after(&w->a, 100);
    w->fx.now += 40;
    clock_pause(w->fx.clock, true);
    w->fx.now += 1000000;
    assert_int_equal(clock_now(w->fx.clock), t + 40);
    assert_int_equal(clock_next(w->fx.clock), TIMER_NEVER);
    clock_run(w->fx.clock);
    assert_int_equal(w->runs, 0);
    clock_pause(w->fx.clock, false);
    assert_int_equal(clock_now(w->fx.clock), t + 40);
    assert_int_equal(clock_next(w->fx.clock), w->fx.now + 60);
    fixture_sleep(&w->fx, 60);
    assert_int_equal(w->runs, 1);
    assert_int_equal(w->at[0], t + 100);
}

/* ---- dma ---- */

static void test_dma_holes(void **arg) {
    struct world *w = *arg;
    const struct dma dma = {&w->fx.engine, NULL};
    uint8_t buf[64];
    memset(w->fx.ram + FIXTURE_RAM - 16, 0x11, 16);
    assert_false(dma_read(&dma, FIXTURE_RAM - 16, buf, 32)); /* half of it is not RAM */
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(buf[i], i < 16 ? 0x11 : 0xff);
    memset(buf, 0x22, sizeof(buf));
    assert_false(dma_write(&dma, FIXTURE_RAM - 16, buf, 32));
    assert_int_equal(w->fx.ram[FIXTURE_RAM - 1], 0x22);
    assert_true(dma_write(&dma, 0xff0, buf, 64)); /* across pages */
    assert_int_equal(w->fx.ram[0xff0 + 63], 0x22);
    assert_int_equal(w->fx.ram[0xff0 + 64], 0);
    assert_false(dma_read(&dma, UINT64_MAX - 3, buf, 8));
    assert_int_equal(buf[0], 0xff);
}

static void test_dma_scatter(void **arg) {
    struct world *w = *arg;
    bool on = true;
    const struct dma dma = {&w->fx.engine, &on};
    struct dma_sg sg = {0};
    uint8_t buf[16], back[16];
    assert_int_equal(dma_sg_add(&dma, &sg, 0x1ff8, 16, true), 16);
    assert_int_equal(sg.n, 2); /* the fixture's RAM is cut at pages */
    assert_int_equal(dma_sg_add(&dma, &sg, FIXTURE_RAM, 16, true), 16); /* nowhere */
    assert_int_equal(sg.len, 32);
    memset(buf, 0x5a, sizeof(buf));
    assert_int_equal(dma_sg_fill(&sg, 4, buf, 8), 8);
    assert_int_equal(w->fx.ram[0x1ffb], 0);
    assert_int_equal(w->fx.ram[0x1ffc], 0x5a);
    assert_int_equal(w->fx.ram[0x2003], 0x5a);
    assert_int_equal(w->fx.ram[0x2004], 0);
    assert_int_equal(dma_sg_fetch(&sg, 4, back, 8), 8);
    assert_memory_equal(buf, back, 8);
    assert_int_equal(dma_sg_fill(&sg, 28, buf, 8), 4); /* only so much is left */
    dma_sg_done(&dma, &sg, true);
    assert_int_equal(sg.n, 0);
    assert_int_equal(w->fx.maps, 0);
    assert_int_equal(dma_sg_add(&dma, &sg, FIXTURE_RAM, 16, false), 16);
    assert_int_equal(dma_sg_fetch(&sg, 0, back, 1), 1);
    assert_int_equal(back[0], 0xff);
    dma_sg_done(&dma, &sg, false);
    on = false; /* Bus Master Enable */
    assert_int_equal(dma_sg_add(&dma, &sg, 0, 16, false), 16);
    dma_sg_fetch(&sg, 0, back, 1);
    assert_int_equal(back[0], 0xff);
    dma_sg_done(&dma, &sg, false);
}

static void test_dma_list_fills_up(void **arg) {
    struct world *w = *arg;
    const struct dma dma = {&w->fx.engine, NULL};
    struct dma_sg sg = {0};
    assert_int_equal(dma_sg_add(&dma, &sg, 0, FIXTURE_RAM, false), DMA_SG_MAX * 4096);
    assert_int_equal(dma_sg_add(&dma, &sg, 0, 1, false), 0);
    dma_sg_done(&dma, &sg, false);
}

/* ---- registers ---- */

struct chip {
    uint8_t a;
    uint16_t b;
    uint32_t c;
    unsigned hooks;
    uint64_t old[4];
};

static void wrote(void *dev, uint64_t old) {
    struct chip *chip = dev;
    chip->old[chip->hooks++ % 4] = old;
}

static uint64_t fetched(void *dev) {
    (void)dev;
    return 0x12345678;
}

static const struct reg table[] = {
    REG(struct chip, a, 0, .reset = 0x81, .rw = 0x0f, .w1c = 0x80, .wrote = wrote),
    REG(struct chip, b, 2, .reset = 0xbeef, .rw = 0xffff, .wrote = wrote),
    REG(struct chip, c, 4, .rw = 0xffffffff, .fetch = fetched),
};

static void test_regs(void **arg) {
    (void)arg;
    struct chip chip = {0};
    regs_reset(table, 3, &chip);
    assert_int_equal(regs_read(table, 3, &chip, 0, 4), 0xbeef0081);
    assert_int_equal(regs_read(table, 3, &chip, 3, 2), 0x78be); /* straddles two */
    assert_int_equal(regs_read(table, 3, &chip, 0, 8), UINT64_C(0x12345678beef0081));
    assert_int_equal(regs_read(table, 3, &chip, 8, 8), 0);
    regs_write(table, 3, &chip, 0, 1, 0x7f);
    assert_int_equal(chip.a, 0x8f); /* four bits store, bit 7 was not written 1 */
    assert_int_equal(chip.old[0], 0x81);
    regs_write(table, 3, &chip, 0, 4, 0x11229980);
    assert_int_equal(chip.a, 0x00);
    assert_int_equal(chip.b, 0x1122);
    assert_int_equal(chip.hooks, 3);
    assert_int_equal(chip.old[2], 0xbeef);
    regs_write(table, 3, &chip, 3, 2, 0xaabb); /* the high byte of b, the low one of c */
    assert_int_equal(chip.b, 0xbb22);
    assert_int_equal(chip.c, 0xaa);
    regs_write(table, 3, &chip, 8, 4, 0xffffffff);
    assert_int_equal(chip.c, 0xaa);
}

/* ---- input ---- */

struct person {
    unsigned events, syncs;
    struct input_event last;
};

static void person_event(void *dev, const struct input_event *event) {
    struct person *p = dev;
    p->events++;
    p->last = *event;
}

static void person_sync(void *dev) {
    struct person *p = dev;
    p->syncs++;
}

static void person_reached(void *arg) {
    ++*(unsigned *)arg;
}

static void test_input(void **arg) {
    struct world *w = *arg;
    struct input *in = w->fx.input;
    struct person kbd = {0}, mouse = {0}, tablet = {0};
    struct input_sink k = {.kinds = 1 << INPUT_KEY, .dev = &kbd, .event = person_event};
    struct input_sink m = {.kinds = 1 << INPUT_REL | 1 << INPUT_BUTTON, .dev = &mouse,
                           .event = person_event, .sync = person_sync};
    struct input_sink t = {.kinds = 1 << INPUT_ABS | 1 << INPUT_BUTTON, .dev = &tablet,
                           .event = person_event, .sync = person_sync};
    const struct input_event key = {INPUT_KEY, 30, 1}, click = {INPUT_BUTTON, 0x110, 1};
    const struct input_event rel = {INPUT_REL, INPUT_X, 5}, abs = {INPUT_ABS, INPUT_X, 5};
    unsigned reached = 0;
    input_follow(in, person_reached, &reached);
    input_send(in, &key); /* nobody is there */
    input_sync(in);
    assert_int_equal(reached, 0);
    input_add(in, &k);
    input_add(in, &m);
    assert_false(input_has_abs(in));
    input_send(in, &key);
    input_send(in, &rel);
    input_send(in, &click);
    input_sync(in);
    assert_int_equal(kbd.events, 1);
    assert_int_equal(mouse.events, 2);
    assert_int_equal(mouse.syncs, 1);
    assert_int_equal(reached, 1); /* once for all three */
    input_sync(in);
    assert_int_equal(reached, 1);
    input_follow(in, NULL, NULL);
    input_add(in, &t);
    assert_true(input_has_abs(in));
    input_send(in, &abs);
    input_send(in, &click);
    input_sync(in);
    assert_int_equal(tablet.events, 2);
    assert_int_equal(tablet.syncs, 1);
    assert_int_equal(mouse.syncs, 1); /* it had nothing */
    assert_int_equal(reached, 1);     /* and nobody wants to know */
    input_enable(in, &m, false);
    input_enable(in, &m, true); /* the last enabled one */
    assert_false(input_has_abs(in));
    input_send(in, &click);
    assert_int_equal(mouse.events, 3);
    input_enable(in, &m, false);
    input_send(in, &click);
    assert_int_equal(tablet.events, 3);
    input_remove(in, &t);
    input_send(in, &abs);
    assert_int_equal(tablet.events, 3);
}

/* A keyboard comes while a key is down: the key goes up where it went down, and nowhere else. */
static void test_input_held(void **arg) {
    struct world *w = *arg;
    struct input *in = w->fx.input;
    struct person old = {0}, new = {0};
    struct input_sink o = {.kinds = 1 << INPUT_KEY, .dev = &old, .event = person_event};
    struct input_sink n = {.kinds = 1 << INPUT_KEY, .dev = &new, .event = person_event};
    const struct input_event down = {INPUT_KEY, 30, 1}, up = {INPUT_KEY, 30, 0};
    input_add(in, &o);
    input_send(in, &down);
    input_add(in, &n);
    input_send(in, &up);
    assert_int_equal(old.events, 2);
    assert_int_equal(old.last.value, 0);
    assert_int_equal(new.events, 0);
    input_send(in, &up); /* once only: the rest is the last enabled one's */
    assert_int_equal(old.events, 2);
    assert_int_equal(new.events, 1);
    /* a viewer's repeat goes to the new one: both have it down, and both up */
    input_enable(in, &n, false);
    input_send(in, &down);
    input_enable(in, &n, true);
    input_send(in, &down);
    input_send(in, &up);
    assert_int_equal(old.events, 4);
    assert_int_equal(new.events, 3);
    /* one that has been off in between has forgotten */
    input_send(in, &down);
    input_enable(in, &n, false);
    input_enable(in, &n, true);
    input_enable(in, &n, false);
    input_send(in, &up);
    assert_int_equal(new.events, 4);
    assert_int_equal(old.events, 5);
    /* a code that is no key's is passed on all the same */
    input_send(in, &(struct input_event){INPUT_KEY, 0xffff, 0});
    assert_int_equal(old.events, 6);
}

/* ---- fifo, block ---- */

static void test_fifo(void **arg) {
    (void)arg;
    struct fifo f;
    fifo_reset(&f);
    assert_int_equal(fifo_get(&f), 0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < FIFO_LEN; i++)
            assert_true(fifo_put(&f, FIFO_LEN, (uint8_t)(i + round)));
        assert_false(fifo_put(&f, FIFO_LEN, 1));
        assert_int_equal(fifo_peek(&f), round);
        for (unsigned i = 0; i < 100; i++)
            assert_int_equal(fifo_get(&f), (uint8_t)(i + round));
        for (unsigned i = 100; i < FIFO_LEN; i++)
            assert_int_equal(fifo_get(&f), (uint8_t)(i + round));
        assert_int_equal(fifo_peek(&f), 0);
        fifo_put(&f, 16, 9);
        fifo_get(&f);
    }
    for (unsigned i = 0; i < 16; i++)
        assert_true(fifo_put(&f, 16, 0));
    assert_false(fifo_put(&f, 16, 0));
}

static int last_err;
static unsigned dones;

static void done(struct block_req *req, int err) {
    (void)req;
    last_err = err;
    dones++;
}

static int one(struct world *w, struct block *block, enum block_op op, uint64_t offset,
               size_t len) {
    static uint8_t buf[4096];
    struct iovec iov = {buf, len};
    struct block_req req = {.op = op, .offset = offset, .len = len, .iov = &iov, .niov = 1,
                            .done = done};
    unsigned before = dones;
    block_submit(block, &req);
    assert_int_equal(dones, before); /* never from inside */
    assert_int_equal(fixture_io(&w->fx), 1);
    assert_int_equal(dones, before + 1);
    return last_err;
}

static void test_block(void **arg) {
    struct world *w = *arg;
    struct block *b = fixture_block(&w->fx, 8192, false);
    struct block *ro = fixture_block(&w->fx, 8192, true);
    assert_int_equal(one(w, b, BLOCK_READ, 8192 - 512, 512), 0);
    assert_int_equal(one(w, b, BLOCK_READ, 8192 - 512, 1024), EINVAL);
    assert_int_equal(one(w, b, BLOCK_READ, UINT64_MAX - 511, 1024), EINVAL);
    assert_int_equal(one(w, b, BLOCK_READ, 256, 512), EINVAL);
    assert_int_equal(one(w, b, BLOCK_WRITE, 0, 513), EINVAL);
    assert_int_equal(one(w, ro, BLOCK_WRITE, 0, 512), EROFS);
    assert_int_equal(one(w, ro, BLOCK_DISCARD, 0, 512), EROFS);
    assert_int_equal(one(w, ro, BLOCK_FLUSH, 0, 0), 0);
    assert_int_equal(b->stats.rd_ops, 1);
    assert_int_equal(b->stats.rd_bytes, 512);
    assert_int_equal(b->stats.errors, 4);
    fixture_fail(b, EIO, 1);
    assert_int_equal(one(w, b, BLOCK_WRITE, 0, 512), EIO);
    assert_int_equal(one(w, b, BLOCK_WRITE, 0, 512), 0);
    block_get(b);
    block_put(b);
    block_put(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_timers_in_order), TEST(test_clock_run_is_bounded), TEST(test_pause_stops_time),
        TEST(test_dma_holes), TEST(test_dma_scatter), TEST(test_dma_list_fills_up),
        TEST(test_regs), TEST(test_input), TEST(test_input_held), TEST(test_fifo), TEST(test_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
