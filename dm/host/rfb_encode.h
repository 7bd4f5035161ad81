/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rectangles of a screen as RFB encodings (RFC 6143, section 7.7): Raw, Hextile, ZRLE. Pure but for
 * zlib, which is loaded when the first client asks for ZRLE. One thread.
 */
#ifndef HOST_RFB_ENCODE_H
#define HOST_RFB_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes on their way out. `failed`: there was no memory, and what is in it is not to be used. */
struct rfb_buf {
    uint8_t *bytes;
    size_t len, cap;
    bool failed;
};

void *rfb_buf_room(struct rfb_buf *buf, size_t n); /* n more bytes, or NULL */
void rfb_buf_put(struct rfb_buf *buf, const void *bytes, size_t n);
void rfb_buf_u8(struct rfb_buf *buf, uint8_t v);
void rfb_buf_u16(struct rfb_buf *buf, uint16_t v); /* big-endian, as all of RFB */
void rfb_buf_u32(struct rfb_buf *buf, uint32_t v);
void rfb_buf_free(struct rfb_buf *buf);

/* A client's pixels. */
struct rfb_format {
    uint8_t bits; /* 8, 16 or 32 */
    bool big_endian;
    uint8_t depth;
    uint16_t max[3]; /* red, green, blue */
    uint8_t shift[3];
    /* derived by rfb_format_ready */
    bool native; /* as ours: XRGB8888, little-endian */
    unsigned compact; /* bytes of a ZRLE pixel */
    unsigned compact_skip; /* bytes left out before those */
    bool rgb; /* a Tight pixel is three bytes: red, green, blue */
    bool bytes; /* each colour is a byte of 32 bits, at these shifts in our memory */
    unsigned byte_shift[3];
    uint32_t table[3][256];
};

extern const struct rfb_format rfb_native;
/* False: no such pixels. */
bool rfb_format_ready(struct rfb_format *format);

enum { RFB_RAW = 0, RFB_HEXTILE = 5, RFB_TIGHT = 7, RFB_ZRLE = 16 };

/* n pixels in the client's format. */
void rfb_put_pixels(const struct rfb_format *format, struct rfb_buf *out, const uint32_t *pixels,
                    unsigned n);

struct rfb_zlib;

struct rfb_encoder {
    struct rfb_format format;
    int32_t encoding;
    struct rfb_zlib *zlib; /* NULL: not used yet */
    struct rfb_buf scratch;
};

/* Whether ZRLE and Tight can be had. */
bool rfb_zlib_load(void);

struct rfb_rect {
    unsigned x, y, w, h;
};

/* The head of each rectangle, whatever it tells (RFC 6143, 7.6.1). */
void rfb_put_header(struct rfb_buf *out, const struct rfb_rect *r, int32_t encoding);

/* One rectangle, as one or more with their headers: how many. `pixels` is the whole screen,
 * `stride` pixels a line. */
unsigned rfb_encode(struct rfb_encoder *encoder, struct rfb_buf *out, const uint32_t *pixels,
                unsigned stride, const struct rfb_rect *rect);
void rfb_encoder_free(struct rfb_encoder *encoder);

#endif
