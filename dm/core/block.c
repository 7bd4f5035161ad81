/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every image refuses or counts, before its own code. See block.h.
 */
#include "block.h"

#include <errno.h>
#include <stdio.h>

#include "throttle.h"

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
        stats->discard_ops++;
        stats->discard_bytes += req->len;
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
    if (block->throttle)
        throttle_submit(block->throttle, req);
    else
        block->ops->submit(block, req);
}

static void drain(struct block *block) {
    if (block->throttle)
        throttle_hold_nothing(block->throttle, true);
    block->ops->drain(block);
    if (block->throttle)
        throttle_hold_nothing(block->throttle, false);
}

/* A `done` may put the image away: not before we are through. */
void block_drain(struct block *block) {
    block_get(block);
    drain(block);
    block_put(block);
}

static void synced(struct block_req *req, int err) {
    *(int *)req->owner = err;
}

int block_sync(struct block *block, enum block_op op, uint64_t offset, void *buf, size_t len) {
    int err = 0;
    struct iovec iov = {buf, len};
    struct block_req req = {.op = op, .offset = offset, .len = len, .iov = &iov, .niov = 1,
                            .done = synced, .owner = &err};
    block_submit(block, &req);
    block_drain(block);
    return err;
}

struct block *block_get(struct block *block) {
    block->users++;
    return block;
}

void block_put(struct block *block) {
    if (!block || --block->users)
        return;
    drain(block);
    struct block_watch *next;
    for (struct block_watch *watch = block->watches; watch; watch = next) {
        next = watch->next;
        if (watch->gone)
            watch->gone(watch->arg);
    }
    if (block->throttle)
        throttle_free(block->throttle);
    block->ops->free(block);
}

void block_watch(struct block *block, struct block_watch *watch) {
    watch->next = block->watches;
    block->watches = watch;
}

void block_unwatch(struct block *block, struct block_watch *watch) {
    struct block_watch **p = &block->watches;
    while (*p && *p != watch)
        p = &(*p)->next;
    if (*p)
        *p = watch->next;
}

void block_resized(struct block *block, uint64_t size) {
    if (size == block->size)
        return;
    block->size = size;
    for (struct block_watch *watch = block->watches; watch; watch = watch->next)
        if (watch->resized)
            watch->resized(watch->arg);
}

bool block_resize(struct block *block, uint64_t size, char *why, size_t why_len) {
    if (!size || size % 512) {
        snprintf(why, why_len, "%llu bytes: a disk is a multiple of 512 bytes",
                 (unsigned long long)size);
    } else if (block->read_only) {
        snprintf(why, why_len, "image '%s' is open for reading only", block->name);
    } else if (!block->ops->resize) {
        snprintf(why, why_len, "image '%s' can't be resized while a guest uses it", block->name);
    } else {
        return size == block->size || block->ops->resize(block, size, why, why_len);
    }
    return false;
}
