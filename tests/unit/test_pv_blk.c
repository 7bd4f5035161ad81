/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV disk as a frontend meets it: nodes in a store, granted pages, a ring. xen/io/blkif.h has
 * the layouts and the order of the handshake, xen/io/xenbus.h the states.
 */
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
#include "fixture.h"
#include "loop.h"
#include "pv/blk.h"
#include "pv/blkif.h"

#define BE "backend/qdisk/1/51712"
#define FE "/local/domain/1/device/vbd/51712"

enum { NODES = 64, WATCHES = 8, PAGES = 64, RING_REF = 1, DISK = 1 << 20 };

/* ---- a store, grants and channels in memory ---- */

static struct node {
    char path[96], val[96];
} nodes[NODES];
static struct {
    struct pv_watch *watch;
    char path[96];
    bool fire;
} watches[WATCHES];
static _Alignas(4096) uint8_t pages[PAGES][PV_PAGE];
static unsigned maps, notified;
static bool revoked[PAGES];
static struct pv_port *bound;

static struct node *node(const char *path) {
    for (unsigned i = 0; i < NODES; i++)
        if (!strcmp(nodes[i].path, path))
            return &nodes[i];
    return NULL;
}

static void touched(const char *path) {
    for (unsigned i = 0; i < WATCHES; i++)
        if (watches[i].watch && !strncmp(watches[i].path, path, strlen(watches[i].path)))
            watches[i].fire = true;
}

static bool store_read(struct pv *pv, const char *path, char *val, size_t len) {
    (void)pv;
    struct node *n = node(path);
    if (!n || strlen(n->val) >= len)
        return false;
    strcpy(val, n->val);
    return true;
}

static bool store_write(struct pv *pv, const char *path, const char *val) {
    (void)pv;
    struct node *n = node(path);
    if (!n)
        n = node("");
    assert_non_null(n);
    snprintf(n->path, sizeof(n->path), "%s", path);
    snprintf(n->val, sizeof(n->val), "%s", val);
    touched(path);
    return true;
}

static void toolstack_removes(const char *path) {
    for (unsigned i = 0; i < NODES; i++)
        if (!strncmp(nodes[i].path, path, strlen(path)))
            nodes[i] = (struct node){0};
    touched(path);
}

static void store_list(struct pv *pv, const char *path, void (*each)(void *, const char *),
                       void *arg) {
    (void)pv;
    (void)path;
    if (node(BE "/state"))
        each(arg, "51712");
}

static bool store_watch(struct pv *pv, struct pv_watch *watch, const char *path) {
    (void)pv;
    for (unsigned i = 0; i < WATCHES; i++)
        if (!watches[i].watch) {
            watches[i].watch = watch;
            watches[i].fire = true;
            snprintf(watches[i].path, sizeof(watches[i].path), "%s", path);
            return true;
        }
    return false;
}

static void store_unwatch(struct pv *pv, struct pv_watch *watch) {
    (void)pv;
    for (unsigned i = 0; i < WATCHES; i++)
        if (watches[i].watch == watch)
            watches[i].watch = NULL;
}

/* Grants that follow each other lie side by side here, as the mapping demands. */
static void *map(struct pv *pv, const uint32_t *refs, unsigned n, bool write) {
    (void)pv;
    (void)write;
    for (unsigned i = 0; i < n; i++)
        if (refs[i] >= PAGES || refs[i] != refs[0] + i || revoked[refs[i]])
            return NULL;
    maps += n;
    return pages[refs[0]];
}

static void unmap(struct pv *pv, void *at, unsigned n) {
    (void)pv;
    (void)at;
    maps -= n;
}

static bool bind_port(struct pv *pv, uint32_t remote, struct pv_port *port) {
    (void)pv;
    if (remote != 7)
        return false;
    bound = port;
    return true;
}

static void unbind(struct pv *pv, struct pv_port *port) {
    (void)pv;
    if (bound == port)
        bound = NULL;
}

static void notify(struct pv *pv, struct pv_port *port) {
    (void)pv;
    (void)port;
    notified++;
}

static const struct pv_ops ops = {store_read, store_write, store_list, store_watch,
                                  store_unwatch, map, unmap, NULL, NULL, NULL, bind_port, unbind,
                                  notify};
static struct pv pv = {&ops, 1};

/* ---- the board and the frontend ---- */

static struct fixture fx;
static struct loop *loop;
static struct block *disk;
static struct xenbus *bus;
static struct pv_blk_board board;
static uint32_t prod, cons;

static struct block *open_disk(void *unused, const char *format, const char *path,
                               bool read_only) {
    (void)unused;
    (void)read_only;
    assert_string_equal(format, "raw");
    assert_string_equal(path, "/disk:with:colons");
    return block_get(disk);
}

/* Until nothing changes any more. */
static void settle(void) {
    for (bool again = true; again;) {
        again = fixture_io(&fx) > 0;
        loop_once(loop, NULL, 0);
        for (unsigned i = 0; i < WATCHES; i++)
            if (watches[i].watch && watches[i].fire) {
                watches[i].fire = false;
                watches[i].watch->changed(watches[i].watch->arg);
                again = true;
            }
    }
}

static void put(const char *path, const char *val) {
    store_write(&pv, path, val);
}

static const char *got(const char *path) {
    struct node *n = node(path);
    return n ? n->val : "(absent)";
}

static uint32_t *word(unsigned off) {
    return (uint32_t *)(void *)(pages[RING_REF] + off);
}

static uint8_t *next_slot(void) {
    uint8_t *s = pages[RING_REF] + RING_SLOTS + (prod++ & 31) * blkif_64.slot;
    memset(s, 0, blkif_64.slot);
    return s;
}

static void request(uint8_t op, uint64_t sector, unsigned n, uint32_t ref) {
    uint8_t *s = next_slot();
    s[0] = op;
    s[1] = (uint8_t)n;
    store_le64(s + blkif_64.id, 0x1234);
    store_le64(s + blkif_64.sector, sector);
    for (unsigned i = 0; i < n; i++) {
        store_le32(s + blkif_64.segments + 8 * i, ref + i);
        s[blkif_64.segments + 8 * i + 4] = 0;
        s[blkif_64.segments + 8 * i + 5] = 7;
    }
}

static void kick(void) {
    *word(RING_REQ_PROD) = prod;
    if (bound)
        bound->event(bound->arg);
    settle();
}

static int status(void) {
    assert_int_not_equal(*word(RING_RSP_PROD), cons);
    const uint8_t *s = pages[RING_REF] + RING_SLOTS + (cons++ & 31) * blkif_64.slot;
    assert_int_equal(load_le64(s), 0x1234);
    return (int16_t)load_le16(s + 10);
}

static void toolstack_makes_it(const char *mode) {
    put(BE "/frontend", FE);
    put(BE "/online", "1");
    put(BE "/mode", mode);
    put(BE "/device-type", "disk");
    put(BE "/discard-enable", "1");
    put(BE "/params", "aio:/disk:with:colons");
    put(FE "/state", "1");
    put(BE "/state", "1");
    settle();
}

static void frontend_connects(bool persistent) {
    memset(pages[RING_REF], 0, PV_PAGE);
    *word(RING_REQ_EVENT) = *word(RING_RSP_EVENT) = 1;
    prod = cons = 0;
    put(FE "/ring-ref", "1");
    put(FE "/event-channel", "7");
    put(FE "/protocol", "x86_64-abi");
    put(FE "/feature-persistent", persistent ? "1" : "0");
    put(FE "/state", "3");
    settle();
}

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    loop = loop_new();
    disk = fixture_block(&fx, DISK, false);
    memset(nodes, 0, sizeof(nodes));
    memset(watches, 0, sizeof(watches));
    memset(pages, 0, sizeof(pages));
    memset(revoked, 0, sizeof(revoked));
    maps = notified = 0;
    board = (struct pv_blk_board){.loop = loop, .open = open_disk};
    bus = xenbus_new(&pv, &pv_blk_type, &board);
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    xenbus_free(bus);
    assert_int_equal(maps, 0);
    assert_null(bound);
    loop_free(loop);
    fixture_done(&fx);
    return 0;
}

static void features_before_init_wait(void **unused) {
    (void)unused;
    toolstack_makes_it("w");
    assert_string_equal(got(BE "/state"), "2");
    assert_string_equal(got(BE "/hotplug-status"), "connected");
    assert_string_equal(got(BE "/sectors"), "2048");
    assert_string_equal(got(BE "/sector-size"), "512");
    assert_string_equal(got(BE "/info"), "0");
    assert_string_equal(got(BE "/feature-flush-cache"), "1");
    assert_string_equal(got(BE "/feature-discard"), "1");
}

static void an_empty_drive_waits_for_its_medium(void **unused) {
    (void)unused;
    put(BE "/frontend", FE);
    put(BE "/online", "1");
    put(BE "/mode", "r");
    put(BE "/device-type", "cdrom");
    put(BE "/params", "aio:");
    put(FE "/state", "1");
    put(BE "/state", "1");
    settle();
    assert_string_equal(got(BE "/state"), "1");
    put(BE "/params", "aio:/disk:with:colons");
    settle();
    assert_string_equal(got(BE "/state"), "2");
    assert_string_equal(got(BE "/info"), "5");
}

static void moves_data(bool persistent) {
    toolstack_makes_it("w");
    frontend_connects(persistent);
    assert_string_equal(got(BE "/state"), "4");
    memset(pages[10], 0xa5, PV_PAGE);
    memset(pages[11], 0x5a, PV_PAGE);
    request(BLKIF_WRITE, 8, 2, 10);
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(fixture_bytes(disk)[4096], 0xa5);
    assert_int_equal(fixture_bytes(disk)[8192 + 4095], 0x5a);
    assert_int_equal(fixture_bytes(disk)[4095], 0);
    request(BLKIF_READ, 16, 1, 12);
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(pages[12][0], 0x5a);
    request(BLKIF_FLUSH, 0, 0, 0);
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(maps, persistent ? 4 : 1); /* the ring, and what is kept */
}

static void data_by_kept_grants(void **unused) {
    (void)unused;
    moves_data(true);
}

static void data_by_grants_of_a_request(void **unused) {
    (void)unused;
    moves_data(false);
}

/* blkif.h: FLUSH may carry data, which is written before the flush. */
static void flush_with_data(void **unused) {
    (void)unused;
    toolstack_makes_it("w");
    frontend_connects(false);
    memset(pages[10], 0x77, PV_PAGE);
    request(BLKIF_FLUSH, 0, 1, 10);
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(fixture_bytes(disk)[0], 0x77);
    assert_int_equal(disk->stats.flush_ops, 1);
}

static void indirect_segments(void **unused) {
    (void)unused;
    toolstack_makes_it("w");
    frontend_connects(true);
    for (unsigned i = 0; i < 20; i++) {
        memset(pages[20 + i], (int)(i + 1), PV_PAGE);
        store_le32(pages[15] + 8 * i, 20 + i);
        pages[15][8 * i + 4] = 0;
        pages[15][8 * i + 5] = 7;
    }
    uint8_t *s = next_slot();
    s[0] = BLKIF_INDIRECT;
    s[1] = BLKIF_WRITE;
    store_le16(s + 2, 20);
    store_le64(s + 8, 0x1234);
    store_le32(s + 28, 15);
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(fixture_bytes(disk)[19 * 4096], 20);
}

static void wrong_requests_are_errors(void **unused) {
    (void)unused;
    toolstack_makes_it("w");
    frontend_connects(false);
    request(BLKIF_READ, 0, 1, 10);
    pages[RING_REF][RING_SLOTS + blkif_64.segments + 4] = 5; /* first > last */
    pages[RING_REF][RING_SLOTS + blkif_64.segments + 5] = 4;
    request(BLKIF_READ, 0, 12, 10);    /* more than 11 segments */
    request(BLKIF_READ, 2047, 1, 10);  /* past the end */
    request(BLKIF_WRITE, UINT64_MAX, 1, 10);
    request(BLKIF_READ, 0, 1, 9999);   /* no such grant */
    revoked[30] = true;
    request(BLKIF_READ, 0, 1, 30);
    kick();
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(status(), BLKIF_ERROR);
    request(4, 0, 0, 0); /* reserved */
    kick();
    assert_int_equal(status(), BLKIF_NOT_SUPPORTED);
    request(BLKIF_READ, 0, 1, 10); /* and the disk goes on */
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
}

static void io_errors_reach_the_guest(void **unused) {
    (void)unused;
    toolstack_makes_it("w");
    frontend_connects(false);
    fixture_fail(disk, EIO, 1);
    request(BLKIF_READ, 0, 1, 10);
    kick();
    assert_int_equal(status(), BLKIF_ERROR);
}

static void a_jumping_index_stops_the_disk(void **unused) {
    (void)unused;
    toolstack_makes_it("w");
    frontend_connects(false);
    prod += 1000;
    kick();
    assert_int_equal(*word(RING_RSP_PROD), 0);
    put(FE "/state", "6");
    settle();
    assert_string_equal(got(BE "/state"), "6");
}

/* A guest that boots another kernel: Closed, then from the start. */
static void reconnects(void **unused) {
    (void)unused;
    moves_data(true);
    put(FE "/state", "5");
    settle();
    assert_string_equal(got(BE "/state"), "5");
    assert_int_equal(maps, 0);
    put(FE "/state", "6");
    settle();
    assert_string_equal(got(BE "/state"), "6");
    put(FE "/state", "1");
    settle();
    assert_string_equal(got(BE "/state"), "2");
    frontend_connects(true);
    assert_string_equal(got(BE "/state"), "4");
}

/* libxl: online 0 and Closing; the frontend closes; libxl reads Closed and removes the folders. */
static void block_detach(void **unused) {
    (void)unused;
    moves_data(false);
    put(BE "/online", "0");
    put(BE "/state", "5");
    settle();
    assert_string_equal(got(BE "/state"), "5");
    put(FE "/state", "6"); /* at once, as Linux does */
    settle();
    assert_string_equal(got(BE "/state"), "6");
    assert_int_equal(maps, 0);
    assert_int_equal(disk->users, 1); /* the fixture's */
    toolstack_removes(BE);
    toolstack_removes(FE);
    settle();
    toolstack_makes_it("w"); /* attached again under the same number */
    frontend_connects(false);
    assert_string_equal(got(BE "/state"), "4");
}

static void the_domain_vanishes(void **unused) {
    (void)unused;
    moves_data(true);
    toolstack_removes(BE);
    settle();
    assert_int_equal(maps, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(features_before_init_wait), T(an_empty_drive_waits_for_its_medium),
        T(data_by_kept_grants), T(data_by_grants_of_a_request), T(flush_with_data),
        T(indirect_segments), T(wrong_requests_are_errors), T(io_errors_reach_the_guest),
        T(a_jumping_index_stops_the_disk), T(reconnects), T(block_detach),
        T(the_domain_vanishes),
    };
    return cmocka_run_group_tests_name("pv_blk", tests, NULL, NULL);
}
