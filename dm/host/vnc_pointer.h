/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a viewer can draw the guest's pointer itself, which then follows its hand at once. The
 * hardware says how the pointer looks and where its corner is, but not which of its pixels points:
 * that is the distance to where the viewer points, once both rest. Until it is known, and while
 * anything does not fit, the pointer stays in the picture and the viewer's own is hidden. Pure. One
 * thread.
 */
#ifndef HOST_VNC_POINTER_H
#define HOST_VNC_POINTER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/display.h"
#include "rfb.h"

struct vnc_pointer {
    bool apart; /* the viewer draws it: leave it out of the picture */
    struct rfb_cursor cursor; /* what it has to be told */
    /* its own */
    uint64_t shape; /* of what was seen last; 0: nothing */
    int x, y;       /* of it */
    int at_x, at_y; /* where the viewer pointed */
    unsigned still; /* looks without a change */
};

/* Once for each look at the screen. `now` NULL: no pointer that a viewer could draw, or none who
 * could; the viewer points at x, y. */
void vnc_pointer_look(struct vnc_pointer *p, const struct display_cursor *now, int x, int y);

#endif
