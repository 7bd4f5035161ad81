/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Xen platform device, 5853:0001: drivers find the hypervisor by it, ask it to take the
 * emulated disks and NICs away, and log through it. Xen's docs/misc/hvm-emulated-unplug.pandoc. One
 * thread.
 */
#ifndef DEVICES_XEN_PLATFORM_H
#define DEVICES_XEN_PLATFORM_H

#include <stdbool.h>

#include "core/device.h"
#include "core/engine.h"
#include "core/io.h"
#include "core/pci.h"

struct xen_platform;

/*
 * Each unplug has happened completely when it returns, and may be asked for again. After a load
 * unplug_nics and unplug_nvme are called again where the guest had asked for them; disks are not,
 * as controllers keep in their own state which of their disks are gone.
 */
struct xen_platform_pins {
    struct pci_bus *pci;
    unsigned devfn;
    struct io_bus *io;
    struct engine *engine;
    void (*unplug_disks)(void *board, bool aux_only); /* aux: all but the primary master */
    void (*unplug_nics)(void *board); /* NULL: the board has none */
    void (*unplug_nvme)(void *board); /* NULL: the board has none */
    void *board;
};

/* NULL: devfn is taken. */
struct xen_platform *xen_platform_new(const struct xen_platform_pins *pins);
extern const struct device_ops xen_platform_device;

#endif
