/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Geometries for firmware: 1024 cylinders by 16 heads by 63 sectors (504 MiB) need no translation;
 * a partition table's end head says which one its maker saw.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "geometry.h"

static const uint64_t limit = 1024 * 16 * 63;

static const uint8_t *mbr(unsigned end_head, unsigned end_sector, uint32_t sectors) {
    static uint8_t bytes[512];
    memset(bytes, 0, sizeof(bytes));
    bytes[446 + 16 + 5] = (uint8_t)end_head; /* the second of the four */
    bytes[446 + 16 + 6] = (uint8_t)end_sector;
    store_le32(bytes + 446 + 16 + 12, sectors);
    store_le16(bytes + 510, 0xaa55);
    return bytes;
}

static void test_by_size(void **arg) {
    (void)arg;
    struct geometry g = geometry_of(limit, NULL);
    assert_int_equal(g.cylinders, 1024);
    assert_int_equal(g.heads, 16);
    assert_int_equal(g.sectors, 63);
    assert_int_equal(g.translation, TRANSLATION_NONE);
    assert_int_equal(geometry_of(limit + 16 * 63, NULL).translation, TRANSLATION_LBA);
    g = geometry_of(UINT64_C(1) << 40, NULL);
    assert_int_equal(g.cylinders, 16383);
    assert_int_equal(g.translation, TRANSLATION_LBA);
    assert_int_equal(geometry_of(0, NULL).cylinders, 0);
}

static void test_by_table(void **arg) {
    (void)arg;
    const uint64_t large = 8192 * 16 * 63;
    assert_int_equal(geometry_of(large, mbr(15, 63, 1)).translation, TRANSLATION_NONE);
    assert_int_equal(geometry_of(large, mbr(16, 63, 1)).translation, TRANSLATION_LARGE);
    assert_int_equal(geometry_of(large, mbr(254, 0xff, 1)).translation, TRANSLATION_LARGE);
    assert_int_equal(geometry_of(large + 16 * 63, mbr(254, 63, 1)).translation, TRANSLATION_LBA);
}

static void test_tables_that_say_nothing(void **arg) {
    (void)arg;
    uint8_t unsigned_[512];
    memcpy(unsigned_, mbr(254, 63, 1), sizeof(unsigned_));
    unsigned_[511] = 0;
    assert_int_equal(geometry_of(limit * 2, unsigned_).translation, TRANSLATION_LBA);
    assert_int_equal(geometry_of(limit * 2, mbr(254, 63, 0)).translation, TRANSLATION_LBA);
    assert_int_equal(geometry_of(limit * 2, mbr(0, 63, 1)).translation, TRANSLATION_LBA);
    assert_int_equal(geometry_of(limit * 2, mbr(254, 0x40, 1)).translation, TRANSLATION_LBA);
    assert_int_equal(geometry_of(limit, mbr(254, 63, 1)).translation, TRANSLATION_LARGE);
    assert_int_equal(geometry_of(1, mbr(254, 63, 1)).translation, TRANSLATION_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_size),
        cmocka_unit_test(test_by_table),
        cmocka_unit_test(test_tables_that_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
