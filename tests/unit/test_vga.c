/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The standard VGA through its ports, window and BARs, as seen in its picture. Expected values
 * follow from the IBM PS/2 Video Subsystem Technical Reference (1992), chapter 2, and the Bochs VBE
 * documentation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"
#include "vga_modes.h"
#include "video/edid.h"
#include "video/stdvga.h"

enum { DEVFN = 0x10, LFB = 0xf0000000, MMIO = 0xf8000000, VRAM = 16 << 20 };

struct board {
    struct fixture fx;
    struct stdvga *vga;
    struct display *display;
};

static int setup(void **state) {
    struct board *b = calloc(1, sizeof(*b));
    char why[200] = "";
    fixture_init(&b->fx);
    struct stdvga_pins pins = {.engine = &b->fx.engine, .io = b->fx.io, .pci = b->fx.pci,
                               .clock = b->fx.clock, .devfn = DEVFN, .vram_bytes = VRAM};
    b->vga = stdvga_new(&pins, why, sizeof(why));
    assert_non_null(b->vga);
    b->display = stdvga_display(b->vga);
    cfg_write(&b->fx, DEVFN, PCI_BAR0, 4, LFB);
    cfg_write(&b->fx, DEVFN, PCI_BAR0 + 8, 4, MMIO);
    cfg_write(&b->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM);
    *state = b;
    return 0;
}

static int teardown(void **state) {
    struct board *b = *state;
    stdvga_device.free(b->vga);
    fixture_done(&b->fx);
    free(b);
    return 0;
}

static void refresh(struct board *b, bool whole) {
    b->display->refresh(b->display->dev, b->display, whole);
}

static uint32_t pixel(const struct board *b, unsigned x, unsigned y) {
    assert_non_null(b->display->pixels);
    assert_true(x < b->display->width && y < b->display->height);
    return b->display->pixels[(size_t)y * b->display->stride + x] & 0xffffff;
}

static void dispi(struct board *b, uint16_t reg, uint16_t val) {
    out16(&b->fx, 0x1ce, reg);
    out16(&b->fx, 0x1cf, val);
}

static uint16_t dispi_get(struct board *b, uint16_t reg) {
    out16(&b->fx, 0x1ce, reg);
    return in16(&b->fx, 0x1cf);
}

static void dispi_set(struct board *b, uint16_t x, uint16_t y, uint16_t bpp) {
    in8(&b->fx, 0x3ba);
    in8(&b->fx, 0x3da);
    out8(&b->fx, 0x3c0, 0x20);
    dispi(b, 4, 0);
    dispi(b, 1, x);
    dispi(b, 2, y);
    dispi(b, 3, bpp);
    dispi(b, 4, 0x41);
}

/* As a BIOS loads a character generator: plane 2, addresses in sequence. */
static void load_glyph(struct fixture *fx, unsigned font, uint8_t ch, const uint8_t *rows) {
    vga_seq(fx, 2, 4);
    vga_seq(fx, 4, 7);
    vga_gr(fx, 5, 0);
    vga_gr(fx, 6, 4);
    for (unsigned i = 0; i < 16; i++)
        mem_write(fx, 0xa0000 + font + ch * 32u + i, 1, rows[i]);
    vga_seq(fx, 2, 3);
    vga_seq(fx, 4, 2);
    vga_gr(fx, 5, 0x10);
    vga_gr(fx, 6, 0x0e);
}

/* ---- registers ---- */

static void registers_keep_what_they_have(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    out8(fx, 0x3c2, 0x67);
    assert_int_equal(in8(fx, 0x3cc), 0x67);
    out16(fx, 0x3c4, 0xff02);
    assert_int_equal(in8(fx, 0x3c5), 0x0f);
    out16(fx, 0x3ce, 0xff08);
    assert_int_equal(in16(fx, 0x3ce), 0xff08);
    in8(fx, 0x3da);
    out8(fx, 0x3c0, 0x10);
    out8(fx, 0x3c0, 0x0c);
    out8(fx, 0x3c0, 0x30); /* index again: the flip-flop went round */
    assert_int_equal(in8(fx, 0x3c1), 0x0c);
    assert_int_equal(in8(fx, 0x3d5 + 8), 0xff); /* 3dd: nobody */
}

static void mono_and_colour_ports(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    out8(fx, 0x3c2, 0x66);
    out8(fx, 0x3b4, 0x0e);
    out8(fx, 0x3b5, 0x12);
    assert_int_equal(in8(fx, 0x3b5), 0x12);
    assert_int_equal(in8(fx, 0x3d5), 0xff);
    out8(fx, 0x3c2, 0x67);
    assert_int_equal(in8(fx, 0x3d5), 0x12);
    assert_int_equal(in8(fx, 0x3b5), 0xff);
}

static void crtc_protection(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    vga_set(fx, &mode_03);
    vga_crtc(fx, 0x11, 0x8e);
    vga_crtc(fx, 0x01, 0x27);
    assert_int_equal(in16(fx, 0x3d4), 0x4f01);
    vga_crtc(fx, 0x07, 0xef); /* only line compare bit 8 is open */
    assert_int_equal(in16(fx, 0x3d4), 0x0f07);
    vga_crtc(fx, 0x0e, 0x01); /* above 7 nothing is closed */
    assert_int_equal(in16(fx, 0x3d4), 0x010e);
}

static void dac_counts_on(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    static const uint8_t colours[6] = {1, 2, 3, 0xff, 5, 6};
    out8(fx, 0x3c8, 0xff);
    io_write_string(fx->io, IO_PORT, 0x3c9, 1, colours, 6);
    out8(fx, 0x3c7, 0xff);
    assert_int_equal(in8(fx, 0x3c7), 3);
    assert_int_equal(in8(fx, 0x3c9), 1);
    assert_int_equal(in8(fx, 0x3c9), 2);
    assert_int_equal(in8(fx, 0x3c9), 3);
    assert_int_equal(in8(fx, 0x3c9), 0x3f); /* index 0 follows 255; six bits */
    out8(fx, 0x3c8, 0);
    assert_int_equal(in8(fx, 0x3c7), 0);
}

static void retrace_ends(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    unsigned seen = 0;
    out8(fx, 0x3c2, 0x67);
    for (unsigned i = 0; i < 4; i++)
        seen |= in8(fx, 0x3da) & 8 ? 1 : 2;
    assert_int_equal(seen, 3);
}

/* ---- text ---- */

static const uint8_t glyph[16] = {0x81, 0x42, 0x24, 0x18, 0xff};

static void text_cells(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_03);
    load_glyph(fx, 0, 'A', glyph);
    mem_write(fx, 0xb8000 + 2 * (80 + 2), 2, 0x1e41); /* yellow on blue */
    refresh(b, true);
    assert_int_equal(b->display->width, 720);
    assert_int_equal(b->display->height, 400);
    for (unsigned y = 0; y < 16; y++)
        for (unsigned x = 0; x < 9; x++) {
            bool on = x < 8 && glyph[y] >> (7 - x) & 1;
            assert_int_equal(pixel(b, 18 + x, 16 + y), on ? YELLOW : BLUE);
        }
    assert_int_equal(pixel(b, 17, 16), BLACK);
    assert_int_equal(pixel(b, 27, 16), BLACK);
    assert_int_equal(mem_read(fx, 0xb8000 + 2 * 82, 2), 0x1e41);
}

static void box_characters_join(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    static const uint8_t line[16] = {[7] = 0xff};
    vga_set(fx, &mode_03);
    load_glyph(fx, 0, 0xc4, line);
    load_glyph(fx, 0, 0xb4, line);
    mem_write(fx, 0xb8000, 4, 0x07b407c4);
    refresh(b, true);
    assert_int_equal(pixel(b, 8, 7), GREY);   /* c4: the ninth dot is the eighth */
    assert_int_equal(pixel(b, 17, 7), BLACK); /* b4: it is background */
    vga_attr(fx, 0x10, 0x08);
    refresh(b, true);
    assert_int_equal(pixel(b, 8, 7), BLACK);
}

static void eight_dots_and_doubling(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_03);
    load_glyph(fx, 0, 'A', glyph);
    vga_seq(fx, 1, 1);
    vga_attr(fx, 0x13, 0);
    mem_write(fx, 0xb8002, 2, 0x0741);
    refresh(b, true);
    assert_int_equal(b->display->width, 640);
    assert_int_equal(pixel(b, 8, 0), GREY);
    assert_int_equal(pixel(b, 15, 0), GREY);
    vga_seq(fx, 1, 9); /* half the dot clock, 40 columns */
    vga_crtc(fx, 0x11, 0x0e);
    vga_crtc(fx, 1, 0x27);
    refresh(b, true);
    assert_int_equal(b->display->width, 640);
    assert_int_equal(pixel(b, 16, 0), GREY);
    assert_int_equal(pixel(b, 17, 0), GREY);
    assert_int_equal(pixel(b, 18, 0), BLACK);
}

static void second_font(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    static const uint8_t full[16] = {0xff};
    vga_set(fx, &mode_03);
    load_glyph(fx, 0x2000, 'A', full); /* the fifth map: 8 KiB */
    vga_seq(fx, 3, 0x20);              /* for attribute bit 3 set */
    mem_write(fx, 0xb8000, 4, 0x0f410741);
    refresh(b, true);
    assert_int_equal(pixel(b, 0, 0), BLACK);
    assert_int_equal(pixel(b, 9, 0), WHITE);
}

static void cursor_and_blinking(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_03);
    b->fx.now = 1064 * NS_PER_MS; /* both phases on: 4 * 266, and below 2 * 533 */
    vga_crtc(fx, 0x0f, 3);
    mem_write(fx, 0xb8006, 2, 0x0720);
    refresh(b, true);
    assert_int_equal(pixel(b, 27, 12), BLACK);
    assert_int_equal(pixel(b, 27, 13), GREY);
    assert_int_equal(pixel(b, 35, 14), GREY);
    assert_int_equal(pixel(b, 27, 15), BLACK);
    assert_int_equal(pixel(b, 36, 13), BLACK);
    fixture_sleep(fx, 270 * NS_PER_MS);
    refresh(b, true);
    assert_int_equal(pixel(b, 27, 13), BLACK);
    fixture_sleep(fx, 270 * NS_PER_MS);
    refresh(b, true);
    assert_int_equal(pixel(b, 27, 13), GREY);
    vga_crtc(fx, 0x0a, 0x2d);
    refresh(b, true);
    assert_int_equal(pixel(b, 27, 13), BLACK);
}

static void blinking_or_bright_background(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    static const uint8_t full[16] = {0xff};
    vga_set(fx, &mode_03);
    load_glyph(fx, 0, 'A', full);
    mem_write(fx, 0xb8000, 2, 0x9741); /* blinking grey on blue, or grey on bright blue */
    b->fx.now = 1066 * NS_PER_MS;
    refresh(b, true);
    assert_int_equal(pixel(b, 0, 0), GREY);
    assert_int_equal(pixel(b, 0, 1), BLUE);
    fixture_sleep(fx, 533 * NS_PER_MS);
    refresh(b, true);
    assert_int_equal(pixel(b, 0, 0), BLUE);
    vga_attr(fx, 0x10, 0x04);
    refresh(b, true);
    assert_int_equal(pixel(b, 0, 0), GREY);
    assert_int_equal(pixel(b, 0, 1), 0x5555ff);
}

static void scrolling_by_start_address(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_03);
    mem_write(fx, 0xb8000 + 160, 2, 0x4720);
    vga_crtc(fx, 0x0d, 80);
    refresh(b, true);
    assert_int_equal(pixel(b, 0, 0), RED);
    /* split at line 31: from 32 on it starts again at address 0 */
    vga_crtc(fx, 0x18, 31);
    vga_crtc(fx, 0x07, 0x0f);
    vga_crtc(fx, 0x09, 0x0f);
    refresh(b, true);
    assert_int_equal(pixel(b, 0, 15), RED);
    assert_int_equal(pixel(b, 0, 31), BLACK);
    assert_int_equal(pixel(b, 0, 32), BLACK);
    assert_int_equal(pixel(b, 0, 48), RED);
}

static void blank_keeps_its_size(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_03);
    mem_write(fx, 0xb8000, 2, 0x4720);
    display_watch(b->display, true);
    refresh(b, true);
    assert_int_equal(pixel(b, 0, 0), RED);
    b->display->resized = false;
    in8(fx, 0x3da);
    out8(fx, 0x3c0, 0x00); /* palette address source off */
    refresh(b, false);
    assert_int_equal(pixel(b, 0, 0), BLACK);
    assert_false(b->display->resized);
    in8(fx, 0x3da);
    out8(fx, 0x3c0, 0x20);
    refresh(b, false);
    assert_int_equal(pixel(b, 0, 0), RED);
    display_watch(b->display, false);
}

static void half_set_modes_are_blank(void **state) {
    struct board *b = *state;
    refresh(b, true); /* as after reset */
    assert_int_equal(b->display->width, 720);
    assert_int_equal(b->display->height, 400);
    out8(&b->fx, 0x3c2, 0x67);
    vga_attr(&b->fx, 0, 0x3f); /* the picture is on, but the CRT controller says 9 x 1 */
    vga_dac(&b->fx, 0x3f, 63, 63, 63);
    refresh(b, true);
    assert_int_equal(b->display->width, 720);
    assert_int_equal(pixel(b, 0, 0), BLACK);
}

static void only_changed_rows_are_drawn(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_03);
    vga_crtc(fx, 0x0a, 0x20);
    display_watch(b->display, true);
    refresh(b, false);
    b->display->dirty_top = b->display->dirty_bottom = 0;
    refresh(b, false);
    assert_int_equal(b->display->dirty_bottom, 0);
    mem_write(fx, 0xb8000 + 160 * 3, 2, 0x4720);
    refresh(b, false);
    assert_int_equal(b->display->dirty_top, 48);
    assert_int_equal(b->display->dirty_bottom, 64);
    assert_int_equal(pixel(b, 0, 48), RED);
    display_watch(b->display, false);
    assert_null(b->display->pixels);
}

/* ---- graphics ---- */

static void planar_write_modes(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    vga_set(fx, &mode_12);
    vga_seq(fx, 2, 0x05); /* planes 0 and 2 */
    mem_write(fx, 0xa0000, 1, 0xa5);
    static const uint8_t expected[4] = {0xa5, 0, 0xa5, 0};
    for (uint8_t p = 0; p < 4; p++) {
        vga_gr(fx, 4, p);
        assert_int_equal(mem_read(fx, 0xa0000, 1), expected[p]);
    }
    /* set/reset in planes 1 and 3, the byte in the others, only bits 7:4 */
    vga_seq(fx, 2, 0x0f);
    vga_gr(fx, 0, 0x02);
    vga_gr(fx, 1, 0x0a);
    vga_gr(fx, 8, 0xf0);
    vga_gr(fx, 3, 4); /* rotated right by 4 */
    mem_read(fx, 0xa0000, 1);
    mem_write(fx, 0xa0000, 1, 0x0c);
    static const uint8_t mixed[4] = {0xc5, 0xf0, 0xc5, 0x00};
    for (uint8_t p = 0; p < 4; p++) {
        vga_gr(fx, 4, p);
        assert_int_equal(mem_read(fx, 0xa0000, 1), mixed[p]);
    }
    /* mode 1: the latches move on */
    vga_gr(fx, 5, 1);
    mem_read(fx, 0xa0000, 1);
    mem_write(fx, 0xa0010, 1, 0);
    /* mode 2: a colour, under the bit mask, XORed with the latches */
    vga_gr(fx, 5, 2);
    vga_gr(fx, 3, 0x18);
    vga_gr(fx, 8, 0x81);
    mem_read(fx, 0xa0010, 1);
    mem_write(fx, 0xa0010, 1, 0x09);
    static const uint8_t xored[4] = {0x44, 0xf0, 0xc5, 0x81};
    for (uint8_t p = 0; p < 4; p++) {
        vga_gr(fx, 4, p);
        assert_int_equal(mem_read(fx, 0xa0010, 1), xored[p]);
    }
    /* mode 3: the byte is ANDed with the bit mask and selects where the set/reset colour goes */
    vga_gr(fx, 5, 3);
    vga_gr(fx, 3, 0);
    vga_gr(fx, 8, 0x0f);
    vga_gr(fx, 0, 0x0d);
    mem_read(fx, 0xa0020, 1);
    mem_write(fx, 0xa0020, 1, 0x3c);
    static const uint8_t chosen[4] = {0x0c, 0, 0x0c, 0x0c};
    for (uint8_t p = 0; p < 4; p++) {
        vga_gr(fx, 4, p);
        assert_int_equal(mem_read(fx, 0xa0020, 1), chosen[p]);
    }
    /* read mode 1: which pixels have colour 0x0d, all planes minded */
    vga_gr(fx, 5, 0x08);
    vga_gr(fx, 2, 0x0d);
    vga_gr(fx, 7, 0x0f);
    assert_int_equal(mem_read(fx, 0xa0020, 1), 0x0c);
    vga_gr(fx, 7, 0x02); /* only plane 1 */
    assert_int_equal(mem_read(fx, 0xa0020, 1), 0xff);
}

static void planar_picture(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_12);
    vga_gr(fx, 5, 2);
    vga_gr(fx, 8, 0x20);
    mem_read(fx, 0xa0000 + 80 * 2 + 1, 1);
    mem_write(fx, 0xa0000 + 80 * 2 + 1, 1, 14);
    refresh(b, true);
    assert_int_equal(b->display->width, 640);
    assert_int_equal(b->display->height, 480);
    assert_int_equal(pixel(b, 10, 2), YELLOW);
    assert_int_equal(pixel(b, 9, 2), BLACK);
    assert_int_equal(pixel(b, 11, 2), BLACK);
    vga_attr(fx, 0x13, 3); /* three pixels to the left */
    refresh(b, true);
    assert_int_equal(pixel(b, 7, 2), YELLOW);
    vga_attr(fx, 0x12, 0x06); /* planes 1 and 2 only: 14 becomes 6 */
    refresh(b, true);
    assert_int_equal(pixel(b, 7, 2), BROWN);
}

static void cga_picture(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_04);
    vga_dac(fx, 0x13, 21, 63, 63); /* as the BIOS has them in this mode */
    vga_dac(fx, 0x15, 63, 21, 63);
    vga_dac(fx, 0x17, 63, 63, 63);
    mem_write(fx, 0xb8000 + 80, 1, 0x1b);      /* row 2: colours 0 1 2 3 */
    mem_write(fx, 0xb8000 + 0x2000, 1, 0xe4);  /* row 1: 3 2 1 0 */
    mem_write(fx, 0xb8000 + 81, 1, 0x40);      /* row 2, pixel 4: 1 */
    refresh(b, true);
    assert_int_equal(b->display->width, 640);
    assert_int_equal(b->display->height, 400);
    static const uint32_t colours[4] = {BLACK, 0x55ffff, 0xff55ff, WHITE};
    for (unsigned i = 0; i < 4; i++)
        for (unsigned dx = 0; dx < 2; dx++)
            for (unsigned dy = 0; dy < 2; dy++) {
                assert_int_equal(pixel(b, 2 * i + dx, 4 + dy), colours[i]);
                assert_int_equal(pixel(b, 2 * i + dx, 2 + dy), colours[3 - i]);
            }
    assert_int_equal(pixel(b, 8, 4), colours[1]);
    assert_int_equal(pixel(b, 10, 4), colours[0]);
}

static void mode_13_and_unchained(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_13);
    vga_dac(fx, 200, 63, 0, 21);
    mem_write(fx, 0xa0000 + 320 * 5 + 7, 1, 200);
    refresh(b, true);
    assert_int_equal(b->display->width, 640);
    assert_int_equal(b->display->height, 400);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pixel(b, 14 + i % 2, 10 + i / 2), 0xff0055);
    assert_int_equal(pixel(b, 13, 10), 0);
    assert_int_equal(pixel(b, 16, 10), 0);
    /* unchained: pixel 7 is plane 3 of address 1 in the row */
    vga_seq(fx, 4, 6);
    vga_crtc(fx, 0x14, 0);
    vga_crtc(fx, 0x17, 0xe3);
    vga_gr(fx, 4, 3);
    assert_int_equal(mem_read(fx, 0xa0000 + 80 * 5 + 1, 1), 200);
    vga_seq(fx, 2, 0x0f); /* four pixels at once, on the second page */
    mem_write(fx, 0xa4000, 1, 200);
    vga_crtc(fx, 0x0c, 0x40);
    refresh(b, true);
    for (unsigned x = 0; x < 8; x++)
        assert_int_equal(pixel(b, x, 0), 0xff0055);
    assert_int_equal(pixel(b, 8, 0), 0);
    vga_attr(fx, 0x13, 4); /* in half pixels */
    refresh(b, true);
    assert_int_equal(pixel(b, 3, 0), 0xff0055);
    assert_int_equal(pixel(b, 4, 0), 0);
}

static void bulk_and_single_agree(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    static const struct vga_mode *const modes[] = {&mode_03, &mode_04, &mode_12, &mode_13};
    uint8_t bytes[64], back[64];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
        uint32_t base = m < 2 ? 0xb8000 : 0xa0000;
        vga_set(fx, modes[m]);
        assert_int_equal(io_write_string(fx->io, IO_MEM, base + 5, 1, bytes, 64), 64);
        for (unsigned i = 0; i < 64; i++)
            assert_int_equal(mem_read(fx, base + 5 + i, 1), bytes[i]);
        for (unsigned i = 0; i < 64; i += 4)
            mem_write(fx, base + 0x1001 + i, 4, load_le32(bytes + i));
        assert_int_equal(io_read_string(fx->io, IO_MEM, base + 0x1001, 2, back, 32), 32);
        assert_memory_equal(back, bytes, 64);
    }
    vga_set(fx, &mode_03); /* 32 KiB at b8000; nothing below */
    assert_int_equal(mem_read(fx, 0xb7ffe, 4) & 0xffff, 0xffff);
    assert_int_equal(mem_read(fx, 0xa0000, 8), UINT64_MAX);
}

/* ---- VBE ---- */

static void vbe_identifies_itself(void **state) {
    struct board *b = *state;
    assert_int_equal(dispi_get(b, 0), 0xb0c5);
    dispi(b, 0, 0xb0c0);
    assert_int_equal(dispi_get(b, 0), 0xb0c0);
    dispi(b, 0, 0xb0c9);
    assert_int_equal(dispi_get(b, 0), 0xb0c0);
    assert_int_equal(dispi_get(b, 10), VRAM / 65536);
    dispi(b, 4, 2);
    assert_int_equal(dispi_get(b, 1), 7680);
    assert_int_equal(dispi_get(b, 3), 32);
    assert_int_equal(mem_read(&b->fx, MMIO + 0x500, 2), 0xb0c0);
    assert_int_equal(dispi_get(b, 77), 0);
}

static void vbe_pixels(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    static const struct {
        uint16_t bpp;
        uint32_t raw, shown;
    } modes[] = {
        {8, 200, 0xff0055},
        {15, 0x7c01, 0xff0008}, /* 5 bits: their top repeats below */
        {16, 0xf81f, 0xff00ff}, {16, 0x07e0, 0x00ff00},
        {24, 0x123456, 0x123456}, {32, 0x99abcdef, 0xabcdef},
    };
    for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
        unsigned bytes = (modes[i].bpp + 7u) / 8;
        dispi_set(b, 800, 600, modes[i].bpp);
        vga_dac(fx, 200, 63, 0, 21);
        for (unsigned n = 0; n < bytes; n++)
            mem_write(fx, LFB + (800 * 7 + 3) * bytes + n, 1, modes[i].raw >> (8 * n) & 0xff);
        refresh(b, true);
        assert_int_equal(b->display->width, 800);
        assert_int_equal(b->display->height, 600);
        assert_int_equal(pixel(b, 3, 7), modes[i].shown);
        assert_int_equal(pixel(b, 4, 7), pixel(b, 2, 7));
    }
}

/* 32 bits a pixel are a surface already: it is shown where it is, and only then. */
static void vbe_memory_is_the_surface(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    display_watch(b->display, true);
    dispi_set(b, 640, 480, 32);
    refresh(b, false);
    const uint32_t *direct = b->display->pixels;
    assert_int_equal(b->display->stride, 640);
    mem_write(fx, LFB + (640 * 5 + 9) * 4, 4, 0x00102030);
    assert_int_equal(pixel(b, 9, 5), 0x102030);
    dispi(b, 6, 700); /* virtual width, then the picture moves */
    dispi(b, 8, 4);
    dispi(b, 9, 2);
    b->display->dirty_top = b->display->dirty_bottom = 0;
    b->display->resized = false;
    refresh(b, false);
    assert_ptr_equal(b->display->pixels, direct + 2 * 700 + 4);
    assert_int_equal(b->display->stride, 700);
    assert_int_equal(b->display->dirty_bottom, 480);
    assert_false(b->display->resized);
    dispi_set(b, 640, 480, 16);
    refresh(b, false);
    assert_true(b->display->resized);
    assert_int_equal(b->display->stride, 640);
    mem_write(fx, LFB, 2, 0xf800);
    refresh(b, true);
    assert_int_equal(pixel(b, 0, 0), 0xff0000);
    dispi_set(b, 640, 480, 32);
    refresh(b, false);
    assert_ptr_equal(b->display->pixels, direct);
    display_watch(b->display, false);
    assert_null(b->display->pixels);
}

/* A cursor that blinks is no sign of life; a character is. */
static void blinking_is_told_apart(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    struct display *d = b->display;
    vga_set(fx, &mode_03);
    display_watch(d, true);
    refresh(b, false);
    assert_in_range(d->blink_ms, 1, 266);
    for (unsigned i = 0; i < 4; i++) {
        d->drawn = false;
        d->dirty_top = d->dirty_bottom = 0;
        fixture_sleep(fx, d->blink_ms * NS_PER_MS);
        refresh(b, false);
        assert_int_equal(d->dirty_bottom - d->dirty_top, 16);
        assert_false(d->drawn);
    }
    mem_write(fx, 0xb8000, 2, 0x0741);
    refresh(b, false);
    assert_true(d->drawn);
    vga_crtc(fx, 0x0a, 0x20); /* no cursor, and no attribute that blinks */
    vga_attr(fx, 0x10, 0x04);
    refresh(b, false);
    assert_int_equal(d->blink_ms, 0);
    display_watch(d, false);
}

static void vbe_banks_and_clearing(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    dispi_set(b, 1024, 768, 32);
    dispi(b, 5, 3);
    mem_write(fx, 0xa0010, 4, 0x00123456);
    assert_int_equal(mem_read(fx, LFB + 0x30010, 4), 0x123456);
    refresh(b, true);
    assert_int_equal(pixel(b, 4, 48), 0x123456); /* 0x30010 = 48 lines of 4096 and 16 */
    dispi(b, 4, 0);
    dispi(b, 4, 0xc1); /* keep the memory */
    assert_int_equal(mem_read(fx, LFB + 0x30010, 4), 0x123456);
    dispi(b, 4, 0);
    dispi(b, 4, 0x41);
    assert_int_equal(mem_read(fx, LFB + 0x30010, 4), 0);
    assert_int_equal(dispi_get(b, 5), 0);
}

static void vbe_panning_stays_inside(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    dispi_set(b, 640, 480, 32);
    dispi(b, 6, 1024);
    assert_int_equal(dispi_get(b, 7), VRAM / 4096);
    mem_write(fx, LFB + 4096 * 100 + 4 * 50, 4, 0xff8001);
    dispi(b, 8, 50);
    dispi(b, 9, 100);
    refresh(b, true);
    assert_int_equal(pixel(b, 0, 0), 0xff8001);
    dispi(b, 8, 0xffff);
    dispi(b, 9, 0xffff);
    assert_int_equal(dispi_get(b, 8), 1024 - 640);
    assert_int_equal(dispi_get(b, 9), VRAM / 4096 - 480);
    refresh(b, true);
    dispi(b, 6, 0xffff);
    dispi(b, 1, 0xffff);
    dispi(b, 2, 0xffff);
    refresh(b, true);
    assert_true(dispi_get(b, 2) <= VRAM / (0xffff * 4));
}

static void vbe_planar(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_12);
    dispi_set(b, 800, 600, 4);
    mem_write(fx, 0xa0000 + 100 * 599 + 99, 1, 0x01);
    refresh(b, true);
    assert_int_equal(pixel(b, 799, 599), WHITE);
    assert_int_equal(pixel(b, 798, 599), BLACK);
}

static void dac_of_eight_bits(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    dispi_set(b, 640, 480, 8);
    dispi(b, 4, 0x61);
    vga_dac(fx, 1, 0x81, 0xff, 0x01);
    mem_write(fx, LFB, 1, 1);
    refresh(b, true);
    assert_int_equal(pixel(b, 0, 0), 0x81ff01);
}

static void framebuffer_writes_are_found(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    dispi_set(b, 1024, 768, 32);
    display_watch(b->display, true);
    refresh(b, false);
    b->display->dirty_top = b->display->dirty_bottom = 0;
    refresh(b, false);
    b->display->dirty_top = b->display->dirty_bottom = 0;
    refresh(b, false);
    assert_int_equal(b->display->dirty_bottom, 0);
    mem_write(fx, LFB + 4096 * 300, 4, 0x00ff00);
    refresh(b, false);
    assert_int_equal(b->display->dirty_top, 300);
    assert_int_equal(b->display->dirty_bottom, 301);
    assert_int_equal(pixel(b, 0, 300), 0x00ff00);
    display_watch(b->display, false);
}

/* A font that the guest writes by itself, through the framebuffer, while its text is shown. */
static void framebuffer_writes_of_fonts_are_found(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_03);
    vga_crtc(fx, 0x0a, 0x20);
    mem_write(fx, 0xb8000, 2, 0x4700 | 'A'); /* grey on red */
    mem_write(fx, 0xb8002, 2, 0x4f00 | 'A'); /* white, and by the second font: see mode_03 */
    display_watch(b->display, true);
    refresh(b, false);
    assert_int_equal(pixel(b, 0, 5), RED);
    mem_write(fx, LFB + ('A' * 32 + 5) * 4 + 3, 1, 0x80); /* plane 3 is no font's */
    b->display->dirty_top = b->display->dirty_bottom = 0;
    refresh(b, false);
    assert_int_equal(b->display->dirty_bottom, 0);
    mem_write(fx, LFB + ('A' * 32 + 5) * 4 + 2, 1, 0x80);
    refresh(b, false);
    assert_int_not_equal(pixel(b, 0, 5), RED);
    assert_int_equal(pixel(b, 1, 5), RED);
    vga_seq(fx, 3, 0x04); /* the second font is at 4000 of the plane */
    refresh(b, false);
    assert_int_equal(pixel(b, 9, 5), RED);
    mem_write(fx, LFB + (0x4000 + 'A' * 32 + 6) * 4 + 2, 1, 0x80);
    refresh(b, false);
    assert_int_equal(pixel(b, 9, 6), WHITE);
    display_watch(b->display, false);
}

static void count(void *follower) {
    ++*(unsigned *)follower;
}

/* True if the consumer was told of a change since the last refresh, and that once. */
static bool was_told(struct board *b, unsigned *told) {
    unsigned n = *told;
    assert_in_range(n, 0, 1);
    refresh(b, false);
    *told = 0;
    return n;
}

/* Who is told of all that the device knows of need not look for it. */
static void changes_are_told(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    unsigned told = 0;
    vga_set(fx, &mode_03);
    b->display->changed = count;
    b->display->follower = &told;
    display_watch(b->display, true);
    refresh(b, false);
    assert_false(was_told(b, &told));
    for (unsigned i = 0; i < 3; i++)
        mem_write(fx, 0xb8000 + 2 * i, 2, 0x4720); /* the short way */
    assert_true(was_told(b, &told));
    mem_write(fx, 0xb8001, 1, 0x47);
    assert_true(was_told(b, &told));
    vga_crtc(fx, 0x0e, 1);
    assert_true(was_told(b, &told));
    vga_dac(fx, 1, 1, 2, 3);
    assert_true(was_told(b, &told));
    in8(fx, 0x3da);
    mem_read(fx, 0xb8000, 2);
    mem_write(fx, LFB, 1, 0x20); /* what the guest does by itself */
    assert_false(was_told(b, &told));
    in8(fx, 0x3da);
    out8(fx, 0x3c0, 0x00); /* palette address source off */
    assert_true(was_told(b, &told));
    mem_write(fx, MMIO + 0x400, 1, 0x20); /* 3c0 */
    assert_true(was_told(b, &told));
    dispi_set(b, 640, 480, 32);
    assert_true(was_told(b, &told));
    dispi(b, 9, 5);
    assert_true(was_told(b, &told));
    mem_write(fx, MMIO + 0x500 + 2 * 9, 2, 0);
    assert_true(was_told(b, &told));
    mem_write(fx, 0xa0000, 4, 5);
    assert_true(was_told(b, &told));
    stdvga_device.reset(b->vga);
    assert_true(was_told(b, &told));
    display_watch(b->display, false);
}

/* The VGA's memory is the framebuffer's first 256 KiB, four planes side by side. */
static void framebuffer_writes_are_found_in_vga_modes(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_12);
    display_watch(b->display, true);
    refresh(b, false);
    refresh(b, false);
    b->display->dirty_top = b->display->dirty_bottom = 0;
    refresh(b, false);
    assert_int_equal(b->display->dirty_bottom, 0);
    mem_write(fx, LFB + (80 * 300 + 5) * 4 + 2, 1, 0x80); /* plane 2: red */
    refresh(b, false);
    assert_in_range(300, b->display->dirty_top, b->display->dirty_bottom - 1);
    assert_int_equal(pixel(b, 40, 300), RED);
    display_watch(b->display, false);
}

/* ---- PCI ---- */

static void registers_in_memory(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    assert_int_equal(cfg_read(fx, DEVFN, 0, 4), 0x11111234);
    assert_int_equal(cfg_read(fx, DEVFN, 0x0a, 2), 0x0300);
    mem_write(fx, MMIO + 0x402, 1, 0x67); /* 3c2 */
    assert_int_equal(in8(fx, 0x3cc), 0x67);
    mem_write(fx, MMIO + 0x414, 2, 0x4f01); /* 3d4, index and data */
    assert_int_equal(in8(fx, 0x3d5), 0x4f);
    mem_write(fx, MMIO + 0x502, 2, 800);
    assert_int_equal(dispi_get(b, 1), 800);
    assert_int_equal(mem_read(fx, MMIO + 0x600, 4), 8);
    assert_int_equal(mem_read(fx, MMIO + 0x604, 4), 0x1e1e1e1e);
    mem_write(fx, MMIO + 0x604, 4, 0xbebebebe);
    assert_int_equal(mem_read(fx, MMIO + 0x604, 4), 0xbebebebe);
}

/* What says that the monitor likes width x height best, 60 times a second. */
static void check_edid(const uint8_t edid[128], unsigned width, unsigned height) {
    uint8_t sum = 0;
    for (unsigned i = 0; i < 128; i++)
        sum = (uint8_t)(sum + edid[i]);
    assert_int_equal(sum, 0);
    assert_int_equal(load_be64(edid), 0x00ffffffffffff00);
    assert_int_equal(edid[54 + 2] | (edid[54 + 4] >> 4) << 8, width);
    assert_int_equal(edid[54 + 5] | (edid[54 + 7] >> 4) << 8, height);
    /* the clock, in 10 kHz, over all pixels is 60 Hz within 1 */
    unsigned all = (width + edid[54 + 3]) * (height + edid[54 + 6]);
    assert_in_range(load_le16(edid + 54) * 10000u / all, 59, 60);
}

static void edid_is_well_formed(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    uint8_t edid[128];
    for (unsigned i = 0; i < 128; i++)
        edid[i] = (uint8_t)mem_read(fx, MMIO + i, 1);
    check_edid(edid, 1280, 800);
    edid_make(edid, 1920, 1080);
    check_edid(edid, 1920, 1080);
    edid_make(edid, 3840, 2160);
    check_edid(edid, 3840, 2160);
}

static void memory_of_a_wrong_size_is_refused(void **state) {
    struct board *b = *state;
    char why[200] = "";
    struct stdvga_pins pins = {.engine = &b->fx.engine, .io = b->fx.io, .pci = b->fx.pci,
                               .clock = b->fx.clock, .devfn = 0x18, .vram_bytes = 3000000};
    assert_null(stdvga_new(&pins, why, sizeof(why)));
    assert_non_null(strstr(why, "3000000"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(registers_keep_what_they_have), T(mono_and_colour_ports), T(crtc_protection),
        T(dac_counts_on), T(retrace_ends), T(text_cells), T(box_characters_join),
        T(eight_dots_and_doubling), T(second_font), T(cursor_and_blinking),
        T(blinking_or_bright_background), T(scrolling_by_start_address), T(blank_keeps_its_size),
        T(half_set_modes_are_blank),
        T(only_changed_rows_are_drawn), T(planar_write_modes), T(planar_picture), T(cga_picture),
        T(mode_13_and_unchained), T(bulk_and_single_agree), T(vbe_identifies_itself),
        T(vbe_pixels), T(vbe_memory_is_the_surface), T(blinking_is_told_apart),
        T(vbe_banks_and_clearing), T(vbe_panning_stays_inside), T(vbe_planar),
        T(dac_of_eight_bits), T(framebuffer_writes_are_found),
        T(framebuffer_writes_are_found_in_vga_modes),
        T(framebuffer_writes_of_fonts_are_found), T(changes_are_told), T(registers_in_memory),
        T(edid_is_well_formed), T(memory_of_a_wrong_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
