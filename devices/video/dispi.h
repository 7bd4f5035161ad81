/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Bochs VBE DISPI registers (Bochs, "VBE Display HOWTO", up to 0xb0c5): 16-bit registers
 * behind an index, for packed pixels of any size. They say what they mean to the VGA beneath:
 * window, DAC width, picture. Private to devices/video. One thread.
 */
#ifndef VIDEO_DISPI_H
#define VIDEO_DISPI_H

#include <stdbool.h>
#include <stdint.h>

#include "core/state.h"
#include "video/draw.h"
#include "video/vga.h"

enum { DISPI_PORT = 0x1ce, DISPI_PORT_COUNT = 3 };

enum {
    DISPI_ID, DISPI_XRES, DISPI_YRES, DISPI_BPP, DISPI_ENABLE, DISPI_BANK, DISPI_VIRT_WIDTH,
    DISPI_VIRT_HEIGHT, DISPI_X_OFFSET, DISPI_Y_OFFSET, DISPI_MEMORY_64K, DISPI_COUNT,
};

enum {
    DISPI_ENABLED = 0x01, DISPI_GETCAPS = 0x02, DISPI_8BIT_DAC = 0x20, DISPI_LFB = 0x40,
    DISPI_NOCLEAR = 0x80,
};

struct dispi {
    /* registers */
    uint16_t index;
    uint16_t regs[DISPI_COUNT];
    /* wires and derived */
    struct vga *vga;
    uint32_t pitch; /* bytes of video memory a line (four planes, with 4 bits a pixel) */
};

extern const struct field dispi_fields[];

void dispi_reset(struct dispi *dispi);
void dispi_loaded(struct dispi *dispi);
uint16_t dispi_read(struct dispi *dispi, unsigned reg);
void dispi_write(struct dispi *dispi, unsigned reg, uint16_t val);
/* The picture, when the registers are on. */
void dispi_mode(const struct dispi *dispi, struct draw *d);

/* Ports 1ce to 1d0; dev is the struct dispi. */
extern const struct io_ops dispi_ops;

#endif
