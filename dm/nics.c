/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See nics.h.
 */
#include "nics.h"

#include "board.h"
#include "config.h"

bool nics_add(struct board *b, const struct config_device *device) {
    config_refuse(device, b->why, b->why_len);
    return false;
}

void nics_unplug(struct board *b) {
    (void)b;
}

void nics_free(struct board *b) {
    (void)b;
}
