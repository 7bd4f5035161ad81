/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the specimens of USB devices share: a controller and the devices that hang from it are one
 * chip, whose state is all of theirs; and how a driver brings up a port of UHCI (Universal Host
 * Controller Interface, Rev. 1.1, section 2.1.7).
 */
#ifndef TESTS_SPECIMENS_USB_RIG_H
#define TESTS_SPECIMENS_USB_RIG_H

#include "fixture.h"
#include "usb/uhci.h"
#include "usb/usb.h"

enum { USB_RIG_DEVICES = 4 };

/* First in a specimen's own struct, if it has one. Allocated by it, freed by usb_rig_free. */
struct usb_rig {
    const struct device_ops *chip; /* the controller's */
    void *controller;
    struct usb_device *dev[USB_RIG_DEVICES]; /* in order of reset */
    struct usb_port *place[USB_RIG_DEVICES];
};

/* The table of its fields is filled in by usb_rig_begin: the parts' tables are the chips' own. */
#define USB_RIG(prefix, text, do_reset, is_idle)                                                   \
    static struct field prefix##_fields[USB_RIG_DEVICES + 2];                                      \
    static const struct state prefix##_state = {text, 1, prefix##_fields, usb_rig_loaded};         \
    static const struct device_ops prefix##_device = {                                             \
        .name = text, .state = &prefix##_state, .reset = do_reset, .idle = is_idle,                \
        .free = usb_rig_free};

void usb_rig_reset(void *dev);
bool usb_rig_idle(void *dev);
void usb_rig_free(void *dev);
bool usb_rig_loaded(void *dev, char *why, size_t why_len);

/* All parts are there and plugged in. */
void usb_rig_begin(struct usb_rig *rig, struct field fields[USB_RIG_DEVICES + 2]);

/* Pulled out, and plugged in where it was first. */
void usb_rig_replug(struct usb_rig *rig, unsigned n);

/* ---- UHCI ---- */

struct uhci *uhci_rig_new(struct usb_rig *rig, struct fixture *fx);
/* Where its registers are; UINT64_MAX: nowhere. */
uint64_t uhci_rig_base(const struct usb_rig *rig);
/* A port's reset, the reset's end, enabled. */
void uhci_rig_enable(struct fixture *fx, uint16_t port);

#endif
