/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ports behind our INT 13h, as bios/int13.h describes them, and the sums of its ROM as the Plug
 * and Play BIOS Specification wants them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"
#include "int13.h"

enum { AT = 0x1000, TO = 0x7fe0 /* across a page */ };

static struct fixture fx;
static struct fw_cfg *fw;
static struct int13 *chip;
static struct block *disk;

static struct block *medium(void *board, unsigned place, unsigned *sector) {
    (void)board;
    *sector = place == 2 ? 2048 : 512;
    return place == 0 || place == 2 ? disk : NULL;
}

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    fw = fw_cfg_new(&(struct fw_cfg_pins){.io = fx.io, .engine = &fx.engine});
    disk = fixture_block(&fx, KIB(512), true);
    for (unsigned i = 0; i < KIB(512); i++)
        fixture_bytes(disk)[i] = (uint8_t)(i / 512 + i);
    chip = int13_new(&(struct int13_pins){.io = fx.io, .engine = &fx.engine, .fw_cfg = fw,
                                          .medium = medium});
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    int13_device.free(chip);
    fw_cfg_device.free(fw);
    fixture_done(&fx);
    return 0;
}

static void ask(uint16_t base, uint8_t device, uint32_t to, uint32_t n, uint64_t lba) {
    uint8_t *r = fx.ram + AT;
    store_le16(r, base);
    r[2] = device;
    r[3] = 0;
    store_le32(r + 4, to);
    store_le32(r + 8, n);
    store_le64(r + 12, lba);
    out32(&fx, 0x520, AT);
}

static void reads_whole_requests(void **unused) {
    (void)unused;
    ask(0x1f0, 0xe0, TO, 127, 3);
    assert_int_equal(in8(&fx, 0x520), INT13_BUSY);
    assert_false(int13_device.idle(chip));
    fixture_io(&fx);
    assert_int_equal(in8(&fx, 0x520), INT13_DONE);
    assert_memory_equal(fx.ram + TO, fixture_bytes(disk) + 3 * 512, 127 * 512);
    assert_int_equal(fx.maps, 0);
    ask(0x170, 0xe0, TO, 2, 5); /* a CD's sectors are four times as long */
    fixture_io(&fx);
    assert_int_equal(in8(&fx, 0x520), INT13_DONE);
    assert_memory_equal(fx.ram + TO, fixture_bytes(disk) + 5 * 2048, 2 * 2048);
}

static void refuses(uint16_t base, uint8_t device, uint32_t to, uint32_t n, uint64_t lba) {
    ask(0x1f0, 0xe0, TO, 1, 0);
    fixture_io(&fx);
    ask(base, device, to, n, lba);
    fixture_io(&fx);
    assert_int_equal(in8(&fx, 0x520), INT13_FAILED);
    assert_int_equal(fx.maps, 0);
}

static void leaves_the_rest_to_the_firmware(void **unused) {
    (void)unused;
    refuses(0x1f0, 0xf0, TO, 1, 0);               /* no slave there */
    refuses(0x1e8, 0xe0, TO, 1, 0);               /* not our controller */
    refuses(0x1f0, 0xe0, TO, 0, 0);
    refuses(0x1f0, 0xe0, TO, 128, 0);
    refuses(0x1f0, 0xe0, TO, 1, 1024);            /* past the end */
    refuses(0x1f0, 0xe0, TO, 2, 1023);
    refuses(0x1f0, 0xe0, TO, 1, UINT64_MAX);
    refuses(0x1f0, 0xe0, TO, 1, UINT64_MAX / 512 + 1);
    refuses(0x1f0, 0xe0, 0xa0000 - 511, 1, 0);    /* above conventional memory */
    refuses(0x1f0, 0xe0, UINT32_MAX, 1, 0);
    fixture_fail(disk, 5, 1);
    ask(0x1f0, 0xe0, TO, 1, 0);
    fixture_io(&fx);
    assert_int_equal(in8(&fx, 0x520), INT13_FAILED);
    out32(&fx, 0x520, 0xfffffff0); /* no request there */
    assert_int_equal(in8(&fx, 0x520), INT13_FAILED);
}

static void one_at_a_time(void **unused) {
    (void)unused;
    ask(0x1f0, 0xe0, TO, 1, 0);
    ask(0x1f0, 0xe0, TO, 1, 1);
    assert_int_equal(fixture_io(&fx), 1);
    assert_memory_equal(fx.ram + TO, fixture_bytes(disk), 512);
    ask(0x1f0, 0xe0, TO, 1, 2);
    int13_device.reset(chip); /* waits */
    assert_int_equal(fx.maps, 0);
    assert_int_equal(in8(&fx, 0x520), INT13_DONE);
}

static void the_rom_adds_up(void **unused) {
    (void)unused;
    uint8_t rom[4096], sum = 0;
    out16(&fx, 0x510, FW_CFG_FILE_FIRST);
    for (unsigned i = 0; i < sizeof(rom); i++)
        rom[i] = in8(&fx, 0x511);
    assert_int_equal(load_le16(rom), 0xaa55);
    assert_true(rom[2] > 0 && rom[2] * 512u < sizeof(rom));
    for (unsigned i = 0; i < rom[2] * 512u; i++)
        sum = (uint8_t)(sum + rom[i]);
    assert_int_equal(sum, 0);
    const uint8_t *pnp = rom + load_le16(rom + 0x1a);
    assert_memory_equal(pnp, "$PnP", 4);
    for (unsigned i = 0; i < pnp[5] * 16u; i++)
        sum = (uint8_t)(sum + pnp[i]);
    assert_int_equal(sum, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_whole_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_the_rest_to_the_firmware, setup, teardown),
        cmocka_unit_test_setup_teardown(one_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(the_rom_adds_up, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
