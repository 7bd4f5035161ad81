/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all USB devices have in common: plugging, transfers, and the standard requests on endpoint
 * 0, answered from the descriptors. USB 2.0, chapters 8.5.3 (control transfers) and 9; USB 3.2, 9
 * for SuperSpeed. See usb.h.
 *
 * Not modelled: data toggles and what gets lost on a wire; test modes; link power states. Requests
 * without IN data take effect in their status stage.
 */
#include "usb/usb.h"

#include <stdio.h>
#include <string.h>

#include "core/bits.h"

enum { /* of the control transfer */
    STAGE_IDLE, STAGE_DATA_IN, STAGE_DATA_OUT, STAGE_STATUS_IN, STAGE_STALLED,
};

enum { /* bmRequestType */
    TYPE_IN = 0x80, TYPE_MASK = 0x60, TYPE_STANDARD = 0x00,
    RECIPIENT_MASK = 0x1f, TO_DEVICE = 0, TO_INTERFACE = 1, TO_ENDPOINT = 2,
};

enum { /* table 9-4 */
    GET_STATUS = 0, CLEAR_FEATURE = 1, SET_FEATURE = 3, SET_ADDRESS = 5, GET_DESCRIPTOR = 6,
    GET_CONFIGURATION = 8, SET_CONFIGURATION = 9, GET_INTERFACE = 10, SET_INTERFACE = 11,
    SET_SEL = 0x30, SET_ISOCH_DELAY = 0x31,
};

enum { /* tables 9-6; USB 3.2, 9-7 */
    ENDPOINT_HALT = 0, FUNCTION_SUSPEND = 0, DEVICE_REMOTE_WAKEUP = 1, U1_ENABLE = 48,
    U2_ENABLE = 49, LTM_ENABLE = 50,
};

enum { /* table 9-5 */
    DESC_DEVICE = 1, DESC_CONFIG = 2, DESC_STRING = 3, DESC_INTERFACE = 4, DESC_QUALIFIER = 6,
    DESC_OTHER_SPEED = 7, DESC_BOS = 15,
};

/* Offsets in descriptors: tables 9-8 and 9-10 */
enum { DEVICE_BCD_USB = 2, DEVICE_MAX_PACKET = 7, DEVICE_SERIAL = 16, DEVICE_CONFIGS = 17 };
enum { CONFIG_TOTAL = 2, CONFIG_VALUE = 5, CONFIG_ATTRIBUTES = 7 };
enum { ATTRIBUTE_SELF_POWERED = 0x40 };
enum { DEVICE_LEN = 18, QUALIFIER_LEN = 10, LANGUAGE_ENGLISH = 0x0409 };

const struct field usb_fields[] = {
    F_MAX(struct usb_device, address, 127),
    F(struct usb_device, configuration),
    F_BYTES(struct usb_device, alternate),
    F(struct usb_device, remote_wakeup),
    F_ARRAY(struct usb_device, halted),
    F_MAX(struct usb_device, stage, STAGE_STALLED),
    F_BYTES(struct usb_device, setup),
    F_MAX(struct usb_device, control_len, USB_CONTROL_MAX),
    F_MAX(struct usb_device, control_at, USB_CONTROL_MAX),
    F_BYTES(struct usb_device, control),
    F_END,
};

bool usb_loaded(const struct usb_device *dev, char *why, size_t why_len) {
    if (dev->control_at > dev->control_len) {
        snprintf(why, why_len, "control transfer: %u of %u bytes have moved", dev->control_at,
                 dev->control_len);
        return false;
    }
    return true;
}

/* ---- descriptors ---- */

static const uint8_t *config_of(const struct usb_device *dev, enum usb_speed speed) {
    const struct usb_descriptors *d = dev->descriptors;
    return d->config[speed] ? d->config[speed] : d->config[USB_FULL];
}

/* Copies what fits a data stage. */
static enum usb_result give_bytes(uint8_t *data, size_t *len, const uint8_t *bytes, size_t n) {
    *len = MIN(n, (size_t)USB_CONTROL_MAX);
    memcpy(data, bytes, *len);
    return USB_OK;
}

static enum usb_result give_device(struct usb_device *dev, uint8_t *data, size_t *len) {
    give_bytes(data, len, dev->descriptors->device, DEVICE_LEN);
    if (dev->speed == USB_SUPER) {
        store_le16(&data[DEVICE_BCD_USB], 0x0300);
        data[DEVICE_MAX_PACKET] = 9; /* 2 to the 9th */
    }
    return USB_OK;
}

static enum usb_result give_config(struct usb_device *dev, enum usb_speed speed, uint8_t type,
                                   uint8_t *data, size_t *len) {
    const uint8_t *config = config_of(dev, speed);
    give_bytes(data, len, config, load_le16(&config[CONFIG_TOTAL]));
    data[1] = type;
    return USB_OK;
}

/* Of a device that has another speed than this one, of full and high: 9.6.2, 9.6.4. */
static enum usb_result give_other_speed(struct usb_device *dev, uint8_t type, uint8_t *data,
                                        size_t *len) {
    const uint8_t *device = dev->descriptors->device;
    unsigned both = 1u << USB_FULL | 1u << USB_HIGH;
    if (dev->speed == USB_SUPER || (dev->speeds & both) != both)
        return USB_STALL;
    if (type == DESC_OTHER_SPEED)
        return give_config(dev, dev->speed == USB_HIGH ? USB_FULL : USB_HIGH, type, data, len);
    data[0] = QUALIFIER_LEN;
    data[1] = DESC_QUALIFIER;
    memcpy(&data[2], &device[DEVICE_BCD_USB], 6); /* to bMaxPacketSize0 */
    data[8] = device[DEVICE_CONFIGS];
    data[9] = 0;
    *len = QUALIFIER_LEN;
    return USB_OK;
}

/* One character of UTF-8, of those that UTF-16 has in one unit; moves on. */
static uint16_t next_char(const char **text) {
    const uint8_t *s = (const uint8_t *)*text;
    if (s[0] >= 0xe0 && s[1] && s[2]) {
        *text += 3;
        return (uint16_t)(s[0] << 12 | (s[1] & 0x3f) << 6 | (s[2] & 0x3f));
    }
    if (s[0] >= 0xc0 && s[1]) {
        *text += 2;
        return (uint16_t)((s[0] & 0x1f) << 6 | (s[1] & 0x3f));
    }
    *text += 1;
    return s[0];
}

static enum usb_result give_string(struct usb_device *dev, unsigned index, uint8_t *data,
                                   size_t *len) {
    enum { LONGEST = 254 };
    const char *const *strings = dev->descriptors->strings, *text = NULL;
    size_t n = 2;
    if (index == 0) {
        store_le16(&data[n], LANGUAGE_ENGLISH);
        n += 2;
    } else {
        for (unsigned i = 1; strings && strings[i - 1] && !text; i++)
            text = i == index ? strings[i - 1] : NULL;
        if (dev->serial && index == dev->descriptors->device[DEVICE_SERIAL])
            text = dev->serial;
        if (!text)
            return USB_STALL;
        for (; *text && n < LONGEST; n += 2)
            store_le16(&data[n], next_char(&text));
    }
    data[0] = (uint8_t)n;
    data[1] = DESC_STRING;
    *len = n;
    return USB_OK;
}

static enum usb_result ask_device(struct usb_device *dev, const struct usb_setup *s, uint8_t *data,
                                  size_t *len) {
    return dev->ops->control ? dev->ops->control(dev, s, data, len) : USB_STALL;
}

static enum usb_result get_descriptor(struct usb_device *dev, const struct usb_setup *s,
                                      uint8_t *data, size_t *len) {
    const uint8_t *bos = dev->descriptors->bos;
    uint8_t type = (uint8_t)(s->value >> 8), index = (uint8_t)s->value;
    if ((s->request_type & RECIPIENT_MASK) != TO_DEVICE)
        return ask_device(dev, s, data, len);
    switch (type) {
    case DESC_DEVICE:
        return give_device(dev, data, len);
    case DESC_CONFIG:
        return index ? USB_STALL : give_config(dev, dev->speed, type, data, len);
    case DESC_STRING:
        return give_string(dev, index, data, len);
    case DESC_QUALIFIER:
    case DESC_OTHER_SPEED:
        return give_other_speed(dev, type, data, len);
    case DESC_BOS:
        return bos ? give_bytes(data, len, bos, load_le16(&bos[CONFIG_TOTAL])) : USB_STALL;
    default:
        return ask_device(dev, s, data, len);
    }
}

/* The interface in that setting is in the configuration. */
static bool has_interface(const struct usb_device *dev, unsigned number, unsigned setting) {
    const uint8_t *config = config_of(dev, dev->speed);
    size_t total = load_le16(&config[CONFIG_TOTAL]);
    for (size_t at = 0; dev->configuration && at + 4 <= total && config[at]; at += config[at])
        if (config[at + 1] == DESC_INTERFACE && config[at + 2] == number &&
            config[at + 3] == setting)
            return true;
    return false;
}

/* ---- standard requests ---- */

static void settings_changed(struct usb_device *dev) {
    if (dev->ops->configured)
        dev->ops->configured(dev);
}

static enum usb_result get_status(struct usb_device *dev, const struct usb_setup *s, uint8_t *data,
                                  size_t *len) {
    uint16_t status = 0;
    unsigned ep = s->index & 0x0f;
    switch (s->request_type & RECIPIENT_MASK) {
    case TO_DEVICE:
        status = config_of(dev, dev->speed)[CONFIG_ATTRIBUTES] & ATTRIBUTE_SELF_POWERED ? 1 : 0;
        status |= dev->remote_wakeup ? 2 : 0;
        break;
    case TO_INTERFACE:
        break;
    case TO_ENDPOINT:
        status = dev->halted[s->index >> 7 & 1] >> ep & 1;
        break;
    default:
        return USB_STALL;
    }
    store_le16(data, status);
    *len = 2;
    return USB_OK;
}

static enum usb_result endpoint_halt(struct usb_device *dev, unsigned index, bool halt) {
    uint16_t *halted = &dev->halted[index >> 7 & 1], bit = (uint16_t)(1u << (index & 0x0f));
    if (!(index & 0x0f))
        return USB_OK; /* endpoint 0 recovers by itself */
    *halted = (uint16_t)(halt ? *halted | bit : *halted & ~bit);
    if (!halt)
        settings_changed(dev);
    return USB_OK;
}

static enum usb_result change_feature(struct usb_device *dev, const struct usb_setup *s, bool set) {
    unsigned recipient = s->request_type & RECIPIENT_MASK;
    bool super = dev->speed == USB_SUPER;
    if (recipient == TO_ENDPOINT && s->value == ENDPOINT_HALT)
        return endpoint_halt(dev, s->index, set);
    if (recipient == TO_INTERFACE && s->value == FUNCTION_SUSPEND && super) {
        dev->remote_wakeup = set && s->index >> 8 & 2;
        return USB_OK;
    }
    if (recipient == TO_DEVICE && s->value == DEVICE_REMOTE_WAKEUP) {
        dev->remote_wakeup = set;
        return USB_OK;
    }
    if (recipient == TO_DEVICE && super && s->value >= U1_ENABLE && s->value <= LTM_ENABLE)
        return USB_OK;
    return USB_STALL;
}

static enum usb_result set_configuration(struct usb_device *dev, unsigned value) {
    if (value && value != config_of(dev, dev->speed)[CONFIG_VALUE])
        return USB_STALL;
    dev->configuration = (uint8_t)value;
    memset(dev->halted, 0, sizeof(dev->halted));
    memset(dev->alternate, 0, sizeof(dev->alternate));
    settings_changed(dev);
    return USB_OK;
}

static enum usb_result get_interface(struct usb_device *dev, unsigned number, uint8_t *data,
                                     size_t *len) {
    if (!has_interface(dev, number, 0) || number >= USB_INTERFACES)
        return USB_STALL;
    data[0] = dev->alternate[number];
    *len = 1;
    return USB_OK;
}

static enum usb_result set_interface(struct usb_device *dev, unsigned number, unsigned setting) {
    if (!has_interface(dev, number, setting) || number >= USB_INTERFACES)
        return USB_STALL;
    dev->alternate[number] = (uint8_t)setting;
    memset(dev->halted, 0, sizeof(dev->halted)); /* also those of other interfaces, if any */
    settings_changed(dev);
    return USB_OK;
}

static enum usb_result standard_request(struct usb_device *dev, const struct usb_setup *s,
                                        uint8_t *data, size_t *len) {
    switch ((s->request_type & TYPE_IN) << 1 | s->request) {
    case TYPE_IN << 1 | GET_STATUS:
        return get_status(dev, s, data, len);
    case CLEAR_FEATURE:
    case SET_FEATURE:
        return change_feature(dev, s, s->request == SET_FEATURE);
    case SET_ADDRESS:
        if (s->value > 127)
            return USB_STALL;
        dev->address = (uint8_t)s->value;
        return USB_OK;
    case TYPE_IN << 1 | GET_DESCRIPTOR:
        return get_descriptor(dev, s, data, len);
    case TYPE_IN << 1 | GET_CONFIGURATION:
        data[0] = dev->configuration;
        *len = 1;
        return USB_OK;
    case SET_CONFIGURATION:
        return set_configuration(dev, s->value);
    case TYPE_IN << 1 | GET_INTERFACE:
        return get_interface(dev, s->index, data, len);
    case SET_INTERFACE:
        return set_interface(dev, s->index, s->value);
    case SET_SEL:
    case SET_ISOCH_DELAY:
        return dev->speed == USB_SUPER ? USB_OK : USB_STALL;
    default:
        return ask_device(dev, s, data, len);
    }
}

/* ---- endpoint 0 ---- */

static struct usb_setup setup_of(const struct usb_device *dev) {
    const uint8_t *b = dev->setup;
    return (struct usb_setup){b[0], b[1], load_le16(&b[2]), load_le16(&b[4]), load_le16(&b[6])};
}

/* Carries out what the setup packet asks for; false: the device says STALL. */
static bool obey(struct usb_device *dev) {
    struct usb_setup s = setup_of(dev);
    size_t len = 0;
    enum usb_result result = (s.request_type & TYPE_MASK) == TYPE_STANDARD
                                 ? standard_request(dev, &s, dev->control, &len)
                                 : ask_device(dev, &s, dev->control, &len);
    if (s.request_type & TYPE_IN)
        dev->control_len = (uint16_t)MIN(MIN(len, (size_t)s.length), (size_t)USB_CONTROL_MAX);
    dev->stage = result == USB_OK ? STAGE_IDLE : STAGE_STALLED;
    return result == USB_OK;
}

/* A new setup packet ends whatever was before: 8.5.3.1. It is never refused. */
static enum usb_result take_setup(struct usb_device *dev, struct usb_transfer *t) {
    memset(dev->control, 0, sizeof(dev->control)); /* nothing of an old answer gets out */
    memset(dev->setup, 0, sizeof(dev->setup));
    t->actual = usb_take(t, 0, dev->setup, sizeof(dev->setup));
    struct usb_setup s = setup_of(dev);
    dev->control_at = dev->control_len = 0;
    if (t->actual < sizeof(dev->setup)) {
        dev->stage = STAGE_STALLED;
    } else if (!s.length) {
        dev->stage = STAGE_STATUS_IN;
    } else if (s.request_type & TYPE_IN) {
        if (obey(dev))
            dev->stage = STAGE_DATA_IN;
    } else {
        dev->stage = s.length > USB_CONTROL_MAX ? STAGE_STALLED : STAGE_DATA_OUT;
        dev->control_len = s.length > USB_CONTROL_MAX ? 0 : s.length;
    }
    return USB_OK;
}

static enum usb_result control_in(struct usb_device *dev, struct usb_transfer *t) {
    if (dev->stage == STAGE_DATA_IN) {
        t->actual = usb_give(t, 0, dev->control + dev->control_at,
                             (size_t)(dev->control_len - dev->control_at));
        dev->control_at = (uint16_t)(dev->control_at + t->actual);
        return USB_OK;
    }
    bool complete = dev->stage == STAGE_DATA_OUT && dev->control_at == dev->control_len;
    if (dev->stage != STAGE_STATUS_IN && !complete)
        return USB_STALL;
    return obey(dev) ? USB_OK : USB_STALL;
}

static enum usb_result control_out(struct usb_device *dev, struct usb_transfer *t) {
    size_t room = (size_t)(dev->control_len - dev->control_at);
    if (dev->stage == STAGE_DATA_IN) { /* the status stage, early or not */
        dev->stage = STAGE_IDLE;
        t->actual = t->len;
        return USB_OK;
    }
    if (dev->stage != STAGE_DATA_OUT || t->len > room) {
        dev->stage = STAGE_STALLED;
        return USB_STALL;
    }
    t->actual = usb_take(t, 0, dev->control + dev->control_at, t->len);
    dev->control_at = (uint16_t)(dev->control_at + t->actual);
    return USB_OK;
}

static enum usb_result endpoint_zero(struct usb_device *dev, struct usb_transfer *t) {
    if (dev->ops->raw)
        return dev->ops->raw(dev, t);
    if (t->pid == USB_SETUP)
        return take_setup(dev, t);
    return t->pid == USB_IN ? control_in(dev, t) : control_out(dev, t);
}

/* ---- transfers ---- */

static size_t copy(const struct usb_transfer *t, size_t skip, uint8_t *buf, size_t len, bool give) {
    size_t done = 0;
    for (unsigned i = 0; i < t->niov && done < len; i++) {
        size_t have = t->iov[i].iov_len;
        if (skip >= have) {
            skip -= have;
            continue;
        }
        size_t n = MIN(have - skip, len - done);
        uint8_t *memory = (uint8_t *)t->iov[i].iov_base + skip;
        memcpy(give ? memory : buf + done, give ? buf + done : memory, n);
        done += n;
        skip = 0;
    }
    return done;
}

size_t usb_give(const struct usb_transfer *transfer, size_t skip, const void *buf, size_t len) {
    return copy(transfer, skip, (uint8_t *)(uintptr_t)buf, len, true);
}

size_t usb_take(const struct usb_transfer *transfer, size_t skip, void *buf, size_t len) {
    return copy(transfer, skip, buf, len, false);
}

/* What a result means for the endpoint: a STALL stays until the guest clears it. */
static enum usb_result note(struct usb_transfer *t, enum usb_result result) {
    if (result == USB_STALL && t->ep)
        t->device->halted[t->pid == USB_IN] |= (uint16_t)(1u << t->ep);
    t->result = result;
    return result;
}

enum usb_result usb_submit(struct usb_device *dev, struct usb_transfer *t) {
    t->device = dev;
    t->actual = 0;
    if (!t->ep)
        return note(t, endpoint_zero(dev, t));
    if (t->pid == USB_SETUP || !dev->configuration || t->ep >= USB_ENDPOINTS)
        return t->result = USB_ERROR; /* nobody listens there */
    if (dev->halted[t->pid == USB_IN] >> t->ep & 1)
        return t->result = USB_STALL;
    return note(t, dev->ops->data(dev, t));
}

void usb_cancel(struct usb_transfer *t) {
    if (t->result == USB_PENDING && t->device->ops->cancel)
        t->device->ops->cancel(t->device, t);
    t->result = USB_ERROR;
}

void usb_done(struct usb_transfer *t, enum usb_result result) {
    note(t, result);
    t->done(t);
}

/* ---- plugging ---- */

void usb_init(struct usb_device *dev, const struct usb_device_ops *ops,
              const struct usb_descriptors *descriptors, unsigned speeds) {
    *dev = (struct usb_device){.ops = ops, .descriptors = descriptors, .speeds = speeds, .id = ""};
    dev->speed = speeds & 1u << USB_FULL || !(speeds & 1u << USB_LOW) ? USB_FULL : USB_LOW;
}

void usb_reset(struct usb_device *dev) {
    dev->address = dev->configuration = 0;
    memset(dev->alternate, 0, sizeof(dev->alternate));
    dev->remote_wakeup = false;
    memset(dev->halted, 0, sizeof(dev->halted));
    dev->stage = STAGE_IDLE;
    memset(dev->setup, 0, sizeof(dev->setup));
    dev->control_len = dev->control_at = 0;
    memset(dev->control, 0, sizeof(dev->control));
    if (dev->ops->reset)
        dev->ops->reset(dev);
}

/* Hubs can't be deeper than this: 4.1.1. */
enum { TIERS = 5 };

static struct usb_device *find_below(struct usb_port *port, uint8_t addr, unsigned tiers) {
    struct usb_device *dev = port->enabled ? port->device : NULL;
    if (!dev || dev->address == addr)
        return dev;
    struct usb_port *inner;
    for (unsigned i = 0; dev->ops->port && tiers && (inner = dev->ops->port(dev, i)); i++) {
        struct usb_device *found = find_below(inner, addr, tiers - 1);
        if (found)
            return found;
    }
    return NULL;
}

struct usb_device *usb_find(struct usb_port *port, uint8_t addr) {
    return find_below(port, addr, TIERS);
}

struct usb_device *usb_follow(struct usb_port *port, uint32_t route) {
    for (unsigned tier = 0; port && tier <= TIERS; tier++, route >>= 4) {
        struct usb_device *dev = port->enabled ? port->device : NULL;
        if (!dev || !(route & 15))
            return dev;
        port = dev->ops->port ? dev->ops->port(dev, (route & 15) - 1) : NULL;
    }
    return NULL;
}

void usb_set_address(struct usb_device *dev, uint8_t addr) {
    dev->address = addr;
}

bool usb_attach(struct usb_port *port, struct usb_device *dev) {
    unsigned common = port->speeds & dev->speeds;
    if (port->device || !common)
        return false;
    for (unsigned speed = USB_LOW; speed <= USB_SUPER; speed++)
        if (common & 1u << speed)
            dev->speed = (enum usb_speed)speed;
    port->device = dev;
    dev->port = port;
    usb_reset(dev);
    port->ops->attached(port->dev, port->number);
    return true;
}

void usb_detach(struct usb_device *dev) {
    struct usb_port *port = dev->port;
    if (!port)
        return;
    usb_reset(dev);
    port->device = NULL;
    dev->port = NULL;
    port->ops->detached(port->dev, port->number);
}

static struct usb_port *inner_port(const struct usb_port *port, unsigned number) {
    struct usb_device *dev = port->device;
    return dev && dev->ops->port ? dev->ops->port(dev, number) : NULL;
}

static struct usb_port *first_empty(struct usb_port *port, unsigned tiers) {
    struct usb_port *inner, *found = NULL;
    if (!port->device)
        return port;
    for (unsigned i = 0; tiers && !found && (inner = inner_port(port, i)); i++)
        found = first_empty(inner, tiers - 1);
    return found;
}

static struct usb_port *any_empty(struct usb_port *ports, unsigned n) {
    struct usb_port *found = NULL;
    for (unsigned tiers = 0; tiers <= TIERS; tiers++)
        for (unsigned i = 0; i < n && !found; i++)
            found = first_empty(&ports[i], tiers);
    return found;
}

struct usb_port *usb_find_port(struct usb_port *ports, unsigned n, const char *path) {
    struct usb_port *port = NULL;
    if (!path || !*path)
        return any_empty(ports, n);
    for (unsigned tier = 0; tier <= TIERS; tier++) {
        unsigned number = 0, digits = 0;
        for (; *path >= '0' && *path <= '9' && digits < 3; path++, digits++)
            number = number * 10 + (unsigned)(*path - '0');
        if (!digits || !number || (*path && *path != '.'))
            return NULL;
        if (port)
            port = inner_port(port, number - 1);
        else
            port = number <= n ? &ports[number - 1] : NULL;
        if (!port || !*path)
            return port;
        path++;
    }
    return NULL;
}

/* ---- what a device has to say ---- */

void usb_ready(struct usb_device *dev, unsigned ep, bool in) {
    if (dev->port)
        dev->port->ops->ready(dev->port->dev, dev, ep, in);
}

void usb_wakeup(struct usb_device *dev) {
    if (dev->port && dev->remote_wakeup)
        dev->port->ops->wakeup(dev->port->dev, dev->port->number);
}
