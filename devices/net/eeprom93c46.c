/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See eeprom93c46.h. An instruction is a start bit, two bits of opcode and six of address; DS21749,
 * table 2-1.
 */
#include "net/eeprom93c46.h"

#include "core/bits.h"

enum { INSTRUCTION = 9, WRITE_END = INSTRUCTION + 16 };
enum { EXTENDED = 0, WRITE = 1, READ = 2, ERASE = 3 };
/* of EXTENDED, by the address's two high bits */
enum { EWDS = 0, WRAL = 1, ERAL = 2, EWEN = 3 };

const struct field eeprom_fields[] = {
    F_ARRAY(struct eeprom, words), F(struct eeprom, shift), F_MAX(struct eeprom, bits, WRITE_END),
    F_MAX(struct eeprom, left, 16), F(struct eeprom, out),
    F_MAX(struct eeprom, address, EEPROM_WORDS - 1), F(struct eeprom, select),
    F(struct eeprom, clock), F(struct eeprom, data_out), F(struct eeprom, writable), F_END
};

static void fill(struct eeprom *e, uint16_t word) {
    for (unsigned i = 0; e->writable && i < EEPROM_WORDS; i++)
        e->words[i] = word;
}

/* The whole instruction is in. */
static void decode(struct eeprom *e) {
    unsigned opcode = e->shift >> 6 & 3, address = e->shift & (EEPROM_WORDS - 1);
    e->address = (uint8_t)address;
    if (opcode == READ) {
        e->out = e->words[address];
        e->left = 16;
        e->data_out = false; /* the dummy bit */
    } else if (opcode == ERASE && e->writable) {
        e->words[address] = 0xffff;
    } else if (opcode == EXTENDED) {
        unsigned which = address >> 4;
        if (which == EWEN || which == EWDS)
            e->writable = which == EWEN;
        else if (which == ERAL)
            fill(e, 0xffff);
    }
}

static void store(struct eeprom *e) {
    unsigned opcode = e->shift >> 22 & 3;
    if (opcode == WRITE && e->writable)
        e->words[e->address] = (uint16_t)e->shift;
    else if (opcode == EXTENDED && e->address >> 4 == WRAL)
        fill(e, (uint16_t)e->shift);
}

/* The next bit of a word; after its last one the next word follows. */
static void shift_out(struct eeprom *e) {
    e->data_out = e->out >> 15;
    e->out = (uint16_t)(e->out << 1);
    if (--e->left)
        return;
    e->address = (e->address + 1) % EEPROM_WORDS;
    e->out = e->words[e->address];
    e->left = 16;
}

static void rising(struct eeprom *e, bool data_in) {
    if (e->left) {
        shift_out(e);
        return;
    }
    if ((!e->bits && !data_in) || e->bits == WRITE_END)
        return; /* waits for a start bit; or is done */
    e->shift = e->shift << 1 | data_in;
    e->bits++;
    if (e->bits == INSTRUCTION)
        decode(e);
    else if (e->bits == WRITE_END)
        store(e);
}

void eeprom_wires(struct eeprom *e, bool select, bool clock, bool data_in) {
    if (!select || !e->select) {
        e->shift = 0;
        e->bits = e->left = 0;
        e->data_out = true; /* ready */
    }
    if (select && e->select && clock && !e->clock)
        rising(e, data_in);
    e->select = select;
    e->clock = clock;
}

void eeprom_reset(struct eeprom *e) {
    e->writable = false;
    e->address = 0;
    e->out = 0;
    eeprom_wires(e, false, false, false);
}
