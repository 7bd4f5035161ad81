/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 128 KiB at a0000: IBM PS/2 Video Subsystem Technical Reference (1992), chapter 2, graphics
 * controller. Video memory keeps odd/even and chain-4 addresses packed (the plane address is the
 * CPU's over 2 and 4), as SVGA chips do; on an IBM VGA the planes have holes there instead. Which
 * of the two it is shows only to a program that mixes addressing modes over the same memory.
 */
#include "video/vga.h"

#include "core/bits.h"

/* Bit p to byte p, all bits. */
static const uint32_t planes32[16] = {
    0x00000000, 0x000000ff, 0x0000ff00, 0x0000ffff, 0x00ff0000, 0x00ff00ff, 0x00ffff00, 0x00ffffff,
    0xff000000, 0xff0000ff, 0xff00ff00, 0xff00ffff, 0xffff0000, 0xffff00ff, 0xffffff00, 0xffffffff,
};

enum { EVEN_PLANES = 5, ODD_PLANES = 10, TEXT_PLANES = 3 };

static void dirtied_piece(struct vga *vga, uint32_t offset, uint32_t n) {
    vga->engine->ops->vram_dirtied(vga->engine, vga->vram, offset, n);
    if (vga->display.watchers)
        for (uint32_t page = offset / VGA_PAGE; page <= (offset + n - 1) / VGA_PAGE; page++)
            bitmap_set(vga->screen.bitmap, page);
    display_changed(&vga->display);
}

void vga_dirtied(struct vga *vga, uint32_t offset, uint32_t n) {
    uint32_t size = vga->mask + 1;
    offset &= vga->mask;
    n = MIN(n, size);
    uint32_t first = MIN(n, size - offset);
    if (first)
        dirtied_piece(vga, offset, first);
    if (n > first)
        dirtied_piece(vga, 0, n - first);
}

/* ---- what the registers say ---- */

static bool plain_write(const struct vga *vga) {
    return !(vga->gr[GR_MODE] & 3) && !vga->gr[GR_ENABLE] && !vga->gr[GR_ROTATE] &&
           vga->gr[GR_BIT_MASK] == 0xff;
}

static enum window_kind store_kind(const struct vga *vga) {
    uint8_t mem = vga->seq[SEQ_MEMORY], map = vga->seq[SEQ_MAP_MASK];
    if (vga->linear)
        return WINDOW_LINEAR;
    if (!plain_write(vga))
        return WINDOW_GENERIC;
    if (mem & SEQ_MEMORY_CHAIN4)
        return map == 15 ? WINDOW_LINEAR : WINDOW_GENERIC;
    return !(mem & SEQ_MEMORY_FLAT) && map == TEXT_PLANES ? WINDOW_TEXT : WINDOW_GENERIC;
}

/* The latches are loaded by the last byte of a read only, so these may read past them. */
static enum window_kind load_kind(const struct vga *vga) {
    if (vga->linear)
        return WINDOW_LINEAR;
    if (vga->gr[GR_MODE] & GR_MODE_COMPARE)
        return WINDOW_GENERIC;
    if (vga->seq[SEQ_MEMORY] & SEQ_MEMORY_CHAIN4)
        return WINDOW_LINEAR;
    bool text = vga->gr[GR_MODE] & GR_MODE_ODD_EVEN && !(vga->gr[GR_READ_MAP] & 2);
    return text ? WINDOW_TEXT : WINDOW_GENERIC;
}

void vga_window_update(struct vga *vga) {
    static const struct {
        uint32_t base, size;
    } maps[4] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
    unsigned map = vga->linear ? 1 : vga->gr[GR_MISC] >> 2 & 3;
    bool on = vga->linear || vga->misc & MISC_RAM;
    vga->window_base = maps[map].base;
    vga->window_size = on ? maps[map].size : 0;
    vga->store = store_kind(vga);
    vga->load = load_kind(vga);
    display_changed(&vga->display);
}

/* ---- the data path ---- */

/* Where a plane address is in video memory: 4 bytes, one for each plane. */
static uint8_t *cell(struct vga *vga, uint32_t addr) {
    return vga->vram->bytes + (((addr + vga->bank) * 4) & vga->mask & ~3u);
}

static uint8_t rotate(uint8_t val, unsigned n) {
    return (uint8_t)(val >> n | val << (8 - n));
}

static uint32_t function(unsigned fn, uint32_t val, uint32_t latch) {
    return fn == 0 ? val : fn == 1 ? val & latch : fn == 2 ? val | latch : val ^ latch;
}

/* n bytes to ascending addresses of the planes. The registers are read once: to the compiler a
 * store to video memory may change them. */
static void store_planes(struct vga *vga, uint32_t addr, unsigned planes, const uint8_t *from,
                         unsigned n) {
    const unsigned mode = vga->gr[GR_MODE] & 3, turn = vga->gr[GR_ROTATE] & 7;
    const unsigned fn = vga->gr[GR_ROTATE] >> 3 & 3;
    const uint32_t mask = planes32[planes & 15], latch = vga->latch;
    const uint32_t bits = mode == 1 ? 0 : vga->gr[GR_BIT_MASK] * 0x01010101u; /* 1: the latches */
    const uint32_t set = planes32[vga->gr[GR_SET_RESET] & 15];
    const uint32_t enable = planes32[vga->gr[GR_ENABLE] & 15];
    const uint32_t wrap = vga->mask & ~3u;
    uint8_t *const vram = vga->vram->bytes;
    uint32_t at = (addr + vga->bank) * 4;
    for (unsigned i = 0; i < n; i++, at += 4) {
        uint32_t val, chosen = bits;
        if (mode == 2) {
            val = function(fn, planes32[from[i] & 15], latch);
        } else {
            uint32_t turned = rotate(from[i], turn) * 0x01010101u;
            if (mode == 3) { /* one more mask for the set/reset colour */
                val = set;
                chosen &= turned;
            } else {
                val = function(fn, (turned & ~enable) | (set & enable), latch);
            }
        }
        uint8_t *cell_at = vram + (at & wrap);
        val = (val & chosen) | (latch & ~chosen);
        store_le32(cell_at, (load_le32(cell_at) & ~mask) | (val & mask));
    }
}

static void store_bytes(struct vga *vga, uint32_t a, const uint8_t *from, unsigned n) {
    uint8_t map = vga->seq[SEQ_MAP_MASK], mem = vga->seq[SEQ_MEMORY];
    if (mem & SEQ_MEMORY_FLAT && !(mem & SEQ_MEMORY_CHAIN4)) {
        store_planes(vga, a, map, from, n);
        return;
    }
    for (unsigned i = 0; i < n; i++, a++) {
        if (mem & SEQ_MEMORY_CHAIN4)
            store_planes(vga, a >> 2, map & 1u << (a & 3), from + i, 1);
        else
            store_planes(vga, a >> 1, map & (a & 1 ? ODD_PLANES : EVEN_PLANES), from + i, 1);
    }
}

static uint8_t compare(const struct vga *vga) {
    uint32_t differs = (vga->latch ^ planes32[vga->gr[GR_COMPARE] & 15]) &
                       planes32[vga->gr[GR_DONT_CARE] & 15];
    differs |= differs >> 16;
    return (uint8_t)~(differs | differs >> 8);
}

static uint8_t load_byte(struct vga *vga, uint32_t a) {
    unsigned plane = vga->gr[GR_READ_MAP] & 3;
    if (vga->seq[SEQ_MEMORY] & SEQ_MEMORY_CHAIN4) {
        plane = a & 3;
        a >>= 2;
    } else if (vga->gr[GR_MODE] & GR_MODE_ODD_EVEN) {
        plane = (plane & 2) | (a & 1);
        a >>= 1;
    }
    vga->latch = load_le32(cell(vga, a));
    if (vga->gr[GR_MODE] & GR_MODE_COMPARE)
        return compare(vga);
    return (uint8_t)(vga->latch >> (8 * plane));
}

/* ---- runs of bytes, from a on, inside the part that answers ---- */

static void load_run(struct vga *vga, uint32_t a, uint8_t *to, unsigned n) {
    unsigned i = 0;
    if (vga->load == WINDOW_LINEAR) {
        const uint8_t *vram = vga->vram->bytes;
        uint32_t p = (a + vga->bank * (vga->linear ? 1 : 4)) & vga->mask;
        if (p + n <= vga->mask + 1)
            memcpy(to, vram + p, n);
        else
            for (; i < n; i++)
                to[i] = vram[(p + i) & vga->mask];
        vga->latch = load_le32(vram + ((p + n - 1) & vga->mask & ~3u));
    } else if (vga->load == WINDOW_TEXT) {
        for (; i < n; i++)
            to[i] = cell(vga, (a + i) >> 1)[(a + i) & 1];
        vga->latch = load_le32(cell(vga, (a + n - 1) >> 1));
    } else {
        for (; i < n; i++)
            to[i] = load_byte(vga, a + i);
    }
}

/* The bytes of video memory that a run of the window lies in, for the dirty bitmap. */
static void dirtied_run(struct vga *vga, uint32_t a, unsigned n) {
    unsigned shift = vga->seq[SEQ_MEMORY] & SEQ_MEMORY_CHAIN4  ? 2
                     : vga->seq[SEQ_MEMORY] & SEQ_MEMORY_FLAT ? 0
                                                               : 1;
    uint32_t first = a >> shift, last = (a + n - 1) >> shift;
    vga_dirtied(vga, (first + vga->bank) * 4, (last - first + 1) * 4);
}

static void store_linear(struct vga *vga, uint32_t a, const uint8_t *from, unsigned n) {
    uint8_t *vram = vga->vram->bytes;
    uint32_t p = (a + vga->bank * (vga->linear ? 1 : 4)) & vga->mask;
    uint32_t first = MIN(n, vga->mask + 1 - p);
    memcpy(vram + p, from, first);
    memcpy(vram, from + first, n - first);
    vga_dirtied(vga, p, n);
}

static void store_text(struct vga *vga, uint32_t a, const uint8_t *from, unsigned n) {
    const uint32_t wrap = vga->mask & ~3u, at = ((a >> 1) + vga->bank) * 4;
    uint8_t *const vram = vga->vram->bytes;
    uint32_t to = at;
    unsigned i = 0;
    if (a & 1) {
        vram[(to & wrap) + 1] = from[i++];
        to += 4;
    }
    for (; i + 1 < n; i += 2, to += 4) {
        vram[to & wrap] = from[i];
        vram[(to & wrap) + 1] = from[i + 1];
    }
    if (i < n) {
        vram[to & wrap] = from[i];
        to += 4;
    }
    vga_dirtied(vga, at, to - at);
}

static void store_run(struct vga *vga, uint32_t a, const uint8_t *from, unsigned n) {
    if (vga->store == WINDOW_LINEAR) {
        store_linear(vga, a, from, n);
    } else if (vga->store == WINDOW_TEXT) {
        store_text(vga, a, from, n);
    } else {
        store_bytes(vga, a, from, n);
        dirtied_run(vga, a, n);
    }
}

/* [off, off + n) cut to the part of the window that answers; *skip bytes before it. */
static unsigned cut(const struct vga *vga, uint32_t off, unsigned n, unsigned *skip) {
    uint32_t first = MAX(off, vga->window_base);
    uint32_t last = MIN(off + n, vga->window_base + vga->window_size);
    *skip = first - off;
    return first < last ? last - first : 0;
}

void vga_window_load(struct vga *vga, uint32_t off, uint8_t *to, unsigned n) {
    unsigned skip, len = cut(vga, off, n, &skip);
    if (len < n)
        memset(to, 0xff, n);
    if (len)
        load_run(vga, off + skip - vga->window_base, to + skip, len);
}

void vga_window_store(struct vga *vga, uint32_t off, const uint8_t *from, unsigned n) {
    unsigned skip, len = cut(vga, off, n, &skip);
    if (len)
        store_run(vga, off + skip - vga->window_base, from + skip, len);
}

static uint64_t window_read(void *dev, uint64_t off, unsigned size) {
    uint8_t bytes[8];
    vga_window_load(dev, (uint32_t)off, bytes, size);
    return load_le(bytes, size);
}

/* Most of what a guest does here is text, a character with its attribute at a time. */
static void window_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct vga *vga = dev;
    uint32_t a = (uint32_t)off - vga->window_base;
    if (vga->store == WINDOW_TEXT && size == 2 && !(a & 1) && a < vga->window_size) {
        uint32_t at = ((a >> 1) + vga->bank) * 4 & vga->mask & ~3u;
        store_le16(vga->vram->bytes + at, (uint16_t)val);
        dirtied_piece(vga, at, 2);
        return;
    }
    uint8_t bytes[8];
    store_le(bytes, size, val);
    vga_window_store(vga, (uint32_t)off, bytes, size);
}

static unsigned window_read_string(void *dev, uint64_t off, unsigned size, void *buf, unsigned n) {
    vga_window_load(dev, (uint32_t)off, buf, n * size);
    return n;
}

static unsigned window_write_string(void *dev, uint64_t off, unsigned size, const void *buf,
                                    unsigned n) {
    vga_window_store(dev, (uint32_t)off, buf, n * size);
    return n;
}

const struct io_ops vga_window_ops = {
    .read = window_read, .write = window_write, .read_string = window_read_string,
    .write_string = window_write_string, .min = 1, .max = 8};
