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

/* A command in each slot of a list at 0, for who only rings the bell: tables from 1000 on, data in
 * the upper half of memory. */
static void write_commands(struct fixture *fx) {
    static const uint8_t codes[] = {0x60, 0x61, 0x25, 0x35, 0xa0, 0xec, 0x2f, 0x06, 0xea, 0x24,
                                    0x34, 0xef, 0xb0, 0x42, 0xa1, 0x08};
    for (unsigned slot = 0; slot < 32; slot++) {
        uint8_t *table = fx->ram + 0x1000 + slot * 0x100, *header = fx->ram + slot * 32;
        uint8_t code = codes[slot % ARRAY_LEN(codes)];
        bool queued = code == 0x60 || code == 0x61;
        const uint8_t fis[16] = {0x27, 0x80, code, queued ? 4 : 1, (uint8_t)(slot * 16), 0, 0, 0x40,
                                 [12] = queued ? (uint8_t)(slot << 3) : 4};
        memcpy(table, fis, sizeof(fis));
        if (code == 0x2f)
            table[4] = 0x10, table[12] = 1;
        table[0x40] = slot < 16 ? 0x28 : 0x03; /* READ, REQUEST SENSE */
        table[0x48] = 1;
        store_le64(table + 0x80, FIXTURE_RAM / 2 + slot * 0x2000);
        store_le32(table + 0x8c, 0x3ff);
        store_le64(table + 0x90, FIXTURE_RAM / 2 + slot * 0x2000 + 0xf00);
        store_le32(table + 0x9c, 0x3ff);
        store_le32(header, 5 | 2 << 16);
        store_le32(header + 8, 0x1000 + slot * 0x100);
    }
}

/* Ports with a disk, a read-only disk and a CD-ROM; the others are empty. */
static void *build_ahci(struct fixture *fx) {
    write_commands(fx);
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
