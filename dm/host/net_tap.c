/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Linux tap (Documentation/networking/tuntap.rst). With IFF_VNET_HDR each frame has a struct
 * virtio_net_hdr in front, so that checksums and segmentation of a guest's long frames are left to
 * the kernel, which leaves them to the hardware or to nobody. See net.h.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/net_frame.h"
#include "net.h"

struct tap {
    struct net net;
    struct loop *loop;
    struct loop_fd fd;
    bool vnet;        /* a struct net_meta is in front of each frame */
    uint8_t spill[NET_FRAME_MAX]; /* of a frame longer than what its NIC has room for */
};

static_assert(sizeof(struct net_meta) == 10, "struct virtio_net_hdr");

static struct tap *tap_of(struct net *net) {
    return CONTAINER_OF(net, struct tap, net);
}

static void watch(struct tap *tap, unsigned event, bool on) {
    unsigned events = tap->fd.events;
    loop_change(tap->loop, &tap->fd, on ? events | event : events & ~event);
}

static bool tap_send(struct net *net, const struct iovec *iov, unsigned n,
                     const struct net_meta *meta) {
    static const struct net_meta plain;
    struct tap *tap = tap_of(net);
    struct iovec out[1 + NET_IOVS];
    if (n > NET_IOVS) {
        net->stats.tx_dropped++;
        return true;
    }
    if (tap->vnet) {
        out[0] = (struct iovec){(void *)(uintptr_t)(meta ? meta : &plain), sizeof(plain)};
        memcpy(out + 1, iov, n * sizeof(*iov));
    }
    ssize_t wrote = tap->vnet ? writev(tap->fd.fd, out, (int)n + 1)
                              : writev(tap->fd.fd, iov, (int)n);
    if (wrote >= 0)
        return true;
    if (errno == EAGAIN) {
        watch(tap, LOOP_WRITE, true);
        return false;
    }
    /* not up yet, or a frame that the kernel does not believe in */
    net->stats.tx_dropped++;
    return true;
}

static size_t tap_receive(struct net *net, const struct iovec *iov, unsigned n,
                          struct net_meta *meta) {
    struct tap *tap = tap_of(net);
    struct iovec in[NET_IOVS + 2];
    struct net_meta unwanted;
    unsigned at = 0;
    meta = meta ? meta : &unwanted;
    *meta = (struct net_meta){0};
    if (n > NET_IOVS)
        n = NET_IOVS;
    if (tap->vnet)
        in[at++] = (struct iovec){meta, sizeof(*meta)};
    memcpy(in + at, iov, n * sizeof(*iov));
    at += n;
    in[at++] = (struct iovec){tap->spill, sizeof(tap->spill)};
    ssize_t got = readv(tap->fd.fd, in, (int)at);
    size_t header = tap->vnet ? sizeof(*meta) : 0;
    return got > (ssize_t)header ? (size_t)got - header : 0;
}

static void tap_listen(struct net *net, bool on) {
    watch(tap_of(net), LOOP_READ, on);
}

static void tap_accept(struct net *net, unsigned offloads) {
    struct tap *tap = tap_of(net);
    unsigned long flags = (offloads & NET_CSUM ? TUN_F_CSUM : 0) |
                          (offloads & NET_TSO4 ? TUN_F_TSO4 : 0) |
                          (offloads & NET_TSO6 ? TUN_F_TSO6 : 0) |
                          (offloads & NET_ECN ? TUN_F_TSO_ECN : 0);
    if (tap->vnet && ioctl(tap->fd.fd, TUNSETOFFLOAD, flags))
        log_warn("netdev %s: the tap's offloads can't be set to %#lx: %s", net->id, flags,
                 strerror(errno));
}

static void tap_close(struct net *net) {
    struct tap *tap = tap_of(net);
    loop_remove(tap->loop, &tap->fd);
    close(tap->fd.fd);
    tap->fd.fd = -1;
}

static void tap_free(struct net *net) {
    mem_free(tap_of(net));
}

static const struct net_ops tap_ops = {tap_send,   tap_receive, tap_listen,
                                       tap_accept, tap_close,   tap_free};

static void tap_ready(void *arg, unsigned events) {
    struct tap *tap = arg;
    if (events & LOOP_WRITE && tap->fd.events & LOOP_WRITE) {
        watch(tap, LOOP_WRITE, false);
        net_sendable(&tap->net);
    }
    if (events & LOOP_READ)
        net_arrived(&tap->net);
}

/* A descriptor of a tap that is ours; *vnet says how it was made. -1 with `why`. */
static int make(const char *id, const char *ifname, bool *vnet, char *why, size_t why_len) {
    struct ifreq req = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    unsigned features = 0;
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        snprintf(why, why_len, "netdev %s: /dev/net/tun: %s (is the kernel's module tun loaded?)",
                 id, strerror(errno));
        return -1;
    }
    if (strlen(ifname) >= sizeof(req.ifr_name)) {
        snprintf(why, why_len, "netdev %s: ifname=%s: an interface's name has at most %zu letters",
                 id, ifname, sizeof(req.ifr_name) - 1);
        close(fd);
        return -1;
    }
    memcpy(req.ifr_name, ifname, strlen(ifname));
    *vnet = !ioctl(fd, TUNGETFEATURES, &features) && features & IFF_VNET_HDR;
    req.ifr_flags = (short)(req.ifr_flags | (*vnet ? IFF_VNET_HDR : 0));
    if (ioctl(fd, TUNSETIFF, &req)) {
        snprintf(why, why_len, "netdev %s: the tap %s can't be made: %s", id, ifname,
                 strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

static bool check(const char *id, int fd, bool *vnet, char *why, size_t why_len) {
    struct ifreq req = {0};
    if (ioctl(fd, TUNGETIFF, &req) || !(req.ifr_flags & IFF_TAP)) {
        snprintf(why, why_len, "netdev %s: fd=%d is not a tap", id, fd);
        return false;
    }
    *vnet = req.ifr_flags & IFF_VNET_HDR;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return true;
}

struct net *net_tap_open(struct loop *loop, const char *id, const char *ifname, int fd, char *why,
                         size_t why_len) {
    bool vnet;
    int size = sizeof(struct net_meta);
    if (fd >= 0 && !check(id, fd, &vnet, why, why_len))
        return NULL;
    if (fd < 0 && (fd = make(id, ifname ? ifname : "tap%d", &vnet, why, why_len)) < 0)
        return NULL;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct tap *tap = mem_new(sizeof(*tap));
    *tap = (struct tap){.loop = loop, .vnet = vnet, .fd = {.fd = fd, .ready = tap_ready}};
    tap->fd.arg = tap;
    tap->net = (struct net){.ops = &tap_ops, .id = id, .link_up = true};
    if (vnet) {
        ioctl(fd, TUNSETVNETHDRSZ, &size);
        tap->net.offloads = NET_CSUM | NET_TSO4 | NET_TSO6 | NET_ECN;
        tap_accept(&tap->net, 0);
    }
    loop_add(loop, &tap->fd);
    return &tap->net;
}
