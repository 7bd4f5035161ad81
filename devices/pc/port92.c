/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System Control Port A. Document: see port92.h. A20 is stored and has no effect: Xen's HVM guests
 * have no A20 gate. Not modelled: the watchdog, the security lock and the disk lights.
 */
#include "pc/port92.h"

#include "core/mem.h"
#include "core/state.h"

enum { FAST_RESET = 0x01, A20 = 0x02 };

struct port92 {
    /* registers */
    uint8_t control;
    /* wires and derived */
    void (*reset)(void *board);
    void *board;
    struct io_region port;
};

static const struct field fields[] = {F(struct port92, control), F_END};

static uint64_t port92_read(void *dev, uint64_t off, unsigned size) {
    (void)off;
    (void)size;
    const struct port92 *d = dev;
    return d->control;
}

static void port92_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    (void)off;
    (void)size;
    struct port92 *d = dev;
    bool fire = val & FAST_RESET && !(d->control & FAST_RESET);
    d->control = (uint8_t)val;
    if (fire)
        d->reset(d->board);
}

static const struct io_ops ops = {.read = port92_read, .write = port92_write, .max = 1};

static void port92_reset(void *dev) {
    struct port92 *d = dev;
    d->control = A20; /* as it is: the gate is always open */
}

static void port92_free(void *dev) {
    struct port92 *d = dev;
    io_unmap(&d->port);
    mem_free(d);
}

static const struct state state = {"port92", 1, fields, NULL};

const struct device_ops port92_device = {
    .name = "port92", .state = &state, .reset = port92_reset, .free = port92_free};

struct port92 *port92_new(const struct port92_pins *pins) {
    struct port92 *d = mem_new(sizeof(*d));
    d->reset = pins->reset;
    d->board = pins->board;
    port92_reset(d);
    io_map_new(pins->io, &d->port, "System Control Port A", &ops, d, IO_PORT, 0x92, 1);
    return d;
}
