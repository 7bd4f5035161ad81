/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UHCI with a device that takes its time and would rather have a URB whole (a device of the host):
 * which TDs become one transfer, and how its result comes back to them. UHCI Design Guide 1.1, 3.2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"
#include "fixture_real.h"
#include "usb/real.h"
#include "usb/uhci.h"

enum { DEVFN = 1 << 3 | 2, BASE = 0xc000 };
enum { CMD = BASE, STS = BASE + 2, FRNUM = BASE + 6, LIST = BASE + 8, PORT1 = BASE + 16 };
enum { FRAMES = 0x1000, QH = 0x2000, TD = 0x3000, DATA = 0x8000 };
enum { END = 1, TO_QH = 2, DEPTH = 4 };
enum { ACTIVE = 1 << 23, IOC = 1 << 24, SPD = 1 << 29, STALLED = 1 << 22, TRIES = 3 << 27 };
enum { IN = 0x69, OUT = 0xe1, SETUP = 0x2d };

static struct fixture fx;
static struct uhci *u;
static struct real_fake fake;
static struct usb_device *dev;
static uint8_t bytes[4096];

static void td(unsigned n, uint32_t link, uint32_t ctrl, unsigned pid, unsigned ep, unsigned len,
               uint32_t buffer) {
    uint32_t at = TD + 16 * n;
    mem_write(&fx, at, 4, link);
    mem_write(&fx, at + 4, 4, ctrl | ACTIVE | TRIES);
    mem_write(&fx, at + 8, 4,
              pid | ep << 15 | (n & 1) << 19 | ((len - 1) & 0x7ff) << 21);
    mem_write(&fx, at + 12, 4, buffer);
}

/* The control and status word; its bytes moved. */
static uint32_t ctrl(unsigned n) {
    return (uint32_t)mem_read(&fx, TD + 16 * n + 4, 4);
}

static unsigned moved(unsigned n) {
    return (ctrl(n) + 1) & 0x7ff;
}

static void go(void) {
    mem_write(&fx, QH + 4, 4, TD);
    in16(&fx, FRNUM);
}

static struct real_started *started(void) {
    return real_fake_last(&fake);
}

/* A URB as Linux makes it: packets of 64 bytes, SPD on all but the last, which has the
 * interrupt. */
static void urb(unsigned pid, unsigned ep, size_t len) {
    unsigned n = 0;
    for (size_t at = 0; at < len; at += 64, n++) {
        bool last = at + 64 >= len;
        uint32_t bits = last ? IOC : pid == IN ? SPD : 0;
        td(n, last ? END : (TD + 16 * (n + 1)) | DEPTH, bits, pid, ep,
           (unsigned)MIN(len - at, (size_t)64), DATA + (uint32_t)at);
    }
    go();
}

static int setup(void **unused) {
    (void)unused;
    static uint8_t plain[64];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 64);
    fixture_init(&fx);
    u = uhci_new(&(struct uhci_pins){.pci = fx.pci, .io = fx.io, .clock = fx.clock,
                                     .devfn = DEVFN, .device_id = UHCI_PIIX3, .int_pin = 4});
    real_fake_init(&fake, USB_FULL);
    memcpy(plain, real_fake_descriptors, sizeof(plain));
    fake.real.descriptors = plain;
    fake.real.descriptors_len = sizeof(plain);
    dev = real_new(&(struct real_pins){.real = &fake.real});
    cfg_write(&fx, DEVFN, 0x20, 4, BASE);
    cfg_write(&fx, DEVFN, 4, 2, 5);
    for (unsigned i = 0; i < 1024; i++)
        mem_write(&fx, FRAMES + 4 * i, 4, QH | TO_QH);
    mem_write(&fx, QH, 4, END);
    mem_write(&fx, QH + 4, 4, END);
    assert_true(usb_attach(uhci_ports(u), dev));
    out32(&fx, LIST, FRAMES);
    out16(&fx, PORT1, 0x0200);
    out16(&fx, PORT1, 0x0000);
    out16(&fx, PORT1, 0x0006);
    out16(&fx, CMD, 0x00c1);
    mem_write(&fx, DATA, 8, 0x0000000000010900); /* SET_CONFIGURATION 1 */
    td(0, (TD + 16) | DEPTH, 0, SETUP, 0, 8, DATA);
    td(1, END, IOC, IN, 0, 0, 0);
    go();
    assert_int_equal(started()->req.kind, REAL_CONFIGURE);
    assert_true(ctrl(1) & ACTIVE);
    real_answer(&fake, started(), REAL_OK, NULL, 0);
    assert_false(ctrl(1) & (ACTIVE | STALLED));
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    usb_real_device.free(dev);
    uhci_device.free(u);
    fixture_done(&fx);
    return 0;
}

static void expect_data(size_t len) {
    for (size_t i = 0; i < len; i++)
        assert_int_equal(mem_read(&fx, DATA + i, 1), bytes[i]);
}

static void test_in(void **unused) {
    (void)unused;
    urb(IN, 1, 4096);
    assert_int_equal(started()->req.kind, REAL_BULK);
    assert_int_equal(started()->req.len, 4096);
    real_answer(&fake, started(), REAL_OK, bytes, 4096);
    expect_data(4096);
    for (unsigned n = 0; n < 64; n++) {
        assert_int_equal(ctrl(n) & (ACTIVE | STALLED), 0);
        assert_int_equal(moved(n), 64);
    }
    assert_int_equal(in16(&fx, STS) & 1, 1);
    assert_true(uhci_device.idle(u));
}

static void test_out(void **unused) {
    (void)unused;
    for (unsigned i = 0; i < 1000; i++)
        mem_write(&fx, DATA + i, 1, bytes[i]);
    urb(OUT, 2, 1000);
    assert_int_equal(started()->req.len, 1000);
    assert_memory_equal(started()->req.iov[0].iov_base, bytes, 1000);
    real_answer(&fake, started(), REAL_OK, NULL, 1000);
    assert_int_equal(moved(14), 64);
    assert_int_equal(moved(15), 40);
    assert_false(ctrl(15) & ACTIVE);
}

/* The queue stays at the short one, for the driver to see to it. */
static void test_short(void **unused) {
    (void)unused;
    urb(IN, 1, 512);
    real_answer(&fake, started(), REAL_OK, bytes, 64 + 13);
    expect_data(77);
    assert_int_equal(moved(1), 13);
    assert_false(ctrl(1) & ACTIVE);
    assert_true(ctrl(2) & ACTIVE);
    assert_int_equal(mem_read(&fx, QH + 4, 4) & ~15u, TD + 16);
    assert_int_equal(in16(&fx, STS) & 1, 1);
    unsigned before = fake.count;
    in16(&fx, FRNUM);
    assert_int_equal(fake.count, before);
    assert_true(uhci_device.idle(u));
}

static void test_stall_in_the_middle(void **unused) {
    (void)unused;
    urb(IN, 1, 512);
    real_answer(&fake, started(), REAL_STALL, bytes, 128);
    assert_int_equal(ctrl(0) & (ACTIVE | STALLED), 0);
    assert_int_equal(ctrl(1) & (ACTIVE | STALLED), 0);
    assert_int_equal(ctrl(2) & (ACTIVE | STALLED), STALLED);
    assert_true(ctrl(3) & ACTIVE);
}

/* Two URBs are two transfers; so is what follows a TD that may be short without a stop. */
static void test_where_it_ends(void **unused) {
    (void)unused;
    td(0, (TD + 16) | DEPTH, SPD, IN, 1, 64, DATA);
    td(1, (TD + 32) | DEPTH, SPD | IOC, IN, 1, 64, DATA + 64);
    td(2, (TD + 48) | DEPTH, 0, IN, 1, 64, DATA + 128);
    td(3, END, IOC, IN, 1, 64, DATA + 192);
    go();
    assert_int_equal(started()->req.len, 128);
    real_answer(&fake, started(), REAL_OK, bytes, 128);
    assert_int_equal(started()->req.len, 64);
    real_answer(&fake, started(), REAL_OK, bytes, 10);
    assert_int_equal(moved(2), 10);
    assert_int_equal(started()->req.len, 64);
    assert_true(started()->under_way);
    /* another endpoint */
    mem_write(&fx, QH + 4, 4, END);
    in16(&fx, FRNUM);
    assert_false(started()->under_way);
    td(0, (TD + 16) | DEPTH, SPD, IN, 1, 64, DATA);
    td(1, END, SPD, IN, 3, 8, DATA + 64);
    go();
    assert_int_equal(started()->req.len, 64);
}

static void test_unlinked(void **unused) {
    (void)unused;
    urb(IN, 1, 4096);
    struct real_started *s = started();
    unsigned before = fake.cancelled;
    mem_write(&fx, QH + 4, 4, END);
    in16(&fx, FRNUM);
    assert_int_equal(fake.cancelled, before + 1);
    assert_false(s->under_way);
    assert_true(ctrl(0) & ACTIVE);
    assert_true(uhci_device.idle(u));
}

/* The driver takes the rest away while the controller is busy with its beginning. */
static void test_the_rest_is_taken_away(void **unused) {
    (void)unused;
    urb(IN, 1, 256);
    mem_write(&fx, TD + 16, 4, END);
    mem_write(&fx, TD + 16 * 1 + 4, 4, 0); /* TD 1 is not active any more */
    real_answer(&fake, started(), REAL_OK, bytes, 256);
    assert_int_equal(moved(0), 64);
    assert_int_equal(mem_read(&fx, DATA + 64, 1), 0);
    in16(&fx, FRNUM);
    assert_true(uhci_device.idle(u));
}

/* A ring of TDs, or more of them than there is room for. */
static void test_no_end(void **unused) {
    (void)unused;
    td(0, (TD + 16) | DEPTH, SPD, IN, 1, 64, DATA);
    td(1, TD | DEPTH, SPD, IN, 1, 64, DATA + 64);
    go();
    assert_int_equal(started()->req.len, 16 << 10);
    real_answer(&fake, started(), REAL_OK, bytes, 4096);
    assert_false(ctrl(0) & ACTIVE);
    assert_false(ctrl(1) & ACTIVE);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_in), T(test_out), T(test_short), T(test_stall_in_the_middle),
        T(test_where_it_ends), T(test_unlinked), T(test_the_rest_is_taken_away), T(test_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
