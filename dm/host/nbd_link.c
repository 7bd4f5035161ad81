/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection of a network disk to its server: made, greeted, lost, made anew. The socket is
 * ours until it is connected, so that nothing blocks and no name is looked up a second time.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/clock.h"
#include "loop.h"
#include "nbd_priv.h"

#define GREETING_MAX (10 * NS_PER_SEC)
#define RETRY_MAX (5 * NS_PER_SEC)

/* ---- the timer ---- */

void nbd_timer_set(struct nbd *nbd, uint64_t ns) {
    struct itimerspec when = {.it_value = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)}};
    timerfd_settime(nbd->timer.fd, 0, &when, NULL);
    nbd->timer_on = ns != 0;
}

/* ---- the connection ---- */

void nbd_say(struct nbd *nbd, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vsnprintf(nbd->why, sizeof(nbd->why), fmt, args);
    va_end(args);
}

void nbd_hang_up(struct nbd *nbd) {
    loop_remove(nbd->loop, &nbd->fd);
    if (nbd->h)
        nbd_lib.close(nbd->h);
    if (nbd->sock >= 0)
        close(nbd->sock);
    nbd->h = NULL;
    nbd->sock = -1;
}

static unsigned long long seconds_gone(const struct nbd *nbd) {
    return (loop_monotonic(NULL) - nbd->gone_since) / NS_PER_SEC;
}

/* Watches the connection for what it waits for now. */
static void watch(struct nbd *nbd, int fd, unsigned events) {
    if (!nbd->fd.added) {
        nbd->fd.fd = fd;
        nbd->fd.events = events;
        loop_add(nbd->loop, &nbd->fd);
    } else {
        loop_change(nbd->loop, &nbd->fd, events);
    }
}

static void watch_handle(struct nbd *nbd) {
    unsigned direction = nbd_lib.get_direction(nbd->h);
    watch(nbd, nbd_lib.get_fd(nbd->h), (direction & LIBNBD_AIO_DIRECTION_READ ? LOOP_READ : 0) |
                                       (direction & LIBNBD_AIO_DIRECTION_WRITE ? LOOP_WRITE : 0));
}

void nbd_give_up(struct nbd *nbd) {
    nbd->link = LINK_GIVEN_UP;
    nbd_timer_set(nbd, 0);
    if (!nbd->told)
        log_error("image '%s': the server has been gone for %llu s (%s): requests fail until it is "
                  "back", nbd->name, seconds_gone(nbd), nbd->why);
    nbd->told = true;
    nbd_fail_all(nbd);
}

static void try_address(struct nbd *nbd);

/* The attempt has failed, nbd->why says how: the next address, or the next time. */
static void attempt_failed(struct nbd *nbd) {
    nbd_hang_up(nbd);
    if (++nbd->address < nbd->address_count) {
        try_address(nbd);
        return;
    }
    uint64_t gone = loop_monotonic(NULL) - nbd->gone_since;
    if (!nbd->opened) {
        nbd->link = LINK_GIVEN_UP;
    } else if (gone >= nbd->patience) {
        nbd_give_up(nbd);
    } else {
        nbd->link = LINK_WAITING;
        nbd_timer_set(nbd, MIN(nbd->retry, nbd->patience - gone));
        nbd->retry = MIN(nbd->retry * 2, RETRY_MAX);
    }
}

/* It accepts the export as this disk; else nbd->why. */
static bool good_export(struct nbd *nbd) {
    int64_t size = nbd_lib.get_size(nbd->h);
    bool read_only = nbd->wants_read_only || nbd_lib.is_read_only(nbd->h) > 0;
    if (size < 512)
        nbd_say(nbd, "the export is smaller than a sector");
    else if (nbd->opened && (uint64_t)size < nbd->block.size)
        nbd_say(nbd, "the export has shrunk from %llu to %lld bytes",
            (unsigned long long)nbd->block.size, (long long)size);
    else if (nbd->opened && read_only && !nbd->block.read_only)
        nbd_say(nbd, "the export is read-only now");
    else
        return true;
    return false;
}

static void link_up(struct nbd *nbd) {
    if (!good_export(nbd)) {
        attempt_failed(nbd);
        return;
    }
    uint64_t size = (uint64_t)nbd_lib.get_size(nbd->h) & ~UINT64_C(511);
    nbd->can_flush = nbd_lib.can_flush(nbd->h) > 0;
    nbd->can_trim = nbd_lib.can_trim(nbd->h) > 0;
    nbd->link = LINK_UP;
    nbd->retry = NBD_RETRY_MIN;
    nbd->told = false;
    nbd_timer_set(nbd, 0);
    if (nbd->opened) {
        log_warn("image '%s': the server is back after %llu s%s", nbd->name,
                 seconds_gone(nbd),
                 nbd->lost ? "; what it had not flushed may be gone, so a flush will fail" : "");
        nbd_fail_flushes(nbd);
        block_resized(&nbd->block, size);
    } else {
        nbd->block.size = size;
        nbd->block.read_only = nbd->wants_read_only || nbd_lib.is_read_only(nbd->h) > 0;
        nbd->opened = true;
    }
}

void nbd_start_attempt(struct nbd *nbd) {
    nbd->tried = loop_monotonic(NULL);
    nbd->address = 0;
    try_address(nbd);
}

void nbd_link_lost(struct nbd *nbd) {
    nbd_hang_up(nbd);
    nbd_take_back(nbd, &nbd->under_way);
    nbd_take_back(nbd, &nbd->answered);
    if (nbd->acked != nbd->stable && nbd->can_flush)
        nbd->lost = true;
    nbd->stable = nbd->acked;
    nbd->gone_since = loop_monotonic(NULL);
    nbd->retry = NBD_RETRY_MIN;
    log_warn("image '%s': the server is gone (%s); requests wait for it for %llu s", nbd->name,
             nbd->why, (unsigned long long)(nbd->patience / NS_PER_SEC));
    nbd_start_attempt(nbd);
}

bool nbd_is_gone(const struct nbd *nbd) {
    return nbd_lib.is_dead(nbd->h) || nbd_lib.is_closed(nbd->h);
}

/* "nbd_aio_notify_read: recv: reset" without the function's name. */
static void keep_error(struct nbd *nbd) {
    const char *text = nbd_lib.get_error();
    const char *colon = text ? strstr(text, ": ") : NULL;
    nbd_say(nbd, "%s", colon && !strncmp(text, "nbd_", 4) ? colon + 2 : text ? text : "no reason");
}

/* Libnbd has done something: where does the connection stand now? */
void nbd_look(struct nbd *nbd) {
    if (nbd_is_gone(nbd)) {
        keep_error(nbd);
        if (nbd->link == LINK_UP)
            nbd_link_lost(nbd);
        else
            attempt_failed(nbd);
        return;
    }
    if (nbd->link == LINK_GREETING && !nbd_lib.is_connecting(nbd->h))
        link_up(nbd);
    if (nbd->h)
        watch_handle(nbd);
}

static void greet(struct nbd *nbd) {
    int on = 1, idle = 10, interval = 5, count = 4;
    if (!*nbd->url.path) {
        setsockopt(nbd->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(nbd->sock, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        setsockopt(nbd->sock, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
        setsockopt(nbd->sock, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
        setsockopt(nbd->sock, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    }
    loop_remove(nbd->loop, &nbd->fd);
    nbd->link = LINK_GREETING;
    nbd->h = nbd_lib.create();
    if (!nbd->h || nbd_lib.set_export_name(nbd->h, nbd->url.export) ||
        nbd_lib.set_request_block_size(nbd->h, false) ||
        nbd_lib.set_pread_initialize(nbd->h, false)) {
        keep_error(nbd);
        attempt_failed(nbd);
        return;
    }
    int sock = nbd->sock;
    nbd->sock = -1; /* libnbd's */
    if (nbd_lib.connect_socket(nbd->h, sock)) {
        keep_error(nbd);
        if (nbd_lib.get_fd(nbd->h) < 0)
            nbd->sock = sock;
        attempt_failed(nbd);
        return;
    }
    nbd_look(nbd);
}

void nbd_connected(struct nbd *nbd) {
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(nbd->sock, SOL_SOCKET, SO_ERROR, &err, &len))
        err = errno;
    if (!err) {
        greet(nbd);
        return;
    }
    nbd_say(nbd, "connecting: %s", strerror(err));
    attempt_failed(nbd);
}

static void try_address(struct nbd *nbd) {
    const struct address *to = &nbd->addresses[nbd->address];
    nbd_timer_set(nbd, MIN(GREETING_MAX, nbd->patience));
    nbd->link = LINK_CONNECTING;
    nbd->sock = socket(to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (nbd->sock >= 0 && !connect(nbd->sock, (const struct sockaddr *)&to->addr, to->len)) {
        greet(nbd);
    } else if (nbd->sock >= 0 && errno == EINPROGRESS) {
        watch(nbd, nbd->sock, LOOP_WRITE);
    } else {
        nbd_say(nbd, "connecting: %s", strerror(errno));
        attempt_failed(nbd);
    }
}

/* ---- the timer has expired ---- */

void nbd_timer_expired(struct nbd *nbd) {
    switch (nbd->link) {
    case LINK_WAITING:
        nbd_start_attempt(nbd);
        break;
    case LINK_CONNECTING:
    case LINK_GREETING:
        nbd_say(nbd, "it does not greet");
        attempt_failed(nbd);
        break;
    case LINK_UP:
        if (!nbd->under_way.first || nbd->progress != nbd->progress_seen)
            break;
        nbd_say(nbd, "no answer for %llu s", (unsigned long long)(nbd->patience / NS_PER_SEC));
        nbd_link_lost(nbd);
        break;
    case LINK_GIVEN_UP:
        break;
    }
}

/* ---- names ---- */

bool nbd_resolve(struct nbd *nbd) {
    const struct nbd_url *url = &nbd->url;
    if (*url->path) {
        struct sockaddr_un *to = (struct sockaddr_un *)&nbd->addresses[0].addr;
        to->sun_family = AF_UNIX;
        strcpy(to->sun_path, url->path);
        nbd->addresses[0].len = sizeof(*to);
        nbd->address_count = 1;
        return true;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
    int err = getaddrinfo(url->host, url->port, &hints, &list);
    if (err) {
        nbd_say(nbd, "host '%s': %s", url->host, gai_strerror(err));
        return false;
    }
    for (const struct addrinfo *i = list; i && nbd->address_count < NBD_ADDRESSES; i = i->ai_next) {
        struct address *to = &nbd->addresses[nbd->address_count++];
        memcpy(&to->addr, i->ai_addr, i->ai_addrlen);
        to->len = i->ai_addrlen;
    }
    freeaddrinfo(list);
    return nbd->address_count;
}
