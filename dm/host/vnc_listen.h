/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the VNC server listens: one port of every address of a host, or a Unix socket. One thread.
 */
#ifndef HOST_VNC_LISTEN_H
#define HOST_VNC_LISTEN_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#include "core/loop.h"

enum { PLACE_SOCKETS = 4 };

struct place {
    struct loop_fd fds[PLACE_SOCKETS]; /* fd only; the rest is the owner's */
    unsigned count;
    char host[NI_MAXHOST], service[sizeof(((struct sockaddr_un *)0)->sun_path) + 1]; /* numeric */
    const char *family; /* "ipv4", "ipv6", "unix" */
    const char *path;   /* to unlink, or NULL */
};

/* The addresses of a host, "" or NULL being any. NULL: `why` is a sentence. */
struct addrinfo *place_resolve(const char *host, char *why, size_t why_len);
/* False: errno. */
bool place_tcp(struct place *place, const struct addrinfo *addresses, unsigned port);
/* False: `why` is a sentence. */
bool place_unix(struct place *place, const char *path, char *why, size_t why_len);
/* Who is at the other end, in numbers; false: that is not known. */
bool place_peer(int fd, char host[64], char service[16], const char **family);
void place_close(struct place *place); /* not watched by then */

#endif
