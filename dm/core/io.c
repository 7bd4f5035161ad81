/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The port and memory maps. Ports: one owner per port in an array. Memory: the regions cut into
 * sorted, disjoint segments with a last hit. Both are made anew when something is mapped or
 * unmapped, which is rare, and what changed is claimed from or given back to the engine. See io.h.
 */
#include "io.h"

#include <string.h>

#include "bits.h"
#include "log.h"
#include "mem.h"

enum { REGIONS = 192, SEGMENTS = 2 * REGIONS, PORTS = 65536, PORT_RUNS = 1024 };

struct segment {
    uint64_t first, last; /* inclusive: a segment may end at the top of the address space */
    struct io_region *region;
};

struct io_bus {
    struct engine *engine;
    struct io_region *regions[REGIONS]; /* in the order they were mapped; later ones answer first */
    unsigned count;
    uint16_t owner[PORTS]; /* id of the region plus one; 0 is nobody */
    struct io_region *by_id[REGIONS];
    struct segment mem[SEGMENTS];
    unsigned mem_count;
    struct segment *hit;
};

struct io_bus *io_bus_new(struct engine *engine) {
    struct io_bus *bus = mem_new(sizeof(*bus));
    bus->engine = engine;
    return bus;
}

void io_bus_free(struct io_bus *bus) {
    mem_free(bus);
}

/* ---- what is claimed from the engine ---- */

struct run {
    uint64_t first, last;
};

/* Adds a range to a sorted list of runs; touching ones become one. */
static unsigned run_add(struct run *runs, unsigned n, uint64_t first, uint64_t last) {
    if (n && first && runs[n - 1].last == first - 1) {
        runs[n - 1].last = last;
        return n;
    }
    runs[n] = (struct run){first, last};
    return n + 1;
}

/* Calls fn for each stretch of runs a that is not in runs b. Both are sorted. */
static void runs_minus(const struct run *a, unsigned na, const struct run *b, unsigned nb,
                       struct io_bus *bus, enum io_space space,
                       void (*fn)(struct io_bus *, enum io_space, uint64_t, uint64_t)) {
    unsigned j = 0;
    for (unsigned i = 0; i < na; i++) {
        uint64_t first = a[i].first;
        bool done = false;
        while (j < nb && b[j].last < first)
            j++;
        for (unsigned k = j; k < nb && b[k].first <= a[i].last; k++) {
            if (b[k].first > first)
                fn(bus, space, first, b[k].first - 1);
            if (b[k].last >= a[i].last) {
                done = true;
                break;
            }
            first = b[k].last + 1;
        }
        if (!done)
            fn(bus, space, first, a[i].last);
    }
}

static void claim(struct io_bus *bus, enum io_space space, uint64_t first, uint64_t last) {
    if (!bus->engine->ops->claim(bus->engine, space, first, last - first + 1))
        log_error("the hypervisor refused %s %#llx to %#llx: accesses there will read as ones",
                  space == IO_PORT ? "ports" : "memory", (unsigned long long)first,
                  (unsigned long long)last);
}

static void unclaim(struct io_bus *bus, enum io_space space, uint64_t first, uint64_t last) {
    bus->engine->ops->unclaim(bus->engine, space, first, last - first + 1);
}

static unsigned port_runs(const struct io_bus *bus, struct run *runs, unsigned lo, unsigned hi) {
    unsigned n = 0;
    for (unsigned p = lo; p <= hi && n < PORT_RUNS; p++)
        if (bus->owner[p])
            n = run_add(runs, n, p, p);
    return n;
}

static unsigned mem_runs(const struct io_bus *bus, struct run *runs) {
    unsigned n = 0;
    for (unsigned i = 0; i < bus->mem_count; i++)
        n = run_add(runs, n, bus->mem[i].first, bus->mem[i].last);
    return n;
}

/* ---- making the maps ---- */

static void remake_ports(struct io_bus *bus, unsigned lo, unsigned hi) {
    struct run before[PORT_RUNS], after[PORT_RUNS];
    unsigned nb = port_runs(bus, before, lo, hi);
    memset(&bus->owner[lo], 0, (hi - lo + 1) * sizeof(bus->owner[0]));
    for (unsigned i = 0; i < bus->count; i++) {
        const struct io_region *r = bus->regions[i];
        if (r->space != IO_PORT)
            continue;
        for (uint64_t p = MAX(r->base, lo); p <= MIN(r->base + r->size - 1, hi); p++)
            bus->owner[p] = (uint16_t)(r->id + 1);
    }
    unsigned na = port_runs(bus, after, lo, hi);
    runs_minus(before, nb, after, na, bus, IO_PORT, unclaim);
    runs_minus(after, na, before, nb, bus, IO_PORT, claim);
}

/* The memory region mapped last that covers addr, and in *last how far it answers alone. */
static struct io_region *topmost(const struct io_bus *bus, uint64_t addr, uint64_t *last) {
    struct io_region *top = NULL;
    *last = UINT64_MAX;
    for (unsigned i = bus->count; i-- > 0;) {
        struct io_region *r = bus->regions[i];
        if (r->space != IO_MEM)
            continue;
        uint64_t end = r->base + r->size - 1;
        if (!top && r->base <= addr && addr <= end) {
            top = r;
            *last = MIN(*last, end);
        } else if (!top && r->base > addr) {
            *last = MIN(*last, r->base - 1);
        }
    }
    return top;
}

static void remake_mem(struct io_bus *bus) {
    struct run before[SEGMENTS], after[SEGMENTS];
    unsigned nb = mem_runs(bus, before);
    bus->mem_count = 0;
    bus->hit = NULL;
    for (uint64_t addr = 0;;) {
        uint64_t last;
        struct io_region *r = topmost(bus, addr, &last);
        if (r && bus->mem_count < SEGMENTS)
            bus->mem[bus->mem_count++] = (struct segment){addr, last, r};
        if (last == UINT64_MAX)
            break;
        addr = last + 1;
    }
    unsigned na = mem_runs(bus, after);
    runs_minus(before, nb, after, na, bus, IO_MEM, unclaim);
    runs_minus(after, na, before, nb, bus, IO_MEM, claim);
}

static void remake(struct io_bus *bus, const struct io_region *changed) {
    if (changed->space == IO_PORT)
        remake_ports(bus, (unsigned)changed->base, (unsigned)(changed->base + changed->size - 1));
    else
        remake_mem(bus);
}

bool io_map(struct io_bus *bus, struct io_region *region, enum io_space space, uint64_t base) {
    io_unmap(region);
    uint64_t top = space == IO_PORT ? PORTS - 1 : UINT64_MAX;
    if (!region->size || base > top || region->size - 1 > top - base || bus->count == REGIONS) {
        log_warn("%s: %#llx bytes at %#llx can't be mapped", region->name,
                 (unsigned long long)region->size, (unsigned long long)base);
        return false;
    }
    uint16_t id = 0;
    while (bus->by_id[id])
        id++;
    bus->by_id[id] = region;
    bus->regions[bus->count++] = region;
    region->bus = bus;
    region->space = space;
    region->base = base;
    region->id = id;
    region->mapped = true;
    remake(bus, region);
    return true;
}

void io_unmap(struct io_region *region) {
    if (!region->mapped)
        return;
    struct io_bus *bus = region->bus;
    unsigned i = 0;
    while (bus->regions[i] != region)
        i++;
    bus->count--;
    memmove(&bus->regions[i], &bus->regions[i + 1],
            (bus->count - i) * sizeof(bus->regions[0]));
    bus->by_id[region->id] = NULL;
    region->mapped = false;
    remake(bus, region);
}

void io_map_new(struct io_bus *bus, struct io_region *region, const char *name,
                const struct io_ops *ops, void *dev, enum io_space space, uint64_t base,
                uint64_t size) {
    *region = (struct io_region){.name = name, .ops = ops, .dev = dev, .size = size};
    io_map(bus, region, space, base);
}

void io_each(struct io_bus *bus, void (*fn)(void *arg, const struct io_region *region),
             void *arg) {
    for (unsigned i = 0; i < bus->count; i++)
        fn(arg, bus->regions[i]);
}

/* ---- accesses ---- */

#define OUT_OF_LINE __attribute__((noinline)) /* keeps the common case short: it is the hot path */

OUT_OF_LINE static struct io_region *find_mem(struct io_bus *bus, uint64_t addr);

static inline struct io_region *find(struct io_bus *bus, enum io_space space, uint64_t addr) {
    if (space == IO_PORT) {
        uint16_t owner = addr < PORTS ? bus->owner[addr] : 0;
        return owner ? bus->by_id[owner - 1] : NULL;
    }
    if (bus->hit && addr >= bus->hit->first && addr <= bus->hit->last)
        return bus->hit->region;
    return find_mem(bus, addr);
}

struct io_region *io_find(struct io_bus *bus, enum io_space space, uint64_t addr) {
    return find(bus, space, addr);
}

static struct io_region *find_mem(struct io_bus *bus, uint64_t addr) {
    unsigned lo = 0, hi = bus->mem_count;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (bus->mem[mid].last < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == bus->mem_count || bus->mem[lo].first > addr)
        return NULL;
    bus->hit = &bus->mem[lo];
    return bus->hit->region;
}

/*
 * The region that answers the whole access, or NULL. At ports the first and the last byte decide: a
 * dword at 0xcf8 is CONFADD's, although the byte 0xcf9 is the reset control register's.
 */
__attribute__((always_inline)) static inline struct io_region *
find_whole(struct io_bus *bus, enum io_space space, uint64_t addr, unsigned size) {
    struct io_region *r = find(bus, space, addr);
    if (!r || size == 1)
        return r;
    if (space == IO_MEM)
        return bus->hit->last - addr >= size - 1 ? r : NULL;
    uint64_t last = addr + size - 1;
    return last < PORTS && bus->owner[last] == bus->owner[addr] ? r : NULL;
}

static unsigned region_min(const struct io_region *r) {
    return r->ops->min ? r->ops->min : 1;
}

static unsigned region_max(const struct io_region *r) {
    return r->ops->max ? r->ops->max : 4;
}

OUT_OF_LINE static uint64_t odd_read(struct io_region *r, uint64_t off, unsigned size);

static inline uint64_t region_read(struct io_region *r, uint64_t off, unsigned size) {
    const struct io_ops *ops = r->ops;
    r->accesses++;
    if (!ops->read || size < ops->min || size > region_max(r))
        return odd_read(r, off, size);
    return ops->read(r->dev, off, size) & size_mask(size);
}

/* What is not one access of the chip. */
static uint64_t odd_read(struct io_region *r, uint64_t off, unsigned size) {
    if (!r->ops->read)
        return size_mask(size);
    unsigned min = region_min(r), max = region_max(r);
    if (size > max) {
        uint64_t v = 0;
        for (unsigned i = 0; i < size; i += max)
            v |= (r->ops->read(r->dev, off + i, max) & size_mask(max)) << (8 * i);
        return v;
    }
    uint64_t at = off & ~(uint64_t)(min - 1);
    if (at + min > r->size)
        return size_mask(size);
    uint64_t v = r->ops->read(r->dev, at, min) >> (8 * (off - at));
    /* an unaligned one may reach into the next word */
    if (off - at + size > min)
        v = (v & size_mask((unsigned)(min - (off - at)))) |
            region_read(r, at + min, (unsigned)(off - at + size - min)) << (8 * (min - (off - at)));
    return v & size_mask(size);
}

OUT_OF_LINE static void odd_write(struct io_region *r, uint64_t off, unsigned size, uint64_t val);

static inline void region_write(struct io_region *r, uint64_t off, unsigned size, uint64_t val) {
    const struct io_ops *ops = r->ops;
    r->accesses++;
    if (!ops->write || size < ops->min || size > region_max(r))
        odd_write(r, off, size, val);
    else
        ops->write(r->dev, off, size, val & size_mask(size));
}

static void odd_write(struct io_region *r, uint64_t off, unsigned size, uint64_t val) {
    if (!r->ops->write)
        return;
    unsigned min = region_min(r), max = region_max(r);
    if (size > max) {
        for (unsigned i = 0; i < size; i += max)
            r->ops->write(r->dev, off + i, max, val >> (8 * i) & size_mask(max));
    } else {
        for (unsigned i = 0; i < size; i++) {
            uint64_t at = (off + i) & ~(uint64_t)(min - 1);
            unsigned shift = (unsigned)(8 * (off + i - at));
            if (at + min > r->size)
                return;
            uint64_t old = region_read(r, at, min) & ~(UINT64_C(0xff) << shift);
            r->ops->write(r->dev, at, min, old | (val >> (8 * i) & 0xff) << shift);
        }
    }
}

OUT_OF_LINE static uint64_t split_read(struct io_bus *bus, enum io_space space, uint64_t addr,
                                       unsigned size) {
    if (size == 1)
        return 0xff;
    uint64_t half = size / 2;
    return io_read(bus, space, addr, size / 2) |
           io_read(bus, space, addr + half, size / 2) << (8 * half);
}

uint64_t io_read(struct io_bus *bus, enum io_space space, uint64_t addr, unsigned size) {
    struct io_region *r = find_whole(bus, space, addr, size);
    return r ? region_read(r, addr - r->base, size) : split_read(bus, space, addr, size);
}

OUT_OF_LINE static void split_write(struct io_bus *bus, enum io_space space, uint64_t addr,
                                    unsigned size, uint64_t val) {
    unsigned half = size / 2;
    if (!half)
        return;
    io_write(bus, space, addr, half, val & size_mask(half));
    io_write(bus, space, addr + half, half, val >> (8 * half));
}

void io_write(struct io_bus *bus, enum io_space space, uint64_t addr, unsigned size,
              uint64_t val) {
    struct io_region *r = find_whole(bus, space, addr, size);
    if (r)
        region_write(r, addr - r->base, size, val);
    else
        split_write(bus, space, addr, size, val);
}

/* How many of n elements from addr on the region found there answers alone: all at a port. */
static unsigned run_length(const struct io_bus *bus, enum io_space space, uint64_t addr,
                           unsigned size, unsigned n) {
    if (space == IO_PORT)
        return n;
    uint64_t more = (bus->hit->last - addr - (size - 1)) / size;
    return more >= n ? n : (unsigned)more + 1;
}

unsigned io_read_string(struct io_bus *bus, enum io_space space, uint64_t addr, unsigned size,
                        void *buf, unsigned n) {
    struct io_region *r = find_whole(bus, space, addr, size);
    if (!n || !r || !r->ops->read_string)
        return 0;
    n = run_length(bus, space, addr, size, n);
    r->strings++;
    return r->ops->read_string(r->dev, addr - r->base, size, buf, n);
}

unsigned io_write_string(struct io_bus *bus, enum io_space space, uint64_t addr, unsigned size,
                         const void *buf, unsigned n) {
    struct io_region *r = find_whole(bus, space, addr, size);
    if (!n || !r || !r->ops->write_string)
        return 0;
    n = run_length(bus, space, addr, size, n);
    r->strings++;
    return r->ops->write_string(r->dev, addr - r->base, size, buf, n);
}
