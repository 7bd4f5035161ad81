/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CRC-32C, the polynomial 0x1edc6f41, reflected: by SSE4.2's instruction, or by nibbles where there
 * is none. See crc.h.
 */
#include "crc.h"

#include <string.h>

static uint32_t by_nibbles(uint32_t crc, const uint8_t *p, size_t len) {
    /* entry n is what the four bits n leave behind, dividing by the polynomial */
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *p,
                                                                 size_t len) {
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = (uint32_t)__builtin_ia32_crc32di(crc, word);
    }
    for (; len; p++, len--)
        crc = __builtin_ia32_crc32qi(crc, *p);
    return crc;
}

uint32_t crc32c(const void *bytes, size_t len) {
    return ~(__builtin_cpu_supports("sse4.2") ? by_instruction(UINT32_MAX, bytes, len)
                                              : by_nibbles(UINT32_MAX, bytes, len));
}

uint32_t crc32c_plain(const void *bytes, size_t len) {
    return ~by_nibbles(UINT32_MAX, bytes, len);
}
