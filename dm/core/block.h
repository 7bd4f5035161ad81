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
    /* NULL: its size is fixed. To a multiple of 512 bytes; calls block_resized. False: `why` is a
     * sentence. */
    bool (*resize)(struct block *block, uint64_t size, char *why, size_t why_len);
};

/* Refused requests count in nothing but errors. */
struct block_stats {
    uint64_t rd_ops, wr_ops, flush_ops, discard_ops, rd_bytes, wr_bytes, discard_bytes, errors;
};

/* Somebody who shows the image's size to the guest, or knows it without being one of its users.
 * Either may be NULL. */
struct block_watch {
    void (*resized)(void *arg); /* block->size is the new one; may not watch or unwatch others */
    void (*gone)(void *arg);    /* its last user has put it away; the watch is yours again */
    void *arg;
    struct block_watch *next; /* the image's, between block_watch and block_unwatch */
};

struct block {
    const struct block_ops *ops;
    const char *name; /* of the file, for messages */
    uint64_t size;    /* bytes, a multiple of 512 (of 2048 is not asked of CD images) */
    uint32_t sector;       /* what its storage takes at least: 512, 4096; 0: not known */
    uint32_t discard_unit; /* bytes that DISCARD frees together; 0: not known */
    bool read_only;
    /* A file under an image format: a write past its end makes it longer, and what a read finds
     * past its end is zeros. */
    bool growable;
    unsigned users; /* drives and backends that hold it; block_put at 0 frees */
    struct block_stats stats;
    struct block_watch *watches;
    struct throttle *throttle; /* NULL: no limits; see throttle.h */
};

/* Refuses (with done from the loop) what is past the end or writes a read-only image; counts. */
void block_submit(struct block *block, struct block_req *req);
void block_drain(struct block *block);
/* Waits for one request of contiguous memory and for all that is in flight: while nothing runs. An
 * errno, or 0. */
int block_sync(struct block *block, enum block_op op, uint64_t offset, void *buf, size_t len);
struct block *block_get(struct block *block);
void block_put(struct block *block);

/* Without `gone`, the watch must be taken back before the caller's block_put. */
void block_watch(struct block *block, struct block_watch *watch);
void block_unwatch(struct block *block, struct block_watch *watch);

/* Makes the image larger or smaller, where it can be. False: `why` is a sentence. */
bool block_resize(struct block *block, uint64_t size, char *why, size_t why_len);

/* The backend's: the image has another size from now on. Tells all watches. */
void block_resized(struct block *block, uint64_t size);

#endif
