/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many reads or writes of a tap at once. See tap_ring.h. */
#include "tap_ring.h"

#include <errno.h>

#define CALL_OFF UINT64_MAX

/* Requests can be called off by descriptor since Linux 5.19, which brought this operation, too. */
static bool can_call_off(struct io_uring *ring) {
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool can = probe && io_uring_opcode_supported(probe, IORING_OP_SOCKET);
    io_uring_free_probe(probe);
    return can;
}

/* Linux before 5.12 leaves what could block to several threads, which mind no order. */
static void make(struct tap_ring *r) {
    if (r->tried)
        return;
    r->tried = true;
    if (io_uring_queue_init(TAP_RING_CALLS + 1, &r->ring, 0))
        return;
    r->writes = r->ring.features & IORING_FEAT_NATIVE_WORKERS;
    r->reads = r->writes && can_call_off(&r->ring);
    if (!r->writes)
        io_uring_queue_exit(&r->ring);
}

bool tap_ring_can_write(struct tap_ring *r) {
    make(r);
    return r->writes;
}

bool tap_ring_can_read(struct tap_ring *r) {
    make(r);
    return r->reads;
}

/* ---- calls ---- */

static void asked(struct tap_ring *r, struct io_uring_sqe *sqe, uint64_t which) {
    io_uring_sqe_set_data64(sqe, which);
    r->asked++;
}

void tap_ring_write(struct tap_ring *r, unsigned which, const void *buf, size_t len) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
    io_uring_prep_write(sqe, r->fd, buf, (unsigned)len, 0);
    asked(r, sqe, which);
}

/* One that finds nothing would wait. */
void tap_ring_read(struct tap_ring *r, unsigned which, void *buf, size_t len) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
    io_uring_prep_read(sqe, r->fd, buf, (unsigned)len, 0);
    asked(r, sqe, which);
    r->call_off = true;
}

static void call_off(struct tap_ring *r) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
    io_uring_prep_cancel_fd(sqe, r->fd, IORING_ASYNC_CANCEL_ALL);
    asked(r, sqe, CALL_OFF);
    r->call_off = false;
}

/* Returns how many answers there were. */
static unsigned reap(struct tap_ring *r, tap_ring_answer *answer, void *arg) {
    struct io_uring_cqe *cqe = NULL;
    unsigned n = 0;
    for (; !io_uring_peek_cqe(&r->ring, &cqe) && cqe; n++) {
        uint64_t which = io_uring_cqe_get_data64(cqe);
        int got = cqe->res;
        io_uring_cqe_seen(&r->ring, cqe);
        if (which != CALL_OFF)
            answer(arg, (unsigned)which, got);
    }
    return n;
}

bool tap_ring_run(struct tap_ring *r, tap_ring_answer *answer, void *arg) {
    bool failed = false;
    if (r->call_off)
        call_off(r);
    while (r->asked && !failed) {
        int did = io_uring_submit_and_wait(&r->ring, r->asked);
        failed = did < 0 && did != -EINTR;
        r->asked -= reap(r, answer, arg);
    }
    if (failed)
        tap_ring_free(r);
    return !failed;
}

void tap_ring_free(struct tap_ring *r) {
    if (r->writes)
        io_uring_queue_exit(&r->ring);
    r->writes = r->reads = false;
    r->asked = 0;
}
