/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CMOS RAM. Documents: see cmos.h. Not modelled: the clock's registers, which store like RAM when
 * an engine hands them on.
 */
#include "pc/cmos.h"

#include <string.h>

#include "core/mem.h"
#include "core/state.h"

enum { INDEX = 0, DATA = 1 };

struct cmos {
    /* registers */
    uint8_t index;
    uint8_t ram[CMOS_SIZE];
    /* wires and derived */
    uint8_t preset[CMOS_SIZE];
    struct io_region ports;
};

static const struct field fields[] = {F_MAX(struct cmos, index, CMOS_SIZE - 1),
                                      F_BYTES(struct cmos, ram), F_END};

/* Some firmware keeps the century at 0x37 (PS/2), most at 0x32 (AT): one byte. */
static uint8_t *cell(struct cmos *d) {
    return &d->ram[d->index == CMOS_CENTURY_ALIAS ? CMOS_CENTURY : d->index];
}

static uint64_t cmos_read(void *dev, uint64_t off, unsigned size) {
    (void)size;
    return off == DATA ? *cell(dev) : 0xff; /* the index can't be read back */
}

static void cmos_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    (void)size;
    struct cmos *d = dev;
    if (off == INDEX)
        d->index = val & (CMOS_SIZE - 1); /* bit 7 masks NMI, of which there is none */
    else
        *cell(d) = (uint8_t)val;
}

static const struct io_ops ops = {.read = cmos_read, .write = cmos_write, .max = 1};

static void cmos_reset(void *dev) {
    struct cmos *d = dev;
    d->index = 0;
    memcpy(d->ram, d->preset, sizeof(d->ram));
}

static void cmos_free(void *dev) {
    struct cmos *d = dev;
    io_unmap(&d->ports);
    mem_free(d);
}

static const struct state state = {"cmos", 1, fields, NULL};

const struct device_ops cmos_device = {
    .name = "cmos", .state = &state, .reset = cmos_reset, .free = cmos_free};

void cmos_preset(struct cmos *d, unsigned index, uint8_t val) {
    d->ram[index % CMOS_SIZE] = val;
    d->preset[index % CMOS_SIZE] = val;
}

uint8_t cmos_get(const struct cmos *d, unsigned index) {
    return d->ram[index % CMOS_SIZE];
}

struct cmos *cmos_new(const struct cmos_pins *pins) {
    struct cmos *d = mem_new(sizeof(*d));
    memcpy(d->preset, pins->preset, sizeof(d->preset));
    cmos_reset(d);
    io_map_new(pins->io, &d->ports, "CMOS", &ops, d, IO_PORT, 0x70, 2);
    return d;
}
