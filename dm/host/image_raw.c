/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Raw images: byte n of the disk is byte n of the file. A file whose size is no multiple of 512
 * ends in a sector that reads as zeros past the file's end; a write there is refused, so that an
 * image never grows. A file that has become shorter than it was gives EIO.
 *
 * Requests of one turn of the loop are started together by a task; what finishes short is
 * continued.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aio.h"
#include "core/log.h"
#include "image_priv.h"

enum { CALL_IOVS = 1024 }; /* the kernel's UIO_MAXIOV */
enum { DIRECT_ALIGN = 4096 };

struct raw {
    struct block block;
    struct loop *loop;
    struct loop_task task;
    struct aio *aio; /* NULL before the first request */
    enum image_aio how;
    int fd;
    uint64_t file_size;
    bool direct, no_punch;
    struct block_req *todo, **todo_end;
    unsigned under_way;
    unsigned inside; /* how deep we are in code that runs `done` */
    bool freed;      /* to be done when we are out of it */
    struct log_limit shrunk, grows;
    char name[];
};

static struct raw *raw_of(struct block *block) {
    return CONTAINER_OF(block, struct raw, block);
}

static void enqueue(struct raw *raw, struct block_req *req) {
    req->next = NULL;
    *raw->todo_end = req;
    raw->todo_end = &req->next;
    loop_defer(raw->loop, &raw->task);
}

static struct block_req *dequeue(struct raw *raw) {
    struct block_req *req = raw->todo;
    if (req) {
        raw->todo = req->next;
        if (!raw->todo)
            raw->todo_end = &raw->todo;
    }
    return req;
}

/* ---- memory that O_DIRECT can take ---- */

static void copy(const struct block_req *req, char *bounce, bool to_bounce) {
    for (unsigned i = 0; i < req->niov; i++) {
        const struct iovec *iov = &req->iov[i];
        if (to_bounce)
            memcpy(bounce, iov->iov_base, iov->iov_len);
        else
            memcpy(iov->iov_base, bounce, iov->iov_len);
        bounce += iov->iov_len;
    }
}

static bool is_aligned(const struct block_req *req) {
    uintptr_t all = 0;
    for (unsigned i = 0; i < req->niov; i++)
        all |= (uintptr_t)req->iov[i].iov_base | req->iov[i].iov_len;
    return !(all % DIRECT_ALIGN);
}

/* Has the job use aligned memory. False: there is none. */
static bool bounce(const struct block_req *req, struct aio_job *job) {
    void *memory;
    if (posix_memalign(&memory, DIRECT_ALIGN, req->len))
        return false;
    job->bounce = (struct iovec){memory, req->len};
    job->iov = &job->bounce;
    job->niov = 1;
    if (req->op == BLOCK_WRITE)
        copy(req, memory, true);
    return true;
}

static void finish(struct raw *raw, struct block_req *req, int err) {
    struct aio_job *job = aio_job_of(req);
    if (job->bounce.iov_base) {
        if (!err && req->op == BLOCK_READ)
            copy(req, job->bounce.iov_base, false);
        free(job->bounce.iov_base);
    }
    free(job->own);
    if (err)
        raw->block.stats.errors++;
    req->done(req, err);
}

/* ---- the pieces of a request ---- */

struct memory {
    const struct iovec *iov;
    unsigned n;
};

static struct memory memory_of(const struct block_req *req, const struct aio_job *job) {
    if (job->bounce.iov_base)
        return (struct memory){&job->bounce, 1};
    return (struct memory){req->iov, req->niov};
}

/* Zeros into the memory from byte `skip` on. */
static void zero_from(struct memory memory, uint64_t skip) {
    for (unsigned i = 0; i < memory.n; i++) {
        size_t len = memory.iov[i].iov_len;
        if (skip < len) {
            memset((char *)memory.iov[i].iov_base + skip, 0, len - skip);
            skip = 0;
        } else {
            skip -= len;
        }
    }
}

/* What is left of the request's iovec after `moved` bytes, in a list of our own. */
static bool remainder_of(const struct block_req *req, struct aio_job *job) {
    struct memory memory = memory_of(req, job);
    uint64_t skip = job->moved;
    unsigned first = 0;
    while (first < memory.n && skip >= memory.iov[first].iov_len)
        skip -= memory.iov[first++].iov_len;
    unsigned n = memory.n - first;
    struct iovec *own = malloc((n ? n : 1) * sizeof(*own));
    if (!own)
        return false;
    memcpy(own, memory.iov + first, n * sizeof(*own));
    if (n) {
        own[0].iov_base = (char *)own[0].iov_base + skip;
        own[0].iov_len -= skip;
    }
    free(job->own);
    job->own = own;
    job->iov = own;
    job->niov = (uint16_t)MIN(n, (unsigned)CALL_IOVS);
    return true;
}

static void restart(struct raw *raw, struct block_req *req) {
    struct aio_job *job = aio_job_of(req);
    job->offset = req->offset + job->moved;
    if (remainder_of(req, job))
        enqueue(raw, req);
    else
        finish(raw, req, ENOMEM);
}

/* Reading found the end of the file: either the padding of the last sector, or a file that
 * shrank. */
static void end_of_file(struct raw *raw, struct block_req *req) {
    struct aio_job *job = aio_job_of(req);
    uint64_t at = req->offset + job->moved;
    if (at >= raw->file_size) {
        zero_from(memory_of(req, job), job->moved);
        finish(raw, req, 0);
        return;
    }
    log_guest(&raw->shrunk, "image '%s' ends at offset %llu: it had %llu bytes when it was opened",
              raw->name, (unsigned long long)at, (unsigned long long)raw->file_size);
    finish(raw, req, EIO);
}

static void moved(struct raw *raw, struct block_req *req) {
    struct aio_job *job = aio_job_of(req);
    if (job->result == -EINTR || job->result == -EAGAIN) {
        restart(raw, req);
    } else if (job->result < 0) {
        finish(raw, req, (int)-job->result);
    } else if (job->moved + (uint64_t)job->result >= req->len) {
        finish(raw, req, 0);
    } else if (job->result == 0 && req->op == BLOCK_READ) {
        end_of_file(raw, req);
    } else if (job->result == 0) {
        finish(raw, req, ENOSPC);
    } else {
        job->moved += (uint64_t)job->result;
        restart(raw, req);
    }
}

/* Discarding is a hint: where the file can't do it, nothing happens. */
static void punched(struct raw *raw, struct block_req *req) {
    int64_t result = aio_job_of(req)->result;
    if (result == -EOPNOTSUPP || result == -ENOSYS || result == -ENODEV)
        raw->no_punch = true;
    finish(raw, req, result == -EIO ? EIO : 0);
}

static void finished(struct raw *raw, struct aio_job *job) {
    struct block_req *req = aio_req_of(job);
    switch (req->op) {
    case BLOCK_READ:
    case BLOCK_WRITE:
        moved(raw, req);
        break;
    case BLOCK_FLUSH:
        /* what has no stable storage of its own has nothing to flush */
        finish(raw, req, job->result == -EINVAL || job->result == -EROFS ? 0 : (int)-job->result);
        break;
    case BLOCK_DISCARD:
        punched(raw, req);
        break;
    }
}

/* ---- the queue ---- */

static void raw_ready(void *arg);

static bool have_aio(struct raw *raw) {
    if (!raw->aio && raw->how == IMAGE_AIO_BEST)
        raw->aio = aio_uring_new(raw->loop, raw_ready, raw);
    if (!raw->aio)
        raw->aio = aio_threads_new(raw->loop, raw_ready, raw);
    if (!raw->aio)
        log_error("image '%s': neither io_uring nor threads for its I/O: %s", raw->name,
                  strerror(errno));
    return raw->aio;
}

/* False: some of it has to be tried again. */
static bool start_all(struct raw *raw) {
    while (raw->todo) {
        struct aio_job *job = aio_job_of(raw->todo);
        if (job->refused) {
            struct block_req *req = dequeue(raw);
            req->done(req, (int)job->result);
            continue;
        }
        if (!have_aio(raw)) {
            finish(raw, dequeue(raw), EIO);
            continue;
        }
        if (!raw->aio->ops->start(raw->aio, job))
            break;
        dequeue(raw);
        raw->under_way++;
    }
    return (!raw->aio || raw->aio->ops->submit(raw->aio)) && !raw->todo;
}

static void reap_all(struct raw *raw, bool wait) {
    struct aio_job *job;
    while (raw->under_way && (job = raw->aio->ops->reap(raw->aio, wait))) {
        raw->under_way--;
        wait = false;
        finished(raw, job);
    }
}

static void leave(struct raw *raw);

static void turn(void *arg) {
    struct raw *raw = arg;
    raw->inside++;
    bool all = start_all(raw);
    reap_all(raw, false);
    if (!all && !raw->freed)
        loop_defer(raw->loop, &raw->task);
    leave(raw);
}

static void raw_ready(void *arg) {
    turn(arg);
}

/* ---- what core/block.h asks ---- */

static void refuse(struct raw *raw, struct block_req *req, int err) {
    *aio_job_of(req) = (struct aio_job){.refused = true, .result = err};
    enqueue(raw, req);
}

static void raw_refuse(struct block *block, struct block_req *req, int err) {
    refuse(raw_of(block), req, err);
}

static void raw_submit(struct block *block, struct block_req *req) {
    static const uint8_t kinds[] = {[BLOCK_READ] = AIO_READ, [BLOCK_WRITE] = AIO_WRITE,
                                    [BLOCK_FLUSH] = AIO_SYNC, [BLOCK_DISCARD] = AIO_PUNCH};
    struct raw *raw = raw_of(block);
    if (req->op == BLOCK_WRITE && req->offset + req->len > raw->file_size) {
        log_guest(&raw->grows,
                  "image '%s': the guest writes into the last sector, which the file has only a "
                  "part of: its size %llu is no multiple of 512",
                  raw->name, (unsigned long long)raw->file_size);
        refuse(raw, req, EIO);
        return;
    }
    if (!req->len && req->op != BLOCK_FLUSH) {
        refuse(raw, req, 0);
        return;
    }
    if ((req->op == BLOCK_DISCARD && raw->no_punch) ||
        (req->op == BLOCK_FLUSH && raw->block.read_only)) {
        refuse(raw, req, 0);
        return;
    }
    struct aio_job *job = aio_job_of(req);
    *job = (struct aio_job){
        .fd = raw->fd, .kind = kinds[req->op], .offset = req->offset, .len = req->len,
        .iov = req->iov, .niov = (uint16_t)MIN(req->niov, (unsigned)CALL_IOVS)};
    bool data = req->op == BLOCK_READ || req->op == BLOCK_WRITE;
    if (raw->direct && data && !is_aligned(req) && !bounce(req, job))
        refuse(raw, req, ENOMEM);
    else
        enqueue(raw, req);
}

static void raw_drain(struct block *block) {
    struct raw *raw = raw_of(block);
    raw->inside++;
    while (raw->todo || raw->under_way) {
        start_all(raw);
        reap_all(raw, true);
    }
    leave(raw);
}

static void raw_free(struct block *block) {
    struct raw *raw = raw_of(block);
    raw->inside++;
    raw->freed = true;
    leave(raw);
}

/* A `done` may have put the image away: that happens when nobody stands on it any more. */
static void leave(struct raw *raw) {
    if (--raw->inside || !raw->freed)
        return;
    loop_cancel(raw->loop, &raw->task);
    if (raw->aio)
        raw->aio->ops->free(raw->aio);
    close(raw->fd);
    free(raw);
}

static const struct block_ops raw_ops = {
    .submit = raw_submit, .refuse = raw_refuse, .drain = raw_drain, .free = raw_free,
};

struct block *raw_open(struct loop *loop, int fd, const char *name, uint64_t size,
                       const struct image_options *options, char *why, size_t why_len) {
    struct raw *raw = calloc(1, sizeof(*raw) + strlen(name) + 1);
    if (!raw) {
        snprintf(why, why_len, "image '%s': out of memory", name);
        return NULL;
    }
    strcpy(raw->name, name);
    raw->block = (struct block){.ops = &raw_ops, .name = raw->name,
                                .size = (size + 511) & ~UINT64_C(511),
                                .read_only = options->read_only, .users = 1};
    raw->loop = loop;
    raw->task = (struct loop_task){.run = turn, .arg = raw};
    raw->how = options->aio;
    raw->fd = fd;
    raw->file_size = size;
    raw->direct = options->direct;
    raw->todo_end = &raw->todo;
    return &raw->block;
}
