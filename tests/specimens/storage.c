/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB mass storage on port 1 of a UHCI: one specimen, whose state is both of theirs. A poke is a
 * driver's or a person's doing:
 *
 *     00        frame list and queue into memory; the schedule starts
 *     01        port 1 is reset and enabled
 *     02 to 07  requests[] on endpoint 0
 *     08        the device is unplugged and plugged in again
 *     10        the status (CSW) is fetched
 *     40 to 7f  as many packets as the low six bits say, and one, in the command's direction
 *     80 to ff  commands[] of the low five bits, as a CBW; bit 6 asks for twice the data
 */
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "fixture.h"
#include "usb/storage.h"
#include "usb_rig.h"

enum { FRAMES = 0x1000, QH = 0x2000, TDS = 0x3000, CBW = 0x4000, CSW = 0x4100, DATA = 0x5000 };
enum { LINK_END = 1, LINK_QH = 2, LINK_DEPTH = 4 };
enum { CTRL = 1u << 23 | 3u << 27, CTRL_IOC = 1u << 24 };
enum { PID_IN = 0x69, PID_OUT = 0xe1, PID_SETUP = 0x2d };
enum { EP_IN = 1, EP_OUT = 2, DISK = 64 << 10, PACKETS_AT = 4 /* the first of their TDs */ };

static const struct {
    uint8_t address, setup[8];
} requests[] = {
    {0, {0, 5, 1}}, {1, {0, 9, 1}}, {1, {0x21, 0xff}}, {1, {2, 1, 0, 0, 0x81}},
    {1, {2, 1, 0, 0, 0x02}}, {1, {0, 9, 0}},
};

static const struct {
    uint32_t len;
    uint8_t in, cdb[16];
} commands[32] = {
    {0, 0, {0x00}}, {18, 1, {0x03, 0, 0, 0, 18}}, {36, 1, {0x12, 0, 0, 0, 36}},
    {36, 1, {0x12, 1, 0x83, 0, 36}}, {8, 1, {0x25}}, {512, 1, {0x28, [8] = 1}},
    {2048, 1, {0x28, [5] = 3, [8] = 4}}, {512, 0, {0x2a, [5] = 2, [8] = 1}},
    {2048, 0, {0x2a, [5] = 5, [8] = 4}}, {0, 0, {0x35}}, {64, 1, {0x1a, 0, 0x3f, 0, 64}},
    {0, 0, {0x1b, 0, 0, 0, 0}}, {0, 0, {0x1e, 0, 0, 0, 1}}, {32, 1, {0x9e, 0x10, [13] = 32}},
    {512, 1, {0x88, [13] = 1}}, {512, 0, {0x8a, [13] = 1}}, {512, 1, {0xa8, [9] = 1}},
    {512, 0, {0xaa, [9] = 1}}, {16, 1, {0xa0, [9] = 16}}, {12, 1, {0x23, [8] = 12}},
    {512, 1, {0x28, [5] = 0x80, [8] = 1}}, {0, 0, {0xff}}, {0, 0, {0x28, [8] = 1}},
    {512, 1, {0x2a, [8] = 1}}, {65536, 1, {0x28, [8] = 128}}, {65536, 0, {0x2a, [8] = 128}},
    {512, 1, {0x08, [4] = 1}}, {512, 0, {0x0a, [4] = 1}}, {28, 1, {0x5a, 8, 8, [8] = 28}},
    {0, 0, {0x2f, [8] = 1}}, {36, 1, {0x12, 1, 0x80, 0, 36}}, {36, 1, {0x12, 1, 0, 0, 36}},
};

static void put_td(struct fixture *fx, unsigned n, bool last, unsigned pid, unsigned address,
                   unsigned ep, unsigned len, uint32_t buffer) {
    uint32_t at = TDS + 16 * n;
    mem_write(fx, at, 4, last ? LINK_END : (at + 16) | LINK_DEPTH);
    mem_write(fx, at + 4, 4, CTRL | (last ? CTRL_IOC : 0));
    mem_write(fx, at + 8, 4, pid | address << 8 | ep << 15 | ((len - 1) & 0x7ff) << 21);
    mem_write(fx, at + 12, 4, buffer);
}

/* The queue begins with TD n; the chip looks. */
static void go(struct fixture *fx, uint16_t base, unsigned n) {
    mem_write(fx, QH + 4, 4, TDS + 16 * n);
    in16(fx, (uint16_t)(base + 6));
}

static void start(struct fixture *fx, uint16_t base) {
    for (unsigned i = 0; i < 1024; i++)
        mem_write(fx, FRAMES + 4 * i, 4, QH | LINK_QH);
    mem_write(fx, QH, 4, LINK_END);
    mem_write(fx, QH + 4, 4, LINK_END);
    out32(fx, (uint16_t)(base + 8), FRAMES);
    out16(fx, (uint16_t)(base + 4), 0x0f);
    out16(fx, base, 0xc1);
}

static void ask(struct fixture *fx, uint16_t base, unsigned which) {
    for (unsigned i = 0; i < 8; i++)
        mem_write(fx, CBW + i, 1, requests[which].setup[i]);
    put_td(fx, 0, false, PID_SETUP, requests[which].address, 0, 8, CBW);
    put_td(fx, 1, true, PID_IN, requests[which].address, 0, 0, 0);
    go(fx, base, 0);
}

static void command(struct fixture *fx, uint16_t base, uint8_t what) {
    unsigned which = what & 0x1f;
    uint8_t cbw[31] = {'U', 'S', 'B', 'C', what};
    store_le32(cbw + 8, commands[which].len << (what >> 6 & 1));
    cbw[12] = commands[which].in ? 0x80 : 0;
    cbw[14] = 16;
    memcpy(cbw + 15, commands[which].cdb, 16);
    for (unsigned i = 0; i < sizeof(cbw); i++)
        mem_write(fx, CBW + i, 1, cbw[i]);
    put_td(fx, 2, true, PID_OUT, 1, EP_OUT, sizeof(cbw), CBW);
    go(fx, base, 2);
}

static void packets(struct fixture *fx, uint16_t base, unsigned n) {
    bool in = mem_read(fx, CBW + 12, 1) & 0x80;
    for (unsigned i = 0; i < n; i++)
        put_td(fx, PACKETS_AT + i, i == n - 1, in ? PID_IN : PID_OUT, 1, in ? EP_IN : EP_OUT, 64,
               DATA + 64 * i);
    go(fx, base, PACKETS_AT);
}

static void poke_rig(struct fixture *fx, void *dev, uint8_t what) {
    struct usb_rig *rig = dev;
    uint64_t bar = uhci_rig_base(rig);
    uint16_t base = (uint16_t)bar;
    if (what == 8)
        usb_rig_replug(rig, 0);
    if (bar == UINT64_MAX)
        return;
    if (what >= 0x80) {
        command(fx, base, what);
    } else if (what >= 0x40) {
        packets(fx, base, (what & 0x3f) + 1u);
    } else if (what == 0x10) {
        put_td(fx, 3, true, PID_IN, 1, EP_IN, 13, CSW);
        go(fx, base, 3);
    } else if (what == 0) {
        start(fx, base);
    } else if (what == 1) {
        uhci_rig_enable(fx, (uint16_t)(base + 0x10));
    } else if (what < 8) {
        ask(fx, base, what - 2);
    }
}

USB_RIG(rig, "usb-storage-rig", usb_rig_reset, usb_rig_idle)

static void *build_rig(struct fixture *fx) {
    struct usb_rig *rig = calloc(1, sizeof(*rig));
    struct uhci *uhci = uhci_rig_new(rig, fx);
    rig->dev[0] = storage_new(&(struct storage_pins){
        .block = fixture_block(fx, DISK, false), .removable = true});
    usb_attach(&uhci_ports(uhci)[0], rig->dev[0]);
    usb_rig_begin(rig, rig_fields);
    return rig;
}

const struct specimen storage_specimens[] = {
    {"usb-storage", build_rig, &rig_device, poke_rig, NULL},
    {0},
};
