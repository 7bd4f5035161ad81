/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest sends: frames are collected from one queue at a time, fetched by one hypercall,
 * and handed to the link. What it has no room for waits here, and the rest in the rings.
 */
#include "pv/net_priv.h"

#include <string.h>

#include "core/bits.h"

/* Frames at a time; turns of the event loop belong to others too. */
enum { ROUNDS = 8, MSS_MIN = 8 /* Linux' TCP_MIN_GSO_SIZE */ };

/*
 * Being woken costs more than a small frame. Where two wakes were no further apart than BUSY, the
 * guest need not tell of the next SOON slots: they are looked for after LATER. A guest that waits
 * for an answer to each frame is never so fast.
 */
#define BUSY (40 * NS_PER_US)
#define LATER (50 * NS_PER_US)
enum { SOON = 64 };

/* ---- collecting ---- */

/* False: there is no room for another address. */
static bool set_group(struct pv_net *d, const uint8_t *mac, bool add) {
    for (unsigned i = 0; i < d->groups; i++)
        if (!memcmp(d->group[i], mac, NET_MAC)) {
            if (!add)
                memmove(d->group[i], d->group[--d->groups], NET_MAC);
            return true;
        }
    if (add && d->groups == GROUPS)
        return false;
    if (add)
        memcpy(d->group[d->groups++], mac, NET_MAC);
    return true;
}

static void take_extra(struct pv_net *d, struct tx_frame *f, const uint8_t *e) {
    switch (e[0]) {
    case NETEXTRA_GSO:
        f->mss = load_le16(e + 2);
        f->gso = e[4];
        f->bad |= !f->gso || f->gso > NETGSO_TCP6 || f->mss < MSS_MIN;
        break;
    case NETEXTRA_MCAST_ADD:
    case NETEXTRA_MCAST_DEL:
        f->send = false;
        f->bad |= !set_group(d, e + 2, e[0] == NETEXTRA_MCAST_ADD);
        break;
    case NETEXTRA_HASH:
        break;
    default:
        net_broken(d, "extra information of type", e[0]);
    }
}

static bool take_extras(struct net_queue *q, struct tx_frame *f, uint32_t *left) {
    uint8_t e[8];
    do {
        if (!*left || f->extras == EXTRAS) {
            net_broken(q->net, "extra information that does not end, after", f->extras);
            return false;
        }
        memcpy(e, ring_slot(&q->tx, q->tx.req++), sizeof(e));
        --*left;
        f->extras++;
        take_extra(q->net, f, e);
    } while (e[1] & NETEXTRA_MORE);
    return !q->net->broken;
}

struct part {
    uint32_t ref;
    uint16_t offset, size;
};

/* The slots of one frame. The first says the whole size, the others their own. */
static bool take_parts(struct net_queue *q, struct tx_frame *f, struct part *parts,
                       uint32_t *left) {
    uint8_t s[NETIF_TX_SLOT];
    unsigned flags = NETTX_MORE;
    while (flags & NETTX_MORE) {
        if (!*left || f->parts == TX_PARTS) {
            net_broken(q->net, "a frame that does not end, after", f->parts);
            return false;
        }
        memcpy(s, ring_slot(&q->tx, q->tx.req++), sizeof(s));
        --*left;
        flags = load_le16(s + 6);
        parts[f->parts] = (struct part){load_le32(s), load_le16(s + 4), load_le16(s + 10)};
        f->id[f->parts++] = load_le16(s + 8);
        if (f->parts > 1)
            continue;
        f->send = true;
        f->blank = flags & NETTX_CSUM_BLANK;
        if (flags & NETTX_EXTRA && !take_extras(q, f, left))
            return false;
    }
    return true;
}

static bool size_parts(struct part *parts, unsigned n, size_t *total) {
    size_t rest = 0;
    *total = parts[0].size;
    for (unsigned i = 1; i < n; i++)
        rest += parts[i].size;
    if (rest > *total || *total < NET_HEADER)
        return false;
    parts[0].size = (uint16_t)(*total - rest);
    for (unsigned i = 0; i < n; i++)
        if (parts[i].offset + parts[i].size > PV_PAGE)
            return false;
    return true;
}

/*
 * Room for a part: never across a page of ours, or its copy would be two of the hypervisor's. What
 * follows the last part without a gap is one run with it.
 */
static uint8_t *place_part(struct pv_net *d, struct tx_frame *f, size_t size, size_t *used) {
    if (*used % PV_PAGE + size > PV_PAGE)
        *used = (*used / PV_PAGE + 1) * PV_PAGE;
    uint8_t *at = d->tx_area + *used;
    *used += size;
    if (f->runs) {
        struct iovec *last = &d->runs[d->run_count - 1];
        if ((uint8_t *)last->iov_base + last->iov_len == at) {
            last->iov_len += size;
            return at;
        }
    }
    d->runs[d->run_count++] = (struct iovec){at, size};
    f->runs++;
    return at;
}

static void fetch_part(struct net_queue *q, struct tx_frame *f, const struct part *part,
                       uint8_t *to) {
    struct pv_net *d = q->net;
    const struct gref *kept = net_gref(q, part->ref);
    if (kept) {
        memcpy(to, kept->page + part->offset, part->size);
        return;
    }
    d->copies[d->copy_count++] = (struct pv_copy){
        .ref = part->ref, .offset = part->offset, .len = part->size, .local = to};
    f->copies++;
}

static bool collect_frame(struct net_queue *q, size_t *used, uint32_t *left) {
    struct pv_net *d = q->net;
    struct tx_frame *f = &d->frames[d->frame_count];
    struct part parts[TX_PARTS];
    *f = (struct tx_frame){.copy = d->copy_count, .run = d->run_count};
    if (!take_parts(q, f, parts, left))
        return false;
    d->frame_count++;
    if (!f->send || f->bad)
        return true;
    if (!size_parts(parts, f->parts, &f->len)) {
        f->bad = true;
        return true;
    }
    for (unsigned i = 0; i < f->parts; i++)
        if (parts[i].size)
            fetch_part(q, f, &parts[i], place_part(d, f, parts[i].size, used));
    return true;
}

static void collect(struct net_queue *q) {
    struct pv_net *d = q->net;
    uint32_t left = ring_waiting(&q->tx);
    size_t used = 0;
    d->from = q;
    d->frame_count = d->frame_next = d->copy_count = d->run_count = 0;
    while (left && d->frame_count < FRAMES && used + TX_ROOM <= AREA &&
           d->copy_count + TX_PARTS <= COPIES && d->run_count + TX_PARTS <= COPIES)
        if (!collect_frame(q, &used, &left))
            break;
    if (d->copy_count)
        d->dev->pv->ops->copy(d->dev->pv, d->copies, d->copy_count);
    for (unsigned i = 0; i < d->frame_count; i++) {
        struct tx_frame *f = &d->frames[i];
        for (unsigned k = 0; k < f->copies; k++)
            f->bad |= !d->copies[f->copy + k].ok;
    }
}

/* ---- sending ---- */

/* The sum of the pseudo header goes in whether the guest put it there or not. */
static bool prepare_meta(const struct tx_frame *f, const struct iovec *iov,
                         struct net_meta *meta) {
    struct net_layout l;
    uint8_t sum[2];
    *meta = (struct net_meta){0};
    if (!f->blank && !f->gso)
        return true;
    if (!net_layout(iov, f->runs, &l) || !l.l4_header)
        return !f->gso;
    unsigned at = l.proto == NET_PROTO_TCP ? 16 : 6;
    store_be16(sum, net_pseudo_sum(iov, f->runs, &l, l.end - l.l4));
    net_iov_fill(iov, f->runs, l.l4 + at, sum, sizeof(sum));
    *meta = (struct net_meta){.flags = NET_META_CSUM, .csum_start = l.l4,
                              .csum_offset = (uint16_t)at};
    if (!f->gso)
        return true;
    meta->gso_type = f->gso == NETGSO_TCP4 ? NET_GSO_TCP4 : NET_GSO_TCP6;
    meta->gso_size = f->mss;
    meta->hdr_len = (uint16_t)(l.l4 + l.l4_header);
    return l.proto == NET_PROTO_TCP && l.ip == (f->gso == NETGSO_TCP4 ? 4 : 6);
}

static void answer(struct ring *r, uint16_t id, int status) {
    uint8_t a[4];
    store_le16(a, id);
    store_le16(a + 2, (uint16_t)status);
    memcpy(ring_slot(r, r->rsp++), a, sizeof(a));
}

/* False: the link has no room. */
static bool send_frame(struct pv_net *d, const struct tx_frame *f) {
    const struct iovec *iov = &d->runs[f->run];
    struct ring *r = &d->from->tx;
    struct net_meta meta;
    bool bad = f->bad || (f->send && !prepare_meta(f, iov, &meta));
    if (!bad && f->send && !net_send_undone(d->net, iov, f->runs, &meta, &d->segment))
        return false;
    answer(r, f->id[0], bad ? NETIF_ERROR : NETIF_OKAY);
    for (unsigned i = 0; i < f->extras; i++)
        answer(r, 0, NETIF_NULL);
    for (unsigned i = 1; i < f->parts; i++)
        answer(r, f->id[i], bad ? NETIF_ERROR : NETIF_OKAY);
    return true;
}

/* Sends what was collected, and shows the guest the answers. False: the link has no room for all
 * of it. */
static bool send_collected(struct pv_net *d) {
    while (d->frame_next < d->frame_count) {
        if (!send_frame(d, &d->frames[d->frame_next])) {
            d->refused = true;
            break;
        }
        d->segment = 0;
        d->frame_next++;
    }
    if (d->from)
        ring_push(&d->from->tx);
    return !d->refused;
}

/* The next queue, in turn, that has requests; the others shall tell of theirs. */
static struct net_queue *next_queue(struct pv_net *d) {
    for (unsigned i = 0; i < d->queue_count && !d->broken; i++) {
        struct net_queue *q = &d->queues[d->turn++ % d->queue_count];
        if (!q->pending)
            continue;
        if (ring_waiting(&q->tx) || ring_want(&q->tx, q->busy ? SOON : 1))
            return q;
        q->pending = false;
        if (q->busy && !timer_is_on(&d->poll))
            timer_after(&d->poll, LATER);
    }
    return NULL;
}

void net_serve_tx(void *arg) {
    struct pv_net *d = arg;
    struct net_queue *q;
    unsigned rounds = 0;
    if (!d->queues || d->serving || d->broken)
        return;
    d->serving = true;
    d->refused = false;
    while (send_collected(d) && rounds < ROUNDS && (q = next_queue(d))) {
        collect(q);
        rounds++;
    }
    d->serving = false;
    if (rounds == ROUNDS && !d->refused)
        loop_defer(d->board->loop, &d->again);
}

void net_tx_event(void *arg) {
    struct net_queue *q = arg;
    struct pv_net *d = q->net;
    if (d->broken)
        return;
    if (ring_waiting(&q->tx)) {
        uint64_t now = clock_now(d->board->clock);
        q->busy = now - q->last < BUSY;
        q->last = now;
    }
    q->pending = true;
    net_serve_tx(d);
}

/* Queues that have nothing now are busy no more: serving asks them to tell. */
void net_tx_poll(void *arg) {
    struct pv_net *d = arg;
    if (!d->queues || d->broken)
        return;
    for (unsigned i = 0; i < d->queue_count; i++) {
        struct net_queue *q = &d->queues[i];
        if (!q->busy)
            continue;
        q->busy = ring_waiting(&q->tx) > 0;
        q->pending = true;
    }
    net_serve_tx(d);
}
