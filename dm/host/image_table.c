/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of mapped images: a cache of slices, and the flush that writes them. See image_map.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "image_map.h"

/* ---- which slice is where ---- */

static struct slice **bucket_of(struct map *map, uint64_t offset) {
    struct tables *t = &map->tables;
    return &t->bucket[offset / t->size * UINT64_C(0x9e3779b97f4a7c15) >> 56];
}

static struct slice *find(struct map *map, uint64_t offset) {
    struct slice *slice = *bucket_of(map, offset);
    while (slice && slice->offset != offset)
        slice = slice->next;
    return slice;
}

static void unlink_slice(struct map *map, struct slice *slice) {
    struct slice **at = bucket_of(map, slice->offset);
    while (*at != slice)
        at = &(*at)->next;
    *at = slice->next;
    slice->state = SLICE_EMPTY;
    map->tables.evictions++;
}

static bool evictable(const struct slice *slice) {
    return slice->state != SLICE_LOADING && !slice->dirty && !slice->writing;
}

static struct slice *new_slice(struct map *map) {
    struct tables *t = &map->tables;
    struct slice *slice = t->count < TABLE_SLICES ? calloc(1, sizeof(*slice)) : NULL;
    if (slice)
        slice->data = malloc(t->size);
    if (!slice || !slice->data) {
        free(slice);
        return NULL;
    }
    slice->map = map;
    return t->slice[t->count++] = slice;
}

/* An empty slice: a new one, or what was used longest ago and can be had from the file again. */
static struct slice *take_slice(struct map *map) {
    struct tables *t = &map->tables;
    struct slice *slice = new_slice(map), *oldest = NULL;
    if (slice)
        return slice;
    for (unsigned i = 0; i < t->count; i++) {
        slice = t->slice[i];
        if (slice->state == SLICE_EMPTY)
            return slice;
        if (evictable(slice) && (!oldest || slice->used < oldest->used))
            oldest = slice;
    }
    if (oldest)
        unlink_slice(map, oldest);
    return oldest;
}

static void loaded(struct block_req *req, int err) {
    struct slice *slice = req->owner;
    slice->state = err ? SLICE_FAILED : SLICE_READY;
    slice->err = err;
    slice->map->tables.loading--;
    map_wake(slice->map);
}

static void load(struct map *map, struct slice *slice, uint64_t offset, unsigned phase) {
    struct slice **bucket = bucket_of(map, offset);
    slice->offset = offset;
    slice->phase = (uint8_t)phase;
    slice->state = SLICE_LOADING;
    slice->used = ++map->tables.tick;
    slice->next = *bucket;
    *bucket = slice;
    map->tables.loading++;
    /* a file that can't grow may end inside a slice; no table of an image that is whole does */
    size_t len = map->tables.size;
    if (!map->file->growable && offset + len > map->file->size) {
        len = offset < map->file->size ? map->file->size - offset : 512;
        memset(slice->data, 0, map->tables.size);
    }
    slice->iov = (struct iovec){slice->data, len};
    slice->req = (struct block_req){.op = BLOCK_READ, .offset = offset, .len = len,
                                    .iov = &slice->iov, .niov = 1, .done = loaded, .owner = slice};
    block_submit(map->file, &slice->req);
}

struct slice *table_get(struct map *map, uint64_t at, unsigned phase, int *err) {
    struct tables *t = &map->tables;
    uint64_t offset = at & ~(uint64_t)(t->size - 1);
    struct slice *slice = find(map, offset);
    *err = 0;
    if (slice && slice->state == SLICE_READY) {
        slice->used = ++t->tick;
        return slice;
    }
    if (slice && slice->state == SLICE_FAILED) {
        *err = slice->err;
        unlink_slice(map, slice);
        return NULL;
    }
    if (slice)
        return NULL;
    slice = take_slice(map);
    if (slice) {
        load(map, slice, offset, phase);
        return NULL;
    }
    /* all are dirty: a flush makes them clean, unless the last one has failed */
    if (t->failed || !t->count) {
        *err = t->count ? EIO : ENOMEM;
        t->failed = false;
    } else if (map->flush.state == FLUSH_IDLE) {
        map_flush(map);
    }
    return NULL;
}

void table_dirty(struct slice *slice) {
    if (slice->dirty)
        return;
    slice->dirty = true;
    slice->map->tables.dirty++;
}

static void clean(struct slice *slice) {
    slice->map->tables.dirty -= slice->dirty;
    slice->dirty = false;
}

void table_forget(struct map *map, uint64_t offset, uint64_t len) {
    for (unsigned i = 0; i < map->tables.count; i++) {
        struct slice *slice = map->tables.slice[i];
        if (slice->offset - offset >= len || slice->state == SLICE_EMPTY)
            continue;
        clean(slice);
        if (evictable(slice))
            unlink_slice(map, slice);
    }
}

void tables_free(struct map *map) {
    for (unsigned i = 0; i < map->tables.count; i++) {
        free(map->tables.slice[i]->data);
        free(map->tables.slice[i]->shadow);
        free(map->tables.slice[i]);
    }
}

/* ---- the flush ---- */

static void advance(struct map *map);

/* Copies of all that is dirty, so that changes from now on wait for the next flush. */
static bool take_copies(struct map *map) {
    struct tables *t = &map->tables;
    for (unsigned i = 0; i < t->count; i++) {
        struct slice *slice = t->slice[i];
        if (slice->dirty && !slice->shadow && !(slice->shadow = malloc(t->size)))
            return false;
    }
    memset(map->flush.written, 0, sizeof(map->flush.written));
    for (unsigned i = 0; i < t->count && t->dirty; i++) {
        struct slice *slice = t->slice[i];
        if (!slice->dirty)
            continue;
        memcpy(slice->shadow, slice->data, t->size);
        clean(slice);
        slice->writing = true;
        map->flush.written[slice->phase]++;
    }
    return true;
}

static void end_flush(struct map *map) {
    struct flush *f = &map->flush;
    struct map_op *op = f->current;
    int err = f->err;
    for (unsigned i = 0; i < map->tables.count; i++) {
        struct slice *slice = map->tables.slice[i];
        if (slice->writing) { /* not written after all */
            slice->writing = false;
            table_dirty(slice);
        }
    }
    map->tables.failed = err;
    f->state = FLUSH_IDLE;
    f->current = NULL;
    if (map->ops->flushed)
        map->ops->flushed(map, !err);
    map_wake(map);
    if (f->again || f->waiting)
        map_flush(map);
    map->inside++;
    while (op) {
        struct map_op *next = op->next;
        op->err = err;
        map_finish(op);
        op = next;
    }
    map->inside--;
}

void map_flush(struct map *map) {
    struct flush *f = &map->flush;
    f->again = f->state != FLUSH_IDLE;
    if (f->again)
        return;
    f->current = f->waiting;
    f->waiting = NULL;
    f->waiting_end = &f->waiting;
    f->phase = 0;
    f->synced = false;
    f->err = 0;
    f->state = FLUSH_WRITING;
    if (!take_copies(map)) {
        f->err = ENOMEM;
        end_flush(map);
        return;
    }
    if (map->ops->frozen)
        map->ops->frozen(map);
    advance(map);
}

static void wrote(struct block_req *req, int err) {
    struct slice *slice = req->owner;
    struct map *map = slice->map;
    slice->writing = false;
    if (err) {
        map->flush.err = err;
        table_dirty(slice);
    }
    map->inside++;
    if (!--map->flush.busy)
        advance(map);
    map_leave(map);
}

static void write_slice(struct map *map, struct slice *slice) {
    slice->iov = (struct iovec){slice->shadow, map->tables.size};
    slice->req = (struct block_req){.op = BLOCK_WRITE, .offset = slice->offset,
                                    .len = map->tables.size, .iov = &slice->iov, .niov = 1,
                                    .done = wrote, .owner = slice};
    map->flush.busy++;
    block_submit(map->file, &slice->req);
}

static void synced(struct block_req *req, int err) {
    struct map *map = req->owner;
    map->flush.synced = true;
    if (err)
        map->flush.err = err;
    map->inside++;
    advance(map);
    map_leave(map);
}

static void sync_file(struct map *map) {
    struct flush *f = &map->flush;
    f->state = FLUSH_SYNCING;
    f->req = (struct block_req){.op = BLOCK_FLUSH, .done = synced, .owner = map};
    block_submit(map->file, &f->req);
}

/* The next phase that has something to write, after a sync of what it refers to; then the last
 * sync. */
static void advance(struct map *map) {
    struct flush *f = &map->flush;
    while (!f->err && f->phase < TABLE_PHASES) {
        unsigned phase = f->phase;
        if (!f->written[phase]) {
            f->phase++;
            continue;
        }
        if (phase && !f->synced) {
            sync_file(map);
            return;
        }
        f->state = FLUSH_WRITING;
        f->synced = false;
        f->phase++;
        for (unsigned i = 0; i < map->tables.count; i++) {
            struct slice *slice = map->tables.slice[i];
            if (slice->writing && slice->phase == phase)
                write_slice(map, slice);
        }
        return;
    }
    if (!f->err && !f->synced)
        sync_file(map);
    else
        end_flush(map);
}
