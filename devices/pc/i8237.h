/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC/AT's DMA: two 8237A controllers at 0x00 and 0xc0 and the page registers at 0x80. Channels 0
 * to 3 move bytes, 5 to 7 words; 4 joins the two controllers. A chip that transfers asks for its
 * channel and moves the bytes itself. One thread.
 * Document: Intel 8237A datasheet (231466); IBM PC/AT Technical Reference, System Board, DMA.
 */
#ifndef DEVICES_PC_I8237_H
#define DEVICES_PC_I8237_H

#include "core/device.h"
#include "core/io.h"

struct i8237;

struct i8237_pins {
    struct io_bus *io;
};

struct i8237 *i8237_new(const struct i8237_pins *pins);
extern const struct device_ops i8237_device;

#endif
