/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which flow a frame belongs to: the addresses of its ends, and their ports if there are any.
 * Devices with several queues keep the frames of a flow on one of them, and so in order.
 */
#ifndef CORE_NET_FLOW_H
#define CORE_NET_FLOW_H

#include "net_frame.h"

struct net_flow {
    uint8_t bytes[36]; /* both addresses and then both ports, as in the frame */
    unsigned len;      /* of the addresses; 0: not IP */
    bool ports;        /* 4 more bytes */
    bool tcp;
};

void net_flow_of(const struct iovec *iov, unsigned n, struct net_flow *flow);
/* The same for both directions. */
uint32_t net_flow_hash(const struct net_flow *flow);

/* The queue of so many for a flow of which nothing else is known. */
static inline unsigned net_flow_queue(uint32_t hash, unsigned queues) {
    return (unsigned)((uint64_t)hash * queues >> 32);
}

#endif
