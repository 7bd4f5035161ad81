/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB hub: USB 2.0, chapter 11, as a full-speed hub. A port's reset and the end of its resume
 * take no time. Not modelled: over-current, indicators, the transaction translator.
 */
#include "usb/hub.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"

enum { /* bmRequestType << 8 | bRequest: table 11-15 */
    CLEAR_HUB_FEATURE = 0x2001, SET_HUB_FEATURE = 0x2003, CLEAR_PORT_FEATURE = 0x2301,
    SET_PORT_FEATURE = 0x2303, GET_HUB_STATUS = 0xa000, GET_HUB_DESCRIPTOR = 0xa006,
    GET_PORT_STATUS = 0xa300,
};

enum { /* table 11-17; a bit of wPortStatus each, and 16 more: of wPortChange */
    PORT_CONNECTION = 0, PORT_ENABLE = 1, PORT_SUSPEND = 2, PORT_OVER_CURRENT = 3, PORT_RESET = 4,
    PORT_POWER = 8, PORT_LOW_SPEED = 9, C_PORT = 16, C_HUB_OVER_CURRENT = 1,
};

#define BIT(feature) ((uint16_t)(1u << (feature)))

enum { ENDPOINT = 1, DESC_HUB = 0x29, STATUS_BYTES = HUB_PORTS / 8 + 1 };

struct hub {
    struct usb_device usb;
    /* registers */
    uint16_t status[HUB_PORTS], change[HUB_PORTS];
    /* wires and derived */
    struct usb_port port[HUB_PORTS];
};

static const struct field hub_fields[] = {
    F_STRUCT(struct hub, usb, usb_fields), F_ARRAY(struct hub, status),
    F_ARRAY(struct hub, change), F_END
};

/* ---- descriptors ---- */

static const uint8_t device_descriptor[18] = {
    18, 1, 0x10, 0x01, 9, 0, 0, 8, 0x09, 0x04, 0xaa, 0x55, 0x01, 0x01, 1, 2, 3, 1,
};

/* One interface, whose endpoint says which ports have changed. Self-powered, may wake the guest. */
static const uint8_t config_descriptor[] = {
    9, 2, 25, 0, 1, 1, 0, 0xe0, 0,
    9, 4, 0, 0, 1, 9, 0, 0, 0,
    7, 5, 0x80 | ENDPOINT, 3, STATUS_BYTES, 0, 0xff,
};

/* Power is switched a port; everything can be unplugged. */
static const uint8_t hub_descriptor[] = {
    7 + 2 * STATUS_BYTES, DESC_HUB, HUB_PORTS, 0x09, 0, 1, 0, 0, 0, 0xff, 0xff,
};

static const char *const strings[] = {"QEMU", "QEMU USB Hub", "314159", NULL};

static const struct usb_descriptors descriptors = {
    device_descriptor, {[USB_FULL] = config_descriptor}, NULL, strings};

/* ---- ports ---- */

static void settle(struct hub *h, unsigned n) {
    h->port[n].enabled = h->usb.configuration &&
        (h->status[n] & (BIT(PORT_ENABLE) | BIT(PORT_SUSPEND))) == BIT(PORT_ENABLE);
}

static void changed(struct hub *h, unsigned n, unsigned feature) {
    h->change[n] |= BIT(feature);
    settle(h, n);
    usb_ready(&h->usb, ENDPOINT, true);
    usb_wakeup(&h->usb);
}

static void connect(struct hub *h, unsigned n) {
    if (!(h->status[n] & BIT(PORT_POWER)) || !h->port[n].device)
        return;
    h->status[n] = BIT(PORT_POWER) | BIT(PORT_CONNECTION);
    if (h->port[n].device->speed == USB_LOW)
        h->status[n] |= BIT(PORT_LOW_SPEED);
    changed(h, n, PORT_CONNECTION);
}

static void port_attached(void *dev, unsigned n) {
    connect(dev, n);
}

static void port_detached(void *dev, unsigned n) {
    struct hub *h = dev;
    if (!(h->status[n] & BIT(PORT_CONNECTION)))
        return;
    if (h->status[n] & BIT(PORT_ENABLE))
        h->change[n] |= BIT(PORT_ENABLE);
    h->status[n] = BIT(PORT_POWER);
    changed(h, n, PORT_CONNECTION);
}

static void port_ready(void *dev, struct usb_device *device, unsigned ep, bool in) {
    struct usb_port *up = ((struct hub *)dev)->usb.port;
    if (up)
        up->ops->ready(up->dev, device, ep, in);
}

/* A hub passes resume signalling on, and itself ends its port's suspend: 11.9. */
static void port_wakeup(void *dev, unsigned n) {
    struct hub *h = dev;
    struct usb_port *up = h->usb.port;
    if (up)
        up->ops->wakeup(up->dev, up->number);
    if (!(h->status[n] & BIT(PORT_SUSPEND)))
        return;
    h->status[n] &= (uint16_t)~BIT(PORT_SUSPEND);
    changed(h, n, PORT_SUSPEND);
}

static const struct usb_port_ops port_ops = {port_attached, port_detached, port_ready,
                                             port_wakeup};

static enum usb_result set_port(struct hub *h, unsigned n, unsigned feature) {
    uint16_t *status = &h->status[n];
    switch (feature) {
    case PORT_POWER:
        if (!(*status & BIT(PORT_POWER))) {
            *status = BIT(PORT_POWER);
            connect(h, n);
        }
        return USB_OK;
    case PORT_RESET:
        if (!(*status & BIT(PORT_CONNECTION)))
            return USB_OK;
        *status &= (uint16_t)~BIT(PORT_SUSPEND);
        *status |= BIT(PORT_ENABLE);
        usb_reset(h->port[n].device);
        changed(h, n, PORT_RESET);
        return USB_OK;
    case PORT_SUSPEND:
        if (*status & BIT(PORT_ENABLE))
            *status |= BIT(PORT_SUSPEND);
        settle(h, n);
        return USB_OK;
    default:
        return USB_STALL;
    }
}

static enum usb_result clear_port(struct hub *h, unsigned n, unsigned feature) {
    uint16_t *status = &h->status[n];
    switch (feature) {
    case PORT_ENABLE:
        *status &= (uint16_t)~(BIT(PORT_ENABLE) | BIT(PORT_SUSPEND));
        break;
    case PORT_SUSPEND:
        if (*status & BIT(PORT_SUSPEND)) {
            *status &= (uint16_t)~BIT(PORT_SUSPEND);
            changed(h, n, PORT_SUSPEND);
        }
        break;
    case PORT_POWER:
        *status = h->change[n] = 0;
        break;
    case C_PORT + PORT_CONNECTION:
    case C_PORT + PORT_ENABLE:
    case C_PORT + PORT_SUSPEND:
    case C_PORT + PORT_OVER_CURRENT:
    case C_PORT + PORT_RESET:
        h->change[n] &= (uint16_t)~BIT(feature - C_PORT);
        break;
    default:
        return USB_STALL;
    }
    settle(h, n);
    return USB_OK;
}

/* ---- requests and the endpoint ---- */

static enum usb_result give(const void *bytes, size_t n, uint8_t *data, size_t *len) {
    memcpy(data, bytes, n);
    *len = n;
    return USB_OK;
}

static enum usb_result hub_control(struct usb_device *dev, const struct usb_setup *s,
                                   uint8_t *data, size_t *len) {
    struct hub *h = (struct hub *)dev;
    unsigned n = (s->index & 0xff) - 1u; /* of a port request */
    unsigned request = (unsigned)s->request_type << 8 | s->request;
    if ((s->request_type & 0x1f) == 3 && n >= HUB_PORTS)
        return USB_STALL;
    switch (request) {
    case GET_HUB_DESCRIPTOR:
        return give(hub_descriptor, sizeof(hub_descriptor), data, len);
    case GET_HUB_STATUS:
        return give("\0\0\0", 4, data, len); /* power is good, no over-current, no change */
    case GET_PORT_STATUS:
        store_le16(data, h->status[n]);
        store_le16(data + 2, h->change[n]);
        *len = 4;
        return USB_OK;
    case SET_HUB_FEATURE:
    case CLEAR_HUB_FEATURE:
        return s->value <= C_HUB_OVER_CURRENT ? USB_OK : USB_STALL;
    case SET_PORT_FEATURE:
        return set_port(h, n, s->value);
    case CLEAR_PORT_FEATURE:
        return clear_port(h, n, s->value);
    default:
        return USB_STALL;
    }
}

static enum usb_result hub_data(struct usb_device *dev, struct usb_transfer *t) {
    struct hub *h = (struct hub *)dev;
    uint32_t map = 0;
    uint8_t bytes[4];
    if (t->ep != ENDPOINT || t->pid != USB_IN)
        return USB_STALL;
    for (unsigned i = 0; i < HUB_PORTS; i++)
        map |= h->change[i] ? 2u << i : 0;
    if (!map)
        return USB_NAK;
    store_le32(bytes, map);
    t->actual = usb_give(t, 0, bytes, STATUS_BYTES);
    return USB_OK;
}

/* ---- life ---- */

/* Unconfigured, a hub's ports have no power: 11.5.1.2. */
static void power_off(struct hub *h) {
    memset(h->status, 0, sizeof(h->status));
    memset(h->change, 0, sizeof(h->change));
}

static void hub_configured(struct usb_device *dev) {
    struct hub *h = (struct hub *)dev;
    if (!dev->configuration)
        power_off(h);
    for (unsigned i = 0; i < HUB_PORTS; i++)
        settle(h, i);
}

static void hub_bus_reset(struct usb_device *dev) {
    hub_configured(dev); /* usb_reset has taken its configuration */
}

static struct usb_port *hub_port(struct usb_device *dev, unsigned number) {
    return number < HUB_PORTS ? &((struct hub *)dev)->port[number] : NULL;
}

static void hub_reset(void *dev) {
    usb_reset(dev);
}

static void hub_free(void *dev) {
    struct hub *h = dev;
    usb_detach(&h->usb);
    for (unsigned i = 0; i < HUB_PORTS; i++)
        if (h->port[i].device)
            h->port[i].device->port = NULL;
    mem_free(h);
}

static bool hub_loaded(void *dev, char *why, size_t why_len) {
    struct hub *h = dev;
    for (unsigned i = 0; i < HUB_PORTS; i++) {
        bool connected = h->status[i] & BIT(PORT_CONNECTION);
        h->status[i] &= 0x0317;
        h->change[i] &= 0x001f;
        if (!h->port[i].device && connected) /* what is plugged in here counts */
            port_detached(h, i);
        else if (h->port[i].device && !connected)
            connect(h, i);
        settle(h, i);
    }
    return usb_loaded(&h->usb, why, why_len);
}

static const struct state hub_state = {"usb-hub", 1, hub_fields, hub_loaded};

const struct device_ops usb_hub_device = {
    .name = "usb-hub", .state = &hub_state, .reset = hub_reset, .free = hub_free};

static const struct usb_device_ops hub_ops = {
    .chip = &usb_hub_device, .reset = hub_bus_reset, .control = hub_control, .data = hub_data,
    .configured = hub_configured, .port = hub_port};

struct usb_device *hub_new(const char *id, const char *serial) {
    struct hub *h = mem_new(sizeof(*h));
    usb_init(&h->usb, &hub_ops, &descriptors, 1u << USB_FULL);
    h->usb.id = id ? id : "";
    h->usb.serial = serial;
    for (unsigned i = 0; i < HUB_PORTS; i++)
        h->port[i] = (struct usb_port){.ops = &port_ops, .dev = h, .number = i,
                                       .speeds = 1u << USB_LOW | 1u << USB_FULL};
    hub_reset(h);
    return &h->usb;
}
