/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets, pacing and the shared screen of the VNC server; the protocol is rfb.c's. A library that
 * serves clients by blocking reads and writes would let one stalled viewer stop the guest, so all
 * of this is ours and never waits.
 *
 * The guest's screen is looked at when a viewer waits for an update: 60 times a second while it
 * changes, 20 times while it does not, never without viewers. What changed is found by comparing
 * with what was sent, in tiles; a viewer gets its next update when it has taken the last one.
 */
#include "vnc.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/display.h"
#include "core/input.h"
#include "core/log.h"
#include "core/loop.h"
#include "rfb.h"

enum {
    LISTENERS = 4, CLIENTS = 32, BACKLOG = 16, READ_SIZE = 4096, READS = 8,
    BUSY_MS = 16, IDLE_MS = 50, BUSY_FRAMES = 30, /* half a second until it counts as idle */
    KEEP_OUT = 65536, /* of a viewer's buffer, once it is empty */
    ANSWERS = 65536,  /* bytes that a viewer may leave unread besides updates */
};

struct client {
    struct vnc *vnc;
    struct loop_fd fd;
    struct rfb rfb;
    size_t sent;    /* of rfb.out */
    size_t answers; /* in it that were asked for, not paced: bounded */
    bool in, closing;
};

struct vnc {
    struct loop *loop;
    struct loop_fd listeners[LISTENERS];
    unsigned listener_count;
    char host[NI_MAXHOST], service[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    const char *family, *path;
    bool want_password, attached;
    char password[RFB_PASSWORD + 1], name[256];
    struct display *display;
    struct input *input;
    struct client *clients[CLIENTS];
    unsigned client_count;
    /* the screen as it is sent */
    struct rfb_screen screen;
    uint32_t *pixels;
    bool watching;
    struct loop_fd timer;
    bool armed;
    unsigned quiet; /* frames without a change */
    struct rfb_user user;
};

/* ---- listening ---- */

static bool listen_at(struct vnc *vnc, const struct sockaddr *addr, socklen_t len) {
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
    vnc->listeners[vnc->listener_count++].fd = fd;
    return true;
}

static void stop_listening(struct vnc *vnc) {
    while (vnc->listener_count) {
        struct loop_fd *fd = &vnc->listeners[--vnc->listener_count];
        loop_remove(vnc->loop, fd);
        close(fd->fd);
    }
}

/* Every address that the host has, at one port. */
static bool listen_port(struct vnc *vnc, const struct addrinfo *all, unsigned port) {
    for (const struct addrinfo *a = all; a && vnc->listener_count < LISTENERS; a = a->ai_next) {
        struct sockaddr_storage addr;
        memcpy(&addr, a->ai_addr, a->ai_addrlen);
        if (a->ai_family == AF_INET)
            ((struct sockaddr_in *)&addr)->sin_port = htons((uint16_t)port);
        else
            ((struct sockaddr_in6 *)&addr)->sin6_port = htons((uint16_t)port);
        if (listen_at(vnc, (const struct sockaddr *)&addr, a->ai_addrlen))
            continue;
        if (errno == EAFNOSUPPORT || (errno == EADDRNOTAVAIL && all->ai_next))
            continue; /* a host without that family */
        int error = errno;
        stop_listening(vnc);
        errno = error;
        return false;
    }
    return vnc->listener_count;
}

static bool listen_tcp(struct vnc *vnc, const struct vnc_listen *l, char *why, size_t why_len) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST};
    struct addrinfo *all = NULL;
    const char *host = l->host && l->host[0] ? l->host : NULL;
    int error = getaddrinfo(host, "0", &hints, &all);
    if (error == EAI_NONAME) { /* a name: this may ask a name server */
        hints.ai_flags = AI_PASSIVE;
        error = getaddrinfo(host, "0", &hints, &all);
    }
    if (error) {
        snprintf(why, why_len, "VNC: the address \"%s\" is not known: %s", l->host,
                 gai_strerror(error));
        return false;
    }
    unsigned port = l->port;
    bool good = listen_port(vnc, all, port);
    while (!good && errno == EADDRINUSE && port < l->to_port)
        good = listen_port(vnc, all, ++port);
    error = errno;
    freeaddrinfo(all);
    if (!good) {
        snprintf(why, why_len, "VNC: can't listen at %s port %u: %s", host ? host : "any address",
                 port, strerror(error));
        return false;
    }
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    getsockname(vnc->listeners[0].fd, (struct sockaddr *)&addr, &len);
    getnameinfo((struct sockaddr *)&addr, len, vnc->host, sizeof(vnc->host), vnc->service,
                sizeof(vnc->service), NI_NUMERICHOST | NI_NUMERICSERV);
    vnc->family = addr.ss_family == AF_INET6 ? "ipv6" : "ipv4";
    return true;
}

static bool listen_unix(struct vnc *vnc, const struct vnc_listen *l, char *why, size_t why_len) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(l->path) >= sizeof(addr.sun_path)) {
        snprintf(why, why_len, "VNC: the path %s is longer than a socket's may be", l->path);
        return false;
    }
    memcpy(addr.sun_path, l->path, strlen(l->path) + 1);
    unlink(l->path); /* left over */
    if (!listen_at(vnc, (const struct sockaddr *)&addr, sizeof(addr))) {
        snprintf(why, why_len, "VNC: can't listen at %s: %s", l->path, strerror(errno));
        return false;
    }
    memcpy(vnc->service, l->path, strlen(l->path) + 1);
    snprintf(vnc->host, sizeof(vnc->host), "%s", l->path);
    vnc->path = vnc->service;
    vnc->family = "unix";
    return true;
}

/* ---- pacing ---- */

static void arm(struct vnc *vnc, unsigned ms) {
    struct itimerspec when = {.it_value = {.tv_nsec = (long)ms * 1000000}};
    timerfd_settime(vnc->timer.fd, 0, &when, NULL);
    vnc->armed = ms;
}

static bool waits(const struct client *c) {
    return c->in && !c->closing && c->rfb.requested && !c->rfb.out.len;
}

/* Somebody waits for an update: the next look at the screen is due. */
static void pace(struct vnc *vnc) {
    bool any = false;
    for (unsigned i = 0; i < vnc->client_count; i++)
        any |= waits(vnc->clients[i]);
    if (any && !vnc->armed)
        arm(vnc, vnc->quiet < BUSY_FRAMES ? BUSY_MS : IDLE_MS);
}

/* ---- the shared screen ---- */

static void compare_line(struct vnc *vnc, unsigned y, const uint32_t *from) {
    uint32_t *to = vnc->pixels + (size_t)y * vnc->screen.width;
    for (unsigned x = 0; x < vnc->screen.width; x += RFB_TILE_W) {
        size_t n = MIN(vnc->screen.width - x, (unsigned)RFB_TILE_W) * sizeof(*to);
        if (!memcmp(to + x, from + x, n))
            continue;
        memcpy(to + x, from + x, n);
        vnc->quiet = 0;
        for (unsigned i = 0; i < vnc->client_count; i++)
            if (vnc->clients[i]->in)
                rfb_changed(&vnc->clients[i]->rfb, x / RFB_TILE_W, y / RFB_TILE_H);
    }
}

static bool fit_screen(struct vnc *vnc) {
    struct display *d = vnc->display;
    if (vnc->pixels && vnc->screen.width == d->width && vnc->screen.height == d->height)
        return true;
    uint32_t *pixels = calloc((size_t)d->width * d->height, sizeof(*pixels));
    if (!pixels) {
        log_warn("VNC: no memory for a screen of %u x %u", d->width, d->height);
        return false;
    }
    free(vnc->pixels);
    vnc->pixels = pixels;
    vnc->screen.pixels = pixels;
    vnc->screen.width = d->width;
    vnc->screen.height = d->height;
    d->dirty_top = 0;
    d->dirty_bottom = d->height;
    for (unsigned i = 0; i < vnc->client_count; i++)
        rfb_resized(&vnc->clients[i]->rfb);
    return true;
}

static void look(struct vnc *vnc) {
    struct display *d = vnc->display;
    vnc->quiet++;
    if (!d)
        return;
    d->refresh(d->dev, d, false);
    d->resized = false;
    if (!d->pixels || !fit_screen(vnc))
        return;
    for (unsigned y = d->dirty_top; y < d->dirty_bottom && y < d->height; y++)
        compare_line(vnc, y, d->pixels + (size_t)y * d->stride);
    d->dirty_top = d->dirty_bottom = 0;
}

/* Without a display there is something to see, too. */
static void blank_screen(struct vnc *vnc) {
    enum { WIDTH = 640, HEIGHT = 480 };
    if (vnc->pixels)
        return;
    vnc->pixels = calloc((size_t)WIDTH * HEIGHT, sizeof(*vnc->pixels));
    vnc->screen.pixels = vnc->pixels;
    vnc->screen.width = vnc->pixels ? WIDTH : 0;
    vnc->screen.height = vnc->pixels ? HEIGHT : 0;
}

static void watch(struct vnc *vnc, bool on) {
    if (vnc->watching == on)
        return;
    vnc->watching = on;
    if (vnc->display)
        display_watch(vnc->display, on);
    if (!on) {
        free(vnc->pixels);
        vnc->pixels = NULL;
        vnc->screen.pixels = NULL;
        arm(vnc, 0);
    }
}

/* ---- viewers ---- */

static void drop(struct client *c) {
    struct vnc *vnc = c->vnc;
    for (unsigned i = 0; i < vnc->client_count; i++)
        if (vnc->clients[i] == c)
            vnc->clients[i] = vnc->clients[--vnc->client_count];
    loop_remove(vnc->loop, &c->fd);
    close(c->fd.fd);
    rfb_close(&c->rfb);
    free(c);
    bool any = false;
    for (unsigned i = 0; i < vnc->client_count; i++)
        any |= vnc->clients[i]->in;
    if (!any)
        watch(vnc, false);
}

/* Sends what there is. False: the viewer is gone. */
static bool flush(struct client *c) {
    struct rfb_buf *out = &c->rfb.out;
    while (c->sent < out->len) {
        ssize_t n = send(c->fd.fd, out->bytes + c->sent, out->len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            loop_change(c->vnc->loop, &c->fd, LOOP_READ | LOOP_WRITE);
            return true;
        }
        if (n <= 0)
            return false;
        c->sent += (size_t)n;
    }
    c->sent = c->answers = out->len = 0;
    if (out->cap > KEEP_OUT)
        rfb_buf_free(out);
    if (c->closing)
        return false;
    loop_change(c->vnc->loop, &c->fd, LOOP_READ);
    return true;
}

/* Looks at the screen and sends to those who wait. */
static void frame(struct vnc *vnc) {
    bool any = false;
    vnc->armed = false;
    for (unsigned i = 0; i < vnc->client_count; i++)
        any |= waits(vnc->clients[i]);
    if (!any)
        return;
    look(vnc);
    for (unsigned i = vnc->client_count; i-- > 0;) {
        struct client *c = vnc->clients[i];
        if (!waits(c))
            continue;
        rfb_update(&c->rfb);
        if (c->rfb.out.failed || !flush(c))
            drop(c); /* the last one takes its place; it had its turn */
    }
    pace(vnc);
}

static void timer_ready(void *arg, unsigned events) {
    struct vnc *vnc = arg;
    uint64_t count;
    (void)events;
    if (read(vnc->timer.fd, &count, sizeof(count)) == sizeof(count))
        frame(vnc);
}

/* Reads a bounded amount, so that one viewer's flood does not starve the guest. */
static bool take_input(struct client *c) {
    uint8_t bytes[READ_SIZE];
    for (unsigned i = 0; i < READS; i++) {
        ssize_t n = recv(c->fd.fd, bytes, sizeof(bytes), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        size_t before = c->rfb.out.len;
        if (!rfb_input(&c->rfb, bytes, (size_t)n)) {
            c->closing = true;
            return !c->rfb.out.failed;
        }
        c->answers += c->rfb.out.len - before;
        if (c->answers > ANSWERS)
            return false;
        if ((size_t)n < sizeof(bytes))
            return true;
    }
    return true;
}

static void client_ready(void *arg, unsigned events) {
    struct client *c = arg;
    struct vnc *vnc = c->vnc;
    bool alive = true;
    if (events & LOOP_READ && !c->closing)
        alive = take_input(c);
    if (!alive || c->rfb.out.failed || !flush(c))
        drop(c);
    pace(vnc);
}

/* One who is not in yet makes room; those who are in stay. */
static bool make_room(struct vnc *vnc) {
    if (vnc->client_count < CLIENTS)
        return true;
    for (unsigned i = 0; i < vnc->client_count; i++)
        if (!vnc->clients[i]->in) {
            drop(vnc->clients[i]);
            return true;
        }
    return false;
}

static void add_client(struct vnc *vnc, int fd) {
    uint8_t challenge[RFB_CHALLENGE];
    struct client *c = make_room(vnc) ? calloc(1, sizeof(*c)) : NULL;
    if (!c || getrandom(challenge, sizeof(challenge), 0) != sizeof(challenge)) {
        free(c);
        close(fd);
        return;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    c->vnc = vnc;
    c->fd = (struct loop_fd){.fd = fd, .ready = client_ready, .arg = c, .events = LOOP_READ};
    rfb_open(&c->rfb, &vnc->user, &vnc->screen, vnc->want_password ? vnc->password : NULL,
             challenge);
    vnc->clients[vnc->client_count++] = c;
    if (!loop_add(vnc->loop, &c->fd) || !flush(c))
        drop(c);
}

static void listener_ready(void *arg, unsigned events) {
    struct vnc *vnc = arg;
    (void)events;
    for (unsigned i = 0; i < vnc->listener_count; i++) {
        int fd = accept4(vnc->listeners[i].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            add_client(vnc, fd);
    }
}

/* ---- what viewers do ---- */

static void send_event(void *arg, enum input_kind kind, unsigned code, int value) {
    struct vnc *vnc = arg;
    struct input_event event = {.kind = kind, .code = (uint16_t)code, .value = value};
    if (vnc->input)
        input_send(vnc->input, &event);
    vnc->quiet = 0;
}

static void on_key(void *arg, unsigned code, bool down) {
    send_event(arg, INPUT_KEY, code, down);
}

static void on_button(void *arg, unsigned code, bool down) {
    send_event(arg, INPUT_BUTTON, code, down);
}

static int across(int at, unsigned size) {
    if (size < 2 || at < 0)
        return 0;
    return (int)((int64_t)MIN((unsigned)at, size - 1) * INPUT_ABS_MAX / (size - 1));
}

static void on_move(void *arg, bool absolute, int x, int y) {
    struct vnc *vnc = arg;
    if (absolute) {
        send_event(vnc, INPUT_ABS, INPUT_X, across(x, vnc->screen.width));
        send_event(vnc, INPUT_ABS, INPUT_Y, across(y, vnc->screen.height));
        return;
    }
    if (x)
        send_event(vnc, INPUT_REL, INPUT_X, x);
    if (y)
        send_event(vnc, INPUT_REL, INPUT_Y, y);
}

static void on_wheel(void *arg, int by) {
    send_event(arg, INPUT_REL, INPUT_WHEEL, by);
}

static void on_done(void *arg) {
    struct vnc *vnc = arg;
    if (vnc->input)
        input_sync(vnc->input);
}

static bool is_absolute(void *arg) {
    struct vnc *vnc = arg;
    return vnc->input && input_has_abs(vnc->input);
}

static void on_arrival(void *arg, struct rfb *rfb, bool shared) {
    struct vnc *vnc = arg;
    struct client *c = CONTAINER_OF(rfb, struct client, rfb);
    for (unsigned i = vnc->client_count; i-- > 0 && !shared;) {
        struct client *other = vnc->clients[i];
        if (other != c && other->in && !other->closing) {
            other->closing = other->rfb.out.failed = true; /* gone at its next turn */
            loop_change(vnc->loop, &other->fd, LOOP_READ | LOOP_WRITE);
        }
    }
    c->in = true;
    vnc->quiet = 0;
    watch(vnc, true);
    look(vnc);
    blank_screen(vnc);
}

/* ---- life ---- */

struct vnc *vnc_open(struct loop *loop, const struct vnc_listen *l, char *why, size_t why_len) {
    struct vnc *vnc = calloc(1, sizeof(*vnc));
    if (!vnc) {
        snprintf(why, why_len, "VNC: no memory");
        return NULL;
    }
    vnc->loop = loop;
    vnc->want_password = l->password;
    vnc->timer.fd = -1;
    vnc->user = (struct rfb_user){.key = on_key, .button = on_button, .move = on_move,
                                  .wheel = on_wheel, .done = on_done, .absolute = is_absolute,
                                  .arrived = on_arrival, .arg = vnc};
    if (!(l->path ? listen_unix : listen_tcp)(vnc, l, why, why_len)) {
        free(vnc);
        return NULL;
    }
    return vnc;
}

void vnc_attach(struct vnc *vnc, struct display *display, struct input *input, const char *name) {
    vnc->display = display;
    vnc->input = input;
    snprintf(vnc->name, sizeof(vnc->name), "%s", name);
    vnc->screen.name = vnc->name;
    if (vnc->timer.fd < 0) {
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        vnc->timer = (struct loop_fd){.fd = fd, .ready = timer_ready, .arg = vnc,
                                      .events = LOOP_READ};
        if (fd < 0 || !loop_add(vnc->loop, &vnc->timer))
            log_error("VNC: no timer, so no pictures: %s", strerror(errno));
    }
    for (unsigned i = 0; i < vnc->listener_count; i++) {
        struct loop_fd *fd = &vnc->listeners[i];
        *fd = (struct loop_fd){.fd = fd->fd, .ready = listener_ready, .arg = vnc,
                               .events = LOOP_READ};
        if (!loop_add(vnc->loop, fd))
            log_error("VNC: the listening socket can't be watched: %s", strerror(errno));
    }
    vnc->attached = true;
}

void vnc_detach(struct vnc *vnc) {
    while (vnc->client_count)
        drop(vnc->clients[0]);
    for (unsigned i = 0; i < vnc->listener_count; i++)
        loop_remove(vnc->loop, &vnc->listeners[i]);
    vnc->attached = false;
    vnc->display = NULL;
    vnc->input = NULL;
}

void vnc_close(struct vnc *vnc) {
    if (!vnc)
        return;
    vnc_detach(vnc);
    stop_listening(vnc);
    if (vnc->path)
        unlink(vnc->path);
    if (vnc->timer.fd >= 0) {
        loop_remove(vnc->loop, &vnc->timer);
        close(vnc->timer.fd);
    }
    free(vnc->pixels);
    free(vnc);
}

void vnc_query(const struct vnc *vnc, struct vnc_info *info) {
    *info = (struct vnc_info){.host = vnc->host, .service = vnc->service, .family = vnc->family,
                              .password = vnc->want_password};
    for (unsigned i = 0; i < vnc->client_count; i++)
        info->clients += vnc->clients[i]->in;
}

bool vnc_set_password(struct vnc *vnc, const char *password, char *why, size_t why_len) {
    if (!vnc->want_password) {
        snprintf(why, why_len, "VNC was started without password=on (vncpasswd in xl.cfg)");
        return false;
    }
    memset(vnc->password, 0, sizeof(vnc->password));
    strncpy(vnc->password, password, RFB_PASSWORD);
    return true;
}
