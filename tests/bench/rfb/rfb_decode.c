/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 6143, 7.7 (Raw, CopyRect, Hextile, ZRLE) and rfbproto.rst (Tight without its gradient filter
 * and JPEG, which nobody here asks for). See rfb.h.
 */
#include <stdlib.h>
#include <string.h>

#include "rfb.h"

enum { ZRLE_STREAM = 4, TILE = 64 };

struct rect {
    unsigned x, y, w, h;
};

/* ---- pixels ---- */

static unsigned bytes_of(const struct rfb *rfb) {
    return rfb->format == PIXELS_16 ? 2 : 4;
}

/* ZRLE's and Tight's: without the byte that says nothing. */
static unsigned compact(const struct rfb *rfb) {
    return rfb->format == PIXELS_16 ? 2 : 3;
}

static uint32_t pixel(const struct rfb *rfb, const uint8_t *p) {
    if (rfb->format == PIXELS_OWN)
        return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
    if (rfb->format == PIXELS_BGR)
        return p[2] | (uint32_t)p[1] << 8 | (uint32_t)p[0] << 16;
    uint32_t v = p[0] | (uint32_t)p[1] << 8, r = v >> 11, g = v >> 5 & 63, b = v & 31;
    return (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
}

/* Tight's pixels are red, green, blue, whatever the format, if they are of three bytes. */
static uint32_t tight_pixel(const struct rfb *rfb, const uint8_t *p) {
    if (rfb->format == PIXELS_16)
        return pixel(rfb, p);
    return p[2] | (uint32_t)p[1] << 8 | (uint32_t)p[0] << 16;
}

static uint32_t *line(const struct rfb *rfb, unsigned x, unsigned y) {
    return rfb->pixels + (size_t)y * rfb->width + x;
}

static void fill(struct rfb *rfb, const struct rect *r, uint32_t colour) {
    for (unsigned y = 0; y < r->h && !rfb->blind; y++)
        for (unsigned x = 0; x < r->w; x++)
            line(rfb, r->x, r->y + y)[x] = colour;
}

static void put_pixels(struct rfb *rfb, const struct rect *r, const uint8_t *from, unsigned step,
                       uint32_t (*get)(const struct rfb *, const uint8_t *)) {
    for (unsigned y = 0; y < r->h; y++)
        for (unsigned x = 0; x < r->w; x++, from += step)
            line(rfb, r->x, r->y + y)[x] = get(rfb, from);
}

/* Rows of indexes of `bits` bits, each row padded to a byte. */
static const uint8_t *put_indexes(struct rfb *rfb, const struct rect *r, const uint8_t *from,
                                  unsigned bits, const uint32_t *palette) {
    unsigned stride = (r->w * bits + 7) / 8;
    for (unsigned y = 0; y < r->h; y++, from += stride)
        for (unsigned x = 0; x < r->w; x++) {
            unsigned shift = 8 - bits - x * bits % 8;
            line(rfb, r->x, r->y + y)[x] = palette[from[x * bits / 8] >> shift & ((1 << bits) - 1)];
        }
    return from;
}

/* ---- plain ones ---- */

static void raw(struct rfb *rfb, const struct rect *r) {
    for (unsigned y = 0; y < r->h; y++) {
        const uint8_t *bytes = rfb_take(rfb, (size_t)r->w * bytes_of(rfb));
        struct rect row = {r->x, r->y + y, r->w, 1};
        if (!rfb->blind)
            put_pixels(rfb, &row, bytes, bytes_of(rfb), pixel);
    }
}

static void copy_rect(struct rfb *rfb, const struct rect *r) {
    const uint8_t *p = rfb_take(rfb, 4);
    unsigned from_x = (unsigned)p[0] << 8 | p[1], from_y = (unsigned)p[2] << 8 | p[3];
    if (from_x + r->w > rfb->width || from_y + r->h > rfb->height)
        die("a copy from outside the screen");
    for (unsigned i = 0; i < r->h; i++) {
        unsigned y = from_y < r->y ? r->h - 1 - i : i;
        memmove(line(rfb, r->x, r->y + y), line(rfb, from_x, from_y + y), r->w * sizeof(uint32_t));
    }
}

static void hextile_rects(struct rfb *rfb, const struct rect *r, bool coloured, uint32_t front) {
    unsigned n = *rfb_take(rfb, 1);
    for (unsigned i = 0; i < n; i++) {
        if (coloured)
            front = pixel(rfb, rfb_take(rfb, bytes_of(rfb)));
        const uint8_t *p = rfb_take(rfb, 2);
        struct rect part = {r->x + (p[0] >> 4), r->y + (p[0] & 15), (p[1] >> 4) + 1u,
                            (p[1] & 15) + 1u};
        if (part.x + part.w > r->x + r->w || part.y + part.h > r->y + r->h)
            die("a Hextile rectangle outside its tile");
        fill(rfb, &part, front);
    }
}

static void hextile(struct rfb *rfb, const struct rect *r) {
    uint32_t back = 0, front = 0;
    for (unsigned y = 0; y < r->h; y += 16)
        for (unsigned x = 0; x < r->w; x += 16) {
            struct rect tile = {r->x + x, r->y + y, r->w - x < 16 ? r->w - x : 16,
                                r->h - y < 16 ? r->h - y : 16};
            unsigned kind = *rfb_take(rfb, 1);
            if (kind & 1) {
                raw(rfb, &tile);
                continue;
            }
            if (kind & 2)
                back = pixel(rfb, rfb_take(rfb, bytes_of(rfb)));
            if (kind & 4)
                front = pixel(rfb, rfb_take(rfb, bytes_of(rfb)));
            fill(rfb, &tile, back);
            if (kind & 8)
                hextile_rects(rfb, &tile, kind & 16, front);
        }
}

/* ---- packed ones ---- */

/* n compressed bytes, which must become at most `most`: how many they became. */
static size_t inflate_bytes(struct rfb *rfb, unsigned stream, size_t n, size_t most) {
    const uint8_t *packed = rfb_take(rfb, n);
    z_stream *z = &rfb->streams[stream];
    if (!rfb->stream_used[stream] && inflateInit(z) != Z_OK)
        die("no memory for zlib");
    rfb->stream_used[stream] = true;
    if (rfb->plain_room < most + 1 &&
        !(rfb->plain = realloc(rfb->plain, rfb->plain_room = most + 1)))
        die("no memory");
    z->next_in = (uint8_t *)(uintptr_t)packed;
    z->avail_in = (uInt)n;
    z->next_out = rfb->plain;
    z->avail_out = (uInt)most + 1;
    int result = inflate(z, Z_SYNC_FLUSH);
    if ((result != Z_OK && result != Z_BUF_ERROR) || !z->avail_out)
        die("compressed data are wrong (%d)", result);
    return most + 1 - z->avail_out;
}

static void want(const uint8_t *at, const uint8_t *end, size_t n) {
    if ((size_t)(end - at) < n)
        die("ZRLE data end early");
}

/* Runs of one tile; with a palette or without. */
static const uint8_t *zrle_runs(struct rfb *rfb, const struct rect *r, const uint8_t *at,
                                const uint8_t *end, const uint32_t *palette) {
    unsigned done = 0, total = r->w * r->h;
    while (done < total) {
        unsigned run = 1;
        bool many = true;
        want(at, end, palette ? 1 : compact(rfb));
        uint32_t colour = palette ? palette[*at & 127] : pixel(rfb, at);
        if (palette)
            many = *at & 128;
        at += palette ? 1 : compact(rfb);
        if (many) {
            do {
                want(at, end, 1);
                run += *at;
            } while (*at++ == 255);
        }
        if (run > total - done)
            die("a ZRLE run beyond its tile");
        for (; run; run--, done++)
            line(rfb, r->x, r->y + done / r->w)[done % r->w] = colour;
    }
    return at;
}

static const uint8_t *zrle_tile(struct rfb *rfb, const struct rect *r, const uint8_t *at,
                                const uint8_t *end) {
    uint32_t palette[128] = {0};
    want(at, end, 1);
    unsigned kind = *at++, colours = kind & 127;
    if (kind == 0) {
        want(at, end, (size_t)r->w * r->h * compact(rfb));
        put_pixels(rfb, r, at, compact(rfb), pixel);
        return at + (size_t)r->w * r->h * compact(rfb);
    }
    want(at, end, (size_t)colours * compact(rfb));
    for (unsigned i = 0; i < colours; i++, at += compact(rfb))
        palette[i] = pixel(rfb, at);
    if (kind >= 128)
        return zrle_runs(rfb, r, at, end, colours ? palette : NULL);
    if (kind == 1) {
        fill(rfb, r, palette[0]);
        return at;
    }
    if (kind > 16)
        die("a ZRLE tile of kind %u", kind);
    unsigned bits = kind == 2 ? 1 : kind <= 4 ? 2 : 4;
    want(at, end, (size_t)(r->w * bits + 7) / 8 * r->h);
    return put_indexes(rfb, r, at, bits, palette);
}

static void zrle(struct rfb *rfb, const struct rect *r) {
    const uint8_t *p = rfb_take(rfb, 4);
    size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (rfb->blind) {
        rfb_take(rfb, n);
        return;
    }
    size_t most = (size_t)r->w * r->h * 5 + 65536;
    n = inflate_bytes(rfb, ZRLE_STREAM, n, most);
    const uint8_t *at = rfb->plain, *end = at + n;
    for (unsigned y = 0; y < r->h; y += TILE)
        for (unsigned x = 0; x < r->w; x += TILE) {
            struct rect tile = {r->x + x, r->y + y, r->w - x < TILE ? r->w - x : TILE,
                                r->h - y < TILE ? r->h - y : TILE};
            at = zrle_tile(rfb, &tile, at, end);
        }
    if (at != end)
        die("%td bytes of ZRLE data too many", end - at);
}

static size_t tight_length(struct rfb *rfb) {
    size_t n = 0;
    for (unsigned shift = 0; shift <= 14; shift += 7) {
        uint8_t byte = *rfb_take(rfb, 1);
        n |= (size_t)(shift == 14 ? byte : byte & 127) << shift;
        if (!(byte & 128))
            break;
    }
    return n;
}

/* n bytes of pixels or indexes, packed if they are many; NULL: not looked at. */
static const uint8_t *tight_data(struct rfb *rfb, unsigned stream, size_t n) {
    if (n < 12)
        return rfb_take(rfb, n);
    size_t packed = tight_length(rfb);
    if (rfb->blind) {
        rfb_take(rfb, packed);
        return NULL;
    }
    if (inflate_bytes(rfb, stream, packed, n) != n)
        die("too few Tight data");
    return rfb->plain;
}

static void tight_palette(struct rfb *rfb, const struct rect *r, unsigned stream) {
    uint32_t palette[256];
    unsigned colours = *rfb_take(rfb, 1) + 1u;
    for (unsigned i = 0; i < colours; i++)
        palette[i] = tight_pixel(rfb, rfb_take(rfb, compact(rfb)));
    unsigned bits = colours == 2 ? 1 : 8;
    const uint8_t *bytes = tight_data(rfb, stream, (size_t)(r->w * bits + 7) / 8 * r->h);
    if (bytes && !rfb->blind)
        put_indexes(rfb, r, bytes, bits, palette);
}

static void tight(struct rfb *rfb, const struct rect *r) {
    enum { FILL = 8, JPEG = 9, FILTER = 4, COPY = 0, PALETTE = 1 };
    unsigned control = *rfb_take(rfb, 1), kind = control >> 4, filter = COPY;
    for (unsigned i = 0; i < 4; i++)
        if (control & 1u << i && rfb->stream_used[i])
            inflateReset(&rfb->streams[i]);
    if (kind == FILL) {
        fill(rfb, r, tight_pixel(rfb, rfb_take(rfb, compact(rfb))));
        return;
    }
    if (kind >= JPEG)
        die("a Tight rectangle of kind %u", kind);
    if (kind & FILTER)
        filter = *rfb_take(rfb, 1);
    if (filter == PALETTE) {
        tight_palette(rfb, r, kind & 3);
        return;
    }
    if (filter != COPY)
        die("Tight's filter %u", filter);
    const uint8_t *bytes = tight_data(rfb, kind & 3, (size_t)r->w * r->h * compact(rfb));
    if (bytes && !rfb->blind)
        put_pixels(rfb, r, bytes, compact(rfb), tight_pixel);
}

void rfb_decode(struct rfb *rfb, unsigned x, unsigned y, unsigned w, unsigned h, int32_t encoding) {
    const struct rect r = {x, y, w, h};
    switch (encoding) {
    case RAW:
        raw(rfb, &r);
        break;
    case COPY_RECT:
        copy_rect(rfb, &r);
        break;
    case HEXTILE:
        hextile(rfb, &r);
        break;
    case TIGHT:
        tight(rfb, &r);
        break;
    case ZRLE:
        zrle(rfb, &r);
        break;
    default:
        die("encoding %d was not asked for", encoding);
    }
}
