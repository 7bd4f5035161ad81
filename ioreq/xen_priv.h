/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the Xen engine share. */
#ifndef IOREQ_XEN_PRIV_H
#define IOREQ_XEN_PRIV_H

#include <stdint.h>
#include <xencall.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>

#include "core/engine.h"
#include "core/log.h"
#include "core/loop.h"
#include "ring.h"
#include "xen_map.h"
#include "xen_yield.h"

enum { XEN_PAGE_SHIFT = 12, XEN_PAGE = 1 << XEN_PAGE_SHIFT, DIRTY_EXTENTS = 64, SOON_MS = 16,
       WAKE_PORTS = 64 };

struct xen_vram;

struct xen {
    struct engine engine; /* first */
    struct loop *loop;
    domid_t domid;
    bool restored;
    xendevicemodel_handle *dm;
    xenevtchn_handle *evtchn;
    xenforeignmemory_handle *fmem;
    xencall_handle *call;
    struct log_limit refused;

    ioservid_t server;
    bool has_server;
    xenforeignmemory_resource_handle *pages;
    struct ring ring;
    struct loop_fd events;
    bool serving, again;
    struct xen_yield yield;
    struct loop_look look;
    uint32_t fired[WAKE_PORTS]; /* ports of this wake; here, for an array on the stack is guarded */
    uint32_t held[WAKE_PORTS]; /* ports of vCPUs that were answered: masked until we sleep */
    unsigned held_count;
    /* local ports to vCPUs: vcpu_of[port - port_first] */
    uint32_t port_first, port_count;
    uint16_t *vcpu_of;
    uint32_t buffered_port, buffered_local; /* the buffered ring's: Xen's end and ours */
    bool buffered_masked;
    uint32_t drained;    /* of the ring, when it was last looked at */
    unsigned pause;      /* ms until it is looked at again */
    struct loop_fd soon; /* a timer for what can wait a moment */

    struct xen_irq {
        int fd; /* of /dev/xen/privcmd */
        /* the levels Xen has; of a restored domain they are unknown until first set */
        uint16_t isa_level, isa_known;
        uint8_t intx_level[32], intx_known[32];
    } irq;

    struct xen_map map;
    bool log_dirty;
    struct xen_dm_op_modified_memory_extent dirty[DIRTY_EXTENTS];
    unsigned dirty_count;
    struct loop_task dirty_task;

    struct xen_vram *vrams;
    uint64_t vram_home; /* the gfn where the next one is made */
};

static inline struct xen *xen_of(struct engine *e) {
    return (struct xen *)e;
}

/* Says which call Xen refused, by errno; a guest can't fill the log with it. */
void xen_refused(struct xen *x, const char *what);

static inline void xen_check(struct xen *x, int failed, const char *what) {
    if (failed)
        xen_refused(x, what);
}

/* HYPERVISOR_memory_op; the argument is copied in and out. Negative: errno says why. */
int xen_memory_op(struct xen *x, unsigned op, void *arg, size_t size);

/* Some ms from now the ring is looked at and video memory goes home. False: no timer. */
bool xen_soon(struct xen *x, unsigned ms);

/* Pages [gfn, gfn + n) were written by us. */
void xen_dirty(struct xen *x, uint64_t gfn, uint64_t n);

bool xen_irq_init(struct xen *x); /* false: errno says why */
void xen_irq_done(struct xen *x);
bool xen_irq_restrict(struct xen *x);
void xen_isa_irq(struct engine *e, unsigned irq, bool level);
void xen_pci_intx(struct engine *e, unsigned dev, unsigned pin, bool level);
void xen_pci_link(struct engine *e, unsigned link, unsigned irq);
void xen_msi(struct engine *e, uint64_t addr, uint32_t data);

struct vram *xen_vram_new(struct engine *e, size_t size);
void xen_vram_free(struct engine *e, struct vram *vram);
void xen_vram_place(struct engine *e, struct vram *vram, uint64_t base);
bool xen_vram_dirty(struct engine *e, struct vram *vram, size_t first, size_t n, uint64_t *bitmap);
void xen_vram_dirtied(struct engine *e, struct vram *vram, size_t offset, size_t len);
/* What waits to go home goes now, if it lies in [base, base + size). */
void xen_vram_leave(struct xen *x, uint64_t base, uint64_t size);
/* A restored machine is complete: what no BAR shows is where it was made. */
void xen_vram_settle(struct xen *x);

#endif
