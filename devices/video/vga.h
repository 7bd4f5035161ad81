/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IBM VGA that standard VGA and Cirrus share: register file (vga.c), window at a0000
 * (vga_window.c) and screen (vga_screen.c). A chip embeds a struct vga, adds its own registers by
 * the hooks of vga_chip, and hands out `display`. Private to devices/video. One thread.
 */
#ifndef VIDEO_VGA_H
#define VIDEO_VGA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/display.h"
#include "core/engine.h"
#include "core/io.h"
#include "core/state.h"
#include "video/draw.h"

enum {
    VGA_PORTS = 0x3b0, VGA_PORT_COUNT = 0x30, VGA_WINDOW = 0xa0000, VGA_WINDOW_SIZE = 0x20000,
    VGA_PAGE = 4096, VGA_FONT = 256 * 32 * 4, /* bytes of video memory */
};

/* Registers of the sequencer, graphics, CRT and attribute controllers */
enum {
    SEQ_RESET, SEQ_CLOCK, SEQ_MAP_MASK, SEQ_FONT, SEQ_MEMORY, SEQ_COUNT = 0x20,
    GR_SET_RESET = 0, GR_ENABLE, GR_COMPARE, GR_ROTATE, GR_READ_MAP, GR_MODE, GR_MISC, GR_DONT_CARE,
    GR_BIT_MASK, GR_COUNT = 0x40,
    CR_HDISPLAY = 0x01, CR_OVERFLOW = 0x07, CR_PRESET_SCAN = 0x08, CR_MAX_SCAN = 0x09,
    CR_CURSOR_START = 0x0a, CR_CURSOR_END = 0x0b, CR_START_HIGH = 0x0c, CR_START_LOW = 0x0d,
    CR_CURSOR_HIGH = 0x0e, CR_CURSOR_LOW = 0x0f, CR_VSYNC_END = 0x11, CR_VDISPLAY = 0x12,
    CR_OFFSET = 0x13, CR_UNDERLINE = 0x14, CR_MODE = 0x17, CR_LINE_COMPARE = 0x18, CR_COUNT = 0x40,
    AR_MODE = 0x10, AR_OVERSCAN, AR_PLANE_ENABLE, AR_PAN, AR_COLOR_SELECT, AR_COUNT = 0x20,
};

enum {
    MISC_COLOR = 0x01, MISC_RAM = 0x02,
    SEQ_CLOCK_8DOT = 0x01, SEQ_CLOCK_HALF = 0x08, SEQ_CLOCK_OFF = 0x20,
    SEQ_MEMORY_FLAT = 0x04, SEQ_MEMORY_CHAIN4 = 0x08,
    GR_MODE_COMPARE = 0x08, GR_MODE_ODD_EVEN = 0x10, GR_MODE_CGA = 0x20, GR_MODE_256 = 0x40,
    GR_MISC_GRAPHICS = 0x01,
    AR_INDEX_SHOW = 0x20, AR_MODE_LINE_GRAPHICS = 0x04, AR_MODE_BLINK = 0x08,
    AR_MODE_PAN_SPLIT = 0x20, AR_MODE_SELECT = 0x80,
};

/* What a chip adds. All optional; `true` from in and out: the chip has answered. */
struct vga_chip {
    bool (*in)(void *dev, unsigned port, uint8_t *val);
    bool (*out)(void *dev, unsigned port, uint8_t val);
    /* Changes the picture that the VGA's own registers make: d is filled in already. */
    void (*mode)(void *dev, struct draw *d);
    /* Draws over scanline y: the hardware cursor. */
    void (*overlay)(void *dev, const struct draw *d, unsigned y, uint32_t *line);
    /* The same as an image: see display.h. */
    bool (*cursor)(void *dev, struct display_cursor *cursor);
};

/* How bytes of the window meet video memory; the fast ones need registers at rest. */
enum window_kind {
    WINDOW_GENERIC, /* the whole data path, a byte at a time */
    WINDOW_LINEAR,  /* bytes as they are */
    WINDOW_TEXT,    /* even bytes to plane 0, odd ones to plane 1 */
};

/* What was drawn last; all zeros with nobody looking. */
struct vga_screen {
    struct draw drawn;
    uint32_t *pixels;
    uint64_t *bitmap; /* of dirty pages, for the whole video memory */
    bool tracking;    /* the engine was asked for dirty pages */
    uint16_t *cells;  /* characters and attributes as drawn */
    unsigned cell_count;
    uint64_t fonts[2][VGA_FONT / 8]; /* as drawn, all planes; see look_at_fonts */
    bool stale;       /* the next refresh draws all */
};

struct vga {
    /* registers */
    uint8_t misc, feature;
    uint8_t seq_index, gr_index, cr_index, ar_index;
    uint8_t seq[SEQ_COUNT], gr[GR_COUNT], cr[CR_COUNT], ar[AR_COUNT];
    uint8_t pel_mask, dac_read, dac_write;
    uint8_t palette[768]; /* 6 bits each, or 8 with dac8 */
    /* hidden state */
    bool ar_data;     /* the attribute flip-flop: the next write is data */
    bool dac_reading; /* what 3c7 says */
    uint8_t dac_sub;  /* which of red, green and blue is next */
    uint8_t dac_latch[3];
    uint8_t st01;
    uint32_t latch; /* plane p in byte p */
    /* wires and derived */
    struct engine *engine;
    struct clock *clock;
    struct vram *vram;
    uint32_t mask; /* of video memory addresses */
    const struct vga_chip *chip;
    void *chip_dev;
    struct io_region ports, window;
    bool dac8;         /* DAC of 8 bits a colour */
    bool linear;       /* the window shows packed pixels, whatever the VGA's registers say */
    uint32_t bank;     /* bytes (linear) or addresses (planar) added in the window */
    enum window_kind load, store;
    uint32_t window_base, window_size; /* the part of the window that answers */
    struct display display;
    struct vga_screen screen;
};

extern const struct field vga_fields[];

struct io_bus;

/* The window's ops may be the chip's own (window_dev then, too), or NULL for the VGA's. */
void vga_init(struct vga *vga, struct io_bus *io, struct engine *engine, struct clock *clock,
              struct vram *vram, const struct vga_chip *chip, void *chip_dev,
              const struct io_ops *window);
void vga_done(struct vga *vga);
void vga_reset(struct vga *vga);
void vga_loaded(struct vga *vga);

/* A port of 3b0 to 3df, also as seen through a chip's memory-mapped registers. */
uint8_t vga_in(struct vga *vga, unsigned port);
void vga_out(struct vga *vga, unsigned port, uint8_t val);

/* After a register changed that the window depends on. */
void vga_window_update(struct vga *vga);
extern const struct io_ops vga_window_ops;
/* n bytes of the window from offset off on. */
void vga_window_load(struct vga *vga, uint32_t off, uint8_t *to, unsigned n);
void vga_window_store(struct vga *vga, uint32_t off, const uint8_t *from, unsigned n);

/* The byte range [offset, offset + n) of video memory was written by us; it may wrap. */
void vga_dirtied(struct vga *vga, uint32_t offset, uint32_t n);

void vga_screen_init(struct vga *vga);
void vga_screen_done(struct vga *vga);
/* 16 colours through the attribute controller, or 256 past it. */
void vga_palette16(const struct vga *vga, uint32_t *palette);
void vga_palette256(const struct vga *vga, uint32_t *palette);

#endif
