/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xHCI with a tablet on place 1, a hub with a keyboard behind it on place 2, and a disk on place 3:
 * one specimen, whose state is all of theirs. A poke is a driver's or a person's doing; the driver
 * (fixture_xhci.h) has slot 1 for the tablet, 2 for the hub, 3 for the keyboard, 4 for the disk.
 *
 *     00 to 1f  typing and pointing
 *     20        the driver starts; 21 to 28: port 1 to 8 is reset
 *     29 to 2b  the tablet, the disk, the keyboard is unplugged and plugged in again
 *     2c, 2d    the event ring is read; a slot is enabled
 *     30 to 3b  of slots 1 to 4: disabled, addressed, addressed with BSR
 *     3c to 3f  Reset Device of slot 1 to 4
 *     40 to 5f  requests[]
 *     60 to 63  Configure Endpoint of endpoints[]; 64 to 6f: bandwidth is asked for
 *     70 to 7f  Stop, Reset Endpoint, Set TR Dequeue, doorbell (bits 3:2) of endpoints[]
 *     80 to 9f  a TD on endpoints[] of the low two bits; bits 4:2: one of shapes[]
 *     a0 to bf  commands[] for the disk, with a TD for its data and one for its status
 *     c0 to ff  a TRB with that type on the tablet's endpoint (bit 5: on the command ring)
 */
#include <linux/input-event-codes.h>
#include <stdlib.h>

#include "core/bits.h"
#include "fixture_xhci.h"
#include "usb/hid.h"
#include "usb/hub.h"
#include "usb/storage.h"
#include "usb/xhci.h"
#include "usb_rig.h"

enum { DISK = 64 << 10, T = 10, CHAIN = 0x10, IOC = 0x20, IDT = 0x40, ISP = 4, BEI = 0x200 };
enum { NORMAL = 1, EVENT_DATA = 7, NO_OP = 8 };

enum { TABLET, HUB, KEYBOARD, STICK };

static const struct {
    uint8_t slot, setup[8];
} requests[32] = {
    {1, {0, 9, 1}}, {2, {0, 9, 1}}, {3, {0, 9, 1}}, {4, {0, 9, 1}},
    {1, {0x80, 6, 0, 1, 0, 0, 18}}, {2, {0x80, 6, 0, 2, 0, 0, 64}}, {4, {0x80, 6, 0, 15, 0, 0, 64}},
    {2, {0x23, 3, 8, 0, 2}}, {2, {0x23, 3, 4, 0, 2}}, {2, {0xa3, 0, 0, 0, 2, 0, 4}},
    {2, {0x23, 1, 16, 0, 2}}, {2, {0x23, 1, 20, 0, 2}}, {1, {0x21, 10, 0, 4}},
    {3, {0x21, 10, 0, 0}}, {3, {0x21, 9, 0, 2, 0, 0, 1}}, {1, {0, 3, 1}}, {4, {0x21, 0xff}},
    {4, {2, 1, 0, 0, 0x81}}, {4, {2, 1, 0, 0, 0x02}}, {4, {0xa1, 0xfe, 0, 0, 0, 0, 1}},
    {1, {0x80, 99, 0, 0, 0, 0, 4}}, {1, {0, 9, 0}}, {4, {0, 9, 0}}, {1, {2, 3, 0, 0, 0x81}},
    {1, {2, 1, 0, 0, 0x81}}, {4, {0x80, 6, 1, 3, 9, 4, 64}}, {4, {0, 0x30, 0, 0, 0, 0, 6}},
    {1, {0, 5, 9}}, {2, {0x23, 3, 2, 0, 2}}, {2, {0x23, 1, 2, 0, 2}},
    {1, {0x81, 6, 0, 0x22, 0, 0, 99}},
    {1, {0x21, 9, 0, 2, 0, 0, 0xff, 0x03}},
};

static const struct {
    uint8_t slot, ep, type, max_packet;
} endpoints[4] = {{1, 3, 7, 8}, {3, 3, 7, 8}, {4, 3, 6, 64}, {4, 4, 2, 64}};

/* Up to three TRBs: length and control. */
static const struct {
    uint32_t len, control;
} shapes[8][3] = {
    {{8, NORMAL << T | IOC | ISP}}, {{64, NORMAL << T}}, {{0, NORMAL << T | IOC}},
    {{3, NORMAL << T | CHAIN | ISP}, {5, NORMAL << T | IOC}},
    {{4, NORMAL << T | CHAIN}, {9, NORMAL << T | CHAIN}, {0, EVENT_DATA << T | IOC | BEI}},
    {{8, NORMAL << T | IDT | IOC}}, {{0, NO_OP << T | IOC}}, {{700, NORMAL << T | CHAIN}},
};

static const struct {
    uint32_t len;
    uint8_t in, cdb[16];
} commands[32] = {
    {0, 0, {0x00}}, {18, 1, {0x03, 0, 0, 0, 18}}, {36, 1, {0x12, 0, 0, 0, 36}}, {8, 1, {0x25}},
    {512, 1, {0x28, [8] = 1}}, {2048, 1, {0x28, [5] = 3, [8] = 4}}, {512, 0, {0x2a, [8] = 1}},
    {2048, 0, {0x2a, [5] = 5, [8] = 4}}, {0, 0, {0x35}}, {512, 1, {0x28, [5] = 0x80, [8] = 1}},
    {65536, 1, {0x28, [8] = 128}}, {65536, 0, {0x2a, [8] = 128}}, {512, 0, {0x28, [8] = 1}},
    {512, 1, {0x2a, [8] = 1}}, {700, 1, {0x28, [8] = 1}}, {100, 0, {0x2a, [8] = 1}},
};

/* ---- as people ---- */

static void people(struct fixture *fx, uint8_t what) {
    static const struct input_event events[8] = {
        {INPUT_KEY, KEY_A, 1}, {INPUT_KEY, KEY_A, 0}, {INPUT_ABS, INPUT_X, 1000},
        {INPUT_ABS, INPUT_Y, 2000}, {INPUT_REL, INPUT_WHEEL, -1}, {INPUT_BUTTON, BTN_LEFT, 1},
        {INPUT_BUTTON, BTN_LEFT, 0}, {INPUT_KEY, KEY_F, 1}};
    input_send(fx->input, &events[what & 7]);
    if (!(what & 0x10))
        input_sync(fx->input);
}

/* ---- as a driver ---- */

static void disk_command(struct fixture *fx, uint64_t bar, unsigned which) {
    const uint8_t *cdb = commands[which].cdb;
    uint32_t len = commands[which].len;
    bool in = commands[which].in;
    mem_write(fx, XD_SETUP, 4, 0x43425355);
    mem_write(fx, XD_SETUP + 4, 4, which);
    mem_write(fx, XD_SETUP + 8, 4, len);
    mem_write(fx, XD_SETUP + 12, 4, (in ? 0x80 : 0) | 16 << 16 | (uint32_t)cdb[0] << 24);
    for (unsigned i = 1; i < 16; i++)
        mem_write(fx, XD_SETUP + 15 + i, 1, cdb[i]);
    xd_queue(fx, 4, 4, XD_SETUP, 31, NORMAL << T | IOC);
    xd_doorbell(fx, bar, 4, 4);
    if (len)
        xd_queue(fx, 4, in ? 3 : 4, XD_DATA + 0x1000, len, NORMAL << T | IOC | ISP);
    xd_doorbell(fx, bar, 4, in ? 3 : 4);
    xd_queue(fx, 4, 3, XD_SETUP + 64, 13, NORMAL << T | IOC);
    xd_doorbell(fx, bar, 4, 3);
}

static void slots(struct fixture *fx, uint64_t bar, unsigned what) {
    static const struct {
        uint8_t port, route;
    } places[4] = {{5, 0}, {6, 0}, {6, 2}, {3, 0}};
    unsigned slot = what % 4 + 1;
    if (what < 4)
        xd_command(fx, bar, 10, 0, slot << 24, NULL);
    else if (what < 12)
        xd_address(fx, bar, slot, places[slot - 1].port, places[slot - 1].route, what >= 8);
    else
        xd_command(fx, bar, 17, 0, slot << 24, NULL);
}

static void endpoint(struct fixture *fx, uint64_t bar, unsigned what) {
    unsigned slot = endpoints[what & 3].slot, ep = endpoints[what & 3].ep;
    uint32_t pos = (uint32_t)mem_read(fx, XD_STATE + 16 + 4 * (slot * 32 + ep), 4);
    uint64_t next = (xd_ring(slot, ep) + 16 * (pos >> 1 & 15)) | !(pos & 1);
    switch (what >> 2 & 3) {
    case 0:
        xd_command(fx, bar, 15, 0, slot << 24 | ep << 16, NULL);
        break;
    case 1:
        xd_command(fx, bar, 14, 0, slot << 24 | ep << 16, NULL);
        break;
    case 2:
        xd_command(fx, bar, 16, next, slot << 24 | ep << 16, NULL);
        break;
    default:
        xd_doorbell(fx, bar, slot, ep);
    }
}

static void transfer(struct fixture *fx, uint64_t bar, unsigned what) {
    unsigned slot = endpoints[what & 3].slot, ep = endpoints[what & 3].ep, shape = what >> 2 & 7;
    for (unsigned i = 0; i < 3 && shapes[shape][i].control; i++)
        xd_queue(fx, slot, ep, XD_DATA + 64 * i, shapes[shape][i].len, shapes[shape][i].control);
    xd_doorbell(fx, bar, slot, ep);
}

static void drive(struct fixture *fx, uint64_t bar, uint8_t what) {
    struct xd_event event;
    unsigned n = what & 3;
    if (what == 0x20)
        xd_start(fx, bar);
    else if (what < 0x29)
        mem_write(fx, bar + XD_PORTSC + 16 * (what - 0x21), 4, 0x210);
    else if (what == 0x2c)
        while (xd_event(fx, bar, &event))
            ;
    else if (what == 0x2d)
        xd_enable_slot(fx, bar);
    else if (what >= 0xe0)
        xd_command(fx, bar, what & 0x3f, XD_INPUT, 1 << 24 | 3 << 16, NULL);
    else if (what >= 0xc0) {
        xd_queue(fx, 1, 3, XD_DATA, 8, (uint32_t)(what & 0x1f) << T | IOC);
        xd_doorbell(fx, bar, 1, 3);
    } else if (what >= 0xa0)
        disk_command(fx, bar, what & 0x1f);
    else if (what >= 0x80)
        transfer(fx, bar, what);
    else if (what >= 0x70)
        endpoint(fx, bar, what);
    else if (what >= 0x64)
        xd_command(fx, bar, 21, XD_DATA, 0, NULL);
    else if (what >= 0x60)
        xd_configure(fx, bar, endpoints[n].slot, endpoints[n].ep, endpoints[n].type,
                     endpoints[n].max_packet);
    else if (what >= 0x40)
        xd_control(fx, bar, requests[what & 0x1f].slot, requests[what & 0x1f].setup);
    else if (what >= 0x30)
        slots(fx, bar, what & 0x0f);
}

static void poke_rig(struct fixture *fx, void *dev, uint8_t what) {
    struct usb_rig *rig = dev;
    uint64_t bar = pci_bar_address(xhci_function(rig->controller), 0);
    if (what < 0x20)
        people(fx, what);
    else if (what >= 0x29 && what <= 0x2b)
        usb_rig_replug(rig, what == 0x29 ? TABLET : what == 0x2a ? STICK : KEYBOARD);
    else if (bar != UINT64_MAX)
        drive(fx, bar, what);
}

/* ---- the rig as one chip ---- */

USB_RIG(rig, "xhci-rig", usb_rig_reset, usb_rig_idle)

static void *build_rig(struct fixture *fx) {
    struct usb_rig *rig = calloc(1, sizeof(*rig));
    struct hid_pins hid = {.kind = HID_TABLET, .input = fx->input, .clock = fx->clock};
    unsigned n;
    rig->chip = &xhci_device;
    rig->controller = xhci_new(&(struct xhci_pins){
        .pci = fx->pci, .io = fx->io, .clock = fx->clock, .devfn = 5 << 3, .nec = true, .usb2 = 4,
        .usb3 = 4});
    rig->dev[TABLET] = hid_new(&hid);
    rig->dev[HUB] = hub_new(NULL, NULL);
    hid.kind = HID_KEYBOARD;
    rig->dev[KEYBOARD] = hid_new(&hid);
    rig->dev[STICK] = storage_new(&(struct storage_pins){.block = fixture_block(fx, DISK, false)});
    struct usb_port *ports = xhci_ports(rig->controller, &n);
    usb_attach(&ports[0], rig->dev[TABLET]);
    usb_attach(&ports[1], rig->dev[HUB]);
    usb_attach(usb_find_port(ports, n, "2.2"), rig->dev[KEYBOARD]);
    usb_attach(&ports[2], rig->dev[STICK]);
    usb_rig_begin(rig, rig_fields);
    return rig;
}

const struct specimen xhci_specimens[] = {
    {"xhci", build_rig, &rig_device, poke_rig, NULL},
    {0},
};
