/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Enough of RFC 1951 to look into a screendump's PNG.
 */
#ifndef TESTS_INFLATE_H
#define TESTS_INFLATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A bit reader and the fixed code of RFC 1951, as far as literals and distance 1 go. */
struct bits {
    const uint8_t *bytes;
    size_t at;
};

static unsigned take_bits(struct bits *in, unsigned n) {
    unsigned value = 0;
    for (unsigned i = 0; i < n; i++, in->at++)
        value |= (unsigned)(in->bytes[in->at / 8] >> in->at % 8 & 1) << i;
    return value;
}

static unsigned take_code(struct bits *in, unsigned code, unsigned n) {
    while (n--)
        code = code << 1 | take_bits(in, 1);
    return code;
}

static unsigned take_symbol(struct bits *in) {
    unsigned code = take_code(in, 0, 7);
    if (code < 24)
        return 256 + code;
    code = take_code(in, code, 1);
    if (code >= 0x30 && code < 0xc0)
        return code - 0x30;
    if (code >= 0xc0 && code < 0xc8)
        return 280 + code - 0xc0;
    return take_code(in, code, 1) - 0x190 + 144;
}

static size_t inflate_fixed(const uint8_t *bytes, uint8_t *out, size_t room) {
    struct bits in = {bytes, 0};
    size_t n = 0;
    assert_int_equal(take_bits(&in, 3), 3); /* last block, fixed */
    for (unsigned symbol; (symbol = take_symbol(&in)) != 256;) {
        unsigned extra = symbol < 265 || symbol == 285 ? 0 : (symbol - 261) / 4;
        unsigned len = symbol < 265 ? symbol - 254 : symbol == 285 ? 258
                     : ((4 + (symbol - 261) % 4) << extra) + 3 + take_bits(&in, extra);
        if (symbol > 256)
            assert_int_equal(take_code(&in, 0, 5), 0); /* distance 1 */
        for (unsigned i = 0; i < (symbol < 256 ? 1 : len); i++, n++) {
            assert_true(n < room);
            out[n] = symbol < 256 ? (uint8_t)symbol : out[n - 1];
        }
    }
    return n;
}

#endif
