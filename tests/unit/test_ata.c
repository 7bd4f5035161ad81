/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ATA disk through the ports of a PIIX3 channel. "6" is ATA/ATAPI-6 (T13 1410D), "8" ATA8-ACS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "core/bits.h"
#include "disk/piix_ide.h"
#include "fixture.h"

enum {
    DATA = 0x1f0, ERROR = 0x1f1, FEATURES = 0x1f1, COUNT = 0x1f2, LOW = 0x1f3, MID = 0x1f4,
    HIGH = 0x1f5, DEVICE = 0x1f6, STATUS = 0x1f7, COMMAND = 0x1f7, CONTROL = 0x3f6,
    SECONDARY = 0x170, IRQ = 14,
    SECTORS = 40000 /* of the disk: 19.5 MiB, 39 cylinders */
};

static struct fixture fx;
static struct piix_ide *ide;
static struct block *disk;

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    disk = fixture_block(&fx, (uint64_t)SECTORS * 512, false);
    for (unsigned i = 0; i < 4096; i++)
        store_le32(fixture_bytes(disk) + 512 * i, i + 1);
    ide = piix_ide_new(&(struct piix_ide_pins){
        .pci = fx.pci, .devfn = 9, .io = fx.io, .irq14 = fixture_irq(&fx, IRQ),
        .irq15 = fixture_irq(&fx, 15), .drive = {{.block = disk, .serial = "S123", .model = "M"}}});
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    piix_ide_device.free(ide);
    fixture_done(&fx);
    return 0;
}

/* ---- helpers: a driver ---- */

static void lba28(uint32_t lba, uint8_t count) {
    out8(&fx, COUNT, count);
    out8(&fx, LOW, (uint8_t)lba);
    out8(&fx, MID, (uint8_t)(lba >> 8));
    out8(&fx, HIGH, (uint8_t)(lba >> 16));
    out8(&fx, DEVICE, (uint8_t)(0xe0 | lba >> 24));
}

static void lba48(uint64_t lba, uint16_t count) {
    out8(&fx, COUNT, (uint8_t)(count >> 8));
    out8(&fx, LOW, (uint8_t)(lba >> 24));
    out8(&fx, MID, (uint8_t)(lba >> 32));
    out8(&fx, HIGH, (uint8_t)(lba >> 40));
    lba28((uint32_t)lba & 0xffffff, (uint8_t)count);
}

static void command(uint8_t cmd) {
    out8(&fx, COMMAND, cmd);
}

/* Reads one DRQ block of n sectors after its interrupt (6, 9.5). */
static void read_block(void *buf, unsigned n) {
    fixture_io(&fx);
    assert_true(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, STATUS), 0x58);
    assert_false(fx.irq[IRQ]);
    ins16(&fx, DATA, buf, 256 * n);
}

static void write_block(const void *buf, unsigned n) {
    assert_int_equal(in8(&fx, STATUS), 0x58);
    outs16(&fx, DATA, buf, 256 * n);
    fixture_io(&fx);
}

static void ended(uint8_t status) {
    fixture_io(&fx);
    assert_true(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, STATUS), status);
    assert_false(fx.irq[IRQ]);
}

static void identify(uint8_t *page) {
    out8(&fx, DEVICE, 0xa0);
    command(0xec);
    read_block(page, 1);
    assert_int_equal(in8(&fx, STATUS), 0x50);
}

static unsigned word(const uint8_t *page, unsigned n) {
    return load_le16(page + 2 * n);
}

/* ---- registers ---- */

/* 6, 9.12: the signature of a device without PACKET, and code 01h, "Device 0 passed" */
static void check_signature(void) {
    assert_int_equal(in8(&fx, STATUS), 0x50);
    assert_int_equal(in8(&fx, ERROR), 0x01);
    assert_int_equal(in8(&fx, COUNT), 0x01);
    assert_int_equal(in8(&fx, LOW), 0x01);
    assert_int_equal(in8(&fx, MID), 0x00);
    assert_int_equal(in8(&fx, HIGH), 0x00);
    assert_int_equal(in8(&fx, DEVICE), 0x00);
}

static void power_on_signature(void **unused) {
    (void)unused;
    check_signature();
    assert_false(fx.irq[IRQ]);
}

static void software_reset(void **unused) {
    (void)unused;
    lba28(0x123456, 7);
    out8(&fx, CONTROL, 0x0e);
    assert_int_equal(in8(&fx, CONTROL), 0x80); /* BSY while SRST is set (6, 9.2) */
    out8(&fx, CONTROL, 0x08);
    check_signature();
}

static void registers_hold_what_is_written(void **unused) {
    (void)unused;
    out8(&fx, DEVICE, 0xa0);
    out8(&fx, COUNT, 0x55);
    out8(&fx, LOW, 0xaa);
    assert_int_equal(in8(&fx, DEVICE), 0xa0);
    assert_int_equal(in8(&fx, COUNT), 0x55);
    assert_int_equal(in8(&fx, LOW), 0xaa);
}

/* 6, 7.9: HOB shows the previous content, and any write of the Command Block clears it. */
static void high_order_bytes(void **unused) {
    (void)unused;
    out8(&fx, LOW, 0x11);
    out8(&fx, LOW, 0x22);
    assert_int_equal(in8(&fx, LOW), 0x22);
    out8(&fx, CONTROL, 0x88);
    assert_int_equal(in8(&fx, LOW), 0x11);
    out8(&fx, COUNT, 0);
    assert_int_equal(in8(&fx, LOW), 0x22);
    out8(&fx, CONTROL, 0x88);
    command(0xe5);
    assert_int_equal(in8(&fx, LOW), 0x22);
}

/* 6, 9.16.1: Device 0 alone answers for Device 1 with its registers, but Status is 00h. */
static void lone_master(void **unused) {
    (void)unused;
    out8(&fx, DEVICE, 0xb0);
    out8(&fx, COUNT, 0x55);
    assert_int_equal(in8(&fx, STATUS), 0x00);
    assert_int_equal(in8(&fx, CONTROL), 0x00);
    assert_int_equal(in8(&fx, COUNT), 0x55);
    command(0xec);
    fixture_io(&fx);
    assert_int_equal(in8(&fx, STATUS), 0x00);
    assert_false(fx.irq[IRQ]);
    out8(&fx, DEVICE, 0xa0);
    assert_int_equal(in8(&fx, STATUS), 0x50);
}

/* Nobody drives the bus, and all lines are pulled down (6, 4.3 asks for DD7): neither BSY nor
 * DRQ. */
static void empty_channel(void **unused) {
    (void)unused;
    assert_int_equal(in8(&fx, SECONDARY + 7), 0);
    out8(&fx, SECONDARY + 2, 0x55);
    assert_int_equal(in8(&fx, SECONDARY + 2), 0);
    assert_int_equal(in8(&fx, 0x376), 0);
    assert_int_equal(in16(&fx, SECONDARY), 0);
}

/* 6, 8.9: both devices run it, Device 0 reports and is selected afterwards. */
static void execute_device_diagnostic(void **unused) {
    (void)unused;
    out8(&fx, DEVICE, 0xb0);
    command(0x90);
    assert_true(fx.irq[IRQ]);
    check_signature();
}

static void nien_holds_the_line(void **unused) {
    (void)unused;
    out8(&fx, CONTROL, 0x0a);
    command(0xec);
    fixture_io(&fx);
    assert_false(fx.irq[IRQ]);
    out8(&fx, CONTROL, 0x08);
    assert_true(fx.irq[IRQ]); /* INTRQ is still pending */
    in8(&fx, CONTROL);
    assert_true(fx.irq[IRQ]); /* Alternate Status clears nothing (6, 7.2) */
    in8(&fx, STATUS);
    assert_false(fx.irq[IRQ]);
}

/* ---- IDENTIFY DEVICE (8, 7.16) ---- */

static void identify_device(void **unused) {
    (void)unused;
    uint8_t page[512], sum = 0;
    identify(page);
    assert_int_equal(word(page, 0) & 0x8000, 0);      /* an ATA device */
    assert_int_equal(word(page, 1), SECTORS / 16 / 63);
    assert_int_equal(word(page, 3), 16);
    assert_int_equal(word(page, 6), 63);
    assert_memory_equal(page + 20, "1S32                ", 20); /* bytes swapped in words */
    assert_memory_equal(page + 54, " M", 2);
    assert_int_equal(word(page, 47), 0x8080);         /* READ MULTIPLE of up to 128 */
    assert_int_equal(word(page, 59), 0x0180);         /* and it is on */
    assert_int_equal(word(page, 49) & 0x0300, 0x0300); /* LBA, DMA */
    assert_int_equal(word(page, 60) | word(page, 61) << 16, SECTORS);
    assert_int_equal(word(page, 63), 0x0407);         /* multiword DMA 0-2, 2 is on */
    assert_int_equal(word(page, 82) & 0x0029, 0x0029); /* write cache, power, SMART */
    assert_int_equal(word(page, 83) & 0xc400, 0x4400); /* valid, 48 bits */
    assert_int_equal(word(page, 88) & 0x3f, 0x3f);
    assert_int_equal(load_le64(page + 200), SECTORS);
    assert_int_equal(word(page, 106), 0x4000);
    assert_int_equal(word(page, 108) >> 12, 5);       /* NAA */
    assert_int_equal(word(page, 217), 1);
    for (unsigned i = 0; i < 512; i++)
        sum = (uint8_t)(sum + page[i]);
    assert_int_equal(page[510], 0xa5);
    assert_int_equal(sum, 0);
}

/* Disks that nobody gave a serial number differ within a machine, and claim no world wide name. */
/* After a reset at the latest; before it nothing is taken away that the guest knows of. */
static void identify_after_resize(void **unused) {
    (void)unused;
    uint8_t page[512];
    char why[100];
    assert_true(block_resize(disk, (uint64_t)SECTORS * 1024, why, sizeof(why)));
    out8(&fx, CONTROL, 0x04);
    out8(&fx, CONTROL, 0x00);
    identify(page);
    assert_int_equal(word(page, 60) | word(page, 61) << 16, 2 * SECTORS);
    assert_int_equal(load_le64(page + 200), 2 * SECTORS);
    assert_int_equal(word(page, 1), 2 * SECTORS / 16 / 63);
}

static void unnamed_disks(void **unused) {
    (void)unused;
    uint8_t page[512];
    piix_ide_device.free(ide);
    ide = piix_ide_new(&(struct piix_ide_pins){.pci = fx.pci, .devfn = 9, .io = fx.io,
                                               .irq14 = fixture_irq(&fx, IRQ),
                                               .irq15 = fixture_irq(&fx, 15),
                                               .drive = {{.block = disk}, {.block = disk}}});
    identify(page);
    assert_memory_equal(page + 20, "VH0M0010  ", 10);
    assert_int_equal(word(page, 87) & 0x0100, 0);
    assert_int_equal(load_le64(page + 216), 0);
    out8(&fx, DEVICE, 0xb0);
    command(0xec);
    read_block(page, 1);
    assert_memory_equal(page + 20, "VH0M0020  ", 8);
}

static void transfer_mode_shows(void **unused) {
    (void)unused;
    uint8_t page[512];
    out8(&fx, FEATURES, 0x03);
    out8(&fx, COUNT, 0x44); /* Ultra DMA 4 */
    command(0xef);
    ended(0x50);
    identify(page);
    assert_int_equal(word(page, 63), 0x0007);
    assert_int_equal(word(page, 88), 0x103f);
    out8(&fx, FEATURES, 0x03);
    out8(&fx, COUNT, 0x47);
    command(0xef);
    ended(0x51);
    assert_int_equal(in8(&fx, ERROR), 0x04);
}

/* ---- PIO data in ---- */

static void read_sectors_ahead(void **unused) {
    (void)unused;
    uint8_t buf[512];
    lba28(100, 5);
    command(0x20);
    assert_int_equal(in8(&fx, STATUS) & 0x80, 0x80);
    assert_int_equal(disk->stats.rd_ops, 1);
    assert_int_equal(disk->stats.rd_bytes, 5 * 512);
    for (unsigned i = 0; i < 5; i++) {
        read_block(buf, 1);
        assert_int_equal(load_le32(buf), 101 + i);
    }
    assert_false(fx.irq[IRQ]); /* none after the last block */
    assert_int_equal(in8(&fx, STATUS), 0x50);
    assert_int_equal(disk->stats.rd_ops, 1);
}

/* 256 sectors are more than the buffer: it is filled twice. */
static void read_more_than_the_buffer(void **unused) {
    (void)unused;
    uint8_t buf[512];
    lba28(0, 0);
    command(0x20);
    for (unsigned i = 0; i < 256; i++) {
        read_block(buf, 1);
        assert_int_equal(load_le32(buf), i + 1);
    }
    assert_int_equal(in8(&fx, STATUS), 0x50);
    assert_int_equal(disk->stats.rd_ops, 2);
}

static void read_by_words_and_dwords(void **unused) {
    (void)unused;
    lba28(6, 1);
    command(0x20);
    fixture_io(&fx);
    in8(&fx, STATUS);
    assert_int_equal(in32(&fx, DATA), 7);
    for (unsigned i = 0; i < 253; i++)
        in16(&fx, DATA);
    assert_int_equal(in8(&fx, STATUS), 0x58);
    in8(&fx, DATA); /* a byte access strobes a word */
    assert_int_equal(in8(&fx, STATUS), 0x50);
    assert_int_equal(in16(&fx, DATA), 0);
}

/* 6, 6.2: sector numbers count from 1. 39 cylinders, 16 heads, 63 sectors. */
static void read_chs(void **unused) {
    (void)unused;
    uint8_t buf[512];
    out8(&fx, COUNT, 1);
    out8(&fx, LOW, 3);
    out8(&fx, MID, 2);
    out8(&fx, HIGH, 0);
    out8(&fx, DEVICE, 0xa5);
    command(0x20);
    read_block(buf, 1);
    assert_int_equal(load_le32(buf), (2 * 16 + 5) * 63 + 2 + 1);
    assert_int_equal(in8(&fx, LOW), 3);
    assert_int_equal(in8(&fx, MID), 2);
    out8(&fx, COUNT, 1);
    out8(&fx, LOW, 0);
    command(0x20);
    ended(0x51);
    assert_int_equal(in8(&fx, ERROR), 0x10);
}

/* 6, 8.16 (of ATA-5): the translation that INITIALIZE DEVICE PARAMETERS sets holds for CHS. */
static void initialize_device_parameters(void **unused) {
    (void)unused;
    uint8_t buf[512];
    out8(&fx, COUNT, 17);
    out8(&fx, DEVICE, 0xa3);
    command(0x91);
    ended(0x50);
    out8(&fx, COUNT, 1);
    out8(&fx, LOW, 1);
    out8(&fx, MID, 1);
    out8(&fx, HIGH, 0);
    out8(&fx, DEVICE, 0xa0);
    command(0x20);
    read_block(buf, 1);
    assert_int_equal(load_le32(buf), 4 * 17 + 1);
    identify(buf);
    assert_int_equal(word(buf, 55), 4);
    assert_int_equal(word(buf, 56), 17);
}

static void read_multiple(void **unused) {
    (void)unused;
    uint8_t buf[12 * 512];
    lba28(10, 12);
    command(0xc4); /* the block of power-on (6, 8.16, word 59) */
    read_block(buf, 12);
    assert_int_equal(load_le32(buf + 11 * 512), 22);
    assert_int_equal(in8(&fx, STATUS), 0x50);
    out8(&fx, COUNT, 0);
    command(0xc6);
    ended(0x50);
    lba28(10, 12);
    command(0xc4);
    ended(0x51); /* it is off (6, 8.28) */
    assert_int_equal(in8(&fx, ERROR), 0x04);
    out8(&fx, COUNT, 8);
    command(0xc6);
    ended(0x50);
    lba28(10, 12);
    command(0xc4);
    read_block(buf, 8);
    assert_int_equal(load_le32(buf + 7 * 512), 18);
    read_block(buf, 4); /* the rest is a shorter block */
    assert_int_equal(load_le32(buf + 3 * 512), 22);
    assert_int_equal(in8(&fx, STATUS), 0x50);
}

static void read_ext(void **unused) {
    (void)unused;
    uint8_t buf[512];
    lba48(300, 2);
    command(0x24);
    read_block(buf, 1);
    assert_int_equal(load_le32(buf), 301);
    read_block(buf, 1);
    assert_int_equal(in8(&fx, STATUS), 0x50);
    lba48(UINT64_C(1) << 40, 1);
    command(0x24);
    ended(0x51);
    assert_int_equal(in8(&fx, ERROR), 0x10);
}

/* ---- PIO data out ---- */

static void write_sectors(void **unused) {
    (void)unused;
    uint8_t buf[512];
    lba28(20, 3);
    command(0x30);
    assert_false(fx.irq[IRQ]); /* none before the first block (6, 9.6) */
    for (unsigned i = 0; i < 3; i++) {
        memset(buf, (int)(0x40 + i), sizeof(buf));
        write_block(buf, 1);
        assert_true(fx.irq[IRQ]);
    }
    ended(0x50);
    assert_int_equal(fixture_bytes(disk)[20 * 512], 0x40);
    assert_int_equal(fixture_bytes(disk)[22 * 512 + 511], 0x42);
    assert_int_equal(load_le32(fixture_bytes(disk) + 23 * 512), 24);
    assert_int_equal(disk->stats.wr_ops, 1);
    assert_int_equal(disk->stats.flush_ops, 0);
}

static void write_is_busy_until_done(void **unused) {
    (void)unused;
    uint8_t buf[512] = {0};
    lba28(20, 1);
    command(0x30);
    outs16(&fx, DATA, buf, 256);
    assert_int_equal(in8(&fx, STATUS), 0xd0);
    assert_false(fx.irq[IRQ]);
    ended(0x50);
}

static void write_multiple(void **unused) {
    (void)unused;
    static uint8_t buf[16 * 512];
    memset(buf, 0x77, sizeof(buf));
    out8(&fx, COUNT, 16);
    command(0xc6);
    ended(0x50);
    lba28(50, 17);
    command(0xc5);
    write_block(buf, 16);
    write_block(buf, 1);
    ended(0x50);
    assert_int_equal(fixture_bytes(disk)[66 * 512 + 511], 0x77);
    assert_int_equal(load_le32(fixture_bytes(disk) + 67 * 512), 68);
}

/* With the write cache off a write is on stable storage when it ends (8, 7.47.3). */
static void write_through(void **unused) {
    (void)unused;
    uint8_t buf[512] = {1};
    out8(&fx, FEATURES, 0x82);
    command(0xef);
    ended(0x50);
    assert_int_equal(disk->stats.flush_ops, 1);
    lba28(20, 1);
    command(0x30);
    write_block(buf, 1);
    ended(0x50);
    assert_int_equal(disk->stats.flush_ops, 2);
}

static void flush_cache(void **unused) {
    (void)unused;
    command(0xe7);
    assert_int_equal(in8(&fx, STATUS) & 0x80, 0x80);
    ended(0x50);
    command(0xea);
    ended(0x50);
    assert_int_equal(disk->stats.flush_ops, 2);
}

/* ---- errors ---- */

/* A bad sector among many: those before it arrive, the registers show which one it is. */
static void unreadable_sector(void **unused) {
    (void)unused;
    uint8_t buf[512];
    fixture_fail(disk, EIO, 1); /* the request for all four; then it goes by sectors */
    lba28(200, 4);
    command(0x20);
    read_block(buf, 1);
    assert_int_equal(load_le32(buf), 201);
    fixture_fail(disk, EIO, 1); /* the third: the second is under way */
    read_block(buf, 1);
    assert_int_equal(load_le32(buf), 202);
    ended(0x51);
    assert_int_equal(in8(&fx, ERROR), 0x40);
    assert_int_equal(in8(&fx, LOW), 202);
    assert_int_equal(in8(&fx, DEVICE) & 0x4f, 0x40);
}

static void unwritable_sector(void **unused) {
    (void)unused;
    uint8_t buf[512] = {0};
    fixture_fail(disk, ENOSPC, 1);
    lba28(9, 1);
    command(0x30);
    write_block(buf, 1);
    ended(0x51);
    assert_int_equal(in8(&fx, ERROR), 0x04);
}

static void past_the_end(void **unused) {
    (void)unused;
    lba28(SECTORS - 1, 2);
    command(0x20);
    ended(0x51);
    assert_int_equal(in8(&fx, ERROR), 0x10);
    assert_int_equal(in8(&fx, LOW), SECTORS & 0xff); /* the first that isn't there */
    assert_int_equal(disk->stats.rd_ops, 0);
}

static void unknown_command(void **unused) {
    (void)unused;
    command(0x00); /* NOP always aborts (6, 8.21) */
    ended(0x51);
    assert_int_equal(in8(&fx, ERROR), 0x04);
    command(0xa1); /* IDENTIFY PACKET DEVICE is not for disks */
    ended(0x51);
    command(0x08); /* nor is DEVICE RESET */
    ended(0x51);
}

/* ---- a busy drive ---- */

static void commands_on_a_busy_drive(void **unused) {
    (void)unused;
    uint8_t buf[512];
    lba28(1, 1);
    command(0x20);
    out8(&fx, LOW, 99); /* ignored while BSY */
    command(0xec);
    read_block(buf, 1);
    assert_int_equal(load_le32(buf), 2);
}

static void reset_while_the_image_works(void **unused) {
    (void)unused;
    uint8_t buf[512];
    lba28(1, 1);
    command(0x20);
    out8(&fx, CONTROL, 0x0c);
    out8(&fx, CONTROL, 0x08);
    assert_int_equal(in8(&fx, STATUS), 0x80); /* until the buffer is the drive's again */
    fixture_io(&fx);
    check_signature();
    assert_false(fx.irq[IRQ]);
    identify(buf);
    assert_int_equal(word(buf, 3), 16);
}

static void data_at_wrong_times(void **unused) {
    (void)unused;
    uint8_t buf[1024] = {0};
    ins16(&fx, DATA, buf, 512);
    outs16(&fx, DATA, buf, 512);
    assert_int_equal(in8(&fx, STATUS), 0x50);
    lba28(1, 1);
    command(0x30);
    assert_int_equal(in16(&fx, DATA), 0); /* a read while it wants data */
    assert_int_equal(in8(&fx, STATUS), 0x58);
    outs16(&fx, DATA, buf, 512); /* twice too much */
    ended(0x50);
}

/* ---- the rest ---- */

static void power_modes(void **unused) {
    (void)unused;
    command(0xe5);
    ended(0x50);
    assert_int_equal(in8(&fx, COUNT), 0xff);
    command(0xe0);
    ended(0x50);
    command(0xe5);
    ended(0x50);
    assert_int_equal(in8(&fx, COUNT), 0x00);
    command(0xe6); /* SLEEP: only a reset wakes it (8, 7.50) */
    ended(0x50);
    command(0xec);
    fixture_io(&fx);
    assert_false(fx.irq[IRQ]);
    out8(&fx, CONTROL, 0x0c);
    out8(&fx, CONTROL, 0x08);
    command(0xec);
    fixture_io(&fx);
    assert_true(fx.irq[IRQ]);
}

static void smart(void **unused) {
    (void)unused;
    uint8_t page[512];
    out8(&fx, FEATURES, 0xda);
    out8(&fx, MID, 0x4f);
    out8(&fx, HIGH, 0xc2);
    command(0xb0);
    ended(0x50);
    assert_int_equal(in8(&fx, MID), 0x4f); /* healthy (8, 7.53.5) */
    assert_int_equal(in8(&fx, HIGH), 0xc2);
    out8(&fx, FEATURES, 0xd0);
    command(0xb0);
    read_block(page, 1);
    assert_int_equal(page[2], 1);
    out8(&fx, FEATURES, 0xd9);
    command(0xb0);
    ended(0x50);
    out8(&fx, FEATURES, 0xda);
    command(0xb0);
    ended(0x51);
    out8(&fx, FEATURES, 0xd8);
    out8(&fx, MID, 0);
    command(0xb0);
    ended(0x51); /* the key 4Fh, C2h is missing */
}

static void read_native_max(void **unused) {
    (void)unused;
    out8(&fx, DEVICE, 0xe0);
    command(0xf8);
    ended(0x50);
    assert_int_equal(in8(&fx, LOW) | in8(&fx, MID) << 8 | in8(&fx, HIGH) << 16, SECTORS - 1);
    command(0x27);
    ended(0x50);
    assert_int_equal(in8(&fx, LOW) | in8(&fx, MID) << 8, SECTORS - 1);
}

static void verify(void **unused) {
    (void)unused;
    lba28(0, 0);
    command(0x40);
    ended(0x50);
    assert_int_equal(disk->stats.rd_bytes, 256 * 512);
    fixture_fail(disk, EIO, 100);
    lba28(7, 2);
    command(0x40);
    ended(0x51);
    assert_int_equal(in8(&fx, ERROR), 0x40);
    assert_int_equal(in8(&fx, LOW), 7);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(power_on_signature), T(software_reset), T(registers_hold_what_is_written),
        T(high_order_bytes), T(lone_master), T(empty_channel), T(execute_device_diagnostic),
        T(nien_holds_the_line), T(identify_device), T(identify_after_resize), T(unnamed_disks),
        T(transfer_mode_shows),
        T(read_sectors_ahead), T(read_more_than_the_buffer), T(read_by_words_and_dwords),
        T(read_chs), T(initialize_device_parameters), T(read_multiple), T(read_ext),
        T(write_sectors), T(write_is_busy_until_done), T(write_multiple), T(write_through),
        T(flush_cache), T(unreadable_sector), T(unwritable_sector), T(past_the_end),
        T(unknown_command), T(commands_on_a_busy_drive), T(reset_while_the_image_works),
        T(data_at_wrong_times), T(power_modes), T(smart), T(read_native_max), T(verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
