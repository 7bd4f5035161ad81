/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See xen_store.h. libxenstore makes a thread of its own with the first watch, and only then; what
 * it hears comes to the loop through a pipe.
 */
#include "xen_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

struct xen_store {
    struct loop *loop;
    struct xs_handle *xs;
    struct loop_fd events;
    struct xen_store_watch *watches;
    unsigned next_id;
};

struct xen_store *xen_store_open(struct loop *loop, char *why, size_t why_len) {
    struct xen_store *store = calloc(1, sizeof(*store));
    /* Not XS_UNWATCH_FILTER: libxenstore loses the memory of the events that it filters, and a
     * token of ours is never used again. */
    struct xs_handle *xs = store ? xs_open(0) : NULL;
    if (!xs) {
        snprintf(why, why_len,
                 "xenstore can't be reached by xenstored's socket or /dev/xen/xenbus: %s",
                 strerror(errno));
        free(store);
        return NULL;
    }
    store->loop = loop;
    store->xs = xs;
    return store;
}

void xen_store_close(struct xen_store *store) {
    if (!store)
        return;
    while (store->watches)
        xen_store_unwatch(store->watches);
    loop_remove(store->loop, &store->events);
    xs_close(store->xs);
    free(store);
}

/* NULL: errno says why. */
static char *format(const char *fmt, va_list args) {
    char *path;
    if (vasprintf(&path, fmt, args) < 0) {
        errno = ENOMEM;
        return NULL;
    }
    return path;
}

#define FORMAT_PATH(path, fmt)                                                                     \
    char *path;                                                                                    \
    do {                                                                                           \
        va_list args_;                                                                             \
        va_start(args_, fmt);                                                                      \
        path = format(fmt, args_);                                                                 \
        va_end(args_);                                                                             \
    } while (0)

char *xen_store_read(struct xen_store *store, const char *path_fmt, ...) {
    FORMAT_PATH(path, path_fmt);
    unsigned len;
    char *value = path ? xs_read(store->xs, XBT_NULL, path, &len) : NULL;
    free(path);
    return value;
}

bool xen_store_write(struct xen_store *store, const char *value, const char *path_fmt, ...) {
    FORMAT_PATH(path, path_fmt);
    bool ok = path && xs_write(store->xs, XBT_NULL, path, value, (unsigned)strlen(value));
    free(path);
    return ok;
}

bool xen_store_remove(struct xen_store *store, const char *path_fmt, ...) {
    FORMAT_PATH(path, path_fmt);
    bool ok = path && xs_rm(store->xs, XBT_NULL, path);
    free(path);
    return ok;
}

char **xen_store_list(struct xen_store *store, unsigned *n, const char *path_fmt, ...) {
    FORMAT_PATH(path, path_fmt);
    char **names = path ? xs_directory(store->xs, XBT_NULL, path, n) : NULL;
    free(path);
    return names;
}

/* ---- watches: the token is a number, so that a late event of one that is gone finds nobody
 * ---- */

static void events_ready(void *arg, unsigned events) {
    struct xen_store *store = arg;
    (void)events;
    char **event;
    while ((event = xs_check_watch(store->xs))) {
        unsigned id = (unsigned)strtoul(event[XS_WATCH_TOKEN], NULL, 10);
        struct xen_store_watch *watch = store->watches;
        while (watch && watch->id != id)
            watch = watch->next;
        if (watch)
            watch->changed(watch->arg, event[XS_WATCH_PATH]);
        free(event);
    }
}

bool xen_store_watch(struct xen_store *store, struct xen_store_watch *watch, const char *path_fmt,
                     ...) {
    FORMAT_PATH(path, path_fmt);
    if (!path)
        return false;
    if (!store->events.added) {
        store->events = (struct loop_fd){.fd = xs_fileno(store->xs), .ready = events_ready,
                                         .arg = store, .events = LOOP_READ};
        if (store->events.fd < 0 || !loop_add(store->loop, &store->events)) {
            free(path);
            return false;
        }
    }
    watch->store = store;
    watch->path = path;
    watch->id = ++store->next_id;
    watch->next = store->watches;
    store->watches = watch;
    char token[16];
    snprintf(token, sizeof(token), "%u", watch->id);
    if (xs_watch(store->xs, path, token))
        return true;
    int error = errno;
    store->watches = watch->next;
    watch->store = NULL;
    free(path);
    errno = error;
    return false;
}

void xen_store_unwatch(struct xen_store_watch *watch) {
    struct xen_store *store = watch->store;
    if (!store)
        return;
    char token[16];
    snprintf(token, sizeof(token), "%u", watch->id);
    xs_unwatch(store->xs, watch->path, token);
    struct xen_store_watch **p = &store->watches;
    while (*p != watch)
        p = &(*p)->next;
    *p = watch->next;
    free(watch->path);
    watch->store = NULL;
}
