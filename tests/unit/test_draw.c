/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drawing alone: what a chip can't be brought to show easily. Memory that wraps, pictures that are
 * as large as can be, every pan, rows that share memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "video/draw.h"

enum { SIZE = 0x10000 };

static uint8_t *vram; /* exactly SIZE bytes: the sanitizer sees a read beyond */
static uint32_t line[DRAW_MAX_WIDTH];

static int setup(void **state) {
    (void)state;
    vram = malloc(SIZE);
    for (unsigned i = 0; i < SIZE; i++)
        vram[i] = (uint8_t)(i * 7 + i / 256);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    free(vram);
    return 0;
}

static struct draw picture(enum draw_kind kind, unsigned width, unsigned height) {
    struct draw d = {.vram = vram, .mask = SIZE - 1, .kind = kind, .width = width,
                     .height = height, .hscale = 1, .row_scans = 1, .split = height,
                     .cell_width = 9, .underline = 31};
    for (unsigned i = 0; i < 256; i++)
        d.palette[i] = i;
    return d;
}

static void every_kind_wraps(void **state) {
    (void)state;
    for (int kind = DRAW_BLANK; kind <= DRAW_RGB32; kind++)
        for (unsigned pan = 0; pan < 32; pan++) {
            struct draw d = picture((enum draw_kind)kind, DRAW_MAX_WIDTH - pan % 8, 3);
            d.start = SIZE - 1 - pan;
            d.pitch = 0x7ffd;
            d.pan = pan;
            d.font[0] = d.font[1] = 0xffff;
            for (unsigned y = 0; y < 3; y++)
                draw_line(&d, y, line);
        }
}

static void wrapped_bytes_are_the_right_ones(void **state) {
    (void)state;
    struct draw d = picture(DRAW_INDEX8, 64, 1);
    d.start = SIZE - 10;
    draw_line(&d, 0, line);
    for (unsigned x = 0; x < 64; x++)
        assert_int_equal(line[x], vram[(SIZE - 10 + x) % SIZE]);
}

static void panning_moves_left(void **state) {
    (void)state;
    static const enum draw_kind kinds[] = {DRAW_TEXT, DRAW_PLANAR, DRAW_CGA, DRAW_INDEX8};
    uint32_t whole[256];
    for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
        struct draw d = picture(kinds[k], 216, 1);
        draw_line(&d, 0, whole);
        d.width = 144;
        for (d.pan = 0; d.pan < 32; d.pan++) {
            draw_line(&d, 0, line);
            assert_memory_equal(line, whole + d.pan, 144 * sizeof(*line));
        }
    }
}

static void doubling_shows_each_twice(void **state) {
    (void)state;
    struct draw d = picture(DRAW_INDEX8, 20, 8);
    d.hscale = 2;
    d.scan_shift = 1;
    d.pitch = 100;
    for (unsigned y = 0; y < 8; y++) {
        draw_line(&d, y, line);
        for (unsigned x = 0; x < 20; x++)
            assert_int_equal(line[x], vram[y / 2 * 100 + x / 2]);
    }
}

static void rows_split_and_preset(void **state) {
    (void)state;
    struct draw d = picture(DRAW_INDEX8, 8, 100);
    uint32_t len;
    d.row_scans = 8;
    d.preset_scan = 3;
    d.pitch = 80;
    d.start = 4000;
    d.split = 50;
    assert_int_equal(draw_source(&d, 0, &len), 4000);
    assert_int_equal(len, 8);
    assert_int_equal(draw_source(&d, 4, &len), 4000);
    assert_int_equal(draw_source(&d, 5, &len), 4080);
    assert_int_equal(draw_source(&d, 49, &len), 4000 + 52 / 8 * 80);
    assert_int_equal(draw_source(&d, 50, &len), 0);
    assert_int_equal(draw_source(&d, 58, &len), 80);
    d.row_bit[0] = 0x2000; /* odd scanlines of a row come from elsewhere */
    assert_int_equal(draw_source(&d, 50, &len), 0);
    assert_int_equal(draw_source(&d, 51, &len), 0x2000);
    assert_int_equal(draw_source(&d, 52, &len), 0);
}

static void underline_and_cursor(void **state) {
    (void)state;
    struct draw d = picture(DRAW_TEXT, 27, 16);
    memset(vram, 0, SIZE);
    d.row_scans = 16;
    d.underline = 13;
    vram[1] = 0x01; /* foreground 1, background 0: underlined */
    vram[5] = 0x02; /* not */
    draw_line(&d, 13, line);
    assert_int_equal(line[0], 1);
    assert_int_equal(line[8], 1);
    assert_int_equal(line[9], 0);
    d.cursor_on = true;
    d.cursor = 4;
    d.cursor_top = 2;
    d.cursor_bottom = 3;
    draw_line(&d, 3, line);
    assert_int_equal(line[8], 0);
    assert_int_equal(line[9], 2);
    assert_int_equal(line[17], 2);
    assert_int_equal(line[18], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_wraps), cmocka_unit_test(wrapped_bytes_are_the_right_ones),
        cmocka_unit_test(panning_moves_left), cmocka_unit_test(doubling_shows_each_twice),
        cmocka_unit_test(rows_split_and_preset), cmocka_unit_test(underline_and_cursor),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
