/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB host for tests of devices: one port, transfers made by hand, and what the device said to
 * the port written down.
 */
#ifndef TESTS_FIXTURE_USB_H
#define TESTS_FIXTURE_USB_H

#include "usb/usb.h"

struct usb_bench {
    struct usb_port port;
    unsigned attached, detached, wakeups;
    unsigned ready[2][USB_ENDPOINTS]; /* [out, in] */
    struct usb_device *last_ready;
};

/* The port takes devices of these speeds: 1 << USB_FULL | ... */
void usb_bench_init(struct usb_bench *bench, unsigned speeds);

/* One packet or more: result, and in *len how many bytes of buf moved. */
enum usb_result usb_bench_packet(struct usb_device *dev, enum usb_pid pid, unsigned ep, void *buf,
                                 size_t *len);

/*
 * A whole control transfer in packets of `packet` bytes: setup, data, status. Returns the first
 * result that isn't USB_OK; *len is what IN data came.
 */
enum usb_result usb_bench_control(struct usb_device *dev, uint8_t request_type, uint8_t request,
                                  uint16_t value, uint16_t index, uint16_t length, void *data,
                                  size_t packet, size_t *len);

/* SET_ADDRESS and SET_CONFIGURATION, as every driver does. */
bool usb_bench_configure(struct usb_device *dev, uint8_t address);

#endif
