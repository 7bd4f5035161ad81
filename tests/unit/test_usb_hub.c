/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hub: USB 2.0, 11.12 (status change), 11.23 (descriptors), 11.24 (requests).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"
#include "fixture_usb.h"
#include "usb/hid.h"
#include "usb/hub.h"

enum { POWER = 8, RESET = 4, SUSPEND = 2, ENABLE = 1, C_CONNECTION = 16, C_SUSPEND = 18,
       C_RESET = 20 };

struct ctx {
    struct fixture fx;
    struct usb_bench bench;
    struct usb_device *hub, *mouse;
};

static void begin(struct ctx *c) {
    fixture_init(&c->fx);
    usb_bench_init(&c->bench, 1u << USB_FULL);
    c->hub = hub_new(NULL, NULL);
    c->mouse = hid_new(&(struct hid_pins){
        .kind = HID_MOUSE, .input = c->fx.input, .clock = c->fx.clock});
    assert_true(usb_attach(&c->bench.port, c->hub));
    assert_true(usb_bench_configure(c->hub, 2));
}

static void end(struct ctx *c) {
    c->mouse->ops->chip->free(c->mouse);
    c->hub->ops->chip->free(c->hub);
    fixture_done(&c->fx);
}

static enum usb_result port(struct ctx *c, bool set, unsigned feature, unsigned n) {
    return usb_bench_control(c->hub, 0x23, set ? 3 : 1, (uint16_t)feature, (uint16_t)n, 0, NULL, 8,
                             NULL);
}

static uint32_t status(struct ctx *c, unsigned n) {
    uint8_t data[4] = {0};
    size_t len;
    assert_int_equal(usb_bench_control(c->hub, 0xa3, 0, 0, (uint16_t)n, 4, data, 8, &len), USB_OK);
    assert_int_equal(len, 4);
    return load_le32(data);
}

/* The status change endpoint: its bitmap, or -1 for NAK. */
static int changes(struct ctx *c) {
    uint8_t data[2];
    size_t len = sizeof(data);
    if (usb_bench_packet(c->hub, USB_IN, 1, data, &len) == USB_NAK)
        return -1;
    assert_int_equal(len, 2);
    return load_le16(data);
}

static void test_ports(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    assert_int_equal(changes(&c), -1);
    assert_int_equal(status(&c, 3), 0); /* no power yet */
    struct usb_port *third = usb_find_port(&c.bench.port, 1, "1.3");
    assert_true(usb_attach(third, c.mouse));
    assert_int_equal(status(&c, 3), 0);
    assert_int_equal(port(&c, true, POWER, 3), USB_OK);
    assert_int_equal(status(&c, 3), 0x00010101);
    assert_int_equal(c.bench.ready[1][1], 1);
    assert_int_equal(changes(&c), 1 << 3);
    port(&c, false, C_CONNECTION, 3);
    assert_int_equal(changes(&c), -1);
    /* only an enabled port lets traffic through */
    assert_null(usb_find(&c.bench.port, 0));
    port(&c, true, RESET, 3);
    assert_int_equal(status(&c, 3), 0x00100103);
    assert_ptr_equal(usb_find(&c.bench.port, 0), c.mouse);
    port(&c, false, C_RESET, 3);
    assert_true(usb_bench_configure(c.mouse, 7));
    assert_ptr_equal(usb_find(&c.bench.port, 7), c.mouse);
    port(&c, true, SUSPEND, 3);
    assert_int_equal(status(&c, 3), 0x00000107);
    assert_null(usb_find(&c.bench.port, 7));
    port(&c, false, SUSPEND, 3);
    assert_int_equal(status(&c, 3), 0x00040103);
    port(&c, false, C_SUSPEND, 3);
    port(&c, false, ENABLE, 3);
    assert_null(usb_find(&c.bench.port, 7));
    /* unplugged; plugged in again; power taken away */
    usb_detach(c.mouse);
    assert_int_equal(status(&c, 3), 0x00010100);
    assert_true(usb_attach(third, c.mouse));
    assert_int_equal(status(&c, 3), 0x00010101);
    port(&c, false, POWER, 3);
    assert_int_equal(status(&c, 3), 0);
    end(&c);
}

static void test_requests(void **state) {
    struct ctx c;
    uint8_t data[64];
    size_t len;
    (void)state;
    begin(&c);
    assert_int_equal(usb_bench_control(c.hub, 0xa0, 6, 0x2900, 0, 64, data, 8, &len), USB_OK);
    assert_int_equal(len, data[0]);
    assert_int_equal(data[1], 0x29);
    assert_int_equal(data[2], 8);
    assert_int_equal(usb_bench_control(c.hub, 0xa0, 0, 0, 0, 4, data, 8, &len), USB_OK);
    assert_int_equal(load_le32(data), 0);
    assert_int_equal(port(&c, true, POWER, 0), USB_STALL); /* ports count from 1 */
    assert_int_equal(port(&c, true, POWER, 9), USB_STALL);
    assert_int_equal(port(&c, true, 99, 1), USB_STALL);
    assert_int_equal(port(&c, true, RESET, 1), USB_OK); /* nobody there: nothing happens */
    assert_int_equal(status(&c, 1), 0);
    end(&c);
}

/* 11.9: what wakes behind a sleeping port is passed on, and what a device has to say too. */
static void test_news_from_behind(void **state) {
    struct ctx c;
    (void)state;
    begin(&c);
    assert_true(usb_attach(usb_find_port(&c.bench.port, 1, NULL), c.mouse));
    port(&c, true, POWER, 1);
    port(&c, true, RESET, 1);
    assert_true(usb_bench_configure(c.mouse, 7));
    usb_bench_control(c.mouse, 0, 3, 1, 0, 0, NULL, 8, NULL);
    uint8_t report[4]; /* asked once, it wants people's input */
    size_t len = sizeof(report);
    assert_int_equal(usb_bench_packet(c.mouse, USB_IN, 1, report, &len), USB_NAK);
    port(&c, true, SUSPEND, 1);
    const struct input_event event = {INPUT_REL, INPUT_X, 1};
    input_send(c.fx.input, &event);
    input_sync(c.fx.input);
    assert_int_equal(c.bench.wakeups, 1);
    assert_int_equal(status(&c, 1) & 0x00040007, 0x00040003);
    assert_ptr_equal(usb_find(&c.bench.port, 7), c.mouse);
    assert_int_equal(changes(&c), 1 << 1);
    /* a reset of the hub: no port has power */
    usb_reset(c.hub);
    assert_true(usb_bench_configure(c.hub, 2));
    assert_int_equal(status(&c, 1), 0);
    assert_null(usb_find(&c.bench.port, 7));
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_news_from_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
