/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clusters of a qcow2 file taken and given back.
 *
 * A cluster is counted up when it is taken, before anything names it, and counted down only when a
 * flush has written the tables that no longer name it and every request has ended that may have
 * looked them up before. In between it is pending (the flush has not begun), then frozen. So
 * whatever is lost in a crash, no table names a cluster that is free.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "image_qcow2.h"

uint64_t qcow2_refcount(const struct qcow2 *q, const uint8_t *table, uint64_t index) {
    unsigned bits = 1u << q->refcount_order;
    switch (q->refcount_order) {
    case 4:
        return load_be16(table + index * 2);
    case 5:
        return load_be32(table + index * 4);
    case 6:
        return load_be64(table + index * 8);
    default:
        return table[index * bits / 8] >> (index * bits % 8) & ((1u << bits) - 1);
    }
}

void qcow2_set_refcount(const struct qcow2 *q, uint8_t *table, uint64_t index, uint64_t value) {
    unsigned bits = 1u << q->refcount_order, shift = (unsigned)(index * bits % 8);
    uint8_t *byte = table + index * bits / 8;
    switch (q->refcount_order) {
    case 4:
        store_be16(byte, (uint16_t)value);
        break;
    case 5:
        store_be32(byte, (uint32_t)value);
        break;
    case 6:
        store_be64(byte, value);
        break;
    default:
        *byte = (uint8_t)((*byte & ~(((1u << bits) - 1) << shift)) | (unsigned)value << shift);
        break;
    }
}

/* ---- taking ---- */

/* DONE: *slice and *index have the cluster's count; or *missing: no block counts it. */
static enum step find_count(struct qcow2 *q, uint64_t cluster, struct slice **slice,
                            uint64_t *index, bool *missing, int *err) {
    struct map *map = &q->map;
    uint64_t at = q->reftable_offset + (cluster >> q->refblock_bits) * 8;
    struct slice *table = table_get(map, at, PHASE_REFTABLE, err);
    if (!table)
        return *err ? STEP_FAIL : STEP_WAIT;
    uint64_t block = load_be64(slice_at(map, table, at)) & ENTRY_OFFSET;
    *missing = !block;
    if (!block)
        return STEP_DONE;
    if (!qcow2_place_ok(q, block))
        return qcow2_broken(q, err, "a refcount table entry points at", block);
    uint64_t in = cluster & ((UINT64_C(1) << q->refblock_bits) - 1);
    *slice = table_get(map, block + (in << q->refcount_order >> 3), PHASE_REFBLOCK, err);
    *index = in & (((uint64_t)map->tables.size * 8 >> q->refcount_order) - 1);
    return *slice ? STEP_DONE : *err ? STEP_FAIL : STEP_WAIT;
}

static enum step want_job(struct qcow2 *q, int kind, uint64_t index, int *err) {
    if (q->job.kind == JOB_NONE && q->job.err) {
        *err = q->job.err;
        q->job.err = 0;
        return STEP_FAIL;
    }
    if (q->job.kind == JOB_NONE)
        qcow2_job_start(q, kind, index, index << q->cluster_bits, 0);
    return STEP_WAIT;
}

/* A device is full, unless something is on its way to be free. */
static enum step no_room(struct qcow2 *q, int *err) {
    struct map *map = &q->map;
    if ((q->pending.count || q->frozen.count) && !map->tables.failed) {
        if (map->flush.state == FLUSH_IDLE && !q->freeing)
            map_flush(map);
        return STEP_WAIT;
    }
    log_guest(&q->full, "image '%s' has no free cluster left, and what it lies on can't grow",
              map->block.name);
    *err = ENOSPC;
    return STEP_FAIL;
}

static bool fits(const struct qcow2 *q, uint64_t cluster) {
    uint64_t end = q->map.file->growable ? INT64_MAX : q->map.file->size;
    return cluster < end >> q->cluster_bits;
}

/* How many of the clusters from q->hint on are free, in one slice. */
static uint64_t free_run(struct qcow2 *q, const struct slice *slice, uint64_t index, uint64_t n) {
    uint64_t per = (uint64_t)q->map.tables.size * 8 >> q->refcount_order, run = 0;
    while (run < n && index + run < per && fits(q, q->hint + run) &&
           !qcow2_refcount(q, slice->data, index + run))
        run++;
    return run;
}

static enum step take_run(struct qcow2 *q, struct slice *slice, uint64_t index, uint64_t run,
                          uint64_t *first, int *err) {
    for (uint64_t i = 0; i < run; i++)
        if (qcow2_is_meta(q, q->hint + i))
            return qcow2_broken(q, err, "a table is counted as free, cluster", q->hint + i);
    for (uint64_t i = 0; i < run; i++)
        qcow2_set_refcount(q, slice->data, index + i, 1);
    table_dirty(slice);
    *first = q->hint;
    q->hint += run;
    return STEP_DONE;
}

enum step qcow2_take(struct qcow2 *q, uint64_t n, uint64_t *first, uint64_t *got, int *err) {
    uint64_t per = (uint64_t)q->map.tables.size * 8 >> q->refcount_order;
    *err = q->broken ? EIO : 0;
    if (*err)
        return STEP_FAIL;
    for (;;) {
        struct slice *slice;
        uint64_t index;
        bool missing;
        if (!fits(q, q->hint))
            return no_room(q, err);
        if (q->hint >> q->refblock_bits >= q->reftable_clusters << q->l2_bits)
            return want_job(q, JOB_REFTABLE, q->hint, err);
        enum step s = find_count(q, q->hint, &slice, &index, &missing, err);
        if (s != STEP_DONE)
            return s;
        if (missing)
            return want_job(q, JOB_REFBLOCK, q->hint, err);
        while (index < per && qcow2_refcount(q, slice->data, index)) {
            index++;
            q->hint++;
        }
        *got = index < per ? free_run(q, slice, index, n) : 0;
        if (*got)
            return take_run(q, slice, index, *got, first, err);
    }
}

enum step qcow2_own_l2(struct qcow2 *q, uint64_t pos, int *err) {
    struct map *map = &q->map;
    uint64_t index = pos >> (q->cluster_bits + q->l2_bits), at = q->l1_offset + index * 8;
    uint64_t place, got;
    *err = 0;
    if (q->job.kind != JOB_NONE)
        return STEP_WAIT;
    struct slice *l1 = table_get(map, at, PHASE_L2, err);
    if (!l1)
        return *err ? STEP_FAIL : STEP_WAIT;
    uint64_t entry = load_be64(slice_at(map, l1, at)), old = entry & ENTRY_OFFSET;
    if (old && (entry & ENTRY_COPIED))
        return STEP_DONE;
    if (q->job.err)
        return want_job(q, JOB_L2, 0, err);
    enum step s = qcow2_take(q, 1, &place, &got, err);
    if (s != STEP_DONE)
        return s;
    qcow2_job_start(q, JOB_L2, index, place << q->cluster_bits, old);
    return STEP_WAIT;
}

/* ---- giving back ---- */

void qcow2_give(struct qcow2 *q, uint64_t first, uint64_t count, bool table, bool punch) {
    struct freed_list *list = &q->pending;
    struct freed *last = list->count ? &list->item[list->count - 1] : NULL;
    if (last && last->first + last->count == first && last->table == table &&
        last->punch == punch) {
        last->count += count;
        return;
    }
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 16;
        struct freed *item = realloc(list->item, room * sizeof(*item));
        if (!item)
            return; /* it stays counted: lost to everybody, but to nobody's harm */
        list->item = item;
        list->room = room;
    }
    list->item[list->count++] = (struct freed){.first = first, .count = count, .table = table,
                                               .punch = punch};
}

void qcow2_give_entry(struct qcow2 *q, uint64_t entry, bool punch) {
    uint64_t offset = entry & ENTRY_OFFSET, first, last;
    uint32_t len = 1;
    enum entry_kind kind = qcow2_kind(q, entry);
    if (kind == ENTRY_NONE || kind == ENTRY_ZEROS)
        return;
    if (kind == ENTRY_PACKED)
        qcow2_packed(q, entry, &offset, &len);
    first = offset >> q->cluster_bits;
    last = (offset + len - 1) >> q->cluster_bits;
    for (uint64_t i = first; i <= last; i++)
        if (qcow2_is_meta(q, i))
            return; /* the entry lies */
    qcow2_give(q, first, last - first + 1, false, punch && kind != ENTRY_PACKED);
}

void qcow2_frozen(struct map *map) {
    struct qcow2 *q = qcow2_of(map);
    if (q->frozen.count)
        return;
    struct freed_list empty = q->frozen;
    q->frozen = q->pending;
    q->pending = empty;
}

void qcow2_flushed(struct map *map, bool all_ok) {
    struct qcow2 *q = qcow2_of(map);
    if (!all_ok || q->freeing || !q->frozen.count)
        return;
    q->freeing = true;
    map_epoch_next(map);
}

static void punched(struct block_req *req, int err) {
    struct qcow2 *q = req->owner;
    q->punching = false;
    if (err)
        q->no_punch = true;
    map_wake(&q->map);
}

/* Clusters that only this item names become holes before anybody can take them. */
static bool punch(struct qcow2 *q, struct freed *item, struct slice *slice, uint64_t index) {
    uint64_t per = (uint64_t)q->map.tables.size * 8 >> q->refcount_order, run = 0;
    if (!item->punch || q->no_punch || item->table || item->punched)
        return false;
    while (run < item->count && index + run < per &&
           qcow2_refcount(q, slice->data, index + run) == 1)
        run++;
    if (!run)
        return false;
    uint64_t offset = item->first << q->cluster_bits, len = run << q->cluster_bits;
    if (offset + len > q->map.file->size)
        return false;
    item->punched = run;
    q->punching = true;
    q->punch_req = (struct block_req){.op = BLOCK_DISCARD, .offset = offset, .len = len,
                                      .done = punched, .owner = q};
    block_submit(q->map.file, &q->punch_req);
    return true;
}

static void count_down(struct qcow2 *q, struct freed *item, struct slice *slice, uint64_t index) {
    uint64_t value = qcow2_refcount(q, slice->data, index);
    int err;
    if (!value) {
        qcow2_broken(q, &err, "a cluster in use is counted as free:", item->first);
    } else {
        qcow2_set_refcount(q, slice->data, index, value - 1);
        table_dirty(slice);
    }
    if (value == 1) {
        q->hint = MIN(q->hint, item->first);
        if (item->table)
            table_forget(&q->map, item->first << q->cluster_bits, q->cluster_size);
    }
}

static void free_frozen(struct qcow2 *q) {
    while (q->frozen.count && !q->punching) {
        struct freed *item = &q->frozen.item[q->frozen.count - 1];
        struct slice *slice;
        uint64_t index;
        bool missing = true;
        int err = 0;
        if (!item->count) {
            q->frozen.count--;
            continue;
        }
        enum step s = find_count(q, item->first, &slice, &index, &missing, &err);
        if (s == STEP_WAIT)
            return;
        if (s == STEP_DONE && !missing) {
            if (punch(q, item, slice, index))
                return;
            count_down(q, item, slice, index);
        }
        item->first++;
        item->count--;
        item->punched -= item->punched > 0;
    }
    if (!q->frozen.count) {
        q->freeing = false;
        map_wake(&q->map);
    }
}

void qcow2_woken(struct map *map) {
    struct qcow2 *q = qcow2_of(map);
    if (q->freeing && !q->punching && map_epoch_over(map))
        free_frozen(q);
    if (q->job.kind != JOB_NONE && !q->job.busy)
        qcow2_job_run(q);
}

bool qcow2_busy(const struct map *map) {
    const struct qcow2 *q = qcow2_of(map);
    return q->job.kind != JOB_NONE || q->punching;
}
