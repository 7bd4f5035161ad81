/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A full-speed USB hub with eight ports.
 */
#ifndef DEVICES_USB_HUB_H
#define DEVICES_USB_HUB_H

#include "usb/usb.h"

enum { HUB_PORTS = 8 };

/* id and serial are the -device's, or NULL. Not plugged in: usb_attach. */
struct usb_device *hub_new(const char *id, const char *serial);

extern const struct device_ops usb_hub_device;

#endif
