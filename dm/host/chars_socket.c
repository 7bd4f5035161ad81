/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines over TCP and Unix sockets, as server or client; telnet (RFC 854, 856, 857, 858) on top. A
 * server talks to one peer at a time and the next one waits in the backlog. Not done: TLS,
 * websockets, connecting anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "chars_stream.h"
#include "core/bits.h"
#include "core/log.h"

enum { BACKLOG = 1 };

/* RFC 854 */
enum { IAC = 255, DONT = 254, DO = 253, WONT = 252, WILL = 251, SB = 250, SE = 240 };
enum { OPT_BINARY = 0, OPT_ECHO = 1, OPT_SGA = 3 };

enum telnet { TEXT, AFTER_CR, AFTER_IAC, OPTION, SUB, SUB_IAC };

struct sock {
    struct stream stream;
    struct loop_fd listener; /* fd -1: a client */
    bool telnet, tcp, nodelay;
    enum telnet input;
    bool owes_iac;              /* of a doubled 255 only the first went */
    char unlink_path[STREAM_NAME];
    char address[STREAM_NAME];
};

static struct sock *sock_of(struct stream *stream) {
    return CONTAINER_OF(stream, struct sock, stream);
}

/* ---- telnet ---- */

/* Takes the commands out of the input; all options are as we announced them, whatever is asked. */
static size_t telnet_decode(struct stream *stream, uint8_t *bytes, size_t n) {
    struct sock *s = sock_of(stream);
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t b = bytes[i];
        switch (s->input) {
        case AFTER_CR: /* CR NUL is a bare CR */
        case TEXT:
            if (b == IAC)
                s->input = AFTER_IAC;
            else if (b != 0 || s->input != AFTER_CR)
                bytes[left++] = b;
            if (b != IAC)
                s->input = b == '\r' ? AFTER_CR : TEXT;
            break;
        case AFTER_IAC:
            s->input = b >= WILL && b <= DONT ? OPTION : b == SB ? SUB : TEXT;
            if (b == IAC)
                bytes[left++] = b;
            break;
        case OPTION:
            s->input = TEXT;
            break;
        case SUB:
            s->input = b == IAC ? SUB_IAC : SUB;
            break;
        case SUB_IAC:
            s->input = b == SE ? TEXT : SUB;
            break;
        }
    }
    return left;
}

/* 255 goes twice. */
static size_t telnet_write(struct chars *chars, const uint8_t *bytes, size_t n) {
    static const uint8_t iac = IAC, doubled[2] = {IAC, IAC};
    struct sock *s = sock_of(STREAM(chars));
    size_t done = 0;
    while (done < n) {
        if (s->owes_iac && !stream_write(chars, &iac, 1))
            break;
        s->owes_iac = false;
        const uint8_t *next = memchr(bytes + done, IAC, n - done);
        size_t run = next ? (size_t)(next - bytes) - done : n - done;
        size_t took = run ? stream_write(chars, bytes + done, run)
                          : stream_write(chars, doubled, 2);
        s->owes_iac = !run && took == 1;
        done += run ? took : took > 0;
        if (took < (run ? run : 2))
            break;
    }
    return done;
}

static void telnet_greet(struct sock *s) {
    static const uint8_t hello[] = {IAC, WILL, OPT_ECHO,   IAC, WILL, OPT_SGA,
                                    IAC, WILL, OPT_BINARY, IAC, DO,   OPT_BINARY};
    s->input = TEXT;
    s->owes_iac = false;
    stream_write(&s->stream.chars, hello, sizeof(hello)); /* an empty socket takes this much */
}

/* ---- peers come and go ---- */

static void set_filename(struct sock *s, bool connected) {
    snprintf(s->stream.filename, sizeof(s->stream.filename), "%s%.*s",
             connected ? "" : "disconnected:", STREAM_NAME - 16, s->address);
}

static bool take_peer(struct sock *s, int fd) {
    int one = 1;
    if (s->tcp && s->nodelay)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    set_filename(s, true);
    if (!stream_attach(&s->stream, fd, fd))
        return false;
    if (s->telnet)
        telnet_greet(s);
    return true;
}

static void listener_ready(void *arg, unsigned events) {
    struct sock *s = arg;
    (void)events;
    int fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    loop_change(s->stream.loop, &s->listener, 0);
    if (!take_peer(s, fd))
        loop_change(s->stream.loop, &s->listener, LOOP_READ);
}

static void lost(struct stream *stream) {
    struct sock *s = sock_of(stream);
    set_filename(s, false);
    if (s->listener.fd >= 0)
        loop_change(stream->loop, &s->listener, LOOP_READ);
}

/* ---- life ---- */

static void sock_free(struct chars *chars) {
    struct sock *s = sock_of(STREAM(chars));
    chars->user = (struct chars_user){0};
    s->stream.lost = NULL;
    stream_detach(&s->stream);
    loop_remove(s->stream.loop, &s->listener);
    if (s->listener.fd >= 0)
        close(s->listener.fd);
    if (s->unlink_path[0])
        unlink(s->unlink_path);
    free(s);
}

static const struct chars_ops sock_ops = {stream_write, stream_accept, sock_free};
static const struct chars_ops telnet_ops = {telnet_write, stream_accept, sock_free};

static int unix_socket(struct sock *s, const struct chars_spec *spec) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(spec->path), at = spec->abstract;
    if (len + 1 > sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(addr.sun_path + at, spec->path, len);
    socklen_t addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + at + len + !at);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (spec->server && !spec->abstract) {
        unlink(spec->path);
        snprintf(s->unlink_path, sizeof(s->unlink_path), "%s", spec->path);
    }
    if (spec->server ? bind(fd, (struct sockaddr *)&addr, addr_len) || listen(fd, BACKLOG)
                     : connect(fd, (struct sockaddr *)&addr, addr_len)) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

static bool bind_or_connect(int fd, const struct addrinfo *a, bool server) {
    int one = 1;
    if (!server)
        return !connect(fd, a->ai_addr, a->ai_addrlen);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    return !bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, BACKLOG);
}

/* The first address that works. *gai: what getaddrinfo said, or 0. */
static int tcp_socket(const struct chars_spec *spec, int *gai) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = spec->server ? AI_PASSIVE : 0};
    struct addrinfo *list = NULL;
    *gai = getaddrinfo(spec->host && *spec->host ? spec->host : NULL, spec->port, &hints, &list);
    if (*gai)
        return -1;
    int fd = -1, err = 0;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && bind_or_connect(fd, a, spec->server))
            break;
        err = errno;
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    errno = err;
    return fd;
}

static void name_it(struct sock *s, const struct chars_spec *spec) {
    char where[STREAM_NAME / 2];
    if (spec->path)
        snprintf(where, sizeof(where), "unix:%s", spec->path);
    else if (spec->port)
        snprintf(where, sizeof(where), "%s:%s:%s", spec->telnet ? "telnet" : "tcp",
                 spec->host ? spec->host : "", spec->port);
    else
        snprintf(where, sizeof(where), "fd:%d", spec->fd);
    snprintf(s->address, sizeof(s->address), "%s%s", where, spec->server ? ",server=on" : "");
    set_filename(s, false);
}

static bool start(struct sock *s, const struct chars_spec *spec, int fd) {
    if (!spec->server)
        return take_peer(s, fd);
    s->listener.fd = fd;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (!loop_add(s->stream.loop, &s->listener))
        return false;
    if (spec->wait) {
        log_warn("%s: waiting for a peer at %s", spec->id, s->address);
        while (!s->stream.chars.open) {
            struct pollfd poll_fd = {fd, POLLIN, 0};
            if (poll(&poll_fd, 1, -1) < 0 && errno != EINTR)
                return false;
            listener_ready(s, LOOP_READ);
        }
    }
    return true;
}

struct chars *chars_socket_open(struct loop *loop, const struct chars_spec *spec, char *why,
                                size_t why_len) {
    struct sock *s = calloc(1, sizeof(*s));
    if (!s) {
        snprintf(why, why_len, "%s: %s", spec->id, strerror(ENOMEM));
        return NULL;
    }
    stream_init(&s->stream, loop, spec->telnet ? &telnet_ops : &sock_ops, spec, "");
    s->stream.lost = lost;
    s->stream.decode = spec->telnet ? telnet_decode : NULL;
    s->listener = (struct loop_fd){
        .fd = -1, .ready = listener_ready, .arg = s, .events = LOOP_READ};
    s->telnet = spec->telnet;
    s->tcp = spec->kind == CHARS_TCP;
    s->nodelay = spec->nodelay;
    name_it(s, spec);
    int gai = 0;
    int fd = spec->fd >= 0 ? spec->fd : s->tcp ? tcp_socket(spec, &gai) : unix_socket(s, spec);
    if (fd < 0 || !start(s, spec, fd)) {
        snprintf(why, why_len, "%s: %s: %s", spec->id, s->address,
                 gai ? gai_strerror(gai) : strerror(errno));
        sock_free(&s->stream.chars);
        return NULL;
    }
    return &s->stream.chars;
}
