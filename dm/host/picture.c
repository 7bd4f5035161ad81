/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PNG by libpng's simplified interface (libpng 1.6 manual, section V); PPM is Netpbm's binary "P6". The
 * library is loaded when the first picture is taken, so that a start pays nothing for it. See picture.h.
 */
#include "picture.h"

#include <dlfcn.h>
#include <errno.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/display.h"

#define LIBPNG "libpng16.so.16"

/* The picture as bytes, red first; to be freed. NULL: `why` is a sentence. */
static uint8_t *rgb_bytes(const struct display *d, char *why, size_t why_len) {
    size_t n = (size_t)d->width * d->height;
    uint8_t *bytes = d->pixels ? malloc(n * 3) : NULL, *to = bytes;
    if (!bytes) {
        snprintf(why, why_len, "no memory for a picture of %u x %u", d->width, d->height);
        return NULL;
    }
    for (unsigned y = 0; y < d->height; y++) {
        const uint32_t *line = d->pixels + (size_t)y * d->stride;
        for (unsigned x = 0; x < d->width; x++, to += 3) {
            to[0] = (uint8_t)(line[x] >> 16);
            to[1] = (uint8_t)(line[x] >> 8);
            to[2] = (uint8_t)line[x];
        }
    }
    return bytes;
}

static bool write_all(int fd, const void *buf, size_t n, char *why, size_t why_len) {
    const char *from = buf;
    while (n) {
        ssize_t done = write(fd, from, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            snprintf(why, why_len, "the picture can't be written: %s",
                     done ? strerror(errno) : "nothing more is taken");
            return false;
        }
        from += done;
        n -= (size_t)done;
    }
    return true;
}

static bool encode_ppm(int fd, const struct display *d, const uint8_t *rgb, char *why,
                       size_t why_len) {
    char head[64];
    int n = snprintf(head, sizeof(head), "P6\n%u %u\n255\n", d->width, d->height);
    return write_all(fd, head, (size_t)n, why, why_len) &&
           write_all(fd, rgb, (size_t)d->width * d->height * 3, why, why_len);
}

/* ---- libpng ---- */

typedef int write_to_memory(png_imagep, void *, png_alloc_size_t *, int, const void *, png_int_32,
                            const void *);

static write_to_memory *load_libpng(char *why, size_t why_len) {
    static void *library; /* once loaded it stays */
    if (!library)
        library = dlopen(LIBPNG, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "png_image_write_to_memory") : NULL;
    if (!symbol)
        snprintf(why, why_len, "%s (Debian's libpng16-16) can't be used: %s", LIBPNG, dlerror());
    return (write_to_memory *)symbol;
}

static bool encode_png(int fd, const struct display *d, const uint8_t *rgb, char *why,
                       size_t why_len) {
    write_to_memory *encode = load_libpng(why, why_len);
    if (!encode)
        return false;
    png_image image = {.version = PNG_IMAGE_VERSION, .width = d->width, .height = d->height,
                       .format = PNG_FORMAT_RGB, .flags = PNG_IMAGE_FLAG_FAST};
    png_alloc_size_t len = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *bytes = malloc(len);
    bool ok = bytes && encode(&image, bytes, &len, 0, rgb, 0, NULL);
    if (!ok)
        snprintf(why, why_len, "no PNG of %u x %u: %s", d->width, d->height,
                 bytes ? image.message : "no memory");
    else
        ok = write_all(fd, bytes, len, why, why_len);
    free(bytes);
    return ok;
}

/* ---- */

static bool take(int fd, struct display *display, char *why, size_t why_len,
                 bool (*encode)(int, const struct display *, const uint8_t *, char *, size_t)) {
    display_watch(display, true);
    display->refresh(display->dev, display, true);
    uint8_t *rgb = rgb_bytes(display, why, why_len);
    bool ok = rgb && encode(fd, display, rgb, why, why_len);
    free(rgb);
    display_watch(display, false);
    return ok;
}

bool picture_png(int fd, struct display *display, char *why, size_t why_len) {
    return take(fd, display, why, why_len, encode_png);
}

bool picture_ppm(int fd, struct display *display, char *why, size_t why_len) {
    return take(fd, display, why, why_len, encode_ppm);
}
