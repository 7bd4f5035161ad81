/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cirrus Logic CL-GD5446: registers, picture, hardware cursor. Technical Reference Manual (1996),
 * chapters 4 to 9. Apertures and BitBLT are in cirrus_mem.c and cirrus_blt.c. Not modelled: the
 * video overlay, clocks (any frequency is taken), DDC and the serial EEPROM, the lock of SR6
 * (extended registers are always open), interlace timing, the feature connector.
 */
#include "video/cirrus.h"

#include "core/bits.h"
#include "core/mem.h"
#include "video/cirrus_chip.h"

enum {
    BAR_LFB = 0, BAR_MMIO = 1, LFB_SIZE = 32 << 20, MMIO_SIZE = 4096,
    PORT_SEQ = 0x3c4, PORT_SEQ_DATA = 0x3c5, PORT_PEL_MASK = 0x3c6, PORT_DAC_DATA = 0x3c9,
    PORT_GR_DATA = 0x3cf, PORT_CRTC_DATA = 0x3d5,
    UNLOCKED = 0x12, LOCKED = 0x0f, CHIP_ID = 0xb8,
    CURSOR_ON = 0x01, CURSOR_COLOURS = 0x02, CURSOR_64 = 0x04, CURSOR_PATTERNS = 16 << 10,
    CURSOR_FG_INDEX = 15, HIDDEN_DAC_AFTER = 4, STATUS_AUTOSTART = 0x80,
    CR_LATCH = 0x22, CR_ATTR_TOGGLE = 0x24, CR_PART = 0x25, CR_ATTR_INDEX = 0x26,
};

/* ---- what depends on several registers ---- */

static void settle(struct cirrus *c) {
    uint8_t ext = c->vga.gr[GR_EXTENSIONS];
    c->vga.bank = (uint32_t)c->vga.gr[GR_OFFSET0] << (ext & GR_EXT_16K ? 14 : 12);
    vga_window_update(&c->vga);
    cirrus_place_lfb(c);
}

/* ---- sequencer ---- */

static bool seq_read(const struct cirrus *c, uint8_t *val) {
    uint8_t i = c->vga.seq_index;
    if ((i & 0x1f) == SR_CURSOR_X)
        *val = c->vga.seq[SR_CURSOR_X];
    else if ((i & 0x1f) == SR_CURSOR_Y)
        *val = c->vga.seq[SR_CURSOR_Y];
    else
        *val = i < SEQ_COUNT ? c->vga.seq[i] : 0xff;
    return true;
}

static bool seq_write(struct cirrus *c, uint8_t val) {
    uint8_t i = c->vga.seq_index;
    uint8_t *sr = c->vga.seq;
    if (i <= SEQ_MEMORY)
        return false;
    if ((i & 0x1f) == SR_CURSOR_X) {
        sr[SR_CURSOR_X] = val;
        c->cursor_x = (uint16_t)(val << 3 | i >> 5);
    } else if ((i & 0x1f) == SR_CURSOR_Y) {
        sr[SR_CURSOR_Y] = val;
        c->cursor_y = (uint16_t)(val << 3 | i >> 5);
    } else if (i == SR_UNLOCK) {
        sr[i] = (val & 0x17) == UNLOCKED ? UNLOCKED : LOCKED;
    } else if (i == SR_CONFIG) {
        sr[i] = (uint8_t)((sr[i] & 0x38) | (val & 0xc7)); /* the bus type is wired */
    } else if (i < SEQ_COUNT) {
        sr[i] = val;
    }
    settle(c);
    return true;
}

/* ---- graphics controller ---- */

uint8_t cirrus_gr_read(const struct cirrus *c, unsigned index) {
    if (index == GR_SET_RESET)
        return c->bg0;
    if (index == GR_ENABLE)
        return c->fg0;
    return index <= GR_BLT_LAST ? c->vga.gr[index] : 0xff;
}

static void blt_register(struct cirrus *c, unsigned index, uint8_t val) {
    static const uint8_t bits[] = {[0x21 - 0x20] = 0x1f, [0x23 - 0x20] = 0x07,
                                   [0x25 - 0x20] = 0x1f, [0x27 - 0x20] = 0x1f,
                                   [0x2a - 0x20] = 0x3f, [0x2e - 0x20] = 0x3f};
    uint8_t was = c->vga.gr[index];
    unsigned i = index - GR_BLT_FIRST;
    if (i < ARRAY_LEN(bits) && bits[i])
        val &= bits[i];
    if (index == GR_BLT_STATUS)
        val = (uint8_t)((val & ~0x11) | (was & 0x11)); /* progress is read-only */
    c->vga.gr[index] = val;
    if (index == GR_BLT_STATUS)
        cirrus_blt_control(c, was);
    else if (index == GR_BLT_DEST_HIGH && c->vga.gr[GR_BLT_STATUS] & STATUS_AUTOSTART)
        cirrus_blt_start(c);
}

void cirrus_gr_write(struct cirrus *c, unsigned index, uint8_t val) {
    if (index > GR_BLT_LAST)
        return;
    if (index >= GR_BLT_FIRST) {
        blt_register(c, index, val);
        return;
    }
    if (index == GR_SET_RESET)
        c->bg0 = val;
    else if (index == GR_ENABLE)
        c->fg0 = val;
    c->vga.gr[index] = index <= GR_ENABLE ? val & 0x0f : index == GR_MODE ? val & 0x7f : val;
    settle(c);
}

static bool gr_write(struct cirrus *c, uint8_t val) {
    unsigned i = c->vga.gr_index;
    bool standard = i > GR_ENABLE && i <= GR_BIT_MASK && i != GR_MODE;
    if (!standard)
        cirrus_gr_write(c, i, val);
    return !standard;
}

/* ---- CRT controller ---- */

static bool cr_read(const struct cirrus *c, uint8_t *val) {
    switch (c->vga.cr_index) {
    case CR_LATCH:
        *val = (uint8_t)(c->vga.latch >> (8 * (c->vga.gr[GR_READ_MAP] & 3)));
        return true;
    case CR_ATTR_TOGGLE:
        *val = c->vga.ar_data ? 0x80 : 0;
        return true;
    case CR_ATTR_INDEX:
        *val = c->vga.ar_index & 0x3f;
        return true;
    default:
        return false;
    }
}

static bool cr_write(struct cirrus *c, uint8_t val) {
    uint8_t i = c->vga.cr_index;
    if (i <= CR_LINE_COMPARE)
        return false;
    if (i != CR_PART && i != CR_ID)
        c->vga.cr[i] = val;
    return true;
}

/* ---- DAC ---- */

static bool pel_mask_read(struct cirrus *c, uint8_t *val) {
    if (c->dac_reads < HIDDEN_DAC_AFTER) {
        c->dac_reads++;
        return false;
    }
    c->dac_reads = 0;
    *val = c->hidden_dac;
    return true;
}

static bool pel_mask_write(struct cirrus *c, uint8_t val) {
    bool hidden = c->dac_reads == HIDDEN_DAC_AFTER;
    c->dac_reads = 0;
    if (hidden)
        c->hidden_dac = val;
    return hidden;
}

/* While SR12 says so, palette indexes 0 and 15 are the cursor's colours. */
static uint8_t *cursor_colour(struct cirrus *c, uint8_t index) {
    index &= 15;
    return index == 0 ? c->cursor_colour : index == CURSOR_FG_INDEX ? c->cursor_colour + 3 : NULL;
}

static void next_part(struct vga *vga, uint8_t *index) {
    if (++vga->dac_sub == 3) {
        vga->dac_sub = 0;
        ++*index;
    }
}

static bool colour_read(struct cirrus *c, uint8_t *val) {
    struct vga *vga = &c->vga;
    if (!(vga->seq[SR_CURSOR_ATTR] & CURSOR_COLOURS))
        return false;
    const uint8_t *colour = cursor_colour(c, vga->dac_read);
    *val = colour ? colour[vga->dac_sub] : 0;
    next_part(vga, &vga->dac_read);
    return true;
}

static bool colour_write(struct cirrus *c, uint8_t val) {
    struct vga *vga = &c->vga;
    if (!(vga->seq[SR_CURSOR_ATTR] & CURSOR_COLOURS))
        return false;
    uint8_t *colour = cursor_colour(c, vga->dac_write);
    if (colour)
        colour[vga->dac_sub] = val & 0x3f;
    next_part(vga, &vga->dac_write);
    return true;
}

/* ---- ports ---- */

static bool in(void *dev, unsigned port, uint8_t *val) {
    struct cirrus *c = dev;
    if (port != PORT_PEL_MASK)
        c->dac_reads = 0;
    switch (port) {
    case PORT_SEQ_DATA:
        return seq_read(c, val);
    case PORT_PEL_MASK:
        return pel_mask_read(c, val);
    case PORT_DAC_DATA:
        return colour_read(c, val);
    case PORT_GR_DATA:
        *val = cirrus_gr_read(c, c->vga.gr_index);
        return true;
    case PORT_CRTC_DATA:
        return cr_read(c, val);
    default:
        return false;
    }
}

static bool out(void *dev, unsigned port, uint8_t val) {
    struct cirrus *c = dev;
    if (port != PORT_PEL_MASK)
        c->dac_reads = 0;
    switch (port) {
    case PORT_SEQ: /* bits 7:5 are the cursor's position */
        c->vga.seq_index = val;
        return true;
    case PORT_SEQ_DATA:
        return seq_write(c, val);
    case PORT_PEL_MASK:
        return pel_mask_write(c, val);
    case PORT_DAC_DATA:
        return colour_write(c, val);
    case PORT_GR_DATA:
        return gr_write(c, val);
    case PORT_CRTC_DATA:
        return cr_write(c, val);
    default:
        return false;
    }
}

/* ---- the picture ---- */

static uint32_t cursor_address(const struct cirrus *c) {
    bool large = c->vga.seq[SR_CURSOR_ATTR] & CURSOR_64;
    uint32_t pattern = c->vga.seq[SR_CURSOR_PATTERN] & (large ? 0x3cu : 0x3fu);
    return CIRRUS_VRAM - CURSOR_PATTERNS + pattern * 256;
}

/* FNV-1a over all that the cursor is made of. */
static uint64_t cursor_key(const struct cirrus *c, unsigned bytes) {
    uint64_t key = UINT64_C(0xcbf29ce484222325);
    const uint8_t *pattern = c->vram->bytes + cursor_address(c);
    for (unsigned i = 0; i < bytes; i++)
        key = (key ^ pattern[i]) * UINT64_C(0x100000001b3);
    for (unsigned i = 0; i < 6; i++)
        key = (key ^ c->cursor_colour[i]) * UINT64_C(0x100000001b3);
    return (key ^ c->cursor_x ^ (uint64_t)c->cursor_y << 16) * UINT64_C(0x100000001b3);
}

static void cursor_mode(const struct cirrus *c, struct draw *d) {
    uint8_t attr = c->vga.seq[SR_CURSOR_ATTR];
    if (!(attr & CURSOR_ON))
        return;
    unsigned size = attr & CURSOR_64 ? 64 : 32;
    d->overlay_top = c->cursor_y;
    d->overlay_bottom = c->cursor_y + size;
    d->overlay_key = cursor_key(c, size * size / 4);
}

static enum draw_kind packed_kind(const struct cirrus *c) {
    switch (c->vga.seq[SR_MODE] & SR_MODE_DEPTH) {
    case 0x02: /* twice the clock for 16 bits */
    case 0x06:
        return c->hidden_dac & 0x0f ? DRAW_RGB16 : DRAW_RGB15;
    case 0x04:
        return DRAW_RGB24;
    case 0x08:
        return DRAW_RGB32;
    default:
        return DRAW_INDEX8;
    }
}

static void mode(void *dev, struct draw *d) {
    struct cirrus *c = dev;
    const uint8_t *cr = c->vga.cr;
    uint8_t ext = cr[CR_EXTENDED];
    uint32_t high = (ext & 1u) << 16 | (ext & 0x0cu) << 15 | (cr[CR_OVERLAY] & 0x80u) << 12;
    d->start += high * 4;
    d->pitch += (ext & 0x10u) << 4 << 3;
    if (high || ext & 0x02)
        d->mask = CIRRUS_MASK;
    if (c->vga.seq[SR_MODE] & SR_MODE_PACKED) {
        d->kind = packed_kind(c);
        d->width = (cr[CR_HDISPLAY] + 1u) * 8;
        d->hscale = 1;
        d->mask = CIRRUS_MASK;
        d->pan = d->split_pan = 0;
        d->row_bit[0] = d->row_bit[1] = 0;
        d->framebuffer = true;
        memset(d->palette, 0, sizeof(d->palette));
        if (d->kind == DRAW_INDEX8)
            vga_palette256(&c->vga, d->palette);
    }
    cursor_mode(c, d);
}

static uint32_t cursor_rgb(const uint8_t *c) {
    uint32_t rgb = 0;
    for (unsigned i = 0; i < 3; i++)
        rgb = rgb << 8 | (c[i] & 0x3fu) << 2 | (c[i] & 0x3fu) >> 4;
    return rgb;
}

enum cursor_dot { DOT_CLEAR, DOT_INVERSE, DOT_BG, DOT_FG };

/* A bit of each of two planes. A small cursor has its planes one after the other, a large one line
 * by line. */
static enum cursor_dot cursor_dot(const struct cirrus *c, unsigned size, unsigned x, unsigned y) {
    const uint8_t *plane0 = c->vram->bytes + cursor_address(c) + y * (size == 64 ? 16 : 4);
    const uint8_t *plane1 = plane0 + (size == 64 ? 8 : 128);
    unsigned shift = 7 - x % 8;
    return (enum cursor_dot)((plane0[x / 8] >> shift & 1) | (plane1[x / 8] >> shift & 1) << 1);
}

static void overlay(void *dev, const struct draw *d, unsigned y, uint32_t *line) {
    struct cirrus *c = dev;
    if (y < d->overlay_top || y >= d->overlay_bottom)
        return;
    unsigned size = d->overlay_bottom - d->overlay_top, row = y - d->overlay_top;
    uint32_t bg = cursor_rgb(c->cursor_colour), fg = cursor_rgb(c->cursor_colour + 3);
    for (unsigned i = 0; i < size && c->cursor_x + i < d->width; i++) {
        enum cursor_dot dot = cursor_dot(c, size, i, row);
        uint32_t *pixel = &line[c->cursor_x + i];
        if (dot == DOT_INVERSE)
            *pixel ^= 0xffffff;
        else if (dot != DOT_CLEAR)
            *pixel = dot == DOT_FG ? fg : bg;
    }
}

static bool cursor(void *dev, struct display_cursor *to) {
    struct cirrus *c = dev;
    uint8_t attr = c->vga.seq[SR_CURSOR_ATTR];
    if (!(attr & CURSOR_ON))
        return false;
    to->size = attr & CURSOR_64 ? 64 : 32;
    to->x = c->cursor_x;
    to->y = c->cursor_y;
    uint32_t bg = cursor_rgb(c->cursor_colour), fg = cursor_rgb(c->cursor_colour + 3);
    for (unsigned i = 0; i < to->size * to->size; i++) {
        unsigned dot = cursor_dot(c, to->size, i % to->size, i / to->size);
        if (dot == DOT_INVERSE)
            return false;
        to->pixels[i] = dot == DOT_CLEAR ? 0 : 0xff000000 | (dot == DOT_FG ? fg : bg);
    }
    return true;
}

static const struct vga_chip chip = {
    .in = in, .out = out, .mode = mode, .overlay = overlay, .cursor = cursor};

/* ---- state ---- */

static bool cirrus_loaded(void *dev, char *why, size_t why_len) {
    struct cirrus *c = dev;
    if (c->blt_need ? c->blt_have >= c->blt_need || !c->blt_rows : c->blt_have || c->blt_rows) {
        snprintf(why, why_len, "cirrus: BLT data %u of %u bytes, %u rows to come", c->blt_have,
                 c->blt_need, c->blt_rows);
        return false;
    }
    pci_loaded(&c->pci);
    vga_loaded(&c->vga);
    settle(c);
    return true;
}

static const struct field fields[] = {
    F_STRUCT(struct cirrus, pci, pci_fields), F_STRUCT(struct cirrus, vga, vga_fields),
    F(struct cirrus, fg0), F(struct cirrus, bg0), F(struct cirrus, hidden_dac),
    F_BYTES(struct cirrus, cursor_colour), F_MAX(struct cirrus, cursor_x, 2047),
    F_MAX(struct cirrus, cursor_y, 2047), F_MAX(struct cirrus, dac_reads, HIDDEN_DAC_AFTER),
    F_BYTES(struct cirrus, blt_line), F_MAX(struct cirrus, blt_have, CIRRUS_BLT_LINE),
    F_MAX(struct cirrus, blt_need, CIRRUS_BLT_LINE), F_MAX(struct cirrus, blt_rows, 2048),
    F(struct cirrus, blt_row), F(struct cirrus, blt_dest), F_END,
};

static const struct state state = {"cirrus", 1, fields, cirrus_loaded};

/* ---- life ---- */

static void registers_reset(struct cirrus *c) {
    vga_reset(&c->vga);
    c->vga.seq[SR_UNLOCK] = LOCKED;
    c->vga.seq[SR_DRAM] = 0x98; /* 64 bits wide, two banks: 4 MiB */
    c->vga.seq[SR_SCRATCH_15] = 0x04;
    c->vga.seq[SR_CONFIG] = 0x20; /* PCI */
    c->vga.seq[SR_SIGNATURE] = 0x0f;
    c->vga.seq[SR_MCLK] = 0x2d;
    c->vga.gr[0x18] = 0x0f;
    c->vga.cr[CR_ID] = CHIP_ID;
    c->fg0 = c->bg0 = c->hidden_dac = c->dac_reads = 0;
    memset(c->cursor_colour, 0, sizeof(c->cursor_colour));
    c->cursor_x = c->cursor_y = 0;
    memset(c->blt_line, 0, sizeof(c->blt_line));
    c->blt_dest = 0;
    cirrus_blt_reset(c);
    settle(c);
}

static void cirrus_reset(void *dev) {
    struct cirrus *c = dev;
    pci_reset(&c->pci);
    registers_reset(c);
}

static void config_wrote(void *dev, unsigned off, unsigned len) {
    (void)off;
    (void)len;
    cirrus_place_lfb(dev);
}

static void cirrus_free(void *dev) {
    struct cirrus *c = dev;
    pci_remove(&c->pci);
    vga_done(&c->vga);
    c->engine->ops->vram_free(c->engine, c->vram);
    mem_free(c);
}

const struct device_ops cirrus_device = {
    .name = "cirrus", .state = &state, .reset = cirrus_reset, .free = cirrus_free};

struct cirrus *cirrus_new(const struct cirrus_pins *pins, char *why, size_t why_len) {
    static const struct pci_id id = {.vendor = 0x1013, .device = 0x00b8, .sub_vendor = 0x1af4,
                                     .subsystem = 0x1100, .class_ = 0x0300};
    struct vram *vram = pins->engine->ops->vram_new(pins->engine, CIRRUS_VRAM);
    if (!vram) {
        snprintf(why, why_len, "Cirrus VGA: the hypervisor has no %u MiB of video memory for the "
                 "guest", CIRRUS_VRAM >> 20);
        return NULL;
    }
    struct cirrus *c = mem_new(sizeof(*c));
    c->engine = pins->engine;
    c->vram = vram;
    pci_init(&c->pci, "Cirrus VGA", &id, c);
    c->pci.config_wrote = config_wrote;
    vga_init(&c->vga, pins->io, pins->engine, pins->clock, vram, &chip, c, &cirrus_window_ops);
    registers_reset(c);
    c->lfb = (struct io_region){.name = "Cirrus video memory", .ops = &cirrus_lfb_ops, .dev = c};
    pci_add_bar(&c->pci, BAR_LFB, PCI_BAR_MEM_PREFETCH, LFB_SIZE, &c->lfb);
    c->pci.bar[BAR_LFB].vram = vram; /* in front of the region, most of the time */
    c->mmio = (struct io_region){.name = "Cirrus registers", .ops = &cirrus_mmio_ops, .dev = c};
    pci_add_bar(&c->pci, BAR_MMIO, PCI_BAR_MEM, MMIO_SIZE, &c->mmio);
    if (pins->rom)
        pci_add_rom(&c->pci, &c->rom, pins->rom, pins->rom_len);
    if (!pci_add(pins->pci, &c->pci, pins->devfn)) {
        snprintf(why, why_len, "Cirrus VGA: PCI slot %#x is taken", pins->devfn);
        cirrus_free(c);
        return NULL;
    }
    return c;
}

struct display *cirrus_display(struct cirrus *cirrus) {
    return &cirrus->vga.display;
}

struct pci_function *cirrus_pci(struct cirrus *cirrus) {
    return &cirrus->pci;
}
