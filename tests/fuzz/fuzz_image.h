/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For fuzz targets of image formats: requests against an image on a file in memory. The input
 * begins with 32 bytes that choose the requests; the rest is laid over an image that is sound:
 * records of place (3 bytes, big endian), length (1) and bytes.
 * No request may hang.
 */
#ifndef FUZZ_IMAGE_H
#define FUZZ_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "fixture_file.h"
#include "image_priv.h"
#include "loop.h"

enum { FUZZ_CHOICES = 32, FUZZ_MAX_FILE = 16 << 20 };

static inline void fuzz_done(struct block_req *req, int err) {
    (void)err;
    *(unsigned *)req->owner += 1;
}

/* Lays the records over the image. */
static inline void fuzz_overlay(uint8_t *image, size_t size, const uint8_t *data, size_t len) {
    size_t at = 0;
    while (at + 4 < len) {
        size_t place = (size_t)data[at] << 16 | (size_t)data[at + 1] << 8 | data[at + 2];
        size_t n = MIN((size_t)data[at + 3] + 1, len - at - 4);
        place %= size;
        n = MIN(n, size - place);
        memcpy(image + place, data + at + 4, n);
        at += 4 + n;
    }
}

static inline void fuzz_requests(struct loop *loop, struct block *block, const uint8_t *choices) {
    enum { MAX = 64 * 1024, BATCH = 4 };
    static uint8_t memory[BATCH][MAX];
    struct block_req req[BATCH];
    struct iovec iov[BATCH][2];
    for (unsigned i = 0; i + 8 <= FUZZ_CHOICES; i += 8) {
        unsigned ended = 0;
        for (unsigned k = 0; k < BATCH; k++) {
            unsigned where = choices[i + 2 * k], what = choices[i + 2 * k + 1];
            uint64_t sectors = block->size / 512;
            uint64_t from = where & 0x80 ? sectors * (where & 0x7f) / 128 : where % sectors;
            uint64_t len = MIN((what >> 2) % 2 ? MAX / 512 : 1 + (what >> 3), sectors - from) * 512;
            iov[k][0] = (struct iovec){memory[k], len / 2};
            iov[k][1] = (struct iovec){memory[k] + len / 2, len - len / 2};
            req[k] = (struct block_req){.op = (enum block_op)(what & 3), .offset = from * 512,
                                        .len = len, .iov = iov[k], .niov = 2, .done = fuzz_done,
                                        .owner = &ended};
            block_submit(block, &req[k]);
        }
        for (unsigned turns = 0; ended < BATCH && turns < 100000; turns++)
            loop_once(loop, NULL, 0);
        if (ended < BATCH)
            abort(); /* somebody waits for nothing */
    }
}

typedef struct block *fuzz_open(struct loop *loop, struct block *file, const char *name,
                                const struct image_options *options, char *why, size_t why_len);

static inline void fuzz_image(fuzz_open *open, uint8_t *image, size_t size, const uint8_t *data,
                              size_t len) {
    if (len < FUZZ_CHOICES)
        return;
    fuzz_overlay(image, size, data + FUZZ_CHOICES, len - FUZZ_CHOICES);
    struct loop *loop = loop_new();
    struct image_options options = {.read_only = data[0] % 4 == 3};
    char why[512] = "";
    struct fixture_file *file = fixture_file_new(loop, image, size, FUZZ_MAX_FILE,
                                                 options.read_only);
    file->seed = data[1];
    struct block *block = open(loop, &file->block, "fuzz", &options, why, sizeof(why));
    if (!block) {
        if (!*why)
            abort(); /* no sentence */
        block_put(&file->block);
    } else {
        fuzz_requests(loop, block, data);
        block_put(block);
    }
    loop_free(loop);
}

#endif
