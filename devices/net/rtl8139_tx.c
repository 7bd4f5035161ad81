/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The transmitter. Without C+ mode: four descriptors in registers, sent in turn (datasheet 5.5).
 * With it: two rings of descriptors in memory (9.1), where a frame may be in several pieces and ask
 * for checksums, a tag, or to be cut into segments. A frame is taken from guest memory when all of
 * it is there, and left there while the link has no room.
 */
#include <string.h>

#include "core/bits.h"
#include "core/net_frame.h"
#include "net/rtl8139_chip.h"

enum { /* a transmit descriptor: command, then status */
    TD_OWN = 0x80000000u, TD_EOR = 0x40000000, TD_FS = 0x20000000, TD_LS = 0x10000000,
    TD_LGSEN = 0x08000000, TD_MSS = 16, TD_MSS_BITS = 0x7ff, TD_IPCS = 0x00040000,
    TD_UDPCS = 0x00020000, TD_TCPCS = 0x00010000, TD_SIZE = 0xffff, TD_TAGC = 0x00020000,
    TD_STATUS = 0x02ff0000 /* errors and collisions; what was asked for stood there before */,
};

static bool looped(const struct rtl8139 *s) {
    return (s->tcr & TCR_LBK) == TCR_LBK;
}

/* False: the link has no room. */
static bool send(struct rtl8139 *s, const struct iovec *iov, unsigned n,
                 const struct net_meta *meta) {
    if (looped(s)) {
        rtl8139_loop_back(s, iov, n);
        return true;
    }
    unsigned segment = s->segment;
    bool sent = net_send_undone(s->net, iov, n, meta, &segment);
    s->segment = segment;
    s->tx_waits = !sent;
    return sent;
}

static void sent_one(struct rtl8139 *s) {
    s->tally.tx_ok++;
    rtl8139_sent(s);
}

/* ---- four descriptors in registers ---- */

static bool send_next(struct rtl8139 *s) {
    uint32_t *tsd = &s->tsd[s->tx_next];
    struct dma_sg sg;
    sg.n = 0;
    sg.len = 0;
    dma_sg_add(&s->pci.dma, &sg, s->tsad[s->tx_next], *tsd & TSD_SIZE, false);
    bool sent = send(s, sg.iov, sg.n, NULL);
    dma_sg_done(&s->pci.dma, &sg, false);
    if (!sent)
        return false;
    *tsd |= TSD_OWN | TSD_TOK;
    s->tx_next = (s->tx_next + 1) % 4;
    sent_one(s);
    return true;
}

static void send_four(struct rtl8139 *s) {
    for (unsigned i = 0; i < 4 && !(s->tsd[s->tx_next] & TSD_OWN); i++)
        if (!send_next(s))
            return;
}

/* ---- rings ---- */

struct piece {
    uint64_t at; /* the descriptor's address */
    uint32_t command;
};

/* One frame: its descriptors, and its bytes in guest memory. */
struct frame {
    unsigned pieces;
    struct piece piece[RING];
    uint8_t next;     /* the descriptor after it */
    uint32_t command; /* of the last piece: the first's has no more */
    uint32_t tag;
    struct dma_sg sg;
};

enum gathered { WHOLE, INCOMPLETE, ENDLESS };

static enum gathered gather(struct rtl8139 *s, unsigned ring, struct frame *f) {
    uint64_t base = (uint64_t)s->tsad[2 * ring + 1] << 32 | (s->tsad[2 * ring] & ~0xffu);
    f->pieces = 0;
    f->next = s->ring_next[ring];
    f->sg.n = 0;
    f->sg.len = 0;
    while (f->pieces < RING) {
        uint8_t d[DESCRIPTOR];
        uint64_t at = base + f->next * DESCRIPTOR;
        if (!dma_read(&s->pci.dma, at, d, sizeof(d)) || !(load_le32(d) & TD_OWN))
            return INCOMPLETE;
        uint32_t command = load_le32(d);
        f->piece[f->pieces++] = (struct piece){at, command};
        f->next = command & TD_EOR ? 0 : (f->next + 1) % RING;
        f->command = command;
        f->tag = load_le32(d + 4);
        dma_sg_add(&s->pci.dma, &f->sg, load_le64(d + 8), command & TD_SIZE, false);
        if (command & TD_LS)
            return WHOLE;
    }
    return ENDLESS;
}

/* Puts sums into a copy of the headers, as net_meta wants them. */
static void prepare_sums(uint8_t *h, size_t len, uint32_t command, const struct net_layout *l,
                         struct net_meta *meta) {
    struct iovec iov = {h, len};
    unsigned proto = command & TD_TCPCS ? NET_PROTO_TCP : NET_PROTO_UDP;
    if (l->ip != 4)
        return;
    if (command & TD_IPCS) {
        store_be16(h + l->l3 + 10, 0);
        store_be16(h + l->l3 + 10, (uint16_t)~net_sum(0, h + l->l3, l->l4 - l->l3));
    }
    if (!(command & (TD_TCPCS | TD_UDPCS)) || !l->l4_header || l->proto != proto)
        return;
    unsigned offset = proto == NET_PROTO_TCP ? 16 : 6;
    store_be16(h + l->l4 + offset, net_pseudo_sum(&iov, 1, l, l->end - l->l4));
    *meta = (struct net_meta){.flags = NET_META_CSUM, .csum_start = l->l4,
                              .csum_offset = (uint16_t)offset};
}

/* Headers that were made anew in h, then the rest of the frame from where it is. */
static bool send_made(struct rtl8139 *s, const struct iovec *iov, unsigned n, uint8_t *h,
                      size_t header, const struct net_meta *meta) {
    struct iovec out[NET_IOVS];
    size_t len = net_iov_len(iov, n);
    out[0] = (struct iovec){h, header};
    unsigned count = net_iov_slice(out + 1, NET_IOVS - 1, iov, n, header, len - header, NULL);
    return send(s, out, count + 1, meta->flags ? meta : NULL);
}

/* With what the last descriptor asks for. */
static bool send_offloaded(struct rtl8139 *s, const struct iovec *iov, unsigned n,
                           uint32_t command) {
    uint8_t h[NET_HEADERS_MAX];
    struct net_layout l;
    struct net_meta meta = {0};
    size_t len = net_iov_len(iov, n);
    if (!(command & (TD_LGSEN | TD_IPCS | TD_TCPCS | TD_UDPCS)) || !net_layout(iov, n, &l) ||
        !l.ip || l.l4 + l.l4_header > NET_HEADERS_MAX)
        return send(s, iov, n, NULL);
    size_t header = (size_t)l.l4 + l.l4_header;
    net_iov_fetch(iov, n, 0, h, header);
    if (command & TD_LGSEN) {
        unsigned mss = command >> TD_MSS & TD_MSS_BITS;
        if (header < len && net_prepare_tso(h, header, len - header, mss, &meta))
            return send_made(s, iov, n, h, header, &meta);
        return send(s, iov, n, NULL);
    }
    prepare_sums(h, header, command, &l, &meta);
    /* padding after the packet would be summed, too */
    struct iovec cut[NET_IOVS];
    unsigned count = net_iov_slice(cut, NET_IOVS, iov, n, 0, meta.flags ? l.end : len, NULL);
    return send_made(s, cut, count, h, header, &meta);
}

static bool send_frame(struct rtl8139 *s, const struct frame *f) {
    struct iovec out[NET_IOVS];
    uint8_t tag[NET_TAG];
    if (!(f->tag & TD_TAGC) || f->sg.len < 12)
        return send_offloaded(s, f->sg.iov, f->sg.n, f->command);
    net_tag(tag, (uint16_t)(f->tag << 8 | (f->tag >> 8 & 0xff)));
    unsigned n = net_iov_slice(out, NET_IOVS, f->sg.iov, f->sg.n, 0, 12, NULL);
    out[n++] = (struct iovec){tag, sizeof(tag)};
    n += net_iov_slice(out + n, NET_IOVS - n, f->sg.iov, f->sg.n, 12, f->sg.len - 12, NULL);
    return send_offloaded(s, out, n, f->command);
}

static void give_back(struct rtl8139 *s, const struct frame *f) {
    for (unsigned i = 0; i < f->pieces; i++) {
        uint8_t status[4];
        store_le32(status, f->piece[i].command & ~(TD_OWN | TD_STATUS));
        dma_write(&s->pci.dma, f->piece[i].at, status, sizeof(status));
    }
}

/* False: nothing more can be sent from this ring now. */
static bool send_from(struct rtl8139 *s, unsigned ring) {
    struct frame f;
    enum gathered gathered = gather(s, ring, &f);
    bool sent = gathered == WHOLE && send_frame(s, &f);
    dma_sg_done(&s->pci.dma, &f.sg, false);
    if (gathered == ENDLESS) {
        log_guest(&s->odd, "rtl8139: a frame of more than %d pieces is dropped", RING);
        s->tally.tx_err++;
        s->isr |= INT_TER;
    } else if (!sent) {
        return false;
    } else {
        sent_one(s);
    }
    give_back(s, &f);
    s->ring_next[ring] = f.next;
    return true;
}

/* A ring that the driver fills as fast as we empty it goes on when it is polled again. */
static void send_ring(struct rtl8139 *s, unsigned ring) {
    for (unsigned i = 0; i < RING; i++)
        if (!send_from(s, ring))
            return;
}

void rtl8139_transmit(struct rtl8139 *s) {
    s->tx_waits = false;
    if (!(s->cr & CR_TE) || !s->pci.master)
        return;
    if (s->cpcr & CPCR_TX) {
        for (unsigned ring = RINGS; ring-- > 0 && !s->tx_waits;) { /* high priority first */
            if (!(s->polled >> ring & 1))
                continue;
            send_ring(s, ring);
            if (!s->tx_waits)
                s->polled &= (uint8_t)~(1u << ring);
        }
    } else {
        send_four(s);
    }
    rtl8139_update_irq(s);
}

void rtl8139_sendable(void *dev) {
    struct rtl8139 *s = dev;
    if (s->tx_waits)
        rtl8139_transmit(s);
}
