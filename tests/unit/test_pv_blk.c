/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of a PV disk: data, barriers, and frontends that mean harm. See blkfront.h.
 */
#include "unit/blkfront.h"

/* ---- data ---- */

static void data_by_kept_grants(void **unused) {
    (void)unused;
    moves_data(true);
    unsigned before = hv.map_calls;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(whole(BLKIF_READ, 16, 3, DATA), BLKIF_OKAY);
    assert_int_equal(hv.map_calls, before);
}

static void data_by_copies(void **unused) {
    (void)unused;
    moves_data(false);
    assert_int_equal(hv.map_calls, 1);
}

static void data_by_grants_of_a_request(void **unused) {
    (void)unused;
    hv.can_copy = false;
    moves_data(false);
    assert_int_equal(hv.map_calls, 1 + 3);
}

static void a_32_bit_guest(void **unused) {
    (void)unused;
    abi = &blkif_32;
    connected(true);
    for (unsigned i = 0; i < 20; i++)
        memset(hv.pages[DATA + i], (int)(i + 1), PV_PAGE);
    assert_int_equal(whole(BLKIF_WRITE, 8, 11, DATA), BLKIF_OKAY);
    assert_int_equal(fixture_bytes(disk)[11 * 4096], 11);
    indirect(BLKIF_WRITE, 0, 20, DATA, TABLE);
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(fixture_bytes(disk)[19 * 4096], 20);
    uint8_t *s = next_slot_of(0);
    s[0] = BLKIF_DISCARD;
    store_le64(s + abi->id, ID);
    store_le64(s + abi->sector, 8);
    store_le64(s + abi->discard, 8);
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(fixture_bytes(disk)[4096], 0);
    assert_int_equal(fixture_bytes(disk)[8192], 3);
}

/* blkif.h: FLUSH may carry data, which is written before the flush. */
static void flush_with_data(void **unused) {
    (void)unused;
    connected(false);
    memset(hv.pages[DATA], 0x77, PV_PAGE);
    assert_int_equal(whole(BLKIF_FLUSH, 0, 1, DATA), BLKIF_OKAY);
    assert_int_equal(fixture_bytes(disk)[0], 0x77);
    assert_int_equal(disk->stats.flush_ops, 1);
}

static void indirect_segments(bool persistent, bool can_copy) {
    hv.can_copy = can_copy;
    connected(persistent);
    for (unsigned i = 0; i < 200; i++)
        memset(hv.pages[DATA + i], (int)(i + 1), PV_PAGE);
    indirect(BLKIF_WRITE, 0, 200, DATA, TABLE);
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(fixture_bytes(disk)[i * 4096 + 100], i + 1);
    /* the same page holds the segments of a second one, and is written while it is under way */
    indirect(BLKIF_READ, 8, 20, DATA + 250, TABLE);
    push(0);
    memset(hv.pages[TABLE], 0xff, PV_PAGE);
    settle();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(hv.pages[DATA + 250][0], 2);
    assert_int_equal(hv.pages[DATA + 269][0], 21);
}

static void indirect_by_kept_grants(void **unused) {
    (void)unused;
    indirect_segments(true, true);
}

static void indirect_by_mapping(void **unused) {
    (void)unused;
    indirect_segments(false, true);
    assert_int_equal(hv.mapped, 1);
}

static void indirect_without_copies(void **unused) {
    (void)unused;
    indirect_segments(false, false);
    assert_int_equal(hv.mapped, 1);
}

/* The same page twice in one request, and in two that are under way together. */
static void a_page_used_twice(void **unused) {
    (void)unused;
    connected(true);
    memset(fixture_bytes(disk), 0x11, 4096);
    memset(fixture_bytes(disk) + 4096, 0x22, 4096);
    request(BLKIF_READ, 0, 2, DATA);
    store_le32(slot_of(0, prod[0] - 1) + abi->segments + 8, DATA);
    request(BLKIF_READ, 0, 1, DATA);
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(hv.pages[DATA][0], 0x11);
    assert_int_equal(hv.mapped, 2);
}

static void discard(void **unused) {
    (void)unused;
    connected(false);
    memset(fixture_bytes(disk), 0xee, 8192);
    for (unsigned secure = 0; secure < 2; secure++) {
        uint8_t *s = next_slot_of(0);
        s[0] = BLKIF_DISCARD;
        s[1] = (uint8_t)secure;
        store_le64(s + abi->id, ID);
        store_le64(s + abi->sector, 8 * secure);
        store_le64(s + abi->discard, 8);
        kick();
        assert_int_equal(status(), secure ? BLKIF_NOT_SUPPORTED : BLKIF_OKAY);
    }
    assert_int_equal(fixture_bytes(disk)[0], 0);
    assert_int_equal(fixture_bytes(disk)[4096], 0xee);
}

/* One notification for answers that come together, none where the guest asked for none. */
static void notifies_once(void **unused) {
    (void)unused;
    connected(true);
    unsigned before = hv.notified;
    for (unsigned i = 0; i < 32; i++)
        request(BLKIF_READ, 8 * i, 1, DATA + i);
    kick();
    assert_int_equal(hv.notified, before + 1);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(status(), BLKIF_OKAY);
    *word(0, RING_RSP_EVENT) = 34; /* of the answer after the next */
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_OKAY);
    assert_int_equal(hv.notified, before + 1);
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_OKAY);
    assert_int_equal(hv.notified, before + 2);
}

static void copies_of_a_pass_together(void **unused) {
    (void)unused;
    connected(false);
    for (unsigned i = 0; i < 16; i++) {
        memset(hv.pages[DATA + i], (int)i + 1, PV_PAGE);
        request(BLKIF_WRITE, 8 * i, 1, DATA + i);
    }
    kick();
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(hv.copy_calls, 1);
    for (unsigned i = 0; i < 16; i++)
        request(BLKIF_READ, 8 * i, 1, DATA + 20 + i);
    kick();
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(status(), BLKIF_OKAY);
        assert_int_equal(hv.pages[DATA + 20 + i][9], i + 1);
    }
    assert_int_equal(hv.copy_calls, 2);
}

/* ---- barriers ---- */

static void barrier(bool persistent) {
    connected(persistent);
    memset(hv.pages[DATA], 1, PV_PAGE);
    memset(hv.pages[DATA + 1], 2, PV_PAGE);
    memset(hv.pages[DATA + 2], 3, PV_PAGE);
    request(BLKIF_WRITE, 0, 1, DATA);
    request(BLKIF_WRITE_BARRIER, 0, 1, DATA + 1);
    request(BLKIF_WRITE, 0, 1, DATA + 2);
    push(0);
    loop_once(loop, NULL, 0);
    assert_int_equal(fixture_pending(&fx), 1); /* only what was before it */
    settle();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(fixture_bytes(disk)[0], 3);
    assert_int_equal(disk->stats.flush_ops, 2); /* before its data and after */
    assert_int_equal(whole(BLKIF_WRITE_BARRIER, 0, 0, 0), BLKIF_OKAY);
    assert_int_equal(disk->stats.flush_ops, 4);
}

static void a_barrier_with_kept_grants(void **unused) {
    (void)unused;
    barrier(true);
}

static void a_barrier_with_copies(void **unused) {
    (void)unused;
    barrier(false);
}

static void a_barrier_that_fails_lets_others_go_on(void **unused) {
    (void)unused;
    connected(false);
    request(BLKIF_READ, 0, 1, DATA);
    request(BLKIF_WRITE_BARRIER, 0, 1, 511);
    hv.revoked[511] = true;
    request(BLKIF_WRITE, 0, 1, DATA);
    kick();
    assert_int_equal(status(), BLKIF_ERROR);
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(status(), BLKIF_OKAY);
    request(BLKIF_WRITE_BARRIER, 0, 1, DATA);
    fixture_fail(disk, EIO, 1);
    request(BLKIF_READ, 0, 1, DATA);
    kick();
    assert_int_equal(status(), BLKIF_ERROR);
    assert_int_equal(status(), BLKIF_OKAY);
}

static void disconnected_before_a_barrier(void **unused) {
    (void)unused;
    connected(false);
    request(BLKIF_READ, 0, 1, DATA);
    request(BLKIF_WRITE_BARRIER, 0, 1, DATA + 1);
    request(BLKIF_READ, 0, 1, DATA);
    push(0);
    put(FE "/state", "5");
    settle();
    assert_string_equal(got(BE "/state"), "5");
    assert_int_equal(disk->stats.wr_ops, 1);
}

/* ---- a frontend that means harm ---- */

static void wrong_requests_are_errors(void **unused) {
    (void)unused;
    connected(false);
    log_to(count_line, LOG_LEVEL_INFO);
    request(BLKIF_READ, 0, 1, DATA);
    ring(0)[RING_SLOTS + abi->segments + 4] = 5; /* first > last */
    ring(0)[RING_SLOTS + abi->segments + 5] = 4;
    request(BLKIF_READ, 0, 1, DATA);
    slot_of(0, prod[0] - 1)[abi->segments + 5] = 8; /* past the page */
    request(BLKIF_READ, 0, 12, DATA);  /* more than 11 segments */
    request(BLKIF_READ, 0, 0, DATA);   /* none */
    request(BLKIF_READ, 2047, 1, DATA); /* past the end */
    request(BLKIF_WRITE, UINT64_MAX, 1, DATA);
    request(BLKIF_READ, UINT64_MAX / 512, 1, DATA);
    request(BLKIF_READ, 0, 1, 9999);   /* no such grant */
    hv.revoked[130] = true;
    request(BLKIF_WRITE, 0, 3, 129);
    request(BLKIF_READ, 0, 1, 0);
    indirect(BLKIF_FLUSH, 0, 12, DATA, TABLE);
    indirect(BLKIF_INDIRECT, 0, 12, DATA, TABLE);
    indirect(BLKIF_READ, 0, 257, DATA, TABLE);
    indirect(BLKIF_READ, 0, 0, DATA, TABLE);
    indirect(BLKIF_READ, 0, 12, DATA, TABLE);
    store_le32(slot_of(0, prod[0] - 1) + abi->indirect_refs, 9999);
    unsigned n = prod[0];
    kick();
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(status(), BLKIF_ERROR);
    assert_in_range(lines, 1, 4);
    static const uint8_t unknown[] = {BLKIF_RESERVED, 7, 99, 255};
    for (unsigned i = 0; i < ARRAY_LEN(unknown); i++)
        assert_int_equal(whole(unknown[i], 0, 0, 0), BLKIF_NOT_SUPPORTED);
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_OKAY); /* and the disk goes on */
    assert_int_equal(disk->stats.wr_ops, 0);
}

/* A grant that is refused once may be had later, and none of its neighbours is lost. */
static void kept_grants_that_fail(void **unused) {
    (void)unused;
    connected(true);
    hv.revoked[DATA + 2] = true;
    assert_int_equal(whole(BLKIF_READ, 0, 5, DATA), BLKIF_ERROR);
    assert_int_equal(hv.mapped, 1);
    hv.revoked[DATA + 2] = false;
    assert_int_equal(whole(BLKIF_READ, 0, 5, DATA), BLKIF_OKAY);
    assert_int_equal(hv.mapped, 6);
    /* references that meet in the table */
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA + 8192), BLKIF_ERROR);
    assert_int_equal(whole(BLKIF_READ, 0, 5, DATA), BLKIF_OKAY);
    assert_int_equal(hv.mapped, 6);
}

static void overlapping_writes(void **unused) {
    (void)unused;
    connected(true);
    for (unsigned i = 0; i < 32; i++) {
        memset(hv.pages[DATA + i], (int)i, PV_PAGE);
        request(BLKIF_WRITE, i % 3, 1, DATA + i);
    }
    kick();
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(status(), BLKIF_OKAY);
    for (unsigned at = 512; at < 4096; at += 512) /* each sector is one of them, and whole */
        for (unsigned i = 1; i < 512; i++)
            assert_int_equal(fixture_bytes(disk)[at + i], fixture_bytes(disk)[at]);
}

/* A page that is copied to at the end only: gone by then. */
static void revoked_under_way(void **unused) {
    (void)unused;
    connected(false);
    for (unsigned i = 0; i < 3; i++)
        request(BLKIF_READ, 0, 1, DATA + i);
    push(0);
    hv.revoked[DATA + 1] = true;
    settle();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(status(), BLKIF_ERROR);
    assert_int_equal(status(), BLKIF_OKAY);
    hv.revoked[DATA + 1] = false;
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA + 1), BLKIF_OKAY);
}

#define BE2 "backend/qdisk/1/51728"
#define FE2 "/local/domain/1/device/vbd/51728"

/* On a ring and a channel of its own, those of a second queue. */
static void second_disk(void) {
    put(BE2 "/frontend", FE2);
    put(BE2 "/online", "1");
    put(BE2 "/mode", "r");
    put(BE2 "/device-type", "disk");
    put(BE2 "/params", "aio:/other");
    put(FE2 "/state", "1");
    put(BE2 "/state", "1");
    settle();
    char number[16];
    snprintf(number, sizeof(number), "%d", RING + RING_SPREAD);
    put(FE2 "/ring-ref", number);
    snprintf(number, sizeof(number), "%d", FHV_PORT + 1);
    put(FE2 "/event-channel", number);
    put(FE2 "/state", "3");
    settle();
    assert_string_equal(got(BE2 "/state"), "4");
}

static int second_reads(void) {
    memset(hv.pages[DATA + 60], 0, PV_PAGE);
    request_on(1, BLKIF_READ, 0, 1, DATA + 60);
    push(1);
    settle();
    assert_int_equal(hv.pages[DATA + 60][4095], 0xcd);
    return status_of(1);
}

/* Whatever its guest does to one disk. */
static void other_disks_go_on(void **unused) {
    (void)unused;
    connected(false);
    second_disk();
    assert_int_equal(second_reads(), BLKIF_OKAY);
    assert_int_equal(whole(BLKIF_READ, 0, 1, 9999), BLKIF_ERROR);
    fixture_fail(disk, ENOSPC, 1);
    assert_int_equal(whole(BLKIF_WRITE, 0, 1, DATA), BLKIF_ERROR);
    assert_int_equal(second_reads(), BLKIF_OKAY);
    prod[0] += 1000;
    kick();
    assert_false(answered());
    assert_int_equal(second_reads(), BLKIF_OKAY);
    fixture_hv_remove(&hv, BE);
    fixture_hv_remove(&hv, FE);
    settle();
    assert_int_equal(second_reads(), BLKIF_OKAY);
}

static void io_errors_reach_the_guest(void **unused) {
    (void)unused;
    connected(false);
    fixture_fail(disk, EIO, 1);
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_ERROR);
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_OKAY);
}

static void jumping_indices_stop_the_disk(void **unused) {
    (void)unused;
    static const uint32_t jumps[] = {33, 1000, 0x80000000, 0xffffffff};
    log_to(count_line, LOG_LEVEL_INFO);
    for (unsigned i = 0; i < ARRAY_LEN(jumps); i++) {
        if (i) {
            put(FE "/state", "1");
            settle();
            frontend_connects(false);
        } else {
            connected(false);
        }
        prod[0] = jumps[i];
        kick();
        kick();
        assert_false(answered());
        put(FE "/state", "5");
        settle();
        put(FE "/state", "6");
        settle();
        assert_string_equal(got(BE "/state"), "6");
    }
    assert_in_range(lines, 1, 3);
}

/* More than slots while all are under way: nothing is taken that has no slot for its answer. */
static void more_requests_than_slots(void **unused) {
    (void)unused;
    connected(true);
    for (unsigned i = 0; i < 32; i++)
        request(BLKIF_READ, 0, 1, DATA + i);
    push(0);
    request(BLKIF_READ, 0, 1, DATA);
    push(0);
    settle();
    put(FE "/state", "5");
    settle();
    assert_int_equal(disk->stats.rd_ops, 32);
}

/* Slots that change after they were taken: what was taken counts. */
static void a_slot_that_changes(void **unused) {
    (void)unused;
    connected(false);
    memset(fixture_bytes(disk), 0x42, 4096);
    request(BLKIF_READ, 0, 1, DATA);
    push(0);
    memset(slot_of(0, 0), 0xff, abi->slot);
    settle();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(hv.pages[DATA][0], 0x42);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(data_by_kept_grants), T(data_by_copies), T(data_by_grants_of_a_request),
        T(a_32_bit_guest), T(flush_with_data), T(indirect_by_kept_grants), T(indirect_by_mapping),
        T(indirect_without_copies), T(a_page_used_twice), T(discard), T(notifies_once),
        T(copies_of_a_pass_together), T(a_barrier_with_kept_grants), T(a_barrier_with_copies),
        T(a_barrier_that_fails_lets_others_go_on), T(disconnected_before_a_barrier),
        T(wrong_requests_are_errors), T(kept_grants_that_fail), T(overlapping_writes),
        T(revoked_under_way), T(other_disks_go_on),
        T(io_errors_reach_the_guest), T(jumping_indices_stop_the_disk), T(more_requests_than_slots),
        T(a_slot_that_changes),
    };
    return cmocka_run_group_tests_name("pv_blk", tests, NULL, NULL);
}
