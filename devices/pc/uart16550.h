/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A: a serial port, eight registers from `base` on. One thread.
 */
#ifndef DEVICES_PC_UART16550_H
#define DEVICES_PC_UART16550_H

#include "core/chars.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/io.h"
#include "core/irq.h"

struct uart16550;

struct uart16550_pins {
    struct io_bus *io;
    struct clock *clock;
    struct irq irq;
    uint16_t base;
    struct chars *chars; /* the line; NULL: nothing is plugged in */
};

struct uart16550 *uart16550_new(const struct uart16550_pins *pins);
extern const struct device_ops uart16550_device;

#endif
