/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xHCI 1.1: registers (5), rings and events (4.9, 4.11), commands (4.6), ports (4.19), interrupters
 * (4.17). TRB types, completion codes and bits as in the document's tables.
 */
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture_xhci.h"
#include "usb/hid.h"
#include "usb/hub.h"
#include "usb/storage.h"
#include "usb/xhci.h"

enum { DEVFN = 5 << 3, SECTOR = 512 };
static const uint64_t BAR = 0xfe000000;

enum { /* TRBs and commands */
    NORMAL = 1, SETUP = 2, DATA = 3, STATUS = 4, ISOCH = 5, LINK = 6, EVENT_DATA = 7, NO_OP = 8,
    DISABLE_SLOT = 10, ADDRESS = 11, CONFIGURE = 12, EVALUATE = 13, RESET_EP = 14, STOP_EP = 15,
    SET_DEQUEUE = 16, RESET_DEVICE = 17, BANDWIDTH = 21, CMD_NO_OP = 23, NEC_FIRMWARE = 49,
    EV_TRANSFER = 32, EV_COMMAND = 33, EV_PORT = 34, EV_CONTROLLER = 37, EV_MFINDEX = 39,
};
enum { T = 10, ISP = 4, CHAIN = 0x10, IOC = 0x20, IDT = 0x40, BEI = 0x200, DIR_IN = 1 << 16 };
enum { OK = 1, TRANSACTION = 4, TRB_ERROR = 5, STALL = 6, NO_SLOTS = 9, NOT_ENABLED = 11,
       EP_NOT_ENABLED = 12, SHORT = 13, PARAMETER = 17, CONTEXT_STATE = 19, RING_FULL = 21,
       COMMANDS_STOPPED = 24, STOPPED = 26 };
enum { CCS = 1, PED = 2, PR = 0x10, PP = 0x200, CSC = 1 << 17, PEC = 1 << 18, PRC = 1 << 21,
       PLC = 1 << 22, LWS = 1 << 16 };

struct ctx {
    struct fixture fx;
    struct xhci *x;
    struct usb_port *ports;
    struct usb_device *dev[3];
    struct block *disk;
};

static uint32_t rd(struct ctx *c, unsigned reg) {
    return (uint32_t)mem_read(&c->fx, BAR + reg, 4);
}

static void wr(struct ctx *c, unsigned reg, uint32_t val) {
    mem_write(&c->fx, BAR + reg, 4, val);
}

/* Port register n counts from 1. */
static uint32_t port(struct ctx *c, unsigned n) {
    return rd(c, XD_PORTSC + 16 * (n - 1));
}

static void set_port(struct ctx *c, unsigned n, uint32_t val) {
    wr(c, XD_PORTSC + 16 * (n - 1), val);
}

static void begin_with(struct ctx *c, unsigned usb2, unsigned usb3) {
    unsigned n;
    *c = (struct ctx){0};
    fixture_init(&c->fx);
    c->x = xhci_new(&(struct xhci_pins){.pci = c->fx.pci, .io = c->fx.io, .clock = c->fx.clock,
                                        .devfn = DEVFN, .nec = true, .usb2 = usb2, .usb3 = usb3});
    assert_non_null(c->x);
    c->ports = xhci_ports(c->x, &n);
    assert_int_equal(n, MAX(usb2, usb3));
    cfg_write(&c->fx, DEVFN, 0x10, 4, (uint32_t)BAR);
    cfg_write(&c->fx, DEVFN, 4, 2, 6);
}

static void begin(struct ctx *c) {
    begin_with(c, 4, 4);
}

static void end(struct ctx *c) {
    for (unsigned i = 3; i--;)
        if (c->dev[i])
            c->dev[i]->ops->chip->free(c->dev[i]);
    xhci_device.free(c->x);
    fixture_done(&c->fx);
}

/* A tablet on the first place: port 5, of USB 2; addressed and configured in slot 1. */
static void start(struct ctx *c) {
    begin(c);
    c->dev[0] = hid_new(&(struct hid_pins){
        .kind = HID_TABLET, .input = c->fx.input, .clock = c->fx.clock});
    assert_true(usb_attach(&c->ports[0], c->dev[0]));
    xd_start(&c->fx, BAR);
    set_port(c, 5, PP | PR);
    assert_int_equal(xd_enable_slot(&c->fx, BAR), 1);
    assert_int_equal(xd_address(&c->fx, BAR, 1, 5, 0, false), OK);
    assert_int_equal(xd_control(&c->fx, BAR, 1, (const uint8_t[8]){0, 9, 1}), OK);
    assert_int_equal(xd_configure(&c->fx, BAR, 1, 3, 7, 8), OK);
}

static void point(struct ctx *c, int32_t x) {
    input_send(c->fx.input, &(struct input_event){INPUT_ABS, INPUT_X, x});
    input_sync(c->fx.input);
}

/* A disk on the first place: port 1, SuperSpeed. */
static void start_disk(struct ctx *c) {
    begin(c);
    c->disk = fixture_block(&c->fx, 64 * SECTOR * 1024, false);
    c->dev[0] = storage_new(&(struct storage_pins){.block = c->disk});
    assert_true(usb_attach(&c->ports[0], c->dev[0]));
    xd_start(&c->fx, BAR);
    assert_int_equal(xd_enable_slot(&c->fx, BAR), 1);
    assert_int_equal(xd_address(&c->fx, BAR, 1, 1, 0, false), OK);
    assert_int_equal(xd_control(&c->fx, BAR, 1, (const uint8_t[8]){0, 9, 1}), OK);
    assert_int_equal(xd_configure(&c->fx, BAR, 1, 3, 6, 1024), OK);
    assert_int_equal(xd_configure(&c->fx, BAR, 1, 4, 2, 1024), OK);
}

static void expect_event(struct ctx *c, unsigned type, unsigned code, struct xd_event *event) {
    assert_true(xd_event(&c->fx, BAR, event));
    assert_int_equal(event->type, type);
    assert_int_equal(event->code, code);
}

static void expect_none(struct ctx *c) {
    struct xd_event event;
    assert_false(xd_event(&c->fx, BAR, &event));
}

/* ---- registers ---- */

static void test_registers(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    assert_int_equal(cfg_read(&c.fx, DEVFN, 0, 4), 0x01941033);
    assert_int_equal(cfg_read(&c.fx, DEVFN, 8, 4), 0x0c033003);
    assert_int_equal(rd(&c, 0), 0x01000040);
    assert_int_equal(mem_read(&c.fx, BAR, 1), 0x40); /* CAPLENGTH as firmware reads it */
    assert_int_equal(rd(&c, 4), 0x08001040);
    assert_int_equal(rd(&c, 0x14), 0x2000);
    assert_int_equal(rd(&c, 0x18), 0x1000);
    assert_int_equal(rd(&c, 0x20), 0x02000402); /* USB 2.0: ports 5 to 8 */
    assert_int_equal(rd(&c, 0x28), 0x405);
    assert_int_equal(rd(&c, 0x30), 0x03000002); /* USB 3.0: ports 1 to 4 */
    assert_int_equal(rd(&c, 0x38), 0x401);
    assert_int_equal(rd(&c, XD_USBSTS), 1);
    assert_int_equal(rd(&c, 0x48), 1);
    assert_int_equal(port(&c, 1), 0x2a0);
    assert_int_equal(port(&c, 8), 0x2a0);
    assert_int_equal(rd(&c, XD_PORTSC + 16 * 8), 0);
    wr(&c, XD_CRCR, 0xffffffff);
    assert_int_equal(rd(&c, XD_CRCR), 0); /* nothing of it can be read but CRR */
    wr(&c, XD_DCBAAP, 0xffffffff);
    assert_int_equal(rd(&c, XD_DCBAAP), 0xffffffc0);
    end(&c);
}

static void test_mfindex(void **state) {
    struct ctx c;
    struct xd_event event;
    (void)state;
    begin(&c);
    fixture_sleep(&c.fx, 5 * NS_PER_MS);
    assert_int_equal(rd(&c, XD_MFINDEX), 0);
    xd_start(&c.fx, BAR);
    fixture_sleep(&c.fx, 10 * NS_PER_MS);
    assert_int_equal(rd(&c, XD_MFINDEX), 80); /* eight to a millisecond */
    assert_true(clock_next(c.fx.clock) == TIMER_NEVER);
    wr(&c, XD_USBCMD, 0x405); /* EWE */
    fixture_sleep(&c.fx, 2037 * NS_PER_MS);
    expect_none(&c);
    fixture_sleep(&c.fx, 2 * NS_PER_MS);
    assert_int_equal(rd(&c, XD_MFINDEX), 8);
    expect_event(&c, EV_MFINDEX, OK, &event);
    end(&c);
}

/* ---- commands ---- */

static void test_commands(void **state) {
    struct ctx c;
    struct xd_event event;
    (void)state;
    begin(&c);
    xd_start(&c.fx, BAR);
    for (unsigned i = 0; i < 40; i++) /* over the link, which toggles, and twice round the events */
        assert_int_equal(xd_command(&c.fx, BAR, CMD_NO_OP, 0, 0, &event), OK);
    assert_int_equal(event.param, XD_COMMANDS + 16 * (39 % 15));
    assert_int_equal(rd(&c, XD_CRCR), 8);
    assert_int_equal(xd_command(&c.fx, BAR, 24, 0, 0, NULL), TRB_ERROR);
    for (unsigned i = 1; i <= 8; i++)
        assert_int_equal(xd_enable_slot(&c.fx, BAR), i);
    assert_int_equal(xd_command(&c.fx, BAR, 9, 0, 0, &event), NO_SLOTS);
    assert_int_equal(xd_command(&c.fx, BAR, DISABLE_SLOT, 0, 3 << 24, NULL), OK);
    assert_int_equal(xd_command(&c.fx, BAR, DISABLE_SLOT, 0, 3 << 24, NULL), NOT_ENABLED);
    assert_int_equal(xd_command(&c.fx, BAR, DISABLE_SLOT, 0, 65u << 24, NULL), TRB_ERROR);
    assert_int_equal(xd_command(&c.fx, BAR, CONFIGURE, XD_INPUT, 1 << 24, NULL), CONTEXT_STATE);
    assert_int_equal(xd_command(&c.fx, BAR, RESET_DEVICE, 0, 1 << 24, NULL), CONTEXT_STATE);
    assert_int_equal(xd_command(&c.fx, BAR, STOP_EP, 0, 1 << 24 | 1 << 16, NULL), EP_NOT_ENABLED);
    assert_int_equal(xd_command(&c.fx, BAR, BANDWIDTH, XD_DATA, 0, NULL), OK);
    assert_int_equal(mem_read(&c.fx, XD_DATA + 8, 1), 80);
    wr(&c, XD_CRCR, 4); /* CA */
    expect_event(&c, EV_COMMAND, COMMANDS_STOPPED, &event);
    assert_int_equal(rd(&c, XD_CRCR), 0);
    end(&c);
}

/* The firmware's version is an event of NEC's own type. */
static void test_nec(void **state) {
    struct ctx c;
    struct xd_event event;
    (void)state;
    begin(&c);
    xd_start(&c.fx, BAR);
    assert_int_equal(xd_command(&c.fx, BAR, NEC_FIRMWARE, 0, 0, NULL), 0);
    xd_command(&c.fx, BAR, CMD_NO_OP, 0, 0, NULL);
    mem_write(&c.fx, XD_STATE + 4, 4, 0); /* the same events once more */
    expect_event(&c, 48, OK, &event);
    assert_int_equal(event.length, 0x3034);
    end(&c);
}

static void test_address(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    c.dev[0] = hid_new(&(struct hid_pins){
        .kind = HID_TABLET, .input = c.fx.input, .clock = c.fx.clock});
    usb_attach(&c.ports[1], c.dev[0]);
    xd_start(&c.fx, BAR);
    xd_enable_slot(&c.fx, BAR);
    xd_enable_slot(&c.fx, BAR);
    assert_int_equal(xd_address(&c.fx, BAR, 1, 6, 0, false), TRANSACTION); /* not enabled yet */
    assert_int_equal(xd_address(&c.fx, BAR, 1, 9, 0, false), TRB_ERROR);
    assert_int_equal(xd_address(&c.fx, BAR, 1, 5, 0, false), TRANSACTION);
    set_port(&c, 6, PP | PR);
    assert_int_equal(xd_address(&c.fx, BAR, 1, 6, 0x1, false), TRANSACTION); /* no hub */
    assert_int_equal(xd_address(&c.fx, BAR, 2, 6, 0, true), OK);
    assert_int_equal(xd_context(&c.fx, 2, 0, 3), 1u << 27); /* Default, address 0 */
    assert_int_equal(xd_context(&c.fx, 2, 1, 0), 1);        /* Running */
    assert_int_equal(c.dev[0]->address, 0);
    assert_int_equal(xd_control(&c.fx, BAR, 2, (const uint8_t[8]){0x80, 6, 0, 1, 0, 0, 8}), OK);
    assert_int_equal(xd_address(&c.fx, BAR, 2, 6, 0, true), CONTEXT_STATE);
    assert_int_equal(xd_address(&c.fx, BAR, 2, 6, 0, false), OK);
    assert_int_equal(xd_context(&c.fx, 2, 0, 3), 2u << 27 | 2);
    assert_int_equal(c.dev[0]->address, 2);
    assert_int_equal(xd_address(&c.fx, BAR, 1, 6, 0, false), TRB_ERROR); /* it has a slot */
    assert_int_equal(xd_control(&c.fx, BAR, 2, (const uint8_t[8]){0, 9, 1}), OK);
    assert_int_equal(xd_configure(&c.fx, BAR, 2, 3, 7, 8), OK);
    assert_int_equal(xd_context(&c.fx, 2, 0, 3), 3u << 27 | 2);
    assert_int_equal(xd_context(&c.fx, 2, 0, 0) >> 27, 3); /* Context Entries */
    assert_int_equal(xd_configure(&c.fx, BAR, 2, 5, 5, 64), 8 /* isochronous: Bandwidth Error */);
    assert_int_equal(xd_configure(&c.fx, BAR, 2, 5, 3, 64), PARAMETER); /* OUT at an IN index */
    assert_int_equal(xd_context(&c.fx, 2, 3, 0) & 7, 1); /* what was there stays */
    assert_int_equal(xd_command(&c.fx, BAR, CONFIGURE, 0, 2 << 24 | 0x200, NULL), OK);
    assert_int_equal(xd_context(&c.fx, 2, 3, 0) & 7, 0);
    assert_int_equal(xd_context(&c.fx, 2, 0, 3), 2u << 27 | 2);
    set_port(&c, 6, PP | PR);
    assert_int_equal(xd_command(&c.fx, BAR, RESET_DEVICE, 0, 2 << 24, NULL), OK);
    assert_int_equal(xd_context(&c.fx, 2, 0, 3), 1u << 27);
    assert_int_equal(xd_address(&c.fx, BAR, 2, 6, 0, false), OK);
    mem_write(&c.fx, XD_INPUT + 4, 4, 2);
    mem_write(&c.fx, XD_INPUT + 64 + 4, 4, 8 << 16);
    assert_int_equal(xd_command(&c.fx, BAR, EVALUATE, XD_INPUT, 2 << 24, NULL), OK);
    assert_int_equal(xd_context(&c.fx, 2, 1, 1) >> 16, 8);
    end(&c);
}

/* ---- transfers ---- */

static void test_control(void **state) {
    struct ctx c;
    struct xd_event event;
    (void)state;
    start(&c);
    assert_int_equal(xd_control(&c.fx, BAR, 1, (const uint8_t[8]){0x80, 6, 0, 1, 0, 0, 18}), OK);
    assert_int_equal(mem_read(&c.fx, XD_DATA, 4) & 0xffff, 0x0112);
    /* a short answer is told of where ISP asks, and the status stage follows */
    uint8_t setup[8] = {0x80, 6, 0, 1, 0, 0, 64};
    xd_queue(&c.fx, 1, 1, load_le64(setup), 8, SETUP << T | IDT);
    uint64_t data = xd_queue(&c.fx, 1, 1, XD_DATA, 64, DATA << T | DIR_IN | ISP);
    uint64_t status = xd_queue(&c.fx, 1, 1, 0, 0, STATUS << T | IOC);
    xd_doorbell(&c.fx, BAR, 1, 1);
    expect_event(&c, EV_TRANSFER, SHORT, &event);
    assert_int_equal(event.param, data);
    assert_int_equal(event.length, 64 - 18);
    expect_event(&c, EV_TRANSFER, OK, &event);
    assert_int_equal(event.param, status);
    /* what the device doesn't know: the endpoint halts, until it is reset and moved on */
    assert_int_equal(xd_control(&c.fx, BAR, 1, (const uint8_t[8]){0x80, 99, 0, 0, 0, 0, 4}), STALL);
    assert_int_equal(xd_context(&c.fx, 1, 1, 0) & 7, 2);
    assert_int_equal(xd_command(&c.fx, BAR, SET_DEQUEUE, 0, 1 << 24 | 1 << 16, NULL),
                     CONTEXT_STATE);
    assert_int_equal(xd_command(&c.fx, BAR, RESET_EP, 0, 1 << 24 | 1 << 16, NULL), OK);
    assert_int_equal(xd_command(&c.fx, BAR, RESET_EP, 0, 1 << 24 | 1 << 16, NULL), CONTEXT_STATE);
    uint32_t pos = (uint32_t)mem_read(&c.fx, XD_STATE + 16 + 4 * 33, 4);
    uint64_t next = (xd_ring(1, 1) + 16 * (pos >> 1)) | !(pos & 1);
    assert_int_equal(xd_command(&c.fx, BAR, SET_DEQUEUE, next, 1 << 24 | 1 << 16, NULL), OK);
    assert_int_equal(xd_context(&c.fx, 1, 1, 2), next);
    assert_int_equal(xd_control(&c.fx, BAR, 1, (const uint8_t[8]){0x80, 8, 0, 0, 0, 0, 1}), OK);
    assert_int_equal(mem_read(&c.fx, XD_DATA, 1), 1);
    end(&c);
}

static void test_interrupt(void **state) {
    struct ctx c;
    struct xd_event event;
    (void)state;
    start(&c);
    uint64_t trb = xd_queue(&c.fx, 1, 3, XD_DATA, 8, NORMAL << T | ISP | IOC);
    xd_doorbell(&c.fx, BAR, 1, 3);
    expect_none(&c);
    wr(&c, XD_IMAN, 3);
    unsigned edges = c.fx.intx_edges[DEVFN >> 3][0];
    fixture_sleep(&c.fx, NS_PER_SEC);
    assert_true(clock_next(c.fx.clock) == TIMER_NEVER); /* nobody waits by looking */
    point(&c, 0x1234);
    assert_int_equal(c.fx.intx_edges[DEVFN >> 3][0], edges + 1);
    expect_event(&c, EV_TRANSFER, SHORT, &event);
    assert_int_equal(event.param, trb);
    assert_int_equal(event.length, 2);
    assert_int_equal(event.slot, 1);
    assert_int_equal(event.ep, 3);
    assert_int_equal(mem_read(&c.fx, XD_DATA + 1, 2), 0x1234);
    wr(&c, XD_IMAN, 3);
    assert_false(c.fx.intx[DEVFN >> 3][0]);
    /* with Event Data behind it: how much was moved, and the driver's own word */
    xd_queue(&c.fx, 1, 3, XD_DATA, 4, NORMAL << T | CHAIN);
    xd_queue(&c.fx, 1, 3, XD_DATA + 4, 4, NORMAL << T | CHAIN);
    xd_queue(&c.fx, 1, 3, 0x123456789abcdef0, 0, EVENT_DATA << T | IOC | BEI);
    xd_doorbell(&c.fx, BAR, 1, 3);
    point(&c, 77);
    expect_event(&c, EV_TRANSFER, SHORT, &event);
    assert_true(event.param == 0x123456789abcdef0);
    assert_int_equal(event.length, 6);
    assert_int_equal(event.control & 4, 4); /* ED */
    end(&c);
}

static void test_stop(void **state) {
    struct ctx c;
    struct xd_event event;
    (void)state;
    start(&c);
    uint64_t trb = xd_queue(&c.fx, 1, 3, XD_DATA, 8, NORMAL << T | IOC);
    xd_doorbell(&c.fx, BAR, 1, 3);
    xd_queue(&c.fx, 1, 1, 0, 0, NO_OP << T | IOC);
    mem_write(&c.fx, XD_COMMANDS + 16 * 14, 8, 0);
    struct xd_event stopped;
    xd_doorbell(&c.fx, BAR, 1, 1);
    expect_event(&c, EV_TRANSFER, OK, &event); /* the no-op */
    uint32_t pos = (uint32_t)mem_read(&c.fx, XD_STATE + 4, 4);
    assert_int_equal(xd_command(&c.fx, BAR, STOP_EP, 0, 1 << 24 | 3 << 16, NULL), OK);
    mem_write(&c.fx, XD_STATE + 4, 4, pos);
    expect_event(&c, EV_TRANSFER, STOPPED, &stopped);
    assert_int_equal(stopped.param, trb);
    assert_int_equal(stopped.length, 8);
    expect_event(&c, EV_COMMAND, OK, &event);
    assert_int_equal(xd_context(&c.fx, 1, 3, 0) & 7, 3);
    assert_int_equal(xd_command(&c.fx, BAR, STOP_EP, 0, 1 << 24 | 3 << 16, NULL), CONTEXT_STATE);
    point(&c, 5);
    expect_none(&c);
    xd_doorbell(&c.fx, BAR, 1, 3); /* goes on where it was */
    expect_event(&c, EV_TRANSFER, SHORT, &event);
    assert_int_equal(event.param, trb);
    end(&c);
}

static void test_broken_tds(void **state) {
    static const uint32_t controls[] = {SETUP << T, ISOCH << T, STATUS << T, 9 << T,
                                        NORMAL << T | IDT};
    struct ctx c;
    struct xd_event event;
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(controls); i++) {
        start(&c);
        xd_queue(&c.fx, 1, 3, XD_DATA, 9, controls[i] | IOC);
        xd_doorbell(&c.fx, BAR, 1, 3);
        expect_event(&c, EV_TRANSFER, TRB_ERROR, &event);
        assert_int_equal(xd_context(&c.fx, 1, 3, 0) & 7, 4); /* Error */
        end(&c);
    }
}

/* A ring that is nowhere, or all links, ends the controller and not us. */
static void test_bad_rings(void **state) {
    struct ctx c;
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(&c);
        mem_write(&c.fx, xd_ring(1, 3), 8, i ? xd_ring(1, 3) : UINT64_C(0x7fffffff0000));
        mem_write(&c.fx, xd_ring(1, 3) + 12, 4, LINK << T | 1);
        xd_doorbell(&c.fx, BAR, 1, 3);
        assert_int_equal(rd(&c, XD_USBSTS) & 5, 5); /* HSE, HCHalted */
        wr(&c, XD_USBCMD, 2);
        assert_int_equal(rd(&c, XD_USBSTS), 1);
        end(&c);
    }
    /* a ring without end of TDs that succeed costs a share of each millisecond */
    start(&c);
    mem_write(&c.fx, xd_ring(1, 3) + 12, 4, NO_OP << T | 1);
    mem_write(&c.fx, xd_ring(1, 3) + 16, 8, xd_ring(1, 3));
    mem_write(&c.fx, xd_ring(1, 3) + 28, 4, LINK << T | 1);
    xd_doorbell(&c.fx, BAR, 1, 3);
    assert_true(clock_next(c.fx.clock) <= c.fx.now + NS_PER_MS);
    wr(&c, XD_USBCMD, 0);
    assert_true(clock_next(c.fx.clock) == TIMER_NEVER);
    end(&c);
}

/* ---- storage: bulk, SuperSpeed, transfers under way ---- */

static void put_cbw(struct ctx *c, bool in, unsigned len, uint8_t op, unsigned sectors) {
    uint8_t cbw[32] = {'U', 'S', 'B', 'C', 1, 2, 3, 4, 0, 0, 0, 0, in ? 0x80 : 0, 0, 10, op};
    store_le32(cbw + 8, len);
    cbw[15 + 8] = (uint8_t)sectors;
    for (unsigned i = 0; i < 31; i++)
        mem_write(&c->fx, XD_SETUP + i, 1, cbw[i]);
    xd_queue(&c->fx, 1, 4, XD_SETUP, 31, NORMAL << T | IOC);
    xd_doorbell(&c->fx, BAR, 1, 4);
}

/* Power on is a unit attention, that is told once. */
static void settle_disk(struct ctx *c) {
    struct xd_event event;
    put_cbw(c, true, 0, 0, 0);
    xd_queue(&c->fx, 1, 3, XD_SETUP + 64, 13, NORMAL << T | IOC);
    xd_doorbell(&c->fx, BAR, 1, 3);
    fixture_io(&c->fx);
    while (xd_event(&c->fx, BAR, &event))
        assert_int_equal(event.code, OK);
}

static void test_bulk(void **state) {
    struct ctx c;
    struct xd_event event;
    (void)state;
    start_disk(&c);
    assert_int_equal(port(&c, 1) & 0x3c03, 4 << 10 | CCS | PED);
    settle_disk(&c);
    settle_disk(&c);
    uint8_t *bytes = fixture_bytes(c.disk);
    for (unsigned i = 0; i < 255 * SECTOR; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 9));
    /* ten TRBs, the status behind them */
    put_cbw(&c, true, 255 * SECTOR, 0x28, 255);
    for (unsigned i = 0; i < 10; i++)
        xd_queue(&c.fx, 1, 3, XD_DATA + i * 13056, 13056,
                 NORMAL << T | ISP | (i < 9 ? CHAIN : IOC));
    uint64_t csw = xd_queue(&c.fx, 1, 3, XD_SETUP + 64, 13, NORMAL << T | IOC);
    xd_doorbell(&c.fx, BAR, 1, 3);
    expect_event(&c, EV_TRANSFER, OK, &event); /* the command */
    expect_none(&c);
    assert_false(xhci_device.idle(c.x));
    fixture_io(&c.fx);
    assert_true(xhci_device.idle(c.x));
    expect_event(&c, EV_TRANSFER, OK, &event);
    assert_int_equal(event.length, 0);
    expect_event(&c, EV_TRANSFER, OK, &event);
    assert_int_equal(event.param, csw);
    assert_memory_equal(c.fx.ram + XD_DATA, bytes, 255 * SECTOR);
    assert_int_equal(c.fx.maps, 0);
    /* written, and taken away in the middle */
    set_port(&c, 1, PP | CSC);
    put_cbw(&c, false, 8 * SECTOR, 0x2a, 8);
    xd_queue(&c.fx, 1, 4, XD_DATA + 12 * SECTOR, 8 * SECTOR, NORMAL << T | IOC);
    xd_doorbell(&c.fx, BAR, 1, 4);
    expect_event(&c, EV_TRANSFER, OK, &event);
    assert_int_equal(fixture_pending(&c.fx), 1);
    usb_detach(c.dev[0]);
    expect_event(&c, EV_TRANSFER, TRANSACTION, &event);
    expect_event(&c, EV_PORT, OK, &event);
    assert_int_equal(event.param, 1 << 24);
    assert_int_equal(port(&c, 1) & (CCS | PED | CSC), CSC);
    assert_int_equal(c.fx.maps, 0);
    end(&c);
}

/* A device that takes note of what it is asked for, and has `left` bytes to give. */
struct noter {
    struct usb_device usb;
    size_t asked[16], left;
    unsigned n;
};

static enum usb_result note(struct usb_device *dev, struct usb_transfer *t) {
    struct noter *noter = (struct noter *)dev;
    size_t sum = 0;
    for (unsigned i = 0; i < t->niov; i++)
        sum += t->iov[i].iov_len;
    assert_int_equal(sum, t->len);
    assert_true(noter->n < ARRAY_LEN(noter->asked));
    noter->asked[noter->n++] = t->len;
    t->actual = MIN(t->len, noter->left);
    noter->left -= t->actual;
    return USB_OK;
}

static const struct usb_device_ops noter_ops = {.data = note};
static const uint8_t noter_device[18] = {18, 1, 0, 2, 0, 0, 0, 64, [17] = 1};
static const uint8_t noter_config[9] = {9, 2, 9, 0, 0, 1};
static const struct usb_descriptors noter_descriptors = {noter_device, {[USB_FULL] = noter_config},
                                                         NULL, NULL};

/* More pieces than a list has: the parts are whole packets, and a short one ends the TD. */
static void test_many_pieces(void **state) {
    enum { RING = 0xc0000, PIECES = 400, PIECE = 300, TOTAL = PIECES * PIECE };
    static const size_t gives[] = {TOTAL, TOTAL - PIECE - 7, 5 * 1024};
    struct ctx c;
    struct xd_event event;
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(gives); i++) {
        struct noter noter = {.left = gives[i]};
        begin(&c);
        usb_init(&noter.usb, &noter_ops, &noter_descriptors, 1u << USB_SUPER);
        usb_attach(&c.ports[0], &noter.usb);
        xd_start(&c.fx, BAR);
        xd_enable_slot(&c.fx, BAR);
        assert_int_equal(xd_address(&c.fx, BAR, 1, 1, 0, false), OK);
        assert_int_equal(xd_control(&c.fx, BAR, 1, (const uint8_t[8]){0, 9, 1}), OK);
        assert_int_equal(xd_configure(&c.fx, BAR, 1, 3, 6, 1024), OK);
        for (unsigned k = 0; k < PIECES; k++) {
            mem_write(&c.fx, RING + 16 * k, 8, XD_DATA + PIECE * k);
            mem_write(&c.fx, RING + 16 * k + 8, 4, PIECE);
            mem_write(&c.fx, RING + 16 * k + 12, 4,
                      NORMAL << T | 1 | (k < PIECES - 1 ? CHAIN | ISP : IOC));
        }
        assert_int_equal(xd_command(&c.fx, BAR, STOP_EP, 0, 1 << 24 | 3 << 16, NULL), OK);
        xd_command(&c.fx, BAR, SET_DEQUEUE, RING | 1, 1 << 24 | 3 << 16, NULL);
        xd_doorbell(&c.fx, BAR, 1, 3);
        size_t asked = 0;
        for (unsigned k = 0; k < noter.n; k++) {
            assert_true(k == noter.n - 1 || noter.asked[k] % 1024 == 0);
            asked += noter.asked[k];
        }
        unsigned last = (unsigned)MIN(gives[i] / PIECE, (size_t)PIECES - 1);
        expect_event(&c, EV_TRANSFER, gives[i] == TOTAL ? OK : SHORT, &event);
        assert_int_equal(event.param, RING + 16 * last);
        assert_int_equal(event.length, (last + 1) * PIECE - gives[i]);
        expect_none(&c); /* a short packet is told of once */
        assert_true(gives[i] == TOTAL ? asked == TOTAL && noter.n > 3 : asked >= gives[i]);
        assert_int_equal(c.fx.maps, 0);
        usb_detach(&noter.usb);
        end(&c);
    }
}

/* ---- a hub, and full speed behind it ---- */

static void test_hub(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    c.dev[0] = hub_new(NULL, NULL);
    c.dev[1] = hid_new(&(struct hid_pins){
        .kind = HID_KEYBOARD, .input = c.fx.input, .clock = c.fx.clock});
    usb_attach(&c.ports[2], c.dev[0]);
    usb_attach(usb_find_port(c.ports, 4, "3.2"), c.dev[1]);
    xd_start(&c.fx, BAR);
    set_port(&c, 7, PP | PR);
    xd_enable_slot(&c.fx, BAR);
    xd_enable_slot(&c.fx, BAR);
    assert_int_equal(xd_address(&c.fx, BAR, 1, 7, 0, false), OK);
    assert_int_equal(xd_control(&c.fx, BAR, 1, (const uint8_t[8]){0, 9, 1}), OK);
    assert_int_equal(xd_control(&c.fx, BAR, 1, (const uint8_t[8]){0x23, 3, 8, 0, 2}), OK);
    assert_int_equal(xd_address(&c.fx, BAR, 2, 7, 2, false), TRANSACTION);
    assert_int_equal(xd_control(&c.fx, BAR, 1, (const uint8_t[8]){0x23, 3, 4, 0, 2}), OK);
    assert_int_equal(xd_address(&c.fx, BAR, 2, 7, 2, false), OK);
    assert_int_equal(c.dev[1]->address, 2);
    assert_int_equal(xd_control(&c.fx, BAR, 2, (const uint8_t[8]){0x80, 6, 0, 1, 0, 0, 18}), OK);
    assert_int_equal(mem_read(&c.fx, XD_DATA + 8, 2), 0x0627);
    end(&c);
}

/* A hub tells of itself by Configure Endpoint without endpoints: the slot stays Addressed. */
static void test_hub_context(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    c.dev[0] = hub_new(NULL, NULL);
    usb_attach(&c.ports[0], c.dev[0]);
    xd_start(&c.fx, BAR);
    set_port(&c, 5, PP | PR);
    xd_enable_slot(&c.fx, BAR);
    assert_int_equal(xd_address(&c.fx, BAR, 1, 5, 0, false), OK);
    mem_write(&c.fx, XD_INPUT + 4, 4, 1);
    mem_write(&c.fx, XD_INPUT + 32, 4, 1u << 27 | 1u << 26);
    mem_write(&c.fx, XD_INPUT + 36, 4, 8u << 24 | 5 << 16);
    assert_int_equal(xd_command(&c.fx, BAR, CONFIGURE, XD_INPUT, 1 << 24, NULL), OK);
    assert_int_equal(xd_context(&c.fx, 1, 0, 0), 1u << 27 | 1u << 26);
    assert_int_equal(xd_context(&c.fx, 1, 0, 1), 8u << 24 | 5 << 16);
    assert_int_equal(xd_context(&c.fx, 1, 0, 3), 2u << 27 | 1);
    end(&c);
}

/* Without SuperSpeed ports a disk is a high-speed device; behind the hub, a full-speed one. */
static void test_speeds(void **state) {
    struct ctx c;
    (void)state;
    begin_with(&c, 3, 0);
    c.disk = fixture_block(&c.fx, 64 * SECTOR, false);
    c.dev[0] = storage_new(&(struct storage_pins){.block = c.disk});
    c.dev[1] = hub_new(NULL, NULL);
    usb_attach(&c.ports[1], c.dev[0]);
    usb_attach(&c.ports[2], c.dev[1]);
    assert_int_equal(rd(&c, 4) >> 24, 3);
    assert_int_equal(rd(&c, 0x28), 0x301);
    assert_int_equal(port(&c, 2) & 0x3c00, 3 << 10);
    assert_int_equal(c.dev[0]->speed, USB_HIGH);
    usb_detach(c.dev[0]);
    assert_true(usb_attach(usb_find_port(c.ports, 3, "3.1"), c.dev[0]));
    assert_int_equal(c.dev[0]->speed, USB_FULL);
    end(&c);
    begin_with(&c, 0, 2);
    c.dev[0] = hub_new(NULL, NULL);
    assert_false(usb_attach(&c.ports[0], c.dev[0]));
    end(&c);
}

/* ---- ports ---- */

static void test_ports(void **state) {
    struct ctx c;
    struct xd_event event;
    (void)state;
    begin(&c);
    c.dev[0] = hid_new(&(struct hid_pins){
        .kind = HID_TABLET, .input = c.fx.input, .clock = c.fx.clock});
    xd_start(&c.fx, BAR);
    usb_attach(&c.ports[1], c.dev[0]);
    assert_int_equal(port(&c, 6), PP | 7 << 5 | 1 << 10 | CCS | CSC); /* full speed, Polling */
    assert_int_equal(port(&c, 2), 0x2a0);
    expect_event(&c, EV_PORT, OK, &event);
    assert_int_equal(event.param, 6 << 24);
    assert_int_equal(rd(&c, XD_USBSTS) & 0x10, 0x10); /* PCD */
    set_port(&c, 6, PP | CSC | PR);
    assert_int_equal(port(&c, 6), PP | 1 << 10 | CCS | PED | PRC); /* U0 */
    expect_event(&c, EV_PORT, OK, &event);
    set_port(&c, 6, PP | PRC | LWS | 3 << 5);
    assert_int_equal(port(&c, 6), PP | 3 << 5 | 1 << 10 | CCS | PED); /* U3: it sleeps */
    c.dev[0]->remote_wakeup = true;
    usb_wakeup(c.dev[0]);
    assert_int_equal(port(&c, 6), PP | 15 << 5 | 1 << 10 | CCS | PED | PLC);
    expect_event(&c, EV_PORT, OK, &event);
    set_port(&c, 6, PP | PLC | LWS);
    assert_int_equal(port(&c, 6), PP | 1 << 10 | CCS | PED | PLC);
    set_port(&c, 6, PP | PLC | PED);
    assert_int_equal(port(&c, 6), PP | 7 << 5 | 1 << 10 | CCS); /* disabled by writing 1 */
    set_port(&c, 6, PP | PR);
    usb_detach(c.dev[0]);
    assert_int_equal(port(&c, 6), PP | 5 << 5 | CSC | PEC | PRC);
    usb_attach(&c.ports[1], c.dev[0]);
    set_port(&c, 6, CSC | PEC | PRC); /* no power */
    assert_int_equal(port(&c, 6), 4 << 5);
    set_port(&c, 6, PP);
    assert_int_equal(port(&c, 6) & (CCS | CSC), CCS | CSC);
    end(&c);
}

/* ---- interrupters ---- */

static void test_moderation(void **state) {
    struct ctx c;
    struct xd_event event;
    (void)state;
    begin(&c);
    xd_start(&c.fx, BAR);
    wr(&c, XD_IMOD, 4000); /* a millisecond */
    xd_command(&c.fx, BAR, CMD_NO_OP, 0, 0, NULL);
    assert_int_equal(rd(&c, XD_IMAN), 3);
    wr(&c, XD_IMAN, 3);
    assert_true(clock_next(c.fx.clock) == TIMER_NEVER);
    assert_int_equal(rd(&c, XD_IMOD) & 0xffff, 4000);
    fixture_sleep(&c.fx, NS_PER_MS / 2);
    assert_int_equal(rd(&c, XD_IMOD) >> 16, 2000);
    mem_write(&c.fx, XD_COMMANDS + 16, 8, 0);
    mem_write(&c.fx, XD_COMMANDS + 28, 4, CMD_NO_OP << T | 1);
    wr(&c, XD_DOORBELL, 0);
    assert_int_equal(rd(&c, XD_IMAN), 2); /* not yet */
    fixture_sleep(&c.fx, NS_PER_MS / 2);
    assert_int_equal(rd(&c, XD_IMAN), 3);
    assert_true(c.fx.intx[DEVFN >> 3][0]);
    expect_event(&c, EV_COMMAND, OK, &event);
    wr(&c, XD_IMAN, 3);
    fixture_sleep(&c.fx, NS_PER_SEC);
    assert_int_equal(rd(&c, XD_IMAN), 2);
    end(&c);
}

static void test_messages(void **state) {
    struct ctx c;
    struct xd_event event;
    (void)state;
    start(&c);
    cfg_write(&c.fx, DEVFN, 0x90, 4, 0x80000000); /* MSI-X on */
    mem_write(&c.fx, BAR + 0x3000 + 16 * 5, 8, 0xfee00000);
    mem_write(&c.fx, BAR + 0x3000 + 16 * 5 + 8, 4, 0x4055);
    mem_write(&c.fx, BAR + 0x3000 + 16 * 5 + 12, 4, 0);
    /* interrupter 5 has two segments, the second before the first */
    enum { TABLE = 0x6000, FIRST = 0x6400, SECOND = 0x6200, REGS = XD_IMAN + 32 * 5 };
    mem_write(&c.fx, TABLE, 8, FIRST);
    mem_write(&c.fx, TABLE + 8, 8, 16);
    mem_write(&c.fx, TABLE + 16, 8, SECOND);
    mem_write(&c.fx, TABLE + 24, 8, 16);
    wr(&c, REGS + 8, 2);
    mem_write(&c.fx, BAR + REGS + 0x18, 8, FIRST);
    mem_write(&c.fx, BAR + REGS + 0x10, 8, TABLE);
    wr(&c, REGS, 2);
    unsigned msis = c.fx.msis;
    for (unsigned i = 0; i < 40; i++) {
        uint32_t at = i % 32 < 16 ? FIRST + 16 * (i % 32) : SECOND + 16 * (i % 32 - 16);
        uint64_t trb = xd_queue(&c.fx, 1, 3, XD_DATA, 0, NO_OP << T | IOC);
        mem_write(&c.fx, trb + 8, 4, 5u << 22);
        xd_doorbell(&c.fx, BAR, 1, 3);
        assert_int_equal(c.fx.msis, msis + i + 1);
        assert_int_equal(c.fx.msi_data, 0x4055);
        assert_int_equal(mem_read(&c.fx, at, 8), trb);
        assert_int_equal(mem_read(&c.fx, at + 12, 4) & 1, i < 32);
        assert_int_equal(rd(&c, REGS), 2); /* the message took IP with it */
        uint32_t next = (i + 1) % 32;
        mem_write(&c.fx, BAR + REGS + 0x18, 8,
                  (next < 16 ? FIRST + 16 * next : SECOND + 16 * (next - 16)) | 8);
    }
    expect_none(&c);
    assert_false(xd_event(&c.fx, BAR, &event));
    end(&c);
}

/* A ring that is full loses nothing: what would fill it waits for the driver. */
static void test_event_ring_full(void **state) {
    struct ctx c;
    struct xd_event event;
    (void)state;
    begin(&c);
    xd_start(&c.fx, BAR);
    for (unsigned i = 0; i < 30; i++) { /* commands by hand: nobody takes the events */
        mem_write(&c.fx, 0x6000 + 16 * i, 8, i);
        mem_write(&c.fx, 0x6000 + 16 * i + 12, 4, CMD_NO_OP << T | 1);
    }
    wr(&c, XD_USBCMD, 0);
    mem_write(&c.fx, BAR + XD_CRCR, 8, 0x6001);
    wr(&c, XD_USBCMD, 5);
    wr(&c, XD_DOORBELL, 0);
    for (unsigned i = 0; i < 30; i++) {
        expect_event(&c, EV_COMMAND, OK, &event);
        assert_int_equal(event.param, 0x6000 + 16 * i);
    }
    expect_none(&c);
    end(&c);
}

/* What waits for its device waits for it after a load, too. */
static void test_reload(void **state) {
    struct ctx c;
    struct state_buf buf = {0};
    struct xd_event event;
    size_t used;
    char why[200];
    (void)state;
    start(&c);
    xd_queue(&c.fx, 1, 3, XD_DATA, 8, NORMAL << T | IOC);
    xd_doorbell(&c.fx, BAR, 1, 3);
    state_save(&buf, xhci_device.state, "x", c.x);
    uint8_t address = c.dev[0]->address;
    xhci_device.reset(c.x);
    assert_true(
        state_load(buf.bytes, buf.len, &used, xhci_device.state, "x", c.x, why, sizeof(why)));
    assert_int_equal(c.dev[0]->address, address);
    assert_true(clock_next(c.fx.clock) == TIMER_NEVER);
    expect_none(&c);
    point(&c, 9);
    expect_event(&c, EV_TRANSFER, SHORT, &event);
    state_buf_free(&buf);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registers), cmocka_unit_test(test_mfindex),
        cmocka_unit_test(test_commands), cmocka_unit_test(test_nec),
        cmocka_unit_test(test_address), cmocka_unit_test(test_control),
        cmocka_unit_test(test_interrupt), cmocka_unit_test(test_stop),
        cmocka_unit_test(test_broken_tds), cmocka_unit_test(test_bad_rings),
        cmocka_unit_test(test_bulk), cmocka_unit_test(test_many_pieces),
        cmocka_unit_test(test_hub), cmocka_unit_test(test_hub_context),
        cmocka_unit_test(test_speeds), cmocka_unit_test(test_ports),
        cmocka_unit_test(test_moderation), cmocka_unit_test(test_messages),
        cmocka_unit_test(test_event_ring_full), cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
