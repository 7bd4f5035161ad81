/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scatter lists, checksums, filters, and the anatomy of a frame. Segmentation is in net_tso.c. See
 * net_frame.h.
 */
#include "net_frame.h"

#include <string.h>

#include "bits.h"

/* ---- scatter lists ---- */

size_t net_iov_len(const struct iovec *iov, unsigned n) {
    size_t len = 0;
    for (unsigned i = 0; i < n; i++)
        len += iov[i].iov_len;
    return len;
}

unsigned net_iov_slice(struct iovec *to, unsigned max, const struct iovec *iov, unsigned n,
                       size_t off, size_t len, size_t *got) {
    unsigned count = 0;
    size_t done = 0;
    for (unsigned i = 0; i < n && done < len && count < max; i++) {
        size_t have = iov[i].iov_len;
        if (off >= have) {
            off -= have;
            continue;
        }
        size_t take = MIN(have - off, len - done);
        to[count++] = (struct iovec){(uint8_t *)iov[i].iov_base + off, take};
        done += take;
        off = 0;
    }
    if (got)
        *got = done;
    return count;
}

static size_t copy(const struct iovec *iov, unsigned n, size_t off, uint8_t *buf, size_t len,
                   bool fill) {
    size_t done = 0;
    for (unsigned i = 0; i < n && done < len; i++) {
        size_t have = iov[i].iov_len;
        if (off >= have) {
            off -= have;
            continue;
        }
        uint8_t *at = (uint8_t *)iov[i].iov_base + off;
        size_t take = MIN(have - off, len - done);
        if (fill)
            memcpy(at, buf + done, take);
        else
            memcpy(buf + done, at, take);
        done += take;
        off = 0;
    }
    return done;
}

size_t net_iov_fetch(const struct iovec *iov, unsigned n, size_t off, void *buf, size_t len) {
    return copy(iov, n, off, buf, len, false);
}

size_t net_iov_fill(const struct iovec *iov, unsigned n, size_t off, const void *buf, size_t len) {
    return copy(iov, n, off, (uint8_t *)(uintptr_t)buf, len, true);
}

/* ---- checksums: RFC 1071 ---- */

static uint16_t fold(uint64_t sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static uint16_t swap(uint16_t v) {
    return (uint16_t)(v << 8 | v >> 8);
}

typedef uint64_t pair __attribute__((vector_size(16)));

static pair load_pair(const uint8_t *p) {
    pair v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/*
 * In host order, words of four bytes: the sum does not mind which order, as long as it is one. The
 * halves of a pair are summed side by side, and don't overflow in less than 2^32 of them.
 */
static uint64_t sum_words(const uint8_t *p, size_t len) {
    const pair low = {UINT32_MAX, UINT32_MAX};
    pair a = {0}, b = {0};
    for (; len >= 4 * sizeof(pair); p += 4 * sizeof(pair), len -= 4 * sizeof(pair)) {
        pair v = load_pair(p), w = load_pair(p + 16), x = load_pair(p + 32), y = load_pair(p + 48);
        a += (v & low) + (w & low) + (x & low) + (y & low);
        b += (v >> 32) + (w >> 32) + (x >> 32) + (y >> 32);
    }
    a += b;
    uint64_t sum = a[0] + a[1];
    for (uint32_t word; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        sum += word;
    }
    if (len >= 2)
        sum += (uint64_t)(p[0] | p[1] << 8);
    return sum + (len & 1 ? p[len - 1] : 0);
}

uint16_t net_sum(uint16_t sum, const void *bytes, size_t len) {
    return fold((uint64_t)swap(fold(sum_words(bytes, len))) + sum);
}

/* A run that begins at an odd place has its bytes the other way round. */
uint16_t net_iov_sum(uint16_t sum, const struct iovec *iov, unsigned n, size_t off, size_t len) {
    uint64_t total = sum;
    bool odd = false;
    for (unsigned i = 0; i < n && len; i++) {
        size_t have = iov[i].iov_len;
        if (off >= have) {
            off -= have;
            continue;
        }
        size_t take = MIN(have - off, len);
        uint16_t part = fold(sum_words((const uint8_t *)iov[i].iov_base + off, take));
        total += odd ? part : swap(part);
        odd ^= take & 1;
        len -= take;
        off = 0;
    }
    return fold(total);
}

/* ---- what is in a frame ---- */

static void layout_l4(const struct iovec *iov, unsigned n, struct net_layout *l) {
    uint8_t h[20];
    size_t room = l->end > l->l4 ? l->end - l->l4 : 0;
    if (l->fragment || net_iov_fetch(iov, n, l->l4, h, MIN(room, sizeof(h))) < 8)
        return;
    if (l->proto == NET_PROTO_UDP)
        l->l4_header = 8;
    if (l->proto == NET_PROTO_TCP && room >= 20 && h[12] >> 4 >= 5 && (h[12] >> 4) * 4u <= room)
        l->l4_header = (uint16_t)((h[12] >> 4) * 4);
}

static void layout_ip4(const struct iovec *iov, unsigned n, struct net_layout *l, size_t len) {
    uint8_t h[20];
    if (net_iov_fetch(iov, n, l->l3, h, sizeof(h)) < sizeof(h) || h[0] >> 4 != 4)
        return;
    unsigned header = (h[0] & 15) * 4, total = load_be16(h + 2);
    if (header < 20 || l->l3 + header > len)
        return;
    /* a driver that asks for segmentation may leave the length to us */
    l->end = total >= header && l->l3 + total <= len ? l->l3 + total : len;
    l->ip = 4;
    l->proto = h[9];
    l->fragment = load_be16(h + 6) & 0x3fff;
    l->l4 = (uint16_t)(l->l3 + header);
}

/* Past the extension headers that may stand before TCP (RFC 8200, 4.1). */
static void layout_ip6(const struct iovec *iov, unsigned n, struct net_layout *l, size_t len) {
    enum { HOPS = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60, EXTENSIONS = 8 };
    uint8_t h[40];
    if (net_iov_fetch(iov, n, l->l3, h, sizeof(h)) < sizeof(h) || h[0] >> 4 != 6)
        return;
    size_t at = l->l3 + 40u, payload = load_be16(h + 4);
    l->end = payload && at + payload <= len ? at + payload : len;
    l->ip = 6;
    l->proto = h[6];
    for (unsigned i = 0; i < EXTENSIONS; i++) {
        if (l->proto != HOPS && l->proto != ROUTING && l->proto != FRAGMENT &&
            l->proto != DESTINATION)
            break;
        if (net_iov_fetch(iov, n, at, h, 8) < 8)
            break;
        l->fragment |= l->proto == FRAGMENT;
        at += l->proto == FRAGMENT ? 8u : 8u + h[1] * 8u;
        l->proto = h[0];
    }
    l->l4 = (uint16_t)MIN(at, len);
}

bool net_layout(const struct iovec *iov, unsigned n, struct net_layout *l) {
    uint8_t h[NET_HEADER + NET_TAG];
    size_t len = net_iov_len(iov, n);
    *l = (struct net_layout){.l3 = NET_HEADER, .end = len};
    if (net_iov_fetch(iov, n, 0, h, sizeof(h)) < NET_HEADER)
        return false;
    l->type = load_be16(h + 12);
    if (l->type == NET_ETH_VLAN && len >= sizeof(h)) {
        l->type = load_be16(h + 16);
        l->l3 += NET_TAG;
    }
    if (l->type == NET_ETH_IP4)
        layout_ip4(iov, n, l, len);
    else if (l->type == NET_ETH_IP6)
        layout_ip6(iov, n, l, len);
    if (l->ip)
        layout_l4(iov, n, l);
    return true;
}

uint16_t net_pseudo_sum(const struct iovec *iov, unsigned n, const struct net_layout *l,
                        size_t len) {
    size_t addresses = l->ip == 4 ? l->l3 + 12u : l->l3 + 8u;
    uint16_t sum = net_iov_sum(0, iov, n, addresses, l->ip == 4 ? 8 : 32);
    return fold((uint64_t)sum + l->proto + (len & 0xffff) + (len >> 16));
}

unsigned net_verify(const struct iovec *iov, unsigned n, const struct net_layout *l) {
    unsigned told = 0;
    if (l->ip == 4)
        told |= net_iov_sum(0, iov, n, l->l3, l->l4 - l->l3) == 0xffff ? NET_SUM_IP
                                                                     : NET_SUM_IP | NET_SUM_IP_BAD;
    if (!l->l4_header)
        return told;
    size_t len = l->end - l->l4;
    uint8_t udp[8];
    if (l->proto == NET_PROTO_UDP) {
        net_iov_fetch(iov, n, l->l4, udp, sizeof(udp));
        if (!load_be16(udp + 6)) /* RFC 768: none was made */
            return told;
        if (load_be16(udp + 4) > len || load_be16(udp + 4) < sizeof(udp))
            return told | NET_SUM_L4 | NET_SUM_L4_BAD;
        len = load_be16(udp + 4);
    }
    uint16_t sum = net_iov_sum(net_pseudo_sum(iov, n, l, len), iov, n, l->l4, len);
    return told | (sum == 0xffff ? NET_SUM_L4 : NET_SUM_L4 | NET_SUM_L4_BAD);
}

/* ---- filters and tags ---- */

/* IEEE 802.3, 3.2.9, reflected: by nibbles, since only addresses and small frames come here. */
static uint32_t crc(const uint8_t *p, size_t len) {
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t v = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        v ^= p[i];
        v = v >> 4 ^ table[v & 15];
        v = v >> 4 ^ table[v & 15];
    }
    return v;
}

uint32_t net_crc32(const void *bytes, size_t len) {
    return ~crc(bytes, len);
}

uint32_t net_hash(const uint8_t mac[NET_MAC]) {
    uint32_t v = crc(mac, NET_MAC), out = 0;
    for (unsigned i = 0; i < 32; i++)
        out |= (v >> i & 1) << (31 - i);
    return out;
}

void net_tag(uint8_t tag[NET_TAG], uint16_t tci) {
    store_be16(tag, NET_ETH_VLAN);
    store_be16(tag + 2, tci);
}
