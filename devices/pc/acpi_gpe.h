/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The general purpose event block and the PCI and CPU hot-plug registers that Xen's ACPI tables for
 * an HVM guest describe: GPE0 at 0xafe0, PCI at 0xae00, CPUs at 0xaf00.
 * Document: ACPI 1.0, 4.7.4.3; Xen tools/libacpi (DSDT: PRSC, PCI slots' _EJ0).
 */
#ifndef DEVICES_PC_ACPI_GPE_H
#define DEVICES_PC_ACPI_GPE_H

#include "core/device.h"
#include "core/io.h"
#include "core/pci.h"

enum { ACPI_CPUS = 128 };

struct acpi_gpe;

struct acpi_gpe_pins {
    struct io_bus *io;
    struct pci_bus *pci; /* which slots can be ejected */
    struct irq sci;
    unsigned cpus; /* online at start: 0 to cpus - 1 */
    void (*eject)(void *board, unsigned slot); /* the guest is done with the slot's functions */
    void *board;
};

struct acpi_gpe *acpi_gpe_new(const struct acpi_gpe_pins *pins);
/* Tells the guest: a card came, please let it go, a CPU came. */
void acpi_gpe_slot_up(struct acpi_gpe *gpe, unsigned slot);
void acpi_gpe_slot_down(struct acpi_gpe *gpe, unsigned slot);
void acpi_gpe_cpu_up(struct acpi_gpe *gpe, unsigned cpu);
bool acpi_gpe_cpu_online(const struct acpi_gpe *gpe, unsigned cpu);
extern const struct device_ops acpi_gpe_device;

#endif
