/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See xen_map.h. A chunk is 2 MiB, or 64 KiB for a guest that is populated on demand, where a
 * mapping is an allocation from a small cache. Pages that are not there (holes, ballooned out) are
 * bits in the chunk; such a page is asked for again each time somebody wants it, because the guest
 * may have taken it back, and then the chunk is mapped anew. A mapping is made and unmade whole,
 * never in parts: the privcmd driver of a PVH dom0 does not survive that.
 *
 * What stays mapped is bounded, for the page tables' sake; the chunk not used for longest goes, by
 * the clock algorithm.
 */
#include "xen_map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/bits.h"

enum {
    PAGE_SHIFT = 12,
    PAGE = 1 << PAGE_SHIFT,
    SHIFT = 21,
    SHIFT_POPULATES = 16,
    PAGES_MAX = 1 << (SHIFT - PAGE_SHIFT), /* of a chunk */
    MAPPED_SHIFT = 30,                     /* 1 GiB stays mapped: 2 MiB of page tables */
    GPA_BITS = 48,
};

struct xen_chunk {
    uint8_t *host;    /* NULL: not mapped */
    uint64_t *absent; /* NULL: all pages are there; else a bit for each that is not */
    uint32_t held;
    uint32_t at : 31; /* in mapped[] */
    uint32_t used : 1;
};

struct xen_stale {
    uint8_t *host;
    uint32_t held;
    struct xen_stale *next;
};

bool xen_map_init(struct xen_map *map, xenforeignmemory_handle *fmem, uint32_t domid,
                  uint64_t gfns, bool populates) {
    *map = (struct xen_map){.fmem = fmem, .domid = domid,
                            .shift = populates ? SHIFT_POPULATES : SHIFT};
    map->count = MIN((gfns >> (map->shift - PAGE_SHIFT)) + 1,
                     UINT64_C(1) << (GPA_BITS - map->shift));
    map->chunks = calloc(map->count, sizeof(*map->chunks));
    return map->chunks != NULL;
}

static size_t chunk_pages(const struct xen_map *map) {
    return (size_t)1 << (map->shift - PAGE_SHIFT);
}

void xen_map_done(struct xen_map *map) {
    for (unsigned i = 0; i < map->mapped_count; i++) {
        struct xen_chunk *chunk = &map->chunks[map->mapped[i]];
        xenforeignmemory_unmap(map->fmem, chunk->host, chunk_pages(map));
        free(chunk->absent);
    }
    while (map->stale) {
        struct xen_stale *stale = map->stale;
        map->stale = stale->next;
        xenforeignmemory_unmap(map->fmem, stale->host, chunk_pages(map));
        free(stale);
    }
    free(map->mapped);
    free(map->chunks);
    *map = (struct xen_map){.fmem = NULL};
}

/* ---- making and unmaking mappings ---- */

/* n pages from gfn on; errors, page by page, in errs. */
static void *map_pages(struct xen_map *map, uint64_t gfn, size_t n, int *errs) {
    xen_pfn_t gfns[PAGES_MAX] = {gfn};
    for (size_t i = 1; i < n; i++)
        gfns[i] = gfn + i;
    return xenforeignmemory_map2(map->fmem, map->domid, NULL, PROT_READ | PROT_WRITE, 0, n, gfns,
                                 errs);
}

/* How many of n pages from gfn on are not there, up to the first that is. */
static size_t absent_run(struct xen_map *map, uint64_t gfn, size_t n) {
    int errs[PAGES_MAX];
    void *host = map_pages(map, gfn, n, errs);
    if (!host)
        return n;
    size_t run = 0;
    while (run < n && errs[run])
        run++;
    xenforeignmemory_unmap(map->fmem, host, n);
    return run;
}

static void forget(struct xen_map *map, struct xen_chunk *chunk) {
    uint32_t last = map->mapped[--map->mapped_count];
    map->mapped[chunk->at] = last;
    map->chunks[last].at = chunk->at;
    free(chunk->absent);
    chunk->host = NULL;
    chunk->absent = NULL;
    chunk->held = 0;
}

/* Unmaps a chunk, or sets its mapping aside until the last holder puts it. */
static bool drop(struct xen_map *map, struct xen_chunk *chunk) {
    uint8_t *host = chunk->host;
    uint32_t held = chunk->held;
    if (held) {
        struct xen_stale *stale = malloc(sizeof(*stale));
        if (!stale)
            return false; /* stays as it is, rather than vanish under an I/O */
        *stale = (struct xen_stale){host, held, map->stale};
        map->stale = stale;
    }
    forget(map, chunk);
    if (!held)
        xenforeignmemory_unmap(map->fmem, host, chunk_pages(map));
    return true;
}

static void drop_one(struct xen_map *map) {
    for (unsigned i = 0; i < 2 * map->mapped_count; i++) {
        if (map->hand >= map->mapped_count)
            map->hand = 0;
        struct xen_chunk *chunk = &map->chunks[map->mapped[map->hand]];
        if (!chunk->held && !chunk->used) {
            drop(map, chunk);
            return;
        }
        chunk->used = 0;
        map->hand++;
    }
}

void xen_map_invalidate(struct xen_map *map) {
    for (unsigned i = map->mapped_count; i-- > 0;)
        drop(map, &map->chunks[map->mapped[i]]);
}

static bool make_room(struct xen_map *map, uint64_t index) {
    if (index >= map->count) {
        uint64_t count = map->count;
        while (count <= index)
            count *= 2;
        struct xen_chunk *chunks = calloc(count, sizeof(*chunks));
        if (!chunks)
            return false;
        memcpy(chunks, map->chunks, map->count * sizeof(*chunks));
        free(map->chunks);
        map->chunks = chunks;
        map->count = count;
    }
    if (map->mapped_count >= 1u << (MAPPED_SHIFT - map->shift))
        drop_one(map);
    if (map->mapped_count == map->mapped_room) {
        unsigned room = map->mapped_room ? 2 * map->mapped_room : 64;
        uint32_t *mapped = realloc(map->mapped, room * sizeof(*mapped));
        if (!mapped)
            return false;
        map->mapped = mapped;
        map->mapped_room = room;
    }
    return true;
}

/* Maps the chunk at index, which is not mapped. */
static bool load(struct xen_map *map, uint64_t index) {
    int errs[PAGES_MAX];
    size_t pages = chunk_pages(map);
    if (!make_room(map, index))
        return false;
    uint8_t *host = map_pages(map, index << (map->shift - PAGE_SHIFT), pages, errs);
    if (!host)
        return false;
    uint64_t absent[PAGES_MAX / 64] = {0};
    bool any = false;
    for (size_t i = 0; i < pages; i++)
        if (errs[i]) {
            absent[i / 64] |= UINT64_C(1) << i % 64;
            any = true;
        }
    uint64_t *bits = NULL;
    if (any) {
        bits = malloc(sizeof(absent));
        if (!bits) {
            xenforeignmemory_unmap(map->fmem, host, pages);
            return false;
        }
        memcpy(bits, absent, sizeof(absent));
    }
    map->chunks[index] = (struct xen_chunk){.host = host, .absent = bits,
                                            .at = map->mapped_count & 0x7fffffff};
    map->mapped[map->mapped_count++] = (uint32_t)index;
    return true;
}

/* ---- lookups ---- */

static bool is_absent(const struct xen_chunk *chunk, size_t page) {
    return chunk->absent && chunk->absent[page / 64] >> page % 64 & 1;
}

/* The page at gpa is not mapped here: is it there by now? Then all around it is mapped. It is tried
 * alone first, so that an access to nothing costs no more than a page. */
static bool find(struct xen_map *map, uint64_t gpa, size_t *len) {
    uint64_t index = gpa >> map->shift, gfn = gpa >> PAGE_SHIFT;
    if (gpa >> GPA_BITS)
        return false;
    size_t n = ((gpa + *len - 1) >> PAGE_SHIFT) - gfn + 1;
    if (absent_run(map, gfn, 1)) {
        size_t absent = n > 1 ? MAX(absent_run(map, gfn, n), (size_t)1) : 1;
        *len = MIN(*len, absent * PAGE - (gpa & (PAGE - 1)));
        return false;
    }
    bool mapped = index < map->count && map->chunks[index].host;
    if ((!mapped || drop(map, &map->chunks[index])) && load(map, index) &&
        !is_absent(&map->chunks[index], gfn & (chunk_pages(map) - 1)))
        return true;
    *len = MIN(*len, PAGE - (gpa & (PAGE - 1)));
    return false;
}

void *xen_map_get(struct xen_map *map, uint64_t gpa, size_t *len) {
    uint64_t size = UINT64_C(1) << map->shift, offset = gpa & (size - 1);
    uint64_t index = gpa >> map->shift;
    *len = MIN(*len, size - offset);
    struct xen_chunk *chunk = index < map->count ? &map->chunks[index] : NULL;
    if (!chunk || !chunk->host || is_absent(chunk, offset >> PAGE_SHIFT)) {
        if (!*len || !find(map, gpa, len))
            return NULL;
        chunk = &map->chunks[index];
    }
    if (chunk->absent) {
        size_t page = offset >> PAGE_SHIFT, last = (offset + *len - 1) >> PAGE_SHIFT;
        while (page < last && !is_absent(chunk, page + 1))
            page++;
        *len = MIN(*len, (page + 1) * PAGE - offset);
    }
    chunk->used = 1;
    chunk->held++;
    return chunk->host + offset;
}

void xen_map_put(struct xen_map *map, void *host, uint64_t gpa) {
    uint64_t index = gpa >> map->shift;
    uint8_t *start = (uint8_t *)host - (gpa & ((UINT64_C(1) << map->shift) - 1));
    if (index < map->count && map->chunks[index].host == start) {
        map->chunks[index].held--;
        return;
    }
    for (struct xen_stale **p = &map->stale; *p; p = &(*p)->next) {
        struct xen_stale *stale = *p;
        if (stale->host != start)
            continue;
        if (!--stale->held) {
            *p = stale->next;
            xenforeignmemory_unmap(map->fmem, start, chunk_pages(map));
            free(stale);
        }
        return;
    }
}
