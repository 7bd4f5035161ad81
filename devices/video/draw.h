/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From bytes of video memory to XRGB8888 pixels, a scanline at a time. Pure: a snapshot of
 * parameters goes in, pixels come out; every read of video memory is bounded by the snapshot's
 * mask. Video memory holds the four planes interleaved, plane p of address a at byte 4 * a + p.
 */
#ifndef VIDEO_DRAW_H
#define VIDEO_DRAW_H

#include <stdbool.h>
#include <stdint.h>

enum { DRAW_MAX_WIDTH = 7680, DRAW_MAX_HEIGHT = 4320 };

enum draw_kind {
    DRAW_BLANK,
    DRAW_TEXT,
    DRAW_PLANAR, /* one bit a pixel in each of four planes */
    DRAW_CGA,    /* two bits a pixel in planes 0 and 1, two more in 2 and 3 */
    DRAW_INDEX8,
    DRAW_RGB15,
    DRAW_RGB16,
    DRAW_RGB24,
    DRAW_RGB32,
};

struct draw {
    const uint8_t *vram;
    uint32_t mask; /* addresses wrap: a power of two minus 1, at least 0xffff */
    enum draw_kind kind;
    unsigned width, height; /* of the picture in pixels, at most DRAW_MAX_* */
    unsigned hscale;        /* 2: each pixel is shown twice */
    uint32_t start, pitch;  /* bytes */
    /* rows: `row_scans` scanlines show the same row of memory, each 1 << scan_shift times */
    unsigned row_scans, scan_shift, preset_scan;
    uint32_t row_bit[2]; /* address bits, in bytes, taken from the scanline in the row; 0: none */
    unsigned split;      /* this scanline and those below come from address 0 on */
    unsigned pan, split_pan; /* unscaled pixels by which the picture is moved left, below 32 */
    uint32_t palette[256];
    /* text */
    unsigned cell_width; /* 8 or 9 */
    uint32_t font[2];    /* plane 2 addresses for attribute bit 3 clear and set */
    bool line_graphics;  /* the ninth dot repeats the eighth in box characters */
    bool blink;          /* attribute bit 7 blinks; else it is background intensity */
    unsigned underline;  /* scanline in the row; 31 and above: none */
    bool framebuffer;    /* the guest may write without our seeing it: pages have to be tracked */

    /* what changes by itself: from here on it is no new picture but a new phase */
    bool cursor_on, blink_off;
    uint32_t cursor; /* bytes */
    unsigned cursor_top, cursor_bottom;
    /* a hardware cursor: on scanlines [overlay_top, overlay_bottom); the key is whatever else it
     * depends on */
    unsigned overlay_top, overlay_bottom;
    uint64_t overlay_key;
};

/* Scanline y < height of the picture into out[width]. */
void draw_line(const struct draw *d, unsigned y, uint32_t *out);

/* The bytes that scanline y shows: from where (below mask + 1; it may wrap) and how many. */
uint32_t draw_source(const struct draw *d, unsigned y, uint32_t *len);

#endif
