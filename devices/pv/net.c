/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend of netfront. Document: see net.h.
 *
 * Frames are moved by grant copies, many frames to a hypercall: nothing of the guest stays mapped
 * but the rings. Checksums and segments are left to whoever comes last. What the link or the guest
 * has no room for waits where it is.
 *
 * The rings are the guest's to write at any time: indices and slots are read once and bounded; a
 * frontend that breaks the protocol is not served any more, until it reconnects.
 *
 * Not modelled: several queues (one thread serves them), the control ring, page flipping.
 */
#include "pv/net.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "core/net_frame.h"
#include "pv/netif.h"

enum { TX_PARTS = 20 /* slots of a frame; netfront takes up to 18 */, EXTRAS = 4, FRAMES = 32,
       AREA = 4 * NET_FRAME_MAX, COPIES = 512, ROUNDS = 8, GROUPS = 64 };

struct tx_frame {
    uint16_t id[TX_PARTS];
    uint8_t parts, extras;
    bool send, blank;
    uint8_t gso;
    uint16_t mss;
    unsigned copy; /* its first; it has `parts` of them when it is to be sent */
    size_t at, len;
};

struct rx_part {
    uint16_t id, flags, size;
    unsigned copy;
    bool extra;
};

struct ring {
    uint8_t *page;
    uint32_t req, rsp, told; /* next request to take, next answer to write, last one told */
    unsigned slot;
    struct pv_port port;
};

struct pv_net {
    struct xenbus_device *dev;
    const struct pv_net_board *board;
    struct net *net;
    char id[32], ifname[32];
    /* connected */
    struct ring tx, rx;
    bool broken, split, groups_only, csum6;
    uint8_t *tx_area, *rx_area;
    struct tx_frame frames[FRAMES];
    unsigned frame_count, frame_next, segment;
    bool refused, serving;
    size_t held_len; /* a frame at the start of rx_area that waits for slots; 0: none */
    struct net_meta held_meta;
    uint8_t group[GROUPS][NET_MAC];
    unsigned groups;
    struct pv_copy copies[COPIES];
    unsigned copy_count;
    struct rx_part parts[NETIF_SLOTS];
    unsigned part_count;
    struct loop_task again;
    struct log_limit odd;
};

/* ---- rings ---- */

static uint32_t ring_load(const struct ring *r, unsigned off) {
    return __atomic_load_n((const uint32_t *)(const void *)(r->page + off), __ATOMIC_ACQUIRE);
}

static void ring_store(struct ring *r, unsigned off, uint32_t v) {
    __atomic_store_n((uint32_t *)(void *)(r->page + off), v, __ATOMIC_RELEASE);
}

static uint8_t *ring_slot(const struct ring *r, uint32_t index) {
    return r->page + NETIF_SLOTS_AT + (size_t)(index % NETIF_SLOTS) * r->slot;
}

static void broken(struct pv_net *d, const char *what, unsigned val) {
    log_guest(&d->odd, "%s: %s %u: not served", d->dev->backend, what, val);
    d->broken = true;
    net_listen(d->net, false);
}

/* How many requests wait. */
static uint32_t ring_waiting(struct pv_net *d, struct ring *r) {
    uint32_t prod = ring_load(r, NETIF_REQ_PROD);
    if ((uint32_t)(prod - r->rsp) <= NETIF_SLOTS)
        return prod - r->req;
    broken(d, "a request index that is out by", prod - r->rsp);
    return 0;
}

/* Asks to be told of the next request. True: there is one already. */
static bool ring_want(struct pv_net *d, struct ring *r) {
    ring_store(r, NETIF_REQ_EVENT, r->req + 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* our wish before the guest's index */
    return !d->broken && ring_waiting(d, r) > 0;
}

static void ring_push(struct pv_net *d, struct ring *r) {
    uint32_t before = r->told;
    if (before == r->rsp)
        return;
    ring_store(r, NETIF_RSP_PROD, r->rsp);
    r->told = r->rsp;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* our index before the guest's wish */
    uint32_t wanted = ring_load(r, NETIF_RSP_EVENT);
    if ((uint32_t)(r->rsp - wanted) < (uint32_t)(r->rsp - before))
        d->dev->pv->ops->notify(d->dev->pv, d->split || r == &d->tx ? &r->port : &d->tx.port);
}

static unsigned add_copy(struct pv_net *d, uint32_t ref, unsigned offset, unsigned len, void *local,
                         bool to_guest) {
    d->copies[d->copy_count] = (struct pv_copy){.ref = ref, .offset = (uint16_t)offset,
                                                .len = (uint16_t)len, .local = local,
                                                .to_guest = to_guest};
    return d->copy_count++;
}

/* ---- from the guest: collecting ---- */

static void set_group(struct pv_net *d, const uint8_t *mac, bool add) {
    for (unsigned i = 0; i < d->groups; i++)
        if (!memcmp(d->group[i], mac, NET_MAC)) {
            if (!add)
                memcpy(d->group[i], d->group[--d->groups], NET_MAC);
            return;
        }
    if (add && d->groups < GROUPS)
        memcpy(d->group[d->groups++], mac, NET_MAC);
}

/* False: it is no frame after all, but a wish that is fulfilled; or broken. */
static bool take_extras(struct pv_net *d, struct tx_frame *f, uint32_t *left) {
    uint8_t e[8];
    f->send = true;
    do {
        if (!*left || f->extras == EXTRAS) {
            broken(d, "extra information that does not end, after", f->extras);
            return false;
        }
        memcpy(e, ring_slot(&d->tx, d->tx.req++), sizeof(e));
        --*left;
        f->extras++;
        if (e[0] == NETEXTRA_GSO) {
            f->mss = load_le16(e + 2);
            f->gso = e[4];
        } else if (e[0] == NETEXTRA_MCAST_ADD || e[0] == NETEXTRA_MCAST_DEL) {
            set_group(d, e + 2, e[0] == NETEXTRA_MCAST_ADD);
            f->send = false;
        }
    } while (e[1] & NETEXTRA_MORE);
    return true;
}

struct part {
    uint32_t ref;
    uint16_t offset, size;
};

/* The slots of one frame. The first says the whole size, the others their own. */
static bool take_parts(struct pv_net *d, struct tx_frame *f, struct part *parts, uint32_t *left) {
    uint8_t s[NETIF_TX_SLOT];
    unsigned flags = NETTX_MORE;
    while (flags & NETTX_MORE) {
        if (!*left || f->parts == TX_PARTS) {
            broken(d, "a frame that does not end, after", f->parts);
            return false;
        }
        memcpy(s, ring_slot(&d->tx, d->tx.req++), sizeof(s));
        --*left;
        flags = load_le16(s + 6);
        parts[f->parts] = (struct part){load_le32(s), load_le16(s + 4), load_le16(s + 10)};
        f->id[f->parts++] = load_le16(s + 8);
        if (f->parts > 1)
            continue;
        f->send = true;
        f->blank = flags & NETTX_CSUM_BLANK;
        if (flags & NETTX_EXTRA && !take_extras(d, f, left))
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

static bool collect_frame(struct pv_net *d, size_t *used, uint32_t *left) {
    struct tx_frame *f = &d->frames[d->frame_count];
    struct part parts[TX_PARTS];
    *f = (struct tx_frame){.at = *used};
    if (!take_parts(d, f, parts, left))
        return false;
    d->frame_count++;
    bool wish = !f->send;
    if (wish)
        return true;
    f->copy = d->copy_count;
    if (!size_parts(parts, f->parts, &f->len)) {
        f->len = 0;
        return true;
    }
    size_t at = *used;
    for (unsigned i = 0; i < f->parts; i++) {
        add_copy(d, parts[i].ref, parts[i].offset, parts[i].size, d->tx_area + at, false);
        at += parts[i].size;
    }
    *used = at;
    return true;
}

static void collect(struct pv_net *d) {
    uint32_t left = ring_waiting(d, &d->tx);
    size_t used = 0;
    d->frame_count = d->frame_next = d->copy_count = 0;
    while (left && d->frame_count < FRAMES && used + NET_FRAME_MAX <= AREA &&
           d->copy_count + TX_PARTS <= COPIES)
        if (!collect_frame(d, &used, &left))
            break;
    if (d->copy_count)
        d->dev->pv->ops->copy(d->dev->pv, d->copies, d->copy_count);
    for (unsigned i = 0; i < d->frame_count; i++) {
        struct tx_frame *f = &d->frames[i];
        for (unsigned k = 0; f->len && k < f->parts; k++)
            if (!d->copies[f->copy + k].ok) {
                f->len = 0;
                break;
            }
    }
}

/* ---- from the guest: sending ---- */

/* The sum of the pseudo header goes in whether the guest put it there or not. */
static bool prepare_meta(const struct tx_frame *f, uint8_t *bytes, struct net_meta *meta) {
    struct iovec iov = {bytes, f->len};
    struct net_layout l;
    *meta = (struct net_meta){0};
    if (!f->blank && !f->gso)
        return true;
    if (!net_layout(&iov, 1, &l) || !l.l4_header)
        return !f->gso;
    unsigned at = l.proto == NET_PROTO_TCP ? 16 : 6;
    store_be16(bytes + l.l4 + at, net_pseudo_sum(&iov, 1, &l, l.end - l.l4));
    *meta = (struct net_meta){.flags = NET_META_CSUM, .csum_start = l.l4,
                              .csum_offset = (uint16_t)at};
    if (!f->gso)
        return true;
    meta->gso_type = f->gso == NETGSO_TCP4 ? NET_GSO_TCP4 : NET_GSO_TCP6;
    meta->gso_size = f->mss;
    meta->hdr_len = (uint16_t)(l.l4 + l.l4_header);
    return f->gso <= NETGSO_TCP6 && f->mss && l.proto == NET_PROTO_TCP &&
           l.ip == (f->gso == NETGSO_TCP4 ? 4 : 6);
}

static void answer_tx(struct pv_net *d, uint16_t id, int status) {
    uint8_t a[4];
    store_le16(a, id);
    store_le16(a + 2, (uint16_t)status);
    memcpy(ring_slot(&d->tx, d->tx.rsp++), a, sizeof(a));
}

/* False: the link has no room. */
static bool send_frame(struct pv_net *d, const struct tx_frame *f) {
    struct iovec iov = {d->tx_area + f->at, f->len};
    struct net_meta meta;
    int status = f->send && !f->len ? NETIF_ERROR : NETIF_OKAY;
    if (f->len && !prepare_meta(f, iov.iov_base, &meta))
        status = NETIF_ERROR;
    if (f->len && status == NETIF_OKAY && !net_send_undone(d->net, &iov, 1, &meta, &d->segment))
        return false;
    answer_tx(d, f->id[0], status);
    for (unsigned i = 0; i < f->extras; i++)
        answer_tx(d, 0, NETIF_NULL);
    for (unsigned i = 1; i < f->parts; i++)
        answer_tx(d, f->id[i], status);
    return true;
}

/* Sends what was collected. False: the link has no room for all of it. */
static bool send_collected(struct pv_net *d) {
    while (d->frame_next < d->frame_count) {
        if (!send_frame(d, &d->frames[d->frame_next])) {
            d->refused = true;
            return false;
        }
        d->segment = 0;
        d->frame_next++;
    }
    return true;
}

static void serve_tx(void *arg) {
    struct pv_net *d = arg;
    unsigned rounds = 0;
    if (!d->tx.page || d->serving || d->broken)
        return;
    d->serving = true;
    d->refused = false;
    for (; send_collected(d) && !d->broken && rounds < ROUNDS; rounds++) {
        collect(d);
        if (!d->frame_count && (d->broken || !ring_want(d, &d->tx)))
            break;
    }
    ring_push(d, &d->tx);
    d->serving = false;
    if (rounds == ROUNDS)
        loop_defer(d->board->loop, &d->again);
}

/* ---- to the guest ---- */

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

static struct rx_part *take_rx_slot(struct pv_net *d, uint32_t *ref) {
    uint8_t s[NETIF_RX_SLOT];
    memcpy(s, ring_slot(&d->rx, d->rx.req++), sizeof(s));
    *ref = load_le32(s + 4);
    struct rx_part *p = &d->parts[d->part_count++];
    *p = (struct rx_part){.id = load_le16(s)};
    return p;
}

/* The frame into slots. False: there are too few yet. */
static bool place(struct pv_net *d, uint8_t *frame, size_t len, struct net_meta *meta) {
    unsigned pages = (unsigned)((len + PV_PAGE - 1) / PV_PAGE), gso = meta->gso_type != 0;
    uint32_t ref;
    if (ring_waiting(d, &d->rx) < pages + gso)
        return false;
    unsigned flags = rx_flags(d, frame, len, meta);
    for (unsigned i = 0; i < pages; i++) {
        size_t at = (size_t)i * PV_PAGE, n = MIN((size_t)PV_PAGE, len - at);
        struct rx_part *p = take_rx_slot(d, &ref);
        p->size = (uint16_t)n;
        p->flags = (uint16_t)((i ? 0 : flags | (gso ? NETRX_EXTRA : 0)) |
                              (i + 1 < pages ? NETRX_MORE : 0));
        p->copy = add_copy(d, ref, 0, (unsigned)n, frame + at, true);
        if (i || !gso)
            continue;
        struct rx_part *extra = take_rx_slot(d, &ref);
        extra->extra = true;
        extra->size = meta->gso_size;
        extra->flags = (meta->gso_type & ~NET_GSO_ECN) == NET_GSO_TCP4 ? NETGSO_TCP4 : NETGSO_TCP6;
    }
    return true;
}

static void answer_rx(struct pv_net *d) {
    for (unsigned i = 0; i < d->part_count; i++) {
        const struct rx_part *p = &d->parts[i];
        uint8_t a[NETIF_RX_SLOT] = {0};
        if (p->extra) {
            a[0] = NETEXTRA_GSO;
            store_le16(a + 2, p->size);
            a[4] = (uint8_t)p->flags;
        } else {
            store_le16(a, p->id);
            store_le16(a + 4, p->flags);
            store_le16(a + 6, d->copies[p->copy].ok ? p->size : (uint16_t)NETIF_ERROR);
        }
        memcpy(ring_slot(&d->rx, d->rx.rsp++), a, sizeof(a));
    }
    d->part_count = 0;
}

static void flush_rx(struct pv_net *d) {
    if (d->copy_count)
        d->dev->pv->ops->copy(d->dev->pv, d->copies, d->copy_count);
    answer_rx(d);
    d->copy_count = 0;
    ring_push(d, &d->rx);
}

/* No slots for this one: it waits, and the others behind it on the host. */
static void hold(struct pv_net *d, const uint8_t *frame, size_t len, const struct net_meta *meta) {
    flush_rx(d); /* what was placed before may lie where it goes */
    memmove(d->rx_area, frame, len);
    d->held_len = len;
    d->held_meta = *meta;
    net_listen(d->net, false);
}

static void serve_rx(struct pv_net *d) {
    size_t used = 0;
    d->copy_count = d->part_count = 0;
    if (d->held_len) {
        if (!place(d, d->rx_area, d->held_len, &d->held_meta))
            return;
        used = d->held_len;
        d->held_len = 0;
    }
    while (!d->broken && used + NET_FRAME_MAX <= AREA && d->copy_count + TX_PARTS <= COPIES) {
        struct net_meta meta = {0};
        struct iovec iov = {d->rx_area + used, NET_FRAME_MAX};
        if (!ring_waiting(d, &d->rx))
            break;
        size_t len = net_receive(d->net, &iov, 1, &meta);
        if (!len)
            break;
        if (len > NET_FRAME_MAX || len > UINT16_MAX || !is_wanted(d, iov.iov_base))
            continue;
        if (!place(d, iov.iov_base, len, &meta)) {
            hold(d, iov.iov_base, len, &meta);
            break;
        }
        used += len;
    }
    flush_rx(d);
}

/* Listens if there are slots; else the guest shall tell of them. */
static void settle_rx(struct pv_net *d) {
    bool room = !d->broken && !d->held_len && ring_waiting(d, &d->rx);
    if (!d->broken && !room)
        room = ring_want(d, &d->rx) && !d->held_len;
    net_listen(d->net, room && !d->broken);
}

static void rx_arrived(void *arg) {
    struct pv_net *d = arg;
    serve_rx(d);
    settle_rx(d);
}

static void rx_slots(void *arg) {
    struct pv_net *d = arg;
    if (!d->rx.page || d->broken)
        return;
    if (d->held_len)
        serve_rx(d);
    settle_rx(d);
}

static void event(void *arg) {
    rx_slots(arg);
    serve_tx(arg);
}

/* ---- the connection ---- */

static bool map_ring(struct pv_net *d, struct ring *r, const char *node, unsigned slot) {
    struct pv *pv = d->dev->pv;
    uint32_t ref = (uint32_t)xenbus_frontend_number(d->dev, node, 0);
    *r = (struct ring){.slot = slot, .page = pv->ops->map(pv, &ref, 1, true)};
    if (!r->page) {
        log_warn("%s: %s %u can't be mapped", d->dev->backend, node, ref);
        return false;
    }
    r->req = r->rsp = r->told = ring_load(r, NETIF_RSP_PROD);
    return true;
}

static bool bind(struct pv_net *d, struct ring *r, const char *node, void (*wake)(void *)) {
    uint64_t remote = xenbus_frontend_number(d->dev, node, UINT64_MAX);
    r->port = (struct pv_port){.event = wake, .arg = d};
    if (remote <= UINT32_MAX && d->dev->pv->ops->bind(d->dev->pv, (uint32_t)remote, &r->port))
        return true;
    log_warn("%s: %s %llu can't be bound", d->dev->backend, node, (unsigned long long)remote);
    return false;
}

static void unmap_ring(struct pv_net *d, struct ring *r) {
    struct pv *pv = d->dev->pv;
    pv->ops->unbind(pv, &r->port);
    if (r->page)
        pv->ops->unmap(pv, r->page, 1);
    *r = (struct ring){0};
}

static void pv_net_disconnect(void *backend) {
    struct pv_net *d = backend;
    net_listen(d->net, false);
    loop_cancel(d->board->loop, &d->again);
    unmap_ring(d, &d->tx);
    unmap_ring(d, &d->rx);
    mem_free(d->tx_area);
    mem_free(d->rx_area);
    d->tx_area = d->rx_area = NULL;
}

static bool says(struct pv_net *d, const char *node) {
    return xenbus_frontend_number(d->dev, node, 0) == 1;
}

static unsigned offloads(struct pv_net *d) {
    unsigned set = says(d, "feature-no-csum-offload") ? 0 : NET_CSUM;
    d->csum6 = says(d, "feature-ipv6-csum-offload");
    if (!set || !says(d, "feature-sg"))
        return set;
    return set | (says(d, "feature-gso-tcpv4") ? NET_TSO4 : 0) |
           (d->csum6 && says(d, "feature-gso-tcpv6") ? NET_TSO6 : 0);
}

static bool bind_all(struct pv_net *d) {
    d->split = xenbus_frontend_number(d->dev, "event-channel-tx", UINT64_MAX) != UINT64_MAX;
    if (!d->split)
        return bind(d, &d->tx, "event-channel", event);
    return bind(d, &d->tx, "event-channel-tx", serve_tx) &&
           bind(d, &d->rx, "event-channel-rx", rx_slots);
}

static bool pv_net_connect(void *backend) {
    struct pv_net *d = backend;
    d->broken = d->refused = d->serving = false;
    d->frame_count = d->frame_next = d->segment = 0;
    d->held_len = 0;
    d->groups = 0;
    d->groups_only = says(d, "request-multicast-control");
    if (!says(d, "request-rx-copy")) {
        log_warn("%s: the frontend wants pages flipped, not copied", d->dev->backend);
        return false;
    }
    d->tx_area = mem_new(AREA);
    d->rx_area = mem_new(AREA);
    if (!map_ring(d, &d->tx, "tx-ring-ref", NETIF_TX_SLOT) ||
        !map_ring(d, &d->rx, "rx-ring-ref", NETIF_RX_SLOT) || !bind_all(d)) {
        pv_net_disconnect(d);
        return false;
    }
    net_accept(d->net, offloads(d));
    settle_rx(d);
    serve_tx(d);
    return true;
}

/* ---- the device ---- */

static void *pv_net_init(struct xenbus_device *dev, void *owner) {
    static const char *const features[] = {
        "feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6", "feature-ipv6-csum-offload",
        "feature-rx-copy", "feature-multicast-control", "feature-split-event-channels"};
    const struct pv_net_board *board = owner;
    char mac[32];
    if (!xenbus_read(dev, "mac", mac, sizeof(mac)))
        return NULL;
    struct pv_net *d = mem_new(sizeof(*d));
    d->dev = dev;
    d->board = board;
    snprintf(d->id, sizeof(d->id), "qnic%u", dev->id);
    if (!xenbus_read(dev, "vifname", d->ifname, sizeof(d->ifname)))
        snprintf(d->ifname, sizeof(d->ifname), "vif%u.%u", dev->pv->domid, dev->id);
    d->net = board->open(board->board, d->id, d->ifname);
    if (!d->net) {
        mem_free(d);
        return NULL;
    }
    d->net->user = (struct net_user){.dev = d, .arrived = rx_arrived, .sendable = serve_tx};
    d->again = (struct loop_task){.run = serve_tx, .arg = d};
    for (unsigned i = 0; i < ARRAY_LEN(features); i++)
        xenbus_write_number(dev, features[i], 1);
    xenbus_write_number(dev, "feature-rx-flip", 0);
    return d;
}

static void pv_net_free(void *backend) {
    struct pv_net *d = backend;
    net_free(d->net);
    mem_free(d);
}

const struct xenbus_type pv_net_type = {
    .name = "qnic", .init = pv_net_init, .connect = pv_net_connect,
    .disconnect = pv_net_disconnect, .free = pv_net_free};
