/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2, versions 2 and 3 (QEMU's docs/interop/qcow2.txt): opening and reading. Refused:
 * encryption, external data files, subclusters, features that are unknown. Internal snapshots stay
 * as they are; bitmaps are marked as out of date, by their own flags (image_qcow2_bitmaps.c) or,
 * where refcounts are computed anew, which leaves them none, by the autoclear bit.
 * Refcounts are always exact: an image with lazy ones is written as any other. See image_qcow2.h.
 */
#include "image_qcow2.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "image_priv.h"
#include "image_unpack.h"

enum { L1_MAX = 32 << 20, SNAPSHOTS_MAX = 65536 };

/* ---- what is a table ---- */

static size_t meta_place(const struct qcow2 *q, uint64_t cluster) {
    size_t i = (size_t)(cluster * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (q->meta_room - 1);
    while (q->meta[i] && q->meta[i] != cluster)
        i = (i + 1) & (q->meta_room - 1);
    return i;
}

bool qcow2_meta_has(const struct qcow2 *q, uint64_t cluster) {
    return q->meta_room && q->meta[meta_place(q, cluster)];
}

bool qcow2_meta_add(struct qcow2 *q, uint64_t cluster) {
    if ((q->meta_count + 1) * 2 > q->meta_room) {
        size_t room = q->meta_room, next = room ? room * 2 : 64;
        uint64_t *old = q->meta, *meta = calloc(next, sizeof(*meta));
        if (!meta)
            return false;
        q->meta = meta;
        q->meta_room = next;
        for (size_t i = 0; i < room; i++)
            if (old[i])
                q->meta[meta_place(q, old[i])] = old[i];
        free(old);
    }
    size_t i = meta_place(q, cluster);
    q->meta_count += !q->meta[i];
    q->meta[i] = cluster;
    return true;
}

void qcow2_meta_remove(struct qcow2 *q, uint64_t cluster) {
    if (!qcow2_meta_has(q, cluster))
        return;
    size_t i = meta_place(q, cluster);
    q->meta[i] = 0;
    q->meta_count--;
    /* what follows may have been looked for past it */
    for (i = (i + 1) & (q->meta_room - 1); q->meta[i]; i = (i + 1) & (q->meta_room - 1)) {
        uint64_t moved = q->meta[i];
        q->meta[i] = 0;
        q->meta[meta_place(q, moved)] = moved;
    }
}

static bool in_table(const struct qcow2 *q, uint64_t cluster, uint64_t offset, uint64_t bytes) {
    uint64_t first = offset >> q->cluster_bits;
    return bytes && cluster >= first && cluster <= (offset + bytes - 1) >> q->cluster_bits;
}

bool qcow2_is_meta(const struct qcow2 *q, uint64_t cluster) {
    return !cluster || in_table(q, cluster, q->l1_offset, q->l1_size * 8) ||
           in_table(q, cluster, q->reftable_offset, q->reftable_clusters << q->cluster_bits) ||
           (q->snapshots && cluster == q->snapshots_offset >> q->cluster_bits) ||
           qcow2_meta_has(q, cluster);
}

/* ---- looking up ---- */

enum step qcow2_broken(struct qcow2 *q, int *err, const char *what, uint64_t value) {
    q->broken = true; /* nothing more is written */
    return map_corrupt(&q->map, err, what, value);
}

bool qcow2_place_ok(const struct qcow2 *q, uint64_t offset) {
    return offset && !(offset & (q->cluster_size - 1)) && offset < q->map.file->size;
}

void qcow2_packed(const struct qcow2 *q, uint64_t entry, uint64_t *offset, uint32_t *len) {
    unsigned bits = 62 - (q->cluster_bits - 8);
    *offset = entry & ((UINT64_C(1) << bits) - 1);
    uint64_t sectors = (entry & (ENTRY_COMPRESSED - 1)) >> bits;
    *len = (uint32_t)((sectors + 1) * 512 - (*offset & 511));
}

/* Through L1 and the cache. */
static struct slice *find_l2(struct qcow2 *q, uint64_t pos, bool *none, int *err) {
    struct map *map = &q->map;
    uint64_t l1_index = pos >> (q->cluster_bits + q->l2_bits), at = q->l1_offset + l1_index * 8;
    struct slice *l1 = table_get(map, at, PHASE_L2, err);
    if (!l1)
        return NULL;
    uint64_t l2 = load_be64(slice_at(map, l1, at)) & ENTRY_OFFSET;
    *none = !l2;
    if (!l2)
        return NULL;
    if (!qcow2_place_ok(q, l2)) {
        map_corrupt(map, err, "an L1 entry points at", l2);
        return NULL;
    }
    uint64_t l2_index = (pos >> q->cluster_bits) & ((UINT64_C(1) << q->l2_bits) - 1);
    struct slice *slice = table_get(map, l2 + l2_index * 8, PHASE_L2, err);
    q->memo = slice;
    q->memo_index = pos >> q->slice_bits;
    q->memo_evictions = map->tables.evictions;
    return slice;
}

/* Most requests ask for the slice that the one before has asked for. */
static inline struct slice *get_l2(struct qcow2 *q, uint64_t pos, bool *none, int *err) {
    struct map *map = &q->map;
    *none = false;
    if (!q->memo || q->memo_index != pos >> q->slice_bits ||
        q->memo_evictions != map->tables.evictions)
        return find_l2(q, pos, none, err);
    *err = 0;
    q->memo->used = ++map->tables.tick;
    return q->memo;
}

struct slice *qcow2_l2(struct qcow2 *q, uint64_t pos, bool *none, int *err) {
    return get_l2(q, pos, none, err);
}

/* How many bytes from pos on the same slice can tell of, `len` at most. */
static uint64_t within(uint64_t pos, uint64_t len, uint64_t span) {
    return MIN(len, span - (pos & (span - 1)));
}

/* Data clusters that lie one after the other are one extent. */
static enum step map_data(struct map_op *op, const uint8_t *entry, uint64_t pos, uint64_t len,
                          struct extent *e) {
    struct qcow2 *q = qcow2_of(op->map);
    uint64_t place = load_be64(entry) & ENTRY_OFFSET, inside = pos & (q->cluster_size - 1);
    if (!qcow2_place_ok(q, place))
        return map_corrupt(op->map, &op->err, "an L2 entry points at", place);
    e->kind = EXTENT_DATA;
    e->host = place + inside;
    e->len = q->cluster_size - inside;
    for (place += q->cluster_size; e->len < len && place < q->map.file->size;
         place += q->cluster_size) {
        entry += 8;
        if ((load_be64(entry) & ~ENTRY_COPIED) != place)
            break;
        e->len += q->cluster_size;
    }
    e->len = MIN(e->len, len);
    return STEP_DONE;
}

static enum step map_packed(struct map_op *op, uint64_t entry, uint64_t pos, uint64_t len,
                            struct extent *e) {
    struct qcow2 *q = qcow2_of(op->map);
    e->kind = EXTENT_PACKED;
    e->skip = pos & (q->cluster_size - 1);
    e->len = MIN(len, q->cluster_size - e->skip);
    qcow2_packed(q, entry, &e->host, &e->packed);
    if (e->host < q->cluster_size || e->host >= q->map.file->size)
        return map_corrupt(op->map, &op->err, "a packed cluster is at", e->host);
    return STEP_DONE;
}

static enum step qcow2_map(struct map_op *op, uint64_t pos, uint64_t len, struct extent *e) {
    struct qcow2 *q = qcow2_of(op->map);
    bool none;
    struct slice *slice = get_l2(q, pos, &none, &op->err);
    if (!slice && !none)
        return op->err ? STEP_FAIL : map_park(op);
    e->kind = q->map.backing ? EXTENT_BACKING : EXTENT_ZERO;
    if (!slice) {
        e->len = within(pos, len, UINT64_C(1) << (q->cluster_bits + q->l2_bits));
        return STEP_DONE;
    }
    len = within(pos, len, (uint64_t)qcow2_slice_entries(q) << q->cluster_bits);
    const uint8_t *entry = slice->data + qcow2_slice_index(q, pos) * 8;
    enum entry_kind kind = qcow2_kind(q, load_be64(entry));
    if (kind == ENTRY_DATA)
        return map_data(op, entry, pos, len, e);
    if (kind == ENTRY_PACKED)
        return map_packed(op, load_be64(entry), pos, len, e);
    if (kind != ENTRY_NONE)
        e->kind = EXTENT_ZERO;
    e->len = q->cluster_size - (pos & (q->cluster_size - 1));
    while (e->len < len && (entry += 8, qcow2_kind(q, load_be64(entry)) == kind))
        e->len += q->cluster_size;
    e->len = MIN(e->len, len);
    return STEP_DONE;
}

/* Data within one cluster, whose slice was looked at last. */
static uint64_t qcow2_at_once(struct map *map, uint64_t pos, uint64_t len) {
    struct qcow2 *q = qcow2_of(map);
    uint64_t inside = pos & (q->cluster_size - 1);
    if (!q->memo || q->memo_index != pos >> q->slice_bits ||
        q->memo_evictions != map->tables.evictions || len - 1 >= q->cluster_size - inside)
        return 0;
    uint64_t entry = load_be64(q->memo->data + qcow2_slice_index(q, pos) * 8);
    uint64_t place = entry & ENTRY_OFFSET;
    if (entry & ~(ENTRY_COPIED | ENTRY_OFFSET) || !qcow2_place_ok(q, place))
        return 0;
    q->memo->used = ++map->tables.tick;
    return place + inside;
}

static bool qcow2_unpack(struct map *map, const uint8_t *in, size_t len, uint8_t *out) {
    return unpack(qcow2_of(map)->zstd, in, len, out, map->packed.size);
}

static void qcow2_free(struct map *map) {
    struct qcow2 *q = qcow2_of(map);
    free(q->job.buf);
    free(q->pending.item);
    free(q->frozen.item);
    free(q->meta);
    free(q);
}

static const struct map_ops qcow2_ops = {
    .map = qcow2_map, .at_once = qcow2_at_once, .write = qcow2_write, .discard = qcow2_discard,
    .abandon = qcow2_abandon, .unpack = qcow2_unpack, .frozen = qcow2_frozen,
    .flushed = qcow2_flushed, .woken = qcow2_woken, .busy = qcow2_busy, .free = qcow2_free,
};

/* ---- opening ---- */

struct opening {
    struct loop *loop;
    struct block *file;
    const char *name;
    const struct image_options *options;
    char *why;
    size_t why_len;
    uint8_t *head; /* the first cluster, or as much as the file has of it */
    size_t head_len;
    char backing[1024], backing_format[32];
};

static bool fail(struct opening *o, const char *what, uint64_t value, const char *expected) {
    snprintf(o->why, o->why_len, "image '%s': %s %llu%s%s", o->name, what,
             (unsigned long long)value, expected ? ": expected " : "", expected ? expected : "");
    return false;
}

static bool fail_io(struct opening *o, const char *what, int err) {
    snprintf(o->why, o->why_len, "image '%s': its %s can't be read or written: %s", o->name, what,
             strerror(err));
    return false;
}

static bool refuse(struct opening *o, const char *sentence) {
    snprintf(o->why, o->why_len, "image '%s' %s", o->name, sentence);
    return false;
}

static bool read_head(struct opening *o, struct qcow2 *q) {
    int err = block_sync(o->file, BLOCK_READ, 0, q->header, QH_SECTOR);
    if (err)
        return fail_io(o, "header", err);
    if (load_be32(q->header + QH_MAGIC) != QCOW2_MAGIC)
        return refuse(o, "is no qcow2 image: it does not begin with 'QFI' and 0xfb");
    q->version = load_be32(q->header + QH_VERSION);
    q->cluster_bits = load_be32(q->header + QH_CLUSTER_BITS);
    if (q->version != 2 && q->version != 3)
        return fail(o, "qcow version", q->version, "2 or 3");
    if (q->cluster_bits < 9 || q->cluster_bits > 21)
        return fail(o, "cluster bits", q->cluster_bits, "9 to 21");
    q->cluster_size = UINT64_C(1) << q->cluster_bits;
    o->head_len = MIN(q->cluster_size, o->file->size);
    o->head = malloc(o->head_len);
    if (!o->head)
        return refuse(o, "can't be opened: out of memory");
    err = block_sync(o->file, BLOCK_READ, 0, o->head, o->head_len);
    return !err || fail_io(o, "header", err);
}

/* Header extensions: the backing file's format, and names of features. */
static const uint8_t *extension(struct opening *o, size_t *at, uint32_t *type, uint32_t *len) {
    uint64_t backing = load_be64(o->head + QH_BACKING_OFFSET);
    size_t end = backing && backing < o->head_len ? (size_t)backing : o->head_len;
    if (*at + 8 > end)
        return NULL;
    *type = load_be32(o->head + *at);
    *len = load_be32(o->head + *at + 4);
    const uint8_t *data = o->head + *at + 8;
    if (!*type || *len > end - *at - 8)
        return NULL;
    *at += 8 + (((size_t)*len + 7) & ~(size_t)7);
    return data;
}

enum { EXT_FEATURES = 0x6803f857, EXT_BITMAPS = 0x23852875 };
#define EXT_BACKING_FORMAT UINT32_C(0xe2792aca)

static void feature_name(struct opening *o, size_t at, unsigned bit, char name[47]) {
    uint32_t type, len;
    const uint8_t *data;
    snprintf(name, 47, "bit %u", bit);
    while ((data = extension(o, &at, &type, &len)))
        for (uint32_t i = 0; type == EXT_FEATURES && i + 48 <= len; i += 48)
            if (!data[i] && data[i + 1] == bit)
                snprintf(name, 47, "%.46s", (const char *)data + i + 2);
}

static bool check_features(struct opening *o, struct qcow2 *q, size_t extensions) {
    uint64_t set = load_be64(q->header + QH_INCOMPATIBLE);
    static const uint64_t known = INCOMPAT_DIRTY | INCOMPAT_CORRUPT | INCOMPAT_COMPRESSION;
    if (set & INCOMPAT_DATA_FILE)
        return refuse(o, "keeps its data in another file (data_file), which is not supported");
    if (set & INCOMPAT_EXTENDED_L2)
        return refuse(o, "has subclusters (extended_l2), which are not supported");
    for (unsigned bit = 0; bit < 64; bit++) {
        char name[47];
        if (!((set & ~known) >> bit & 1))
            continue;
        feature_name(o, extensions, bit, name);
        snprintf(o->why, o->why_len, "image '%s' has the incompatible feature '%s', which is not "
                 "supported", o->name, name);
        return false;
    }
    if ((set & INCOMPAT_CORRUPT) && !o->options->read_only)
        return refuse(o, "is marked as corrupt: it can only be opened for reading");
    q->refcount_order = load_be32(q->header + QH_REFCOUNT_ORDER);
    if (q->refcount_order > 6)
        return fail(o, "refcount order", q->refcount_order, "0 to 6");
    if (set & INCOMPAT_COMPRESSION) {
        unsigned kind = q->header[QH_COMPRESSION];
        if (load_be32(q->header + QH_HEADER_LENGTH) <= QH_COMPRESSION || kind > 1)
            return fail(o, "compression type", kind, "0 (zlib) or 1 (zstd)");
        q->zstd = kind == 1;
    }
    return true;
}

static bool check_version(struct opening *o, struct qcow2 *q, size_t *extensions) {
    *extensions = QH_V2_LENGTH;
    q->refcount_order = 4;
    if (q->version > 2) {
        *extensions = load_be32(q->header + QH_HEADER_LENGTH);
        if (*extensions < QH_V3_LENGTH || *extensions > o->head_len || *extensions % 8)
            return fail(o, "header length", *extensions, "104 or more, within the first cluster");
        if (!check_features(o, q, *extensions))
            return false;
    }
    q->l2_bits = q->cluster_bits - 3;
    q->refblock_bits = q->cluster_bits + 3 - q->refcount_order;
    return true;
}

/* A table of `bytes` at `offset` must be whole, in the file and not the header. */
static bool check_table(struct opening *o, struct qcow2 *q, const char *what, uint64_t offset,
                        uint64_t bytes) {
    if (offset & (q->cluster_size - 1) || offset < q->cluster_size)
        return fail(o, what, offset, "a cluster boundary after the header");
    if (offset >= o->file->size || bytes > o->file->size - offset) {
        snprintf(o->why, o->why_len, "image '%s': %s %llu and its %llu bytes are beyond the end of "
                 "the file, which has %llu", o->name, what, (unsigned long long)offset,
                 (unsigned long long)bytes, (unsigned long long)o->file->size);
        return false;
    }
    return true;
}

static bool check_sizes(struct opening *o, struct qcow2 *q) {
    uint64_t size = load_be64(q->header + QH_SIZE);
    q->l1_size = load_be32(q->header + QH_L1_SIZE);
    q->l1_offset = load_be64(q->header + QH_L1_OFFSET);
    q->reftable_offset = load_be64(q->header + QH_REFTABLE_OFFSET);
    q->reftable_clusters = load_be32(q->header + QH_REFTABLE_CLUSTERS);
    q->snapshots = load_be32(q->header + QH_SNAPSHOTS);
    q->snapshots_offset = load_be64(q->header + QH_SNAPSHOTS_OFFSET);
    if (!size || size > INT64_MAX - q->cluster_size)
        return fail(o, "the disk's size", size, "1 byte to 8 EiB");
    if (load_be32(q->header + QH_CRYPT))
        return refuse(o, "is encrypted, which is not supported");
    uint64_t entries = ((size - 1) >> (q->cluster_bits + q->l2_bits)) + 1;
    if (q->l1_size > L1_MAX / 8)
        return fail(o, "L1 table entries", q->l1_size, "at most 4194304");
    if (q->l1_size < entries)
        return fail(o, "L1 table entries", q->l1_size, "as many as the disk's size needs");
    if (q->reftable_clusters > MIB(8) >> q->cluster_bits || !q->reftable_clusters)
        return fail(o, "refcount table clusters", q->reftable_clusters, "1 to 8 MiB");
    if (q->snapshots > SNAPSHOTS_MAX)
        return fail(o, "snapshots", q->snapshots, "at most 65536");
    q->map.block.size = (size + 511) & ~UINT64_C(511);
    return check_table(o, q, "L1 table offset", q->l1_offset, q->l1_size * 8) &&
           check_table(o, q, "refcount table offset", q->reftable_offset,
                       q->reftable_clusters << q->cluster_bits) &&
           (!q->snapshots ||
            check_table(o, q, "snapshot table offset", q->snapshots_offset, q->snapshots * 40));
}

static bool find_backing(struct opening *o, size_t extensions) {
    uint64_t at = load_be64(o->head + QH_BACKING_OFFSET);
    uint32_t size = load_be32(o->head + QH_BACKING_SIZE), type, len;
    const uint8_t *data;
    if (!at)
        return true;
    if (size > 1023)
        return fail(o, "length of the backing file's name", size, "at most 1023");
    if (at > o->head_len || size > o->head_len - at)
        return fail(o, "offset of the backing file's name", at, "one in the first cluster");
    memcpy(o->backing, o->head + at, size);
    while (size && (data = extension(o, &extensions, &type, &len)))
        if (type == EXT_BACKING_FORMAT)
            snprintf(o->backing_format, sizeof(o->backing_format), "%.*s",
                     (int)MIN(len, sizeof(o->backing_format) - 1), (const char *)data);
    return true;
}

static bool open_backing(struct opening *o, struct block **backing) {
    *backing = NULL;
    if (!*o->backing)
        return true;
    if (!*o->backing_format) {
        snprintf(o->why, o->why_len, "image '%s' does not say which format its backing file '%s' "
                 "has: 'qemu-img rebase -u -b FILE -F FORMAT' writes it down", o->name,
                 o->backing);
        return false;
    }
    *backing = image_open_below(o->loop, o->name, o->backing, o->backing_format, o->options,
                                o->why, o->why_len);
    return *backing;
}

/* ---- opening for writing ---- */

/* The tables that a table of offsets names are known from now on; each must be fit to be one. */
static bool learn_tables(struct opening *o, struct qcow2 *q, const char *what, uint64_t offset,
                         uint64_t entries) {
    size_t room = (size_t)MIN(entries * 8 + 511, KIB(64)) & ~(size_t)511;
    uint8_t *piece = malloc(room);
    bool ok = piece || refuse(o, "can't be opened: out of memory");
    for (uint64_t i = 0; ok && i < entries; i++) {
        size_t in = (size_t)(i * 8 % room);
        int err = 0;
        if (!in) {
            size_t len = (size_t)MIN(room, (entries - i) * 8);
            err = block_sync(o->file, BLOCK_READ, offset + i * 8, piece,
                             (len + 511) & ~(size_t)511);
        }
        uint64_t table = err ? 0 : load_be64(piece + in) & ENTRY_OFFSET;
        if (err)
            ok = fail_io(o, what, err);
        else if (table && !qcow2_place_ok(q, table))
            ok = fail(o, what, table, "a cluster of the file");
        else if (table && qcow2_is_meta(q, table >> q->cluster_bits))
            ok = fail(o, what, table, "one that nothing else uses: the image is corrupt");
        else if (table && !qcow2_meta_add(q, table >> q->cluster_bits))
            ok = refuse(o, "can't be opened: out of memory");
    }
    free(piece);
    return ok;
}

static bool write_header(struct opening *o, struct qcow2 *q) {
    int err = block_sync(o->file, BLOCK_WRITE, 0, q->header, QH_SECTOR);
    if (!err)
        err = block_sync(o->file, BLOCK_FLUSH, 0, NULL, 0);
    return !err || fail_io(o, "header", err);
}

/* The autoclear bits that may stay. */
static uint64_t mark_bitmaps(struct opening *o, struct qcow2 *q, bool dirty) {
    size_t at = load_be32(q->header + QH_HEADER_LENGTH);
    uint32_t type, len;
    const uint8_t *data;
    if (!(load_be64(q->header + QH_AUTOCLEAR) & AUTOCLEAR_BITMAPS))
        return 0;
    while (!dirty && (data = extension(o, &at, &type, &len)))
        if (type == EXT_BITMAPS && qcow2_bitmaps_mark(q, data, len))
            return AUTOCLEAR_BITMAPS;
    log_warn("image '%s': its bitmaps can't be marked as out of date, and are given up: the next "
             "backup has to be a full one", q->name);
    return 0;
}

static bool prepare_writes(struct opening *o, struct qcow2 *q) {
    if (!learn_tables(o, q, "an L1 entry points at", q->l1_offset, q->l1_size))
        return false;
    uint64_t set = q->version > 2 ? load_be64(q->header + QH_INCOMPATIBLE) : 0;
    uint64_t autoclear = q->version > 2 ? load_be64(q->header + QH_AUTOCLEAR) : 0;
    if ((set & INCOMPAT_DIRTY) && !qcow2_mend(q, o->why, o->why_len))
        return false;
    if (!learn_tables(o, q, "a refcount table entry points at", q->reftable_offset,
                      q->reftable_clusters << q->l2_bits))
        return false;
    uint64_t kept = autoclear ? mark_bitmaps(o, q, set & INCOMPAT_DIRTY) : 0;
    if (!(set & INCOMPAT_DIRTY) && kept == autoclear)
        return true;
    store_be64(q->header + QH_INCOMPATIBLE, set & ~INCOMPAT_DIRTY);
    store_be64(q->header + QH_AUTOCLEAR, kept);
    return write_header(o, q);
}

static bool open_all(struct opening *o, struct qcow2 *q, struct block **backing) {
    size_t extensions = 0;
    if (!read_head(o, q) || !check_version(o, q, &extensions) || !check_sizes(o, q) ||
        !find_backing(o, extensions) || !open_backing(o, backing))
        return false;
    map_init(&q->map, &qcow2_ops, o->loop, o->file, *backing, q->name, q->map.block.size,
             o->options->read_only, (uint32_t)MIN(q->cluster_size, 4096));
    q->map.packed.size = q->cluster_size;
    q->hint = 1;
    q->slice_bits = q->cluster_bits + MIN(q->cluster_bits, 12) - 3;
    char missing[256];
    if (!unpack_load(q->zstd, missing, sizeof(missing)))
        log_warn("image '%s': its compressed clusters can't be read: %s", o->name, missing);
    return o->options->read_only || prepare_writes(o, q);
}

struct block *qcow2_open(struct loop *loop, struct block *file, const char *name,
                         const struct image_options *options, char *why, size_t why_len) {
    struct opening o = {.loop = loop, .file = file, .name = name, .options = options, .why = why,
                        .why_len = why_len};
    struct qcow2 *q = calloc(1, sizeof(*q) + strlen(name) + 1);
    struct block *backing = NULL;
    if (!q) {
        refuse(&o, "can't be opened: out of memory");
        return NULL;
    }
    strcpy(q->name, name);
    q->map.file = file;
    bool ok = open_all(&o, q, &backing);
    free(o.head);
    if (ok)
        return &q->map.block;
    block_put(backing);
    if (q->map.ops) {
        map_unmake(&q->map);
    } else {
        free(q->meta);
        free(q);
    }
    return NULL;
}
