/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's ends of network links. Frames go between guest memory and the kernel without a copy
 * here where the link allows it; what a link can't take now is refused and stays where it is.
 * SIGPIPE must be ignored. One thread.
 */
#ifndef HOST_NET_H
#define HOST_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/clock.h"
#include "core/loop.h"
#include "core/net.h"

/* All of these: free with net_free. NULL: a sentence in `why`. Strings must live as long. */

/*
 * A tap of its own, or an open one. It is neither brought up nor put into a bridge: that is the
 * toolstack's work, which may also rename it. It is gone with its last descriptor. `queues`, one or
 * more, is for the NIC: all of them go over one of the tap's, for one thread serves them.
 */
struct net *net_tap_open(struct loop *loop, const char *id, const char *ifname, int fd,
                         unsigned queues, char *why, size_t why_len);

struct net_socket_spec {
    const char *id;
    int fd;           /* connected, stream or datagram; or -1, and */
    const char *path; /* of a unix socket */
    bool server;      /* listens there: one peer at a time, what is sent while there is none is
                       * dropped */
};

/* On a stream each frame has its length in front, four bytes in network order. */
struct net *net_socket_open(struct loop *loop, const struct net_socket_spec *spec, char *why,
                            size_t why_len);

struct net_forward {
    bool udp;
    const char *host; /* numeric address to listen on, "" is any */
    unsigned port;
    const char *guest; /* "" is the first address that DHCP gives */
    unsigned guest_port;
};

/* Numeric IPv4 addresses; NULL is the usual one of 10.0.2.0/24. */
struct net_user_spec {
    const char *id;
    const char *network; /* "10.0.2.0/24" or "10.0.2.0/255.255.255.0" */
    const char *host, *dns, *dhcp_start;
    const char *hostname, *domain, *tftp, *tftp_server, *bootfile;
    bool restricted; /* nothing but DHCP, TFTP and the forwards */
    const struct net_forward *forwards;
    unsigned forward_count;
};

/* The process' own sockets are the guest's way out: no privilege, no interface. IPv4 only. */
struct net *net_user_open(struct loop *loop, const struct net_user_spec *spec, char *why,
                          size_t why_len);

#endif
