/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CL-GD5446 through ports, windows and BARs. Expected values follow from the Technical Reference
 * Manual (1996): extended modes (SR7, hidden DAC), banking (GR9 to GRB), write modes 4 and 5,
 * BitBLT (GR20 to GR35), hardware cursor (SR10 to SR13).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"
#include "vga_modes.h"
#include "video/cirrus.h"

enum {
    DEVFN = 0x10, LFB = 0xf0000000, MMIO = 0xf8000000, BLT = MMIO + 0x100, SIZE = 4 << 20,
    /* BitBLT registers in memory */
    FG = 4, BG = 0, WIDTH = 8, HEIGHT = 10, DEST_PITCH = 12, SOURCE_PITCH = 14, DEST = 16,
    SOURCE = 20, SKIP = 23, MODE = 24, ROP = 26, EXT = 27, KEY = 28, STATUS = 64,
    COPY = 0x0d, XOR = 0x59,
};

struct board {
    struct fixture fx;
    struct cirrus *chip;
    struct display *display;
};

static int setup(void **state) {
    struct board *b = calloc(1, sizeof(*b));
    char why[200] = "";
    fixture_init(&b->fx);
    struct cirrus_pins pins = {.engine = &b->fx.engine, .io = b->fx.io, .pci = b->fx.pci,
                               .clock = b->fx.clock, .devfn = DEVFN};
    b->chip = cirrus_new(&pins, why, sizeof(why));
    assert_non_null(b->chip);
    b->display = cirrus_display(b->chip);
    cfg_write(&b->fx, DEVFN, PCI_BAR0, 4, LFB);
    cfg_write(&b->fx, DEVFN, PCI_BAR0 + 4, 4, MMIO);
    cfg_write(&b->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM);
    *state = b;
    return 0;
}

static int teardown(void **state) {
    struct board *b = *state;
    cirrus_device.free(b->chip);
    fixture_done(&b->fx);
    free(b);
    return 0;
}

static uint32_t pixel(struct board *b, unsigned x, unsigned y) {
    b->display->refresh(b->display->dev, b->display, true);
    assert_non_null(b->display->pixels);
    return b->display->pixels[(size_t)y * b->display->stride + x] & 0xffffff;
}

/* 640 x 480 of packed pixels. */
static void set_packed(struct fixture *fx, uint8_t sr7, uint8_t dac, unsigned pitch) {
    vga_set(fx, &mode_12);
    vga_gr(fx, 5, 0x40);
    vga_seq(fx, 4, 0x0e);
    vga_seq(fx, 7, sr7);
    vga_crtc(fx, 0x13, (uint8_t)(pitch / 8));
    vga_crtc(fx, 0x1b, (uint8_t)(0x22 | (pitch / 8 >> 8) << 4));
    for (unsigned i = 0; i < 4; i++)
        in8(fx, 0x3c6);
    out8(fx, 0x3c6, dac);
}

static void identity_and_registers(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    assert_int_equal(cfg_read(fx, DEVFN, 0, 4), 0x00b81013);
    out8(fx, 0x3c2, 0x67);
    out8(fx, 0x3d4, 0x27);
    assert_int_equal(in8(fx, 0x3d5), 0xb8);
    vga_seq(fx, 6, 0x12);
    assert_int_equal(in8(fx, 0x3c5), 0x12);
    vga_seq(fx, 6, 0x00);
    assert_int_equal(in8(fx, 0x3c5), 0x0f);
    out8(fx, 0x3c4, 0x0f);
    assert_int_equal(in8(fx, 0x3c5) & 0x98, 0x98); /* what a BIOS takes for 4 MiB */
    vga_gr(fx, 0, 0xa5);                           /* eight bits, of which VGA modes use four */
    assert_int_equal(in8(fx, 0x3cf), 0xa5);
    assert_int_equal(mem_read(fx, MMIO + 0x0c, 1), in8(fx, 0x3cc));
}

static void hidden_dac_register(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    out8(fx, 0x3c6, 0xf7);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(in8(fx, 0x3c6), 0xf7);
    out8(fx, 0x3c6, 0xc1);
    assert_int_equal(in8(fx, 0x3c6), 0xf7); /* the mask is as it was */
    in8(fx, 0x3c8);                         /* starts the count anew */
    for (unsigned i = 0; i < 4; i++)
        in8(fx, 0x3c6);
    assert_int_equal(in8(fx, 0x3c6), 0xc1);
}

static void packed_pixels(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    static const struct {
        uint8_t sr7, dac, bytes;
        uint32_t raw, shown;
    } modes[] = {
        {0x01, 0x00, 1, 200, 0xff0055},      {0x07, 0xf0, 2, 0x7c01, 0xff0008},
        {0x07, 0xc1, 2, 0xf81f, 0xff00ff},   {0x05, 0xc5, 3, 0x123456, 0x123456},
        {0x09, 0xc5, 4, 0x99abcdef, 0xabcdef},
    };
    for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
        unsigned bytes = modes[i].bytes, pitch = 640 * bytes;
        set_packed(fx, modes[i].sr7, modes[i].dac, pitch);
        vga_dac(fx, 200, 63, 0, 21);
        for (unsigned n = 0; n < bytes; n++)
            mem_write(fx, LFB + pitch * 9 + 5 * bytes + n, 1, modes[i].raw >> (8 * n) & 0xff);
        assert_int_equal(pixel(b, 5, 9), modes[i].shown);
        assert_int_equal(b->display->width, 640);
        assert_int_equal(b->display->height, 480);
    }
}

static void screen_off_is_a_vgas(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_03);
    mem_write(fx, 0xb8000, 2, 0x4720);
    vga_seq(fx, 1, 0x20);
    assert_int_equal(pixel(b, 0, 0), BLACK);
    set_packed(fx, 0x09, 0xc5, 2560);
    mem_write(fx, LFB, 4, 0x00c0ffee);
    vga_seq(fx, 1, 0x21); /* as SeaVGABIOS has it in extended modes */
    assert_int_equal(pixel(b, 0, 0), 0xc0ffee);
}

static void start_address_has_twenty_bits(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    set_packed(fx, 0x09, 0xc5, 2560);
    mem_write(fx, LFB + 0x123454, 4, 0x00c0ffee);
    uint32_t words = 0x123454 / 4;
    vga_crtc(fx, 0x0d, (uint8_t)words);
    vga_crtc(fx, 0x0c, (uint8_t)(words >> 8));
    vga_crtc(fx, 0x1b, (uint8_t)(0x32 | (words >> 16 & 1) | (words >> 15 & 0x0c)));
    vga_crtc(fx, 0x1d, (uint8_t)(words >> 12 & 0x80));
    assert_int_equal(pixel(b, 0, 0), 0xc0ffee);
}

static void banks(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    set_packed(fx, 0x01, 0, 640);
    vga_gr(fx, 0x0b, 0x20); /* one bank, 16 KiB steps */
    vga_gr(fx, 0x09, 3);
    mem_write(fx, 0xaff00, 4, 0x11223344);
    assert_int_equal(mem_read(fx, LFB + 3 * 16384 + 0xff00, 4), 0x11223344);
    vga_gr(fx, 0x0b, 0x01); /* two, 4 KiB steps */
    vga_gr(fx, 0x0a, 0x80);
    uint8_t bytes[64], back[64];
    memset(bytes, 0xa7, sizeof(bytes));
    io_write_string(fx->io, IO_MEM, 0xa7fe0, 1, bytes, 64); /* over the seam */
    assert_int_equal(mem_read(fx, LFB + 3 * 4096 + 0x7fff, 1), 0xa7);
    assert_int_equal(mem_read(fx, LFB + 0x80 * 4096, 1), 0xa7);
    io_read_string(fx->io, IO_MEM, 0xa7fe0, 4, back, 16);
    assert_memory_equal(back, bytes, 64);
}

static void write_modes_4_and_5(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    set_packed(fx, 0x01, 0, 640);
    vga_gr(fx, 0x0b, 0x06); /* extended write modes, eight pixels an address */
    vga_gr(fx, 0, 0x11);
    vga_gr(fx, 1, 0xee);
    vga_gr(fx, 5, 0x44);
    mem_write(fx, 0xa0002, 1, 0xa0);
    vga_gr(fx, 5, 0x45);
    mem_write(fx, 0xa0003, 1, 0xa0);
    mem_write(fx, LFB + 4, 1, 0x01); /* the linear aperture goes the same way */
    vga_gr(fx, 5, 0x40);
    vga_gr(fx, 0x0b, 0);
    assert_int_equal(mem_read(fx, LFB + 16, 4), 0x00ee00ee);
    assert_int_equal(mem_read(fx, LFB + 24, 4), 0x11ee11ee);
    assert_int_equal(mem_read(fx, LFB + 36, 4), 0xee111111);
}

/* ---- BitBLT ---- */

static void blt_set(struct fixture *fx, unsigned reg, unsigned size, uint32_t val) {
    mem_write(fx, BLT + reg, size, val);
}

/* Width in bytes. */
static void blt_shape(struct fixture *fx, unsigned width, unsigned height, unsigned pitch,
                      uint32_t dest, uint32_t source) {
    blt_set(fx, WIDTH, 2, width - 1);
    blt_set(fx, HEIGHT, 2, height - 1);
    blt_set(fx, DEST_PITCH, 2, pitch);
    blt_set(fx, SOURCE_PITCH, 2, pitch);
    blt_set(fx, DEST, 2, dest & 0xffff);
    blt_set(fx, DEST + 2, 1, dest >> 16);
    blt_set(fx, SOURCE, 2, source & 0xffff);
    blt_set(fx, SOURCE + 2, 1, source >> 16);
    blt_set(fx, SKIP, 1, 0);
    blt_set(fx, EXT, 1, 0);
    blt_set(fx, ROP, 1, COPY);
}

static void blt_go(struct fixture *fx, uint8_t mode) {
    blt_set(fx, MODE, 1, mode);
    blt_set(fx, STATUS, 1, 2);
}

static void fill_lfb(struct fixture *fx, uint32_t at, unsigned n, uint8_t step) {
    for (unsigned i = 0; i < n; i++)
        mem_write(fx, LFB + at + i, 1, (uint8_t)(i * step + 1));
}

static void blt_copies_both_ways(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    set_packed(fx, 0x01, 0, 640);
    fill_lfb(fx, 1000, 20, 3);
    fill_lfb(fx, 1640, 20, 5);
    blt_shape(fx, 20, 2, 640, 5000, 1000);
    blt_go(fx, 0);
    assert_int_equal(mem_read(fx, BLT + STATUS, 1) & 3, 0);
    assert_int_equal(mem_read(fx, LFB + 5019, 1), 19 * 3 + 1);
    assert_int_equal(mem_read(fx, LFB + 5640, 1), 1);
    assert_int_equal(mem_read(fx, LFB + 5659, 1), 19 * 5 + 1);
    assert_int_equal(mem_read(fx, LFB + 5020, 1), 0);
    /* one row down over itself: last bytes first */
    blt_shape(fx, 20, 2, 640, 5000 + 1280 + 19, 5000 + 640 + 19);
    blt_go(fx, 1);
    assert_int_equal(mem_read(fx, LFB + 5640, 2), 0x0401);
    assert_int_equal(mem_read(fx, LFB + 6280, 2), 0x0601);
    assert_int_equal(mem_read(fx, LFB + 6299, 1), 19 * 5 + 1);
}

static void blt_raster_operations(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    enum { S = 0x0c, D = 0x0a };
    static const uint8_t ops[][2] = {
        {0x00, 0}, {0x05, S & D}, {0x06, D}, {0x09, S & ~D & 15}, {0x0b, ~D & 15}, {0x0d, S},
        {0x0e, 15}, {0x50, ~S & D & 15}, {0x59, S ^ D}, {0x6d, S | D}, {0x90, ~(S | D) & 15},
        {0x95, ~(S ^ D) & 15}, {0xad, (S | ~D) & 15}, {0xd0, ~S & 15}, {0xd6, (~S | D) & 15},
        {0xda, (~S | ~D) & 15}};
    set_packed(fx, 0x01, 0, 640);
    for (unsigned i = 0; i < ARRAY_LEN(ops); i++) {
        mem_write(fx, LFB + 100, 1, S);
        mem_write(fx, LFB + 200, 1, D);
        blt_shape(fx, 1, 1, 640, 200, 100);
        blt_set(fx, ROP, 1, ops[i][0]);
        blt_go(fx, 0);
        assert_int_equal(mem_read(fx, LFB + 200, 1) & 15, ops[i][1]);
    }
}

static void blt_solid_fill(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    set_packed(fx, 0x05, 0xc5, 1920);
    blt_shape(fx, 9, 2, 1920, 300, 0);
    blt_set(fx, FG, 4, 0x00563412);
    blt_set(fx, EXT, 1, 4);
    blt_go(fx, 0xe0); /* 24 bits */
    assert_int_equal(mem_read(fx, LFB + 300, 4), 0x12563412);
    assert_int_equal(mem_read(fx, LFB + 300 + 1920 + 5, 4), 0x56341256);
    assert_int_equal(mem_read(fx, LFB + 309, 1), 0);
}

static void blt_expands_colours(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    set_packed(fx, 0x01, 0, 640);
    mem_write(fx, LFB + 3000, 4, 0x0000ff05); /* two rows of 10 bits: 2 bytes each */
    mem_write(fx, LFB + 3002, 2, 0x40a0);
    mem_write(fx, LFB + 4000, 8, 0x7777777777777777);
    blt_shape(fx, 10, 2, 640, 4000, 3000);
    blt_set(fx, FG, 1, 0xf0);
    blt_set(fx, BG, 1, 0x0b);
    blt_go(fx, 0x80);
    assert_int_equal(mem_read(fx, LFB + 4000, 8), 0xf00bf00b0b0b0b0b);
    assert_int_equal(mem_read(fx, LFB + 4008, 2), 0xf0f0);
    assert_int_equal(mem_read(fx, LFB + 4640, 8), 0x0b0b0b0b0bf00bf0);
    assert_int_equal(mem_read(fx, LFB + 4648, 2), 0xf00b);
    /* transparent: zeros leave what was there; inverted: ones do, and zeros are the background */
    mem_write(fx, LFB + 4000, 8, 0x7777777777777777);
    blt_shape(fx, 8, 1, 640, 4000, 3000);
    blt_go(fx, 0x88);
    assert_int_equal(mem_read(fx, LFB + 4000, 8), 0xf077f07777777777);
    mem_write(fx, LFB + 4000, 8, 0x7777777777777777);
    blt_set(fx, EXT, 1, 2);
    blt_go(fx, 0x88);
    assert_int_equal(mem_read(fx, LFB + 4000, 8), 0x770b770b0b0b0b0b);
    /* the first three pixels are skipped */
    mem_write(fx, LFB + 4000, 8, 0x7777777777777777);
    blt_set(fx, EXT, 1, 0);
    blt_set(fx, SKIP, 1, 3);
    blt_go(fx, 0x80);
    assert_int_equal(mem_read(fx, LFB + 4000, 8), 0xf00bf00b0b777777);
}

static void blt_patterns(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    set_packed(fx, 0x07, 0xc1, 1280);
    for (unsigned i = 0; i < 64; i++)
        mem_write(fx, LFB + 0x8000 + 2 * i, 2, 0x100 * (i / 8) + i % 8);
    blt_shape(fx, 22, 3, 1280, 0x10000, 0x8006); /* begins with pattern line 6 */
    blt_go(fx, 0x50);
    assert_int_equal(mem_read(fx, LFB + 0x10000, 2), 0x600);
    assert_int_equal(mem_read(fx, LFB + 0x10000 + 2 * 10, 2), 0x602);
    assert_int_equal(mem_read(fx, LFB + 0x10000 + 1280, 2), 0x700);
    assert_int_equal(mem_read(fx, LFB + 0x10000 + 2560 + 14, 2), 0x007);
    /* a pattern of bits */
    mem_write(fx, LFB + 0x9000, 8, 0x00000000000000c0);
    blt_shape(fx, 20, 1, 1280, 0x20000, 0x9000);
    blt_set(fx, FG, 1, 0x34);
    blt_set(fx, FG + 1, 1, 0x12);
    blt_set(fx, BG, 2, 0);
    blt_go(fx, 0xd0);
    assert_int_equal(mem_read(fx, LFB + 0x20000, 8), 0x0000000012341234);
    assert_int_equal(mem_read(fx, LFB + 0x20010, 4), 0x12341234);
}

static void blt_leaves_the_key_colour(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    set_packed(fx, 0x01, 0, 640);
    mem_write(fx, LFB + 100, 4, 0x04030201);
    mem_write(fx, LFB + 200, 4, 0x99999999);
    blt_shape(fx, 4, 1, 640, 200, 100);
    blt_set(fx, KEY, 2, 0x0303);
    blt_go(fx, 0x08);
    assert_int_equal(mem_read(fx, LFB + 200, 4), 0x04990201);
}

static void blt_from_the_cpu(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    set_packed(fx, 0x01, 0, 640);
    blt_shape(fx, 6, 2, 640, 0x5000, 0);
    blt_go(fx, 0x04);
    assert_int_equal(mem_read(fx, BLT + STATUS, 1) & 1, 1);
    static const uint8_t data[12] = {1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10};
    io_write_string(fx->io, IO_MEM, 0xa0000, 4, data, 3); /* rows are whole double words */
    mem_write(fx, LFB + 0x1000000, 4, 0x00000c0b);        /* the aperture above */
    assert_int_equal(mem_read(fx, BLT + STATUS, 1) & 1, 0);
    assert_int_equal(mem_read(fx, LFB + 0x5000, 8), 0x0000060504030201);
    assert_int_equal(mem_read(fx, LFB + 0x5000 + 640, 8), 0x00000c0b0a090807);
    /* bits, through the linear aperture, which is no memory meanwhile */
    blt_shape(fx, 8, 2, 640, 0x6000, 0);
    blt_set(fx, FG, 1, 0xf0);
    blt_set(fx, BG, 1, 0x0b);
    blt_go(fx, 0x84);
    mem_write(fx, LFB, 1, 0x81);
    mem_write(fx, LFB, 1, 0x18);
    assert_int_equal(mem_read(fx, LFB + 0x6000, 8), 0xf00b0b0b0b0b0bf0);
    assert_int_equal(mem_read(fx, LFB + 0x6000 + 640, 8), 0x0b0b0bf0f00b0b0b);
    assert_int_equal(mem_read(fx, LFB, 1), 0);
    /* given up */
    blt_go(fx, 0x04);
    blt_set(fx, STATUS, 1, 4);
    blt_set(fx, STATUS, 1, 0);
    assert_int_equal(mem_read(fx, BLT + STATUS, 1), 0);
    mem_write(fx, LFB, 1, 0x55);
    assert_int_equal(mem_read(fx, LFB, 1), 0x55);
}

static void blt_wraps(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    set_packed(fx, 0x01, 0, 640);
    for (uint8_t mode = 0; mode < 2; mode++)
        for (unsigned pitch = 1; pitch < 0x2000; pitch += 0x7ff) {
            blt_shape(fx, 8192, 2048, pitch, SIZE - 1, SIZE - 3);
            blt_go(fx, mode);
        }
    mem_write(fx, LFB + 0, 1, 0xbb);
    mem_write(fx, LFB + SIZE - 1, 1, 0xaa);
    blt_shape(fx, 2, 1, 640, 0x300, SIZE - 1);
    blt_go(fx, 0);
    assert_int_equal(mem_read(fx, LFB + 0x300, 2), 0xbbaa);
}

static void blt_starts_itself(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    set_packed(fx, 0x01, 0, 640);
    mem_write(fx, LFB + 100, 1, 0x42);
    blt_shape(fx, 1, 1, 640, 0, 100);
    blt_set(fx, MODE, 1, 0);
    blt_set(fx, STATUS, 1, 0x80);
    blt_set(fx, DEST, 4, 0x00200);
    assert_int_equal(mem_read(fx, LFB + 0x200, 1), 0x42);
}

static void registers_at_b8000(void **state) {
    struct fixture *fx = &((struct board *)*state)->fx;
    set_packed(fx, 0x01, 0, 640);
    vga_seq(fx, 0x17, 0x04);
    mem_write(fx, 0xb8000 + ROP, 1, XOR);
    out8(fx, 0x3ce, 0x32);
    assert_int_equal(in8(fx, 0x3cf), XOR);
    assert_int_equal(mem_read(fx, 0xb8000 + ROP, 1), XOR);
}

/* ---- the cursor ---- */

/* The same for a viewer that draws it itself; one that inverts can't be. */
static void cursor_apart(void **state) {
    static struct display_cursor cursor;
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    struct display *d = b->display;
    set_packed(fx, 0x09, 0xc5, 2560);
    vga_seq(fx, 0x12, 2);
    vga_dac(fx, 0, 63, 0, 0);
    vga_dac(fx, 15, 0, 63, 0);
    vga_seq(fx, 0x13, 0);
    assert_false(d->cursor(d->dev, &cursor)); /* off */
    vga_seq(fx, 0x12, 5);
    vga_seq(fx, 0x10 | 5 << 5, 10);
    vga_seq(fx, 0x11 | 3 << 5, 4);
    uint32_t pattern = LFB + SIZE - 16384;
    mem_write(fx, pattern + 16, 1, 0x40);     /* row 1, plane 0 */
    mem_write(fx, pattern + 16 + 8, 1, 0x60); /* plane 1 */
    assert_true(d->cursor(d->dev, &cursor));
    assert_int_equal(cursor.size, 64);
    assert_int_equal(cursor.x, 85);
    assert_int_equal(cursor.y, 35);
    assert_int_equal(cursor.pixels[64], 0);
    assert_int_equal(cursor.pixels[65], 0xff00ff00);
    assert_int_equal(cursor.pixels[66], 0xffff0000);
    assert_int_equal(pixel(b, 86, 36), 0x00ff00);
    display_watch(d, true);
    d->refresh(d->dev, d, false);
    d->cursor_apart = true;
    d->dirty_top = d->dirty_bottom = 0;
    d->refresh(d->dev, d, false);
    assert_true(d->dirty_top <= 35 && d->dirty_bottom >= 37); /* where it was */
    assert_int_equal(d->pixels[36 * 640 + 86], 0);
    d->cursor_apart = false;
    d->refresh(d->dev, d, false);
    assert_int_equal(d->pixels[36 * 640 + 86], 0x00ff00);
    display_watch(d, false);
    mem_write(fx, pattern + 16, 1, 0x10);
    assert_false(d->cursor(d->dev, &cursor));
}

static void hardware_cursor(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    set_packed(fx, 0x09, 0xc5, 2560);
    uint32_t pattern = LFB + SIZE - 16384 + 2 * 256;
    mem_write(fx, pattern + 4, 1, 0x50);       /* row 1, plane 0: pixels 1 and 3 */
    mem_write(fx, pattern + 128 + 4, 1, 0x30); /* plane 1: pixels 2 and 3 */
    vga_seq(fx, 0x13, 2);
    vga_seq(fx, 0x12, 2); /* colours */
    vga_dac(fx, 0, 63, 0, 0);
    vga_dac(fx, 15, 0, 63, 0);
    vga_seq(fx, 0x12, 1);
    vga_seq(fx, 0x10 | 5 << 5, 10); /* x 85 */
    vga_seq(fx, 0x11 | 3 << 5, 4);  /* y 35 */
    mem_write(fx, LFB + 2560 * 36 + 4 * 86, 4, 0x00ff00);
    assert_int_equal(pixel(b, 85, 36), 0);
    assert_int_equal(pixel(b, 86, 36), 0xff00ff); /* inverted */
    assert_int_equal(pixel(b, 87, 36), 0xff0000);
    assert_int_equal(pixel(b, 88, 36), 0x00ff00);
    assert_int_equal(pixel(b, 87, 35), 0);
    /* it moves: only its lines are new */
    display_watch(b->display, true);
    b->display->refresh(b->display->dev, b->display, false);
    b->display->refresh(b->display->dev, b->display, false);
    b->display->dirty_top = b->display->dirty_bottom = 0;
    vga_seq(fx, 0x11, 5); /* y 40 */
    b->display->refresh(b->display->dev, b->display, false);
    assert_int_equal(b->display->dirty_top, 35);
    assert_int_equal(b->display->dirty_bottom, 72);
    assert_int_equal(b->display->pixels[41 * 640 + 88], 0x00ff00);
    assert_int_equal(b->display->pixels[36 * 640 + 88], 0);
    display_watch(b->display, false);
}

static void text_is_a_vgas(void **state) {
    struct board *b = *state;
    struct fixture *fx = &b->fx;
    vga_set(fx, &mode_03);
    mem_write(fx, 0xb8000 + 160 * 24, 2, 0x4720);
    assert_int_equal(pixel(b, 0, 399), RED);
    assert_int_equal(b->display->width, 720);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(identity_and_registers), T(hidden_dac_register), T(packed_pixels),
        T(screen_off_is_a_vgas), T(start_address_has_twenty_bits), T(banks), T(write_modes_4_and_5),
        T(blt_copies_both_ways), T(blt_raster_operations), T(blt_solid_fill),
        T(blt_expands_colours), T(blt_patterns), T(blt_leaves_the_key_colour),
        T(blt_from_the_cpu), T(blt_wraps), T(blt_starts_itself), T(registers_at_b8000),
        T(hardware_cursor), T(cursor_apart), T(text_is_a_vgas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
