/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82371SB PIIX3, function 0: the ISA bridge at 00:01.0, PIRQ routing, and the reset control
 * register at 0xcf9. Document: 82371FB/82371SB datasheet (290550), 2.2 and 2.5.4.4 (RC).
 */
#ifndef DEVICES_PC_PIIX3_H
#define DEVICES_PC_PIIX3_H

#include "core/device.h"
#include "core/io.h"
#include "core/pci.h"

struct piix3;

struct piix3_pins {
    struct pci_bus *pci;
    struct io_bus *io;
    struct engine *engine;     /* the PIRQ links */
    void (*reset)(void *board); /* the reset output, for RC and nobody else */
    void *board;
};

struct piix3 *piix3_new(const struct piix3_pins *pins);
extern const struct device_ops piix3_device;

#endif
