/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What guests do to a screen: the mode, and drawing.  The first access that fails is kept and told
 * by screen_error, which forgets it. */
#ifndef GUEST_SCREEN_H
#define GUEST_SCREEN_H

#include <stdint.h>

struct screen {
    uint32_t *fb; /* of a linear frame buffer; NULL: not mapped yet */
    unsigned width, height;
    uint32_t origin; /* of the text, in cells */
    unsigned long frame;
    uint8_t font[256 * 16];
};

extern struct screen screen;

const char *screen_error(void);
void screen_out(unsigned port, unsigned size, unsigned value);
unsigned screen_in(unsigned port);
void screen_indexed(unsigned port, unsigned index, unsigned value);
unsigned screen_read(uint32_t at);
void screen_buffered(uint32_t at, unsigned size_code, uint64_t value);
void screen_copy(unsigned dir, uint32_t at, unsigned size, unsigned count);
void screen_pace(double begun, unsigned long done, double rate);

void screen_line(unsigned long i, char text[81]);

/* screen_draw.c */
void screen_dirty(unsigned top, unsigned bottom);
void screen_fb_line(unsigned long i);
void screen_fb_frame(unsigned long i);
void screen_fb_block(unsigned code);
void screen_paint_bytes(unsigned long i);
void screen_paint_strings(unsigned long i);
void screen_paint_masks(unsigned long i);

#endif
