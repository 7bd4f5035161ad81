/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net: "Virtual I/O Device (VIRTIO) Version 1.1", 5.1. Pairs of queues and the control
 * queue; one link and one thread serve all of them: they are the guest's way to spread its work.
 * Frames go between the link and the guest's buffers in place; a frame that is longer than the
 * buffers at hand, as merged ones are, comes over a buffer of ours and grows the number that are
 * held ready for the next. With several pairs a frame is read into buffers of the one that got the
 * last, and copied if it is for another.
 *
 * Not modelled: UDP fragmentation, announcing after a migration.
 */
#include "net/virtio_net.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "core/net_flow.h"
#include "net/virtio.h"

enum { RX = 0, TX = 1, PAIR = 2, PAIRS = NET_QUEUES_MAX }; /* 5.1.2: pair N's are 2N and 2N + 1 */

enum { /* 5.1.3 */
    F_CSUM = 0, F_GUEST_CSUM = 1, F_GUEST_OFFLOADS = 2, F_MTU = 3, F_MAC = 5, F_GUEST_TSO4 = 7,
    F_GUEST_TSO6 = 8, F_GUEST_ECN = 9, F_HOST_TSO4 = 11, F_HOST_TSO6 = 12, F_HOST_ECN = 13,
    F_MERGE = 15, F_STATUS = 16, F_CTRL = 17, F_CTRL_RX = 18, F_CTRL_VLAN = 19,
    F_CTRL_RX_EXTRA = 20, F_MQ = 22, F_CTRL_MAC = 23,
};

enum { HEADER = 12, HEADER_OLD = 10, STATUS_UP = 1 };
enum { CONFIG_STATUS = 6, CONFIG_PAIRS = 8, CONFIG_MTU = 10 }; /* 5.1.4 */

enum { /* 5.1.6.5: class and command of the control queue */
    CLASS_RX = 0, CLASS_MAC = 1, CLASS_VLAN = 2, CLASS_MQ = 4, CLASS_OFFLOADS = 5,
    RX_MODES = 6,
    MAC_TABLE = 0, MAC_ADDR = 1, VLAN_ADD = 0, VLAN_DEL = 1, ACK_OK = 0, ACK_ERROR = 1,
};
enum { PROMISC, ALL_MULTI, ALL_UNI, NO_MULTI, NO_UNI, NO_BROADCAST }; /* rx modes */

enum { MACS = 64, VLANS = 4096, BATCH = 64, BUDGET = 256, CHAINS_MAX = 64,
       BOUNCE = NET_FRAME_MAX, CTRL_MAX = 1024,
       FLOWS = 256, FLOW_SHIFT = 24 };

/* While a queue has no buffers the others wait with it: the link has one order. Not for ever. */
#define PATIENCE NS_PER_SEC

struct virtio_net {
    struct virtio v;
    /* registers */
    uint8_t mac[NET_MAC];
    /* hidden state */
    uint8_t mode[RX_MODES];
    uint8_t macs[MACS][NET_MAC];
    uint32_t mac_count;
    bool uni_overflow, multi_overflow;
    uint64_t vlans[VLANS / 64];
    uint64_t guest_offloads; /* as the control queue set them; feature bits */
    uint32_t segment;        /* of the frame that the link refused */
    uint8_t turn;            /* the pair that sends next; if it was refused, it */
    uint8_t active;          /* pairs that the driver uses */
    uint8_t flow[FLOWS];     /* the pair, and one, that a flow was last sent on */
    bool stalled[PAIRS];     /* has had no buffers for too long: frames for it are lost */
    struct timer patience;
    /* wires and derived */
    uint8_t own[NET_MAC];
    unsigned pairs, mtu;
    struct net *net;
    struct timer more;
    unsigned rx_pair;   /* that got the last frame */
    unsigned rx_chains; /* how many are held ready for a frame */
    unsigned credit;    /* so many buffers each pair has at least */
    bool refused, sending;
    uint8_t *bounce;
};

static const struct field fields[] = {
    F_STRUCT(struct virtio_net, v, virtio_fields), F_BYTES(struct virtio_net, mac),
    F_ARRAY_MAX(struct virtio_net, mode, 1), F_BYTES(struct virtio_net, macs),
    F_MAX(struct virtio_net, mac_count, MACS), F(struct virtio_net, uni_overflow),
    F(struct virtio_net, multi_overflow), F_ARRAY(struct virtio_net, vlans),
    F(struct virtio_net, guest_offloads), F(struct virtio_net, segment),
    F_MAX(struct virtio_net, turn, PAIRS - 1), F_MAX(struct virtio_net, active, PAIRS),
    F_ARRAY_MAX(struct virtio_net, flow, PAIRS), F_ARRAY_MAX(struct virtio_net, stalled, 1),
    F_TIMER(struct virtio_net, patience), F_END};

static unsigned rx_queue(unsigned pair) {
    return PAIR * pair + RX;
}

static unsigned tx_queue(unsigned pair) {
    return PAIR * pair + TX;
}

/* 5.1.2: behind all pairs that there are, or behind the first. */
static unsigned ctrl_queue(const struct virtio_net *s) {
    return virtio_has(&s->v, F_MQ) ? PAIR * s->pairs : PAIR;
}

static uint32_t hash_of(const struct iovec *frame, unsigned n) {
    struct net_flow flow;
    net_flow_of(frame, n, &flow);
    return net_flow_hash(&flow);
}

static bool merges(const struct virtio_net *s) {
    return virtio_has(&s->v, F_MERGE);
}

/* 5.1.6.1: the last field is there with merged buffers and in the modern interface. */
static size_t header_len(const struct virtio_net *s) {
    return merges(s) || virtio_has(&s->v, VIRTIO_F_VERSION_1) ? HEADER : HEADER_OLD;
}

static void empty(struct dma_sg *sg) {
    sg->n = 0;
    sg->len = 0;
}

/* ---- sending: 5.1.6.2 ---- */

/* What the header asks for, if it makes sense for this frame. */
static bool read_meta(const struct virtio_net *s, const uint8_t *h, size_t len,
                      struct net_meta *meta) {
    *meta = (struct net_meta){.flags = h[0] & NET_META_CSUM, .gso_type = h[1],
                              .hdr_len = load_le16(h + 2), .gso_size = load_le16(h + 4),
                              .csum_start = load_le16(h + 6), .csum_offset = load_le16(h + 8)};
    if (meta->flags && meta->csum_start + meta->csum_offset + 2u > len)
        return false;
    unsigned type = meta->gso_type & (unsigned)~NET_GSO_ECN;
    if (type == NET_GSO_NONE)
        meta->gso_type = 0;
    else if ((type != NET_GSO_TCP4 && type != NET_GSO_TCP6) || !meta->gso_size || !meta->flags)
        return false;
    else if (!virtio_has(&s->v, type == NET_GSO_TCP4 ? F_HOST_TSO4 : F_HOST_TSO6))
        return false;
    return true;
}

/* False: the link has no room. */
static bool send_chain(struct virtio_net *s, unsigned pair, const struct dma_sg *sg) {
    struct iovec iov[DMA_SG_MAX];
    uint8_t h[HEADER] = {0};
    struct net_meta meta;
    size_t skip = header_len(s), len;
    unsigned n = net_iov_slice(iov, DMA_SG_MAX, sg->iov, sg->n, skip, sg->len, &len);
    dma_sg_fetch(sg, 0, h, skip);
    if (len < NET_HEADER || !read_meta(s, h, len, &meta))
        return true;
    if (s->active > 1)
        s->flow[hash_of(iov, n) >> FLOW_SHIFT] = (uint8_t)(pair + 1);
    return net_send_undone(s->net, iov, n, &meta, &s->segment);
}

static bool send_next(struct virtio_net *s, unsigned pair) {
    struct virtio_chain chain;
    struct dma_sg sg;
    unsigned q = tx_queue(pair);
    empty(&sg);
    bool got = virtq_take(&s->v, q, &sg, NULL, HEADER + NET_FRAME_MAX, &chain);
    if (got && !chain.overlong && !send_chain(s, pair, &sg)) {
        s->refused = true;
        virtq_untake(&s->v, q, 1);
        got = false;
    } else if (got) {
        s->segment = 0;
        virtq_give(&s->v, q, chain.head, 0);
    }
    dma_sg_done(&s->v.pci.dma, &sg, false);
    return got;
}

/* What is left of the budget. */
static unsigned send_pair(struct virtio_net *s, unsigned pair, unsigned budget) {
    do {
        while (budget && send_next(s, pair))
            budget--;
    } while (budget && !s->refused && virtq_want(&s->v, tx_queue(pair)));
    return budget;
}

/* So many pairs, one after the other. */
static void send_from(struct virtio_net *s, unsigned first, unsigned count) {
    unsigned budget = BUDGET;
    if (s->sending)
        return;
    s->sending = true;
    s->refused = false;
    for (unsigned i = 0; i < count && budget && !s->refused; i++) {
        unsigned pair = (first + i) % s->active;
        budget = send_pair(s, pair, budget);
        s->turn = (uint8_t)(s->refused ? pair : (pair + 1) % s->active);
    }
    s->sending = false;
    for (unsigned i = 0; i < s->active; i++)
        virtq_tell(&s->v, tx_queue(i));
    if (!budget)
        timer_after(&s->more, 0);
}

static void send_all(void *dev) {
    struct virtio_net *s = dev;
    send_from(s, s->turn, s->active);
}

/* ---- receiving: 5.1.6.3, 5.1.6.4 ---- */

struct arrival {
    unsigned pair;
    struct dma_sg sg;
    struct virtio_chain chain[CHAINS_MAX];
    unsigned chains;
    struct net_meta meta;
};

static bool take_buffer(struct virtio_net *s, struct arrival *a) {
    if (a->chains == CHAINS_MAX ||
        !virtq_take(&s->v, rx_queue(a->pair), NULL, &a->sg, HEADER + NET_FRAME_MAX,
                    &a->chain[a->chains]))
        return false;
    a->chains++;
    return true;
}

/* Room for the header and as many buffers as the last frame needed. */
static bool gather(struct virtio_net *s, struct arrival *a, unsigned pair) {
    unsigned want = merges(s) ? s->rx_chains : 1;
    empty(&a->sg);
    a->pair = pair;
    a->chains = 0;
    while (a->chains < want && take_buffer(s, a))
        ;
    return a->chains;
}

static bool vlan_wanted(const struct virtio_net *s, const uint8_t *head) {
    if (!virtio_has(&s->v, F_CTRL_VLAN) || load_be16(head + 12) != NET_ETH_VLAN)
        return true;
    return bitmap_get(s->vlans, load_be16(head + 14) & (VLANS - 1));
}

static bool is_wanted(const struct virtio_net *s, const uint8_t *head) {
    const uint8_t *mode = s->mode;
    if (mode[PROMISC])
        return true;
    if (!vlan_wanted(s, head))
        return false;
    if (net_is_broadcast(head))
        return !mode[NO_BROADCAST];
    bool multi = net_is_multicast(head);
    if (mode[multi ? NO_MULTI : NO_UNI])
        return false;
    if (mode[multi ? ALL_MULTI : ALL_UNI] || (multi ? s->multi_overflow : s->uni_overflow))
        return true;
    for (unsigned i = 0; i < s->mac_count; i++)
        if (!memcmp(head, s->macs[i], NET_MAC))
            return true;
    return !multi && !memcmp(head, s->mac, NET_MAC);
}

/* More buffers, until the frame fits. */
static bool grow(struct virtio_net *s, struct arrival *a, size_t total) {
    while (a->sg.len < total)
        if (!merges(s) || !take_buffer(s, a))
            return false;
    return true;
}

/* The frame did not fit: the rest goes from our buffer to further ones. */
static bool spill(struct virtio_net *s, struct arrival *a, size_t total) {
    size_t direct = a->sg.len;
    if (total - direct > BOUNCE || !grow(s, a, total))
        return false;
    dma_sg_fill(&a->sg, direct, s->bounce, total - direct);
    return true;
}

static void write_header(struct virtio_net *s, struct arrival *a, unsigned used) {
    uint8_t h[HEADER] = {a->meta.flags, a->meta.gso_type};
    store_le16(h + 2, a->meta.hdr_len);
    store_le16(h + 4, a->meta.gso_size);
    store_le16(h + 6, a->meta.csum_start);
    store_le16(h + 8, a->meta.csum_offset);
    store_le16(h + 10, (uint16_t)(merges(s) ? used : 1));
    dma_sg_fill(&a->sg, 0, h, header_len(s));
}

/* The frame lies in the buffers: the guest gets those that it takes. */
static void hand_in(struct virtio_net *s, struct arrival *a, size_t len) {
    size_t left = header_len(s) + len;
    unsigned used = 0;
    if (!virtio_has(&s->v, F_GUEST_CSUM))
        a->meta.flags = 0;
    for (unsigned i = 0; i < a->chains && left; i++) {
        size_t n = MIN(left, a->chain[i].in_bytes);
        virtq_give(&s->v, rx_queue(a->pair), a->chain[i].head, (uint32_t)n);
        left -= n;
        used++;
    }
    write_header(s, a, used);
    virtq_untake(&s->v, rx_queue(a->pair), a->chains - used);
    s->rx_chains = MAX(used, 1u);
    s->rx_pair = a->pair;
    s->credit -= MIN(s->credit, used);
}

/* True: chains were used. */
static bool deliver(struct virtio_net *s, struct arrival *a, size_t len) {
    size_t total = header_len(s) + len;
    if (a->sg.len < header_len(s) + NET_HEADER || (total > a->sg.len && !spill(s, a, total)))
        return false;
    hand_in(s, a, len);
    return true;
}

/* The frame was read into buffers of a pair that it is not for. */
static void carry(struct virtio_net *s, unsigned pair, const struct iovec *frame, unsigned n,
                  size_t len, const struct net_meta *meta) {
    struct arrival a;
    size_t at = header_len(s);
    if (!gather(s, &a, pair))
        return;
    bool fits = grow(s, &a, at + len);
    if (fits) {
        for (unsigned i = 0; i < n; at += frame[i++].iov_len)
            dma_sg_fill(&a.sg, at, frame[i].iov_base, frame[i].iov_len);
        a.meta = *meta;
        hand_in(s, &a, len);
    } else {
        virtq_untake(&s->v, rx_queue(pair), a.chains);
    }
    dma_sg_done(&s->v.pci.dma, &a.sg, fits);
}

/* 5.1.6.5.5: where a flow was sent from, there it comes in. */
static unsigned pair_of(const struct virtio_net *s, const struct iovec *frame, unsigned n) {
    uint32_t hash = hash_of(frame, n);
    unsigned entry = s->flow[hash >> FLOW_SHIFT];
    return entry && entry <= s->active ? entry - 1 : net_flow_queue(hash, s->active);
}

/* To the pair that it is for. True: chains of the arrival's were used, or are free again. */
static bool steer(struct virtio_net *s, struct arrival *a, const struct iovec *iov, unsigned n,
                  size_t len) {
    struct iovec frame[DMA_SG_MAX + 1];
    n = net_iov_slice(frame, DMA_SG_MAX + 1, iov, n, 0, len, NULL);
    unsigned pair = pair_of(s, frame, n);
    if (pair == a->pair)
        return deliver(s, a, len);
    virtq_untake(&s->v, rx_queue(a->pair), a->chains);
    carry(s, pair, frame, n, len, &a->meta);
    return true;
}

static bool place(struct virtio_net *s, struct arrival *a, const struct iovec *iov, unsigned n,
                  size_t len) {
    uint8_t head[NET_HEADER + NET_TAG] = {0};
    net_iov_fetch(iov, n, 0, head, sizeof(head));
    return is_wanted(s, head) &&
           (s->active == 1 ? deliver(s, a, len) : steer(s, a, iov, n, len));
}

/* One frame, or none; false: there is none, or no buffer. */
static bool receive(struct virtio_net *s) {
    struct arrival a;
    struct iovec iov[DMA_SG_MAX + 1];
    if (!gather(s, &a, s->rx_pair))
        return false;
    a.meta = (struct net_meta){0};
    unsigned n = net_iov_slice(iov, DMA_SG_MAX, a.sg.iov, a.sg.n, header_len(s), a.sg.len, NULL);
    iov[n++] = (struct iovec){s->bounce, BOUNCE};
    size_t len = net_receive(s->net, iov, n, &a.meta);
    if (!len || !place(s, &a, iov, n, len))
        virtq_untake(&s->v, rx_queue(a.pair), a.chains);
    dma_sg_done(&s->v.pci.dma, &a.sg, len);
    return len;
}

/* True: whichever pair the next frame is for has a buffer, but those that are stalled. */
static bool have_buffers(struct virtio_net *s) {
    unsigned least = UINT_MAX;
    if (s->active == 1 || s->credit)
        return true;
    for (unsigned i = 0; i < s->active; i++) {
        if (s->stalled[i])
            continue;
        least = MIN(least, virtq_waiting(&s->v, rx_queue(i)));
        if (s->stalled[s->rx_pair])
            s->rx_pair = i;
    }
    s->credit = least == UINT_MAX ? 0 : least;
    return s->credit;
}

/* Buffers are there or not; if not, the guest shall say when. */
static bool settle_pair(struct virtio_net *s, unsigned pair) {
    unsigned q = rx_queue(pair);
    bool have = virtq_waiting(&s->v, q) || virtq_want(&s->v, q);
    if (have)
        virtq_want_none(&s->v, q);
    return have;
}

static void settle_rx(struct virtio_net *s) {
    unsigned have = 0, awaited = 0;
    for (unsigned i = 0; i < s->active; i++) {
        bool has = settle_pair(s, i);
        s->stalled[i] &= !has;
        have += has;
        awaited += !has && !s->stalled[i];
    }
    if (!have || !awaited)
        timer_off(&s->patience);
    else if (!timer_is_on(&s->patience))
        timer_after(&s->patience, PATIENCE);
    net_listen(s->net, have && !awaited && virtio_running(&s->v));
}

static void lose_patience(void *dev) {
    struct virtio_net *s = dev;
    for (unsigned i = 0; i < s->active; i++)
        s->stalled[i] = !virtq_waiting(&s->v, rx_queue(i));
    settle_rx(s);
}

static void rx_arrived(void *dev) {
    struct virtio_net *s = dev;
    s->credit = 0;
    for (unsigned i = 0; i < BATCH && s->net->listening && have_buffers(s) && receive(s); i++)
        ;
    for (unsigned i = 0; i < s->active; i++)
        virtq_tell(&s->v, rx_queue(i));
    settle_rx(s);
}

/* ---- the control queue: 5.1.6.5 ---- */

static bool set_macs(struct virtio_net *s, const uint8_t *bytes, size_t len) {
    uint32_t count = 0;
    bool overflow[2] = {false, false};
    for (unsigned table = 0; table < 2; table++) {
        if (len < 4)
            return false;
        uint32_t n = load_le32(bytes);
        bytes += 4;
        len -= 4;
        if (n > len / NET_MAC)
            return false;
        for (uint32_t i = 0; i < n; i++)
            if (count < MACS)
                memcpy(s->macs[count++], bytes + i * NET_MAC, NET_MAC);
            else
                overflow[table] = true;
        bytes += n * NET_MAC;
        len -= n * NET_MAC;
    }
    s->mac_count = count;
    s->uni_overflow = overflow[0];
    s->multi_overflow = overflow[1];
    return true;
}

static void settle_offloads(struct virtio_net *s) {
    static const struct {
        uint8_t feature;
        uint8_t offload;
    } map[] = {{F_GUEST_CSUM, NET_CSUM}, {F_GUEST_TSO4, NET_TSO4}, {F_GUEST_TSO6, NET_TSO6},
               {F_GUEST_ECN, NET_ECN}};
    unsigned offloads = 0;
    for (unsigned i = 0; i < ARRAY_LEN(map); i++)
        if (s->v.features & s->guest_offloads & VIRTIO_BIT(map[i].feature))
            offloads |= map[i].offload;
    if (!(offloads & NET_CSUM))
        offloads = 0;
    net_accept(s->net, offloads);
}

/* A frame that the link took in part is given up with its pair. */
static bool set_pairs(struct virtio_net *s, unsigned pairs) {
    if (!pairs || pairs > s->pairs)
        return false;
    s->active = (uint8_t)pairs;
    if (s->turn >= pairs) {
        s->turn = 0;
        s->segment = 0;
    }
    if (s->rx_pair >= pairs)
        s->rx_pair = 0;
    memset(s->stalled, 0, sizeof(s->stalled));
    return true;
}

static bool command(struct virtio_net *s, unsigned class, unsigned cmd, const uint8_t *bytes,
                    size_t len) {
    switch (class) {
    case CLASS_RX:
        if (cmd >= RX_MODES || len != 1)
            return false;
        s->mode[cmd] = bytes[0] != 0;
        return true;
    case CLASS_MAC:
        if (cmd == MAC_TABLE)
            return set_macs(s, bytes, len);
        if (cmd != MAC_ADDR || len != NET_MAC)
            return false;
        memcpy(s->mac, bytes, NET_MAC);
        return true;
    case CLASS_VLAN:
        if (len != 2 || load_le16(bytes) >= VLANS || cmd > VLAN_DEL)
            return false;
        (cmd == VLAN_ADD ? bitmap_set : bitmap_clear)(s->vlans, load_le16(bytes));
        return true;
    case CLASS_MQ:
        return !cmd && len == 2 && virtio_has(&s->v, F_MQ) && set_pairs(s, load_le16(bytes));
    case CLASS_OFFLOADS:
        if (cmd || len != 8)
            return false;
        s->guest_offloads = load_le64(bytes);
        settle_offloads(s);
        return true;
    }
    return false;
}

/* After a change of how many there are. */
static void start_pairs(struct virtio_net *s) {
    settle_rx(s);
    if (!s->refused)
        send_all(s);
}

static bool serve_command(struct virtio_net *s) {
    struct virtio_chain chain;
    struct dma_sg out, in;
    uint8_t bytes[CTRL_MAX], ack = ACK_ERROR;
    empty(&out);
    empty(&in);
    unsigned q = ctrl_queue(s), pairs = s->active;
    bool got = virtq_take(&s->v, q, &out, &in, CTRL_MAX, &chain);
    if (got) {
        size_t len = dma_sg_fetch(&out, 0, bytes, sizeof(bytes));
        if (len >= 2 && !chain.overlong && command(s, bytes[0], bytes[1], bytes + 2, len - 2))
            ack = ACK_OK;
        virtq_give(&s->v, q, chain.head, (uint32_t)dma_sg_fill(&in, 0, &ack, 1));
    }
    dma_sg_done(&s->v.pci.dma, &out, false);
    dma_sg_done(&s->v.pci.dma, &in, true);
    if (s->active != pairs)
        start_pairs(s);
    return got;
}

static void serve_commands(struct virtio_net *s) {
    unsigned budget = VIRTIO_QUEUE_SIZE;
    do {
        while (budget && serve_command(s))
            budget--;
    } while (budget && virtq_want(&s->v, ctrl_queue(s)));
    virtq_tell(&s->v, ctrl_queue(s));
    if (!budget)
        timer_after(&s->more, 0);
}

/* ---- what the function asks of the device ---- */

static void type_config_read(void *dev, uint8_t *config) {
    const struct virtio_net *s = dev;
    memcpy(config, s->mac, NET_MAC);
    store_le16(config + CONFIG_STATUS, s->net && s->net->link_up ? STATUS_UP : 0);
    store_le16(config + CONFIG_PAIRS, (uint16_t)s->pairs);
    store_le16(config + CONFIG_MTU, (uint16_t)s->mtu);
}

static void type_config_write(void *dev, unsigned off, uint8_t val) {
    struct virtio_net *s = dev;
    if (off < NET_MAC)
        s->mac[off] = val;
}

static void type_notify(void *dev, unsigned queue) {
    struct virtio_net *s = dev;
    if (queue == ctrl_queue(s))
        serve_commands(s);
    else if (queue / PAIR >= s->active)
        return;
    else if (queue % PAIR == RX)
        settle_rx(s);
    else if (!s->refused)
        send_from(s, queue / PAIR, 1);
}

static void type_status(void *dev) {
    struct virtio_net *s = dev;
    settle_offloads(s);
    settle_rx(s);
    if (virtio_running(&s->v))
        send_all(s);
}

static void type_reset(void *dev) {
    struct virtio_net *s = dev;
    memcpy(s->mac, s->own, NET_MAC);
    memset(s->mode, 0, sizeof(s->mode));
    s->mode[PROMISC] = 1; /* until a driver says otherwise: some never do */
    memset(s->macs, 0, sizeof(s->macs));
    memset(s->vlans, 0, sizeof(s->vlans));
    s->mac_count = 0;
    s->uni_overflow = s->multi_overflow = false;
    s->guest_offloads = UINT64_MAX;
    s->segment = 0;
    s->turn = 0;
    s->active = 1;
    memset(s->flow, 0, sizeof(s->flow));
    memset(s->stalled, 0, sizeof(s->stalled));
    s->refused = false;
    s->rx_chains = 1;
    s->rx_pair = s->credit = 0;
    timer_off(&s->more);
    timer_off(&s->patience);
    net_accept(s->net, 0);
    net_listen(s->net, false);
}

static const struct virtio_type type = {
    .device_id = 0x1000, .subsystem = 1, .class_ = 0x0200,
    .config_read = type_config_read, .config_write = type_config_write, .notify = type_notify,
    .status = type_status, .reset = type_reset};

/* ---- life ---- */

static void link_wire(void *dev, bool up) {
    struct virtio_net *s = dev;
    (void)up;
    if (virtio_has(&s->v, F_STATUS))
        virtio_config_changed(&s->v);
}

static void more(void *dev) {
    struct virtio_net *s = dev;
    serve_commands(s);
    send_all(s);
}

static void virtio_net_reset(void *dev) {
    struct virtio_net *s = dev;
    virtio_reset(&s->v);
}

static bool virtio_net_loaded(void *dev, char *why, size_t why_len) {
    struct virtio_net *s = dev;
    if (!virtio_loaded(&s->v, why, why_len))
        return false;
    if (!s->active || s->active > s->pairs || s->turn >= s->active) {
        snprintf(why, why_len, "virtio_net.active is %u, of %u pairs, the next is %u", s->active,
                 s->pairs, s->turn);
        return false;
    }
    settle_offloads(s);
    s->rx_pair = 0;
    s->refused = s->segment; /* that frame goes on before any other */
    timer_restore(&s->patience);
    net_listen(s->net, virtio_running(&s->v));
    if (virtio_running(&s->v))
        timer_after(&s->more, 0);
    return true;
}

static void virtio_net_free(void *dev) {
    struct virtio_net *s = dev;
    timer_off(&s->more);
    timer_off(&s->patience);
    net_listen(s->net, false);
    if (s->net)
        s->net->user = (struct net_user){0};
    pci_remove(&s->v.pci);
    mem_free(s->bounce);
    mem_free(s);
}

static const struct state state = {"virtio_net", 1, fields, virtio_net_loaded};

const struct device_ops virtio_net_device = {
    .name = "virtio_net", .state = &state, .reset = virtio_net_reset, .free = virtio_net_free};

static uint64_t features(const struct virtio_net *s) {
    static const uint8_t bits[] = {
        F_CSUM, F_GUEST_CSUM, F_GUEST_OFFLOADS, F_MAC, F_GUEST_TSO4, F_GUEST_TSO6, F_GUEST_ECN,
        F_HOST_TSO4, F_HOST_TSO6, F_HOST_ECN, F_MERGE, F_STATUS, F_CTRL, F_CTRL_RX, F_CTRL_VLAN,
        F_CTRL_RX_EXTRA, F_CTRL_MAC};
    uint64_t set = 0;
    for (unsigned i = 0; i < ARRAY_LEN(bits); i++)
        set |= VIRTIO_BIT(bits[i]);
    return set | (s->pairs > 1 ? VIRTIO_BIT(F_MQ) : 0) | (s->mtu ? VIRTIO_BIT(F_MTU) : 0);
}

void *virtio_net_new(const struct nic_pins *pins) {
    struct virtio_net *s = mem_new(sizeof(*s));
    s->net = pins->net;
    s->bounce = mem_new(BOUNCE);
    memcpy(s->own, pins->mac, NET_MAC);
    s->mtu = pins->mtu;
    s->pairs = MIN(MAX(pins->pairs, 1u), (unsigned)PAIRS);
    struct virtio_shape shape = {.offered = features(s), .queues = PAIR * s->pairs + 1};
    shape.config_len = s->mtu ? CONFIG_MTU + 2 : s->pairs > 1 ? CONFIG_PAIRS + 2 : CONFIG_PAIRS;
    shape.vectors = pins->vectors ? MIN(pins->vectors, shape.queues + 1) : shape.queues + 1;
    virtio_init(&s->v, &type, s, &shape);
    s->v.pci.name = "virtio-net";
    s->v.pci.qdev_id = pins->qdev_id;
    s->v.pci.hotplug = true;
    if (pins->rom)
        pci_add_rom(&s->v.pci, &s->v.rom, pins->rom, pins->rom_len);
    if (!pci_add(pins->pci, &s->v.pci, pins->devfn)) {
        mem_free(s->bounce);
        mem_free(s);
        return NULL;
    }
    timer_init(&s->more, pins->clock, more, s);
    timer_init(&s->patience, pins->clock, lose_patience, s);
    if (s->net)
        s->net->user = (struct net_user){.dev = s, .arrived = rx_arrived, .sendable = send_all,
                                         .link = link_wire};
    virtio_net_reset(s);
    return s;
}

struct pci_function *virtio_net_function(void *dev) {
    return &((struct virtio_net *)dev)->v.pci;
}
