/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend of netfront. Document: see net.h.
 *
 * Frames are moved by grant copies, many frames to a hypercall: nothing of the guest stays mapped
 * but the rings, and what it asks to keep mapped. Checksums and segments are left to whoever comes
 * last. One link serves all queues: they are the guest's way to spread its work, not ours.
 *
 * A frontend that breaks the protocol is not served any more, until it reconnects.
 *
 * Not modelled: page flipping, limits of rate.
 */
#include "pv/net.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "pv/net_priv.h"

enum { STALE_MAX = 4096, NODE_MAX = 64 };

void net_broken(struct pv_net *d, const char *what, unsigned val) {
    log_guest(&d->odd, "%s: %s %u: not served", d->dev->backend, what, val);
    d->broken = true;
    timer_off(&d->drain);
    timer_off(&d->poll);
    net_listen(d->net, false);
}

static void both_events(void *arg) {
    net_rx_event(arg);
    net_tx_event(arg);
}

/* ---- what the frontend says ---- */

static bool says(struct pv_net *d, const char *node) {
    return xenbus_frontend_number(d->dev, node, 0) == 1;
}

static unsigned offloads(struct pv_net *d) {
    unsigned set = says(d, "feature-no-csum-offload") ? 0 : NET_CSUM;
    d->csum6 = says(d, "feature-ipv6-csum-offload");
    if (!set || !says(d, "feature-sg"))
        return set;
    return set | (says(d, "feature-gso-tcpv4") ? NET_TSO4 : 0) |
           (d->csum6 && says(d, "feature-gso-tcpv6") ? NET_TSO6 : 0);
}

/* A number of the queue's: of its own folder if there are several. */
static uint64_t queue_number(struct net_queue *q, const char *node) {
    struct pv_net *d = q->net;
    char path[NODE_MAX];
    if (d->queue_count == 1)
        return xenbus_frontend_number(d->dev, node, UINT64_MAX);
    snprintf(path, sizeof(path), "queue-%u/%s", (unsigned)(q - d->queues), node);
    return xenbus_frontend_number(d->dev, path, UINT64_MAX);
}

/* ---- the connection ---- */

static bool bind(struct pv_net *d, struct pv_port *port, uint64_t remote, void (*wake)(void *),
                 void *arg) {
    *port = (struct pv_port){.event = wake, .arg = arg};
    if (remote <= UINT32_MAX && d->dev->pv->ops->bind(d->dev->pv, (uint32_t)remote, port))
        return true;
    log_warn("%s: an event channel can't be bound", d->dev->backend);
    return false;
}

static bool connect_queue(struct net_queue *q) {
    struct pv_net *d = q->net;
    uint64_t tx = queue_number(q, "tx-ring-ref"), rx = queue_number(q, "rx-ring-ref");
    if (tx > UINT32_MAX || rx > UINT32_MAX) {
        log_warn("%s: a ring of queue %u is not named", d->dev->backend,
                 (unsigned)(q - d->queues));
        return false;
    }
    if (!ring_map(&q->tx, d, (uint32_t)tx, NETIF_SLOTS, NETIF_TX_SLOT) ||
        !ring_map(&q->rx, d, (uint32_t)rx, NETIF_SLOTS, NETIF_RX_SLOT))
        return false;
    q->pending = true;
    q->tx.port = q->rx.port = &q->ports[0];
    uint64_t port = queue_number(q, "event-channel-tx");
    if (port == UINT64_MAX)
        return bind(d, &q->ports[0], queue_number(q, "event-channel"), both_events, q);
    q->rx.port = &q->ports[1];
    return bind(d, &q->ports[0], port, net_tx_event, q) &&
           bind(d, &q->ports[1], queue_number(q, "event-channel-rx"), net_rx_event, q);
}

static bool connect_ctrl(struct pv_net *d) {
    uint64_t ref = xenbus_frontend_number(d->dev, "ctrl-ring-ref", UINT64_MAX);
    if (ref > UINT32_MAX)
        return true;
    if (!ring_map(&d->ctrl, d, (uint32_t)ref, NETIF_CTRL_SLOTS, NETIF_CTRL_SLOT))
        return false;
    d->ctrl.port = &d->ctrl_port;
    uint64_t port = xenbus_frontend_number(d->dev, "event-channel-ctrl", UINT64_MAX);
    return bind(d, &d->ctrl_port, port, net_ctrl_event, d);
}

static void disconnect_queue(struct net_queue *q) {
    struct pv *pv = q->net->dev->pv;
    for (unsigned i = 0; i < ARRAY_LEN(q->ports); i++)
        pv->ops->unbind(pv, &q->ports[i]);
    ring_unmap(&q->tx);
    ring_unmap(&q->rx);
    net_forget_grefs(q);
}

static void pv_net_disconnect(void *backend) {
    struct pv_net *d = backend;
    net_listen(d->net, false);
    net_accept(d->net, 0); /* what waits on the host now shall be short */
    timer_off(&d->drain);
    timer_off(&d->poll);
    loop_cancel(d->board->loop, &d->again);
    loop_cancel(d->board->loop, &d->ctrl_again);
    d->dev->pv->ops->unbind(d->dev->pv, &d->ctrl_port);
    ring_unmap(&d->ctrl);
    for (unsigned i = 0; i < d->queue_count; i++)
        disconnect_queue(&d->queues[i]);
    mem_free(d->queues);
    if (d->tx_area)
        d->dev->pv->ops->free_area(d->dev->pv, d->tx_area);
    d->queues = NULL;
    d->tx_area = NULL;
    d->queue_count = 0;
}

static void begin(struct pv_net *d, unsigned queues) {
    d->broken = d->refused = d->serving = false;
    d->from = d->holder = NULL;
    d->frame_count = d->frame_next = d->segment = d->turn = 0;
    d->groups = 0;
    d->groups_only = says(d, "request-multicast-control");
    d->hash_algorithm = d->hash_flags = 0;
    d->hash_mapping_size = 0;
    memset(d->hash_key, 0, sizeof(d->hash_key));
    d->tx_area = d->dev->pv->ops->area(d->dev->pv, (2 * AREA + NET_FRAME_MAX) / PV_PAGE);
    d->rx_area = d->tx_area + AREA;
    d->held = d->rx_area + AREA;
    d->queues = mem_new(queues * sizeof(*d->queues));
    d->queue_count = queues;
    for (unsigned i = 0; i < queues; i++)
        d->queues[i] = (struct net_queue){.net = d, .last = -NS_PER_SEC};
}

static bool connect_all(struct pv_net *d) {
    for (unsigned i = 0; i < d->queue_count; i++)
        if (!connect_queue(&d->queues[i]))
            return false;
    return connect_ctrl(d);
}

static bool pv_net_connect(void *backend) {
    struct pv_net *d = backend;
    uint64_t queues = xenbus_frontend_number(d->dev, "multi-queue-num-queues", 1);
    if (!says(d, "request-rx-copy")) {
        log_warn("%s: the frontend wants pages flipped, not copied", d->dev->backend);
        return false;
    }
    if (!queues || queues > NET_QUEUES_MAX) {
        log_warn("%s: the frontend wants %llu queues", d->dev->backend,
                 (unsigned long long)queues);
        return false;
    }
    begin(d, (unsigned)queues);
    if (!connect_all(d)) {
        pv_net_disconnect(d);
        return false;
    }
    for (unsigned i = 0; i < STALE_MAX && net_receive(d->net, NULL, 0, NULL); i++)
        ;
    net_accept(d->net, offloads(d));
    net_rx_start(d);
    net_serve_tx(d);
    net_ctrl_event(d);
    return true;
}

/* The frontend may change its mind about multicast at any time. */
static void pv_net_changed(void *backend) {
    struct pv_net *d = backend;
    if (d->queues)
        d->groups_only = says(d, "request-multicast-control");
}

/* ---- the device ---- */

static void link_changed(void *dev, bool up) {
    struct pv_net *d = dev;
    xenbus_write_number(d->dev, "carrier", up);
}

static void write_features(struct xenbus_device *dev) {
    static const char *const features[] = {
        "feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6", "feature-ipv6-csum-offload",
        "feature-rx-copy", "feature-multicast-control", "feature-dynamic-multicast-control",
        "feature-split-event-channels", "feature-ctrl-ring"};
    for (unsigned i = 0; i < ARRAY_LEN(features); i++)
        xenbus_write_number(dev, features[i], 1);
    xenbus_write_number(dev, "feature-rx-flip", 0);
    xenbus_write_number(dev, "multi-queue-max-queues", NET_QUEUES_MAX);
}

static void *pv_net_init(struct xenbus_device *dev, void *owner) {
    const struct pv_net_board *board = owner;
    char mac[32];
    if (!xenbus_read(dev, "mac", mac, sizeof(mac)))
        return NULL;
    struct pv_net *d = mem_new(sizeof(*d));
    d->dev = dev;
    d->board = board;
    snprintf(d->id, sizeof(d->id), "qnic%u", dev->id);
    if (!xenbus_read(dev, "vifname", d->ifname, sizeof(d->ifname)))
        snprintf(d->ifname, sizeof(d->ifname), "vif%u.%u", dev->pv->domid, dev->id);
    d->net = board->open(board->board, d->id, d->ifname);
    if (!d->net) {
        mem_free(d);
        return NULL;
    }
    d->net->user = (struct net_user){.dev = d, .arrived = net_rx_arrived,
                                     .sendable = net_serve_tx, .link = link_changed};
    d->again = (struct loop_task){.run = net_serve_tx, .arg = d};
    d->ctrl_again = (struct loop_task){.run = net_ctrl_event, .arg = d};
    timer_init(&d->drain, board->clock, net_rx_patience, d);
    timer_init(&d->poll, board->clock, net_tx_poll, d);
    write_features(dev);
    return d;
}

static void pv_net_free(void *backend) {
    struct pv_net *d = backend;
    net_free(d->net);
    mem_free(d);
}

const struct xenbus_type pv_net_type = {
    .name = "qnic", .init = pv_net_init, .connect = pv_net_connect, .changed = pv_net_changed,
    .disconnect = pv_net_disconnect, .free = pv_net_free};
