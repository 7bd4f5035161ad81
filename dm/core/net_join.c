/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP segments joined to a long frame. See net_join.h.
 */
#include "net_join.h"

#include <string.h>

#include "bits.h"

enum { IP_LEN = 2, IP_ID = 4, IP_SUM = 10, IP_PLAIN = 20, TCP_SEQ = 4, TCP_FLAGS = 13, TCP_SUM = 16,
       PSH = 0x08, ACK = 0x10 };

/* A whole segment that nobody could object to. */
static bool is_good(const struct iovec *list, unsigned n, size_t len, struct net_layout *l) {
    if (!net_layout(list, n, l) || l->ip != 4 || l->proto != NET_PROTO_TCP || l->fragment)
        return false;
    if (!l->l4_header || l->l4 - l->l3 != IP_PLAIN || l->end != len ||
        l->l4 + l->l4_header >= len)
        return false;
    uint8_t flags = 0, total[2];
    net_iov_fetch(list, n, (size_t)l->l3 + IP_LEN, total, sizeof(total));
    if (load_be16(total) != len - l->l3)
        return false;
    net_iov_fetch(list, n, (size_t)l->l4 + TCP_FLAGS, &flags, 1);
    return (flags | PSH) == (PSH | ACK) && net_verify(list, n, l) == (NET_SUM_IP | NET_SUM_L4);
}

/* A first look, before anything is copied. */
static bool may_be_tcp(const struct iovec *iov, unsigned n) {
    uint8_t h[24] = {0};
    net_iov_fetch(iov, n, 0, h, sizeof(h));
    unsigned type = load_be16(h + 12);
    return type == NET_ETH_VLAN || (type == NET_ETH_IP4 && h[23] == NET_PROTO_TCP);
}

static bool begin(struct net_join *j, const struct iovec *iov, unsigned n, size_t len) {
    struct net_layout l;
    if (len > NET_JOIN_MAX || !may_be_tcp(iov, n))
        return false;
    net_iov_fetch(iov, n, 0, j->bytes, len);
    struct iovec list = {j->bytes, len};
    if (!is_good(&list, 1, len, &l))
        return false;
    j->segments = 1;
    j->header = l.l4 + l.l4_header;
    j->mss = (unsigned)(len - j->header);
    j->len = len;
    j->ended = j->bytes[l.l4 + TCP_FLAGS] & PSH;
    return true;
}

/* The headers are those of the first segment, but for what counts. */
static bool follows(const struct net_join *j, const uint8_t *h, const struct net_layout *l) {
    uint8_t same[NET_HEADERS_MAX];
    const uint8_t *first = j->bytes, *ip = first + l->l3, *tcp = first + l->l4;
    size_t before = j->len - j->header;
    if (load_be32(h + l->l4 + TCP_SEQ) != (uint32_t)(load_be32(tcp + TCP_SEQ) + before) ||
        load_be16(h + l->l3 + IP_ID) != (uint16_t)(load_be16(ip + IP_ID) + j->segments))
        return false;
    memcpy(same, h, j->header);
    memcpy(same + l->l3 + IP_LEN, ip + IP_LEN, 4); /* and the id */
    memcpy(same + l->l3 + IP_SUM, ip + IP_SUM, 2);
    memcpy(same + l->l4 + TCP_SEQ, tcp + TCP_SEQ, 4);
    memcpy(same + l->l4 + TCP_SUM, tcp + TCP_SUM, 2);
    same[l->l4 + TCP_FLAGS] = tcp[TCP_FLAGS];
    return !memcmp(same, first, j->header);
}

bool net_join_add(struct net_join *j, const struct iovec *iov, unsigned n) {
    size_t len = net_iov_len(iov, n), payload;
    uint8_t h[NET_HEADERS_MAX];
    struct net_layout l;
    if (!j->segments)
        return begin(j, iov, n, len);
    payload = len > j->header ? len - j->header : 0;
    if (j->ended || !payload || payload > j->mss || j->len + payload > NET_JOIN_MAX)
        return false;
    net_iov_fetch(iov, n, 0, h, j->header);
    net_iov_fetch(iov, n, j->header, j->bytes + j->len, payload);
    struct iovec list[2] = {{h, j->header}, {j->bytes + j->len, payload}};
    if (!is_good(list, 2, len, &l) || l.l4 + l.l4_header != j->header || !follows(j, h, &l))
        return false;
    uint8_t push = h[l.l4 + TCP_FLAGS] & PSH;
    j->bytes[l.l4 + TCP_FLAGS] |= push;
    j->ended = push || payload < j->mss;
    j->len += payload;
    j->segments++;
    return true;
}

void net_join_finish(struct net_join *j, struct net_meta *meta) {
    *meta = (struct net_meta){0};
    if (j->segments > 1)
        net_prepare_tso(j->bytes, j->header, j->len - j->header, j->mss, meta);
}
