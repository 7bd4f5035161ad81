/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV network: the backend of netfront for nodes of type qnic, for dom0s without the kernel's
 * own. Document: xen/io/netif.h. One thread.
 */
#ifndef DEVICES_PV_NET_H
#define DEVICES_PV_NET_H

#include "core/clock.h"
#include "core/loop.h"
#include "core/net.h"
#include "pv/xenbus.h"

struct pv_net_board {
    struct loop *loop;
    struct clock *clock; /* how long a frame waits for a guest that does not take it */
    /* The link that a node's `vifname` says; both strings live as long as the link. NULL: it can't
     * be had, the log says why. */
    struct net *(*open)(void *board, const char *id, const char *ifname);
    void *board;
};

/* For xenbus_new, with a struct pv_net_board as owner. */
extern const struct xenbus_type pv_net_type;

#endif
