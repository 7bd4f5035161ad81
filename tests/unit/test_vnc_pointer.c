/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a viewer draws the guest's pointer itself: see vnc_pointer.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vnc_pointer.h"

static struct display_cursor arrow, beam;
static struct vnc_pointer p;

static int setup(void **state) {
    (void)state;
    memset(&p, 0, sizeof(p));
    arrow = (struct display_cursor){.size = 32, .x = 100, .y = 50, .pixels = {0xff000000}};
    beam = arrow;
    beam.pixels[77] = 0xffffffff;
    return 0;
}

static void look(const struct display_cursor *c, int x, int y, unsigned times) {
    while (times--)
        vnc_pointer_look(&p, c, x, y);
}

static void found_at_rest(void **state) {
    (void)state;
    look(NULL, 0, 0, 10);
    assert_int_equal(p.cursor.serial, 0); /* no such hardware: the viewer keeps its own */
    look(&arrow, 103, 58, 3);
    assert_false(p.apart);
    assert_int_equal(p.cursor.size, 0); /* one pointer is enough, and it is in the picture */
    assert_true(p.cursor.serial);
    look(&arrow, 103, 58, 10);
    assert_true(p.apart);
    assert_int_equal(p.cursor.size, 32);
    assert_int_equal(p.cursor.hot_x, 3);
    assert_int_equal(p.cursor.hot_y, 8);
    assert_int_equal(p.cursor.pixels[0], 0xff000000);
    /* it follows: nothing new to tell */
    uint64_t serial = p.cursor.serial;
    for (int i = 0; i < 40; i++) {
        look(&arrow, 103 + 2 * i, 58, 1);
        arrow.x = 100 + i; /* the guest comes after */
    }
    arrow.x = 100 + 2 * 39;
    look(&arrow, 103 + 2 * 39, 58, 20);
    assert_true(p.apart);
    assert_int_equal(p.cursor.serial, serial);
}

static void other_shapes(void **state) {
    (void)state;
    look(&arrow, 103, 58, 10);
    look(&beam, 103, 58, 1);
    assert_false(p.apart);
    assert_int_equal(p.cursor.size, 0);
    beam.x = 95; /* a shape that points with another pixel */
    look(&beam, 103, 58, 10);
    assert_true(p.apart);
    assert_int_equal(p.cursor.hot_x, 8);
    look(NULL, 103, 58, 1); /* gone, or one that inverts */
    assert_false(p.apart);
    assert_int_equal(p.cursor.size, 5);
    uint64_t serial = p.cursor.serial;
    look(NULL, 103, 58, 10);
    assert_int_equal(p.cursor.serial, serial);
}

static void somewhere_else(void **state) {
    (void)state;
    look(&arrow, 300, 58, 20); /* the guest does not follow */
    assert_false(p.apart);
    assert_int_equal(p.cursor.size, 0);
    look(&arrow, 103, 58, 20);
    assert_true(p.apart);
    arrow.x = 400; /* it moved the pointer by itself */
    look(&arrow, 103, 58, 20);
    assert_false(p.apart);
    assert_int_equal(p.cursor.size, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(found_at_rest, setup), cmocka_unit_test_setup(other_shapes, setup),
        cmocka_unit_test_setup(somewhere_else, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
