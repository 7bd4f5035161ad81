/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PIIX3 IDE function and its bus master. "BMI" is the Programming Interface for Bus Master IDE
 * Controller 1.0, "PIIX" the 82371SB's datasheet (Intel 290550-002).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "core/bits.h"
#include "core/state.h"
#include "disk/piix_ide.h"
#include "fixture.h"

enum {
    DATA = 0x1f0, COUNT = 0x1f2, LOW = 0x1f3, MID = 0x1f4, HIGH = 0x1f5, DEVICE = 0x1f6,
    STATUS = 0x1f7, COMMAND = 0x1f7, CONTROL = 0x3f6, IRQ = 14, DEVFN = 9,
    BM = 0xc000, BMICOM = BM, BMISTA = BM + 2, BMIDTP = BM + 4,
    TABLE = 0x1000, /* the descriptor table in guest memory */
    START = 0x01, TO_MEMORY = 0x08, ACTIVE = 0x01, ERROR = 0x02, INTERRUPT = 0x04,
};

#define EOT 0x80000000u

static struct fixture fx;
static struct piix_ide *ide;
static struct block *disk, *slave, *cd;

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    disk = fixture_block(&fx, MIB(8), false);
    slave = fixture_block(&fx, MIB(1), false);
    cd = fixture_block(&fx, MIB(1), true);
    for (unsigned i = 0; i < MIB(8) / 512; i++)
        store_le32(fixture_bytes(disk) + 512 * i, i + 1);
    ide = piix_ide_new(&(struct piix_ide_pins){
        .pci = fx.pci, .devfn = DEVFN, .io = fx.io, .irq14 = fixture_irq(&fx, IRQ),
        .irq15 = fixture_irq(&fx, 15),
        .drive = {{.block = disk}, {.block = slave}, {.block = cd, .cdrom = true}}});
    cfg_write(&fx, DEVFN, 0x20, 4, BM | 1);
    cfg_write(&fx, DEVFN, 0x04, 2, 0x0005);
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    if (ide)
        piix_ide_device.free(ide);
    assert_int_equal(fx.maps, 0);
    fixture_done(&fx);
    return 0;
}

/* ---- helpers: a driver ---- */

static void prd(unsigned n, uint32_t addr, uint32_t count_and_eot) {
    store_le32(fx.ram + TABLE + 8 * n, addr);
    store_le32(fx.ram + TABLE + 8 * n + 4, count_and_eot);
}

static void command(uint8_t cmd, uint32_t lba, uint8_t count) {
    out8(&fx, COUNT, count);
    out8(&fx, LOW, (uint8_t)lba);
    out8(&fx, MID, (uint8_t)(lba >> 8));
    out8(&fx, HIGH, (uint8_t)(lba >> 16));
    out8(&fx, DEVICE, 0xe0);
    out8(&fx, COMMAND, cmd);
}

/* BMI 3.1: table, direction, clear status, command to the drive, start. */
static void dma(uint8_t cmd, uint32_t lba, uint8_t count, uint8_t direction) {
    out32(&fx, BMIDTP, TABLE);
    out8(&fx, BMICOM, direction);
    out8(&fx, BMISTA, ERROR | INTERRUPT);
    command(cmd, lba, count);
    out8(&fx, BMICOM, direction | START);
    fixture_io(&fx);
}

static void ended(uint8_t bmista) {
    assert_true(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, BMISTA) & 7, bmista);
    out8(&fx, BMICOM, 0);
    assert_int_equal(in8(&fx, STATUS), 0x50);
    assert_false(fx.irq[IRQ]);
}

static uint32_t ram32(uint32_t addr) {
    return load_le32(fx.ram + addr);
}

/* ---- configuration ---- */

static void identity(void **unused) {
    (void)unused;
    assert_int_equal(cfg_read(&fx, DEVFN, 0x00, 4), 0x70108086);
    assert_int_equal(cfg_read(&fx, DEVFN, 0x08, 4) >> 8, 0x010180);
    assert_int_equal(cfg_read(&fx, DEVFN, 0x06, 2), 0x0280);
    cfg_write(&fx, DEVFN, 0x40, 4, 0x80008000); /* as firmware enables the channels */
    assert_int_equal(cfg_read(&fx, DEVFN, 0x40, 4), 0x80008000);
    cfg_write(&fx, DEVFN, 0x04, 2, 0);
    cfg_write(&fx, DEVFN, 0x20, 4, 0xffffffff);
    assert_int_equal(cfg_read(&fx, DEVFN, 0x20, 4), 0xfffffff1); /* 16 ports */
}

static void legacy_ports_answer_always(void **unused) {
    (void)unused;
    cfg_write(&fx, DEVFN, 0x04, 2, 0);
    assert_int_equal(in8(&fx, STATUS), 0x50);
    assert_int_equal(in8(&fx, BMISTA), 0xff);
}

static void registers(void **unused) {
    (void)unused;
    out32(&fx, BMIDTP, 0x12345677);
    assert_int_equal(in32(&fx, BMIDTP), 0x12345674);
    out8(&fx, BMIDTP + 3, 0xab);
    assert_int_equal(in16(&fx, BMIDTP + 2), 0xab34);
    out8(&fx, BMISTA, 0x60);
    assert_int_equal(in8(&fx, BMISTA), 0x60);
    assert_int_equal(in32(&fx, BM + 12), 0); /* the other channel's */
}

/* ---- transfers (the combinations of BMI 1.1, table 2) ---- */

static void read_dma(void **unused) {
    (void)unused;
    prd(0, 0x8000, 512);
    prd(1, 0x9000, EOT | 1024);
    dma(0xc8, 50, 3, TO_MEMORY);
    ended(INTERRUPT); /* the list and the transfer end together */
    assert_int_equal(ram32(0x8000), 51);
    assert_int_equal(ram32(0x9000), 52);
    assert_int_equal(ram32(0x9200), 53);
    assert_int_equal(disk->stats.rd_ops, 1);
    assert_int_equal(fx.irq_edges[IRQ], 1);
}

static void write_dma(void **unused) {
    (void)unused;
    memset(fx.ram + 0x8000, 0x5a, 1024);
    prd(0, 0x8000, 700);
    prd(1, 0x8000 + 700, EOT | 324);
    dma(0xca, 60, 2, 0);
    ended(INTERRUPT);
    assert_int_equal(fixture_bytes(disk)[60 * 512], 0x5a);
    assert_int_equal(fixture_bytes(disk)[62 * 512 - 1], 0x5a);
    assert_int_equal(load_le32(fixture_bytes(disk) + 62 * 512), 63);
}

static void start_before_the_command(void **unused) {
    (void)unused;
    prd(0, 0x8000, EOT | 512);
    out32(&fx, BMIDTP, TABLE);
    out8(&fx, BMICOM, TO_MEMORY | START);
    command(0xc8, 7, 1);
    fixture_io(&fx);
    ended(INTERRUPT);
    assert_int_equal(ram32(0x8000), 8);
}

static void list_longer_than_the_transfer(void **unused) {
    (void)unused;
    prd(0, 0x8000, EOT | 4096);
    dma(0xc8, 7, 1, TO_MEMORY);
    ended(INTERRUPT | ACTIVE);
    assert_int_equal(in8(&fx, BMISTA) & ACTIVE, 0); /* stopped */
    assert_int_equal(ram32(0x8000 + 512), 0);
}

static void list_shorter_than_the_transfer(void **unused) {
    (void)unused;
    prd(0, 0x8000, EOT | 700);
    dma(0xc8, 7, 2, TO_MEMORY);
    assert_false(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, BMISTA) & 7, 0);
    assert_int_equal(in8(&fx, STATUS), 0x58); /* the drive has more */
    assert_int_equal(ram32(0x8000), 8);
    assert_int_equal(ram32(0x8200), 9);
    assert_int_equal(ram32(0x8000 + 700), 0);
    /* a driver gives up with a reset */
    out8(&fx, BMICOM, 0);
    out8(&fx, CONTROL, 0x0c);
    out8(&fx, CONTROL, 0x08);
    assert_int_equal(in8(&fx, STATUS), 0x50);
}

static void a_zero_count_is_64_kib(void **unused) {
    (void)unused;
    prd(0, 0x10000, EOT | 0);
    dma(0xc8, 1000, 128, TO_MEMORY);
    ended(INTERRUPT);
    assert_int_equal(ram32(0x10000 + 127 * 512), 1128);
}

/* More pieces than a scatter list holds: 2 bytes each, so not even a sector fits into one. */
static void a_sector_in_256_pieces(void **unused) {
    (void)unused;
    for (unsigned i = 0; i < 512; i++)
        prd(i, 0x20000 + 4 * i, 2 | (i == 511 ? EOT : 0));
    dma(0xc8, 30, 2, TO_MEMORY);
    ended(INTERRUPT);
    assert_int_equal(load_le16(fx.ram + 0x20000), 31);
    assert_int_equal(load_le16(fx.ram + 0x20000 + 4 * 256), 32);
    memset(fx.ram + 0x20000, 0x11, 4 * 512);
    dma(0xca, 30, 2, 0);
    ended(INTERRUPT);
    assert_int_equal(fixture_bytes(disk)[30 * 512], 0x11);
    assert_int_equal(fixture_bytes(disk)[32 * 512 - 1], 0x11);
}

/* Sectors that lie in three pieces each: lists are cut at a sector. */
static void many_odd_pieces(void **unused) {
    (void)unused;
    for (unsigned i = 0; i < 3 * 64; i++)
        prd(i, 0x20000 + 0x200 * i, i % 3 == 2 ? 512 - 340 : 170);
    prd(3 * 64 - 1, 0x20000 + 0x200 * (3 * 64 - 1), EOT | (512 - 340));
    dma(0xc8, 100, 64, TO_MEMORY);
    ended(INTERRUPT);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(ram32(0x20000 + 0x600 * i), 101 + i);
}

static void a_list_that_loops(void **unused) {
    (void)unused;
    /* no EOT: the table's 64 KiB are walked round and round, until the command has its data */
    for (unsigned i = 0; i < 8192; i++) {
        store_le32(fx.ram + 0x30000 + 8 * i, 0x8000);
        store_le32(fx.ram + 0x30000 + 8 * i + 4, 2);
    }
    store_le32(fx.ram, 0x12345678); /* what follows the 64 KiB is a descriptor that leads here */
    out32(&fx, BMIDTP, 0x3fff8); /* wraps at once */
    out8(&fx, BMICOM, TO_MEMORY);
    command(0xc8, 0, 0); /* 256 sectors: 65536 descriptors */
    out8(&fx, BMICOM, TO_MEMORY | START);
    fixture_io(&fx);
    ended(INTERRUPT | ACTIVE);
    assert_int_equal(ram32(0), 0x12345678);
}

static void a_table_at_nothing(void **unused) {
    (void)unused;
    out32(&fx, BMIDTP, 0xfffffff0);
    command(0xc8, 0, 1);
    out8(&fx, BMICOM, TO_MEMORY | START);
    fixture_io(&fx);
    assert_int_equal(in8(&fx, BMISTA) & 7, ERROR);
    assert_false(fx.irq[IRQ]);
}

/* Regions outside of RAM: writes are swallowed, reads give ones. */
static void a_region_at_nothing(void **unused) {
    (void)unused;
    prd(0, 0xfeed0000, 512);
    prd(1, 0x8000, EOT | 512);
    dma(0xc8, 7, 2, TO_MEMORY);
    ended(INTERRUPT);
    assert_int_equal(ram32(0x8000), 9);
    dma(0xca, 7, 2, 0);
    ended(INTERRUPT);
    assert_int_equal(load_le32(fixture_bytes(disk) + 7 * 512), 0xffffffff);
}

static void no_bus_master_enable(void **unused) {
    (void)unused;
    cfg_write(&fx, DEVFN, 0x04, 2, 0x0001);
    prd(0, 0x8000, EOT | 512);
    dma(0xc8, 7, 1, TO_MEMORY);
    assert_int_equal(ram32(0x8000), 0);
    assert_false(fx.irq[IRQ]);
}

static void the_wrong_direction_moves_nothing(void **unused) {
    (void)unused;
    prd(0, 0x8000, EOT | 512);
    dma(0xc8, 7, 1, 0);
    assert_int_equal(ram32(0x8000), 0);
    assert_int_equal(in8(&fx, BMISTA) & 7, ACTIVE);
}

static void two_batches(void **unused) {
    (void)unused;
    for (unsigned i = 0; i < 64; i++)
        prd(i, 0x40000, i == 63 ? EOT : 0); /* 64 KiB each to the same place: 4 MiB */
    out32(&fx, BMIDTP, TABLE);
    out8(&fx, BMICOM, TO_MEMORY);
    out8(&fx, COUNT, 0x20);
    out8(&fx, LOW, 0);
    out8(&fx, MID, 0);
    out8(&fx, HIGH, 0);
    command(0x25, 0, 0); /* READ DMA EXT of 2000h sectors */
    out8(&fx, BMICOM, TO_MEMORY | START);
    fixture_io(&fx);
    ended(INTERRUPT);
    assert_int_equal(ram32(0x40000), 63 * 128 + 1);
    assert_in_range(disk->stats.rd_ops, 4, 8); /* a MiB each, or as much as a list holds */
}

/* ---- errors and resets under way ---- */

static void a_bad_sector(void **unused) {
    (void)unused;
    prd(0, 0x8000, EOT | 2048);
    out32(&fx, BMIDTP, TABLE);
    out8(&fx, BMICOM, TO_MEMORY);
    command(0xc8, 100, 4);
    fixture_fail(disk, EIO, 2); /* the whole, and the first sector of the search */
    out8(&fx, BMICOM, TO_MEMORY | START);
    fixture_io(&fx);
    assert_true(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, STATUS), 0x51);
    assert_int_equal(in8(&fx, 0x1f1), 0x40);
    assert_int_equal(in8(&fx, LOW), 100);
}

static void a_failure_that_goes_away(void **unused) {
    (void)unused;
    prd(0, 0x8000, EOT | 2048);
    fixture_fail(disk, EIO, 1);
    dma(0xc8, 100, 4, TO_MEMORY);
    ended(INTERRUPT);
    assert_int_equal(ram32(0x8000 + 1536), 104);
    memset(fx.ram + 0x8000, 0x33, 2048);
    fixture_fail(disk, EIO, 1);
    dma(0xca, 100, 4, 0);
    ended(INTERRUPT);
    assert_int_equal(fixture_bytes(disk)[103 * 512 + 511], 0x33);
}

static void stopped_under_way(void **unused) {
    (void)unused;
    prd(0, 0x8000, EOT | 512);
    out32(&fx, BMIDTP, TABLE);
    command(0xc8, 7, 1);
    out8(&fx, BMICOM, TO_MEMORY | START);
    assert_int_equal(fx.maps, 1);
    out8(&fx, BMICOM, TO_MEMORY);
    out8(&fx, CONTROL, 0x0c);
    out8(&fx, CONTROL, 0x08);
    assert_int_equal(in8(&fx, STATUS), 0x80); /* until the memory is the guest's again */
    fixture_io(&fx);
    assert_int_equal(fx.maps, 0);
    assert_int_equal(in8(&fx, STATUS), 0x50);
}

static void trim(void **unused) {
    (void)unused;
    store_le64(fx.ram + 0x8000, (uint64_t)4 << 48 | 200); /* 4 sectors from 200 */
    store_le64(fx.ram + 0x8008, (uint64_t)1 << 48 | 300);
    prd(0, 0x8000, EOT | 512);
    out8(&fx, 0x1f1, 0x01);
    dma(0x06, 0, 1, 0);
    ended(INTERRUPT);
    assert_int_equal(load_le32(fixture_bytes(disk) + 199 * 512), 200);
    assert_int_equal(load_le32(fixture_bytes(disk) + 203 * 512), 0);
    assert_int_equal(load_le32(fixture_bytes(disk) + 300 * 512), 0);
}

static void a_cd_by_dma(void **unused) {
    (void)unused;
    static const uint8_t test_unit_ready[12] = {0}, read_10[12] = {0x28, 0, 0, 0, 0, 3, 0, 0, 2};
    memset(fixture_bytes(cd) + 3 * 2048, 0x44, 4096);
    out8(&fx, 0x177, 0xa0); /* takes the power-on UNIT ATTENTION */
    outs16(&fx, 0x170, test_unit_ready, 6);
    prd(0, 0x8000, EOT | 4096);
    out32(&fx, BM + 12, TABLE);
    out8(&fx, BM + 8, TO_MEMORY);
    out8(&fx, 0x171, 1);
    out8(&fx, 0x177, 0xa0);
    outs16(&fx, 0x170, read_10, 6);
    out8(&fx, BM + 8, TO_MEMORY | START);
    fixture_io(&fx);
    assert_true(fx.irq[15]);
    assert_int_equal(in8(&fx, BM + 10) & 7, INTERRUPT);
    assert_int_equal(in8(&fx, 0x177), 0x50);
    assert_int_equal(fx.ram[0x8000], 0x44);
    assert_int_equal(fx.ram[0x8fff], 0x44);
}

/* ---- unplug ---- */

static void unplug_all(void **unused) {
    (void)unused;
    uint8_t buf[512] = {0x99};
    command(0x30, 5, 1);
    outs16(&fx, DATA, buf, 256); /* a write is in flight */
    piix_ide_unplug(ide, false);
    assert_int_equal(fixture_bytes(disk)[5 * 512], 0x99);
    assert_int_equal(disk->stats.flush_ops, 1);
    assert_int_equal(disk->users, 1); /* the fixture's own */
    assert_int_equal(slave->users, 1);
    assert_int_equal(in8(&fx, STATUS), 0); /* nobody there */
    assert_false(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, 0x174), 0x14); /* the CD-ROM stays, reset */
    piix_ide_unplug(ide, false);
    assert_int_equal(cfg_read(&fx, DEVFN, 0, 4), 0x70108086);
}

static void unplug_aux(void **unused) {
    (void)unused;
    piix_ide_unplug(ide, true);
    assert_int_equal(disk->users, 2);
    assert_int_equal(slave->users, 1);
    assert_int_equal(in8(&fx, STATUS), 0x50);
    out8(&fx, DEVICE, 0xb0);
    assert_int_equal(in8(&fx, STATUS), 0x00);
}

static void unplug_is_state(void **unused) {
    (void)unused;
    struct state_buf buf = {0};
    char reason[256] = "";
    size_t used;
    piix_ide_unplug(ide, false);
    state_save(&buf, piix_ide_device.state, "ide", ide);
    piix_ide_device.free(ide);
    ide = piix_ide_new(&(struct piix_ide_pins){
        .pci = fx.pci, .devfn = DEVFN, .io = fx.io, .irq14 = fixture_irq(&fx, IRQ),
        .irq15 = fixture_irq(&fx, 15),
        .drive = {{.block = disk}, {.block = slave}, {.block = cd, .cdrom = true}}});
    assert_int_equal(in8(&fx, STATUS), 0x50);
    if (!state_load(buf.bytes, buf.len, &used, piix_ide_device.state, "ide", ide, reason,
                    sizeof(reason)))
        fail_msg("%s", reason);
    state_buf_free(&buf);
    assert_int_equal(in8(&fx, STATUS), 0);
    assert_int_equal(disk->users, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(identity), T(legacy_ports_answer_always), T(registers), T(read_dma), T(write_dma),
        T(start_before_the_command), T(list_longer_than_the_transfer),
        T(list_shorter_than_the_transfer), T(a_zero_count_is_64_kib), T(a_sector_in_256_pieces),
        T(many_odd_pieces), T(a_list_that_loops), T(a_table_at_nothing), T(a_region_at_nothing),
        T(no_bus_master_enable), T(the_wrong_direction_moves_nothing), T(two_batches),
        T(a_bad_sector), T(a_failure_that_goes_away), T(stopped_under_way), T(trim),
        T(a_cd_by_dma), T(unplug_all), T(unplug_aux), T(unplug_is_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
