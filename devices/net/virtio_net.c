/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net: "Virtual I/O Device (VIRTIO) Version 1.1", 5.1. One pair of queues and the control
 * queue (one thread serves them, more pairs would gain nothing). Frames go between the link and the
 * guest's buffers in place; a frame that is longer than the buffers at hand, as merged ones are,
 * comes over a buffer of ours and grows the number that are held ready for the next.
 *
 * Not modelled: several queue pairs, UDP fragmentation, announcing after a migration.
 */
#include "net/virtio_net.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "core/net_frame.h"
#include "net/virtio.h"

enum { RX = 0, TX = 1, CTRL = 2 };

enum { /* 5.1.3 */
    F_CSUM = 0, F_GUEST_CSUM = 1, F_GUEST_OFFLOADS = 2, F_MAC = 5, F_GUEST_TSO4 = 7,
    F_GUEST_TSO6 = 8, F_GUEST_ECN = 9, F_HOST_TSO4 = 11, F_HOST_TSO6 = 12, F_HOST_ECN = 13,
    F_MERGE = 15, F_STATUS = 16, F_CTRL = 17, F_CTRL_RX = 18, F_CTRL_VLAN = 19,
    F_CTRL_RX_EXTRA = 20, F_CTRL_MAC = 23,
};

enum { HEADER = 12, HEADER_OLD = 10, CONFIG_LEN = 8, CONFIG_STATUS = 6, STATUS_UP = 1 };

enum { /* 5.1.6.5: class and command of the control queue */
    CLASS_RX = 0, CLASS_MAC = 1, CLASS_VLAN = 2, CLASS_OFFLOADS = 5, RX_MODES = 6,
    MAC_TABLE = 0, MAC_ADDR = 1, VLAN_ADD = 0, VLAN_DEL = 1, ACK_OK = 0, ACK_ERROR = 1,
};
enum { PROMISC, ALL_MULTI, ALL_UNI, NO_MULTI, NO_UNI, NO_BROADCAST }; /* rx modes */

enum { MACS = 64, VLANS = 4096, BATCH = 64, BUDGET = 256, CHAINS_MAX = 64,
       BOUNCE = NET_FRAME_MAX, CTRL_MAX = 1024 };

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
    /* wires and derived */
    uint8_t own[NET_MAC];
    struct net *net;
    struct timer more;
    unsigned rx_chains; /* how many are held ready for a frame */
    bool refused, sending;
    uint8_t *bounce;
};

static const struct field fields[] = {
    F_STRUCT(struct virtio_net, v, virtio_fields), F_BYTES(struct virtio_net, mac),
    F_ARRAY_MAX(struct virtio_net, mode, 1), F_BYTES(struct virtio_net, macs),
    F_MAX(struct virtio_net, mac_count, MACS), F(struct virtio_net, uni_overflow),
    F(struct virtio_net, multi_overflow), F_ARRAY(struct virtio_net, vlans),
    F(struct virtio_net, guest_offloads), F(struct virtio_net, segment), F_END};

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
static bool send_chain(struct virtio_net *s, const struct dma_sg *sg) {
    struct iovec iov[DMA_SG_MAX];
    uint8_t h[HEADER] = {0};
    struct net_meta meta;
    size_t skip = header_len(s), len;
    unsigned n = net_iov_slice(iov, DMA_SG_MAX, sg->iov, sg->n, skip, sg->len, &len);
    dma_sg_fetch(sg, 0, h, skip);
    if (len < NET_HEADER || !read_meta(s, h, len, &meta))
        return true;
    return net_send_undone(s->net, iov, n, &meta, &s->segment);
}

static bool send_next(struct virtio_net *s) {
    struct virtio_chain chain;
    struct dma_sg sg;
    empty(&sg);
    bool got = virtq_take(&s->v, TX, &sg, NULL, HEADER + NET_FRAME_MAX, &chain);
    if (got && !chain.overlong && !send_chain(s, &sg)) {
        s->refused = true;
        virtq_untake(&s->v, TX, 1);
        got = false;
    } else if (got) {
        s->segment = 0;
        virtq_give(&s->v, TX, chain.head, 0);
    }
    dma_sg_done(&s->v.pci.dma, &sg, false);
    return got;
}

static void send_all(void *dev) {
    struct virtio_net *s = dev;
    unsigned budget = BUDGET;
    if (s->sending)
        return;
    s->sending = true;
    s->refused = false;
    do {
        while (budget && send_next(s))
            budget--;
    } while (budget && !s->refused && virtq_want(&s->v, TX));
    s->sending = false;
    virtq_tell(&s->v, TX);
    if (!budget)
        timer_after(&s->more, 0);
}

/* ---- receiving: 5.1.6.3, 5.1.6.4 ---- */

struct arrival {
    struct dma_sg sg;
    struct virtio_chain chain[CHAINS_MAX];
    unsigned chains;
    struct net_meta meta;
};

static bool take_buffer(struct virtio_net *s, struct arrival *a) {
    if (a->chains == CHAINS_MAX ||
        !virtq_take(&s->v, RX, NULL, &a->sg, HEADER + NET_FRAME_MAX, &a->chain[a->chains]))
        return false;
    a->chains++;
    return true;
}

/* Room for the header and as many buffers as the last frame needed. */
static bool gather(struct virtio_net *s, struct arrival *a) {
    unsigned want = merges(s) ? s->rx_chains : 1;
    empty(&a->sg);
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

/* The frame did not fit: the rest goes from our buffer to further ones. */
static bool spill(struct virtio_net *s, struct arrival *a, size_t total) {
    size_t direct = a->sg.len;
    if (total - direct > BOUNCE)
        return false;
    while (a->sg.len < total)
        if (!merges(s) || !take_buffer(s, a))
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

/* True: chains were used. */
static bool deliver(struct virtio_net *s, struct arrival *a, size_t len) {
    uint8_t head[NET_HEADER + NET_TAG] = {0};
    size_t total = header_len(s) + len, left = total;
    unsigned used = 0;
    dma_sg_fetch(&a->sg, header_len(s), head, sizeof(head));
    if (a->sg.len < header_len(s) + NET_HEADER || !is_wanted(s, head))
        return false;
    if (total > a->sg.len && !spill(s, a, total))
        return false;
    if (!virtio_has(&s->v, F_GUEST_CSUM))
        a->meta.flags = 0;
    for (unsigned i = 0; i < a->chains && left; i++) {
        size_t n = MIN(left, a->chain[i].in_bytes);
        virtq_give(&s->v, RX, a->chain[i].head, (uint32_t)n);
        left -= n;
        used++;
    }
    write_header(s, a, used);
    virtq_untake(&s->v, RX, a->chains - used);
    s->rx_chains = MAX(used, 1u);
    return true;
}

/* One frame, or none; false: there is none, or no buffer. */
static bool receive(struct virtio_net *s) {
    struct arrival a;
    struct iovec iov[DMA_SG_MAX + 1];
    if (!gather(s, &a))
        return false;
    a.meta = (struct net_meta){0};
    unsigned n = net_iov_slice(iov, DMA_SG_MAX, a.sg.iov, a.sg.n, header_len(s), a.sg.len, NULL);
    iov[n++] = (struct iovec){s->bounce, BOUNCE};
    size_t len = net_receive(s->net, iov, n, &a.meta);
    if (!len || !deliver(s, &a, len))
        virtq_untake(&s->v, RX, a.chains);
    dma_sg_done(&s->v.pci.dma, &a.sg, len);
    return len;
}

/* Buffers are there or not; if not, the guest shall say when. */
static void settle_rx(struct virtio_net *s) {
    struct virtio_chain chain;
    bool have = virtq_take(&s->v, RX, NULL, NULL, 0, &chain);
    if (have)
        virtq_untake(&s->v, RX, 1);
    else
        have = virtq_want(&s->v, RX);
    if (have)
        virtq_want_none(&s->v, RX);
    net_listen(s->net, have && virtq_ready(&s->v, RX));
}

static void rx_arrived(void *dev) {
    struct virtio_net *s = dev;
    for (unsigned i = 0; i < BATCH && s->net->listening && receive(s); i++)
        ;
    virtq_tell(&s->v, RX);
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
    case CLASS_OFFLOADS:
        if (cmd || len != 8)
            return false;
        s->guest_offloads = load_le64(bytes);
        settle_offloads(s);
        return true;
    }
    return false;
}

static bool serve_command(struct virtio_net *s) {
    struct virtio_chain chain;
    struct dma_sg out, in;
    uint8_t bytes[CTRL_MAX], ack = ACK_ERROR;
    empty(&out);
    empty(&in);
    bool got = virtq_take(&s->v, CTRL, &out, &in, CTRL_MAX, &chain);
    if (got) {
        size_t len = dma_sg_fetch(&out, 0, bytes, sizeof(bytes));
        if (len >= 2 && !chain.overlong && command(s, bytes[0], bytes[1], bytes + 2, len - 2))
            ack = ACK_OK;
        virtq_give(&s->v, CTRL, chain.head, (uint32_t)dma_sg_fill(&in, 0, &ack, 1));
    }
    dma_sg_done(&s->v.pci.dma, &out, false);
    dma_sg_done(&s->v.pci.dma, &in, true);
    return got;
}

static void serve_commands(struct virtio_net *s) {
    unsigned budget = VIRTIO_QUEUE_SIZE;
    do {
        while (budget && serve_command(s))
            budget--;
    } while (budget && virtq_want(&s->v, CTRL));
    virtq_tell(&s->v, CTRL);
    if (!budget)
        timer_after(&s->more, 0);
}

/* ---- what the function asks of the device ---- */

static void type_config_read(void *dev, uint8_t *config) {
    const struct virtio_net *s = dev;
    memcpy(config, s->mac, NET_MAC);
    store_le16(config + CONFIG_STATUS, s->net && s->net->link_up ? STATUS_UP : 0);
}

static void type_config_write(void *dev, unsigned off, uint8_t val) {
    struct virtio_net *s = dev;
    if (off < NET_MAC)
        s->mac[off] = val;
}

static void type_notify(void *dev, unsigned queue) {
    struct virtio_net *s = dev;
    if (queue == TX && !s->refused)
        send_all(s);
    else if (queue == RX)
        settle_rx(s);
    else if (queue == CTRL)
        serve_commands(s);
}

static void type_status(void *dev) {
    struct virtio_net *s = dev;
    settle_offloads(s);
    settle_rx(s);
    if (virtq_ready(&s->v, TX))
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
    s->refused = false;
    s->rx_chains = 1;
    timer_off(&s->more);
    net_accept(s->net, 0);
    net_listen(s->net, false);
}

static const struct virtio_type type = {
    .device_id = 0x1000, .subsystem = 1, .class_ = 0x0200, .queues = 3, .config_len = CONFIG_LEN,
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
    settle_offloads(s);
    net_listen(s->net, virtq_ready(&s->v, RX));
    if (virtq_ready(&s->v, TX))
        timer_after(&s->more, 0);
    return true;
}

static void virtio_net_free(void *dev) {
    struct virtio_net *s = dev;
    timer_off(&s->more);
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

static uint64_t features(void) {
    static const uint8_t bits[] = {
        F_CSUM, F_GUEST_CSUM, F_GUEST_OFFLOADS, F_MAC, F_GUEST_TSO4, F_GUEST_TSO6, F_GUEST_ECN,
        F_HOST_TSO4, F_HOST_TSO6, F_HOST_ECN, F_MERGE, F_STATUS, F_CTRL, F_CTRL_RX, F_CTRL_VLAN,
        F_CTRL_RX_EXTRA, F_CTRL_MAC};
    uint64_t set = 0;
    for (unsigned i = 0; i < ARRAY_LEN(bits); i++)
        set |= VIRTIO_BIT(bits[i]);
    return set;
}

void *virtio_net_new(const struct nic_pins *pins) {
    struct virtio_net *s = mem_new(sizeof(*s));
    s->net = pins->net;
    s->bounce = mem_new(BOUNCE);
    memcpy(s->own, pins->mac, NET_MAC);
    virtio_init(&s->v, &type, s, features());
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
    if (s->net)
        s->net->user = (struct net_user){.dev = s, .arrived = rx_arrived, .sendable = send_all,
                                         .link = link_wire};
    virtio_net_reset(s);
    return s;
}

struct pci_function *virtio_net_function(void *dev) {
    return &((struct virtio_net *)dev)->v.pci;
}
