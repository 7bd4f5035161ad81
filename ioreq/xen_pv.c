/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct pv on Xen: libxengnttab, libxenevtchn and our store. Event channels of backends have a
 * handle of their own, so that a busy ring never stands before a vCPU's request. See xen_pv.h.
 */
#include "xen_pv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>

#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"
#include "xen_copy.h"
#include "xen_yield.h"

enum { WAKE_PORTS = 64 };

struct xen_pv {
    struct pv pv;
    struct loop *loop;
    struct xen_store *store;
    struct xen_copy copy;
    xenevtchn_handle *evtchn;
    xenforeignmemory_handle *fmem;
    xencall_handle *call;
    struct loop_fd fd;
    struct pv_port *ports;
    struct xen_yield yield;
    struct loop_look look;
    uint32_t held[WAKE_PORTS]; /* whose rings were served: masked until we sleep */
    unsigned held_count;
    bool told; /* somebody was notified since the last look */
    bool looks;
};

struct watch {
    struct xen_store_watch store;
    struct pv_watch *of;
};

static struct xen_pv *xen_pv(struct pv *pv) {
    return CONTAINER_OF(pv, struct xen_pv, pv);
}

/* ---- the store ---- */

static bool pv_read(struct pv *pv, const char *path, char *val, size_t len) {
    char *got = xen_store_read(xen_pv(pv)->store, "%s", path);
    bool fits = got && strlen(got) < len;
    if (fits)
        strcpy(val, got);
    free(got);
    return fits;
}

static bool pv_write(struct pv *pv, const char *path, const char *val) {
    return xen_store_write(xen_pv(pv)->store, val, "%s", path);
}

static void pv_list(struct pv *pv, const char *path, void (*each)(void *arg, const char *name),
                    void *arg) {
    unsigned n = 0;
    char **names = xen_store_list(xen_pv(pv)->store, &n, "%s", path);
    for (unsigned i = 0; names && i < n; i++)
        each(arg, names[i]);
    free(names);
}

static void changed(void *arg, const char *path) {
    (void)path;
    struct pv_watch *of = ((struct watch *)arg)->of;
    of->changed(of->arg);
}

static bool pv_watch(struct pv *pv, struct pv_watch *of, const char *path) {
    struct watch *w = mem_new(sizeof(*w));
    *w = (struct watch){.store = {.changed = changed, .arg = w}, .of = of};
    if (!xen_store_watch(xen_pv(pv)->store, &w->store, "%s", path)) {
        mem_free(w);
        return false;
    }
    of->own = w;
    return true;
}

static void pv_unwatch(struct pv *pv, struct pv_watch *of) {
    (void)pv;
    struct watch *w = of->own;
    if (!w)
        return;
    of->own = NULL;
    xen_store_unwatch(&w->store);
    mem_free(w);
}

/* ---- grants ---- */

static void *pv_map(struct pv *pv, const uint32_t *refs, unsigned n, bool write) {
    xengnttab_handle *gnttab = xen_copy_gntdev(&xen_pv(pv)->copy);
    if (!gnttab)
        return NULL;
    return xengnttab_map_domain_grant_refs(gnttab, n, pv->domid, (uint32_t *)(uintptr_t)refs,
                                           PROT_READ | (write ? PROT_WRITE : 0));
}

static void pv_unmap(struct pv *pv, void *pages, unsigned n) {
    xengnttab_unmap(xen_copy_gntdev(&xen_pv(pv)->copy), pages, n);
}

static void *pv_map_gfn(struct pv *pv, uint64_t gfn) {
    struct xen_pv *x = xen_pv(pv);
    xen_pfn_t frame = (xen_pfn_t)gfn;
    if (!x->fmem && !(x->fmem = xenforeignmemory_open(NULL, 0)))
        return NULL;
    return xenforeignmemory_map(x->fmem, pv->domid, PROT_READ | PROT_WRITE, 1, &frame, NULL);
}

static void pv_unmap_gfn(struct pv *pv, void *page) {
    xenforeignmemory_unmap(xen_pv(pv)->fmem, page, 1);
}

static bool pv_copy(struct pv *pv, struct pv_copy *copies, unsigned n) {
    return xen_copy(&xen_pv(pv)->copy, copies, n);
}

static void *pv_area(struct pv *pv, unsigned pages) {
    return xen_copy_area(&xen_pv(pv)->copy, pages);
}

static void pv_free_area(struct pv *pv, void *area) {
    xen_copy_free_area(&xen_pv(pv)->copy, area);
}

/* ---- event channels ---- */

static void deliver(struct xen_pv *x, uint32_t local) {
    for (struct pv_port *p = x->ports; p; p = p->next)
        if (p->local == local) {
            p->event(p->arg);
            return;
        }
}

static void unmask(struct xen_pv *x, const uint32_t *ports, unsigned n) {
    size_t len = n * sizeof(ports[0]);
    if (n && write(x->fd.fd, ports, len) != (ssize_t)len)
        log_error("event channels can't be unmasked: %s", strerror(errno));
}

static void want_look(struct xen_pv *x) {
    if (!x->looks)
        loop_look_add(x->loop, &x->look);
    x->looks = true;
}

static void ready(void *arg, unsigned events) {
    (void)events;
    struct xen_pv *x = arg;
    uint32_t fired[WAKE_PORTS];
    ssize_t got = read(x->fd.fd, fired, sizeof(fired));
    if (got <= 0)
        return;
    unsigned n = (unsigned)((size_t)got / sizeof(fired[0]));
    if (!x->held_count && xen_yield_try(&x->yield)) {
        memcpy(x->held, fired, n * sizeof(fired[0]));
        x->held_count = n;
        want_look(x);
    } else {
        /* Unmasked first: what comes while the ring is served is then told again. */
        unmask(x, fired, n);
    }
    for (unsigned i = 0; i < n; i++)
        deliver(x, fired[i]);
}

/* After a yield: the rings of those who can't tell us, then those who did. True: there is work. */
static bool look_at_rings(void *arg) {
    struct xen_pv *x = arg;
    x->told = false;
    for (unsigned i = 0; i < x->held_count; i++)
        deliver(x, x->held[i]);
    if (!loop_busy(x->loop))
        ready(x, LOOP_READ);
    return loop_busy(x->loop);
}

/* Before the loop sleeps: has a guest that was told of answers put new requests into its ring? */
static bool look_again(void *arg) {
    struct xen_pv *x = arg;
    bool came = x->told && xen_yield_look(&x->yield, look_at_rings, x);
    if (!came) {
        unmask(x, x->held, x->held_count);
        x->held_count = 0;
        x->told = x->looks = false;
        loop_look_remove(x->loop, &x->look);
    }
    return came;
}

static bool open_channels(struct xen_pv *x) {
    if (x->evtchn)
        return true;
    x->evtchn = xenevtchn_open(NULL, 0);
    if (!x->evtchn)
        return false;
    int fd = xenevtchn_fd(x->evtchn);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    x->fd = (struct loop_fd){.fd = fd, .ready = ready, .arg = x, .events = LOOP_READ};
    if (loop_add(x->loop, &x->fd)) {
        x->call = xencall_open(NULL, 0);
        xen_yield_open(&x->yield, x->call, x->evtchn);
        x->look = (struct loop_look){.look = look_again, .arg = x};
        return true;
    }
    xenevtchn_close(x->evtchn);
    x->evtchn = NULL;
    return false;
}

static bool pv_bind(struct pv *pv, uint32_t remote, struct pv_port *port) {
    struct xen_pv *x = xen_pv(pv);
    if (!open_channels(x))
        return false;
    xenevtchn_port_or_error_t local = xenevtchn_bind_interdomain(x->evtchn, pv->domid, remote);
    if (local < 0)
        return false;
    port->local = (uint32_t)local;
    port->bound = true;
    port->next = x->ports;
    x->ports = port;
    return true;
}

static void pv_unbind(struct pv *pv, struct pv_port *port) {
    struct xen_pv *x = xen_pv(pv);
    if (!port->bound)
        return;
    port->bound = false;
    for (struct pv_port **p = &x->ports; *p; p = &(*p)->next)
        if (*p == port) {
            *p = port->next;
            break;
        }
    for (unsigned i = 0; i < x->held_count; i++)
        if (x->held[i] == port->local)
            x->held[i--] = x->held[--x->held_count];
    xenevtchn_unbind(x->evtchn, port->local);
}

static void pv_notify(struct pv *pv, struct pv_port *port) {
    struct xen_pv *x = xen_pv(pv);
    if (!port->bound)
        return;
    xenevtchn_notify(x->evtchn, port->local);
    x->told = true;
    want_look(x);
}

static const struct pv_ops ops = {
    .read = pv_read, .write = pv_write, .list = pv_list, .watch = pv_watch,
    .unwatch = pv_unwatch, .map = pv_map, .unmap = pv_unmap, .copy = pv_copy,
    .area = pv_area, .free_area = pv_free_area, .map_gfn = pv_map_gfn,
    .unmap_gfn = pv_unmap_gfn, .bind = pv_bind, .unbind = pv_unbind, .notify = pv_notify,
};

/* The store shows each domain its own number. */
static bool own_domid(struct xen_store *store, uint32_t *domid) {
    char *got = xen_store_read(store, "domid");
    if (got)
        *domid = (uint32_t)strtoul(got, NULL, 10);
    free(got);
    return got;
}

struct pv *xen_pv_new(struct loop *loop, struct xen_store *store, unsigned domid) {
    struct xen_pv *x = mem_new(sizeof(*x));
    x->pv = (struct pv){&ops, domid};
    x->loop = loop;
    x->store = store;
    x->copy.guest = domid;
    x->copy.unnamed = !own_domid(store, &x->copy.own);
    return &x->pv;
}

void xen_pv_free(struct pv *pv) {
    struct xen_pv *x = xen_pv(pv);
    if (x->evtchn) {
        loop_look_remove(x->loop, &x->look);
        loop_remove(x->loop, &x->fd);
        xen_yield_close(&x->yield);
        xenevtchn_close(x->evtchn);
    }
    if (x->call)
        xencall_close(x->call);
    xen_copy_close(&x->copy);
    if (x->fmem)
        xenforeignmemory_close(x->fmem);
    mem_free(x);
}
