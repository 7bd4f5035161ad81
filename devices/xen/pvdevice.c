/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen-pvdevice: an identity and a memory BAR with nothing behind it. See pvdevice.h; the identities
 * are registered in docs/man/xen-pci-device-reservations.7.pod of Xen.
 */
#include "xen/pvdevice.h"

#include "core/bits.h"
#include "core/mem.h"

enum { XEN_VENDOR = 0x5853, CLASS_SYSTEM_OTHER = 0x0880, DEFAULT_SIZE = 4 << 20 };

struct xen_pvdevice {
    /* registers */
    struct pci_function pci;
    /* wires and derived */
    struct io_region bar1;
};

static const struct field fields[] = {F_STRUCT(struct xen_pvdevice, pci, pci_fields), F_END};

/* Neither read nor written: reads float. */
static const struct io_ops bar_ops = {.min = 1, .max = 8};

static void pvdevice_reset(void *dev) {
    struct xen_pvdevice *s = dev;
    pci_reset(&s->pci);
}

static bool pvdevice_loaded(void *dev, char *why, size_t why_len) {
    struct xen_pvdevice *s = dev;
    (void)why, (void)why_len;
    pci_loaded(&s->pci);
    return true;
}

static void pvdevice_free(void *dev) {
    struct xen_pvdevice *s = dev;
    pci_remove(&s->pci);
    mem_free(s);
}

static const struct state state = {"xen-pvdevice", 1, fields, pvdevice_loaded};

const struct device_ops xen_pvdevice_device = {
    .name = "xen-pvdevice", .state = &state, .reset = pvdevice_reset, .free = pvdevice_free};

struct xen_pvdevice *xen_pvdevice_new(const struct xen_pvdevice_pins *pins) {
    struct xen_pvdevice *s = mem_new(sizeof(*s));
    uint16_t vendor = pins->vendor_id ? pins->vendor_id : XEN_VENDOR;
    struct pci_id id = {.vendor = vendor, .device = pins->device_id, .sub_vendor = vendor,
                        .subsystem = pins->device_id, .class_ = CLASS_SYSTEM_OTHER,
                        .revision = pins->revision ? pins->revision : 1, .int_pin = 1};
    pci_init(&s->pci, "xen-pvdevice", &id, s);
    if (pins->qdev_id)
        s->pci.qdev_id = pins->qdev_id;
    store_le16(&s->pci.config[PCI_COMMAND], PCI_CMD_MEM);
    s->bar1 = (struct io_region){.name = "xen-pvdevice", .ops = &bar_ops, .dev = s};
    pci_add_bar(&s->pci, 1, PCI_BAR_MEM_PREFETCH, pins->size ? pins->size : DEFAULT_SIZE,
                &s->bar1);
    if (!pci_add(pins->pci, &s->pci, pins->devfn)) {
        mem_free(s);
        return NULL;
    }
    return s;
}
