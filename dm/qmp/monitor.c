/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets under the sessions. A listening monitor serves one client; the others wait in its
 * backlog, which must not overflow, since libxl's connect gives up at once. A command may turn the
 * loop while it waits for disks: monitors that become ready meanwhile wait until it is over.
 *
 * Not modelled: monitors on terminals, pipes and telnet.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "internal.h"

enum { BACKLOG = 64, CHUNK = 4096, CHUNK_FDS = SESSION_FDS };

struct monitor {
    struct qmp *qmp;
    const struct config_chardev *chardev;
    struct loop_fd listener; /* fd -1: a connection out */
    struct loop_fd client;   /* fd -1: none */
    struct session session;
    bool made_socket; /* the path is ours to unlink */
    bool ended;       /* the client sends no more; it may still read */
    bool parked;      /* became ready while another command ran */
    struct monitor *next;
};

/* Never while a command runs: what it waits for must not be commanded anew. */
static bool park(struct monitor *m, struct loop_fd *fd) {
    if (!m->qmp->busy)
        return false;
    m->parked = true;
    loop_change(m->qmp->loop, fd, 0);
    return true;
}

static bool any_client(const struct qmp *qmp) {
    for (const struct monitor *m = qmp->monitors; m; m = m->next)
        if (m->client.fd >= 0)
            return true;
    return false;
}

static void hang_up(struct monitor *m) {
    loop_remove(m->qmp->loop, &m->client);
    close(m->client.fd);
    m->client.fd = -1;
    session_free(&m->session);
    if (m->listener.fd >= 0)
        loop_change(m->qmp->loop, &m->listener, LOOP_READ);
    if (!any_client(m->qmp))
        qmp_last_client_left(m->qmp);
}

/* What the client shall be asked for: its commands only when it has taken our answers. */
static void watch(struct monitor *m) {
    unsigned events = 0;
    if (m->session.out_len)
        events = LOOP_WRITE;
    else if (!m->ended)
        events = LOOP_READ;
    loop_change(m->qmp->loop, &m->client, events);
}

/* False: the client is gone. */
static bool flush_out(struct monitor *m) {
    while (m->session.out_len) {
        ssize_t n = send(m->client.fd, m->session.out, m->session.out_len,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            hang_up(m);
            return false;
        }
        session_sent(&m->session, (size_t)n);
    }
    if (m->ended && m->session.out_len == 0) {
        hang_up(m);
        return false;
    }
    watch(m);
    return true;
}

static void take_fds(struct monitor *m, struct msghdr *msg) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            session_add_fd(&m->session, fd);
        }
    }
}

/* Bytes read, 0 at the end, -1 with errno. */
static ssize_t receive(struct monitor *m, char *bytes, size_t n) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(CHUNK_FDS * sizeof(int))];
    } control;
    struct iovec iov = {bytes, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t got;
    do
        got = recvmsg(m->client.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got >= 0)
        take_fds(m, &msg);
    return got;
}

static void client_ready(void *arg, unsigned events) {
    struct monitor *m = arg;
    (void)events;
    if (park(m, &m->client))
        return;
    if (m->session.out_len || m->ended) {
        flush_out(m);
        return;
    }
    char bytes[CHUNK];
    ssize_t n = receive(m, bytes, sizeof(bytes));
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0) {
        hang_up(m);
        return;
    }
    m->ended = n == 0;
    struct qmp *qmp = m->qmp;
    qmp->busy = true;
    session_input(&m->session, bytes, (size_t)n);
    qmp->busy = false;
    flush_out(m);
    qmp_leave(qmp);
}

static void start_client(struct monitor *m, int fd) {
    m->client = (struct loop_fd){.fd = fd, .ready = client_ready, .arg = m, .events = LOOP_READ};
    if (!loop_add(m->qmp->loop, &m->client)) {
        log_error("qmp: \"%s\": a client can't be watched: %s", m->chardev->id, strerror(errno));
        close(fd);
        m->client.fd = -1;
        return;
    }
    m->ended = false;
    /* xentop takes whatever arrives for the answer to its question. */
    session_init(&m->session, m->qmp, strcmp(m->chardev->id, "libxenstat-cmd") != 0);
    session_greet(&m->session);
    flush_out(m);
}

static void listener_ready(void *arg, unsigned events) {
    struct monitor *m = arg;
    (void)events;
    if (park(m, &m->listener))
        return;
    int fd = accept4(m->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    loop_change(m->qmp->loop, &m->listener, 0);
    start_client(m, fd);
    if (m->client.fd < 0)
        loop_change(m->qmp->loop, &m->listener, LOOP_READ);
}

void qmp_leave(struct qmp *qmp) {
    for (struct monitor *m = qmp->monitors; m; m = m->next) {
        if (!m->parked)
            continue;
        m->parked = false;
        if (m->client.fd >= 0)
            watch(m);
        else if (m->listener.fd >= 0)
            loop_change(qmp->loop, &m->listener, LOOP_READ);
    }
}

static bool refuse(const struct monitor *m, const char *what, char *why, size_t why_len) {
    const struct config_chardev *chr = m->chardev;
    snprintf(why, why_len, "monitor \"%s\": %s %s%s%s: %s", chr->id, what,
             chr->path ? chr->path : chr->host ? chr->host : "", chr->path ? "" : ":",
             chr->path ? "" : chr->port ? chr->port : "", strerror(errno));
    return false;
}

static bool unix_address(const struct config_chardev *chr, struct sockaddr_un *addr,
                         socklen_t *len) {
    size_t n = strlen(chr->path), lead = chr->abstract;
    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (n + lead >= sizeof(addr->sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(addr->sun_path + lead, chr->path, n);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + lead + n + !lead);
    return true;
}

/* A socket that the last owner left behind is in the way of bind. */
static void unlink_stale(const char *path) {
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
}

static int open_unix(struct monitor *m) {
    struct sockaddr_un addr;
    socklen_t len;
    if (!unix_address(m->chardev, &addr, &len))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (m->chardev->server && !m->chardev->abstract)
        unlink_stale(m->chardev->path);
    int failed = m->chardev->server ? bind(fd, (struct sockaddr *)&addr, len)
                                    : connect(fd, (struct sockaddr *)&addr, len);
    if (failed) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    m->made_socket = m->chardev->server && !m->chardev->abstract;
    return fd;
}

static int open_tcp(const struct config_chardev *chr) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = chr->server ? AI_PASSIVE : 0};
    struct addrinfo *list;
    int fd = -1, err = getaddrinfo(*chr->host ? chr->host : NULL, chr->port, &hints, &list);
    if (err) {
        errno = err == EAI_SYSTEM ? errno : EADDRNOTAVAIL;
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, a->ai_protocol);
        int one = 1;
        if (fd >= 0 && chr->server)
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (fd >= 0 && (chr->server ? bind : connect)(fd, a->ai_addr, a->ai_addrlen)) {
            err = errno;
            close(fd);
            errno = err;
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static bool open_monitor(struct monitor *m, char *why, size_t why_len) {
    const struct config_chardev *chr = m->chardev;
    int fd = -1;
    if (chr->backend == CHARDEV_NULL)
        return true;
    if (chr->backend != CHARDEV_UNIX && chr->backend != CHARDEV_TCP) {
        snprintf(why, why_len, "monitor \"%s\": a QMP monitor on anything but a socket is not "
                 "implemented", chr->id);
        return false;
    }
    if (chr->fd >= 0)
        fd = chr->fd;
    else
        fd = chr->backend == CHARDEV_UNIX ? open_unix(m) : open_tcp(chr);
    if (fd < 0)
        return refuse(m, chr->server ? "can't bind" : "can't connect to", why, why_len);
    if (!chr->server) {
        start_client(m, fd);
        return true;
    }
    m->listener = (struct loop_fd){.fd = fd, .ready = listener_ready, .arg = m,
                                   .events = LOOP_READ};
    if (listen(fd, BACKLOG) || !loop_add(m->qmp->loop, &m->listener))
        return refuse(m, "can't listen on", why, why_len);
    return true;
}

struct qmp *qmp_open(struct loop *loop, struct machine *machine, const struct config *config,
                     const struct qmp_ops *ops, void *arg, char *why, size_t why_len) {
    struct qmp *qmp = mem_new(sizeof(*qmp));
    *qmp = (struct qmp){.loop = loop, .machine = machine, .config = config, .ops = ops, .arg = arg};
    qmp_machine(qmp, machine);
    for (unsigned i = 0; i < config->monitor_count; i++) {
        struct monitor *m = mem_new(sizeof(*m)), **end = &qmp->monitors;
        *m = (struct monitor){.qmp = qmp, .chardev = config->monitors[i].chardev};
        m->listener.fd = m->client.fd = -1;
        while (*end)
            end = &(*end)->next;
        *end = m;
        if (!open_monitor(m, why, why_len)) {
            qmp_free(qmp);
            return NULL;
        }
    }
    return qmp;
}

void qmp_machine(struct qmp *qmp, struct machine *machine) {
    keys_free(qmp);
    qmp->machine = machine;
    qmp->last_state = machine ? machine->state : RUN_PRELAUNCH;
}

void qmp_last_client_left(struct qmp *qmp) {
    fdsets_free(qmp);
}

void qmp_free(struct qmp *qmp) {
    if (!qmp)
        return;
    while (qmp->monitors) {
        struct monitor *m = qmp->monitors;
        if (m->client.fd >= 0)
            hang_up(m);
        if (m->listener.fd >= 0) {
            loop_remove(qmp->loop, &m->listener);
            close(m->listener.fd);
        }
        if (m->made_socket)
            unlink(m->chardev->path);
        qmp->monitors = m->next;
        mem_free(m);
    }
    fdsets_free(qmp);
    keys_free(qmp);
    mem_free(qmp);
}

void qmp_event(struct qmp *qmp, const char *name, const char *data) {
    for (struct monitor *m = qmp->monitors; m; m = m->next) {
        if (m->client.fd < 0 || !m->session.negotiated || !m->session.wants_events)
            continue;
        struct timeval now;
        gettimeofday(&now, NULL);
        struct json_object *event = json_object_new_object(), *stamp = json_object_new_object();
        j_add_int(stamp, "seconds", now.tv_sec);
        j_add_int(stamp, "microseconds", now.tv_usec);
        j_add(event, "timestamp", stamp);
        j_add_text(event, "event", name);
        if (data)
            j_add(event, "data", json_tokener_parse(data));
        session_send(&m->session, event);
        if (!qmp->busy)
            flush_out(m);
    }
}

void qmp_state_changed(struct qmp *qmp) {
    enum run_state old = qmp->last_state, now = qmp->machine->state;
    qmp->last_state = now;
    if (old == now)
        return;
    if (old == RUN_SUSPENDED)
        qmp_event(qmp, "WAKEUP", NULL);
    if (now == RUN_RUNNING && old != RUN_SUSPENDED)
        qmp_event(qmp, "RESUME", NULL);
    else if (now == RUN_PAUSED && old == RUN_RUNNING)
        qmp_event(qmp, "STOP", NULL);
    else if (now == RUN_SUSPENDED)
        qmp_event(qmp, "SUSPEND", NULL);
    else if (now == RUN_SHUTDOWN)
        qmp_event(qmp, "SHUTDOWN", "{\"guest\":true,\"reason\":\"guest-shutdown\"}");
}
