/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Video memory on Xen. libxl leaves video_memkb (videoram= in xl.cfg) of the guest's memory
 * unpopulated for it. It is made at frames above all of the guest's RAM, its home, mapped here
 * once, and moved in the guest's address space to where the BAR shows it and back home; our mapping
 * follows the pages, not the addresses. After a restore it is there already: at the BAR, or at
 * home.
 *
 * The home is above 4 GiB and the guest's RAM, where nothing is put while the BAR is off but 64-bit
 * BARs of the same machine, and those are emulated, not populated.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xen/memory.h>

#include "core/bits.h"
#include "xen_priv.h"

enum {
    MOVE_PAGES = 8192,     /* a hypercall; the size is 16 bits wide in Xen */
    POPULATE_PAGES = 4096, /* 16 MiB: the common size in one */
    MAP_PAGES = 4096,
    CACHE_WB = 6,          /* XEN_DOMCTL_MEM_CACHEATTR_WB */
};

static const uint32_t CACHE_UNPIN = UINT32_MAX; /* XEN_DOMCTL_DELETE_MEM_CACHEATTR */

struct xen_vram {
    struct vram vram;  /* first */
    uint64_t home, at; /* frame numbers: where it was made, where its pages are */
    uint64_t pages;
    bool mapped;
    bool leaving; /* its BAR is off, but the pages are still there */
    bool tracked;
    uint64_t *written; /* by us: a bit for each page */
    struct xen_vram *next;
};

static bool vram_populate(struct xen *x, struct xen_vram *v) {
    size_t bytes = POPULATE_PAGES * sizeof(xen_pfn_t);
    xen_pfn_t *gfns = xencall_alloc_buffer(x->call, bytes);
    if (!gfns) {
        log_error("video memory: no memory for a list of its pages");
        return false;
    }
    uint64_t done = 0;
    int got = 0;
    while (done < v->pages) {
        uint64_t n = MIN(v->pages - done, (uint64_t)POPULATE_PAGES);
        for (uint64_t i = 0; i < n; i++)
            gfns[i] = v->home + done + i;
        struct xen_memory_reservation ask = {
            .extent_start = gfns, .nr_extents = n, .domid = x->domid};
        got = xen_memory_op(x, XENMEM_populate_physmap, &ask, sizeof(ask));
        if (got > 0)
            done += (uint64_t)got;
        if (got < 0 || (uint64_t)got < n)
            break;
    }
    int error = got < 0 ? errno : ENOMEM;
    xencall_free_buffer(x->call, gfns);
    if (done < v->pages)
        log_error("video memory: Xen gave domain %u %llu KiB of %llu KiB: %s. It comes out of the "
                  "guest's memory=, which libxl populates but for videoram=; the VGA's memory must "
                  "not be larger than that",
                  x->domid, (unsigned long long)done * 4, (unsigned long long)v->pages * 4,
                  strerror(error));
    return done == v->pages;
}

/* Maps the pages from gfn on at the place that is reserved for them. */
static bool vram_map(struct xen *x, struct xen_vram *v, uint64_t gfn) {
    xen_pfn_t *gfns = calloc(v->pages, sizeof(*gfns));
    if (!gfns)
        return false;
    for (uint64_t i = 0; i < v->pages; i++)
        gfns[i] = gfn + i;
    void *host = xenforeignmemory_map2(x->fmem, x->domid, v->vram.bytes, PROT_READ | PROT_WRITE,
                                       MAP_FIXED, v->pages, gfns, NULL);
    free(gfns);
    if (!host) {
        log_error("video memory: %llu KiB at page %#llx of domain %u can't be mapped: %s",
                  (unsigned long long)v->pages * 4, (unsigned long long)gfn, x->domid,
                  strerror(errno));
        /* a failed mapping leaves a gap: nothing else may come to lie there */
        if (mmap(v->vram.bytes, v->vram.size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
            abort();
        return false;
    }
    v->mapped = true;
    return true;
}

struct vram *xen_vram_new(struct engine *e, size_t size) {
    struct xen *x = xen_of(e);
    struct xen_vram *v = calloc(1, sizeof(*v));
    if (!v || !size || size % XEN_PAGE) {
        log_error("video memory of %zu bytes can't be had", size);
        free(v);
        return NULL;
    }
    v->pages = size >> XEN_PAGE_SHIFT;
    v->home = v->at = x->vram_home;
    v->vram.size = size;
    v->vram.base = VRAM_NOWHERE;
    v->written = calloc((v->pages + 63) / 64, sizeof(*v->written));
    v->vram.bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!v->written || v->vram.bytes == MAP_FAILED) {
        log_error("video memory: no address space for %zu bytes", size);
        if (v->vram.bytes != MAP_FAILED)
            munmap(v->vram.bytes, size);
        free(v->written);
        free(v);
        return NULL;
    }
    v->next = x->vrams;
    x->vrams = v;
    x->vram_home += v->pages;
    if (x->restored || (vram_populate(x, v) && vram_map(x, v, v->home)))
        return &v->vram;
    xen_vram_free(e, &v->vram);
    return NULL;
}

void xen_vram_free(struct engine *e, struct vram *vram) {
    struct xen *x = xen_of(e);
    struct xen_vram *v = (struct xen_vram *)vram;
    struct xen_vram **p = &x->vrams;
    while (*p && *p != v)
        p = &(*p)->next;
    if (*p)
        *p = v->next;
    if (v->mapped)
        xenforeignmemory_unmap(x->fmem, v->vram.bytes, v->pages);
    else
        munmap(v->vram.bytes, v->vram.size);
    free(v->written);
    free(v);
}

/* ---- where the guest sees it ---- */

/* Moves the pages; returns how many were moved. */
static uint64_t relocate(struct xen *x, uint64_t from, uint64_t to, uint64_t pages) {
    uint64_t done = 0;
    while (done < pages) {
        uint32_t n = (uint32_t)MIN(pages - done, (uint64_t)MOVE_PAGES);
        if (xendevicemodel_relocate_memory(x->dm, x->domid, n, from + done, to + done))
            break;
        done += n;
    }
    return done;
}

static void pin(struct xen *x, uint64_t gfn, uint64_t pages, uint32_t type) {
    xen_check(x,
              xendevicemodel_pin_memory_cacheattr(x->dm, x->domid, gfn, gfn + pages - 1, type),
              "the cache attribute of video memory");
}

static void go_home(struct xen *x, struct xen_vram *v) {
    v->leaving = false;
    if (v->at == v->home)
        return;
    pin(x, v->at, v->pages, CACHE_UNPIN);
    uint64_t done = relocate(x, v->at, v->home, v->pages);
    if (done < v->pages)
        log_error("video memory: %llu of %llu pages stayed at page %#llx of domain %u: %s",
                  (unsigned long long)(v->pages - done), (unsigned long long)v->pages,
                  (unsigned long long)v->at, x->domid, strerror(errno));
    v->at = v->home;
    xen_map_invalidate(&x->map);
}

static void go_to(struct xen *x, struct xen_vram *v, uint64_t to) {
    uint64_t done = relocate(x, v->home, to, v->pages);
    if (done < v->pages) {
        log_error("video memory: domain %u can't have it at page %#llx: %s", x->domid,
                  (unsigned long long)to, strerror(errno));
        relocate(x, to, v->home, done);
        return;
    }
    v->at = to;
    pin(x, to, v->pages, CACHE_WB);
    xen_map_invalidate(&x->map);
}

void xen_vram_place(struct engine *e, struct vram *vram, uint64_t base) {
    struct xen *x = xen_of(e);
    struct xen_vram *v = (struct xen_vram *)vram;
    uint64_t to = base >> XEN_PAGE_SHIFT;
    if (base == v->vram.base || (base != VRAM_NOWHERE && base % XEN_PAGE))
        return;
    v->vram.base = VRAM_NOWHERE;
    if (base == VRAM_NOWHERE) {
        v->leaving = true;
        xen_soon(x, SOON_MS);
        return;
    }
    v->leaving = false;
    if (x->restored && !v->mapped) { /* it is there already */
        if (vram_map(x, v, to)) {
            v->at = to;
            pin(x, to, v->pages, CACHE_WB);
        }
    } else if (v->at != to) {
        xen_vram_leave(x, base, v->vram.size);
        go_home(x, v);
        go_to(x, v, to);
    }
    if (v->at == to)
        v->vram.base = base;
}

void xen_vram_leave(struct xen *x, uint64_t base, uint64_t size) {
    for (struct xen_vram *v = x->vrams; v; v = v->next) {
        uint64_t start = v->at << XEN_PAGE_SHIFT;
        if (v->leaving && start <= base + (size - 1) && base <= start + (v->vram.size - 1))
            go_home(x, v);
    }
}

/* Unplaced when it was saved, it was at its home: the highest pages that the domain has. */
void xen_vram_settle(struct xen *x) {
    for (struct xen_vram *v = x->vrams; v; v = v->next)
        if (!v->mapped) {
            v->home = v->at = x->vram_home - 2 * v->pages;
            vram_map(x, v, v->home);
        }
}

/* ---- what was written to it ---- */

bool xen_vram_dirty(struct engine *e, struct vram *vram, size_t first, size_t n, uint64_t *bitmap) {
    struct xen *x = xen_of(e);
    struct xen_vram *v = (struct xen_vram *)vram;
    if (!n || first + n > v->pages) {
        if (v->tracked)
            xendevicemodel_track_dirty_vram(x->dm, x->domid, 0, 0, NULL);
        v->tracked = false;
        return false;
    }
    if (v->vram.base == VRAM_NOWHERE) { /* the guest can't reach it */
        memset(bitmap, 0, n / 8);
    } else {
        /* fails with ENODATA while Xen has no bitmap to give */
        v->tracked = true;
        if (xendevicemodel_track_dirty_vram(x->dm, x->domid, v->at + first, (uint32_t)n,
                                            (unsigned long *)bitmap))
            return false;
    }
    for (size_t i = 0; i < n / 64; i++) {
        bitmap[i] |= v->written[first / 64 + i];
        v->written[first / 64 + i] = 0;
    }
    return true;
}

void xen_vram_dirtied(struct engine *e, struct vram *vram, size_t offset, size_t len) {
    struct xen *x = xen_of(e);
    struct xen_vram *v = (struct xen_vram *)vram;
    if (!len || offset >= v->vram.size)
        return;
    size_t first = offset >> XEN_PAGE_SHIFT;
    size_t last = MIN(offset + len - 1, v->vram.size - 1) >> XEN_PAGE_SHIFT;
    for (size_t page = first; page <= last; page++)
        v->written[page / 64] |= UINT64_C(1) << page % 64;
    if (x->log_dirty)
        xen_dirty(x, v->at + first, last - first + 1);
}
