/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which queue a frame goes to: by the guest's rule (xen/io/netif.h, "Hash types", Toeplitz), or,
 * without one, by a hash of ours of addresses and ports, so that a flow stays in order.
 */
#include "pv/net_priv.h"

#include <string.h>

#include "core/bits.h"

uint32_t net_toeplitz(const uint8_t *key, unsigned key_len, const uint8_t *bytes, unsigned len) {
    uint64_t window = 0; /* its upper half is what the next bit takes */
    uint32_t hash = 0;
    for (unsigned i = 0; i < 8; i++)
        window = window << 8 | (i < key_len ? key[i] : 0);
    for (unsigned i = 0; i < len; i++) {
        for (unsigned bit = 0x80; bit; bit >>= 1, window <<= 1)
            if (bytes[i] & bit)
                hash ^= (uint32_t)(window >> 32);
        window |= i + 8 < key_len ? key[i + 8] : 0;
    }
    return hash;
}

/* Addresses, then ports if there are any. */
struct tuple {
    uint8_t bytes[36];
    unsigned len; /* of the addresses; 0: not IP */
    bool ports;
    bool tcp;
};

static void take_tuple(uint8_t *frame, size_t len, struct tuple *t) {
    struct iovec iov = {frame, len};
    struct net_layout l;
    *t = (struct tuple){.len = 0};
    if (!net_layout(&iov, 1, &l) || !l.ip)
        return;
    t->len = l.ip == 4 ? 8 : 32;
    memcpy(t->bytes, frame + l.l3 + (l.ip == 4 ? 12 : 8), t->len);
    t->tcp = l.proto == NET_PROTO_TCP && !l.fragment && l.l4_header;
    t->ports = t->tcp || (l.proto == NET_PROTO_UDP && !l.fragment && l.l4_header);
    if (t->ports)
        memcpy(t->bytes + t->len, frame + l.l4, 4);
}

static struct net_queue *by_own_rule(struct pv_net *d, const struct tuple *t) {
    uint32_t hash = 0x811c9dc5;
    for (unsigned i = 0; i < t->len + (t->ports ? 4 : 0); i += 4)
        hash = (hash ^ load_le32(t->bytes + i)) * 0x9e3779b1;
    return &d->queues[(uint64_t)hash * d->queue_count >> 32];
}

/* The maximal type that the guest has chosen and the frame is of. */
static bool guests_rule(const struct pv_net *d, const struct tuple *t, struct flow_hash *hash) {
    unsigned plain = t->len == 8 ? NETHASH_IP4 : NETHASH_IP6, len = t->len;
    unsigned tcp = t->len == 8 ? NETHASH_TCP4 : NETHASH_TCP6;
    if (!t->len)
        return false;
    if (t->tcp && d->hash_flags & 1u << tcp) {
        hash->type = (uint8_t)tcp;
        len += 4;
    } else if (d->hash_flags & 1u << plain) {
        hash->type = (uint8_t)plain;
    } else {
        return false;
    }
    hash->val = net_toeplitz(d->hash_key, HASH_KEY, t->bytes, len);
    hash->tell = true;
    return true;
}

struct net_queue *net_steer(struct pv_net *d, uint8_t *frame, size_t len, struct flow_hash *hash) {
    bool rule = d->hash_algorithm == NETHASH_TOEPLITZ && d->hash_flags;
    struct tuple t;
    *hash = (struct flow_hash){.tell = false};
    if (!rule && d->queue_count == 1)
        return &d->queues[0];
    take_tuple(frame, len, &t);
    if (!rule)
        return by_own_rule(d, &t);
    if (!guests_rule(d, &t, hash))
        return &d->queues[0];
    if (!d->hash_mapping_size)
        return &d->queues[hash->val % d->queue_count];
    return &d->queues[d->hash_mapping[hash->val % d->hash_mapping_size]];
}
