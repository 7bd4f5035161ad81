/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UHCI, as a function of the PIIX3: a USB 1.1 host controller with two ports.
 */
#ifndef DEVICES_USB_UHCI_H
#define DEVICES_USB_UHCI_H

#include "core/clock.h"
#include "core/device.h"
#include "core/io.h"
#include "core/pci.h"
#include "usb/usb.h"

struct uhci;

enum { UHCI_PORTS = 2, UHCI_PIIX3 = 0x7020, UHCI_PIIX4 = 0x7112 };

struct uhci_pins {
    struct pci_bus *pci;
    struct io_bus *io;
    struct clock *clock;
    unsigned devfn; /* or PCI_DEVFN_FREE */
    uint16_t device_id;
    uint8_t int_pin;     /* 4: INTD, the PIIX3's */
    const char *qdev_id; /* or NULL */
};

/* NULL: the slot is taken. */
struct uhci *uhci_new(const struct uhci_pins *pins);
extern const struct device_ops uhci_device;

struct usb_port *uhci_ports(struct uhci *uhci); /* UHCI_PORTS of them */
struct pci_function *uhci_function(struct uhci *uhci);

#endif
