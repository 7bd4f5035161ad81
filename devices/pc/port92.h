/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PS/2 System Control Port A, 0x92: fast reset and A20.
 * Document: IBM PS/2 Hardware Interface Technical Reference, System Control Port A.
 */
#ifndef DEVICES_PC_PORT92_H
#define DEVICES_PC_PORT92_H

#include "core/device.h"
#include "core/io.h"

struct port92;

struct port92_pins {
    struct io_bus *io;
    void (*reset)(void *board);
    void *board;
};

struct port92 *port92_new(const struct port92_pins *pins);
extern const struct device_ops port92_device;

#endif
