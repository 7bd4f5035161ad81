/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All chips that the laws and the fuzzer go through, by folder.
 */
#include "fixture.h"

extern const struct specimen bios_specimens[], chipset_specimens[], disk_specimens[],
    net_specimens[], pc_specimens[], storage_specimens[], usb_specimens[], usb_real_specimens[],
    video_specimens[], xen_specimens[], xhci_specimens[];

const struct specimen *const specimen_lists[] = {
    bios_specimens,    chipset_specimens, disk_specimens,  net_specimens, pc_specimens,
    storage_specimens, usb_specimens,     usb_real_specimens, video_specimens, xen_specimens,
    xhci_specimens,    NULL};
