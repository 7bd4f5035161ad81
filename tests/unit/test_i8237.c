/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DMA controllers: Intel 8237A (1993), "Register Description" and "DMA Operation"; the places
 * are those of the PC AT Technical Reference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "pc/i8237.h"

static struct fixture fx;
static struct i8237 *dma;

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    dma = i8237_new(&(struct i8237_pins){.io = fx.io, .engine = &fx.engine});
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    i8237_device.free(dma);
    fixture_done(&fx);
    return 0;
}

/* hvmloader takes 1f there for a laptop's battery port. */
static void port_88_is_not_1f(void **unused) {
    (void)unused;
    assert_int_equal(in8(&fx, 0x88), 0x00);
}

static void pages_store(void **unused) {
    (void)unused;
    for (unsigned port = 0x80; port < 0x90; port++)
        out8(&fx, (uint16_t)port, (uint8_t)(port ^ 0x55));
    for (unsigned port = 0x80; port < 0x90; port++)
        assert_int_equal(in8(&fx, (uint16_t)port), port ^ 0x55);
}

static void flip_flop(void **unused) {
    (void)unused;
    out8(&fx, 0x0c, 0);
    out8(&fx, 0x04, 0x34);
    out8(&fx, 0x04, 0x12);
    out8(&fx, 0x05, 0xff);
    out8(&fx, 0x05, 0x01);
    assert_int_equal(in8(&fx, 0x04), 0x34);
    out8(&fx, 0x0c, 0);
    assert_int_equal(in8(&fx, 0x04), 0x34);
    assert_int_equal(in8(&fx, 0x04), 0x12);
    assert_int_equal(in8(&fx, 0x05), 0xff);
    assert_int_equal(in8(&fx, 0x05), 0x01);
    /* the second one, two ports a register, has a flip-flop of its own */
    out8(&fx, 0xd8, 0);
    in8(&fx, 0x04);
    out8(&fx, 0xc4, 0x78);
    out8(&fx, 0xc4, 0x56);
    assert_int_equal(in8(&fx, 0xc4), 0x78);
    assert_int_equal(in8(&fx, 0xc4), 0x56);
    assert_int_equal(in8(&fx, 0xc5), 0xff);
}

static void masks(void **unused) {
    (void)unused;
    assert_int_equal(in8(&fx, 0x0f) & 0x0f, 0x0f); /* set by reset */
    out8(&fx, 0x0a, 0x02);
    assert_int_equal(in8(&fx, 0x0f) & 0x0f, 0x0b);
    out8(&fx, 0x0e, 0);
    assert_int_equal(in8(&fx, 0x0f) & 0x0f, 0x00);
    out8(&fx, 0x0a, 0x05);
    assert_int_equal(in8(&fx, 0x0f) & 0x0f, 0x02);
    out8(&fx, 0x0f, 0x09);
    assert_int_equal(in8(&fx, 0x0f) & 0x0f, 0x09);
    out8(&fx, 0xd4, 0x00);
    assert_int_equal(in8(&fx, 0xde) & 0x0f, 0x0e);
    out8(&fx, 0xda, 0);
    assert_int_equal(in8(&fx, 0xde) & 0x0f, 0x0f);
}

static void requests_show_in_status(void **unused) {
    (void)unused;
    out8(&fx, 0x09, 0x06);
    assert_int_equal(in8(&fx, 0x08), 0x40);
    out8(&fx, 0x09, 0x02);
    assert_int_equal(in8(&fx, 0x08), 0x00);
    out8(&fx, 0x09, 0x04);
    out8(&fx, 0x0d, 0); /* master clear */
    assert_int_equal(in8(&fx, 0x08), 0x00);
}

/* ---- transfers ---- */

enum { SINGLE = 0x40, TO_MEMORY = 0x04, FROM_MEMORY = 0x08, AUTO = 0x10, DOWN = 0x20 };

static bool tc;

static size_t move(unsigned channel, void *buf, size_t len, bool to_memory) {
    struct isa_dma wire = i8237_channel(dma, channel);
    return isa_dma_move(&wire, buf, len, to_memory, &tc);
}

/* Channel 0 to 3: page, address and count as they go into the registers. */
static void program(unsigned channel, uint8_t mode, uint8_t page, uint16_t address,
                    uint16_t count) {
    static const uint16_t pages[] = {0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a};
    bool second = channel > 3;
    uint16_t base = second ? 0xc0 : 0, step = second ? 2 : 1, i = channel & 3;
    out8(&fx, (uint16_t)(base + 12 * step), 0);
    out8(&fx, (uint16_t)(base + 11 * step), (uint8_t)(mode | i));
    out8(&fx, pages[channel], page);
    out8(&fx, (uint16_t)(base + 2 * i * step), (uint8_t)address);
    out8(&fx, (uint16_t)(base + 2 * i * step), (uint8_t)(address >> 8));
    out8(&fx, (uint16_t)(base + (2 * i + 1) * step), (uint8_t)count);
    out8(&fx, (uint16_t)(base + (2 * i + 1) * step), (uint8_t)(count >> 8));
    out8(&fx, (uint16_t)(base + 10 * step), (uint8_t)i);
}

static void to_memory(void **unused) {
    (void)unused;
    uint8_t bytes[100];
    memset(bytes, 0x42, sizeof(bytes));
    program(2, SINGLE | TO_MEMORY, 3, 0x8000, 99);
    assert_int_equal(move(2, bytes, 60, false), 0); /* the other direction */
    assert_int_equal(move(2, bytes, 60, true), 60);
    assert_false(tc);
    assert_int_equal(in8(&fx, 0x04), 0x3c); /* the current address */
    assert_int_equal(in8(&fx, 0x04), 0x80);
    assert_int_equal(in8(&fx, 0x05), 39);
    assert_int_equal(in8(&fx, 0x05), 0);
    assert_int_equal(in8(&fx, 0x08), 0);
    assert_int_equal(move(2, bytes, 100, true), 40);
    assert_true(tc);
    assert_int_equal(fx.ram[0x38000], 0x42);
    assert_int_equal(fx.ram[0x38063], 0x42);
    assert_int_equal(fx.ram[0x38064], 0);
    assert_int_equal(in8(&fx, 0x08), 0x04);
    assert_int_equal(in8(&fx, 0x08), 0x00);
    assert_int_equal(move(2, bytes, 1, true), 0); /* it masked itself */
}

static void autoinitialize(void **unused) {
    (void)unused;
    uint8_t bytes[20];
    for (unsigned i = 0; i < 10; i++)
        fx.ram[0x20000 + i] = (uint8_t)i;
    program(1, SINGLE | FROM_MEMORY | AUTO, 2, 0, 9);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(move(1, bytes, 20, false), 10);
        assert_true(tc);
        assert_int_equal(bytes[9], 9);
    }
    assert_int_equal(in8(&fx, 0x03), 9);
}

static void down(void **unused) {
    (void)unused;
    uint8_t bytes[4] = {1, 2, 3, 4};
    program(3, SINGLE | TO_MEMORY | DOWN, 1, 0x0102, 3);
    assert_int_equal(move(3, bytes, 4, true), 4);
    assert_int_equal(fx.ram[0x10102], 1);
    assert_int_equal(fx.ram[0x100ff], 4);
}

/* The page registers don't count. */
static void stays_in_its_page(void **unused) {
    (void)unused;
    uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    program(2, SINGLE | TO_MEMORY, 4, 0xfffc, 7);
    assert_int_equal(move(2, bytes, 8, true), 8);
    assert_int_equal(fx.ram[0x4ffff], 4);
    assert_int_equal(fx.ram[0x40000], 5);
    assert_int_equal(fx.ram[0x50000], 0);
}

/* The second controller counts words; bit 0 of its pages is not wired. */
static void words(void **unused) {
    (void)unused;
    uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    program(5, SINGLE | TO_MEMORY, 0x05, 0x8001, 3);
    assert_int_equal(move(5, bytes, 8, true), 8);
    assert_true(tc);
    assert_int_equal(fx.ram[0x50002], 1);
    assert_int_equal(fx.ram[0x50009], 8);
    assert_int_equal(in8(&fx, 0xd0), 0x02);
    program(5, SINGLE | TO_MEMORY, 0x05, 0x0001, 3);
    assert_int_equal(move(5, bytes, 8, true), 8);
    assert_int_equal(fx.ram[0x40002], 1);
}

static void verify_and_off(void **unused) {
    (void)unused;
    uint8_t bytes[4] = {9, 9, 9, 9};
    program(2, SINGLE, 1, 0, 3); /* verify: counts, moves nothing */
    assert_int_equal(move(2, bytes, 4, true), 4);
    assert_true(tc);
    assert_int_equal(fx.ram[0x10000], 0);
    program(2, SINGLE | TO_MEMORY, 1, 0, 3);
    out8(&fx, 0x08, 0x04); /* the whole controller */
    assert_int_equal(move(2, bytes, 4, true), 0);
    out8(&fx, 0x08, 0x00);
    out8(&fx, 0x0b, 0xc6); /* cascade: another controller has the channel */
    assert_int_equal(move(2, bytes, 4, true), 0);
}

static unsigned called;

static void ready(void *user) {
    assert_ptr_equal(user, &called);
    called++;
}

static void dreq(void **unused) {
    (void)unused;
    struct isa_dma wire = i8237_channel(dma, 2);
    called = 0;
    isa_dma_attach(&wire, ready, &called);
    program(2, SINGLE | TO_MEMORY, 1, 0, 3);
    assert_int_equal(called, 0);
    out8(&fx, 0x0a, 0x06);
    isa_dma_request(&wire, true);
    assert_int_equal(in8(&fx, 0x08), 0x40);
    assert_int_equal(called, 0);
    out8(&fx, 0x0a, 0x02);
    assert_int_equal(called, 1);
    isa_dma_request(&wire, false);
    out8(&fx, 0x0e, 0);
    assert_int_equal(called, 1);
    assert_int_equal(in8(&fx, 0x08), 0x00);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(port_88_is_not_1f), TEST(pages_store), TEST(flip_flop), TEST(masks),
        TEST(requests_show_in_status), TEST(to_memory), TEST(autoinitialize), TEST(down),
        TEST(stays_in_its_page), TEST(words), TEST(verify_and_off), TEST(dreq),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
