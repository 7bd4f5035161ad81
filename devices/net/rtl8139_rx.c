/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiver. Without C+ mode: one ring of bytes, 8 to 64 KiB, where each frame has a header of
 * four bytes (datasheet 5.8, 9.2). With it: a ring of descriptors (9.3). A frame goes from the link
 * to guest memory directly and is looked at there; one that the filter does not like lies where
 * nobody looks. While there is no room the frame waits on the host, not here.
 */
#include <string.h>

#include "core/bits.h"
#include "core/net_frame.h"
#include "net/rtl8139_chip.h"

enum { RX_ROK = 0x0001, RX_BAR = 0x2000, RX_PAM = 0x4000, RX_MAR = 0x8000, RX_HEADER = 4 };

enum { /* a receive descriptor: command, then status */
    RD_OWN = 0x80000000u, RD_EOR = 0x40000000, RD_SIZE = 0x1fff, RD_FS = 0x20000000,
    RD_LS = 0x10000000, RD_MAR = 0x04000000, RD_PAM = 0x02000000, RD_BAR = 0x01000000,
    RD_PID_IP = 0x00030000, RD_PID_UDP = 0x00020000, RD_PID_TCP = 0x00010000,
    RD_IPF = 0x8000, RD_UDPF = 0x4000, RD_TCPF = 0x2000, RD_TAVA = 0x00010000,
};

enum { BUDGET = 64 /* frames a turn of the loop */, PATIENCE_MIN = 1000000,
       PATIENCE_MAX = 1000000000 };

enum verdict { REFUSED, BROADCAST, MULTICAST, PHYSICAL };

static enum verdict filter(struct rtl8139 *s, const uint8_t *dst) {
    bool all = s->rcr & RCR_AAP;
    if (net_is_broadcast(dst))
        return s->rcr & (RCR_AB | RCR_AAP) ? BROADCAST : REFUSED;
    if (net_is_multicast(dst)) {
        bool listed = s->mar >> (net_hash(dst) >> 26) & 1;
        return all || (s->rcr & RCR_AM && listed) ? MULTICAST : REFUSED;
    }
    return all || (s->rcr & RCR_APM && !memcmp(dst, s->idr, NET_MAC)) ? PHYSICAL : REFUSED;
}

/* What is offered to the receiver: the next frame of the link, or one that comes back. */
struct source {
    const struct iovec *iov; /* NULL: the link */
    unsigned n;
};

static size_t fetch(struct rtl8139 *s, const struct source *from, const struct dma_sg *sg,
                    struct net_meta *meta) {
    *meta = (struct net_meta){0};
    if (!from->iov)
        return net_receive(s->net, sg->iov, sg->n, meta);
    size_t len = net_iov_len(from->iov, from->n), at = 0;
    for (unsigned i = 0; i < from->n; i++) {
        net_iov_fill(sg->iov, sg->n, at, from->iov[i].iov_base, from->iov[i].iov_len);
        at += from->iov[i].iov_len;
    }
    return len;
}

static void count(struct rtl8139 *s, enum verdict verdict) {
    s->tally.rx_ok++;
    if (verdict == PHYSICAL)
        s->tally.rx_ok_phy++;
    else if (verdict == BROADCAST)
        s->tally.rx_ok_brd++;
    else
        s->tally.rx_ok_mul++;
}

/* The frame in the list, `len` bytes of it on the link, is for the guest. Counts one that is too
 * long for any buffer. */
static enum verdict judge(struct rtl8139 *s, const struct dma_sg *sg, size_t len) {
    uint8_t dst[NET_MAC] = {0};
    dma_sg_fetch(sg, 0, dst, sizeof(dst));
    enum verdict verdict = filter(s, dst);
    if (len <= RX_MAX || verdict == REFUSED)
        return verdict;
    s->tally.rx_err++;
    return REFUSED;
}

/* As short as it may come from a tap, it was not on a wire; the rest is zeros. */
static size_t pad(const struct dma_sg *sg, size_t len) {
    static const uint8_t zeros[RX_MIN + FCS];
    size_t whole = MAX(len, (size_t)RX_MIN);
    dma_sg_fill(sg, len, zeros, whole - len + FCS);
    return whole + FCS;
}

/* ---- the ring of bytes ---- */

static uint32_t ring_size(const struct rtl8139 *s) {
    return 8192u << (s->rcr >> RCR_RBLEN & 3);
}

/* Bytes that are free; a ring that is empty has all of them. */
static uint32_t ring_room(const struct rtl8139 *s) {
    uint32_t mask = ring_size(s) - 1;
    uint32_t used = (s->cbr - (s->capr + 16u)) & mask;
    return mask + 1 - used;
}

bool rtl8139_rx_empty(const struct rtl8139 *s) {
    return ring_room(s) == ring_size(s);
}

static void ring_list(struct rtl8139 *s, struct dma_sg *sg, uint32_t at) {
    const struct dma *dma = &s->pci.dma;
    uint32_t size = ring_size(s), want = RX_MAX + FCS;
    /* RCR.WRAP: past the end, where the driver has left room; not for the largest ring */
    bool past = s->rcr & RCR_WRAP && size < 65536;
    at &= past ? UINT32_MAX : size - 1;
    uint32_t first = past ? want : MIN(want, size - at);
    dma_sg_add(dma, sg, (uint64_t)s->rbstart + at, first, true);
    dma_sg_add(dma, sg, s->rbstart, want - first, true);
}

static bool ring_ready(struct rtl8139 *s) {
    return ring_room(s) > RX_MAX + FCS + RX_HEADER + 3;
}

/* False: there was no frame. */
static bool ring_receive(struct rtl8139 *s, const struct source *from) {
    struct dma_sg sg;
    struct net_meta meta;
    uint32_t at = s->cbr & (ring_size(s) - 1) & ~3u;
    sg.n = 0;
    sg.len = 0;
    ring_list(s, &sg, at + RX_HEADER);
    size_t len = fetch(s, from, &sg, &meta);
    enum verdict verdict = len ? judge(s, &sg, len) : REFUSED;
    size_t whole = verdict == REFUSED ? 0 : pad(&sg, len);
    dma_sg_done(&s->pci.dma, &sg, len != 0);
    if (verdict == REFUSED)
        return len;
    static const uint16_t status[] = {[BROADCAST] = RX_BAR, [MULTICAST] = RX_MAR,
                                      [PHYSICAL] = RX_PAM};
    uint8_t header[RX_HEADER];
    store_le16(header, RX_ROK | status[verdict]);
    store_le16(header + 2, (uint16_t)whole);
    dma_write(&s->pci.dma, (uint64_t)s->rbstart + at, header, sizeof(header));
    s->cbr = (uint16_t)((at + RX_HEADER + ((whole + 3) & ~(size_t)3)) & (ring_size(s) - 1));
    count(s, verdict);
    s->isr |= INT_ROK;
    return true;
}

/* ---- the ring of descriptors ---- */

static uint64_t descriptor_at(const struct rtl8139 *s) {
    return ((uint64_t)s->rdsar[1] << 32 | s->rdsar[0]) + s->rx_next * DESCRIPTOR;
}

static bool fetch_descriptor(struct rtl8139 *s, uint8_t *d) {
    return dma_read(&s->pci.dma, descriptor_at(s), d, DESCRIPTOR) && load_le32(d) & RD_OWN;
}

/* Takes the tag out of the frame in the list; returns what the second word says of it. */
static uint32_t take_tag(const struct dma_sg *sg, size_t *len) {
    uint8_t frame[RX_MAX];
    size_t n = MIN(*len, sizeof(frame));
    dma_sg_fetch(sg, 0, frame, MIN(n, (size_t)NET_HEADER + NET_TAG));
    if (n < NET_HEADER + NET_TAG || load_be16(frame + 12) != NET_ETH_VLAN)
        return 0;
    dma_sg_fetch(sg, 0, frame, n);
    dma_sg_fill(sg, 12, frame + 16, n - 16);
    *len = n - NET_TAG;
    return RD_TAVA | load_le16(frame + 14); /* in the wire's order of bytes */
}

static uint32_t checksums(const struct dma_sg *sg, size_t len, const struct net_meta *meta) {
    struct iovec iov[DMA_SG_MAX];
    struct net_layout l;
    unsigned n = net_iov_slice(iov, DMA_SG_MAX, sg->iov, sg->n, 0, len, NULL);
    if (!net_layout(iov, n, &l) || l.ip != 4)
        return 0;
    unsigned told = meta->flags & NET_META_VALID ? 0 : net_verify(iov, n, &l);
    uint32_t status = told & NET_SUM_IP_BAD ? RD_IPF : 0, bad = told & NET_SUM_L4_BAD;
    if (l.l4_header && l.proto == NET_PROTO_TCP)
        return status | RD_PID_TCP | (bad ? RD_TCPF : 0);
    if (l.l4_header && l.proto == NET_PROTO_UDP)
        return status | RD_PID_UDP | (bad ? RD_UDPF : 0);
    return status | RD_PID_IP;
}

static void give_back(struct rtl8139 *s, uint8_t *d, uint32_t status, uint32_t tag) {
    uint32_t end = load_le32(d) & RD_EOR;
    store_le32(d, end | status);
    store_le32(d + 4, tag);
    dma_write(&s->pci.dma, descriptor_at(s) + 4, d + 4, 4);
    dma_write(&s->pci.dma, descriptor_at(s), d, 4);
    s->rx_next = end ? 0 : (s->rx_next + 1) % RING;
}

static bool plus_receive(struct rtl8139 *s, const struct source *from, uint8_t *d) {
    static const uint32_t kind[] = {[BROADCAST] = RD_BAR, [MULTICAST] = RD_MAR,
                                    [PHYSICAL] = RD_PAM};
    struct dma_sg sg;
    struct net_meta meta;
    uint32_t tag = 0, status = 0;
    size_t room = load_le32(d) & RD_SIZE;
    sg.n = 0;
    sg.len = 0;
    dma_sg_add(&s->pci.dma, &sg, load_le64(d + 8), MIN(room, (size_t)RX_MAX + FCS), true);
    size_t len = fetch(s, from, &sg, &meta), whole = 0;
    enum verdict verdict = len ? judge(s, &sg, len) : REFUSED;
    if (verdict != REFUSED && len > room) {
        s->tally.rx_err++;
        log_guest(&s->odd, "rtl8139: a receive buffer of %zu bytes, and a frame of %zu", room, len);
        verdict = REFUSED;
    }
    if (verdict != REFUSED) {
        if (s->cpcr & CPCR_RX_CHECKSUM)
            status = checksums(&sg, len, &meta);
        if (s->cpcr & CPCR_RX_VLAN)
            tag = take_tag(&sg, &len);
        whole = pad(&sg, len);
    }
    dma_sg_done(&s->pci.dma, &sg, len != 0);
    if (verdict == REFUSED)
        return len;
    give_back(s, d, RD_FS | RD_LS | kind[verdict] | status | (uint32_t)whole, tag);
    count(s, verdict);
    s->isr |= INT_ROK;
    return true;
}

/* ---- both ---- */

enum outcome { TOOK, NOTHING_THERE, NO_ROOM };

static enum outcome receive(struct rtl8139 *s, const struct source *from) {
    uint8_t d[DESCRIPTOR];
    if (!(s->cpcr & CPCR_RX))
        return !ring_ready(s) ? NO_ROOM : ring_receive(s, from) ? TOOK : NOTHING_THERE;
    if (!fetch_descriptor(s, d))
        return NO_ROOM;
    return plus_receive(s, from, d) ? TOOK : NOTHING_THERE;
}

/*
 * A frame waits. On a wire the next would soon say so again: who acknowledges it (5.4, RXOVW) and
 * has left the ring full is told again. A driver of the C+ mode says nothing when it has filled its
 * ring again, but it acknowledges that it was told of the empty one. For those that never look at
 * that bit the ring is looked at again, ever less often.
 */
static void starve(struct rtl8139 *s) {
    s->rx_starved = true;
    s->isr |= INT_RDU;
    if (!(s->cpcr & CPCR_RX))
        return;
    s->patience = s->patience ? MIN(s->patience * 2, PATIENCE_MAX) : PATIENCE_MIN;
    timer_after(&s->retry, s->patience);
}

void rtl8139_fed(struct rtl8139 *s) {
    s->rx_starved = false;
    timer_off(&s->retry);
    rtl8139_listen(s);
}

void rtl8139_look_again(void *dev) {
    rtl8139_fed(dev);
}

void rtl8139_arrived(void *dev) {
    struct rtl8139 *s = dev;
    static const struct source link;
    enum outcome outcome = receive(s, &link);
    if (outcome == NO_ROOM) /* and there is a frame */
        starve(s);
    else
        s->patience = 0;
    for (unsigned i = 1; i < BUDGET && outcome == TOOK; i++)
        outcome = receive(s, &link);
    rtl8139_listen(s);
    rtl8139_update_irq(s);
}

void rtl8139_listen(struct rtl8139 *s) {
    net_listen(s->net, s->cr & CR_RE && s->pci.master && !s->rx_starved);
}

void rtl8139_loop_back(struct rtl8139 *s, const struct iovec *iov, unsigned n) {
    struct source from = {iov, n};
    if (!(s->cr & CR_RE) || net_iov_len(iov, n) < NET_HEADER)
        return;
    if (receive(s, &from) == NO_ROOM) {
        s->tally.miss++;
        s->mpc = (s->mpc + 1) & 0xffffff;
        s->isr |= INT_RDU;
    }
}
