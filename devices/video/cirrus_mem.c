/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CL-GD5446's apertures: the banked window at a0000, video memory at BAR 0 with the BitBLT
 * aperture 16 MiB above it, registers at BAR 1. Technical Reference Manual (1996), registers GR5,
 * GR9 to GRB, SR7, SR17. Not modelled: byte-swapping apertures, reads of the BitBLT aperture.
 */
#include "video/cirrus_chip.h"

#include "core/bits.h"

enum {
    WINDOW_BANKED = 0x10000, WINDOW_HALF = 0x8000, WINDOW_MMIO = 0x18000, MMIO_REGISTERS = 256,
    LFB_BLT = 16 << 20, MMIO_PORTS = 0x20, MMIO_BLT = 0x100, PORT_FIRST = 0x3c0,
};

/* ---- one address of packed pixels ---- */

static uint32_t scale(const struct cirrus *c, uint32_t addr) {
    uint8_t ext = c->vga.gr[GR_EXTENSIONS];
    if ((ext & GR_EXT_BY16) == GR_EXT_BY16)
        addr <<= 4;
    else if (ext & GR_EXT_BY8)
        addr <<= 3;
    return addr & CIRRUS_MASK;
}

/* GR5 bits 2:0, of which 4 and 5 are write modes only while GRB allows them: they draw eight pixels
 * from the bits of a byte, with (5) or without (4) the background. */
static bool draws_pixels(const struct cirrus *c) {
    return c->vga.gr[GR_EXTENSIONS] & GR_EXT_WRITE_MODES && (c->vga.gr[GR_MODE] & 6) == 4;
}

static void store_pixels(struct cirrus *c, uint32_t addr, uint8_t bits) {
    const uint8_t *gr = c->vga.gr;
    bool background = gr[GR_MODE] & 1;
    unsigned size = (gr[GR_EXTENSIONS] & GR_EXT_BY16) == GR_EXT_BY16 ? 2 : 1;
    const uint8_t fg[2] = {c->fg0, gr[GR_FG1]}, bg[2] = {c->bg0, gr[GR_BG1]};
    for (unsigned x = 0; x < 8; x++) {
        bool on = bits >> (7 - x) & 1;
        for (unsigned i = 0; i < size && (on || background); i++)
            c->vram->bytes[(addr + x * size + i) & CIRRUS_MASK] = on ? fg[i] : bg[i];
    }
    vga_dirtied(&c->vga, addr, 8 * size);
}

static void store_packed(struct cirrus *c, uint32_t addr, const uint8_t *from, unsigned n) {
    bool pixels = draws_pixels(c), scaled = c->vga.gr[GR_EXTENSIONS] & (GR_EXT_BY8 | 0x10);
    if (!pixels && !scaled) {
        addr &= CIRRUS_MASK;
        uint32_t first = MIN(n, CIRRUS_VRAM - addr);
        memcpy(c->vram->bytes + addr, from, first);
        memcpy(c->vram->bytes, from + first, n - first);
        vga_dirtied(&c->vga, addr, n);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t at = scale(c, addr + i);
        if (pixels) {
            store_pixels(c, at, from[i]);
        } else {
            c->vram->bytes[at] = from[i];
            vga_dirtied(&c->vga, at, 1);
        }
    }
}

static void load_packed(const struct cirrus *c, uint32_t addr, uint8_t *to, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        to[i] = c->vram->bytes[scale(c, addr + i)];
}

/* ---- BitBLT registers in memory ---- */

/* Offset to graphics register, plus one. */
static const uint8_t mmio_gr[MMIO_REGISTERS] = {
    [0x00] = 0x01, 0x11, 0x13, 0x15, 0x02, 0x12, 0x14, 0x16, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26,
    0x27, 0x28, 0x29, 0x2a, 0x2b,
    [0x14] = 0x2d, 0x2e, 0x2f, 0x30, 0x31,
    [0x1a] = 0x33, 0x34, 0x35, 0x36,
    [0x20] = 0x39, 0x3a,
    [0x40] = 0x32,
};

static uint8_t blt_register_read(const struct cirrus *c, uint32_t off) {
    uint8_t gr = mmio_gr[off % MMIO_REGISTERS];
    return gr ? cirrus_gr_read(c, gr - 1) : 0xff;
}

static void blt_register_write(struct cirrus *c, uint32_t off, uint8_t val) {
    uint8_t gr = mmio_gr[off % MMIO_REGISTERS];
    if (gr)
        cirrus_gr_write(c, gr - 1, val);
}

/* ---- the window at a0000 ---- */

static uint8_t config(const struct cirrus *c) {
    return c->vga.seq[SR_CONFIG] & SR_CONFIG_MMIO;
}

static uint32_t bank_base(const struct cirrus *c, bool high) {
    uint8_t ext = c->vga.gr[GR_EXTENSIONS];
    bool dual = ext & GR_EXT_DUAL;
    uint32_t base = c->vga.gr[dual && high ? GR_OFFSET1 : GR_OFFSET0];
    base <<= ext & GR_EXT_16K ? 14 : 12;
    return !dual && high ? base + WINDOW_HALF : base;
}

static bool packed(const struct cirrus *c) {
    return c->vga.seq[SR_MODE] & SR_MODE_PACKED;
}

/* The bytes from off on that are treated alike: of a half, of the registers, or of the rest. */
static unsigned piece(uint32_t off, unsigned n) {
    uint32_t end = off < WINDOW_BANKED ? (off | (WINDOW_HALF - 1)) + 1
                   : off < WINDOW_MMIO ? WINDOW_MMIO
                   : off < WINDOW_MMIO + MMIO_REGISTERS ? WINDOW_MMIO + MMIO_REGISTERS
                                                        : VGA_WINDOW_SIZE;
    return MIN(n, end - off);
}

static bool is_registers(const struct cirrus *c, uint32_t off) {
    return config(c) == SR_CONFIG_MMIO_WINDOW && off >= WINDOW_MMIO &&
           off < WINDOW_MMIO + MMIO_REGISTERS;
}

static void window_load(struct cirrus *c, uint32_t off, uint8_t *to, unsigned n) {
    if (is_registers(c, off))
        for (unsigned i = 0; i < n; i++)
            to[i] = blt_register_read(c, off + i);
    else if (!packed(c))
        vga_window_load(&c->vga, off, to, n);
    else if (off < WINDOW_BANKED)
        load_packed(c, bank_base(c, off >= WINDOW_HALF) + off % WINDOW_HALF, to, n);
    else
        memset(to, 0xff, n);
}

static void window_store(struct cirrus *c, uint32_t off, const uint8_t *from, unsigned n) {
    if (is_registers(c, off)) {
        for (unsigned i = 0; i < n; i++)
            blt_register_write(c, off + i, from[i]);
    } else if (!packed(c)) {
        vga_window_store(&c->vga, off, from, n);
    } else if (off < WINDOW_BANKED) {
        unsigned data = cirrus_blt_data(c, from, n);
        if (data < n)
            store_packed(c, bank_base(c, off >= WINDOW_HALF) + (off + data) % WINDOW_HALF,
                         from + data, n - data);
    }
}

static unsigned window_read_string(void *dev, uint64_t off, unsigned size, void *buf, unsigned n) {
    uint8_t *to = buf;
    for (unsigned len = n * size, i = 0, some; i < len; i += some) {
        some = piece((uint32_t)off + i, len - i);
        window_load(dev, (uint32_t)off + i, to + i, some);
    }
    return n;
}

static unsigned window_write_string(void *dev, uint64_t off, unsigned size, const void *buf,
                                    unsigned n) {
    const uint8_t *from = buf;
    for (unsigned len = n * size, i = 0, some; i < len; i += some) {
        some = piece((uint32_t)off + i, len - i);
        window_store(dev, (uint32_t)off + i, from + i, some);
    }
    return n;
}

static uint64_t window_read(void *dev, uint64_t off, unsigned size) {
    uint8_t bytes[8];
    window_read_string(dev, off, size, bytes, 1);
    return load_le(bytes, size);
}

static void window_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    uint8_t bytes[8];
    store_le(bytes, size, val);
    window_write_string(dev, off, size, bytes, 1);
}

const struct io_ops cirrus_window_ops = {
    .read = window_read, .write = window_write, .read_string = window_read_string,
    .write_string = window_write_string, .min = 1, .max = 8};

/* ---- BAR 0: only what the guest's CPU can't do to video memory by itself ---- */

static bool lfb_is_registers(const struct cirrus *c, uint32_t off) {
    return config(c) == SR_CONFIG_MMIO_LFB &&
           (off & CIRRUS_MASK) >= CIRRUS_VRAM - (uint32_t)MMIO_REGISTERS;
}

static void lfb_load(const struct cirrus *c, uint32_t off, uint8_t *to, unsigned n) {
    for (unsigned i = 0; i < n; i++, off++) {
        if (off >= LFB_BLT)
            to[i] = 0xff;
        else if (lfb_is_registers(c, off))
            to[i] = blt_register_read(c, off);
        else
            load_packed(c, off, to + i, 1);
    }
}

static void lfb_store(struct cirrus *c, uint32_t off, const uint8_t *from, unsigned n) {
    unsigned data = lfb_is_registers(c, off) ? 0 : cirrus_blt_data(c, from, n);
    off += data;
    for (unsigned i = data; i < n && off < LFB_BLT; i++, off++) {
        if (lfb_is_registers(c, off))
            blt_register_write(c, off, from[i]);
        else
            store_packed(c, off, from + i, 1);
    }
}

static uint64_t lfb_read(void *dev, uint64_t off, unsigned size) {
    uint8_t bytes[8];
    lfb_load(dev, (uint32_t)off, bytes, size);
    return load_le(bytes, size);
}

static void lfb_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    uint8_t bytes[8];
    store_le(bytes, size, val);
    lfb_store(dev, (uint32_t)off, bytes, size);
}

static unsigned lfb_write_string(void *dev, uint64_t off, unsigned size, const void *buf,
                                 unsigned n) {
    lfb_store(dev, (uint32_t)off, buf, n * size);
    return n;
}

const struct io_ops cirrus_lfb_ops = {
    .read = lfb_read, .write = lfb_write, .write_string = lfb_write_string, .min = 1, .max = 8};

void cirrus_place_lfb(struct cirrus *c) {
    bool plain = !c->blt_need && config(c) != SR_CONFIG_MMIO_LFB && !draws_pixels(c) &&
                 !(c->vga.gr[GR_EXTENSIONS] & (GR_EXT_BY8 | 0x10));
    uint64_t base = plain && c->pci.bus ? pci_bar_address(&c->pci, 0) : VRAM_NOWHERE;
    if (c->vram->base != base)
        c->engine->ops->vram_place(c->engine, c->vram, base);
}

/* ---- BAR 1 ---- */

static uint64_t mmio_read(void *dev, uint64_t off, unsigned size) {
    struct cirrus *c = dev;
    (void)size;
    if (off >= MMIO_BLT)
        return off < MMIO_BLT + MMIO_REGISTERS ? blt_register_read(c, (uint32_t)off) : 0xff;
    return off < MMIO_PORTS ? vga_in(&c->vga, PORT_FIRST + (unsigned)off) : 0xff;
}

static void mmio_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct cirrus *c = dev;
    (void)size;
    if (off < MMIO_PORTS)
        vga_out(&c->vga, PORT_FIRST + (unsigned)off, (uint8_t)val);
    else if (off >= MMIO_BLT && off < MMIO_BLT + MMIO_REGISTERS)
        blt_register_write(c, (uint32_t)off, (uint8_t)val);
}

const struct io_ops cirrus_mmio_ops = {
    .read = mmio_read, .write = mmio_write, .min = 1, .max = 1};
