/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI configuration space, BARs, INTx. PCI Local Bus Specification 2.1, chapter 6. Not modelled:
 * bridges, 64-bit BARs, parity and abort reporting.
 * See pci.h.
 */
#include "pci.h"

#include <string.h>

#include "bits.h"
#include "mem.h"

enum { DEVFNS = 256 };

struct pci_bus {
    struct engine *engine;
    struct io_bus *io;
    struct pci_function *fn[DEVFNS];
};

const struct field pci_fields[] = {F_BYTES(struct pci_function, config),
                                   F(struct pci_function, intx), F_END};

static unsigned bar_reg(unsigned n) {
    return n == PCI_BAR_ROM ? PCI_ROM : PCI_BAR0 + 4 * n;
}

void pci_init(struct pci_function *fn, const char *name, const struct pci_id *id, void *dev) {
    *fn = (struct pci_function){.name = name, .qdev_id = "", .dev = dev};
    store_le16(&fn->config[PCI_VENDOR], id->vendor);
    store_le16(&fn->config[PCI_DEVICE], id->device);
    store_le16(&fn->config[PCI_SUB_VENDOR], id->sub_vendor);
    store_le16(&fn->config[PCI_SUBSYSTEM], id->subsystem);
    store_le16(&fn->config[PCI_CLASS], id->class_);
    fn->config[PCI_PROG_IF] = id->prog_if;
    fn->config[PCI_REVISION] = id->revision;
    fn->config[PCI_INT_PIN] = id->int_pin;
    store_le16(&fn->wmask[PCI_COMMAND], PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER | 0x0140 |
                                            PCI_CMD_INTX_OFF);
    store_le16(&fn->w1c[PCI_STATUS], PCI_STS_W1C);
    fn->wmask[PCI_CACHE_LINE] = 0xff;
    fn->wmask[PCI_LATENCY] = 0xff;
    fn->wmask[PCI_INT_LINE] = 0xff;
}

static void add_bar(struct pci_function *fn, unsigned n, struct pci_bar bar) {
    fn->bar[n] = bar;
    uint32_t type = bar.kind == PCI_BAR_IO ? 1 : bar.kind == PCI_BAR_MEM_PREFETCH ? 8 : 0;
    store_le32(&fn->config[bar_reg(n)], n == PCI_BAR_ROM ? 0 : type);
    store_le32(&fn->wmask[bar_reg(n)], ~(bar.size - 1) | (n == PCI_BAR_ROM));
}

void pci_add_bar(struct pci_function *fn, unsigned n, enum pci_bar_kind kind, uint32_t size,
                 struct io_region *region) {
    if (region)
        region->size = size;
    add_bar(fn, n, (struct pci_bar){.kind = kind, .size = size, .region = region});
}

void pci_add_vram(struct pci_function *fn, unsigned n, struct vram *vram) {
    add_bar(fn, n, (struct pci_bar){.kind = PCI_BAR_MEM_PREFETCH, .size = (uint32_t)vram->size,
                                    .vram = vram});
}

void pci_add_capability(struct pci_function *fn, uint8_t id, unsigned at) {
    unsigned link = PCI_CAP_PTR;
    while (fn->config[link])
        link = fn->config[link] + 1u;
    fn->config[link] = (uint8_t)at;
    fn->config[at] = id;
    fn->config[PCI_STATUS] |= PCI_STS_CAP;
}

/* ---- the option ROM: bytes behind a BAR ---- */

static uint64_t rom_read(void *dev, uint64_t off, unsigned size) {
    const struct pci_function *fn = dev;
    return off + size <= fn->rom_len ? load_le(fn->rom + off, size) : size_mask(size);
}

static unsigned rom_read_string(void *dev, uint64_t off, unsigned size, void *buf, unsigned n) {
    const struct pci_function *fn = dev;
    if (off >= fn->rom_len)
        return 0;
    n = (unsigned)MIN(n, (fn->rom_len - off) / size);
    memcpy(buf, fn->rom + off, (size_t)n * size);
    return n;
}

static const struct io_ops rom_ops = {
    .read = rom_read, .read_string = rom_read_string, .min = 1, .max = 8};

void pci_add_rom(struct pci_function *fn, struct io_region *region, const uint8_t *rom,
                 uint32_t len) {
    fn->rom = rom;
    fn->rom_len = len;
    uint32_t size = 2048;
    while (size < len)
        size *= 2;
    *region = (struct io_region){.name = "option ROM", .ops = &rom_ops, .dev = fn};
    pci_add_bar(fn, PCI_BAR_ROM, PCI_BAR_MEM, size, region);
}

/* ---- what the bytes mean ---- */

static uint16_t command(const struct pci_function *fn) {
    return load_le16(&fn->config[PCI_COMMAND]);
}

uint64_t pci_bar_address(const struct pci_function *fn, unsigned n) {
    const struct pci_bar *bar = &fn->bar[n];
    uint32_t val = load_le32(&fn->config[bar_reg(n)]);
    uint32_t base = val & ~(bar->size - 1);
    bool on;
    if (bar->kind == PCI_BAR_IO)
        on = command(fn) & PCI_CMD_IO && base <= 0x10000 - bar->size;
    else
        on = command(fn) & PCI_CMD_MEM && (n != PCI_BAR_ROM || val & 1) &&
             base <= UINT32_MAX - bar->size;
    return bar->kind != PCI_BAR_NONE && on && base ? base : UINT64_MAX;
}

/* Where a guest lets BARs overlap the higher one answers, whichever was written last: so a restored
 * machine answers as the saved one. */
static void put_on_top(struct pci_function *fn, unsigned n) {
    const struct io_region *r = fn->bar[n].region;
    for (unsigned m = n + 1; m < PCI_BARS; m++) {
        struct io_region *higher = fn->bar[m].region;
        if (!higher || !higher->mapped || higher->space != r->space ||
            higher->base >= r->base + r->size || r->base >= higher->base + higher->size)
            continue;
        uint64_t base = higher->base;
        io_unmap(higher);
        io_map(fn->bus->io, higher, r->space, base);
    }
}

static void place_bar(struct pci_function *fn, unsigned n) {
    struct pci_bar *bar = &fn->bar[n];
    uint64_t base = fn->bus ? pci_bar_address(fn, n) : UINT64_MAX;
    if (bar->vram && bar->vram->base != base) {
        struct engine *engine = fn->dma.engine;
        engine->ops->vram_place(engine, bar->vram, base);
    }
    struct io_region *r = bar->region;
    if (!r || (r->mapped ? r->base : UINT64_MAX) == base)
        return;
    io_unmap(r);
    if (base == UINT64_MAX)
        return;
    io_map(fn->bus->io, r, bar->kind == PCI_BAR_IO ? IO_PORT : IO_MEM, base);
    put_on_top(fn, n);
}

static bool intx_out(const struct pci_function *fn) {
    return fn->bus && fn->config[PCI_STATUS] & PCI_STS_INTX && !fn->messages &&
           !(command(fn) & PCI_CMD_INTX_OFF);
}

static void send_intx(struct pci_function *fn, bool level) {
    struct engine *engine = fn->dma.engine;
    unsigned pin = fn->config[PCI_INT_PIN];
    if (engine && pin)
        engine->ops->pci_intx(engine, fn->devfn >> 3, pin - 1, level);
}

/* Recomputes all that follows from COMMAND and the BARs. */
static void settle(struct pci_function *fn) {
    fn->master = fn->bus && command(fn) & PCI_CMD_MASTER;
    for (unsigned n = 0; n < PCI_BARS; n++)
        if (fn->bar[n].kind != PCI_BAR_NONE)
            place_bar(fn, n);
}

static void set_status_intx(struct pci_function *fn, bool level) {
    fn->intx = level;
    fn->config[PCI_STATUS] =
        (uint8_t)((fn->config[PCI_STATUS] & ~PCI_STS_INTX) | (level ? PCI_STS_INTX : 0));
}

void pci_irq(struct pci_function *fn, bool level) {
    if (fn->intx == level)
        return;
    bool before = intx_out(fn);
    set_status_intx(fn, level);
    if (intx_out(fn) != before)
        send_intx(fn, !before);
}

void pci_irq_restore(struct pci_function *fn, bool level) {
    set_status_intx(fn, level);
}

void pci_messages(struct pci_function *fn, uint8_t kind, bool on) {
    bool before = intx_out(fn);
    fn->messages = (uint8_t)(on ? fn->messages | kind : fn->messages & ~kind);
    if (intx_out(fn) != before)
        send_intx(fn, !before);
}

/* ---- life on the bus ---- */

struct pci_bus *pci_bus_new(struct engine *engine, struct io_bus *io) {
    struct pci_bus *bus = mem_new(sizeof(*bus));
    bus->engine = engine;
    bus->io = io;
    return bus;
}

void pci_bus_free(struct pci_bus *bus) {
    mem_free(bus);
}

static bool slot_free(const struct pci_bus *bus, unsigned slot) {
    for (unsigned f = 0; f < 8; f++)
        if (bus->fn[slot << 3 | f])
            return false;
    return true;
}

bool pci_add(struct pci_bus *bus, struct pci_function *fn, unsigned devfn) {
    for (unsigned slot = 0; devfn == PCI_DEVFN_FREE && slot < 32; slot++)
        if (slot_free(bus, slot))
            devfn = slot << 3;
    if (devfn >= DEVFNS || bus->fn[devfn])
        return false;
    fn->bus = bus;
    fn->devfn = devfn;
    fn->dma = (struct dma){bus->engine, &fn->master};
    if (fn->multifunction)
        fn->config[PCI_HEADER_TYPE] |= 0x80;
    memcpy(fn->power_on, fn->config, sizeof(fn->config));
    bus->fn[devfn] = fn;
    bus->engine->ops->claim_pci(bus->engine, devfn);
    settle(fn);
    return true;
}

void pci_remove(struct pci_function *fn) {
    if (!fn->bus)
        return;
    pci_irq(fn, false);
    struct pci_bus *bus = fn->bus;
    bus->engine->ops->unclaim_pci(bus->engine, fn->devfn);
    bus->fn[fn->devfn] = NULL;
    fn->bus = NULL;
    settle(fn);
}

struct pci_function *pci_find(struct pci_bus *bus, unsigned devfn) {
    return devfn < DEVFNS ? bus->fn[devfn] : NULL;
}

void pci_reset(struct pci_function *fn) {
    pci_irq(fn, false);
    fn->messages = 0;
    memcpy(fn->config, fn->power_on, sizeof(fn->config));
    settle(fn);
}

void pci_loaded(struct pci_function *fn) {
    /* What the header says of the chip is the chip's, whatever a stream says. */
    for (unsigned i = 0; i <= PCI_INT_PIN; i++) {
        uint8_t own = (uint8_t)~(fn->wmask[i] | fn->w1c[i] | (i == PCI_STATUS ? PCI_STS_INTX : 0));
        fn->config[i] = (uint8_t)((fn->config[i] & ~own) | (fn->power_on[i] & own));
    }
    settle(fn);
}

/* ---- accesses ---- */

uint32_t pci_config_read(struct pci_bus *bus, unsigned bdf, unsigned reg, unsigned size) {
    struct pci_function *fn = pci_find(bus, bdf);
    if (!fn || reg + size > PCI_CONFIG_SIZE)
        return (uint32_t)size_mask(size);
    if (fn->config_reads)
        fn->config_reads(fn->dev, reg, size);
    return (uint32_t)load_le(&fn->config[reg], size);
}

static bool touches(unsigned reg, unsigned size, unsigned from, unsigned len) {
    return reg < from + len && from < reg + size;
}

void pci_config_write(struct pci_bus *bus, unsigned bdf, unsigned reg, unsigned size,
                      uint32_t val) {
    struct pci_function *fn = pci_find(bus, bdf);
    if (!fn || reg + size > PCI_CONFIG_SIZE)
        return;
    bool before = intx_out(fn);
    for (unsigned i = 0; i < size; i++) {
        uint8_t v = (uint8_t)(val >> (8 * i)), rw = fn->wmask[reg + i];
        uint8_t *c = &fn->config[reg + i];
        *c = (uint8_t)(((*c & ~rw) | (v & rw)) & ~(v & fn->w1c[reg + i]));
    }
    if (touches(reg, size, PCI_COMMAND, 2) || touches(reg, size, PCI_BAR0, 24) ||
        touches(reg, size, PCI_ROM, 4))
        settle(fn);
    if (intx_out(fn) != before)
        send_intx(fn, !before);
    if (fn->config_wrote)
        fn->config_wrote(fn->dev, reg, size);
}
