/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI functions that Xen's drivers look for.
 */
#include "fixture.h"
#include "xen/platform.h"
#include "xen/pvdevice.h"

static void unplug_disks(void *board, bool aux_only) {
    (void)board, (void)aux_only;
}

static void unplug(void *board) {
    (void)board;
}

static void *build_platform(struct fixture *fx) {
    return xen_platform_new(&(struct xen_platform_pins){.pci = fx->pci,
                                                        .devfn = 2 << 3,
                                                        .io = fx->io,
                                                        .engine = &fx->engine,
                                                        .unplug_disks = unplug_disks,
                                                        .unplug_nics = unplug,
                                                        .unplug_nvme = unplug});
}

static void *build_pvdevice(struct fixture *fx) {
    return xen_pvdevice_new(&(struct xen_pvdevice_pins){
        .pci = fx->pci, .devfn = 3 << 3, .device_id = 0xc000});
}

static const uint16_t platform_ports[] = {0x10, 16, 0};

const struct specimen xen_specimens[] = {
    {"xen-platform", build_platform, &xen_platform_device, NULL, platform_ports},
    {"xen-pvdevice", build_pvdevice, &xen_pvdevice_device, NULL, NULL},
    {0},
};
