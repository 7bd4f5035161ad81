/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Xen platform device. Documents: docs/misc/hvm-emulated-unplug.pandoc of Xen for ports 10 to
 * 1f, xen/include/public/hvm for the rest; BAR0 as the old drivers of SUSE use it.
 *
 * Not modelled: the blacklist of drivers (all are good). BAR1 is address space that drivers fill
 * with RAM pages of their own; what is still empty there reads as zeros. The interrupt pin is only
 * a number: Xen itself raises it.
 */
#include "xen/platform.h"

#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"

enum { PORTS = 0x10, PORT_COUNT = 16, BAR0_SIZE = 256, BAR1_SIZE = 16 << 20 };

enum { MAGIC = 0x49d2, PROTOCOL = 1, FLAG_ROM_LOCK = 0x01 };

enum { UNPLUG_DISKS = 0x01, UNPLUG_NICS = 0x02, UNPLUG_AUX = 0x04, UNPLUG_NVME = 0x08,
       UNPLUG_ALL = 0x0f };

/* offsets in BAR0, and what is written there */
enum { OLD_FLAGS = 0, OLD_UNPLUG = 4, OLD_CHOOSE = 8, OLD_DISKS = 1, OLD_NICS = 2 };

/* the memory that the ROM lock covers */
enum { ROM_BASE = 0xc0000, ROM_SIZE = 0x40000 };

/* A driver's log: these lines are free, then they thin out. */
enum { LINE = 256, FREE_LINES = 1000 };

struct xen_platform {
    /* registers */
    struct pci_function pci;
    uint8_t flags;
    uint8_t unplugged; /* UNPLUG_ bits asked for so far */
    uint16_t product;
    uint32_t build;
    /* hidden state */
    uint16_t line_len;
    uint8_t line[LINE];
    /* wires and derived */
    struct xen_platform_pins pins;
    struct io_region ports, bar0, bar1;
    unsigned lines;
    struct log_limit more_lines;
};

static const struct field fields[] = {
    F_STRUCT(struct xen_platform, pci, pci_fields),
    F_MAX(struct xen_platform, flags, FLAG_ROM_LOCK),
    F_MAX(struct xen_platform, unplugged, UNPLUG_ALL),
    F(struct xen_platform, product),
    F(struct xen_platform, build),
    F_MAX(struct xen_platform, line_len, LINE),
    F_BYTES(struct xen_platform, line),
    F_END,
};

/* ---- what the guest asks for ---- */

static void set_flags(struct xen_platform *s, uint8_t val) {
    uint8_t flags = val & FLAG_ROM_LOCK;
    if (flags != s->flags)
        s->pins.engine->ops->protect(s->pins.engine, ROM_BASE, ROM_SIZE, flags & FLAG_ROM_LOCK);
    s->flags = flags;
}

/* Also again after a load: what a board builds anew. */
static void unplug_cards(struct xen_platform *s, unsigned mask) {
    if (mask & UNPLUG_NICS && s->pins.unplug_nics)
        s->pins.unplug_nics(s->pins.board);
    if (mask & UNPLUG_NVME && s->pins.unplug_nvme)
        s->pins.unplug_nvme(s->pins.board);
}

/* "Aux" counts only without "disks". */
static void unplug(struct xen_platform *s, unsigned mask) {
    void *board = s->pins.board;
    if (mask & UNPLUG_DISKS)
        s->pins.unplug_disks(board, false);
    else if (mask & UNPLUG_AUX)
        s->pins.unplug_disks(board, true);
    unplug_cards(s, mask);
    mask &= UNPLUG_ALL;
    if (mask & (unsigned)~s->unplugged)
        log_info("the guest unplugs%s%s%s%s (driver %u, build %u)",
                 mask & UNPLUG_DISKS ? " disks" : "",
                 (mask & (UNPLUG_DISKS | UNPLUG_AUX)) == UNPLUG_AUX ? " all disks but the first"
                                                                    : "",
                 mask & UNPLUG_NICS ? " NICs" : "", mask & UNPLUG_NVME ? " NVMe" : "", s->product,
                 s->build);
    s->unplugged |= (uint8_t)mask;
}

static void log_byte(struct xen_platform *s, uint8_t byte) {
    if (byte != '\n' && s->line_len < LINE) {
        s->line[s->line_len++] = byte >= 0x20 && byte < 0x7f ? byte : ' ';
        return;
    }
    if (s->lines < FREE_LINES) {
        s->lines++;
        log_info("guest: %.*s", s->line_len, s->line);
    } else {
        log_guest(&s->more_lines, "guest: %.*s", s->line_len, s->line);
    }
    s->line_len = 0;
    memset(s->line, 0, sizeof(s->line));
}

/* ---- ports 10 to 1f: what a register is depends on the width of the access ---- */

static uint64_t port_read(void *dev, uint64_t off, unsigned size) {
    const struct xen_platform *s = dev;
    if (off == 0 && size == 2)
        return MAGIC;
    if (off == 0 && size == 1)
        return s->flags;
    if (off == 2 && size == 1)
        return PROTOCOL;
    return size_mask(size);
}

static void port_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct xen_platform *s = dev;
    if (off == 0 && size == 1)
        set_flags(s, (uint8_t)val);
    else if (off == 0 && size == 2)
        unplug(s, (unsigned)val);
    else if (off == 0)
        s->build = (uint32_t)val;
    else if (off == 2 && size == 1)
        log_byte(s, (uint8_t)val);
    else if (off == 2 && size == 2)
        s->product = (uint16_t)val;
}

static unsigned port_write_string(void *dev, uint64_t off, unsigned size, const void *buf,
                                  unsigned n) {
    const uint8_t *bytes = buf;
    if (off != 2 || size != 1)
        return 0;
    for (unsigned i = 0; i < n; i++)
        log_byte(dev, bytes[i]);
    return n;
}

static const struct io_ops port_ops = {
    .read = port_read, .write = port_write, .write_string = port_write_string, .min = 1, .max = 4};

/* ---- the BARs ---- */

static uint64_t bar0_read(void *dev, uint64_t off, unsigned size) {
    const struct xen_platform *s = dev;
    (void)size;
    return off == OLD_FLAGS ? s->flags : 0xff;
}

static void bar0_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct xen_platform *s = dev;
    (void)size;
    if (off == OLD_FLAGS)
        set_flags(s, (uint8_t)val);
    else if (off == OLD_UNPLUG && val == 1)
        unplug(s, UNPLUG_DISKS | UNPLUG_NICS);
    else if (off == OLD_CHOOSE && val == OLD_DISKS)
        unplug(s, UNPLUG_DISKS);
    else if (off == OLD_CHOOSE && val == OLD_NICS)
        unplug(s, UNPLUG_NICS);
    else if (off == OLD_CHOOSE)
        log_byte(s, (uint8_t)val);
}

static const struct io_ops bar0_ops = {.read = bar0_read, .write = bar0_write, .min = 1, .max = 1};

static uint64_t bar1_read(void *dev, uint64_t off, unsigned size) {
    (void)dev, (void)off, (void)size;
    return 0;
}

static const struct io_ops bar1_ops = {.read = bar1_read, .min = 1, .max = 8};

/* ---- life ---- */

static void platform_reset(void *dev) {
    struct xen_platform *s = dev;
    pci_reset(&s->pci);
    set_flags(s, 0);
    s->unplugged = 0;
    s->product = 0;
    s->build = 0;
    s->line_len = 0;
    memset(s->line, 0, sizeof(s->line));
}

/* Xen keeps the read-only pages with the guest's memory, but a page that came anew has
 * forgotten. */
static bool platform_loaded(void *dev, char *why, size_t why_len) {
    struct xen_platform *s = dev;
    (void)why, (void)why_len;
    pci_loaded(&s->pci);
    if (s->flags & FLAG_ROM_LOCK)
        s->pins.engine->ops->protect(s->pins.engine, ROM_BASE, ROM_SIZE, true);
    unplug_cards(s, s->unplugged);
    return true;
}

static void platform_free(void *dev) {
    struct xen_platform *s = dev;
    pci_remove(&s->pci);
    io_unmap(&s->ports);
    mem_free(s);
}

static const struct state state = {"xen-platform", 1, fields, platform_loaded};

const struct device_ops xen_platform_device = {
    .name = "xen-platform", .state = &state, .reset = platform_reset, .free = platform_free};

struct xen_platform *xen_platform_new(const struct xen_platform_pins *pins) {
    static const struct pci_id id = {.vendor = 0x5853, .device = 0x0001, .sub_vendor = 0x5853,
                                     .subsystem = 0x0001, .class_ = 0xff80, .revision = 1,
                                     .int_pin = 1};
    struct xen_platform *s = mem_new(sizeof(*s));
    s->pins = *pins;
    pci_init(&s->pci, "xen-platform", &id, s);
    store_le16(&s->pci.config[PCI_COMMAND], PCI_CMD_IO | PCI_CMD_MEM);
    s->bar0 = (struct io_region){.name = "xen-platform ports", .ops = &bar0_ops, .dev = s};
    s->bar1 = (struct io_region){.name = "xen-platform memory", .ops = &bar1_ops, .dev = s};
    pci_add_bar(&s->pci, 0, PCI_BAR_IO, BAR0_SIZE, &s->bar0);
    pci_add_bar(&s->pci, 1, PCI_BAR_MEM_PREFETCH, BAR1_SIZE, &s->bar1);
    if (!pci_add(pins->pci, &s->pci, pins->devfn)) {
        mem_free(s);
        return NULL;
    }
    io_map_new(pins->io, &s->ports, "xen-platform", &port_ops, s, IO_PORT, PORTS, PORT_COUNT);
    return s;
}
