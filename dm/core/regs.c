/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Register tables. See regs.h.
 */
#include "regs.h"

#include <string.h>

#include "bits.h"

static uint64_t field_load(const struct reg *reg, const void *dev) {
    const char *p = (const char *)dev + reg->field;
    uint64_t v = 0;
    memcpy(&v, p, reg->size); /* the host is little-endian: x86 runs Xen HVM guests */
    return v;
}

static void field_store(const struct reg *reg, void *dev, uint64_t v) {
    memcpy((char *)dev + reg->field, &v, reg->size);
}

void regs_reset(const struct reg *regs, unsigned n, void *dev) {
    for (unsigned i = 0; i < n; i++)
        field_store(&regs[i], dev, regs[i].reset);
}

/* Where an access of `size` bytes at off meets the register: false, or the bytes [lo, hi) of the
 * register that it touches, and in *shift the first one's place in the access. */
static bool touched(const struct reg *reg, uint64_t off, unsigned size, unsigned *lo, unsigned *hi,
                    unsigned *shift) {
    uint64_t first = MAX(off, reg->off), end = MIN(off + size, (uint64_t)reg->off + reg->size);
    if (first >= end)
        return false;
    *lo = (unsigned)(first - reg->off);
    *hi = (unsigned)(end - reg->off);
    *shift = (unsigned)(first - off) * 8;
    return true;
}

uint64_t regs_read(const struct reg *regs, unsigned n, void *dev, uint64_t off, unsigned size) {
    uint64_t val = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned lo, hi, shift;
        if (!touched(&regs[i], off, size, &lo, &hi, &shift))
            continue;
        uint64_t v = regs[i].fetch ? regs[i].fetch(dev) : field_load(&regs[i], dev);
        val |= (v >> (8 * lo) & size_mask(hi - lo)) << shift;
    }
    return val;
}

void regs_write(const struct reg *regs, unsigned n, void *dev, uint64_t off, unsigned size,
                uint64_t val) {
    enum { ROWS_MAX = 8 }; /* eight bytes touch at most eight registers */
    const struct reg *hooked[ROWS_MAX];
    uint64_t olds[ROWS_MAX];
    unsigned hooks = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct reg *reg = &regs[i];
        unsigned lo, hi, shift;
        if (!touched(reg, off, size, &lo, &hi, &shift))
            continue;
        uint64_t lanes = size_mask(hi - lo) << (8 * lo);
        uint64_t v = (val >> shift & size_mask(hi - lo)) << (8 * lo);
        uint64_t old = field_load(reg, dev);
        uint64_t rw = reg->rw & lanes;
        field_store(reg, dev, ((old & ~rw) | (v & rw)) & ~(v & reg->w1c));
        if (reg->wrote && hooks < ROWS_MAX) {
            hooked[hooks] = reg;
            olds[hooks++] = old;
        }
    }
    for (unsigned i = 0; i < hooks; i++)
        hooked[i]->wrote(dev, olds[i]);
}
