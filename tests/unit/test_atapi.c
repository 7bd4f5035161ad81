/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A DVD-ROM drive through the ports of the secondary channel. "6" is ATA/ATAPI-6 (T13 1410D), "MMC"
 * MMC-5, "SPC" SPC-3.
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
    DATA = 0x170, ERROR = 0x171, FEATURES = 0x171, REASON = 0x172, LOW = 0x173, COUNT_LOW = 0x174,
    COUNT_HIGH = 0x175, DEVICE = 0x176, STATUS = 0x177, COMMAND = 0x177, CONTROL = 0x376, IRQ = 15,
    SECTORS = 200, MASTER = 2,
    COMMAND_PACKET = 1, TO_HOST = 2, ENDED = 3, /* Interrupt Reason (6, 9.8) */
};

static struct fixture fx;
static struct piix_ide *ide;
static struct block *disc, *other;
static uint8_t answer[65536];

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    disc = fixture_block(&fx, SECTORS * 2048, true);
    other = fixture_block(&fx, 50 * 2048, true);
    for (unsigned i = 0; i < SECTORS; i++)
        memset(fixture_bytes(disc) + 2048 * i, (int)(i + 1), 2048);
    ide = piix_ide_new(&(struct piix_ide_pins){
        .pci = fx.pci, .devfn = 9, .io = fx.io, .irq14 = fixture_irq(&fx, 14),
        .irq15 = fixture_irq(&fx, IRQ),
        .drive = {[MASTER] = {.block = disc, .cdrom = true, .serial = "HVM3"}}});
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    piix_ide_device.free(ide);
    fixture_done(&fx);
    return 0;
}

/* ---- helpers: a driver (6, 9.8) ---- */

static void send_cdb(const uint8_t *cdb, uint16_t limit) {
    out8(&fx, FEATURES, 0);
    out8(&fx, COUNT_LOW, (uint8_t)limit);
    out8(&fx, COUNT_HIGH, (uint8_t)(limit >> 8));
    out8(&fx, COMMAND, 0xa0);
    assert_false(fx.irq[IRQ]); /* IDENTIFY PACKET DEVICE announces none before the packet */
    assert_int_equal(in8(&fx, STATUS) & 0x88, 0x08);
    assert_int_equal(in8(&fx, REASON), COMMAND_PACKET);
    outs16(&fx, DATA, cdb, 6);
}

/* Takes what the drive sends; returns how much. Ends in the status phase. */
static unsigned take(void) {
    unsigned len = 0;
    for (;;) {
        fixture_io(&fx);
        assert_true(fx.irq[IRQ]);
        uint8_t status = in8(&fx, STATUS);
        if (!(status & 0x08)) {
            assert_int_equal(in8(&fx, REASON), ENDED);
            return len;
        }
        assert_int_equal(in8(&fx, REASON), TO_HOST);
        unsigned n = in8(&fx, COUNT_LOW) | in8(&fx, COUNT_HIGH) << 8;
        ins16(&fx, DATA, answer + len, (n + 1) / 2);
        len += n;
    }
}

static unsigned packet(const uint8_t *cdb) {
    memset(answer, 0xee, sizeof(answer));
    send_cdb(cdb, 0xfffe);
    return take();
}

#define PACKET(...) packet((const uint8_t[12]){__VA_ARGS__})

static uint8_t status(void) {
    return in8(&fx, 0x376);
}

static void good(void) {
    assert_int_equal(status(), 0x50);
}

/* CHECK CONDITION: the sense key in Error, and what REQUEST SENSE says. */
static void check(uint8_t key, uint8_t asc, uint8_t ascq) {
    assert_int_equal(status(), 0x51);
    assert_int_equal(in8(&fx, ERROR) >> 4, key);
    assert_int_equal(PACKET(0x03, 0, 0, 0, 18), 18);
    assert_int_equal(answer[0], 0x70);
    assert_int_equal(answer[2], key);
    assert_int_equal(answer[12], asc);
    assert_int_equal(answer[13], ascq);
}

static void ready_drive(void) {
    PACKET(0x00);
    assert_int_equal(status(), 0x51);
    PACKET(0x00);
    good();
}

/* ---- registers and the protocol ---- */

static void signature(void **unused) {
    (void)unused;
    assert_int_equal(in8(&fx, REASON), 0x01);
    assert_int_equal(in8(&fx, LOW), 0x01);
    assert_int_equal(in8(&fx, COUNT_LOW), 0x14);
    assert_int_equal(in8(&fx, COUNT_HIGH), 0xeb);
    assert_int_equal(status(), 0x00); /* DRDY is clear until a command (6, 9.12) */
}

/* 6, 8.15: IDENTIFY DEVICE is aborted, with the signature. */
static void identify_device(void **unused) {
    (void)unused;
    out8(&fx, COUNT_LOW, 0);
    out8(&fx, COMMAND, 0xec);
    assert_int_equal(in8(&fx, STATUS), 0x51);
    assert_int_equal(in8(&fx, ERROR), 0x04);
    assert_int_equal(in8(&fx, COUNT_LOW), 0x14);
    assert_int_equal(in8(&fx, COUNT_HIGH), 0xeb);
}

static void identify_packet_device(void **unused) {
    (void)unused;
    uint8_t page[512], sum = 0;
    out8(&fx, COMMAND, 0xa1);
    assert_true(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, STATUS), 0x58);
    ins16(&fx, DATA, page, 256);
    good();
    assert_int_equal(load_le16(page), 0x85c0);
    assert_memory_equal(page + 20, "VH3M  ", 6);
    for (unsigned i = 0; i < 512; i++)
        sum = (uint8_t)(sum + page[i]);
    assert_int_equal(sum, 0);
}

/* 6, 8.8: DEVICE RESET works at any time and leaves the signature. */
static void device_reset(void **unused) {
    (void)unused;
    ready_drive();
    send_cdb((const uint8_t[12]){0x28, 0, 0, 0, 0, 0, 0, 0, 4}, 2048);
    out8(&fx, DEVICE, 0xa0);
    out8(&fx, COMMAND, 0x08);
    assert_int_equal(in8(&fx, STATUS), 0x80); /* the image still works */
    fixture_io(&fx);
    assert_false(fx.irq[IRQ]);
    signature(NULL);
    PACKET(0x00);
    good(); /* no UNIT ATTENTION: it is no power-on */
}

static void unit_attention_after_power_on(void **unused) {
    (void)unused;
    PACKET(0x12, 0, 0, 0, 36); /* INQUIRY runs nevertheless (SPC 6.4) */
    good();
    PACKET(0x00);
    check(6, 0x29, 0x00);
    PACKET(0x00);
    good();
    PACKET(0x03, 0, 0, 0, 18);
    assert_int_equal(answer[2], 0);
}

/* ---- reading ---- */

static void read_10(void **unused) {
    (void)unused;
    ready_drive();
    assert_int_equal(PACKET(0x28, 0, 0, 0, 0, 9, 0, 0, 3), 3 * 2048);
    good();
    assert_int_equal(answer[0], 10);
    assert_int_equal(answer[2 * 2048 + 2047], 12);
    assert_int_equal(disc->stats.rd_ops, 1);
}

/* Blocks are whole sectors as long as the host's limit allows one; an odd limit is taken as
 * even. */
static void byte_count_limit(void **unused) {
    (void)unused;
    static const uint8_t read_4[12] = {0x28, 0, 0, 0, 0, 0, 0, 0, 4};
    ready_drive();
    send_cdb(read_4, 5000);
    fixture_io(&fx);
    assert_int_equal(in8(&fx, COUNT_LOW) | in8(&fx, COUNT_HIGH) << 8, 4096);
    assert_int_equal(take(), 4 * 2048);
    send_cdb(read_4, 101);
    fixture_io(&fx);
    assert_int_equal(in8(&fx, COUNT_LOW) | in8(&fx, COUNT_HIGH) << 8, 100);
    assert_int_equal(take(), 4 * 2048);
    assert_int_equal(answer[4 * 2048 - 1], 4);
}

static void read_12_long(void **unused) {
    (void)unused;
    ready_drive();
    memset(answer, 0, sizeof(answer));
    send_cdb((const uint8_t[12]){0xa8, 0, 0, 0, 0, 100, 0, 0, 0, 32}, 0xfffe);
    assert_int_equal(take(), 65536);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(answer[2048 * i], 101 + i);
}

static void read_nothing(void **unused) {
    (void)unused;
    ready_drive();
    assert_int_equal(PACKET(0x28, 0, 0, 0, 0, 9), 0);
    good();
}

static void read_past_the_end(void **unused) {
    (void)unused;
    ready_drive();
    PACKET(0x28, 0, 0, 0, 0, SECTORS - 1, 0, 0, 2);
    check(5, 0x21, 0x00);
    PACKET(0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 2);
    check(5, 0x21, 0x00);
}

static void read_cd(void **unused) {
    (void)unused;
    ready_drive();
    assert_int_equal(PACKET(0xbe, 0, 0, 0, 0, 5, 0, 0, 2, 0x10), 4096);
    assert_int_equal(answer[0], 6);
    PACKET(0xbe, 0, 0, 0, 0, 5, 0, 0, 1, 0xf8); /* raw sectors are not to be had */
    check(5, 0x24, 0x00);
    PACKET(0xbe, 0x04, 0, 0, 0, 5, 0, 0, 1, 0x10); /* nor audio */
    check(5, 0x64, 0x00);
    assert_int_equal(PACKET(0xb9, 0, 0, 0, 2, 5, 0, 2, 7, 0x10), 4096); /* 00:02:05 is sector 5 */
    assert_int_equal(answer[0], 6);
}

static void bad_sector(void **unused) {
    (void)unused;
    ready_drive();
    fixture_fail(disc, EIO, 2);
    PACKET(0x28, 0, 0, 0, 0, 9, 0, 0, 3);
    check(3, 0x11, 0x00);
}

/* ---- what the drive and the disc say ---- */

static void inquiry(void **unused) {
    (void)unused;
    assert_int_equal(PACKET(0x12, 0, 0, 0, 36), 36);
    assert_int_equal(answer[0], 0x05);
    assert_int_equal(answer[1], 0x80);
    assert_int_equal(answer[4], 31);
    assert_memory_equal(answer + 8, "HVM-DM  DVD-ROM         1.0 ", 28);
    assert_int_equal(PACKET(0x12, 0, 0, 0, 5), 5); /* an odd length */
    assert_int_equal(PACKET(0x12, 1, 0x00, 0, 255), 7);
    assert_memory_equal(answer + 4, "\x00\x80\x83", 3);
    assert_int_equal(PACKET(0x12, 1, 0x80, 0, 255), 24);
    assert_memory_equal(answer + 4, "HVM3 ", 5);
    PACKET(0x12, 1, 0x55, 0, 255);
    check(5, 0x24, 0);
}

static void read_capacity(void **unused) {
    (void)unused;
    ready_drive();
    assert_int_equal(PACKET(0x25), 8);
    assert_int_equal(load_be32(answer), SECTORS - 1);
    assert_int_equal(load_be32(answer + 4), 2048);
}

static void read_toc(void **unused) {
    (void)unused;
    ready_drive();
    assert_int_equal(PACKET(0x43, 0, 0, 0, 0, 0, 0, 1, 0), 20);
    assert_int_equal(load_be16(answer), 18);
    assert_memory_equal(answer + 2, "\1\1\0\x14\1\0\0\0\0\0\0\x14\xaa\0", 14);
    assert_int_equal(load_be32(answer + 16), SECTORS);
    assert_int_equal(PACKET(0x43, 2, 0, 0, 0, 0, 0xaa, 1, 0), 12); /* as MSF, the lead-out only */
    assert_memory_equal(answer + 8, "\0\0\4\x32", 4); /* 200 + 150 frames: 00:04:50 */
    assert_int_equal(PACKET(0x43, 0, 1, 0, 0, 0, 0, 1, 0), 12);
    assert_memory_equal(answer, "\0\x0a\1\1\0\x14\1\0\0\0\0\0", 12);
    assert_int_equal(PACKET(0x43, 2, 2, 0, 0, 0, 0, 1, 0), 48);
    assert_int_equal(answer[4 + 3], 0xa0);
    assert_int_equal(answer[4 + 22 + 3], 0xa2);
    PACKET(0x43, 0, 0, 0, 0, 0, 2, 1, 0); /* there is no track 2 */
    check(5, 0x24, 0);
}

static void mode_sense(void **unused) {
    (void)unused;
    ready_drive();
    assert_int_equal(PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128), 30);
    assert_int_equal(load_be16(answer), 28);
    assert_int_equal(answer[8], 0x2a);
    assert_int_equal(answer[14] & 0x2b, 0x29); /* tray, ejects, locks; not locked now */
    PACKET(0x1e, 0, 0, 0, 1);
    PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128);
    assert_int_equal(answer[14] & 0x2b, 0x2b);
    assert_int_equal(PACKET(0x1a, 0, 0x01, 0, 255), 16);
    assert_int_equal(answer[4], 0x01);
    PACKET(0x5a, 0, 0xea, 0, 0, 0, 0, 0, 128);
    check(5, 0x39, 0); /* no saved values */
    PACKET(0x5a, 0, 0x05, 0, 0, 0, 0, 0, 128);
    check(5, 0x24, 0);
}

static void mode_select(void **unused) {
    (void)unused;
    uint8_t list[20] = {[8] = 0x01, [9] = 0x0a};
    ready_drive();
    send_cdb((const uint8_t[12]){0x55, 0x10, 0, 0, 0, 0, 0, 0, 20}, 20);
    assert_true(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, STATUS), 0x58);
    assert_int_equal(in8(&fx, REASON), 0); /* data from the host */
    outs16(&fx, DATA, list, 10);
    assert_int_equal(take(), 0);
    good();
}

static void get_configuration(void **unused) {
    (void)unused;
    unsigned len = PACKET(0x46, 0, 0, 0, 0, 0, 0, 1, 0);
    assert_int_equal(load_be32(answer), len - 4);
    assert_int_equal(load_be16(answer + 6), 0x0008); /* a disc of 400 KiB is a CD */
    assert_int_equal(load_be16(answer + 8), 0x0000); /* the list of profiles comes first */
    unsigned previous = 0;
    for (unsigned at = 8; at < len; at += 4 + answer[at + 3]) {
        assert_true(at == 8 || load_be16(answer + at) > previous); /* ascending */
        assert_int_equal(answer[at + 3] % 4, 0);
        previous = load_be16(answer + at);
    }
    assert_int_equal(PACKET(0x46, 2, 0, 0x10, 0, 0, 0, 1, 0), 20); /* only this feature */
    assert_int_equal(load_be16(answer + 8), 0x0010);
    assert_int_equal(load_be32(answer + 12), 2048);
}

static void disc_and_track_information(void **unused) {
    (void)unused;
    ready_drive();
    assert_int_equal(PACKET(0x51, 0, 0, 0, 0, 0, 0, 1, 0), 34);
    assert_int_equal(answer[2], 0x0e);
    assert_int_equal(PACKET(0x52, 1, 0, 0, 0, 1, 0, 1, 0), 36);
    assert_int_equal(load_be32(answer + 24), SECTORS);
    PACKET(0x52, 1, 0, 0, 0, 2, 0, 1, 0);
    check(5, 0x24, 0);
}

static void unknown_packet(void **unused) {
    (void)unused;
    ready_drive();
    PACKET(0x2a, 0, 0, 0, 0, 0, 0, 0, 1); /* WRITE(10) */
    check(5, 0x20, 0);
}

/* ---- the tray ---- */

static void expect_event(uint8_t code, uint8_t media) {
    assert_int_equal(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    assert_int_equal(load_be16(answer), 6);
    assert_int_equal(answer[2], 4); /* media class */
    assert_int_equal(answer[4], code);
    assert_int_equal(answer[5], media);
}

static void host_changes_the_disc(void **unused) {
    (void)unused;
    void *drive = piix_ide_cd(ide, MASTER);
    assert_null(piix_ide_cd(ide, 0));
    ready_drive();
    expect_event(0, 2);
    assert_ptr_equal(ata_cd_change(drive, NULL), disc);
    expect_event(3, 1); /* removal; the tray is open */
    PACKET(0x00);
    check(2, 0x3a, 0x02);
    assert_null(ata_cd_change(drive, block_get(other)));
    PACKET(0x00);
    check(6, 0x28, 0x00);
    expect_event(2, 2);
    expect_event(0, 2);
    PACKET(0x25);
    assert_int_equal(load_be32(answer), 49);
    block_put(disc);
}

static void a_change_while_reading(void **unused) {
    (void)unused;
    ready_drive();
    send_cdb((const uint8_t[12]){0x28, 0, 0, 0, 0, 0, 0, 0, 60}, 2048);
    fixture_io(&fx);
    block_put(ata_cd_change(piix_ide_cd(ide, MASTER), NULL));
    assert_int_equal(take(), 0);
    check(2, 0x3a, 0x02);
}

static void the_lock(void **unused) {
    (void)unused;
    void *drive = piix_ide_cd(ide, MASTER);
    ready_drive();
    assert_false(ata_cd_locked(drive));
    PACKET(0x1e, 0, 0, 0, 1);
    assert_true(ata_cd_locked(drive));
    PACKET(0x1b, 0, 0, 0, 2);
    check(5, 0x53, 0x02);
    PACKET(0x00);
    good();
    ata_cd_press_eject(drive);
    expect_event(1, 2); /* the host would like to have it (MMC 6.7) */
    expect_event(0, 2);
    PACKET(0x1e);
    assert_false(ata_cd_locked(drive));
}

static void guest_ejects_and_loads(void **unused) {
    (void)unused;
    ready_drive();
    PACKET(0x1b, 0, 0, 0, 2);
    good();
    expect_event(3, 1);
    PACKET(0x00);
    check(2, 0x3a, 0x02);
    assert_int_equal(PACKET(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), 8);
    assert_int_equal(answer[1], 0x10); /* door open */
    PACKET(0x1b, 0, 0, 0, 3);
    good();
    PACKET(0x00);
    check(6, 0x28, 0x00);
    PACKET(0x00);
    good();
}

static void an_empty_drive(void **unused) {
    (void)unused;
    block_put(ata_cd_change(piix_ide_cd(ide, MASTER), NULL));
    PACKET(0x1b, 0, 0, 0, 3); /* closes the empty tray */
    good();
    PACKET(0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    check(2, 0x3a, 0x01);
    assert_int_equal(PACKET(0x46, 0, 0, 0, 0, 0, 0, 0, 8), 8);
    assert_int_equal(load_be16(answer + 6), 0); /* no current profile */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(signature), T(identify_device), T(identify_packet_device), T(device_reset),
        T(unit_attention_after_power_on), T(read_10), T(byte_count_limit), T(read_12_long),
        T(read_nothing), T(read_past_the_end), T(read_cd), T(bad_sector), T(inquiry),
        T(read_capacity), T(read_toc), T(mode_sense), T(mode_select), T(get_configuration),
        T(disc_and_track_information), T(unknown_packet), T(host_changes_the_disc),
        T(a_change_while_reading), T(the_lock), T(guest_ejects_and_loads), T(an_empty_drive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
