/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UHCI: registers and ports (UHCI Design Guide 1.1, 2), the schedule (3), and when the chip looks
 * at memory at all.
 */
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"
#include "fixture_usb.h"
#include "usb/hid.h"
#include "usb/uhci.h"

enum { DEVFN = 1 << 3 | 2, BASE = 0xc000, PIN_D = 3 };
enum { CMD = BASE, STS = BASE + 2, INTR = BASE + 4, FRNUM = BASE + 6, LIST = BASE + 8,
       SOF = BASE + 12, PORT1 = BASE + 16, PORT2 = BASE + 18 };

/* Where things are in guest memory */
enum { FRAMES = 0x1000, QH = 0x2000, TD = 0x3000, DATA = 0x8000 };

enum { END = 1, TO_QH = 2, DEPTH = 4 };
enum { ACTIVE = 1 << 23, IOC = 1 << 24, SPD = 1 << 29, STALLED = 1 << 22, BABBLE = 1 << 20,
       NAKED = 1 << 19, TIMEOUT = 1 << 18, TRIES = 3 << 27, ISO = 1 << 25 };
enum { IN = 0x69, OUT = 0xe1, SETUP = 0x2d };

struct ctx {
    struct fixture fx;
    struct uhci *u;
    struct usb_device *dev;
};

static void begin(struct ctx *c) {
    fixture_init(&c->fx);
    c->u = uhci_new(&(struct uhci_pins){.pci = c->fx.pci, .io = c->fx.io, .clock = c->fx.clock,
                                        .devfn = DEVFN, .device_id = UHCI_PIIX3, .int_pin = 4});
    assert_non_null(c->u);
    c->dev = hid_new(&(struct hid_pins){
        .kind = HID_TABLET, .input = c->fx.input, .clock = c->fx.clock});
    cfg_write(&c->fx, DEVFN, 0x20, 4, BASE);
    cfg_write(&c->fx, DEVFN, 4, 2, 5);
    for (unsigned i = 0; i < 1024; i++)
        mem_write(&c->fx, FRAMES + 4 * i, 4, QH | TO_QH);
    mem_write(&c->fx, QH, 4, END);
    mem_write(&c->fx, QH + 4, 4, END);
}

static void end(struct ctx *c) {
    c->dev->ops->chip->free(c->dev);
    uhci_device.free(c->u);
    fixture_done(&c->fx);
}

/* A device on port 1, its port enabled, the schedule running. */
static void start(struct ctx *c) {
    begin(c);
    assert_true(usb_attach(uhci_ports(c->u), c->dev));
    out32(&c->fx, LIST, FRAMES);
    out16(&c->fx, INTR, 0x0f);
    out16(&c->fx, PORT1, 0x0200);
    out16(&c->fx, PORT1, 0x0000);
    out16(&c->fx, PORT1, 0x0006);
    out16(&c->fx, CMD, 0x00c1);
}

static void td(struct ctx *c, unsigned n, uint32_t link, uint32_t ctrl, unsigned pid, unsigned addr,
               unsigned ep, unsigned len, uint32_t buffer) {
    uint32_t at = TD + 16 * n;
    mem_write(&c->fx, at, 4, link);
    mem_write(&c->fx, at + 4, 4, ctrl);
    mem_write(&c->fx, at + 8, 4, pid | addr << 8 | ep << 15 | ((len - 1) & 0x7ff) << 21);
    mem_write(&c->fx, at + 12, 4, buffer);
}

static uint32_t ctrl(struct ctx *c, unsigned n) {
    return (uint32_t)mem_read(&c->fx, TD + 16 * n + 4, 4);
}

static uint32_t element(struct ctx *c) {
    return (uint32_t)mem_read(&c->fx, QH + 4, 4);
}

/* Links TD n at the queue's head, as a driver does: in memory only. */
static void submit(struct ctx *c, unsigned n) {
    mem_write(&c->fx, QH + 4, 4, TD + 16 * n);
}

static void ms(struct ctx *c, unsigned n) {
    fixture_sleep(&c->fx, n * NS_PER_MS);
}

/* Wakeups within n ms: times the clock's timer runs. */
static unsigned wakeups(struct ctx *c, unsigned n) {
    uint64_t end_at = c->fx.now + n * NS_PER_MS;
    unsigned count = 0;
    while (clock_next(c->fx.clock) <= end_at) {
        c->fx.now = MAX(c->fx.now, clock_next(c->fx.clock));
        clock_run(c->fx.clock);
        count++;
    }
    c->fx.now = end_at;
    return count;
}

/* A request without data, by three TDs' worth of schedule; true when the device obeyed. */
static bool request(struct ctx *c, unsigned addr, uint64_t setup) {
    mem_write(&c->fx, DATA, 8, setup);
    td(c, 0, (TD + 16) | DEPTH, ACTIVE | TRIES, SETUP, addr, 0, 8, DATA);
    td(c, 1, END, ACTIVE | TRIES | IOC, IN, addr, 0, 0, 0);
    submit(c, 0);
    in16(&c->fx, FRNUM);
    return !(ctrl(c, 1) & (ACTIVE | STALLED));
}

static void configure(struct ctx *c) {
    assert_true(request(c, 0, 0x0000000000070500)); /* SET_ADDRESS 7 */
    assert_true(request(c, 7, 0x0000000000010900)); /* SET_CONFIGURATION 1 */
    out16(&c->fx, STS, 0x3f);
    /* asked once, it wants people's input */
    uint8_t report[8];
    size_t len = sizeof(report);
    assert_int_equal(usb_bench_packet(c->dev, USB_IN, 1, report, &len), USB_NAK);
}

static void point(struct ctx *c, int32_t x) {
    const struct input_event event = {INPUT_ABS, INPUT_X, x};
    input_send(c->fx.input, &event);
    input_sync(c->fx.input);
}

/* ---- registers ---- */

static void test_config(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    assert_int_equal(cfg_read(&c.fx, DEVFN, 0, 4), 0x70208086);
    assert_int_equal(cfg_read(&c.fx, DEVFN, 8, 4), 0x0c030001); /* serial bus, USB, UHCI */
    assert_int_equal(cfg_read(&c.fx, DEVFN, 0x3d, 1), 4);       /* INTD */
    assert_int_equal(cfg_read(&c.fx, DEVFN, 0x60, 1), 0x10);    /* SBRN: USB 1.0 */
    assert_int_equal(cfg_read(&c.fx, DEVFN, 0xc0, 2), 0x2000);  /* LEGSUP */
    cfg_write(&c.fx, DEVFN, 0x20, 4, 0xffffffff);
    assert_int_equal(cfg_read(&c.fx, DEVFN, 0x20, 4), 0xffffffe1); /* 32 ports */
    end(&c);
}

static void test_registers(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    assert_int_equal(in16(&c.fx, CMD), 0);
    assert_int_equal(in16(&c.fx, STS), 0x20); /* halted */
    assert_int_equal(in8(&c.fx, SOF), 0x40);
    assert_int_equal(in32(&c.fx, LIST), 0);
    out32(&c.fx, LIST, 0x12345fff);
    assert_int_equal(in32(&c.fx, LIST), 0x12345000);
    out8(&c.fx, LIST + 3, 0x0a);
    assert_int_equal(in32(&c.fx, LIST), 0x0a345000);
    out16(&c.fx, FRNUM, 0xfabc);
    assert_int_equal(in16(&c.fx, FRNUM), 0x02bc);
    out16(&c.fx, INTR, 0xffff);
    assert_int_equal(in16(&c.fx, INTR), 0x0f);
    assert_int_equal(in32(&c.fx, CMD), 0x00200000);
    /* two ports, empty; what a driver that counts reads behind them */
    assert_int_equal(in16(&c.fx, PORT1), 0x0080);
    assert_int_equal(in16(&c.fx, PORT2), 0x0080);
    assert_int_equal(in16(&c.fx, PORT2 + 2) & 0x80, 0);
    out16(&c.fx, CMD, 0x0002); /* HCRESET ends by itself */
    assert_int_equal(in16(&c.fx, CMD), 0);
    assert_int_equal(in32(&c.fx, LIST), 0);
    end(&c);
}

static void test_frame_number(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    out32(&c.fx, LIST, FRAMES);
    out16(&c.fx, FRNUM, 2040);
    ms(&c, 5);
    assert_int_equal(in16(&c.fx, FRNUM), 2040);
    out16(&c.fx, CMD, 1);
    assert_int_equal(in16(&c.fx, STS), 0);
    ms(&c, 10);
    assert_int_equal(in16(&c.fx, FRNUM), 2); /* 11 bits */
    out16(&c.fx, FRNUM, 77);                 /* only while stopped */
    assert_int_equal(in16(&c.fx, FRNUM), 2);
    ms(&c, 2046);
    out16(&c.fx, CMD, 0);
    ms(&c, 9);
    assert_int_equal(in16(&c.fx, FRNUM), 0);
    assert_int_equal(in16(&c.fx, STS), 0x20);
    end(&c);
}

static void test_ports(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    usb_attach(&uhci_ports(c.u)[1], c.dev);
    assert_int_equal(in16(&c.fx, PORT2), 0x0093); /* connected, changed, D+ high */
    out16(&c.fx, PORT2, 0x0002);
    assert_int_equal(in16(&c.fx, PORT2), 0x0091);
    c.dev->address = 9;
    out16(&c.fx, PORT2, 0x0204); /* reset: not enabled meanwhile */
    assert_int_equal(in16(&c.fx, PORT2), 0x0281);
    assert_int_equal(c.dev->address, 0);
    out16(&c.fx, PORT2, 0x0000);
    out8(&c.fx, PORT2, 0x04);
    assert_int_equal(in16(&c.fx, PORT2), 0x0095);
    assert_ptr_equal(usb_find(&uhci_ports(c.u)[1], 0), c.dev);
    out16(&c.fx, PORT2, 0x1004); /* suspended: no traffic */
    assert_int_equal(in16(&c.fx, PORT2), 0x1095);
    assert_null(usb_find(&uhci_ports(c.u)[1], 0));
    out16(&c.fx, PORT2, 0x1044); /* resume, and its end */
    assert_int_equal(in16(&c.fx, PORT2), 0x10d5);
    out16(&c.fx, PORT2, 0x0004);
    assert_int_equal(in16(&c.fx, PORT2), 0x0095);
    out16(&c.fx, PORT1, 0x0004); /* nobody there to enable */
    assert_int_equal(in16(&c.fx, PORT1), 0x0080);
    usb_detach(c.dev);
    assert_int_equal(in16(&c.fx, PORT2), 0x008a);
    out16(&c.fx, PORT2, 0x000a);
    assert_int_equal(in16(&c.fx, PORT2), 0x0080);
    end(&c);
}

/* 2.1.1: a sleeping bus is woken by a device that may, and by plugging. */
static void test_wakeup(void **state) {
    struct ctx c;
    (void)state;
    start(&c);
    configure(&c);
    assert_true(request(&c, 7, 0x0000000000010300)); /* remote wakeup */
    out16(&c.fx, PORT1, 0x1004);
    out16(&c.fx, CMD, 0x0008);
    out16(&c.fx, STS, 0x3f);
    out16(&c.fx, INTR, 0x02);
    assert_false(c.fx.intx[1][PIN_D]);
    assert_int_equal(wakeups(&c, 60000), 0);
    point(&c, 5);
    assert_int_equal(in16(&c.fx, STS), 0x24);
    assert_int_equal(in16(&c.fx, PORT1) & 0x0040, 0x0040);
    assert_true(c.fx.intx[1][PIN_D]);
    out16(&c.fx, STS, 0x04);
    assert_false(c.fx.intx[1][PIN_D]);
    usb_detach(c.dev);
    assert_int_equal(in16(&c.fx, STS), 0x24);
    end(&c);
}

/* ---- the schedule ---- */

static void test_control_transfer(void **state) {
    struct ctx c;
    (void)state;
    start(&c);
    mem_write(&c.fx, DATA, 8, UINT64_C(0x0012000001000680)); /* GET_DESCRIPTOR, 18 bytes */
    td(&c, 0, TD + 16, ACTIVE | TRIES, SETUP, 0, 0, 8, DATA);
    td(&c, 1, TD + 32, ACTIVE | TRIES | SPD, IN, 0, 0, 8, DATA + 16);
    td(&c, 2, TD + 48, ACTIVE | TRIES | SPD, IN, 0, 0, 8, DATA + 24);
    td(&c, 3, TD + 64, ACTIVE | TRIES | SPD, IN, 0, 0, 2, DATA + 32);
    td(&c, 4, END, ACTIVE | TRIES | IOC, OUT, 0, 0, 0, 0);
    submit(&c, 0);
    assert_false(c.fx.intx[1][PIN_D]);
    ms(&c, 2); /* found by itself soon after the start */
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(ctrl(&c, i) & (ACTIVE | STALLED), 0);
    assert_int_equal(ctrl(&c, 0) & 0x7ff, 7);
    assert_int_equal(ctrl(&c, 4) & 0x7ff, 0x7ff); /* no bytes */
    assert_int_equal(mem_read(&c.fx, DATA + 16, 2), 0x0112);
    assert_int_equal(mem_read(&c.fx, DATA + 16 + 8, 4), 0x00010627);
    assert_int_equal(element(&c), END);
    assert_int_equal(in16(&c.fx, STS), 0x01);
    assert_true(c.fx.intx[1][PIN_D]);
    out16(&c.fx, STS, 0x01);
    assert_false(c.fx.intx[1][PIN_D]);
    end(&c);
}

static void test_short_packet(void **state) {
    struct ctx c;
    (void)state;
    start(&c);
    mem_write(&c.fx, DATA, 8, UINT64_C(0x0040000001000680)); /* GET_DESCRIPTOR, 64 bytes */
    td(&c, 0, (TD + 16) | DEPTH, ACTIVE | TRIES, SETUP, 0, 0, 8, DATA);
    td(&c, 1, (TD + 32) | DEPTH, ACTIVE | TRIES | SPD, IN, 0, 0, 64, DATA + 16);
    td(&c, 2, END, ACTIVE | TRIES | SPD, IN, 0, 0, 64, DATA + 128);
    submit(&c, 0);
    ms(&c, 2);
    assert_int_equal(ctrl(&c, 1) & (ACTIVE | 0x7ff), 17);
    assert_int_equal(element(&c) & ~0xfu, TD + 16); /* the queue waits there */
    assert_true(ctrl(&c, 2) & ACTIVE);
    assert_int_equal(in16(&c.fx, STS), 0x01);
    assert_true(c.fx.intx[1][PIN_D]);
    out16(&c.fx, INTR, 0x07); /* all but short packet */
    assert_false(c.fx.intx[1][PIN_D]);
    end(&c);
}

static void test_errors(void **state) {
    struct ctx c;
    (void)state;
    start(&c);
    configure(&c);
    /* STALL: an endpoint that there isn't */
    td(&c, 0, END, ACTIVE | TRIES | IOC, IN, 7, 5, 8, DATA);
    submit(&c, 0);
    in16(&c.fx, FRNUM);
    assert_int_equal(ctrl(&c, 0) & (ACTIVE | STALLED | TIMEOUT), STALLED);
    assert_int_equal(in16(&c.fx, STS), 0x03);
    assert_int_equal(element(&c), TD);
    out16(&c.fx, STS, 0x03);
    /* nobody at the address */
    td(&c, 0, END, ACTIVE | TRIES, IN, 99, 1, 8, DATA);
    in16(&c.fx, FRNUM);
    assert_int_equal(ctrl(&c, 0) & (ACTIVE | STALLED | TIMEOUT | TRIES), STALLED | TIMEOUT);
    assert_int_equal(in16(&c.fx, STS), 0x02);
    out16(&c.fx, STS, 0x02);
    /* ... tried for ever */
    td(&c, 0, END, ACTIVE, IN, 99, 1, 8, DATA);
    in16(&c.fx, FRNUM);
    assert_int_equal(ctrl(&c, 0) & (ACTIVE | STALLED | TIMEOUT), ACTIVE | TIMEOUT);
    assert_int_equal(in16(&c.fx, STS), 0);
    /* babble: less room than the report has */
    point(&c, 77);
    td(&c, 0, END, ACTIVE | TRIES, IN, 7, 1, 3, DATA);
    in16(&c.fx, FRNUM);
    assert_int_equal(ctrl(&c, 0) & (ACTIVE | STALLED | BABBLE), STALLED | BABBLE);
    end(&c);
}

static void test_halts(void **state) {
    struct ctx c;
    static const struct {
        uint32_t qh, token, link;
        uint16_t status;
    } bad[] = {
        {TD, 0x11, END, 0x30},                     /* no such PID */
        {TD, IN | 0x500u << 21, END, 0x30},        /* 1281 bytes */
        {0xfff00000, IN, END, 0x28},               /* not memory */
        {TD, IN | 7 << 8 | 7u << 21, END, 0x20},   /* stopped by hand: see below */
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        start(&c);
        td(&c, 0, bad[i].link, ACTIVE, 0, 0, 0, 1, DATA);
        mem_write(&c.fx, TD + 8, 4, bad[i].token);
        mem_write(&c.fx, QH + 4, 4, bad[i].qh);
        ms(&c, 2);
        if (i == 3)
            out16(&c.fx, CMD, 0);
        assert_int_equal(in16(&c.fx, STS), bad[i].status);
        assert_int_equal(in16(&c.fx, CMD) & 1, 0);
        assert_int_equal(c.fx.intx[1][PIN_D], i != 3);
        assert_true(clock_next(c.fx.clock) == TIMER_NEVER);
        end(&c);
    }
}

/* Lists that never end, or meet again. */
static void test_loops(void **state) {
    struct ctx c;
    (void)state;
    start(&c);
    mem_write(&c.fx, QH, 4, QH | TO_QH);     /* to itself */
    mem_write(&c.fx, QH + 4, 4, QH | TO_QH); /* and its element too */
    ms(&c, 10);
    assert_true(in16(&c.fx, CMD) & 1);
    for (unsigned i = 0; i < 600; i++) { /* a ring longer than the table of what was seen */
        mem_write(&c.fx, 0x10000 + 16 * i, 4, (0x10000 + 16 * ((i + 1) % 600)) | TO_QH);
        mem_write(&c.fx, 0x10000 + 16 * i + 4, 4, END);
    }
    mem_write(&c.fx, FRAMES, 4, 0x10000 | TO_QH);
    ms(&c, 10);
    td(&c, 0, TD, 0, IN, 0, 0, 8, DATA); /* an inactive TD in the frame list, to itself */
    mem_write(&c.fx, FRAMES, 4, TD);
    ms(&c, 10);
    td(&c, 0, TD | DEPTH, ACTIVE | ISO, IN, 0, 0, 8, DATA);
    ms(&c, 1030);
    assert_int_equal(ctrl(&c, 0) & ACTIVE, 0);
    assert_true(in16(&c.fx, CMD) & 1);
    end(&c);
}

/* A TD in the list itself is carried out in its frame, not before. */
static void test_isochronous(void **state) {
    struct ctx c;
    (void)state;
    start(&c);
    configure(&c);
    unsigned now = in16(&c.fx, FRNUM) & 1023, at = (now + 20) & 1023;
    td(&c, 0, QH | TO_QH, ACTIVE | ISO | IOC, IN, 7, 1, 6, DATA);
    mem_write(&c.fx, FRAMES + 4 * at, 4, TD);
    in16(&c.fx, FRNUM);
    ms(&c, 19);
    assert_true(ctrl(&c, 0) & ACTIVE);
    ms(&c, 1);
    assert_false(ctrl(&c, 0) & ACTIVE);
    assert_int_equal(in16(&c.fx, STS), 0x01);
    end(&c);
}

/* ---- when it looks ---- */

static void test_sleeps(void **state) {
    struct ctx c;
    (void)state;
    start(&c);
    configure(&c);
    td(&c, 0, END, ACTIVE | TRIES | IOC | SPD, IN, 7, 1, 8, DATA);
    submit(&c, 0);
    ms(&c, 10);
    assert_true(ctrl(&c, 0) & NAKED);
    ms(&c, 2000);
    /* nobody polls: once a second, and late work is found by then */
    assert_in_range(wakeups(&c, 60000), 0, 61);
    /* a root hub that is polled four times a second leaves the timer nothing to do */
    unsigned own = 0;
    for (unsigned i = 0; i < 240; i++) {
        in16(&c.fx, PORT1);
        own += wakeups(&c, 250);
    }
    assert_int_equal(own, 0);
    /* news are there at once, with the interrupt, without a timer */
    point(&c, 0x1234);
    assert_false(ctrl(&c, 0) & ACTIVE);
    assert_int_equal(ctrl(&c, 0) & 0x7ff, 5);
    assert_int_equal(mem_read(&c.fx, DATA + 1, 2), 0x1234);
    assert_true(c.fx.intx[1][PIN_D]);
    /* what the driver queues in answer is found within few milliseconds, and sleep comes back */
    out16(&c.fx, STS, 1);
    ms(&c, 1);
    td(&c, 1, END, ACTIVE | TRIES | IOC | SPD, IN, 7, 1, 8, DATA);
    submit(&c, 1);
    ms(&c, 2);
    assert_true(ctrl(&c, 1) & NAKED);
    assert_in_range(wakeups(&c, 3000), 0, 12);
    /* stopped, no timer at all */
    out16(&c.fx, CMD, 0);
    assert_int_equal(wakeups(&c, 60000), 0);
    end(&c);
}

/* News that come while the driver has no TD there wait, and are fetched when it has one. */
static void test_late_driver(void **state) {
    struct ctx c;
    (void)state;
    start(&c);
    configure(&c);
    ms(&c, 5000);
    point(&c, 1);
    ms(&c, 3);
    td(&c, 0, END, ACTIVE | TRIES | IOC, IN, 7, 1, 8, DATA);
    submit(&c, 0);
    ms(&c, 4);
    assert_false(ctrl(&c, 0) & ACTIVE);
    /* a submission without any sign at all */
    ms(&c, 5000);
    point(&c, 2);
    ms(&c, 5000);
    td(&c, 0, END, ACTIVE | TRIES | IOC, IN, 7, 1, 8, DATA);
    submit(&c, 0);
    ms(&c, 1000);
    assert_false(ctrl(&c, 0) & ACTIVE);
    end(&c);
}

/* No bus master, no look. */
static void test_bus_master(void **state) {
    struct ctx c;
    (void)state;
    start(&c);
    cfg_write(&c.fx, DEVFN, 4, 2, 1);
    td(&c, 0, END, ACTIVE | TRIES | IOC, IN, 0, 0, 8, DATA);
    submit(&c, 0);
    assert_int_equal(wakeups(&c, 1000), 0);
    assert_true(ctrl(&c, 0) & ACTIVE);
    cfg_write(&c.fx, DEVFN, 4, 2, 5);
    assert_false(ctrl(&c, 0) & ACTIVE);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),      cmocka_unit_test(test_registers),
        cmocka_unit_test(test_frame_number), cmocka_unit_test(test_ports),
        cmocka_unit_test(test_wakeup),      cmocka_unit_test(test_control_transfer),
        cmocka_unit_test(test_short_packet), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_halts),       cmocka_unit_test(test_loops),
        cmocka_unit_test(test_isochronous), cmocka_unit_test(test_sleeps),
        cmocka_unit_test(test_late_driver), cmocka_unit_test(test_bus_master),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
