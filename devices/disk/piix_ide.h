/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IDE function of the 82371SB (PIIX3), 8086:7010: two channels with two drives each. One
 * thread.
 */
#ifndef DISK_PIIX_IDE_H
#define DISK_PIIX_IDE_H

#include "core/block.h"
#include "core/device.h"
#include "core/io.h"
#include "core/irq.h"
#include "core/pci.h"
#include "disk/ata.h"

struct piix_ide;

struct piix_ide_pins {
    struct pci_bus *pci;
    unsigned devfn;
    struct io_bus *io;
    struct irq irq14, irq15;
    struct ata_pins drive[4]; /* primary master, primary slave, secondary master, secondary slave */
};

/* NULL: devfn is taken. */
struct piix_ide *piix_ide_new(const struct piix_ide_pins *pins);
extern const struct device_ops piix_ide_device;

/*
 * The disks go for good, all of them or all but the primary master: what they have in flight
 * finishes, their caches are flushed, their references to the images are dropped, and the channels
 * are reset. CD-ROMs stay. All of that has happened when this returns.
 */
void piix_ide_unplug(struct piix_ide *ide, bool keep_primary_master);

/* What is in the drive now; NULL: nothing, or no drive. */
struct block *piix_ide_block(const struct piix_ide *ide, unsigned place);

/* The drive at a place if it is a CD-ROM, for ata_cd_*; or NULL. */
void *piix_ide_cd(struct piix_ide *ide, unsigned place);

#endif
