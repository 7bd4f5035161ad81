/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82371AB PIIX4, function 3: power management at 00:01.3, with the APM ports 0xb2 and 0xb3.
 * Under Xen the hypervisor owns PM1_STS, PM1_EN and the timer; PM1_CNT is ours.
 * Document: 82371AB datasheet (290562), chapter 7; ACPI 1.0, 4.7.
 */
#ifndef DEVICES_PC_PIIX4_PM_H
#define DEVICES_PC_PIIX4_PM_H

#include "core/clock.h"
#include "core/device.h"
#include "core/io.h"
#include "core/pci.h"

struct piix4_pm;

struct piix4_pm_pins {
    struct pci_bus *pci;
    struct io_bus *io;
    struct clock *clock;
    struct irq sci;
    bool com1, com2; /* ports present, as DEVRESx show them */
    void (*power_off)(void *board);
    void (*suspend)(void *board); /* S3 */
    void *board;
};

struct piix4_pm *piix4_pm_new(const struct piix4_pm_pins *pins);
void piix4_pm_power_button(struct piix4_pm *pm);
extern const struct device_ops piix4_pm_device;

#endif
