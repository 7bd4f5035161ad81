/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenstore: reading, writing, watching. Paths without a leading slash are relative to the home of
 * the domain we run in: "device-model/5/state". One thread.
 */
#ifndef IOREQ_XEN_STORE_H
#define IOREQ_XEN_STORE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/loop.h"

struct xen_store;

/* NULL: `why` says which way was tried. */
struct xen_store *xen_store_open(struct loop *loop, char *why, size_t why_len);
void xen_store_close(struct xen_store *store);

#define STORE_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* The value, ended with a NUL, to be freed; NULL: errno says why (ENOENT: there is none). */
char *xen_store_read(struct xen_store *store, const char *path_fmt, ...) STORE_PRINTF(2, 3);

/* False: errno says why. */
bool xen_store_write(struct xen_store *store, const char *value, const char *path_fmt, ...)
    STORE_PRINTF(3, 4);
bool xen_store_remove(struct xen_store *store, const char *path_fmt, ...) STORE_PRINTF(2, 3);

/* Names of the children; freed as one by free(). NULL: errno says why. */
char **xen_store_list(struct xen_store *store, unsigned *n, const char *path_fmt, ...)
    STORE_PRINTF(3, 4);

/*
 * Called once as soon as it is set and whenever something at or below its path changes; `path` is
 * what changed. The owner keeps the struct until it is taken away.
 */
struct xen_store_watch {
    void (*changed)(void *arg, const char *path);
    void *arg;
    struct xen_store *store; /* the store's own */
    char *path;
    unsigned id;
    struct xen_store_watch *next;
};

bool xen_store_watch(struct xen_store *store, struct xen_store_watch *watch, const char *path_fmt,
                     ...) STORE_PRINTF(3, 4);
void xen_store_unwatch(struct xen_store_watch *watch); /* allowed inside any callback */

#endif
