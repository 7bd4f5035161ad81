/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a PV backend needs of the hypervisor: the store, granted pages, event channels. Xen
 * implements it; so does a test. One thread.
 */
#ifndef CORE_PV_H
#define CORE_PV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PV_PAGE = 4096, PV_PATH = 256 };

/* Called once as soon as it is set and whenever something at or below its path changes. */
struct pv_watch {
    void (*changed)(void *arg);
    void *arg;
    void *own; /* the implementation's; NULL: not set */
};

/* An event channel to the guest. */
struct pv_port {
    void (*event)(void *arg);
    void *arg;
    uint32_t local; /* the implementation's */
    struct pv_port *next;
    bool bound;
};

struct pv {
    const struct pv_ops *ops;
    unsigned domid; /* the guest */
};

/* Bytes of a granted page to or from memory of ours, without mapping it. */
struct pv_copy {
    uint32_t ref;
    uint16_t offset, len; /* within the page */
    void *local;
    bool to_guest;
    bool ok; /* out */
};

struct pv_ops {
    /* The value with a NUL; false: none, or it is longer than len - 1. */
    bool (*read)(struct pv *pv, const char *path, char *val, size_t len);
    bool (*write)(struct pv *pv, const char *path, const char *val);
    /* `each` for every child; it may not change the store. */
    void (*list)(struct pv *pv, const char *path, void (*each)(void *arg, const char *name),
                 void *arg);
    bool (*watch)(struct pv *pv, struct pv_watch *watch, const char *path);
    void (*unwatch)(struct pv *pv, struct pv_watch *watch); /* allowed in any callback */

    /* n pages that the guest granted, side by side; NULL: one of them can't be had. */
    void *(*map)(struct pv *pv, const uint32_t *refs, unsigned n, bool write);
    void (*unmap)(struct pv *pv, void *pages, unsigned n);
    /* With one call; n 0 asks whether it can. False: it can't at all, and none of them is ok. */
    bool (*copy)(struct pv *pv, struct pv_copy *copies, unsigned n);

    /* Zeroed memory of ours that copies are quickest with: of one page of it each. Never NULL. */
    void *(*area)(struct pv *pv, unsigned pages);
    void (*free_area)(struct pv *pv, void *area);

    /* One page of the guest's own, by its frame's number, as the oldest frontends tell it. */
    void *(*map_gfn)(struct pv *pv, uint64_t gfn);
    void (*unmap_gfn)(struct pv *pv, void *page);

    bool (*bind)(struct pv *pv, uint32_t remote, struct pv_port *port);
    void (*unbind)(struct pv *pv, struct pv_port *port);
    void (*notify)(struct pv *pv, struct pv_port *port);
};

#endif
