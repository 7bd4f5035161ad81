/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CL-GD5446's bit block transfer engine: Technical Reference Manual (1996), chapter 9.4 on
 * BitBLT and registers GR20 to GR39. A transfer is done at once, row by row: source bytes of a row
 * are gathered, combined with the destination and stored, all at addresses that wrap in video
 * memory. A row whose source and destination overlap is therefore moved whole, where the chip would
 * smear it if the direction was the wrong one. Not modelled: transfers to system memory (the engine
 * ends them at once), chained transfers, line drawing.
 */
#include "video/cirrus_chip.h"

#include "core/bits.h"

enum {
    MODE_BACKWARDS = 0x01, MODE_TO_SYSTEM = 0x02, MODE_FROM_SYSTEM = 0x04, MODE_TRANSPARENT = 0x08,
    MODE_PATTERN = 0x40, MODE_EXPAND = 0x80,
    EXT_DWORDS = 0x01, EXT_INVERT = 0x02, EXT_SOLID = 0x04,
    STATUS_BUSY = 0x01, STATUS_START = 0x02, STATUS_RESET = 0x04, STATUS_FIFO = 0x10,
    ROP_SOURCE = 0x0d, ROW_MAX = 8192, PATTERN_LINES = 8,
};

/* The registers of one transfer. */
struct blt {
    uint32_t width, height; /* bytes, rows */
    uint32_t dest, source;
    uint32_t dest_pitch, source_pitch; /* modulo the address space: backwards they are negative */
    uint8_t mode, ext, rop;
    unsigned pixel;      /* bytes */
    uint32_t skip;       /* bytes at the left that stay */
    uint32_t first_line; /* of the pattern */
    uint32_t fg, bg, key;
};

static struct blt decode(const struct cirrus *c) {
    const uint8_t *g = c->vga.gr;
    struct blt b = {
        .width = (load_le16(&g[0x20]) & 0x1fffu) + 1,
        .height = (load_le16(&g[0x22]) & 0x07ffu) + 1,
        .dest_pitch = load_le16(&g[0x24]) & 0x1fff,
        .source_pitch = load_le16(&g[0x26]) & 0x1fff,
        .dest = load_le32(&g[0x28]) & CIRRUS_MASK,
        .source = load_le32(&g[0x2c]) & CIRRUS_MASK,
        .mode = g[GR_BLT_MODE],
        .ext = g[GR_BLT_EXT],
        .rop = g[GR_BLT_ROP],
        .pixel = (g[GR_BLT_MODE] >> 4 & 3u) + 1,
        .key = load_le16(&g[GR_BLT_KEY]),
        .fg = c->fg0 | (uint32_t)g[0x11] << 8 | (uint32_t)g[0x13] << 16 | (uint32_t)g[0x15] << 24,
        .bg = c->bg0 | (uint32_t)g[0x10] << 8 | (uint32_t)g[0x12] << 16 | (uint32_t)g[0x14] << 24,
    };
    if (b.mode & (MODE_PATTERN | MODE_EXPAND))
        b.skip = b.pixel == 3 ? g[GR_BLT_SKIP] & 0x1f : (g[GR_BLT_SKIP] & 7u) * b.pixel;
    b.first_line = b.source % PATTERN_LINES;
    if (b.mode & MODE_BACKWARDS) {
        /* addresses are of last bytes: from here on rows have first ones */
        b.dest -= b.width - 1;
        b.source -= b.width - 1;
        b.dest_pitch = -b.dest_pitch;
        b.source_pitch = -b.source_pitch;
    }
    return b;
}

static bool solid(const struct blt *b) {
    return b->ext & EXT_SOLID &&
           (b->mode & (MODE_TO_SYSTEM | MODE_TRANSPARENT | MODE_PATTERN | MODE_EXPAND)) ==
               (MODE_PATTERN | MODE_EXPAND);
}

/* ---- rows ---- */

static void gather(const struct cirrus *c, uint32_t from, uint8_t *to, uint32_t n) {
    from &= CIRRUS_MASK;
    uint32_t first = MIN(n, CIRRUS_VRAM - from);
    memcpy(to, c->vram->bytes + from, first);
    memcpy(to + first, c->vram->bytes, n - first);
}

static void put_pixel(uint8_t *to, uint32_t colour, unsigned pixel) {
    for (unsigned i = 0; i < pixel; i++)
        to[i] = (uint8_t)(colour >> (8 * i));
}

/* A row of one colour. */
static void fill_row(const struct blt *b, uint8_t *row) {
    for (uint32_t x = 0; x < b->width; x += b->pixel)
        put_pixel(row + x, b->fg, b->pixel);
}

/* A row from bits: colours into row, and into keep which bytes stay as they are. `wrap` is for a
 * pattern, whose byte holds for the whole row. */
static void expand_row(const struct blt *b, const uint8_t *bits, bool wrap, uint8_t *row,
                       uint8_t *keep) {
    uint8_t flip = b->mode & MODE_TRANSPARENT && b->ext & EXT_INVERT ? 0xff : 0;
    uint32_t on = flip ? b->bg : b->fg;
    for (uint32_t x = 0, n = 0; x < b->width; x += b->pixel, n++) {
        bool set = (bits[wrap ? 0 : n / 8] ^ flip) >> (7 - n % 8) & 1;
        put_pixel(row + x, set ? on : b->bg, b->pixel);
        if (b->mode & MODE_TRANSPARENT)
            memset(keep + x, !set, b->pixel);
    }
}

/* A row of an 8 x 8 pattern of pixels. */
static void pattern_row(const struct blt *b, const uint8_t *line, uint8_t *row) {
    for (uint32_t x = 0, n = 0; x < b->width; x += b->pixel, n = (n + 1) % 8)
        memcpy(row + x, line + n * b->pixel, b->pixel);
}

#define EACH(expression)                                                                           \
    for (uint32_t i = 0; i < n; i++) {                                                             \
        uint8_t s = row[i], d = dest[i];                                                           \
        (void)s, (void)d;                                                                          \
        row[i] = (uint8_t)(expression);                                                            \
    }                                                                                              \
    break

/* GR32, table 9-5: row becomes what the destination will be. */
static void raster_op(uint8_t rop, uint8_t *row, const uint8_t *dest, uint32_t n) {
    switch (rop) {
    case 0x00: EACH(0);
    case 0x05: EACH(s & d);
    case 0x06: EACH(d);
    case 0x09: EACH(s & ~d);
    case 0x0b: EACH(~d);
    case ROP_SOURCE: break;
    case 0x0e: EACH(0xff);
    case 0x50: EACH(~s & d);
    case 0x59: EACH(s ^ d);
    case 0x6d: EACH(s | d);
    case 0x90: EACH(~(s | d));
    case 0x95: EACH(~(s ^ d));
    case 0xad: EACH(s | ~d);
    case 0xd0: EACH(~s);
    case 0xd6: EACH(~s | d);
    case 0xda: EACH(~s | ~d);
    default: EACH(d);
    }
}

/* Colour compare, 8 and 16 bits: pixels that would become the key colour stay. */
static void keep_key(const struct blt *b, const uint8_t *row, uint8_t *keep) {
    memset(keep, 0, b->width);
    for (uint32_t x = 0; b->pixel <= 2 && x + b->pixel <= b->width; x += b->pixel)
        if (load_le(row + x, b->pixel) == (b->key & size_mask(b->pixel)))
            memset(keep + x, 1, b->pixel);
}

/* Combines the row with the destination and stores it. */
static void store_row(struct cirrus *c, const struct blt *b, uint32_t at, uint8_t *row,
                      uint8_t *keep) {
    bool chosen = b->mode & MODE_TRANSPARENT;
    if (b->rop != ROP_SOURCE || chosen || b->skip) {
        uint8_t dest[ROW_MAX];
        gather(c, at, dest, b->width);
        raster_op(b->rop, row, dest, b->width);
        if (chosen && !(b->mode & MODE_EXPAND))
            keep_key(b, row, keep);
        for (uint32_t i = 0; i < b->width; i++)
            if (i < b->skip || (chosen && keep[i]))
                row[i] = dest[i];
    }
    at &= CIRRUS_MASK;
    uint32_t first = MIN(b->width, CIRRUS_VRAM - at);
    memcpy(c->vram->bytes + at, row, first);
    memcpy(c->vram->bytes, row + first, b->width - first);
    vga_dirtied(&c->vga, at, b->width);
}

/* Bytes of a line of a pattern. */
static uint32_t pattern_pitch(const struct blt *b) {
    return b->mode & MODE_EXPAND ? 1 : b->pixel == 3 ? 32 : 8 * b->pixel;
}

/* Row n of the transfer, to address `at`. `source` is a whole pattern, or this row's pixels or
 * bits: from system memory, or gathered. */
static void do_row(struct cirrus *c, const struct blt *b, uint32_t n, uint32_t at,
                   const uint8_t *source) {
    uint8_t row[ROW_MAX + 4], keep[ROW_MAX + 4];
    const uint8_t *line = source;
    if (b->mode & MODE_PATTERN)
        line += (b->first_line + n) % PATTERN_LINES * pattern_pitch(b);
    if (solid(b))
        fill_row(b, row);
    else if (b->mode & MODE_EXPAND)
        expand_row(b, line, b->mode & MODE_PATTERN, row, keep);
    else if (b->mode & MODE_PATTERN)
        pattern_row(b, line, row);
    else
        memcpy(row, line, b->width);
    store_row(c, b, at, row, keep);
}

/* ---- transfers ---- */

static void finish(struct cirrus *c) {
    c->vga.gr[GR_BLT_STATUS] &= (uint8_t)~(STATUS_BUSY | STATUS_START | STATUS_FIFO);
    c->blt_need = c->blt_have = c->blt_rows = c->blt_row = 0;
    cirrus_place_lfb(c);
}

/* Bytes of a row's bits or pixels. */
static uint32_t source_bytes(const struct blt *b) {
    uint32_t pixels = (b->width + b->pixel - 1) / b->pixel;
    return b->mode & MODE_EXPAND ? (pixels + 7) / 8 : b->width;
}

static void within_memory(struct cirrus *c, const struct blt *b) {
    uint8_t line[ROW_MAX];
    uint32_t from = b->source, at = b->dest, bytes = source_bytes(b);
    bool pattern = b->mode & MODE_PATTERN;
    if (pattern)
        gather(c, from & ~(PATTERN_LINES * pattern_pitch(b) - 1), line,
               PATTERN_LINES * pattern_pitch(b));
    for (uint32_t n = 0; n < b->height; n++) {
        if (!pattern)
            gather(c, from, line, bytes);
        do_row(c, b, n, at, line);
        /* bits follow one another; pixels have a pitch */
        from += b->mode & MODE_EXPAND ? bytes : b->source_pitch;
        at += b->dest_pitch;
    }
    finish(c);
}

/* How much the CPU has to write for a row, or for a pattern. */
static uint32_t needed(const struct blt *b) {
    if (b->mode & MODE_PATTERN)
        return PATTERN_LINES * pattern_pitch(b);
    if (!(b->mode & MODE_EXPAND))
        return (b->width + 3) & ~3u;
    uint32_t bytes = source_bytes(b);
    return b->ext & EXT_DWORDS ? (bytes + 3) & ~3u : bytes;
}

void cirrus_blt_start(struct cirrus *c) {
    struct blt b = decode(c);
    c->vga.gr[GR_BLT_STATUS] |= STATUS_BUSY;
    if (b.mode & MODE_TO_SYSTEM) {
        finish(c);
    } else if (b.mode & MODE_FROM_SYSTEM && !solid(&b)) {
        c->blt_have = 0;
        c->blt_need = needed(&b);
        c->blt_rows = b.mode & MODE_PATTERN ? 1 : b.height;
        c->blt_row = 0;
        c->blt_dest = b.dest;
        c->vga.gr[GR_BLT_STATUS] |= STATUS_FIFO;
        cirrus_place_lfb(c);
    } else {
        within_memory(c, &b);
    }
}

/* A row, or the pattern, has come whole. */
static void take_line(struct cirrus *c) {
    struct blt b = decode(c);
    /* registers may have changed under way: the line has what it has */
    if (needed(&b) > c->blt_need) {
        finish(c);
        return;
    }
    uint32_t rows = b.mode & MODE_PATTERN ? b.height : 1;
    for (uint32_t n = 0; n < rows; n++) {
        do_row(c, &b, c->blt_row++, c->blt_dest, c->blt_line);
        c->blt_dest += b.dest_pitch;
    }
    c->blt_have = 0;
    if (--c->blt_rows == 0)
        finish(c);
}

unsigned cirrus_blt_data(struct cirrus *c, const uint8_t *from, unsigned n) {
    unsigned taken = 0;
    while (taken < n && c->blt_need) {
        uint32_t piece = MIN(n - taken, c->blt_need - c->blt_have);
        memcpy(c->blt_line + c->blt_have, from + taken, piece);
        c->blt_have += piece;
        taken += piece;
        if (c->blt_have == c->blt_need)
            take_line(c);
    }
    return taken;
}

void cirrus_blt_reset(struct cirrus *c) {
    finish(c);
}

void cirrus_blt_control(struct cirrus *c, uint8_t was) {
    uint8_t now = c->vga.gr[GR_BLT_STATUS];
    if (was & STATUS_RESET && !(now & STATUS_RESET))
        finish(c);
    else if (!(was & STATUS_START) && now & STATUS_START)
        cirrus_blt_start(c);
}
