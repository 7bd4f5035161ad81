/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct kernel boot against Documentation/arch/x86/boot.rst: the header that is filled in, where
 * things are put, and the ROM as firmware and its own code see it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"
#include "fw_cfg.h"
#include "linux_boot.h"

enum { SETUP_SECTS = 3, SETUP_LEN = 4 * 512, KERNEL_LEN = SETUP_LEN + 100000, INITRD_LEN = 70001 };

static struct fixture fx;
static struct fw_cfg *fw;
static struct linux_boot *boot;
static uint8_t kernel[KERNEL_LEN], initrd[INITRD_LEN];
static char why[512];
static bool unreadable;

static bool read_blob(void *arg, uint64_t off, void *buf, size_t n) {
    memcpy(buf, (const uint8_t *)arg + off, n);
    return !unreadable;
}

static struct fw_cfg_blob kernel_blob, initrd_blob;

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    fw = fw_cfg_new(
        &(struct fw_cfg_pins){.io = fx.io, .engine = &fx.engine, .cpus = 1, .max_cpus = 1});
    boot = NULL;
    unreadable = false;
    kernel_blob = (struct fw_cfg_blob){KERNEL_LEN, read_blob, kernel};
    initrd_blob = (struct fw_cfg_blob){INITRD_LEN, read_blob, initrd};
    for (unsigned i = 0; i < KERNEL_LEN; i++)
        kernel[i] = (uint8_t)(i * 13 + i / 512);
    for (unsigned i = 0; i < INITRD_LEN; i++)
        initrd[i] = (uint8_t)(i * 31);
    memset(kernel, 0, 0x280);
    kernel[0x1f1] = SETUP_SECTS;
    store_le16(kernel + 0x1fe, 0xaa55);
    memcpy(kernel + 0x202, "HdrS", 4);
    store_le16(kernel + 0x206, 0x020f);
    kernel[0x211] = 0x01;                       /* LOADED_HIGH */
    store_le32(kernel + 0x22c, 0x7fffffff);     /* initrd_addr_max */
    store_le32(kernel + 0x238, 2047);           /* cmdline_size */
    store_le32(kernel + 0x260, 0x02000000);     /* init_size */
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    fw_cfg_device.free(fw);
    linux_boot_free(boot);
    fixture_done(&fx);
    return 0;
}

static void start(const char *cmdline, uint64_t low_ram) {
    boot = linux_boot_new(fw,
                          &(struct linux_boot_files){&kernel_blob, &initrd_blob, cmdline, low_ram},
                          why, sizeof(why));
}

static void item(uint16_t key, void *buf, unsigned n) {
    out16(&fx, 0x510, key);
    assert_int_equal(io_read_string(fx.io, IO_PORT, 0x511, 1, buf, n), n);
}

static uint32_t item32(uint16_t key) {
    uint8_t raw[4];
    item(key, raw, 4);
    return load_le32(raw);
}

static void modern_kernel(void **unused) {
    (void)unused;
    uint8_t head[SETUP_LEN], *tail = malloc(KERNEL_LEN);
    start("console=ttyS0 vga=0x317", MIB(256));
    assert_non_null(boot);
    assert_int_equal(item32(FW_CFG_SETUP_ADDR), 0x10000);
    assert_int_equal(item32(FW_CFG_SETUP_SIZE), SETUP_LEN);
    assert_int_equal(item32(FW_CFG_KERNEL_ADDR), 0x100000);
    assert_int_equal(item32(FW_CFG_KERNEL_SIZE), KERNEL_LEN - SETUP_LEN);
    assert_int_equal(item32(FW_CFG_CMDLINE_ADDR), 0x20000);
    assert_int_equal(item32(FW_CFG_CMDLINE_SIZE), 24);
    uint32_t initrd_at = item32(FW_CFG_INITRD_ADDR);
    assert_int_equal(initrd_at % 4096, 0);
    assert_true(initrd_at + INITRD_LEN <= MIB(254)); /* the firmware keeps the top */
    assert_true(initrd_at + INITRD_LEN > MIB(254) - 8192);
    item(FW_CFG_SETUP_DATA, head, sizeof(head));
    assert_int_equal(head[0x210], 0xff);            /* type_of_loader: none assigned */
    assert_int_equal(head[0x211], 0x81);            /* CAN_USE_HEAP */
    assert_true(load_le16(head + 0x224) <= 0xfe00); /* heap_end_ptr */
    assert_int_equal(load_le32(head + 0x228), 0x20000);
    assert_int_equal(load_le32(head + 0x218), initrd_at);
    assert_int_equal(load_le32(head + 0x21c), INITRD_LEN);
    assert_int_equal(load_le16(head + 0x1fa), 0x317); /* vid_mode */
    assert_memory_equal(head + 0x280, kernel + 0x280, SETUP_LEN - 0x280);
    item(FW_CFG_KERNEL_DATA, tail, KERNEL_LEN - SETUP_LEN);
    assert_memory_equal(tail, kernel + SETUP_LEN, KERNEL_LEN - SETUP_LEN);
    item(FW_CFG_CMDLINE_DATA, head, 24);
    assert_string_equal((char *)head, "console=ttyS0 vga=0x317");
    free(tail);
}

static void initrd_below_its_limit(void **unused) {
    (void)unused;
    store_le32(kernel + 0x22c, 0x07ffffff);
    start("", MIB(3072));
    assert_non_null(boot);
    assert_true(item32(FW_CFG_INITRD_ADDR) + INITRD_LEN <= MIB(128));
    assert_true(item32(FW_CFG_INITRD_ADDR) > MIB(127));
}

/* Protocol 2.01: low memory's end, the old command line, set-up sectors by default 4 */
static void old_kernel(void **unused) {
    (void)unused;
    uint8_t head[5 * 512];
    store_le16(kernel + 0x206, 0x0201);
    kernel[0x1f1] = 0;
    start("root=/dev/hda1 vga=ask", MIB(64));
    assert_non_null(boot);
    assert_int_equal(item32(FW_CFG_SETUP_ADDR), 0x90000);
    assert_int_equal(item32(FW_CFG_SETUP_SIZE), sizeof(head));
    item(FW_CFG_SETUP_DATA, head, sizeof(head));
    uint32_t at = item32(FW_CFG_CMDLINE_ADDR);
    assert_true(at > 0x99000 && at + 23 <= 0x9a000);
    assert_int_equal(load_le16(head + 0x20), 0xa33f);
    assert_int_equal(load_le16(head + 0x22), at - 0x90000);
    assert_int_equal(load_le16(head + 0x1fa), 0xfffd);
    kernel[0x211] = 0; /* a zImage goes to 0x10000 */
    linux_boot_free(boot);
    boot = NULL;
    fw_cfg_device.free(fw);
    fw = fw_cfg_new(
        &(struct fw_cfg_pins){.io = fx.io, .engine = &fx.engine, .cpus = 1, .max_cpus = 1});
    start("", MIB(64));
    assert_int_equal(item32(FW_CFG_KERNEL_ADDR), 0x10000);
}

static void refused(const char *cmdline, uint64_t low_ram, const char *word) {
    start(cmdline, low_ram);
    assert_null(boot);
    if (!strstr(why, word))
        fail_msg("\"%s\" doesn't mention \"%s\"", why, word);
}

static void refusals(void **unused) {
    (void)unused;
    char longer[2100];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    refused(longer, MIB(256), "-append");
    refused("", MIB(32), "more memory");
    refused("", 0, "more memory");
    kernel[0x1f1] = 255;
    refused("", MIB(256), "set-up sectors");
    kernel[0x202] = 'h';
    refused("", MIB(256), "HdrS");
    kernel_blob.len = 100;
    refused("", MIB(256), "too short");
    kernel_blob.len = KERNEL_LEN;
    unreadable = true;
    refused("", MIB(256), "read");
}

static uint8_t sum(const uint8_t *bytes, unsigned n) {
    uint8_t total = 0;
    while (n--)
        total = (uint8_t)(total + *bytes++);
    return total;
}

/* The file that bootorder names; a PnP option ROM with good checksums. */
static const uint8_t *rom(uint8_t *buf) {
    uint8_t entry[4 + 2 * 64];
    char order[64] = "";
    item(FW_CFG_FILE_DIR, entry, sizeof(entry));
    assert_int_equal(load_be32(entry), 2);
    item(load_be16(entry + 4 + 4), order, load_be32(entry + 4));
    assert_string_equal(order, "/rom@genroms/linuxboot.bin");
    assert_string_equal((char *)entry + 4 + 64 + 8, order + 5);
    uint32_t len = load_be32(entry + 4 + 64);
    assert_true(len == 512 || len == 1024);
    item(load_be16(entry + 4 + 64 + 4), buf, len);
    assert_int_equal(load_le16(buf), 0xaa55);
    assert_int_equal(buf[2] * 512, len);
    assert_int_equal(sum(buf, len), 0);
    const uint8_t *pnp = buf + load_le16(buf + 0x1a);
    assert_memory_equal(pnp, "$PnP", 4);
    assert_int_equal(sum(pnp, pnp[5] * 16), 0);
    assert_true(load_le16(pnp + 0x1a) < len); /* BEV */
    assert_string_equal((char *)buf + load_le16(pnp + 0x10), "Linux kernel");
    return buf;
}

/* What the ROM's code does with its table: each descriptor, given to fw_cfg, puts its blob in
 * place. */
static void rom_and_its_table(void **unused) {
    (void)unused;
    uint8_t buf[1024];
    uint32_t lens[4] = {SETUP_LEN, 2, KERNEL_LEN - SETUP_LEN, INITRD_LEN};
    store_le32(kernel + 0x260, 0);
    start("q", MIB(3));
    assert_null(boot); /* all but the firmware's part would be just enough */
    start("q", MIB(4));
    assert_non_null(boot);
    rom(buf);
    const uint8_t *table = NULL;
    for (unsigned i = 0; i < 512 - 64 && !table; i += 16) /* setup: select 18, read */
        if (load_be32(buf + i) == (FW_CFG_SETUP_DATA << 16 | 0x0a))
            table = buf + i;
    assert_non_null(table);
    assert_int_equal(load_le16(table + 64), 4);
    assert_int_equal(load_le16(table + 66), 0x1000); /* segment */
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *d = table + 16 * i;
        assert_int_equal(load_be32(d + 4), lens[i]);
        if (load_be64(d + 8) + lens[i] > FIXTURE_RAM)
            continue;
        memcpy(fx.ram + 0x7c00, d, 16);
        out32(&fx, 0x514, 0);
        out32(&fx, 0x518, 0x007c0000);
        assert_int_equal(load_le32(fx.ram + 0x7c00), 0);
    }
    assert_memory_equal(fx.ram + 0x10000 + 0x280, kernel + 0x280, SETUP_LEN - 0x280);
    assert_string_equal((char *)fx.ram + 0x20000, "q");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(modern_kernel), TEST(initrd_below_its_limit), TEST(old_kernel), TEST(refusals),
        TEST(rom_and_its_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
