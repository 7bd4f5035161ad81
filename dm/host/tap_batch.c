/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames out of a tap, many at once. See tap_batch.h. */
#include "tap_batch.h"

#include <errno.h>

#include "core/bits.h"
#include "core/mem.h"
#include "core/net.h"

/* A frame of the greatest length with the tap's header; each begins at a page. */
enum { PAGE = 4096, STRIDE = (NET_FRAME_MAX + PAGE) / PAGE * PAGE };
#define CALL_OFF UINT64_MAX

/* ---- how many there may be ---- */

static void series_ends(struct tap_batch *b) {
    b->before = b->last;
    b->last = b->has_long ? 0 : b->series;
    b->series = 0;
    b->has_long = false;
}

void tap_batch_note(struct tap_batch *b, size_t len) {
    if (!len) {
        series_ends(b);
        return;
    }
    b->series++;
    b->has_long |= len > TAP_BATCH_SHORT;
}

/* What is left of as many as came the last two times; of a longer series as many as there were
 * more. */
static unsigned wanted(const struct tap_batch *b) {
    unsigned usual = MIN(b->last, b->before);
    unsigned n = usual > b->series ? usual - b->series : b->series - usual;
    return b->has_long || n < TAP_BATCH_LEAST ? 0 : MIN(n, (unsigned)TAP_BATCH_FRAMES);
}

/* ---- all at once ---- */

/* Requests can be called off by descriptor since Linux 5.19, which brought this operation, too. */
static bool can_call_off(struct io_uring *ring) {
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool can = probe && io_uring_opcode_supported(probe, IORING_OP_SOCKET);
    io_uring_free_probe(probe);
    return can;
}

static bool has_ring(struct tap_batch *b) {
    if (!b->tried && !io_uring_queue_init(2 * TAP_BATCH_FRAMES, &b->ring, 0)) {
        b->has_ring = true;
        if (can_call_off(&b->ring))
            b->bytes = mem_new((size_t)TAP_BATCH_FRAMES * STRIDE);
        else
            tap_batch_free(b);
    }
    b->tried = true;
    return b->has_ring;
}

static void ask(struct tap_batch *b, unsigned n) {
    struct io_uring_sqe *sqe;
    for (unsigned i = 0; i < n; i++) {
        sqe = io_uring_get_sqe(&b->ring);
        io_uring_prep_read(sqe, b->fd, b->bytes + (size_t)i * STRIDE, STRIDE, 0);
        io_uring_sqe_set_data64(sqe, i);
    }
    sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_cancel_fd(sqe, b->fd, IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(sqe, CALL_OFF);
}

/* Frames are in the order of their answers. Returns how many answers there were. */
static unsigned reap(struct tap_batch *b, int *err) {
    struct io_uring_cqe *cqe = NULL;
    unsigned n = 0;
    for (; !io_uring_peek_cqe(&b->ring, &cqe) && cqe; n++) {
        uint64_t which = io_uring_cqe_get_data64(cqe);
        int got = cqe->res;
        io_uring_cqe_seen(&b->ring, cqe);
        if (which == CALL_OFF)
            continue;
        if (got > 0) {
            b->len[b->count] = (uint32_t)got;
            b->order[b->count++] = (uint16_t)which;
            tap_batch_note(b, (size_t)got);
        } else if (got < 0 && got != -ECANCELED && got != -EAGAIN) {
            *err = -got;
        }
    }
    return n;
}

static void read_many(struct tap_batch *b, unsigned n, int *err) {
    ask(b, n);
    for (unsigned answers = 0; answers < n + 1;) {
        int did = io_uring_submit_and_wait(&b->ring, n + 1 - answers);
        if (did < 0 && did != -EINTR) { /* the frames that were read go with it */
            tap_batch_free(b);
            return;
        }
        answers += reap(b, err);
    }
    b->over = b->count < n;
    if (b->over)
        series_ends(b);
}

const uint8_t *tap_batch_next(struct tap_batch *b, size_t *len, bool *over, int *err) {
    unsigned n;
    *err = 0;
    if (!tap_batch_has(b) && !b->over && (n = wanted(b)) && has_ring(b)) {
        b->next = b->count = 0;
        read_many(b, n, err);
    }
    *over = !tap_batch_has(b) && b->over;
    if (*over)
        b->over = false;
    if (!tap_batch_has(b))
        return NULL;
    unsigned i = b->next++;
    *len = b->len[i];
    return b->bytes + (size_t)b->order[i] * STRIDE;
}

void tap_batch_free(struct tap_batch *b) {
    if (b->has_ring)
        io_uring_queue_exit(&b->ring);
    mem_free(b->bytes);
    b->bytes = NULL;
    b->has_ring = false;
    b->next = b->count = 0;
}
