/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI functions: PCI Local Bus Specification 2.1, 6.1 (header), 6.2.2 (COMMAND), 6.2.3 (STATUS),
 * 6.2.5 (base addresses); INTx disable and status: 2.3, 6.2.2 and 6.2.3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"

enum { DEVFN = 3 << 3 };

struct world {
    struct fixture fx;
    struct pci_function fn;
    struct io_region io, mem, rom;
    struct vram *vram;
    uint8_t rom_bytes[600];
    unsigned wrote_off, wrote_len, wrotes;
};

static uint64_t chip_read(void *dev, uint64_t off, unsigned size) {
    (void)dev;
    return off << 4 | size;
}

static const struct io_ops chip_ops = {.read = chip_read};

static void config_wrote(void *dev, unsigned off, unsigned len) {
    struct world *w = dev;
    w->wrote_off = off;
    w->wrote_len = len;
    w->wrotes++;
}

static int setup(void **arg) {
    static const struct pci_id id = {0x5853, 0x0001, 0x5853, 0x0002, 0xff80, 0x12, 0x34, 1};
    struct world *w = calloc(1, sizeof(*w));
    fixture_init(&w->fx);
    w->io = (struct io_region){.name = "io", .ops = &chip_ops};
    w->mem = (struct io_region){.name = "mem", .ops = &chip_ops};
    memset(w->rom_bytes, 0x77, sizeof(w->rom_bytes));
    w->vram = w->fx.engine.ops->vram_new(&w->fx.engine, MIB(1));
    pci_init(&w->fn, "chip", &id, w);
    w->fn.config_wrote = config_wrote;
    pci_add_bar(&w->fn, 0, PCI_BAR_IO, 0x100, &w->io);
    pci_add_bar(&w->fn, 1, PCI_BAR_MEM, 0x1000, &w->mem);
    pci_add_vram(&w->fn, 2, w->vram);
    pci_add_rom(&w->fn, &w->rom, w->rom_bytes, sizeof(w->rom_bytes));
    assert_true(pci_add(w->fx.pci, &w->fn, DEVFN));
    *arg = w;
    return 0;
}

static int teardown(void **arg) {
    struct world *w = *arg;
    pci_remove(&w->fn);
    w->fx.engine.ops->vram_free(&w->fx.engine, w->vram);
    fixture_done(&w->fx);
    free(w);
    return 0;
}

static void test_identity(void **arg) {
    struct world *w = *arg;
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0x00, 4), 0x00015853);
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0x08, 4), 0xff801234);
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0x2c, 4), 0x00025853);
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0x3d, 1), 1);
    for (unsigned reg = 0; reg < 4; reg++)
        cfg_write(&w->fx, DEVFN, reg, 1, 0);
    cfg_write(&w->fx, DEVFN, 0x08, 4, 0);
    cfg_write(&w->fx, DEVFN, 0x3d, 1, 3);
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0x00, 4), 0x00015853);
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0x08, 4), 0xff801234);
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0x3d, 1), 1);
    cfg_write(&w->fx, DEVFN, 0x3c, 1, 11);
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0x3c, 1), 11);
}

static void test_nobody_reads_ones(void **arg) {
    struct world *w = *arg;
    assert_int_equal(cfg_read(&w->fx, DEVFN + 1, 0, 4), 0xffffffff);
    assert_int_equal(cfg_read(&w->fx, DEVFN + 8, 0, 2), 0xffff);
    assert_int_equal(pci_config_read(w->fx.pci, 0x100 | DEVFN, 0, 4), 0xffffffff);
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0xfe, 4), 0xffffffff);
    cfg_write(&w->fx, DEVFN, 0xfe, 4, 0);
}

/* 6.2.5.1: all ones are written, what reads back tells size and kind. */
static void test_sizing(void **arg) {
    struct world *w = *arg;
    static const uint32_t want[] = {0xffffff01, 0xfffff000, 0xfff00008, 0, 0, 0};
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM);
    for (unsigned n = 0; n < 6; n++) {
        cfg_write(&w->fx, DEVFN, PCI_BAR0 + 4 * n, 4, 0xffffffff);
        assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_BAR0 + 4 * n, 4), want[n]);
        assert_int_equal(pci_bar_address(&w->fn, n), UINT64_MAX);
    }
    cfg_write(&w->fx, DEVFN, PCI_ROM, 4, 0xfffff800); /* 6.2.5.2: without the enable bit */
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_ROM, 4), 0xfffff800);
    assert_false(w->io.mapped || w->mem.mapped || w->rom.mapped);
}

static void test_decode(void **arg) {
    struct world *w = *arg;
    cfg_write(&w->fx, DEVFN, PCI_BAR0, 4, 0xc000);
    cfg_write(&w->fx, DEVFN, PCI_BAR0 + 4, 4, 0xf0000000);
    cfg_write(&w->fx, DEVFN, PCI_BAR0 + 8, 4, 0xe0000000);
    cfg_write(&w->fx, DEVFN, PCI_ROM, 4, 0xf0100001);
    assert_int_equal(in8(&w->fx, 0xc004), 0xff); /* COMMAND is still 0 */
    assert_int_equal(w->vram->base, VRAM_NOWHERE);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO);
    assert_int_equal(in8(&w->fx, 0xc004), 0x41);
    assert_int_equal(mem_read(&w->fx, 0xf0000000, 1), 0xff);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_MEM);
    assert_int_equal(in8(&w->fx, 0xc004), 0xff);
    assert_int_equal(mem_read(&w->fx, 0xf0000008, 4), 0x84);
    assert_int_equal(w->vram->base, 0xe0000000);
    assert_int_equal(mem_read(&w->fx, 0xf0100000 + 599, 1), 0x77);
    assert_int_equal(mem_read(&w->fx, 0xf0100000 + 600, 1), 0xff);
    cfg_write(&w->fx, DEVFN, PCI_ROM, 4, 0xf0100000);
    assert_int_equal(mem_read(&w->fx, 0xf0100000, 1), 0xff);
    cfg_write(&w->fx, DEVFN, PCI_BAR0 + 5, 1, 0x10); /* one byte of a BAR moves it */
    assert_int_equal(mem_read(&w->fx, 0xf0001008, 4), 0x84);
    assert_int_equal(mem_read(&w->fx, 0xf0000008, 4), 0xffffffff);
}

static void test_io_bar_beyond_64k(void **arg) {
    struct world *w = *arg;
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO);
    cfg_write(&w->fx, DEVFN, PCI_BAR0, 4, 0x1c000);
    assert_int_equal(pci_bar_address(&w->fn, 0), UINT64_MAX);
    cfg_write(&w->fx, DEVFN, PCI_BAR0, 4, 0xff00);
    assert_int_equal(pci_bar_address(&w->fn, 0), 0xff00);
}

static void test_status_w1c(void **arg) {
    struct world *w = *arg;
    store_le16(&w->fn.config[PCI_STATUS], 0xf900 | PCI_STS_CAP);
    cfg_write(&w->fx, DEVFN, PCI_STATUS, 2, 0x8000);
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_STATUS, 2), 0x7910);
    cfg_write(&w->fx, DEVFN, PCI_STATUS, 2, 0xffff);
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_STATUS, 2), 0x0010);
}

static void test_intx(void **arg) {
    struct world *w = *arg;
    pci_irq(&w->fn, true);
    pci_irq(&w->fn, true);
    assert_true(w->fx.intx[3][0]);
    assert_int_equal(w->fx.intx_edges[3][0], 1);
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_STATUS, 1) & PCI_STS_INTX, PCI_STS_INTX);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_INTX_OFF);
    assert_false(w->fx.intx[3][0]); /* the pin falls, the status stays */
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_STATUS, 1) & PCI_STS_INTX, PCI_STS_INTX);
    pci_irq(&w->fn, false);
    pci_irq(&w->fn, true);
    assert_int_equal(w->fx.intx_edges[3][0], 1);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, 0);
    assert_true(w->fx.intx[3][0]);
    pci_irq(&w->fn, false);
    assert_false(w->fx.intx[3][0]);
}

static void test_bus_master(void **arg) {
    struct world *w = *arg;
    uint8_t byte = 0;
    w->fx.ram[0x1000] = 0x5a;
    assert_false(dma_read(&w->fn.dma, 0x1000, &byte, 1));
    assert_int_equal(byte, 0xff);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_MASTER);
    assert_true(dma_read(&w->fn.dma, 0x1000, &byte, 1));
    assert_int_equal(byte, 0x5a);
}

static void test_hook(void **arg) {
    struct world *w = *arg;
    cfg_write(&w->fx, DEVFN, 0x41, 2, 0);
    assert_int_equal(w->wrotes, 1);
    assert_int_equal(w->wrote_off, 0x41);
    assert_int_equal(w->wrote_len, 2);
}

static void test_reset_and_remove(void **arg) {
    struct world *w = *arg;
    cfg_write(&w->fx, DEVFN, PCI_BAR0, 4, 0xc000);
    cfg_write(&w->fx, DEVFN, PCI_BAR0 + 8, 4, 0xe0000000);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
    pci_irq(&w->fn, true);
    pci_reset(&w->fn);
    assert_false(w->fx.intx[3][0] || w->io.mapped || w->fn.master);
    assert_int_equal(w->vram->base, VRAM_NOWHERE);
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_BAR0, 4), 1);
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_COMMAND, 4), 0);
    cfg_write(&w->fx, DEVFN, PCI_BAR0, 4, 0xc000);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO);
    pci_irq(&w->fn, true);
    pci_remove(&w->fn);
    assert_false(w->fx.intx[3][0] || w->io.mapped);
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0, 4), 0xffffffff);
    pci_irq(&w->fn, false);
    pci_irq(&w->fn, true);
    assert_false(w->fx.intx[3][0]);
    pci_remove(&w->fn);
}

static void test_slots(void **arg) {
    struct world *w = *arg;
    static const struct pci_id id = {.vendor = 1};
    struct pci_function other;
    pci_init(&other, "other", &id, NULL);
    assert_false(pci_add(w->fx.pci, &other, DEVFN));
    assert_true(pci_add(w->fx.pci, &other, PCI_DEVFN_FREE));
    assert_int_equal(other.devfn, 0);
    pci_remove(&other);
    other.multifunction = true;
    assert_true(pci_add(w->fx.pci, &other, DEVFN + 1));
    assert_int_equal(cfg_read(&w->fx, DEVFN + 1, PCI_HEADER_TYPE, 1), 0x80);
    pci_remove(&other);
}

/* A stream moves BARs, but does not make another chip of it. */
static void test_loaded(void **arg) {
    struct world *w = *arg;
    memset(w->fn.config, 0xff, sizeof(w->fn.config));
    store_le32(&w->fn.config[PCI_BAR0 + 4], 0xf0000000);
    store_le16(&w->fn.config[PCI_COMMAND], PCI_CMD_MEM);
    pci_loaded(&w->fn);
    assert_true(w->mem.mapped);
    assert_int_equal(w->mem.base, 0xf0000000);
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0, 4), 0x00015853);
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_INT_PIN, 1), 1);
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_BAR0 + 8, 4), 0xfff00008);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_identity), TEST(test_nobody_reads_ones), TEST(test_sizing), TEST(test_decode),
        TEST(test_io_bar_beyond_64k), TEST(test_status_w1c), TEST(test_intx),
        TEST(test_bus_master), TEST(test_hook), TEST(test_reset_and_remove), TEST(test_slots),
        TEST(test_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
