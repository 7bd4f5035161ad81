/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See fixture_pv.h.
 */
#include "fixture_pv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"

enum { NODES = 160, WATCHES = 8, PATH = 128 };

static struct node {
    char path[PATH], val[PATH];
} nodes[NODES];
static struct {
    struct pv_watch *watch;
    char path[PATH];
    bool fire;
} watches[WATCHES];

static struct fake_pv *fake_of(struct pv *pv) {
    return CONTAINER_OF(pv, struct fake_pv, pv);
}

/* ---- the store ---- */

static struct node *find(const char *path) {
    for (unsigned i = 0; i < NODES; i++)
        if (!strcmp(nodes[i].path, path))
            return &nodes[i];
    return NULL;
}

static bool fake_read(struct pv *pv, const char *path, char *val, size_t len) {
    const struct node *n = find(path);
    (void)pv;
    if (!n || strlen(n->val) >= len)
        return false;
    strcpy(val, n->val);
    return true;
}

static bool fake_write(struct pv *pv, const char *path, const char *val) {
    struct node *n = find(path);
    (void)pv;
    if (!n)
        n = find("");
    if (!n)
        abort();
    snprintf(n->path, sizeof(n->path), "%s", path);
    snprintf(n->val, sizeof(n->val), "%s", val);
    for (unsigned i = 0; i < WATCHES; i++)
        if (watches[i].watch && !strncmp(watches[i].path, path, strlen(watches[i].path)))
            watches[i].fire = true;
    return true;
}

/* Each child once. */
static void fake_list(struct pv *pv, const char *path, void (*each)(void *, const char *),
                      void *arg) {
    char seen[8][32];
    unsigned count = 0;
    size_t len = strlen(path);
    (void)pv;
    for (unsigned i = 0; i < NODES; i++) {
        if (strncmp(nodes[i].path, path, len) || nodes[i].path[len] != '/')
            continue;
        char name[32];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(nodes[i].path + len + 1, "/"),
                 nodes[i].path + len + 1);
        unsigned k = 0;
        while (k < count && strcmp(seen[k], name))
            k++;
        if (k == count && count < ARRAY_LEN(seen))
            strcpy(seen[count++], name);
    }
    for (unsigned k = 0; k < count; k++)
        each(arg, seen[k]);
}

static bool fake_watch(struct pv *pv, struct pv_watch *watch, const char *path) {
    (void)pv;
    for (unsigned i = 0; i < WATCHES; i++)
        if (!watches[i].watch) {
            watches[i].watch = watch;
            watches[i].fire = true;
            snprintf(watches[i].path, sizeof(watches[i].path), "%s", path);
            return true;
        }
    return false;
}

static void fake_unwatch(struct pv *pv, struct pv_watch *watch) {
    (void)pv;
    for (unsigned i = 0; i < WATCHES; i++)
        if (watches[i].watch == watch)
            watches[i].watch = NULL;
}

/* ---- grants: reference n is page n ---- */

static bool granted(const struct fake_pv *f, uint32_t ref) {
    return ref && ref < FAKE_PAGES && !f->revoked[ref];
}

static void *fake_map(struct pv *pv, const uint32_t *refs, unsigned n, bool write) {
    struct fake_pv *f = fake_of(pv);
    (void)write;
    if (n != 1 || !granted(f, refs[0]))
        return NULL;
    f->maps++;
    return f->pages[refs[0]];
}

static void fake_unmap(struct pv *pv, void *pages, unsigned n) {
    (void)pages;
    fake_of(pv)->maps -= n;
}

static bool fake_copy(struct pv *pv, struct pv_copy *copies, unsigned n) {
    struct fake_pv *f = fake_of(pv);
    f->copy_calls++;
    f->copies += n;
    for (unsigned i = 0; i < n; i++) {
        struct pv_copy *c = &copies[i];
        f->split += (uintptr_t)c->local % PV_PAGE + c->len > PV_PAGE;
        c->ok = granted(f, c->ref) && c->offset + c->len <= PV_PAGE;
        if (c->ok && c->to_guest)
            memcpy(f->pages[c->ref] + c->offset, c->local, c->len);
        else if (c->ok)
            memcpy(c->local, f->pages[c->ref] + c->offset, c->len);
    }
    return true;
}

/* ---- channels ---- */

static bool fake_bind(struct pv *pv, uint32_t remote, struct pv_port *port) {
    struct fake_pv *f = fake_of(pv);
    if (remote < FAKE_PORT || remote >= FAKE_PORT + FAKE_PORTS || f->port[remote - FAKE_PORT])
        return false;
    f->port[remote - FAKE_PORT] = port;
    port->local = remote - FAKE_PORT;
    port->bound = true;
    return true;
}

static void fake_unbind(struct pv *pv, struct pv_port *port) {
    if (!port->bound)
        return;
    port->bound = false;
    fake_of(pv)->port[port->local] = NULL;
}

static void fake_notify(struct pv *pv, struct pv_port *port) {
    if (port->bound)
        fake_of(pv)->notified[port->local]++;
}

static const struct pv_ops ops = {
    .read = fake_read, .write = fake_write, .list = fake_list, .watch = fake_watch,
    .unwatch = fake_unwatch, .map = fake_map, .unmap = fake_unmap, .copy = fake_copy,
    .bind = fake_bind, .unbind = fake_unbind, .notify = fake_notify};

struct fake_pv *fake_pv_new(void) {
    struct fake_pv *f = calloc(1, sizeof(*f));
    memset(nodes, 0, sizeof(nodes));
    memset(watches, 0, sizeof(watches));
    f->pv = (struct pv){&ops, 1};
    f->pages = aligned_alloc(PV_PAGE, FAKE_PAGES * PV_PAGE);
    memset(f->pages, 0, FAKE_PAGES * PV_PAGE);
    return f;
}

void fake_pv_free(struct fake_pv *f) {
    free(f->pages);
    free(f);
}

void fake_put(struct fake_pv *f, const char *path, const char *val) {
    fake_write(&f->pv, path, val);
}

const char *fake_got(struct fake_pv *f, const char *path) {
    const struct node *n = find(path);
    (void)f;
    return n ? n->val : "(absent)";
}

bool fake_settle(struct fake_pv *f) {
    bool any = false;
    (void)f;
    for (bool again = true; again;) {
        again = false;
        for (unsigned i = 0; i < WATCHES; i++)
            if (watches[i].watch && watches[i].fire) {
                watches[i].fire = false;
                watches[i].watch->changed(watches[i].watch->arg);
                again = any = true;
            }
    }
    return any;
}

void fake_kick(struct fake_pv *f, unsigned port) {
    if (f->port[port])
        f->port[port]->event(f->port[port]->arg);
}
