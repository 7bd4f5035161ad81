/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of lines that moved, one that can be told from others is looked for at other heights; where it is
 * found, those around it decide. Lines are compared from the left, so most of them cost next to
 * nothing. See rfb_diff.h.
 */
#include "rfb_diff.h"

#include <stddef.h>
#include <string.h>

#include "core/bits.h"

enum { PROBES = 3, LOOK = 48, TRIES = 8, LEAST = 64 };

bool rfb_take_line(uint32_t *was, const uint32_t *now, unsigned width,
                   uint64_t tiles[RFB_TILE_WORDS]) {
    bool any = false;
    if (!memcmp(was, now, width * sizeof(*was)))
        return false;
    for (unsigned x = 0; x < width; x += RFB_TILE_W) {
        size_t n = MIN(width - x, (unsigned)RFB_TILE_W) * sizeof(*was);
        if (!memcmp(was + x, now + x, n))
            continue;
        memcpy(was + x, now + x, n);
        bitmap_set(tiles, x / RFB_TILE_W);
        any = true;
    }
    return any;
}

struct pictures {
    const uint32_t *was, *now;
    unsigned was_stride, now_stride, width, top, bottom;
};

static bool same(const struct pictures *p, unsigned now, unsigned was) {
    return !memcmp(p->now + (size_t)now * p->now_stride, p->was + (size_t)was * p->was_stride,
                   p->width * sizeof(uint32_t));
}

/* A line that is not of one colour, nor where it was; from y on. False: none is near. */
static bool find_probe(const struct pictures *p, unsigned *y) {
    for (unsigned end = MIN(*y + LOOK, p->bottom); *y < end; ++*y) {
        const uint32_t *line = p->now + (size_t)*y * p->now_stride;
        if (memcmp(line, line + 1, (p->width - 1) * sizeof(*line)) && !same(p, *y, *y))
            return true;
    }
    return false;
}

/* How far the lines around agree, if line `was` has become line `now`. */
static struct rfb_scroll measure(const struct pictures *p, unsigned now, unsigned was) {
    unsigned up = 0, down = 1;
    while (now - up > p->top && was - up > p->top && same(p, now - up - 1, was - up - 1))
        up++;
    while (now + down < p->bottom && was + down < p->bottom && same(p, now + down, was + down))
        down++;
    return (struct rfb_scroll){.to = now - up, .from = was - up, .rows = up + down};
}

static bool follow(const struct pictures *p, unsigned y, struct rfb_scroll *found) {
    unsigned tries = 0;
    for (unsigned by = 1; by < p->bottom - p->top && tries < TRIES; by++)
        for (unsigned back = 0; back < 2; back++) {
            bool inside = back ? y >= p->top + by : y + by < p->bottom;
            unsigned was = back ? y - by : y + by;
            if (!inside || !same(p, y, was))
                continue;
            struct rfb_scroll s = measure(p, y, was);
            if (s.rows >= LEAST && s.rows >= (p->bottom - p->top) / 2) {
                *found = s;
                return true;
            }
            tries++;
        }
    return false;
}

bool rfb_find_scroll(const uint32_t *was, unsigned was_stride, const uint32_t *now,
                     unsigned now_stride, unsigned width, unsigned top, unsigned bottom,
                     struct rfb_scroll *found) {
    const struct pictures p = {was, now, was_stride, now_stride, width, top, bottom};
    if (width < 2 || bottom < top + LEAST)
        return false;
    for (unsigned i = 0; i < PROBES; i++) {
        /* the middle, then above and below it */
        static const unsigned quarter[PROBES] = {2, 1, 3};
        unsigned y = top + (bottom - top) * quarter[i] / 4;
        if (find_probe(&p, &y) && follow(&p, y, found))
            return true;
    }
    return false;
}
