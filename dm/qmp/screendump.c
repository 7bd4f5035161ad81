/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The screen into a file: PPM (P6) or PNG (RFC 2083 with RFC 1950 and 1951).
 *
 * The PNG is made here, not by libpng: screens are mostly runs, for which the Up filter and matches
 * at distance 1 in the fixed code do nearly as well as a search, and the device model needn't load
 * two libraries at each start for a command that few give.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/display.h"
#include "internal.h"

enum { BLANK_WIDTH = 640, BLANK_HEIGHT = 480, MATCH_MIN = 3, MATCH_MAX = 258 };

static bool write_all(int fd, const void *bytes, size_t n) {
    for (const char *at = bytes; n;) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        at += done;
        n -= (size_t)done;
    }
    return true;
}

static void size_of(const struct display *display, unsigned *width, unsigned *height) {
    bool blank = !display->pixels || !display->width || !display->height;
    *width = blank ? BLANK_WIDTH : display->width;
    *height = blank ? BLANK_HEIGHT : display->height;
}

/* Line y as bytes R, G, B; black where nothing is shown. */
static void line_of(const struct display *display, unsigned width, unsigned y, uint8_t *rgb) {
    bool blank = !display->pixels || !display->width || !display->height;
    const uint32_t *pixels = blank ? NULL : display->pixels + (size_t)y * display->stride;
    for (unsigned x = 0; x < width; x++) {
        uint32_t pixel = pixels ? pixels[x] : 0;
        rgb[3 * x] = (uint8_t)(pixel >> 16);
        rgb[3 * x + 1] = (uint8_t)(pixel >> 8);
        rgb[3 * x + 2] = (uint8_t)pixel;
    }
}

bool write_ppm(int fd, const struct display *display) {
    unsigned width, height;
    char header[64];
    size_of(display, &width, &height);
    int n = snprintf(header, sizeof(header), "P6\n%u %u\n255\n", width, height);
    uint8_t *rgb = malloc((size_t)3 * width);
    bool good = rgb && write_all(fd, header, (size_t)n);
    for (unsigned y = 0; good && y < height; y++) {
        line_of(display, width, y, rgb);
        good = write_all(fd, rgb, (size_t)3 * width);
    }
    free(rgb);
    return good;
}

struct png {
    int fd;
    bool bad;
    uint8_t out[16384]; /* of the IDAT chunk being filled */
    size_t len;
    uint64_t bits; /* not yet a byte, lowest first */
    unsigned bit_count;
    uint32_t a, b; /* Adler-32 */
    int last;      /* byte of the run, or -1 */
    unsigned run;  /* how often it came again */
};

static uint32_t crc(uint32_t c, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        c ^= bytes[i];
        for (unsigned k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    }
    return c;
}

static void put_be32(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static void chunk(struct png *png, const char *type, const uint8_t *bytes, size_t n) {
    uint8_t head[8], tail[4];
    put_be32(head, (uint32_t)n);
    memcpy(head + 4, type, 4);
    put_be32(tail, ~crc(crc(0xffffffffu, head + 4, 4), bytes, n));
    if (!write_all(png->fd, head, 8) || !write_all(png->fd, bytes, n) ||
        !write_all(png->fd, tail, 4))
        png->bad = true;
}

static void put_byte(struct png *png, uint8_t byte) {
    if (png->len == sizeof(png->out)) {
        chunk(png, "IDAT", png->out, png->len);
        png->len = 0;
    }
    png->out[png->len++] = byte;
}

static void put_bits(struct png *png, uint32_t value, unsigned n) {
    png->bits |= (uint64_t)value << png->bit_count;
    for (png->bit_count += n; png->bit_count >= 8; png->bit_count -= 8) {
        put_byte(png, (uint8_t)png->bits);
        png->bits >>= 8;
    }
}

/* Huffman codes go highest bit first (RFC 1951, 3.1.1). */
static void put_code(struct png *png, uint32_t code, unsigned n) {
    while (n--)
        put_bits(png, code >> n & 1, 1);
}

/* The fixed code of literals and lengths (RFC 1951, 3.2.6). */
static void put_symbol(struct png *png, unsigned symbol) {
    if (symbol < 144)
        put_code(png, 0x30 + symbol, 8);
    else if (symbol < 256)
        put_code(png, 0x190 + symbol - 144, 9);
    else if (symbol < 280)
        put_code(png, symbol - 256, 7);
    else
        put_code(png, 0xc0 + symbol - 280, 8);
}

/* A match of n bytes at distance 1 (RFC 1951, 3.2.5). */
static void put_match(struct png *png, unsigned n) {
    static const uint16_t base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                    31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t extra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                    2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    unsigned i = sizeof(base) / sizeof(base[0]) - 1;
    while (base[i] > n)
        i--;
    put_symbol(png, 257 + i);
    put_bits(png, n - base[i], extra[i]);
    put_code(png, 0, 5);
}

static void end_run(struct png *png) {
    while (png->run) {
        unsigned n = png->run < MATCH_MAX ? png->run : MATCH_MAX;
        if (n < MATCH_MIN) {
            put_symbol(png, (unsigned)png->last);
            n = 1;
        } else {
            put_match(png, n);
        }
        png->run -= n;
    }
}

static void deflate_byte(struct png *png, uint8_t byte) {
    png->a = (png->a + byte) % 65521;
    png->b = (png->b + png->a) % 65521;
    if (byte == png->last) {
        png->run++;
        return;
    }
    end_run(png);
    put_symbol(png, byte);
    png->last = byte;
}

static void deflate_start(struct png *png) {
    png->a = 1;
    png->last = -1;
    put_byte(png, 0x78); /* deflate, 32 KiB window */
    put_byte(png, 0x01);
    put_bits(png, 3, 3); /* the last block, fixed codes */
}

static void deflate_end(struct png *png) {
    uint8_t adler[4];
    end_run(png);
    put_symbol(png, 256);
    if (png->bit_count)
        put_bits(png, 0, 8 - png->bit_count);
    put_be32(adler, png->b << 16 | png->a);
    for (unsigned i = 0; i < 4; i++)
        put_byte(png, adler[i]);
    chunk(png, "IDAT", png->out, png->len);
}

/* Each line as the difference to the one above: filter 2, Up (RFC 2083, 6.4). */
static void put_lines(struct png *png, const struct display *display, unsigned width,
                      unsigned height, uint8_t *above, uint8_t *line) {
    size_t n = (size_t)3 * width;
    for (unsigned y = 0; y < height && !png->bad; y++) {
        line_of(display, width, y, line);
        deflate_byte(png, 2);
        for (size_t i = 0; i < n; i++)
            deflate_byte(png, (uint8_t)(line[i] - above[i]));
        memcpy(above, line, n);
    }
}

bool write_png(int fd, const struct display *display) {
    static const uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    unsigned width, height;
    size_of(display, &width, &height);
    uint8_t header[13] = {[8] = 8 /* bits */, [9] = 2 /* RGB */};
    put_be32(header, width);
    put_be32(header + 4, height);
    struct png *png = calloc(1, sizeof(*png));
    uint8_t *lines = calloc(2, (size_t)3 * width);
    bool good = png && lines;
    if (good) {
        png->fd = fd;
        png->bad = !write_all(fd, signature, sizeof(signature));
        chunk(png, "IHDR", header, sizeof(header));
        deflate_start(png);
        put_lines(png, display, width, height, lines, lines + (size_t)3 * width);
        deflate_end(png);
        chunk(png, "IEND", NULL, 0);
        good = !png->bad;
    }
    free(lines);
    free(png);
    return good;
}

static bool ends_with(const char *text, const char *tail) {
    size_t n = strlen(text), m = strlen(tail);
    return n >= m && !strcmp(text + n - m, tail);
}

static struct json_object *cmd_screendump(struct call *call) {
    const char *filename = arg_text(call, "filename"), *format = arg_text(call, "format");
    struct display *display = call->qmp->machine->display;
    if (!display)
        return call_fail(call, GENERIC_ERROR, "the guest has no VGA (vga=)");
    if (format && strcmp(format, "ppm") && strcmp(format, "png"))
        return call_fail(call, GENERIC_ERROR, "format must be ppm or png");
    bool png = format ? !strcmp(format, "png") : ends_with(filename, ".png");
    int fd = open_file(call, filename, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0)
        return NULL;
    display_watch(display, true);
    bool apart = display->cursor_apart; /* a viewer's affair */
    display->cursor_apart = false;
    if (display->refresh)
        display->refresh(display->dev, display, true);
    display->cursor_apart = apart;
    errno = 0;
    if (!(png ? write_png : write_ppm)(fd, display))
        call_fail(call, GENERIC_ERROR, "%.256s: %s", filename, strerror(errno));
    display_watch(display, false); /* the surface goes, unless a viewer needs it */
    close(fd);
    return NULL;
}

const struct command screen_commands[] = {
    {"screendump", "filename:s,?format:s,?device:s,?head:i", 0, cmd_screendump},
    {NULL, NULL, 0, NULL},
};
