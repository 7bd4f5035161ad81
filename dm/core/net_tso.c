/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a NIC left undone and a link can't do: a checksum, or cutting a long TCP frame (or a UDP
 * datagram that became too long for the wire) into segments. Headers are made in a buffer, the
 * payload goes out from where it is. See net_frame.h.
 */
#include <string.h>

#include "bits.h"
#include "net_frame.h"

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80, TCP_FLAGS = 13 };

/* ---- a checksum ---- */

static uint16_t finish(uint16_t sum) {
    uint16_t v = (uint16_t)~sum;
    return v ? v : 0xffff; /* RFC 768: 0 would mean none; equal for TCP */
}

void net_complete_sum(const struct iovec *iov, unsigned n, size_t len,
                      const struct net_meta *meta) {
    size_t at = (size_t)meta->csum_start + meta->csum_offset;
    uint8_t sum[2];
    if (at + 2 > len)
        return;
    store_be16(sum, finish(net_iov_sum(0, iov, n, meta->csum_start, len - meta->csum_start)));
    net_iov_fill(iov, n, at, sum, sizeof(sum));
}

/* The frame with two of its bytes replaced. */
static bool send_sum(struct net *net, const struct iovec *iov, unsigned n,
                     const struct net_meta *meta) {
    struct iovec out[NET_IOVS + 2];
    size_t len = net_iov_len(iov, n), at = (size_t)meta->csum_start + meta->csum_offset;
    uint8_t sum[2];
    if (at + 2 > len || n > NET_IOVS - 1) {
        net->stats.tx_dropped++;
        return true;
    }
    store_be16(sum, finish(net_iov_sum(0, iov, n, meta->csum_start, len - meta->csum_start)));
    unsigned count = net_iov_slice(out, NET_IOVS, iov, n, 0, at, NULL);
    out[count++] = (struct iovec){sum, sizeof(sum)};
    count += net_iov_slice(out + count, NET_IOVS + 2 - count, iov, n, at + 2, len, NULL);
    return net_send(net, out, count, NULL);
}

/* ---- segments ---- */

bool net_segments_begin(struct net_segments *t, const struct iovec *iov, unsigned n, size_t len,
                        const struct net_meta *meta) {
    unsigned type = meta->gso_type & (unsigned)~NET_GSO_ECN;
    if (!net_layout(iov, n, &t->layout) || !t->layout.l4_header || !meta->gso_size)
        return false;
    bool tcp = type == NET_GSO_TCP4 || type == NET_GSO_TCP6;
    if (!tcp || t->layout.proto != NET_PROTO_TCP)
        return false;
    t->header = t->layout.l4 + t->layout.l4_header;
    if (t->header > NET_HEADERS_MAX || t->header >= len)
        return false;
    t->mss = meta->gso_size;
    t->payload = len - t->header;
    t->segments = (unsigned)((t->payload + t->mss - 1) / t->mss);
    net_iov_fetch(iov, n, 0, t->bytes, t->header);
    return true;
}

static void put_ip(const struct net_segments *t, uint8_t *h, unsigned segment, size_t packet) {
    uint8_t *ip = h + t->layout.l3;
    if (t->layout.ip == 6) {
        store_be16(ip + 4, (uint16_t)(packet - 40));
        return;
    }
    store_be16(ip + 2, (uint16_t)packet);
    store_be16(ip + 4, (uint16_t)(load_be16(ip + 4) + segment));
    store_be16(ip + 10, 0);
    store_be16(ip + 10, (uint16_t)~net_sum(0, ip, t->layout.l4 - t->layout.l3));
}

/* RFC 793, 3.1: the last segment has FIN and PSH, the first CWR (RFC 3168, 6.1.2). */
static void put_tcp(const struct net_segments *t, uint8_t *h, unsigned segment) {
    uint8_t *tcp = h + t->layout.l4;
    store_be32(tcp + 4, load_be32(tcp + 4) + segment * t->mss);
    if (segment + 1 < t->segments)
        tcp[TCP_FLAGS] &= (uint8_t)~(TCP_FIN | TCP_PSH);
    if (segment)
        tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
}

void net_segment(const struct net_segments *t, unsigned segment, uint8_t *h,
                 const struct iovec *payload, unsigned count, size_t len) {
    size_t l4 = t->layout.l4_header + len;
    memcpy(h, t->bytes, t->header);
    put_ip(t, h, segment, t->header - t->layout.l3 + len);
    put_tcp(t, h, segment);
    uint8_t *tcp = h + t->layout.l4;
    store_be16(tcp + 16, 0);
    struct iovec headers = {h, t->header};
    uint16_t sum = net_sum(net_pseudo_sum(&headers, 1, &t->layout, l4), tcp, t->layout.l4_header);
    store_be16(tcp + 16, finish(net_iov_sum(sum, payload, count, 0, len)));
}

static bool send_segments(struct net *net, const struct iovec *iov, unsigned n,
                          const struct net_meta *meta, unsigned *segment) {
    struct net_segments t;
    if (n > NET_IOVS || !net_segments_begin(&t, iov, n, net_iov_len(iov, n), meta)) {
        net->stats.tx_dropped++;
        return true;
    }
    for (; *segment < t.segments; ++*segment) {
        struct iovec out[NET_IOVS + 1];
        uint8_t h[NET_HEADERS_MAX];
        size_t off = (size_t)*segment * t.mss, len = MIN((size_t)t.mss, t.payload - off);
        unsigned count = net_iov_slice(out + 1, NET_IOVS, iov, n, t.header + off, len, NULL);
        net_segment(&t, *segment, h, out + 1, count, len);
        out[0] = (struct iovec){h, t.header};
        if (!net_send(net, out, count + 1, NULL))
            return false;
    }
    return true;
}

static unsigned needs(const struct net_meta *meta) {
    unsigned need = meta->flags & NET_META_CSUM ? NET_CSUM : 0;
    switch (meta->gso_type & ~NET_GSO_ECN) {
    case NET_GSO_TCP4:
        need |= NET_TSO4;
        break;
    case NET_GSO_TCP6:
        need |= NET_TSO6;
        break;
    case NET_GSO_UDP4:
        need |= NET_UFO;
        break;
    }
    return need | (meta->gso_type & NET_GSO_ECN ? NET_ECN : 0);
}

bool net_send_undone(struct net *net, const struct iovec *iov, unsigned n,
                     const struct net_meta *meta, unsigned *segment) {
    if (!net)
        return true;
    unsigned need = meta ? needs(meta) : 0;
    if (!need)
        return net_send(net, iov, n, NULL);
    if (!(need & ~net->offloads))
        return net_send(net, iov, n, meta);
    bool done = need == NET_CSUM ? send_sum(net, iov, n, meta)
                                 : send_segments(net, iov, n, meta, segment);
    if (done)
        *segment = 0;
    return done;
}

/* ---- headers as net_meta wants them ---- */

bool net_prepare_tso(uint8_t *headers, size_t len, size_t payload, unsigned mss,
                     struct net_meta *meta) {
    struct iovec iov = {headers, len};
    struct net_layout l;
    if (len > NET_HEADERS_MAX || payload + len > NET_FRAME_MAX || !mss || mss > UINT16_MAX ||
        !net_layout(&iov, 1, &l) || l.proto != NET_PROTO_TCP)
        return false;
    if (!l.l4_header || (size_t)l.l4 + l.l4_header != len)
        return false;
    uint8_t *ip = headers + l.l3, *tcp = headers + l.l4;
    size_t l4 = l.l4_header + payload, packet = l.l4 - l.l3 + l4;
    if (packet > UINT16_MAX)
        return false;
    if (l.ip == 4) {
        store_be16(ip + 2, (uint16_t)packet);
        store_be16(ip + 10, 0);
        store_be16(ip + 10, (uint16_t)~net_sum(0, ip, l.l4 - l.l3));
    } else {
        store_be16(ip + 4, (uint16_t)(packet - 40));
    }
    store_be16(tcp + 16, net_pseudo_sum(&iov, 1, &l, l4));
    *meta = (struct net_meta){.flags = NET_META_CSUM,
                              .gso_type = l.ip == 4 ? NET_GSO_TCP4 : NET_GSO_TCP6,
                              .hdr_len = (uint16_t)len, .gso_size = (uint16_t)mss,
                              .csum_start = l.l4, .csum_offset = 16};
    return true;
}
