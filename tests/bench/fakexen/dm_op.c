/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device model operations of Xen (public/hvm/dm_op.h), as far as they show outside the
 * hypervisor, with the refusals of xen/common/ioreq.c: a range claimed twice, a range never
 * claimed, more ranges than fit, frames of a server whose pages are mapped already.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/ioreq.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fakexen.h"

#define XEN_DMOP_LAST_COUNTED 20

static int create_server(struct xen_dm_op_create_ioreq_server *c) {
    struct world *w = fx.world;

    if (w->server_exists || c->handle_bufioreq > HVM_IOREQSRV_BUFIOREQ_ATOMIC)
        return w->server_exists ? -EEXIST : -EINVAL;
    w->server_exists = 1;
    w->server_bufioreq = c->handle_bufioreq;
    w->server_enabled = w->server_mapped = 0;
    for (uint32_t i = 0; i < w->vcpus; i++)
        w->remote[WORLD_VCPU_PORT + i] = REMOTE_UNBOUND;
    w->remote[WORLD_BUFIOREQ_PORT] = c->handle_bufioreq ? REMOTE_UNBOUND : REMOTE_NONE;
    c->id = 0;
    return 0;
}

static int server_info(struct xen_dm_op_get_ioreq_server_info *i) {
    struct world *w = fx.world;

    if (!w->server_exists || i->id)
        return -ENOENT;
    if (!(i->flags & XEN_DMOP_no_gfns))
        return w->server_mapped ? -EPERM : -EOPNOTSUPP;
    i->bufioreq_port = w->server_bufioreq ? WORLD_BUFIOREQ_PORT : 0;
    return 0;
}

static int change_range(const struct xen_dm_op_ioreq_server_range *r, int add) {
    struct world_ranges *claimed;

    if (!fx.world->server_exists || r->id)
        return -ENOENT;
    if (r->type > XEN_DMOP_IO_RANGE_PCI || r->start > r->end)
        return -EINVAL;
    claimed = &fx.world->claimed[r->type];
    for (uint32_t i = 0; i < claimed->n; i++) {
        struct world_range *c = &claimed->range[i];

        if (r->start > c->end || r->end < c->start)
            continue;
        if (add)
            return -EEXIST;
        if (r->start < c->start || r->end > c->end)
            return -ENOENT;
        if (r->start > c->start && r->end < c->end) { /* a hole in the middle makes two */
            if (claimed->n == WORLD_RANGES)
                return -ENOMEM;
            claimed->range[claimed->n++] = (struct world_range){ r->end + 1, c->end };
            c->end = r->start - 1;
        } else if (r->start > c->start) {
            c->end = r->start - 1;
        } else if (r->end < c->end) {
            c->start = r->end + 1;
        } else {
            *c = claimed->range[--claimed->n];
        }
        return 0;
    }
    if (!add)
        return -ENOENT;
    if (claimed->n == WORLD_RANGES)
        return -ENOMEM;
    claimed->range[claimed->n++] = (struct world_range){ r->start, r->end };
    return 0;
}

static int set_state(const struct xen_dm_op_set_ioreq_server_state *s) {
    struct world *w = fx.world;
    size_t pages = 1 + (w->vcpus + 127) / 128;
    ioreq_t *slot;

    if (!w->server_exists || s->id)
        return -ENOENT;
    w->server_enabled = s->enabled;
    if (!s->enabled)
        return 0;
    slot = mmap(NULL, pages * WORLD_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fx.ioreq_fd, 0);
    if (slot == MAP_FAILED)
        return -errno;
    /* page 0 is the buffered ring; before this the ports in the slots are 0 */
    for (uint32_t i = 0; i < w->vcpus; i++)
        slot[WORLD_PAGE / sizeof *slot + i].vp_eport = WORLD_VCPU_PORT + i;
    munmap(slot, pages * WORLD_PAGE);
    return 0;
}

static int destroy_server(const struct xen_dm_op_destroy_ioreq_server *d) {
    struct world *w = fx.world;

    if (!w->server_exists || d->id)
        return -ENOENT;
    w->server_exists = w->server_enabled = 0;
    w->servers_destroyed++;
    memset(w->claimed, 0, sizeof w->claimed);
    return 0;
}

static int line(uint8_t *level, int now, uint32_t *raised, uint32_t *lowered) {
    if (*level == now)
        fakexen_count(COUNT_irq_unchanged, 1);
    *level = (uint8_t)now;
    __atomic_fetch_add(now ? raised : lowered, 1, __ATOMIC_RELEASE);
    return 0;
}

static int isa_irq(const struct xen_dm_op_set_isa_irq_level *i) {
    struct world *w = fx.world;

    if (i->isa_irq > 15 || i->level > 1)
        return -EINVAL;
    return line(&w->isa[i->isa_irq], i->level, &w->isa_raised[i->isa_irq],
                &w->isa_lowered[i->isa_irq]);
}

static int pci_intx(const struct xen_dm_op_set_pci_intx_level *i) {
    struct world *w = fx.world;

    if (i->domain || i->bus || i->device > 31 || i->intx > 3 || i->level > 1)
        return -EINVAL;
    return line(&w->intx[i->device][i->intx], i->level, &w->intx_raised, &w->intx_lowered);
}

static int pci_link(const struct xen_dm_op_set_pci_link_route *l) {
    if (l->link > 3 || l->isa_irq > 15)
        return -EINVAL;
    fx.world->link[l->link] = l->isa_irq;
    return 0;
}

/* Takes what was written out of the world's bitmap. */
static void take_written(uint64_t first, uint64_t n, uint64_t *bitmap) {
    struct world *w = fx.world;

    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = first + i - w->dirty_gfn, bit = 1ull << at % 64;

        if (at < WORLD_DIRTY && w->dirty[at / 64] & bit
            && __atomic_fetch_and(&w->dirty[at / 64], ~bit, __ATOMIC_ACQ_REL) & bit)
            bitmap[i / 64] |= 1ull << i % 64;
    }
}

static int track_dirty_vram(const struct xen_dm_op_track_dirty_vram *t, void *bitmap, size_t size) {
    struct world *w = fx.world;
    int anew = w->vram_gfn != t->first_pfn || w->vram_pages != t->nr;

    w->vram_gfn = t->first_pfn;
    w->vram_pages = t->nr;
    if (!t->nr)
        return 0;
    if (size * 8 < t->nr)
        return -EINVAL;
    if (w->dirty_vram == DIRTY_NODATA)
        return -ENODATA;
    /* a range that was not tracked before is all dirty, in Xen too */
    anew &= w->dirty_vram == DIRTY_WRITTEN;
    memset(bitmap, anew || w->dirty_vram == DIRTY_ALL ? 0xff : 0, (t->nr + 7) / 8);
    if (w->dirty_vram == DIRTY_WRITTEN)
        take_written(t->first_pfn, t->nr, bitmap);
    return 0;
}

static int relocate(const struct xen_dm_op_relocate_memory *r) {
    for (uint32_t i = 0; i < r->size; i++) {
        uint64_t src = r->src_gfn + i, dst = r->dst_gfn + i;

        if (src >= WORLD_GFNS || dst >= WORLD_GFNS || !fx.p2m[src])
            return -EINVAL;
        fx.p2m[dst] = fx.p2m[src];
        if (dst > fx.world->top_gfn)
            fx.world->top_gfn = dst;
        fx.p2m[src] = 0;
    }
    return 0;
}

static int modified_memory(const struct xen_dm_op_modified_memory *m,
                           const struct xen_dm_op_modified_memory_extent *extent, size_t size) {
    if ((uint64_t)m->nr_extents * sizeof *extent > size)
        return -EINVAL;
    for (uint32_t i = 0; i < m->nr_extents; i++)
        if (!extent[i].nr || extent[i].first_pfn + extent[i].nr > WORLD_GFNS)
            return -EINVAL;
    return 0;
}

static int dispatch(struct xen_dm_op *op, void *buf, size_t buf_size) {
    struct world *w = fx.world;

    switch (op->op) {
    case XEN_DMOP_create_ioreq_server: return create_server(&op->u.create_ioreq_server);
    case XEN_DMOP_get_ioreq_server_info: return server_info(&op->u.get_ioreq_server_info);
    case XEN_DMOP_map_io_range_to_ioreq_server:
        return change_range(&op->u.map_io_range_to_ioreq_server, 1);
    case XEN_DMOP_unmap_io_range_from_ioreq_server:
        return change_range(&op->u.unmap_io_range_from_ioreq_server, 0);
    case XEN_DMOP_set_ioreq_server_state: return set_state(&op->u.set_ioreq_server_state);
    case XEN_DMOP_destroy_ioreq_server: return destroy_server(&op->u.destroy_ioreq_server);
    case XEN_DMOP_track_dirty_vram: return track_dirty_vram(&op->u.track_dirty_vram, buf, buf_size);
    case XEN_DMOP_set_pci_intx_level: return pci_intx(&op->u.set_pci_intx_level);
    case XEN_DMOP_set_isa_irq_level: return isa_irq(&op->u.set_isa_irq_level);
    case XEN_DMOP_set_pci_link_route: return pci_link(&op->u.set_pci_link_route);
    case XEN_DMOP_modified_memory: return modified_memory(&op->u.modified_memory, buf, buf_size);
    case XEN_DMOP_inject_msi:
        w->msi_addr = op->u.inject_msi.addr;
        w->msi_data = op->u.inject_msi.data;
        return 0;
    case XEN_DMOP_remote_shutdown: w->shutdown = (int32_t)op->u.remote_shutdown.reason; return 0;
    case XEN_DMOP_relocate_memory: return relocate(&op->u.relocate_memory);
    case XEN_DMOP_nr_vcpus: op->u.nr_vcpus.vcpus = w->vcpus; return 0;
    case XEN_DMOP_set_mem_type:
    case XEN_DMOP_inject_event:
    case XEN_DMOP_pin_memory_cacheattr: return 0;
    default: return -EOPNOTSUPP;
    }
}

int dm_op(unsigned op_size, void *arg, void *buf, size_t buf_size, unsigned nr_bufs) {
    struct xen_dm_op *op = arg;
    enum world_count what;
    int rc;

    if (op_size < sizeof *op || nr_bufs > 2)
        return fakexen_refuse(COUNT_dm_unknown, EFAULT);
    what = op->op <= XEN_DMOP_LAST_COUNTED ? COUNT_dm_0 + op->op : COUNT_dm_unknown;
    fakexen_count(what, 1);
    rc = dispatch(op, buf, buf_size);
    return rc < 0 && rc != -ENODATA ? fakexen_refuse(what, -rc) : rc;
}
