/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network link: a NIC (the user) at one end, the host (tap, user-mode network, a socket) at the
 * other. Frames are Ethernet without FCS, 14 bytes to NET_FRAME_MAX. Nothing is queued here: a side
 * that has no room says so and is called when the other may go on, so a slow reader costs no
 * memory. One thread.
 */
#ifndef CORE_NET_H
#define CORE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h> /* struct iovec, the type only */

enum { NET_HEADER = 14, NET_MTU = 1500, NET_FRAME_MAX = 65536 + 4096,
       NET_QUEUES_MAX = 8 };

/*
 * Work left undone in a frame: struct virtio_net_hdr (virtio 1.1, 5.1.6) without its last field,
 * host byte order. It is also what a tap speaks with IFF_VNET_HDR. All zeros: a plain frame.
 */
struct net_meta {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;  /* headers up to the payload, for GSO */
    uint16_t gso_size; /* payload bytes of a segment */
    uint16_t csum_start, csum_offset;
};

enum { NET_META_CSUM = 1 /* the checksum from csum_start on is to be put at csum_offset */,
       NET_META_VALID = 2 /* checksums were verified */ };
enum { NET_GSO_NONE = 0, NET_GSO_TCP4 = 1, NET_GSO_UDP4 = 3, NET_GSO_TCP6 = 4,
       NET_GSO_ECN = 0x80 };

/* Offloads as a set: what a side takes undone. */
enum { NET_CSUM = 1, NET_TSO4 = 2, NET_TSO6 = 4, NET_ECN = 8, NET_UFO = 16 };

struct net;

/* The NIC's end. All optional but arrived. */
struct net_user {
    void *dev;
    /*
     * There is a frame to receive; only while listening. Takes some or all of them, or stops
     * listening: it is called again as long as there are frames.
     */
    void (*arrived)(void *dev);
    void (*sendable)(void *dev);        /* after a send that was refused: try again */
    void (*link)(void *dev, bool up);   /* the cable went in or out */
};

struct net_ops {
    /*
     * Sends one frame; `meta` NULL is a plain one, and only offloads of net->offloads may be left
     * undone. False: no room now, nothing was taken, `sendable` follows. What can never be sent
     * (the far end is gone, the frame is too long) is taken and dropped.
     */
    bool (*send)(struct net *net, const struct iovec *iov, unsigned n,
                 const struct net_meta *meta);
    /*
     * Takes the next frame that has arrived: fills iov, as far as it has room, and meta, and
     * returns the frame's whole length; 0: there is none. NULL iov with n 0 drops it.
     */
    size_t (*receive)(struct net *net, const struct iovec *iov, unsigned n, struct net_meta *meta);
    /* `arrived` is wanted or not; starts as not. Told on changes only. */
    void (*listen)(struct net *net, bool on);
    /* Which offloads received frames may leave undone; starts as none. */
    void (*accept)(struct net *net, unsigned offloads);
    /* The host's end goes away for good (a tap is gone from the host); nothing else is called
     * afterwards but free. */
    void (*close)(struct net *net);
    void (*free)(struct net *net); /* closed before */
};

struct net_stats {
    uint64_t tx_frames, tx_bytes, rx_frames, rx_bytes, tx_dropped;
};

struct net {
    const struct net_ops *ops;
    const char *id;    /* of the -netdev: "net0" */
    unsigned offloads; /* what send takes undone */
    unsigned queues;   /* pairs that a NIC may have on it; 0 and 1: one */
    bool link_up;      /* set_link; while down nothing is sent or received */
    struct net_user user;
    struct net_stats stats;
    /* net.c's own */
    bool wanted, listening; /* what the NIC said, what the host's end was told */
    bool paused, closed;
    bool owed; /* a sendable that came while paused */
};

/* The NIC's side. net NULL is a NIC without a cable: what is sent is dropped. */
bool net_send(struct net *net, const struct iovec *iov, unsigned n, const struct net_meta *meta);
size_t net_receive(struct net *net, const struct iovec *iov, unsigned n, struct net_meta *meta);
void net_listen(struct net *net, bool on);
void net_accept(struct net *net, unsigned offloads);

/* The board's side. */
/* The cable goes in or out: tells the NIC. What came while it was out is lost. */
void net_set_link(struct net *net, bool up);
/* The machine stands still: the NIC is told of nothing. What arrives waits on the host. */
void net_pause(struct net *net, bool pause);
/* The host's end goes away; the NIC keeps a cable that leads nowhere. */
void net_close(struct net *net);
void net_free(struct net *net);

/* The host's end, for the NIC: use these to call it. */
void net_arrived(struct net *net);
void net_sendable(struct net *net);

#endif
