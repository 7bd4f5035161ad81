/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files of qcow2: image_qcow2.c (opening, reading), image_qcow2_write.c (writes and
 * discards), image_qcow2_refs.c (clusters taken and freed), image_qcow2_mend.c (refcounts anew),
 * image_qcow2_bitmaps.c. The format is QEMU's docs/interop/qcow2.txt; names are those of its
 * fields.
 */
#ifndef HOST_IMAGE_QCOW2_H
#define HOST_IMAGE_QCOW2_H

#include "image_map.h"

/* header fields by their offset */
enum {
    QH_MAGIC = 0, QH_VERSION = 4, QH_BACKING_OFFSET = 8, QH_BACKING_SIZE = 16,
    QH_CLUSTER_BITS = 20, QH_SIZE = 24, QH_CRYPT = 32, QH_L1_SIZE = 36, QH_L1_OFFSET = 40,
    QH_REFTABLE_OFFSET = 48, QH_REFTABLE_CLUSTERS = 56, QH_SNAPSHOTS = 60,
    QH_SNAPSHOTS_OFFSET = 64, QH_INCOMPATIBLE = 72, QH_COMPATIBLE = 80, QH_AUTOCLEAR = 88,
    QH_REFCOUNT_ORDER = 96, QH_HEADER_LENGTH = 100, QH_COMPRESSION = 104,
    QH_V2_LENGTH = 72, QH_V3_LENGTH = 104, QH_SECTOR = 512,
};

#define QCOW2_MAGIC UINT32_C(0x514649fb)

#define INCOMPAT_DIRTY UINT64_C(1)
#define INCOMPAT_CORRUPT UINT64_C(2)
#define INCOMPAT_DATA_FILE UINT64_C(4)
#define INCOMPAT_COMPRESSION UINT64_C(8)
#define INCOMPAT_EXTENDED_L2 UINT64_C(16)

#define AUTOCLEAR_BITMAPS UINT64_C(1)

#define ENTRY_COPIED (UINT64_C(1) << 63)
#define ENTRY_COMPRESSED (UINT64_C(1) << 62)
#define ENTRY_ZERO UINT64_C(1)
#define ENTRY_OFFSET UINT64_C(0x00fffffffffffe00)

/* Phases of a flush: what a table refers to is written before it. */
enum { PHASE_REFBLOCK, PHASE_REFTABLE, PHASE_L2 };

/* Host clusters [first, first + count) that lose a reference once no table on disk names them. */
struct freed {
    uint64_t first, count;
    uint64_t punched; /* of them, from the first on, are holes by now */
    bool table, punch;
};

struct freed_list {
    struct freed *item;
    size_t count, room;
};

/* What happens one at a time: a table of one kind comes to be. */
struct table_job {
    enum { JOB_NONE, JOB_L2, JOB_REFBLOCK, JOB_REFTABLE } kind;
    enum { JOB_BEGIN, JOB_READ, JOB_WRITE, JOB_SYNC, JOB_HEADER, JOB_SYNC_HEADER, JOB_LINK } state;
    bool busy; /* a transfer */
    int err;   /* the last job failed; told to the one who asks again */
    uint64_t index; /* L1 or reftable index, or the first cluster that no reftable covers */
    uint64_t place, old, blocks, clusters; /* byte offsets, and counts */
    uint8_t *buf;
    size_t len;
    struct block_req req;
    struct iovec iov;
};

struct qcow2 {
    struct map map;
    uint8_t header[QH_SECTOR];
    unsigned version, cluster_bits, l2_bits, refcount_order, refblock_bits;
    unsigned slice_bits; /* of the guest's offset: what one slice of L2 tells of */
    uint64_t cluster_size, l1_offset, l1_size, reftable_offset, reftable_clusters;
    uint64_t snapshots_offset, snapshots;
    bool zstd, broken;
    uint64_t hint; /* no cluster below it is free */
    struct map_op *claims;
    size_t bounced; /* bytes of all bounce buffers */
    struct table_job job;
    struct freed_list pending, frozen;
    bool freeing, punching, no_punch; /* the frozen may be freed; a transfer for it */
    struct block_req punch_req;
    /* host clusters of L2 tables and refcount blocks: what data may never be written over */
    uint64_t *meta;
    size_t meta_count, meta_room;
    /* the L2 slice looked at last */
    struct slice *memo;
    uint64_t memo_index, memo_evictions;
    struct log_limit full;
    char name[];
};

static inline struct qcow2 *qcow2_of(const struct map *map) {
    return (struct qcow2 *)(uintptr_t)map; /* its first member */
}

/* image_qcow2.c */

/* The L2 slice for a guest offset: NULL with *err 0 is a wait or, with *none, no table. */
struct slice *qcow2_l2(struct qcow2 *q, uint64_t pos, bool *none, int *err);
/* L2 entries in one slice, and the index of that of a guest offset. */
static inline unsigned qcow2_slice_entries(const struct qcow2 *q) {
    return q->map.tables.size / 8;
}

static inline unsigned qcow2_slice_index(const struct qcow2 *q, uint64_t pos) {
    return (unsigned)(pos >> q->cluster_bits) & (qcow2_slice_entries(q) - 1);
}

enum entry_kind { ENTRY_NONE, ENTRY_ZEROS, ENTRY_ZEROS_PLACED, ENTRY_DATA, ENTRY_PACKED };

static inline enum entry_kind qcow2_kind(const struct qcow2 *q, uint64_t entry) {
    if (entry & ENTRY_COMPRESSED)
        return ENTRY_PACKED;
    if (q->version > 2 && (entry & ENTRY_ZERO))
        return entry & ENTRY_OFFSET ? ENTRY_ZEROS_PLACED : ENTRY_ZEROS;
    return entry & ENTRY_OFFSET ? ENTRY_DATA : ENTRY_NONE;
}

/* Where the packed bytes of an entry are. */
void qcow2_packed(const struct qcow2 *q, uint64_t entry, uint64_t *offset, uint32_t *len);
/* Inside the file and on a cluster boundary? */
bool qcow2_place_ok(const struct qcow2 *q, uint64_t offset);
enum step qcow2_broken(struct qcow2 *q, int *err, const char *what, uint64_t value);

bool qcow2_meta_has(const struct qcow2 *q, uint64_t cluster);
bool qcow2_meta_add(struct qcow2 *q, uint64_t cluster); /* false: no memory */
void qcow2_meta_remove(struct qcow2 *q, uint64_t cluster);
/* Header, L1, refcount table, snapshot table or one of the set? */
bool qcow2_is_meta(const struct qcow2 *q, uint64_t cluster);

/* image_qcow2_write.c */
enum step qcow2_write(struct map_op *op);
enum step qcow2_discard(struct map_op *op);
void qcow2_abandon(struct map_op *op);

/* image_qcow2_refs.c */

uint64_t qcow2_refcount(const struct qcow2 *q, const uint8_t *table, uint64_t index);
void qcow2_set_refcount(const struct qcow2 *q, uint8_t *table, uint64_t index, uint64_t value);
/* Takes up to n free clusters in a row: the first and how many. */
enum step qcow2_take(struct qcow2 *q, uint64_t n, uint64_t *first, uint64_t *got, int *err);
/* These lose a reference when that is safe. */
void qcow2_give(struct qcow2 *q, uint64_t first, uint64_t count, bool table, bool punch);
void qcow2_give_entry(struct qcow2 *q, uint64_t entry, bool punch);
/* DONE: the L2 table for pos is there and ours alone. */
enum step qcow2_own_l2(struct qcow2 *q, uint64_t pos, int *err);
void qcow2_frozen(struct map *map);
void qcow2_flushed(struct map *map, bool all_ok);
void qcow2_woken(struct map *map);
bool qcow2_busy(const struct map *map);

/* image_qcow2_job.c */

/* Only while there is none: of L2 at `place`, copied from `old` or new; of a refcount block that
 * counts itself in cluster `index`; of a refcount table that is larger, in clusters from
 * `index`. */
void qcow2_job_start(struct qcow2 *q, int kind, uint64_t index, uint64_t place, uint64_t old);
void qcow2_job_run(struct qcow2 *q);

/* image_qcow2_bitmaps.c, for opening only: marks bitmaps as out of date. False: it can't be. */
bool qcow2_bitmaps_mark(struct qcow2 *q, const uint8_t *extension, uint32_t len);

/* image_qcow2_mend.c, for opening only: computes all refcounts and writes those that are wrong. */
bool qcow2_mend(struct qcow2 *q, char *why, size_t why_len);

#endif
