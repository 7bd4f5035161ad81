/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of libusb's functions. See usb_lib.h.
 */
#include "usb_lib.h"

#include "core/bits.h"
#include "late.h"

struct usb_lib usb_lib;

static const struct late_symbol symbols[] = {
    LATE(usb_lib, init, "libusb_init"),
    LATE(usb_lib, exit, "libusb_exit"),
    LATE(usb_lib, set_option, "libusb_set_option"),
    LATE(usb_lib, wrap_sys_device, "libusb_wrap_sys_device"),
    LATE(usb_lib, close, "libusb_close"),
    LATE(usb_lib, get_pollfds, "libusb_get_pollfds"),
    LATE(usb_lib, free_pollfds, "libusb_free_pollfds"),
    LATE(usb_lib, handle_events, "libusb_handle_events_timeout_completed"),
    LATE(usb_lib, get_configuration, "libusb_get_configuration"),
    LATE(usb_lib, set_configuration, "libusb_set_configuration"),
    LATE(usb_lib, claim_interface, "libusb_claim_interface"),
    LATE(usb_lib, release_interface, "libusb_release_interface"),
    LATE(usb_lib, set_interface, "libusb_set_interface_alt_setting"),
    LATE(usb_lib, clear_halt, "libusb_clear_halt"),
    LATE(usb_lib, reset_device, "libusb_reset_device"),
    LATE(usb_lib, kernel_driver_active, "libusb_kernel_driver_active"),
    LATE(usb_lib, detach_kernel_driver, "libusb_detach_kernel_driver"),
    LATE(usb_lib, attach_kernel_driver, "libusb_attach_kernel_driver"),
    LATE(usb_lib, alloc_transfer, "libusb_alloc_transfer"),
    LATE(usb_lib, free_transfer, "libusb_free_transfer"),
    LATE(usb_lib, submit_transfer, "libusb_submit_transfer"),
    LATE(usb_lib, cancel_transfer, "libusb_cancel_transfer"),
    LATE(usb_lib, strerror, "libusb_strerror"),
};

bool usb_lib_load(char *why, size_t why_len) {
    static struct late lib = {.file = "libusb-1.0.so.0", .package = "libusb-1.0-0",
                              .symbols = symbols, .count = ARRAY_LEN(symbols)};
    return usb_lib.init || late_load(&lib, why, why_len);
}
