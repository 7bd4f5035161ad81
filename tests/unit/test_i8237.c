/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DMA controllers through their ports. 8237A datasheet, "Register description".
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
    dma = i8237_new(&(struct i8237_pins){.io = fx.io});
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    i8237_device.free(dma);
    fixture_done(&fx);
    return 0;
}

/* "Clear First/Last Flip-Flop" makes the next access the low byte; each access turns it round. */
static void address_low_then_high(void **unused) {
    (void)unused;
    out8(&fx, 0x0c, 0);
    out8(&fx, 0x04, 0x34);
    out8(&fx, 0x04, 0x12);
    out8(&fx, 0x0c, 0);
    assert_int_equal(in8(&fx, 0x04), 0x34);
    assert_int_equal(in8(&fx, 0x04), 0x12);
    assert_int_equal(in8(&fx, 0x04), 0x34);
}

/* The second controller's registers are two ports apart. */
static void word_channels_have_their_own(void **unused) {
    (void)unused;
    out8(&fx, 0xd8, 0);
    out8(&fx, 0xc6, 0xff); /* channel 5 count */
    out8(&fx, 0xc6, 0x01);
    out8(&fx, 0x0c, 0);
    assert_int_equal(in8(&fx, 0x03), 0);
    out8(&fx, 0xd8, 0);
    assert_int_equal(in8(&fx, 0xc6), 0xff);
    assert_int_equal(in8(&fx, 0xc7), 0x01);
}

/* Master Clear sets all mask bits and clears the rest; single mask bits follow bit 2. */
static void masks(void **unused) {
    (void)unused;
    assert_int_equal(in8(&fx, 0x0f), 0x0f);
    out8(&fx, 0x0a, 0x02);
    assert_int_equal(in8(&fx, 0x0f), 0x0b);
    out8(&fx, 0x0a, 0x06);
    assert_int_equal(in8(&fx, 0x0f), 0x0f);
    out8(&fx, 0x0e, 0);
    assert_int_equal(in8(&fx, 0x0f), 0x00);
    out8(&fx, 0x0d, 0);
    assert_int_equal(in8(&fx, 0x0f), 0x0f);
}

static void pages_store(void **unused) {
    (void)unused;
    assert_int_equal(in8(&fx, 0x88), 0x00);
    out8(&fx, 0x81, 0x5a);
    assert_int_equal(in8(&fx, 0x81), 0x5a);
    assert_int_equal(in8(&fx, 0x82), 0x00);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {T(address_low_then_high), T(word_channels_have_their_own),
                                       T(masks), T(pages_store)};
    return cmocka_run_group_tests_name("i8237", tests, NULL, NULL);
}
