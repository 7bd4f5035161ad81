/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option ROM of int13_rom.S, as bytes. Its last byte is for the checksum.
 */
#ifndef BIOS_INT13_ROM_H
#define BIOS_INT13_ROM_H

#include <stdint.h>

extern const uint8_t int13_rom[], int13_rom_end[];
extern const uint8_t int13_rom_pnp[]; /* the expansion header */

#endif
