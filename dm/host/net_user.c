/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * User-mode network: libslirp is the guest's router, and its sockets are this process'. The library
 * is loaded when the first guest asks. It says which descriptors it waits for and until when; they
 * are watched by the loop, and a timer runs only while it asks for one. Frames for the guest wait
 * in a short queue; while that is filling up no socket is read. See net.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/net_frame.h"
#include "late.h"
#include "net.h"

enum { SOCKETS = 512, QUEUE = 128, QUEUE_FULL = 64 };

static struct {
    Slirp *(*new)(const SlirpConfig *cfg, const SlirpCb *callbacks, void *opaque);
    void (*cleanup)(Slirp *slirp);
    void (*fill)(Slirp *slirp, uint32_t *timeout, SlirpAddPollCb add, void *opaque);
    void (*poll)(Slirp *slirp, int error, SlirpGetREventsCb revents, void *opaque);
    void (*input)(Slirp *slirp, const uint8_t *frame, int len);
    int (*forward)(Slirp *slirp, int udp, struct in_addr host, int host_port,
                   struct in_addr guest, int guest_port);
} lib;

static const struct late_symbol symbols[] = {
    LATE(lib, new, "slirp_new"), LATE(lib, cleanup, "slirp_cleanup"),
    LATE(lib, fill, "slirp_pollfds_fill"), LATE(lib, poll, "slirp_pollfds_poll"),
    LATE(lib, input, "slirp_input"), LATE(lib, forward, "slirp_add_hostfwd"),
};

static struct late library = {.file = "libslirp.so.0", .package = "libslirp0",
                              .symbols = symbols, .count = ARRAY_LEN(symbols)};

struct watched {
    struct loop_fd fd; /* fd.fd -1: free */
    struct user *user;
    unsigned asked; /* SLIRP_POLL_*, this time round */
    unsigned ready; /* LOOP_* */
};

struct queued {
    size_t len;
    uint8_t *bytes;
};

struct user {
    struct net net;
    struct loop *loop;
    Slirp *slirp;
    struct loop_task pump; /* asks the library what it waits for now */
    struct loop_task offer;
    struct loop_fd timer;
    struct watched watched[SOCKETS];
    unsigned watched_count; /* slots that were ever used */
    struct queued queue[QUEUE];
    unsigned head, count;
    bool full; /* no socket is read */
    uint8_t out[NET_FRAME_MAX];
};

static struct user *user_of(struct net *net) {
    return CONTAINER_OF(net, struct user, net);
}

/* ---- what the library asks for ---- */

static ssize_t cb_send(const void *bytes, size_t len, void *opaque) {
    struct user *u = opaque;
    if (u->count == QUEUE || len > NET_FRAME_MAX)
        return (ssize_t)len; /* lost, as on a wire */
    struct queued *q = &u->queue[(u->head + u->count) % QUEUE];
    q->bytes = mem_try(len);
    if (!q->bytes)
        return (ssize_t)len;
    memcpy(q->bytes, bytes, len);
    q->len = len;
    u->count++;
    loop_defer(u->loop, &u->offer);
    return (ssize_t)len;
}

static void cb_error(const char *msg, void *opaque) {
    static struct log_limit limit;
    const struct user *u = opaque;
    log_guest(&limit, "netdev %s: %s", u->net.id, msg);
}

static int64_t cb_clock(void *opaque) {
    struct timespec ts;
    (void)opaque;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Timers are for IPv6's router advertisements, which are off. */
static void *cb_timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque) {
    (void)cb, (void)cb_opaque;
    return opaque;
}

static void cb_timer_free(void *timer, void *opaque) {
    (void)timer, (void)opaque;
}

static void cb_timer_mod(void *timer, int64_t ms, void *opaque) {
    (void)timer, (void)ms, (void)opaque;
}

static void cb_register(int fd, void *opaque) {
    (void)fd, (void)opaque;
}

/* Before it is closed; its number may be another's the next moment. */
static void cb_unregister(int fd, void *opaque) {
    struct user *u = opaque;
    for (unsigned i = 0; i < u->watched_count; i++) {
        struct watched *w = &u->watched[i];
        if (w->fd.fd != fd)
            continue;
        loop_remove(u->loop, &w->fd);
        w->fd.fd = -1;
        w->asked = w->ready = 0;
    }
}

static void cb_notify(void *opaque) {
    struct user *u = opaque;
    loop_defer(u->loop, &u->pump);
}

static const SlirpCb callbacks = {
    .send_packet = cb_send, .guest_error = cb_error, .clock_get_ns = cb_clock,
    .timer_new = cb_timer_new, .timer_free = cb_timer_free, .timer_mod = cb_timer_mod,
    .register_poll_fd = cb_register, .unregister_poll_fd = cb_unregister, .notify = cb_notify};

/* ---- descriptors ---- */

static void socket_ready(void *arg, unsigned events) {
    struct watched *w = arg;
    w->ready |= events;
    loop_defer(w->user->loop, &w->user->pump);
}

static struct watched *slot_of(struct user *u, int fd) {
    struct watched *empty = NULL;
    for (unsigned i = 0; i < u->watched_count; i++) {
        if (u->watched[i].fd.fd == fd)
            return &u->watched[i];
        if (u->watched[i].fd.fd < 0 && !empty)
            empty = &u->watched[i];
    }
    if (!empty && u->watched_count < SOCKETS)
        empty = &u->watched[u->watched_count++];
    if (!empty)
        return NULL;
    *empty = (struct watched){.fd = {.fd = fd, .ready = socket_ready, .arg = empty}, .user = u};
    loop_add(u->loop, &empty->fd);
    return empty;
}

static int add_poll(int fd, int events, void *opaque) {
    struct user *u = opaque;
    struct watched *w = slot_of(u, fd);
    if (!w)
        return -1;
    w->asked |= (unsigned)events;
    return (int)(w - u->watched);
}

static int get_revents(int i, void *opaque) {
    const struct user *u = opaque;
    if (i < 0 || (unsigned)i >= u->watched_count)
        return 0;
    const struct watched *w = &u->watched[i];
    unsigned events = (w->ready & LOOP_READ ? SLIRP_POLL_IN : 0) |
                      (w->ready & LOOP_WRITE ? SLIRP_POLL_OUT : 0);
    return (int)(events & w->asked);
}

static void set_timer(struct user *u, uint32_t ms) {
    struct itimerspec spec = {0};
    if (ms != UINT32_MAX) {
        spec.it_value.tv_sec = ms / 1000;
        spec.it_value.tv_nsec = (long)(ms % 1000) * 1000000 + 1;
    }
    timerfd_settime(u->timer.fd, 0, &spec, NULL);
}

static void settle_watches(struct user *u) {
    for (unsigned i = 0; i < u->watched_count; i++) {
        struct watched *w = &u->watched[i];
        unsigned events = (w->asked & (SLIRP_POLL_IN | SLIRP_POLL_HUP) ? LOOP_READ : 0) |
                          (w->asked & SLIRP_POLL_OUT ? LOOP_WRITE : 0);
        if (w->fd.fd < 0)
            continue;
        loop_change(u->loop, &w->fd, events);
        if (events)
            continue;
        loop_remove(u->loop, &w->fd);
        w->fd.fd = -1;
    }
}

static void pump(void *arg) {
    struct user *u = arg;
    uint32_t timeout = UINT32_MAX;
    lib.poll(u->slirp, 0, get_revents, u);
    for (unsigned i = 0; i < u->watched_count; i++)
        u->watched[i].asked = u->watched[i].ready = 0;
    u->full = u->count >= QUEUE_FULL;
    if (!u->full)
        lib.fill(u->slirp, &timeout, add_poll, u);
    settle_watches(u);
    set_timer(u, timeout);
}

static void timer_ready(void *arg, unsigned events) {
    struct user *u = arg;
    uint64_t times;
    (void)events;
    if (read(u->timer.fd, &times, sizeof(times)) == sizeof(times))
        loop_defer(u->loop, &u->pump);
}

/* ---- the link ---- */

static void offer(void *arg) {
    struct user *u = arg;
    unsigned before = u->count;
    if (!before || !u->net.listening)
        return;
    net_arrived(&u->net);
    if (u->count && u->net.listening)
        loop_defer(u->loop, &u->offer);
}

static bool user_send(struct net *net, const struct iovec *iov, unsigned n,
                      const struct net_meta *meta) {
    struct user *u = user_of(net);
    (void)meta;
    size_t len = net_iov_fetch(iov, n, 0, u->out, sizeof(u->out));
    lib.input(u->slirp, u->out, (int)len);
    loop_defer(u->loop, &u->pump);
    return true;
}

static size_t user_receive(struct net *net, const struct iovec *iov, unsigned n,
                           struct net_meta *meta) {
    struct user *u = user_of(net);
    struct queued *q = &u->queue[u->head];
    if (meta)
        *meta = (struct net_meta){0};
    if (!u->count)
        return 0;
    size_t len = q->len;
    net_iov_fill(iov, n, 0, q->bytes, len);
    mem_free(q->bytes);
    u->head = (u->head + 1) % QUEUE;
    u->count--;
    if (u->full && u->count < QUEUE_FULL / 2)
        loop_defer(u->loop, &u->pump);
    return len;
}

static void user_listen(struct net *net, bool on) {
    struct user *u = user_of(net);
    if (on && u->count)
        loop_defer(u->loop, &u->offer);
}

static void user_accept(struct net *net, unsigned offloads) {
    (void)net, (void)offloads; /* frames are whole here */
}

static void user_close(struct net *net) {
    struct user *u = user_of(net);
    if (u->slirp)
        lib.cleanup(u->slirp);
    for (unsigned i = 0; i < u->watched_count; i++)
        if (u->watched[i].fd.fd >= 0)
            loop_remove(u->loop, &u->watched[i].fd);
    loop_remove(u->loop, &u->timer);
    close(u->timer.fd);
    loop_cancel(u->loop, &u->pump);
    loop_cancel(u->loop, &u->offer);
    for (; u->count; u->count--, u->head = (u->head + 1) % QUEUE)
        mem_free(u->queue[u->head].bytes);
}

static void user_free(struct net *net) {
    mem_free(user_of(net));
}

static const struct net_ops user_ops = {user_send,   user_receive, user_listen,
                                        user_accept, user_close,   user_free};

/* ---- addresses ---- */

static bool refuse(const struct net_user_spec *spec, const char *what, const char *text, char *why,
                   size_t why_len) {
    snprintf(why, why_len, "netdev %s: %s=%s: expected an IPv4 address%s", spec->id, what, text,
             strcmp(what, "net") ? " in its network" : " and mask, as in 10.0.2.0/24");
    return false;
}

/* "10.0.2.0/24", "10.0.2.0/255.255.255.0" or "10.0.2.0" */
static bool parse_network(const char *text, uint32_t *net, uint32_t *mask) {
    char address[16] = "";
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    struct in_addr a, m = {htonl(0xffffff00)};
    char *end;
    if (len >= sizeof(address))
        return false;
    memcpy(address, text, len);
    if (slash && !inet_aton(slash + 1, &m))
        return false;
    if (slash && !strchr(slash, '.')) {
        unsigned long bits = strtoul(slash + 1, &end, 10);
        if (*end || bits < 8 || bits > 29)
            return false;
        m.s_addr = htonl(UINT32_MAX << (32 - bits));
    }
    if (inet_pton(AF_INET, address, &a) != 1)
        return false;
    *mask = ntohl(m.s_addr);
    *net = ntohl(a.s_addr) & *mask;
    return *net != 0;
}

static bool in_network(const SlirpConfig *c, const char *text, uint32_t otherwise,
                       struct in_addr *out) {
    out->s_addr = htonl(ntohl(c->vnetwork.s_addr) | otherwise);
    if (text && inet_pton(AF_INET, text, out) != 1)
        return false;
    return (out->s_addr & c->vnetmask.s_addr) == c->vnetwork.s_addr;
}

static bool configure(const struct net_user_spec *spec, SlirpConfig *c, char *why,
                      size_t why_len) {
    const char *network = spec->network ? spec->network : "10.0.2.0/24";
    uint32_t net, mask;
    if (!parse_network(network, &net, &mask))
        return refuse(spec, "net", network, why, why_len);
    c->vnetwork.s_addr = htonl(net);
    c->vnetmask.s_addr = htonl(mask);
    if (!in_network(c, spec->host, 2, &c->vhost))
        return refuse(spec, "host", spec->host, why, why_len);
    if (!in_network(c, spec->dns, 3, &c->vnameserver))
        return refuse(spec, "dns", spec->dns, why, why_len);
    /* as QEMU counts: the sixteenth address, or the fifth of a network that has no more */
    if (!in_network(c, spec->dhcp_start, ~mask > 15 ? 15 : 4, &c->vdhcp_start))
        return refuse(spec, "dhcpstart", spec->dhcp_start, why, why_len);
    c->version = 1;
    c->restricted = spec->restricted;
    c->in_enabled = true;
    c->vhostname = spec->hostname;
    c->vdomainname = spec->domain;
    c->tftp_path = spec->tftp;
    c->tftp_server_name = spec->tftp_server;
    c->bootfile = spec->bootfile;
    return true;
}

static bool forward(struct user *u, const struct net_forward *f, const SlirpConfig *c, char *why,
                    size_t why_len) {
    struct in_addr host = {htonl(INADDR_ANY)}, guest = c->vdhcp_start;
    bool good = (!*f->host || inet_pton(AF_INET, f->host, &host) == 1) &&
                (!*f->guest || inet_pton(AF_INET, f->guest, &guest) == 1);
    errno = EINVAL;
    if (good && !lib.forward(u->slirp, f->udp, host, (int)f->port, guest, (int)f->guest_port))
        return true;
    snprintf(why, why_len, "netdev %s: hostfwd to port %u: can't listen on %s:%u: %s", u->net.id,
             f->guest_port, f->host, f->port, strerror(errno));
    return false;
}

struct net *net_user_open(struct loop *loop, const struct net_user_spec *spec, char *why,
                          size_t why_len) {
    SlirpConfig config = {0};
    if (!late_load(&library, why, why_len) || !configure(spec, &config, why, why_len))
        return NULL;
    struct user *u = mem_new(sizeof(*u));
    u->net = (struct net){.ops = &user_ops, .id = spec->id, .link_up = true};
    u->loop = loop;
    u->pump = (struct loop_task){.run = pump, .arg = u};
    u->offer = (struct loop_task){.run = offer, .arg = u};
    u->timer = (struct loop_fd){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                .ready = timer_ready, .arg = u, .events = LOOP_READ};
    loop_add(loop, &u->timer);
    u->slirp = lib.new(&config, &callbacks, u);
    bool ok = u->slirp;
    if (!ok)
        snprintf(why, why_len, "netdev %s: libslirp does not start", spec->id);
    for (unsigned i = 0; ok && i < spec->forward_count; i++)
        ok = forward(u, &spec->forwards[i], &config, why, why_len);
    if (!ok) {
        net_free(&u->net);
        return NULL;
    }
    loop_defer(loop, &u->pump);
    return &u->net;
}
