/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UHCI with a device of the host on port 1, the host's side being the fixture's: one specimen. What
 * a driver and the real device do comes by pokes:
 *
 *     00 to 3f  the device answers the oldest request: its result by bits 1:0, and for each of
 *               bits 5:2 eight bytes of data (all that fit, with all of them)
 *     40        frame list and queues into memory; the schedule starts
 *     41        port 1 is reset and enabled
 *     42        the device is unplugged and plugged in again
 *     44, 45    a run of TDs on bulk IN, on bulk OUT; 46: interrupt IN; 47: isochronous IN
 *     48        those are taken out of the schedule
 *     80 to ff  requests[] of the low six bits; with bit 6 the driver takes only part of an answer
 */
#include <stdlib.h>

#include "core/bits.h"
#include "fixture.h"
#include "fixture_real.h"
#include "usb/real.h"
#include "usb_rig.h"

enum { FRAMES = 0x1000, QH = 0x2000, CONTROL_QH = QH + 16, TDS = 0x3000, SETUP_AT = 0x4000,
       RUN_TDS = 0x4800, DATA = 0x5000, RUN_DATA = 0x6000 };
enum { LINK_END = 1, LINK_QH = 2, LINK_DEPTH = 4 };
enum { CTRL = 1u << 23 | 3u << 27, SPD = 1u << 29, CTRL_IOC = 1u << 24 };
enum { PID_IN = 0x69, PID_OUT = 0xe1, PID_SETUP = 0x2d, RUN = 9 };

struct rig {
    struct usb_rig usb;
    struct real_fake fake;
};

static const uint8_t requests[64][8] = {
    {0, 9, 1}, {0, 9, 2}, {0, 9, 0}, {0, 9, 7}, {0, 9, 1, 1}, {1, 11, 1, 0, 1}, {1, 11, 0, 0, 1},
    {1, 11, 1, 0, 40}, {0x81, 10, 0, 0, 1, 0, 1}, {0x80, 8, 0, 0, 0, 0, 1},
    {0x80, 6, 0, 1, 0, 0, 18}, {0x80, 6, 0, 1, 0, 0, 64}, {0x80, 6, 0, 2, 0, 0, 9},
    {0x80, 6, 0, 2, 0, 0, 0xff}, {0x80, 6, 0, 2, 0, 0, 0xff, 0xff}, {0x80, 6, 1, 3, 9, 4, 255},
    {0x80, 6, 0, 15, 0, 0, 5}, {2, 1, 0, 0, 0x81}, {2, 1, 0, 0, 0x02}, {2, 1, 0, 0, 0x83},
    {2, 1, 0, 0, 0}, {2, 1, 0, 0, 0xff, 0xff}, {2, 3, 0, 0, 0x81}, {0x82, 0, 0, 0, 0x81, 0, 2},
    {0, 3, 1}, {0, 1, 1}, {0, 3, 2, 0, 0, 1}, {0x80, 0, 0, 0, 0, 0, 2}, {0xa1, 0xfe, 0, 0, 0, 0, 1},
    {0x21, 0xff}, {0x21, 9, 0, 2, 0, 0, 8}, {0x21, 9, 0, 2, 0, 0, 200}, {0x40, 1, 2, 3, 4, 5, 70},
    {0xc0, 1, 2, 3, 4, 5, 100}, {0x40, 1, 0, 0, 0, 0, 0, 0x20}, {0, 5, 0}, {0, 5, 200}, {0, 7},
};

/* ---- as a driver ---- */

static void put_td(struct fixture *fx, uint32_t at, uint32_t link, uint32_t ctrl, unsigned pid,
                   unsigned ep, unsigned len, uint32_t buffer) {
    mem_write(fx, at, 4, link);
    mem_write(fx, at + 4, 4, ctrl);
    mem_write(fx, at + 8, 4, pid | ep << 15 | ((len - 1) & 0x7ff) << 21);
    mem_write(fx, at + 12, 4, buffer);
}

static void start(struct fixture *fx, uint16_t base) {
    for (unsigned i = 0; i < 1024; i++)
        mem_write(fx, FRAMES + 4 * i, 4, QH | LINK_QH);
    mem_write(fx, QH, 4, CONTROL_QH | LINK_QH);
    mem_write(fx, QH + 4, 4, LINK_END);
    mem_write(fx, CONTROL_QH, 4, LINK_END);
    mem_write(fx, CONTROL_QH + 4, 4, LINK_END);
    out32(fx, base + 8, FRAMES);
    out16(fx, base + 4, 0x0f);
    out16(fx, base, 0xc1);
}

static void run(struct fixture *fx, uint16_t base, unsigned pid, unsigned ep, unsigned packet) {
    for (unsigned n = 0; n < RUN; n++) {
        uint32_t at = RUN_TDS + 16 * n;
        bool last = n == RUN - 1;
        put_td(fx, at, last ? LINK_END : (at + 16) | LINK_DEPTH,
               CTRL | (last ? CTRL_IOC : SPD), pid, ep, packet, RUN_DATA + packet * n);
    }
    mem_write(fx, QH + 4, 4, RUN_TDS);
    in16(fx, base + 6);
}

static void ask(struct fixture *fx, uint16_t base, unsigned which, bool part) {
    const uint8_t *setup = requests[which];
    unsigned len = load_le16(setup + 6), n = 1, in = setup[0] & 0x80;
    if (part)
        len = MIN(len, 8u);
    for (unsigned i = 0; i < 8; i++)
        mem_write(fx, SETUP_AT + i, 1, setup[i]);
    put_td(fx, TDS, (TDS + 16) | LINK_DEPTH, CTRL, PID_SETUP, 0, 8, SETUP_AT);
    for (unsigned at = 0; at < len && n < 6; at += 64, n++)
        put_td(fx, TDS + 16 * n, (TDS + 16 * (n + 1)) | LINK_DEPTH, CTRL, in ? PID_IN : PID_OUT,
               0, MIN(64, len - at), DATA + at);
    put_td(fx, TDS + 16 * n, LINK_END, CTRL | CTRL_IOC, in && len ? PID_OUT : PID_IN, 0, 0, 0);
    mem_write(fx, CONTROL_QH + 4, 4, TDS);
    in16(fx, base + 6);
}

/* ---- as the real device ---- */

static bool answer(struct real_fake *fake, enum real_usb_result result, size_t len) {
    static const uint8_t bytes[120] = {18, 1, 0, 3, 7, 5, 0x81, 2, 0, 2, 0, 0, 0xff, 9};
    for (unsigned i = 0; i < REAL_STARTED; i++) {
        struct real_started *s = &fake->started[(fake->count + i) % REAL_STARTED];
        if (s->under_way)
            return real_answer(fake, s, result, len > s->req.len ? NULL : bytes,
                               MIN(len, s->req.len));
    }
    return false;
}

static void poke_rig(struct fixture *fx, void *dev, uint8_t what) {
    struct rig *rig = dev;
    uint64_t bar = uhci_rig_base(&rig->usb);
    uint16_t base = (uint16_t)bar;
    if (what < 0x40) {
        unsigned len = what >> 2;
        answer(&rig->fake, (enum real_usb_result)(what & 3), len == 15 ? 4096 : len * 8);
    } else if (what == 0x42) {
        usb_rig_replug(&rig->usb, 0);
    } else if (bar == UINT64_MAX) {
        return;
    } else if (what == 0x40) {
        start(fx, base);
    } else if (what == 0x41) {
        uhci_rig_enable(fx, (uint16_t)(base + 0x10));
    } else if (what >= 0x80) {
        ask(fx, base, what & 0x3f, what & 0x40);
    } else if (what == 0x45) {
        run(fx, base, PID_OUT, 2, 64);
    } else if (what < 0x48) {
        run(fx, base, PID_IN, what == 0x44 ? 1 : what - 0x43u, what == 0x46 ? 8 : 64); /* 1 3 4 */
    } else {
        mem_write(fx, QH + 4, 4, LINK_END);
        in16(fx, base + 6);
    }
}

/* ---- the rig as one chip ---- */

static void rig_reset(void *dev) {
    struct rig *rig = dev;
    usb_rig_reset(rig);
    while (answer(&rig->fake, REAL_OK, 0)) /* the reset of the real device */
        ;
}

/* A drain: the real device answers all. */
static bool rig_idle(void *dev) {
    struct rig *rig = dev;
    for (unsigned i = 0; i < REAL_STARTED; i++)
        answer(&rig->fake, REAL_ERROR, 0);
    return usb_rig_idle(rig);
}

USB_RIG(rig, "usb-host-rig", rig_reset, rig_idle)

static void *build_rig(struct fixture *fx) {
    struct rig *rig = calloc(1, sizeof(*rig));
    struct uhci *uhci = uhci_rig_new(&rig->usb, fx);
    real_fake_init(&rig->fake, USB_FULL);
    rig->usb.dev[0] = real_new(&(struct real_pins){.real = &rig->fake.real});
    usb_attach(&uhci_ports(uhci)[0], rig->usb.dev[0]);
    usb_rig_begin(&rig->usb, rig_fields);
    rig_reset(rig);
    return rig;
}

const struct specimen usb_real_specimens[] = {
    {"usb-host", build_rig, &rig_device, poke_rig, NULL},
    {0},
};
