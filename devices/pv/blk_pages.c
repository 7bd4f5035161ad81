/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's pages of a PV disk's requests. Three ways:
 *
 * - a frontend that keeps its grants (feature-persistent): a page is mapped once and found again by
 *   its reference, so data goes between it and the image without a copy and without a system call;
 * - else small requests are copied by the hypervisor, those of one pass in one call: a map and an
 *   unmap cost more than the copy of a few pages;
 * - else, and where there is no copying, a request's pages are mapped together for this request.
 *
 * Kept pages are given back with the connection only: a frontend that never uses a grant twice
 * fills the table and is served by the other ways.
 */
#include "pv/blk_priv.h"

#include <string.h>

#include "core/mem.h"

enum { COPY_BATCH = 128 };

/* ---- kept pages ---- */

static struct grant *grant_slot(struct pv_blk *d, uint32_t ref) {
    for (uint32_t i = ref;; i++) {
        struct grant *g = &d->grants[i & (GRANT_SLOTS - 1)];
        if (g->ref == ref || !g->ref)
            return g;
    }
}

/* Maps those that have no page yet, side by side. False: none of them is kept. */
static bool keep(struct pv_blk *d, struct grant **missing, unsigned n) {
    uint32_t refs[BLKIF_INDIRECT_SEGMENTS];
    for (unsigned i = 0; i < n; i++)
        refs[i] = missing[i]->ref;
    uint8_t *pages = d->dev->pv->ops->map(d->dev->pv, refs, n, true);
    if (!pages)
        return false;
    for (unsigned i = 0; i < n; i++)
        missing[i]->page = pages + (size_t)i * PV_PAGE;
    d->runs[d->run_count++] = (struct grant_run){pages, n};
    return true;
}

/* Puts the kept page of each segment into pages. False: not all can be kept. */
static bool kept_pages(struct pv_blk *d, const struct blkif_segment *segs, unsigned n,
                       uint8_t **pages) {
    struct grant *found[BLKIF_INDIRECT_SEGMENTS], *missing[BLKIF_INDIRECT_SEGMENTS];
    unsigned count = 0;
    bool all = true;
    for (unsigned i = 0; i < n && all; i++) {
        found[i] = grant_slot(d, segs[i].ref);
        if (found[i]->ref)
            continue;
        all = segs[i].ref && d->grant_count < GRANTS_MAX;
        if (!all)
            break;
        found[i]->ref = segs[i].ref;
        missing[count++] = found[i];
        d->grant_count++;
    }
    all = all && (!count || keep(d, missing, count));
    for (unsigned i = 0; i < n && all; i++)
        pages[i] = found[i]->page;
    /* last in, first out: so no probe runs over a hole */
    while (!all && count) {
        missing[--count]->ref = 0;
        d->grant_count--;
    }
    return all;
}

void pages_forget(struct pv_blk *d) {
    for (unsigned i = 0; i < d->run_count; i++)
        d->dev->pv->ops->unmap(d->dev->pv, d->runs[i].pages, d->runs[i].n);
    mem_free(d->runs);
    mem_free(d->grants);
    d->runs = NULL;
    d->grants = NULL;
    d->grant_count = d->run_count = 0;
}

/* ---- pages of one request ---- */

static bool map_pages(struct request *r, const struct blkif_segment *segs, uint8_t **pages) {
    struct pv_blk *d = r->queue->disk;
    uint32_t refs[BLKIF_INDIRECT_SEGMENTS];
    for (unsigned i = 0; i < r->segments; i++)
        refs[i] = segs[i].ref;
    r->mapped = d->dev->pv->ops->map(d->dev->pv, refs, r->segments, r->op == BLKIF_READ);
    if (!r->mapped)
        return false;
    r->mapped_pages = r->segments;
    for (unsigned i = 0; i < r->segments; i++)
        pages[i] = (uint8_t *)r->mapped + (size_t)i * PV_PAGE;
    return true;
}

/* Neighbours in our address space become one. */
static void show(struct request *r, const struct blkif_segment *segs, uint8_t *const *pages) {
    unsigned sector = r->queue->disk->sector, n = 0;
    struct iovec *iov = r->segments > BLKIF_SEGMENTS ? r->many : r->iov;
    r->block.iov = iov;
    for (unsigned i = 0; i < r->segments; i++) {
        uint8_t *at = pages[i] + segs[i].first * sector;
        size_t len = (size_t)(segs[i].last - segs[i].first + 1) * sector;
        if (n && (uint8_t *)iov[n - 1].iov_base + iov[n - 1].iov_len == at)
            iov[n - 1].iov_len += len;
        else
            iov[n++] = (struct iovec){at, len};
    }
    r->niov = (uint16_t)n;
}

bool pages_get(struct request *r, const struct blkif_segment *segs) {
    struct pv_blk *d = r->queue->disk;
    uint8_t *pages[BLKIF_INDIRECT_SEGMENTS];
    r->copied = r->segments <= r->queue->bounce_pages;
    if (r->copied) {
        memcpy(r->segs, segs, r->segments * sizeof(*segs));
        r->iov[0] = (struct iovec){r->bounce, r->len};
        r->block.iov = r->iov;
        r->niov = 1;
        return true;
    }
    if (!(d->persistent && kept_pages(d, segs, r->segments, pages)) && !map_pages(r, segs, pages))
        return false;
    show(r, segs, pages);
    return true;
}

void pages_put(struct request *r) {
    struct pv *pv = r->queue->disk->dev->pv;
    if (r->mapped)
        pv->ops->unmap(pv, r->mapped, r->mapped_pages);
    r->mapped = NULL;
}

/* A page holds 512 segments, more than a request may have. */
bool pages_read_segments(struct pv_blk *d, uint32_t ref, struct blkif_segment *segs, unsigned n) {
    struct pv *pv = d->dev->pv;
    uint8_t copy[BLKIF_INDIRECT_SEGMENTS * BLKIF_SEGMENT_BYTES], *page = NULL;
    size_t len = n * BLKIF_SEGMENT_BYTES;
    struct pv_copy one = {.ref = ref, .len = (uint16_t)len, .local = copy};
    if (!d->persistent && d->copies) {
        if (!pv->ops->copy(pv, &one, 1) || !one.ok)
            return false;
    } else if (d->persistent && kept_pages(d, &(struct blkif_segment){.ref = ref}, 1, &page)) {
        memcpy(copy, page, len);
    } else {
        page = pv->ops->map(pv, &ref, 1, false);
        if (!page)
            return false;
        memcpy(copy, page, len);
        pv->ops->unmap(pv, page, 1);
    }
    for (unsigned i = 0; i < n; i++)
        segs[i] = blkif_segment(copy + BLKIF_SEGMENT_BYTES * i);
    return true;
}

/* ---- copies ---- */

struct batch {
    struct pv_copy copies[COPY_BATCH];
    struct request *of[COPY_BATCH];
    unsigned n;
};

static void copy_batch(struct pv_blk *d, struct batch *b) {
    bool done = !b->n || d->dev->pv->ops->copy(d->dev->pv, b->copies, b->n);
    for (unsigned i = 0; i < b->n; i++)
        if (!done || !b->copies[i].ok)
            b->of[i]->status = BLKIF_ERROR;
    b->n = 0;
}

void pages_copy(struct pv_blk *d, const struct request_list *list, bool to_guest) {
    struct batch b;
    b.n = 0;
    for (struct request *r = list->head; r; r = r->next) {
        uint8_t *at = r->bounce;
        for (unsigned i = 0; i < r->segments; i++) {
            const struct blkif_segment *seg = &r->segs[i];
            uint16_t len = (uint16_t)((seg->last - seg->first + 1) * d->sector);
            if (b.n == COPY_BATCH)
                copy_batch(d, &b);
            b.of[b.n] = r;
            b.copies[b.n++] = (struct pv_copy){
                .ref = seg->ref, .offset = (uint16_t)(seg->first * d->sector), .len = len,
                .local = at, .to_guest = to_guest};
            at += len;
        }
    }
    copy_batch(d, &b);
}
