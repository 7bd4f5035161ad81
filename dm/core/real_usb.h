/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB device of the host, as the chip that stands for it in the guest sees it. Everything is
 * started and answered later, for nobody knows how long a real device takes. dm/host implements
 * it. One thread.
 */
#ifndef CORE_REAL_USB_H
#define CORE_REAL_USB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h> /* struct iovec, the type only */

#include "usb_desc.h"

struct real_usb;

enum real_usb_kind {
    REAL_CONTROL, REAL_BULK, REAL_INTERRUPT,
    REAL_CONFIGURE, /* `value` is the configuration, 0: none */
    REAL_INTERFACE, /* `value` is the interface, `setting` its new one */
    REAL_UNHALT,    /* the endpoint */
    REAL_RESET,
};

enum real_usb_result { REAL_OK, REAL_STALL, REAL_ERROR, REAL_BABBLE };

/* The data of the longest control transfer. */
enum { REAL_CONTROL_MAX = 4096 };

struct real_usb_req {
    enum real_usb_kind kind;
    uint8_t endpoint; /* with 80h for IN */
    uint8_t setup[8]; /* of a CONTROL */
    uint8_t value, setting;
    const struct iovec *iov; /* the data; IN: the memory stays until it is done or cancelled */
    unsigned niov;
    size_t len; /* the sum of iov */
    size_t packet; /* IN: what the device sends comes in packets of this size; 0: as asked for */
};

struct real_usb_ops {
    /* Returns a handle for `cancel`; NULL: it can't be done. `done` follows, never from inside. */
    void *(*start)(struct real_usb *real, const struct real_usb_req *req, void *owner);
    /* `done` is not called. What IN data had come already is the next request's. */
    void (*cancel)(struct real_usb *real, void *handle);
    /* Nothing is under way. The host gets its device back, `real` is gone. */
    void (*close)(struct real_usb *real);
};

struct real_usb {
    const struct real_usb_ops *ops;
    const char *name;           /* "1.3 (0951:1666)" */
    const uint8_t *descriptors; /* usb_desc_sound */
    size_t descriptors_len;
    enum usb_speed speed;
    /* the chip's; `actual` is at most len */
    void (*done)(void *arg, void *owner, enum real_usb_result result, size_t actual);
    void (*gone)(void *arg); /* somebody has pulled it out; at most once */
    void *arg;
};

#endif
