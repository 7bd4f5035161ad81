/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The port and memory maps: which chip answers an access. Mapping a region also claims it from the
 * engine. Where regions overlap, the one mapped last answers. One thread.
 */
#ifndef CORE_IO_H
#define CORE_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"

/*
 * Handlers get offsets in their region and do not fail: what hardware ignores is ignored, what
 * floats reads as ones. `off + size` never exceeds the region. Accesses wider than `max` arrive as
 * several, ascending; reads narrower than `min` are cut out of an aligned wider one, writes
 * narrower than `min` are merged into the value read at that place. Alignment is not enforced.
 */
struct io_ops {
    uint64_t (*read)(void *dev, uint64_t off, unsigned size);
    void (*write)(void *dev, uint64_t off, unsigned size, uint64_t val);
    /* Optional: up to n elements of a string access at once, from one port or from ascending memory
     * offsets; returns how many were taken (0: none, the bus goes element by element). */
    unsigned (*read_string)(void *dev, uint64_t off, unsigned size, void *buf, unsigned n);
    unsigned (*write_string)(void *dev, uint64_t off, unsigned size, const void *buf, unsigned n);
    uint8_t min, max; /* sizes implemented: powers of two, 1 to 8; 0 means 1 and 4 */
};

struct io_region {
    const char *name;
    const struct io_ops *ops;
    void *dev;
    uint64_t size;
    /* the bus's own */
    uint64_t accesses, strings; /* so far: for people who wonder what a guest does */
    struct io_bus *bus;
    uint64_t base;
    uint16_t id;
    enum io_space space;
    bool mapped;
};

struct io_bus;

struct io_bus *io_bus_new(struct engine *engine);
void io_bus_free(struct io_bus *bus);

/* The region stays the caller's. False: too many regions, or it does not fit the space. */
bool io_map(struct io_bus *bus, struct io_region *region, enum io_space space, uint64_t base);
void io_unmap(struct io_region *region); /* nothing when it is not mapped */

/* Several small regions that share a dev: fills name, ops, dev, size and maps. */
void io_map_new(struct io_bus *bus, struct io_region *region, const char *name,
                const struct io_ops *ops, void *dev, enum io_space space, uint64_t base,
                uint64_t size);

uint64_t io_read(struct io_bus *bus, enum io_space space, uint64_t addr, unsigned size);
void io_write(struct io_bus *bus, enum io_space space, uint64_t addr, unsigned size, uint64_t val);
unsigned io_read_string(struct io_bus *bus, enum io_space space, uint64_t addr, unsigned size,
                        void *buf, unsigned n);
unsigned io_write_string(struct io_bus *bus, enum io_space space, uint64_t addr, unsigned size,
                         const void *buf, unsigned n);

/* Every region that is mapped, in the order in which they were. */
void io_each(struct io_bus *bus, void (*fn)(void *arg, const struct io_region *region), void *arg);

/* The region that answers at addr, or NULL. */
struct io_region *io_find(struct io_bus *bus, enum io_space space, uint64_t addr);

#endif
