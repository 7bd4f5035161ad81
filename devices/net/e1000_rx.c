/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82540EM: reception (manual, 3.2). Frames go from the link straight into the buffers of the
 * descriptors at the head of the ring, before it is known whether the filters want them: buffers
 * that no frame was accepted into are simply still free. As long as there are none the frames wait
 * on the host, so nothing is lost to a slow guest.
 *
 * Not modelled: the packet checksum of 3.2.9 (only the 82542's drivers use it), FCS (zeros stand in
 * its place), bad frames.
 */
#include <string.h>

#include "core/bits.h"
#include "net/e1000_chip.h"

enum { /* 3.2.3.1, 3.2.3.2 */
    RX_IXSM = 0x04, RX_VP = 0x08, RX_TCPCS = 0x20, RX_IPCS = 0x40, RX_PIF = 0x80,
    RX_TCPE = 0x20, RX_IPE = 0x40,
};
enum { HEAD = NET_HEADER + NET_TAG, BATCH = 64, BUFFERS = 64 /* 16 KiB in 256s */ };
enum { ETH_PAUSE = 0x8808 };

struct arrival {
    struct dma_sg sg;
    unsigned buffers;               /* descriptors that the list stands for */
    uint32_t fill[BUFFERS];         /* bytes of each one's buffer */
    size_t len;                     /* of the frame */
    uint8_t head[HEAD];
    struct net_meta meta;
};

static uint32_t ring_size(const struct e1000 *s) {
    return s->rdlen / DESCRIPTOR;
}

static uint32_t free_descriptors(const struct e1000 *s) {
    uint32_t n = ring_size(s);
    return s->rdh < n && s->rdt < n ? (s->rdt + n - s->rdh) % n : 0;
}

static uint32_t buffer_size(const struct e1000 *s) {
    unsigned code = s->rctl >> RCTL_BSIZE_SHIFT & 3;
    if (s->rctl & RCTL_BSEX)
        return code ? 32768u >> code : 2048;
    return 2048u >> code;
}

static bool can_receive(const struct e1000 *s) {
    return s->rctl & RCTL_EN && s->pci.master && free_descriptors(s);
}

void e1000_rx_settle(struct e1000 *s) {
    net_listen(s->net, can_receive(s) && s->up &&
                           !(s->rctl & RCTL_LBM || s->phy[PHY_BMCR] & BMCR_LOOPBACK));
}

/* ---- filters: 3.2.1, 3.2.2 ---- */

static bool exact_match(const struct e1000 *s, const uint8_t *dest) {
    uint32_t lo = load_le32(dest), hi = load_le16(dest + 4);
    for (unsigned i = 0; i < RA_ENTRIES; i++)
        if (s->ra[2 * i] == lo && (s->ra[2 * i + 1] & (RAH_AV | 0xffff)) == (RAH_AV | hi))
            return true;
    return false;
}

static bool hash_match(const struct e1000 *s, const uint8_t *dest) {
    static const uint8_t shifts[] = {4, 3, 2, 0};
    unsigned shift = shifts[s->rctl >> RCTL_MO_SHIFT & 3];
    unsigned bit = load_le16(dest + 4) >> shift & 0xfff;
    return s->mta[bit >> 5] >> (bit & 31) & 1;
}

static bool vlan_wanted(const struct e1000 *s, const uint8_t *head) {
    unsigned tci = load_be16(head + 14), id = tci & 0xfff;
    if (!(s->rctl & RCTL_VFE))
        return true;
    if (s->rctl & RCTL_CFIEN && !(tci & 0x1000) != !(s->rctl & RCTL_CFI))
        return false;
    return s->vfta[id >> 5] >> (id & 31) & 1;
}

static bool is_tagged(const struct e1000 *s, const uint8_t *head, size_t len) {
    return len >= HEAD && load_be16(head + 12) == (s->vet & 0xffff);
}

/* *inexact: only the hash says so. */
static bool is_wanted(struct e1000 *s, const uint8_t *head, size_t len, bool *inexact) {
    size_t max = s->rctl & RCTL_LPE ? JUMBO_MAX : FRAME_MAX;
    *inexact = false;
    if (MAX(len, (size_t)FRAME_MIN) + FCS > max) {
        e1000_count(s, ROC, 1);
        return false;
    }
    if (is_tagged(s, head, len) && !vlan_wanted(s, head))
        return false;
    if (load_be16(head + 12) == ETH_PAUSE && !(s->rctl & RCTL_PMCF))
        return false;
    if (net_is_broadcast(head) && s->rctl & RCTL_BAM)
        return true;
    if (s->rctl & (net_is_multicast(head) ? RCTL_MPE : RCTL_UPE))
        return true;
    if (exact_match(s, head))
        return true;
    *inexact = hash_match(s, head);
    return *inexact && net_is_multicast(head);
}

/* ---- a frame into buffers ---- */

/*
 * The buffers of the next descriptors, enough for the longest frame allowed, as one list, and no
 * more of them than that: Linux' driver knows that without LPE no frame is longer than 1522 bytes,
 * and gives buffers of that length where RCTL says 2048.
 */
static void gather(struct e1000 *s, struct arrival *a) {
    uint8_t desc[BUFFERS][DESCRIPTOR];
    uint64_t ring = ((uint64_t)s->rdbah << 32 | s->rdbal) & ~UINT64_C(15);
    uint32_t size = buffer_size(s), max = s->rctl & RCTL_LPE ? JUMBO_MAX : FRAME_MAX;
    unsigned want = MIN(MIN((max + size - 1) / size, free_descriptors(s)), (uint32_t)BUFFERS);
    unsigned first = MIN(want, ring_size(s) - s->rdh);
    dma_read(&s->pci.dma, ring + (uint64_t)s->rdh * DESCRIPTOR, desc, first * DESCRIPTOR);
    if (want > first)
        dma_read(&s->pci.dma, ring, desc[first], (want - first) * DESCRIPTOR);
    a->sg.n = a->buffers = 0;
    a->sg.len = 0;
    for (unsigned i = 0; i < want; i++) {
        uint64_t addr = load_le64(desc[i]);
        size_t len = MIN((size_t)size, max - a->sg.len);
        a->fill[i] = addr ? size : 0; /* 3.2.3: a null descriptor has no buffer */
        if (addr && dma_sg_add(&s->pci.dma, &a->sg, addr, len, true) < len)
            break;
        a->buffers++;
    }
}

/* Drops the tag from the frame in its buffers: the rest moves down. */
static void strip_tag(struct arrival *a) {
    uint8_t piece[1024];
    for (size_t at = HEAD; at < a->len; at += sizeof(piece)) {
        size_t n = MIN(sizeof(piece), a->len - at);
        dma_sg_fetch(&a->sg, at, piece, n);
        dma_sg_fill(&a->sg, at - NET_TAG, piece, n);
    }
    dma_sg_fill(&a->sg, 12, a->head + 16, 2);
    a->len -= NET_TAG;
}

/* Status in the low byte, errors in the next. */
static uint16_t checksum_status(const struct e1000 *s, const struct arrival *a) {
    struct iovec iov[DMA_SG_MAX];
    struct net_layout layout;
    if (!(s->rxcsum & (RXCSUM_IPOFL | RXCSUM_TUOFL)))
        return RX_IXSM;
    unsigned n = net_iov_slice(iov, DMA_SG_MAX, a->sg.iov, a->sg.n, 0, a->len, NULL);
    if (!net_layout(iov, n, &layout) || !layout.ip)
        return RX_IXSM;
    unsigned told = NET_SUM_IP | NET_SUM_L4;
    if (!(a->meta.flags & (NET_META_VALID | NET_META_CSUM)))
        told = net_verify(iov, n, &layout);
    else if (!layout.l4_header)
        told = NET_SUM_IP;
    if (layout.ip != 4 || !(s->rxcsum & RXCSUM_IPOFL))
        told &= ~(unsigned)(NET_SUM_IP | NET_SUM_IP_BAD);
    if (!(s->rxcsum & RXCSUM_TUOFL))
        told &= ~(unsigned)(NET_SUM_L4 | NET_SUM_L4_BAD);
    if (!told)
        return RX_IXSM;
    return (uint16_t)((told & NET_SUM_IP ? RX_IPCS : 0) | (told & NET_SUM_L4 ? RX_TCPCS : 0) |
                      (told & NET_SUM_IP_BAD ? RX_IPE << 8 : 0) |
                      (told & NET_SUM_L4_BAD ? RX_TCPE << 8 : 0));
}

/* Writes back the descriptors that the frame (with its FCS) fills; the last half of each at
 * once. */
static void write_back(struct e1000 *s, const struct arrival *a, size_t total, uint16_t status,
                       uint16_t tag) {
    uint64_t ring = ((uint64_t)s->rdbah << 32 | s->rdbal) & ~UINT64_C(15);
    size_t left = total;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    for (unsigned i = 0; i < a->buffers; i++) {
        uint8_t half[8] = {0};
        size_t n = MIN((size_t)a->fill[i], left);
        left -= n;
        store_le16(half, (uint16_t)n);
        half[4] = DESC_DD;
        if (!left) {
            store_le16(half + 4, status | DESC_DD | DESC_EOP);
            store_le16(half + 6, tag);
        }
        dma_write(&s->pci.dma, ring + (uint64_t)s->rdh * DESCRIPTOR + 8, half, sizeof(half));
        s->rdh = s->rdh + 1 >= ring_size(s) ? 0 : s->rdh + 1;
        if (!left)
            break;
    }
}

/* The frame is in its buffers, as far as they go. True: the guest has got it. */
static bool deliver(struct e1000 *s, struct arrival *a) {
    static const uint8_t zeros[FRAME_MIN + FCS];
    bool inexact;
    uint16_t tag = 0, status = 0;
    size_t wire = a->len;
    dma_sg_fetch(&a->sg, 0, a->head, HEAD);
    e1000_count(s, TPR, 1);
    e1000_count64(s, TORL, MAX(wire, (size_t)FRAME_MIN) + FCS);
    if (!is_wanted(s, a->head, a->len, &inexact))
        return false;
    size_t trailer = (a->len < FRAME_MIN ? FRAME_MIN - a->len : 0) +
                     (s->rctl & RCTL_SECRC ? 0 : FCS);
    if (a->len + trailer > a->sg.len) {
        e1000_count(s, MPC, 1);
        e1000_count(s, RNBC, 1);
        e1000_cause(s, CAUSE_RXO);
        return false;
    }
    if (a->meta.flags & NET_META_CSUM)
        net_complete_sum(a->sg.iov, a->sg.n, a->len, &a->meta);
    status = checksum_status(s, a);
    if (s->ctrl & CTRL_VME && is_tagged(s, a->head, a->len)) {
        tag = load_be16(a->head + 14);
        strip_tag(a);
        status |= RX_VP;
    }
    dma_sg_fill(&a->sg, a->len, zeros, trailer);
    write_back(s, a, a->len + trailer, status | (inexact ? RX_PIF : 0), tag);
    e1000_count_frame(s, false, a->head, MAX(wire, (size_t)FRAME_MIN), 1);
    return true;
}

/* ---- telling the guest ---- */

static void tell(struct e1000 *s, size_t smallest) {
    uint32_t causes = 0, n = ring_size(s);
    unsigned fraction = (s->rctl >> RCTL_RDMTS_SHIFT & 3) + 1; /* 1/2, 1/4, 1/8 */
    if (free_descriptors(s) <= n >> fraction)
        causes |= CAUSE_RXDMT0;
    if (smallest <= (s->rsrpd & 0xfff))
        causes |= CAUSE_SRPD;
    if (s->rdtr & 0xffff)
        e1000_delay(&s->rx_delay, &s->rx_absolute, (s->rdtr & 0xffff) * DELAY_UNIT,
                    (s->radv & 0xffff) * DELAY_UNIT);
    else
        causes |= CAUSE_RXT0;
    if (causes)
        e1000_cause(s, causes);
}

void e1000_rx_arrived(void *dev) {
    struct e1000 *s = dev;
    struct arrival a;
    size_t smallest = SIZE_MAX;
    bool got = false;
    for (unsigned i = 0; i < BATCH && s->net->listening; i++) {
        gather(s, &a);
        a.meta = (struct net_meta){0};
        a.len = net_receive(s->net, a.sg.iov, a.sg.n, &a.meta);
        size_t len = a.len;
        if (len && deliver(s, &a)) {
            got = true;
            smallest = MIN(smallest, len);
        }
        dma_sg_done(&s->pci.dma, &a.sg, len);
        if (!len)
            break;
        e1000_rx_settle(s);
    }
    if (got)
        tell(s, smallest);
}

void e1000_rx_loop(struct e1000 *s, const struct iovec *iov, unsigned n) {
    struct arrival a;
    uint8_t piece[1024];
    a.len = net_iov_len(iov, n);
    if (!can_receive(s) || a.len > JUMBO_MAX)
        return;
    gather(s, &a);
    a.meta = (struct net_meta){.flags = NET_META_VALID};
    for (size_t at = 0, got; (got = net_iov_fetch(iov, n, at, piece, sizeof(piece))); at += got)
        dma_sg_fill(&a.sg, at, piece, got);
    if (deliver(s, &a))
        tell(s, a.len);
    dma_sg_done(&s->pci.dma, &a.sg, true);
}
