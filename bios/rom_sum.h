/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checksums of option ROMs (Plug and Play BIOS Specification 1.0A, 3.1 and 3.2): all bytes of the
 * image, and of its expansion header, add up to 0.
 */
#ifndef BIOS_ROM_SUM_H
#define BIOS_ROM_SUM_H

#include <stddef.h>
#include <stdint.h>

enum { ROM_PNP_LEN = 0x20, ROM_PNP_SUM = 9 };

static inline uint8_t rom_sum(const uint8_t *bytes, size_t len) {
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum;
}

/* Puts both sums in: the header's at its place, the image's into its last byte, which is 0. */
static inline void rom_seal(uint8_t *rom, size_t len, size_t pnp) {
    rom[pnp + ROM_PNP_SUM] = (uint8_t)-rom_sum(rom + pnp, ROM_PNP_LEN);
    rom[len - 1] = (uint8_t)-rom_sum(rom, len);
}

#endif
