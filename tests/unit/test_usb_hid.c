/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HID devices and, through them, the standard requests: USB 2.0, 9.4; HID 1.11, 7 and
 * appendix B; HID Usage Tables 1.12, 10.
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

struct ctx {
    struct fixture fx;
    struct usb_bench bench;
    struct usb_device *dev;
};

static void expect_nak(struct ctx *c) {
    uint8_t got[64];
    size_t len = sizeof(got);
    assert_int_equal(usb_bench_packet(c->dev, USB_IN, 1, got, &len), USB_NAK);
}

/* A driver's, with `configure`: configured, and asked for reports. */
static void begin(struct ctx *c, enum hid_kind kind, bool configure) {
    fixture_init(&c->fx);
    usb_bench_init(&c->bench, 1u << USB_LOW | 1u << USB_FULL);
    c->dev = hid_new(&(struct hid_pins){
        .kind = kind, .input = c->fx.input, .clock = c->fx.clock, .serial = "28754-test"});
    assert_true(usb_attach(&c->bench.port, c->dev));
    if (!configure)
        return;
    assert_true(usb_bench_configure(c->dev, 5));
    expect_nak(c);
}

static void end(struct ctx *c) {
    c->dev->ops->chip->free(c->dev);
    fixture_done(&c->fx);
}

static enum usb_result get(struct ctx *c, uint8_t type, uint8_t request, uint16_t value,
                           uint16_t index, uint16_t length, void *data, size_t *len) {
    return usb_bench_control(c->dev, type, request, value, index, length, data, 8, len);
}

static enum usb_result set(struct ctx *c, uint8_t type, uint8_t request, uint16_t value,
                           uint16_t index) {
    return usb_bench_control(c->dev, type, request, value, index, 0, NULL, 8, NULL);
}

static void send(struct ctx *c, enum input_kind kind, unsigned code, int32_t value) {
    const struct input_event event = {kind, (uint16_t)code, value};
    input_send(c->fx.input, &event);
}

static void say(struct ctx *c, enum input_kind kind, unsigned code, int32_t value) {
    send(c, kind, code, value);
    input_sync(c->fx.input);
}

static void key(struct ctx *c, unsigned code, bool down) {
    say(c, INPUT_KEY, code, down);
}

/* The next report is these bytes. */
static void expect_report(struct ctx *c, const void *bytes, size_t n) {
    uint8_t got[64];
    size_t len = sizeof(got);
    assert_int_equal(usb_bench_packet(c->dev, USB_IN, 1, got, &len), USB_OK);
    assert_int_equal(len, n);
    assert_memory_equal(got, bytes, n);
}

#define EXPECT(c, ...)                                                                             \
    expect_report(c, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* ---- standard requests ---- */

static void test_descriptors(void **state) {
    struct ctx c;
    uint8_t data[256];
    size_t len;
    (void)state;
    begin(&c, HID_TABLET, false);
    /* 9.6.1, in packets of 8; more is asked for than there is */
    assert_int_equal(get(&c, 0x80, 6, 0x0100, 0, 64, data, &len), USB_OK);
    assert_int_equal(len, 18);
    assert_int_equal(data[0], 18);
    assert_int_equal(data[1], 1);
    assert_int_equal(data[7], 8);
    assert_int_equal(load_le16(&data[8]), 0x0627);
    /* 9.6.3: first nine bytes, as drivers do, then all */
    assert_int_equal(get(&c, 0x80, 6, 0x0200, 0, 9, data, &len), USB_OK);
    assert_int_equal(len, 9);
    size_t total = load_le16(&data[2]);
    assert_int_equal(total, 34);
    assert_int_equal(get(&c, 0x80, 6, 0x0200, 0, 255, data, &len), USB_OK);
    assert_int_equal(len, total);
    for (size_t at = 0; at < total; at += data[at])
        assert_true(data[at] >= 7 && at + data[at] <= total);
    /* HID 1.11, 6.2.1: the report descriptor's length is in the HID descriptor */
    size_t report = load_le16(&data[18 + 7]);
    assert_int_equal(get(&c, 0x81, 6, 0x2200, 0, 255, data, &len), USB_OK);
    assert_int_equal(len, report);
    assert_int_equal(data[len - 1], 0xc0);
    assert_int_equal(get(&c, 0x81, 6, 0x2100, 0, 9, data, &len), USB_OK);
    assert_int_equal(data[1], 0x21);
    /* 9.6.7 */
    assert_int_equal(get(&c, 0x80, 6, 0x0300, 0, 255, data, &len), USB_OK);
    assert_memory_equal(data, "\x04\x03\x09\x04", 4);
    assert_int_equal(get(&c, 0x80, 6, 0x0303, 0x0409, 255, data, &len), USB_OK);
    assert_int_equal(len, 2 + 2 * strlen("28754-test"));
    assert_memory_equal(data + 2, "2\0008\0007\0", 6);
    /* what there is none of: a second configuration, string 9, a full-speed device's qualifier */
    assert_int_equal(get(&c, 0x80, 6, 0x0201, 0, 9, data, &len), USB_STALL);
    assert_int_equal(get(&c, 0x80, 6, 0x0309, 0, 9, data, &len), USB_STALL);
    assert_int_equal(get(&c, 0x80, 6, 0x0600, 0, 10, data, &len), USB_STALL);
    assert_int_equal(get(&c, 0x80, 6, 0x0f00, 0, 5, data, &len), USB_STALL);
    end(&c);
}

static void test_states(void **state) {
    struct ctx c;
    uint8_t data[8];
    size_t len = 8;
    (void)state;
    begin(&c, HID_MOUSE, false);
    assert_int_equal(c.bench.attached, 1);
    assert_ptr_equal(usb_find(&c.bench.port, 0), c.dev);
    /* 9.4.6: the address counts after the status stage */
    assert_int_equal(set(&c, 0, 5, 9, 0), USB_OK);
    assert_ptr_equal(usb_find(&c.bench.port, 9), c.dev);
    assert_null(usb_find(&c.bench.port, 0));
    assert_int_equal(set(&c, 0, 5, 128, 0), USB_STALL);
    /* unconfigured, the other endpoints don't answer */
    assert_int_equal(usb_bench_packet(c.dev, USB_IN, 1, data, &len), USB_ERROR);
    assert_int_equal(get(&c, 0x80, 8, 0, 0, 1, data, &len), USB_OK);
    assert_int_equal(data[0], 0);
    assert_int_equal(set(&c, 0, 9, 2, 0), USB_STALL);
    assert_int_equal(set(&c, 0, 9, 1, 0), USB_OK);
    get(&c, 0x80, 8, 0, 0, 1, data, &len);
    assert_int_equal(data[0], 1);
    expect_nak(&c);
    /* 9.4.5, 9.4.9: halt, remote wakeup */
    assert_int_equal(set(&c, 0x02, 3, 0, 0x81), USB_OK);
    get(&c, 0x82, 0, 0, 0x81, 2, data, &len);
    assert_int_equal(load_le16(data), 1);
    len = 8;
    assert_int_equal(usb_bench_packet(c.dev, USB_IN, 1, data, &len), USB_STALL);
    assert_int_equal(set(&c, 0x02, 1, 0, 0x81), USB_OK);
    expect_nak(&c);
    assert_int_equal(set(&c, 0x00, 3, 1, 0), USB_OK);
    get(&c, 0x80, 0, 0, 0, 2, data, &len);
    assert_int_equal(load_le16(data), 2);
    say(&c, INPUT_REL, INPUT_X, 1);
    assert_int_equal(c.bench.wakeups, 1);
    /* 9.4.10: the one interface has the one setting */
    assert_int_equal(set(&c, 0x01, 11, 0, 0), USB_OK);
    assert_int_equal(set(&c, 0x01, 11, 1, 0), USB_STALL);
    assert_int_equal(get(&c, 0x81, 10, 0, 0, 1, data, &len), USB_OK);
    assert_int_equal(data[0], 0);
    assert_int_equal(get(&c, 0x81, 10, 0, 1, 1, data, &len), USB_STALL);
    /* a bus reset undoes all of it */
    usb_reset(c.dev);
    assert_int_equal(c.dev->configuration | c.dev->address | c.dev->remote_wakeup, 0);
    end(&c);
}

/* HID 1.11, 7.2.2 and the usage tables' page 8: what a guest lights is told to viewers. */
static void test_leds(void **state) {
    struct ctx c;
    uint8_t set[8] = {0x21, 9, 0, 2, 0, 0, 1, 0}, caps = 0x02, nothing[1];
    size_t len = 8;
    (void)state;
    begin(&c, HID_KEYBOARD, true);
    assert_int_equal(input_leds(c.fx.input), 0);
    assert_int_equal(usb_bench_packet(c.dev, USB_SETUP, 0, set, &len), USB_OK);
    len = 1;
    assert_int_equal(usb_bench_packet(c.dev, USB_OUT, 0, &caps, &len), USB_OK);
    len = 0;
    assert_int_equal(usb_bench_packet(c.dev, USB_IN, 0, nothing, &len), USB_OK);
    assert_int_equal(input_leds(c.fx.input), INPUT_LED_CAPS);
    end(&c);
}

/* 8.5.3: short reads, early status, what comes out of order. */
static void test_control_stages(void **state) {
    struct ctx c;
    uint8_t data[64], get_device[8] = {0x80, 6, 0, 1, 0, 0, 18, 0};
    uint8_t leds[8] = {0x21, 9, 0, 2, 0, 0, 1, 0}, huge[8] = {0x21, 9, 0, 2, 0, 0, 0xff, 0xff};
    size_t len = 8;
    (void)state;
    begin(&c, HID_KEYBOARD, true);
    assert_int_equal(usb_bench_packet(c.dev, USB_SETUP, 0, get_device, &len), USB_OK);
    len = 8;
    assert_int_equal(usb_bench_packet(c.dev, USB_IN, 0, data, &len), USB_OK);
    assert_int_equal(len, 8);
    len = 0; /* enough: the status stage comes early */
    assert_int_equal(usb_bench_packet(c.dev, USB_OUT, 0, data, &len), USB_OK);
    len = 8; /* there is no transfer now */
    assert_int_equal(usb_bench_packet(c.dev, USB_IN, 0, data, &len), USB_STALL);
    /* OUT data that is missing, or too much, or more than any request has */
    len = 8;
    usb_bench_packet(c.dev, USB_SETUP, 0, leds, &len);
    len = 0;
    assert_int_equal(usb_bench_packet(c.dev, USB_IN, 0, data, &len), USB_STALL);
    len = 8;
    usb_bench_packet(c.dev, USB_SETUP, 0, leds, &len);
    len = 2;
    assert_int_equal(usb_bench_packet(c.dev, USB_OUT, 0, data, &len), USB_STALL);
    len = 8;
    usb_bench_packet(c.dev, USB_SETUP, 0, huge, &len);
    len = 64;
    assert_int_equal(usb_bench_packet(c.dev, USB_OUT, 0, data, &len), USB_STALL);
    /* a setup packet that is too short */
    len = 7;
    assert_int_equal(usb_bench_packet(c.dev, USB_SETUP, 0, leds, &len), USB_OK);
    len = 8;
    assert_int_equal(usb_bench_packet(c.dev, USB_IN, 0, data, &len), USB_STALL);
    /* after a STALL the next setup packet is taken */
    assert_int_equal(get(&c, 0x80, 6, 0x0100, 0, 18, data, &len), USB_OK);
    assert_int_equal(len, 18);
    end(&c);
}

/* ---- the tablet ---- */

static void test_tablet(void **state) {
    struct ctx c;
    (void)state;
    begin(&c, HID_TABLET, false);
    usb_bench_configure(c.dev, 1);
    say(&c, INPUT_ABS, INPUT_X, 5); /* a configuration alone is no driver: not for it */
    assert_false(input_has_abs(c.fx.input));
    expect_nak(&c);
    assert_true(input_has_abs(c.fx.input));
    send(&c, INPUT_ABS, INPUT_X, 0x1234);
    send(&c, INPUT_ABS, INPUT_Y, 0x7fff);
    assert_int_equal(c.bench.ready[1][1], 0);
    input_sync(c.fx.input);
    assert_int_equal(c.bench.ready[1][1], 1);
    EXPECT(&c, 0, 0x34, 0x12, 0xff, 0x7f, 0);
    expect_nak(&c);
    /* beyond the edge; the same place again is no news */
    say(&c, INPUT_ABS, INPUT_X, 0x9000);
    EXPECT(&c, 0, 0xff, 0x7f, 0xff, 0x7f, 0);
    say(&c, INPUT_ABS, INPUT_X, 0x7fff);
    expect_nak(&c);
    /* motion that nobody fetched is one report, clicks are not lost */
    for (int i = 0; i < 100; i++)
        say(&c, INPUT_ABS, INPUT_X, i);
    say(&c, INPUT_BUTTON, BTN_LEFT, 1);
    say(&c, INPUT_BUTTON, BTN_LEFT, 0);
    say(&c, INPUT_REL, INPUT_WHEEL, 1);
    EXPECT(&c, 0, 99, 0, 0xff, 0x7f, 0);
    EXPECT(&c, 1, 99, 0, 0xff, 0x7f, 0);
    EXPECT(&c, 0, 99, 0, 0xff, 0x7f, 0);
    EXPECT(&c, 0, 99, 0, 0xff, 0x7f, 1);
    expect_nak(&c);
    /* a click within one group shows twice; the side buttons are 4 and 5 */
    send(&c, INPUT_BUTTON, BTN_EXTRA, 1);
    send(&c, INPUT_BUTTON, BTN_EXTRA, 0);
    say(&c, INPUT_BUTTON, BTN_SIDE, 1);
    EXPECT(&c, 0x10, 99, 0, 0xff, 0x7f, 0);
    EXPECT(&c, 0x08, 99, 0, 0xff, 0x7f, 0);
    expect_nak(&c);
    end(&c);
}

static void test_tablet_floods(void **state) {
    struct ctx c;
    (void)state;
    begin(&c, HID_TABLET, true);
    for (int i = 0; i < 1001; i++)
        say(&c, INPUT_BUTTON, BTN_LEFT, !(i & 1));
    unsigned n = 0;
    uint8_t got[6] = {0};
    size_t len = sizeof(got);
    for (; usb_bench_packet(c.dev, USB_IN, 1, got, &len) == USB_OK; len = sizeof(got))
        n++;
    assert_in_range(n, 8, 64);     /* some clicks are one, */
    assert_int_equal(got[0], 0x01); /* but none sticks: down is how the button is */
    end(&c);
}

/* ---- the mouse ---- */

static void test_mouse(void **state) {
    struct ctx c;
    (void)state;
    begin(&c, HID_MOUSE, true);
    assert_false(input_has_abs(c.fx.input));
    say(&c, INPUT_REL, INPUT_X, 300);
    say(&c, INPUT_REL, INPUT_Y, -5);
    EXPECT(&c, 0, 127, 0xfb, 0);
    EXPECT(&c, 0, 127, 0, 0);
    EXPECT(&c, 0, 46, 0, 0);
    expect_nak(&c);
    say(&c, INPUT_BUTTON, BTN_RIGHT, 1);
    say(&c, INPUT_REL, INPUT_WHEEL, -1);
    EXPECT(&c, 2, 0, 0, 0);
    EXPECT(&c, 2, 0, 0, 0xff);
    /* HID 1.11, 7.2.6 and appendix B.2: boot protocol has three bytes and no wheel */
    assert_int_equal(set(&c, 0x21, 0x0b, 0, 0), USB_OK);
    say(&c, INPUT_REL, INPUT_WHEEL, -1);
    EXPECT(&c, 2, 0, 0);
    say(&c, INPUT_REL, INPUT_X, 1);
    EXPECT(&c, 2, 1, 0);
    expect_nak(&c);
    end(&c);
}

/* ---- the keyboard ---- */

static void test_keyboard(void **state) {
    struct ctx c;
    uint8_t data[8];
    size_t len;
    (void)state;
    begin(&c, HID_KEYBOARD, true);
    key(&c, KEY_LEFTSHIFT, true);
    key(&c, KEY_A, true);
    key(&c, KEY_A, true); /* auto-repeat is the guest's */
    key(&c, KEY_A, false);
    key(&c, KEY_LEFTSHIFT, false);
    EXPECT(&c, 2, 0, 0, 0, 0, 0, 0, 0);
    EXPECT(&c, 2, 0, 4, 0, 0, 0, 0, 0);
    EXPECT(&c, 2, 0, 0, 0, 0, 0, 0, 0);
    EXPECT(&c, 0, 0, 0, 0, 0, 0, 0, 0);
    expect_nak(&c);
    /* appendix C: more keys than fit are a roll-over error, modifiers still count */
    static const unsigned keys[] = {KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F};
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
        key(&c, keys[i], true);
    key(&c, KEY_RIGHTCTRL, true);
    key(&c, KEY_G, true);
    key(&c, KEY_G, false);
    for (unsigned i = 0; i < 5; i++)
        len = sizeof(data), usb_bench_packet(c.dev, USB_IN, 1, data, &len);
    EXPECT(&c, 0, 0, 4, 5, 6, 7, 8, 9);
    EXPECT(&c, 0x10, 0, 4, 5, 6, 7, 8, 9);
    EXPECT(&c, 0x10, 0, 1, 1, 1, 1, 1, 1);
    EXPECT(&c, 0x10, 0, 4, 5, 6, 7, 8, 9);
    /* GET_REPORT is what is down now */
    assert_int_equal(get(&c, 0xa1, 1, 0x0100, 0, 8, data, &len), USB_OK);
    assert_memory_equal(data, "\x10\0\4\5\6\7\10\11", 8);
    /* the lights */
    data[0] = 0x02;
    assert_int_equal(get(&c, 0x21, 9, 0x0200, 0, 1, data, &len), USB_OK);
    data[0] = 0xff;
    assert_int_equal(get(&c, 0xa1, 1, 0x0200, 0, 1, data, &len), USB_OK);
    assert_int_equal(data[0], 0x02);
    end(&c);
}

/* HID 1.11, 7.2.4: 4 ms units; 0 is for ever. Time runs from an answer or from being asked. */
static void test_idle(void **state) {
    struct ctx c;
    uint8_t data[8];
    size_t len;
    (void)state;
    begin(&c, HID_KEYBOARD, true);
    key(&c, KEY_Z, true);
    EXPECT(&c, 0, 0, 0x1d, 0, 0, 0, 0, 0);
    expect_nak(&c);
    fixture_sleep(&c.fx, NS_PER_SEC);
    expect_nak(&c);
    assert_int_equal(set(&c, 0x21, 0x0a, 10 << 8, 0), USB_OK);
    get(&c, 0xa1, 2, 0, 0, 1, data, &len);
    assert_int_equal(data[0], 10);
    expect_nak(&c);
    unsigned before = c.bench.ready[1][1];
    fixture_sleep(&c.fx, 39 * NS_PER_MS);
    assert_int_equal(c.bench.ready[1][1], before);
    expect_nak(&c);
    fixture_sleep(&c.fx, 2 * NS_PER_MS);
    assert_int_equal(c.bench.ready[1][1], before + 1);
    EXPECT(&c, 0, 0, 0x1d, 0, 0, 0, 0, 0);
    /* nobody asks: no timer */
    assert_true(clock_next(c.fx.clock) == TIMER_NEVER);
    end(&c);
}

/* ---- plugging ---- */

static void test_plugging(void **state) {
    struct ctx c;
    (void)state;
    begin(&c, HID_KEYBOARD, true);
    struct usb_device *second =
        hid_new(&(struct hid_pins){.kind = HID_MOUSE, .input = c.fx.input, .clock = c.fx.clock});
    assert_false(usb_attach(&c.bench.port, second)); /* taken */
    key(&c, KEY_A, true);
    usb_detach(c.dev);
    assert_int_equal(c.bench.detached, 1);
    usb_detach(c.dev);
    assert_int_equal(c.bench.detached, 1);
    c.bench.port.speeds = 1u << USB_SUPER;
    assert_false(usb_attach(&c.bench.port, second)); /* no common speed */
    c.bench.port.speeds = 1u << USB_FULL;
    assert_true(usb_attach(&c.bench.port, second));
    assert_ptr_equal(usb_find_port(&c.bench.port, 1, "1"), &c.bench.port);
    assert_null(usb_find_port(&c.bench.port, 1, ""));
    static const char *const none[] = {"2", "0", "1.1", "x", "1.", ".1", "99999", "-1"};
    for (unsigned i = 0; i < ARRAY_LEN(none); i++)
        assert_null(usb_find_port(&c.bench.port, 1, none[i]));
    c.bench.port.enabled = false;
    assert_null(usb_find(&c.bench.port, 0));
    second->ops->chip->free(second); /* unplugs itself */
    assert_null(c.bench.port.device);
    assert_ptr_equal(usb_find_port(&c.bench.port, 1, NULL), &c.bench.port);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors),    cmocka_unit_test(test_states),
        cmocka_unit_test(test_control_stages),
        cmocka_unit_test(test_leds), cmocka_unit_test(test_tablet),
        cmocka_unit_test(test_tablet_floods),  cmocka_unit_test(test_mouse),
        cmocka_unit_test(test_keyboard),       cmocka_unit_test(test_idle),
        cmocka_unit_test(test_plugging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
