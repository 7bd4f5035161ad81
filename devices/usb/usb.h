/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between a USB host controller and a USB device. Controllers hand over transfers: for UHCI that is
 * one packet of a TD, for xHCI a whole TRB chain; a device neither knows nor cares which. Control
 * transfers reach a device whole (setup, then its data), whatever stages the controller has.
 *
 * Nobody polls: a device that answers NAK calls usb_ready when it would answer otherwise, and the
 * controller looks at that endpoint again only then, or when the guest changed something. Document:
 * USB 2.0. One thread.
 */
#ifndef DEVICES_USB_USB_H
#define DEVICES_USB_USB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h> /* struct iovec, the type only */

#include "core/device.h"
#include "core/state.h"
#include "core/usb_desc.h" /* enum usb_speed */

/* USB 2.0, 8.3.1 */
enum usb_pid { USB_OUT = 0xe1, USB_IN = 0x69, USB_SETUP = 0x2d };

enum usb_result {
    USB_OK,      /* `actual` bytes were moved */
    USB_NAK,     /* nothing to give or to take now: usb_ready follows */
    USB_STALL,
    USB_ERROR,   /* no answer, or a broken one */
    USB_BABBLE,  /* the device had more than asked for: `actual` bytes are there */
    USB_PENDING, /* `done` will be called, never from inside the call that says so */
};

/* USB_CONTROL_MAX: the longest data stage of a device that usb.c answers for. */
enum { USB_CONTROL_MAX = 1024, USB_PORTS_MAX = 16, USB_ENDPOINTS = 16, USB_INTERFACES = 8 };

struct usb_device;

/*
 * A transfer on one endpoint. SETUP carries 8 bytes and is answered at once; its data and status
 * stages follow on endpoint 0. Embedded in the controller's own struct. The memory behind iov stays
 * until the result is there.
 */
struct usb_transfer {
    enum usb_pid pid;
    uint8_t ep; /* number, 0 to 15 */
    const struct iovec *iov;
    unsigned niov;
    size_t len; /* the sum of iov */
    size_t actual;
    enum usb_result result;
    void (*done)(struct usb_transfer *transfer); /* after PENDING; may submit anew */
    void *owner;
    /* the device's own, from submit to done */
    struct usb_device *device;
    struct usb_transfer *next;
    void *scratch;
};

/* Where a device is plugged in: the controller's or a hub's half. */
struct usb_port_ops {
    void (*attached)(void *dev, unsigned port); /* also when it replaces another */
    void (*detached)(void *dev, unsigned port); /* all transfers have ended */
    /* The device may be far behind the port: a hub hands this on to where it is plugged in. */
    void (*ready)(void *dev, struct usb_device *device, unsigned ep, bool in);
    void (*wakeup)(void *dev, unsigned port); /* remote wakeup: resume signalling */
};

struct usb_port {
    const struct usb_port_ops *ops;
    void *dev;
    unsigned number; /* from 0 */
    unsigned speeds; /* 1 << USB_LOW | ...: which devices fit */
    bool enabled;    /* kept by its owner: what is behind it hears the bus */
    struct usb_device *device; /* NULL: empty */
};

/* USB 2.0, 9.3: the setup packet, in host byte order. */
struct usb_setup {
    uint8_t request_type, request;
    uint16_t value, index, length;
};

/*
 * What a kind of device does. Standard requests are usb.c's, from the descriptors. struct
 * usb_device stands first in the device's own struct.
 */
struct usb_device_ops {
    const struct device_ops *chip; /* for the machine's list; its name is the driver's: "usb-kbd" */
    /* Bus reset, after the common state's: ends what is PENDING by usb_done(USB_ERROR). Optional.
     * The chip's own reset is power-on: it calls usb_reset too. */
    void (*reset)(struct usb_device *dev);
    /*
     * A class or vendor request, or a standard one that usb.c does not know; data has setup->length
     * bytes of room (at most USB_CONTROL_MAX) or of content. Returns USB_OK or USB_STALL; *len is
     * set to what IN data there is. Optional.
     */
    enum usb_result (*control)(struct usb_device *dev, const struct usb_setup *setup,
                               uint8_t *data, size_t *len);
    /* A transfer on another endpoint than 0, of a configured device. Sets `actual`. What answers
     * STALL is halted until the guest clears it. */
    enum usb_result (*data)(struct usb_device *dev, struct usb_transfer *transfer);
    /* Ends a transfer that is PENDING without calling done, and says in `actual` what has moved.
     * NULL where nothing is ever pending. */
    void (*cancel)(struct usb_device *dev, struct usb_transfer *transfer);
    /* SET_CONFIGURATION or SET_INTERFACE was obeyed, or HALT cleared on ep; optional. */
    void (*configured)(struct usb_device *dev);
    /* Devices behind this one (hubs): the port that a path digit names; NULL: none. */
    struct usb_port *(*port)(struct usb_device *dev, unsigned number);
    /* Takes over all of endpoint 0, standard requests too (a device of the host). Optional. */
    enum usb_result (*raw)(struct usb_device *dev, struct usb_transfer *transfer);
    /* Packets that a controller has queued for an endpoint had better come as one transfer. */
    bool runs;
};

/*
 * Descriptors as bytes, as the guest reads them. At SuperSpeed what USB 3 wants different in the
 * device descriptor (bcdUSB, bMaxPacketSize0) is put in; the qualifier is made from it too.
 */
struct usb_descriptors {
    const uint8_t *device;      /* 18 bytes */
    const uint8_t *config[4];   /* wTotalLength bytes each, one a speed; NULL: as FULL */
    const uint8_t *bos;         /* or NULL */
    const char *const *strings; /* from index 1 on, NULL at the end; UTF-8 */
};

struct usb_device {
    const struct usb_device_ops *ops;
    const struct usb_descriptors *descriptors;
    enum usb_speed speed; /* as attached */
    unsigned speeds;      /* 1 << USB_FULL | ...: what it can do */
    const char *id;       /* of the -device, or "" */
    const char *serial;   /* instead of the string that iSerialNumber names, or NULL */
    /* registers */
    uint8_t address, configuration;
    uint8_t alternate[USB_INTERFACES]; /* settings of the interfaces */
    bool remote_wakeup;
    uint16_t halted[2]; /* endpoints that stall, [out, in] */
    /* hidden state: the control transfer under way */
    uint8_t stage; /* enum in usb.c */
    uint8_t setup[8];
    uint16_t control_len, control_at;
    uint8_t control[USB_CONTROL_MAX];
    /* wires */
    struct usb_port *port; /* NULL: not plugged in */
};

/* The common state of a device: F_STRUCT(struct hid, usb, usb_fields), and its `loaded`. */
extern const struct field usb_fields[];
bool usb_loaded(const struct usb_device *dev, char *why, size_t why_len);

/* ---- for controllers and hubs ---- */

/* The device at address `addr` on or behind the port if traffic gets there, or NULL. */
struct usb_device *usb_find(struct usb_port *port, uint8_t addr);
/* The device behind the port to which a route string leads (USB 3.2, 8.9) if traffic gets there. */
struct usb_device *usb_follow(struct usb_port *port, uint32_t route);
/* What SET_ADDRESS does, by a controller that sees to addresses itself. */
void usb_set_address(struct usb_device *dev, uint8_t addr);
/* Bus reset: address 0, unconfigured, nothing halted, transfers ended. */
void usb_reset(struct usb_device *dev);
/* Starts a transfer; the result is also in it. */
enum usb_result usb_submit(struct usb_device *dev, struct usb_transfer *transfer);
/* Ends what is PENDING; in the end `actual` bytes have moved. */
void usb_cancel(struct usb_transfer *transfer);

/* ---- for the board ---- */

/* False: the port is taken, or no speed of the device fits. */
bool usb_attach(struct usb_port *port, struct usb_device *dev);
void usb_detach(struct usb_device *dev); /* the guest sees it go; the device stays the caller's */
/* A path such as "1.3" (ports count from 1) from a list of root ports; "" or NULL is the first that
 * is empty, root ports before those of hubs. NULL: there is none. */
struct usb_port *usb_find_port(struct usb_port *ports, unsigned n, const char *path);

/* ---- for devices ---- */

void usb_init(struct usb_device *dev, const struct usb_device_ops *ops,
              const struct usb_descriptors *descriptors, unsigned speeds);
void usb_ready(struct usb_device *dev, unsigned ep, bool in);
void usb_wakeup(struct usb_device *dev); /* only if the guest has enabled it */
void usb_done(struct usb_transfer *transfer, enum usb_result result); /* ends one that is PENDING */
/* Copies between a transfer's memory and a buffer from `skip` on; returns the bytes copied. */
size_t usb_give(const struct usb_transfer *transfer, size_t skip, const void *buf, size_t len);
size_t usb_take(const struct usb_transfer *transfer, size_t skip, void *buf, size_t len);

#endif
