/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen-pvdevice: an empty PCI function that Windows Update hangs a vendor's PV drivers on. One
 * thread.
 */
#ifndef DEVICES_XEN_PVDEVICE_H
#define DEVICES_XEN_PVDEVICE_H

#include "core/device.h"
#include "core/pci.h"

struct xen_pvdevice;

struct xen_pvdevice_pins {
    struct pci_bus *pci;
    unsigned devfn;
    uint16_t device_id; /* device-id=; XenServer's is c000 */
    uint16_t vendor_id; /* 0: 5853 */
    uint8_t revision;   /* 0: 1 */
    uint32_t size;      /* of BAR1, a power of two; 0: 4 MiB */
    const char *qdev_id;
};

/* NULL: devfn is taken, or no slot is free. */
struct xen_pvdevice *xen_pvdevice_new(const struct xen_pvdevice_pins *pins);
extern const struct device_ops xen_pvdevice_device;

#endif
