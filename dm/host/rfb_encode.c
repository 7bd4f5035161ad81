/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 6143, 7.7.1 (Raw), 7.7.4 (Hextile), 7.7.6 (ZRLE); rfbproto.rst, Tight encoding. Of Hextile's
 * tiles those of one and two colours are described, others are sent raw; ZRLE and Tight pack up to
 * 16 colours and leave the rest to zlib. Not modelled: Tight's gradients and JPEG. See
 * rfb_encode.h.
 */
#include "rfb_encode.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/bits.h"
#include "late.h"

/* ---- buffers ---- */

void *rfb_buf_room(struct rfb_buf *buf, size_t n) {
    if (buf->failed)
        return NULL;
    if (buf->cap - buf->len < n) {
        size_t cap = buf->cap ? buf->cap : 4096;
        while (cap - buf->len < n)
            cap *= 2;
        uint8_t *bytes = realloc(buf->bytes, cap);
        if (!bytes) {
            buf->failed = true;
            return NULL;
        }
        buf->bytes = bytes;
        buf->cap = cap;
    }
    buf->len += n;
    return buf->bytes + buf->len - n;
}

void rfb_buf_put(struct rfb_buf *buf, const void *bytes, size_t n) {
    void *room = n ? rfb_buf_room(buf, n) : NULL;
    if (room)
        memcpy(room, bytes, n);
}

void rfb_buf_u8(struct rfb_buf *buf, uint8_t v) {
    rfb_buf_put(buf, &v, 1);
}

void rfb_buf_u16(struct rfb_buf *buf, uint16_t v) {
    uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    rfb_buf_put(buf, bytes, 2);
}

void rfb_buf_u32(struct rfb_buf *buf, uint32_t v) {
    uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    rfb_buf_put(buf, bytes, 4);
}

void rfb_buf_free(struct rfb_buf *buf) {
    free(buf->bytes);
    *buf = (struct rfb_buf){0};
}

/* ---- pixels ---- */

const struct rfb_format rfb_native = {
    .bits = 32, .depth = 24, .max = {255, 255, 255}, .shift = {16, 8, 0}};

/* ZRLE sends three bytes of a pixel where the fourth says nothing (7.7.5). */
static void find_compact(struct rfb_format *f) {
    uint32_t used = 0;
    for (unsigned c = 0; c < 3; c++)
        used |= (uint32_t)f->max[c] << f->shift[c];
    f->compact = f->bits / 8;
    f->compact_skip = 0;
    if (f->bits != 32 || f->depth > 24)
        return;
    if (!(used & 0xff000000)) {
        f->compact = 3;
        f->compact_skip = f->big_endian;
    } else if (!(used & 0x000000ff)) {
        f->compact = 3;
        f->compact_skip = !f->big_endian;
    }
}

bool rfb_format_ready(struct rfb_format *f) {
    if (f->bits != 8 && f->bits != 16 && f->bits != 32)
        return false;
    for (unsigned c = 0; c < 3; c++) {
        if (f->shift[c] >= f->bits)
            return false;
        for (unsigned v = 0; v < 256; v++)
            f->table[c][v] = (v * f->max[c] + 127) / 255 << f->shift[c];
    }
    f->rgb = f->bits == 32 && f->depth == 24;
    for (unsigned c = 0; c < 3; c++)
        f->rgb = f->rgb && f->max[c] == 255;
    f->native = f->rgb && !f->big_endian && f->shift[0] == 16 && f->shift[1] == 8 && !f->shift[2];
    /* in memory: the lowest byte first, whatever we are */
    f->bytes = f->rgb && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    for (unsigned c = 0; c < 3; c++) {
        f->bytes = f->bytes && f->shift[c] % 8 == 0;
        f->byte_shift[c] = f->big_endian ? 24u - f->shift[c] : f->shift[c];
    }
    find_compact(f);
    return true;
}

static inline uint32_t pixel_of(const struct rfb_format *f, uint32_t pixel) {
    return f->table[0][pixel >> 16 & 0xff] | f->table[1][pixel >> 8 & 0xff] |
           f->table[2][pixel & 0xff];
}

static inline uint8_t *put_pixel(const struct rfb_format *f, uint8_t *to, uint32_t pixel) {
    uint32_t v = pixel_of(f, pixel);
    unsigned bytes = f->bits / 8u;
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(v >> 8 * (f->big_endian ? bytes - 1 - i : i));
    return to + bytes;
}

/* gcc's and clang's vectors. */
typedef uint32_t four __attribute__((vector_size(16)));

static inline uint32_t swap_bytes(const struct rfb_format *f, uint32_t pixel) {
    return (pixel >> 16 & 0xff) << f->byte_shift[0] | (pixel >> 8 & 0xff) << f->byte_shift[1] |
           (pixel & 0xff) << f->byte_shift[2];
}

static uint8_t *put_bytes(const struct rfb_format *f, uint8_t *to, const uint32_t *from,
                          unsigned n) {
    const four byte = {0xff, 0xff, 0xff, 0xff};
    const uint32_t r = f->byte_shift[0], g = f->byte_shift[1], b = f->byte_shift[2];
    unsigned x = 0;
    for (; x + 4 <= n; x += 4, to += 16) {
        four v;
        memcpy(&v, from + x, sizeof(v));
        v = (v >> 16 & byte) << r | (v >> 8 & byte) << g | (v & byte) << b;
        memcpy(to, &v, sizeof(v));
    }
    for (; x < n; x++, to += 4) {
        uint32_t v = swap_bytes(f, from[x]);
        memcpy(to, &v, sizeof(v));
    }
    return to;
}

/* Three bytes of each pixel: its colours, each at a shift of 0, 8 or 16, the lowest byte first. */
static void put_threes(uint8_t *to, const uint32_t *from, unsigned n, const unsigned shift[3]) {
    const four byte = {0xff, 0xff, 0xff, 0xff};
    const uint32_t r = shift[0], g = shift[1], b = shift[2];
    for (; __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && n >= 4; n -= 4, from += 4, to += 12) {
        four v;
        uint64_t two[2];
        memcpy(&v, from, sizeof(v));
        v = (v >> 16 & byte) << r | (v >> 8 & byte) << g | (v & byte) << b;
        memcpy(two, &v, sizeof(v));
        for (unsigned i = 0; i < 2; i++) /* the upper pixel comes down to the lower one's */
            two[i] = (two[i] & 0xffffff) | (two[i] >> 8 & UINT64_C(0xffffff000000));
        uint64_t low = two[0] | two[1] << 48;
        uint32_t high = (uint32_t)(two[1] >> 16);
        memcpy(to, &low, sizeof(low));
        memcpy(to + 8, &high, sizeof(high));
    }
    for (; n; n--, from++, to += 3) {
        uint32_t v = (*from >> 16 & 0xff) << r | (*from >> 8 & 0xff) << g | (*from & 0xff) << b;
        for (unsigned i = 0; i < 3; i++)
            to[i] = (uint8_t)(v >> 8 * i);
    }
}

static uint8_t *put_line(const struct rfb_format *f, uint8_t *to, const uint32_t *from,
                         unsigned n) {
    if (f->native) {
        memcpy(to, from, n * sizeof(*from));
        return to + n * sizeof(*from);
    }
    if (f->bytes)
        return put_bytes(f, to, from, n);
    if (f->bits == 16 && !f->big_endian) {
        for (; n; n--, to += 2)
            store_le16(to, (uint16_t)pixel_of(f, *from++));
        return to;
    }
    while (n--)
        to = put_pixel(f, to, *from++);
    return to;
}

/* ---- a tile: pixels without the byte that says nothing ---- */

enum { TILE = 64, COLOURS = 16, WIDE = 256 };

struct tile {
    unsigned w, h;
    uint32_t pixels[TILE * TILE];
    uint32_t colours[COLOURS];
    unsigned colour_count; /* COLOURS + 1: more */
    uint8_t index[TILE * TILE];
};

static void mask_line(uint32_t *to, const uint32_t *from, unsigned n) {
    const four mask = {0xffffff, 0xffffff, 0xffffff, 0xffffff};
    unsigned x = 0;
    for (; x + 4 <= n; x += 4) {
        four v;
        memcpy(&v, from + x, sizeof(v));
        v &= mask;
        memcpy(to + x, &v, sizeof(v));
    }
    for (; x < n; x++)
        to[x] = from[x] & 0xffffff;
}

static void load_tile(struct tile *t, const uint32_t *pixels, unsigned stride,
                      const struct rfb_rect *r) {
    uint32_t *to = t->pixels;
    t->w = r->w;
    t->h = r->h;
    for (unsigned y = 0; y < r->h; y++, to += r->w)
        mask_line(to, pixels + (size_t)(r->y + y) * stride + r->x, r->w);
}

static inline bool all_are(const uint32_t *pixels, uint32_t colour) {
    uint64_t v[4], two = (uint64_t)colour << 32 | colour;
    memcpy(v, pixels, sizeof(v));
    return !((v[0] ^ two) | (v[1] ^ two) | (v[2] ^ two) | (v[3] ^ two));
}

/* Whether eight pixels are of these two colours, as in most of a text: which, to `index`. */
static inline bool two_colours(uint8_t *index, const uint32_t *pixels, const uint32_t colours[2]) {
    const four zero = {colours[0], colours[0], colours[0], colours[0]};
    const four one = {colours[1], colours[1], colours[1], colours[1]};
    /* of each one's index in four bytes of memory */
    const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    const four place = {little ? 1 : 1 << 24, little ? 1 << 8 : 1 << 16,
                        little ? 1 << 16 : 1 << 8, little ? 1 << 24 : 1};
    four known = ~(four){0};
    for (unsigned i = 0; i < 2; i++) {
        four v, is_one;
        uint64_t word[2];
        memcpy(&v, pixels + 4 * i, sizeof(v));
        is_one = (four)(v == one);
        known &= (four)(v == zero) | is_one;
        is_one &= place;
        memcpy(word, &is_one, sizeof(word));
        word[0] |= word[1];
        uint32_t bytes = (uint32_t)(word[0] | word[0] >> 32);
        memcpy(index + 4 * i, &bytes, sizeof(bytes));
    }
    uint64_t all[2];
    memcpy(all, &known, sizeof(all));
    return (all[0] & all[1]) == UINT64_MAX;
}

/* Which colours the tile has, and which of them each pixel is; gives up above COLOURS. */
static void find_colours(struct tile *t) {
    unsigned n = t->w * t->h, last = 0;
    uint32_t colour = t->pixels[0];
    t->colours[0] = colour;
    t->colour_count = 1;
    for (unsigned i = 0; i < n; i++) {
        uint32_t pixel = t->pixels[i];
        bool eight = i % 8 == 0 && i + 8 <= n, two = t->colour_count == 2;
        if (eight && two && two_colours(t->index + i, t->pixels + i, t->colours)) {
            i += 7;
            last = t->index[i];
            colour = t->colours[last];
            continue;
        }
        if (eight && !two && pixel == colour && all_are(t->pixels + i, colour)) {
            memset(t->index + i, (int)last, 8); /* most of a screen is runs */
            i += 7;
            continue;
        }
        if (pixel != colour) {
            colour = pixel;
            for (last = 0; last < t->colour_count && t->colours[last] != pixel;)
                last++;
            if (last == COLOURS) {
                t->colour_count = COLOURS + 1;
                return;
            }
            if (last == t->colour_count)
                t->colours[t->colour_count++] = pixel;
        }
        t->index[i] = (uint8_t)last;
    }
}

/* A bit for each pixel of a row, whether it is the second of two colours, the first one highest,
 * padded to a byte. False: another colour is among them. */
static bool pack_row(uint8_t *to, const uint32_t *pixels, unsigned n, const uint32_t colours[2]) {
    const four zero = {colours[0], colours[0], colours[0], colours[0]};
    const four one = {colours[1], colours[1], colours[1], colours[1]};
    const four high = {0x80, 0x40, 0x20, 0x10}, low = {8, 4, 2, 1};
    four known = ~(four){0};
    unsigned x = 0, tail = 0;
    for (; x + 8 <= n; x += 8) {
        four v[2];
        memcpy(v, pixels + x, sizeof(v));
        const four a = (four)(v[0] == one), b = (four)(v[1] == one), bits = (a & high) | (b & low);
        known &= ((four)(v[0] == zero) | a) & ((four)(v[1] == zero) | b);
        uint64_t word[2];
        memcpy(word, &bits, sizeof(word));
        word[0] |= word[1];
        *to++ = (uint8_t)(word[0] | word[0] >> 32);
    }
    for (unsigned bit = 0x80; x < n; x++, bit >>= 1) {
        if (pixels[x] != colours[0] && pixels[x] != colours[1])
            return false;
        tail |= pixels[x] == colours[1] ? bit : 0;
    }
    if (n % 8)
        *to = (uint8_t)tail;
    uint64_t all[2];
    memcpy(all, &known, sizeof(all));
    return (all[0] & all[1]) == UINT64_MAX;
}

/* True of a tile of one colour or two, as most of a text: `index` then has its rows packed. */
static bool has_two_colours(struct tile *t) {
    unsigned n = t->w * t->h, first = 0, row = (t->w + 7) / 8;
    t->colours[0] = t->pixels[0];
    while (first + 8 <= n && all_are(t->pixels + first, t->colours[0]))
        first += 8;
    while (first < n && t->pixels[first] == t->colours[0])
        first++;
    t->colour_count = first == n ? 1 : 2;
    t->colours[1] = first == n ? t->colours[0] : t->pixels[first];
    for (unsigned y = 0; first < n && y < t->h; y++)
        if (!pack_row(t->index + y * row, t->pixels + y * t->w, t->w, t->colours))
            return false;
    return true;
}

/* As find_colours, but that the rows of two colours are packed. */
static void find_or_pack_colours(struct tile *t) {
    if (!has_two_colours(t))
        find_colours(t);
}

/* ---- Raw ---- */

static void encode_raw(const struct rfb_format *f, struct rfb_buf *out, const uint32_t *pixels,
                       unsigned stride, const struct rfb_rect *r) {
    uint8_t *to = rfb_buf_room(out, (size_t)r->w * r->h * (f->bits / 8u));
    for (unsigned y = 0; to && y < r->h; y++)
        to = put_line(f, to, pixels + (size_t)(r->y + y) * stride + r->x, r->w);
}

void rfb_put_pixels(const struct rfb_format *f, struct rfb_buf *out, const uint32_t *pixels,
                    unsigned n) {
    uint8_t *to = rfb_buf_room(out, (size_t)n * (f->bits / 8u));
    if (to)
        put_line(f, to, pixels, n);
}

/* ---- Hextile ---- */

enum { HEX = 16, HEX_RAW = 1, HEX_BACKGROUND = 2, HEX_FOREGROUND = 4, HEX_RECTS = 8 };

static void put_one(const struct rfb_format *f, struct rfb_buf *out, uint32_t pixel) {
    uint8_t bytes[4];
    rfb_buf_put(out, bytes, (size_t)(put_pixel(f, bytes, pixel) - bytes));
}

/* Runs of the second colour, one line high. */
static void hextile_runs(struct rfb_buf *out, const struct tile *t) {
    size_t at = out->len;
    unsigned count = 0;
    rfb_buf_u8(out, 0);
    for (unsigned y = 0; y < t->h; y++)
        for (unsigned x = 0; x < t->w; x++) {
            unsigned from = x;
            while (x < t->w && t->index[y * t->w + x])
                x++;
            if (x == from)
                continue;
            rfb_buf_u8(out, (uint8_t)(from << 4 | y));
            rfb_buf_u8(out, (uint8_t)((x - from - 1) << 4));
            count++;
        }
    if (!out->failed)
        out->bytes[at] = (uint8_t)count;
}

static void hextile(const struct rfb_format *f, struct rfb_buf *out, struct tile *t) {
    find_colours(t);
    if (t->colour_count > 2) {
        rfb_buf_u8(out, HEX_RAW);
        rfb_put_pixels(f, out, t->pixels, t->w * t->h);
        return;
    }
    rfb_buf_u8(out, t->colour_count == 1 ? HEX_BACKGROUND
                                         : HEX_BACKGROUND | HEX_FOREGROUND | HEX_RECTS);
    put_one(f, out, t->colours[0]);
    if (t->colour_count == 2) {
        put_one(f, out, t->colours[1]);
        hextile_runs(out, t); /* at most 8 a line: 128 */
    }
}

/* ---- zlib ---- */

struct rfb_zlib {
    z_stream stream;
};

static struct {
    int (*init)(z_streamp, int, const char *, int);
    int (*deflate)(z_streamp, int);
    int (*end)(z_streamp);
} libz;

static const struct late_symbol libz_symbols[] = {
    LATE(libz, init, "deflateInit_"), LATE(libz, deflate, "deflate"),
    LATE(libz, end, "deflateEnd"),
};

static struct late libz_late = {.file = "libz.so.1", .package = "zlib1g",
                                .symbols = libz_symbols, .count = ARRAY_LEN(libz_symbols)};

bool rfb_zlib_load(void) {
    char why[256];
    return late_load(&libz_late, why, sizeof(why));
}

/* Appends `plain`, compressed on the client's one stream. */
static void deflate_to(struct rfb_encoder *e, struct rfb_buf *out, const struct rfb_buf *plain) {
    enum { STEP = 16384 };
    z_stream *z = &e->zlib->stream;
    z->next_in = plain->bytes;
    z->avail_in = (uInt)plain->len;
    do {
        z->next_out = rfb_buf_room(out, STEP);
        if (!z->next_out)
            return;
        z->avail_out = STEP;
        if (libz.deflate(z, Z_SYNC_FLUSH) == Z_STREAM_ERROR)
            out->failed = true;
        out->len -= z->avail_out;
    } while (z->avail_out == 0 && !out->failed);
}

static bool zlib_ready(struct rfb_encoder *e) {
    if (e->zlib)
        return true;
    if (!rfb_zlib_load() || !(e->zlib = calloc(1, sizeof(*e->zlib))))
        return false;
    if (libz.init(&e->zlib->stream, Z_BEST_SPEED, ZLIB_VERSION, sizeof(z_stream)) == Z_OK)
        return true;
    free(e->zlib);
    e->zlib = NULL;
    return false;
}

/* ---- ZRLE ---- */

static uint8_t *put_compact(const struct rfb_format *f, uint8_t *to, uint32_t pixel) {
    uint8_t bytes[4];
    put_pixel(f, bytes, pixel);
    memcpy(to, bytes + f->compact_skip, f->compact);
    return to + f->compact;
}

static void zrle_pixels(const struct rfb_format *f, struct rfb_buf *out, const uint32_t *from,
                        unsigned n) {
    uint8_t *to = rfb_buf_room(out, (size_t)n * f->compact);
    if (to && f->bytes && f->compact == 3) {
        unsigned shift[3];
        for (unsigned c = 0; c < 3; c++)
            shift[c] = f->byte_shift[c] - 8u * f->compact_skip;
        put_threes(to, from, n, shift);
        return;
    }
    while (to && n--)
        to = put_compact(f, to, *from++);
}

/* Rows of indexes of 1, 2 or 4 bits, each padded to a byte. */
static void zrle_indexes(struct rfb_buf *out, const struct tile *t) {
    unsigned bits = t->colour_count <= 4 ? 2 : 4;
    if (t->colour_count == 2) {
        rfb_buf_put(out, t->index, (t->w + 7) / 8 * t->h);
        return;
    }
    uint8_t *to = rfb_buf_room(out, (size_t)(t->w * bits + 7) / 8 * t->h);
    for (unsigned y = 0; to && y < t->h; y++) {
        const uint8_t *index = t->index + y * t->w;
        unsigned byte = 0, have = 0;
        for (unsigned x = 0; x < t->w; x++) {
            byte = byte << bits | index[x];
            have += bits;
            if (have == 8) {
                *to++ = (uint8_t)byte;
                byte = have = 0;
            }
        }
        if (have)
            *to++ = (uint8_t)(byte << (8 - have));
    }
}

static void zrle(const struct rfb_format *f, struct rfb_buf *out, struct tile *t) {
    find_or_pack_colours(t);
    bool packed = t->colour_count <= COLOURS;
    rfb_buf_u8(out, packed ? (uint8_t)t->colour_count : 0);
    zrle_pixels(f, out, packed ? t->colours : t->pixels,
                packed ? t->colour_count : t->w * t->h);
    if (packed && t->colour_count > 1)
        zrle_indexes(out, t);
}

/* What is in `plain`, compressed, after its length. */
static void zrle_deflate(struct rfb_encoder *e, struct rfb_buf *out, const struct rfb_buf *plain) {
    size_t at = out->len;
    rfb_buf_u32(out, 0);
    deflate_to(e, out, plain);
    if (out->failed)
        return;
    size_t n = out->len - at - 4;
    for (unsigned i = 0; i < 4; i++)
        out->bytes[at + i] = (uint8_t)(n >> (24 - 8 * i));
}

/* ---- Tight ---- */

enum {
    TIGHT_FILL = 0x80, TIGHT_FILTER = 0x40, TIGHT_PALETTE = 1, TIGHT_UNPACKED = 12,
    TIGHT_LENGTH = 3, /* bytes for a length, always */
};

static void tight_pixels(const struct rfb_format *f, struct rfb_buf *out, const uint32_t *from,
                         unsigned n) {
    static const unsigned rgb[3] = {0, 8, 16};
    uint8_t *to = rfb_buf_room(out, (size_t)n * (f->rgb ? 3 : f->bits / 8u));
    if (to && f->rgb)
        put_threes(to, from, n, rgb);
    else if (to)
        put_line(f, to, from, n);
}

/* Little data goes as it is; else its compressed length in seven bits a byte, lowest first. */
static void tight_data(struct rfb_encoder *e, struct rfb_buf *out, const struct rfb_buf *plain) {
    if (plain->len < TIGHT_UNPACKED) {
        rfb_buf_put(out, plain->bytes, plain->len);
        return;
    }
    size_t at = out->len;
    rfb_buf_put(out, "\0\0\0", TIGHT_LENGTH);
    deflate_to(e, out, plain);
    if (out->failed)
        return;
    size_t n = out->len - at - TIGHT_LENGTH;
    out->bytes[at] = (uint8_t)(n | 0x80);
    out->bytes[at + 1] = (uint8_t)(n >> 7 | 0x80);
    out->bytes[at + 2] = (uint8_t)(n >> 14);
}

/* Two colours take a bit, more of them a byte a pixel. */
static void tight_indexes(struct rfb_buf *out, const struct tile *t) {
    if (t->colour_count == 2)
        zrle_indexes(out, t);
    else
        rfb_buf_put(out, t->index, (size_t)t->w * t->h);
}

static void tight(struct rfb_encoder *e, struct rfb_buf *out, struct tile *t) {
    const struct rfb_format *f = &e->format;
    find_or_pack_colours(t);
    if (t->colour_count == 1) {
        rfb_buf_u8(out, TIGHT_FILL);
        tight_pixels(f, out, t->colours, 1);
        return;
    }
    e->scratch.len = 0;
    if (t->colour_count <= COLOURS) {
        rfb_buf_u8(out, TIGHT_FILTER);
        rfb_buf_u8(out, TIGHT_PALETTE);
        rfb_buf_u8(out, (uint8_t)(t->colour_count - 1));
        tight_pixels(f, out, t->colours, t->colour_count);
        tight_indexes(&e->scratch, t);
    } else {
        rfb_buf_u8(out, 0);
        tight_pixels(f, &e->scratch, t->pixels, t->w * t->h);
    }
    if (e->scratch.failed)
        out->failed = true;
    else
        tight_data(e, out, &e->scratch);
}

/* ---- */

static void encode_tiles(struct rfb_encoder *e, struct rfb_buf *out, const uint32_t *pixels,
                         unsigned stride, const struct rfb_rect *r, unsigned size,
                         void (*encode)(const struct rfb_format *, struct rfb_buf *,
                                        struct tile *)) {
    struct tile t;
    for (unsigned y = 0; y < r->h; y += size)
        for (unsigned x = 0; x < r->w; x += size) {
            struct rfb_rect piece = {r->x + x, r->y + y, r->w - x < size ? r->w - x : size,
                                     r->h - y < size ? r->h - y : size};
            load_tile(&t, pixels, stride, &piece);
            encode(&e->format, out, &t);
        }
}

void rfb_put_header(struct rfb_buf *out, const struct rfb_rect *r, int32_t encoding) {
    rfb_buf_u16(out, (uint16_t)r->x);
    rfb_buf_u16(out, (uint16_t)r->y);
    rfb_buf_u16(out, (uint16_t)r->w);
    rfb_buf_u16(out, (uint16_t)r->h);
    rfb_buf_u32(out, (uint32_t)encoding);
}

/* In rectangles of at most a tile's pixels, wide ones: screens are alike along their lines. */
static unsigned encode_tight(struct rfb_encoder *e, struct rfb_buf *out, const uint32_t *pixels,
                             unsigned stride, const struct rfb_rect *r) {
    enum { HIGH = TILE * TILE / WIDE };
    struct tile t;
    unsigned n = 0;
    for (unsigned y = 0; y < r->h; y += HIGH)
        for (unsigned x = 0; x < r->w; x += WIDE, n++) {
            struct rfb_rect piece = {r->x + x, r->y + y, r->w - x < WIDE ? r->w - x : WIDE,
                                     r->h - y < HIGH ? r->h - y : HIGH};
            load_tile(&t, pixels, stride, &piece);
            rfb_put_header(out, &piece, RFB_TIGHT);
            tight(e, out, &t);
        }
    return n;
}

unsigned rfb_encode(struct rfb_encoder *e, struct rfb_buf *out, const uint32_t *pixels,
                    unsigned stride, const struct rfb_rect *r) {
    int32_t encoding = e->encoding;
    if ((encoding == RFB_ZRLE || encoding == RFB_TIGHT) && !zlib_ready(e))
        encoding = RFB_RAW;
    if (encoding == RFB_TIGHT)
        return encode_tight(e, out, pixels, stride, r);
    rfb_put_header(out, r, encoding);
    if (encoding == RFB_HEXTILE) {
        encode_tiles(e, out, pixels, stride, r, HEX, hextile);
    } else if (encoding == RFB_ZRLE) {
        e->scratch.len = 0;
        encode_tiles(e, &e->scratch, pixels, stride, r, TILE, zrle);
        if (e->scratch.failed)
            out->failed = true;
        else
            zrle_deflate(e, out, &e->scratch);
    } else {
        encode_raw(&e->format, out, pixels, stride, r);
    }
    return 1;
}

void rfb_encoder_free(struct rfb_encoder *e) {
    if (e->zlib) {
        libz.end(&e->zlib->stream);
        free(e->zlib);
        e->zlib = NULL;
    }
    rfb_buf_free(&e->scratch);
}
