/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard VGA as a PCI function; its registers in memory are those that Linux's bochs-drm and
 * firmware use: EDID at 0, ports 3c0 to 3df at 400, the Bochs VBE registers at 500, byte order at
 * 600. Not modelled: a big-endian framebuffer (the register keeps its value; pixels stay as they
 * are).
 */
#include "video/stdvga.h"

#include "core/bits.h"
#include "core/mem.h"
#include "video/dispi.h"
#include "video/edid.h"
#include "video/vga.h"

enum {
    BAR_VRAM = 0, BAR_MMIO = 2, MMIO_SIZE = 4096, MMIO_VGA = 0x400, MMIO_DISPI = 0x500,
    MMIO_EXT = 0x600, EXT_SIZE = 8, EXT_ORDER = 4, VGA_FIRST = 0x3c0, VGA_COUNT = 0x20,
    ORDER_BIG = 0xbebe, ORDER_LITTLE = 0x1e1e,
};

struct stdvga {
    struct pci_function pci;
    /* registers */
    struct vga vga;
    struct dispi dispi;
    bool big_endian;
    /* wires and derived */
    struct engine *engine;
    struct vram *vram;
    struct io_region mmio, dispi_ports, rom;
    uint8_t edid[EDID_SIZE];
};

static bool stdvga_loaded(void *dev, char *why, size_t why_len) {
    struct stdvga *s = dev;
    (void)why;
    (void)why_len;
    pci_loaded(&s->pci);
    vga_loaded(&s->vga);
    dispi_loaded(&s->dispi);
    return true;
}

static const struct field fields[] = {
    F_STRUCT(struct stdvga, pci, pci_fields), F_STRUCT(struct stdvga, vga, vga_fields),
    F_STRUCT(struct stdvga, dispi, dispi_fields), F(struct stdvga, big_endian), F_END,
};

static const struct state state = {"stdvga", 1, fields, stdvga_loaded};

/* ---- registers in memory ---- */

static uint8_t mmio_byte(struct stdvga *s, unsigned off) {
    if (off < EDID_SIZE)
        return s->edid[off];
    if (off >= MMIO_VGA && off < MMIO_VGA + VGA_COUNT)
        return vga_in(&s->vga, VGA_FIRST + off - MMIO_VGA);
    if (off >= MMIO_DISPI && off < MMIO_DISPI + 2 * DISPI_COUNT)
        return (uint8_t)(dispi_read(&s->dispi, (off - MMIO_DISPI) / 2) >> (off & 1) * 8);
    if (off >= MMIO_EXT && off < MMIO_EXT + EXT_ORDER)
        return off == MMIO_EXT ? EXT_SIZE : 0;
    if (off >= MMIO_EXT + EXT_ORDER && off < MMIO_EXT + EXT_SIZE)
        return (uint8_t)(s->big_endian ? ORDER_BIG : ORDER_LITTLE);
    return off < MMIO_VGA ? 0 : 0xff;
}

static uint64_t mmio_read(void *dev, uint64_t off, unsigned size) {
    uint64_t val = 0;
    for (unsigned i = 0; i < size; i++)
        val |= (uint64_t)mmio_byte(dev, (unsigned)off + i) << (8 * i);
    return val;
}

static void dispi_mmio_write(struct stdvga *s, unsigned off, unsigned size, uint16_t val) {
    if (size == 2 && !(off & 1)) {
        dispi_write(&s->dispi, off / 2, val);
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        unsigned shift = (off + i) % 2 * 8;
        uint16_t old = dispi_read(&s->dispi, (off + i) / 2);
        dispi_write(&s->dispi, (off + i) / 2,
                    (uint16_t)((old & ~(0xff << shift)) | (val >> (8 * i) & 0xff) << shift));
    }
}

static void mmio_write(void *dev, uint64_t offset, unsigned size, uint64_t val) {
    struct stdvga *s = dev;
    unsigned off = (unsigned)offset;
    if (off >= MMIO_VGA && off + size <= MMIO_VGA + VGA_COUNT) {
        for (unsigned i = 0; i < size; i++)
            vga_out(&s->vga, VGA_FIRST + off - MMIO_VGA + i, (uint8_t)(val >> (8 * i)));
    } else if (off >= MMIO_DISPI && off + size <= MMIO_DISPI + 2 * DISPI_COUNT) {
        dispi_mmio_write(s, off - MMIO_DISPI, size, (uint16_t)val);
    } else if (off >= MMIO_EXT + EXT_ORDER && off + size <= MMIO_EXT + EXT_SIZE && size == 2) {
        if (val == ORDER_BIG)
            s->big_endian = true;
        else if (val == ORDER_LITTLE)
            s->big_endian = false;
    }
}

static const struct io_ops mmio_ops = {
    .read = mmio_read, .write = mmio_write, .min = 1, .max = 2};

/* ---- life ---- */

static void mode(void *dev, struct draw *d) {
    struct stdvga *s = dev;
    dispi_mode(&s->dispi, d);
}

static const struct vga_chip chip = {.mode = mode};

static void stdvga_reset(void *dev) {
    struct stdvga *s = dev;
    pci_reset(&s->pci);
    vga_reset(&s->vga);
    dispi_reset(&s->dispi);
    s->big_endian = false;
}

static void stdvga_free(void *dev) {
    struct stdvga *s = dev;
    pci_remove(&s->pci);
    io_unmap(&s->dispi_ports);
    vga_done(&s->vga);
    s->engine->ops->vram_free(s->engine, s->vram);
    mem_free(s);
}

const struct device_ops stdvga_device = {
    .name = "stdvga", .state = &state, .reset = stdvga_reset, .free = stdvga_free};

static bool power_of_two(uint32_t n) {
    return n && !(n & (n - 1));
}

struct stdvga *stdvga_new(const struct stdvga_pins *pins, char *why, size_t why_len) {
    static const struct pci_id id = {.vendor = 0x1234, .device = 0x1111, .sub_vendor = 0x1af4,
                                     .subsystem = 0x1100, .class_ = 0x0300, .revision = 2};
    if (!power_of_two(pins->vram_bytes) || pins->vram_bytes < MIB(1) ||
        pins->vram_bytes > MIB(256)) {
        snprintf(why, why_len, "VGA: %u bytes of video memory; it has to be a power of two from "
                 "1 to 256 MiB", pins->vram_bytes);
        return NULL;
    }
    struct vram *vram = pins->engine->ops->vram_new(pins->engine, pins->vram_bytes);
    if (!vram) {
        snprintf(why, why_len, "VGA: the hypervisor has no %u MiB of video memory for the guest",
                 pins->vram_bytes >> 20);
        return NULL;
    }
    struct stdvga *s = mem_new(sizeof(*s));
    s->engine = pins->engine;
    s->vram = vram;
    edid_make(s->edid, pins->xres ? pins->xres : 1280, pins->yres ? pins->yres : 800);
    s->dispi.vga = &s->vga;
    vga_init(&s->vga, pins->io, pins->engine, pins->clock, vram, &chip, s, NULL);
    io_map_new(pins->io, &s->dispi_ports, "VBE ports", &dispi_ops, &s->dispi, IO_PORT, DISPI_PORT,
               DISPI_PORT_COUNT);
    dispi_reset(&s->dispi);
    pci_init(&s->pci, "VGA", &id, s);
    pci_add_vram(&s->pci, BAR_VRAM, vram);
    s->mmio = (struct io_region){.name = "VGA registers", .ops = &mmio_ops, .dev = s};
    pci_add_bar(&s->pci, BAR_MMIO, PCI_BAR_MEM, MMIO_SIZE, &s->mmio);
    if (pins->rom)
        pci_add_rom(&s->pci, &s->rom, pins->rom, pins->rom_len);
    if (!pci_add(pins->pci, &s->pci, pins->devfn)) {
        snprintf(why, why_len, "VGA: PCI slot %#x is taken", pins->devfn);
        stdvga_free(s);
        return NULL;
    }
    return s;
}

struct display *stdvga_display(struct stdvga *stdvga) {
    return &stdvga->vga.display;
}

struct pci_function *stdvga_pci(struct stdvga *stdvga) {
    return &stdvga->pci;
}
