/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libusb, loaded when the first USB device of the host is asked for. Its functions without their
 * prefix.
 */
#ifndef HOST_USB_LIB_H
#define HOST_USB_LIB_H

#include <libusb-1.0/libusb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct usb_lib {
    int (*init)(libusb_context **ctx);
    void (*exit)(libusb_context *ctx);
    int (*set_option)(libusb_context *ctx, enum libusb_option option, ...);
    int (*wrap_sys_device)(libusb_context *ctx, intptr_t fd, libusb_device_handle **handle);
    void (*close)(libusb_device_handle *handle);
    const struct libusb_pollfd **(*get_pollfds)(libusb_context *ctx);
    void (*free_pollfds)(const struct libusb_pollfd **fds);
    int (*handle_events)(libusb_context *ctx, struct timeval *timeout, int *completed);
    int (*get_configuration)(libusb_device_handle *handle, int *config);
    int (*set_configuration)(libusb_device_handle *handle, int config);
    int (*claim_interface)(libusb_device_handle *handle, int number);
    int (*release_interface)(libusb_device_handle *handle, int number);
    int (*set_interface)(libusb_device_handle *handle, int number, int setting);
    int (*clear_halt)(libusb_device_handle *handle, unsigned char endpoint);
    int (*reset_device)(libusb_device_handle *handle);
    int (*kernel_driver_active)(libusb_device_handle *handle, int number);
    int (*detach_kernel_driver)(libusb_device_handle *handle, int number);
    int (*attach_kernel_driver)(libusb_device_handle *handle, int number);
    struct libusb_transfer *(*alloc_transfer)(int iso_packets);
    void (*free_transfer)(struct libusb_transfer *transfer);
    int (*submit_transfer)(struct libusb_transfer *transfer);
    int (*cancel_transfer)(struct libusb_transfer *transfer);
    const char *(*strerror)(int code);
};

extern struct usb_lib usb_lib;

/* False: `why` names what is missing. A test that has filled the table in has it loaded. */
bool usb_lib_load(char *why, size_t why_len);

#endif
