/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pixels from video memory: IBM VGA (Video Subsystem Technical Reference, 1992: display memory
 * organisation, attribute controller) and packed pixels of 8 to 32 bits. Not modelled: the border,
 * cursor and display-enable skew. See draw.h.
 */
#include "video/draw.h"

#include <string.h>

#include "core/bits.h"

enum { PAN_ROOM = 32, LINE_BYTES = DRAW_MAX_WIDTH * 4 + 4 * PAN_ROOM };

/* Where in the picture's memory a scanline is. */
struct place {
    uint32_t offset;
    unsigned scan; /* in its row */
    unsigned pan;
};

static struct place place_of(const struct draw *d, unsigned y) {
    struct place p = {.offset = d->start, .pan = d->pan};
    unsigned scan;
    if (y >= d->split) {
        scan = (y - d->split) >> d->scan_shift;
        p.offset = 0;
        p.pan = d->split_pan;
    } else {
        scan = (y >> d->scan_shift) + d->preset_scan;
    }
    unsigned row = scan / d->row_scans;
    p.scan = scan % d->row_scans;
    p.offset += row * d->pitch;
    for (unsigned i = 0; i < 2; i++)
        if (d->row_bit[i])
            p.offset = (p.offset & ~d->row_bit[i]) | (p.scan >> i & 1 ? d->row_bit[i] : 0);
    p.offset &= d->mask;
    return p;
}

/* Bytes of memory for n pixels. */
static uint32_t bytes_for(const struct draw *d, unsigned n) {
    switch (d->kind) {
    case DRAW_BLANK:
        return 0;
    case DRAW_TEXT:
        return (n + d->cell_width - 1) / d->cell_width * 4;
    case DRAW_PLANAR:
    case DRAW_CGA:
        return (n + 7) / 8 * 4;
    case DRAW_INDEX8:
        return n;
    case DRAW_RGB15:
    case DRAW_RGB16:
        return n * 2;
    case DRAW_RGB24:
        return n * 3;
    case DRAW_RGB32:
        return n * 4;
    }
    return 0;
}

uint32_t draw_source(const struct draw *d, unsigned y, uint32_t *len) {
    struct place p = place_of(d, y);
    *len = bytes_for(d, d->width / d->hscale + p.pan);
    return p.offset;
}

/* The bytes in one piece: in place, or put together in scratch where they wrap. */
static const uint8_t *fetch(const struct draw *d, uint32_t offset, uint32_t len,
                            uint8_t scratch[LINE_BYTES]) {
    if (offset + len <= d->mask + 1)
        return d->vram + offset;
    for (uint32_t i = 0; i < len; i++)
        scratch[i] = d->vram[(offset + i) & d->mask];
    return scratch;
}

/* ---- one line of each kind: n pixels from src ---- */

/* gcc's and clang's vectors: a comparison makes all ones where it holds. */
typedef uint32_t four __attribute__((vector_size(16)));

static inline void eight_dots(uint32_t *out, unsigned bits, uint32_t fg, uint32_t bg) {
    const four left = {0x80, 0x40, 0x20, 0x10}, right = {8, 4, 2, 1}, zero = {0};
    const four all = zero + bits, flip = zero + (fg ^ bg), back = zero + bg;
    four dots[2] = {back ^ (flip & (four)((all & left) != zero)),
                    back ^ (flip & (four)((all & right) != zero))};
    memcpy(out, dots, sizeof(dots));
}

/* Cells with neither cursor nor underline on this scanline: nearly all there are. */
static void plain_cells(const struct draw *d, unsigned scan, const uint8_t *src, unsigned cells,
                        uint32_t *out) {
    const unsigned width = d->cell_width, back_bits = d->blink ? 7 : 15;
    const uint8_t *const vram = d->vram;
    const uint32_t mask = d->mask, *const palette = d->palette;
    const uint32_t font[2] = {(d->font[0] + scan) * 4 + 2, (d->font[1] + scan) * 4 + 2};
    const bool graphics = d->line_graphics;
    const four left = {0x80, 0x40, 0x20, 0x10}, right = {8, 4, 2, 1}, zero = {0};
    four flip = zero, back = zero;
    unsigned last = 256;
    uint32_t fg = 0, bg = 0, from = 0;
    for (; cells; cells--, src += 4, out += width) {
        unsigned ch = src[0], attr = src[1];
        if (attr != last) {
            last = attr;
            fg = palette[attr & 15];
            bg = palette[attr >> 4 & back_bits];
            if (d->blink && d->blink_off && attr & 0x80)
                fg = bg;
            from = font[attr >> 3 & 1];
            flip = zero + (fg ^ bg);
            back = zero + bg;
        }
        unsigned bits = vram[(from + ch * 128) & mask];
        const four all = zero + bits;
        four dots[2] = {back ^ (flip & (four)((all & left) == left)),
                        back ^ (flip & (four)((all & right) == right))};
        memcpy(out, dots, sizeof(dots));
        if (width == 9)
            out[8] = graphics && (ch & 0xe0) == 0xc0 && bits & 1 ? fg : bg;
    }
}

static void text_line(const struct draw *d, struct place p, const uint8_t *src, unsigned n,
                      uint32_t *out) {
    unsigned cells = (n + d->cell_width - 1) / d->cell_width;
    bool cursor_here = d->cursor_on && p.scan >= d->cursor_top && p.scan <= d->cursor_bottom &&
                       ((d->cursor - p.offset) & d->mask) < 4 * cells;
    if (!cursor_here && p.scan != d->underline) {
        plain_cells(d, p.scan, src, cells, out);
        return;
    }
    for (unsigned i = 0; i < cells; i++, src += 4, out += d->cell_width) {
        unsigned ch = src[0], attr = src[1];
        uint32_t font = d->font[attr >> 3 & 1];
        unsigned bits = d->vram[((font + ch * 32 + p.scan) * 4 + 2) & d->mask];
        bool box = d->line_graphics && (ch & 0xe0) == 0xc0;
        unsigned ninth = box ? bits & 1 : 0;
        uint32_t fg = d->palette[attr & 0x0f];
        uint32_t bg = d->palette[d->blink ? attr >> 4 & 7 : attr >> 4];
        if (d->blink && attr & 0x80 && d->blink_off)
            bits = ninth = 0;
        bool cursor = d->cursor_on && ((p.offset + 4 * i) & d->mask) == d->cursor &&
                      p.scan >= d->cursor_top && p.scan <= d->cursor_bottom;
        if (cursor || (p.scan == d->underline && (attr & 0x77) == 0x01)) {
            bits = 0xff;
            ninth = 1;
        }
        eight_dots(out, bits, fg, bg);
        if (d->cell_width == 9)
            out[8] = ninth ? fg : bg;
    }
}

/* Bit i of a nibble (from the left) to byte i. */
static const uint32_t spread[16] = {
    0x00000000, 0x01000000, 0x00010000, 0x01010000, 0x00000100, 0x01000100, 0x00010100, 0x01010100,
    0x00000001, 0x01000001, 0x00010001, 0x01010001, 0x00000101, 0x01000101, 0x00010101, 0x01010101,
};

static void planar_line(const uint32_t *palette, const uint8_t *src, unsigned n, uint32_t *out) {
    for (unsigned x = 0; x < n; x += 8, src += 4, out += 8) {
        uint32_t left = spread[src[0] >> 4] | spread[src[1] >> 4] << 1 |
                        spread[src[2] >> 4] << 2 | spread[src[3] >> 4] << 3;
        uint32_t right = spread[src[0] & 15] | spread[src[1] & 15] << 1 |
                         spread[src[2] & 15] << 2 | spread[src[3] & 15] << 3;
        for (unsigned i = 0; i < 4; i++) {
            out[i] = palette[left >> (8 * i) & 15];
            out[4 + i] = palette[right >> (8 * i) & 15];
        }
    }
}

static void cga_line(const uint32_t *palette, const uint8_t *src, unsigned n, uint32_t *out) {
    for (unsigned x = 0; x < n; x += 8, src += 4, out += 8)
        for (unsigned i = 0; i < 4; i++) {
            unsigned shift = 6 - 2 * i;
            out[i] = palette[(src[0] >> shift & 3) | (src[2] >> shift & 3) << 2];
            out[4 + i] = palette[(src[1] >> shift & 3) | (src[3] >> shift & 3) << 2];
        }
}

static void index_line(const uint32_t *palette, const uint8_t *src, unsigned n, uint32_t *out) {
    for (unsigned x = 0; x < n; x++)
        out[x] = palette[src[x]];
}

static inline four four_le16(const uint8_t *src) {
    return (four){load_le16(src), load_le16(src + 2), load_le16(src + 4), load_le16(src + 6)};
}

static inline four rgb15(four v) {
    four r = v >> 10 & 0x1f, g = v >> 5 & 0x1f, b = v & 0x1f;
    return (r << 3 | r >> 2) << 16 | (g << 3 | g >> 2) << 8 | (b << 3 | b >> 2);
}

static inline four rgb16(four v) {
    four r = v >> 11, g = v >> 5 & 0x3f, b = v & 0x1f;
    return (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
}

static inline void hicolour_line(const uint8_t *src, unsigned n, uint32_t *out,
                                 four (*convert)(four)) {
    unsigned x = 0;
    for (; x + 4 <= n; x += 4) {
        four v = convert(four_le16(src + 2 * x));
        memcpy(out + x, &v, sizeof(v));
    }
    for (; x < n; x++)
        out[x] = convert((four){load_le16(src + 2 * x)})[0];
}

static void rgb15_line(const uint8_t *src, unsigned n, uint32_t *out) {
    hicolour_line(src, n, out, rgb15);
}

static void rgb16_line(const uint8_t *src, unsigned n, uint32_t *out) {
    hicolour_line(src, n, out, rgb16);
}

static void rgb24_line(const uint8_t *src, unsigned n, uint32_t *out) {
    for (unsigned x = 0; x < n; x++, src += 3)
        out[x] = src[0] | (uint32_t)src[1] << 8 | (uint32_t)src[2] << 16;
}

/* The byte that says nothing comes along: these are most of all pixels, and copied they cost
 * least. */
static void rgb32_line(const uint8_t *src, unsigned n, uint32_t *out) {
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        memcpy(out, src, n * sizeof(*out));
        return;
    }
    for (unsigned x = 0; x < n; x++)
        out[x] = load_le32(src + 4 * x);
}

/* n pixels; kinds that draw cells may draw some more, below PAN_ROOM. */
static void line(const struct draw *d, struct place p, unsigned n, uint32_t *out) {
    uint8_t scratch[LINE_BYTES];
    const uint8_t *src = fetch(d, p.offset, bytes_for(d, n), scratch);
    switch (d->kind) {
    case DRAW_BLANK:
        memset(out, 0, n * sizeof(*out));
        break;
    case DRAW_TEXT:
        text_line(d, p, src, n, out);
        break;
    case DRAW_PLANAR:
        planar_line(d->palette, src, n, out);
        break;
    case DRAW_CGA:
        cga_line(d->palette, src, n, out);
        break;
    case DRAW_INDEX8:
        index_line(d->palette, src, n, out);
        break;
    case DRAW_RGB15:
        rgb15_line(src, n, out);
        break;
    case DRAW_RGB16:
        rgb16_line(src, n, out);
        break;
    case DRAW_RGB24:
        rgb24_line(src, n, out);
        break;
    case DRAW_RGB32:
        rgb32_line(src, n, out);
        break;
    }
}

/* Whether n pixels come out as exactly n. */
static bool exact(const struct draw *d, unsigned n) {
    switch (d->kind) {
    case DRAW_TEXT:
        return n % d->cell_width == 0;
    case DRAW_PLANAR:
    case DRAW_CGA:
        return n % 8 == 0;
    default:
        return true;
    }
}

void draw_line(const struct draw *d, unsigned y, uint32_t *out) {
    struct place p = place_of(d, y);
    unsigned n = d->width / d->hscale;
    if (p.pan || !exact(d, n)) {
        uint32_t room[DRAW_MAX_WIDTH + 2 * PAN_ROOM];
        line(d, p, n + p.pan, room);
        memcpy(out, room + p.pan, n * sizeof(*out));
    } else {
        line(d, p, n, out);
    }
    if (d->hscale == 1)
        return;
    for (unsigned x = n; x-- > 0;)
        out[2 * x] = out[2 * x + 1] = out[x];
}
