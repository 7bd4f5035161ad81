/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See fixture_file.h.
 */
#include "fixture_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"

static struct fixture_file *file_of(struct block *block) {
    return CONTAINER_OF(block, struct fixture_file, block);
}

static void grow(struct fixture_file *file, uint64_t end) {
    if (end > file->room) {
        size_t room = MAX(end, file->room * 2);
        file->bytes = realloc(file->bytes, room);
        memset(file->bytes + file->room, 0, room - file->room);
        file->room = room;
    }
    file->block.size = MAX(file->block.size, end);
}

static void read_bytes(struct fixture_file *file, const struct block_req *req) {
    uint64_t at = req->offset;
    for (unsigned i = 0; i < req->niov; i++) {
        size_t len = req->iov[i].iov_len;
        size_t have = at < file->block.size ? MIN(len, file->block.size - at) : 0;
        if (have)
            memcpy(req->iov[i].iov_base, file->bytes + at, have);
        memset((char *)req->iov[i].iov_base + have, 0, len - have);
        at += len;
    }
}

static int write_bytes(struct fixture_file *file, const struct block_req *req) {
    uint64_t at = req->offset;
    if (at + req->len > file->max)
        return ENOSPC;
    grow(file, at + req->len);
    for (unsigned i = 0; i < req->niov; i++) {
        memcpy(file->bytes + at, req->iov[i].iov_base, req->iov[i].iov_len);
        at += req->iov[i].iov_len;
    }
    if (file->effect)
        file->effect(file->arg, req->offset, file->bytes + req->offset, req->len);
    return 0;
}

static int perform(struct fixture_file *file, const struct block_req *req) {
    switch (req->op) {
    case BLOCK_READ:
        read_bytes(file, req);
        return 0;
    case BLOCK_WRITE:
        return write_bytes(file, req);
    case BLOCK_DISCARD: {
        size_t end = MIN(req->offset + req->len, file->block.size);
        if (req->offset >= end)
            return 0;
        memset(file->bytes + req->offset, 0, end - req->offset);
        if (file->effect)
            file->effect(file->arg, req->offset, file->bytes + req->offset, end - req->offset);
        return 0;
    }
    case BLOCK_FLUSH:
        if (file->effect)
            file->effect(file->arg, 0, NULL, 0);
        return 0;
    }
    return EINVAL;
}

static void finish_one(struct fixture_file *file) {
    unsigned i = 0;
    if (file->seed) {
        file->seed = file->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        i = (unsigned)(file->seed >> 33) % file->count;
    }
    struct block_req *req = file->req[i];
    int err = (int)req->scratch[0];
    memmove(file->req + i, file->req + i + 1, (--file->count - i) * sizeof(*file->req));
    req->done(req, err ? err : perform(file, req));
}

/* One a turn, so that what others do comes in between. */
static void turn(void *arg) {
    struct fixture_file *file = arg;
    if (file->count > 1)
        loop_defer(file->loop, &file->task);
    if (file->count)
        finish_one(file);
}

static void refuse(struct block *block, struct block_req *req, int err) {
    struct fixture_file *file = file_of(block);
    if (file->count == FIXTURE_FILE_REQS)
        abort();
    req->scratch[0] = (uint64_t)err;
    file->req[file->count++] = req;
    loop_defer(file->loop, &file->task);
}

static void submit(struct block *block, struct block_req *req) {
    refuse(block, req, 0);
}

static void drain(struct block *block) {
    struct fixture_file *file = file_of(block);
    while (file->count)
        finish_one(file);
}

static void free_file(struct block *block) {
    struct fixture_file *file = file_of(block);
    loop_cancel(file->loop, &file->task);
    free(file->bytes);
    free(file);
}

struct fixture_file *fixture_file_new(struct loop *loop, const uint8_t *bytes, size_t len,
                                      size_t max, bool read_only) {
    static const struct block_ops ops = {.submit = submit, .refuse = refuse, .drain = drain,
                                         .free = free_file};
    struct fixture_file *file = calloc(1, sizeof(*file));
    file->block = (struct block){.ops = &ops, .name = "file", .read_only = read_only,
                                 .growable = true, .users = 1};
    file->loop = loop;
    file->task = (struct loop_task){.run = turn, .arg = file};
    file->max = max;
    grow(file, (len + 511) & ~(size_t)511);
    if (len)
        memcpy(file->bytes, bytes, len);
    return file;
}
