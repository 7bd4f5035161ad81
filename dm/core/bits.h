/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small things written once: little-endian loads and stores, bitmaps, lengths, masks.
 */
#ifndef CORE_BITS_H
#define CORE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

/* All ones in the low `size` bytes: what a floating bus reads as. size is 1 to 8. */
static inline uint64_t size_mask(unsigned size) {
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (size * 8)) - 1;
}

static inline uint16_t load_le16(const void *p) {
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t load_le32(const void *p) {
    const uint8_t *b = p;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t load_le64(const void *p) {
    return load_le32(p) | (uint64_t)load_le32((const uint8_t *)p + 4) << 32;
}

static inline uint64_t load_le(const void *p, unsigned size) {
    const uint8_t *b = p;
    uint64_t v = 0;
    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)b[i] << (8 * i);
    return v;
}

static inline void store_le16(void *p, uint16_t v) {
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static inline void store_le32(void *p, uint32_t v) {
    store_le16(p, (uint16_t)v);
    store_le16((uint8_t *)p + 2, (uint16_t)(v >> 16));
}

static inline void store_le64(void *p, uint64_t v) {
    store_le32(p, (uint32_t)v);
    store_le32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

static inline void store_le(void *p, unsigned size, uint64_t v) {
    uint8_t *b = p;
    for (unsigned i = 0; i < size; i++)
        b[i] = (uint8_t)(v >> (8 * i));
}

static inline uint16_t load_be16(const void *p) {
    const uint8_t *b = p;
    return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t load_be32(const void *p) {
    return (uint32_t)load_be16(p) << 16 | load_be16((const uint8_t *)p + 2);
}

static inline uint64_t load_be64(const void *p) {
    return (uint64_t)load_be32(p) << 32 | load_be32((const uint8_t *)p + 4);
}

static inline void store_be16(void *p, uint16_t v) {
    uint8_t *b = p;
    b[0] = (uint8_t)(v >> 8);
    b[1] = (uint8_t)v;
}

static inline void store_be32(void *p, uint32_t v) {
    store_be16(p, (uint16_t)(v >> 16));
    store_be16((uint8_t *)p + 2, (uint16_t)v);
}

static inline void store_be64(void *p, uint64_t v) {
    store_be32(p, (uint32_t)(v >> 32));
    store_be32((uint8_t *)p + 4, (uint32_t)v);
}

/* Bitmaps are arrays of 64-bit words, bit n in word n / 64. */
static inline bool bitmap_get(const uint64_t *map, size_t n) {
    return map[n / 64] >> (n % 64) & 1;
}

static inline void bitmap_set(uint64_t *map, size_t n) {
    map[n / 64] |= UINT64_C(1) << (n % 64);
}

static inline void bitmap_clear(uint64_t *map, size_t n) {
    map[n / 64] &= ~(UINT64_C(1) << (n % 64));
}

#endif
