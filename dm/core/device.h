/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the machine knows of a chip: how to reset, save, pause and free it. A chip's header is
 *
 *     struct i8042;
 *     struct i8042_pins { struct irq kbd, aux; struct clock *clock; ... };
 *     struct i8042 *i8042_new(const struct i8042_pins *pins);
 *     extern const struct device_ops i8042_device;
 *
 * and machine.c puts what `new` returned into its list, in wiring order. `new` leaves the chip in
 * its reset state. Life: new -> (load) -> run -> pause -> idle? -> save | reset -> run -> free.
 */
#ifndef CORE_DEVICE_H
#define CORE_DEVICE_H

#include <stdbool.h>

struct state;

struct device_ops {
    const char *name;          /* the chip's, as in the state stream: "i8042" */
    const struct state *state; /* NULL: the chip holds none */
    void (*reset)(void *dev);  /* to power-on values, as hardware reset; no line stays high */
    bool (*idle)(void *dev);   /* no request in flight; NULL: always */
    void (*free)(void *dev);
};

struct device {
    const struct device_ops *ops;
    void *dev;
    const char *id; /* unique in the machine: "i8042", "ide", "nic0" */
};

#endif
