/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done with a USB device of the host as a whole: taken from the host's drivers, configured,
 * reset, given back. In its thread (usb_priv.h), for each of these may take seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "usb_priv.h"

static void complain(struct host *h, const char *what, const char *why) {
    snprintf(h->why, sizeof(h->why), "%.120s: %.70s", what, why);
}

static uint32_t interfaces(const struct host *h) {
    return usb_desc_interfaces(h->found.descriptors, h->found.descriptors_len, h->config);
}

static void release_all(struct host *h) {
    for (int i = 0; i < USB_DESC_INTERFACES; i++)
        if (h->claimed >> i & 1)
            usb_lib.release_interface(h->handle, i);
    h->claimed = 0;
    memset(h->settings, 0, sizeof(h->settings)); /* the kernel does the same when it lets go */
}

static int claim(struct host *h, int number) {
    if (h->claimed >> number & 1)
        return 0;
    if (usb_lib.kernel_driver_active(h->handle, number) == 1) {
        int rc = usb_lib.detach_kernel_driver(h->handle, number);
        if (rc)
            return rc;
        h->detached |= 1u << number;
    }
    int rc = usb_lib.claim_interface(h->handle, number);
    if (!rc)
        h->claimed |= 1u << number;
    return rc;
}

static int claim_all(struct host *h) {
    uint32_t wanted = interfaces(h);
    for (int i = 0; i < USB_DESC_INTERFACES; i++) {
        int rc = wanted >> i & 1 ? claim(h, i) : 0;
        if (rc) {
            char what[64];
            snprintf(what, sizeof(what), "interface %d can't be had", i);
            complain(h, what, usb_lib.strerror(rc));
            return rc;
        }
    }
    return 0;
}

int usb_device_open(struct host *h) {
    int config = 0;
    h->fd = open(h->path, O_RDWR | O_CLOEXEC);
    if (h->fd < 0) {
        complain(h, h->path, strerror(errno));
        return LIBUSB_ERROR_ACCESS;
    }
    int rc = usb_lib.init(&h->ctx);
    if (!rc)
        rc = usb_lib.wrap_sys_device(h->ctx, h->fd, &h->handle);
    if (rc) {
        complain(h, "libusb does not take it", usb_lib.strerror(rc));
        return rc;
    }
    if (usb_lib.get_configuration(h->handle, &config) || config <= 0 || config > 0xff)
        config = 0; /* the guest will choose one */
    h->config = h->first_config = (uint8_t)config;
    h->dirty = true;
    return claim_all(h);
}

int usb_device_configure(struct host *h, uint8_t value) {
    int rc = 0;
    if (!value) { /* the host's is not taken away: its kernel would bind nothing to it later */
        release_all(h);
        return 0;
    }
    if (value != h->config) {
        release_all(h);
        rc = usb_lib.set_configuration(h->handle, value);
        if (rc)
            return rc;
        h->config = value;
    }
    rc = claim_all(h);
    *h->why = 0; /* the guest is told */
    for (uint8_t i = 0; !rc && i < USB_DESC_INTERFACES; i++)
        if (h->settings[i])
            rc = usb_device_interface(h, i, 0);
    return rc;
}

int usb_device_interface(struct host *h, uint8_t number, uint8_t setting) {
    if (!(h->claimed >> number & 1))
        return LIBUSB_ERROR_NOT_FOUND;
    int rc = usb_lib.set_interface(h->handle, number, setting);
    if (!rc)
        h->settings[number] = setting;
    return rc;
}

/* After a reset that finds another device (NOT_FOUND: its firmware was loaded, say) it is gone. */
int usb_device_reset(struct host *h) {
    if (!h->dirty)
        return 0;
    int rc = usb_lib.reset_device(h->handle);
    if (!rc)
        h->dirty = false;
    return rc == LIBUSB_ERROR_NOT_FOUND ? LIBUSB_ERROR_NO_DEVICE : rc;
}

/* As it was found: the host's drivers get a device after a reset, in the configuration it had. One
 * that was pulled out refuses each of these at once. */
void usb_device_give_back(struct host *h) {
    if (h->handle) {
        release_all(h);
        if (h->first_config && h->first_config != h->config)
            usb_lib.set_configuration(h->handle, h->first_config);
        usb_device_reset(h);
        for (int i = 0; i < USB_DESC_INTERFACES; i++)
            if (h->detached >> i & 1)
                usb_lib.attach_kernel_driver(h->handle, i);
        usb_lib.close(h->handle);
    }
    if (h->ctx)
        usb_lib.exit(h->ctx);
    if (h->fd >= 0)
        close(h->fd);
}
