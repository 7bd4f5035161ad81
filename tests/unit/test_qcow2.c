/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 images made here byte by byte (QEMU's docs/interop/qcow2.txt): what is refused and how,
 * what happens to images that contradict themselves, how requests reach the file. What is not asked
 * here is asked by test_image_random and test_image_cut.
 */
#include "image_qcow2.h"

#include <errno.h>
#include <unistd.h>

/* Clusters of 4 KiB: header, L1, refcount table, refcount block, one L2 table, data from 5 on. */
enum { CB = 12, CLUSTER = 1 << CB, L1 = CLUSTER, REFTABLE = 2 * CLUSTER, BLOCK = 3 * CLUSTER,
       L2 = 4 * CLUSTER, DATA = 5 * CLUSTER, DISK = 1 << 20, FILE_SIZE = 8 * CLUSTER,
       MAX_FILE = 4 << 20 };

#define MADE_NAME "x.qcow2"
#define MADE_OPEN qcow2_open
#define MADE_SIZE FILE_SIZE
#define MADE_MAX MAX_FILE
#include "made_image.h"

/* Guest clusters 0 and 1 are at DATA and after it, 2 has its place and reads as zeros. */
static int setup(void **unused) {
    (void)unused;
    made_setup("qcow2");
    store_be32(image, QCOW2_MAGIC);
    store_be32(image + 4, 3);
    store_be32(image + 20, CB);
    store_be64(image + 24, DISK);
    store_be32(image + 36, 1);
    store_be64(image + 40, L1);
    store_be64(image + 48, REFTABLE);
    store_be32(image + 56, 1);
    store_be32(image + 96, 4);
    store_be32(image + 100, 104);
    store_be64(image + L1, L2 | ENTRY_COPIED);
    store_be64(image + REFTABLE, BLOCK);
    for (unsigned i = 0; i < FILE_SIZE / CLUSTER; i++)
        store_be16(image + BLOCK + i * 2, 1);
    for (unsigned i = 0; i < 3; i++)
        store_be64(image + L2 + i * 8, (DATA + i * CLUSTER) | ENTRY_COPIED | (i == 2));
    memset(image + DATA, 0xa1, CLUSTER);
    memset(image + DATA + CLUSTER, 0xa2, CLUSTER);
    memset(image + DATA + 2 * CLUSTER, 0xa3, CLUSTER);
    return 0;
}

static uint64_t entry_of(unsigned cluster) {
    return load_be64(file->bytes + L2 + cluster * 8);
}

static unsigned refcount_of(unsigned cluster) {
    return load_be16(file->bytes + BLOCK + cluster * 2);
}

/* ---- what is refused ---- */

static void bad_headers(void **unused) {
    static const struct {
        unsigned at, size;
        uint64_t value;
        const char *sentence;
    } rows[] = {
        {0, 4, 0, "is no qcow2 image"},
        {4, 4, 1, "qcow version 1: expected 2 or 3"},
        {4, 4, 4, "qcow version 4"},
        {20, 4, 8, "cluster bits 8: expected 9 to 21"},
        {20, 4, 22, "cluster bits 22"},
        {20, 4, UINT32_MAX, "cluster bits 4294967295"},
        {24, 8, 0, "the disk's size 0"},
        {24, 8, UINT64_MAX, "the disk's size 18446744073709551615"},
        {24, 8, DISK * 1000, "L1 table entries 1: expected as many"},
        {32, 4, 2, "is encrypted"},
        {36, 4, UINT32_MAX, "L1 table entries 4294967295: expected at most"},
        {40, 8, 0, "L1 table offset 0"},
        {40, 8, L1 + 8, "L1 table offset 4104: expected a cluster boundary"},
        {40, 8, 1 << 30, "beyond the end of the file, which has 32768"},
        {36, 4, 4096, "L1 table offset 4096 and its 32768 bytes are beyond"},
        {48, 8, 1, "refcount table offset 1"},
        {48, 8, UINT64_MAX - 4095, "refcount table offset"},
        {56, 4, 0, "refcount table clusters 0"},
        {56, 4, 1 << 30, "refcount table clusters 1073741824"},
        {60, 4, 65537, "snapshots 65537"},
        {60, 4, 1, "snapshot table offset 0"},
        {72, 8, 4, "data_file"},
        {72, 8, 16, "extended_l2"},
        {72, 8, 1 << 20, "incompatible feature 'bit 20'"},
        {72, 8, 2, "is marked as corrupt"},
        {72, 8, 8, "compression type 0"},
        {96, 4, 7, "refcount order 7"},
        {100, 4, 72, "header length 72"},
        {100, 4, 1 << 20, "header length 1048576"},
    };
    uint8_t good[FILE_SIZE];
    memcpy(good, image, FILE_SIZE);
    (void)unused;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        memcpy(image, good, FILE_SIZE);
        if (rows[i].size == 4)
            store_be32(image + rows[i].at, (uint32_t)rows[i].value);
        else
            store_be64(image + rows[i].at, rows[i].value);
        refused(rows[i].sentence);
    }
}

static void features_have_names(void **unused) {
    (void)unused;
    store_be64(image + 72, 1 << 9);
    store_be32(image + 104, 0x6803f857);
    store_be32(image + 108, 96);
    image[112] = 1; /* a compatible one of the same bit */
    image[113] = 9;
    strcpy((char *)image + 114, "wrong");
    image[161] = 9;
    strcpy((char *)image + 162, "time travel");
    refused("incompatible feature 'time travel'");
}

static void bad_tables(void **unused) {
    (void)unused;
    store_be64(image + L1, (L2 + 512) | ENTRY_COPIED);
    refused("an L1 entry points at 16896");
    store_be64(image + L1, (1 << 30) | ENTRY_COPIED);
    refused("an L1 entry points at 1073741824");
    store_be64(image + L1, BLOCK | ENTRY_COPIED);
    refused("a refcount table entry points at 12288: expected one that nothing else uses");
    store_be64(image + L1, L1 | ENTRY_COPIED);
    refused("an L1 entry points at 4096");
}

static void corrupt_can_be_read(void **unused) {
    (void)unused;
    store_be64(image + 72, INCOMPAT_CORRUPT);
    options.read_only = true;
    struct block *block = open_image();
    reads(block, 0, 0xa1);
    assert_int_equal(writes(block, 0, 1, 512), EROFS);
    block_put(block);
}

/* Two bitmaps, "a" and "bitmap-b", whose directory is in guest cluster 2's place. */
enum { BITMAPS = 104, DIRECTORY = DATA + 2 * CLUSTER, SECOND = DIRECTORY + 32, DIRECTORY_LEN = 64 };

static void add_bitmaps(void) {
    static const struct {
        unsigned at, name_len;
        uint32_t flags;
    } entries[] = {{DIRECTORY, 1, 0}, {SECOND, 8, 2}}; /* 2: auto */
    store_be64(image + L2 + 2 * 8, 0);
    store_be64(image + 88, 1);
    store_be32(image + BITMAPS, 0x23852875);
    store_be32(image + BITMAPS + 4, 24);
    store_be32(image + BITMAPS + 8, 2);
    store_be64(image + BITMAPS + 16, DIRECTORY_LEN);
    store_be64(image + BITMAPS + 24, DIRECTORY);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *entry = image + entries[i].at;
        memset(entry, 0, 24);
        store_be32(entry + 12, entries[i].flags);
        entry[16] = 1; /* a dirty bitmap, with a bit for 64 KiB */
        entry[17] = 16;
        store_be16(entry + 18, (uint16_t)entries[i].name_len);
    }
}

static void bitmaps(void **unused) {
    (void)unused;
    add_bitmaps();
    options.read_only = true;
    struct block *block = open_image();
    assert_int_equal(load_be32(file->bytes + DIRECTORY + 12), 0);
    block_put(block);
    options.read_only = false;
    block = open_image();
    assert_int_equal(load_be64(file->bytes + 88), 1);
    assert_int_equal(load_be32(file->bytes + DIRECTORY + 12), 1); /* in use */
    assert_int_equal(load_be32(file->bytes + SECOND + 12), 3);
    assert_non_null(strstr(last_line, "2 bitmaps"));
    block_put(block);
}

static void given_up(void) {
    struct block *block = open_image();
    assert_int_equal(load_be64(file->bytes + 88), 0);
    assert_int_equal(load_be32(file->bytes + DIRECTORY + 12), 0);
    assert_non_null(strstr(last_line, "given up"));
    block_put(block);
}

/* Lists that lie: nothing is written into them. */
static void bad_bitmaps(void **unused) {
    static const struct {
        unsigned at, len;
        uint64_t value;
    } lies[] = {
        {BITMAPS + 4, 4, 16}, {BITMAPS + 8, 4, 0}, {BITMAPS + 8, 4, 3}, {BITMAPS + 8, 4, 1},
        {BITMAPS + 8, 4, 65536}, {BITMAPS + 16, 8, 63}, {BITMAPS + 16, 8, 1 << 20},
        {BITMAPS + 24, 8, DIRECTORY + 512}, {BITMAPS + 24, 8, L2}, {BITMAPS + 24, 8, 0},
        {BITMAPS + 24, 8, UINT64_MAX << 9}, {SECOND + 18, 2, 9}, {SECOND + 20, 4, UINT32_MAX},
    };
    for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
        teardown(unused);
        setup(unused);
        add_bitmaps();
        if (lies[i].len == 2)
            store_be16(image + lies[i].at, (uint16_t)lies[i].value);
        else if (lies[i].len == 4)
            store_be32(image + lies[i].at, (uint32_t)lies[i].value);
        else
            store_be64(image + lies[i].at, lies[i].value);
        given_up();
    }
    teardown(unused);
    setup(unused);
    add_bitmaps();
    store_be64(image + 72, INCOMPAT_DIRTY); /* refcounts anew leave them none */
    struct block *block = open_image();
    assert_int_equal(load_be64(file->bytes + 88), 0);
    block_put(block);
}

static void autoclear_bits(void **unused) {
    (void)unused;
    store_be64(image + 88, 6); /* an external file's, and one of the future */
    options.read_only = true;
    struct block *block = open_image();
    assert_int_equal(load_be64(file->bytes + 88), 6);
    block_put(block);
    options.read_only = false;
    block = open_image();
    assert_int_equal(load_be64(file->bytes + 88), 0);
    block_put(block);
}

/* ---- images that contradict themselves ---- */

static void entries_past_the_end(void **unused) {
    (void)unused;
    store_be64(image + L2, (UINT64_C(1) << 40) | ENTRY_COPIED);
    struct block *block = open_image();
    uint8_t buf[512];
    assert_int_equal(request(block, BLOCK_READ, 0, buf, 512), EIO);
    assert_non_null(strstr(last_line, "'x.qcow2' is corrupt: an L2 entry points at 0x10000000000"));
    reads(block, CLUSTER, 0xa2);
    assert_int_equal(writes(block, 0, 1, 512), EIO);
    assert_int_equal(writes(block, CLUSTER, 1, 512), EIO); /* from now on nothing is written */
    assert_memory_equal(file->bytes, image, FILE_SIZE);
    block_put(block);
}

static void data_on_a_table(void **unused) {
    static const unsigned tables[] = {0, L1, REFTABLE, BLOCK, L2};
    (void)unused;
    for (unsigned i = 0; i < ARRAY_LEN(tables); i++) {
        store_be64(image + L2, tables[i] | ENTRY_COPIED | (tables[i] ? 0 : 512));
        struct block *block = open_image();
        assert_int_equal(writes(block, 0, 1, 512), EIO);
        assert_memory_equal(file->bytes, image, FILE_SIZE);
        block_put(block);
    }
}

static void tables_counted_as_free(void **unused) {
    (void)unused;
    store_be16(image + BLOCK + 2 * 4, 0); /* the L2 table's */
    struct block *block = open_image();
    assert_int_equal(writes(block, 64 * CLUSTER, 1, 512), EIO);
    assert_non_null(strstr(last_line, "a table is counted as free, cluster 0x4"));
    block_put(block);
}

static void bad_packed(void **unused) {
    (void)unused;
    store_be64(image + L2, ENTRY_COMPRESSED | DATA | UINT64_C(3) << (62 - (CB - 8)));
    struct block *block = open_image();
    uint8_t buf[512];
    assert_int_equal(request(block, BLOCK_READ, 0, buf, 512), EIO);
    assert_non_null(strstr(last_line, "can't be unpacked"));
    store_be64(image + L2, ENTRY_COMPRESSED | (1 << 30));
    block_put(block);
    block = open_image();
    assert_int_equal(request(block, BLOCK_READ, 0, buf, 512), EIO);
    block_put(block);
}

/* ---- refcounts that are out of date ---- */

static void dirty(void **unused) {
    (void)unused;
    store_be64(image + 72, INCOMPAT_DIRTY);
    store_be16(image + BLOCK + 5 * 2, 0);
    store_be16(image + BLOCK + 6 * 2, 0);
    store_be16(image + BLOCK + 20 * 2, 1);
    struct block *block = open_image();
    assert_int_equal(load_be64(file->bytes + 72), 0);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(refcount_of(i), 1);
    assert_int_equal(refcount_of(20), 0);
    assert_non_null(strstr(last_line, "3 refcounts were put right"));
    assert_int_equal(writes(block, 9 * CLUSTER, 1, 512), 0);
    reads(block, 0, 0xa1);
    block_put(block);
}

static void dirty_without_blocks(void **unused) {
    (void)unused;
    store_be64(image + 72, INCOMPAT_DIRTY);
    store_be64(image + REFTABLE, 0); /* cluster 3 is a leak now, and a new block comes at the end */
    struct block *block = open_image();
    assert_int_equal(load_be64(file->bytes + REFTABLE), 8 * CLUSTER);
    const uint8_t *counts = file->bytes + 8 * CLUSTER;
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(load_be16(counts + i * 2), i != 3);
    block_put(block);
}

static void dirty_and_read_only(void **unused) {
    (void)unused;
    store_be64(image + 72, INCOMPAT_DIRTY);
    options.read_only = true;
    struct block *block = open_image();
    reads(block, 0, 0xa1);
    assert_memory_equal(file->bytes, image, FILE_SIZE);
    block_put(block);
}

/* ---- how requests reach the file ---- */

static void one_transfer_without_a_copy(void **unused) {
    (void)unused;
    struct block *block = open_image();
    uint8_t a[3 * 512], b[2 * CLUSTER - 3 * 512];
    struct iovec iov[] = {{a, sizeof(a)}, {b, sizeof(b)}};
    int err = -1;
    reads(block, 0, 0xa1); /* the tables are there */
    for (int op = BLOCK_READ; op <= BLOCK_WRITE; op++) {
        struct block_req req = {.op = (enum block_op)op, .len = 2 * CLUSTER, .iov = iov, .niov = 2,
                                .done = done, .owner = &err};
        block_submit(block, &req);
        assert_int_equal(file->count, 1);
        assert_ptr_equal(file->req[0]->iov, iov);
        assert_int_equal(file->req[0]->offset, DATA);
        assert_int_equal(file->req[0]->len, 2 * CLUSTER);
        block_drain(block);
        assert_int_equal(err, 0);
    }
    assert_int_equal(a[0], 0xa1);
    assert_int_equal(b[sizeof(b) - 1], 0xa2);
    block_put(block);
}

static void side_by_side(void **unused) {
    (void)unused;
    struct block *block = open_image();
    uint8_t buf[4][512];
    struct iovec iov[4];
    struct block_req req[4];
    int err[4];
    reads(block, 0, 0xa1);
    assert_int_equal(writes(block, 100 * CLUSTER, 9, 512), 0); /* the refcounts are there too */
    for (unsigned i = 0; i < 4; i++) { /* a read, two writes to one new cluster, one to another */
        iov[i] = (struct iovec){buf[i], 512};
        memset(buf[i], (int)i, 512);
        req[i] = (struct block_req){.op = i ? BLOCK_WRITE : BLOCK_READ, .len = 512, .iov = &iov[i],
                                    .offset = i == 3 ? 60 * CLUSTER : i ? (50 * 8 + i) * 512 : 0,
                                    .niov = 1, .done = done, .owner = &err[i]};
        err[i] = -1;
        block_submit(block, &req[i]);
    }
    assert_int_equal(file->count, 3); /* the second of the two waits */
    block_drain(block);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(err[i], 0);
    reads(block, (50 * 8 + 1) * 512, 1);
    reads(block, (50 * 8 + 2) * 512, 2);
    reads(block, 50 * CLUSTER, 0);
    reads(block, 60 * CLUSTER, 3);
    block_put(block);
}

/* Clusters here and there, of a read or of a write where nothing new is needed: their transfers are
 * under way together, and one that fails is waited for with the others. */
static void pieces_of(enum block_op op) {
    enum { N = 20 }; /* more than go at once */
    static uint8_t mine[N * CLUSTER];
    struct block *block = open_image();
    for (unsigned i = 0; i < N; i++) /* each before the one before it */
        assert_int_equal(writes(block, (N - 1 - i) * CLUSTER, (uint8_t)(0x40 + i), CLUSTER), 0);
    struct iovec iov[] = {{mine, 1536}, {mine + 1536, sizeof(mine) - 1536}};
    int err = -1;
    struct block_req req = {.op = op, .len = sizeof(mine), .iov = iov, .niov = 2, .done = done,
                            .owner = &err};
    for (unsigned i = 0; i < N; i++)
        memset(mine + i * CLUSTER, (int)(0x80 + i), CLUSTER);
    block_submit(block, &req);
    assert_in_range(file->count, 10, MAP_PIECES); /* the first ones have had their place together */
    file->seed = 77; /* they end in any order */
    block_drain(block);
    assert_int_equal(err, 0);
    for (unsigned i = 0; i < N; i++) {
        uint8_t now = (uint8_t)(op == BLOCK_WRITE ? 0x80 + i : 0x40 + N - 1 - i);
        assert_int_equal(mine[i * CLUSTER], now);
        assert_int_equal(mine[(i + 1) * CLUSTER - 1], now);
        reads(block, i * CLUSTER, now);
        reads(block, (i + 1) * CLUSTER - 512, now);
    }
    err = -1;
    block_submit(block, &req);
    unsigned count = file->count;
    file->req[1]->scratch[0] = EIO;
    for (loop_once(loop, NULL, NS_PER_SEC); file->count; loop_once(loop, NULL, NS_PER_SEC))
        assert_int_equal(err, -1);
    block_drain(block);
    assert_int_equal(err, EIO);
    assert_int_equal(block->stats.errors, 1);
    assert_in_range(count, 10, MAP_PIECES);
    reads(block, 0, mine[0]);
    block_put(block);
}

static void pieces(void **unused) {
    (void)unused;
    pieces_of(BLOCK_READ);
}

static void pieces_of_a_write(void **unused) {
    (void)unused;
    pieces_of(BLOCK_WRITE);
}

/* Of a write, cluster 11 has no place between others that have. It gets one when nothing of the
 * request is under way: only then may it wait for what others free. */
static void pieces_and_a_new_place(void **unused) {
    (void)unused;
    struct block *block = open_image();
    static const uint8_t order[] = {10, 9, 8, 13, 12};
    static uint8_t mine[6 * CLUSTER];
    for (unsigned i = 0; i < sizeof(order); i++)
        assert_int_equal(writes(block, order[i] * CLUSTER, order[i], CLUSTER), 0);
    for (unsigned i = 0; i < 6; i++)
        memset(mine + i * CLUSTER, (int)(0x80 + i), CLUSTER);
    struct iovec iov = {mine, sizeof(mine) - 1024};
    int err = -1;
    struct block_req req = {.op = BLOCK_WRITE, .offset = 8 * CLUSTER + 512, .len = iov.iov_len,
                            .iov = &iov, .niov = 1, .done = done, .owner = &err};
    block_submit(block, &req);
    assert_int_equal(file->count, 3);
    uint64_t old = file->block.size;
    for (unsigned i = 0; i < 3; i++) /* and none is of a new place */
        assert_true(file->req[i]->offset + file->req[i]->len <= old);
    file->seed = 5;
    block_drain(block);
    assert_int_equal(err, 0);
    reads(block, 8 * CLUSTER, 8);
    for (unsigned i = 0; i < 6; i++)
        reads(block, (8 + i) * CLUSTER + 512, (uint8_t)(0x80 + i));
    reads(block, 13 * CLUSTER + 3072, 0x85);
    reads(block, 13 * CLUSTER + 3584, 13);
    block_put(block);
}

static void zeros_that_have_a_place(void **unused) {
    (void)unused;
    struct block *block = open_image();
    reads(block, 2 * CLUSTER, 0);
    assert_int_equal(writes(block, 2 * CLUSTER + 512, 7, 512), 0);
    assert_int_equal(request(block, BLOCK_FLUSH, 0, NULL, 0), 0);
    assert_int_equal(entry_of(2), (DATA + 2 * CLUSTER) | ENTRY_COPIED);
    reads(block, 2 * CLUSTER, 0);
    reads(block, 2 * CLUSTER + 512, 7);
    reads(block, 3 * CLUSTER - 512, 0);
    block_put(block);
}

static void discard_frees(void **unused) {
    (void)unused;
    struct block *block = open_image();
    assert_int_equal(request(block, BLOCK_DISCARD, 512, NULL, 2 * CLUSTER - 512), 0);
    reads(block, 0, 0xa1); /* a part of a cluster stays */
    reads(block, CLUSTER, 0);
    assert_int_equal(refcount_of(6), 1); /* the flush comes first */
    block_drain(block);
    assert_int_equal(entry_of(1), 0);
    assert_int_equal(refcount_of(6), 0);
    assert_int_equal(file->bytes[DATA + CLUSTER], 0); /* a hole */
    assert_int_equal(writes(block, 9 * CLUSTER, 5, CLUSTER), 0);
    block_drain(block);
    assert_int_equal(entry_of(9) & ENTRY_OFFSET, DATA + CLUSTER); /* and taken again */
    block_put(block);
}

static void no_room(void **unused) {
    (void)unused;
    struct block *block = open_image();
    file->max = FILE_SIZE;
    assert_int_equal(writes(block, 40 * CLUSTER, 5, 512), ENOSPC);
    reads(block, 40 * CLUSTER, 0);
    block_drain(block);
    assert_int_equal(entry_of(40), 0);
    assert_int_equal(refcount_of(8), 0);
    file->max = MAX_FILE;
    assert_int_equal(writes(block, 40 * CLUSTER, 5, 512), 0);
    reads(block, 40 * CLUSTER, 5);
    block_put(block);
}

static void devices_do_not_grow(void **unused) {
    (void)unused;
    struct block *block = open_image();
    file->block.growable = false;
    assert_int_equal(writes(block, 40 * CLUSTER, 5, 512), ENOSPC);
    assert_non_null(strstr(last_line, "has no free cluster left"));
    assert_int_equal(request(block, BLOCK_DISCARD, 0, NULL, CLUSTER), 0);
    assert_int_equal(writes(block, 40 * CLUSTER, 5, 512), 0); /* waits until that is free */
    reads(block, 40 * CLUSTER, 5);
    reads(block, 40 * CLUSTER + 512, 0);
    block_put(block);
}

static void refcount_table_grows(void **unused) {
    (void)unused;
    store_be32(image + 96, 6); /* a block counts 512 clusters */
    memset(image + BLOCK, 0, CLUSTER);
    for (unsigned i = 0; i < 8; i++)
        store_be64(image + BLOCK + i * 8, 1);
    struct block *block = open_image();
    struct qcow2 *q = qcow2_of(map_of(block));
    uint64_t before = q->reftable_offset;
    q->hint = UINT64_C(512) * 512; /* as if all that the table can count were taken */
    file->max = SIZE_MAX;
    assert_int_equal(before, REFTABLE);
    assert_int_equal(writes(block, 40 * CLUSTER, 5, 512), 0);
    block_drain(block);
    assert_int_not_equal(q->reftable_offset, before);
    assert_int_equal(load_be64(file->bytes + 48), q->reftable_offset);
    assert_int_equal(load_be32(file->bytes + 56), q->reftable_clusters);
    assert_int_equal(load_be64(file->bytes + q->reftable_offset), BLOCK);
    assert_int_equal(load_be64(file->bytes + BLOCK + 2 * 8), 0); /* the old one is free */
    reads(block, 40 * CLUSTER, 5);
    block_put(block);
}

/* ---- backing files ---- */

static void put_file(const char *path, const void *bytes, size_t len) {
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void set_backing(const char *name, const char *format) {
    memset(image + 104, 0, 200);
    if (format) {
        store_be32(image + 104, 0xe2792aca);
        store_be32(image + 108, (uint32_t)strlen(format));
        memcpy(image + 112, format, strlen(format));
    }
    store_be64(image + 8, 256);
    store_be32(image + 16, (uint32_t)strlen(name));
    memcpy(image + 256, name, strlen(name));
}

static void backing_files(void **unused) {
    char dir[] = "/tmp/hvm-dm-qcow2-XXXXXX", path[64], base[64];
    uint8_t below[3 * CLUSTER];
    (void)unused;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/x.qcow2", dir);
    snprintf(base, sizeof(base), "%s/base.raw", dir);
    store_be64(image + L2 + 8, 0); /* cluster 1 is the backing file's; so are all but 0 and 2 */
    memset(below, 0xb7, sizeof(below));
    put_file(base, below, sizeof(below));

    set_backing("base.raw", NULL);
    put_file(path, image, FILE_SIZE);
    assert_null(image_open(loop, path, &options, why, sizeof(why)));
    assert_non_null(strstr(why, "does not say which format its backing file 'base.raw' has"));

    set_backing("base.raw", "raw");
    put_file(path, image, FILE_SIZE);
    struct block *block = image_open(loop, path, &options, why, sizeof(why));
    assert_non_null(block);
    reads(block, 0, 0xa1);
    reads(block, CLUSTER, 0xb7);
    reads(block, 2 * CLUSTER, 0);
    reads(block, 3 * CLUSTER, 0); /* past the end of the backing file */
    assert_int_equal(request(block, BLOCK_DISCARD, CLUSTER, NULL, CLUSTER), 0);
    reads(block, CLUSTER, 0); /* and not what was below */
    block_put(block);

    set_backing("x.qcow2", "qcow2");
    put_file(path, image, FILE_SIZE);
    assert_null(image_open(loop, path, &options, why, sizeof(why)));
    assert_non_null(strstr(why, "its own backing file"));

    set_backing("gone", "raw");
    put_file(path, image, FILE_SIZE);
    assert_null(image_open(loop, path, &options, why, sizeof(why)));
    assert_non_null(strstr(why, "/gone' can't be opened for reading"));
    unlink(path);
    unlink(base);
    rmdir(dir);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(bad_headers), T(features_have_names), T(bad_tables), T(corrupt_can_be_read),
        T(autoclear_bits), T(bitmaps),
        T(bad_bitmaps), T(entries_past_the_end), T(data_on_a_table), T(tables_counted_as_free),
        T(bad_packed), T(dirty), T(dirty_without_blocks), T(dirty_and_read_only),
        T(one_transfer_without_a_copy), T(side_by_side), T(pieces), T(pieces_of_a_write),
        T(pieces_and_a_new_place), T(zeros_that_have_a_place),
        T(discard_frees), T(no_room), T(devices_do_not_grow), T(refcount_table_grows),
        T(backing_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
