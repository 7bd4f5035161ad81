/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI and MSI-X: PCI Local Bus Specification 3.0, 6.8.1 (MSI), 6.8.2 (MSI-X capability and table),
 * 6.8.3 (operation).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/msi.h"
#include "fixture.h"

enum { DEVFN = 4 << 3, MSI = 0x50, MSIX = 0x80, BAR = 0xe0000000, ENABLE = 0x0001 };

struct world {
    struct fixture fx;
    struct pci_function fn;
    struct msi msi;
    struct msix msix;
};

static void config_wrote(void *dev, unsigned off, unsigned len) {
    struct world *w = dev;
    msi_config_wrote(&w->msi, off, len);
    msix_config_wrote(&w->msix, off, len);
}

static struct world *build(unsigned vectors, unsigned flags) {
    static const struct pci_id id = {.vendor = 0x1234, .device = 0x5678, .int_pin = 1};
    struct world *w = calloc(1, sizeof(*w));
    fixture_init(&w->fx);
    pci_init(&w->fn, "chip", &id, w);
    w->fn.config_wrote = config_wrote;
    msi_add(&w->msi, &w->fn, MSI, vectors, flags);
    msix_add_bar(&w->msix, &w->fn, MSIX, 66, 2);
    assert_true(pci_add(w->fx.pci, &w->fn, DEVFN));
    cfg_write(&w->fx, DEVFN, PCI_BAR0 + 8, 4, BAR);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
    return w;
}

static int setup(void **arg) {
    *arg = build(4, MSI_64 | MSI_MASKABLE);
    return 0;
}

static int teardown(void **arg) {
    struct world *w = *arg;
    pci_remove(&w->fn);
    fixture_done(&w->fx);
    free(w);
    return 0;
}

static uint32_t cfg(struct world *w, unsigned reg, unsigned size) {
    return cfg_read(&w->fx, DEVFN, reg, size);
}

static void set(struct world *w, unsigned reg, unsigned size, uint32_t val) {
    cfg_write(&w->fx, DEVFN, reg, size, val);
}

static void test_chain(void **arg) {
    struct world *w = *arg;
    assert_int_equal(cfg(w, PCI_STATUS, 2) & PCI_STS_CAP, PCI_STS_CAP);
    assert_int_equal(cfg(w, PCI_CAP_PTR, 1), MSI);
    assert_int_equal(cfg(w, MSI, 2), MSIX << 8 | 0x05);
    assert_int_equal(cfg(w, MSIX, 2), 0x0011);
}

/* 6.8.1.3: capable of 4 (log 2), 64 bits, maskable; what is read-only stays. */
static void test_msi_registers(void **arg) {
    struct world *w = *arg;
    assert_int_equal(cfg(w, MSI + 2, 2), 0x0184);
    set(w, MSI + 2, 2, 0xffff);
    assert_int_equal(cfg(w, MSI + 2, 2), 0x01f5);
    set(w, MSI + 4, 4, 0xffffffff);
    assert_int_equal(cfg(w, MSI + 4, 4), 0xfffffffc);
    set(w, MSI + 8, 4, 0x12345678);
    assert_int_equal(cfg(w, MSI + 8, 4), 0x12345678);
    set(w, MSI + 12, 4, 0xffffffff);
    assert_int_equal(cfg(w, MSI + 12, 4), 0x0000ffff);
    set(w, MSI + 16, 4, 0xffffffff);
    assert_int_equal(cfg(w, MSI + 16, 4), 0x0000000f);
    set(w, MSI + 20, 4, 0xffffffff);
    assert_int_equal(cfg(w, MSI + 20, 4), 0);
}

static void enable_msi(struct world *w, unsigned log) {
    set(w, MSI + 4, 4, 0xfee01000);
    set(w, MSI + 8, 4, 0x00000100);
    set(w, MSI + 12, 2, 0x40c0);
    set(w, MSI + 2, 2, ENABLE | log << 4);
}

static void test_msi_send(void **arg) {
    struct world *w = *arg;
    msi_send(&w->msi, 0);
    assert_int_equal(w->fx.msis, 0); /* off */
    enable_msi(w, 2);
    msi_send(&w->msi, 3);
    assert_int_equal(w->fx.msis, 1);
    assert_int_equal(w->fx.msi_addr, UINT64_C(0x100fee01000));
    assert_int_equal(w->fx.msi_data, 0x40c3);
    enable_msi(w, 0); /* one allocated: all vectors are that one */
    msi_send(&w->msi, 3);
    assert_int_equal(w->fx.msi_data, 0x40c0);
    enable_msi(w, 7); /* reserved: no more than it is capable of */
    msi_send(&w->msi, 7);
    assert_int_equal(w->fx.msi_data, 0x40c3);
    set(w, PCI_COMMAND, 2, PCI_CMD_MEM);
    msi_send(&w->msi, 0);
    assert_int_equal(w->fx.msis, 3);
}

static void test_msi_mask(void **arg) {
    struct world *w = *arg;
    enable_msi(w, 2);
    set(w, MSI + 16, 4, 0x5);
    msi_send(&w->msi, 2);
    msi_send(&w->msi, 2);
    assert_int_equal(w->fx.msis, 0);
    assert_int_equal(cfg(w, MSI + 20, 4), 0x4);
    msi_send(&w->msi, 1);
    assert_int_equal(w->fx.msis, 1);
    set(w, MSI + 16, 4, 0x1);
    assert_int_equal(w->fx.msis, 2);
    assert_int_equal(w->fx.msi_data, 0x40c2);
    assert_int_equal(cfg(w, MSI + 20, 4), 0);
}

/* Without 64 bits and masks: address at 4, data at 8. */
static void test_msi_small(void **arg) {
    (void)arg;
    struct world *w = build(1, 0);
    assert_int_equal(cfg(w, MSI + 2, 2), 0);
    set(w, MSI + 4, 4, 0xfee00000);
    set(w, MSI + 8, 4, 0xffff1234);
    set(w, MSI + 2, 2, ENABLE);
    msi_send(&w->msi, 0);
    assert_int_equal(w->fx.msi_addr, 0xfee00000);
    assert_int_equal(w->fx.msi_data, 0x1234);
    void *p = w;
    teardown(&p);
}

/* 6.8.3.3: a function that uses messages does not use its pin. */
static void test_irq_or_message(void **arg) {
    struct world *w = *arg;
    msi_irq(&w->msi, true);
    assert_true(w->fx.intx[4][0]);
    assert_int_equal(w->fx.msis, 0);
    enable_msi(w, 0);
    assert_false(w->fx.intx[4][0]);
    msi_irq(&w->msi, false);
    msi_irq(&w->msi, true);
    msi_irq(&w->msi, true);
    assert_int_equal(w->fx.msis, 1);
    assert_false(w->fx.intx[4][0]);
    set(w, MSI + 2, 2, 0);
    assert_true(w->fx.intx[4][0]);
    pci_reset(&w->fn);
    assert_false(w->fx.intx[4][0]);
}

static void test_msix_registers(void **arg) {
    struct world *w = *arg;
    assert_int_equal(cfg(w, MSIX + 2, 2), 65); /* table size - 1 */
    assert_int_equal(cfg(w, MSIX + 4, 4), 0x002);
    assert_int_equal(cfg(w, MSIX + 8, 4), 0x802);
    set(w, MSIX + 2, 2, 0xffff);
    assert_int_equal(cfg(w, MSIX + 2, 2), 0xc041);
    set(w, MSIX + 4, 4, 0xffffffff);
    assert_int_equal(cfg(w, MSIX + 4, 4), 0x002);
}

/* After reset each entry is masked and else zero. */
static void test_msix_table(void **arg) {
    struct world *w = *arg;
    assert_int_equal(mem_read(&w->fx, BAR + 65 * 16 + 12, 4), 1);
    assert_int_equal(mem_read(&w->fx, BAR + 66 * 16 + 12, 4), 0); /* beyond */
    mem_write(&w->fx, BAR + 16, 4, 0xffffffff);
    mem_write(&w->fx, BAR + 20, 4, 0x00000200);
    mem_write(&w->fx, BAR + 24, 8, UINT64_C(0xffffffff00001234));
    assert_int_equal(mem_read(&w->fx, BAR + 16, 8), UINT64_C(0x200fffffffc));
    assert_int_equal(mem_read(&w->fx, BAR + 24, 8), UINT64_C(0x100001234));
    mem_write(&w->fx, BAR + 2048, 8, UINT64_MAX);
    assert_int_equal(mem_read(&w->fx, BAR + 2048, 8), 0);
    assert_true(msix_covers(&w->msix, 2048 + 15) && !msix_covers(&w->msix, 2048 + 16));
    assert_true(msix_covers(&w->msix, 66 * 16 - 1) && !msix_covers(&w->msix, 66 * 16));
}

static void set_entry(struct world *w, unsigned v, uint64_t addr, uint32_t data, uint32_t control) {
    mem_write(&w->fx, BAR + v * 16, 4, (uint32_t)addr);
    mem_write(&w->fx, BAR + v * 16 + 4, 4, addr >> 32);
    mem_write(&w->fx, BAR + v * 16 + 8, 4, data);
    mem_write(&w->fx, BAR + v * 16 + 12, 4, control);
}

static void test_msix_send(void **arg) {
    struct world *w = *arg;
    set_entry(w, 65, UINT64_C(0x300fee02000), 0x12345678, 0);
    msix_send(&w->msix, 65);
    assert_int_equal(w->fx.msis, 0); /* off: not even pending */
    set(w, MSIX + 2, 2, 0x8000);
    assert_int_equal(w->fx.msis, 0);
    msix_send(&w->msix, 65);
    assert_int_equal(w->fx.msis, 1);
    assert_int_equal(w->fx.msi_addr, UINT64_C(0x300fee02000));
    assert_int_equal(w->fx.msi_data, 0x12345678);
    msix_send(&w->msix, 66); /* there is none */
    assert_int_equal(w->fx.msis, 1);
}

static void test_msix_mask(void **arg) {
    struct world *w = *arg;
    set(w, MSIX + 2, 2, 0x8000);
    set_entry(w, 64, 0xfee00000, 7, 1);
    msix_send(&w->msix, 64);
    msix_send(&w->msix, 64);
    assert_int_equal(w->fx.msis, 0);
    assert_int_equal(mem_read(&w->fx, BAR + 2048 + 8, 8), 1);
    set_entry(w, 64, 0xfee00000, 8, 0);
    assert_int_equal(w->fx.msis, 1);
    assert_int_equal(w->fx.msi_data, 8);
    assert_int_equal(mem_read(&w->fx, BAR + 2048 + 8, 8), 0);
    /* the function's mask */
    set(w, MSIX + 2, 2, 0xc000);
    msix_send(&w->msix, 64);
    assert_int_equal(w->fx.msis, 1);
    set(w, MSIX + 2, 2, 0x8000);
    assert_int_equal(w->fx.msis, 2);
    /* settled otherwise */
    set_entry(w, 64, 0xfee00000, 8, 1);
    msix_send(&w->msix, 64);
    msix_withdraw(&w->msix, 64);
    set_entry(w, 64, 0xfee00000, 8, 0);
    assert_int_equal(w->fx.msis, 2);
}

/* Linux under Xen: vector 0, the pirq in the address; its own mask is in the event channel. */
static void test_msix_to_event_channel(void **arg) {
    struct world *w = *arg;
    set(w, MSIX + 2, 2, 0x8000);
    set_entry(w, 64, UINT64_C(0x100fee36000), 0x4300, 1);
    msix_send(&w->msix, 64);
    assert_int_equal(w->fx.msis, 1);
    assert_int_equal(w->fx.msi_addr, UINT64_C(0x100fee36000));
    assert_int_equal(w->fx.msi_data, 0x4300);
    set_entry(w, 64, 0, 0, 1); /* as after a reset: masked, and nowhere to go */
    msix_send(&w->msix, 64);
    assert_int_equal(w->fx.msis, 1);
}

static void test_msix_no_line(void **arg) {
    struct world *w = *arg;
    pci_irq(&w->fn, true);
    set(w, MSIX + 2, 2, 0x8000);
    assert_false(w->fx.intx[4][0]);
    set(w, MSIX + 2, 2, 0x0000);
    assert_true(w->fx.intx[4][0]);
    set(w, MSIX + 2, 2, 0x8000);
    pci_reset(&w->fn);
    msix_reset(&w->msix);
    pci_irq(&w->fn, true);
    assert_true(w->fx.intx[4][0]);
}

/* What a stream brings: the line is no longer the chip's where messages are on. */
static void test_loaded(void **arg) {
    struct world *w = *arg;
    store_le16(&w->fn.config[MSIX + 2], 0x8041);
    msi_loaded(&w->msi);
    msix_loaded(&w->msix);
    pci_loaded(&w->fn);
    pci_irq(&w->fn, true);
    assert_false(w->fx.intx[4][0]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_chain), TEST(test_msi_registers), TEST(test_msi_send), TEST(test_msi_mask),
        cmocka_unit_test(test_msi_small), TEST(test_irq_or_message), TEST(test_msix_registers),
        TEST(test_msix_table), TEST(test_msix_send), TEST(test_msix_mask),
        TEST(test_msix_to_event_channel), TEST(test_msix_no_line), TEST(test_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
