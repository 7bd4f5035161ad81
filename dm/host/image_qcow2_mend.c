/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The refcounts of a qcow2 file that was not closed well: with lazy refcounts the dirty bit says
 * that they may be too low or too high. All are computed from the tables and those that are wrong
 * are written, when the image is opened for writing, before anything else is. The dirty bit is
 * cleared last (by the caller), so that what is interrupted is done again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "image_priv.h"
#include "image_qcow2.h"

enum { CLUSTERS_MAX = 1 << 26, L1_ENTRIES_MAX = 4 << 20 };

struct mend {
    struct qcow2 *q;
    struct block *file;
    char *why;
    size_t why_len;
    uint32_t *count; /* of each cluster */
    uint64_t clusters, room, wrong;
    uint8_t *reftable, *l2, *block;
};

static bool fail(struct mend *m, const char *what) {
    snprintf(m->why, m->why_len, "image '%s' was not closed well and its refcounts can't be "
             "computed: %s ('qemu-img check -r all' may help)", m->q->name, what);
    return false;
}

static bool transfer(struct mend *m, enum block_op op, uint64_t offset, void *buf, size_t len) {
    int err = block_sync(m->file, op, offset, buf, len);
    return !err || fail(m, strerror(err));
}

static bool count(struct mend *m, uint64_t offset, uint64_t bytes) {
    if (!bytes)
        return true;
    uint64_t first = offset >> m->q->cluster_bits, last = (offset + bytes - 1) >>
                                                          m->q->cluster_bits;
    if (last >= m->clusters || last < first)
        return fail(m, "an entry points past the end of the file");
    for (uint64_t i = first; i <= last; i++)
        m->count[i]++;
    return true;
}

static bool count_l2(struct mend *m, uint64_t table) {
    struct qcow2 *q = m->q;
    if (!qcow2_place_ok(q, table))
        return fail(m, "an L1 entry points at no cluster of the file");
    if (!count(m, table, q->cluster_size) ||
        !transfer(m, BLOCK_READ, table, m->l2, q->cluster_size))
        return false;
    for (uint64_t i = 0; i < q->cluster_size / 8; i++) {
        uint64_t entry = load_be64(m->l2 + i * 8), offset = entry & ENTRY_OFFSET;
        enum entry_kind kind = qcow2_kind(q, entry);
        uint32_t len = 1;
        if (kind == ENTRY_NONE || kind == ENTRY_ZEROS)
            continue;
        if (kind == ENTRY_PACKED)
            qcow2_packed(q, entry, &offset, &len);
        if (!count(m, offset, len))
            return false;
    }
    return true;
}

static bool count_l1(struct mend *m, uint64_t offset, uint64_t entries) {
    if (entries > L1_ENTRIES_MAX)
        return fail(m, "a snapshot's L1 table is too large");
    if (!entries)
        return true;
    size_t len = (entries * 8 + 511) & ~(size_t)511;
    uint8_t *l1 = malloc(len);
    bool ok = l1 && transfer(m, BLOCK_READ, offset, l1, len) && count(m, offset, entries * 8);
    for (uint64_t i = 0; ok && i < entries; i++) {
        uint64_t table = load_be64(l1 + i * 8) & ENTRY_OFFSET;
        ok = !table || count_l2(m, table);
    }
    free(l1);
    return ok;
}

/* The snapshot table: entries of 40 bytes and more, each with an L1 table. */
static bool count_snapshots(struct mend *m) {
    struct qcow2 *q = m->q;
    uint64_t at = q->snapshots_offset, begin = at;
    for (uint64_t i = 0; i < q->snapshots; i++) {
        uint8_t sectors[1024];
        uint64_t in = at & 511;
        if (!transfer(m, BLOCK_READ, at - in, sectors, sizeof(sectors)))
            return false;
        const uint8_t *s = sectors + in;
        if (!count_l1(m, load_be64(s), load_be32(s + 8)))
            return false;
        at += 40 + load_be32(s + 36) + load_be16(s + 12) + load_be16(s + 14);
        at = (at + 7) & ~UINT64_C(7);
        if (at > m->file->size)
            return fail(m, "its snapshot table ends past the file");
    }
    return count(m, begin, at - begin);
}

static uint64_t block_of(const struct mend *m, uint64_t i) {
    return load_be64(m->reftable + i * 8) & ENTRY_OFFSET;
}

static bool count_blocks(struct mend *m) {
    struct qcow2 *q = m->q;
    for (uint64_t i = 0; i < q->reftable_clusters << q->l2_bits; i++) {
        uint64_t block = block_of(m, i);
        if (block && !qcow2_place_ok(q, block))
            return fail(m, "a refcount table entry points at no cluster of the file");
        if (block && !count(m, block, q->cluster_size))
            return false;
    }
    return true;
}

/* Blocks for clusters that none counts go to the end of the file, which may need more blocks. */
static bool add_blocks(struct mend *m, uint64_t per) {
    struct qcow2 *q = m->q;
    for (uint64_t i = 0; i * per < m->clusters; i++) {
        bool needed = false;
        for (uint64_t c = i * per; c < MIN((i + 1) * per, m->clusters) && !needed; c++)
            needed = m->count[c];
        if (!needed)
            continue;
        if (i >= q->reftable_clusters << q->l2_bits)
            return fail(m, "its refcount table is too short");
        if (block_of(m, i))
            continue;
        if (m->clusters == m->room || !m->file->growable)
            return fail(m, "there is no room for refcount blocks");
        memset(m->block, 0, q->cluster_size);
        uint64_t place = m->clusters << q->cluster_bits;
        if (!transfer(m, BLOCK_WRITE, place, m->block, q->cluster_size))
            return false;
        m->count[m->clusters++] = 1;
        store_be64(m->reftable + i * 8, place);
        m->wrong++;
    }
    return true;
}

static bool write_blocks(struct mend *m, uint64_t per) {
    struct qcow2 *q = m->q;
    uint64_t max = q->refcount_order < 5 ? (UINT64_C(1) << (1u << q->refcount_order)) - 1
                                         : UINT32_MAX;
    for (uint64_t i = 0; i < q->reftable_clusters << q->l2_bits; i++) {
        bool differs = false;
        if (!block_of(m, i))
            continue;
        if (!transfer(m, BLOCK_READ, block_of(m, i), m->block, q->cluster_size))
            return false;
        for (uint64_t k = 0; k < per; k++) {
            uint64_t cluster = i * per + k;
            uint64_t want = cluster < m->clusters ? m->count[cluster] : 0;
            if (qcow2_refcount(q, m->block, k) == want)
                continue;
            if (want > max)
                return fail(m, "a cluster has more users than its refcount can say");
            qcow2_set_refcount(q, m->block, k, want);
            differs = true;
            m->wrong++;
        }
        if (differs && !transfer(m, BLOCK_WRITE, block_of(m, i), m->block, q->cluster_size))
            return false;
    }
    return true;
}

static bool mend(struct mend *m) {
    struct qcow2 *q = m->q;
    uint64_t per = UINT64_C(1) << q->refblock_bits;
    size_t table = q->reftable_clusters << q->cluster_bits;
    if (!transfer(m, BLOCK_READ, q->reftable_offset, m->reftable, table) ||
        !count(m, 0, q->cluster_size) || !count(m, q->reftable_offset, table) ||
        !count_l1(m, q->l1_offset, q->l1_size) || !count_snapshots(m) || !count_blocks(m) ||
        !add_blocks(m, per))
        return false;
    /* the blocks are there before the table names them, and the counts before the bit is cleared */
    return transfer(m, BLOCK_FLUSH, 0, NULL, 0) &&
           transfer(m, BLOCK_WRITE, q->reftable_offset, m->reftable, table) &&
           write_blocks(m, per) && transfer(m, BLOCK_FLUSH, 0, NULL, 0);
}

bool qcow2_mend(struct qcow2 *q, char *why, size_t why_len) {
    struct mend m = {.q = q, .file = q->map.file, .why = why, .why_len = why_len};
    m.clusters = (m.file->size + q->cluster_size - 1) >> q->cluster_bits;
    m.room = m.clusters + (m.clusters >> q->refblock_bits) + 16;
    if (m.clusters > CLUSTERS_MAX)
        return fail(&m, "it has too many clusters");
    m.count = calloc(m.room, sizeof(*m.count));
    m.reftable = malloc(q->reftable_clusters << q->cluster_bits);
    m.l2 = malloc(q->cluster_size);
    m.block = malloc(q->cluster_size);
    bool ok = m.count && m.reftable && m.l2 && m.block ? mend(&m) : fail(&m, "out of memory");
    if (ok)
        log_warn("image '%s' was not closed well: %llu refcounts were put right", q->name,
                 (unsigned long long)m.wrong);
    free(m.count);
    free(m.reftable);
    free(m.l2);
    free(m.block);
    return ok;
}
