/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is the same for every link: a cable that is out, and the counters. See net.h.
 */
#include "net.h"

static size_t length(const struct iovec *iov, unsigned n) {
    size_t len = 0;
    for (unsigned i = 0; i < n; i++)
        len += iov[i].iov_len;
    return len;
}

bool net_send(struct net *net, const struct iovec *iov, unsigned n, const struct net_meta *meta) {
    size_t len = length(iov, n);
    if (!net)
        return true;
    if (!net->link_up || len < NET_HEADER || len > NET_FRAME_MAX) {
        net->stats.tx_dropped++;
        return true;
    }
    if (!net->ops->send(net, iov, n, meta))
        return false;
    net->stats.tx_frames++;
    net->stats.tx_bytes += len;
    return true;
}

size_t net_receive(struct net *net, const struct iovec *iov, unsigned n, struct net_meta *meta) {
    size_t len = net && net->link_up ? net->ops->receive(net, iov, n, meta) : 0;
    if (len) {
        net->stats.rx_frames++;
        net->stats.rx_bytes += len;
    }
    return len;
}

void net_listen(struct net *net, bool on) {
    if (net)
        net->ops->listen(net, on);
}

void net_accept(struct net *net, unsigned offloads) {
    if (net)
        net->ops->accept(net, offloads);
}

void net_set_link(struct net *net, bool up) {
    if (net->link_up == up)
        return;
    net->link_up = up;
    if (net->user.link)
        net->user.link(net->user.dev, up);
}
