/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Linux tap (Documentation/networking/tuntap.rst). With IFF_VNET_HDR each frame has a struct
 * virtio_net_hdr in front, so that checksums and segmentation of a guest's long frames are left to
 * the kernel, which leaves them to the hardware or to nobody. The other way frames come as long and
 * as undone as dom0 has them: what the NIC does not take so is cut and summed here. One read for
 * forty frames is worth more than what that costs. For the same reason what a guest sends at one go
 * is written when the turn of the loop ends: segments joined, short frames by one system call, as
 * they are read. See net.h.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include "core/net_join.h"
#include "net.h"
#include "tap_batch.h"
#include "tap_queue.h"

struct tap {
    struct net net;
    struct loop *loop;
    struct loop_fd fd;
    bool vnet;         /* a struct net_meta is in front of each frame */
    unsigned accepted; /* offloads */
    /* a long frame that goes to its NIC in segments: which is the next, and the payload left */
    struct net_segments cut;
    unsigned segment;
    const uint8_t *rest;
    size_t left;
    struct tap_ring ring;
    struct tap_batch batch;
    struct loop_task more;
    /* what the NIC had no room for; in front of it goes what it had room for, but not at once */
    uint8_t spill[2 * NET_FRAME_MAX];
    /* what is to be written when the turn ends; what is in the queue came before the join */
    struct tap_queue queue;
    struct net_join join;
    struct loop_task flush;
    struct loop_task gone;
};

static_assert(sizeof(struct net_meta) == 10, "struct virtio_net_hdr");

static struct tap *tap_of(struct net *net) {
    return CONTAINER_OF(net, struct tap, net);
}

static void watch(struct tap *tap, unsigned event, bool on) {
    unsigned events = tap->fd.events;
    loop_change(tap->loop, &tap->fd, on ? events | event : events & ~event);
}

/* ---- sending ---- */

/* As the tap wants a frame; returns the list's length. */
static unsigned with_meta(const struct tap *tap, struct iovec out[1 + NET_IOVS],
                          const struct iovec *iov, unsigned n, const struct net_meta *meta) {
    static const struct net_meta plain;
    unsigned at = 0;
    if (tap->vnet)
        out[at++] = (struct iovec){(void *)(uintptr_t)(meta ? meta : &plain), sizeof(plain)};
    memcpy(out + at, iov, n * sizeof(*iov));
    return at + n;
}

/* False: no room now, `sendable` follows. */
static bool put(struct tap *tap, const struct iovec *iov, unsigned n, const struct net_meta *meta) {
    struct iovec out[1 + NET_IOVS];
    n = with_meta(tap, out, iov, n, meta);
    if (writev(tap->fd.fd, out, (int)n) >= 0)
        return true;
    if (errno == EAGAIN) {
        watch(tap, LOOP_WRITE, true);
        return false;
    }
    /* not up yet, or a frame that the kernel does not believe in */
    tap->net.stats.tx_dropped++;
    return true;
}

static bool flush(struct tap *tap) {
    struct net_meta meta;
    struct iovec all = {tap->join.bytes, tap->join.len};
    if (tap->queue.count && !tap_queue_flush(&tap->queue, &tap->net.stats.tx_dropped)) {
        watch(tap, LOOP_WRITE, true);
        return false;
    }
    if (!tap->join.segments)
        return true;
    net_join_finish(&tap->join, &meta);
    if (!put(tap, &all, 1, &meta))
        return false;
    tap->join.segments = 0;
    return true;
}

static void flush_task(void *arg) {
    flush(arg);
}

/* True: the frame is taken, and goes out when the turn ends, or nothing more can follow it. */
static bool join(struct tap *tap, const struct iovec *iov, unsigned n,
                 const struct net_meta *meta) {
    if (!tap->vnet || (meta && (meta->flags || meta->gso_type)) ||
        net_iov_len(iov, n) < NET_JOIN_MIN || !net_join_add(&tap->join, iov, n))
        return false;
    if (tap->join.ended)
        flush(tap);
    else
        loop_defer(tap->loop, &tap->flush);
    return true;
}

/* True: it is taken, and goes out when the turn ends. Nothing may be in the join. */
static bool queue(struct tap *tap, const struct iovec *iov, unsigned n,
                  const struct net_meta *meta) {
    struct iovec out[1 + NET_IOVS];
    n = with_meta(tap, out, iov, n, meta);
    if (!tap_queue_add(&tap->queue, out, n))
        return false;
    loop_defer(tap->loop, &tap->flush);
    return true;
}

static bool tap_send(struct net *net, const struct iovec *iov, unsigned n,
                     const struct net_meta *meta) {
    struct tap *tap = tap_of(net);
    if (n > NET_IOVS) {
        net->stats.tx_dropped++;
        return true;
    }
    bool waiting = tap->join.segments;
    if (join(tap, iov, n, meta))
        return true;
    if (waiting && !flush(tap))
        return false;
    if ((waiting && join(tap, iov, n, meta)) || queue(tap, iov, n, meta))
        return true;
    return flush(tap) && (queue(tap, iov, n, meta) || put(tap, iov, n, meta));
}

/* ---- receiving ---- */

static unsigned undone(const struct net_meta *meta) {
    unsigned type = meta->gso_type & (unsigned)~NET_GSO_ECN;
    return type == NET_GSO_TCP4 ? NET_TSO4 : type == NET_GSO_TCP6 ? NET_TSO6 : 0;
}

static size_t next_segment(struct tap *tap, const struct iovec *iov, unsigned n,
                           struct net_meta *meta) {
    uint8_t h[NET_HEADERS_MAX];
    size_t len = MIN(tap->left, (size_t)tap->cut.mss);
    const uint8_t *payload = tap->rest;
    struct iovec data = {(uint8_t *)(uintptr_t)payload, len};
    tap->rest += len;
    tap->left -= len;
    if (n) {
        net_segment(&tap->cut, tap->segment, h, &data, 1, len);
        net_iov_fill(iov, n, 0, h, tap->cut.header);
        net_iov_fill(iov, n, tap->cut.header, payload, len);
    }
    tap->segment++;
    *meta = (struct net_meta){.flags = NET_META_VALID};
    return tap->cut.header + len;
}

/* The frame of `len` bytes is in the list, whose last part is `spill`. Its first segment stays
 * where it is, the rest goes together for the next. */
static size_t first_segment(struct tap *tap, const struct iovec *list, unsigned n, size_t len,
                            struct net_meta *meta) {
    struct iovec data[NET_IOVS + 1];
    uint8_t h[NET_HEADERS_MAX], *spill = tap->spill + NET_FRAME_MAX;
    size_t direct = MIN(net_iov_len(list, n - 1), len), payload;
    if (direct > NET_FRAME_MAX || !net_segments_begin(&tap->cut, list, n, len, meta))
        return len;
    size_t first = MIN((size_t)tap->cut.header + tap->cut.mss, len);
    unsigned count = net_iov_slice(data, NET_IOVS + 1, list, n, tap->cut.header,
                                   first - tap->cut.header, &payload);
    net_segment(&tap->cut, 0, h, data, count, payload);
    net_iov_fill(list, n, 0, h, tap->cut.header);
    tap->segment = 1;
    tap->left = len - first;
    tap->rest = spill + first - direct;
    if (direct > first)
        net_iov_fetch(list, n, first, spill - (direct - first), direct - first);
    *meta = (struct net_meta){.flags = NET_META_VALID};
    return first;
}

/* What the NIC doesn't take undone is done. */
static size_t finish(struct tap *tap, const struct iovec *list, unsigned n, size_t len,
                     struct net_meta *meta) {
    if (undone(meta) & ~tap->accepted)
        return first_segment(tap, list, n, len, meta);
    if (!(meta->flags & NET_META_CSUM) || tap->accepted & NET_CSUM)
        return len;
    net_complete_sum(list, n, len, meta);
    *meta = (struct net_meta){.flags = NET_META_VALID};
    return len;
}

/* A frame with its header into the list. Returns the length of both; 0: none now. */
static size_t read_frame(struct tap *tap, const struct iovec *in, unsigned n) {
    size_t len = 0;
    bool over;
    int err;
    const uint8_t *frame = tap_batch_next(&tap->batch, &len, &over, &err);
    if (frame) {
        net_iov_fill(in, n, 0, frame, len);
    } else if (!over) {
        ssize_t got = readv(tap->fd.fd, in, (int)n);
        err = got < 0 ? errno : 0;
        len = got > 0 ? (size_t)got : 0;
        tap_batch_note(&tap->batch, len);
    }
    if (err == EBADFD)
        loop_defer(tap->loop, &tap->gone);
    return len;
}

static size_t tap_receive(struct net *net, const struct iovec *iov, unsigned n,
                          struct net_meta *meta) {
    struct tap *tap = tap_of(net);
    struct iovec in[NET_IOVS + 2];
    struct net_meta unwanted;
    unsigned at = 0;
    meta = meta ? meta : &unwanted;
    if (tap->left)
        return next_segment(tap, iov, n, meta);
    *meta = (struct net_meta){0};
    if (n > NET_IOVS)
        n = NET_IOVS;
    if (tap->vnet)
        in[at++] = (struct iovec){meta, sizeof(*meta)};
    for (unsigned i = 0; i < n; i++)
        in[at++] = iov[i];
    in[at++] = (struct iovec){tap->spill + NET_FRAME_MAX, NET_FRAME_MAX};
    size_t got = read_frame(tap, in, at), header = tap->vnet ? sizeof(*meta) : 0;
    if (got <= header)
        return 0;
    size_t len = got - header;
    return tap->vnet && n ? finish(tap, in + 1, n + 1, len, meta) : len;
}

/* Somebody has deleted the interface: as if the cable were cut. */
static void gone(void *arg) {
    struct tap *tap = arg;
    log_warn("netdev %s: its interface is gone from the host", tap->net.id);
    net_set_link(&tap->net, false);
}

/* Of frames that were read the NIC has not had all, nor all segments of one. */
static bool has_more(const struct tap *tap) {
    return tap->left || tap_batch_has(&tap->batch);
}

static void go_on(struct tap *tap) {
    if (has_more(tap) && tap->net.listening)
        loop_defer(tap->loop, &tap->more);
}

static void more_frames(void *arg) {
    struct tap *tap = arg;
    if (has_more(tap))
        net_arrived(&tap->net);
    go_on(tap);
}

static void tap_listen(struct net *net, bool on) {
    struct tap *tap = tap_of(net);
    tap_batch_again(&tap->batch);
    watch(tap, LOOP_READ, on);
    go_on(tap);
}

static void tap_accept(struct net *net, unsigned offloads) {
    tap_of(net)->accepted = offloads;
}

static void tap_close(struct net *net) {
    struct tap *tap = tap_of(net);
    loop_cancel(tap->loop, &tap->more);
    loop_cancel(tap->loop, &tap->flush);
    loop_cancel(tap->loop, &tap->gone);
    flush(tap);
    loop_remove(tap->loop, &tap->fd);
    tap_batch_free(&tap->batch);
    tap_ring_free(&tap->ring);
    tap->left = tap->join.segments = tap->queue.count = 0;
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
        if (flush(tap))
            net_sendable(&tap->net);
    }
    if (events & LOOP_READ) {
        tap_batch_again(&tap->batch);
        net_arrived(&tap->net);
    }
    go_on(tap);
}

/* A descriptor of a tap that is ours; *vnet says how it was made. -1 with `why`. One that was made
 * for several queues (`ip tuntap add multi_queue`) can't be opened but as such. */
static int make(const char *id, const char *ifname, bool several, bool *vnet, char *why,
                size_t why_len) {
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
    req.ifr_flags = (short)(req.ifr_flags | (*vnet ? IFF_VNET_HDR : 0) |
                            (several ? IFF_MULTI_QUEUE : 0));
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

struct net *net_tap_open(struct loop *loop, const char *id, const char *ifname, int fd,
                         unsigned queues, char *why, size_t why_len) {
    bool vnet;
    int size = sizeof(struct net_meta);
    if (fd >= 0 && !check(id, fd, &vnet, why, why_len))
        return NULL;
    if (fd < 0 &&
        (fd = make(id, ifname ? ifname : "tap%d", queues > 1, &vnet, why, why_len)) < 0)
        return NULL;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct tap *tap = mem_new(sizeof(*tap));
    *tap = (struct tap){.loop = loop, .vnet = vnet, .fd = {.fd = fd, .ready = tap_ready}};
    tap->fd.arg = tap;
    /* dom0 takes or drops each frame at once; a bound would be for what lies in its own queues */
    int unlimited = INT_MAX;
    tap->ring.fd = fd;
    tap->queue.ring = tap->batch.ring = &tap->ring;
    tap->queue.unlimited = !ioctl(fd, TUNSETSNDBUF, &unlimited);
    tap->more = (struct loop_task){.run = more_frames, .arg = tap};
    tap->flush = (struct loop_task){.run = flush_task, .arg = tap};
    tap->gone = (struct loop_task){.run = gone, .arg = tap};
    tap->net = (struct net){.ops = &tap_ops, .id = id, .queues = queues, .link_up = true};
    if (vnet) {
        ioctl(fd, TUNSETVNETHDRSZ, &size);
        tap->net.offloads = NET_CSUM | NET_TSO4 | NET_TSO6 | NET_ECN;
        if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 |
                                                     TUN_F_TSO_ECN)))
            log_warn("netdev %s: the tap's offloads can't be set: %s", id, strerror(errno));
    }
    loop_add(loop, &tap->fd);
    return &tap->net;
}
