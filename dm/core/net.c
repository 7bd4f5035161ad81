/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is the same for every link: a cable that is out, a machine that stands still, and the
 * counters. See net.h.
 */
#include "net.h"

enum { STALE_MAX = 4096 }; /* more than a tap's queue holds by default */

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
    if (!net->link_up || net->closed || len < NET_HEADER || len > NET_FRAME_MAX) {
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
    if (!net || !net->link_up || net->closed)
        return 0;
    size_t len = net->ops->receive(net, iov, n, meta);
    if (len) {
        net->stats.rx_frames++;
        net->stats.rx_bytes += len;
    }
    return len;
}

static void settle(struct net *net) {
    bool on = net->wanted && net->link_up && !net->paused && !net->closed;
    if (on == net->listening)
        return;
    net->listening = on;
    net->ops->listen(net, on);
}

void net_listen(struct net *net, bool on) {
    if (!net || net->wanted == on)
        return;
    net->wanted = on;
    settle(net);
}

void net_accept(struct net *net, unsigned offloads) {
    if (net && !net->closed)
        net->ops->accept(net, offloads);
}

void net_set_link(struct net *net, bool up) {
    if (net->link_up == up)
        return;
    for (unsigned i = 0; up && !net->closed && i < STALE_MAX; i++)
        if (!net->ops->receive(net, NULL, 0, NULL))
            break;
    net->link_up = up;
    settle(net);
    if (net->user.link)
        net->user.link(net->user.dev, up);
}

void net_pause(struct net *net, bool pause) {
    net->paused = pause;
    settle(net);
    if (!pause && net->owed) {
        net->owed = false;
        net_sendable(net);
    }
}

void net_close(struct net *net) {
    if (net->closed)
        return;
    net->closed = true;
    settle(net);
    net->ops->close(net);
    /* what waits to be sent can go now: nowhere */
    net_sendable(net);
}

void net_free(struct net *net) {
    net->user = (struct net_user){0};
    net_close(net);
    net->ops->free(net);
}

void net_arrived(struct net *net) {
    if (net->listening)
        net->user.arrived(net->user.dev);
}

void net_sendable(struct net *net) {
    if (net->paused)
        net->owed = true;
    else if (net->user.sendable)
        net->user.sendable(net->user.dev);
}
