/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A link over a socket: datagrams are frames, and on a stream each frame follows its length. What a
 * stream took of a frame but not of all of it waits here, one frame at most. See net.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/net_frame.h"
#include "net.h"

enum { LENGTH = 4 };

struct sock {
    struct net net;
    struct loop *loop;
    struct loop_fd listener, fd; /* fd.fd is -1 while there is no peer */
    bool stream;
    struct loop_task offer; /* frames that are in `in` already make no descriptor readable */
    size_t in_at, in_len;   /* bytes [in_at, in_at + in_len) of in */
    size_t out_len; /* of out that wait */
    uint8_t in[LENGTH + NET_FRAME_MAX], out[LENGTH + NET_FRAME_MAX];
};

static struct sock *sock_of(struct net *net) {
    return CONTAINER_OF(net, struct sock, net);
}

static void watch(struct sock *s, unsigned event, bool on) {
    unsigned events = s->fd.events;
    loop_change(s->loop, &s->fd, on ? events | event : events & ~event);
}

static void drop_peer(struct sock *s) {
    if (s->fd.fd < 0)
        return;
    loop_remove(s->loop, &s->fd);
    close(s->fd.fd);
    s->fd.fd = -1;
    s->in_at = s->in_len = s->out_len = 0;
    if (s->listener.fd >= 0)
        loop_change(s->loop, &s->listener, LOOP_READ);
    net_sendable(&s->net);
}

/* ---- sending ---- */

static bool would_block(void) {
    return errno == EAGAIN || errno == ENOBUFS || errno == EINTR;
}

static bool send_datagram(struct sock *s, const struct iovec *iov, unsigned n) {
    if (writev(s->fd.fd, iov, (int)n) >= 0 || !would_block())
        return true;
    watch(s, LOOP_WRITE, true);
    return false;
}

static bool sock_send(struct net *net, const struct iovec *iov, unsigned n,
                      const struct net_meta *meta) {
    struct sock *s = sock_of(net);
    struct iovec out[1 + NET_IOVS];
    uint8_t length[LENGTH];
    (void)meta;
    if (s->fd.fd < 0 || n > NET_IOVS) {
        net->stats.tx_dropped++;
        return true;
    }
    if (!s->stream)
        return send_datagram(s, iov, n);
    if (s->out_len)
        return false;
    size_t len = net_iov_len(iov, n);
    store_be32(length, (uint32_t)len);
    out[0] = (struct iovec){length, LENGTH};
    memcpy(out + 1, iov, n * sizeof(*iov));
    ssize_t wrote = writev(s->fd.fd, out, (int)n + 1);
    if (wrote < 0 && would_block())
        watch(s, LOOP_WRITE, true);
    if (wrote < 0)
        return !would_block(); /* else a peer that has gone: reading finds out */
    if ((size_t)wrote < LENGTH + len) {
        s->out_len = net_iov_fetch(out, n + 1, (size_t)wrote, s->out, sizeof(s->out));
        watch(s, LOOP_WRITE, true);
    }
    return true;
}

static void flush(struct sock *s) {
    if (s->out_len) {
        ssize_t wrote = write(s->fd.fd, s->out, s->out_len);
        size_t gone = wrote > 0 ? (size_t)wrote : 0;
        if (wrote < 0 && !would_block())
            gone = s->out_len;
        s->out_len -= gone;
        memmove(s->out, s->out + gone, s->out_len);
    }
    if (s->out_len)
        return;
    watch(s, LOOP_WRITE, false);
    net_sendable(&s->net);
}

/* ---- receiving ---- */

/* The length of a whole frame at the head of `in`, or 0. */
static size_t whole(const struct sock *s) {
    if (s->in_len < LENGTH)
        return 0;
    size_t len = load_be32(s->in + s->in_at);
    return s->in_len - LENGTH >= len ? len : 0;
}

static bool read_stream(struct sock *s) {
    memmove(s->in, s->in + s->in_at, s->in_len);
    s->in_at = 0;
    ssize_t got = read(s->fd.fd, s->in + s->in_len, sizeof(s->in) - s->in_len);
    if (got < 0 && would_block())
        return false;
    if (got > 0)
        s->in_len += (size_t)got;
    if (got <= 0)
        drop_peer(s);
    return got > 0;
}

/* True: the next frame's length is known, and can't be. */
static bool is_nonsense(const struct sock *s) {
    uint32_t len = s->in_len >= LENGTH ? load_be32(s->in + s->in_at) : NET_HEADER;
    if (len >= NET_HEADER && len <= NET_FRAME_MAX)
        return false;
    return true;
}

static size_t sock_receive(struct net *net, const struct iovec *iov, unsigned n,
                           struct net_meta *meta) {
    struct sock *s = sock_of(net);
    if (meta)
        *meta = (struct net_meta){0};
    if (s->fd.fd < 0)
        return 0;
    if (!s->stream) {
        ssize_t got = recv(s->fd.fd, s->in, sizeof(s->in), MSG_DONTWAIT);
        if (got < NET_HEADER)
            return 0;
        net_iov_fill(iov, n, 0, s->in, (size_t)got);
        return (size_t)got;
    }
    size_t len = 0;
    while (!is_nonsense(s) && !(len = whole(s)))
        if (!read_stream(s))
            return 0;
    if (is_nonsense(s)) {
        log_warn("netdev %s: a frame of %u bytes can't be: the peer is dropped", net->id,
                 load_be32(s->in + s->in_at));
        drop_peer(s);
        return 0;
    }
    net_iov_fill(iov, n, 0, s->in + s->in_at + LENGTH, len);
    s->in_at += LENGTH + len;
    s->in_len -= LENGTH + len;
    return len;
}

static void sock_listen(struct net *net, bool on) {
    struct sock *s = sock_of(net);
    if (s->fd.fd >= 0)
        watch(s, LOOP_READ, on);
    if (on)
        loop_defer(s->loop, &s->offer);
}

static void sock_accept(struct net *net, unsigned offloads) {
    (void)net, (void)offloads; /* frames are whole here */
}

static void sock_close(struct net *net) {
    struct sock *s = sock_of(net);
    if (s->listener.fd >= 0) {
        loop_remove(s->loop, &s->listener);
        close(s->listener.fd);
        s->listener.fd = -1;
    }
    drop_peer(s);
    loop_cancel(s->loop, &s->offer);
}

static void sock_free(struct net *net) {
    mem_free(sock_of(net));
}

static const struct net_ops sock_ops = {sock_send,   sock_receive, sock_listen,
                                        sock_accept, sock_close,   sock_free};

/* There is a frame, not only some of its bytes. */
static bool has_frame(struct sock *s) {
    while (s->stream && s->fd.fd >= 0 && !is_nonsense(s) && !whole(s))
        if (!read_stream(s))
            return false;
    return s->fd.fd >= 0;
}

static void sock_ready(void *arg, unsigned events) {
    struct sock *s = arg;
    if (events & LOOP_WRITE && s->fd.events & LOOP_WRITE)
        flush(s);
    if (events & LOOP_READ && s->net.listening && has_frame(s))
        net_arrived(&s->net);
    if (s->stream && s->net.listening && (whole(s) || is_nonsense(s)))
        loop_defer(s->loop, &s->offer);
}

static void offer(void *arg) {
    struct sock *s = arg;
    if (s->stream)
        sock_ready(s, LOOP_READ);
}

/* ---- life ---- */

static void take_peer(struct sock *s, int fd) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    s->fd.fd = fd;
    s->fd.events = s->net.listening ? LOOP_READ : 0;
    loop_add(s->loop, &s->fd);
}

static void listener_ready(void *arg, unsigned events) {
    struct sock *s = arg;
    (void)events;
    int fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    loop_change(s->loop, &s->listener, 0);
    take_peer(s, fd);
}

static int unix_socket(const struct net_socket_spec *spec, char *why, size_t why_len) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && strlen(spec->path) < sizeof(addr.sun_path);
    if (ok) {
        memcpy(addr.sun_path, spec->path, strlen(spec->path));
        if (spec->server)
            unlink(spec->path);
        ok = spec->server ? !bind(fd, (struct sockaddr *)&addr, sizeof(addr)) && !listen(fd, 1)
                          : !connect(fd, (struct sockaddr *)&addr, sizeof(addr));
    } else {
        errno = ENAMETOOLONG;
    }
    if (ok)
        return fd;
    snprintf(why, why_len, "netdev %s: %s: %s", spec->id, spec->path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

struct net *net_socket_open(struct loop *loop, const struct net_socket_spec *spec, char *why,
                            size_t why_len) {
    int type = SOCK_STREAM, fd = spec->fd;
    socklen_t len = sizeof(type);
    if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len)) {
        snprintf(why, why_len, "netdev %s: fd=%d is not a socket", spec->id, fd);
        return NULL;
    }
    if (fd < 0 && (fd = unix_socket(spec, why, why_len)) < 0)
        return NULL;
    struct sock *s = mem_new(sizeof(*s));
    s->loop = loop;
    s->offer = (struct loop_task){.run = offer, .arg = s};
    s->stream = type == SOCK_STREAM;
    s->net = (struct net){.ops = &sock_ops, .id = spec->id, .link_up = true};
    s->fd = (struct loop_fd){.fd = -1, .ready = sock_ready, .arg = s};
    s->listener = (struct loop_fd){.fd = -1, .ready = listener_ready, .arg = s,
                                   .events = LOOP_READ};
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (spec->fd < 0 && spec->server) {
        s->listener.fd = fd;
        fcntl(fd, F_SETFL, O_NONBLOCK);
        loop_add(loop, &s->listener);
    } else {
        take_peer(s, fd);
    }
    return &s->net;
}
