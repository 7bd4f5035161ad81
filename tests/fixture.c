/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The board for tests: engine, RAM, clock, interrupts, accesses. Disks and chars are in
 * fixture_io.c. Guest memory is cut at every page, so that a chip that believes in long runs is
 * found out; claims that overlap and memory given back twice end the test. See fixture.h.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "fixture_priv.h"

enum { PAGE = 4096 };

void fixture_wrong(const char *what, uint64_t val) {
    fprintf(stderr, "fixture: %s (%#llx)\n", what, (unsigned long long)val);
    abort();
}

/* ---- the engine: claims ---- */

static struct fixture *fixture_of(struct engine *e) {
    return CONTAINER_OF(e, struct fixture, engine);
}

static void toggle_ports(struct fixture_priv *priv, uint64_t base, uint64_t size, bool claimed) {
    for (uint64_t p = base; p < base + size; p++) {
        if (p > 0xffff || bitmap_get(priv->ports, p) == claimed)
            fixture_wrong(claimed ? "port claimed twice" : "port given back unclaimed", p);
        if (claimed)
            bitmap_set(priv->ports, p);
        else
            bitmap_clear(priv->ports, p);
    }
}

static bool fake_claim(struct engine *e, enum io_space space, uint64_t base, uint64_t size) {
    struct fixture_priv *priv = fixture_of(e)->priv;
    if (space == IO_PORT) {
        toggle_ports(priv, base, size, true);
        return true;
    }
    for (unsigned i = 0; i < priv->mem_count; i++)
        if (base <= priv->mem[i].last && base + size - 1 >= priv->mem[i].first)
            fixture_wrong("memory claimed twice", base);
    if (priv->mem_count == ARRAY_LEN(priv->mem))
        fixture_wrong("too many memory claims", base);
    priv->mem[priv->mem_count++] = (struct fixture_range){base, base + size - 1};
    return true;
}

/* Takes [first, last] out of range i, which covers at least first; returns what it took up to. */
static uint64_t cut_range(struct fixture_priv *priv, unsigned i, uint64_t first, uint64_t last) {
    struct fixture_range old = priv->mem[i];
    uint64_t end = MIN(last, old.last);
    priv->mem[i] = priv->mem[--priv->mem_count];
    if (first > old.first)
        priv->mem[priv->mem_count++] = (struct fixture_range){old.first, first - 1};
    if (end < old.last)
        priv->mem[priv->mem_count++] = (struct fixture_range){end + 1, old.last};
    return end;
}

static void fake_unclaim(struct engine *e, enum io_space space, uint64_t base, uint64_t size) {
    struct fixture_priv *priv = fixture_of(e)->priv;
    if (space == IO_PORT) {
        toggle_ports(priv, base, size, false);
        return;
    }
    for (uint64_t last = base + size - 1;;) {
        unsigned i = 0;
        while (i < priv->mem_count && (base < priv->mem[i].first || base > priv->mem[i].last))
            i++;
        if (i == priv->mem_count)
            fixture_wrong("memory given back unclaimed", base);
        uint64_t end = cut_range(priv, i, base, last);
        if (end == last)
            break;
        base = end + 1;
    }
}

static bool fake_claim_pci(struct engine *e, unsigned bdf) {
    (void)e;
    if (bdf >= 256)
        fixture_wrong("claimed a function beyond bus 0", bdf);
    return true;
}

static void fake_unclaim_pci(struct engine *e, unsigned bdf) {
    (void)e;
    (void)bdf;
}

/* ---- the engine: interrupts and events ---- */

static void line(struct fixture *fx, unsigned n, bool level) {
    if (n >= FIXTURE_IRQS)
        fixture_wrong("no such interrupt line", n);
    if (level && !fx->irq[n])
        fx->irq_edges[n]++;
    fx->irq[n] = level;
}

static void line_set(void *dev, unsigned n, bool level) {
    line(dev, n, level);
}

struct irq fixture_irq(struct fixture *fx, unsigned n) {
    return (struct irq){.set = line_set, .dev = fx, .n = n};
}

static void fake_isa_irq(struct engine *e, unsigned irq, bool level) {
    line(fixture_of(e), irq, level);
}

static void fake_pci_intx(struct engine *e, unsigned dev, unsigned pin, bool level) {
    struct fixture *fx = fixture_of(e);
    if (dev >= 32 || pin >= 4)
        fixture_wrong("no such INTx", dev << 8 | pin);
    if (level && !fx->intx[dev][pin])
        fx->intx_edges[dev][pin]++;
    fx->intx[dev][pin] = level;
}

static void fake_pci_link(struct engine *e, unsigned link, unsigned irq) {
    if (link >= 4 || irq > 15)
        fixture_wrong("no such PCI link route", link << 8 | irq);
    fixture_of(e)->link_irq[link] = irq;
}

static void fake_msi(struct engine *e, uint64_t addr, uint32_t data) {
    struct fixture *fx = fixture_of(e);
    fx->msis++;
    fx->msi_addr = addr;
    fx->msi_data = data;
}

static void fake_protect(struct engine *e, uint64_t gpa, uint64_t len, bool read_only) {
    (void)gpa;
    (void)len;
    fixture_of(e)->read_only = read_only;
}

static void fake_shutdown(struct engine *e, enum engine_shutdown how) {
    struct fixture *fx = fixture_of(e);
    fx->shutdowns++;
    fx->shutdown = how;
}

static bool fake_power_button(struct engine *e) {
    (void)e;
    return false;
}

static void fake_suspend(struct engine *e, bool suspended) {
    fixture_of(e)->suspended = suspended;
}

/* ---- the engine: memory ---- */

static void *fake_map(struct engine *e, uint64_t gpa, size_t *len, bool write) {
    struct fixture *fx = fixture_of(e);
    (void)write;
    if (!*len)
        fixture_wrong("mapped nothing at", gpa);
    if (gpa >= FIXTURE_RAM)
        return NULL;
    *len = MIN(*len, (size_t)(PAGE - gpa % PAGE));
    fx->maps++;
    return fx->ram + gpa;
}

static void fake_unmap(struct engine *e, void *host, uint64_t gpa, size_t len, bool wrote) {
    struct fixture *fx = fixture_of(e);
    (void)wrote;
    if (!fx->maps || gpa >= FIXTURE_RAM || host != fx->ram + gpa || len > PAGE - gpa % PAGE)
        fixture_wrong("unmapped what was not mapped at", gpa);
    fx->maps--;
}

static struct fixture_vram *vram_of(struct vram *vram) {
    return CONTAINER_OF(vram, struct fixture_vram, vram);
}

static struct vram *fake_vram_new(struct engine *e, size_t size) {
    struct fixture_priv *priv = fixture_of(e)->priv;
    struct fixture_vram *v = calloc(1, sizeof(*v));
    v->vram = (struct vram){calloc(1, size), size, VRAM_NOWHERE};
    v->dirty = calloc(size / PAGE / 64 + 1, sizeof(uint64_t));
    v->next = priv->vrams;
    priv->vrams = v;
    return &v->vram;
}

static void fake_vram_free(struct engine *e, struct vram *vram) {
    struct fixture_priv *priv = fixture_of(e)->priv;
    struct fixture_vram *v = vram_of(vram), **p = &priv->vrams;
    while (*p != v)
        p = &(*p)->next;
    *p = v->next;
    free(v->vram.bytes);
    free(v->dirty);
    free(v);
}

static void fake_vram_place(struct engine *e, struct vram *vram, uint64_t base) {
    (void)e;
    vram->base = base;
}

static bool fake_vram_dirty(struct engine *e, struct vram *vram, size_t first, size_t n,
                            uint64_t *bitmap) {
    (void)e;
    if (first % 64 || n % 64 || (first + n) * PAGE > vram->size)
        fixture_wrong("dirty range of video memory", first);
    memcpy(bitmap, vram_of(vram)->dirty + first / 64, n / 8);
    memset(vram_of(vram)->dirty + first / 64, 0, n / 8);
    return true;
}

static void fake_vram_dirtied(struct engine *e, struct vram *vram, size_t offset, size_t len) {
    (void)e;
    if (offset > vram->size || len > vram->size - offset)
        fixture_wrong("dirtied beyond video memory", offset);
    for (size_t page = offset / PAGE; len && page <= (offset + len - 1) / PAGE; page++)
        bitmap_set(vram_of(vram)->dirty, page);
}

static void fake_free(struct engine *e) {
    (void)e;
}

static const struct engine_ops fake_ops = {
    .claim = fake_claim,
    .unclaim = fake_unclaim,
    .claim_pci = fake_claim_pci,
    .unclaim_pci = fake_unclaim_pci,
    .isa_irq = fake_isa_irq,
    .pci_intx = fake_pci_intx,
    .pci_link = fake_pci_link,
    .msi = fake_msi,
    .map = fake_map,
    .unmap = fake_unmap,
    .vram_new = fake_vram_new,
    .vram_free = fake_vram_free,
    .vram_place = fake_vram_place,
    .vram_dirty = fake_vram_dirty,
    .vram_dirtied = fake_vram_dirtied,
    .protect = fake_protect,
    .shutdown = fake_shutdown,
    .power_button = fake_power_button,
    .suspend = fake_suspend,
    .free = fake_free,
};

/* ---- life and time ---- */

static uint64_t now_source(void *arg) {
    const struct fixture *fx = arg;
    return fx->now;
}

void fixture_init(struct fixture *fx) {
    *fx = (struct fixture){.engine = {.ops = &fake_ops}, .now = NS_PER_SEC};
    fx->priv = calloc(1, sizeof(struct fixture_priv));
    fx->ram = calloc(1, FIXTURE_RAM);
    fx->clock = clock_new(now_source, fx);
    fx->io = io_bus_new(&fx->engine);
    fx->pci = pci_bus_new(&fx->engine, fx->io);
    fx->input = input_new();
}

void fixture_done(struct fixture *fx) {
    fixture_io_done(fx);
    fixture_net_done(fx);
    pci_bus_free(fx->pci);
    io_bus_free(fx->io);
    input_free(fx->input);
    clock_free(fx->clock);
    free(fx->ram);
    free(fx->priv);
}

void fixture_sleep(struct fixture *fx, uint64_t ns) {
    enum { STEPS = 1 << 16 }; /* a fuzzer finds the timer of 1 ns */
    uint64_t end = fx->now + ns;
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t next = clock_next(fx->clock);
        if (next > end)
            break;
        fx->now = MAX(fx->now, next);
        clock_run(fx->clock);
    }
    fx->now = end;
}

/* ---- accesses ---- */

uint8_t in8(struct fixture *fx, uint16_t port) {
    return (uint8_t)io_read(fx->io, IO_PORT, port, 1);
}

uint16_t in16(struct fixture *fx, uint16_t port) {
    return (uint16_t)io_read(fx->io, IO_PORT, port, 2);
}

uint32_t in32(struct fixture *fx, uint16_t port) {
    return (uint32_t)io_read(fx->io, IO_PORT, port, 4);
}

void out8(struct fixture *fx, uint16_t port, uint8_t val) {
    io_write(fx->io, IO_PORT, port, 1, val);
}

void out16(struct fixture *fx, uint16_t port, uint16_t val) {
    io_write(fx->io, IO_PORT, port, 2, val);
}

void out32(struct fixture *fx, uint16_t port, uint32_t val) {
    io_write(fx->io, IO_PORT, port, 4, val);
}

void ins16(struct fixture *fx, uint16_t port, void *buf, unsigned n) {
    for (uint8_t *to = buf; n;) {
        unsigned took = io_read_string(fx->io, IO_PORT, port, 2, to, n);
        if (!took) {
            store_le16(to, in16(fx, port));
            took = 1;
        }
        to += 2 * took;
        n -= took;
    }
}

void outs16(struct fixture *fx, uint16_t port, const void *buf, unsigned n) {
    for (const uint8_t *from = buf; n;) {
        unsigned took = io_write_string(fx->io, IO_PORT, port, 2, from, n);
        if (!took) {
            out16(fx, port, load_le16(from));
            took = 1;
        }
        from += 2 * took;
        n -= took;
    }
}

/* What is RAM there for the CPU: video memory, or main memory that no chip has claimed. */
static uint8_t *cpu_ram(struct fixture *fx, uint64_t addr, unsigned size, struct vram **in) {
    struct fixture_priv *priv = fx->priv;
    *in = NULL;
    for (struct fixture_vram *v = priv->vrams; v; v = v->next)
        if (v->vram.base != VRAM_NOWHERE && addr >= v->vram.base &&
            addr - v->vram.base + size <= v->vram.size) {
            *in = &v->vram;
            return v->vram.bytes + (addr - v->vram.base);
        }
    if (addr + size > FIXTURE_RAM || addr + size < addr ||
        io_find(fx->io, IO_MEM, addr) || io_find(fx->io, IO_MEM, addr + size - 1))
        return NULL;
    return fx->ram + addr;
}

uint64_t mem_read(struct fixture *fx, uint64_t addr, unsigned size) {
    struct vram *vram;
    const uint8_t *ram = cpu_ram(fx, addr, size, &vram);
    return ram ? load_le(ram, size) : io_read(fx->io, IO_MEM, addr, size);
}

void mem_write(struct fixture *fx, uint64_t addr, unsigned size, uint64_t val) {
    struct vram *vram;
    uint8_t *ram = cpu_ram(fx, addr, size, &vram);
    if (!ram) {
        io_write(fx->io, IO_MEM, addr, size, val);
        return;
    }
    store_le(ram, size, val);
    if (vram)
        fake_vram_dirtied(&fx->engine, vram, (size_t)(addr - vram->base), size);
}

uint32_t cfg_read(struct fixture *fx, unsigned devfn, unsigned reg, unsigned size) {
    return pci_config_read(fx->pci, devfn, reg, size);
}

void cfg_write(struct fixture *fx, unsigned devfn, unsigned reg, unsigned size, uint32_t val) {
    pci_config_write(fx->pci, devfn, reg, size, val);
}
