/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compression for viewers: zlib's format (RFC 1950, RFC 1951), which ends at no time: what is
 * appended can be unpacked at once. Quick rather than small. Pure, one thread.
 */
#ifndef HOST_DEFLATE_H
#define HOST_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DEFLATE_CHUNK = 16384, DEFLATE_BYTES = 65536, DEFLATE_HEADS = 8192 };

/* All zeros at first. */
struct deflate {
    bool begun;
    unsigned used;                  /* of bytes */
    uint8_t bytes[DEFLATE_BYTES];   /* the last ones */
    uint16_t heads[DEFLATE_HEADS];  /* by what is there: where it was last */
    uint32_t tokens[DEFLATE_CHUNK]; /* a literal, or a length << 16 and a distance */
};

/* How much n bytes may become. */
size_t deflate_room(size_t n);
/* Appends n bytes, packed, at `to`; returns how many they have become. */
size_t deflate_append(struct deflate *d, uint8_t *to, const uint8_t *from, size_t n);

#endif
