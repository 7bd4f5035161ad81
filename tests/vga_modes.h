/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How standard modes are set through ports.
 */
#ifndef TESTS_VGA_MODES_H
#define TESTS_VGA_MODES_H

#include <stdint.h>

#include "fixture.h"
#include "vga_tables.h"

__attribute__((unused)) static void vga_seq(struct fixture *fx, uint8_t i, uint8_t val) {
    out16(fx, 0x3c4, (uint16_t)(val << 8 | i));
}

__attribute__((unused)) static void vga_gr(struct fixture *fx, uint8_t i, uint8_t val) {
    out16(fx, 0x3ce, (uint16_t)(val << 8 | i));
}

__attribute__((unused)) static void vga_crtc(struct fixture *fx, uint8_t i, uint8_t val) {
    out16(fx, 0x3d4, (uint16_t)(val << 8 | i));
}

/* Keeps the picture on. */
__attribute__((unused)) static void vga_attr(struct fixture *fx, uint8_t i, uint8_t val) {
    in8(fx, 0x3da);
    out8(fx, 0x3c0, i);
    out8(fx, 0x3c0, val);
    out8(fx, 0x3c0, 0x20);
}

__attribute__((unused)) static void vga_dac(struct fixture *fx, uint8_t i, uint8_t r, uint8_t g,
                                            uint8_t b) {
    out8(fx, 0x3c8, i);
    out8(fx, 0x3c9, r);
    out8(fx, 0x3c9, g);
    out8(fx, 0x3c9, b);
}

__attribute__((unused)) static void vga_set(struct fixture *fx, const struct vga_mode *mode) {
    out8(fx, 0x3c2, mode->misc);
    for (uint8_t i = 0; i < 5; i++)
        vga_seq(fx, i, mode->seq[i]);
    vga_crtc(fx, 0x11, 0x0e); /* unlock */
    for (uint8_t i = 0; i < 25; i++)
        vga_crtc(fx, i, mode->crtc[i]);
    for (uint8_t i = 0; i < 9; i++)
        vga_gr(fx, i, mode->gr[i]);
    for (uint8_t i = 0; i < 21; i++)
        vga_attr(fx, i, mode->ar[i]);
    /* the first 64 colours: two bits each, high one in bits 2:0 of the index, low in 5:3 */
    for (unsigned i = 0; i < 64; i++)
        vga_dac(fx, (uint8_t)i, (uint8_t)((i >> 2 & 1) * 42 + (i >> 5 & 1) * 21),
                (uint8_t)((i >> 1 & 1) * 42 + (i >> 4 & 1) * 21),
                (uint8_t)((i & 1) * 42 + (i >> 3 & 1) * 21));
}

/* The colours of attributes, as 42 and 21 of 63 come out: aa and 55. */
enum {
    BLACK = 0x000000, BLUE = 0x0000aa, GREEN = 0x00aa00, CYAN = 0x00aaaa, RED = 0xaa0000,
    BROWN = 0xaa5500, GREY = 0xaaaaaa, YELLOW = 0xffff55, WHITE = 0xffffff,
};

#endif
