/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PV disk's nodes, rings, media and states. See blkfront.h.
 */
#include "unit/blkfront.h"

/* ---- nodes ---- */

static void features_before_init_wait(void **unused) {
    (void)unused;
    disk->discard_unit = 65536;
    toolstack_makes_it("w");
    assert_string_equal(got(BE "/state"), "2");
    assert_string_equal(got(BE "/hotplug-status"), "connected");
    assert_string_equal(got(BE "/sectors"), "2048");
    assert_string_equal(got(BE "/sector-size"), "512");
    assert_string_equal(got(BE "/physical-sector-size"), "512");
    assert_string_equal(got(BE "/info"), "0");
    assert_string_equal(got(BE "/feature-flush-cache"), "1");
    assert_string_equal(got(BE "/feature-barrier"), "1");
    assert_string_equal(got(BE "/feature-discard"), "1");
    assert_string_equal(got(BE "/discard-granularity"), "65536");
    assert_string_equal(got(BE "/discard-alignment"), "0");
    assert_string_equal(got(BE "/max-ring-page-order"), "4");
    assert_string_equal(got(BE "/max-ring-pages"), "16");
    assert_string_equal(got(BE "/multi-queue-max-queues"), "4");
    assert_string_equal(got(BE "/discard-secure"), "(absent)");
}

static void no_discard_where_it_is_forbidden(void **unused) {
    (void)unused;
    put(BE "/frontend", FE);
    put(BE "/online", "1");
    put(BE "/mode", "w");
    put(BE "/device-type", "disk");
    put(BE "/discard-enable", "0");
    put(BE "/params", "aio:/disk:with:colons");
    put(FE "/state", "1");
    put(BE "/state", "1");
    settle();
    assert_string_equal(got(BE "/feature-discard"), "(absent)");
    frontend_connects(false);
    uint8_t *s = next_slot_of(0);
    s[0] = BLKIF_DISCARD;
    store_le64(s + abi->id, ID);
    kick();
    assert_int_equal(status(), BLKIF_NOT_SUPPORTED);
}

static void a_read_only_disk(void **unused) {
    (void)unused;
    disk->read_only = true;
    toolstack_makes_it("r");
    frontend_connects(false);
    assert_string_equal(got(BE "/info"), "4");
    assert_string_equal(got(BE "/feature-discard"), "(absent)");
    assert_int_equal(whole(BLKIF_WRITE, 0, 1, DATA), BLKIF_ERROR);
    assert_int_equal(whole(BLKIF_WRITE_BARRIER, 0, 1, DATA), BLKIF_ERROR);
    assert_int_equal(whole(BLKIF_FLUSH, 0, 1, DATA), BLKIF_ERROR);
    assert_int_equal(whole(BLKIF_FLUSH, 0, 0, 0), BLKIF_OKAY);
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_OKAY);
    indirect(BLKIF_WRITE, 0, 12, DATA, TABLE);
    kick();
    assert_int_equal(status(), BLKIF_ERROR);
}

static void a_disk_without_its_file_waits(void **unused) {
    (void)unused;
    toolstack_makes("disk", "w", "aio:/broken");
    assert_string_equal(got(BE "/state"), "1");
    put(BE "/params", "aio:");
    settle();
    assert_string_equal(got(BE "/state"), "1");
    put(BE "/params", "aio:/disk:with:colons");
    settle();
    assert_string_equal(got(BE "/state"), "2");
}

/* ---- queues and rings ---- */

static void several_queues(void **unused) {
    (void)unused;
    toolstack_makes_it("w");
    order = 1;
    frontend_offers(4, true);
    put(FE "/state", "3");
    settle();
    assert_string_equal(got(BE "/state"), "4");
    assert_int_equal(slots, 64);
    for (unsigned q = 0; q < 4; q++) {
        memset(hv.pages[DATA + q], (int)(0x10 + q), PV_PAGE);
        for (unsigned i = 0; i < 64; i++)
            request_on(q, BLKIF_WRITE, 8 * q, 1, DATA + q);
        push(q);
    }
    settle();
    for (unsigned q = 0; q < 4; q++) {
        for (unsigned i = 0; i < 64; i++)
            assert_int_equal(status_of(q), BLKIF_OKAY);
        assert_int_equal(fixture_bytes(disk)[4096 * q], 0x10 + q);
    }
    /* a queue that has lost count is none of the others' business */
    prod[1] += 1000;
    push(1);
    request_on(2, BLKIF_READ, 0, 1, DATA);
    push(2);
    settle();
    assert_int_equal(status_of(2), BLKIF_OKAY);
    put(FE "/state", "5");
    settle();
    assert_int_equal(hv.mapped, 0);
}

static void rings_that_were_not_offered(void **unused) {
    (void)unused;
    static const char *const nodes[][2] = {
        {"multi-queue-num-queues", "5"}, {"multi-queue-num-queues", "0"},
        {"multi-queue-num-queues", "2"}, {"ring-page-order", "5"}, {"num-ring-pages", "3"},
        {"num-ring-pages", "32"}, {"protocol", "arm-abi"}, {"ring-ref", "4294967297"},
        {"ring-ref", "600"}, {"event-channel", "99"}, {"event-channel", "x"},
    };
    toolstack_makes_it("w");
    log_to(count_line, LOG_LEVEL_INFO);
    for (unsigned i = 0; i < ARRAY_LEN(nodes); i++) {
        frontend_offers(1, false);
        char path[64];
        snprintf(path, sizeof(path), FE "/%s", nodes[i][0]);
        put(path, nodes[i][1]);
        put(FE "/state", "3");
        settle();
        assert_string_equal(got(BE "/state"), "5");
        assert_int_equal(hv.mapped, 0);
        fixture_hv_remove(&hv, path);
        put(FE "/state", "6");
        settle();
        put(FE "/state", "1");
        settle();
        assert_string_equal(got(BE "/state"), "2");
    }
    assert_in_range(lines, 1, 5); /* a guest that repeats its mistake fills no log */
    frontend_connects(false);
    assert_string_equal(got(BE "/state"), "4");
}

static void the_largest_ring(void **unused) {
    (void)unused;
    order = 4;
    connected(true);
    assert_int_equal(slots, 512);
    for (unsigned i = 0; i < 512; i++)
        request(BLKIF_READ, i, 1, DATA + i % 64);
    kick();
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(status(), BLKIF_OKAY);
}

static void pages_by_their_number(void **unused) {
    (void)unused;
    order = 2;
    toolstack_makes_it("w");
    frontend_offers(1, false);
    fixture_hv_remove(&hv, FE "/ring-page-order");
    put(FE "/num-ring-pages", "4");
    put(FE "/state", "3");
    settle();
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_OKAY);
    assert_int_equal(hv.mapped, 4);
}

/* ---- sectors of 4096 bytes ---- */

static void large_sectors(void **unused) {
    (void)unused;
    disk->sector = 4096;
    put(BE "/direct-io-safe", "1");
    toolstack_makes_it("w");
    assert_string_equal(got(BE "/sector-size"), "512"); /* nobody said that it can more */
    assert_string_equal(got(BE "/physical-sector-size"), "4096");
    put(FE "/feature-large-sector-size", "1");
    frontend_connects(true);
    assert_string_equal(got(BE "/sector-size"), "4096");
    assert_string_equal(got(BE "/sectors"), "256");
    assert_true(went_direct);
    memset(fixture_bytes(disk) + 3 * 4096, 0x33, 4096);
    assert_int_equal(whole(BLKIF_READ, 3, 1, DATA), BLKIF_ERROR); /* last_sect 7 is past a page */
    request(BLKIF_READ, 3, 1, DATA);
    slot_of(0, prod[0] - 1)[abi->segments + 5] = 0;
    kick();
    assert_int_equal(status(), BLKIF_OKAY);
    assert_int_equal(hv.pages[DATA][4095], 0x33);
    request(BLKIF_READ, 256, 1, DATA);
    slot_of(0, prod[0] - 1)[abi->segments + 5] = 0;
    kick();
    assert_int_equal(status(), BLKIF_ERROR);
    /* and for a frontend that knows none */
    put(FE "/state", "5");
    settle();
    put(FE "/state", "6");
    settle();
    put(FE "/state", "1");
    settle();
    fixture_hv_remove(&hv, FE "/feature-large-sector-size");
    frontend_connects(true);
    assert_string_equal(got(BE "/sector-size"), "512");
    assert_string_equal(got(BE "/sectors"), "2048");
    assert_false(went_direct);
}

static void direct_only_when_it_is_safe(void **unused) {
    (void)unused;
    connected(true);
    assert_false(went_direct);
    put(BE "/online", "0");
    put(BE "/state", "5");
    put(FE "/state", "6");
    settle();
    fixture_hv_remove(&hv, BE);
    settle();
    put(BE "/direct-io-safe", "1");
    connected(true);
    assert_true(went_direct);
}

/* ---- what changes under the frontend ---- */

static void grows(void **unused) {
    (void)unused;
    char why[64];
    connected(true);
    assert_int_equal(whole(BLKIF_READ, 2048, 1, DATA), BLKIF_ERROR);
    fixture_hv_watches(&hv);
    put(BE "/state", "0"); /* to see it written again */
    assert_true(block_resize(disk, 2 * DISK, why, sizeof(why)));
    assert_string_equal(got(BE "/sectors"), "4096");
    assert_string_equal(got(BE "/state"), "4");
    settle();
    assert_int_equal(whole(BLKIF_READ, 2048, 1, DATA), BLKIF_OKAY);
    assert_true(block_resize(disk, DISK / 2, why, sizeof(why)));
    assert_string_equal(got(BE "/sectors"), "1024");
    assert_int_equal(whole(BLKIF_READ, 1024, 1, DATA), BLKIF_ERROR);
}

static void an_empty_drive_gets_a_medium(void **unused) {
    (void)unused;
    toolstack_makes("cdrom", "r", "aio:");
    assert_string_equal(got(BE "/state"), "2");
    assert_string_equal(got(BE "/sectors"), "0");
    assert_string_equal(got(BE "/info"), "5");
    frontend_connects(true);
    assert_string_equal(got(BE "/state"), "4");
    log_to(count_line, LOG_LEVEL_INFO);
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_ERROR);
    assert_int_equal(lines, 0);
    put(BE "/params", "/other"); /* as libxl has it while it changes the emulated drive */
    settle();
    assert_int_equal(opened, 0);
    put(BE "/params", "aio:/other");
    settle();
    assert_string_equal(got(BE "/sectors"), "1024");
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_OKAY);
    assert_int_equal(hv.pages[DATA][0], 0xcd);
    put(BE "/params", ""); /* cd-eject */
    settle();
    assert_string_equal(got(BE "/sectors"), "0");
    assert_int_equal(other->users, 1);
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_ERROR);
    put(BE "/params", "aio:/broken");
    settle();
    assert_string_equal(got(BE "/sectors"), "0");
    put(BE "/params", "aio:/other");
    settle();
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_OKAY);
}

static void a_medium_taken_out_while_it_is_read(void **unused) {
    (void)unused;
    toolstack_makes("cdrom", "r", "aio:/other");
    frontend_connects(false);
    for (unsigned i = 0; i < 8; i++)
        request(BLKIF_READ, 8 * i, 1, DATA + i);
    push(0);
    put(BE "/params", "aio:");
    fixture_hv_watches(&hv);
    settle();
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(status(), BLKIF_OKAY);
        assert_int_equal(hv.pages[DATA + i][0], 0xcd);
    }
}

/* ---- the connection's life ---- */

static void state_is(const char *frontend, const char *backend) {
    put(FE "/state", frontend);
    settle();
    assert_string_equal(got(BE "/state"), backend);
}

/* A guest that boots another kernel: Closed, then from the start. */
static void reconnects(void **unused) {
    (void)unused;
    moves_data(true);
    state_is("5", "5");
    assert_int_equal(hv.mapped, 0);
    state_is("6", "6");
    state_is("1", "2");
    frontend_connects(true);
    assert_string_equal(got(BE "/state"), "4");
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_OKAY);
}

/*
 * A driver whose disk is taken away waits for what it has put into its ring, and for ever if no
 * answer comes: Linux' blkfront marks the disk dead, stops its queues and closes, and removes the
 * disk when nothing is in flight.
 */
static void closing_answers_what_is_in_the_ring(void **unused) {
    (void)unused;
    static const char *const states[] = {"5", "6"};
    for (unsigned i = 0; i < 2 * ARRAY_LEN(states); i++) {
        connected(i < ARRAY_LEN(states));
        memset(hv.pages[DATA], 0x11 + (int)i, PV_PAGE);
        request(BLKIF_WRITE, 0, 1, DATA);
        push(0); /* under way */
        request(BLKIF_WRITE_BARRIER, 8, 1, DATA);
        request(BLKIF_READ, 8, 1, DATA + 1);
        *word(0, RING_REQ_PROD) = prod[0]; /* the event is still on its way */
        unsigned notified = hv.notified;
        state_is(states[i % ARRAY_LEN(states)], states[i % ARRAY_LEN(states)]);
        assert_int_equal(*word(0, RING_RSP_PROD), 3);
        assert_int_equal(hv.notified, notified + 1);
        assert_int_equal(hv.pages[DATA + 1][0], 0x11 + i);
        assert_int_equal(hv.mapped, 0);
        fixture_hv_remove(&hv, BE);
        fixture_hv_remove(&hv, FE);
        settle();
    }
}

/* Nor is one that never stops asking served for ever. */
static void closing_ends(void **unused) {
    (void)unused;
    connected(true);
    for (unsigned i = 0; i < slots; i++)
        request(BLKIF_FLUSH, 0, 0, 0);
    *word(0, RING_REQ_PROD) = prod[0] + slots + 1; /* more than there can be */
    put(BE "/online", "0");
    state_is("6", "6");
    assert_int_equal(hv.mapped, 0);
}

/* Its old ring and pages are another's by now. */
static void what_was_abandoned_is_left_alone(void **unused) {
    (void)unused;
    static const char *const states[] = {"1", "3"};
    for (unsigned i = 0; i < ARRAY_LEN(states); i++) {
        connected(false);
        hv.can_copy = true;
        put(FE "/state", "4");
        settle();
        request(BLKIF_READ, 0, 1, DATA);
        push(0);
        memset(hv.pages[DATA], 0x77, PV_PAGE);
        memset(hv.pages[ring_page], 0x77, PV_PAGE);
        unsigned notified = hv.notified;
        ring_page += RING_SPREAD;
        frontend_offers(1, false);
        put(FE "/state", states[i]);
        fixture_hv_watches(&hv); /* while it is under way */
        state_is(states[i], i ? "4" : "2");
        ring_page -= RING_SPREAD;
        for (unsigned at = 0; at < PV_PAGE; at++) {
            assert_int_equal(hv.pages[DATA][at], 0x77);
            assert_int_equal(hv.pages[ring_page][at], 0x77);
        }
        assert_int_equal(hv.notified, notified);
        fixture_hv_remove(&hv, BE);
        fixture_hv_remove(&hv, FE);
        settle();
    }
}

/* One that did not close before, as after a crash. */
static void starts_over_without_closing(void **unused) {
    (void)unused;
    moves_data(true);
    put(FE "/state", "4");
    settle();
    state_is("1", "2");
    assert_int_equal(hv.mapped, 0);
    frontend_connects(true);
    assert_string_equal(got(BE "/state"), "4");
    assert_int_equal(whole(BLKIF_READ, 0, 1, DATA), BLKIF_OKAY);
}

/* A driver that resumes brings new rings, and goes from Connected to Initialised at once. */
static void resumes(void **unused) {
    (void)unused;
    moves_data(true);
    put(FE "/state", "4");
    settle();
    request(BLKIF_READ, 0, 1, DATA); /* the old ring's last one is lost with it */
    push(0);
    ring_page = RING + 1;
    frontend_offers(1, false);
    state_is("3", "4");
    assert_int_equal(whole(BLKIF_READ, 8, 1, DATA + 9), BLKIF_OKAY);
    assert_int_equal(hv.pages[DATA + 9][0], 0xa5);
    put(FE "/state", "4");
    settle();
    unsigned maps = hv.map_calls;
    put(FE "/feature-of-somebody", "1"); /* no change of state is none */
    settle();
    assert_int_equal(hv.map_calls, maps);
}

/* libxl: online 0 and Closing; the frontend closes; libxl reads Closed and removes the folders. */
static void block_detach(void **unused) {
    (void)unused;
    moves_data(false);
    put(BE "/online", "0");
    put(BE "/state", "5");
    settle();
    assert_string_equal(got(BE "/state"), "5");
    state_is("6", "6"); /* at once, as Linux does */
    assert_int_equal(hv.mapped, 0);
    assert_int_equal(disk->users, 1); /* the fixture's */
    fixture_hv_remove(&hv, BE);
    fixture_hv_remove(&hv, FE);
    settle();
    connected(false); /* attached again under the same number */
}

static void detached_before_it_was_connected(void **unused) {
    (void)unused;
    toolstack_makes_it("w");
    put(BE "/online", "0");
    put(BE "/state", "5");
    settle();
    assert_string_equal(got(BE "/state"), "6");
    assert_int_equal(disk->users, 1);
}

/* The frontend goes through Closed to its start before we look. */
static void detached_and_begun_anew(void **unused) {
    (void)unused;
    connected(false);
    put(BE "/online", "0");
    put(BE "/state", "5");
    settle();
    state_is("1", "6");
    assert_int_equal(disk->users, 1);
}

/* libxl has waited long enough. */
static void closed_by_force(void **unused) {
    (void)unused;
    connected(true);
    request(BLKIF_READ, 0, 1, DATA);
    push(0);
    put(BE "/online", "0");
    put(BE "/state", "6");
    settle();
    assert_string_equal(got(BE "/state"), "6");
    assert_int_equal(hv.mapped, 0);
    assert_int_equal(disk->users, 1);
}

/* In any order, and with anything under way. */
static void nodes_vanish(void **unused) {
    (void)unused;
    static const char *const nodes[] = {BE, FE, BE "/state", BE "/params", BE "/frontend",
                                        FE "/state", "backend/qdisk", FE "/ring-ref"};
    for (unsigned i = 0; i < ARRAY_LEN(nodes); i++) {
        connected(i % 2);
        request(BLKIF_READ, 0, 1, DATA);
        push(0);
        fixture_hv_remove(&hv, nodes[i]);
        settle();
        fixture_hv_remove(&hv, BE);
        fixture_hv_remove(&hv, FE);
        settle();
        assert_int_equal(hv.mapped, 0);
        assert_int_equal(disk->users, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(features_before_init_wait), T(no_discard_where_it_is_forbidden), T(a_read_only_disk),
        T(a_disk_without_its_file_waits), T(several_queues), T(rings_that_were_not_offered),
        T(the_largest_ring), T(pages_by_their_number), T(large_sectors),
        T(direct_only_when_it_is_safe), T(grows), T(an_empty_drive_gets_a_medium),
        T(a_medium_taken_out_while_it_is_read), T(reconnects),
        T(closing_answers_what_is_in_the_ring), T(closing_ends),
        T(what_was_abandoned_is_left_alone), T(starts_over_without_closing),
        T(resumes), T(block_detach), T(detached_before_it_was_connected),
        T(detached_and_begun_anew), T(closed_by_force), T(nodes_vanish),
    };
    return cmocka_run_group_tests_name("pv_blk_life", tests, NULL, NULL);
}
