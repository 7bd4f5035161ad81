/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a screen has scrolled: a viewer that has the old picture is told so in a few bytes. Pure.
 */
#ifndef HOST_RFB_SCROLL_H
#define HOST_RFB_SCROLL_H

#include <stdbool.h>
#include <stdint.h>

/* Whole lines [from, from + rows) that are now at [to, to + rows). */
struct rfb_scroll {
    unsigned to, from, rows;
};

/* Compares lines [top, bottom) of what is now with what was, each of `width` pixels. True: most of
 * them are old ones, all of `found`'s exactly. */
bool rfb_find_scroll(const uint32_t *was, unsigned was_stride, const uint32_t *now,
                     unsigned now_stride, unsigned width, unsigned top, unsigned bottom,
                     struct rfb_scroll *found);

#endif
