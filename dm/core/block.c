/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every image refuses or counts, before its own code. See block.h.
 */
#include "block.h"

#include <errno.h>

static int check(const struct block *block, const struct block_req *req) {
    if (req->op == BLOCK_FLUSH)
        return 0;
    uint64_t end = block->growable ? INT64_MAX : block->size;
    if ((req->offset | req->len) % 512 || req->offset > end || req->len > end - req->offset)
        return EINVAL;
    return req->op != BLOCK_READ && block->read_only ? EROFS : 0;
}

static void count(struct block_stats *stats, const struct block_req *req) {
    switch (req->op) {
    case BLOCK_READ:
        stats->rd_ops++;
        stats->rd_bytes += req->len;
        break;
    case BLOCK_WRITE:
        stats->wr_ops++;
        stats->wr_bytes += req->len;
        break;
    case BLOCK_FLUSH:
        stats->flush_ops++;
        break;
    case BLOCK_DISCARD:
        break;
    }
}

void block_submit(struct block *block, struct block_req *req) {
    int err = check(block, req);
    if (err) {
        block->stats.errors++;
        block->ops->refuse(block, req, err);
        return;
    }
    count(&block->stats, req);
    block->ops->submit(block, req);
}

void block_drain(struct block *block) {
    block->ops->drain(block);
}

struct block *block_get(struct block *block) {
    block->users++;
    return block;
}

void block_put(struct block *block) {
    if (!block || --block->users)
        return;
    block->ops->drain(block);
    block->ops->free(block);
}
