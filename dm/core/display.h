/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a screen shows. The producer (a VGA) draws only when somebody asks; the consumer (screendump,
 * VNC) asks as often as it looks. Pixels are XRGB8888 in host order. One thread.
 */
#ifndef CORE_DISPLAY_H
#define CORE_DISPLAY_H

#include <stdbool.h>
#include <stdint.h>

struct display {
    /* wires: the producer's */
    void *dev;
    /* Brings the surface up to date; all of it when `whole`. */
    void (*refresh)(void *dev, struct display *display, bool whole);
    /* Somebody starts (true) or stops looking: dirty tracking is only on in between. */
    void (*watched)(void *dev, bool watched);

    /* the surface; pixels NULL means blank */
    unsigned width, height, stride; /* stride in pixels */
    uint32_t *pixels;
    /* lines [dirty_top, dirty_bottom) changed since the consumer set both to 0 */
    unsigned dirty_top, dirty_bottom;
    bool resized; /* since the consumer cleared it */
};

static inline void display_dirty(struct display *d, unsigned top, unsigned bottom) {
    if (d->dirty_top == d->dirty_bottom) {
        d->dirty_top = top;
        d->dirty_bottom = bottom;
    } else {
        if (top < d->dirty_top)
            d->dirty_top = top;
        if (bottom > d->dirty_bottom)
            d->dirty_bottom = bottom;
    }
}

#endif
