/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Short frames on their way to a tap. See tap_queue.h. */
#include "tap_queue.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/net_frame.h"

bool tap_queue_add(struct tap_queue *q, const struct iovec *iov, unsigned n) {
    size_t len = net_iov_len(iov, n);
    if (len > TAP_QUEUE_LONGEST || q->count == TAP_QUEUE_FRAMES || q->used + len > sizeof(q->bytes))
        return false;
    net_iov_fetch(iov, n, 0, q->bytes + q->used, len);
    q->begin[q->count] = q->used;
    q->len[q->count++] = (uint16_t)len;
    q->used += (uint32_t)len;
    return true;
}

/* Closes the gaps that frames have left which are gone: those that stay are marked. */
static void keep(struct tap_queue *q, const bool *left) {
    unsigned count = 0;
    uint32_t used = 0;
    for (unsigned i = 0; i < q->count; i++) {
        if (!left[i])
            continue;
        memmove(q->bytes + used, q->bytes + q->begin[i], q->len[i]);
        q->begin[count] = used;
        q->len[count] = q->len[i];
        used += q->len[count++];
    }
    q->count = count;
    q->used = used;
}

static void one_by_one(struct tap_queue *q, uint64_t *dropped) {
    bool left[TAP_QUEUE_FRAMES] = {false}, full = false;
    for (unsigned i = 0; i < q->count; i++) {
        if (!full && write(q->fd, q->bytes + q->begin[i], q->len[i]) < 0) {
            full = errno == EAGAIN;
            *dropped += !full;
        }
        left[i] = full;
    }
    keep(q, left);
}

/* ---- all at once ---- */

/* Linux before 5.12 leaves what could block to several threads, which mind no order. */
static bool has_ring(struct tap_queue *q) {
    if (!q->tried && q->unlimited && !io_uring_queue_init(TAP_QUEUE_FRAMES, &q->ring, 0)) {
        q->has_ring = true;
        if (!(q->ring.features & IORING_FEAT_NATIVE_WORKERS))
            tap_queue_free(q);
    }
    q->tried = true;
    return q->has_ring;
}

/* Takes what the kernel has answered; returns how many. */
static unsigned reap(struct tap_queue *q, bool *left, uint64_t *dropped) {
    struct io_uring_cqe *cqe = NULL;
    unsigned n = 0;
    for (; !io_uring_peek_cqe(&q->ring, &cqe) && cqe; n++) {
        left[io_uring_cqe_get_data64(cqe)] = false;
        *dropped += cqe->res < 0;
        io_uring_cqe_seen(&q->ring, cqe);
    }
    return n;
}

/* A tap of unlimited room takes each at once, in its turn. */
static void at_once(struct tap_queue *q, uint64_t *dropped) {
    bool left[TAP_QUEUE_FRAMES], failed = false;
    for (unsigned i = 0; i < q->count; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);
        io_uring_prep_write(sqe, q->fd, q->bytes + q->begin[i], q->len[i], 0);
        io_uring_sqe_set_data64(sqe, i);
        left[i] = true;
    }
    for (unsigned answers = 0; answers < q->count && !failed;) {
        int err = io_uring_submit_and_wait(&q->ring, q->count - answers);
        failed = err < 0 && err != -EINTR;
        answers += reap(q, left, dropped);
    }
    if (failed)
        tap_queue_free(q);
    keep(q, left);
}

bool tap_queue_flush(struct tap_queue *q, uint64_t *dropped) {
    if (q->count > 1 && has_ring(q))
        at_once(q, dropped);
    if (q->count)
        one_by_one(q, dropped);
    return !q->count;
}

void tap_queue_free(struct tap_queue *q) {
    if (q->has_ring)
        io_uring_queue_exit(&q->ring);
    q->has_ring = false;
}
