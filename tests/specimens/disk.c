/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PIIX3 IDE function with a disk, a CD-ROM and a read-only disk.
 */
#include "core/bits.h"
#include "disk/piix_ide.h"
#include "fixture.h"

static void *build_piix_ide(struct fixture *fx) {
    return piix_ide_new(&(struct piix_ide_pins){
        .pci = fx->pci, .devfn = 0x09, .io = fx->io, .irq14 = fixture_irq(fx, 14),
        .irq15 = fixture_irq(fx, 15),
        .drive = {{.block = fixture_block(fx, MIB(1), false), .serial = "HVM1"},
                  {.block = fixture_block(fx, KIB(64), true), .serial = "HVM2"},
                  {.block = fixture_block(fx, MIB(1), true), .cdrom = true, .serial = "HVM3"}}});
}

/* The host takes the disc out and puts it in again. */
static void poke_piix_ide(struct fixture *fx, void *dev, uint8_t what) {
    (void)fx;
    (void)what;
    void *cd = piix_ide_cd(dev, 2);
    struct block *medium = piix_cd_change(cd, NULL);
    piix_cd_change(cd, medium);
}

static const uint16_t ports[] = {0x1f0, 8, 0x3f6, 1, 0x170, 8, 0x376, 1, 0};

const struct specimen disk_specimens[] = {
    {"piix_ide", build_piix_ide, &piix_ide_device, poke_piix_ide, ports},
    {0},
};
