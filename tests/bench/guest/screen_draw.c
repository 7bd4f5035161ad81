/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pixels, in a linear frame buffer and through the VGA's planes.  See screen.h. */
#include <string.h>

#include "plays.h"
#include "screen.h"

#define GREY 0x00aaaaaau
#define CELL_W 8u
#define CELL_H 16u
#define PLANAR_BYTES 80u /* of a line of 640 pixels */
#define PLANAR_LINES 480u

/* The pages of these lines have been written. */
void screen_dirty(unsigned top, unsigned bottom) {
    struct world *w = hv_world();
    uint64_t stride = screen.width * 4ull, first = top * stride / WORLD_PAGE,
             last = (bottom * stride - 1) / WORLD_PAGE;

    for (uint64_t page = first; page <= last && page < WORLD_DIRTY; page++)
        __atomic_fetch_or(&w->dirty[page / 64], 1ull << page % 64, __ATOMIC_RELEASE);
}

static void fb_char(unsigned column, unsigned top, unsigned c) {
    uint32_t *at = screen.fb + (size_t)top * screen.width + column * CELL_W;

    for (unsigned y = 0; y < CELL_H; y++, at += screen.width)
        for (unsigned x = 0; x < CELL_W; x++)
            at[x] = screen.font[c * 16 + y] >> (7 - x) & 1 ? GREY : 0;
}

/* Everything goes up by a line of text. */
void screen_fb_line(unsigned long i) {
    char text[81];
    unsigned top = screen.height - CELL_H, columns = screen.width / CELL_W;
    size_t line = (size_t)screen.width * CELL_H;

    screen_line(i, text);
    memmove(screen.fb, screen.fb + line, (size_t)top * screen.width * 4);
    for (unsigned x = 0, end = 0; x < columns; x++) {
        end |= x >= sizeof text || !text[x];
        fb_char(x, top, end ? ' ' : (uint8_t)text[x]);
    }
    screen_dirty(0, screen.height);
}

/* Colours that run into each other, elsewhere in each frame: nothing of it is like the last. */
void screen_fb_frame(unsigned long i) {
    uint32_t *at = screen.fb;
    unsigned t = (unsigned)i * 3;

    for (unsigned y = 0; y < screen.height; y++)
        for (unsigned x = 0; x < screen.width; x++)
            *at++ = ((x + t) & 255) << 16 | ((y + t) & 255) << 8 | (((x + y) / 2 + 2 * t) & 255);
    screen_dirty(0, screen.height);
}

void screen_fb_block(unsigned code) {
    fb_char(0, 0, code & 255);
    screen_dirty(0, CELL_H);
}

/* in 16 colours: stripes and a moving edge, as boot screens have */

static uint8_t plane_byte(unsigned plane, unsigned x, unsigned y, unsigned long i) {
    if ((x / 10 + y / 60 + i) >> plane & 1)
        return 0xff;
    return x == (y + i) % PLANAR_BYTES ? 0x3c : 0;
}

static void planar_plain(unsigned planes) {
    screen_indexed(0x3c4, 2, planes);
    screen_indexed(0x3ce, 1, 0);
    screen_indexed(0x3ce, 3, 0);
    screen_indexed(0x3ce, 5, 0);
    screen_indexed(0x3ce, 8, 0xff);
}

/* mov: a byte at a time, which Xen buffers */
void screen_paint_bytes(unsigned long i) {
    for (unsigned plane = 0; plane < 4; plane++) {
        planar_plain(1u << plane);
        for (unsigned y = 0; y < PLANAR_LINES; y++)
            for (unsigned x = 0; x < PLANAR_BYTES; x++)
                screen_buffered(0xa0000 + y * PLANAR_BYTES + x, 0, plane_byte(plane, x, y, i));
    }
    screen_read(0xa0000);
}

/* rep movs: a line at a time */
void screen_paint_strings(unsigned long i) {
    for (unsigned plane = 0; plane < 4; plane++) {
        planar_plain(1u << plane);
        for (unsigned y = 0; y < PLANAR_LINES; y++) {
            uint8_t *line = hv_ram(BUFFER_GPA);

            for (unsigned x = 0; x < PLANAR_BYTES; x++)
                line[x] = plane_byte(plane, x, y, i);
            screen_copy(IOREQ_WRITE, 0xa0000 + y * PLANAR_BYTES, 1, PLANAR_BYTES);
        }
    }
}

/* Characters in a colour, pixel by pixel mask over what is there: the latches are read before each
 * write, which no buffer helps. */
void screen_paint_masks(unsigned long i) {
    char text[81];

    planar_plain(15);
    screen_indexed(0x3ce, 0, (unsigned)i % 15 + 1);
    screen_indexed(0x3ce, 1, 15);
    for (unsigned row = 0; row < 4; row++) {
        screen_line(i * 4 + row, text);
        for (unsigned x = 0; text[x]; x++)
            for (unsigned y = 0; y < CELL_H; y++) {
                unsigned bits = screen.font[(uint8_t)text[x] * 16 + y];
                uint32_t at = 0xa0000 + ((unsigned)(i % 7) * 64 + row * 16 + y) * PLANAR_BYTES + x;

                if (!bits)
                    continue;
                screen_indexed(0x3ce, 8, bits);
                screen_read(at);
                screen_buffered(at, 0, 0xff);
            }
    }
    screen_read(0xa0000);
}
