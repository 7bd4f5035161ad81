/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which USB devices the host has: what its kernel says in sysfs, which waits for no device.
 */
#ifndef HOST_USB_FIND_H
#define HOST_USB_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/usb_desc.h"

enum { USB_PORT_LEN = 32, USB_DESC_MAX = 1 << 16 };

/* What a device must match; zeros and NULL match all. */
struct usb_wanted {
    unsigned bus, addr;
    const char *port; /* "1.4": the way from the root hub */
    unsigned vendor, product;
};

struct usb_found {
    unsigned bus, addr, vendor, product;
    char port[USB_PORT_LEN];
    enum usb_speed speed;
    uint8_t *descriptors; /* usb_desc_sound; the caller's, by free */
    size_t descriptors_len;
};

/* Where the host's kernel shows its devices; tests have others. */
struct usb_roots {
    const char *sys, *dev;
};

extern struct usb_roots usb_roots;

/* The first that matches; hubs never do. False: `why` says which was looked for. */
bool usb_find_real(const struct usb_wanted *wanted, struct usb_found *found, char *why,
                   size_t why_len);

#endif
