/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend of blkfront: the device, its nodes and its connection. Document: see blk.h. Rings are
 * in blk_queue.c, the guest's pages in blk_pages.c.
 *
 * Sectors. What the nodes and requests count in is 512 bytes, unless the image's storage takes
 * nothing smaller than 4096 and the frontend says feature-large-sector-size: then it is 4096, and
 * everything is counted in it, as the Windows drivers do and blkif.h up to Xen 4.19 says. Linux
 * never says so, and gets 512, by way of the page cache where the storage can't.
 *
 * A CD-ROM's medium changes under the frontend: its requests are finished, the node `sectors` is
 * written, and the state again, for which Linux reads it again. An empty drive has no sectors and
 * fails what it is asked for.
 *
 * Not modelled: secure discard.
 */
#include "pv/blk_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"

/* ---- nodes that tell of the image ---- */

static uint32_t image_sector(const struct pv_blk *d) {
    return d->block && d->block->sector > BLKIF_SECTOR ? BLKIF_LARGE_SECTOR : BLKIF_SECTOR;
}

static void write_size(struct pv_blk *d) {
    xenbus_write_number(d->dev, "sector-size", d->sector);
    xenbus_write_number(d->dev, "physical-sector-size", image_sector(d));
    xenbus_write_number(d->dev, "sectors", d->block ? d->block->size / d->sector : 0);
}

static void write_discard(struct pv_blk *d) {
    struct xenbus_device *dev = d->dev;
    if (!d->discard)
        return;
    xenbus_write_number(dev, "feature-discard", 1);
    xenbus_write_number(dev, "discard-granularity", d->block->discard_unit ? d->block->discard_unit
                                                                : PV_PAGE);
    xenbus_write_number(dev, "discard-alignment", 0);
}

static void write_features(struct pv_blk *d) {
    struct xenbus_device *dev = d->dev;
    bool read_only = d->cdrom || d->block->read_only;
    xenbus_write_number(dev, "feature-flush-cache", 1);
    xenbus_write_number(dev, "feature-barrier", 1);
    xenbus_write_number(dev, "feature-persistent", 1);
    xenbus_write_number(dev, "feature-max-indirect-segments", BLKIF_INDIRECT_SEGMENTS);
    xenbus_write_number(dev, "max-ring-page-order", RING_ORDER_MAX);
    xenbus_write_number(dev, "max-ring-pages", RING_PAGES_MAX);
    xenbus_write_number(dev, "multi-queue-max-queues", QUEUES_MAX);
    write_discard(d);
    xenbus_write_number(dev, "info",
                        (d->cdrom ? VDISK_CDROM : 0) | (read_only ? VDISK_READONLY : 0));
    write_size(d);
}

/* ---- rings ---- */

/* Nodes of the queue's own folder, where there are several. */
static uint64_t queue_number(struct pv_blk *d, unsigned n, const char *node) {
    char path[48];
    if (d->queue_count == 1)
        return xenbus_frontend_number(d->dev, node, UINT64_MAX);
    snprintf(path, sizeof(path), "queue-%u/%s", n, node);
    return xenbus_frontend_number(d->dev, path, UINT64_MAX);
}

/* By either of the two ways to say it; 0: not one that was offered. */
static unsigned ring_pages(struct pv_blk *d, bool *named) {
    uint64_t order = xenbus_frontend_number(d->dev, "ring-page-order", UINT64_MAX);
    uint64_t pages = xenbus_frontend_number(d->dev, "num-ring-pages", UINT64_MAX);
    *named = true;
    if (order != UINT64_MAX)
        return order <= RING_ORDER_MAX ? 1u << order : 0;
    if (pages != UINT64_MAX)
        return pages <= RING_PAGES_MAX && !(pages & (pages - 1)) ? (unsigned)pages : 0;
    *named = false;
    return 1;
}

static bool map_ring(struct pv_blk *d, unsigned n, unsigned pages, bool named) {
    struct queue *q = &d->queues[n];
    uint32_t refs[RING_PAGES_MAX];
    for (unsigned i = 0; i < pages; i++) {
        char node[24] = "ring-ref";
        /* one page by its order is "ring-ref" to some and "ring-ref0" to others */
        if (named && (pages > 1 || queue_number(d, n, node) == UINT64_MAX))
            snprintf(node, sizeof(node), "ring-ref%u", i);
        uint64_t ref = queue_number(d, n, node);
        if (ref > UINT32_MAX)
            return false;
        refs[i] = (uint32_t)ref;
    }
    q->ring = d->dev->pv->ops->map(d->dev->pv, refs, pages, true);
    q->ring_pages = pages;
    return q->ring != NULL;
}

static bool choose_abi(struct pv_blk *d) {
    char protocol[32];
    d->abi = NULL;
    if (!xenbus_read_frontend(d->dev, "protocol", protocol, sizeof(protocol)) ||
        !strcmp(protocol, "x86_64-abi"))
        d->abi = &blkif_64;
    else if (!strcmp(protocol, "x86_32-abi"))
        d->abi = &blkif_32;
    else
        log_guest(&d->odd, "%s: protocol \"%s\": x86_32-abi or x86_64-abi was expected",
                  d->dev->backend, protocol);
    return d->abi != NULL;
}

static bool connect_rings(struct pv_blk *d) {
    struct pv *pv = d->dev->pv;
    bool named;
    unsigned pages = ring_pages(d, &named);
    for (unsigned i = 0; i < d->queue_count; i++) {
        struct queue *q = &d->queues[i];
        if (!pages || !map_ring(d, i, pages, named)) {
            log_guest(&d->odd, "%s: the frontend's ring %u can't be mapped", d->dev->backend, i);
            return false;
        }
        queue_init(q, d);
        uint64_t remote = queue_number(d, i, "event-channel");
        if (remote > UINT32_MAX || !pv->ops->bind(pv, (uint32_t)remote, &q->port)) {
            log_guest(&d->odd, "%s: event channel %llu can't be bound", d->dev->backend,
                      (unsigned long long)remote);
            return false;
        }
    }
    return true;
}

/* ---- the connection ---- */

static void pv_blk_disconnect(void *backend) {
    struct pv_blk *d = backend;
    struct pv *pv = d->dev->pv;
    for (unsigned i = 0; i < d->queue_count; i++)
        if (d->queues[i].requests)
            queue_close(&d->queues[i], !d->dev->abandoned);
    for (unsigned i = 0; i < d->queue_count; i++)
        pv->ops->unbind(pv, &d->queues[i].port);
    for (unsigned i = 0; i < d->queue_count; i++)
        if (d->queues[i].ring)
            pv->ops->unmap(pv, d->queues[i].ring, d->queues[i].ring_pages);
    pages_forget(d);
    mem_free(d->queues);
    d->queues = NULL;
    d->queue_count = 0;
}

/*
 * Past the page cache only where the administrator says that it is safe, and where no request is
 * smaller than what the storage takes.
 */
static void choose_sector(struct pv_blk *d) {
    bool large = xenbus_frontend_number(d->dev, "feature-large-sector-size", 0) == 1;
    unsigned before = d->sector;
    d->sector = large ? image_sector(d) : BLKIF_SECTOR;
    if (d->sector != before)
        write_size(d);
    if (d->direct && d->block)
        d->board->set_direct(d->block, d->sector >= image_sector(d));
}

static bool pv_blk_connect(void *backend) {
    struct pv_blk *d = backend;
    struct pv *pv = d->dev->pv;
    uint64_t queues = xenbus_frontend_number(d->dev, "multi-queue-num-queues", 1);
    if (!queues || queues > QUEUES_MAX) {
        log_guest(&d->odd, "%s: %llu queues: at most %d were offered", d->dev->backend,
                  (unsigned long long)queues, QUEUES_MAX);
        return false;
    }
    if (!choose_abi(d))
        return false;
    choose_sector(d);
    d->persistent = xenbus_frontend_number(d->dev, "feature-persistent", 0) == 1;
    d->copies = !d->persistent && pv->ops->copy(pv, NULL, 0);
    if (d->persistent) {
        d->grants = mem_new(GRANT_SLOTS * sizeof(*d->grants));
        d->runs = mem_new(GRANTS_MAX * sizeof(*d->runs));
    }
    d->queue_count = (unsigned)queues;
    d->queues = mem_new(d->queue_count * sizeof(*d->queues));
    if (!connect_rings(d)) {
        pv_blk_disconnect(d);
        return false;
    }
    for (unsigned i = 0; i < d->queue_count; i++)
        queue_serve(&d->queues[i]);
    return true;
}

/* ---- the image ---- */

static void resized(void *arg) {
    struct pv_blk *d = arg;
    write_size(d);
    xenbus_tell(d->dev);
}

static void put_image(struct pv_blk *d) {
    if (!d->block)
        return;
    block_unwatch(d->block, &d->watch);
    block_put(d->block);
    d->block = NULL;
}

enum params { PARAMS_NONE, PARAMS_EMPTY, PARAMS_IMAGE };

/*
 * "format:path". While the toolstack changes a medium the node is empty or a path alone for some
 * time; an empty drive's is "aio:" or nothing.
 */
static enum params split_params(char *params, const char **path) {
    char *colon = strchr(params, ':');
    if (!*params || (colon && !colon[1]))
        return PARAMS_EMPTY;
    if (!colon || memchr(params, '/', (size_t)(colon - params)))
        return PARAMS_NONE;
    *colon = 0;
    *path = colon + 1;
    return PARAMS_IMAGE;
}

static void take_image(struct pv_blk *d, const char *format, const char *path, bool read_only) {
    const struct pv_blk_board *board = d->board;
    d->block = board->open(board->board, strcmp(format, "aio") ? format : "raw", path, read_only);
    if (d->block)
        block_watch(d->block, &d->watch);
}

/* The drive's nodes have changed: perhaps its medium. */
static void pv_blk_changed(void *backend) {
    struct pv_blk *d = backend;
    char params[PARAMS_MAX], split[PARAMS_MAX];
    const char *path;
    if (!d->cdrom || !xenbus_read(d->dev, "params", params, sizeof(params)) ||
        !strcmp(params, d->params))
        return;
    strcpy(split, params);
    enum params kind = split_params(split, &path);
    if (kind == PARAMS_NONE)
        return;
    strcpy(d->params, params);
    for (unsigned i = 0; i < d->queue_count; i++)
        queue_drain(&d->queues[i]);
    put_image(d);
    if (kind == PARAMS_IMAGE)
        take_image(d, split, path, true);
    write_size(d);
    xenbus_tell(d->dev);
}

/* ---- the device ---- */

static void *pv_blk_init(struct xenbus_device *dev, void *owner) {
    const struct pv_blk_board *board = owner;
    char params[PARAMS_MAX], mode[8], type[16];
    if (!xenbus_read(dev, "params", params, sizeof(params)) ||
        !xenbus_read(dev, "mode", mode, sizeof(mode)) ||
        !xenbus_read(dev, "device-type", type, sizeof(type)))
        return NULL;
    struct pv_blk *d = mem_new(sizeof(*d));
    *d = (struct pv_blk){.dev = dev, .board = board, .watch = {.resized = resized, .arg = d}};
    d->cdrom = !strcmp(type, "cdrom");
    d->direct = xenbus_read_number(dev, "direct-io-safe", 0) == 1;
    d->sector = BLKIF_SECTOR;
    strcpy(d->params, params);
    const char *path;
    enum params kind = split_params(params, &path);
    if (kind == PARAMS_IMAGE)
        take_image(d, params, path, d->cdrom || mode[0] != 'w');
    if (!d->block && !(d->cdrom && kind == PARAMS_EMPTY)) {
        mem_free(d);
        return NULL;
    }
    d->discard = d->block && !d->block->read_only &&
                 xenbus_read_number(dev, "discard-enable", 1) == 1;
    write_features(d);
    return d;
}

static void pv_blk_free(void *backend) {
    struct pv_blk *d = backend;
    put_image(d);
    mem_free(d);
}

const struct xenbus_type pv_blk_type = {
    .name = "qdisk", .init = pv_blk_init, .connect = pv_blk_connect,
    .disconnect = pv_blk_disconnect, .changed = pv_blk_changed, .free = pv_blk_free};
