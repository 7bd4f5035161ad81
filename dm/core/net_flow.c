/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See net_flow.h.
 */
#include "net_flow.h"

#include "bits.h"

void net_flow_of(const struct iovec *iov, unsigned n, struct net_flow *flow) {
    struct net_layout l;
    *flow = (struct net_flow){.len = 0};
    if (!net_layout(iov, n, &l) || !l.ip)
        return;
    flow->len = l.ip == 4 ? 8 : 32;
    net_iov_fetch(iov, n, l.l3 + (l.ip == 4 ? 12u : 8u), flow->bytes, flow->len);
    flow->tcp = l.proto == NET_PROTO_TCP && !l.fragment && l.l4_header;
    flow->ports = flow->tcp || (l.proto == NET_PROTO_UDP && !l.fragment && l.l4_header);
    if (flow->ports)
        net_iov_fetch(iov, n, l.l4, flow->bytes + flow->len, 4);
}

/* The end whose address and port begin there. */
static uint32_t hash_end(const uint8_t *addr, unsigned len, const uint8_t *port) {
    uint32_t hash = 0x811c9dc5;
    for (unsigned i = 0; i < len; i += 4)
        hash = (hash ^ load_le32(addr + i)) * 0x9e3779b1;
    return (hash ^ load_le16(port)) * 0x85ebca6b;
}

uint32_t net_flow_hash(const struct net_flow *flow) {
    const uint8_t *bytes = flow->bytes, *ports = bytes + flow->len;
    unsigned half = flow->len / 2;
    uint32_t sum = hash_end(bytes, half, ports) + hash_end(bytes + half, half, ports + 2);
    return (sum ^ sum >> 15) * 0x9e3779b1;
}
