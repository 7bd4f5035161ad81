/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option ROM of linux_rom.S, as bytes, and the places in it that linux_boot.c fills in. Its
 * last byte is for the checksum.
 */
#ifndef BIOS_LINUX_ROM_H
#define BIOS_LINUX_ROM_H

#include <stdint.h>

extern const uint8_t linux_rom[], linux_rom_end[];
extern const uint8_t linux_rom_pnp[];     /* the expansion header */
extern const uint8_t linux_rom_table[];   /* room for four fw_cfg DMA descriptors */
extern const uint8_t linux_rom_count[];   /* le16: how many there are */
extern const uint8_t linux_rom_segment[]; /* le16: of the kernel's set-up code */
extern const uint8_t linux_rom_stack[];   /* le16: top of stack in that segment */

#endif
