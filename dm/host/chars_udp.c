/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line over UDP: what the chip sends becomes datagrams, what comes from the peer is handed over
 * as the chip has room. A datagram that comes while the one before is not used up waits in the
 * kernel.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chars_stream.h"
#include "core/bits.h"

enum { DATAGRAM = 65536 };

struct udp {
    struct chars chars;
    struct loop *loop;
    struct loop_fd fd;
    char id[64], filename[STREAM_NAME];
    size_t at, len; /* of the datagram under way */
    uint8_t bytes[DATAGRAM];
};

static struct udp *udp_of(struct chars *chars) {
    return CONTAINER_OF(chars, struct udp, chars);
}

/* Hands over what there is room for. False: none is left of it. */
static bool deliver(struct udp *u) {
    const struct chars_user *user = &u->chars.user;
    while (u->at < u->len) {
        size_t room = user->room ? user->room(user->dev) : 0;
        size_t n = MIN(room, u->len - u->at);
        if (!n)
            break;
        size_t at = u->at;
        u->at += n; /* first: the chip may call back */
        user->received(user->dev, u->bytes + at, n);
    }
    return u->at < u->len;
}

static void ready(void *arg, unsigned events) {
    struct udp *u = arg;
    (void)events;
    if (!deliver(u)) {
        ssize_t n = recv(u->fd.fd, u->bytes, sizeof(u->bytes), MSG_DONTWAIT);
        u->at = 0;
        u->len = n > 0 ? (size_t)n : 0; /* an ICMP error: nobody there yet */
    }
    if (deliver(u))
        loop_change(u->loop, &u->fd, 0);
}

/* A datagram that can't go is lost, as on any wire. */
static size_t udp_write(struct chars *chars, const uint8_t *bytes, size_t n) {
    enum { PAYLOAD = 1472 };
    for (size_t done = 0; done < n; done += MIN(n - done, (size_t)PAYLOAD))
        if (send(udp_of(chars)->fd.fd, bytes + done, MIN(n - done, (size_t)PAYLOAD),
                 MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            break;
    return n;
}

static void udp_accept(struct chars *chars) {
    struct udp *u = udp_of(chars);
    if (!deliver(u))
        loop_change(u->loop, &u->fd, LOOP_READ);
}

static void udp_free(struct chars *chars) {
    struct udp *u = udp_of(chars);
    loop_remove(u->loop, &u->fd);
    if (u->fd.fd >= 0)
        close(u->fd.fd);
    free(u);
}

static const struct chars_ops udp_ops = {udp_write, udp_accept, udp_free};

static const char *or_null(const char *text) {
    return text && *text ? text : NULL;
}

/* A socket bound to the local address, if one is given, and connected to the peer. */
static int udp_socket(const struct chars_spec *spec, int *gai) {
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *peer = NULL, *local = NULL;
    const char *host = or_null(spec->host) ? spec->host : "localhost";
    *gai = getaddrinfo(host, spec->port, &hints, &peer);
    if (*gai)
        return -1;
    hints.ai_family = peer->ai_family;
    hints.ai_flags = AI_PASSIVE;
    if (or_null(spec->local_host) || or_null(spec->local_port))
        *gai = getaddrinfo(or_null(spec->local_host),
                           or_null(spec->local_port) ? spec->local_port : "0", &hints, &local);
    int fd = *gai ? -1 : socket(peer->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ((local && bind(fd, local->ai_addr, local->ai_addrlen)) ||
                    connect(fd, peer->ai_addr, peer->ai_addrlen))) {
        int err = errno;
        close(fd);
        errno = err;
        fd = -1;
    }
    freeaddrinfo(peer);
    if (local)
        freeaddrinfo(local);
    return fd;
}

struct chars *chars_udp_open(struct loop *loop, const struct chars_spec *spec, char *why,
                             size_t why_len) {
    struct udp *u = calloc(1, sizeof(*u));
    int gai = 0;
    if (!u) {
        snprintf(why, why_len, "%s: %s", spec->id, strerror(ENOMEM));
        return NULL;
    }
    snprintf(u->id, sizeof(u->id), "%s", spec->id);
    snprintf(u->filename, sizeof(u->filename), "udp:%s:%s", spec->host ? spec->host : "",
             spec->port);
    u->loop = loop;
    u->chars = (struct chars){.ops = &udp_ops, .id = u->id, .filename = u->filename, .open = true};
    u->fd = (struct loop_fd){
        .fd = udp_socket(spec, &gai), .ready = ready, .arg = u, .events = LOOP_READ};
    if (u->fd.fd < 0 || !loop_add(loop, &u->fd)) {
        snprintf(why, why_len, "%s: %s: %s", spec->id, u->filename,
                 gai ? gai_strerror(gai) : strerror(errno));
        udp_free(&u->chars);
        return NULL;
    }
    return &u->chars;
}
