/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image I/O on io_uring: what one turn of the loop starts goes to the kernel in one system call,
 * and what the page cache has is finished when that call returns. The ring itself is watched by the
 * loop.
 *
 * What would wait there (a flush, a hole; most filesystems' writes into the page cache) io_uring
 * hands to workers, the last of which stays with our task for ever and looks around every 5 s. So
 * writes and direct reads are only tried (RWF_NOWAIT), and what has to wait does so in threads of
 * ours, which end.
 */
#include "aio.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

enum { MOST_UNTRIED = 64 };

struct aio_uring {
    struct aio aio;
    struct loop *loop;
    struct io_uring ring;
    bool held; /* it was tried */
    int file;  /* the one that the kernel holds for the ring; -1: none */
    struct loop_fd watch;
    unsigned under_way; /* started and not reaped; at most AIO_MOST, so completions always fit */
    unsigned in_ring;   /* of them */
    struct aio *threads; /* for the others */
    /* Writes that are yet not to be tried, for others had to wait; how many, next time. */
    unsigned untried, patience;
    void (*ready)(void *arg);
    void *arg;
};

static struct aio_uring *uring_of(struct aio *aio) {
    return CONTAINER_OF(aio, struct aio_uring, aio);
}

/* Before it is tried. */
static bool has_to_wait(struct aio_uring *u, const struct aio_job *job) {
    if (job->kind != AIO_WRITE || !u->untried)
        return job->kind == AIO_SYNC || job->kind == AIO_PUNCH;
    u->untried--;
    return true;
}

/* A read into the page cache waits in the ring without a worker (for what the filesystem has to
 * look up, in the call itself), others fail there instead. */
static bool is_try(const struct aio_job *job) {
    return job->kind == AIO_WRITE || (job->kind == AIO_READ && job->direct);
}

/* Where every write has to wait, few are tried. */
static bool had_to_wait(struct aio_uring *u, const struct aio_job *job) {
    bool failed = is_try(job) && (job->result == -EAGAIN || job->result == -EOPNOTSUPP);
    if (job->kind == AIO_WRITE) {
        u->patience = failed ? MIN(2 * u->patience + 1, MOST_UNTRIED) : 0;
        u->untried = u->patience;
    }
    return failed;
}

/* A read or a write. One piece of memory, the usual case, the kernel takes without a look at a
 * list. */
static void prepare(struct io_uring_sqe *sqe, const struct aio_job *job) {
    const struct iovec *iov = job->iov;
    bool one = job->niov == 1 && iov->iov_len <= UINT32_MAX / 2, write = job->kind == AIO_WRITE;
    if (one && write)
        io_uring_prep_write(sqe, job->fd, iov->iov_base, (unsigned)iov->iov_len, job->offset);
    else if (one)
        io_uring_prep_read(sqe, job->fd, iov->iov_base, (unsigned)iov->iov_len, job->offset);
    else if (write)
        io_uring_prep_writev(sqe, job->fd, iov, job->niov, job->offset);
    else
        io_uring_prep_readv(sqe, job->fd, iov, job->niov, job->offset);
    if (is_try(job))
        sqe->rw_flags = RWF_NOWAIT;
}

/* A file that the ring holds is not looked up and counted for each request. */
static void hold_file(struct aio_uring *u, int fd) {
    if (!io_uring_register_files(&u->ring, &fd, 1))
        u->file = fd;
    u->held = true;
}

static bool uring_start(struct aio *aio, struct aio_job *job) {
    struct aio_uring *u = uring_of(aio);
    if (u->under_way >= AIO_MOST)
        return false;
    if (has_to_wait(u, job)) {
        u->threads->ops->start(u->threads, job);
        u->under_way++;
        return true;
    }
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (!sqe)
        return false;
    if (!u->held)
        hold_file(u, job->fd);
    prepare(sqe, job);
    if (job->fd == u->file) {
        sqe->fd = 0;
        sqe->flags |= IOSQE_FIXED_FILE;
    }
    io_uring_sqe_set_data(sqe, job);
    u->under_way++;
    u->in_ring++;
    return true;
}

static bool uring_submit(struct aio *aio) {
    struct aio_uring *u = uring_of(aio);
    u->threads->ops->submit(u->threads);
    if (io_uring_sq_ready(&u->ring))
        io_uring_submit(&u->ring);
    return !io_uring_sq_ready(&u->ring);
}

/* What is finished in the ring, but for what goes on in a thread. */
static struct aio_job *reap_ring(struct aio_uring *u) {
    struct io_uring_cqe *cqe;
    while (u->in_ring && !io_uring_peek_cqe(&u->ring, &cqe) && cqe) {
        struct aio_job *job = io_uring_cqe_get_data(cqe);
        job->result = cqe->res;
        io_uring_cqe_seen(&u->ring, cqe);
        u->in_ring--;
        if (!had_to_wait(u, job))
            return job;
        u->threads->ops->start(u->threads, job);
    }
    return NULL;
}

static struct aio_job *uring_reap(struct aio *aio, bool wait) {
    struct aio_uring *u = uring_of(aio);
    struct aio_job *job = NULL;
    while (u->under_way && !job) {
        job = reap_ring(u);
        u->threads->ops->submit(u->threads);
        if (!job)
            job = u->threads->ops->reap(u->threads, wait && !u->in_ring);
        if (!job && !wait)
            break;
        if (!job && u->in_ring)
            io_uring_submit_and_wait(&u->ring, 1);
    }
    u->under_way -= !!job;
    return job;
}

static void uring_free(struct aio *aio) {
    struct aio_uring *u = uring_of(aio);
    u->threads->ops->free(u->threads);
    loop_remove(u->loop, &u->watch);
    if (u->file >= 0)
        io_uring_unregister_files(&u->ring); /* at once: the ring itself goes some time later */
    io_uring_queue_exit(&u->ring);
    free(u);
}

static void uring_ready(void *arg, unsigned events) {
    struct aio_uring *u = arg;
    (void)events;
    u->ready(u->arg);
}

static const struct aio_ops uring_ops = {
    .start = uring_start, .submit = uring_submit, .reap = uring_reap, .free = uring_free,
};

/* A kernel may have io_uring and not what images need of it. */
static bool can_all(struct io_uring *ring) {
    static const int needed[] = {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV,
                                 IORING_OP_WRITEV};
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool all = probe;
    for (unsigned i = 0; all && i < ARRAY_LEN(needed); i++)
        all = io_uring_opcode_supported(probe, needed[i]);
    if (probe)
        io_uring_free_probe(probe);
    return all;
}

/* Some filesystems do all by waiting: tmpfs, FUSE, NFS. EOPNOTSUPP speaks of the file. */
static bool can_try(int fd) {
    char byte;
    return preadv2(fd, &(struct iovec){&byte, 1}, 1, 0, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP;
}

static int make_ring(struct io_uring *ring) {
    /* one thread, which enters the kernel often enough to need no interrupt for a completion */
    int err = -io_uring_queue_init(AIO_MOST, ring,
                                   IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER);
    if (err == EINVAL) /* Linux before 6.0 */
        err = -io_uring_queue_init(AIO_MOST, ring, 0);
    if (!err && !can_all(ring)) {
        io_uring_queue_exit(ring);
        err = EOPNOTSUPP;
    }
    return err;
}

struct aio *aio_uring_new(struct loop *loop, int fd, void (*ready)(void *arg), void *arg) {
    struct aio_uring *u = can_try(fd) ? calloc(1, sizeof(*u)) : NULL;
    if (!u)
        return NULL;
    int err = make_ring(&u->ring);
    if (!err) {
        u->aio.ops = &uring_ops;
        u->file = -1;
        u->loop = loop;
        u->ready = ready;
        u->arg = arg;
        u->watch = (struct loop_fd){.fd = u->ring.ring_fd, .ready = uring_ready, .arg = u,
                                    .events = LOOP_READ};
        u->threads = aio_threads_new(loop, fd, ready, arg);
        if (u->threads && loop_add(loop, &u->watch))
            return &u->aio;
        err = errno;
        if (u->threads)
            u->threads->ops->free(u->threads);
        io_uring_queue_exit(&u->ring);
    }
    free(u);
    errno = err;
    return NULL;
}
