/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A viewer's side of RFB (RFC 6143), for benches and for scenarios that drive a guest: Raw,
 * CopyRect, Hextile, Tight, ZRLE. It trusts nothing to be there in time, and ends the program with
 * a line when the server says what it must not. See rfbview.c.
 */
#ifndef BENCH_RFB_H
#define BENCH_RFB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

enum {
    RAW = 0, COPY_RECT = 1, HEXTILE = 5, TIGHT = 7, ZRLE = 16,
    DESKTOP_SIZE = -223, EXTENDED_DESKTOP_SIZE = -308,
};

/* Pixels as the server shall send them. */
enum rfb_pixels {
    PIXELS_OWN, /* red in the third byte: what servers keep, and most viewers ask for */
    PIXELS_BGR, /* red in the first byte: noVNC */
    PIXELS_16,  /* 5-6-5 bits */
};

struct rfb_counts {
    uint64_t updates, rects, pixels, bytes;
};

struct rfb {
    int fd;
    uint8_t *in; /* what was received: [in_at, in_end) is not used yet */
    size_t in_at, in_end, in_room;
    enum rfb_pixels format;
    bool blind; /* takes updates apart, but draws nothing */
    unsigned width, height;
    uint32_t *pixels; /* XRGB8888, [height][width] */
    bool asked;       /* a request is on its way */
    struct rfb_counts counts;
    z_stream streams[5]; /* Tight's four, ZRLE's one */
    bool stream_used[5];
    uint8_t *plain; /* what was inflated last */
    size_t plain_room;
};

void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
uint64_t now_ns(void);

/* `place` is HOST:PORT or the path of a socket; encodings end with the n-th. */
void rfb_connect(struct rfb *rfb, const char *place, const int32_t *encodings, unsigned n);
void rfb_ask(struct rfb *rfb, bool incremental);
void rfb_key(struct rfb *rfb, uint32_t keysym, bool down);
void rfb_pointer(struct rfb *rfb, unsigned x, unsigned y, unsigned buttons);
/* Asks for what changes and takes messages, until one brought pixels (true) or it is that late. */
bool rfb_wait(struct rfb *rfb, uint64_t until_ns);

/* Takes the whole screen, with all that was asked for before. */
void rfb_settle(struct rfb *rfb);

/* The next n bytes from the server; they stay until the next call. */
const uint8_t *rfb_take(struct rfb *rfb, size_t n);

/* rfb_decode.c: one rectangle of pixels. */
void rfb_decode(struct rfb *rfb, unsigned x, unsigned y, unsigned w, unsigned h, int32_t encoding);

#endif
