/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#include "../fakexen/world.h"

#define CLIENTS 16
#define HOME "/local/domain/0/"

struct node {
    char *name;
    void *value;
    size_t len;
    struct timespec written;
    struct node *child, *next;
};

struct watch {
    char *path; /* absolute */
    size_t relative; /* how much of it the client did not write */
    char *token;
    struct watch *next;
};

static struct client {
    int fd;
    size_t have;
    uint8_t in[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
    struct watch *watches;
} clients[CLIENTS];

static struct node root;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static struct world *counted;
static int listener;
static struct {
    const char *path, *value;
    void (*call)(void);
} notice;

/* the tree */

static struct node *find(const char *path, int create) {
    struct node *at = &root;

    while (*path) {
        size_t n;
        struct node *c;

        while (*path == '/')
            path++;
        n = strcspn(path, "/");
        if (!n)
            break;
        for (c = at->child; c; c = c->next)
            if (strlen(c->name) == n && !memcmp(c->name, path, n))
                break;
        if (!c) {
            if (!create)
                return NULL;
            c = calloc(1, sizeof *c);
            c->name = strndup(path, n);
            c->next = at->child;
            at->child = c;
        }
        at = c;
        path += n;
    }
    return at;
}

static void free_node(struct node *n) {
    while (n->child) {
        struct node *c = n->child;

        n->child = c->next;
        free_node(c);
    }
    free(n->name);
    free(n->value);
    free(n);
}

static int unlink_node(const char *path) {
    struct node *n = find(path, 0), *parent, **link;
    char *up;

    if (!n || n == &root)
        return -1;
    up = strdup(path);
    *strrchr(up, '/') = 0;
    parent = find(up, 0);
    free(up);
    for (link = &parent->child; *link != n; link = &(*link)->next)
        ;
    *link = n->next;
    free_node(n);
    return 0;
}

/* messages */

static void send_message(struct client *c, uint32_t type, uint32_t req_id, uint32_t tx_id,
                         const void *data, size_t len) {
    struct xsd_sockmsg head = { type, req_id, tx_id, (uint32_t)len };
    uint8_t out[sizeof head + XENSTORE_PAYLOAD_MAX];

    if (len > XENSTORE_PAYLOAD_MAX)
        len = head.len = 0;
    memcpy(out, &head, sizeof head);
    memcpy(out + sizeof head, data, len);
    if (send(c->fd, out, sizeof head + len, MSG_NOSIGNAL) < 0)
        return; /* the client is gone; poll will say so */
}

static void send_event(struct client *c, const struct watch *w, const char *path) {
    char buf[XENSTORE_PAYLOAD_MAX];
    const char *shown = *path == '@' ? path : path + (strlen(path) > w->relative ? w->relative : 0);
    int n = snprintf(buf, sizeof buf, "%s%c%s", shown, 0, w->token);

    if (n >= 0 && (size_t)n < sizeof buf)
        send_message(c, XS_WATCH_EVENT, 0, 0, buf, (size_t)n + 1);
}

static int is_under(const char *path, const char *top) {
    size_t n = strlen(top);

    return !strncmp(path, top, n) && (!path[n] || path[n] == '/' || (n && top[n - 1] == '/'));
}

static void fire(const char *path, int removed) {
    for (struct client *c = clients; c < clients + CLIENTS; c++)
        for (struct watch *w = c->fd >= 0 ? c->watches : NULL; w; w = w->next)
            if (is_under(path, w->path))
                send_event(c, w, path);
            else if (removed && is_under(w->path, path))
                send_event(c, w, w->path);
    pthread_cond_broadcast(&changed);
}

static int write_locked(const char *path, const void *value, size_t len) {
    struct node *n = find(path, 1);
    void *copy = malloc(len + 1);

    if (!copy)
        return -1;
    memcpy(copy, value, len);
    ((char *)copy)[len] = 0;
    free(n->value);
    n->value = copy;
    n->len = len;
    clock_gettime(CLOCK_MONOTONIC, &n->written);
    fire(path, 0);
    return 0;
}

/* requests */

struct request {
    struct client *c;
    struct xsd_sockmsg head;
    const char *data; /* len bytes and a NUL */
    char path[sizeof HOME + XENSTORE_PAYLOAD_MAX];
    size_t relative;
};

static void reply(const struct request *r, const void *data, size_t len) {
    send_message(r->c, r->head.type, r->head.req_id, r->head.tx_id, data, len);
}

static void refuse(const struct request *r, const char *error) {
    send_message(r->c, XS_ERROR, r->head.req_id, r->head.tx_id, error, strlen(error) + 1);
}

static void do_directory(const struct request *r, const struct node *n) {
    char buf[XENSTORE_PAYLOAD_MAX];
    size_t at = 0;

    for (const struct node *c = n->child; c; c = c->next) {
        size_t len = strlen(c->name) + 1;

        if (at + len > sizeof buf) {
            refuse(r, "E2BIG");
            return;
        }
        memcpy(buf + at, c->name, len);
        at += len;
    }
    reply(r, buf, at);
}

static void do_watch(const struct request *r) {
    const char *token = r->data + strlen(r->data) + 1;
    struct watch *w;

    if (token >= r->data + r->head.len) {
        refuse(r, "EINVAL");
        return;
    }
    w = calloc(1, sizeof *w);
    *w = (struct watch){ strdup(r->path), r->relative, strdup(token), r->c->watches };
    r->c->watches = w;
    reply(r, "OK", 3);
    send_event(r->c, w, w->path);
}

static void do_unwatch(const struct request *r) {
    const char *token = r->data + strlen(r->data) + 1;

    for (struct watch **l = &r->c->watches; *l; l = &(*l)->next) {
        struct watch *w = *l;

        if (token < r->data + r->head.len && !strcmp(w->path, r->path)
            && !strcmp(w->token, token)) {
            *l = w->next;
            free(w->path);
            free(w->token);
            free(w);
            reply(r, "OK", 3);
            return;
        }
    }
    refuse(r, "ENOENT");
}

static void do_write(const struct request *r) {
    size_t used = strlen(r->data) + 1;

    if (notice.call && !strcmp(r->path, notice.path) && r->head.len - used == strlen(notice.value)
        && !memcmp(r->data + used, notice.value, r->head.len - used))
        notice.call();
    if (used > r->head.len || write_locked(r->path, r->data + used, r->head.len - used))
        refuse(r, "EINVAL");
    else
        reply(r, "OK", 3);
}

static void do_domain_path(const struct request *r) {
    char buf[64];
    int n = snprintf(buf, sizeof buf, "/local/domain/%s", r->data);

    reply(r, buf, (size_t)n + 1);
}

/* the requests that name a node which must be there */
static void do_existing(const struct request *r, const struct node *n) {
    char path[sizeof r->path];

    if (!n) {
        refuse(r, "ENOENT");
        return;
    }
    switch (r->head.type) {
    case XS_READ: reply(r, n->value ? n->value : "", n->len); break;
    case XS_DIRECTORY: do_directory(r, n); break;
    case XS_GET_PERMS: reply(r, "n0", 3); break;
    case XS_SET_PERMS: reply(r, "OK", 3); break;
    default: /* XS_RM */
        strcpy(path, r->path);
        unlink_node(path);
        reply(r, "OK", 3);
        fire(path, 1);
        break;
    }
}

static void count(uint32_t type) {
    enum world_count what = type == XS_READ    ? COUNT_xs_read
                            : type == XS_WRITE ? COUNT_xs_write
                                               : COUNT_xs_other;

    __atomic_fetch_add(&counted->count[what], 1, __ATOMIC_RELAXED);
}

static void serve(struct request *r) {
    int absolute = *r->data == '/' || *r->data == '@';

    r->relative = absolute ? 0 : sizeof HOME - 1;
    snprintf(r->path, sizeof r->path, "%s%s", absolute ? "" : HOME, r->data);
    count(r->head.type);
    switch (r->head.type) {
    case XS_WRITE: do_write(r); break;
    case XS_MKDIR:
        if (!find(r->path, 0))
            write_locked(r->path, "", 0);
        reply(r, "OK", 3);
        break;
    case XS_READ:
    case XS_DIRECTORY:
    case XS_GET_PERMS:
    case XS_SET_PERMS:
    case XS_RM: do_existing(r, find(r->path, 0)); break;
    case XS_WATCH: do_watch(r); break;
    case XS_UNWATCH: do_unwatch(r); break;
    case XS_TRANSACTION_START: reply(r, "1", 2); break;
    case XS_TRANSACTION_END:
    case XS_RESET_WATCHES: reply(r, "OK", 3); break;
    case XS_GET_DOMAIN_PATH: do_domain_path(r); break;
    case XS_IS_DOMAIN_INTRODUCED: reply(r, "T", 2); break;
    default: refuse(r, "ENOSYS");
    }
}

/* clients */

static void hang_up(struct client *c) {
    close(c->fd);
    c->fd = -1;
    c->have = 0;
    while (c->watches) {
        struct watch *w = c->watches;

        c->watches = w->next;
        free(w->path);
        free(w->token);
        free(w);
    }
}

static void receive(struct client *c) {
    ssize_t n = recv(c->fd, c->in + c->have, sizeof c->in - c->have, MSG_DONTWAIT);
    struct request r = { .c = c };
    char data[XENSTORE_PAYLOAD_MAX + 1];

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        hang_up(c);
        return;
    }
    c->have += (size_t)n;
    while (c->have >= sizeof r.head) {
        memcpy(&r.head, c->in, sizeof r.head);
        if (r.head.len > XENSTORE_PAYLOAD_MAX) {
            hang_up(c);
            return;
        }
        if (c->have < sizeof r.head + r.head.len)
            return;
        memcpy(data, c->in + sizeof r.head, r.head.len);
        data[r.head.len] = 0;
        r.data = data;
        serve(&r);
        c->have -= sizeof r.head + r.head.len;
        memmove(c->in, c->in + sizeof r.head + r.head.len, c->have);
    }
}

static void *run(void *unused) {
    struct pollfd p[CLIENTS + 1];

    (void)unused;
    for (;;) {
        p[CLIENTS] = (struct pollfd){ listener, POLLIN, 0 };
        for (int i = 0; i < CLIENTS; i++)
            p[i] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
        if (poll(p, CLIENTS + 1, -1) < 0)
            continue;
        pthread_mutex_lock(&lock);
        for (int i = 0; i < CLIENTS; i++)
            if (p[i].revents)
                receive(&clients[i]);
        for (int i = 0; i < CLIENTS && p[CLIENTS].revents; i++)
            if (clients[i].fd < 0) {
                clients[i].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                break;
            }
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

void store_notice(const char *path, const char *value, void (*call)(void)) {
    notice.path = path;
    notice.value = value;
    notice.call = call;
}

int store_start(const char *socket_path, struct world *world) {
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    pthread_condattr_t attr;
    pthread_t thread;

    counted = world;
    for (int i = 0; i < CLIENTS; i++)
        clients[i].fd = -1;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attr);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(socket_path) >= sizeof addr.sun_path) {
        fprintf(stderr, "guest: socket path %s is longer than %zu\n", socket_path,
                sizeof addr.sun_path - 1);
        return -1;
    }
    strcpy(addr.sun_path, socket_path);
    unlink(socket_path);
    if (bind(listener, (struct sockaddr *)&addr, sizeof addr) || listen(listener, 16)
        || pthread_create(&thread, NULL, run, NULL)) {
        fprintf(stderr, "guest: no xenstored on %s: %s\n", socket_path, strerror(errno));
        return -1;
    }
    return 0;
}

int store_write(const char *path, const void *value, size_t len) {
    int rc;

    pthread_mutex_lock(&lock);
    rc = write_locked(path, value, len);
    pthread_mutex_unlock(&lock);
    return rc;
}

long store_read(const char *path, char *buf, size_t size) {
    const struct node *n;
    long len = -1;

    pthread_mutex_lock(&lock);
    n = find(path, 0);
    if (n) {
        snprintf(buf, size, "%.*s", (int)n->len, n->value ? (char *)n->value : "");
        len = (long)n->len;
    }
    pthread_mutex_unlock(&lock);
    return len;
}

int store_list(const char *path, char *buf, size_t size) {
    const struct node *n;
    int names = -1;

    *buf = 0;
    pthread_mutex_lock(&lock);
    n = find(path, 0);
    if (n) {
        names = 0;
        for (const struct node *c = n->child; c; c = c->next, names++) {
            size_t at = strlen(buf);

            snprintf(buf + at, size - at, "%s ", c->name);
        }
    }
    pthread_mutex_unlock(&lock);
    return names;
}

int store_remove(const char *path) {
    int rc;

    pthread_mutex_lock(&lock);
    rc = unlink_node(path);
    if (!rc)
        fire(path, 1);
    pthread_mutex_unlock(&lock);
    return rc;
}

int store_wait(const char *path, const char *value, int timeout_ms, struct timespec *at) {
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000l;
    if (until.tv_nsec >= 1000000000l) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000l;
    }
    pthread_mutex_lock(&lock);
    for (;;) {
        const struct node *n = find(path, 0);

        if (n && n->len == strlen(value) && !memcmp(n->value, value, n->len)) {
            *at = n->written;
            break;
        }
        rc = pthread_cond_timedwait(&changed, &lock, &until);
        if (rc)
            break;
    }
    pthread_mutex_unlock(&lock);
    return rc ? -1 : 0;
}
