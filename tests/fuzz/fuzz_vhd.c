/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHD images that lie: a sound dynamic one with the input laid over it. The sums are made right
 * again, for a fuzzer does not find them, unless the input's first byte says otherwise. See
 * fuzz_image.h.
 */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER = 512, TABLE = 1536, PLACE = 2048, BLOCK = 4096, ENTRIES = 32,
       SIZE = PLACE + 512 + BLOCK + 512 };

static void sum(uint8_t *bytes, size_t len, size_t at) {
    uint32_t total = 0;
    store_be32(bytes + at, 0);
    for (size_t i = 0; i < len; i++)
        total += bytes[i];
    store_be32(bytes + at, ~total);
}

static struct block *open_summed(struct loop *loop, struct block *block, const char *name,
                                 const struct image_options *options, char *why, size_t why_len) {
    struct fixture_file *file = CONTAINER_OF(block, struct fixture_file, block);
    if (file->seed < 0xf0) {
        sum(file->bytes, 512, 64);
        sum(file->bytes + HEADER, 1024, 36);
        sum(file->bytes + SIZE - 512, 512, 64);
    }
    return vhd_open(loop, block, name, options, why, why_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t image[SIZE];
    memset(image, 0, sizeof(image));
    memcpy(image, "conectix", 8);
    store_be32(image + 12, 0x10000);
    store_be64(image + 16, HEADER);
    memcpy(image + 28, "win ", 4);
    store_be64(image + 48, ENTRIES * BLOCK);
    store_be32(image + 60, 3);
    memcpy(image + HEADER, "cxsparse", 8);
    store_be64(image + HEADER + 16, TABLE);
    store_be32(image + HEADER + 28, ENTRIES);
    store_be32(image + HEADER + 32, BLOCK);
    memset(image + TABLE, 0xff, ENTRIES * 4);
    store_be32(image + TABLE + 4, PLACE / 512);
    image[PLACE] = 0xc1;
    memcpy(image + SIZE - 512, image, 512);
    fuzz_image(open_summed, image, sizeof(image), data, size);
    return 0;
}
