/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 images that lie: a sound one of 4 KiB clusters with the input laid over it. See
 * fuzz_image.h.
 */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLUSTER = 4096, CLUSTERS = 10 };

/* Header, L1, refcount table, its block, L2, then data, zeros and something packed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t image[CLUSTERS * CLUSTER];
    memset(image, 0, sizeof(image));
    store_be32(image, 0x514649fb);
    store_be32(image + 4, 3);
    store_be32(image + 20, 12);
    store_be64(image + 24, 2 << 20);
    store_be32(image + 36, 2);
    store_be64(image + 40, CLUSTER);
    store_be64(image + 48, 2 * CLUSTER);
    store_be32(image + 56, 1);
    store_be32(image + 96, 4);
    store_be32(image + 100, 104);
    store_be64(image + CLUSTER, UINT64_C(1) << 63 | 4 * CLUSTER);
    store_be64(image + 2 * CLUSTER, 3 * CLUSTER);
    for (unsigned i = 0; i < CLUSTERS; i++)
        store_be16(image + 3 * CLUSTER + i * 2, 1);
    for (unsigned i = 0; i < 4; i++)
        store_be64(image + 4 * CLUSTER + i * 8,
                   UINT64_C(1) << 63 | (5 + i) * CLUSTER | (i == 3));
    store_be64(image + 4 * CLUSTER + 32, UINT64_C(1) << 62 | 9 * CLUSTER);
    image[9 * CLUSTER] = 1; /* a stored block of deflate: 16 bytes */
    store_le16(image + 9 * CLUSTER + 1, 16);
    store_le16(image + 9 * CLUSTER + 3, 0xffef);
    fuzz_image(qcow2_open, image, sizeof(image), data, size);
    return 0;
}
