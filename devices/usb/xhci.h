/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xHCI, as NEC's uPD720200 or as QEMU's own: a USB 3 host controller. Each place to plug in has a
 * register set for USB 2 and one for SuperSpeed, and shows in the one that fits its device.
 */
#ifndef DEVICES_USB_XHCI_H
#define DEVICES_USB_XHCI_H

#include "core/clock.h"
#include "core/device.h"
#include "core/io.h"
#include "core/pci.h"
#include "usb/usb.h"

struct xhci;

enum { XHCI_PLACES = 15 }; /* of either kind, at most */

struct xhci_pins {
    struct pci_bus *pci;
    struct io_bus *io;
    struct clock *clock;
    unsigned devfn;         /* or PCI_DEVFN_FREE */
    bool nec;               /* 1033:0194 with MSI and MSI-X; else 1b36:000d with MSI-X */
    unsigned usb2, usb3;    /* ports: 0 to XHCI_PLACES, at least one in all */
    const char *qdev_id;    /* or NULL */
};

/* NULL: the slot is taken. */
struct xhci *xhci_new(const struct xhci_pins *pins);
extern const struct device_ops xhci_device;

struct usb_port *xhci_ports(struct xhci *xhci, unsigned *count);
struct pci_function *xhci_function(struct xhci *xhci);

#endif
