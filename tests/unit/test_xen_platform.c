/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Xen platform device as drivers use it: docs/misc/hvm-emulated-unplug.pandoc of Xen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/log.h"
#include "core/state.h"
#include "fixture.h"
#include "xen/platform.h"
#include "xen/pvdevice.h"

enum { DEVFN = 2 << 3 };

static struct fixture fx;
static struct xen_platform *platform;
static unsigned disks, aux, nics, nvme, lines;
static char line[512];

static void unplug_disks(void *board, bool aux_only) {
    (void)board;
    disks += !aux_only;
    aux += aux_only;
}

static void unplug_nics(void *board) {
    (void)board;
    nics++;
}

static void unplug_nvme(void *board) {
    (void)board;
    nvme++;
}

static void on_line(enum log_level level, const char *text) {
    (void)level;
    lines++;
    snprintf(line, sizeof(line), "%s", text);
}

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    disks = aux = nics = nvme = lines = 0;
    log_to(on_line, LOG_LEVEL_INFO);
    platform = xen_platform_new(&(struct xen_platform_pins){.pci = fx.pci,
                                                            .devfn = DEVFN,
                                                            .io = fx.io,
                                                            .engine = &fx.engine,
                                                            .unplug_disks = unplug_disks,
                                                            .unplug_nics = unplug_nics,
                                                            .unplug_nvme = unplug_nvme});
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    xen_platform_device.free(platform);
    fixture_done(&fx);
    return 0;
}

static void identity(void **unused) {
    (void)unused;
    assert_int_equal(cfg_read(&fx, DEVFN, PCI_VENDOR, 4), 0x00015853);
    assert_int_equal(cfg_read(&fx, DEVFN, PCI_REVISION, 4), 0xff800001);
    assert_int_equal(cfg_read(&fx, DEVFN, PCI_SUB_VENDOR, 4), 0x00015853);
    assert_int_equal(cfg_read(&fx, DEVFN, PCI_COMMAND, 2), 0x0003);
    assert_int_equal(cfg_read(&fx, DEVFN, PCI_INT_PIN, 1), 1);
    cfg_write(&fx, DEVFN, 0x10, 4, 0xffffffff);
    assert_int_equal(cfg_read(&fx, DEVFN, 0x10, 4), 0xffffff01);
    cfg_write(&fx, DEVFN, 0x14, 4, 0xffffffff);
    assert_int_equal(cfg_read(&fx, DEVFN, 0x14, 4), 0xff000008);
}

/* As Linux does it: magic, protocol version, product, build, magic again (blacklisted?), unplug. */
static void unplug_like_linux(void **unused) {
    (void)unused;
    assert_int_equal(in16(&fx, 0x10), 0x49d2);
    assert_int_equal(in8(&fx, 0x12), 1);
    out16(&fx, 0x12, 3);
    out32(&fx, 0x10, 0x60100);
    assert_int_equal(in16(&fx, 0x10), 0x49d2);
    assert_int_equal(disks + aux + nics + nvme, 0);
    out16(&fx, 0x10, 0x0003);
    assert_int_equal(disks, 1);
    assert_int_equal(nics, 1);
    assert_int_equal(aux + nvme, 0);
    out16(&fx, 0x10, 0x0008);
    assert_int_equal(nvme, 1);
}

static void aux_counts_without_disks(void **unused) {
    (void)unused;
    out16(&fx, 0x10, 0x0005);
    assert_int_equal(disks, 1);
    assert_int_equal(aux, 0);
    out16(&fx, 0x10, 0x0004);
    assert_int_equal(disks, 1);
    assert_int_equal(aux, 1);
}

/* Registers go by width: none of these is the unplug word. */
static void widths(void **unused) {
    (void)unused;
    out8(&fx, 0x10, 0xff);
    out32(&fx, 0x10, 0xffffffff);
    out16(&fx, 0x11, 0xffff);
    out16(&fx, 0x14, 0xffff);
    assert_int_equal(disks + aux + nics + nvme, 0);
    assert_int_equal(in32(&fx, 0x10), 0xffffffff);
    assert_int_equal(in16(&fx, 0x12), 0xffff);
    assert_int_equal(in8(&fx, 0x13), 0xff);
    assert_int_equal(in8(&fx, 0x1f), 0xff);
}

static void rom_lock(void **unused) {
    (void)unused;
    assert_int_equal(in8(&fx, 0x10), 0);
    out8(&fx, 0x10, 0x01);
    assert_true(fx.read_only);
    assert_int_equal(in8(&fx, 0x10), 1);
    out8(&fx, 0x10, 0x00);
    assert_false(fx.read_only);
    out8(&fx, 0x10, 0x01);
    xen_platform_device.reset(platform);
    assert_false(fx.read_only);
}

static void log_port(void **unused) {
    (void)unused;
    for (const char *p = "hello\x01!"; *p; p++)
        out8(&fx, 0x12, (uint8_t)*p);
    assert_int_equal(lines, 0);
    out8(&fx, 0x12, '\n');
    assert_int_equal(lines, 1);
    assert_string_equal(line, "guest: hello !");
    assert_int_equal(io_write_string(fx.io, IO_PORT, 0x12, 1, "again\n", 6), 6);
    assert_string_equal(line, "guest: again");
    for (unsigned i = 0; i < 100000; i++) /* a guest can't fill the disk */
        io_write_string(fx.io, IO_PORT, 0x12, 1, "x\n", 2);
    assert_true(lines < 1100);
    for (unsigned i = 0; i < 10000; i++)
        out8(&fx, 0x12, 'y');
    assert_true(lines < 1100);
}

/* BAR0, bytewise: the old drivers write 32 bits */
static void old_way(void **unused) {
    (void)unused;
    cfg_write(&fx, DEVFN, 0x10, 4, 0xc000);
    assert_int_equal(in8(&fx, 0xc001), 0xff);
    out8(&fx, 0xc000, 1);
    assert_true(fx.read_only);
    assert_int_equal(in8(&fx, 0xc000), 1);
    out32(&fx, 0xc004, 1);
    assert_int_equal(disks, 1);
    assert_int_equal(nics, 1);
    out32(&fx, 0xc008, 1);
    assert_int_equal(disks, 2);
    out32(&fx, 0xc008, 2);
    assert_int_equal(nics, 2);
    lines = 0;
    out8(&fx, 0xc008, 'z');
    out8(&fx, 0xc008, '\n');
    assert_int_equal(lines, 1);
    cfg_write(&fx, DEVFN, 0x14, 4, 0xf0000000);
    assert_int_equal(mem_read(&fx, 0xf0000000, 4), 0);
    mem_write(&fx, 0xf0000000, 4, 1);
    assert_int_equal(mem_read(&fx, 0xf0ffffff, 1), 0);
}

/* A restored board has its NICs back: they go again. */
static void unplug_is_state(void **unused) {
    (void)unused;
    struct state_buf buf = {0};
    char why[256];
    size_t used;
    out16(&fx, 0x10, 0x000b);
    state_save(&buf, xen_platform_device.state, "it", platform);
    xen_platform_device.reset(platform);
    disks = nics = nvme = 0;
    assert_true(state_load(buf.bytes, buf.len, &used, xen_platform_device.state, "it", platform,
                           why, sizeof(why)));
    assert_int_equal(disks, 0);
    assert_int_equal(nics, 1);
    assert_int_equal(nvme, 1);
    state_buf_free(&buf);
}

static void pvdevice(void **unused) {
    (void)unused;
    struct xen_pvdevice *pv = xen_pvdevice_new(&(struct xen_pvdevice_pins){
        .pci = fx.pci, .devfn = PCI_DEVFN_FREE, .device_id = 0xc000, .qdev_id = "pv"});
    assert_int_equal(cfg_read(&fx, 0, PCI_VENDOR, 4), 0xc0005853);
    assert_int_equal(cfg_read(&fx, 0, PCI_CLASS, 2), 0x0880);
    assert_int_equal(cfg_read(&fx, 0, PCI_SUB_VENDOR, 4), 0xc0005853);
    assert_int_equal(cfg_read(&fx, 0, PCI_COMMAND, 2), 0x0002);
    cfg_write(&fx, 0, 0x14, 4, 0xffffffff);
    assert_int_equal(cfg_read(&fx, 0, 0x14, 4), 0xffc00008);
    cfg_write(&fx, 0, 0x14, 4, 0xf0000000);
    assert_int_equal(mem_read(&fx, 0xf0000000, 8), UINT64_MAX);
    xen_pvdevice_device.reset(pv);
    xen_pvdevice_device.free(pv);
    assert_int_equal(cfg_read(&fx, 0, PCI_VENDOR, 4), 0xffffffff);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(identity), TEST(unplug_like_linux), TEST(aux_counts_without_disks), TEST(widths),
        TEST(rom_lock), TEST(log_port), TEST(old_way), TEST(unplug_is_state), TEST(pvdevice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
