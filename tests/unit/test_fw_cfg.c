/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg through its ports, as docs/specs/fw_cfg.txt of QEMU describes them and SeaBIOS uses them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"
#include "fw_cfg.h"

static struct fixture fx;
static struct fw_cfg *fw;
static uint8_t blob[10000];

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    fw = fw_cfg_new(&(struct fw_cfg_pins){
        .io = fx.io, .engine = &fx.engine, .cpus = 2, .max_cpus = 4, .ram = MIB(128),
        .uuid = {0x6b, 0xa7, 0xb8, 0x10}, .nographic = true});
    for (unsigned i = 0; i < sizeof(blob); i++)
        blob[i] = (uint8_t)(i * 7 + i / 256);
    fw_cfg_add_file(fw, "bootorder", "/rom@x", 7);
    fw_cfg_add_file(fw, "genroms/blob.bin", blob, sizeof(blob));
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    fw_cfg_device.free(fw);
    fixture_done(&fx);
    return 0;
}

static uint32_t data(unsigned size) {
    uint32_t val = 0;
    for (unsigned i = 0; i < size; i++)
        val |= (uint32_t)in8(&fx, 0x511) << (8 * i);
    return val;
}

static void fixed_items(void **unused) {
    (void)unused;
    out16(&fx, 0x510, FW_CFG_SIGNATURE);
    assert_int_equal(data(4), 0x554d4551); /* "QEMU" */
    assert_int_equal(data(4), 0);          /* zeros past the end */
    out16(&fx, 0x510, FW_CFG_ID);
    assert_int_equal(data(4), 3); /* ports and DMA */
    out16(&fx, 0x510, FW_CFG_NB_CPUS);
    assert_int_equal(data(2), 2);
    out16(&fx, 0x510, FW_CFG_MAX_CPUS);
    assert_int_equal(data(2), 4);
    out16(&fx, 0x510, FW_CFG_RAM_SIZE);
    assert_int_equal(data(4), 128 << 20);
    out16(&fx, 0x510, FW_CFG_UUID);
    assert_int_equal(data(4), 0x10b8a76b);
    out16(&fx, 0x510, FW_CFG_NOGRAPHIC);
    assert_int_equal(data(2), 1);
    out16(&fx, 0x510, FW_CFG_BOOT_MENU);
    assert_int_equal(data(2), 0);
    out16(&fx, 0x510, 0x4321);
    assert_int_equal(data(4), 0);
    out8(&fx, 0x511, 5); /* the old way to write: ignored */
}

static void directory(void **unused) {
    (void)unused;
    uint8_t entry[64];
    out16(&fx, 0x510, FW_CFG_FILE_DIR);
    assert_int_equal(data(4), 0x02000000); /* big-endian */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(io_read_string(fx.io, IO_PORT, 0x511, 1, entry, 64), 64);
        assert_int_equal(load_be32(entry), i ? sizeof(blob) : 7);
        assert_int_equal(load_be16(entry + 4), 0x20 + i);
        assert_string_equal((char *)entry + 8, i ? "genroms/blob.bin" : "bootorder");
    }
}

static void strings_are_bulk(void **unused) {
    (void)unused;
    uint8_t got[sizeof(blob) + 16];
    out16(&fx, 0x510, 0x21);
    assert_int_equal(in8(&fx, 0x511), blob[0]);
    assert_int_equal(io_read_string(fx.io, IO_PORT, 0x511, 1, got, sizeof(got)), sizeof(got));
    assert_memory_equal(got, blob + 1, sizeof(blob) - 1);
    assert_int_equal(got[sizeof(blob)], 0);
    assert_int_equal(in8(&fx, 0x511), 0);
}

/* Puts a descriptor at 0x1000 and starts it; returns what the control word is then. */
static uint32_t dma(uint32_t control, uint32_t len, uint64_t addr) {
    store_be32(fx.ram + 0x1000, control);
    store_be32(fx.ram + 0x1004, len);
    store_be64(fx.ram + 0x1008, addr);
    out32(&fx, 0x514, 0);
    out32(&fx, 0x518, 0x00100000);
    return load_be32(fx.ram + 0x1000);
}

static void dma_copies(void **unused) {
    (void)unused;
    assert_int_equal(in32(&fx, 0x514), 0x554d4551); /* "QEMU CFG" */
    assert_int_equal(in32(&fx, 0x518), 0x47464320);
    assert_int_equal(dma(0x21 << 16 | 0x08 | 0x02, sizeof(blob), 0x2345), 0);
    assert_memory_equal(fx.ram + 0x2345, blob, sizeof(blob));
    assert_int_equal(dma(0x21 << 16 | 0x08 | 0x04, 5000, 0), 0); /* skip, then read on */
    memset(fx.ram + 0x8000, 0xaa, 16);
    assert_int_equal(dma(0x02, 8, 0x8000), 0);
    assert_memory_equal(fx.ram + 0x8000, blob + 5000, 8);
    assert_int_equal(fx.ram[0x8008], 0xaa);
    assert_int_equal(fx.maps, 0);
}

static bool read_blob(void *arg, uint64_t off, void *buf, size_t n) {
    memcpy(buf, blob + off, n);
    return !*(bool *)arg;
}

/* A blob goes straight from its file to guest memory; a file that fails is an error, or zeros. */
static void blobs(void **unused) {
    (void)unused;
    bool fails = false;
    struct fw_cfg_blob file = {sizeof(blob), read_blob, &fails};
    fw_cfg_add_blob(fw, 0x11, &file, 1000, 9000);
    assert_int_equal(dma(0x11 << 16 | 0x08 | 0x02, 9000, 0x2345), 0);
    assert_memory_equal(fx.ram + 0x2345, blob + 1000, 9000);
    out16(&fx, 0x510, 0x11);
    assert_int_equal(in8(&fx, 0x511), blob[1000]);
    assert_int_equal(in8(&fx, 0x511), blob[1001]);
    fails = true;
    assert_int_equal(in8(&fx, 0x511), 0);
    assert_int_equal(dma(0x11 << 16 | 0x08 | 0x02, 9000, 0x2345), 1);
    assert_int_equal(fx.maps, 0);
}

static void dma_mistakes(void **unused) {
    (void)unused;
    assert_int_equal(dma(0x21 << 16 | 0x08 | 0x10, 4, 0x2000), 1); /* writing */
    assert_int_equal(dma(0x21 << 16 | 0x08 | 0x02, 4, 0xfff00000), 1); /* no RAM */
    assert_int_equal(dma(0x21 << 16 | 0x08 | 0x02, 0xffffffff, 0x2000), 1);
    assert_int_equal(dma(0x21 << 16 | 0x08 | 0x02, 0x100, UINT64_MAX - 5), 1);
    fx.ram[0x2000] = 0xaa; /* past the end: zeros */
    assert_int_equal(dma(0x20 << 16 | 0x08 | 0x04, 7, 0), 0);
    assert_int_equal(dma(0x02, 8, 0x2000), 0);
    assert_int_equal(fx.ram[0x2000], 0);
    out32(&fx, 0x514, 0xffffffff); /* a descriptor at nothing */
    out32(&fx, 0x518, 0xffffffff);
    assert_int_equal(fx.maps, 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(fixed_items), TEST(directory), TEST(strings_are_bulk), TEST(dma_copies),
        TEST(blobs), TEST(dma_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
