/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Split virtqueues (virtio 1.1, 2.6). See virtio.h.
 */
#include "core/bits.h"
#include "net/virtio.h"

enum { /* 2.6.5 */
    DESC = 16, DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4,
    CHAIN_MAX = 1024, /* descriptors of one chain, whatever the tables hold */
    AVAIL_RING = 4, AVAIL_NO_INTERRUPT = 1, USED_RING = 4, USED_ELEMENT = 8, USED_NO_NOTIFY = 1,
};

static uint16_t read16(struct virtio *v, uint64_t at) {
    uint8_t bytes[2];
    dma_read(&v->pci.dma, at, bytes, sizeof(bytes));
    return load_le16(bytes);
}

static void write16(struct virtio *v, uint64_t at, uint16_t val) {
    uint8_t bytes[2];
    store_le16(bytes, val);
    dma_write(&v->pci.dma, at, bytes, sizeof(bytes));
}

bool virtq_ready(const struct virtio *v, unsigned q) {
    return q < v->shape.queues && v->q[q].enabled && v->q[q].size && virtio_running(v);
}

/* ---- chains ---- */

struct walk {
    uint64_t table;
    uint32_t entries, at;
    bool indirect, wrote, more;
    struct dma_sg *out, *in;
    size_t max;
};

static void add(struct virtio *v, struct walk *w, uint64_t addr, uint32_t len, bool write,
                struct virtio_chain *chain) {
    struct dma_sg *sg = write ? w->in : w->out;
    if (!sg || !len)
        return;
    size_t room = w->max > sg->len ? w->max - sg->len : 0, want = MIN((size_t)len, room);
    size_t added = want ? dma_sg_add(&v->pci.dma, sg, addr, want, write) : 0;
    if (write)
        chain->in_bytes += added;
    else if (added < len)
        chain->overlong = true;
}

/* One descriptor. False: it can't be. */
static bool step(struct virtio *v, struct walk *w, struct virtio_chain *chain) {
    uint8_t d[DESC];
    dma_read(&v->pci.dma, w->table + (uint64_t)w->at * DESC, d, sizeof(d));
    uint64_t addr = load_le64(d);
    uint32_t len = load_le32(d + 8);
    unsigned flags = load_le16(d + 12);
    if (flags & DESC_INDIRECT) { /* 2.6.5.3: the last of its chain, and not within another */
        if (!virtio_has(v, VIRTIO_F_INDIRECT) || w->indirect || flags & DESC_NEXT || !len ||
            len % DESC)
            return false;
        w->table = addr;
        w->entries = len / DESC;
        w->at = 0;
        w->indirect = true;
        return true;
    }
    if (w->wrote && !(flags & DESC_WRITE))
        return false; /* 2.6.4.2: what we read comes first */
    w->wrote = flags & DESC_WRITE;
    add(v, w, addr, len, w->wrote, chain);
    w->more = flags & DESC_NEXT;
    w->at = load_le16(d + 14);
    return !w->more || w->at < w->entries;
}

/* A table that loops ends here, too. */
static bool walk(struct virtio *v, unsigned q, struct dma_sg *out, struct dma_sg *in, size_t max,
                 struct virtio_chain *chain) {
    struct walk w = {.table = v->q[q].desc, .entries = v->q[q].size, .at = chain->head,
                     .more = true, .out = out, .in = in, .max = max};
    for (unsigned i = 0; w.more && i < CHAIN_MAX; i++)
        if (!step(v, &w, chain))
            return false;
    return !w.more;
}

unsigned virtq_waiting(struct virtio *v, unsigned q) {
    struct virtq *vq = &v->q[q];
    if (!virtq_ready(v, q))
        return 0;
    uint16_t waiting = (uint16_t)(read16(v, vq->avail + 2) - vq->next);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (waiting <= vq->size)
        return waiting;
    virtio_broken(v, "an available index that is out by", waiting);
    return 0;
}

bool virtq_take(struct virtio *v, unsigned q, struct dma_sg *out, struct dma_sg *in, size_t max,
                struct virtio_chain *chain) {
    struct virtq *vq = &v->q[q];
    if (!virtq_waiting(v, q))
        return false;
    *chain = (struct virtio_chain){
        .head = read16(v, vq->avail + AVAIL_RING + 2u * (vq->next & (vq->size - 1u)))};
    if (chain->head >= vq->size || !walk(v, q, out, in, max, chain)) {
        virtio_broken(v, "a chain that can't be, at", chain->head);
        return false;
    }
    vq->next++;
    return true;
}

void virtq_untake(struct virtio *v, unsigned q, unsigned n) {
    v->q[q].next = (uint16_t)(v->q[q].next - n);
}

/* ---- giving back ---- */

void virtq_give(struct virtio *v, unsigned q, uint16_t head, uint32_t written) {
    struct virtq *vq = &v->q[q];
    uint8_t element[USED_ELEMENT];
    store_le32(element, head);
    store_le32(element + 4, written);
    dma_write(&v->pci.dma,
              vq->used + USED_RING + (uint64_t)USED_ELEMENT * (vq->done & (vq->size - 1u)),
              element, sizeof(element));
    vq->done++;
}

void virtq_tell(struct virtio *v, unsigned q) {
    struct virtq *vq = &v->q[q];
    uint16_t before = vq->told;
    if (vq->done == before || !virtq_ready(v, q))
        return;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    write16(v, vq->used + 2, vq->done);
    vq->told = vq->done;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* our index before the guest's wish */
    if (virtio_has(v, VIRTIO_F_EVENT_IDX)) {
        uint16_t event = read16(v, vq->avail + AVAIL_RING + 2u * vq->size);
        if ((uint16_t)(vq->done - event - 1) >= (uint16_t)(vq->done - before))
            return;
    } else if (read16(v, vq->avail) & AVAIL_NO_INTERRUPT) {
        return;
    }
    virtio_interrupt(v, vq->vector, 1);
}

bool virtq_want(struct virtio *v, unsigned q) {
    struct virtq *vq = &v->q[q];
    if (!virtq_ready(v, q))
        return false;
    if (virtio_has(v, VIRTIO_F_EVENT_IDX))
        write16(v, vq->used + USED_RING + (uint64_t)USED_ELEMENT * vq->size, vq->next);
    else if (vq->quiet)
        write16(v, vq->used, 0);
    vq->quiet = false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* our wish before the guest's index */
    return read16(v, vq->avail + 2) != vq->next;
}

/* With event index nothing needs to be said: the guest notifies once for each wish. */
void virtq_want_none(struct virtio *v, unsigned q) {
    struct virtq *vq = &v->q[q];
    if (vq->quiet || virtio_has(v, VIRTIO_F_EVENT_IDX) || !virtq_ready(v, q))
        return;
    vq->quiet = true;
    write16(v, vq->used, USED_NO_NOTIFY);
}
