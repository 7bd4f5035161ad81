/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a screen shows. The producer (a VGA) draws only when somebody asks; the consumer
 * (screendump, VNC) asks as often as it looks. Pixels are XRGB8888 in host order; X may be
 * anything. One thread.
 */
#ifndef CORE_DISPLAY_H
#define CORE_DISPLAY_H

#include <stdbool.h>
#include <stdint.h>

enum { DISPLAY_CURSOR = 64 };

/* A pointer that hardware draws over the picture. */
struct display_cursor {
    unsigned size; /* pixels each way, without a gap between lines */
    int x, y;      /* of its upper left corner, in the picture */
    uint32_t pixels[DISPLAY_CURSOR * DISPLAY_CURSOR]; /* ARGB, each opaque or all clear */
};

struct display {
    /* wires: the producer's */
    void *dev;
    /* Brings the surface up to date; all of it when `whole`. */
    void (*refresh)(void *dev, struct display *display, bool whole);
    /* The first starts (true) or the last stops looking: between, changes are tracked. A refresh
     * without anybody draws all. The surface lives until the last has stopped. */
    void (*watched)(void *dev, bool watched);
    /* Optional. False: there is no pointer, or none that could be drawn by others, as one that
     * inverts what is below. */
    bool (*cursor)(void *dev, struct display_cursor *cursor);
    /* wires: the consumer's that follows changes. Called within the guest's access that changes
     * something, or may, once after each refresh. Optional. */
    void (*changed)(void *follower);
    void *follower;
    unsigned watchers; /* see display_watch */
    bool cursor_apart; /* the consumer's: the pointer is left out of the picture */

    /* the surface; pixels NULL means blank */
    unsigned width, height, stride; /* stride in pixels */
    uint32_t *pixels;
    /* lines [dirty_top, dirty_bottom) changed since the consumer that follows changes (VNC; not a
     * screendump, which looks at everything) set both to 0 */
    unsigned dirty_top, dirty_bottom;
    bool resized; /* since the consumer cleared it */
    bool drawn;   /* more than blinks, since it cleared this */
    unsigned blink_ms; /* until it changes by itself; 0: never */
    bool quiet; /* the device knows of no change since the last refresh */
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

/* The producer's, wherever it changes the picture, or what it is made of. */
static inline void display_changed(struct display *d) {
    if (!d->quiet)
        return;
    d->quiet = false;
    if (d->changed)
        d->changed(d->follower);
}

/* Each consumer calls it once with true and once with false. */
static inline void display_watch(struct display *d, bool watch) {
    bool was = d->watchers;
    d->watchers += watch ? 1 : -1u;
    if (was != (bool)d->watchers && d->watched)
        d->watched(d->dev, watch);
}

#endif
