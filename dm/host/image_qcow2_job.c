/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New tables of a qcow2 file, one at a time: an L2 table (empty, or the copy of one that a snapshot
 * shares), a refcount block, a larger refcount table. A table is written whole before the flush
 * that writes what names it; of the refcount table, the header is what names it, and is written
 * here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "image_qcow2.h"

static void end(struct qcow2 *q, int err) {
    struct table_job *job = &q->job;
    if (err && job->kind == JOB_L2)
        qcow2_give(q, job->place >> q->cluster_bits, 1, true, false);
    free(job->buf);
    job->buf = NULL;
    job->kind = JOB_NONE;
    job->err = err;
    map_wake(&q->map);
}

static void moved(struct block_req *req, int err) {
    struct qcow2 *q = req->owner;
    q->map.inside++;
    q->job.busy = false;
    if (err && q->job.state == JOB_SYNC_HEADER)
        q->broken = true; /* which refcount table the file has is not known */
    if (err)
        end(q, err);
    else
        qcow2_job_run(q);
    map_leave(&q->map);
}

/* A transfer; `next` is the state after it. */
static void transfer(struct qcow2 *q, enum block_op op, uint64_t offset, void *buf, size_t len,
                     int next) {
    struct table_job *job = &q->job;
    job->state = next;
    job->busy = true;
    job->iov = (struct iovec){buf, len};
    job->req = (struct block_req){.op = op, .offset = offset, .len = len, .iov = &job->iov,
                                  .niov = op != BLOCK_FLUSH, .done = moved, .owner = q};
    block_submit(q->map.file, &job->req);
}

/* Writes one entry of a cached table: false when it has to be loaded or that failed. */
static bool set_entry(struct qcow2 *q, uint64_t table, uint64_t index, unsigned phase,
                      uint64_t value) {
    int err;
    uint64_t at = table + index * 8;
    struct slice *slice = table_get(&q->map, at, phase, &err);
    if (slice) {
        store_be64(slice_at(&q->map, slice, at), value);
        table_dirty(slice);
    } else if (err) {
        end(q, err);
    }
    return slice;
}

static void run_l2(struct qcow2 *q) {
    struct table_job *job = &q->job;
    switch (job->state) {
    case JOB_BEGIN:
        if (job->old) {
            transfer(q, BLOCK_READ, job->old, job->buf, job->len, JOB_WRITE);
            return;
        }
        /* fallthrough */
    case JOB_WRITE:
        transfer(q, BLOCK_WRITE, job->place, job->buf, job->len, JOB_LINK);
        return;
    default:
        break;
    }
    if (!qcow2_meta_has(q, job->place >> q->cluster_bits) &&
        !qcow2_meta_add(q, job->place >> q->cluster_bits)) {
        end(q, ENOMEM);
        return;
    }
    if (!set_entry(q, q->l1_offset, job->index, PHASE_L2, job->place | ENTRY_COPIED))
        return;
    q->memo = NULL;
    if (job->old) {
        qcow2_meta_remove(q, job->old >> q->cluster_bits);
        qcow2_give(q, job->old >> q->cluster_bits, 1, true, false);
    }
    end(q, 0);
}

static void run_refblock(struct qcow2 *q) {
    struct table_job *job = &q->job;
    uint64_t cluster = job->index;
    if (job->state == JOB_BEGIN) {
        qcow2_set_refcount(q, job->buf, cluster & ((UINT64_C(1) << q->refblock_bits) - 1), 1);
        transfer(q, BLOCK_WRITE, job->place, job->buf, job->len, JOB_LINK);
        return;
    }
    if (!qcow2_meta_add(q, cluster))
        end(q, ENOMEM);
    else if (set_entry(q, q->reftable_offset, cluster >> q->refblock_bits, PHASE_REFTABLE,
                       job->place))
        end(q, 0);
}

/* ---- a larger refcount table: blocks that count both, and the table, from job->place on ---- */

static bool table_is_clean(const struct qcow2 *q) {
    for (unsigned i = 0; i < q->map.tables.count; i++) {
        const struct slice *slice = q->map.tables.slice[i];
        if (slice->phase == PHASE_REFTABLE && (slice->dirty || slice->writing))
            return false;
    }
    return true;
}

/* Sizes; false: there is none that a qcow2 file may have. */
static bool plan_table(struct qcow2 *q) {
    struct table_job *job = &q->job;
    uint64_t old = q->reftable_clusters, per = UINT64_C(1) << q->refblock_bits;
    job->clusters = old + MAX(old / 2, 1);
    job->blocks = 1;
    while (job->blocks * per < job->blocks + job->clusters)
        job->blocks++;
    while ((old << q->l2_bits) + job->blocks > job->clusters << q->l2_bits)
        job->clusters++;
    return job->clusters << q->cluster_bits <= MIB(8) &&
           job->blocks * per >= job->blocks + job->clusters &&
           job->index == (old << q->l2_bits) * per &&
           (q->map.file->growable || job->place + ((job->blocks + job->clusters)
                                                   << q->cluster_bits) <= q->map.file->size);
}

static void fill_table(struct qcow2 *q) {
    struct table_job *job = &q->job;
    uint64_t per = UINT64_C(1) << q->refblock_bits, entries = q->reftable_clusters << q->l2_bits;
    uint8_t *table = job->buf + (job->blocks << q->cluster_bits);
    for (uint64_t i = 0; i < job->blocks + job->clusters; i++)
        qcow2_set_refcount(q, job->buf + (i / per << q->cluster_bits), i % per, 1);
    for (uint64_t i = 0; i < job->blocks; i++)
        store_be64(table + (entries + i) * 8, job->place + (i << q->cluster_bits));
}

static void switch_table(struct qcow2 *q) {
    struct table_job *job = &q->job;
    uint64_t old = q->reftable_offset, clusters = q->reftable_clusters;
    q->reftable_offset = job->place + (job->blocks << q->cluster_bits);
    q->reftable_clusters = job->clusters;
    for (uint64_t i = 0; i < job->blocks; i++)
        if (!qcow2_meta_add(q, job->index + i))
            q->broken = true;
    qcow2_give(q, old >> q->cluster_bits, clusters, true, false);
    end(q, 0);
}

static void run_reftable(struct qcow2 *q) {
    struct table_job *job = &q->job;
    switch (job->state) {
    case JOB_BEGIN:
        /* what is read is what the file has: so nothing of it may be newer in the cache */
        if (!table_is_clean(q)) {
            if (q->map.tables.failed)
                end(q, EIO);
            else if (q->map.flush.state == FLUSH_IDLE)
                map_flush(&q->map);
            return;
        }
        transfer(q, BLOCK_READ, q->reftable_offset, job->buf + (job->blocks << q->cluster_bits),
                 q->reftable_clusters << q->cluster_bits, JOB_WRITE);
        return;
    case JOB_WRITE:
        fill_table(q);
        transfer(q, BLOCK_WRITE, job->place, job->buf, job->len, JOB_SYNC);
        return;
    case JOB_SYNC:
        transfer(q, BLOCK_FLUSH, 0, NULL, 0, JOB_HEADER);
        return;
    case JOB_HEADER:
        store_be64(q->header + QH_REFTABLE_OFFSET, job->place + (job->blocks << q->cluster_bits));
        store_be32(q->header + QH_REFTABLE_CLUSTERS, (uint32_t)job->clusters);
        transfer(q, BLOCK_WRITE, 0, q->header, QH_SECTOR, JOB_SYNC_HEADER);
        return;
    case JOB_SYNC_HEADER:
        transfer(q, BLOCK_FLUSH, 0, NULL, 0, JOB_LINK);
        return;
    default:
        switch_table(q);
        return;
    }
}

void qcow2_job_run(struct qcow2 *q) {
    switch (q->job.kind) {
    case JOB_L2:
        run_l2(q);
        break;
    case JOB_REFBLOCK:
        run_refblock(q);
        break;
    case JOB_REFTABLE:
        run_reftable(q);
        break;
    case JOB_NONE:
        break;
    }
}

void qcow2_job_start(struct qcow2 *q, int kind, uint64_t index, uint64_t place, uint64_t old) {
    struct table_job *job = &q->job;
    int err = 0;
    *job = (struct table_job){.index = index, .place = place, .old = old,
                              .len = q->cluster_size};
    job->kind = kind;
    if (kind != JOB_L2 && qcow2_is_meta(q, index))
        qcow2_broken(q, &err, "a table is counted as free, cluster", index);
    else if (kind == JOB_REFTABLE && !plan_table(q))
        err = EFBIG;
    else if (kind == JOB_REFTABLE)
        job->len = (job->blocks + job->clusters) << q->cluster_bits;
    if (!err && !(job->buf = calloc(1, job->len)))
        err = ENOMEM;
    if (err)
        end(q, err);
    else
        qcow2_job_run(q);
}
