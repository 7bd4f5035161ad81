/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8042: keyboard and auxiliary device controller at ports 60 and 64, with a keyboard and a mouse
 * plugged in. One thread.
 */
#ifndef DEVICES_PC_I8042_H
#define DEVICES_PC_I8042_H

#include "core/clock.h"
#include "core/device.h"
#include "core/input.h"
#include "core/io.h"
#include "core/irq.h"

struct i8042;

struct i8042_pins {
    struct io_bus *io;
    struct clock *clock;
    struct input *input;       /* keys and motion come from here */
    struct irq kbd, aux;       /* ISA 1 and 12 */
    void (*reset)(void *board); /* output port bit 0, pulsed or held low */
    void *board;
};

struct i8042 *i8042_new(const struct i8042_pins *pins);
extern const struct device_ops i8042_device;

#endif
