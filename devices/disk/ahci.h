/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SATA function of the 82801IR (ICH9), 8086:2922, in AHCI mode: six ports with a drive each.
 * One thread.
 */
#ifndef DISK_AHCI_H
#define DISK_AHCI_H

#include "core/block.h"
#include "core/device.h"
#include "core/pci.h"
#include "disk/ata.h"

struct ahci;

enum { AHCI_PORTS = 6 };

struct ahci_pins {
    struct pci_bus *pci;
    unsigned devfn;
    const char *qdev_id;
    struct ata_pins drive[AHCI_PORTS];
    unsigned place; /* of the first drive in the machine; see ata_init */
};

/* NULL: devfn is taken. */
struct ahci *ahci_new(const struct ahci_pins *pins);
extern const struct device_ops ahci_device;

/* The disks go for good, all of them or all but the first port's; see piix_ide_unplug. */
void ahci_unplug(struct ahci *ahci, bool keep_first);

/* What is in the drive now; NULL: nothing, or no drive. */
struct block *ahci_block(const struct ahci *ahci, unsigned port);

/* The drive of a port if it is a CD-ROM, for ata_cd_*; or NULL. */
void *ahci_cd(struct ahci *ahci, unsigned port);

#endif
