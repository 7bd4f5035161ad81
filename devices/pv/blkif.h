/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The block interface's ring as bytes: where fields are in the three layouts that guests use. A
 * slot is copied out once and read from the copy. Document: xen/io/blkif.h, xen/io/ring.h.
 */
#ifndef DEVICES_PV_BLKIF_H
#define DEVICES_PV_BLKIF_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/bits.h"
#include "core/pv.h"

enum {
    BLKIF_READ, BLKIF_WRITE, BLKIF_WRITE_BARRIER, BLKIF_FLUSH, BLKIF_RESERVED, BLKIF_DISCARD,
    BLKIF_INDIRECT,
};
enum { BLKIF_OKAY = 0, BLKIF_ERROR = -1, BLKIF_NOT_SUPPORTED = -2 };
enum {
    BLKIF_SEGMENTS = 11, BLKIF_INDIRECT_SEGMENTS = 256, BLKIF_SEGMENT_BYTES = 8,
    BLKIF_SLOT_MAX = 112,
};
enum { BLKIF_SECURE_ERASE = 1, BLKIF_SECTOR = 512, BLKIF_LARGE_SECTOR = 4096 };
enum { VDISK_CDROM = 1, VDISK_REMOVABLE = 2, VDISK_READONLY = 4 };

/* 64-bit guests align 64-bit fields to 8, 32-bit ones to 4. */
struct blkif_abi {
    unsigned slot, id, sector, segments, discard, indirect_op, indirect_count, indirect_id,
        indirect_sector, indirect_refs, response;
};

static const struct blkif_abi blkif_64 = {
    .slot = 112, .id = 8, .sector = 16, .segments = 24, .discard = 24, .indirect_op = 1,
    .indirect_count = 2, .indirect_id = 8, .indirect_sector = 16, .indirect_refs = 28,
    .response = 16};
static const struct blkif_abi blkif_32 = {
    .slot = 108, .id = 4, .sector = 12, .segments = 20, .discard = 20, .indirect_op = 1,
    .indirect_count = 2, .indirect_id = 4, .indirect_sector = 12, .indirect_refs = 24,
    .response = 12};

struct blkif_segment {
    uint32_t ref;
    uint8_t first, last; /* sectors of the page, inclusive */
};

static inline struct blkif_segment blkif_segment(const uint8_t *at) {
    return (struct blkif_segment){load_le32(at), at[4], at[5]};
}

#endif
