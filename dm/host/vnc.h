/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VNC server: listens from the start, so that its port can be told, and serves viewers once
 * there is a machine. It costs nothing while nobody is connected, and no viewer can hold up the
 * guest or another viewer. One thread.
 */
#ifndef HOST_VNC_H
#define HOST_VNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct display;
struct input;
struct keymap;
struct loop;
struct tls_options;
struct vnc;

/* What a viewer means that wants to be alone. */
enum vnc_share {
    VNC_SHARE_EXCLUSIVE, /* the others go */
    VNC_SHARE_FORCED,    /* it may not come */
    VNC_SHARE_IGNORED,   /* nothing */
};

struct vnc_listen {
    const char *host;       /* "" is any address */
    const char *path;       /* a Unix socket instead, or NULL */
    unsigned port, to_port; /* the first free one of these */
    bool password;          /* nobody gets in before one is set */
    enum vnc_share share;
    const struct keymap *keymap; /* of the guest's keyboard; NULL: a US one */
    const struct tls_options *tls; /* or NULL */
    bool websocket;         /* another port for browsers */
    const char *web_host;
    unsigned web_port;      /* 0: as much above 5700 as the other is above 5900 */
};

struct vnc_at {
    const char *host;    /* numeric, or the path */
    const char *service; /* the port, or the path */
    const char *family;  /* "ipv4", "ipv6" or "unix" */
};

struct vnc_info {
    struct vnc_at at, web; /* web: when `websocket` */
    bool password, tls, anonymous, websocket;
    unsigned clients;
};

struct vnc_peer {
    char host[64], service[16];
    const char *family;
    bool websocket;
};

/* NULL: `why` is a sentence. */
struct vnc *vnc_open(struct loop *loop, const struct vnc_listen *listen, char *why, size_t why_len);
/* From now on viewers are let in; the name is their window's title. display NULL: none is there. */
void vnc_attach(struct vnc *vnc, struct display *display, struct input *input, const char *name);
void vnc_detach(struct vnc *vnc); /* before the display goes: viewers are sent away */
void vnc_close(struct vnc *vnc);

void vnc_query(const struct vnc *vnc, struct vnc_info *info);
bool vnc_query_client(const struct vnc *vnc, unsigned n, struct vnc_peer *peer); /* false: none */
/* Only the first eight bytes count, says the protocol. False: `why` is a sentence. */
bool vnc_set_password(struct vnc *vnc, const char *password, char *why, size_t why_len);
/* Whichever password is set lets nobody in from then on, by the host's clock in s of the epoch;
 * INT64_MAX: for ever good. Who is in stays. */
bool vnc_expire_password(struct vnc *vnc, int64_t when, char *why, size_t why_len);

#endif
