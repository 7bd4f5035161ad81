/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hypervisor for PV backends. See fixture_hv.h.
 */
#include "fixture_hv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/mem.h"
#include "fixture_priv.h"

static struct fixture_hv *of(struct pv *pv) {
    return CONTAINER_OF(pv, struct fixture_hv, pv);
}

/* ---- the store ---- */

static bool below(const char *path, const char *folder) {
    size_t len = strlen(folder);
    return !strncmp(path, folder, len) && (!path[len] || path[len] == '/');
}

static int find(const struct fixture_hv *f, const char *path) {
    for (int i = 0; i < FHV_NODES; i++)
        if (!strcmp(f->nodes[i].path, path))
            return i;
    return -1;
}

static void touched(struct fixture_hv *f, const char *path) {
    for (unsigned i = 0; i < FHV_WATCHES; i++)
        if (f->watches[i].watch &&
            (below(path, f->watches[i].path) || below(f->watches[i].path, path)))
            f->watches[i].fire = true;
}

static bool pv_read(struct pv *pv, const char *path, char *val, size_t len) {
    const struct fixture_hv *f = of(pv);
    int i = find(f, path);
    if (i < 0 || strlen(f->nodes[i].val) >= len)
        return false;
    strcpy(val, f->nodes[i].val);
    return true;
}

void fixture_hv_put(struct fixture_hv *f, const char *path, const char *val) {
    int i = find(f, path);
    if (i < 0)
        i = find(f, "");
    if (i < 0)
        fixture_wrong("too many nodes in the store", FHV_NODES);
    snprintf(f->nodes[i].path, sizeof(f->nodes[i].path), "%s", path);
    snprintf(f->nodes[i].val, sizeof(f->nodes[i].val), "%s", val);
    touched(f, path);
}

static bool pv_write(struct pv *pv, const char *path, const char *val) {
    fixture_hv_put(of(pv), path, val);
    return true;
}

const char *fixture_hv_get(const struct fixture_hv *f, const char *path) {
    int i = find(f, path);
    return i < 0 ? "(absent)" : f->nodes[i].val;
}

void fixture_hv_remove(struct fixture_hv *f, const char *path) {
    for (unsigned i = 0; i < FHV_NODES; i++)
        if (below(f->nodes[i].path, path))
            memset(&f->nodes[i], 0, sizeof(f->nodes[i]));
    touched(f, path);
}

/* Each child once, by its first node. */
static void pv_list(struct pv *pv, const char *path, void (*each)(void *, const char *),
                    void *arg) {
    const struct fixture_hv *f = of(pv);
    char seen[16][32];
    unsigned count = 0;
    for (unsigned i = 0; i < FHV_NODES; i++) {
        const char *node = f->nodes[i].path;
        size_t len = strlen(path);
        if (strncmp(node, path, len) || node[len] != '/')
            continue;
        char name[32];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(node + len + 1, "/"), node + len + 1);
        unsigned n = 0;
        while (n < count && strcmp(seen[n], name))
            n++;
        if (n < count || count == ARRAY_LEN(seen))
            continue;
        strcpy(seen[count++], name);
        each(arg, name);
    }
}

static bool pv_watch(struct pv *pv, struct pv_watch *watch, const char *path) {
    struct fixture_hv *f = of(pv);
    for (unsigned i = 0; i < FHV_WATCHES; i++)
        if (!f->watches[i].watch) {
            f->watches[i].watch = watch;
            f->watches[i].fire = true;
            snprintf(f->watches[i].path, sizeof(f->watches[i].path), "%s", path);
            return true;
        }
    return false;
}

static void pv_unwatch(struct pv *pv, struct pv_watch *watch) {
    struct fixture_hv *f = of(pv);
    for (unsigned i = 0; i < FHV_WATCHES; i++)
        if (f->watches[i].watch == watch)
            f->watches[i].watch = NULL;
}

unsigned fixture_hv_watches(struct fixture_hv *f) {
    unsigned n = 0;
    for (unsigned i = 0; i < FHV_WATCHES; i++)
        if (f->watches[i].watch && f->watches[i].fire) {
            f->watches[i].fire = false;
            f->watches[i].watch->changed(f->watches[i].watch->arg);
            n++;
        }
    return n;
}

bool fixture_hv_settle(struct fixture_hv *f) {
    bool any = false;
    while (fixture_hv_watches(f))
        any = true;
    return any;
}

/* ---- grants ---- */

static bool granted(const struct fixture_hv *f, uint32_t ref) {
    return ref && ref < FHV_PAGES && !f->revoked[ref];
}

static void *pv_map(struct pv *pv, const uint32_t *refs, unsigned n, bool write) {
    struct fixture_hv *f = of(pv);
    int prot = PROT_READ | (write ? PROT_WRITE : 0);
    f->map_calls++;
    for (unsigned i = 0; i < n; i++)
        if (!granted(f, refs[i]))
            return NULL;
    uint8_t *at = mmap(NULL, (size_t)n * PV_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; at != MAP_FAILED && i < n; i++)
        if (mmap(at + (size_t)i * PV_PAGE, PV_PAGE, prot, MAP_SHARED | MAP_FIXED, f->memory,
                 (off_t)refs[i] * PV_PAGE) == MAP_FAILED)
            fixture_wrong("a guest's page can't be mapped", refs[i]);
    if (at == MAP_FAILED)
        fixture_wrong("no address space for the guest's pages", n);
    f->mapped += n;
    return at;
}

static void pv_unmap(struct pv *pv, void *pages, unsigned n) {
    struct fixture_hv *f = of(pv);
    if (n > f->mapped)
        fixture_wrong("more pages unmapped than were mapped", n);
    f->mapped -= n;
    munmap(pages, (size_t)n * PV_PAGE);
}

static bool pv_copy(struct pv *pv, struct pv_copy *pieces, unsigned n) {
    struct fixture_hv *f = of(pv);
    if (!f->can_copy)
        return false;
    f->copy_calls += n > 0;
    for (unsigned i = 0; i < n; i++) {
        struct pv_copy *p = &pieces[i];
        if (p->offset + p->len > PV_PAGE || !p->len)
            fixture_wrong("a copy past the guest's page", p->offset + p->len);
        f->split += (uintptr_t)p->local % PV_PAGE + p->len > PV_PAGE;
        p->ok = granted(f, p->ref);
        if (p->ok && p->to_guest)
            memcpy(f->pages[p->ref] + p->offset, p->local, p->len);
        else if (p->ok)
            memcpy(p->local, f->pages[p->ref] + p->offset, p->len);
    }
    return true;
}

/* ---- event channels ---- */

static bool pv_bind(struct pv *pv, uint32_t remote, struct pv_port *port) {
    struct fixture_hv *f = of(pv);
    if (remote < FHV_PORT || remote >= FHV_PORT + FHV_PORTS || f->ports[remote - FHV_PORT])
        return false;
    f->ports[remote - FHV_PORT] = port;
    port->local = remote;
    port->bound = true;
    return true;
}

static void pv_unbind(struct pv *pv, struct pv_port *port) {
    struct fixture_hv *f = of(pv);
    for (unsigned i = 0; i < FHV_PORTS; i++)
        if (f->ports[i] == port)
            f->ports[i] = NULL;
    port->bound = false;
}

static void pv_notify(struct pv *pv, struct pv_port *port) {
    if (!port->bound)
        fixture_wrong("a notification without a channel", port->local);
    struct fixture_hv *f = of(pv);
    f->notified++;
    f->told[port->local - FHV_PORT]++;
}

void fixture_hv_event(struct fixture_hv *f, unsigned port) {
    struct pv_port *p = f->ports[port - FHV_PORT];
    if (p)
        p->event(p->arg);
}

static void *pv_area(struct pv *pv, unsigned pages) {
    (void)pv;
    return mem_pages(pages);
}

static void pv_free_area(struct pv *pv, void *area) {
    (void)pv;
    mem_free(area);
}

static const struct pv_ops ops = {
    .read = pv_read, .write = pv_write, .list = pv_list, .watch = pv_watch,
    .unwatch = pv_unwatch, .map = pv_map, .unmap = pv_unmap, .copy = pv_copy,
    .area = pv_area, .free_area = pv_free_area, .bind = pv_bind,
    .unbind = pv_unbind, .notify = pv_notify};

/* ---- life ---- */

void fixture_hv_init(struct fixture_hv *f) {
    size_t size = (size_t)FHV_PAGES * PV_PAGE;
    memset(f, 0, sizeof(*f));
    f->pv = (struct pv){&ops, 1};
    f->can_copy = true;
    f->memory = memfd_create("guest", MFD_CLOEXEC);
    if (f->memory < 0 || ftruncate(f->memory, (off_t)size))
        fixture_wrong("no memory for the guest's pages", size);
    f->pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f->memory, 0);
    if ((void *)f->pages == MAP_FAILED)
        fixture_wrong("no address space for the guest's pages", size);
}

void fixture_hv_done(struct fixture_hv *f) {
    if (f->mapped)
        fixture_wrong("pages are still mapped", f->mapped);
    for (unsigned i = 0; i < FHV_PORTS; i++)
        if (f->ports[i])
            fixture_wrong("a channel is still bound", i + FHV_PORT);
    munmap(f->pages, (size_t)FHV_PAGES * PV_PAGE);
    close(f->memory);
}
