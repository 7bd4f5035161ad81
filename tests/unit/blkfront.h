/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's frontend, its toolstack and the board around one PV disk, for the test_pv_blk*.c,
 * each of which is a program of its own. xen/io/blkif.h has the layouts and the order of the
 * handshake, xen/io/xenbus.h the states.
 */
#ifndef UNIT_BLKFRONT_H
#define UNIT_BLKFRONT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/log.h"
#include "fixture.h"
#include "fixture_hv.h"
#include "loop.h"
#include "pv/blk.h"
#include "pv/blkif.h"
#include "pv/shared_ring.h"

#define BE "backend/qdisk/1/51712"
#define FE "/local/domain/1/device/vbd/51712"

enum { RING = 1, RING_SPREAD = 20, DATA = 100, TABLE = 90, DISK = 1 << 20, ID = 0x1234 };

#pragma GCC diagnostic ignored "-Wunused-function"

static struct fixture fx;
static struct fixture_hv hv;
static struct loop *loop;
static struct block *disk, *other;
static struct xenbus *bus;
static struct pv_blk_board board;
static unsigned opened, lines;
static bool went_direct;

/* The frontend's side of its rings. */
static const struct blkif_abi *abi;
static unsigned order, slots, ring_page;
static uint32_t prod[4], cons[4];

/* ---- the board ---- */

static struct block *open_disk(void *unused, const char *format, const char *path,
                               bool read_only) {
    (void)unused;
    (void)read_only;
    assert_string_equal(format, "raw");
    opened++;
    if (!strcmp(path, "/other"))
        return block_get(other);
    if (!strcmp(path, "/broken"))
        return NULL;
    assert_string_equal(path, "/disk:with:colons");
    return block_get(disk);
}

static void set_direct(struct block *block, bool direct) {
    assert_ptr_equal(block, disk);
    went_direct = direct;
}

/* Until nothing changes any more. */
static void settle(void) {
    for (bool again = true; again;) {
        again = fixture_io(&fx) > 0;
        loop_once(loop, NULL, 0);
        again = fixture_hv_watches(&hv) > 0 || again;
    }
    loop_once(loop, NULL, 0);
}

static void put(const char *path, const char *val) {
    fixture_hv_put(&hv, path, val);
}

static const char *got(const char *path) {
    return fixture_hv_get(&hv, path);
}

static void count_line(enum log_level level, const char *line) {
    (void)level;
    (void)line;
    lines++;
}

/* ---- the frontend ---- */

/* The ring's pages lie side by side in the guest. */
static uint8_t *ring(unsigned q) {
    return hv.pages[ring_page + RING_SPREAD * q];
}

static uint32_t *word(unsigned q, unsigned off) {
    return (uint32_t *)(void *)(ring(q) + off);
}

static uint8_t *slot_of(unsigned q, uint32_t index) {
    return ring(q) + RING_SLOTS + (index & (slots - 1)) * abi->slot;
}

static uint8_t *next_slot_of(unsigned q) {
    uint8_t *s = slot_of(q, prod[q]++);
    memset(s, 0, abi->slot);
    return s;
}

static void request_on(unsigned q, uint8_t op, uint64_t sector, unsigned n, uint32_t ref) {
    uint8_t *s = next_slot_of(q);
    s[0] = op;
    s[1] = (uint8_t)n;
    store_le64(s + abi->id, ID);
    store_le64(s + abi->sector, sector);
    for (unsigned i = 0; i < MIN(n, (unsigned)BLKIF_SEGMENTS); i++) {
        store_le32(s + abi->segments + 8 * i, ref + i);
        s[abi->segments + 8 * i + 4] = 0;
        s[abi->segments + 8 * i + 5] = 7;
    }
}

static void request(uint8_t op, uint64_t sector, unsigned n, uint32_t ref) {
    request_on(0, op, sector, n, ref);
}

static void indirect(uint8_t op, uint64_t sector, unsigned n, uint32_t ref, uint32_t table) {
    for (unsigned i = 0; i < MIN(n, 512u); i++) {
        store_le32(hv.pages[table] + 8 * i, ref + i);
        hv.pages[table][8 * i + 4] = 0;
        hv.pages[table][8 * i + 5] = 7;
    }
    uint8_t *s = next_slot_of(0);
    s[0] = BLKIF_INDIRECT;
    s[abi->indirect_op] = op;
    store_le16(s + abi->indirect_count, (uint16_t)n);
    store_le64(s + abi->indirect_id, ID);
    store_le64(s + abi->indirect_sector, sector);
    store_le32(s + abi->indirect_refs, table);
}

static void push(unsigned q) {
    *word(q, RING_REQ_PROD) = prod[q];
    fixture_hv_event(&hv, FHV_PORT + q);
}

static void kick(void) {
    push(0);
    settle();
}

static int status_of(unsigned q) {
    assert_int_not_equal(*word(q, RING_RSP_PROD), cons[q]);
    const uint8_t *s = slot_of(q, cons[q]++);
    assert_int_equal(load_le64(s), ID);
    return (int16_t)load_le16(s + 10);
}

static int status(void) {
    return status_of(0);
}

static bool answered(void) {
    return *word(0, RING_RSP_PROD) != cons[0];
}

static int whole(uint8_t op, uint64_t sector, unsigned n, uint32_t ref) {
    request(op, sector, n, ref);
    kick();
    return status();
}

/* ---- the toolstack and the handshake ---- */

static void node_number(const char *node, unsigned val) {
    char path[128], text[16];
    snprintf(path, sizeof(path), FE "/%s", node);
    snprintf(text, sizeof(text), "%u", val);
    put(path, text);
}

static void toolstack_makes(const char *type, const char *mode, const char *params) {
    put(BE "/frontend", FE);
    put(BE "/online", "1");
    put(BE "/mode", mode);
    put(BE "/device-type", type);
    put(BE "/discard-enable", "1");
    put(BE "/params", params);
    put(FE "/state", "1");
    put(BE "/state", "1");
    settle();
}

static void toolstack_makes_it(const char *mode) {
    toolstack_makes("disk", mode, "aio:/disk:with:colons");
}

static void write_queue(unsigned q, const char *folder, unsigned page) {
    char node[64];
    for (unsigned i = 0; i < 1u << order; i++) {
        snprintf(node, sizeof(node), order ? "%sring-ref%u" : "%sring-ref", folder, i);
        node_number(node, page + i);
    }
    snprintf(node, sizeof(node), "%sevent-channel", folder);
    node_number(node, FHV_PORT + q);
    memset(ring(q), 0, PV_PAGE << order);
    *word(q, RING_REQ_EVENT) = *word(q, RING_RSP_EVENT) = 1;
    prod[q] = cons[q] = 0;
}

static void frontend_offers(unsigned queues, bool persistent) {
    slots = 1;
    while (slots * 2 * abi->slot + RING_SLOTS <= (unsigned)PV_PAGE << order)
        slots *= 2;
    if (order)
        node_number("ring-page-order", order);
    if (queues > 1)
        node_number("multi-queue-num-queues", queues);
    for (unsigned q = 0; q < queues; q++) {
        char folder[16] = "";
        if (queues > 1)
            snprintf(folder, sizeof(folder), "queue-%u/", q);
        write_queue(q, folder, ring_page + RING_SPREAD * q);
    }
    put(FE "/protocol", abi == &blkif_32 ? "x86_32-abi" : "x86_64-abi");
    put(FE "/feature-persistent", persistent ? "1" : "0");
}

static void frontend_connects(bool persistent) {
    frontend_offers(1, persistent);
    put(FE "/state", "3");
    settle();
}

static void connected(bool persistent) {
    toolstack_makes_it("w");
    frontend_connects(persistent);
    assert_string_equal(got(BE "/state"), "4");
}

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    fixture_hv_init(&hv);
    loop = loop_new();
    disk = fixture_block(&fx, DISK, false);
    other = fixture_block(&fx, DISK / 2, true);
    memset(fixture_bytes(other), 0xcd, DISK / 2);
    abi = &blkif_64;
    order = opened = lines = 0;
    ring_page = RING;
    went_direct = false;
    board = (struct pv_blk_board){.loop = loop, .open = open_disk, .set_direct = set_direct};
    bus = xenbus_new(&hv.pv, &pv_blk_type, &board);
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    log_to(NULL, LOG_LEVEL_INFO);
    xenbus_free(bus);
    fixture_hv_done(&hv);
    loop_free(loop);
    fixture_done(&fx);
    return 0;
}

/* ---- what several begin with ---- */

static void moves_data(bool persistent) {
    connected(persistent);
    memset(hv.pages[DATA], 0xa5, PV_PAGE);
    memset(hv.pages[DATA + 1], 0x5a, PV_PAGE);
    assert_int_equal(whole(BLKIF_WRITE, 8, 2, DATA), BLKIF_OKAY);
    assert_int_equal(fixture_bytes(disk)[4096], 0xa5);
    assert_int_equal(fixture_bytes(disk)[8192 + 4095], 0x5a);
    assert_int_equal(fixture_bytes(disk)[4095], 0);
    assert_int_equal(whole(BLKIF_READ, 16, 1, DATA + 2), BLKIF_OKAY);
    assert_int_equal(hv.pages[DATA + 2][0], 0x5a);
    assert_int_equal(hv.pages[DATA + 2][4095], 0x5a);
    assert_int_equal(whole(BLKIF_FLUSH, 0, 0, 0), BLKIF_OKAY);
    /* one sector of a page */
    request(BLKIF_READ, 15, 1, DATA + 3);
    uint8_t *segment = slot_of(0, prod[0] - 1) + abi->segments;
    segment[4] = segment[5] = 6;
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(hv.pages[DATA + 3][6 * 512], 0xa5);
    assert_int_equal(hv.pages[DATA + 3][7 * 512], 0);
    assert_int_equal(hv.pages[DATA + 3][5 * 512], 0);
    assert_int_equal(hv.mapped, persistent ? 5 : 1); /* the ring, and what is kept */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
