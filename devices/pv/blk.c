/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend of blkfront. Document: see blk.h.
 *
 * Data goes from the guest's pages to the image without a copy. Where the frontend keeps its grants
 * (feature-persistent) a page is mapped once and found again by its reference; else a request's
 * pages are mapped together and given back with the answer. Answers that come in one turn of the
 * loop go out together, with at most one notification.
 *
 * The ring is the guest's to write at any time: indices and slots are read once and bounded; a
 * frontend whose indices can't be is not served any more, until it reconnects.
 *
 * Not modelled: several queues, write barriers (Linux has not used them since 2.6.37), secure
 * discard.
 */
#include "pv/blk.h"

#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "pv/blkif.h"

enum {
    RING_ORDER_MAX = 4, RING_PAGES_MAX = 1 << RING_ORDER_MAX, GRANTS_MAX = 1056,
    GRANT_SLOTS = 4096,
};

/* One request of the guest, from its slot to its answer. */
struct request {
    struct pv_blk *disk;
    uint64_t id;
    uint8_t op;
    bool flush_after; /* FLUSH with data: the data is written, the flush is to come */
    unsigned segments;
    void *transient; /* pages mapped for this request alone */
    unsigned transient_pages;
    struct iovec iov[BLKIF_INDIRECT_SEGMENTS];
    struct block_req block;
    struct request *next_free;
};

struct grant {
    uint32_t ref; /* 0: nobody; reference 0 is reserved */
    void *page;
};

struct pv_blk {
    struct xenbus_device *dev;
    const struct pv_blk_board *board;
    struct block *block;
    bool discard;
    /* connected */
    const struct blkif_abi *abi;
    uint8_t *ring;
    unsigned ring_pages;
    uint32_t slots; /* a power of two */
    uint32_t req_cons, rsp_prod, rsp_sent;
    bool broken, persistent;
    struct pv_port port;
    struct loop_task answer_task;
    struct request *requests, *free;
    unsigned in_flight;
    struct grant *grants;
    unsigned grant_count;
    struct log_limit odd;
};

/* ---- shared words ---- */

static uint32_t shared_load(const struct pv_blk *d, unsigned off) {
    return __atomic_load_n((const uint32_t *)(const void *)(d->ring + off), __ATOMIC_ACQUIRE);
}

static void shared_store(struct pv_blk *d, unsigned off, uint32_t v) {
    __atomic_store_n((uint32_t *)(void *)(d->ring + off), v, __ATOMIC_RELEASE);
}

static uint8_t *slot(const struct pv_blk *d, uint32_t index) {
    return d->ring + RING_SLOTS + (size_t)(index & (d->slots - 1)) * d->abi->slot;
}

/* ---- answers ---- */

static void send_answers(void *arg) {
    struct pv_blk *d = arg;
    uint32_t before = d->rsp_sent;
    if (before == d->rsp_prod)
        return;
    shared_store(d, RING_RSP_PROD, d->rsp_prod);
    d->rsp_sent = d->rsp_prod;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* our index before the guest's wish */
    uint32_t wanted = shared_load(d, RING_RSP_EVENT);
    if ((uint32_t)(d->rsp_prod - wanted) < (uint32_t)(d->rsp_prod - before))
        d->dev->pv->ops->notify(d->dev->pv, &d->port);
}

static void answer(struct pv_blk *d, uint64_t id, uint8_t op, int status) {
    uint8_t *to = slot(d, d->rsp_prod++);
    uint8_t bytes[16] = {0};
    store_le64(bytes, id);
    bytes[8] = op;
    store_le16(bytes + 10, (uint16_t)status);
    memcpy(to, bytes, d->abi->response);
    loop_defer(d->board->loop, &d->answer_task);
}

static void finish(struct request *r, int status) {
    struct pv_blk *d = r->disk;
    if (r->transient)
        d->dev->pv->ops->unmap(d->dev->pv, r->transient, r->transient_pages);
    r->transient = NULL;
    answer(d, r->id, r->op, status);
    r->next_free = d->free;
    d->free = r;
    d->in_flight--;
}

/* ---- pages ---- */

static struct grant *grant_slot(struct pv_blk *d, uint32_t ref) {
    for (uint32_t i = ref * 2654435761u;; i++) {
        struct grant *g = &d->grants[i & (GRANT_SLOTS - 1)];
        if (!g->ref || g->ref == ref)
            return g;
    }
}

static void *kept_page(struct pv_blk *d, uint32_t ref) {
    struct grant *g = grant_slot(d, ref);
    if (g->ref)
        return g->page;
    if (!ref || d->grant_count == GRANTS_MAX)
        return NULL;
    void *page = d->dev->pv->ops->map(d->dev->pv, &ref, 1, true);
    if (!page)
        return NULL;
    *g = (struct grant){ref, page};
    d->grant_count++;
    return page;
}

static void drop_kept(struct pv_blk *d) {
    for (unsigned i = 0; i < GRANT_SLOTS; i++)
        if (d->grants[i].ref)
            d->dev->pv->ops->unmap(d->dev->pv, d->grants[i].page, 1);
    mem_free(d->grants);
    d->grants = NULL;
    d->grant_count = 0;
}

/* Puts the address of each segment's page into pages. */
static bool find_pages(struct request *r, const struct blkif_segment *segs, void **pages) {
    struct pv_blk *d = r->disk;
    unsigned n = 0;
    if (d->persistent)
        while (n < r->segments && (pages[n] = kept_page(d, segs[n].ref)))
            n++;
    if (n == r->segments)
        return true;
    uint32_t refs[BLKIF_INDIRECT_SEGMENTS];
    unsigned left = r->segments - n;
    for (unsigned i = 0; i < left; i++)
        refs[i] = segs[n + i].ref;
    r->transient = d->dev->pv->ops->map(d->dev->pv, refs, left, r->op == BLKIF_READ);
    if (!r->transient)
        return false;
    r->transient_pages = left;
    for (unsigned i = 0; i < left; i++)
        pages[n + i] = (uint8_t *)r->transient + (size_t)i * PV_PAGE;
    return true;
}

/* ---- requests ---- */

static void request_done(struct block_req *block, int err) {
    struct request *r = block->owner;
    if (!err && r->flush_after) {
        r->flush_after = false;
        r->block.op = BLOCK_FLUSH;
        r->block.len = 0;
        r->block.niov = 0;
        block_submit(r->disk->block, &r->block);
        return;
    }
    finish(r, err ? BLKIF_ERROR : BLKIF_OKAY);
}

static void submit(struct request *r, enum block_op op, uint64_t sector, size_t len) {
    /* A sector number that does not fit bytes is past any end. */
    uint64_t offset = sector > UINT64_MAX / BLKIF_SECTOR ? UINT64_MAX - 511 : sector * BLKIF_SECTOR;
    r->block.op = op;
    r->block.offset = offset;
    r->block.len = len;
    block_submit(r->disk->block, &r->block);
}

/* Reads and writes the segments; false: a segment or its page is no good. */
static bool transfer(struct request *r, const struct blkif_segment *segs, uint64_t sector) {
    void *pages[BLKIF_INDIRECT_SEGMENTS];
    size_t len = 0;
    for (unsigned i = 0; i < r->segments; i++)
        if (segs[i].first > segs[i].last || segs[i].last >= BLKIF_PAGE_SECTORS)
            return false;
    if (!find_pages(r, segs, pages))
        return false;
    for (unsigned i = 0; i < r->segments; i++) {
        size_t n = (size_t)(segs[i].last - segs[i].first + 1) * BLKIF_SECTOR;
        r->iov[i] = (struct iovec){(uint8_t *)pages[i] + segs[i].first * BLKIF_SECTOR, n};
        len += n;
    }
    r->block.niov = r->segments;
    submit(r, r->op == BLKIF_READ ? BLOCK_READ : BLOCK_WRITE, sector, len);
    return true;
}

static bool do_direct(struct request *r, const uint8_t *s) {
    const struct blkif_abi *abi = r->disk->abi;
    struct blkif_segment segs[BLKIF_SEGMENTS];
    r->segments = s[1];
    if (r->segments > BLKIF_SEGMENTS)
        return false;
    for (unsigned i = 0; i < r->segments; i++)
        segs[i] = blkif_segment(s + abi->segments + 8 * i);
    if (r->op == BLKIF_FLUSH && !r->segments) {
        r->block.niov = 0;
        submit(r, BLOCK_FLUSH, 0, 0);
        return true;
    }
    r->flush_after = r->op == BLKIF_FLUSH;
    return r->segments && transfer(r, segs, load_le64(s + abi->sector));
}

/* The segments stand in pages of their own, 512 to a page. */
static bool do_indirect(struct request *r, const uint8_t *s) {
    struct pv_blk *d = r->disk;
    const struct blkif_abi *abi = d->abi;
    r->op = s[abi->indirect_op];
    r->segments = load_le16(s + abi->indirect_count); /* its answer carries the op within */
    if (!r->segments || r->segments > BLKIF_INDIRECT_SEGMENTS ||
        (r->op != BLKIF_READ && r->op != BLKIF_WRITE))
        return false;
    /* 256 segments of 8 bytes fit one page */
    uint32_t ref = load_le32(s + abi->indirect_refs);
    struct blkif_segment segs[BLKIF_INDIRECT_SEGMENTS];
    const uint8_t *page = d->persistent ? kept_page(d, ref) : NULL;
    const uint8_t *own = NULL;
    if (!page)
        page = own = d->dev->pv->ops->map(d->dev->pv, &ref, 1, false);
    if (!page)
        return false;
    for (unsigned i = 0; i < r->segments; i++) {
        uint8_t copy[8];
        memcpy(copy, page + 8 * i, sizeof(copy));
        segs[i] = blkif_segment(copy);
    }
    if (own)
        d->dev->pv->ops->unmap(d->dev->pv, (void *)(uintptr_t)own, 1);
    return transfer(r, segs, load_le64(s + abi->indirect_sector));
}

static bool do_discard(struct request *r, const uint8_t *s) {
    const struct blkif_abi *abi = r->disk->abi;
    uint64_t sectors = load_le64(s + abi->discard);
    if (s[1] & BLKIF_SECURE_ERASE || sectors > UINT64_MAX / BLKIF_SECTOR)
        return false;
    r->block.niov = 0;
    submit(r, BLOCK_DISCARD, load_le64(s + abi->sector), sectors * BLKIF_SECTOR);
    return true;
}

static void take(struct pv_blk *d, const uint8_t *s) {
    uint8_t op = s[0];
    struct request *r = d->free;
    uint64_t id = load_le64(s + (op == BLKIF_INDIRECT ? d->abi->indirect_id : d->abi->id));
    d->free = r->next_free;
    d->in_flight++;
    r->id = id;
    r->op = op;
    r->flush_after = false;
    r->segments = 0;
    bool writes = op != BLKIF_READ;
    if (op == BLKIF_INDIRECT)
        writes = s[d->abi->indirect_op] != BLKIF_READ;
    int status = BLKIF_ERROR;
    bool sent = false;
    if (writes && op != BLKIF_FLUSH && d->block->read_only)
        status = BLKIF_ERROR; /* whatever its segments are */
    else if (op == BLKIF_READ || op == BLKIF_WRITE || op == BLKIF_FLUSH)
        sent = do_direct(r, s);
    else if (op == BLKIF_INDIRECT)
        sent = do_indirect(r, s);
    else if (op == BLKIF_DISCARD && d->discard)
        sent = do_discard(r, s);
    else
        status = BLKIF_NOT_SUPPORTED;
    if (sent)
        return;
    if (status == BLKIF_ERROR)
        log_guest(&d->odd, "%s: request %u of %u segments can't be carried out", d->dev->backend,
                  op, r->segments);
    finish(r, status);
}

/* Takes all requests that are there; then asks to be told of the next one. */
static void serve(void *arg) {
    struct pv_blk *d = arg;
    while (!d->broken) {
        uint32_t prod = shared_load(d, RING_REQ_PROD);
        /* as many as there are slots that no answer waits in, or the frontend has lost count */
        if ((uint32_t)(prod - d->rsp_prod) > d->slots) {
            log_guest(&d->odd, "%s: request index %u with %u answered and %u slots: not served",
                      d->dev->backend, prod, d->rsp_prod, d->slots);
            d->broken = true;
            return;
        }
        if (prod == d->req_cons) {
            shared_store(d, RING_REQ_EVENT, d->req_cons + 1);
            __atomic_thread_fence(__ATOMIC_SEQ_CST); /* our wish before the guest's index */
            if (shared_load(d, RING_REQ_PROD) == d->req_cons)
                return;
            continue;
        }
        while (d->req_cons != prod) {
            uint8_t copy[112];
            memcpy(copy, slot(d, d->req_cons++), d->abi->slot);
            take(d, copy);
        }
    }
}

/* ---- the connection ---- */

static bool map_ring(struct pv_blk *d) {
    struct xenbus_device *dev = d->dev;
    uint64_t order = xenbus_frontend_number(dev, "ring-page-order", UINT64_MAX);
    uint32_t refs[RING_PAGES_MAX];
    d->ring_pages = order <= RING_ORDER_MAX ? 1u << order : 1;
    if (order != UINT64_MAX && order > RING_ORDER_MAX) {
        log_warn("%s: ring-page-order %llu, at most %d was offered", dev->backend,
                 (unsigned long long)order, RING_ORDER_MAX);
        return false;
    }
    for (unsigned i = 0; i < d->ring_pages; i++) {
        char node[24] = "ring-ref";
        if (order != UINT64_MAX)
            snprintf(node, sizeof(node), "ring-ref%u", i);
        refs[i] = (uint32_t)xenbus_frontend_number(dev, node, 0);
    }
    d->ring = dev->pv->ops->map(dev->pv, refs, d->ring_pages, true);
    if (!d->ring)
        log_warn("%s: the frontend's ring can't be mapped", dev->backend);
    return d->ring != NULL;
}

static bool choose_abi(struct pv_blk *d) {
    char protocol[32];
    if (!xenbus_read_frontend(d->dev, "protocol", protocol, sizeof(protocol)) ||
        !strcmp(protocol, "x86_64-abi"))
        d->abi = &blkif_64;
    else if (!strcmp(protocol, "x86_32-abi"))
        d->abi = &blkif_32;
    else
        log_warn("%s: protocol \"%s\": x86_32-abi or x86_64-abi was expected", d->dev->backend,
                 protocol);
    return d->abi != NULL;
}

static void make_requests(struct pv_blk *d) {
    uint32_t fit = (d->ring_pages * PV_PAGE - RING_SLOTS) / d->abi->slot;
    d->slots = 1;
    while (d->slots * 2 <= fit)
        d->slots *= 2;
    d->requests = mem_new(d->slots * sizeof(*d->requests));
    d->free = NULL;
    for (unsigned i = 0; i < d->slots; i++) {
        struct request *r = &d->requests[i];
        r->disk = d;
        r->block = (struct block_req){.iov = r->iov, .done = request_done, .owner = r};
        r->next_free = d->free;
        d->free = r;
    }
}

static void pv_blk_disconnect(void *backend) {
    struct pv_blk *d = backend;
    struct pv *pv = d->dev->pv;
    if (!d->ring)
        return;
    pv->ops->unbind(pv, &d->port);
    while (d->in_flight)
        block_drain(d->block);
    send_answers(d);
    loop_cancel(d->board->loop, &d->answer_task);
    drop_kept(d);
    pv->ops->unmap(pv, d->ring, d->ring_pages);
    d->ring = NULL;
    mem_free(d->requests);
    d->requests = NULL;
}

static bool pv_blk_connect(void *backend) {
    struct pv_blk *d = backend;
    struct pv *pv = d->dev->pv;
    uint64_t remote = xenbus_frontend_number(d->dev, "event-channel", UINT64_MAX);
    d->abi = NULL;
    if (!choose_abi(d) || !map_ring(d))
        return false;
    make_requests(d);
    d->grants = mem_new(GRANT_SLOTS * sizeof(*d->grants));
    d->persistent = xenbus_frontend_number(d->dev, "feature-persistent", 0) == 1;
    d->broken = false;
    /* A frontend that reconnects brings a ring that counts from where it left off. */
    d->req_cons = d->rsp_prod = d->rsp_sent = shared_load(d, RING_RSP_PROD);
    d->port = (struct pv_port){.event = serve, .arg = d};
    if (remote > UINT32_MAX || !pv->ops->bind(pv, (uint32_t)remote, &d->port)) {
        log_warn("%s: event channel %llu can't be bound", d->dev->backend,
                 (unsigned long long)remote);
        pv_blk_disconnect(d);
        return false;
    }
    serve(d);
    return true;
}

/* ---- the device ---- */

static void write_features(struct pv_blk *d, bool cdrom) {
    struct xenbus_device *dev = d->dev;
    xenbus_write_number(dev, "feature-flush-cache", 1);
    xenbus_write_number(dev, "feature-persistent", 1);
    xenbus_write_number(dev, "feature-max-indirect-segments", BLKIF_INDIRECT_SEGMENTS);
    xenbus_write_number(dev, "max-ring-page-order", RING_ORDER_MAX);
    if (d->discard) {
        xenbus_write_number(dev, "feature-discard", 1);
        xenbus_write_number(dev, "discard-granularity", PV_PAGE);
        xenbus_write_number(dev, "discard-alignment", 0);
    }
    xenbus_write_number(dev, "info", cdrom                  ? VDISK_CDROM | VDISK_READONLY
                                     : d->block->read_only ? VDISK_READONLY
                                                           : 0);
    xenbus_write_number(dev, "sector-size", BLKIF_SECTOR);
    xenbus_write_number(dev, "sectors", d->block->size / BLKIF_SECTOR);
}

static void *pv_blk_init(struct xenbus_device *dev, void *owner) {
    const struct pv_blk_board *board = owner;
    char params[1024], mode[8], type[16];
    if (!xenbus_read(dev, "params", params, sizeof(params)) ||
        !xenbus_read(dev, "mode", mode, sizeof(mode)) ||
        !xenbus_read(dev, "device-type", type, sizeof(type)))
        return NULL;
    char *colon = strchr(params, ':');
    if (!colon || !colon[1])
        return NULL; /* an empty drive, or on its way to a new medium */
    *colon = 0;
    bool cdrom = !strcmp(type, "cdrom");
    struct block *block = board->open(board->board, strcmp(params, "aio") ? params : "raw",
                                      colon + 1, cdrom || mode[0] != 'w');
    if (!block)
        return NULL;
    struct pv_blk *d = mem_new(sizeof(*d));
    *d = (struct pv_blk){.dev = dev, .board = board, .block = block,
                         .answer_task = {.run = send_answers, .arg = d}};
    d->discard = !block->read_only && xenbus_read_number(dev, "discard-enable", 0) == 1;
    write_features(d, cdrom);
    return d;
}

static void pv_blk_free(void *backend) {
    struct pv_blk *d = backend;
    block_put(d->block);
    mem_free(d);
}

const struct xenbus_type pv_blk_type = {
    .name = "qdisk", .init = pv_blk_init, .connect = pv_blk_connect,
    .disconnect = pv_blk_disconnect, .free = pv_blk_free};
