/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an NBD export is: the names that the command line and the toolstack give it. Pure.
 *
 *     nbd:HOST:PORT[:exportname=X]    nbd://HOST[:PORT][/X]
 *     nbd:unix:PATH[:exportname=X]    nbd+unix:///[X]?socket=PATH
 */
#ifndef HOST_NBD_URL_H
#define HOST_NBD_URL_H

#include <stdbool.h>
#include <stddef.h>

struct nbd_url {
    char host[256];    /* "" when path is given; an IPv6 address without its brackets */
    char port[6];      /* decimal; 10809 when not said */
    char path[108];    /* of a Unix socket, or "" */
    char export[4097]; /* "" is the server's default one */
};

bool nbd_url_is(const char *text); /* it is of this protocol, well-formed or not */

/* False: `why` is a sentence. */
bool nbd_url_parse(const char *text, struct nbd_url *url, char *why, size_t why_len);

#endif
