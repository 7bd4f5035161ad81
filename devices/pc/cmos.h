/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The battery-backed RAM of the MC146818 behind ports 0x70 and 0x71. Under Xen the clock, index
 * 0x00 to 0x0d, is the hypervisor's and never arrives; the rest is how firmware learns memory size,
 * boot order and equipment. Document: MC146818A datasheet; IBM PC/AT Technical Reference (RAM map).
 */
#ifndef DEVICES_PC_CMOS_H
#define DEVICES_PC_CMOS_H

#include <stdint.h>

#include "core/device.h"
#include "core/io.h"

enum { CMOS_SIZE = 128 };

/* Indices that the board presets. */
enum {
    CMOS_SHUTDOWN = 0x0f, CMOS_FLOPPY = 0x10, CMOS_DISK = 0x12, CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_LO = 0x15, CMOS_BASE_HI = 0x16, CMOS_EXT_LO = 0x17, CMOS_EXT_HI = 0x18,
    CMOS_EXT2_LO = 0x30, CMOS_EXT2_HI = 0x31, CMOS_CENTURY = 0x32, CMOS_ABOVE_16M_LO = 0x34,
    CMOS_ABOVE_16M_HI = 0x35, CMOS_CENTURY_ALIAS = 0x37, CMOS_BOOT_3RD = 0x38,
    CMOS_BOOT_1ST_2ND = 0x3d, CMOS_ABOVE_4G = 0x5b, CMOS_CPUS = 0x5f,
};

struct cmos;

struct cmos_pins {
    struct io_bus *io;
    uint8_t preset[CMOS_SIZE]; /* what a reset finds */
};

/* What it and every later reset finds there. */
void cmos_preset(struct cmos *cmos, unsigned index, uint8_t val);
uint8_t cmos_get(const struct cmos *cmos, unsigned index);

struct cmos *cmos_new(const struct cmos_pins *pins);
extern const struct device_ops cmos_device;

#endif
