/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which USB device of the host an option means, and its chip. One thread.
 */
#ifndef DM_USB_REAL_H
#define DM_USB_REAL_H

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct opts;
struct usb_device;
struct usb_wanted;

/* hostbus=, hostaddr=, hostport=, vendorid=, productid=. The text behind hostport= is kept. */
bool usb_real_options(const struct opts *opts, struct usb_wanted *wanted, char *why,
                      size_t why_len);

/* "host:BUS.ADDR" or "host:VENDOR:PRODUCT", as in usbdevice=. False: it is neither. */
bool usb_real_name(const char *name, struct usb_wanted *wanted);

/* NULL: `why` is a sentence. */
struct usb_device *usb_real_make(struct loop *loop, const struct usb_wanted *wanted, char *why,
                                 size_t why_len);

#endif
