/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disk controllers: the PIIX3 IDE function and the AHCI one with a disk, a CD-ROM and a read-only
 * disk, the floppy controller with two drives.
 */
#include <string.h>

#include "core/bits.h"
#include "disk/ahci.h"
#include "disk/fdc_chip.h"
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
    struct block *medium = ata_cd_change(cd, NULL);
    ata_cd_change(cd, medium);
}

/* Ports with a disk, a read-only disk and a CD-ROM; the others are empty. */
static void *build_ahci(struct fixture *fx) {
    return ahci_new(&(struct ahci_pins){
        .pci = fx->pci, .devfn = 0x20,
        .drive = {{.block = fixture_block(fx, MIB(1), false), .serial = "HVM1"},
                  {.block = fixture_block(fx, KIB(64), true), .serial = "HVM2"},
                  {.block = fixture_block(fx, MIB(1), true), .cdrom = true, .serial = "HVM3"}}});
}

static void poke_ahci(struct fixture *fx, void *dev, uint8_t what) {
    (void)fx, (void)what;
    void *cd = ahci_cd(dev, 2);
    struct block *medium = ata_cd_change(cd, NULL);
    ata_cd_change(cd, medium);
}

/*
 * A DMA channel whose count (in bytes) and address are in guest memory, at 7000 and 7004, so that
 * they go where guest memory goes. It is masked while the count is 0.
 */
enum { CHANNEL_COUNT = 0x7000, CHANNEL_ADDRESS = 0x7004 };

static void attach(void *dev, unsigned channel, void (*ready)(void *), void *user) {
    (void)dev, (void)channel, (void)ready, (void)user;
}

static void request(void *dev, unsigned channel, bool level) {
    (void)dev, (void)channel, (void)level;
}

static size_t move(void *dev, unsigned channel, void *buf, size_t len, bool to_memory, bool *tc) {
    uint8_t *ram = ((struct fixture *)dev)->ram;
    (void)channel;
    uint32_t count = load_le32(ram + CHANNEL_COUNT);
    uint32_t at = load_le32(ram + CHANNEL_ADDRESS) % (FIXTURE_RAM / 2) + FIXTURE_RAM / 2;
    size_t n = MIN(MIN(len, (size_t)count), (size_t)FIXTURE_RAM - at);
    memcpy(to_memory ? ram + at : buf, to_memory ? buf : ram + at, n);
    store_le32(ram + CHANNEL_COUNT, count - (uint32_t)n);
    store_le32(ram + CHANNEL_ADDRESS, (uint32_t)(at + n));
    *tc = n && n == count;
    return n;
}

static const struct isa_dma_ops channel_ops = {attach, request, move};

static void *build_fdc(struct fixture *fx) {
    return fdc_new(&(struct fdc_pins){
        .io = fx->io, .irq = fixture_irq(fx, 6), .dma = {&channel_ops, fx, 2},
        .drive = {{true, fixture_block(fx, 18 * 80 * 2 * 512, false), FDC_AUTO},
                  {true, fixture_block(fx, 9 * 80 * 2 * 512, true), FDC_1440K}}});
}

/* The DMA channel gets ready, or the host changes a disk. */
static void poke_fdc(struct fixture *fx, void *dev, uint8_t what) {
    (void)fx;
    if (what & 1) {
        fdc_pump(dev);
        return;
    }
    void *drive = fdc_drive(dev, what >> 1 & 1);
    struct block *medium = fdc_change(drive, NULL);
    fdc_change(drive, medium);
}

static const uint16_t ports[] = {0x1f0, 8, 0x3f6, 1, 0x170, 8, 0x376, 1, 0};
static const uint16_t fdc_ports[] = {0x3f0, 6, 0x3f7, 1, 0};

const struct specimen disk_specimens[] = {
    {"piix_ide", build_piix_ide, &piix_ide_device, poke_piix_ide, ports},
    {"ahci", build_ahci, &ahci_device, poke_ahci, NULL},
    {"fdc", build_fdc, &fdc_device, poke_fdc, fdc_ports},
    {0},
};
