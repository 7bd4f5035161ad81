/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a request costs in an image format: `image_cost FORMAT FILE BYTES COUNT [write]` reads or
 * writes COUNT pieces of BYTES one after the other, from the beginning again at the end. Under
 * callgrind, the difference of two COUNTs over the difference of the instructions is the answer.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "loop.h"

struct state {
    struct block *block;
    uint64_t left, failed;
};

static void done(struct block_req *req, int err) {
    struct state *state = req->owner;
    state->failed += err != 0;
    if (!--state->left)
        return;
    req->offset += req->len;
    if (req->offset + req->len > state->block->size)
        req->offset = 0;
    block_submit(state->block, req);
}

int main(int argc, char **argv) {
    char why[512];
    if (argc < 5) {
        fprintf(stderr, "image_cost FORMAT FILE BYTES COUNT [write]\n");
        return 2;
    }
    struct image_options options = {.format = argv[1], .read_only = argc < 6};
    struct loop *loop = loop_new();
    struct state state = {.left = strtoull(argv[4], NULL, 0)};
    size_t len = strtoull(argv[3], NULL, 0);
    state.block = image_open(loop, argv[2], &options, why, sizeof(why));
    if (!state.block) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    struct iovec iov[16]; /* as a guest's pages are */
    char *memory = calloc(1, len);
    for (unsigned i = 0; i < 16; i++)
        iov[i] = (struct iovec){memory + len / 16 * i, len / 16};
    struct block_req req = {.op = argc > 5 ? BLOCK_WRITE : BLOCK_READ, .len = len, .iov = iov,
                            .niov = 16, .done = done, .owner = &state};
    block_submit(state.block, &req);
    while (state.left)
        loop_once(loop, NULL, NS_PER_SEC);
    block_put(state.block);
    loop_free(loop);
    free(memory);
    return state.failed != 0;
}
