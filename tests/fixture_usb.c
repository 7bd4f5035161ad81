/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See fixture_usb.h.
 */
#include "fixture_usb.h"

#include "core/bits.h"

static void attached(void *dev, unsigned port) {
    (void)port;
    ((struct usb_bench *)dev)->attached++;
}

static void detached(void *dev, unsigned port) {
    (void)port;
    ((struct usb_bench *)dev)->detached++;
}

static void ready(void *dev, struct usb_device *device, unsigned ep, bool in) {
    struct usb_bench *bench = dev;
    bench->ready[in][ep]++;
    bench->last_ready = device;
}

static void wakeup(void *dev, unsigned port) {
    (void)port;
    ((struct usb_bench *)dev)->wakeups++;
}

static const struct usb_port_ops bench_ops = {attached, detached, ready, wakeup};

void usb_bench_init(struct usb_bench *bench, unsigned speeds) {
    *bench = (struct usb_bench){0};
    bench->port = (struct usb_port){
        .ops = &bench_ops, .dev = bench, .speeds = speeds, .enabled = true};
}

enum usb_result usb_bench_packet(struct usb_device *dev, enum usb_pid pid, unsigned ep, void *buf,
                                 size_t *len) {
    struct iovec iov = {buf, *len};
    struct usb_transfer t = {.pid = pid, .ep = (uint8_t)ep, .iov = &iov, .niov = 1, .len = *len};
    enum usb_result result = usb_submit(dev, &t);
    *len = t.actual;
    return result;
}

enum usb_result usb_bench_control(struct usb_device *dev, uint8_t request_type, uint8_t request,
                                  uint16_t value, uint16_t index, uint16_t length, void *data,
                                  size_t packet, size_t *len) {
    uint8_t setup[8] = {request_type, request};
    store_le16(&setup[2], value);
    store_le16(&setup[4], index);
    store_le16(&setup[6], length);
    size_t n = sizeof(setup), done = 0;
    bool in = request_type & 0x80;
    enum usb_result result = usb_bench_packet(dev, USB_SETUP, 0, setup, &n);
    while (result == USB_OK && done < length) {
        size_t want = MIN(packet, length - done);
        n = want;
        result = usb_bench_packet(dev, in ? USB_IN : USB_OUT, 0, (uint8_t *)data + done, &n);
        done += result == USB_OK ? n : 0;
        if (n < want)
            break;
    }
    if (len)
        *len = done;
    n = 0;
    if (result == USB_OK)
        result = usb_bench_packet(dev, in && length ? USB_OUT : USB_IN, 0, NULL, &n);
    return result;
}

bool usb_bench_configure(struct usb_device *dev, uint8_t address) {
    return usb_bench_control(dev, 0, 5, address, 0, 0, NULL, 64, NULL) == USB_OK &&
           usb_bench_control(dev, 0, 9, 1, 0, 0, NULL, 64, NULL) == USB_OK;
}
