/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers that store: a table row each. A row drives reset, dispatch of any width and straddle,
 * masks and hooks. Registers that act (a task file, an index/data pair) are a switch instead.
 *
 *     REG(struct piix4_pm, pmcntrl, 0x04, .rw = 0x3c07, .wrote = pmcntrl_wrote)
 *
 * A row's field is an unsigned integer of 1, 2, 4 or 8 bytes in the chip's struct. Rows are sorted
 * by offset and don't overlap. A wide write runs the hooks in row order, after all fields are
 * stored.
 */
#ifndef CORE_REGS_H
#define CORE_REGS_H

#include <stddef.h>
#include <stdint.h>

struct reg {
    const char *name;
    uint16_t off;
    uint8_t size;
    size_t field;
    uint64_t reset;
    uint64_t rw;  /* bits that a write stores */
    uint64_t w1c; /* bits that writing 1 clears */
    void (*wrote)(void *dev, uint64_t old); /* after the field changed; also when it did not */
    uint64_t (*fetch)(void *dev);           /* instead of the field, for reads */
};

#define REG(type, member, offset, ...)                                                             \
    {.name = #member, .off = (offset), .size = sizeof(((type *)0)->member),                        \
     .field = offsetof(type, member), __VA_ARGS__}

void regs_reset(const struct reg *regs, unsigned n, void *dev);

/* Bytes that no row covers read as 0 and ignore writes. size is 1 to 8. */
uint64_t regs_read(const struct reg *regs, unsigned n, void *dev, uint64_t off, unsigned size);
void regs_write(const struct reg *regs, unsigned n, void *dev, uint64_t off, unsigned size,
                uint64_t val);

#endif
