/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asynchronous file I/O for images: io_uring (aio_uring.c), with threads for what would wait there,
 * or threads for all of it where io_uring can't be had (aio_threads.c). One object an image, made
 * at its first request. Nothing of it goes on for long when there is nothing to do. Thread: the
 * loop's.
 */
#ifndef HOST_AIO_H
#define HOST_AIO_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/bits.h"
#include "core/block.h"
#include "core/loop.h"

enum { AIO_MOST = 128 }; /* started and not reaped */

enum aio_kind { AIO_READ, AIO_WRITE, AIO_SYNC, AIO_PUNCH };

/* One system call's worth of a request; lives in its scratch. */
struct aio_job {
    int fd;
    uint8_t kind; /* enum aio_kind */
    bool refused;
    bool direct; /* the image's: it went past the page cache */
    uint16_t niov;
    int64_t result; /* bytes, 0, or -errno */
    uint64_t offset, len;
    const struct iovec *iov;
    uint64_t size;     /* the image's: of the file, when the call was made ready */
    uint64_t moved;    /* the image's: bytes that earlier calls moved */
    struct iovec *own; /* the image's: what is left after a short call */
    struct iovec bounce; /* the image's: aligned memory that stands in for the request's */
    struct aio_job *next;
};

static_assert(sizeof(struct aio_job) <= sizeof(((struct block_req *)0)->scratch),
              "a job fits into a request");

static inline struct aio_job *aio_job_of(struct block_req *req) {
    return (struct aio_job *)req->scratch;
}

static inline struct block_req *aio_req_of(struct aio_job *job) {
    return CONTAINER_OF((uint64_t *)job, struct block_req, scratch[0]);
}

struct aio;

struct aio_ops {
    bool (*start)(struct aio *aio, struct aio_job *job); /* false: full, reap first */
    /* What was started goes to the kernel. False: some of it could not, try again later. Reap
     * afterwards: of what is finished by then `ready` says nothing. */
    bool (*submit)(struct aio *aio);
    /* A finished job, or NULL; with `wait` only when nothing is under way. */
    struct aio_job *(*reap)(struct aio *aio, bool wait);
    void (*free)(struct aio *aio); /* nothing is under way */
};

struct aio {
    const struct aio_ops *ops;
};

/*
 * `ready` is called from the loop when there is something to reap. NULL: errno says why. io_uring
 * is not had for a file with which the kernel can't but wait, fd being such a one's.
 */
struct aio *aio_uring_new(struct loop *loop, int fd, void (*ready)(void *arg), void *arg);
struct aio *aio_threads_new(struct loop *loop, int fd, void (*ready)(void *arg), void *arg);

#endif
