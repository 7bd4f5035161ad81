/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 writes and discards. A cluster that is ours alone is written where it is, several places of
 * one request side by side. Others get a new place, when none of the request's writes is under way:
 * the request claims them, fetches what it does not write of the first and the last, writes all in
 * one transfer, and then has the L2 table name the new place. Whoever else wants to change a
 * claimed cluster waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "image_qcow2.h"

enum { W_NEXT, W_HEAD, W_TAIL, W_WRITTEN };
enum { BOUNCE_MAX = 16 << 20 };

static bool is_claimed(const struct qcow2 *q, uint64_t cluster) {
    for (const struct map_op *op = q->claims; op; op = op->claim_next)
        if (cluster - op->first < op->count)
            return true;
    return false;
}

static void unclaim(struct map_op *op) {
    struct qcow2 *q = qcow2_of(op->map);
    struct map_op **at = &q->claims;
    while (*at != op)
        at = &(*at)->claim_next;
    *at = op->claim_next;
    op->claims = false;
    q->bounced -= op->head + op->tail;
    free(op->bounce);
    op->bounce = NULL;
    if (op->map->parked)
        map_wake(op->map);
}

void qcow2_abandon(struct map_op *op) {
    struct qcow2 *q = qcow2_of(op->map);
    if (!op->reused)
        qcow2_give(q, op->host >> q->cluster_bits, op->count, false, false);
    unclaim(op);
}

static enum step in_place(struct map_op *op, const uint8_t *entry) {
    struct qcow2 *q = qcow2_of(op->map);
    uint64_t pos = op->at.pos, inside = pos & (q->cluster_size - 1);
    uint64_t span = (uint64_t)qcow2_slice_entries(q) << q->cluster_bits;
    uint64_t room = MIN(op->at.end - pos, span - (pos & (span - 1)));
    uint64_t first = load_be64(entry) & ENTRY_OFFSET, place = first, len = 0;
    do {
        if (!qcow2_place_ok(q, place))
            return qcow2_broken(q, &op->err, "an L2 entry points at", place);
        if (qcow2_is_meta(q, place >> q->cluster_bits))
            return qcow2_broken(q, &op->err, "data lies on a table, at", place);
        len += q->cluster_size - (len ? 0 : inside);
        place += q->cluster_size;
        entry += 8;
    } while (len < room && place < q->map.file->size &&
             load_be64(entry) == (place | ENTRY_COPIED));
    return map_move(op, q->map.file, BLOCK_WRITE, first + inside, &op->at, MIN(len, room));
}

static bool is_ours(const struct qcow2 *q, uint64_t entry) {
    return qcow2_kind(q, entry) == ENTRY_DATA && (entry & ENTRY_COPIED);
}

static bool is_placed_zero(const struct qcow2 *q, uint64_t entry) {
    return qcow2_kind(q, entry) == ENTRY_ZEROS_PLACED && (entry & ENTRY_COPIED);
}

/* How many clusters from `cluster` on get a new place together. */
static uint64_t run_of(const struct qcow2 *q, const struct map_op *op, const uint8_t *entry,
                       uint64_t cluster) {
    uint64_t last = (op->at.end - 1) >> q->cluster_bits, n = 1;
    uint64_t room = qcow2_slice_entries(q) - (cluster & (qcow2_slice_entries(q) - 1));
    while (n < room && cluster + n <= last && !is_claimed(q, cluster + n) &&
           !is_ours(q, load_be64(entry + n * 8)) && !is_placed_zero(q, load_be64(entry + n * 8)))
        n++;
    return n;
}

/* Does the cluster read as zeros? */
static bool is_zero(const struct qcow2 *q, uint64_t entry, uint64_t cluster) {
    enum entry_kind kind = qcow2_kind(q, entry);
    if (kind == ENTRY_NONE)
        return !q->map.backing || cluster << q->cluster_bits >= q->map.backing->size;
    return kind == ENTRY_ZEROS || kind == ENTRY_ZEROS_PLACED;
}

static void fetch(struct map_op *op, uint64_t from, size_t len, uint8_t *to) {
    op->fetch_iov = (struct iovec){to, len};
    op->fetch = (struct cursor){from, from, from + len, &op->fetch_iov, 1};
}

/* Clusters [first, first + count) will lie at `host`: what has to be fetched of them? */
static enum step claim(struct map_op *op, const uint8_t *entry) {
    struct qcow2 *q = qcow2_of(op->map);
    uint64_t end = (op->first + op->count) << q->cluster_bits;
    bool fresh = q->map.file->growable && op->host >= q->map.file->size;
    op->claims = true;
    op->claim_next = q->claims;
    q->claims = op;
    op->until = MIN(op->at.end, end);
    op->head = op->at.pos & (q->cluster_size - 1);
    op->tail = end - op->until;
    op->skip_head = 0;
    /* past the file's end, zeros need not be written */
    if (fresh && is_zero(q, load_be64(entry), op->first)) {
        op->skip_head = op->head;
        op->head = 0;
    }
    if (fresh && is_zero(q, load_be64(entry + (op->count - 1) * 8), op->first + op->count - 1))
        op->tail = 0;
    q->bounced += op->head + op->tail;
    if (op->head + op->tail && !(op->bounce = malloc(op->head + op->tail)))
        return map_fail(op, ENOMEM);
    fetch(op, op->first << q->cluster_bits, op->head, op->bounce);
    op->state = W_HEAD;
    return STEP_DONE;
}

/* A place for the cluster at op->at.pos, and for those after it that need one too. */
static enum step new_place(struct map_op *op, const uint8_t *entry) {
    struct qcow2 *q = qcow2_of(op->map);
    uint64_t cluster = op->at.pos >> q->cluster_bits, old = load_be64(entry), host;
    if (q->bounced && q->bounced + 2 * q->cluster_size > BOUNCE_MAX)
        return map_park(op);
    op->reused = is_placed_zero(q, old);
    if (op->reused) {
        op->host = old & ENTRY_OFFSET;
        op->count = 1;
        if (!qcow2_place_ok(q, op->host) || qcow2_is_meta(q, op->host >> q->cluster_bits))
            return qcow2_broken(q, &op->err, "an L2 entry points at", op->host);
    } else {
        enum step s = qcow2_take(q, run_of(q, op, entry, cluster), &host, &op->count, &op->err);
        if (s == STEP_WAIT) {
            map_op_renew(op);
            return map_park(op);
        }
        if (s == STEP_FAIL)
            return s;
        op->host = host << q->cluster_bits;
    }
    op->first = cluster;
    return claim(op, entry);
}

static enum step next(struct map_op *op) {
    struct qcow2 *q = qcow2_of(op->map);
    bool none;
    if (q->broken)
        return map_fail(op, EIO);
    if (is_claimed(q, op->at.pos >> q->cluster_bits))
        return map_park(op);
    struct slice *slice = qcow2_l2(q, op->at.pos, &none, &op->err);
    if (!slice && !none)
        return op->err ? STEP_FAIL : map_park(op);
    unsigned i = qcow2_slice_index(q, op->at.pos);
    if (slice && is_ours(q, load_be64(slice->data + i * 8)))
        return in_place(op, slice->data + i * 8);
    enum step s = map_settle(op);
    if (s != STEP_DONE)
        return s;
    s = qcow2_own_l2(q, op->at.pos, &op->err);
    if (s == STEP_WAIT)
        map_op_renew(op);
    if (s != STEP_DONE)
        return s == STEP_WAIT ? map_park(op) : s;
    return new_place(op, slice->data + i * 8);
}

static enum step write_clusters(struct map_op *op) {
    struct qcow2 *q = qcow2_of(op->map);
    size_t len = op->until - op->at.pos;
    unsigned n = 0;
    if (!map_list_room(op, op->at.niov + 2))
        return map_fail(op, ENOMEM);
    if (op->head)
        op->list[n++] = (struct iovec){op->bounce, op->head};
    n = map_list_add(op, n, &op->at, op->at.pos, len);
    if (op->tail)
        op->list[n++] = (struct iovec){op->bounce + op->head, op->tail};
    op->state = W_WRITTEN;
    return map_transfer_list(op, q->map.file, BLOCK_WRITE, op->host + op->skip_head, n,
                             op->head + len + op->tail);
}

static enum step link_clusters(struct map_op *op) {
    struct qcow2 *q = qcow2_of(op->map);
    bool none;
    struct slice *slice = qcow2_l2(q, op->first << q->cluster_bits, &none, &op->err);
    if (none)
        return map_fail(op, EIO);
    if (!slice)
        return op->err ? STEP_FAIL : map_park(op);
    uint8_t *entry = slice->data + qcow2_slice_index(q, op->first << q->cluster_bits) * 8;
    for (uint64_t i = 0; i < op->count; i++, entry += 8) {
        if (!op->reused)
            qcow2_give_entry(q, load_be64(entry), false);
        store_be64(entry, (op->host + (i << q->cluster_bits)) | ENTRY_COPIED);
    }
    table_dirty(slice);
    op->at.pos = op->until;
    op->state = W_NEXT;
    unclaim(op);
    return STEP_DONE;
}

enum step qcow2_write(struct map_op *op) {
    enum step s = STEP_DONE;
    while (s == STEP_DONE) {
        switch (op->state) {
        case W_NEXT:
            if (op->at.pos >= op->at.end)
                return STEP_DONE;
            s = next(op);
            break;
        case W_HEAD:
            s = map_read(op, &op->fetch);
            if (s == STEP_DONE) {
                fetch(op, op->until, op->tail, op->tail ? op->bounce + op->head : NULL);
                op->state = W_TAIL;
            }
            break;
        case W_TAIL:
            s = map_read(op, &op->fetch);
            if (s == STEP_DONE)
                s = write_clusters(op);
            break;
        default:
            s = link_clusters(op);
            break;
        }
    }
    return s;
}

/* ---- discards ---- */

/* What a discarded cluster's entry becomes: what reads as zeros, or what it was. */
static uint64_t discarded(const struct qcow2 *q, uint64_t entry) {
    enum entry_kind kind = qcow2_kind(q, entry);
    if (kind == ENTRY_ZEROS || (kind == ENTRY_NONE && !q->map.backing))
        return entry;
    if (!q->map.backing)
        return 0;
    return q->version > 2 ? ENTRY_ZERO : entry;
}

/* Entries [from, to) of a slice: how many until the first that would change, or is claimed. */
static uint64_t unchanged(const struct qcow2 *q, const struct slice *slice, uint64_t pos,
                          uint64_t n) {
    uint64_t i = 0;
    const uint8_t *entry = slice->data + qcow2_slice_index(q, pos) * 8;
    while (i < n && discarded(q, load_be64(entry)) == load_be64(entry)) {
        entry += 8;
        i++;
    }
    return i;
}

/* One slice's part of a discard, from op->at.pos on. */
static enum step discard_in(struct map_op *op, struct slice *slice, uint64_t end) {
    struct qcow2 *q = qcow2_of(op->map);
    uint64_t pos = op->at.pos, span = (uint64_t)qcow2_slice_entries(q) << q->cluster_bits;
    uint64_t n = (MIN(end, (pos | (span - 1)) + 1) - pos) >> q->cluster_bits;
    uint64_t skip = unchanged(q, slice, pos, n);
    op->at.pos += skip << q->cluster_bits;
    if (skip == n)
        return STEP_DONE;
    enum step s = qcow2_own_l2(q, op->at.pos, &op->err);
    if (s == STEP_WAIT)
        map_op_renew(op);
    if (s != STEP_DONE)
        return s == STEP_WAIT ? map_park(op) : s;
    for (uint64_t i = skip; i < n; i++) {
        uint8_t *entry = slice->data + qcow2_slice_index(q, op->at.pos) * 8;
        if (is_claimed(q, op->at.pos >> q->cluster_bits))
            return map_park(op);
        uint64_t old = load_be64(entry), now = discarded(q, old);
        if (now != old) {
            store_be64(entry, now);
            table_dirty(slice);
            qcow2_give_entry(q, old, true);
        }
        op->at.pos += q->cluster_size;
    }
    return STEP_DONE;
}

/* Whole clusters only; what is in no L2 table stays as it is: zeros, or the backing file's. */
enum step qcow2_discard(struct map_op *op) {
    struct qcow2 *q = qcow2_of(op->map);
    uint64_t mask = q->cluster_size - 1, table = q->cluster_size << q->l2_bits;
    uint64_t end = op->at.end == q->map.block.size ? op->at.end + mask : op->at.end;
    end &= ~mask;
    if (!op->state) {
        op->state = 1;
        op->at.pos = (op->at.pos + mask) & ~mask;
    }
    while (op->at.pos < end) {
        bool none;
        if (q->broken)
            return map_fail(op, EIO);
        struct slice *slice = qcow2_l2(q, op->at.pos, &none, &op->err);
        enum step s = STEP_DONE;
        if (slice)
            s = discard_in(op, slice, end);
        else if (none)
            op->at.pos = (op->at.pos | (table - 1)) + 1;
        else
            return op->err ? STEP_FAIL : map_park(op);
        if (s != STEP_DONE)
            return s;
    }
    return STEP_DONE;
}
