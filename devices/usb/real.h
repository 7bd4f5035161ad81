/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB device of the host in the guest's hands.
 */
#ifndef DEVICES_USB_REAL_H
#define DEVICES_USB_REAL_H

#include "core/device.h"
#include "core/real_usb.h"
#include "usb/usb.h"

struct real_pins {
    struct real_usb *real; /* becomes the chip's: it closes it */
    const char *id;        /* or NULL */
};

struct usb_device *real_new(const struct real_pins *pins);
extern const struct device_ops usb_real_device;

#endif
