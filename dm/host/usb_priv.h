/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the loop's side of a USB device (usb_host.c) and the thread that owns it (usb_thread.c).
 *
 * All of usbfs' calls take the device's lock, which a reset, a change of settings or the killing
 * of a transfer may hold for seconds; claiming and releasing wait for drivers. So a device has a
 * thread that makes all of libusb's calls, and may block for as long as it likes. The loop gives it
 * orders, it gives back jobs: two lists under one lock, each with an eventfd. Neither has a time
 * limit: transfers are made without, so nothing ticks.
 */
#ifndef HOST_USB_PRIV_H
#define HOST_USB_PRIV_H

#include <pthread.h>

#include "core/real_usb.h"
#include "loop.h"
#include "usb_find.h"
#include "usb_lib.h"

enum { JOB_SETUP = 8, WHY_LEN = 200 };

struct job;

struct order {
    struct order *next;
    struct job *job; /* NULL: the end */
    bool cancel;
};

/* What the chip started: from `start` until the chip was told, or the thread knows that it never
 * will be. */
struct job {
    struct order start, cancel;
    struct host *host;
    struct job *next; /* of those that are done, or spare */
    size_t room;      /* of `bytes` behind the setup packet */
    /* set before the thread sees it */
    enum real_usb_kind kind;
    uint8_t endpoint, value, setting;
    size_t len, ask; /* IN: ask for so much; what is beyond len is kept */
    /* the loop's */
    const struct iovec *iov;
    unsigned niov;
    void *owner;
    bool cancelled;
    /* the thread's */
    struct libusb_transfer *transfer; /* in flight, or NULL */
    bool cancelling, finished;
    /* the thread's until it is in the list */
    enum real_usb_result result;
    size_t actual;
    /* under the lock */
    bool queued; /* in the list of those that are done */
    bool over;   /* cancelled, and the thread has done with it */
    uint8_t bytes[];
};

/* IN data that came for a request that nobody waits for any more, or beyond what one wanted. */
struct left {
    uint8_t *bytes;
    size_t at, len;
};

struct host {
    struct real_usb real;
    struct host *next; /* of all there are: usb_host.c */
    unsigned serial;   /* the order in which they were opened */
    struct usb_found found;
    char name[32], path[300];
    /* the loop's */
    struct loop *loop;
    struct loop_fd news; /* an eventfd: jobs are done, or something happened */
    pthread_t thread;
    bool closed, told; /* told: the chip, that the device is gone */
    unsigned jobs;
    size_t bytes; /* that those have */
    struct job *spare;
    unsigned spares;
    struct order end;
    /* under the lock */
    pthread_mutex_t lock;
    struct order *orders, **orders_end;
    struct job *done, **done_end;
    bool lost, ended;
    char why[WHY_LEN]; /* lost: the reason; empty: it was pulled out */
    /* the thread's */
    int wake; /* an eventfd: there are orders */
    int fd;   /* the device */
    libusb_context *ctx;
    libusb_device_handle *handle;
    bool dead;  /* as lost */
    bool dirty; /* it isn't as after a reset */
    uint8_t config, first_config;
    uint8_t settings[USB_DESC_INTERFACES];
    uint32_t claimed, detached; /* interfaces */
    unsigned in_flight;
    struct left left[USB_DESC_ENDPOINTS];
};

/* The thread. */
void *usb_thread(void *host);

/* usb_device.c: the slow calls, made by the thread. Results are libusb's. */
int usb_device_open(struct host *host);    /* else host->why is set */
int usb_device_configure(struct host *host, uint8_t value);
int usb_device_interface(struct host *host, uint8_t number, uint8_t setting);
int usb_device_reset(struct host *host);
void usb_device_give_back(struct host *host);

/* usb_host.c: waits until those opened before have given the same device back; `ended` says that
 * this one has. */
void usb_host_take_turn(struct host *host);
void usb_host_ended(struct host *host);

#endif
