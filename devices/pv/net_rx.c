/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest gets: frames are read from the link, spread over the queues' slots, and brought
 * by one hypercall. A frame for which its queue has no slots is held, and the link is not read
 * meanwhile, so that what else there is waits on the host. Not for ever: after a while the queue
 * is stalled, and frames for it that find no slots are lost, as on a wire.
 */
#include "pv/net_priv.h"

#include <string.h>

#include "core/bits.h"

/* Nothing is held that could be waiting in memory of the host for longer. Linux' netback: 10 s, or
 * 30 ms for frontends that don't tell of new slots. Queues side by side wait for each other. */
#define PATIENCE (10 * NS_PER_SEC)
#define PATIENCE_OF_MANY NS_PER_SEC
#define PATIENCE_UNTOLD (30 * NS_PER_MS)

enum { TRIES = 4 };

static bool is_wanted(const struct pv_net *d, const uint8_t *frame) {
    if (!d->groups_only || !net_is_multicast(frame) || net_is_broadcast(frame))
        return true;
    for (unsigned i = 0; i < d->groups; i++)
        if (!memcmp(d->group[i], frame, NET_MAC))
            return true;
    return false;
}

static void complete_sum(uint8_t *frame, size_t len, struct net_meta *meta) {
    size_t start = meta->csum_start, at = start + meta->csum_offset;
    if (at + 2 > len)
        return;
    uint16_t v = (uint16_t)~net_sum(0, frame + start, len - start);
    store_be16(frame + at, v ? v : 0xffff);
    meta->flags = NET_META_VALID;
}

static unsigned rx_flags(struct pv_net *d, uint8_t *frame, size_t len, struct net_meta *meta) {
    bool ip6 = load_be16(frame + 12) == NET_ETH_IP6;
    if (meta->flags & NET_META_CSUM && ip6 && !d->csum6 && !meta->gso_type)
        complete_sum(frame, len, meta);
    if (meta->flags & NET_META_CSUM)
        return NETRX_CSUM_BLANK | NETRX_VALIDATED;
    return meta->flags & NET_META_VALID ? NETRX_VALIDATED : 0;
}

/* ---- into slots ---- */

static struct rx_part *take_slot(struct net_queue *q, uint32_t *ref) {
    uint8_t s[NETIF_RX_SLOT];
    memcpy(s, ring_slot(&q->rx, q->rx.req++), sizeof(s));
    *ref = load_le32(s + 4);
    struct rx_part *p = &q->part[q->parts++];
    *p = (struct rx_part){.id = load_le16(s), .copy = COPIES};
    return p;
}

static void place_page(struct net_queue *q, uint8_t *bytes, size_t len, unsigned flags) {
    struct pv_net *d = q->net;
    uint32_t ref;
    struct rx_part *p = take_slot(q, &ref);
    p->size = (uint16_t)len;
    p->flags = (uint16_t)flags;
    const struct gref *kept = net_gref(q, ref);
    if (kept) {
        p->bad = kept->readonly;
        if (!p->bad)
            memcpy(kept->page, bytes, len);
        return;
    }
    p->copy = d->copy_count;
    d->copies[d->copy_count++] = (struct pv_copy){.ref = ref, .len = (uint16_t)len,
                                                  .local = bytes, .to_guest = true};
}

static void place_gso(struct net_queue *q, const struct net_meta *meta, bool more) {
    uint32_t ref;
    struct rx_part *p = take_slot(q, &ref);
    bool ip4 = (meta->gso_type & ~NET_GSO_ECN) == NET_GSO_TCP4;
    p->extra = true;
    p->info[0] = NETEXTRA_GSO;
    p->info[1] = more ? NETEXTRA_MORE : 0;
    store_le16(p->info + 2, meta->gso_size);
    p->info[4] = ip4 ? NETGSO_TCP4 : NETGSO_TCP6;
}

static void place_hash(struct net_queue *q, const struct flow_hash *hash) {
    uint32_t ref;
    struct rx_part *p = take_slot(q, &ref);
    p->extra = true;
    p->info[0] = NETEXTRA_HASH;
    p->info[2] = hash->type;
    p->info[3] = NETHASH_TOEPLITZ;
    store_le32(p->info + 4, hash->val);
}

static unsigned slots_of(size_t len, const struct net_meta *meta, const struct flow_hash *hash) {
    return (unsigned)((len + PV_PAGE - 1) / PV_PAGE) + (meta->gso_type != 0) + hash->tell;
}

/* The frame into slots. False: there are too few yet. */
static bool place(struct net_queue *q, uint8_t *frame, size_t len, struct net_meta *meta,
                  const struct flow_hash *hash) {
    bool gso = meta->gso_type != 0;
    if (ring_waiting(&q->rx) < slots_of(len, meta, hash))
        return false;
    unsigned flags = rx_flags(q->net, frame, len, meta) | (gso || hash->tell ? NETRX_EXTRA : 0);
    for (size_t at = 0; at < len; at += PV_PAGE) {
        size_t n = MIN((size_t)PV_PAGE, len - at);
        place_page(q, frame + at, n, flags | (at + n < len ? NETRX_MORE : 0));
        flags = 0;
        if (!at && gso)
            place_gso(q, meta, hash->tell);
        if (!at && hash->tell)
            place_hash(q, hash);
    }
    q->stalled = false;
    return true;
}

static void answer_parts(struct net_queue *q) {
    for (unsigned i = 0; i < q->parts; i++) {
        struct rx_part *p = &q->part[i];
        if (!p->extra) {
            bool bad = p->bad || (p->copy < COPIES && !q->net->copies[p->copy].ok);
            store_le16(p->info, p->id);
            store_le16(p->info + 4, p->flags);
            store_le16(p->info + 6, bad ? (uint16_t)NETIF_ERROR : p->size);
        }
        memcpy(ring_slot(&q->rx, q->rx.rsp++), p->info, NETIF_RX_SLOT);
    }
    q->parts = 0;
    ring_push(&q->rx);
}

static void flush(struct pv_net *d) {
    if (d->copy_count)
        d->dev->pv->ops->copy(d->dev->pv, d->copies, d->copy_count);
    for (unsigned i = 0; i < d->queue_count; i++)
        if (d->queues[i].parts)
            answer_parts(&d->queues[i]);
    d->copy_count = 0;
}

/* ---- waiting ---- */

static void hold(struct net_queue *q, const uint8_t *frame, size_t len,
                 const struct net_meta *meta, const struct flow_hash *hash) {
    struct pv_net *d = q->net;
    flush(d); /* what was placed before may lie where it goes */
    memcpy(d->held, frame, len);
    d->held_len = len;
    d->held_meta = *meta;
    d->held_hash = *hash;
    d->holder = q;
    timer_after(&d->drain, d->patience);
}

static void place_held(struct pv_net *d) {
    if (d->holder && place(d->holder, d->held, d->held_len, &d->held_meta, &d->held_hash))
        d->holder = NULL;
}

/*
 * The frames that the link has, as many as there is room for. Each begins at a page of ours, or
 * each page's copy would be two of the hypervisor's.
 */
static void read_link(struct pv_net *d) {
    struct flow_hash hash;
    size_t used = 0;
    while (!d->broken && used + NET_FRAME_MAX <= AREA && d->copy_count + TX_PARTS <= COPIES) {
        struct net_meta meta = {0};
        uint8_t *frame = d->rx_area + used;
        struct iovec iov = {frame, NET_FRAME_MAX};
        size_t len = net_receive(d->net, &iov, 1, &meta);
        if (!len)
            break;
        if (len > NET_FRAME_MAX || len > UINT16_MAX || len < NET_HEADER || !is_wanted(d, frame))
            continue;
        struct net_queue *q = net_steer(d, frame, len, &hash);
        if (place(q, frame, len, &meta, &hash)) {
            used = (used + len + PV_PAGE - 1) / PV_PAGE * PV_PAGE;
        } else if (!q->stalled) {
            hold(q, frame, len, &meta, &hash);
            break;
        }
    }
}

static void serve(struct pv_net *d) {
    d->copy_count = 0;
    if (!d->broken)
        place_held(d);
    if (!d->holder)
        read_link(d);
    flush(d);
}

/* True: the slots that the held frame waits for are there. Else the guest will tell. */
static bool slots_came(struct pv_net *d) {
    return d->holder && !d->broken &&
           ring_want(&d->holder->rx, slots_of(d->held_len, &d->held_meta, &d->held_hash));
}

/* The link is listened to if nothing is held. */
static void settle(struct pv_net *d) {
    for (unsigned i = 0; i < TRIES && slots_came(d); i++) /* indices may go back and forth */
        serve(d);
    if (!d->holder || d->broken)
        timer_off(&d->drain);
    net_listen(d->net, !d->holder && !d->broken);
}

/* ---- what happens ---- */

void net_rx_start(struct pv_net *d) {
    bool told = xenbus_frontend_number(d->dev, "feature-rx-notify", 0) == 1;
    d->patience = !told                ? PATIENCE_UNTOLD
                  : d->queue_count > 1 ? PATIENCE_OF_MANY
                                       : PATIENCE;
    settle(d);
}

void net_rx_arrived(void *arg) {
    struct pv_net *d = arg;
    if (!d->queues || d->broken)
        return;
    serve(d);
    settle(d);
}

void net_rx_event(void *arg) {
    struct net_queue *q = arg;
    if (q->net->holder != q || q->net->broken)
        return;
    serve(q->net);
    settle(q->net);
}

/* Frontends that don't tell may have slots by now. */
void net_rx_patience(void *arg) {
    struct pv_net *d = arg;
    if (!d->queues || d->broken)
        return;
    d->copy_count = 0;
    place_held(d);
    flush(d);
    if (d->holder)
        d->holder->stalled = true;
    d->holder = NULL;
    settle(d);
}
