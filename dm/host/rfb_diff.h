/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has changed between two pictures: tiles, or whole lines that moved, which a viewer that has
 * the old picture is told in a few bytes. Pure.
 */
#ifndef HOST_RFB_DIFF_H
#define HOST_RFB_DIFF_H

#include <stdbool.h>
#include <stdint.h>

/* Changed parts of a screen are told in tiles of this size. */
enum { RFB_TILE_W = 64, RFB_TILE_H = 16, RFB_TILE_WORDS = 2 };

/* Makes the line what is now, and sets bits for its tiles that were not: false if none. Lines are
 * at most 128 tiles wide. */
bool rfb_take_line(uint32_t *was, const uint32_t *now, unsigned width,
                   uint64_t tiles[RFB_TILE_WORDS]);

/* Whole lines [from, from + rows) that are now at [to, to + rows). */
struct rfb_scroll {
    unsigned to, from, rows;
};

/* Compares lines [top, bottom) of what is now with what was, each of `width` pixels. True: most of
 * them are old ones, all of `found`'s exactly. False: it is left alone. */
bool rfb_find_scroll(const uint32_t *was, unsigned was_stride, const uint32_t *now,
                     unsigned now_stride, unsigned width, unsigned top, unsigned bottom,
                     struct rfb_scroll *found);

#endif
