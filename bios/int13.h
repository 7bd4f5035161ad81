/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * INT 13h for IDE drives without their task files: a boot loader's extended read costs two port
 * accesses instead of three a sector. An option ROM of ours (int13_rom.S) hangs itself before the
 * firmware's handler; it hands over those reads that are plain, and all others, and any that fail,
 * go the firmware's way. One thread.
 *
 * Ports 520 to 523:
 *   write 32 bits   the address of a request in guest memory: it is started
 *   read 8 bits     INT13_DONE, _BUSY or _FAILED
 *
 * A request, little-endian:
 *   0  16 bits  the drive's Command Block base, as in the BIOS' device parameter table: 1f0, 170
 *   2  8 bits   its Device register: bit 4 is the slave
 *   3  8 bits   0
 *   4  32 bits  where to: conventional memory, below a0000
 *   8  32 bits  how many sectors: 1 to 127
 *  12  64 bits  the first one
 */
#ifndef BIOS_INT13_H
#define BIOS_INT13_H

#include "core/block.h"
#include "core/device.h"
#include "core/engine.h"
#include "core/io.h"
#include "fw_cfg.h"

enum { INT13_DONE, INT13_BUSY, INT13_FAILED };

struct int13;

struct int13_pins {
    struct io_bus *io;
    struct engine *engine;
    struct fw_cfg *fw_cfg; /* takes the ROM to the firmware; NULL: none */
    /* What is in IDE drive `place` (channel * 2 + slave) now, and its sector's bytes; or NULL. */
    struct block *(*medium)(void *board, unsigned place, unsigned *sector);
    void *board;
};

struct int13 *int13_new(const struct int13_pins *pins);
extern const struct device_ops int13_device;

#endif
