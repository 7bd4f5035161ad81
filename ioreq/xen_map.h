/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory through foreign mappings: chunks mapped on first use and kept, in a flat table. A
 * hit takes no lock, no allocation and no hypercall. One thread.
 */
#ifndef IOREQ_XEN_MAP_H
#define IOREQ_XEN_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenforeignmemory.h>

struct xen_chunk;
struct xen_stale;

struct xen_map {
    xenforeignmemory_handle *fmem;
    uint32_t domid;
    unsigned shift;            /* log2 of a chunk's size */
    struct xen_chunk *chunks;  /* by gpa >> shift */
    uint64_t count;
    uint32_t *mapped;          /* indices of the chunks that are mapped, in no order */
    unsigned mapped_count, mapped_room, hand;
    struct xen_stale *stale;   /* mappings that are replaced but still held by somebody */
};

/*
 * `gfns`: the guest's highest page and one, as far as is known; more is found when it is asked for.
 * `populates`: mapping a page makes Xen allocate it (populate on demand), so little is mapped at
 * once.
 */
bool xen_map_init(struct xen_map *map, xenforeignmemory_handle *fmem, uint32_t domid,
                  uint64_t gfns, bool populates);
void xen_map_done(struct xen_map *map);

/* As engine_ops.map and unmap. */
void *xen_map_get(struct xen_map *map, uint64_t gpa, size_t *len);
void xen_map_put(struct xen_map *map, void *host, uint64_t gpa);

/* Any page may be another one by now: what is held stays until it is put, all else goes. */
void xen_map_invalidate(struct xen_map *map);

#endif
