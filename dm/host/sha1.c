/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FIPS 180-4, sections 5 and 6.1: all at once. See sha1.h.
 */
#include "sha1.h"

#include <string.h>

#include "core/bits.h"

enum { BLOCK = 64, LENGTH = 8, ROUNDS = 80 };

static uint32_t turn(uint32_t v, unsigned by) {
    return v << by | v >> (32 - by);
}

static void block(uint32_t h[5], const uint8_t *bytes) {
    uint32_t w[ROUNDS], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (unsigned t = 0; t < 16; t++)
        w[t] = load_be32(bytes + 4 * t);
    for (unsigned t = 16; t < ROUNDS; t++)
        w[t] = turn(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (unsigned t = 0; t < ROUNDS; t++) {
        static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
        uint32_t f = t < 20 ? (b & c) ^ (~b & d)
                   : t < 40 || t >= 60 ? b ^ c ^ d
                                       : (b & c) ^ (b & d) ^ (c & d);
        uint32_t next = turn(a, 5) + f + e + k[t / 20] + w[t];
        e = d;
        d = c;
        c = turn(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void sha1(const void *bytes, size_t n, uint8_t digest[SHA1_LEN]) {
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const uint8_t *p = bytes;
    size_t left = n;
    for (; left >= BLOCK; left -= BLOCK, p += BLOCK)
        block(h, p);
    uint8_t last[2 * BLOCK] = {0};
    size_t end = left + 1 + LENGTH <= BLOCK ? BLOCK : 2 * BLOCK;
    if (left)
        memcpy(last, p, left);
    last[left] = 0x80;
    for (unsigned i = 0; i < LENGTH; i++)
        last[end - 1 - i] = (uint8_t)((uint64_t)n * 8 >> 8 * i);
    for (size_t at = 0; at < end; at += BLOCK)
        block(h, last + at);
    for (unsigned i = 0; i < 5; i++)
        store_be32(digest + 4 * i, h[i]);
}
