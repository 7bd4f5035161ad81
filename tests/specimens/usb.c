/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UHCI with a tablet on port 1 and, behind a hub on port 2, a keyboard and a mouse: one specimen,
 * whose state is all of theirs. A poke is a driver's or a person's doing, for what a driver puts
 * into memory is more than chance finds:
 *
 *     00 to 3f  typing and pointing
 *     40        frame list, queue and two queued TDs into memory; the schedule starts
 *     41, 42    port 1 or 2 is reset and enabled
 *     43        the tablet is unplugged and plugged in again
 *     44        the keyboard is, behind the hub
 *     80 to ff  requests[] of the low six bits; with bit 6 the driver takes only part of an answer
 */
#include <linux/input-event-codes.h>
#include <stdlib.h>

#include "core/bits.h"
#include "core/mem.h"
#include "fixture.h"
#include "usb/hid.h"
#include "usb/hub.h"
#include "usb_rig.h"

enum { FRAMES = 0x1000, QH = 0x2000, TDS = 0x3000, SETUP_AT = 0x4000, DATA = 0x5000 };
enum { LINK_END = 1, LINK_QH = 2, LINK_DEPTH = 4 };
enum { CTRL = 1u << 23 | 3u << 27 | 1u << 29, CTRL_IOC = 1u << 24 };
enum { PID_IN = 0x69, PID_OUT = 0xe1, PID_SETUP = 0x2d };

enum { HUB, TABLET, KEYBOARD, MOUSE };

static const struct {
    uint8_t address, setup[8];
} requests[64] = {
    {0, {0, 5, 1}}, {0, {0, 5, 2}}, {0, {0, 5, 3}},                        /* SET_ADDRESS */
    {1, {0, 9, 1}}, {2, {0, 9, 1}}, {3, {0, 9, 1}}, {1, {0, 9, 0}}, {2, {0, 9, 0}},
    {0, {0x80, 6, 0, 1, 0, 0, 18}}, {1, {0x80, 6, 0, 2, 0, 0, 64}},
    {1, {0x81, 6, 0, 0x22, 0, 0, 0xff}}, {2, {0x80, 6, 3, 3, 9, 4, 64}},   /* GET_DESCRIPTOR */
    {2, {0xa0, 6, 0, 0x29, 0, 0, 64}}, {2, {0xa0, 0, 0, 0, 0, 0, 4}},
    {2, {0x23, 3, 8, 0, 1}}, {2, {0x23, 3, 4, 0, 1}}, {2, {0x23, 3, 2, 0, 1}}, /* hub port 1 */
    {2, {0x23, 1, 2, 0, 1}}, {2, {0x23, 1, 16, 0, 1}}, {2, {0x23, 1, 20, 0, 1}},
    {2, {0x23, 1, 18, 0, 1}}, {2, {0x23, 1, 1, 0, 1}}, {2, {0x23, 1, 8, 0, 1}},
    {2, {0xa3, 0, 0, 0, 1, 0, 4}}, {2, {0x23, 3, 8, 0, 2}}, {2, {0x23, 3, 4, 0, 2}},
    {1, {0x21, 10, 0, 4}}, {3, {0x21, 10, 0, 1}}, {1, {0xa1, 1, 0, 1, 0, 0, 8}}, /* HID */
    {3, {0x21, 9, 0, 2, 0, 0, 1}}, {3, {0x21, 11, 0, 0}}, {3, {0x21, 11, 1, 0}},
    {3, {0xa1, 1, 0, 2, 0, 0, 1}}, {1, {0, 3, 1}}, {2, {0, 3, 1}}, {3, {0, 3, 1}},
    {1, {2, 3, 0, 0, 0x81}}, {1, {2, 1, 0, 0, 0x81}}, {1, {0x82, 0, 0, 0, 0x81, 0, 2}},
    {1, {0x80, 0, 0, 0, 0, 0, 2}}, {1, {1, 11}}, {1, {0x81, 10, 0, 0, 0, 0, 1}},
    {2, {0x21, 9, 0, 2, 0, 0, 0xff, 0x03}}, {1, {0x80, 8, 0, 0, 0, 0, 1}},
};

/* ---- as a driver ---- */

static void put_td(struct fixture *fx, unsigned n, uint32_t link, uint32_t ctrl, unsigned pid,
                   unsigned address, unsigned ep, unsigned len, uint32_t buffer) {
    uint32_t at = TDS + 16 * n;
    mem_write(fx, at, 4, link);
    mem_write(fx, at + 4, 4, ctrl);
    mem_write(fx, at + 8, 4, pid | address << 8 | ep << 15 | ((len - 1) & 0x7ff) << 21);
    mem_write(fx, at + 12, 4, buffer);
}

/* Interrupt TDs for the three devices wait in queues of their own, before the control queue. */
static void start(struct fixture *fx, uint16_t base) {
    for (unsigned i = 0; i < 1024; i++)
        mem_write(fx, FRAMES + 4 * i, 4, QH | LINK_QH);
    for (unsigned i = 0; i < 4; i++) {
        mem_write(fx, QH + 16 * i, 4, i == 3 ? LINK_END : (QH + 16 * (i + 1)) | LINK_QH);
        mem_write(fx, QH + 16 * i + 4, 4, i == 3 ? LINK_END : TDS + 16 * (8 + i));
        if (i < 3)
            put_td(fx, 8 + i, LINK_END, CTRL | CTRL_IOC, PID_IN, i + 1, 1, 8, DATA + 64 * i);
    }
    out32(fx, base + 8, FRAMES);
    out16(fx, base + 4, 0x0f);
    out16(fx, base, 0xc1);
}

static void ask(struct fixture *fx, uint16_t base, unsigned which, bool part) {
    const uint8_t *setup = requests[which].setup, address = requests[which].address;
    unsigned len = load_le16(setup + 6), n = 1, in = setup[0] & 0x80;
    if (part)
        len = MIN(len, 8u);
    for (unsigned i = 0; i < 8; i++)
        mem_write(fx, SETUP_AT + i, 1, setup[i]);
    put_td(fx, 0, (TDS + 16) | LINK_DEPTH, CTRL, PID_SETUP, address, 0, 8, SETUP_AT);
    for (unsigned at = 0; at < len && n < 6; at += 64, n++)
        put_td(fx, n, (TDS + 16 * (n + 1)) | (part ? 0 : LINK_DEPTH), CTRL,
               in ? PID_IN : PID_OUT, address, 0, MIN(64, len - at), DATA + 256 + at);
    put_td(fx, n, LINK_END, CTRL | CTRL_IOC, in && len ? PID_OUT : PID_IN, address, 0, 0, 0);
    mem_write(fx, QH + 16 * 3 + 4, 4, TDS);
    in16(fx, base + 6);
    /* the driver takes the short answer, and sees to the status stage */
    if (in && len && !part) {
        mem_write(fx, QH + 16 * 3 + 4, 4, TDS + 16 * n);
        in16(fx, base + 6);
    }
}

/* ---- as people ---- */

static void people(struct fixture *fx, uint8_t what) {
    static const struct input_event events[16] = {
        {INPUT_KEY, KEY_A, 1}, {INPUT_KEY, KEY_A, 0}, {INPUT_KEY, KEY_LEFTSHIFT, 1},
        {INPUT_KEY, KEY_LEFTSHIFT, 0}, {INPUT_KEY, KEY_F, 1}, {INPUT_KEY, KEY_F, 0},
        {INPUT_ABS, INPUT_X, 1000}, {INPUT_ABS, INPUT_Y, 2000}, {INPUT_ABS, INPUT_X, INT32_MAX},
        {INPUT_REL, INPUT_X, 300}, {INPUT_REL, INPUT_Y, INT32_MIN}, {INPUT_REL, INPUT_WHEEL, -1},
        {INPUT_BUTTON, BTN_LEFT, 1}, {INPUT_BUTTON, BTN_LEFT, 0}, {INPUT_BUTTON, BTN_SIDE, 1},
        {INPUT_BUTTON, BTN_SIDE, 0}};
    struct input_event event = events[what & 15];
    if (event.kind == INPUT_KEY)
        event.code = (uint16_t)(event.code + (what >> 4));
    input_send(fx->input, &event);
    if (!(what & 0x20))
        input_sync(fx->input);
}

static void poke_rig(struct fixture *fx, void *dev, uint8_t what) {
    struct usb_rig *rig = dev;
    uint64_t base = uhci_rig_base(rig);
    if (what < 0x40)
        people(fx, what);
    else if (what == 0x43)
        usb_rig_replug(rig, TABLET);
    else if (what == 0x44)
        usb_rig_replug(rig, KEYBOARD);
    else if (base == UINT64_MAX)
        return;
    else if (what == 0x40)
        start(fx, (uint16_t)base);
    else if (what < 0x80)
        uhci_rig_enable(fx, (uint16_t)(base + (what & 1 ? 0x10 : 0x12)));
    else
        ask(fx, (uint16_t)base, what & 0x3f, what & 0x40);
}

/* ---- the rig as one chip ---- */

USB_RIG(rig, "uhci-rig", usb_rig_reset, usb_rig_idle)

static struct usb_device *make(struct fixture *fx, enum hid_kind kind) {
    return hid_new(&(struct hid_pins){.kind = kind, .input = fx->input, .clock = fx->clock});
}

static void *build_rig(struct fixture *fx) {
    struct usb_rig *rig = calloc(1, sizeof(*rig));
    struct usb_port *ports = uhci_ports(uhci_rig_new(rig, fx));
    rig->dev[HUB] = hub_new(NULL, NULL);
    rig->dev[TABLET] = make(fx, HID_TABLET);
    rig->dev[KEYBOARD] = make(fx, HID_KEYBOARD);
    rig->dev[MOUSE] = make(fx, HID_MOUSE);
    usb_attach(&ports[0], rig->dev[TABLET]);
    usb_attach(&ports[1], rig->dev[HUB]);
    usb_attach(usb_find_port(ports, UHCI_PORTS, "2.1"), rig->dev[KEYBOARD]);
    usb_attach(usb_find_port(ports, UHCI_PORTS, "2.8"), rig->dev[MOUSE]);
    usb_rig_begin(rig, rig_fields);
    return rig;
}

const struct specimen usb_specimens[] = {
    {"uhci", build_rig, &rig_device, poke_rig, NULL},
    {0},
};
