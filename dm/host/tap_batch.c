/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames out of a tap, many at once. See tap_batch.h. */
#include "tap_batch.h"

#include <errno.h>

#include "core/bits.h"
#include "core/mem.h"
#include "core/net.h"

/* A frame of the greatest length with the tap's header; each begins at a page. */
enum { PAGE = 4096, STRIDE = (NET_FRAME_MAX + PAGE) / PAGE * PAGE };

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

struct reading {
    struct tap_batch *b;
    int err;
};

static void was_read(void *arg, unsigned which, int got) {
    struct reading *r = arg;
    struct tap_batch *b = r->b;
    if (got > 0) {
        b->len[b->count] = (uint32_t)got;
        b->order[b->count++] = (uint16_t)which;
        tap_batch_note(b, (size_t)got);
    } else if (got < 0 && got != -ECANCELED && got != -EAGAIN) {
        r->err = -got;
    }
}

/* Returns why the tap can't be read, or 0. */
static int read_many(struct tap_batch *b, unsigned n) {
    struct reading r = {.b = b};
    if (!b->bytes)
        b->bytes = mem_new((size_t)TAP_BATCH_FRAMES * STRIDE);
    b->next = b->count = 0;
    for (unsigned i = 0; i < n; i++)
        tap_ring_read(b->ring, i, b->bytes + (size_t)i * STRIDE, STRIDE);
    if (!tap_ring_run(b->ring, was_read, &r)) {
        b->count = 0; /* the last may be half there */
        return 0;
    }
    b->over = b->count < n;
    if (b->over)
        series_ends(b);
    return r.err;
}

const uint8_t *tap_batch_next(struct tap_batch *b, size_t *len, bool *over, int *err) {
    unsigned n;
    *err = 0;
    if (!tap_batch_has(b) && !b->over && (n = wanted(b)) && tap_ring_can_read(b->ring))
        *err = read_many(b, n);
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
    mem_free(b->bytes);
    b->bytes = NULL;
    b->next = b->count = 0;
}
