/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packaged VGA BIOSes run against our chips (bios_pc.h). Each mode that they offer is set; it
 * has to have the size that the BIOS says, and pixels that the BIOS or the framebuffer draws have
 * to be seen where they were put.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bios_pc.h"
#include "core/bits.h"
#include "core/display.h"

enum { BUFFER = 0x50000, LFB = BIOS_PC_LFB };

static int setup_stdvga(void **state) {
    (void)state;
    bios_pc_on(BIOS_PC_STDVGA);
    return 0;
}

static int setup_cirrus(void **state) {
    (void)state;
    bios_pc_on(BIOS_PC_CIRRUS);
    return 0;
}

static int power_off(void **state) {
    (void)state;
    bios_pc_off();
    return 0;
}

static void refresh(void) {
    pc.display->refresh(pc.display->dev, pc.display, true);
    assert_non_null(pc.display->pixels);
}

static uint32_t pixel(unsigned x, unsigned y) {
    assert_true(x < pc.display->width && y < pc.display->height);
    return pc.display->pixels[(size_t)y * pc.display->stride + x] & 0xffffff;
}

/* ---- what it does ---- */

/* The BIOS's own 8 x 16 font, by INT 10h function 1130h. */
static void glyph_of(uint8_t ch, uint8_t rows[16]) {
    bios_pc_video(0x1130, 0x0600, 0, 0);
    uint32_t font = bios_pc_reg(UC_X86_REG_ES) * 16 + (bios_pc_reg(UC_X86_REG_EBP) & 0xffff);
    uc_mem_read(pc.uc, font + ch * 16u, rows, 16);
}

static void text_is_legible(void **state) {
    (void)state;
    uint8_t rows[16];
    bios_pc_video(0x0003, 0, 0, 0);
    bios_pc_video(0x0200, 0, 0, 0x0305); /* row 3, column 5 */
    bios_pc_video(0x0e00 | 'R', 7, 0, 0);
    glyph_of('R', rows);
    refresh();
    assert_int_equal(pc.display->width, 720);
    assert_int_equal(pc.display->height, 400);
    unsigned dots = 0;
    for (unsigned y = 0; y < 16; y++)
        for (unsigned x = 0; x < 9; x++) {
            bool on = x < 8 && rows[y] >> (7 - x) & 1;
            dots += on;
            assert_int_equal(pixel(45 + x, 48 + y), on ? 0xaaaaaa : 0);
        }
    assert_true(dots > 20);
}

static void legacy_graphics(void **state) {
    static const struct {
        uint8_t mode, colour;
        uint16_t width, height, show_w, show_h;
        uint32_t rgb;
    } modes[] = {
        {0x04, 2, 320, 200, 640, 400, 0xff55ff}, {0x06, 1, 640, 200, 640, 400, 0xffffff},
        {0x0d, 4, 320, 200, 640, 400, 0xaa0000}, {0x0e, 4, 640, 200, 640, 400, 0xaa0000},
        {0x10, 4, 640, 350, 640, 350, 0xaa0000}, {0x11, 1, 640, 480, 640, 480, 0xffffff},
        {0x12, 4, 640, 480, 640, 480, 0xaa0000}, {0x13, 40, 320, 200, 640, 400, 0xff0000},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
        unsigned x = modes[i].width - 3u, y = modes[i].height - 2u;
        bios_pc_video(modes[i].mode, 0, 0, 0);
        bios_pc_video(0x0c00 | modes[i].colour, 0, (uint16_t)x, (uint16_t)y);
        refresh();
        assert_int_equal(pc.display->width, modes[i].show_w);
        assert_int_equal(pc.display->height, modes[i].show_h);
        unsigned sx = modes[i].show_w / modes[i].width, sy = modes[i].show_h / modes[i].height;
        assert_int_equal(pixel(x * sx, y * sy), modes[i].rgb);
        assert_int_equal(pixel((x + 1) * sx - 1, (y + 1) * sy - 1), modes[i].rgb);
        assert_int_equal(pixel((x + 1) * sx, y * sy), 0);
        assert_int_equal(pixel(x * sx, (y + 1) * sy), 0);
    }
}

/* What one value of all ones comes out as, and where its red is: VBE's mode information. */
static void packed_mode(uint16_t mode, const uint8_t *info) {
    unsigned pitch = load_le16(info + 16), width = load_le16(info + 18);
    unsigned height = load_le16(info + 20), bytes = (info[25] + 7u) / 8;
    uint32_t lfb = load_le32(info + 40), x = width - 5, y = height - 3;
    assert_int_equal(lfb, LFB);
    uint32_t red = ((1u << info[31]) - 1) << info[32];
    uint32_t at = lfb + y * pitch + x * bytes;
    for (unsigned i = 0; i < bytes; i++) {
        mem_write(&pc.fx, at + i, 1, bytes > 1 ? red >> (8 * i) & 0xff : 40);
        mem_write(&pc.fx, at + 2 * bytes + i, 1, bytes > 1 ? 0xff : 15);
    }
    refresh();
    if (pixel(x, y) != 0xff0000 || pixel(x + 1, y) || pixel(x + 2, y) != 0xffffff)
        fail_msg("mode %x, %u x %u x %u: %06x %06x %06x", mode, width, height, info[25],
                 pixel(x, y), pixel(x + 1, y), pixel(x + 2, y));
}

static void planar_mode(const uint8_t *info) {
    uint16_t x = (uint16_t)(load_le16(info + 18) - 9), y = 399; /* in the first 64 KiB */
    bios_pc_video(0x0c0f, 0, x, y);
    refresh();
    assert_int_equal(pixel(x, y), 0xffffff);
    assert_int_equal(pixel(x - 1u, y), 0);
    assert_int_equal(pixel(x + 1u, y), 0);
}

static void vbe_modes(void **state) {
    (void)state;
    uint8_t info[512];
    unsigned tried = 0;
    bios_pc_set_reg(UC_X86_REG_ES, BUFFER >> 4);
    bios_pc_set_reg(UC_X86_REG_EDI, 0);
    assert_int_equal(bios_pc_video(0x4f00, 0, 0, 0), 0x004f);
    uc_mem_read(pc.uc, BUFFER, info, sizeof(info));
    assert_memory_equal(info, "VESA", 4);
    uint32_t list = load_le16(info + 14) + load_le16(info + 16) * 16u;
    for (;; list += 2) {
        uint8_t entry[2];
        uc_mem_read(pc.uc, list, entry, 2);
        uint16_t mode = load_le16(entry);
        if (mode == 0xffff)
            break;
        bios_pc_set_reg(UC_X86_REG_ES, BUFFER >> 4);
        bios_pc_set_reg(UC_X86_REG_EDI, 0x200);
        if (bios_pc_video(0x4f01, 0, mode, 0) != 0x004f)
            continue;
        uc_mem_read(pc.uc, BUFFER + 0x200, info, 256);
        bool packed = info[27] == 4 || info[27] == 6;
        if (mode <= 0x13 || (!packed && info[27] != 3))
            continue; /* see legacy_graphics */
        uint16_t set = (uint16_t)(mode | (packed ? 0x4000 : 0));
        assert_int_equal(bios_pc_video(0x4f02, set, 0, 0), 0x004f);
        refresh();
        if (pc.display->width != load_le16(info + 18) || pc.display->height != load_le16(info + 20))
            fail_msg("mode %x, %u x %u x %u: %u x %u is shown", mode, load_le16(info + 18),
                     load_le16(info + 20), info[25], pc.display->width, pc.display->height);
        if (packed)
            packed_mode(mode, info);
        else
            planar_mode(info);
        tried++;
    }
    assert_true(tried > 10);
    bios_pc_video(0x0003, 0, 0, 0);
    refresh();
    assert_int_equal(pc.display->width, 720);
}

#define T(f, chip_)                                                                                \
    cmocka_unit_test_setup_teardown(f, setup_##chip_, power_off)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(text_is_legible, stdvga), T(legacy_graphics, stdvga), T(vbe_modes, stdvga),
        T(text_is_legible, cirrus), T(legacy_graphics, cirrus), T(vbe_modes, cirrus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
