/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two 8237A DMA controllers of the AT and the page registers beside them: ports 00 to 0f, c0 to
 * df, 80 to 8f. One thread.
 */
#ifndef DEVICES_PC_I8237_H
#define DEVICES_PC_I8237_H

#include "core/device.h"
#include "core/dma.h"
#include "core/io.h"
#include "core/isa_dma.h"

struct i8237;

struct i8237_pins {
    struct io_bus *io;
    struct engine *engine; /* memory */
};

struct i8237 *i8237_new(const struct i8237_pins *pins);
extern const struct device_ops i8237_device;

/* 0 to 3 move bytes, 5 to 7 words; 4 is the cascade. */
struct isa_dma i8237_channel(struct i8237 *i8237, unsigned channel);

#endif
