/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libz and libzstd, late. See image_unpack.h.
 */
#include "image_unpack.h"

#include <zlib.h>

#include "core/bits.h"
#include "late.h"

static struct {
    int (*init)(z_streamp, int, const char *, int);
    int (*inflate)(z_streamp, int);
    int (*end)(z_streamp);
} libz;

static const struct late_symbol libz_symbols[] = {
    LATE(libz, init, "inflateInit2_"), LATE(libz, inflate, "inflate"),
    LATE(libz, end, "inflateEnd"),
};

static struct late libz_late = {.file = "libz.so.1", .package = "zlib1g", .symbols = libz_symbols,
                                .count = ARRAY_LEN(libz_symbols)};

/* The stable part of its interface: ZSTD_inBuffer and ZSTD_outBuffer. */
struct zstd_in {
    const void *src;
    size_t size, pos;
};

struct zstd_out {
    void *dst;
    size_t size, pos;
};

static struct {
    void *(*create)(void);
    size_t (*decompress)(void *stream, struct zstd_out *out, struct zstd_in *in);
    size_t (*free)(void *stream);
    unsigned (*is_error)(size_t code);
} libzstd;

static const struct late_symbol libzstd_symbols[] = {
    LATE(libzstd, create, "ZSTD_createDStream"),
    LATE(libzstd, decompress, "ZSTD_decompressStream"), LATE(libzstd, free, "ZSTD_freeDStream"),
    LATE(libzstd, is_error, "ZSTD_isError"),
};

static struct late libzstd_late = {.file = "libzstd.so.1", .package = "libzstd1",
                                   .symbols = libzstd_symbols,
                                   .count = ARRAY_LEN(libzstd_symbols)};

bool unpack_load(bool zstd, char *why, size_t why_len) {
    return late_load(zstd ? &libzstd_late : &libz_late, why, why_len);
}

static bool unpack_zlib(const uint8_t *in, size_t len, uint8_t *out, size_t size) {
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)in, .avail_in = (uInt)len, .next_out = out,
                  .avail_out = (uInt)size};
    if (libz.init(&z, -15, ZLIB_VERSION, sizeof(z)) != Z_OK)
        return false;
    int result = libz.inflate(&z, Z_FINISH);
    libz.end(&z);
    return (result == Z_STREAM_END || result == Z_BUF_ERROR || result == Z_OK) && !z.avail_out;
}

static bool unpack_zstd(const uint8_t *in, size_t len, uint8_t *out, size_t size) {
    struct zstd_in from = {in, len, 0};
    struct zstd_out to = {out, size, 0};
    void *stream = libzstd.create();
    bool ok = stream;
    while (ok && to.pos < size) {
        size_t before = from.pos + to.pos, result = libzstd.decompress(stream, &to, &from);
        ok = !libzstd.is_error(result) && from.pos + to.pos > before;
    }
    if (stream)
        libzstd.free(stream);
    return ok;
}

bool unpack(bool zstd, const uint8_t *in, size_t len, uint8_t *out, size_t size) {
    struct late *lib = zstd ? &libzstd_late : &libz_late;
    if (!lib->loaded)
        return false;
    return zstd ? unpack_zstd(in, len, out, size) : unpack_zlib(in, len, out, size);
}
