/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a monitor says of itself: VESA E-EDID 1.4, base block only.
 */
#ifndef VIDEO_EDID_H
#define VIDEO_EDID_H

#include <stdint.h>

enum { EDID_SIZE = 128 };

/* A monitor whose preferred mode is width x height at 60 Hz; both 1 to 4095. */
void edid_make(uint8_t edid[EDID_SIZE], unsigned width, unsigned height);

#endif
