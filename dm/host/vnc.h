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

struct display;
struct input;
struct loop;
struct vnc;

struct vnc_listen {
    const char *host;       /* "" is any address */
    const char *path;       /* a Unix socket instead, or NULL */
    unsigned port, to_port; /* the first free one of these */
    bool password;          /* nobody gets in before one is set */
};

struct vnc_info {
    const char *host;    /* numeric, or the path */
    const char *service; /* the port, or the path */
    const char *family;  /* "ipv4", "ipv6" or "unix" */
    bool password;
    unsigned clients;
};

/* NULL: `why` is a sentence. */
struct vnc *vnc_open(struct loop *loop, const struct vnc_listen *listen, char *why, size_t why_len);
/* From now on viewers are let in; the name is their window's title. display NULL: none is there. */
void vnc_attach(struct vnc *vnc, struct display *display, struct input *input, const char *name);
void vnc_detach(struct vnc *vnc); /* before the display goes: viewers are sent away */
void vnc_close(struct vnc *vnc);

void vnc_query(const struct vnc *vnc, struct vnc_info *info);
/* Only the first eight bytes count, says the protocol. False: `why` is a sentence. */
bool vnc_set_password(struct vnc *vnc, const char *password, char *why, size_t why_len);

#endif
