/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files of VHD: image_vhd_open.c reads the headers, image_vhd.c all that comes after.
 */
#ifndef HOST_IMAGE_VHD_H
#define HOST_IMAGE_VHD_H

#include "image_map.h"

enum { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 }; /* disk types of the footer */
enum { VHD_SECTOR = 512, VHD_HEADER = 1024, VHD_FIRST_PLACE = 1536 };
#define VHD_NO_BLOCK UINT32_MAX

struct vhd {
    struct map map;
    uint8_t footer[VHD_SECTOR];
    unsigned type;
    uint64_t table, entries; /* BAT: its offset, and how many */
    uint64_t block_size, bitmap_size, end; /* end: where the next block goes */
    /* the new block */
    enum { VHD_IDLE, VHD_FOOTER, VHD_BITS, VHD_LINK } job;
    bool moving;
    int job_err;
    uint64_t job_block;
    uint8_t *bits;
    struct block_req req;
    struct iovec iov;
    struct log_limit full;
    char name[];
};

static inline struct vhd *vhd_of(struct map *map) {
    return (struct vhd *)map; /* its first member */
}

extern const struct map_ops vhd_ops;

#endif
