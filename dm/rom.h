/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware images of the distribution: VGA BIOS, network boot ROMs. They are mapped, not read: all
 * guests of a host share the pages.
 */
#ifndef DM_ROM_H
#define DM_ROM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rom_file {
    const uint8_t *bytes;
    uint32_t len;
};

/*
 * Looks for `name` where distributions keep it (or maps it as a path when it has a slash). False
 * with a sentence that says where it was looked for and which package has it.
 */
bool rom_open(const char *name, struct rom_file *rom, char *why, size_t why_len);
/*
 * Puts a PCI function's ids into the images' headers, and the sum of those for PC BIOSes right. One
 * ROM of iPXE serves several ids of a card, and firmware starts none that names another function.
 */
void rom_name(struct rom_file *rom, uint16_t vendor, uint16_t device);
void rom_close(struct rom_file *rom);

#endif
