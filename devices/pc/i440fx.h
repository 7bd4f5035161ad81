/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82441FX PMC, the host bridge at 00:00.0, with the configuration mechanism #1 ports 0xcf8
 * and 0xcfc. Under Xen most configuration accesses arrive as such and not through the ports.
 * Document: 82441FX PCI and Memory Controller datasheet (290549), 3.1 and 3.2.
 */
#ifndef DEVICES_PC_I440FX_H
#define DEVICES_PC_I440FX_H

#include "core/device.h"
#include "core/io.h"
#include "core/pci.h"

struct i440fx;

struct i440fx_pins {
    struct pci_bus *pci;
    struct io_bus *io;
};

struct i440fx *i440fx_new(const struct i440fx_pins *pins);
extern const struct device_ops i440fx_device;

#endif
