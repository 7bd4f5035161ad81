/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB tablet, mouse and keyboard. Each takes events while the guest has it configured: the one that
 * was configured last is the one that people move.
 */
#ifndef DEVICES_USB_HID_H
#define DEVICES_USB_HID_H

#include "core/clock.h"
#include "core/input.h"
#include "usb/usb.h"

enum hid_kind { HID_TABLET, HID_MOUSE, HID_KEYBOARD, HID_KINDS };

struct hid_pins {
    enum hid_kind kind;
    struct input *input;
    struct clock *clock;
    const char *id;     /* of the -device, or NULL */
    const char *serial; /* what iSerialNumber gives; NULL: the kind's own */
};

/* Not plugged in: usb_attach. Freeing one unplugs it. */
struct usb_device *hid_new(const struct hid_pins *pins);

extern const struct device_ops usb_tablet_device, usb_mouse_device, usb_kbd_device;

#endif
