/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which queue a frame goes to: by the guest's rule (xen/io/netif.h, "Hash types", Toeplitz), or,
 * without one, by a hash of ours of addresses and ports, so that a flow stays in order.
 */
#include "pv/net_priv.h"

#include <string.h>

#include "core/net_flow.h"

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

/* The maximal type that the guest has chosen and the frame is of. */
static bool guests_rule(const struct pv_net *d, const struct net_flow *t, struct flow_hash *hash) {
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
    struct iovec iov = {frame, len};
    struct net_flow t;
    *hash = (struct flow_hash){.tell = false};
    if (!rule && d->queue_count == 1)
        return &d->queues[0];
    net_flow_of(&iov, 1, &t);
    if (!rule)
        return &d->queues[net_flow_queue(net_flow_hash(&t), d->queue_count)];
    if (!guests_rule(d, &t, hash))
        return &d->queues[0];
    if (!d->hash_mapping_size)
        return &d->queues[hash->val % d->queue_count];
    return &d->queues[d->hash_mapping[hash->val % d->hash_mapping_size]];
}
