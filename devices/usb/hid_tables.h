/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The constant side of the HID devices: descriptors, and the usages of keys.
 */
#ifndef DEVICES_USB_HID_TABLES_H
#define DEVICES_USB_HID_TABLES_H

#include "usb/hid.h"

/* HID 1.11, 6.2.1 */
enum { HID_DESC_HID = 0x21, HID_DESC_REPORT = 0x22 };

struct hid_tables {
    struct usb_descriptors usb;
    const uint8_t *report; /* the report descriptor */
    uint16_t report_len;
    unsigned hid_at;       /* where the HID descriptor is in the configuration */
    unsigned events;       /* 1 << INPUT_KEY | ... */
    const char *sink;      /* a name for the input router */
};

extern const struct hid_tables hid_tables[HID_KINDS];

/* HID Usage Tables 1.12, 10: the usage of a KEY_* code, or 0. */
uint8_t hid_usage(unsigned key);

enum { USAGE_ROLLOVER = 0x01, USAGE_LEFT_CTRL = 0xe0, USAGE_RIGHT_GUI = 0xe7 };

#endif
