/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See usb_desc.h.
 */
#include "usb_desc.h"

#include <string.h>

#include "bits.h"

enum { /* tables 9-5; USB 3.2, 9-6 */
    DESC_DEVICE = 1, DESC_CONFIG = 2, DESC_INTERFACE = 4, DESC_ENDPOINT = 5, DESC_SS_ENDPOINT = 48,
};

enum { /* tables 9-8, 9-10, 9-12, 9-13 */
    DEVICE_LEN = 18, DEVICE_BCD_USB = 2, DEVICE_MAX_PACKET = 7,
    CONFIG_LEN = 9, CONFIG_TOTAL = 2, CONFIG_VALUE = 5,
    INTERFACE_LEN = 9, INTERFACE_NUMBER = 2, INTERFACE_SETTING = 3,
    ENDPOINT_LEN = 7, ENDPOINT_ADDRESS = 2, ENDPOINT_ATTRIBUTES = 3, ENDPOINT_MAX_PACKET = 4,
    ENDPOINT_INTERVAL = 6, SS_ENDPOINT_LEN = 6, SS_ENDPOINT_ATTRIBUTES = 3,
};

enum { ADDRESS_IN = 0x80, ADDRESS_NUMBER = 0x0f, TYPE_MASK = 3, PACKET_SIZE = 0x7ff,
       SS_STREAMS = 0x1f };

/* What a speed's endpoints can do: 5.5.3, 5.7.3, 5.8.3; USB 3.2, 8.12 */
static const struct {
    uint16_t control, bulk, interrupt;
} limits[] = {
    [USB_LOW] = {8, 8, 8}, [USB_FULL] = {64, 64, 64}, [USB_HIGH] = {64, 512, 1024},
    [USB_SUPER] = {512, 1024, 1024},
};

/* The descriptor at `at`, or NULL when what is left doesn't hold one. */
static const uint8_t *desc_at(const uint8_t *bytes, size_t len, size_t at) {
    if (at + 2 > len || bytes[at] < 2 || bytes[at] > len - at)
        return NULL;
    return bytes + at;
}

static bool is(const uint8_t *d, unsigned type, unsigned len) {
    return d[1] == type && d[0] >= len;
}

/* The configuration that begins at `at`: its bytes, of which *n are there. */
static const uint8_t *config_at(const uint8_t *desc, size_t len, size_t at, size_t *n) {
    const uint8_t *d = desc_at(desc, len, at);
    if (!d || !is(d, DESC_CONFIG, CONFIG_LEN))
        return NULL;
    *n = MIN((size_t)load_le16(&d[CONFIG_TOTAL]), len - at);
    return *n < CONFIG_LEN ? NULL : d;
}

static const uint8_t *find_config(const uint8_t *desc, size_t len, uint8_t value, size_t *n) {
    const uint8_t *config;
    for (size_t at = DEVICE_LEN; (config = config_at(desc, len, at, n)); at += *n)
        if (config[CONFIG_VALUE] == value)
            return config;
    return NULL;
}

bool usb_desc_sound(const uint8_t *desc, size_t len) {
    size_t n;
    return len >= DEVICE_LEN && is(desc, DESC_DEVICE, DEVICE_LEN) &&
           config_at(desc, len, DEVICE_LEN, &n);
}

uint8_t usb_desc_first_config(const uint8_t *desc, size_t len) {
    size_t n;
    const uint8_t *config = config_at(desc, len, DEVICE_LEN, &n);
    return config ? config[CONFIG_VALUE] : 0;
}

uint32_t usb_desc_interfaces(const uint8_t *desc, size_t len, uint8_t value) {
    size_t n;
    uint32_t found = 0;
    const uint8_t *config = find_config(desc, len, value, &n), *d;
    for (size_t at = 0; config && (d = desc_at(config, n, at)); at += d[0])
        if (is(d, DESC_INTERFACE, INTERFACE_LEN) && d[INTERFACE_NUMBER] < USB_DESC_INTERFACES)
            found |= 1u << d[INTERFACE_NUMBER];
    return found;
}

static void add_endpoint(const uint8_t *d,
                         struct usb_endpoint endpoints[2][USB_DESC_ENDPOINTS]) {
    unsigned number = d[ENDPOINT_ADDRESS] & ADDRESS_NUMBER;
    unsigned packet = load_le16(&d[ENDPOINT_MAX_PACKET]) & PACKET_SIZE;
    struct usb_endpoint *ep = &endpoints[d[ENDPOINT_ADDRESS] & ADDRESS_IN ? 1 : 0][number];
    if (!number || !packet)
        return;
    *ep = (struct usb_endpoint){true, d[ENDPOINT_ATTRIBUTES] & TYPE_MASK, (uint16_t)packet};
}

void usb_desc_endpoints(const uint8_t *desc, size_t len, uint8_t value,
                        const uint8_t settings[USB_DESC_INTERFACES],
                        struct usb_endpoint endpoints[2][USB_DESC_ENDPOINTS]) {
    size_t n;
    bool active = false;
    const uint8_t *config = find_config(desc, len, value, &n), *d;
    memset(endpoints, 0, sizeof(struct usb_endpoint) * 2 * USB_DESC_ENDPOINTS);
    for (size_t at = 0; config && (d = desc_at(config, n, at)); at += d[0]) {
        if (is(d, DESC_INTERFACE, INTERFACE_LEN))
            active = d[INTERFACE_NUMBER] < USB_DESC_INTERFACES &&
                     settings[d[INTERFACE_NUMBER]] == d[INTERFACE_SETTING];
        else if (active && is(d, DESC_ENDPOINT, ENDPOINT_LEN))
            add_endpoint(d, endpoints);
    }
}

/* The endpoint works as it is on a bus of that speed, but for the size of bulk packets. */
static bool fits(const uint8_t *d, enum usb_speed speed) {
    unsigned packet = load_le16(&d[ENDPOINT_MAX_PACKET]);
    switch (d[ENDPOINT_ATTRIBUTES] & TYPE_MASK) {
    case USB_EP_ISO:
        return false;
    case USB_EP_INTERRUPT: /* with all of its bits: several packets a microframe are too many */
        return packet <= limits[speed].interrupt;
    default:
        return true;
    }
}

unsigned usb_desc_speeds(const uint8_t *desc, size_t len, enum usb_speed speed) {
    unsigned speeds = 1u << speed;
    const uint8_t *d;
    for (unsigned to = USB_FULL; to < speed; to++)
        speeds |= 1u << to;
    for (size_t at = DEVICE_LEN; (d = desc_at(desc, len, at)); at += d[0]) {
        bool streams = is(d, DESC_SS_ENDPOINT, SS_ENDPOINT_LEN) &&
                       d[SS_ENDPOINT_ATTRIBUTES] & SS_STREAMS;
        bool endpoint = is(d, DESC_ENDPOINT, ENDPOINT_LEN);
        for (unsigned to = USB_FULL; to < speed; to++)
            if (streams || (endpoint && !fits(d, (enum usb_speed)to)))
                speeds &= ~(1u << to);
    }
    return speeds;
}

/* From 2 to the (n-1) microframes to milliseconds: 9.6.6, bInterval. */
static uint8_t interval(uint8_t n) {
    unsigned shift = n > 4 ? MIN(n - 4u, 7u) : 0; /* 1 << 3 microframes are a millisecond */
    return (uint8_t)MIN(1u << shift, 255u);
}

static void fit_endpoint(uint8_t *d, enum usb_speed to) {
    unsigned packet = load_le16(&d[ENDPOINT_MAX_PACKET]);
    switch (d[ENDPOINT_ATTRIBUTES] & TYPE_MASK) {
    case USB_EP_BULK:
        store_le16(&d[ENDPOINT_MAX_PACKET], (uint16_t)MIN(packet, (unsigned)limits[to].bulk));
        break;
    case USB_EP_INTERRUPT:
        if (to == USB_FULL)
            d[ENDPOINT_INTERVAL] = interval(d[ENDPOINT_INTERVAL]);
        break;
    }
}

static void fit_device(uint8_t *desc, size_t len, enum usb_speed from, enum usb_speed to) {
    if (len > DEVICE_MAX_PACKET && from == USB_SUPER) {
        store_le16(&desc[DEVICE_BCD_USB], 0x0200);
        desc[DEVICE_MAX_PACKET] = (uint8_t)limits[to].control; /* at SuperSpeed it is a power */
    }
}

void usb_desc_fit(uint8_t *desc, size_t len, enum usb_speed from, enum usb_speed to) {
    if (from == to || len < 2)
        return;
    if (desc[1] == DESC_DEVICE) {
        fit_device(desc, len, from, to);
        return;
    }
    for (size_t at = 0; at + 2 <= len && desc[at] >= 2 && desc[at] <= len - at; at += desc[at])
        if (is(&desc[at], DESC_ENDPOINT, ENDPOINT_LEN))
            fit_endpoint(&desc[at], to);
}
