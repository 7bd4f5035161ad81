/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See usb.h.
 */
#include "usb.h"

#include <stdio.h>

#include "board.h"
#include "config.h"

bool usb_add_builtin(struct board *b) {
    snprintf(b->why, b->why_len, "-usb (usb=1): USB is not implemented");
    return false;
}

bool usb_add_host(struct board *b, const struct config_device *device) {
    config_refuse(device, b->why, b->why_len);
    return false;
}

bool usb_add_device(struct board *b, const struct config_device *device) {
    config_refuse(device, b->why, b->why_len);
    return false;
}

bool usb_add_named(struct board *b, const char *name) {
    snprintf(b->why, b->why_len, "-usbdevice %s (usbdevice=): USB is not implemented", name);
    return false;
}

void usb_free(struct board *b) {
    (void)b;
}
