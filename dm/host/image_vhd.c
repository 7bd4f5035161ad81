/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHD ("vpc"): Microsoft's Virtual Hard Disk Image Format Specification 1.0; fixed, dynamic and
 * differencing disks. The size is the footer's current size, but for images of Virtual PC and of
 * old QEMU ("vpc ", "vs ", "qemu"), whose disks have the size of their geometry if that is not the
 * largest there is: so does qemu-img. The footer at the end of a dynamic disk moves with each new
 * block; its copy at the beginning is what is believed. A discard makes holes in blocks that are
 * there; no block is given back, for nothing but a copy of the whole makes the file shorter. See
 * image_map.h; reading the headers is image_vhd_open.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "image_vhd.h"

enum { PHASE_TABLES = 2 };
enum { V_NEXT, V_MARK };

/* ---- where things are ---- */

/* The file offset of a block, 0 for one that is not there. */
static enum step find_block(struct vhd *v, uint64_t pos, uint64_t *place, int *err) {
    uint64_t at = v->table + (pos / v->block_size) * 4;
    struct slice *slice = table_get(&v->map, at, PHASE_TABLES, err);
    if (!slice)
        return *err ? STEP_FAIL : STEP_WAIT;
    uint32_t entry = load_be32(slice_at(&v->map, slice, at));
    *place = entry == VHD_NO_BLOCK ? 0 : (uint64_t)entry * 512;
    if (entry != VHD_NO_BLOCK && (*place < VHD_FIRST_PLACE || *place >= v->map.file->size))
        return map_corrupt(&v->map, err, "a block is at", *place);
    return STEP_DONE;
}

/* The slice with the bit of the sector at pos, in the block at `place`; NULL: as table_get. */
static struct slice *find_bits(struct vhd *v, uint64_t pos, uint64_t place, int *err) {
    uint64_t sector = pos % v->block_size / 512;
    return table_get(&v->map, place + sector / 8, PHASE_TABLES, err);
}

static bool bit(const uint8_t *bits, unsigned n) {
    return bits[n / 8] << (n % 8) & 0x80;
}

/* How many bits from `from` on, and before `end`, are as the first is. */
static unsigned run_of_bits(const uint8_t *bits, unsigned from, unsigned end) {
    bool first = bit(bits, from);
    unsigned n = from;
    while (n < end) {
        if (!(n % 64) && n + 64 <= end && load_le64(bits + n / 8) == (first ? UINT64_MAX : 0))
            n += 64;
        else if (!(n % 8) && n + 8 <= end && bits[n / 8] == (first ? 0xff : 0))
            n += 8;
        else if (bit(bits, n) == first)
            n++;
        else
            break;
    }
    return n - from;
}

/* Bytes from pos to the end of its block or of its slice of bits, len at most. */
static uint64_t within(const struct vhd *v, uint64_t pos, uint64_t len) {
    uint64_t in = pos % v->block_size, bits = (uint64_t)v->map.tables.size * 8 * 512;
    uint64_t to_slice = bits - in % bits;
    return MIN(len, MIN(v->block_size - in, to_slice));
}

static enum step vhd_map(struct map_op *op, uint64_t pos, uint64_t len, struct extent *e) {
    struct vhd *v = vhd_of(op->map);
    uint64_t place;
    if (v->type == VHD_FIXED) {
        *e = (struct extent){.kind = EXTENT_DATA, .host = pos, .len = len};
        return STEP_DONE;
    }
    enum step s = find_block(v, pos, &place, &op->err);
    if (s != STEP_DONE)
        return s == STEP_WAIT ? map_park(op) : s;
    e->kind = v->map.backing ? EXTENT_BACKING : EXTENT_ZERO;
    e->len = within(v, pos, len);
    if (!place)
        return STEP_DONE;
    struct slice *slice = find_bits(v, pos, place, &op->err);
    if (!slice)
        return op->err ? STEP_FAIL : map_park(op);
    unsigned span = v->map.tables.size * 8;
    unsigned from = (unsigned)(pos % v->block_size / 512 % span);
    if (bit(slice->data, from)) {
        e->kind = EXTENT_DATA;
        e->host = place + v->bitmap_size + pos % v->block_size;
    }
    e->len = run_of_bits(slice->data, from, from + (unsigned)(e->len / 512)) * UINT64_C(512);
    return STEP_DONE;
}

/* ---- new blocks, one at a time: footer behind it, its bits, then the table may name it ---- */

static void vhd_run_job(struct vhd *v);

static void end_job(struct vhd *v, int err) {
    v->job = VHD_IDLE;
    v->job_err = err;
    free(v->bits);
    v->bits = NULL;
    map_wake(&v->map);
}

static void moved(struct block_req *req, int err) {
    struct vhd *v = req->owner;
    v->map.inside++;
    v->moving = false;
    if (err)
        end_job(v, err);
    else
        vhd_run_job(v);
    map_leave(&v->map);
}

static void transfer(struct vhd *v, uint64_t offset, void *buf, size_t len, int next) {
    v->job = next;
    v->moving = true;
    v->iov = (struct iovec){buf, len};
    v->req = (struct block_req){.op = BLOCK_WRITE, .offset = offset, .len = len, .iov = &v->iov,
                                .niov = 1, .done = moved, .owner = v};
    block_submit(v->map.file, &v->req);
}

static void vhd_run_job(struct vhd *v) {
    uint64_t end = v->end + v->bitmap_size + v->block_size;
    uint64_t at = v->table + v->job_block * 4;
    int err;
    if (v->job == VHD_FOOTER) {
        transfer(v, end, v->footer, VHD_SECTOR, VHD_BITS);
        return;
    }
    if (v->job == VHD_BITS) {
        /* a new block reads as zeros, for it was past the end; only a parent shines through */
        memset(v->bits, v->type == VHD_DYNAMIC ? 0xff : 0, v->bitmap_size);
        transfer(v, v->end, v->bits, v->bitmap_size, VHD_LINK);
        return;
    }
    struct slice *slice = table_get(&v->map, at, PHASE_TABLES, &err);
    if (!slice) {
        if (err)
            end_job(v, err);
        return;
    }
    store_be32(slice_at(&v->map, slice, at), (uint32_t)(v->end / 512));
    table_dirty(slice);
    v->end = end;
    end_job(v, 0);
}

static enum step new_block(struct map_op *op) {
    struct vhd *v = vhd_of(op->map);
    if (v->job != VHD_IDLE)
        return map_park(op);
    if (v->job_err) {
        int err = v->job_err;
        v->job_err = 0;
        return map_fail(op, err);
    }
    if (!v->map.file->growable || (v->end + v->bitmap_size + v->block_size) / 512 >= VHD_NO_BLOCK) {
        log_guest(&v->full, "image '%s' has no room for another block", v->map.block.name);
        return map_fail(op, ENOSPC);
    }
    v->bits = malloc(v->bitmap_size);
    if (!v->bits)
        return map_fail(op, ENOMEM);
    v->job_block = op->at.pos / v->block_size;
    v->job = VHD_FOOTER;
    vhd_run_job(v);
    return map_park(op);
}

static void vhd_woken(struct map *map) {
    struct vhd *v = vhd_of(map);
    if (v->job != VHD_IDLE && !v->moving)
        vhd_run_job(v);
}

static bool vhd_busy(const struct map *map) {
    return ((const struct vhd *)map)->job != VHD_IDLE;
}

/* ---- writes: the data, then its bits, which the next flush writes after it ---- */

static enum step write_next(struct map_op *op) {
    struct vhd *v = vhd_of(op->map);
    uint64_t place, pos = op->at.pos, len = within(v, pos, op->at.end - pos);
    enum step s = find_block(v, pos, &place, &op->err);
    if (s != STEP_DONE)
        return s == STEP_WAIT ? map_park(op) : s;
    if (!place)
        return new_block(op);
    struct slice *slice = find_bits(v, pos, place, &op->err);
    if (!slice)
        return op->err ? STEP_FAIL : map_park(op);
    unsigned from = (unsigned)(pos % v->block_size / 512 % (v->map.tables.size * 8));
    unsigned n = (unsigned)(len / 512);
    uint64_t host = place + v->bitmap_size + pos % v->block_size;
    if (bit(slice->data, from) && run_of_bits(slice->data, from, from + n) >= n)
        return map_move(op, v->map.file, BLOCK_WRITE, host, &op->at, len);
    s = map_settle(op);
    if (s != STEP_DONE)
        return s;
    op->state = V_MARK;
    op->first = pos;
    op->count = n;
    op->host = place;
    return map_transfer(op, v->map.file, BLOCK_WRITE, host, &op->at, len);
}

static enum step mark(struct map_op *op) {
    struct vhd *v = vhd_of(op->map);
    struct slice *slice = find_bits(v, op->first, op->host, &op->err);
    if (!slice)
        return op->err ? STEP_FAIL : map_park(op);
    unsigned from = (unsigned)(op->first % v->block_size / 512 % (v->map.tables.size * 8));
    for (unsigned i = from; i < from + op->count; i++)
        slice->data[i / 8] |= (uint8_t)(0x80 >> i % 8);
    table_dirty(slice);
    op->state = V_NEXT;
    return STEP_DONE;
}

static enum step vhd_write(struct map_op *op) {
    struct vhd *v = vhd_of(op->map);
    if (v->type == VHD_FIXED && op->at.pos < op->at.end)
        return map_transfer(op, v->map.file, BLOCK_WRITE, op->at.pos, &op->at,
                            op->at.end - op->at.pos);
    for (;;) {
        enum step s = STEP_DONE;
        if (op->state == V_MARK)
            s = mark(op);
        else if (op->at.pos >= op->at.end)
            return STEP_DONE;
        else
            s = write_next(op);
        if (s != STEP_DONE)
            return s;
    }
}

/* Sectors of a block that are the parent's stay so. */
static enum step vhd_discard(struct map_op *op) {
    struct vhd *v = vhd_of(op->map);
    op->at.iov = NULL;
    op->at.niov = 0;
    while (op->at.pos < op->at.end) {
        uint64_t place, pos = op->at.pos, len = op->at.end - pos;
        if (v->type == VHD_FIXED)
            return map_transfer(op, v->map.file, BLOCK_DISCARD, pos, &op->at, len);
        uint64_t in = pos % v->block_size;
        len = MIN(len, v->block_size - in);
        enum step s = find_block(v, pos, &place, &op->err);
        if (s != STEP_DONE)
            return s == STEP_WAIT ? map_park(op) : s;
        if (place)
            return map_transfer(op, v->map.file, BLOCK_DISCARD, place + v->bitmap_size + in,
                                &op->at, len);
        op->at.pos += len;
    }
    return STEP_DONE;
}

static void vhd_free(struct map *map) {
    struct vhd *v = vhd_of(map);
    free(v->bits);
    free(v);
}

const struct map_ops vhd_ops = {
    .map = vhd_map, .write = vhd_write, .discard = vhd_discard, .woken = vhd_woken,
    .busy = vhd_busy, .free = vhd_free,
};
