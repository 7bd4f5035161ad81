/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of one TCP stream that follow each other, joined to a long one that can be cut into
 * exactly these again: what a guest's driver has cut costs the host's network one frame and not
 * forty. Only what is right to the last bit is joined: IPv4 without options, both checksums good,
 * headers that differ in nothing but what each segment counts on. Pure; bytes are copied, then
 * looked at.
 */
#ifndef CORE_NET_JOIN_H
#define CORE_NET_JOIN_H

#include "net_frame.h"

enum { NET_JOIN_MIN = 600 /* shorter frames are not worth the look */, NET_JOIN_MAX = 65535 };

struct net_join {
    unsigned segments; /* 0: nothing is there */
    unsigned header, mss;
    size_t len;
    bool ended; /* nothing can follow: a push, or a short one */
    uint8_t bytes[NET_JOIN_MAX + 1];
};

/* Takes a plain frame if it begins a long one or follows what is there. */
bool net_join_add(struct net_join *j, const struct iovec *iov, unsigned n);

/* What is there as one frame, which is at bytes; with `meta` for its cutting. */
void net_join_finish(struct net_join *j, struct net_meta *meta);

#endif
