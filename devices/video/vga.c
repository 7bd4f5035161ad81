/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The register file of a VGA: IBM PS/2 Video Subsystem Technical Reference (1992), chapter 2. Not
 * modelled: sync and blanking times (each read of input status 1 turns the retrace bits over, so
 * that a wait for either ends at once), the vertical interrupt, light pen, video subsystem enable.
 */
#include "video/vga.h"

#include "core/bits.h"

enum {
    PORT_ATTR = 0x3c0, PORT_ATTR_READ = 0x3c1, PORT_MISC = 0x3c2, PORT_ENABLE = 0x3c3,
    PORT_SEQ = 0x3c4, PORT_SEQ_DATA = 0x3c5, PORT_PEL_MASK = 0x3c6, PORT_DAC_READ = 0x3c7,
    PORT_DAC_WRITE = 0x3c8, PORT_DAC_DATA = 0x3c9, PORT_FEATURE_READ = 0x3ca,
    PORT_MISC_READ = 0x3cc, PORT_GR = 0x3ce, PORT_GR_DATA = 0x3cf,
    /* these move to 3bx while MISC_COLOR is clear */
    PORT_CRTC = 0x3d4, PORT_CRTC_DATA = 0x3d5, PORT_STATUS = 0x3da,
};

enum {
    ST00_SENSE = 0x10, ST01_NO_DISPLAY = 0x01, ST01_VRETRACE = 0x08,
    DAC_READING = 3, CR_PROTECT = 0x80, CR_OVERFLOW_LINE_COMPARE = 0x10,
};

static const uint8_t seq_bits[] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t gr_bits[] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
static const uint8_t ar_bits[] = {[0 ... 15] = 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f};

const struct field vga_fields[] = {
    F(struct vga, misc), F(struct vga, feature), F(struct vga, seq_index), F(struct vga, gr_index),
    F(struct vga, cr_index), F(struct vga, ar_index), F_BYTES(struct vga, seq),
    F_BYTES(struct vga, gr), F_BYTES(struct vga, cr), F_BYTES(struct vga, ar),
    F(struct vga, pel_mask), F(struct vga, dac_read), F(struct vga, dac_write),
    F_BYTES(struct vga, palette), F(struct vga, ar_data), F(struct vga, dac_reading),
    F_MAX(struct vga, dac_sub, 2), F_BYTES(struct vga, dac_latch), F(struct vga, st01),
    F(struct vga, latch), F_END,
};

/* ---- the indexed ones ---- */

static void seq_write(struct vga *vga, uint8_t val) {
    if (vga->seq_index >= ARRAY_LEN(seq_bits))
        return;
    vga->seq[vga->seq_index] = val & seq_bits[vga->seq_index];
    vga_window_update(vga);
}

static void gr_write(struct vga *vga, uint8_t val) {
    if (vga->gr_index >= ARRAY_LEN(gr_bits))
        return;
    vga->gr[vga->gr_index] = val & gr_bits[vga->gr_index];
    vga_window_update(vga);
}

static void cr_write(struct vga *vga, uint8_t val) {
    uint8_t i = vga->cr_index;
    if (i > CR_LINE_COMPARE)
        return;
    if (i <= CR_OVERFLOW && vga->cr[CR_VSYNC_END] & CR_PROTECT) {
        if (i == CR_OVERFLOW)
            vga->cr[i] = (uint8_t)((vga->cr[i] & ~CR_OVERFLOW_LINE_COMPARE) |
                                   (val & CR_OVERFLOW_LINE_COMPARE));
        return;
    }
    vga->cr[i] = val;
}

static void attr_write(struct vga *vga, uint8_t val) {
    unsigned i = vga->ar_index & 0x1f;
    if (!vga->ar_data)
        vga->ar_index = val & 0x3f;
    else if (i < ARRAY_LEN(ar_bits))
        vga->ar[i] = val & ar_bits[i];
    vga->ar_data = !vga->ar_data;
}

/* ---- DAC ---- */

static void dac_index(struct vga *vga, bool reading, uint8_t val) {
    *(reading ? &vga->dac_read : &vga->dac_write) = val;
    vga->dac_sub = 0;
    vga->dac_reading = reading;
}

static uint8_t dac_next(struct vga *vga) {
    uint8_t val = vga->palette[vga->dac_read * 3 + vga->dac_sub];
    if (++vga->dac_sub == 3) {
        vga->dac_sub = 0;
        vga->dac_read++;
    }
    return val;
}

static void dac_write(struct vga *vga, uint8_t val) {
    vga->dac_latch[vga->dac_sub] = vga->dac8 ? val : val & 0x3f;
    if (++vga->dac_sub < 3)
        return;
    vga->dac_sub = 0;
    for (unsigned i = 0; i < 3; i++)
        vga->palette[vga->dac_write * 3 + i] = vga->dac_latch[i];
    vga->dac_write++;
}

/* ---- ports ---- */

/* 3b0 to 3bf and 3d0 to 3df are one set of registers, at the place that MISC_COLOR says: the colour
 * one's number, or 0 for the place where nothing is. */
static unsigned settle_port(const struct vga *vga, unsigned port) {
    if (port >= PORT_ATTR && port < 0x3d0)
        return port;
    bool color = port >= 0x3d0;
    return color == (bool)(vga->misc & MISC_COLOR) ? 0x3d0 | (port & 0x0f) : 0;
}

static uint8_t status_read(struct vga *vga) {
    vga->ar_data = false;
    vga->st01 ^= ST01_NO_DISPLAY | ST01_VRETRACE;
    return vga->st01;
}

uint8_t vga_in(struct vga *vga, unsigned port) {
    uint8_t val;
    port = settle_port(vga, port);
    if (vga->chip->in && vga->chip->in(vga->chip_dev, port, &val))
        return val;
    switch (port) {
    case PORT_ATTR:
        return vga->ar_data ? 0 : vga->ar_index;
    case PORT_ATTR_READ:
        return vga->ar[vga->ar_index & 0x1f];
    case PORT_MISC:
        return ST00_SENSE;
    case PORT_ENABLE:
        return 1;
    case PORT_SEQ:
        return vga->seq_index;
    case PORT_SEQ_DATA:
        return vga->seq[vga->seq_index % SEQ_COUNT];
    case PORT_PEL_MASK:
        return vga->pel_mask;
    case PORT_DAC_READ:
        return vga->dac_reading ? DAC_READING : 0;
    case PORT_DAC_WRITE:
        return vga->dac_write;
    case PORT_DAC_DATA:
        return dac_next(vga);
    case PORT_FEATURE_READ:
        return vga->feature;
    case PORT_MISC_READ:
        return vga->misc;
    case PORT_GR:
        return vga->gr_index;
    case PORT_GR_DATA:
        return vga->gr[vga->gr_index % GR_COUNT];
    case PORT_CRTC:
        return vga->cr_index;
    case PORT_CRTC_DATA:
        return vga->cr[vga->cr_index % CR_COUNT];
    case PORT_STATUS:
        return status_read(vga);
    default:
        return 0xff;
    }
}

void vga_out(struct vga *vga, unsigned port, uint8_t val) {
    port = settle_port(vga, port);
    display_changed(&vga->display);
    if (vga->chip->out && vga->chip->out(vga->chip_dev, port, val))
        return;
    switch (port) {
    case PORT_ATTR:
        attr_write(vga, val);
        break;
    case PORT_MISC:
        vga->misc = val;
        vga_window_update(vga);
        break;
    case PORT_SEQ:
        vga->seq_index = val & (SEQ_COUNT - 1);
        break;
    case PORT_SEQ_DATA:
        seq_write(vga, val);
        break;
    case PORT_PEL_MASK:
        vga->pel_mask = val;
        break;
    case PORT_DAC_READ:
    case PORT_DAC_WRITE:
        dac_index(vga, port == PORT_DAC_READ, val);
        break;
    case PORT_DAC_DATA:
        dac_write(vga, val);
        break;
    case PORT_GR:
        vga->gr_index = val & (GR_COUNT - 1);
        break;
    case PORT_GR_DATA:
        gr_write(vga, val);
        break;
    case PORT_CRTC:
        vga->cr_index = val & (CR_COUNT - 1);
        break;
    case PORT_CRTC_DATA:
        cr_write(vga, val);
        break;
    case PORT_STATUS:
        vga->feature = val & 0x0b;
        break;
    default:
        break;
    }
}

static uint64_t port_read(void *dev, uint64_t off, unsigned size) {
    (void)size;
    return vga_in(dev, VGA_PORTS + (unsigned)off);
}

static void port_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    vga_out(dev, VGA_PORTS + (unsigned)off, (uint8_t)val);
    if (size == 2) /* index and data at once */
        vga_out(dev, VGA_PORTS + (unsigned)off + 1, (uint8_t)(val >> 8));
}

/* rep outsb: a palette, usually. */
static unsigned port_write_string(void *dev, uint64_t off, unsigned size, const void *buf,
                                  unsigned n) {
    const uint8_t *bytes = buf;
    if (size != 1)
        return 0;
    for (unsigned i = 0; i < n; i++)
        vga_out(dev, VGA_PORTS + (unsigned)off, bytes[i]);
    return n;
}

static uint64_t port_read_wide(void *dev, uint64_t off, unsigned size) {
    uint64_t val = port_read(dev, off, 1);
    if (size == 2)
        val |= port_read(dev, off + 1, 1) << 8;
    return val;
}

static const struct io_ops port_ops = {
    .read = port_read_wide, .write = port_write, .write_string = port_write_string,
    .min = 1, .max = 2};

/* ---- life ---- */

void vga_reset(struct vga *vga) {
    vga->misc = vga->feature = 0;
    vga->seq_index = vga->gr_index = vga->cr_index = vga->ar_index = 0;
    memset(vga->seq, 0, sizeof(vga->seq));
    memset(vga->gr, 0, sizeof(vga->gr));
    memset(vga->cr, 0, sizeof(vga->cr));
    memset(vga->ar, 0, sizeof(vga->ar));
    vga->pel_mask = 0xff;
    vga->dac_read = vga->dac_write = vga->dac_sub = vga->st01 = 0;
    memset(vga->palette, 0, sizeof(vga->palette));
    memset(vga->dac_latch, 0, sizeof(vga->dac_latch));
    vga->ar_data = vga->dac_reading = false;
    vga->latch = 0;
    vga->bank = 0;
    vga->dac8 = vga->linear = false;
    vga_loaded(vga);
}

void vga_loaded(struct vga *vga) {
    vga->screen.stale = true;
    vga_window_update(vga);
}

void vga_init(struct vga *vga, struct io_bus *io, struct engine *engine, struct clock *clock,
              struct vram *vram, const struct vga_chip *chip, void *chip_dev,
              const struct io_ops *window) {
    vga->engine = engine;
    vga->clock = clock;
    vga->vram = vram;
    vga->mask = (uint32_t)vram->size - 1;
    vga->chip = chip;
    vga->chip_dev = chip_dev;
    io_map_new(io, &vga->ports, "VGA ports", &port_ops, vga, IO_PORT, VGA_PORTS, VGA_PORT_COUNT);
    io_map_new(io, &vga->window, "VGA window", window ? window : &vga_window_ops,
               window ? chip_dev : vga, IO_MEM, VGA_WINDOW, VGA_WINDOW_SIZE);
    vga_screen_init(vga);
    vga_reset(vga);
}

void vga_done(struct vga *vga) {
    io_unmap(&vga->ports);
    io_unmap(&vga->window);
    vga_screen_done(vga);
}
