/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chips of the chipset itself: bridges, power management, CMOS, port 92.
 */
#include "fixture.h"
#include "pc/acpi_gpe.h"
#include "pc/cmos.h"
#include "pc/i440fx.h"
#include "pc/i8237.h"
#include "pc/piix3.h"
#include "pc/piix4_pm.h"
#include "pc/port92.h"

static void reset_wire(void *board) {
    struct fixture *fx = board;
    fx->engine.ops->shutdown(&fx->engine, ENGINE_REBOOT);
}

static void power_off_wire(void *board) {
    struct fixture *fx = board;
    fx->engine.ops->shutdown(&fx->engine, ENGINE_POWEROFF);
}

static void suspend_wire(void *board) {
    struct fixture *fx = board;
    fx->engine.ops->suspend(&fx->engine, true);
}

static void eject_wire(void *board, unsigned slot) {
    (void)board;
    (void)slot;
}

static void *build_i440fx(struct fixture *fx) {
    return i440fx_new(&(struct i440fx_pins){.pci = fx->pci, .io = fx->io});
}

static void *build_piix3(struct fixture *fx) {
    return piix3_new(&(struct piix3_pins){.pci = fx->pci, .io = fx->io, .engine = &fx->engine,
                                          .reset = reset_wire, .board = fx});
}

static void *build_piix4_pm(struct fixture *fx) {
    return piix4_pm_new(&(struct piix4_pm_pins){
        .pci = fx->pci, .io = fx->io, .clock = fx->clock, .sci = fixture_irq(fx, 9),
        .com1 = true, .power_off = power_off_wire, .suspend = suspend_wire, .board = fx});
}

static void *build_cmos(struct fixture *fx) {
    struct cmos_pins pins = {.io = fx->io};
    pins.preset[CMOS_EQUIPMENT] = 0x06;
    return cmos_new(&pins);
}

static void *build_port92(struct fixture *fx) {
    return port92_new(&(struct port92_pins){.io = fx->io, .reset = reset_wire, .board = fx});
}

static void *build_acpi_gpe(struct fixture *fx) {
    return acpi_gpe_new(&(struct acpi_gpe_pins){.io = fx->io, .pci = fx->pci,
                                                .sci = fixture_irq(fx, 9), .cpus = 2,
                                                .eject = eject_wire, .board = fx});
}

static void *build_i8237(struct fixture *fx) {
    return i8237_new(&(struct i8237_pins){.io = fx->io, .engine = &fx->engine});
}

static void poke_piix4_pm(struct fixture *fx, void *dev, uint8_t what) {
    (void)fx;
    (void)what;
    piix4_pm_power_button(dev);
}

static void poke_acpi_gpe(struct fixture *fx, void *dev, uint8_t what) {
    (void)fx;
    if (what & 0x80)
        acpi_gpe_cpu_up(dev, what & 0x7f);
    else if (what & 0x40)
        acpi_gpe_slot_up(dev, what & 0x1f);
    else
        acpi_gpe_slot_down(dev, what & 0x1f);
}

static const uint16_t config_ports[] = {0xcf8, 8, 0};
static const uint16_t pm_ports[] = {0xb2, 2, 0xb000, 64, 0};
static const uint16_t cmos_ports[] = {0x70, 2, 0};
static const uint16_t port92_ports[] = {0x92, 1, 0};
static const uint16_t dma_ports[] = {0x00, 16, 0x80, 16, 0xc0, 32, 0};
static const uint16_t gpe_ports[] = {0xafe0, 4, 0xae00, 16, 0xaf00, 32, 0};

const struct specimen chipset_specimens[] = {
    {"i440fx", build_i440fx, &i440fx_device, NULL, config_ports},
    {"piix3", build_piix3, &piix3_device, NULL, config_ports},
    {"piix4_pm", build_piix4_pm, &piix4_pm_device, poke_piix4_pm, pm_ports},
    {"cmos", build_cmos, &cmos_device, NULL, cmos_ports},
    {"port92", build_port92, &port92_device, NULL, port92_ports},
    {"acpi_gpe", build_acpi_gpe, &acpi_gpe_device, poke_acpi_gpe, gpe_ports},
    {"i8237", build_i8237, &i8237_device, NULL, dma_ports},
    {0},
};
