/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of a CL-GD5446: what its registers (cirrus.c), its apertures (cirrus_mem.c) and its
 * bit block transfer engine (cirrus_blt.c) share. Names are those of the CL-GD5446 Technical
 * Reference Manual (1996): SRx, GRx, CRx by index.
 */
#ifndef VIDEO_CIRRUS_CHIP_H
#define VIDEO_CIRRUS_CHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pci.h"
#include "video/vga.h"

enum {
    CIRRUS_VRAM = 4 << 20, CIRRUS_MASK = CIRRUS_VRAM - 1,
    CIRRUS_BLT_LINE = 8192 + 32, /* a line of system memory data: 13 bits of width, rounded up */
};

enum {
    SR_UNLOCK = 0x06, SR_MODE = 0x07, SR_DRAM = 0x0f, SR_CURSOR_X = 0x10, SR_CURSOR_Y = 0x11,
    SR_CURSOR_ATTR = 0x12, SR_CURSOR_PATTERN = 0x13, SR_SCRATCH_15 = 0x15, SR_CONFIG = 0x17,
    SR_SIGNATURE = 0x18, SR_MCLK = 0x1f,
    GR_OFFSET0 = 0x09, GR_OFFSET1 = 0x0a, GR_EXTENSIONS = 0x0b, GR_BG1 = 0x10, GR_FG1 = 0x11,
    GR_BLT_FIRST = 0x20, GR_BLT_DEST_HIGH = 0x2a, GR_BLT_SKIP = 0x2f, GR_BLT_MODE = 0x30,
    GR_BLT_STATUS = 0x31, GR_BLT_ROP = 0x32, GR_BLT_EXT = 0x33, GR_BLT_KEY = 0x34,
    GR_BLT_LAST = 0x39,
    CR_EXTENDED = 0x1b, CR_OVERLAY = 0x1d, CR_ID = 0x27,
};

enum {
    SR_MODE_PACKED = 0x01, SR_MODE_DEPTH = 0x0e,
    SR_CONFIG_MMIO = 0x44, SR_CONFIG_MMIO_WINDOW = 0x04, SR_CONFIG_MMIO_LFB = 0x44,
    GR_EXT_DUAL = 0x01, GR_EXT_BY8 = 0x02, GR_EXT_WRITE_MODES = 0x04, GR_EXT_BY16 = 0x14,
    GR_EXT_16K = 0x20,
};

struct cirrus {
    struct pci_function pci;
    /* registers */
    struct vga vga; /* the extended ones, too: its seq, gr and cr have room for them */
    uint8_t fg0, bg0;    /* GR1 and GR0 with all eight bits */
    uint8_t hidden_dac;
    uint8_t cursor_colour[6];
    uint16_t cursor_x, cursor_y;
    /* hidden state */
    uint8_t dac_reads; /* of 3c6 in a row: the fifth access is the hidden DAC register's */
    uint8_t blt_line[CIRRUS_BLT_LINE];
    uint32_t blt_have, blt_need; /* bytes of the line from system memory; need 0: none awaited */
    uint32_t blt_rows;           /* still to come */
    uint32_t blt_row;            /* done */
    uint32_t blt_dest;           /* of the row to come */
    /* wires and derived */
    struct engine *engine;
    struct vram *vram;
    struct io_region lfb, mmio, rom;
};

/* ---- cirrus_blt.c ---- */

/* GR_BLT_STATUS was written, from `was`. */
void cirrus_blt_control(struct cirrus *c, uint8_t was);
void cirrus_blt_start(struct cirrus *c);
void cirrus_blt_reset(struct cirrus *c);
/* Data from system memory, while it is awaited (blt_need is not 0). Returns how many were taken. */
unsigned cirrus_blt_data(struct cirrus *c, const uint8_t *from, unsigned n);

/* ---- cirrus_mem.c ---- */

extern const struct io_ops cirrus_window_ops, cirrus_lfb_ops, cirrus_mmio_ops;
/* Puts video memory behind BAR 0 where accesses to it need no help, and takes it away where the
 * chip has to see each one. After a change of registers, BAR or BLT. */
void cirrus_place_lfb(struct cirrus *c);

/* ---- cirrus.c ---- */

uint8_t cirrus_gr_read(const struct cirrus *c, unsigned index);
void cirrus_gr_write(struct cirrus *c, unsigned index, uint8_t val);

#endif
