/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB tablet, mouse and keyboard: Device Class Definition for HID 1.11. See hid.h.
 *
 * What people do is queued as reports, so that no click and no key gets lost however seldom the
 * guest asks; motion between two clicks is one report. Without news the device answers NAK, and no
 * timer runs unless the guest has asked for repeated reports (SET_IDLE other than 0) and polls.
 */
#include "usb/hid.h"

#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "usb/hid_tables.h"

enum { /* bmRequestType << 8 | bRequest: HID 1.11, 7.2 */
    GET_REPORT = 0xa101, GET_IDLE = 0xa102, GET_PROTOCOL = 0xa103, SET_REPORT = 0x2109,
    SET_IDLE = 0x210a, SET_PROTOCOL = 0x210b, GET_DESCRIPTOR = 0x8106 /* of the interface */,
};

enum { REPORT_INPUT = 1, REPORT_OUTPUT = 2 };
enum { PROTOCOL_BOOT = 0, PROTOCOL_REPORT = 1 };
enum { IDLE_UNIT_MS = 4, ENDPOINT = 1 };

/* Reports that wait; keys that are down in one; bytes of the longest; motion of any screen */
enum { QUEUE = 32, KEYS = 6, REPORT_MAX = 8, MOTION_MAX = 0x10000 };

struct hid_report {
    uint8_t buttons; /* a keyboard's: the modifiers */
    uint8_t keys[KEYS];
    int32_t x, y, wheel;
};

struct hid {
    struct usb_device usb;
    /* registers */
    uint8_t protocol, idle, leds;
    /* hidden state */
    struct hid_report now; /* as people hold it; motion that is not queued yet */
    bool news;             /* `now` is to be queued at the end of the group */
    uint64_t held[4];      /* a keyboard's keys that are down, by usage */
    uint8_t told;          /* buttons of the report that the guest fetched last */
    uint8_t head, count;
    struct hid_report queue[QUEUE];
    bool repeat;           /* the idle time is over: the same report again */
    bool asked;            /* somebody has asked for reports since it was configured */
    struct timer idle_timer;
    /* wires and derived */
    enum hid_kind kind;
    const struct hid_tables *tables;
    struct input *input;
    struct input_sink sink;
};

static const struct field report_fields[] = {
    F(struct hid_report, buttons), F_BYTES(struct hid_report, keys), F(struct hid_report, x),
    F(struct hid_report, y), F(struct hid_report, wheel), F_END
};

static const struct field hid_fields[] = {
    F_STRUCT(struct hid, usb, usb_fields), F_MAX(struct hid, protocol, PROTOCOL_REPORT),
    F(struct hid, idle), F(struct hid, leds), F_STRUCT(struct hid, now, report_fields),
    F(struct hid, news), F_ARRAY(struct hid, held), F(struct hid, told),
    F_MAX(struct hid, head, QUEUE - 1), F_MAX(struct hid, count, QUEUE),
    F_STRUCTS(struct hid, queue, report_fields), F(struct hid, repeat), F(struct hid, asked),
    F_TIMER(struct hid, idle_timer), F_END
};

/* ---- the queue ---- */

static struct hid_report *queued(struct hid *h, unsigned i) {
    return &h->queue[(h->head + i) % QUEUE];
}

static int32_t bounded(int64_t v) {
    return (int32_t)(v < -MOTION_MAX ? -MOTION_MAX : v > MOTION_MAX ? MOTION_MAX : v);
}

/* Later news in the place of earlier: positions replace, motion adds up. */
static void merge(struct hid *h, struct hid_report *into, const struct hid_report *from) {
    struct hid_report sum = *from;
    sum.wheel = bounded((int64_t)into->wheel + from->wheel);
    if (h->kind == HID_MOUSE) {
        sum.x = bounded((int64_t)into->x + from->x);
        sum.y = bounded((int64_t)into->y + from->y);
    }
    *into = sum;
}

/* The last report says nothing but where the pointer went, and this one too. */
static bool only_moved(struct hid *h) {
    if (h->kind == HID_KEYBOARD || !h->count)
        return false;
    uint8_t before = h->count > 1 ? queued(h, h->count - 2u)->buttons : h->told;
    uint8_t last = queued(h, h->count - 1u)->buttons;
    return last == before && last == h->now.buttons;
}

static void enqueue(struct hid *h) {
    bool first = !h->count;
    h->news = false;
    if (h->count == QUEUE || only_moved(h))
        merge(h, queued(h, h->count - 1u), &h->now);
    else
        *queued(h, h->count++) = h->now;
    h->now.wheel = 0;
    if (h->kind == HID_MOUSE)
        h->now.x = h->now.y = 0;
    if (first)
        usb_ready(&h->usb, ENDPOINT, true);
    usb_wakeup(&h->usb);
}

/* ---- from people ---- */

static void press_button(struct hid *h, unsigned code, bool down) {
    static const uint16_t codes[] = {BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA};
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        uint8_t bit = (uint8_t)(1u << i), last = h->count ? queued(h, h->count - 1u)->buttons
                                                         : h->told;
        if (codes[i] != code || !(h->now.buttons & bit) == !down)
            continue;
        if ((h->now.buttons ^ last) & bit)
            enqueue(h); /* twice within a group: both are seen */
        h->now.buttons ^= bit;
        h->news = true;
    }
}

static void pointer_event(void *dev, const struct input_event *event) {
    struct hid *h = dev;
    if (event->kind == INPUT_BUTTON) {
        press_button(h, event->code, event->value);
        return;
    }
    int32_t *axis = event->code == INPUT_X ? &h->now.x : event->code == INPUT_Y ? &h->now.y
                                                                               : &h->now.wheel;
    int32_t before = *axis;
    if (event->kind == INPUT_REL)
        *axis = bounded((int64_t)*axis + event->value);
    else
        *axis = MAX(0, MIN(event->value, (int32_t)INPUT_ABS_MAX));
    h->news |= *axis != before;
}

static void pointer_sync(void *dev) {
    struct hid *h = dev;
    if (h->news)
        enqueue(h);
}

/* Modifiers, and the keys that are down: more than six are none at all (appendix C). */
static void note_keys(struct hid *h) {
    unsigned n = 0;
    h->now.buttons = (uint8_t)(h->held[USAGE_LEFT_CTRL / 64] >> USAGE_LEFT_CTRL % 64);
    memset(h->now.keys, 0, KEYS);
    for (unsigned usage = 0; usage < USAGE_LEFT_CTRL; usage++)
        if (bitmap_get(h->held, usage)) {
            if (n < KEYS)
                h->now.keys[n] = (uint8_t)usage;
            n++;
        }
    if (n > KEYS)
        memset(h->now.keys, USAGE_ROLLOVER, KEYS);
}

static void key_event(void *dev, const struct input_event *event) {
    struct hid *h = dev;
    unsigned usage = hid_usage(event->code);
    if (!usage || bitmap_get(h->held, usage) == !!event->value)
        return;
    if (event->value)
        bitmap_set(h->held, usage);
    else
        bitmap_clear(h->held, usage);
    note_keys(h);
    enqueue(h);
}

/* ---- to the guest ---- */

static int32_t take(int32_t *sum) {
    int32_t v = MAX(-127, MIN(*sum, 127));
    *sum -= v;
    return v;
}

/* The report's bytes; motion that doesn't fit stays in it. */
static unsigned encode(const struct hid *h, struct hid_report *r, uint8_t bytes[REPORT_MAX]) {
    bytes[0] = r->buttons;
    switch (h->kind) {
    case HID_TABLET:
        store_le16(&bytes[1], (uint16_t)r->x);
        store_le16(&bytes[3], (uint16_t)r->y);
        bytes[5] = (uint8_t)take(&r->wheel);
        return 6;
    case HID_MOUSE:
        bytes[1] = (uint8_t)take(&r->x);
        bytes[2] = (uint8_t)take(&r->y);
        if (h->protocol == PROTOCOL_BOOT)
            return 3;
        bytes[3] = (uint8_t)take(&r->wheel);
        return 4;
    default:
        bytes[1] = 0;
        memcpy(&bytes[2], r->keys, KEYS);
        return 2 + KEYS;
    }
}

static bool is_spent(const struct hid *h, const struct hid_report *r) {
    return h->kind == HID_TABLET  ? !r->wheel
           : h->kind == HID_MOUSE ? !r->x && !r->y && (!r->wheel || h->protocol == PROTOCOL_BOOT)
                                  : true;
}

static void fetch(struct hid *h, uint8_t bytes[REPORT_MAX], unsigned *n) {
    if (!h->count) {
        struct hid_report same = h->now;
        same.wheel = 0;
        if (h->kind == HID_MOUSE)
            same.x = same.y = 0;
        *n = encode(h, &same, bytes);
        return;
    }
    struct hid_report *r = queued(h, 0);
    *n = encode(h, r, bytes);
    h->told = r->buttons;
    if (!is_spent(h, r))
        return;
    *r = (struct hid_report){0};
    h->head = (uint8_t)((h->head + 1) % QUEUE);
    h->count--;
}

/* Being configured is not enough: Linux' core does that without a driver for HID. People's keys and
 * motion go on to the PS/2 devices until somebody here wants them. */
static void listen(struct hid *h, bool on) {
    if (h->asked == on)
        return;
    h->asked = on;
    input_enable(h->input, &h->sink, on);
}

static enum usb_result hid_data(struct usb_device *dev, struct usb_transfer *t) {
    struct hid *h = (struct hid *)dev;
    uint8_t bytes[REPORT_MAX];
    unsigned n;
    if (t->ep != ENDPOINT || t->pid != USB_IN)
        return USB_STALL;
    listen(h, true);
    if (!h->count && !h->repeat) {
        if (h->idle && !timer_is_on(&h->idle_timer))
            timer_after(&h->idle_timer, h->idle * IDLE_UNIT_MS * NS_PER_MS);
        return USB_NAK;
    }
    h->repeat = false;
    timer_off(&h->idle_timer);
    fetch(h, bytes, &n);
    t->actual = usb_give(t, 0, bytes, n);
    return n > t->len ? USB_BABBLE : USB_OK;
}

static void idle_over(void *dev) {
    struct hid *h = dev;
    h->repeat = true;
    usb_ready(&h->usb, ENDPOINT, true);
}

/* ---- requests ---- */

static enum usb_result give_descriptor(struct hid *h, uint8_t type, uint8_t *data, size_t *len) {
    const struct hid_tables *tables = h->tables;
    if (type == HID_DESC_REPORT) {
        *len = tables->report_len;
        memcpy(data, tables->report, *len);
        return USB_OK;
    }
    if (type != HID_DESC_HID)
        return USB_STALL;
    const uint8_t *desc = tables->usb.config[USB_FULL] + tables->hid_at;
    *len = desc[0];
    memcpy(data, desc, *len);
    return USB_OK;
}

static enum usb_result give_report(struct hid *h, unsigned type, uint8_t *data, size_t *len) {
    struct hid_report now = h->now;
    if (type == REPORT_OUTPUT && h->kind == HID_KEYBOARD) {
        data[0] = h->leds;
        *len = 1;
        return USB_OK;
    }
    if (type != REPORT_INPUT)
        return USB_STALL;
    *len = encode(h, &now, data);
    return USB_OK;
}

static enum usb_result hid_control(struct usb_device *dev, const struct usb_setup *s,
                                   uint8_t *data, size_t *len) {
    struct hid *h = (struct hid *)dev;
    switch (s->request_type << 8 | s->request) {
    case GET_DESCRIPTOR:
        return give_descriptor(h, (uint8_t)(s->value >> 8), data, len);
    case GET_REPORT:
        return give_report(h, s->value >> 8, data, len);
    case SET_REPORT:
        if (s->value >> 8 != REPORT_OUTPUT || h->kind != HID_KEYBOARD || !s->length)
            return USB_STALL;
        h->leds = data[0] & 0x1f;
        return USB_OK;
    case GET_IDLE:
        data[0] = h->idle;
        *len = 1;
        return USB_OK;
    case SET_IDLE:
        h->idle = (uint8_t)(s->value >> 8);
        h->repeat = false;
        timer_off(&h->idle_timer);
        return USB_OK;
    case GET_PROTOCOL:
        data[0] = h->protocol;
        *len = 1;
        return USB_OK;
    case SET_PROTOCOL:
        if (s->value > PROTOCOL_REPORT || h->kind == HID_TABLET)
            return USB_STALL;
        h->protocol = (uint8_t)s->value;
        return USB_OK;
    default:
        return USB_STALL;
    }
}

/* ---- life ---- */

/* HID usage tables, page 8: Num Lock, Caps Lock, Scroll Lock are bits 0 to 2. */
static unsigned leds(void *dev) {
    const struct hid *h = dev;
    return (h->leds & 1u ? INPUT_LED_NUM : 0u) | (h->leds & 2u ? INPUT_LED_CAPS : 0u) |
           (h->leds & 4u ? INPUT_LED_SCROLL : 0u);
}

static void forget(struct hid *h) {
    int32_t x = h->now.x, y = h->now.y;
    h->now = (struct hid_report){0};
    if (h->kind == HID_TABLET) { /* the pointer stays where it is */
        h->now.x = x;
        h->now.y = y;
    }
    h->news = h->repeat = false;
    memset(h->held, 0, sizeof(h->held));
    memset(h->queue, 0, sizeof(h->queue));
    h->told = h->head = h->count = 0;
    timer_off(&h->idle_timer);
    listen(h, false);
}

static void hid_configured(struct usb_device *dev) {
    if (!dev->configuration)
        forget((struct hid *)dev);
}

static void hid_bus_reset(struct usb_device *dev) {
    struct hid *h = (struct hid *)dev;
    h->protocol = PROTOCOL_REPORT;
    h->idle = h->leds = 0;
    forget(h);
}

static void hid_reset(void *dev) {
    struct hid *h = dev;
    usb_reset(&h->usb);
    h->now = (struct hid_report){0};
}

static void hid_free(void *dev) {
    struct hid *h = dev;
    usb_detach(&h->usb);
    timer_off(&h->idle_timer);
    input_remove(h->input, &h->sink);
    mem_free(h);
}

static bool report_fits(const struct hid_report *r) {
    const int32_t axes[] = {r->x, r->y, r->wheel};
    for (unsigned i = 0; i < ARRAY_LEN(axes); i++)
        if (axes[i] < -MOTION_MAX || axes[i] > MOTION_MAX)
            return false;
    return true;
}

static bool hid_loaded(void *dev, char *why, size_t why_len) {
    struct hid *h = dev;
    bool good = report_fits(&h->now);
    for (unsigned i = 0; i < QUEUE; i++)
        good = good && report_fits(&h->queue[i]);
    if (!good) {
        snprintf(why, why_len, "a report moves by more than %d", MOTION_MAX);
        return false;
    }
    timer_restore(&h->idle_timer);
    input_enable(h->input, &h->sink, h->asked);
    return usb_loaded(&h->usb, why, why_len);
}

#define HID_CHIP(prefix, text)                                                                     \
    static const struct state prefix##_state = {text, 1, hid_fields, hid_loaded};                  \
    const struct device_ops prefix##_device = {                                                    \
        .name = text, .state = &prefix##_state, .reset = hid_reset, .free = hid_free};

HID_CHIP(usb_tablet, "usb-tablet")
HID_CHIP(usb_mouse, "usb-mouse")
HID_CHIP(usb_kbd, "usb-kbd")

#define HID_OPS(device)                                                                            \
    {.chip = &(device), .reset = hid_bus_reset, .control = hid_control, .data = hid_data,          \
     .configured = hid_configured}

static const struct usb_device_ops hid_ops[HID_KINDS] = {
    [HID_TABLET] = HID_OPS(usb_tablet_device), [HID_MOUSE] = HID_OPS(usb_mouse_device),
    [HID_KEYBOARD] = HID_OPS(usb_kbd_device),
};

struct usb_device *hid_new(const struct hid_pins *pins) {
    struct hid *h = mem_new(sizeof(*h));
    h->kind = pins->kind;
    h->tables = &hid_tables[pins->kind];
    h->input = pins->input;
    usb_init(&h->usb, &hid_ops[pins->kind], &h->tables->usb, 1u << USB_FULL);
    h->usb.id = pins->id ? pins->id : "";
    h->usb.serial = pins->serial;
    timer_init(&h->idle_timer, pins->clock, idle_over, h);
    bool keyboard = pins->kind == HID_KEYBOARD;
    h->sink = (struct input_sink){.name = h->tables->sink, .kinds = h->tables->events, .dev = h,
                                  .event = keyboard ? key_event : pointer_event,
                                  .sync = keyboard ? NULL : pointer_sync,
                                  .leds = keyboard ? leds : NULL};
    input_add(h->input, &h->sink);
    input_enable(h->input, &h->sink, false);
    hid_reset(h);
    return &h->usb;
}
