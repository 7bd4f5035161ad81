/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB mass storage: a disk over the bulk-only transport.
 */
#ifndef DEVICES_USB_STORAGE_H
#define DEVICES_USB_STORAGE_H

#include "core/block.h"
#include "usb/usb.h"

struct storage_pins {
    struct block *block; /* a reference of its own is taken */
    bool removable;      /* the medium is said to be, as that of a stick; it can't be changed */
    const char *id;      /* of the -device, or NULL */
    const char *serial;  /* of the USB device and the disk; NULL: "1" */
};

/* Not plugged in: usb_attach. Freeing one unplugs it. */
struct usb_device *storage_new(const struct storage_pins *pins);

extern const struct device_ops usb_storage_device;

#endif
