/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file in memory for image formats to stand on: it grows, finishes requests from the loop in any
 * order, and can tell of each write and sync as it takes effect.
 */
#ifndef FIXTURE_FILE_H
#define FIXTURE_FILE_H

#include "core/block.h"
#include "core/loop.h"

enum { FIXTURE_FILE_REQS = 4096 };

struct fixture_file {
    struct block block;
    struct loop *loop;
    struct loop_task task;
    struct block_req *req[FIXTURE_FILE_REQS];
    unsigned count;
    uint8_t *bytes;
    size_t room, max; /* max: it grows no further than that */
    uint64_t seed;    /* 0: requests finish in order */
    /* A write or, without bytes, a sync takes effect. */
    void (*effect)(void *arg, uint64_t offset, const uint8_t *bytes, size_t len);
    void *arg;
};

/* The file begins as a copy of these bytes; who frees the block frees it. */
struct fixture_file *fixture_file_new(struct loop *loop, const uint8_t *bytes, size_t len,
                                      size_t max, bool read_only);

#endif
