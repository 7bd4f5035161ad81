/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One ring of a PV disk: requests in, answers out. Document: xen/io/blkif.h, xen/io/ring.h.
 *
 * A pass takes all requests that are there; the image starts them with one system call. Answers
 * that come in one turn of the loop go out together, with at most one notification.
 *
 * The ring is the guest's to write at any time: indices and slots are read once and bounded; a
 * frontend whose indices can't be is not served any more, until it reconnects.
 *
 * A write barrier stops its ring: what came before it is finished, then follow a flush, its data
 * and a flush, and only then is the next request taken.
 */
#include "pv/blk_priv.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"

enum verdict { ACCEPTED, FAILED, UNKNOWN };

static uint8_t *slot(const struct queue *q, uint32_t index) {
    return q->ring + RING_SLOTS + (size_t)(index & (q->slots - 1)) * q->disk->abi->slot;
}

/* ---- answers ---- */

static void answer(struct queue *q, const struct request *r, int status) {
    if (q->mute)
        return;
    uint8_t *to = slot(q, q->rsp_prod++);
    uint8_t bytes[16] = {0};
    store_le64(bytes, r->id);
    bytes[8] = r->op;
    store_le16(bytes + 10, (uint16_t)status);
    memcpy(to, bytes, q->disk->abi->response);
    loop_defer(q->disk->board->loop, &q->answer_task);
}

static void finish(struct request *r, int status) {
    struct queue *q = r->queue;
    if (r->mapped)
        pages_put(r); /* before the answer: from then on the guest may take them back */
    answer(q, r, status);
    if (r == q->barrier) {
        q->barrier = NULL;
        loop_defer(q->disk->board->loop, &q->serve_task);
    }
    r->next = q->free;
    q->free = r;
    q->in_flight--;
}

/* A barrier begins when it is the only one left. */
static void try_barrier(struct queue *q) {
    if (!q->barrier || q->barrier_runs || q->in_flight != 1)
        return;
    q->barrier_runs = true;
    request_advance(q->barrier);
}

static void deliver_reads(struct queue *q) {
    if (!q->to_deliver.head)
        return;
    if (!q->mute)
        pages_copy(q->disk, &q->to_deliver, true);
    struct request *r;
    while ((r = list_take(&q->to_deliver)))
        finish(r, r->status);
    try_barrier(q);
}

static void send_answers(void *queue) {
    struct queue *q = queue;
    deliver_reads(q);
    uint32_t before = q->rsp_sent;
    if (before == q->rsp_prod)
        return;
    q->rsp_sent = q->rsp_prod;
    struct pv *pv = q->disk->dev->pv;
    if (shared_publish(q->ring, before, q->rsp_prod))
        pv->ops->notify(pv, &q->port);
}

/* ---- on the image ---- */

static void submit(struct request *r, enum block_op op, size_t len, unsigned niov) {
    r->block.op = op;
    r->block.offset = op == BLOCK_FLUSH ? 0 : r->offset;
    r->block.len = len;
    r->block.niov = niov;
    block_submit(r->queue->disk->block, &r->block);
}

void request_advance(struct request *r) {
    if (r->flush_before) {
        r->flush_before = false;
        submit(r, BLOCK_FLUSH, 0, 0);
    } else if (r->data) {
        r->data = false;
        submit(r, r->data_op, r->len, r->niov);
    } else if (r->flush_after) {
        r->flush_after = false;
        submit(r, BLOCK_FLUSH, 0, 0);
    } else if (r->copied && r->op == BLKIF_READ) {
        list_add(&r->queue->to_deliver, r);
        loop_defer(r->queue->disk->board->loop, &r->queue->answer_task);
    } else {
        finish(r, BLKIF_OKAY);
    }
}

static void request_done(struct block_req *block, int err) {
    struct request *r = block->owner;
    struct queue *q = r->queue;
    if (err)
        finish(r, BLKIF_ERROR);
    else
        request_advance(r);
    if (q->barrier)
        try_barrier(q);
}

/* ---- requests ---- */

/* A place that does not fit bytes is past any end, which the image refuses. */
static uint64_t place(const struct queue *q, uint64_t sector) {
    unsigned size = q->disk->sector;
    return sector > UINT64_MAX / size ? UINT64_MAX - (size - 1) : sector * size;
}

/* The data may have to be fetched; else it goes to the image at once. */
static void start(struct request *r) {
    struct queue *q = r->queue;
    bool fetch = r->copied && r->op != BLKIF_READ;
    if (r->op == BLKIF_WRITE_BARRIER) {
        q->barrier = r;
        q->barrier_runs = false;
    }
    if (fetch)
        list_add(&q->to_copy, r);
    else if (r != q->barrier)
        request_advance(r);
}

/* Those whose data has come go to the image, but a barrier's. */
static void fetch_writes(struct queue *q) {
    struct request *r;
    if (q->to_copy.head)
        pages_copy(q->disk, &q->to_copy, false);
    while ((r = list_take(&q->to_copy)))
        if (r->status)
            finish(r, r->status);
        else if (r != q->barrier)
            request_advance(r);
}

static enum verdict transfer(struct request *r, const struct blkif_segment *segs,
                             uint64_t sector) {
    unsigned size = r->queue->disk->sector;
    for (unsigned i = 0; i < r->segments; i++) {
        if (segs[i].first > segs[i].last || segs[i].last >= PV_PAGE / size)
            return FAILED;
        r->len += (size_t)(segs[i].last - segs[i].first + 1) * size;
    }
    if (!pages_get(r, segs))
        return FAILED;
    r->offset = place(r->queue, sector);
    r->data = true;
    r->data_op = r->op == BLKIF_READ ? BLOCK_READ : BLOCK_WRITE;
    start(r);
    return ACCEPTED;
}

static enum verdict take_direct(struct request *r, const uint8_t *s) {
    const struct blkif_abi *abi = r->queue->disk->abi;
    struct blkif_segment segs[BLKIF_SEGMENTS];
    bool flushes = r->op == BLKIF_FLUSH || r->op == BLKIF_WRITE_BARRIER;
    r->segments = s[1];
    if (r->segments > BLKIF_SEGMENTS || (!r->segments && !flushes))
        return FAILED;
    r->flush_before = r->op == BLKIF_WRITE_BARRIER;
    r->flush_after = flushes;
    if (!r->segments) {
        start(r);
        return ACCEPTED;
    }
    for (unsigned i = 0; i < r->segments; i++)
        segs[i] = blkif_segment(s + abi->segments + BLKIF_SEGMENT_BYTES * i);
    return transfer(r, segs, load_le64(s + abi->sector));
}

/* The segments stand in a page of their own; the answer carries the operation within. */
static enum verdict take_indirect(struct request *r, const uint8_t *s) {
    struct pv_blk *d = r->queue->disk;
    struct blkif_segment segs[BLKIF_INDIRECT_SEGMENTS];
    r->segments = load_le16(s + d->abi->indirect_count);
    if (!r->segments || r->segments > BLKIF_INDIRECT_SEGMENTS ||
        (r->op != BLKIF_READ && r->op != BLKIF_WRITE) ||
        !pages_read_segments(d, load_le32(s + d->abi->indirect_refs), segs, r->segments))
        return FAILED;
    return transfer(r, segs, load_le64(s + d->abi->indirect_sector));
}

static enum verdict take_discard(struct request *r, const uint8_t *s) {
    const struct pv_blk *d = r->queue->disk;
    uint64_t sectors = load_le64(s + d->abi->discard);
    if (!d->discard || s[1] & BLKIF_SECURE_ERASE)
        return UNKNOWN;
    if (sectors > SIZE_MAX / d->sector)
        return FAILED;
    r->offset = place(r->queue, load_le64(s + d->abi->sector));
    r->len = sectors * d->sector;
    r->data = true;
    r->data_op = BLOCK_DISCARD;
    request_advance(r);
    return ACCEPTED;
}

static enum verdict judge(struct request *r, const uint8_t *s) {
    const struct block *block = r->queue->disk->block;
    if (!block)
        return FAILED;
    switch (s[0]) {
    case BLKIF_WRITE:
    case BLKIF_WRITE_BARRIER:
        if (block->read_only)
            return FAILED; /* whatever its segments are */
        return take_direct(r, s);
    case BLKIF_READ:
    case BLKIF_FLUSH:
        return take_direct(r, s);
    case BLKIF_DISCARD:
        return block->read_only ? FAILED : take_discard(r, s);
    case BLKIF_INDIRECT:
        return block->read_only && r->op != BLKIF_READ ? FAILED : take_indirect(r, s);
    default:
        return UNKNOWN;
    }
}

static void take(struct queue *q, const uint8_t *s) {
    struct pv_blk *d = q->disk;
    struct request *r = q->free;
    bool indirect = s[0] == BLKIF_INDIRECT;
    q->free = r->next;
    q->in_flight++;
    r->id = load_le64(s + (indirect ? d->abi->indirect_id : d->abi->id));
    r->op = indirect ? s[d->abi->indirect_op] : s[0];
    r->flush_before = r->data = r->flush_after = r->copied = false;
    r->status = BLKIF_OKAY;
    r->segments = r->niov = 0;
    r->len = 0;
    r->offset = 0;
    enum verdict verdict = judge(r, s);
    if (verdict == ACCEPTED)
        return;
    if (verdict == FAILED && d->block)
        log_guest(&d->odd, "%s: request %u of %u segments can't be carried out", d->dev->backend,
                  s[0], r->segments);
    finish(r, verdict == FAILED ? BLKIF_ERROR : BLKIF_NOT_SUPPORTED);
}

/* False: there is nothing to take, and the guest tells us of the next. */
static bool more(struct queue *q, uint32_t *prod) {
    *prod = shared_load(q->ring, RING_REQ_PROD);
    if (*prod != q->req_cons)
        return true;
    shared_want(q->ring, q->req_cons + 1);
    *prod = shared_load(q->ring, RING_REQ_PROD);
    return *prod != q->req_cons;
}

void queue_serve(void *queue) {
    struct queue *q = queue;
    struct pv_blk *d = q->disk;
    uint32_t prod;
    while (!q->broken && !q->barrier && more(q, &prod)) {
        /* as many as there are slots that no answer waits in, or the frontend has lost count */
        if ((uint32_t)(prod - q->rsp_prod) > q->slots) {
            log_guest(&d->odd, "%s: request index %u with %u answered and %u slots: not served",
                      d->dev->backend, prod, q->rsp_prod, q->slots);
            q->broken = true;
            break;
        }
        while (q->req_cons != prod && !q->barrier) {
            uint8_t copy[BLKIF_SLOT_MAX];
            memcpy(copy, slot(q, q->req_cons++), d->abi->slot);
            take(q, copy);
        }
        fetch_writes(q);
        try_barrier(q);
    }
}

/* ---- life ---- */

static void make_requests(struct queue *q) {
    size_t many = BLKIF_INDIRECT_SEGMENTS * sizeof(struct iovec);
    q->requests = mem_new(q->slots * sizeof(*q->requests));
    q->iovs = mem_new(q->slots * many);
    if (q->disk->copies)
        q->bounce_pages = MIN(MAX(COPY_MEMORY / q->slots, (unsigned)BLKIF_SEGMENTS),
                              (unsigned)COPY_SEGMENTS);
    size_t bounce = (size_t)q->bounce_pages * PV_PAGE;
    if (bounce)
        q->bounces = mem_new(q->slots * bounce + PV_PAGE);
    uint8_t *aligned = (uint8_t *)(((uintptr_t)q->bounces + PV_PAGE - 1) & -(uintptr_t)PV_PAGE);
    for (unsigned i = 0; i < q->slots; i++) {
        struct request *r = &q->requests[i];
        r->queue = q;
        r->many = (struct iovec *)((uint8_t *)q->iovs + i * many);
        r->bounce = bounce ? aligned + i * bounce : NULL;
        r->block = (struct block_req){.iov = r->iov, .done = request_done, .owner = r};
        r->next = q->free;
        q->free = r;
    }
}

void queue_init(struct queue *q, struct pv_blk *d) {
    uint32_t fit = (q->ring_pages * PV_PAGE - RING_SLOTS) / d->abi->slot;
    q->disk = d;
    q->slots = 1;
    while (q->slots * 2 <= fit)
        q->slots *= 2;
    list_init(&q->to_copy);
    list_init(&q->to_deliver);
    q->answer_task = (struct loop_task){.run = send_answers, .arg = q};
    q->serve_task = (struct loop_task){.run = queue_serve, .arg = q};
    q->port.event = queue_serve;
    q->port.arg = q;
    make_requests(q);
    /* A frontend that reconnects brings a ring that counts from where it left off. */
    q->req_cons = q->rsp_prod = q->rsp_sent = shared_load(q->ring, RING_RSP_PROD);
}

void queue_drain(struct queue *q) {
    while (q->in_flight) {
        if (q->disk->block)
            block_drain(q->disk->block);
        deliver_reads(q);
    }
    send_answers(q);
}

static void queue_free(struct queue *q) {
    loop_cancel(q->disk->board->loop, &q->answer_task);
    loop_cancel(q->disk->board->loop, &q->serve_task);
    mem_free(q->requests);
    mem_free(q->iovs);
    mem_free(q->bounces);
}

/* Each pass takes one request at least, and at first there are no more than slots. */
void queue_close(struct queue *q, bool listens) {
    q->mute = !listens;
    for (unsigned pass = 0; listens && pass < q->slots && !q->broken; pass++) {
        queue_serve(q);
        queue_drain(q);
        if (shared_load(q->ring, RING_REQ_PROD) == q->req_cons)
            break;
    }
    q->broken = true;
    queue_drain(q);
    queue_free(q);
}
