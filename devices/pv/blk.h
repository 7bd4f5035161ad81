/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV disk: the backend of blkfront, for the qdisk nodes that libxl makes for image files and
 * CD-ROMs. Document: xen/io/blkif.h. One thread.
 */
#ifndef DEVICES_PV_BLK_H
#define DEVICES_PV_BLK_H

#include <stdbool.h>

#include "core/block.h"
#include "core/loop.h"
#include "pv/xenbus.h"

struct pv_blk_board {
    struct loop *loop; /* for answers in batches */
    /*
     * The image of a node's `params`, "format:path", with a reference for us; the same object as
     * the emulated drive's where there is one. NULL: it can't be had, the log says why.
     */
    struct block *(*open)(void *board, const char *format, const char *path, bool read_only);
    /* Past the page cache (O_DIRECT), or through it again; where it can't be, nothing changes. */
    void (*set_direct)(struct block *block, bool direct);
    void *board;
};

/* For xenbus_new, with a struct pv_blk_board as owner. */
extern const struct xenbus_type pv_blk_type;

#endif
