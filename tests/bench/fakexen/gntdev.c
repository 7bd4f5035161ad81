/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /dev/xen/gntdev, where a grant reference is the guest's frame number.
 *
 * Not modelled: who was granted what, grants shared the other way (gntalloc), unmap notifications,
 * dma-buf.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/sys/gntdev.h>

#include "fakexen.h"

#define MAPS 4096
#define REFS 1024

static struct grant_map {
    uint32_t count;
    uint64_t *gfn;
    void *addr;
} maps[MAPS];

/* The index of map i, an offset for mmap: far enough apart that maps cannot run into each other. */
#define INDEX(i) (((uint64_t)(i) + 1) * REFS * WORLD_PAGE)

static struct grant_map *map_at(uint64_t index) {
    uint64_t i = index / (REFS * WORLD_PAGE);

    return i && i <= MAPS && index == INDEX(i - 1) && maps[i - 1].count ? &maps[i - 1] : NULL;
}

static int map_refs(struct ioctl_gntdev_map_grant_ref *m) {
    static unsigned last;
    unsigned i = last, tried = 0;

    fakexen_count(COUNT_grant_map, 1);
    for (; tried < MAPS && maps[i].count; tried++)
        i = (i + 1) % MAPS;
    last = i;
    if (tried == MAPS || !m->count || m->count > REFS)
        return fakexen_refuse(COUNT_grant_map, EINVAL);
    maps[i].gfn = calloc(m->count, sizeof *maps[i].gfn);
    if (!maps[i].gfn)
        return -ENOMEM;
    maps[i].count = m->count;
    for (uint32_t j = 0; j < m->count; j++)
        maps[i].gfn[j] = m->refs[j].ref;
    m->index = INDEX(i);
    return 0;
}

void *gntdev_mmap(void *addr, size_t length, int prot, int flags, uint64_t index) {
    struct grant_map *m = map_at(index);
    int err[REFS];
    char *at;

    if (!m || length != (size_t)m->count * WORLD_PAGE) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    at = (char *)syscall(SYS_mmap, addr, length, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | (flags & MAP_FIXED), -1, 0);
    if (at == MAP_FAILED)
        return at;
    fakexen_map_frames(at, prot, m->count, m->gfn, err);
    for (uint32_t i = 0; i < m->count; i++)
        if (err[i]) {
            syscall(SYS_munmap, at, length);
            errno = EINVAL;
            return MAP_FAILED;
        }
    m->addr = at;
    return at;
}

static int unmap_refs(const struct ioctl_gntdev_unmap_grant_ref *u) {
    struct grant_map *m = map_at(u->index);

    fakexen_count(COUNT_grant_unmap, 1);
    if (!m || u->count != m->count)
        return fakexen_refuse(COUNT_grant_unmap, ENOENT);
    free(m->gfn);
    memset(m, 0, sizeof *m);
    return 0;
}

static int offset_of(struct ioctl_gntdev_get_offset_for_vaddr *o) {
    for (unsigned i = 0; i < MAPS; i++)
        if (maps[i].count && (uint64_t)(uintptr_t)maps[i].addr == o->vaddr) {
            o->offset = INDEX(i);
            o->count = maps[i].count;
            return 0;
        }
    return -EINVAL;
}

/* One end of a copy: the device model's own memory, or a granted page seen through a window on all
 * of the domain's. */
static char *copy_end(const struct ioctl_gntdev_grant_copy_segment *s, int is_dest) {
    static char *window;
    int foreign = s->flags & (is_dest ? GNTCOPY_dest_gref : GNTCOPY_source_gref);
    uint64_t gfn = is_dest ? s->dest.foreign.ref : s->source.foreign.ref;
    uint32_t offset = is_dest ? s->dest.foreign.offset : s->source.foreign.offset;
    uint32_t page = gfn < WORLD_GFNS ? fx.p2m[gfn] : 0;

    if (!foreign)
        return is_dest ? s->dest.virt : s->source.virt;
    if (!page || page > WORLD_GFNS || offset + s->len > WORLD_PAGE)
        return NULL;
    if (!window)
        window =
            (char *)syscall(SYS_mmap, NULL, (size_t)WORLD_GFNS * WORLD_PAGE, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_NORESERVE, fx.pages_fd, 0);
    return window == MAP_FAILED ? NULL : window + (size_t)(page - 1) * WORLD_PAGE + offset;
}

static int copy_refs(const struct ioctl_gntdev_grant_copy *c) {
    fakexen_count(COUNT_grant_copy, 1);
    for (unsigned i = 0; i < c->count; i++) {
        struct ioctl_gntdev_grant_copy_segment *s = &c->segments[i];
        char *from = copy_end(s, 0), *to = copy_end(s, 1);

        s->status = from && to ? GNTST_okay : GNTST_bad_gntref;
        if (from && to)
            memcpy(to, from, s->len);
    }
    return 0;
}

int gntdev_ioctl(unsigned long request, void *arg) {
    fakexen_enter();
    switch (request) {
    case IOCTL_GNTDEV_MAP_GRANT_REF: return map_refs(arg);
    case IOCTL_GNTDEV_UNMAP_GRANT_REF: return unmap_refs(arg);
    case IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR: return offset_of(arg);
    case IOCTL_GNTDEV_GRANT_COPY: return copy_refs(arg);
    case IOCTL_GNTDEV_SET_MAX_GRANTS: return 0;
    default: return -ENOTTY;
    }
}
