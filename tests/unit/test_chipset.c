/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chipset through its ports: 82441FX configuration ports, PIIX3 routing and reset, PIIX4 power
 * management, GPE and hot-plug, CMOS RAM, port 92.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/bits.h"
#include "fixture.h"
#include "pc/acpi_gpe.h"
#include "pc/cmos.h"
#include "pc/i440fx.h"
#include "pc/piix3.h"
#include "pc/piix4_pm.h"
#include "pc/port92.h"

static struct fixture fx;
static unsigned resets, power_offs, suspends, ejected;

static void on_reset(void *board) {
    (void)board;
    resets++;
}

static void on_power_off(void *board) {
    (void)board;
    power_offs++;
}

static void on_suspend(void *board) {
    (void)board;
    suspends++;
}

static void on_eject(void *board, unsigned slot) {
    (void)board;
    ejected = slot;
}

static struct i440fx *host;
static struct piix3 *isa;
static struct piix4_pm *pm;
static struct acpi_gpe *gpe;
static struct cmos *cmos;
static struct port92 *port92;

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    resets = power_offs = suspends = ejected = 0;
    host = i440fx_new(&(struct i440fx_pins){.pci = fx.pci, .io = fx.io});
    isa = piix3_new(&(struct piix3_pins){
        .pci = fx.pci, .io = fx.io, .engine = &fx.engine, .reset = on_reset});
    pm = piix4_pm_new(&(struct piix4_pm_pins){
        .pci = fx.pci, .io = fx.io, .clock = fx.clock, .sci = fixture_irq(&fx, 9), .com1 = true,
        .power_off = on_power_off, .suspend = on_suspend});
    gpe = acpi_gpe_new(&(struct acpi_gpe_pins){.io = fx.io, .pci = fx.pci,
                                               .sci = fixture_irq(&fx, 10), .cpus = 2,
                                               .eject = on_eject});
    struct cmos_pins pins = {.io = fx.io};
    pins.preset[CMOS_BOOT_1ST_2ND] = 0x23;
    cmos = cmos_new(&pins);
    port92 = port92_new(&(struct port92_pins){.io = fx.io, .reset = on_reset});
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    port92_device.free(port92);
    cmos_device.free(cmos);
    acpi_gpe_device.free(gpe);
    piix4_pm_device.free(pm);
    piix3_device.free(isa);
    i440fx_device.free(host);
    fixture_done(&fx);
    return 0;
}

/* 82441FX 3.1.1: CONFADD is written and read as a dword; bits 1:0 and 30:24 are reserved. */
static void confadd_is_a_dword(void **unused) {
    (void)unused;
    out32(&fx, 0xcf8, 0x80000803);
    assert_int_equal(in32(&fx, 0xcf8), 0x80000800);
    out32(&fx, 0xcf8, 0x80000000);
    assert_int_equal(in32(&fx, 0xcfc), 0x12378086);
    assert_int_equal(in8(&fx, 0xcfd), 0x80);
    assert_int_equal(in16(&fx, 0xcfe), 0x1237);
    out32(&fx, 0xcf8, 0x00000000); /* enable bit clear: nothing answers */
    assert_int_equal(in32(&fx, 0xcfc), 0xffffffff);
}

/* Absent functions and other buses float. */
static void absent_functions_read_ones(void **unused) {
    (void)unused;
    out32(&fx, 0xcf8, 0x80000000 | 5 << 11);
    assert_int_equal(in32(&fx, 0xcfc), 0xffffffff);
    out32(&fx, 0xcf8, 0x80010000);
    assert_int_equal(in32(&fx, 0xcfc), 0xffffffff);
}

/* What hvmloader asserts of 00:01.0 and of class 0680. */
static void identities(void **unused) {
    (void)unused;
    assert_int_equal(cfg_read(&fx, 0x08, 0, 4), 0x70008086);
    assert_int_equal(cfg_read(&fx, 0x08, PCI_HEADER_TYPE, 1), 0x80);
    assert_int_equal(cfg_read(&fx, 0x0b, 0, 4), 0x71138086);
    assert_int_equal(cfg_read(&fx, 0x0b, PCI_CLASS, 2), 0x0680);
    assert_int_equal(cfg_read(&fx, 0x0b, PCI_INT_PIN, 1), 1);
}

/* PIIX3 2.2.7: PIRQRCx bit 7 set means not routed, bits 3:0 the IRQ. */
static void pirq_routes(void **unused) {
    (void)unused;
    cfg_write(&fx, 0x08, 0x60, 4, 0x050b8a05);
    assert_int_equal(fx.link_irq[0], 5);
    assert_int_equal(fx.link_irq[1], 0);
    assert_int_equal(fx.link_irq[2], 11);
    assert_int_equal(fx.link_irq[3], 5);
    assert_int_equal(cfg_read(&fx, 0x08, 0x61, 1), 0x8a);
}

/* PIIX3 2.5.4.4: RCPU starts the reset, SRST alone only says which kind. */
static void reset_control(void **unused) {
    (void)unused;
    out8(&fx, 0xcf9, 0x02);
    assert_int_equal(resets, 0);
    assert_int_equal(in8(&fx, 0xcf9), 0x02);
    out8(&fx, 0xcf9, 0x06);
    assert_int_equal(resets, 1);
    assert_int_equal(in8(&fx, 0xcf9) & 0x04, 0);
}

static void port92_resets_on_a_rising_bit(void **unused) {
    (void)unused;
    out8(&fx, 0x92, 0x02);
    assert_int_equal(resets, 0);
    out8(&fx, 0x92, 0x03);
    assert_int_equal(resets, 1);
    out8(&fx, 0x92, 0x03);
    assert_int_equal(resets, 1);
}

/* As hvmloader sets it up: PMBA 0xb001, PMREGMISC 1, then SCI_EN by APM. */
static void enable_pm(void) {
    cfg_write(&fx, 0x0b, 0x40, 4, 0xb001);
    cfg_write(&fx, 0x0b, 0x80, 1, 1);
}

static void pm_block_follows_pmba(void **unused) {
    (void)unused;
    assert_int_equal(in16(&fx, 0xb004), 0xffff);
    enable_pm();
    assert_int_equal(cfg_read(&fx, 0x0b, 0x40, 4), 0xb001);
    assert_int_equal(in16(&fx, 0xb004), 0);
    out8(&fx, 0xb2, 0xf1);
    assert_int_equal(in16(&fx, 0xb004) & 1, 1);
    assert_int_equal(in32(&fx, 0xb03c), 0);
    cfg_write(&fx, 0x0b, 0x40, 4, 0xc001);
    assert_int_equal(in16(&fx, 0xb004), 0xffff);
    assert_int_equal(in16(&fx, 0xc004) & 1, 1);
}

/* ACPI 1.0 4.7.3.2: SLP_TYP in bits 12:10, SLP_EN bit 13 reads as 0. */
static void sleep_types(void **unused) {
    (void)unused;
    enable_pm();
    out16(&fx, 0xb004, 0x0001 | 1 << 10);
    assert_int_equal(suspends, 0);
    out16(&fx, 0xb004, 0x2001 | 1 << 10);
    assert_int_equal(suspends, 1);
    assert_int_equal(in16(&fx, 0xb004), 0x0401);
    out16(&fx, 0xb004, 0x2001);
    assert_int_equal(power_offs, 1);
}

/* PMSTS is write-one-to-clear; the SCI follows (PMSTS & PMEN) while SCI_EN. */
static void power_button_raises_sci(void **unused) {
    (void)unused;
    enable_pm();
    out8(&fx, 0xb2, 0xf1);
    piix4_pm_power_button(pm);
    assert_int_equal(in16(&fx, 0xb000), 0x0100);
    assert_false(fx.irq[9]);
    out16(&fx, 0xb002, 0x0100);
    assert_true(fx.irq[9]);
    out16(&fx, 0xb000, 0x0100);
    assert_false(fx.irq[9]);
    assert_int_equal(in16(&fx, 0xb000), 0);
}

/* PMTMR: 24 bits at 3.579545 MHz. */
static void pm_timer_counts(void **unused) {
    (void)unused;
    enable_pm();
    uint32_t before = in32(&fx, 0xb008);
    fixture_sleep(&fx, NS_PER_SEC);
    uint32_t ticks = (in32(&fx, 0xb008) - before) & 0xffffff;
    assert_in_range(ticks, 3579544, 3579546);
    assert_int_equal(in32(&fx, 0xb008) & 0xff000000, 0);
}

static void cpu_hotplug(void **unused) {
    (void)unused;
    assert_int_equal(in8(&fx, 0xaf00), 0x03);
    assert_int_equal(in8(&fx, 0xaf1f), 0);
    out8(&fx, 0xafe2, 0x04);
    acpi_gpe_cpu_up(gpe, 2);
    assert_int_equal(in8(&fx, 0xaf00), 0x07);
    assert_int_equal(in8(&fx, 0xafe0), 0x04);
    assert_true(fx.irq[10]);
    out8(&fx, 0xafe0, 0x04);
    assert_false(fx.irq[10]);
}

/* PCIU stays until the slot is ejected; B0EJ takes the lowest bit, reads 0; B0RM has no bridge. */
static void pci_hotplug(void **unused) {
    (void)unused;
    acpi_gpe_device.reset(gpe);
    assert_int_equal(in32(&fx, 0xae0c), 0xfffffffc);
    out8(&fx, 0xafe2, 0x02);
    acpi_gpe_slot_up(gpe, 6);
    assert_int_equal(in32(&fx, 0xae00), 1 << 6);
    assert_int_equal(in32(&fx, 0xae00), 1 << 6);
    assert_true(fx.irq[10]);
    acpi_gpe_slot_down(gpe, 6);
    assert_int_equal(in32(&fx, 0xae04), 1 << 6);
    out32(&fx, 0xae08, 3 << 6);
    assert_int_equal(ejected, 6);
    assert_int_equal(in32(&fx, 0xae00), 0);
    assert_int_equal(in32(&fx, 0xae04), 0);
    assert_int_equal(in32(&fx, 0xae08), 0);
}

static void bridges_are_never_ejected(void **unused) {
    (void)unused;
    acpi_gpe_device.reset(gpe);
    ejected = 99;
    out32(&fx, 0xae08, 1 << 1);
    assert_int_equal(ejected, 99);
}

static void cmos_ram(void **unused) {
    (void)unused;
    out8(&fx, 0x70, 0x3d);
    assert_int_equal(in8(&fx, 0x71), 0x23);
    out8(&fx, 0x70, 0xbd); /* bit 7 is the NMI mask, not part of the index */
    out8(&fx, 0x71, 0x55);
    out8(&fx, 0x70, 0x3d);
    assert_int_equal(in8(&fx, 0x71), 0x55);
    assert_int_equal(in8(&fx, 0x70), 0xff);
    out8(&fx, 0x70, 0x37); /* the century's other place */
    out8(&fx, 0x71, 0x20);
    out8(&fx, 0x70, 0x32);
    assert_int_equal(in8(&fx, 0x71), 0x20);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(confadd_is_a_dword), T(absent_functions_read_ones), T(identities), T(pirq_routes),
        T(reset_control), T(port92_resets_on_a_rising_bit), T(pm_block_follows_pmba),
        T(sleep_types), T(power_button_raises_sci), T(pm_timer_counts), T(cpu_hotplug),
        T(pci_hotplug), T(bridges_are_never_ejected), T(cmos_ram),
    };
    return cmocka_run_group_tests_name("chipset", tests, NULL, NULL);
}
