/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DMA controllers' registers: Intel 8237A (1993), "Register Description"; the places are those
 * of the PC AT Technical Reference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(port_88_is_not_1f), TEST(pages_store), TEST(flip_flop), TEST(masks),
        TEST(requests_show_in_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
