/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 93C46 serial EEPROM, 64 words of 16 bits, on three wires and one back. Document: Microchip
 * DS21749. Not modelled: the time that a write takes.
 */
#ifndef NET_EEPROM93C46_H
#define NET_EEPROM93C46_H

#include <stdbool.h>
#include <stdint.h>

#include "core/state.h"

enum { EEPROM_WORDS = 64 };

struct eeprom {
    uint16_t words[EEPROM_WORDS];
    uint32_t shift;   /* bits that came in since the start bit */
    uint8_t bits;     /* how many, the start bit counted */
    uint8_t left;     /* of `out`, to be shifted out; 0: not reading */
    uint16_t out;
    uint8_t address;
    bool select, clock, data_out, writable;
};

extern const struct field eeprom_fields[];

/* The wires' levels now: things happen on the clock's rising edge while selected. */
void eeprom_wires(struct eeprom *eeprom, bool select, bool clock, bool data_in);
/* As after power-on; the words stay. */
void eeprom_reset(struct eeprom *eeprom);

#endif
