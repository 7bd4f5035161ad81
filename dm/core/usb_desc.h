/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the descriptors of a real USB device: USB 2.0, 9.6; USB 3.2, 9.6.7. They are bytes that
 * a stranger has made: nothing in them is believed that isn't inside of what there is. What a host
 * keeps of a device is its device descriptor and all its configurations, one after the other.
 */
#ifndef CORE_USB_DESC_H
#define CORE_USB_DESC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum usb_speed { USB_LOW, USB_FULL, USB_HIGH, USB_SUPER };

/* Interfaces with higher numbers are not known of. */
enum { USB_DESC_INTERFACES = 32, USB_DESC_ENDPOINTS = 16 };

enum usb_endpoint_type { USB_EP_CONTROL, USB_EP_ISO, USB_EP_BULK, USB_EP_INTERRUPT };

struct usb_endpoint {
    bool there;
    uint8_t type;    /* enum usb_endpoint_type */
    uint16_t packet; /* bytes; never 0 when it is there */
};

/* A device descriptor with at least one configuration behind it. */
bool usb_desc_sound(const uint8_t *desc, size_t len);

/* bConfigurationValue of the first configuration. */
uint8_t usb_desc_first_config(const uint8_t *desc, size_t len);

/* A bit for each interface number in that configuration; 0: there is no such configuration. */
uint32_t usb_desc_interfaces(const uint8_t *desc, size_t len, uint8_t config);

/* The endpoints of that configuration as [out, in], with the interfaces in these settings. */
void usb_desc_endpoints(const uint8_t *desc, size_t len, uint8_t config,
                        const uint8_t settings[USB_DESC_INTERFACES],
                        struct usb_endpoint endpoints[2][USB_DESC_ENDPOINTS]);

/*
 * The speeds (1 << USB_FULL | ...) at which a guest can use a device that runs at `speed`: slower
 * ones too when no endpoint needs what they have not. Isochronous endpoints, streams and large
 * interrupt packets keep a device at its speed.
 */
unsigned usb_desc_speeds(const uint8_t *desc, size_t len, enum usb_speed speed);

/* Makes a device or configuration descriptor, or its beginning, read as one of a device of the
 * speed `to` (not above `from`): packet sizes and polling intervals. */
void usb_desc_fit(uint8_t *desc, size_t len, enum usb_speed from, enum usb_speed to);

#endif
