/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB device of the host, by libusb. One thread: the loop's.
 */
#ifndef HOST_USB_HOST_H
#define HOST_USB_HOST_H

#include "core/loop.h"
#include "core/real_usb.h"
#include "usb_find.h"

/*
 * Takes the device from the host's drivers, which get it back when it is closed. NULL: `why` is a
 * sentence. What takes time happens aside; what fails there is logged, and the device is `gone`.
 */
struct real_usb *usb_host_open(struct loop *loop, const struct usb_wanted *wanted, char *why,
                               size_t why_len);

/* Waits, but not for ever, until the devices that were closed are back with the host's drivers. */
void usb_host_leave(void);

#endif
