/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See vnc_listen.h.
 */
#include "vnc_listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64 };

static bool listen_at(struct place *place, const struct sockaddr *addr, socklen_t len) {
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (addr->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, addr, len) || listen(fd, BACKLOG)) {
        int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    place->fds[place->count++].fd = fd;
    return true;
}

void place_close(struct place *place) {
    while (place->count)
        close(place->fds[--place->count].fd);
    if (place->path)
        unlink(place->path);
    place->path = NULL;
}

struct addrinfo *place_resolve(const char *host, char *why, size_t why_len) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST};
    struct addrinfo *all = NULL;
    if (host && !*host)
        host = NULL;
    int error = getaddrinfo(host, "0", &hints, &all);
    if (error == EAI_NONAME) { /* a name: this may ask a name server */
        hints.ai_flags = AI_PASSIVE;
        error = getaddrinfo(host, "0", &hints, &all);
    }
    if (!error)
        return all;
    snprintf(why, why_len, "VNC: the address \"%s\" is not known: %s", host ? host : "",
             gai_strerror(error));
    return NULL;
}

/* Every address that the host has, at one port. */
static bool listen_port(struct place *place, const struct addrinfo *all, unsigned port) {
    for (const struct addrinfo *a = all; a && place->count < PLACE_SOCKETS; a = a->ai_next) {
        struct sockaddr_storage addr;
        memcpy(&addr, a->ai_addr, a->ai_addrlen);
        if (a->ai_family == AF_INET)
            ((struct sockaddr_in *)&addr)->sin_port = htons((uint16_t)port);
        else
            ((struct sockaddr_in6 *)&addr)->sin6_port = htons((uint16_t)port);
        if (listen_at(place, (const struct sockaddr *)&addr, a->ai_addrlen))
            continue;
        if (errno == EAFNOSUPPORT || (errno == EADDRNOTAVAIL && all->ai_next))
            continue; /* a host without that family */
        int error = errno;
        place_close(place);
        errno = error;
        return false;
    }
    return place->count;
}

bool place_tcp(struct place *place, const struct addrinfo *all, unsigned port) {
    *place = (struct place){0};
    if (!listen_port(place, all, port))
        return false;
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    getsockname(place->fds[0].fd, (struct sockaddr *)&addr, &len);
    getnameinfo((struct sockaddr *)&addr, len, place->host, sizeof(place->host), place->service,
                sizeof(place->service), NI_NUMERICHOST | NI_NUMERICSERV);
    place->family = addr.ss_family == AF_INET6 ? "ipv6" : "ipv4";
    return true;
}

bool place_peer(int fd, char host[64], char service[16], const char **family) {
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    if (getpeername(fd, (struct sockaddr *)&addr, &len))
        return false;
    if (addr.ss_family == AF_UNIX) {
        host[0] = service[0] = '\0';
        *family = "unix";
        return true;
    }
    *family = addr.ss_family == AF_INET6 ? "ipv6" : "ipv4";
    return !getnameinfo((struct sockaddr *)&addr, len, host, 64, service, 16,
                        NI_NUMERICHOST | NI_NUMERICSERV);
}

bool place_unix(struct place *place, const char *path, char *why, size_t why_len) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    *place = (struct place){0};
    if (strlen(path) >= sizeof(addr.sun_path)) {
        snprintf(why, why_len, "VNC: the path %s is longer than a socket's may be", path);
        return false;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    unlink(path); /* left over */
    if (!listen_at(place, (const struct sockaddr *)&addr, sizeof(addr))) {
        snprintf(why, why_len, "VNC: can't listen at %s: %s", path, strerror(errno));
        return false;
    }
    memcpy(place->service, path, strlen(path) + 1);
    snprintf(place->host, sizeof(place->host), "%s", path);
    place->path = place->service; /* stays where it is */
    place->family = "unix";
    return true;
}
