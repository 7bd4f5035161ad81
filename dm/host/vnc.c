/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets, pacing and the shared screen of the VNC server; the protocol is rfb.c's. A library that
 * serves clients by blocking reads and writes would let one stalled viewer stop the guest, so all
 * of this is ours and never waits.
 *
 * The guest's screen is looked at when a viewer waits for an update, as often as vnc_pace.h says,
 * never without viewers. What changed is found by comparing with what was sent, in tiles; a viewer
 * gets its next update when it has taken the last one.
 */
#include "vnc.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/clock.h"
#include "core/display.h"
#include "core/input.h"
#include "core/log.h"
#include "core/loop.h"
#include "loop.h"
#include "rfb.h"
#include "tls.h"
#include "vnc_conn.h"
#include "vnc_listen.h"
#include "vnc_pace.h"
#include "vnc_pointer.h"
#include "ws.h"

enum {
    CLIENTS = 32, READ_SIZE = 4096, READS = 8, ACCEPTS = 16,
    DISPLAY_0 = 5900, WEBSOCKET_0 = 5700,
    SCROLL = 64,  /* so many lines have to change before it is asked whether they moved */
    KEEP_OUT = 65536, /* of a viewer's buffer, once it is empty */
    ANSWERS = 65536,  /* bytes that a viewer may leave unread besides updates */
};

#define STALLED_NS UINT64_C(5000000000)

struct client {
    struct vnc *vnc;
    struct loop_fd fd;
    struct conn conn;
    struct rfb rfb;
    uint64_t number; /* the lowest came first */
    uint64_t moved;  /* when it last took something, in ns */
    size_t sent;    /* of rfb.out */
    size_t answers; /* in it that were asked for, not paced: bounded */
    bool in, closing;
};

struct vnc {
    struct loop *loop;
    struct place place, web; /* web.count 0: no WebSocket */
    struct tls_creds *creds; /* NULL: no TLS */
    bool want_password;
    enum vnc_share share;
    char password[RFB_PASSWORD + 1], name[256];
    int64_t expires; /* the password, see vnc_expire_password */
    struct display *display;
    struct input *input;
    struct client *clients[CLIENTS];
    unsigned client_count;
    uint64_t arrivals;
    /* the screen as it is sent */
    struct rfb_screen screen;
    uint32_t *pixels;
    bool watching;
    struct vnc_pointer pointer;
    int at_x, at_y; /* where the last viewer pointed */
    struct loop_fd timer;
    uint64_t due; /* when it goes off, in ns; 0: never */
    struct vnc_pace pace;
    struct rfb_user user;
};

/* ---- pacing ---- */

static void arm(struct vnc *vnc, uint64_t now, uint64_t wait) {
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(wait / NS_PER_SEC),
                                           .tv_nsec = (long)(wait % NS_PER_SEC)}};
    timerfd_settime(vnc->timer.fd, 0, &when, NULL);
    vnc->due = now + wait;
}

static void disarm(struct vnc *vnc) {
    if (vnc->due)
        timerfd_settime(vnc->timer.fd, 0, &(struct itimerspec){0}, NULL);
    vnc->due = 0;
}

static bool waits(const struct client *c) {
    return c->in && !c->closing && c->rfb.requested && !c->rfb.out.len;
}

/* Somebody waits for an update: the next look at the screen is due, at the latest. */
static void pace(struct vnc *vnc) {
    const struct display *d = vnc->display;
    bool any = false, news = false;
    for (unsigned i = 0; i < vnc->client_count; i++) {
        const struct client *c = vnc->clients[i];
        any |= waits(c);
        news |= waits(c) && rfb_has_news(&c->rfb);
    }
    if (!any)
        return;
    if (news)
        vnc_pace_tell(&vnc->pace);
    uint64_t now = loop_monotonic(NULL);
    uint64_t wait = vnc_pace_next(&vnc->pace, now, d ? d->blink_ms : 0);
    if (!vnc->due || now + wait < vnc->due)
        arm(vnc, now, wait);
}

/* Within an access of the guest. */
static void display_has_changed(void *follower) {
    struct vnc *vnc = follower;
    vnc_pace_tell(&vnc->pace);
    pace(vnc);
}

/* By a viewer or by anybody else: all who look see the answer as soon. */
static void input_has_reached(void *follower) {
    struct vnc *vnc = follower;
    vnc_pace_prompt(&vnc->pace, loop_monotonic(NULL));
    pace(vnc);
}

/* ---- the shared screen ---- */

/* These tiles of a row of them have changed. */
static void tell_row(struct vnc *vnc, unsigned row, const uint64_t tiles[RFB_TILE_WORDS]) {
    for (unsigned x = 0; x * RFB_TILE_W < vnc->screen.width; x++)
        for (unsigned i = 0; bitmap_get(tiles, x) && i < vnc->client_count; i++)
            if (vnc->clients[i]->in)
                rfb_changed(&vnc->clients[i]->rfb, x, row);
}

/* Takes lines [top, bottom) over; those that `moved` are as they were. False: all were. */
static bool take_lines(struct vnc *vnc, unsigned top, unsigned bottom,
                       const struct rfb_scroll *moved) {
    const struct display *d = vnc->display;
    unsigned width = vnc->screen.width;
    bool all_same = !moved->rows;
    for (unsigned y = top; y < bottom;) {
        uint64_t tiles[RFB_TILE_WORDS] = {0};
        unsigned row = y / RFB_TILE_H, end = MIN((row + 1) * RFB_TILE_H, bottom);
        bool any = false;
        for (; y < end; y++)
            if (y - moved->to >= moved->rows)
                any |= rfb_take_line(vnc->pixels + (size_t)y * width,
                                     d->pixels + (size_t)y * d->stride, width, tiles);
        if (any)
            tell_row(vnc, row, tiles);
        all_same &= !any;
    }
    return !all_same;
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

/* A viewer that is alone and able to may draw the guest's pointer itself. */
static void look_at_pointer(struct vnc *vnc) {
    struct display *d = vnc->display;
    struct display_cursor now;
    unsigned viewers = 0, able = 0;
    if (!d->cursor)
        return;
    for (unsigned i = 0; i < vnc->client_count; i++) {
        viewers += vnc->clients[i]->in;
        able += vnc->clients[i]->rfb.can_cursor;
    }
    bool can = viewers == 1 && able == 1 && vnc->user.absolute(vnc) && d->cursor(d->dev, &now);
    vnc_pointer_look(&vnc->pointer, can ? &now : NULL, vnc->at_x, vnc->at_y);
    d->cursor_apart = vnc->pointer.apart;
}

/* Whether lines [top, bottom) have moved, as far as somebody can be told so: the shared screen's
 * then have, too. */
static bool take_scroll(struct vnc *vnc, unsigned top, unsigned bottom, struct rfb_scroll *s) {
    struct rfb_screen *screen = &vnc->screen;
    const struct display *d = vnc->display;
    bool any = false;
    for (unsigned i = 0; i < vnc->client_count; i++)
        any |= waits(vnc->clients[i]) && vnc->clients[i]->rfb.can_copy;
    if (!any || bottom < top + SCROLL ||
        !rfb_find_scroll(vnc->pixels, screen->width, d->pixels, d->stride, screen->width, top,
                         bottom, s))
        return false;
    memmove(vnc->pixels + (size_t)s->to * screen->width,
            vnc->pixels + (size_t)s->from * screen->width,
            (size_t)s->rows * screen->width * sizeof(*vnc->pixels));
    for (unsigned i = 0; i < vnc->client_count; i++)
        if (vnc->clients[i]->in)
            rfb_scrolled(&vnc->clients[i]->rfb, s);
    return true;
}

static void look(struct vnc *vnc) {
    struct display *d = vnc->display;
    struct rfb_scroll moved = {0};
    uint64_t now = loop_monotonic(NULL);
    vnc_pace_looked(&vnc->pace, now, false);
    if (!d)
        return;
    look_at_pointer(vnc);
    d->refresh(d->dev, d, false);
    d->resized = false;
    if (!d->pixels || !fit_screen(vnc))
        return;
    unsigned bottom = MIN(d->dirty_bottom, d->height);
    take_scroll(vnc, d->dirty_top, bottom, &moved);
    if (take_lines(vnc, d->dirty_top, bottom, &moved))
        vnc_pace_looked(&vnc->pace, now, d->drawn);
    d->dirty_top = d->dirty_bottom = 0;
    d->drawn = false;
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
        if (vnc->display)
            vnc->display->cursor_apart = false;
        memset(&vnc->pointer, 0, sizeof(vnc->pointer));
        free(vnc->pixels);
        vnc->pixels = NULL;
        vnc->screen.pixels = NULL;
        disarm(vnc);
    }
}

/* ---- viewers ---- */

static void drop(struct client *c) {
    struct vnc *vnc = c->vnc;
    for (unsigned i = 0; i < vnc->client_count; i++)
        if (vnc->clients[i] == c)
            vnc->clients[i] = vnc->clients[--vnc->client_count];
    loop_remove(vnc->loop, &c->fd);
    conn_free(&c->conn);
    rfb_close(&c->rfb);
    free(c);
    bool any = false;
    for (unsigned i = 0; i < vnc->client_count; i++)
        any |= vnc->clients[i]->in;
    if (!any)
        watch(vnc, false);
}

/* All of `out` is sent. False: the viewer is gone. */
static bool sent_all(struct client *c) {
    struct rfb_buf *out = &c->rfb.out;
    c->sent = c->answers = out->len = 0;
    if (out->cap > KEEP_OUT)
        rfb_buf_free(out);
    if (c->rfb.state == RFB_START_TLS && !c->conn.tls)
        return conn_start_tls(&c->conn, c->vnc->creds);
    return true;
}

/* Sends what there is. False: the viewer is gone. */
static bool flush(struct client *c) {
    if (c->conn.handshaking) {
        loop_change(c->vnc->loop, &c->fd, conn_wants_write(&c->conn) ? LOOP_WRITE : LOOP_READ);
        return !c->closing;
    }
    const struct rfb_buf *out = &c->rfb.out;
    size_t before = c->sent;
    enum conn_result result = conn_write(&c->conn, out->bytes, out->len, &c->sent);
    if (c->sent != before)
        c->moved = loop_monotonic(NULL);
    if (result == CONN_GONE || (result == CONN_GOOD && c->closing))
        return false;
    if (result == CONN_GOOD && c->sent == out->len && !sent_all(c))
        return false;
    loop_change(c->vnc->loop, &c->fd, (c->closing ? 0 : LOOP_READ) |
                                      (result == CONN_LATER ? LOOP_WRITE : 0));
    return true;
}

/* Not of the clock: who else has the CPU meanwhile is no reason to look less often. */
static uint64_t cpu_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* Looks at the screen and sends to those who wait. */
static void frame(struct vnc *vnc) {
    bool any = false;
    uint64_t from = cpu_time();
    vnc->due = 0;
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
    vnc_pace_took(&vnc->pace, cpu_time() - from);
    pace(vnc);
}

static void timer_ready(void *arg, unsigned events) {
    struct vnc *vnc = arg;
    uint64_t count;
    (void)events;
    if (read(vnc->timer.fd, &count, sizeof(count)) == sizeof(count))
        frame(vnc);
}

/* The viewer's bytes. False: it is gone. */
static bool take(struct client *c, const uint8_t *bytes, size_t n) {
    size_t before = c->rfb.out.len;
    if (!rfb_input(&c->rfb, bytes, n)) {
        c->closing = true;
        return !c->rfb.out.failed;
    }
    c->answers += c->rfb.out.len - before;
    return c->answers <= ANSWERS;
}

/* Reads a bounded amount, so that one viewer's flood does not starve the guest. */
static bool take_input(struct client *c) {
    uint8_t bytes[READ_SIZE];
    for (unsigned i = 0; (i < READS || conn_pending(&c->conn)) && !c->closing; i++) {
        size_t n;
        enum conn_result result = conn_read(&c->conn, bytes, sizeof(bytes), &n);
        if (result == CONN_GONE || (n && !take(c, bytes, n)))
            return false;
        if (result == CONN_END)
            c->closing = true;
        if (result != CONN_GOOD || c->rfb.state == RFB_START_TLS)
            return true;
    }
    return true;
}

/* False: the viewer is gone. */
static bool shake_hands(struct client *c) {
    enum conn_result result = conn_handshake(&c->conn);
    if (result != CONN_GOOD)
        return result == CONN_LATER;
    if (c->rfb.state == RFB_START_TLS)
        rfb_secured(&c->rfb);
    return take_input(c); /* what came with the end of the handshake */
}

static void client_ready(void *arg, unsigned events) {
    struct client *c = arg;
    struct vnc *vnc = c->vnc;
    bool alive = true;
    if (c->conn.handshaking)
        alive = shake_hands(c);
    else if (events & LOOP_READ && !c->closing)
        alive = take_input(c);
    if (!alive || c->rfb.out.failed || !flush(c))
        drop(c);
    pace(vnc);
}

/* One that is on its way out, or reads nothing of what it asked for. */
static bool is_stalled(const struct client *c, uint64_t now) {
    return c->closing || (c->rfb.out.len && now - c->moved > STALLED_NS);
}

/* The first who is not in yet makes room, or one that has stopped reading; others stay. */
static bool make_room(struct vnc *vnc) {
    struct client *first = NULL;
    uint64_t now = loop_monotonic(NULL);
    if (vnc->client_count < CLIENTS)
        return true;
    for (unsigned i = 0; i < vnc->client_count; i++) {
        struct client *c = vnc->clients[i];
        if ((!c->in || is_stalled(c, now)) &&
            (!first || c->in < first->in || (c->in == first->in && c->number < first->number)))
            first = c;
    }
    if (first)
        drop(first);
    return first;
}

/* On a WebSocket TLS comes first; else RFB itself asks for it. */
static bool start_client(struct client *c, bool web, const uint8_t challenge[RFB_CHALLENGE]) {
    struct vnc *vnc = c->vnc;
    const char *password = time(NULL) < vnc->expires ? vnc->password : "";
    struct rfb_access access = {.password = vnc->want_password ? password : NULL};
    if (vnc->creds && !web)
        access.kind = tls_anonymous(vnc->creds) ? RFB_TLS_ANON : RFB_TLS_X509;
    rfb_open(&c->rfb, &vnc->user, &vnc->screen, &access, challenge);
    if (!loop_add(vnc->loop, &c->fd))
        return false;
    if (web && (!conn_websocket(&c->conn) ||
                (vnc->creds && !conn_start_tls(&c->conn, vnc->creds))))
        return false;
    return flush(c);
}

static void add_client(struct vnc *vnc, int fd, bool web) {
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
    c->conn.fd = fd;
    c->number = vnc->arrivals++;
    c->fd = (struct loop_fd){.fd = fd, .ready = client_ready, .arg = c, .events = LOOP_READ};
    vnc->clients[vnc->client_count++] = c;
    if (!start_client(c, web, challenge))
        drop(c);
}

static void accept_at(struct vnc *vnc, const struct place *place) {
    for (unsigned i = 0; i < place->count; i++)
        for (unsigned n = 0; n < ACCEPTS; n++) {
            int fd = accept4(place->fds[i].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (fd < 0)
                break;
            add_client(vnc, fd, place == &vnc->web);
        }
}

static void place_ready(void *arg, unsigned events) {
    (void)events;
    struct vnc *vnc = arg;
    accept_at(vnc, &vnc->place);
}

static void web_ready(void *arg, unsigned events) {
    (void)events;
    struct vnc *vnc = arg;
    accept_at(vnc, &vnc->web);
}

/* ---- what viewers do ---- */

static void send_event(void *arg, enum input_kind kind, unsigned code, int value) {
    struct vnc *vnc = arg;
    struct input_event event = {.kind = kind, .code = (uint16_t)code, .value = value};
    if (vnc->input)
        input_send(vnc->input, &event);
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
        vnc->at_x = x;
        vnc->at_y = y;
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

static int leds(void *arg) {
    struct vnc *vnc = arg;
    return vnc->input ? input_leds(vnc->input) : -1;
}

static void send_away(struct client *c) {
    c->closing = c->rfb.out.failed = true; /* gone at its next turn */
    loop_change(c->vnc->loop, &c->fd, LOOP_READ | LOOP_WRITE);
}

static void on_arrival(void *arg, struct rfb *rfb, bool shared) {
    struct vnc *vnc = arg;
    struct client *c = CONTAINER_OF(rfb, struct client, rfb);
    for (unsigned i = 0; i < vnc->client_count && !shared; i++) {
        struct client *other = vnc->clients[i];
        if (other == c || !other->in || other->closing)
            continue;
        if (vnc->share == VNC_SHARE_EXCLUSIVE)
            send_away(other);
    }
    if (!shared && vnc->share == VNC_SHARE_FORCED)
        send_away(c);
    c->in = true;
    vnc_pace_prompt(&vnc->pace, loop_monotonic(NULL));
    watch(vnc, true);
    look(vnc);
    blank_screen(vnc);
}

/* ---- life ---- */

static bool open_place(struct place *place, const char *host, const struct addrinfo *all,
                       unsigned port, char *why, size_t why_len) {
    if (place_tcp(place, all, port))
        return true;
    int error = errno;
    snprintf(why, why_len, "VNC: can't listen at %s port %u: %s", host && *host ? host
             : "any address", port, strerror(error));
    errno = error;
    return false;
}

/* Both ports of a display, where the WebSocket's follows from it. */
static bool open_display(struct vnc *vnc, const struct vnc_listen *l, const struct addrinfo *all,
                         const struct addrinfo *web, unsigned port, char *why, size_t why_len) {
    unsigned web_port = l->web_port ? l->web_port : WEBSOCKET_0 + port - DISPLAY_0;
    if (!open_place(&vnc->place, l->host, all, port, why, why_len))
        return false;
    if (!web || open_place(&vnc->web, l->web_host, web, web_port, why, why_len))
        return true;
    int error = l->web_port ? 0 : errno; /* another display would not help */
    place_close(&vnc->place);
    errno = error;
    return false;
}

static bool open_displays(struct vnc *vnc, const struct vnc_listen *l, char *why, size_t why_len) {
    struct addrinfo *all = place_resolve(l->host, why, why_len), *web = NULL;
    bool good = all && (!l->websocket || (web = place_resolve(l->web_host, why, why_len)));
    if (good) {
        unsigned port = l->port;
        good = open_display(vnc, l, all, web, port, why, why_len);
        while (!good && errno == EADDRINUSE && port < l->to_port)
            good = open_display(vnc, l, all, web, ++port, why, why_len);
    }
    if (all)
        freeaddrinfo(all);
    if (web)
        freeaddrinfo(web);
    return good;
}

struct vnc *vnc_open(struct loop *loop, const struct vnc_listen *l, char *why, size_t why_len) {
    struct vnc *vnc = calloc(1, sizeof(*vnc));
    if (!vnc) {
        snprintf(why, why_len, "VNC: no memory");
        return NULL;
    }
    vnc->loop = loop;
    vnc->want_password = l->password;
    vnc->expires = INT64_MAX;
    vnc->share = l->share;
    vnc->timer.fd = -1;
    vnc->user = (struct rfb_user){.key = on_key, .button = on_button, .move = on_move,
                                  .wheel = on_wheel, .done = on_done, .absolute = is_absolute,
                                  .leds = leds, .arrived = on_arrival, .arg = vnc,
                                  .keymap = l->keymap};
    bool good = !l->tls || (vnc->creds = tls_creds_new(l->tls, why, why_len));
    if (good && l->path)
        good = place_unix(&vnc->place, l->path, why, why_len);
    else if (good)
        good = open_displays(vnc, l, why, why_len);
    if (good)
        return vnc;
    tls_creds_free(vnc->creds);
    free(vnc);
    return NULL;
}

static void watch_place(struct vnc *vnc, struct place *place, void (*ready)(void *, unsigned)) {
    for (unsigned i = 0; i < place->count; i++) {
        struct loop_fd *fd = &place->fds[i];
        *fd = (struct loop_fd){.fd = fd->fd, .ready = ready, .arg = vnc, .events = LOOP_READ};
        if (!loop_add(vnc->loop, fd))
            log_error("VNC: the listening socket can't be watched: %s", strerror(errno));
    }
}

static void forget_place(struct vnc *vnc, struct place *place) {
    for (unsigned i = 0; i < place->count; i++)
        loop_remove(vnc->loop, &place->fds[i]);
}

void vnc_attach(struct vnc *vnc, struct display *display, struct input *input, const char *name) {
    vnc->display = display;
    vnc->input = input;
    if (display) {
        display->changed = display_has_changed;
        display->follower = vnc;
    }
    if (input)
        input_follow(input, input_has_reached, vnc);
    snprintf(vnc->name, sizeof(vnc->name), "%s", name);
    vnc->screen.name = vnc->name;
    vnc->screen.cursor = &vnc->pointer.cursor;
    if (vnc->timer.fd < 0) {
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        vnc->timer = (struct loop_fd){.fd = fd, .ready = timer_ready, .arg = vnc,
                                      .events = LOOP_READ};
        if (fd < 0 || !loop_add(vnc->loop, &vnc->timer))
            log_error("VNC: no timer, so no pictures: %s", strerror(errno));
    }
    watch_place(vnc, &vnc->place, place_ready);
    watch_place(vnc, &vnc->web, web_ready);
}

void vnc_detach(struct vnc *vnc) {
    while (vnc->client_count)
        drop(vnc->clients[0]);
    forget_place(vnc, &vnc->place);
    forget_place(vnc, &vnc->web);
    if (vnc->display)
        vnc->display->changed = NULL;
    if (vnc->input)
        input_follow(vnc->input, NULL, NULL);
    vnc->display = NULL;
    vnc->input = NULL;
}

void vnc_close(struct vnc *vnc) {
    if (!vnc)
        return;
    vnc_detach(vnc);
    place_close(&vnc->place);
    place_close(&vnc->web);
    if (vnc->timer.fd >= 0) {
        loop_remove(vnc->loop, &vnc->timer);
        close(vnc->timer.fd);
    }
    tls_creds_free(vnc->creds);
    free(vnc->pixels);
    free(vnc);
}

void vnc_query(const struct vnc *vnc, struct vnc_info *info) {
    *info = (struct vnc_info){
        .at = {vnc->place.host, vnc->place.service, vnc->place.family},
        .web = {vnc->web.host, vnc->web.service, vnc->web.family},
        .password = vnc->want_password, .tls = vnc->creds,
        .anonymous = vnc->creds && tls_anonymous(vnc->creds), .websocket = vnc->web.count};
    for (unsigned i = 0; i < vnc->client_count; i++)
        info->clients += vnc->clients[i]->in;
}

bool vnc_query_client(const struct vnc *vnc, unsigned n, struct vnc_peer *peer) {
    for (unsigned i = 0; i < vnc->client_count; i++) {
        const struct client *c = vnc->clients[i];
        if (!c->in || n--)
            continue;
        *peer = (struct vnc_peer){.websocket = c->conn.ws};
        return place_peer(c->conn.fd, peer->host, peer->service, &peer->family);
    }
    return false;
}

static bool wants_password(const struct vnc *vnc, char *why, size_t why_len) {
    if (!vnc->want_password)
        snprintf(why, why_len, "VNC was started without password=on (vncpasswd in xl.cfg)");
    return vnc->want_password;
}

bool vnc_set_password(struct vnc *vnc, const char *password, char *why, size_t why_len) {
    if (!wants_password(vnc, why, why_len))
        return false;
    memset(vnc->password, 0, sizeof(vnc->password));
    strncpy(vnc->password, password, RFB_PASSWORD);
    return true;
}

bool vnc_expire_password(struct vnc *vnc, int64_t when, char *why, size_t why_len) {
    if (!wants_password(vnc, why, why_len))
        return false;
    vnc->expires = when;
    return true;
}
