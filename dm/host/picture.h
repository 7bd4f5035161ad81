/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pictures of a display in files: PNG, or PPM, which needs no library. One thread.
 */
#ifndef HOST_PICTURE_H
#define HOST_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

struct display;

/*
 * Writes what the display shows now to fd, which stays the caller's. False: `why` is a sentence (no
 * memory, no libpng, a full disk).
 */
bool picture_png(int fd, struct display *display, char *why, size_t why_len);
bool picture_ppm(int fd, struct display *display, char *why, size_t why_len);

#endif
