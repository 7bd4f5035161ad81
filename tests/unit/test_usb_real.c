/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB device of the host on a guest's bus, the host's side being the fixture's: USB 2.0, 8.5.3,
 * 9.4 and 9.6. And what is read out of real descriptors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture_real.h"
#include "fixture_usb.h"
#include "usb/real.h"

enum { FULL = 1 << USB_FULL, HIGH = 1 << USB_HIGH, SUPER = 1 << USB_SUPER, LOW = 1 << USB_LOW };

static struct usb_bench bench;
static struct real_fake fake;
static struct usb_device *dev;
static struct usb_transfer last;
static unsigned dones;
static uint8_t buf[512];
static struct iovec iov;

static void done(struct usb_transfer *t) {
    last = *t;
    dones++;
}

static void plug(unsigned speeds, enum usb_speed real) {
    usb_bench_init(&bench, speeds);
    real_fake_init(&fake, real);
    dev = real_new(&(struct real_pins){.real = &fake.real});
    dones = 0;
    assert_true(usb_attach(&bench.port, dev));
}

static int setup(void **unused) {
    (void)unused;
    plug(HIGH | FULL, USB_HIGH);
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    usb_real_device.free(dev);
    assert_int_equal(fake.closed, 1);
    return 0;
}

/* A packet whose result may come later. */
static enum usb_result packet(struct usb_transfer *t, enum usb_pid pid, unsigned ep, size_t len) {
    iov = (struct iovec){buf, len};
    *t = (struct usb_transfer){.pid = pid, .ep = (uint8_t)ep, .iov = &iov, .niov = 1, .len = len,
                               .done = done};
    return usb_submit(dev, t);
}

static void set_up(uint8_t type, uint8_t request, uint16_t value, uint16_t index, uint16_t len) {
    struct usb_transfer t;
    buf[0] = type;
    buf[1] = request;
    store_le16(&buf[2], value);
    store_le16(&buf[4], index);
    store_le16(&buf[6], len);
    assert_int_equal(packet(&t, USB_SETUP, 0, 8), USB_OK);
}

/* A request without data that the host must see to. */
static enum usb_result ask(uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                           enum real_usb_result result) {
    struct usb_transfer t;
    unsigned before = dones;
    set_up(type, request, value, index, 0);
    assert_int_equal(packet(&t, USB_IN, 0, 0), USB_PENDING);
    assert_true(real_answer(&fake, real_fake_last(&fake), result, NULL, 0));
    assert_int_equal(dones, before + 1);
    return last.result;
}

static void configure(void) {
    assert_int_equal(ask(0, 9, 1, 0, REAL_OK), USB_OK);
    assert_int_equal(real_fake_last(&fake)->req.kind, REAL_CONFIGURE);
    assert_int_equal(real_fake_last(&fake)->req.value, 1);
    assert_int_equal(dev->configuration, 1);
}

/* ---- endpoint 0 ---- */

static void test_attach_resets(void **unused) {
    (void)unused;
    assert_int_equal(fake.count, 1);
    assert_int_equal(real_fake_last(&fake)->req.kind, REAL_RESET);
    assert_int_equal(dev->speed, USB_HIGH);
}

static void test_the_address_is_the_guests(void **unused) {
    (void)unused;
    unsigned before = fake.count;
    assert_int_equal(usb_bench_control(dev, 0, 5, 9, 0, 0, NULL, 64, NULL), USB_OK);
    assert_int_equal(dev->address, 9);
    assert_int_equal(fake.count, before);
    assert_int_equal(usb_bench_control(dev, 0, 5, 128, 0, 0, NULL, 64, NULL), USB_STALL);
    assert_int_equal(usb_bench_control(dev, 0x80, 8, 0, 0, 1, buf, 64, NULL), USB_OK);
    assert_int_equal(buf[0], 0); /* GET_CONFIGURATION: what the guest has set */
    assert_int_equal(fake.count, before);
}

static void test_control_in(void **unused) {
    (void)unused;
    struct usb_transfer t;
    uint8_t string[20];
    for (unsigned i = 0; i < sizeof(string); i++)
        string[i] = (uint8_t)(i + 1);
    set_up(0x80, 6, 0x0302, 0x409, 255);
    struct real_started *s = real_fake_last(&fake);
    assert_int_equal(s->req.kind, REAL_CONTROL);
    assert_memory_equal(s->req.setup, "\x80\x06\x02\x03\x09\x04\xff\x00", 8);
    assert_int_equal(packet(&t, USB_IN, 0, 8), USB_PENDING);
    real_answer(&fake, s, REAL_OK, string, sizeof(string));
    assert_int_equal(last.result, USB_OK);
    assert_int_equal(last.actual, 8);
    assert_memory_equal(buf, string, 8);
    assert_int_equal(packet(&t, USB_IN, 0, 8), USB_OK);
    assert_memory_equal(buf, string + 8, 8);
    assert_int_equal(packet(&t, USB_IN, 0, 8), USB_OK);
    assert_int_equal(t.actual, 4);
    assert_int_equal(packet(&t, USB_OUT, 0, 0), USB_OK);
}

static void test_control_out(void **unused) {
    (void)unused;
    struct usb_transfer t;
    set_up(0x21, 9, 0x0200, 0, 10);
    unsigned before = fake.count;
    memcpy(buf, "abcdefgh", 8);
    assert_int_equal(packet(&t, USB_OUT, 0, 8), USB_OK);
    memcpy(buf, "ij", 2);
    assert_int_equal(packet(&t, USB_OUT, 0, 2), USB_OK);
    assert_int_equal(fake.count, before);
    assert_int_equal(packet(&t, USB_IN, 0, 0), USB_PENDING);
    struct real_started *s = real_fake_last(&fake);
    assert_int_equal(s->req.len, 10);
    assert_memory_equal(s->req.iov[0].iov_base, "abcdefghij", 10);
    real_answer(&fake, s, REAL_STALL, NULL, 0);
    assert_int_equal(last.result, USB_STALL);
    /* more than announced */
    set_up(0x21, 9, 0x0200, 0, 4);
    assert_int_equal(packet(&t, USB_OUT, 0, 8), USB_STALL);
}

static void test_a_new_setup_ends_the_old(void **unused) {
    (void)unused;
    struct usb_transfer t;
    set_up(0x80, 6, 0x0302, 0x409, 255);
    struct real_started *s = real_fake_last(&fake);
    assert_int_equal(packet(&t, USB_IN, 0, 64), USB_PENDING);
    set_up(0x80, 6, 0x0303, 0x409, 255);
    assert_int_equal(fake.cancelled, 1);
    assert_false(real_answer(&fake, s, REAL_OK, "x", 1));
    assert_int_equal(dones, 1);
    assert_int_equal(last.result, USB_ERROR);
}

static void test_a_control_transfer_is_cancelled(void **unused) {
    (void)unused;
    struct usb_transfer t;
    set_up(0x80, 6, 0x0302, 0x409, 255);
    assert_int_equal(packet(&t, USB_IN, 0, 64), USB_PENDING);
    usb_cancel(&t);
    assert_int_equal(fake.cancelled, 1);
    assert_int_equal(packet(&t, USB_IN, 0, 64), USB_STALL);
    assert_int_equal(dones, 0);
}

static void test_test_mode_is_refused(void **unused) {
    (void)unused;
    unsigned before = fake.count;
    assert_int_equal(usb_bench_control(dev, 0, 3, 2, 0x0100, 0, NULL, 64, NULL), USB_STALL);
    assert_int_equal(fake.count, before);
}

static void test_configurations(void **unused) {
    (void)unused;
    struct usb_transfer t;
    assert_int_equal(packet(&t, USB_IN, 1, 64), USB_ERROR); /* not configured */
    configure();
    assert_int_equal(packet(&t, USB_IN, 1, 512), USB_PENDING);
    usb_cancel(&t);
    assert_int_equal(packet(&t, USB_IN, 5, 64), USB_ERROR); /* no such endpoint */
    assert_int_equal(ask(0, 9, 3, 0, REAL_STALL), USB_STALL);
    assert_int_equal(dev->configuration, 1);
    assert_int_equal(ask(0, 9, 2, 0, REAL_OK), USB_OK);
    assert_int_equal(packet(&t, USB_IN, 1, 64), USB_ERROR);
    assert_int_equal(ask(0, 9, 0, 0, REAL_OK), USB_OK);
    assert_int_equal(dev->configuration, 0);
}

static void test_settings_and_isochronous(void **unused) {
    (void)unused;
    struct usb_transfer t;
    configure();
    assert_int_equal(packet(&t, USB_IN, 4, 64), USB_ERROR);
    assert_int_equal(ask(1, 11, 1, 1, REAL_OK), USB_OK);
    assert_int_equal(real_fake_last(&fake)->req.kind, REAL_INTERFACE);
    assert_int_equal(real_fake_last(&fake)->req.value, 1);
    assert_int_equal(real_fake_last(&fake)->req.setting, 1);
    unsigned before = fake.count;
    assert_int_equal(packet(&t, USB_IN, 4, 64), USB_ERROR); /* isochronous: never */
    assert_int_equal(fake.count, before);
    /* an interface that can't be */
    assert_int_equal(usb_bench_control(dev, 1, 11, 1, 200, 0, NULL, 64, NULL), USB_STALL);
}

/* ---- other endpoints ---- */

static void test_bulk(void **unused) {
    (void)unused;
    struct usb_transfer t;
    configure();
    assert_int_equal(packet(&t, USB_OUT, 2, 31), USB_PENDING);
    struct real_started *s = real_fake_last(&fake);
    assert_int_equal(s->req.kind, REAL_BULK);
    assert_int_equal(s->req.endpoint, 2);
    real_answer(&fake, s, REAL_OK, NULL, 31);
    assert_int_equal(last.actual, 31);
    assert_int_equal(packet(&t, USB_IN, 1, 512), USB_PENDING);
    s = real_fake_last(&fake);
    assert_int_equal(s->req.endpoint, 0x81);
    assert_int_equal(s->req.packet, 0); /* the speed is the device's */
    real_answer(&fake, s, REAL_OK, "USBS", 4);
    assert_int_equal(last.result, USB_OK);
    assert_int_equal(last.actual, 4);
    assert_memory_equal(buf, "USBS", 4);
    assert_int_equal(packet(&t, USB_IN, 3, 8), USB_PENDING);
    assert_int_equal(real_fake_last(&fake)->req.kind, REAL_INTERRUPT);
    real_answer(&fake, real_fake_last(&fake), REAL_BABBLE, NULL, 0);
    assert_int_equal(last.result, USB_BABBLE);
}

static void test_a_stall_stays_until_it_is_cleared(void **unused) {
    (void)unused;
    struct usb_transfer t;
    configure();
    packet(&t, USB_IN, 1, 512);
    real_answer(&fake, real_fake_last(&fake), REAL_STALL, NULL, 0);
    assert_int_equal(last.result, USB_STALL);
    unsigned before = fake.count;
    assert_int_equal(packet(&t, USB_IN, 1, 512), USB_STALL);
    assert_int_equal(fake.count, before);
    assert_int_equal(ask(2, 1, 0, 0x81, REAL_OK), USB_OK);
    assert_int_equal(real_fake_last(&fake)->req.kind, REAL_UNHALT);
    assert_int_equal(real_fake_last(&fake)->req.endpoint, 0x81);
    assert_int_equal(packet(&t, USB_IN, 1, 512), USB_PENDING);
    usb_cancel(&t);
}

static void test_cancel(void **unused) {
    (void)unused;
    struct usb_transfer t;
    configure();
    unsigned before = dones;
    assert_int_equal(packet(&t, USB_IN, 3, 8), USB_PENDING);
    struct real_started *s = real_fake_last(&fake);
    usb_cancel(&t);
    assert_false(s->under_way);
    assert_int_equal(dones, before);
    fake.refuse = true;
    assert_int_equal(packet(&t, USB_IN, 3, 8), USB_ERROR);
}

static void test_reset_ends_all(void **unused) {
    (void)unused;
    struct usb_transfer a, b;
    configure();
    unsigned before = dones;
    assert_int_equal(packet(&a, USB_IN, 3, 8), USB_PENDING);
    assert_int_equal(packet(&b, USB_IN, 1, 512), USB_PENDING);
    usb_reset(dev);
    assert_int_equal(dones, before + 2);
    assert_int_equal(last.result, USB_ERROR);
    assert_int_equal(fake.cancelled, 2);
    assert_int_equal(real_fake_last(&fake)->req.kind, REAL_RESET);
    assert_int_equal(dev->configuration, 0);
    real_answer(&fake, real_fake_last(&fake), REAL_OK, NULL, 0);
    assert_int_equal(dones, before + 2);
}

static struct usb_transfer *first, *other;

static void cancel_other(struct usb_transfer *t) {
    dones++;
    usb_cancel(t == other ? first : other);
}

/* A controller that hears of one may have lost its interest in another. */
static void test_cancel_while_a_reset_ends_all(void **unused) {
    (void)unused;
    struct usb_transfer a, b;
    configure();
    unsigned before = dones;
    packet(&a, USB_IN, 3, 8);
    packet(&b, USB_IN, 1, 512);
    a.done = b.done = cancel_other;
    first = &a;
    other = &b;
    usb_reset(dev);
    assert_int_equal(dones, before + 1);
}

static void test_it_is_pulled_out(void **unused) {
    (void)unused;
    struct usb_transfer t;
    configure();
    unsigned before = dones;
    packet(&t, USB_IN, 3, 8);
    fake.real.gone(fake.real.arg);
    assert_int_equal(dones, before + 1);
    assert_int_equal(last.result, USB_ERROR);
    assert_int_equal(bench.detached, 1);
    assert_null(bench.port.device);
    unsigned started = fake.count;
    assert_int_equal(packet(&t, USB_IN, 1, 8), USB_ERROR);
    set_up(0x80, 6, 0x0302, 0x409, 255);
    assert_int_equal(packet(&t, USB_IN, 0, 8), USB_ERROR);
    assert_int_equal(fake.count, started);
}

/* ---- slower than it could ---- */

/* Setting 1 of interface 1 is isochronous: no slower bus will do. */
static void test_not_on_a_slow_bus(void **unused) {
    (void)unused;
    usb_real_device.free(dev);
    usb_bench_init(&bench, FULL);
    real_fake_init(&fake, USB_HIGH);
    dev = real_new(&(struct real_pins){.real = &fake.real});
    assert_int_equal(dev->speeds, HIGH);
    assert_false(usb_attach(&bench.port, dev));
}

static void test_on_a_slow_bus(void **unused) {
    (void)unused;
    static uint8_t plain[128];
    struct usb_transfer t;
    usb_real_device.free(dev);
    usb_bench_init(&bench, FULL);
    real_fake_init(&fake, USB_HIGH);
    memcpy(plain, real_fake_descriptors, real_fake_descriptors_len);
    fake.real.descriptors = plain;
    fake.real.descriptors_len = 18 + 9 + 9 + 3 * 7; /* the rest was cut off */
    dev = real_new(&(struct real_pins){.real = &fake.real});
    assert_int_equal(dev->speeds, HIGH | FULL);
    assert_true(usb_attach(&bench.port, dev));
    assert_int_equal(dev->speed, USB_FULL);
    configure();
    assert_int_equal(packet(&t, USB_IN, 1, 64), USB_PENDING);
    assert_int_equal(real_fake_last(&fake)->req.packet, 512);
    usb_cancel(&t);
    set_up(0x80, 6, 0x0200, 0, 32);
    assert_int_equal(packet(&t, USB_IN, 0, 32), USB_PENDING);
    real_answer(&fake, real_fake_last(&fake), REAL_OK, plain + 18, 32);
    assert_int_equal(load_le16(&buf[18 + 4]), 64);
}

static void test_configuration_is_made_to_fit(void **unused) {
    (void)unused;
    uint8_t config[] = {9, 2, 39, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 3, 8, 6, 80, 0,
                        7, 5, 0x81, 2, 0, 2, 0, 7, 5, 0x02, 2, 0, 2, 0, 7, 5, 0x83, 3, 16, 0, 7};
    usb_desc_fit(config, sizeof(config), USB_HIGH, USB_FULL);
    assert_int_equal(load_le16(&config[18 + 4]), 64);
    assert_int_equal(load_le16(&config[25 + 4]), 64);
    assert_int_equal(load_le16(&config[32 + 4]), 16);
    assert_int_equal(config[32 + 6], 8); /* 2 to the 6th microframes are 8 ms */
    uint8_t device[18] = {18, 1, 0x10, 0x03, 0, 0, 0, 9};
    usb_desc_fit(device, 18, USB_SUPER, USB_HIGH);
    assert_int_equal(device[7], 64);
    assert_int_equal(load_le16(&device[2]), 0x0200);
}

static void test_speeds(void **unused) {
    (void)unused;
    static const uint8_t disk[] = {
        18, 1, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9, 2, 44, 0, 1, 1, 0, 0x80, 50,
        9, 4, 0, 0, 2, 8, 6, 80, 0, 7, 5, 0x81, 2, 0, 4, 0, 6, 48, 3, 0, 0, 0,
        7, 5, 0x02, 2, 0, 4, 0, 6, 48, 3, 0, 0, 0};
    uint8_t copy[sizeof(disk)];
    assert_true(usb_desc_sound(disk, sizeof(disk)));
    assert_int_equal(usb_desc_speeds(disk, sizeof(disk), USB_SUPER), SUPER | HIGH | FULL);
    assert_int_equal(usb_desc_speeds(disk, sizeof(disk), USB_FULL), FULL);
    assert_int_equal(usb_desc_speeds(disk, sizeof(disk), USB_LOW), LOW);
    memcpy(copy, disk, sizeof(disk));
    copy[43 + 3] = 4; /* streams */
    assert_int_equal(usb_desc_speeds(copy, sizeof(copy), USB_SUPER), SUPER);
    memcpy(copy, disk, sizeof(disk));
    copy[36 + 3] = 3; /* an interrupt endpoint with 1024 bytes */
    assert_int_equal(usb_desc_speeds(copy, sizeof(copy), USB_SUPER), SUPER | HIGH);
    store_le16(&copy[36 + 4], 0x0c00); /* with 1024 bytes, twice a microframe */
    assert_int_equal(usb_desc_speeds(copy, sizeof(copy), USB_HIGH), HIGH);
    assert_int_equal(usb_desc_interfaces(disk, sizeof(disk), 1), 1);
    assert_int_equal(usb_desc_interfaces(disk, sizeof(disk), 2), 0);
    assert_false(usb_desc_sound(disk, 18));
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_attach_resets), T(test_the_address_is_the_guests), T(test_control_in),
        T(test_control_out), T(test_a_new_setup_ends_the_old),
        T(test_a_control_transfer_is_cancelled), T(test_test_mode_is_refused),
        T(test_configurations), T(test_settings_and_isochronous), T(test_bulk),
        T(test_a_stall_stays_until_it_is_cleared), T(test_cancel), T(test_reset_ends_all),
        T(test_cancel_while_a_reset_ends_all), T(test_it_is_pulled_out), T(test_not_on_a_slow_bus),
        T(test_on_a_slow_bus),
        cmocka_unit_test(test_configuration_is_made_to_fit), cmocka_unit_test(test_speeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
