/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bochs VBE DISPI registers; see dispi.h. Values that video memory has no room for are cut to those
 * that fit, when they are written. Not modelled: separate read and write banks.
 */
#include "video/dispi.h"

#include "core/bits.h"

enum { ID_FIRST = 0xb0c0, ID_LAST = 0xb0c5, BANK_SIZE = 0x10000, MIN_WIDTH = 8 };

const struct field dispi_fields[] = {
    F(struct dispi, index), F_ARRAY(struct dispi, regs), F_END,
};

static bool enabled(const struct dispi *dispi) {
    return dispi->regs[DISPI_ENABLE] & DISPI_ENABLED;
}

/* Bytes of video memory for n pixels. */
static uint32_t bytes_for(const struct dispi *dispi, uint32_t n) {
    switch (dispi->regs[DISPI_BPP]) {
    case 4:
        return (n + 7) / 8 * 4;
    case 15:
    case 16:
        return n * 2;
    case 24:
        return n * 3;
    case 32:
        return n * 4;
    default:
        return n;
    }
}

static uint16_t clamp(uint32_t val, uint32_t min, uint32_t max) {
    return (uint16_t)(val < min ? min : val > max ? max : val);
}

/* Makes the registers agree with each other and with the size of video memory. */
static void settle(struct dispi *dispi) {
    uint16_t *r = dispi->regs;
    uint32_t size = dispi->vga->mask + 1;
    unsigned bpp = r[DISPI_BPP];
    if (bpp != 4 && bpp != 8 && bpp != 15 && bpp != 16 && bpp != 24 && bpp != 32)
        r[DISPI_BPP] = 8;
    r[DISPI_XRES] = clamp(r[DISPI_XRES], MIN_WIDTH, DRAW_MAX_WIDTH);
    r[DISPI_VIRT_WIDTH] = clamp(r[DISPI_VIRT_WIDTH], r[DISPI_XRES], 0xffff);
    dispi->pitch = bytes_for(dispi, r[DISPI_VIRT_WIDTH]);
    uint32_t lines = size / dispi->pitch;
    r[DISPI_YRES] = clamp(r[DISPI_YRES], 1, MIN(lines, (uint32_t)DRAW_MAX_HEIGHT));
    r[DISPI_VIRT_HEIGHT] = clamp(lines, 1, 0xffff);
    r[DISPI_X_OFFSET] = clamp(r[DISPI_X_OFFSET], 0, r[DISPI_VIRT_WIDTH] - r[DISPI_XRES]);
    r[DISPI_Y_OFFSET] = clamp(r[DISPI_Y_OFFSET], 0, lines - r[DISPI_YRES]);
    r[DISPI_BANK] &= (uint16_t)((size / BANK_SIZE) - 1);
}

/* What the VGA beneath has to know. */
static void tell_vga(struct dispi *dispi) {
    struct vga *vga = dispi->vga;
    bool on = enabled(dispi);
    vga->linear = on && dispi->regs[DISPI_BPP] != 4;
    vga->bank = on ? (uint32_t)dispi->regs[DISPI_BANK] * BANK_SIZE : 0;
    vga->dac8 = dispi->regs[DISPI_ENABLE] & DISPI_8BIT_DAC;
    vga_window_update(vga);
}

static void enable_wrote(struct dispi *dispi, uint16_t val) {
    uint16_t *r = dispi->regs;
    bool was = enabled(dispi);
    r[DISPI_ENABLE] = val & (DISPI_ENABLED | DISPI_GETCAPS | DISPI_8BIT_DAC | DISPI_LFB |
                             DISPI_NOCLEAR);
    if (was || !(val & DISPI_ENABLED))
        return;
    r[DISPI_VIRT_WIDTH] = r[DISPI_X_OFFSET] = r[DISPI_Y_OFFSET] = r[DISPI_BANK] = 0;
    settle(dispi);
    if (val & DISPI_NOCLEAR)
        return;
    uint32_t n = dispi->pitch * r[DISPI_YRES];
    memset(dispi->vga->vram->bytes, 0, n);
    vga_dirtied(dispi->vga, 0, n);
}

uint16_t dispi_read(struct dispi *dispi, unsigned reg) {
    bool caps = dispi->regs[DISPI_ENABLE] & DISPI_GETCAPS;
    switch (reg) {
    case DISPI_XRES:
        return caps ? DRAW_MAX_WIDTH : dispi->regs[reg];
    case DISPI_YRES:
        return caps ? DRAW_MAX_HEIGHT : dispi->regs[reg];
    case DISPI_BPP:
        return caps ? 32 : dispi->regs[reg];
    case DISPI_MEMORY_64K:
        return (uint16_t)((dispi->vga->mask + 1) / BANK_SIZE);
    default:
        return reg < DISPI_COUNT ? dispi->regs[reg] : 0;
    }
}

void dispi_write(struct dispi *dispi, unsigned reg, uint16_t val) {
    switch (reg) {
    case DISPI_ID:
        if (val >= ID_FIRST && val <= ID_LAST)
            dispi->regs[reg] = val;
        return;
    case DISPI_XRES:
    case DISPI_YRES:
    case DISPI_BPP:
    case DISPI_BANK:
    case DISPI_VIRT_WIDTH:
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        dispi->regs[reg] = val;
        if (enabled(dispi))
            settle(dispi);
        break;
    case DISPI_ENABLE:
        enable_wrote(dispi, val);
        break;
    default:
        return;
    }
    tell_vga(dispi);
}

void dispi_mode(const struct dispi *dispi, struct draw *d) {
    static const enum draw_kind kinds[] = {
        [4] = DRAW_PLANAR, [8] = DRAW_INDEX8, [15] = DRAW_RGB15, [16] = DRAW_RGB16,
        [24] = DRAW_RGB24, [32] = DRAW_RGB32};
    const uint16_t *r = dispi->regs;
    if (!enabled(dispi))
        return;
    d->kind = kinds[r[DISPI_BPP]];
    d->width = r[DISPI_XRES];
    d->height = d->split = r[DISPI_YRES];
    d->mask = dispi->vga->mask;
    d->pitch = dispi->pitch;
    d->hscale = d->row_scans = 1;
    d->scan_shift = d->preset_scan = d->pan = d->split_pan = 0;
    d->row_bit[0] = d->row_bit[1] = 0;
    d->framebuffer = true;
    d->start = r[DISPI_Y_OFFSET] * d->pitch;
    memset(d->palette, 0, sizeof(d->palette));
    if (d->kind == DRAW_PLANAR) {
        d->start += r[DISPI_X_OFFSET] / 8 * 4u;
        d->pan = r[DISPI_X_OFFSET] % 8;
        vga_palette16(dispi->vga, d->palette);
        return;
    }
    d->start += bytes_for(dispi, r[DISPI_X_OFFSET]);
    if (d->kind == DRAW_INDEX8)
        vga_palette256(dispi->vga, d->palette);
}

void dispi_reset(struct dispi *dispi) {
    memset(dispi->regs, 0, sizeof(dispi->regs));
    dispi->regs[DISPI_ID] = ID_LAST;
    dispi->index = 0;
    dispi_loaded(dispi);
}

void dispi_loaded(struct dispi *dispi) {
    if (enabled(dispi))
        settle(dispi);
    tell_vga(dispi);
}

/* ---- ports: the index at 1ce, data at 1cf, 16 bits each ---- */

static uint64_t port_read(void *dev, uint64_t off, unsigned size) {
    struct dispi *dispi = dev;
    (void)size;
    return off == 0 ? dispi->index : off == 1 ? dispi_read(dispi, dispi->index) : UINT16_MAX;
}

static void port_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct dispi *dispi = dev;
    (void)size;
    if (off == 0)
        dispi->index = (uint16_t)val;
    else if (off == 1)
        dispi_write(dispi, dispi->index, (uint16_t)val);
}

const struct io_ops dispi_ops = {.read = port_read, .write = port_write, .min = 1, .max = 2};
