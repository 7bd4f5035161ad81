/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's PV disk driver that does anything: states and nodes in any order, rings of garbage,
 * grants that come and go, next to requests that are right, so that the backend gets past the
 * handshake.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "fixture.h"
#include "fixture_hv.h"
#include "loop.h"
#include "pv/blk.h"
#include "pv/blkif.h"
#include "pv/shared_ring.h"

#define BE "backend/qdisk/1/51712"
#define FE "/local/domain/1/device/vbd/51712"

enum { RING = 1, RING_SPREAD = 16, DATA = 100, DISK = 1 << 20 };

struct play {
    struct fixture fx;
    struct fixture_hv hv;
    struct loop *loop;
    struct block *disk, *medium;
    struct pv_blk_board board;
    const struct blkif_abi *abi;
    uint32_t prod[4];
    const uint8_t *at, *end;
};

static uint8_t next(struct play *p) {
    return p->at < p->end ? *p->at++ : 0;
}

static struct block *open_image(void *board, const char *format, const char *path,
                                bool read_only) {
    struct play *p = board;
    (void)format;
    (void)read_only;
    return !strcmp(path, "/disk") ? block_get(p->disk)
           : !strcmp(path, "/cd") ? block_get(p->medium)
                                  : NULL;
}

static void set_direct(struct block *block, bool direct) {
    (void)block;
    (void)direct;
}

static void settle(struct play *p) {
    for (unsigned i = 0; i < 64; i++) {
        unsigned n = fixture_io(&p->fx);
        loop_once(p->loop, NULL, 0);
        if (!(n + fixture_hv_watches(&p->hv)))
            break;
    }
}

static const char *pick(struct play *p, const char *const *from, size_t n) {
    return from[next(p) % n];
}

static void frontend_node(struct play *p) {
    static const char *const nodes[] = {
        FE "/state", FE "/ring-ref", FE "/ring-ref0", FE "/ring-ref1", FE "/event-channel",
        FE "/protocol", FE "/feature-persistent", FE "/ring-page-order", FE "/num-ring-pages",
        FE "/multi-queue-num-queues", FE "/queue-0/ring-ref", FE "/queue-1/ring-ref",
        FE "/queue-0/event-channel", FE "/queue-1/event-channel", FE "/feature-large-sector-size",
    };
    static const char *const vals[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "17",
                                       "600", "x", "", "18446744073709551615", "x86_32-abi",
                                       "x86_64-abi", "-1"};
    const char *node = pick(p, nodes, ARRAY_LEN(nodes));
    fixture_hv_put(&p->hv, node, pick(p, vals, ARRAY_LEN(vals)));
}

static void backend_node(struct play *p) {
    static const char *const nodes[] = {BE "/state", BE "/online", BE "/params"};
    static const char *const vals[] = {"1", "5", "6", "0", "aio:", "aio:/disk", "aio:/cd", "/cd",
                                       "", "qcow2:/none"};
    const char *node = pick(p, nodes, ARRAY_LEN(nodes));
    fixture_hv_put(&p->hv, node, pick(p, vals, ARRAY_LEN(vals)));
}

static void vanish(struct play *p) {
    static const char *const nodes[] = {BE, FE, BE "/state", FE "/state", BE "/params",
                                        FE "/ring-ref", BE "/frontend"};
    fixture_hv_remove(&p->hv, pick(p, nodes, ARRAY_LEN(nodes)));
}

static void toolstack(struct play *p) {
    uint8_t how = next(p);
    fixture_hv_put(&p->hv, BE "/frontend", FE);
    fixture_hv_put(&p->hv, BE "/online", "1");
    fixture_hv_put(&p->hv, BE "/mode", how & 1 ? "r" : "w");
    fixture_hv_put(&p->hv, BE "/device-type", how & 2 ? "cdrom" : "disk");
    fixture_hv_put(&p->hv, BE "/direct-io-safe", how & 4 ? "1" : "0");
    fixture_hv_put(&p->hv, BE "/params", how & 8 ? "aio:" : "aio:/disk");
    fixture_hv_put(&p->hv, FE "/state", "1");
    fixture_hv_put(&p->hv, BE "/state", "1");
    settle(p);
}

static void handshake(struct play *p) {
    uint8_t how = next(p);
    unsigned queues = how & 8 ? 2 : 1;
    p->abi = how & 1 ? &blkif_32 : &blkif_64;
    p->hv.can_copy = how & 4;
    p->disk->sector = how & 16 ? 4096 : 512;
    fixture_hv_put(&p->hv, FE "/protocol", how & 1 ? "x86_32-abi" : "x86_64-abi");
    fixture_hv_put(&p->hv, FE "/feature-persistent", how & 2 ? "1" : "0");
    fixture_hv_put(&p->hv, FE "/feature-large-sector-size", how & 16 ? "1" : "0");
    fixture_hv_put(&p->hv, FE "/multi-queue-num-queues", queues > 1 ? "2" : "1");
    for (unsigned q = 0; q < queues; q++) {
        char path[80], val[16], folder[16] = "";
        if (queues > 1)
            snprintf(folder, sizeof(folder), "queue-%u/", q);
        snprintf(path, sizeof(path), FE "/%sring-ref", folder);
        snprintf(val, sizeof(val), "%u", RING + q * RING_SPREAD);
        fixture_hv_put(&p->hv, path, val);
        snprintf(path, sizeof(path), FE "/%sevent-channel", folder);
        snprintf(val, sizeof(val), "%u", FHV_PORT + q);
        fixture_hv_put(&p->hv, path, val);
        memset(p->hv.pages[RING + q * RING_SPREAD], 0, 64);
        p->prod[q] = 0;
    }
    fixture_hv_put(&p->hv, FE "/state", "3");
    settle(p);
}

static uint8_t *ring(struct play *p, unsigned q) {
    return p->hv.pages[RING + q * RING_SPREAD];
}

/* Right but for what the input changes. */
static void request(struct play *p) {
    uint8_t op = next(p), n = next(p), sector = next(p), ref = next(p), span = next(p);
    unsigned q = op >> 7;
    uint8_t *s = ring(p, q) + RING_SLOTS + (p->prod[q]++ & 31) * p->abi->slot;
    memset(s, 0, p->abi->slot);
    s[0] = op & 7;
    s[1] = n;
    store_le64(s + p->abi->id, p->prod[q]);
    store_le64(s + p->abi->sector, (uint64_t)sector << (op >> 3 & 7) * 8);
    for (unsigned i = 0; i < BLKIF_SEGMENTS; i++) {
        store_le32(s + p->abi->segments + 8 * i, DATA + ref + i);
        s[p->abi->segments + 8 * i + 4] = span & 7;
        s[p->abi->segments + 8 * i + 5] = span >> 4;
    }
    if (s[0] == BLKIF_INDIRECT) {
        s[p->abi->indirect_op] = n & 3;
        store_le16(s + p->abi->indirect_count, (uint16_t)(n * 2));
        store_le64(s + p->abi->indirect_sector, sector);
        store_le32(s + p->abi->indirect_refs, DATA + ref);
    }
    if (s[0] == BLKIF_DISCARD)
        store_le64(s + p->abi->discard, span);
}

static void push(struct play *p) {
    uint8_t how = next(p);
    unsigned q = how & 1;
    if (how & 2)
        p->prod[q] += (uint32_t)next(p) << (how >> 3);
    store_le32(ring(p, q) + RING_REQ_PROD, p->prod[q]);
    fixture_hv_event(&p->hv, FHV_PORT + q);
    if (how & 4)
        settle(p);
}

/* Any bytes into any page: rings, tables of segments, data. */
static void scribble(struct play *p) {
    unsigned page = next(p) + next(p), at = next(p) * 16u, n = next(p) % 64u;
    for (unsigned i = 0; i < n; i++)
        p->hv.pages[page % FHV_PAGES][(at + i) % PV_PAGE] = next(p);
}

static void step(struct play *p) {
    char why[64];
    uint8_t page;
    switch (next(p) % 14) {
    case 0: toolstack(p); break;
    case 1: handshake(p); break;
    case 2: case 3: case 4: request(p); break;
    case 5: case 6: push(p); break;
    case 7: frontend_node(p); break;
    case 8: backend_node(p); break;
    case 9: scribble(p); break;
    case 10:
        page = next(p);
        p->hv.revoked[page] = !p->hv.revoked[page];
        break;
    case 11: vanish(p); break;
    case 12: fixture_fail(p->disk, EIO, next(p) % 4u); break;
    case 13:
        block_drain(p->disk); /* the fixture's disk has no bytes past its end */
        block_resize(p->disk, 512u * (1 + next(p) * 16u), why, sizeof(why));
        break;
    }
    if (next(p) & 1)
        settle(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static struct play p;
    memset(&p, 0, sizeof(p));
    p.at = bytes;
    p.end = bytes + len;
    p.abi = &blkif_64;
    fixture_init(&p.fx);
    fixture_hv_init(&p.hv);
    p.loop = loop_new();
    p.disk = fixture_block(&p.fx, DISK, false);
    p.medium = fixture_block(&p.fx, DISK / 4, true);
    p.board = (struct pv_blk_board){.loop = p.loop, .open = open_image, .set_direct = set_direct,
                                    .board = &p};
    struct xenbus *bus = xenbus_new(&p.hv.pv, &pv_blk_type, &p.board);
    settle(&p);
    while (p.at < p.end)
        step(&p);
    xenbus_free(bus);
    fixture_hv_done(&p.hv);
    loop_free(p.loop);
    fixture_done(&p.fx);
    return 0;
}
