/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The floppy controller with the DMA controller behind it, driven as a BIOS does. Values are those
 * of the Intel 82078 data sheet (290474-002) and of the 8237A's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "core/bits.h"
#include "disk/fdc.h"
#include "fixture.h"
#include "pc/i8237.h"

enum {
    DOR = 0x3f2, TDR = 0x3f3, MSR = 0x3f4, DSR = 0x3f4, FIFO = 0x3f5, DIR = 0x3f7, CCR = 0x3f7,
    IRQ = 6, MEMORY = 0x21234, ALL_MASK = 0x0f, TRACK = 18 * 512,
    READ = 0xe6, WRITE = 0xc5, /* MT, MFM, and SK for reads */
};

static struct fixture fx;
static struct i8237 *dma;
static struct fdc *fdc;
static struct block *a, *b;

static uint32_t stamp(unsigned sector) {
    return 0x51000000 + sector;
}

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    a = fixture_block(&fx, 2880 * 512, false);
    b = fixture_block(&fx, 1440 * 512, true);
    for (unsigned i = 0; i < 2880; i++)
        store_le32(fixture_bytes(a) + 512 * i, stamp(i));
    dma = i8237_new(&(struct i8237_pins){.io = fx.io, .engine = &fx.engine});
    fdc = fdc_new(&(struct fdc_pins){.io = fx.io, .irq = fixture_irq(&fx, IRQ),
                                     .dma = i8237_channel(dma, 2),
                                     .drive = {{true, a, FDC_AUTO}, {true, b, FDC_1440K}}});
    out8(&fx, CCR, 0); /* 500 kbit/s */
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    fdc_device.free(fdc);
    i8237_device.free(dma);
    assert_int_equal(fx.maps, 0);
    fixture_done(&fx);
    return 0;
}

/* ---- a driver ---- */

static void send(uint8_t val) {
    assert_int_equal(in8(&fx, MSR) & 0xc0, 0x80);
    out8(&fx, FIFO, val);
}

static uint8_t receive(void) {
    assert_int_equal(in8(&fx, MSR) & 0xd0, 0xd0);
    return in8(&fx, FIFO);
}

static void is_idle(void) {
    assert_int_equal(in8(&fx, MSR) & 0xf0, 0x80);
}

static void expect_bytes(const uint8_t *bytes, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(receive(), bytes[i]);
    is_idle();
}
#define EXPECT(...) expect_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static void send_bytes(const uint8_t *bytes, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        send(bytes[i]);
}
#define SEND(...) send_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static void sense(uint8_t st0, uint8_t pcn) {
    SEND(0x08);
    EXPECT(st0, pcn);
}

static void seek(uint8_t unit_head, uint8_t cylinder) {
    SEND(0x0f, unit_head, cylinder);
    assert_true(fx.irq[IRQ]);
    sense((uint8_t)(0x20 | unit_head), cylinder);
    assert_false(fx.irq[IRQ]);
}

/* Channel 2, single, increment; mode 44: to memory, 48: from it. */
static void channel(uint8_t mode, unsigned bytes) {
    out8(&fx, 0x0a, 0x06);
    out8(&fx, 0x0c, 0);
    out8(&fx, 0x0b, mode | 2);
    out8(&fx, 0x04, MEMORY & 0xff);
    out8(&fx, 0x04, MEMORY >> 8 & 0xff);
    out8(&fx, 0x81, MEMORY >> 16);
    out8(&fx, 0x05, (uint8_t)(bytes - 1));
    out8(&fx, 0x05, (uint8_t)((bytes - 1) >> 8));
    out8(&fx, 0x0a, 0x02);
}

static void transfer(uint8_t code, uint8_t cylinder, uint8_t head, uint8_t sector, uint8_t eot) {
    SEND(code, (uint8_t)(head << 2), cylinder, head, sector, 2, eot, 0x1b, 0xff);
}

static uint32_t memory(unsigned sector) {
    return load_le32(fx.ram + MEMORY + 512 * sector);
}

/* ---- reset and status ---- */

static void reset_polls_four_drives(void **unused) {
    (void)unused;
    out8(&fx, DOR, 0x08);
    assert_int_equal(in8(&fx, MSR), 0);
    out8(&fx, DOR, 0x0c);
    assert_int_equal(in8(&fx, MSR), 0x80);
    assert_true(fx.irq[IRQ]);
    for (unsigned i = 0; i < 4; i++)
        sense((uint8_t)(0xc0 | i), 0);
    assert_false(fx.irq[IRQ]);
    SEND(0x08);
    EXPECT(0x80); /* nothing pends: an invalid command */
    out8(&fx, DSR, 0x80); /* the other reset ends by itself */
    assert_true(fx.irq[IRQ]);
    sense(0xc0, 0);
}

static void reset_without_polling(void **unused) {
    (void)unused;
    SEND(0x13, 0, 0x10, 0); /* POLL: off */
    SEND(0x94);             /* LOCK */
    EXPECT(0x10);
    out8(&fx, DOR, 0x08);
    out8(&fx, DOR, 0x0c);
    assert_false(fx.irq[IRQ]);
    SEND(0x14);
    EXPECT(0x00);
    out8(&fx, DOR, 0x08);
    out8(&fx, DOR, 0x0c);
    assert_true(fx.irq[IRQ]);
}

static void gate(void **unused) {
    (void)unused;
    out8(&fx, DOR, 0x04); /* DMAGATE# low: the lines float */
    SEND(0x0f, 0, 3);
    assert_false(fx.irq[IRQ]);
    out8(&fx, DOR, 0x0c);
    assert_true(fx.irq[IRQ]);
}

static void versions(void **unused) {
    (void)unused;
    SEND(0x10);
    EXPECT(0x90);
    SEND(0x18);
    EXPECT(0x41);
    SEND(0x1f);
    EXPECT(0x80);
    SEND(0x00);
    EXPECT(0x80);
}

static void dump_registers(void **unused) {
    (void)unused;
    seek(0, 7);
    SEND(0x03, 0xdf, 0x02);
    SEND(0x13, 0, 0x57, 9);
    SEND(0x12, 0x84 | 0x03); /* drive 0 perpendicular, GAP, WGATE */
    SEND(0x94);
    EXPECT(0x10);
    SEND(0x0e);
    EXPECT(7, 0, 0, 0, 0xdf, 0x02, 0, 0x87, 0x57, 9);
    SEND(0x2e); /* SAVE, and RESTORE what it said */
    uint8_t saved[16];
    for (unsigned i = 0; i < 16; i++)
        saved[i] = receive();
    is_idle();
    SEND(0x13, 0, 0x20, 0);
    SEND(0x4e);
    send_bytes(saved, 16);
    SEND(0x0e);
    EXPECT(7, 0, 0, 0, 0xdf, 0x02, 0, 0x87, 0x57, 9);
    SEND(0x33, 0);
    SEND(0x17, 0x02);
    EXPECT(0x02);
    SEND(0x8e, 0x00, 0xc0); /* DRIVE SPECIFICATION, done, no result */
    is_idle();
}

static void sense_drive(void **unused) {
    (void)unused;
    SEND(0x04, 0x00);
    EXPECT(0x38); /* ready, two sides, at track 0 */
    SEND(0x04, 0x05);
    EXPECT(0x7d); /* ... and write protected */
    seek(0, 1);
    SEND(0x04, 0x04);
    EXPECT(0x2c);
}

/* ---- the head ---- */

static void seeks(void **unused) {
    (void)unused;
    SEND(0x0f, 0, 40);
    assert_int_equal(in8(&fx, MSR), 0x81); /* drive 0 seeks until it was asked about */
    SEND(0x0f, 1, 5);
    assert_int_equal(in8(&fx, MSR), 0x83);
    sense(0x20, 40);
    assert_true(fx.irq[IRQ]);
    sense(0x21, 5);
    assert_false(fx.irq[IRQ]);
    SEND(0xcf, 0, 3); /* RELATIVE SEEK inwards and outwards */
    sense(0x20, 43);
    SEND(0x8f, 0, 13);
    sense(0x20, 30);
    SEND(0x07, 0);
    sense(0x20, 0);
    SEND(0x07, 2); /* no such drive: no track 0 signal */
    sense(0x72, 0);
}

static void change_line(void **unused) {
    (void)unused;
    assert_int_equal(in8(&fx, DIR), 0x80); /* since power-on */
    SEND(0x07, 0);                         /* at track 0 already: no step */
    sense(0x20, 0);
    assert_int_equal(in8(&fx, DIR), 0x80);
    seek(0, 1);
    assert_int_equal(in8(&fx, DIR), 0);
    struct block *old = fdc_change(fdc_drive(fdc, 0), NULL);
    assert_ptr_equal(old, a);
    seek(0, 2); /* without a disk it stays */
    assert_int_equal(in8(&fx, DIR), 0x80);
    assert_null(fdc_change(fdc_drive(fdc, 0), old));
    assert_int_equal(in8(&fx, DIR), 0x80);
    seek(0, 1);
    assert_int_equal(in8(&fx, DIR), 0);
    out8(&fx, DOR, 0x0e); /* a drive that is not there pulls nothing */
    assert_int_equal(in8(&fx, DIR), 0);
}

/* ---- data by DMA ---- */

static void read_sectors(void **unused) {
    (void)unused;
    channel(0x44, 3 * 512);
    transfer(READ, 0, 0, 4, 18);
    assert_int_equal(in8(&fx, MSR), 0x10);
    assert_int_equal(fixture_io(&fx), 1); /* one request */
    assert_true(fx.irq[IRQ]);
    assert_int_equal(memory(0), stamp(3));
    assert_int_equal(memory(2), stamp(5));
    EXPECT(0x00, 0x00, 0x00, 0, 0, 7, 2); /* the sector after the last one */
    assert_false(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, 0x08), 0x04); /* the 8237's terminal count */
    assert_int_equal(in8(&fx, ALL_MASK) & 4, 4);
}

/* MT goes on with the other side (table 5-4). */
static void multi_track(void **unused) {
    (void)unused;
    seek(0, 2);
    channel(0x44, 2 * TRACK);
    transfer(READ, 2, 0, 1, 18);
    fixture_io(&fx);
    EXPECT(0x04, 0x00, 0x00, 3, 0, 1, 2);
    assert_int_equal(memory(0), stamp(72));
    assert_int_equal(memory(35), stamp(107));
    channel(0x44, 512);
    transfer(READ, 2, 0, 18, 18);
    fixture_io(&fx);
    EXPECT(0x04, 0x00, 0x00, 2, 1, 1, 2);
    channel(0x44, 512); /* without it: the next cylinder */
    transfer(0x46, 2, 0, 18, 18);
    fixture_io(&fx);
    EXPECT(0x00, 0x00, 0x00, 3, 0, 1, 2);
}

static void end_of_cylinder(void **unused) {
    (void)unused;
    channel(0x44, 4 * 512);
    transfer(0x46, 0, 0, 17, 18);
    fixture_io(&fx);
    EXPECT(0x40, 0x80, 0x00, 1, 0, 1, 2);
    assert_int_equal(memory(1), stamp(17));
}

static void write_sectors(void **unused) {
    (void)unused;
    memset(fixture_bytes(a), 0x77, TRACK);
    channel(0x44, TRACK); /* so that the controller has seen other data before */
    transfer(READ, 0, 0, 1, 18);
    fixture_io(&fx);
    for (unsigned i = 0; i < 7; i++)
        receive();
    memset(fx.ram + MEMORY, 0x5a, 1100);
    channel(0x48, 1100); /* ends in the third sector: zeros follow */
    transfer(WRITE, 0, 1, 2, 18);
    fixture_io(&fx);
    EXPECT(0x04, 0x00, 0x00, 0, 1, 5, 2);
    const uint8_t *track = fixture_bytes(a) + TRACK;
    assert_int_equal(load_le32(track), stamp(18));
    assert_int_equal(track[512], 0x5a);
    assert_int_equal(track[512 + 1099], 0x5a);
    assert_int_equal(track[512 + 1100], 0);
    assert_int_equal(load_le32(track + 4 * 512), stamp(22));
}

static void write_protected(void **unused) {
    (void)unused;
    out8(&fx, CCR, 2);
    SEND(WRITE, 1, 0, 0, 1, 2, 9, 0x1b, 0xff);
    EXPECT(0x41, 0x02, 0x00, 0, 0, 1, 2);
    SEND(0x4d, 1, 2, 9, 0x1b, 0);
    EXPECT(0x41, 0x02, 0x00, 0, 0, 1, 2);
}

static void nothing_there(void **unused) {
    (void)unused;
    channel(0x44, 512);
    transfer(READ, 0, 0, 19, 19); /* no such sector */
    EXPECT(0x40, 0x04, 0x00, 0, 0, 19, 2);
    transfer(READ, 5, 0, 1, 18); /* the head is elsewhere */
    EXPECT(0x40, 0x04, 0x10, 5, 0, 1, 2);
    SEND(READ, 0, 0, 0, 1, 3, 18, 0x1b, 0xff); /* sectors of 1024 bytes */
    EXPECT(0x40, 0x04, 0x00, 0, 0, 1, 3);
    out8(&fx, CCR, 1); /* another rate: no address marks */
    transfer(READ, 0, 0, 1, 18);
    EXPECT(0x40, 0x05, 0x00, 0, 0, 1, 2);
    out8(&fx, CCR, 0);
    block_put(fdc_change(fdc_drive(fdc, 0), NULL));
    transfer(READ, 0, 0, 1, 18);
    EXPECT(0x40, 0x05, 0x00, 0, 0, 1, 2);
    SEND(READ, 3, 0, 0, 1, 2, 18, 0x1b, 0xff);
    EXPECT(0x43, 0x05, 0x00, 0, 0, 1, 2);
}

static void implied_seek(void **unused) {
    (void)unused;
    SEND(0x13, 0, 0x40, 0);
    channel(0x44, 512);
    transfer(READ, 79, 1, 18, 18);
    fixture_io(&fx);
    EXPECT(0x24, 0x00, 0x00, 80, 0, 1, 2);
    assert_int_equal(memory(0), stamp(2879));
}

static void medium_error(void **unused) {
    (void)unused;
    fixture_fail(a, EIO, 1);
    channel(0x44, 512);
    transfer(READ, 0, 0, 1, 18);
    fixture_io(&fx);
    EXPECT(0x40, 0x20, 0x20, 0, 0, 1, 2);
}

/* The channel is opened when the controller asks already. */
static void late_unmask(void **unused) {
    (void)unused;
    channel(0x44, 512);
    out8(&fx, 0x0a, 0x06);
    transfer(READ, 0, 0, 2, 18);
    fixture_io(&fx);
    assert_false(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, 0x08) & 0x40, 0x40); /* DREQ 2 */
    out8(&fx, 0x0a, 0x02);
    assert_true(fx.irq[IRQ]);
    assert_int_equal(memory(0), stamp(1));
    EXPECT(0x00, 0x00, 0x00, 0, 0, 3, 2);
}

static void read_id(void **unused) {
    (void)unused;
    seek(0, 3);
    for (unsigned i = 1; i <= 18; i++) {
        SEND(0x4a, 0x04);
        EXPECT(0x04, 0x00, 0x00, 3, 1, (uint8_t)i, 2);
    }
    SEND(0x4a, 0x00);
    EXPECT(0x00, 0x00, 0x00, 3, 0, 1, 2);
}

static void read_track(void **unused) {
    (void)unused;
    channel(0x44, TRACK);
    transfer(0x42, 0, 0, 9, 18); /* from the index on, whatever sector is named */
    fixture_io(&fx);
    EXPECT(0x00, 0x00, 0x00, 1, 0, 1, 2);
    assert_int_equal(memory(0), stamp(0));
    assert_int_equal(memory(17), stamp(17));
}

static void verify(void **unused) {
    (void)unused;
    SEND(0xf6, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff); /* both sides, to EOT */
    fixture_io(&fx);
    EXPECT(0x04, 0x00, 0x00, 1, 0, 1, 2);
    SEND(0x56, 0x80, 0, 0, 3, 2, 18, 0x1b, 4); /* EC: four sectors */
    fixture_io(&fx);
    EXPECT(0x00, 0x00, 0x00, 0, 0, 7, 2);
}

static void deleted_data(void **unused) {
    (void)unused;
    channel(0x44, 2048);
    transfer(0x4c, 0, 0, 5, 18); /* ends after a sector that is not deleted */
    fixture_io(&fx);
    EXPECT(0x00, 0x00, 0x40, 0, 0, 6, 2);
    assert_int_equal(memory(0), stamp(4));
    channel(0x48, 512);
    transfer(0x49, 0, 0, 6, 18);
    fixture_io(&fx);
    EXPECT(0x00, 0x00, 0x00, 0, 0, 7, 2);
    assert_int_equal(load_le32(fixture_bytes(a) + 5 * 512), stamp(4));
}

static void scans(void **unused) {
    (void)unused;
    memcpy(fx.ram + MEMORY, fixture_bytes(a) + 512, 512);
    memcpy(fx.ram + MEMORY + 512, fixture_bytes(a) + 512, 512);
    channel(0x48, 2 * 512);
    SEND(0x51, 0, 0, 0, 1, 2, 18, 0x1b, 1); /* the second sector is equal */
    fixture_io(&fx);
    EXPECT(0x00, 0x00, 0x08, 0, 0, 3, 2);
    fx.ram[MEMORY] = 0xff; /* matches anything */
    channel(0x48, 512);
    SEND(0x51, 0, 0, 0, 9, 2, 18, 0x1b, 1);
    fixture_io(&fx);
    EXPECT(0x00, 0x00, 0x08, 0, 0, 10, 2);
    fx.ram[MEMORY] = 0x10;
    channel(0x48, 512);
    SEND(0x59, 0, 0, 0, 5, 2, 18, 0x1b, 1); /* 04 is lower than 10 */
    fixture_io(&fx);
    EXPECT(0x00, 0x00, 0x00, 0, 0, 6, 2);
    channel(0x48, 512);
    SEND(0x5d, 0, 0, 0, 5, 2, 18, 0x1b, 1);
    fixture_io(&fx);
    EXPECT(0x00, 0x00, 0x04, 0, 0, 6, 2);
}

static void format(void **unused) {
    (void)unused;
    seek(0, 10);
    for (unsigned i = 0; i < 18; i++) {
        uint8_t *id = fx.ram + MEMORY + 4 * i;
        id[0] = 10, id[1] = 1, id[2] = (uint8_t)(i + 1), id[3] = 2;
    }
    channel(0x48, 18 * 4);
    SEND(0x4d, 0x04, 2, 18, 0x54, 0xf6);
    fixture_io(&fx);
    assert_int_equal(receive(), 0x04);
    for (unsigned i = 0; i < 6; i++)
        receive();
    const uint8_t *track = fixture_bytes(a) + 21 * TRACK;
    for (unsigned i = 0; i < TRACK; i++)
        assert_int_equal(track[i], 0xf6);
    assert_int_equal(load_le32(track - 512), stamp(21 * 18 - 1));
    assert_int_equal(load_le32(track + TRACK), stamp(22 * 18));
}

/* ---- data by the processor ---- */

static void without_dma(void **unused) {
    (void)unused;
    SEND(0x03, 0xdf, 0x03);
    transfer(0x46, 0, 0, 17, 18);
    for (unsigned s = 0; s < 2; s++) {
        fixture_io(&fx);
        uint8_t bytes[512];
        for (unsigned i = 0; i < 512; i++) {
            assert_true(fx.irq[IRQ]);
            assert_int_equal(in8(&fx, MSR), 0xf0);
            bytes[i] = in8(&fx, FIFO);
        }
        assert_int_equal(load_le32(bytes), stamp(16 + s));
    }
    EXPECT(0x40, 0x80, 0x00, 1, 0, 1, 2); /* nobody says terminal count */
    transfer(0x45, 0, 0, 18, 18);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(in8(&fx, MSR), 0xb0);
        out8(&fx, FIFO, 0x66);
    }
    fixture_io(&fx);
    EXPECT(0x40, 0x80, 0x00, 1, 0, 1, 2);
    assert_int_equal(fixture_bytes(a)[17 * 512 + 511], 0x66);
    assert_int_equal(load_le32(fixture_bytes(a) + 18 * 512), stamp(18));
}

static void reset_in_the_middle(void **unused) {
    (void)unused;
    channel(0x44, 512);
    transfer(READ, 0, 0, 1, 18);
    out8(&fx, DOR, 0x08);
    out8(&fx, DOR, 0x0c);
    is_idle();
    sense(0xc0, 0);
    assert_int_equal(memory(0), 0); /* nothing came after it */
    assert_int_equal(in8(&fx, 0x08), 0);
    SEND(0x03, 0xdf, 0x03);
    transfer(0x46, 0, 0, 1, 18);
    fixture_io(&fx);
    in8(&fx, FIFO);
    out8(&fx, DSR, 0x80);
    is_idle();
}

/* CVE-2015-3456: bytes beyond a command's parameters or in its other phases go nowhere. */
static void fifo_stays_in_bounds(void **unused) {
    (void)unused;
    for (unsigned code = 0; code < 256; code++) {
        out8(&fx, DOR, 0x08);
        out8(&fx, DOR, 0x0c);
        for (unsigned i = 0; i < 2000; i++)
            out8(&fx, FIFO, (uint8_t)code);
        fixture_io(&fx);
        for (unsigned i = 0; i < 100; i++)
            in8(&fx, FIFO);
    }
    out8(&fx, DOR, 0x08);
    out8(&fx, DOR, 0x0c);
    SEND(0x10);
    EXPECT(0x90);
}

/* ---- formats ---- */

static void formats(void **unused) {
    (void)unused;
    static const struct {
        unsigned kib;
        enum fdc_type type;
        uint8_t sectors, rate;
    } known[] = {{1440, FDC_1440K, 18, 0}, {2880, FDC_2880K, 36, 3}, {1200, FDC_1200K, 15, 0},
                 {720, FDC_1440K, 9, 2},   {360, FDC_1200K, 9, 1},   {1680, FDC_1440K, 21, 0},
                 {320, FDC_1200K, 8, 1}};
    fdc_device.free(fdc);
    for (unsigned i = 0; i < ARRAY_LEN(known); i++) {
        struct fixture other;
        fixture_init(&other);
        struct block *image = fixture_block(&other, KIB(known[i].kib), false);
        fdc = fdc_new(&(struct fdc_pins){.io = other.io, .irq = fixture_irq(&other, IRQ),
                                         .drive = {{true, image, FDC_AUTO}}});
        assert_int_equal(fdc_cmos_type(fdc, 0), known[i].type);
        assert_int_equal(fdc_cmos_type(fdc, 1), 0);
        out8(&other, CCR, known[i].rate);
        out8(&other, FIFO, 0x03), out8(&other, FIFO, 0xdf), out8(&other, FIFO, 0x03);
        const uint8_t last[] = {0x46, 4, 0, 1, known[i].sectors, 2, known[i].sectors, 0x1b, 0xff};
        fixture_bytes(image)[512 * (2 * known[i].sectors - 1)] = 0x99;
        for (unsigned k = 0; k < sizeof(last); k++)
            out8(&other, FIFO, last[k]);
        fixture_io(&other);
        assert_int_equal(in8(&other, FIFO), 0x99);
        fdc_device.free(fdc);
        fixture_done(&other);
    }
    fdc = fdc_new(&(struct fdc_pins){.io = fx.io, .irq = fixture_irq(&fx, IRQ),
                                     .drive = {{.there = true}}});
    assert_int_equal(fdc_cmos_type(fdc, 0), FDC_2880K); /* empty: takes all of its size */
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(reset_polls_four_drives), TEST(reset_without_polling), TEST(gate), TEST(versions),
        TEST(dump_registers), TEST(sense_drive), TEST(seeks), TEST(change_line),
        TEST(read_sectors), TEST(multi_track), TEST(end_of_cylinder), TEST(write_sectors),
        TEST(write_protected), TEST(nothing_there), TEST(implied_seek), TEST(medium_error),
        TEST(late_unmask), TEST(read_id), TEST(read_track), TEST(verify), TEST(deleted_data),
        TEST(scans), TEST(format), TEST(without_dma), TEST(reset_in_the_middle),
        TEST(fifo_stays_in_bounds), TEST(formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
