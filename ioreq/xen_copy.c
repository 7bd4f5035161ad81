/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies between a guest's pages and ours: xen/include/public/grant_table.h. See xen_copy.h. */
#include "xen_copy.h"

#include <errno.h>
#include <string.h>

#include <xen/grant_table.h>

#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"

enum { BATCH = 128 };

struct xen_area {
    uint8_t *bytes;
    unsigned pages;
    uint32_t *refs; /* a page each; NULL: they are not granted, and Xen has no names for them */
    struct xen_area *next;
};

xengnttab_handle *xen_copy_gntdev(struct xen_copy *c) {
    if (!c->gnttab && !(c->gnttab = xengnttab_open(NULL, 0)))
        log_error("grants can't be reached: %s", strerror(errno));
    return c->gnttab;
}

/* ---- our memory ---- */

static bool open_hypercalls(struct xen_copy *c) {
    if (!c->call && (c->call = xencall_open(NULL, 0)))
        c->ops = xencall_alloc_buffer(c->call, BATCH * sizeof(*c->ops));
    return c->ops;
}

static bool grant_area(struct xen_copy *c, struct xen_area *a) {
    if (c->unnamed || c->refused || !open_hypercalls(c) ||
        (!c->granter && !(c->granter = xengntshr_open(NULL, 0))))
        return false;
    a->refs = mem_new(a->pages * sizeof(*a->refs));
    a->bytes = xengntshr_share_pages(c->granter, c->own, (int)a->pages, a->refs, 1);
    if (a->bytes) {
        memset(a->bytes, 0, (size_t)a->pages * PV_PAGE);
        return true;
    }
    mem_free(a->refs);
    a->refs = NULL;
    return false;
}

void *xen_copy_area(struct xen_copy *c, unsigned pages) {
    struct xen_area *a = mem_new(sizeof(*a));
    *a = (struct xen_area){.pages = pages, .next = c->areas};
    if (!grant_area(c, a))
        a->bytes = mem_pages(pages);
    c->areas = a;
    return a->bytes;
}

static void release(struct xen_copy *c, struct xen_area *a) {
    if (a->refs)
        xengntshr_unshare(c->granter, a->bytes, a->pages);
    else
        mem_free(a->bytes);
    mem_free(a->refs);
    mem_free(a);
}

void xen_copy_free_area(struct xen_copy *c, void *area) {
    for (struct xen_area **p = &c->areas; *p; p = &(*p)->next)
        if ((*p)->bytes == area) {
            struct xen_area *a = *p;
            *p = a->next;
            release(c, a);
            return;
        }
}

void xen_copy_close(struct xen_copy *c) {
    while (c->areas)
        xen_copy_free_area(c, c->areas->bytes);
    if (c->ops)
        xencall_free_buffer(c->call, c->ops);
    if (c->call)
        xencall_close(c->call);
    if (c->granter)
        xengntshr_close(c->granter);
    if (c->gnttab)
        xengnttab_close(c->gnttab);
}

/* ---- by one hypercall ---- */

/* Xen's name for a piece of ours. False: it has none, or the piece is of two pages. */
static bool name_of(const struct xen_copy *c, const struct pv_copy *copy, uint32_t *ref,
                    uint16_t *offset) {
    const uint8_t *at = copy->local;
    for (const struct xen_area *a = c->areas; a; a = a->next) {
        size_t off = (size_t)((uintptr_t)at - (uintptr_t)a->bytes);
        if (!a->refs || at < a->bytes || off >= (size_t)a->pages * PV_PAGE)
            continue;
        *ref = a->refs[off / PV_PAGE];
        *offset = off % PV_PAGE;
        return *offset + copy->len <= PV_PAGE;
    }
    return false;
}

static bool describe(const struct xen_copy *c, const struct pv_copy *copy,
                     struct gnttab_copy *op) {
    uint32_t ref;
    uint16_t offset;
    if (!name_of(c, copy, &ref, &offset))
        return false;
    *op = (struct gnttab_copy){.len = copy->len,
                               .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref};
    op->source.domid = (domid_t)(copy->to_guest ? c->own : c->guest);
    op->source.u.ref = copy->to_guest ? ref : copy->ref;
    op->source.offset = copy->to_guest ? offset : copy->offset;
    op->dest.domid = (domid_t)(copy->to_guest ? c->guest : c->own);
    op->dest.u.ref = copy->to_guest ? copy->ref : ref;
    op->dest.offset = copy->to_guest ? copy->offset : offset;
    return true;
}

/* False: it is left to gntdev, which waits for a page of the guest that is paged out, too. */
static bool copy_directly(struct xen_copy *c, struct pv_copy *copies, unsigned n) {
    if (c->refused || !c->ops)
        return false;
    for (unsigned i = 0; i < n; i++)
        if (!describe(c, &copies[i], &c->ops[i]))
            return false;
    if (xencall3(c->call, __HYPERVISOR_grant_table_op, GNTTABOP_copy, (uintptr_t)c->ops, n)) {
        c->refused = true;
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        if (c->ops[i].status == GNTST_eagain)
            return false;
        copies[i].ok = c->ops[i].status == GNTST_okay;
    }
    return true;
}

/* ---- by gntdev ---- */

static xengnttab_grant_copy_segment_t segment_of(const struct xen_copy *c,
                                                 const struct pv_copy *copy) {
    xengnttab_grant_copy_segment_t s = {.len = copy->len};
    union xengnttab_copy_ptr *guest = copy->to_guest ? &s.dest : &s.source;
    union xengnttab_copy_ptr *local = copy->to_guest ? &s.source : &s.dest;
    guest->foreign.ref = copy->ref;
    guest->foreign.offset = copy->offset;
    guest->foreign.domid = (uint16_t)c->guest;
    local->virt = copy->local;
    s.flags = copy->to_guest ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
    return s;
}

static bool copy_by_gntdev(struct xen_copy *c, struct pv_copy *copies, unsigned n) {
    xengnttab_grant_copy_segment_t segs[BATCH];
    for (unsigned i = 0; i < n; i++)
        segs[i] = segment_of(c, &copies[i]);
    bool went = xen_copy_gntdev(c) && !xengnttab_grant_copy(c->gnttab, n, segs);
    for (unsigned i = 0; i < n; i++)
        copies[i].ok = went && segs[i].status == GNTST_okay;
    return went;
}

bool xen_copy(struct xen_copy *c, struct pv_copy *copies, unsigned n) {
    bool went = n || copy_by_gntdev(c, copies, 0);
    for (unsigned done = 0, m; done < n; done += m) {
        m = MIN(n - done, (unsigned)BATCH);
        went &= copy_directly(c, copies + done, m) || copy_by_gntdev(c, copies + done, m);
    }
    return went;
}
