/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk image, as drives see it. The request is embedded in the chip's own struct: nothing is
 * allocated per request. `done` is called from the loop, never from inside block_submit. One image
 * object serves the emulated drive and the PV backend of the same disk. Owner's thread.
 */
#ifndef CORE_BLOCK_H
#define CORE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h> /* struct iovec, the type only */

enum block_op {
    BLOCK_READ,
    BLOCK_WRITE,
    BLOCK_FLUSH,   /* all writes that were done before it are on stable storage after it */
    BLOCK_DISCARD, /* [offset, offset + len): contents are undefined or zero afterwards */
};

struct block_req {
    enum block_op op;
    uint64_t offset; /* bytes; any multiple of 512 */
    size_t len;      /* bytes: the sum of iov, or what DISCARD covers */
    struct iovec *iov;
    unsigned niov;
    /* err: 0, or an errno (EIO, ENOSPC, EROFS, EINVAL for past the end). All or nothing is promised
     * only for 0. The request may be submitted anew from inside it. */
    void (*done)(struct block_req *req, int err);
    void *owner;
    /* the backend's own, from submit to done */
    struct block_req *next;
    uint64_t scratch[12];
};

struct block;

struct block_ops {
    void (*submit)(struct block *block, struct block_req *req);
    /* Calls done(err) from the loop, in order with the others, and does nothing else. */
    void (*refuse)(struct block *block, struct block_req *req, int err);
    /* Waits until nothing is in flight and runs every `done`: for pause, unplug and exit. */
    void (*drain)(struct block *block);
    void (*free)(struct block *block); /* drained before */
};

struct block_stats {
    uint64_t rd_ops, wr_ops, flush_ops, rd_bytes, wr_bytes, errors;
};

struct block {
    const struct block_ops *ops;
    const char *name; /* of the file, for messages */
    uint64_t size;    /* bytes, a multiple of 512 (of 2048 is not asked of CD images) */
    bool read_only;
    /* A file under an image format: a write past its end makes it longer, and what a read finds
     * past its end is zeros. */
    bool growable;
    unsigned users; /* drives and backends that hold it; block_put at 0 frees */
    struct block_stats stats;
};

/* Refuses (with done from the loop) what is past the end or writes a read-only image; counts. */
void block_submit(struct block *block, struct block_req *req);
void block_drain(struct block *block);
struct block *block_get(struct block *block);
void block_put(struct block *block);

#endif
