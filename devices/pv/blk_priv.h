/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files of the PV disk: blk.c has the device and its connection, blk_queue.c a ring
 * with its requests, blk_pages.c the guest's pages that a request moves. One thread.
 */
#ifndef DEVICES_PV_BLK_PRIV_H
#define DEVICES_PV_BLK_PRIV_H

#include "core/log.h"
#include "pv/blk.h"
#include "pv/blkif.h"
#include "pv/shared_ring.h"

enum {
    RING_ORDER_MAX = 4, RING_PAGES_MAX = 1 << RING_ORDER_MAX,
    QUEUES_MAX = 4,
    GRANTS_MAX = 4224,   /* four rings of a page with 32 segments and their page a request */
    GRANT_SLOTS = 8192,  /* of the hash table, a power of two */
    PARAMS_MAX = 1024,
    COPY_SEGMENTS = 32,  /* a request may have, to be copied */
    COPY_MEMORY = 1024,  /* pages for all requests of a ring, where that is enough for 11 each */
};

struct queue;

/* One request of the guest, from its slot to its answer. */
struct request {
    struct queue *queue;
    uint64_t id;
    uint8_t op;
    /* what is still to be done, in this order */
    bool flush_before, data, flush_after;
    bool copied;  /* the data is in `bounce`, and copied from or to the guest's pages */
    int status;   /* of a copy */
    uint16_t segments, niov;
    enum block_op data_op;
    uint64_t offset;
    size_t len;
    void *mapped; /* pages mapped for this request alone */
    unsigned mapped_pages;
    struct blkif_segment segs[COPY_SEGMENTS]; /* of what is copied */
    struct iovec iov[BLKIF_SEGMENTS], *many;   /* `many` for those of indirect segments */
    uint8_t *bounce;
    struct block_req block;
    struct request *next; /* in one of the queue's lists */
};

struct request_list {
    struct request *head, **tail;
};

struct queue {
    struct pv_blk *disk;
    uint8_t *ring;
    unsigned ring_pages;
    uint32_t slots; /* a power of two */
    uint32_t req_cons, rsp_prod, rsp_sent;
    bool broken; /* its indices can't be, or it is being disconnected: not served */
    bool mute;   /* the frontend is gone: its pages and its ring are left alone */
    struct pv_port port;
    struct loop_task answer_task, serve_task;
    struct request *requests, *free;
    void *iovs, *bounces; /* for all requests; host memory where used */
    unsigned bounce_pages; /* of one request; 0: nothing is copied */
    unsigned in_flight;
    struct request *barrier; /* taken, and waits for all before it; none after it is taken */
    bool barrier_runs;
    struct request_list to_copy;    /* writes whose data is to be fetched */
    struct request_list to_deliver; /* reads whose data is to be brought */
};

struct grant {
    uint32_t ref; /* 0: nobody; reference 0 is reserved */
    uint8_t *page;
};

/* Pages that were mapped together and so are unmapped together. */
struct grant_run {
    void *pages;
    unsigned n;
};

struct pv_blk {
    struct xenbus_device *dev;
    const struct pv_blk_board *board;
    struct block *block; /* NULL: an empty drive */
    struct block_watch watch;
    bool cdrom, discard, direct;
    char params[PARAMS_MAX];
    /* connected */
    const struct blkif_abi *abi;
    unsigned sector; /* bytes of what sectors are counted in */
    bool persistent, copies;
    struct queue *queues;
    unsigned queue_count;
    struct grant *grants;
    struct grant_run *runs;
    unsigned grant_count, run_count;
    struct log_limit odd;
};

/* ---- blk_queue.c ---- */

/* The ring is mapped and d->abi known. */
void queue_init(struct queue *q, struct pv_blk *d);
/* Takes all requests that are there; also the event channel's callback. */
void queue_serve(void *queue);
/* Finishes what is in flight and sends its answers. */
void queue_drain(struct queue *q);
/*
 * Before the connection ends. A frontend that listens waits for an answer to everything that it has
 * put into its ring, and for ever, if there is none.
 */
void queue_close(struct queue *q, bool listens);
/* A request whose data is at hand, or that has none. */
void request_advance(struct request *r);

static inline void list_init(struct request_list *list) {
    *list = (struct request_list){.tail = &list->head};
}

static inline void list_add(struct request_list *list, struct request *r) {
    r->next = NULL;
    *list->tail = r;
    list->tail = &r->next;
}

static inline struct request *list_take(struct request_list *list) {
    struct request *r = list->head;
    if (r) {
        list->head = r->next;
        if (!list->head)
            list->tail = &list->head;
    }
    return r;
}

/* ---- blk_pages.c ---- */

/* Has the request's iovec show the segments, or their copy. False: they can't be had. */
bool pages_get(struct request *r, const struct blkif_segment *segs);
void pages_put(struct request *r);
/* Copies the first segments of an indirect request out of the page that holds them. */
bool pages_read_segments(struct pv_blk *d, uint32_t ref, struct blkif_segment *segs, unsigned n);
/* Moves the data of all in the list, with few system calls, and sets their status. */
void pages_copy(struct pv_blk *d, const struct request_list *list, bool to_guest);
void pages_forget(struct pv_blk *d); /* gives back what was kept */

#endif
