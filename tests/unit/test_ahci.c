/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The AHCI controller, driven as its drivers do. "AHCI" is the Serial ATA AHCI specification 1.3,
 * "SATA" Serial ATA 2.6, "ICH9" the I/O controller's datasheet (Intel 316972-004).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "core/bits.h"
#include "core/state.h"
#include "disk/ahci.h"
#include "fixture.h"

enum {
    DEVFN = 0x20, MEM = 0xe0000000, IO = 0xc000,
    CAP = 0x00, GHC = 0x04, IS = 0x08, PI = 0x0c, VS = 0x10,
    PXCLB = 0x00, PXCLBU = 0x04, PXFB = 0x08, PXIS = 0x10, PXIE = 0x14, PXCMD = 0x18, PXTFD = 0x20,
    PXSIG = 0x24, PXSSTS = 0x28, PXSCTL = 0x2c, PXSERR = 0x30, PXSACT = 0x34, PXCI = 0x38,
    ST = 0x0001, FRE = 0x0010, CLO = 0x0008, CR = 0x8000, FR = 0x4000,
    DHRS = 0x01, PSS = 0x02, SDBS = 0x08, DPS = 0x20, PCS = 0x40,
    DISK = 0, READ_ONLY = 1, CD = 2, EMPTY = 3,
    /* guest memory of port n: its structures at n * 0x10000 + 0x10000, data from 0x80000 on */
    LIST = 0x0000, FIS = 0x0400, TABLES = 0x1000, TABLE_SIZE = 0x400, DATA = 0x80000,
};
#define OFS 0x01000000u
#define IFS 0x08000000u
#define HBFS 0x20000000u
#define TFES 0x40000000u
#define WRITES 0x40u

static struct fixture fx;
static struct ahci *ahci;
static struct block *disk, *cd;

static uint32_t base(unsigned port) {
    return 0x10000 + port * 0x10000;
}

static uint32_t get(unsigned reg) {
    return (uint32_t)mem_read(&fx, MEM + reg, 4);
}

static void put(unsigned reg, uint32_t val) {
    mem_write(&fx, MEM + reg, 4, val);
}

static uint32_t port_get(unsigned port, unsigned reg) {
    return get(0x100 + 0x80 * port + reg);
}

static void port_put(unsigned port, unsigned reg, uint32_t val) {
    put(0x100 + 0x80 * port + reg, val);
}

/* AHCI 10.1.2: memory for the port, then it receives and runs. */
static void start_port(unsigned port) {
    port_put(port, PXCLB, base(port) + LIST);
    port_put(port, PXFB, base(port) + FIS);
    port_put(port, PXCMD, port_get(port, PXCMD) | FRE);
    port_put(port, PXSERR, 0xffffffff);
    port_put(port, PXIS, 0xffffffff);
    port_put(port, PXCMD, port_get(port, PXCMD) | ST);
}

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    disk = fixture_block(&fx, MIB(8), false);
    cd = fixture_block(&fx, MIB(1), true);
    for (unsigned i = 0; i < MIB(8) / 512; i++)
        store_le32(fixture_bytes(disk) + 512 * i, i + 1);
    for (unsigned i = 0; i < MIB(1) / 2048; i++)
        store_le32(fixture_bytes(cd) + 2048 * i, 0xcd000000 + i);
    ahci = ahci_new(&(struct ahci_pins){
        .pci = fx.pci, .devfn = DEVFN,
        .drive = {[DISK] = {.block = disk, .serial = "S1"},
                  [READ_ONLY] = {.block = fixture_block(&fx, MIB(1), true)},
                  [CD] = {.block = cd, .cdrom = true}}});
    cfg_write(&fx, DEVFN, 0x24, 4, MEM);
    cfg_write(&fx, DEVFN, 0x20, 4, IO | 1);
    cfg_write(&fx, DEVFN, 0x04, 2, 0x0007);
    put(GHC, 0x80000002);
    for (unsigned port = 0; port < 3; port++)
        start_port(port);
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    if (ahci)
        ahci_device.free(ahci);
    assert_int_equal(fx.maps, 0);
    fixture_done(&fx);
    return 0;
}

/* ---- a driver ---- */

static uint8_t *table(unsigned port, unsigned slot) {
    return fx.ram + base(port) + TABLES + slot * TABLE_SIZE;
}

static uint8_t *header(unsigned port, unsigned slot) {
    return fx.ram + base(port) + LIST + slot * 32;
}

static void region(unsigned port, unsigned slot, unsigned n, uint32_t addr, uint32_t bytes) {
    uint8_t *prd = table(port, slot) + 0x80 + 16 * n;
    store_le64(prd, addr);
    store_le32(prd + 8, 0);
    store_le32(prd + 12, bytes - 1);
}

/* A register frame in a slot's table, and its header (AHCI 4.2.2, SATA 10.3.4). */
static uint8_t *fill(unsigned port, unsigned slot, uint8_t command, uint64_t lba, unsigned count,
                     unsigned regions, uint32_t flags) {
    uint8_t *fis = table(port, slot);
    memset(fis, 0, 0x80);
    fis[0] = 0x27;
    fis[1] = 0x80;
    fis[2] = command;
    fis[4] = (uint8_t)lba, fis[5] = (uint8_t)(lba >> 8), fis[6] = (uint8_t)(lba >> 16);
    fis[7] = 0x40;
    fis[8] = (uint8_t)(lba >> 24), fis[9] = (uint8_t)(lba >> 32), fis[10] = (uint8_t)(lba >> 40);
    fis[12] = (uint8_t)count, fis[13] = (uint8_t)(count >> 8);
    memset(header(port, slot), 0, 32);
    store_le32(header(port, slot), 5 | flags | regions << 16);
    store_le64(header(port, slot) + 8, base(port) + TABLES + slot * TABLE_SIZE);
    return fis;
}

static void run(unsigned port, unsigned slot) {
    port_put(port, PXCI, 1u << slot);
    fixture_io(&fx);
}

/* One command with one region, from start to end. */
static void command(unsigned port, uint8_t code, uint64_t lba, unsigned count, uint32_t bytes,
                    uint32_t flags) {
    fill(port, 0, code, lba, count, bytes ? 1 : 0, flags);
    region(port, 0, 0, DATA, bytes ? bytes : 2);
    run(port, 0);
}

/* READ or WRITE FPDMA QUEUED (SATA 13.6.4): the count is in Features, the tag in Count. */
static void fill_queued(unsigned slot, uint8_t code, uint64_t lba, unsigned count,
                        uint32_t address) {
    uint8_t *fis = fill(DISK, slot, code, lba, slot << 3, 1, code == 0x61 ? WRITES : 0);
    fis[3] = (uint8_t)count;
    fis[11] = (uint8_t)(count >> 8);
    region(DISK, slot, 0, address, count ? count * 512 : 65536 * 512);
}

static void queue(uint32_t slots) {
    port_put(DISK, PXSACT, slots);
    port_put(DISK, PXCI, slots);
}

static const uint8_t *received(unsigned port, unsigned off) {
    return fx.ram + base(port) + FIS + off;
}

static uint32_t data32(unsigned off) {
    return load_le32(fx.ram + DATA + off);
}

static void succeeded(unsigned port) {
    assert_int_equal(port_get(port, PXCI), 0);
    assert_int_equal(port_get(port, PXTFD), 0x50);
    assert_int_equal(port_get(port, PXIS) & (TFES | HBFS | IFS | OFS), 0);
}

/* AHCI 6.2.2.1: stop, clear, start. */
static void recover(unsigned port) {
    port_put(port, PXCMD, port_get(port, PXCMD) & ~(uint32_t)ST);
    assert_int_equal(port_get(port, PXCMD) & CR, 0);
    assert_int_equal(port_get(port, PXCI), 0);
    assert_int_equal(port_get(port, PXSACT), 0);
    port_put(port, PXSERR, 0xffffffff);
    port_put(port, PXIS, 0xffffffff);
    port_put(port, PXCMD, port_get(port, PXCMD) | ST);
}

/* ---- the controller ---- */

static void identity(void **unused) {
    (void)unused;
    assert_int_equal(cfg_read(&fx, DEVFN, 0x00, 4), 0x29228086);
    assert_int_equal(cfg_read(&fx, DEVFN, 0x08, 4), 0x01060102);
    assert_int_equal(cfg_read(&fx, DEVFN, 0x3d, 1), 1);
    assert_int_equal(cfg_read(&fx, DEVFN, 0x90, 1), 0x40); /* ICH9 15.1.33: AHCI mode */
    cfg_write(&fx, DEVFN, 0x24, 4, 0xffffffff);
    assert_int_equal(cfg_read(&fx, DEVFN, 0x24, 4), 0xfffff000);
    cfg_write(&fx, DEVFN, 0x20, 4, 0xffffffff);
    assert_int_equal(cfg_read(&fx, DEVFN, 0x20, 4), 0xffffffe1);
}

/* The capability that says where index and data are: BAR 4, 10h (ICH9, 15.1.34). */
static void sata_capability(void **unused) {
    (void)unused;
    unsigned at = cfg_read(&fx, DEVFN, 0x34, 1);
    while (at && cfg_read(&fx, DEVFN, at, 1) != 0x12)
        at = cfg_read(&fx, DEVFN, at + 1, 1);
    assert_true(at);
    assert_int_equal(cfg_read(&fx, DEVFN, at + 2, 2), 0x0010);
    assert_int_equal(cfg_read(&fx, DEVFN, at + 4, 4), 0x48);
    out32(&fx, IO + 0x10, VS);
    assert_int_equal(in32(&fx, IO + 0x14), 0x00010200);
    out32(&fx, IO + 0x10, 0x100 + PXIE);
    out32(&fx, IO + 0x14, 0xffffffff);
    assert_int_equal(port_get(0, PXIE), 0xfdc000ff);
}

/* AHCI 3.1: 64-bit addresses, NCQ, command list override, AHCI only, 32 slots, 6 ports. */
static void capabilities(void **unused) {
    (void)unused;
    assert_int_equal(get(CAP), 0xc1241f05);
    assert_int_equal(get(PI), 0x3f);
    assert_int_equal(get(VS), 0x00010200);
    assert_int_equal(get(GHC), 0x80000002);
    assert_int_equal(get(0x24), 0); /* CAP2 */
    assert_int_equal(get(0x100 + 0x80 * 6), 0); /* no seventh port */
}

static void signatures(void **unused) {
    (void)unused;
    assert_int_equal(port_get(DISK, PXSIG), 0x00000101);
    assert_int_equal(port_get(CD, PXSIG), 0xeb140101);
    assert_int_equal(port_get(EMPTY, PXSIG), 0xffffffff);
    assert_int_equal(port_get(DISK, PXSSTS) & 0xf0f, 0x103);
    assert_int_equal(port_get(EMPTY, PXSSTS), 0);
    assert_int_equal(port_get(DISK, PXTFD) & 0xff, 0x50);
    assert_int_equal(port_get(CD, PXTFD) & 0xff, 0x00);
    assert_int_equal(port_get(EMPTY, PXTFD) & 0xff, 0x7f);
    assert_int_equal(received(DISK, 0x40)[0], 0x34); /* the first frame arrived when FRE was set */
    assert_int_equal(port_get(DISK, PXCMD) & (ST | FRE | CR | FR), ST | FRE | CR | FR);
    assert_int_equal(port_get(DISK, PXCMD) & 6, 6); /* spun up, powered: no staggering */
}

static void controller_reset(void **unused) {
    (void)unused;
    put(GHC, 0x80000003);
    assert_int_equal(get(GHC), 0x80000000);
    assert_int_equal(port_get(DISK, PXCMD) & (ST | FRE | CR | FR), 0);
    assert_int_equal(port_get(DISK, PXCLB), base(DISK) + LIST); /* 10.4.3 keeps it */
    assert_int_equal(port_get(DISK, PXSIG), 0xffffffff);
    start_port(DISK);
    assert_int_equal(port_get(DISK, PXSIG), 0x00000101);
    command(DISK, 0x25, 7, 1, 512, 0);
    succeeded(DISK);
}

/* AHCI 10.4.2 */
static void comreset(void **unused) {
    (void)unused;
    port_put(DISK, PXCMD, port_get(DISK, PXCMD) & ~(uint32_t)ST);
    port_put(DISK, PXSCTL, 0x301);
    assert_int_equal(port_get(DISK, PXSSTS), 0);
    port_put(DISK, PXSCTL, 0x300);
    assert_int_equal(port_get(DISK, PXSSTS) & 0xf, 3);
    assert_int_equal(port_get(DISK, PXSERR) & 0x04000000, 0x04000000);
    assert_true(port_get(DISK, PXIS) & PCS);
    port_put(DISK, PXSERR, 0xffffffff);
    assert_false(port_get(DISK, PXIS) & PCS);
    assert_int_equal(port_get(DISK, PXTFD), 0x0150);
    assert_int_equal(port_get(DISK, PXSIG), 0x00000101);
    port_put(EMPTY, PXSCTL, 0x301);
    port_put(EMPTY, PXSCTL, 0x300);
    assert_int_equal(port_get(EMPTY, PXSSTS), 0);
}

/* ---- commands that are not queued ---- */

static void read_dma(void **unused) {
    (void)unused;
    port_put(DISK, PXIE, DHRS);
    fill(DISK, 0, 0x25, 5, 4, 2, 0);
    region(DISK, 0, 0, DATA, 1024);
    region(DISK, 0, 1, DATA + 0x3000, 1024);
    port_put(DISK, PXCI, 1);
    assert_int_equal(port_get(DISK, PXCI), 1);
    assert_int_equal(port_get(DISK, PXTFD) & 0x80, 0x80);
    assert_false(fx.intx[4][0]);
    fixture_io(&fx);
    succeeded(DISK);
    assert_int_equal(data32(0), 6);
    assert_int_equal(data32(512), 7);
    assert_int_equal(data32(0x3000), 8);
    assert_int_equal(data32(0x3200), 9);
    assert_int_equal(load_le32(header(DISK, 0) + 4), 2048);
    assert_int_equal(received(DISK, 0x40)[0], 0x34);
    assert_int_equal(received(DISK, 0x40)[1], 0x40);
    assert_int_equal(received(DISK, 0x40)[2], 0x50);
    assert_true(fx.intx[4][0]);
    assert_int_equal(get(IS), 1);
    port_put(DISK, PXIS, DHRS);
    put(IS, 1);
    assert_int_equal(get(IS), 0);
    assert_false(fx.intx[4][0]);
}

static void write_dma(void **unused) {
    (void)unused;
    memset(fx.ram + DATA, 0x5a, 65536);
    command(DISK, 0x35, 100, 128, 65536, WRITES);
    succeeded(DISK);
    assert_memory_equal(fixture_bytes(disk) + 100 * 512, fx.ram + DATA, 65536);
    command(DISK, 0xca, 1, 1, 512, WRITES); /* 28 bits: WRITE DMA */
    succeeded(DISK);
    assert_int_equal(fixture_bytes(disk)[512], 0x5a);
}

/* The memory goes to the image as it is: one request for all of it. */
static void no_copies(void **unused) {
    (void)unused;
    fill(DISK, 0, 0x25, 0, 128, 1, 0);
    region(DISK, 0, 0, DATA, 65536);
    port_put(DISK, PXCI, 1);
    assert_int_equal(fixture_pending(&fx), 1);
    assert_int_equal(fx.maps, 16); /* pages */
    fixture_io(&fx);
    succeeded(DISK);
}

/* AHCI 5.6.3 and SATA 10.3.11: what a PIO command reads ends with a PIO Setup frame. */
static void identify(void **unused) {
    (void)unused;
    command(DISK, 0xec, 0, 0, 512, 0);
    succeeded(DISK);
    assert_int_equal(port_get(DISK, PXIS), PSS);
    assert_int_equal(received(DISK, 0x20)[0], 0x5f);
    assert_int_equal(received(DISK, 0x20)[15], 0x50);
    assert_int_equal(load_le32(header(DISK, 0) + 4), 512);
    assert_int_equal(load_le16(fx.ram + DATA + 2 * 75), 31);
    assert_int_equal(load_le16(fx.ram + DATA + 2 * 76), 0x010e);
    assert_int_equal(load_le16(fx.ram + DATA + 2 * 93), 0);
    assert_int_equal(load_le16(fx.ram + DATA + 2 * 169), 1);
    assert_int_equal(load_le32(fx.ram + DATA + 2 * 100), MIB(8) / 512);
}

static void pio_sectors(void **unused) {
    (void)unused;
    command(DISK, 0x24, 30, 2, 1024, 0); /* READ SECTORS EXT */
    succeeded(DISK);
    assert_int_equal(port_get(DISK, PXIS), PSS);
    assert_int_equal(data32(512), 32);
    port_put(DISK, PXIS, 0xffffffff);
    command(DISK, 0x34, 50, 2, 1024, WRITES);
    succeeded(DISK);
    assert_int_equal(port_get(DISK, PXIS), DHRS);
    assert_int_equal(load_le32(fixture_bytes(disk) + 51 * 512), 32);
    uint64_t before = disk->stats.rd_ops;
    command(DISK, 0x42, 0, 500, 0, 0); /* READ VERIFY EXT: 64 KiB a request */
    succeeded(DISK);
    assert_int_equal(disk->stats.rd_ops - before, 4);
}

static void no_data(void **unused) {
    (void)unused;
    command(DISK, 0xea, 0, 0, 0, 0); /* FLUSH CACHE EXT */
    succeeded(DISK);
    assert_int_equal(disk->stats.flush_ops, 1);
    uint8_t *fis = fill(DISK, 0, 0xef, 0, 0x46, 0, 0); /* SET FEATURES: UDMA 6 can't be */
    fis[3] = 0x03;
    run(DISK, 0);
    assert_int_equal(port_get(DISK, PXTFD), 0x0451);
    recover(DISK);
    fis = fill(DISK, 0, 0xef, 0, 0x45, 0, 0);
    fis[3] = 0x03;
    run(DISK, 0);
    succeeded(DISK);
    fis = fill(DISK, 0, 0xb0, 0xc24f00, 0, 0, 0); /* SMART RETURN STATUS */
    fis[3] = 0xda;
    run(DISK, 0);
    succeeded(DISK);
    assert_int_equal(received(DISK, 0x40)[5], 0x4f);
    assert_int_equal(received(DISK, 0x40)[6], 0xc2);
    command(DISK, 0x90, 0, 0, 0, 0); /* EXECUTE DEVICE DIAGNOSTIC */
    assert_int_equal(port_get(DISK, PXTFD), 0x0150);
    assert_int_equal(port_get(DISK, PXCI), 0);
}

static void trim(void **unused) {
    (void)unused;
    memset(fx.ram + DATA, 0, 512);
    store_le64(fx.ram + DATA, 64 | (uint64_t)8 << 48);
    memset(fixture_bytes(disk) + 64 * 512, 0xee, 9 * 512);
    uint8_t *fis = fill(DISK, 0, 0x06, 0, 1, 1, WRITES);
    fis[3] = 1;
    region(DISK, 0, 0, DATA, 512);
    run(DISK, 0);
    succeeded(DISK);
    assert_int_equal(fixture_bytes(disk)[64 * 512], 0);
    assert_int_equal(fixture_bytes(disk)[72 * 512], 0xee);
}

/* Several at once are taken in turn, each when the one before is done. */
static void in_turn(void **unused) {
    (void)unused;
    for (unsigned slot = 0; slot < 3; slot++) {
        fill(DISK, slot, 0x25, slot * 10, 1, 1, 0);
        region(DISK, slot, 0, DATA + 512 * slot, 512);
    }
    port_put(DISK, PXCI, 7);
    assert_int_equal(fixture_pending(&fx), 1);
    fixture_io(&fx);
    succeeded(DISK);
    assert_int_equal(data32(512), 11);
    assert_int_equal(data32(1024), 21);
}

static void interrupt_of_a_region(void **unused) {
    (void)unused;
    fill(DISK, 0, 0x25, 0, 1, 1, 0);
    region(DISK, 0, 0, DATA, 512 | 0x80000000);
    run(DISK, 0);
    assert_int_equal(port_get(DISK, PXIS), DHRS | DPS);
}

/* A list in the smallest pieces there are, and at odd places of a page. */
static void small_regions(void **unused) {
    (void)unused;
    fill(DISK, 0, 0x25, 3, 2, 40, 0);
    for (unsigned i = 0; i < 40; i++)
        region(DISK, 0, i, DATA + 0x100 * i + 0xf0 * (i & 1), i < 39 ? 2 + 2 * (i % 20) : 512);
    run(DISK, 0);
    succeeded(DISK);
    assert_int_equal(load_le16(fx.ram + DATA), 4);
    assert_int_equal(load_le32(header(DISK, 0) + 4), 1024);
}

/* A sector in more pieces than are mapped at once, and another behind it. */
static void more_regions_than_map(void **unused) {
    (void)unused;
    fill(DISK, 0, 0x25, 3, 2, 257, 0);
    for (unsigned i = 0; i < 256; i++)
        region(DISK, 0, i, DATA + 8 * i, 2);
    region(DISK, 0, 256, DATA + 0x1000, 512);
    run(DISK, 0);
    succeeded(DISK);
    const uint8_t *sector = fixture_bytes(disk) + 3 * 512;
    for (unsigned i = 0; i < 256; i++)
        assert_memory_equal(fx.ram + DATA + 8 * i, sector + 2 * i, 2);
    assert_int_equal(data32(0x1000), 5);
    assert_int_equal(load_le32(header(DISK, 0) + 4), 1024);
}

/* ---- errors ---- */

/* AHCI 6.2.2.1: the error status, TFES, no further command until the port was stopped. */
static void task_file_error(void **unused) {
    (void)unused;
    fill(DISK, 4, 0x25, 1, 1, 1, 0);
    region(DISK, 4, 0, DATA, 512);
    port_put(DISK, PXIE, TFES);
    command(DISK, 0x25, MIB(8) / 512, 1, 512, 0);
    assert_int_equal(port_get(DISK, PXTFD), 0x1051);
    assert_true(port_get(DISK, PXIS) & TFES);
    assert_true(fx.intx[4][0]);
    assert_int_equal(port_get(DISK, PXCI), 1);
    assert_int_equal(port_get(DISK, PXCMD) >> 8 & 0x1f, 0);
    run(DISK, 4);
    assert_int_equal(port_get(DISK, PXCI), 0x11); /* is not taken */
    recover(DISK);
    run(DISK, 4);
    succeeded(DISK);
}

static void medium_error(void **unused) {
    (void)unused;
    fixture_fail(disk, EIO, 20);
    command(DISK, 0x25, 40, 8, 4096, 0);
    assert_int_equal(port_get(DISK, PXTFD), 0x4051);
    assert_int_equal(received(DISK, 0x40)[4], 40); /* which sector it was */
    fixture_fail(disk, 0, 0);
    recover(DISK);
    command(READ_ONLY, 0x35, 0, 1, 512, WRITES);
    assert_int_equal(port_get(READ_ONLY, PXTFD), 0x0451);
}

/* AHCI 6.1.5: more data than the list has room for is dropped; it isn't fatal. */
static void short_list(void **unused) {
    (void)unused;
    memset(fx.ram + DATA, 0, 4096);
    command(DISK, 0x25, 10, 4, 1024, 0);
    assert_int_equal(port_get(DISK, PXCI), 0);
    assert_true(port_get(DISK, PXIS) & OFS);
    assert_int_equal(data32(512), 12);
    assert_int_equal(data32(1024), 0);
    port_put(DISK, PXIS, 0xffffffff);
    command(DISK, 0x35, 10, 4, 1024, WRITES); /* the drive waits for the rest */
    assert_int_equal(port_get(DISK, PXCI), 1);
    assert_true(port_get(DISK, PXTFD) & 0x80);
    port_put(DISK, PXCMD, port_get(DISK, PXCMD) & ~(uint32_t)ST);
    port_put(DISK, PXSCTL, 0x301);
    port_put(DISK, PXSCTL, 0x300);
    port_put(DISK, PXIS, 0xffffffff);
    port_put(DISK, PXCMD, port_get(DISK, PXCMD) | ST);
    command(DISK, 0x25, 10, 1, 512, 0);
    succeeded(DISK);
}

static void bad_structures(void **unused) {
    (void)unused;
    fill(DISK, 0, 0x25, 0, 1, 1, 0)[0] = 0x41; /* no register frame */
    run(DISK, 0);
    assert_true(port_get(DISK, PXIS) & IFS);
    recover(DISK);
    fill(DISK, 0, 0x25, 0, 1, 1, 0);
    store_le64(header(DISK, 0) + 8, 0x200000); /* its table is not in memory */
    run(DISK, 0);
    assert_true(port_get(DISK, PXIS) & HBFS);
    recover(DISK);
    port_put(DISK, PXCLBU, 1);
    run(DISK, 0);
    assert_true(port_get(DISK, PXIS) & HBFS);
    port_put(DISK, PXCLBU, 0);
    recover(DISK);
    command(DISK, 0x25, 0, 1, 512, 0);
    succeeded(DISK);
}

/* ---- software reset (AHCI 10.4.1) ---- */

static void control_frame(unsigned port, uint8_t control, uint32_t flags) {
    uint8_t *fis = fill(port, 0, 0, 0, 0, 0, flags);
    fis[1] = 0;
    fis[15] = control;
    run(port, 0);
}

static void software_reset(void **unused) {
    (void)unused;
    memset(fx.ram + base(CD) + FIS, 0, 256);
    control_frame(CD, 0x04, 0x500); /* R and C: clear busy */
    assert_int_equal(port_get(CD, PXCI), 0);
    assert_int_equal(port_get(CD, PXTFD) & 0x80, 0);
    control_frame(CD, 0x00, 0);
    assert_int_equal(port_get(CD, PXCI), 0);
    assert_int_equal(port_get(CD, PXTFD), 0x0100);
    assert_int_equal(port_get(CD, PXSIG), 0xeb140101);
    assert_int_equal(received(CD, 0x40)[0], 0x34);
    assert_int_equal(received(CD, 0x40)[1] & 0x40, 0); /* no interrupt */
    assert_int_equal(port_get(CD, PXIS), 0);
}

static void override(void **unused) {
    (void)unused;
    fill(DISK, 0, 0x25, 0, 8, 1, 0);
    region(DISK, 0, 0, DATA, 4096);
    port_put(DISK, PXCI, 1);
    port_put(DISK, PXCMD, port_get(DISK, PXCMD) & ~(uint32_t)ST);
    assert_true(port_get(DISK, PXCMD) & CR); /* until nothing reaches memory any more */
    assert_true(port_get(DISK, PXTFD) & 0x80);
    port_put(DISK, PXCMD, port_get(DISK, PXCMD) | CLO);
    assert_false(port_get(DISK, PXTFD) & 0x88);
    assert_false(port_get(DISK, PXCMD) & CLO);
    fixture_io(&fx);
    assert_false(port_get(DISK, PXCMD) & CR);
    port_put(DISK, PXCMD, port_get(DISK, PXCMD) | ST);
    control_frame(DISK, 0x04, 0x500);
    control_frame(DISK, 0x00, 0);
    assert_int_equal(port_get(DISK, PXTFD), 0x0150);
    port_put(DISK, PXIS, 0xffffffff);
    command(DISK, 0x25, 0, 1, 512, 0);
    succeeded(DISK);
}

/* ---- packets ---- */

static void packet(const uint8_t *cdb, uint8_t features, uint32_t bytes) {
    uint8_t *fis = fill(CD, 0, 0xa0, 0, 0, bytes ? 1 : 0, 0x20);
    fis[3] = features;
    memcpy(table(CD, 0) + 0x40, cdb, 12);
    region(CD, 0, 0, DATA, bytes ? bytes : 2);
    run(CD, 0);
}

static void packets(void **unused) {
    (void)unused;
    static const uint8_t ready[12] = {0}, sense[12] = {0x03, 0, 0, 0, 18},
        inquiry[12] = {0x12, 0, 0, 0, 36}, read[12] = {0x28, 0, 0, 0, 0, 9, 0, 0, 3},
        capacity[12] = {0x25};
    command(CD, 0xa1, 0, 0, 512, 0); /* IDENTIFY PACKET DEVICE */
    assert_int_equal(port_get(CD, PXCI), 0);
    assert_int_equal(load_le16(fx.ram + DATA), 0x85c0);
    packet(ready, 0, 0); /* unit attention: reset */
    assert_int_equal(port_get(CD, PXTFD), 0x6051);
    assert_true(port_get(CD, PXIS) & TFES);
    recover(CD);
    packet(sense, 0, 18);
    succeeded(CD);
    assert_int_equal(fx.ram[DATA + 2], 6);
    assert_int_equal(load_le32(header(CD, 0) + 4), 18);
    packet(inquiry, 0, 36); /* by PIO */
    succeeded(CD);
    assert_int_equal(fx.ram[DATA], 5);
    packet(capacity, 1, 8); /* by DMA */
    succeeded(CD);
    assert_int_equal(load_be32(fx.ram + DATA), MIB(1) / 2048 - 1);
    packet(read, 1, 3 * 2048);
    succeeded(CD);
    assert_int_equal(data32(2 * 2048), 0xcd00000b);
    packet(read, 0, 3 * 2048);
    succeeded(CD);
    command(CD, 0x08, 0, 0, 0, 0); /* DEVICE RESET */
    assert_int_equal(port_get(CD, PXCI), 0);
    assert_int_equal(port_get(CD, PXTFD), 0x0100);
}

/* ---- queued commands ---- */

/* All 32 are with the image at once, and none keeps another from its end. */
static void queue_of_32(void **unused) {
    (void)unused;
    port_put(DISK, PXIE, SDBS);
    for (unsigned slot = 0; slot < 32; slot++)
        fill_queued(slot, 0x60, slot * 100, 8, DATA + slot * 4096);
    queue(0xffffffff);
    assert_int_equal(fixture_pending(&fx), 32);
    assert_int_equal(port_get(DISK, PXCI), 0); /* the drive has them all */
    assert_int_equal(port_get(DISK, PXSACT), 0xffffffff);
    assert_int_equal(port_get(DISK, PXTFD), 0x50); /* ... and is not busy */
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXSACT), 0);
    assert_int_equal(port_get(DISK, PXIS), SDBS);
    assert_int_equal(received(DISK, 0x58)[0], 0xa1);
    assert_int_equal(received(DISK, 0x58)[1], 0x40);
    assert_int_equal(fx.intx_edges[4][0], 1); /* one interrupt for all */
    for (unsigned slot = 0; slot < 32; slot++)
        assert_int_equal(data32(slot * 4096 + 512), slot * 100 + 2);
}

static void queued_writes(void **unused) {
    (void)unused;
    memset(fx.ram + DATA, 0x77, 8192);
    fill_queued(3, 0x61, 1000, 16, DATA);
    queue(1u << 3);
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXSACT), 0);
    assert_memory_equal(fixture_bytes(disk) + 1000 * 512, fx.ram + DATA, 8192);
    assert_int_equal(disk->stats.flush_ops, 0);
    fill_queued(4, 0x61, 1000, 16, DATA);
    table(DISK, 4)[7] |= 0x80; /* FUA */
    queue(1u << 4);
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXSACT), 0);
    assert_int_equal(disk->stats.flush_ops, 1);
}

/* SATA 13.6.2, AHCI 6.2.2.2: all ends; log 10h says which one it was; then it goes on. */
static void queued_error(void **unused) {
    (void)unused;
    fill_queued(1, 0x60, 100, 8, DATA);
    fill_queued(2, 0x60, MIB(8) / 512, 8, DATA);
    fill_queued(5, 0x60, 200, 8, DATA);
    queue(1u << 1 | 1u << 2 | 1u << 5);
    fixture_io(&fx);
    assert_true(port_get(DISK, PXIS) & TFES);
    assert_int_equal(port_get(DISK, PXTFD), 0x1041);
    assert_true(port_get(DISK, PXSACT) & 1u << 2);
    assert_true(port_get(DISK, PXSACT) & 1u << 1); /* it was on its way */
    recover(DISK);
    command(DISK, 0x25, 0, 1, 512, 0); /* nothing but the log */
    assert_int_equal(port_get(DISK, PXTFD), 0x0451);
    recover(DISK);
    command(DISK, 0x2f, 0x10, 1, 512, 0);
    succeeded(DISK);
    const uint8_t *log = fx.ram + DATA;
    assert_int_equal(log[0], 2);
    assert_int_equal(log[2] & 1, 1);
    assert_int_equal(log[3], 0x10);
    assert_int_equal(load_le16(log + 4), MIB(8) / 512);
    uint8_t sum = 0;
    for (unsigned i = 0; i < 512; i++)
        sum = (uint8_t)(sum + log[i]);
    assert_int_equal(sum, 0);
    fill_queued(1, 0x60, 100, 8, DATA);
    queue(1u << 1);
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXSACT), 0);
    assert_int_equal(data32(0), 101);
}

/* ATA8-ACS, A.13: the log has the error and the first LBA of it, not that of the command. */
static void expect_log(uint8_t error, uint16_t lba) {
    recover(DISK);
    command(DISK, 0x2f, 0x10, 1, 512, 0);
    succeeded(DISK);
    assert_int_equal(fx.ram[DATA + 3], error);
    assert_int_equal(load_le16(fx.ram + DATA + 4), lba);
}

static void queued_medium_error(void **unused) {
    (void)unused;
    fixture_bad(disk, EIO, 105 * 512);
    fill_queued(0, 0x60, 100, 8, DATA + 0x1000);
    queue(1);
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXTFD), 0x4041);
    expect_log(0x40, 105);
    assert_int_equal(data32(0x1000 + 4 * 512), 105); /* those before it arrived */
    assert_int_equal(data32(0x1000 + 5 * 512), 0);
    memset(fx.ram + DATA + 0x1000, 0x77, 8192);
    fill_queued(3, 0x61, 100, 16, DATA + 0x1000);
    queue(1u << 3);
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXTFD), 0x0441);
    expect_log(0x04, 105);
    assert_int_equal(fixture_bytes(disk)[104 * 512 + 511], 0x77);
    assert_int_equal(load_le32(fixture_bytes(disk) + 105 * 512), 106);
}

/* What fails as a whole and not by the sector is done all the same. */
static void queued_retry(void **unused) {
    (void)unused;
    fixture_fail(disk, EIO, 1);
    fill_queued(0, 0x60, 100, 8, DATA);
    queue(1);
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXSACT), 0);
    assert_false(port_get(DISK, PXIS) & TFES);
    assert_int_equal(data32(7 * 512), 108);
}

/* A sector in more pieces than are mapped at once, between whole ones. */
static void queued_pieces(uint8_t code) {
    fill_queued(0, code, 200, 3, DATA);
    store_le16(header(DISK, 0) + 2, 258);
    region(DISK, 0, 0, DATA, 512);
    for (unsigned i = 0; i < 256; i++)
        region(DISK, 0, 1 + i, DATA + 0x1000 + 8 * i, 2);
    region(DISK, 0, 257, DATA + 0x2000, 512);
    queue(1);
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXSACT), 0);
    assert_false(port_get(DISK, PXIS) & (TFES | OFS));
    const uint8_t *sector = fixture_bytes(disk) + 201 * 512;
    for (unsigned i = 0; i < 256; i++)
        assert_memory_equal(fx.ram + DATA + 0x1000 + 8 * i, sector + 2 * i, 2);
    assert_memory_equal(fx.ram + DATA, sector - 512, 512);
    assert_memory_equal(fx.ram + DATA + 0x2000, sector + 512, 512);
}

static void queued_in_many_pieces(void **unused) {
    (void)unused;
    queued_pieces(0x60);
    for (unsigned i = 0; i < 0x3000; i++)
        fx.ram[DATA + i] = (uint8_t)(i * 7 + i / 256);
    queued_pieces(0x61);
}

static void unqueued_among_queued(void **unused) {
    (void)unused;
    fill_queued(0, 0x60, 100, 8, DATA);
    queue(1);
    fill(DISK, 1, 0x25, 0, 1, 1, 0);
    region(DISK, 1, 0, DATA, 512);
    port_put(DISK, PXCI, 2);
    assert_true(port_get(DISK, PXIS) & TFES);
    fixture_io(&fx);
    recover(DISK);
    command(DISK, 0x2f, 0x10, 1, 512, 0);
    assert_int_equal(fx.ram[DATA], 0x80);
    fill_queued(7, 0x60, 100, 8, DATA);
    table(DISK, 7)[12] = 5 << 3; /* a tag that is not its slot */
    queue(1u << 7);
    assert_true(port_get(DISK, PXIS) & TFES);
}

/* Stopped with requests out: they end, and say nothing; a slot is free again only then. */
static void stop_with_queue(void **unused) {
    (void)unused;
    fill_queued(0, 0x60, 100, 8, DATA);
    queue(1);
    port_put(DISK, PXCMD, port_get(DISK, PXCMD) & ~(uint32_t)ST);
    assert_true(port_get(DISK, PXCMD) & CR);
    port_put(DISK, PXCMD, port_get(DISK, PXCMD) | ST);
    fill_queued(0, 0x60, 300, 8, DATA);
    queue(1);
    assert_int_equal(port_get(DISK, PXCI), 1);
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXCI), 0);
    assert_int_equal(port_get(DISK, PXSACT), 0);
    assert_int_equal(data32(0), 301);
    assert_false(port_get(DISK, PXIS) & TFES);
}

static void reset_with_queue(void **unused) {
    (void)unused;
    fill_queued(0, 0x60, 100, 8, DATA);
    queue(1);
    port_put(DISK, PXCMD, port_get(DISK, PXCMD) & ~(uint32_t)ST);
    port_put(DISK, PXSCTL, 0x301);
    port_put(DISK, PXSCTL, 0x300);
    assert_int_equal(port_get(DISK, PXTFD) & 0x80, 0x80); /* not before its memory is let go */
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXTFD), 0x0150);
}

/* Longer than a request may be, and a list that ends too soon. */
static void long_queued(void **unused) {
    (void)unused;
    fill_queued(0, 0x60, 0, 3072, DATA); /* 1.5 MiB, of which half a MiB is memory */
    queue(1);
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXSACT), 0);
    assert_int_equal(disk->stats.rd_bytes, 3072 * 512);
    fill_queued(0, 0x60, 50, 16, DATA);
    region(DISK, 0, 0, DATA, 4096);
    queue(1);
    fixture_io(&fx);
    assert_int_equal(port_get(DISK, PXSACT), 0);
    assert_true(port_get(DISK, PXIS) & OFS);
    assert_int_equal(data32(3584), 58);
}

/* ---- the machine's side ---- */

static void unplug(void **unused) {
    (void)unused;
    unsigned users = disk->users;
    memset(fx.ram + DATA, 0x31, 512);
    fill_queued(0, 0x61, 9, 1, DATA);
    queue(1);
    ahci_unplug(ahci, true);
    assert_int_equal(disk->users, users); /* the first stays */
    assert_int_equal(port_get(DISK, PXSSTS) & 0xf, 3);
    assert_int_equal(port_get(READ_ONLY, PXSSTS), 0);
    ahci_unplug(ahci, false);
    assert_int_equal(disk->users, users - 1);
    assert_int_equal(fixture_bytes(disk)[9 * 512], 0x31);
    assert_true(disk->stats.flush_ops > 0);
    assert_int_equal(port_get(DISK, PXSSTS), 0);
    assert_int_equal(port_get(DISK, PXSIG), 0xffffffff);
    assert_int_equal(port_get(CD, PXSSTS) & 0xf, 3); /* CD-ROMs stay */
    assert_null(ahci_block(ahci, DISK));
    assert_ptr_equal(ahci_block(ahci, CD), cd);
    ahci_device.reset(ahci);
    cfg_write(&fx, DEVFN, 0x24, 4, MEM);
    cfg_write(&fx, DEVFN, 0x04, 2, 0x0007);
    assert_int_equal(port_get(DISK, PXSSTS), 0);
}

/* A message when something happens, another when more is left than software has seen. */
static void messages(void **unused) {
    (void)unused;
    unsigned at = cfg_read(&fx, DEVFN, 0x34, 1);
    assert_int_equal(at, 0x80);
    assert_int_equal(cfg_read(&fx, DEVFN, at, 1), 0x05);
    cfg_write(&fx, DEVFN, at + 4, 4, 0xfee00000);
    cfg_write(&fx, DEVFN, at + 8, 2, 0x4031);
    cfg_write(&fx, DEVFN, at + 2, 2, 1);
    port_put(DISK, PXIE, DHRS);
    command(DISK, 0x25, 0, 1, 512, 0);
    assert_int_equal(fx.msis, 1);
    assert_int_equal(fx.msi_data, 0x4031);
    assert_false(fx.intx[4][0]);
    command(DISK, 0x25, 0, 1, 512, 0);
    assert_int_equal(fx.msis, 1); /* the first is not taken yet */
    put(IS, 1);
    assert_int_equal(fx.msis, 2); /* PxIS was not looked at */
    port_put(DISK, PXIS, DHRS);
    put(IS, 1);
    assert_int_equal(fx.msis, 2);
}

static void bus_master_off(void **unused) {
    (void)unused;
    cfg_write(&fx, DEVFN, 0x04, 2, 0x0003);
    command(DISK, 0x25, 0, 1, 512, 0);
    assert_true(port_get(DISK, PXIS) & HBFS);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(identity), TEST(sata_capability), TEST(capabilities), TEST(signatures),
        TEST(controller_reset), TEST(comreset), TEST(read_dma), TEST(write_dma), TEST(no_copies),
        TEST(identify), TEST(pio_sectors), TEST(no_data), TEST(trim), TEST(in_turn),
        TEST(interrupt_of_a_region), TEST(small_regions), TEST(more_regions_than_map),
        TEST(task_file_error),
        TEST(medium_error), TEST(short_list), TEST(bad_structures), TEST(software_reset),
        TEST(override), TEST(packets), TEST(queue_of_32), TEST(queued_writes), TEST(queued_error),
        TEST(queued_medium_error), TEST(queued_retry),
        TEST(queued_in_many_pieces), TEST(unqueued_among_queued), TEST(stop_with_queue),
        TEST(reset_with_queue), TEST(long_queued), TEST(unplug), TEST(messages),
        TEST(bus_master_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
