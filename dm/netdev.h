/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a -netdev to the host's end of a link. One thread.
 */
#ifndef DM_NETDEV_H
#define DM_NETDEV_H

#include <stddef.h>

struct config_netdev;
struct loop;
struct net;

/* NULL with a sentence in `why`. */
struct net *netdev_open(struct loop *loop, const struct config_netdev *config, char *why,
                        size_t why_len);

/* The tap of a PV network node. NULL: the log says why. */
struct net *netdev_vif(void *loop, const char *id, const char *ifname);

#endif
