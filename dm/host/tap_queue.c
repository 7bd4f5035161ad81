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
        if (!full && write(q->ring->fd, q->bytes + q->begin[i], q->len[i]) < 0) {
            full = errno == EAGAIN;
            *dropped += !full;
        }
        left[i] = full;
    }
    keep(q, left);
}

struct flush {
    bool left[TAP_QUEUE_FRAMES];
    uint64_t *dropped;
};

static void written(void *arg, unsigned which, int got) {
    struct flush *f = arg;
    f->left[which] = false;
    *f->dropped += got < 0;
}

/* A tap of unlimited room takes each at once, in its turn. */
static void at_once(struct tap_queue *q, uint64_t *dropped) {
    struct flush f = {.dropped = dropped};
    for (unsigned i = 0; i < q->count; i++) {
        tap_ring_write(q->ring, i, q->bytes + q->begin[i], q->len[i]);
        f.left[i] = true;
    }
    tap_ring_run(q->ring, written, &f);
    keep(q, f.left);
}

bool tap_queue_flush(struct tap_queue *q, uint64_t *dropped) {
    if (q->count > 1 && q->unlimited && tap_ring_can_write(q->ring))
        at_once(q, dropped);
    if (q->count)
        one_by_one(q, dropped);
    return !q->count;
}
