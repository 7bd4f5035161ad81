/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV network with several queues, and the control ring: the guest's rule for choosing one, and
 * the grants it keeps with us. Hashes are those of the verification suite of Microsoft's "Introduction
 * to Receive Side Scaling". See netfront.h.
 */
#include "netfront.h"

#include "pv/net_priv.h"

enum { KEY_PAGE = DATA + 50 };

static uint32_t ctrl_prod, ctrl_cons;

/* ---- several queues ---- */

static void put_queues(unsigned n) {
    queue_count = n;
    put_number("", "multi-queue-num-queues", n);
    for (unsigned i = 0; n > 1 && i < n; i++) {
        char folder[16];
        snprintf(folder, sizeof(folder), "queue-%u/", i);
        put_queue(folder, i);
    }
}

/* A frame of a flow. */
static void make_flow(uint8_t *f, unsigned port, size_t len) {
    make_tcp(f, len);
    store_be16(f + 34, (uint16_t)port);
}

static unsigned total(void) {
    unsigned n = 0;
    for (at_queue = 0; at_queue < queue_count; at_queue++)
        n += *word(RX_REF, 8);
    at_queue = 0;
    return n;
}

static void queues_send(void **unused) {
    uint8_t f[200];
    (void)unused;
    assert_string_equal(fixture_hv_get(xen, BE "multi-queue-max-queues"), "8");
    put_queues(3);
    connect_with(true);
    make_frame(xen->pages[DATA], peer, 200);
    for (at_queue = 0; at_queue < 3; at_queue++) {
        tx(DATA, 0, 0, 100 + at_queue);
        kick();
        assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), 100 + at_queue);
        assert_int_equal(status(), NETIF_OKAY);
        assert_int_equal(xen->told[at_queue], 1);
    }
}

/* What one event did not tell of is found when the other queue's is served. */
static void queues_take_turns(void **unused) {
    uint8_t f[200];
    (void)unused;
    put_queues(2);
    connect_with(true);
    make_frame(xen->pages[DATA], peer, 200);
    fixture_net_room(net, 0);
    for (at_queue = 0; at_queue < 2; at_queue++) {
        for (unsigned i = 0; i < 3; i++)
            tx(DATA, 0, 0, 100 + at_queue);
        kick();
    }
    assert_int_equal(fixture_sent_count(net), 0);
    fixture_net_room(net, UINT_MAX);
    settle();
    assert_int_equal(fixture_sent_count(net), 6);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), 100 + i / 3);
}

/* A flow stays on its queue; flows are spread. */
static void queues_receive(void **unused) {
    uint8_t f[200];
    bool used[2] = {false};
    (void)unused;
    put_queues(2);
    connect_with(true);
    for (at_queue = 0; at_queue < 2; at_queue++) {
        post(60);
        kick();
    }
    for (unsigned port = 0; port < 16; port++) {
        uint32_t before[2];
        make_flow(f, 1000 + port, sizeof(f));
        at_queue = 0, before[0] = *word(RX_REF, 8);
        at_queue = 1, before[1] = *word(RX_REF, 8);
        for (unsigned i = 0; i < 3; i++)
            fixture_arrive(net, f, sizeof(f), NULL);
        at_queue = *word(RX_REF, 8) != before[1];
        assert_int_equal(*word(RX_REF, 8), before[at_queue] + 3);
        used[at_queue] = true;
    }
    assert_true(used[0] && used[1]);
    assert_int_equal(total(), 48);
}

/* A queue without slots holds up the other for a moment, not for ever. */
static void a_queue_that_stalls(void **unused) {
    uint8_t f[200];
    unsigned port = 0;
    (void)unused;
    put_queues(2);
    connect_with(true);
    post(100);
    kick();
    while (net->listening) {
        make_flow(f, port++, sizeof(f));
        fixture_arrive(net, f, sizeof(f), NULL);
    }
    uint32_t before = total();
    make_flow(f, 0, sizeof(f));
    fixture_arrive(net, f, sizeof(f), NULL);
    assert_int_equal(fixture_waiting(net), 1);
    fixture_sleep(&fx, 1100 * NS_PER_MS);
    assert_true(net->listening);
    fixture_frames(&fx);
    for (unsigned i = 0; i < 20; i++) {
        make_flow(f, i, sizeof(f));
        fixture_arrive(net, f, sizeof(f), NULL);
        assert_int_equal(fixture_waiting(net), 0);
    }
    assert_in_range(total(), before + 5, before + 20);
    at_queue = 1;
    post(60);
    kick();
    before = *word(RX_REF, 8);
    for (unsigned i = 0; i < 20; i++) {
        make_flow(f, i, sizeof(f));
        fixture_arrive(net, f, sizeof(f), NULL);
    }
    assert_true(*word(RX_REF, 8) > before);
}

static void queues_that_cannot_be(void **unused) {
    (void)unused;
    static const char *const counts[] = {"0", "9", "4000000000"};
    fixture_hv_put(xen, FE "request-rx-copy", "1");
    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        fixture_hv_put(xen, FE "multi-queue-num-queues", counts[i]);
        fixture_hv_put(xen, FE "state", "4");
        settle();
        assert_string_equal(fixture_hv_get(xen, BE "state"), "5");
        fixture_hv_put(xen, FE "state", "1");
        settle();
    }
    put_queues(2);
    fixture_hv_put(xen, FE "queue-1/rx-ring-ref", "1000");
    fixture_hv_put(xen, FE "state", "4");
    settle();
    assert_string_equal(fixture_hv_get(xen, BE "state"), "5");
    assert_int_equal(xen->mapped, 0);
}

/* ---- the control ring ---- */

static void connect_ctrl(unsigned queues) {
    put_queues(queues);
    ctrl_prod = ctrl_cons = 0;
    memset(xen->pages[CTRL_REF], 0, PV_PAGE);
    *word(CTRL_REF, 4) = *word(CTRL_REF, 12) = 1;
    fixture_hv_put(xen, FE "ctrl-ring-ref", "7");
    put_number("", "event-channel-ctrl", FHV_PORT + QUEUES);
    connect_with(true);
}

static uint32_t answered; /* the data of the last one */

static uint32_t ctrl(unsigned type, uint32_t a, uint32_t b, uint32_t c) {
    uint8_t *s = xen->pages[CTRL_REF] + 64 + (ctrl_prod & 127) * 16;
    unsigned told = xen->told[QUEUES];
    store_le16(s, (uint16_t)(0x300 + ctrl_prod));
    store_le16(s + 2, (uint16_t)type);
    store_le32(s + 4, a);
    store_le32(s + 8, b);
    store_le32(s + 12, c);
    *word(CTRL_REF, 0) = ++ctrl_prod;
    fixture_hv_event(xen, FHV_PORT + QUEUES);
    assert_int_equal(*word(CTRL_REF, 8), ctrl_prod);
    assert_int_equal(xen->told[QUEUES], told + 1);
    *word(CTRL_REF, 12) = ctrl_prod + 1;
    assert_int_equal(load_le16(s), 0x300 + ctrl_prod - 1);
    assert_int_equal(load_le16(s + 2), type);
    answered = load_le32(s + 8);
    return load_le32(s + 4);
}

static const uint8_t rss_key[40] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

/* 66.9.149.187:2794 to 161.142.100.80:1766 */
static void make_rss4(uint8_t *f, uint8_t proto) {
    static const uint8_t tuple[12] = {66, 9, 149, 187, 161, 142, 100, 80,
                                      2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255};
    make_tcp(f, 100);
    memcpy(f + 26, tuple, sizeof(tuple));
    f[23] = proto;
}

/* 3ffe:2501:200:1fff::7, 2794 to 3ffe:2501:200:3::1, 1766 */
static void make_rss6(uint8_t *f) {
    static const uint8_t from[16] = {0x3f, 0xfe, 0x25, 1, 2, 0, 0x1f, 0xff, [15] = 7};
    static const uint8_t to[16] = {0x3f, 0xfe, 0x25, 1, 2, 0, 0, 3, [15] = 1};
    make_frame(f, mac, 100);
    memset(f + 14, 0, 86);
    store_be16(f + 12, 0x86dd);
    f[14] = 0x60;
    store_be16(f + 18, 46);
    f[20] = 6;
    memcpy(f + 22, from, 16);
    memcpy(f + 38, to, 16);
    store_be16(f + 54, 2794);
    store_be16(f + 56, 1766);
    f[66] = 0x50;
}

static void expect_hash(const uint8_t *frame, unsigned type, uint32_t val) {
    fixture_arrive(net, frame, 100, NULL);
    rx(NETRX_EXTRA, 100);
    const uint8_t *extra = slot(RX_REF, rx_cons[at_queue]++);
    assert_int_equal(extra[0], NETEXTRA_HASH);
    assert_int_equal(extra[1], 0);
    assert_int_equal(extra[2], type);
    assert_int_equal(extra[3], NETHASH_TOEPLITZ);
    assert_int_equal(load_le32(extra + 4), val);
}

static void choose_hash(unsigned flags) {
    memcpy(xen->pages[KEY_PAGE], rss_key, sizeof(rss_key));
    assert_int_equal(ctrl(NETCTRL_SET_HASH_ALGORITHM, NETHASH_TOEPLITZ, 0, 0), NETCTRL_SUCCESS);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_KEY, KEY_PAGE, 40, 0), NETCTRL_SUCCESS);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_FLAGS, flags, 0, 0), NETCTRL_SUCCESS);
}

static void hashes(void **unused) {
    uint8_t f[100];
    (void)unused;
    connect_ctrl(1);
    post(40);
    kick();
    choose_hash(15);
    make_rss4(f, 6);
    expect_hash(f, NETHASH_TCP4, 0x51ccc178);
    make_rss4(f, 17);
    expect_hash(f, NETHASH_IP4, 0x323e8fc2);
    make_rss6(f);
    expect_hash(f, NETHASH_TCP6, 0x40207d3d);
    choose_hash(1u << NETHASH_IP4 | 1u << NETHASH_IP6);
    expect_hash(f, NETHASH_IP6, 0x2cc18cd5);
    make_rss4(f, 6);
    expect_hash(f, NETHASH_IP4, 0x323e8fc2);
    /* none of its types, or none at all */
    choose_hash(1u << NETHASH_TCP6);
    fixture_arrive(net, f, 100, NULL);
    rx(0, 100);
    ctrl(NETCTRL_SET_HASH_ALGORITHM, NETHASH_NONE, 0, 0);
    make_rss6(f);
    fixture_arrive(net, f, 100, NULL);
    rx(0, 100);
    /* an empty key */
    choose_hash(15);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_KEY, 0, 0, 0), NETCTRL_SUCCESS);
    expect_hash(f, NETHASH_TCP6, 0);
}

/* Beside the other extra information. */
static void hash_of_a_long_frame(void **unused) {
    uint8_t f[5000];
    struct net_meta undone = {.flags = NET_META_CSUM, .gso_type = NET_GSO_TCP4, .hdr_len = 54,
                              .gso_size = 1460, .csum_start = 34, .csum_offset = 16};
    (void)unused;
    connect_ctrl(1);
    post(4);
    kick();
    choose_hash(15);
    make_tcp(f, sizeof(f));
    fixture_arrive(net, f, sizeof(f), &undone);
    rx(NETRX_CSUM_BLANK | NETRX_VALIDATED | NETRX_EXTRA | NETRX_MORE, 4096);
    assert_int_equal(slot(RX_REF, rx_cons[0])[0], NETEXTRA_GSO);
    assert_int_equal(slot(RX_REF, rx_cons[0]++)[1], NETEXTRA_MORE);
    assert_int_equal(slot(RX_REF, rx_cons[0])[0], NETEXTRA_HASH);
    assert_int_equal(slot(RX_REF, rx_cons[0]++)[1], 0);
    rx(0, 904);
}

static void map_to(unsigned n, uint32_t offset, uint32_t queue) {
    for (unsigned i = 0; i < n; i++)
        store_le32(xen->pages[KEY_PAGE] + i * 4, queue);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_MAPPING, KEY_PAGE, n, offset), NETCTRL_SUCCESS);
}

static void mapping(void **unused) {
    uint8_t f[100];
    (void)unused;
    connect_ctrl(3);
    for (at_queue = 0; at_queue < 3; at_queue++) {
        post(20);
        kick();
    }
    choose_hash(15);
    make_rss4(f, 6);
    at_queue = 0x51ccc178 % 3; /* no table: by remainder */
    expect_hash(f, NETHASH_TCP4, 0x51ccc178);
    assert_int_equal(ctrl(NETCTRL_GET_HASH_MAPPING_SIZE, 0, 0, 0), NETCTRL_SUCCESS);
    assert_int_equal(answered, 128);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_MAPPING_SIZE, 128, 0, 0), NETCTRL_SUCCESS);
    at_queue = 0; /* a new table is all zeros */
    expect_hash(f, NETHASH_TCP4, 0x51ccc178);
    map_to(128, 0, 1);
    at_queue = 1;
    expect_hash(f, NETHASH_TCP4, 0x51ccc178);
    map_to(1, 0x51ccc178 % 128, 2);
    at_queue = 2;
    expect_hash(f, NETHASH_TCP4, 0x51ccc178);
}

static void bad_control(void **unused) {
    (void)unused;
    connect_ctrl(2);
    assert_string_equal(fixture_hv_get(xen, BE "feature-ctrl-ring"), "1");
    assert_int_equal(ctrl(0, 0, 0, 0), NETCTRL_NOT_SUPPORTED);
    assert_int_equal(ctrl(11, 0, 0, 0), NETCTRL_NOT_SUPPORTED);
    assert_int_equal(ctrl(NETCTRL_GET_HASH_FLAGS, 0, 0, 0), NETCTRL_NOT_SUPPORTED);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_FLAGS, 1, 0, 0), NETCTRL_NOT_SUPPORTED);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_ALGORITHM, 2, 0, 0), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_ALGORITHM, 1, 0, 0), NETCTRL_SUCCESS);
    assert_int_equal(ctrl(NETCTRL_GET_HASH_FLAGS, 0, 0, 0), NETCTRL_SUCCESS);
    assert_int_equal(answered, 15);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_FLAGS, 16, 0, 0), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_KEY, KEY_PAGE, 41, 0), NETCTRL_BUFFER_OVERFLOW);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_KEY, 1000, 40, 0), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_MAPPING_SIZE, 129, 0, 0), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_MAPPING_SIZE, 4, 0, 0), NETCTRL_SUCCESS);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_MAPPING, KEY_PAGE, 5, 0), NETCTRL_BUFFER_OVERFLOW);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_MAPPING, KEY_PAGE, 2, 3), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(ctrl(NETCTRL_SET_HASH_MAPPING, KEY_PAGE, 1, UINT32_MAX),
                     NETCTRL_INVALID_PARAMETER);
    store_le32(xen->pages[KEY_PAGE], 2); /* there are 0 and 1 */
    assert_int_equal(ctrl(NETCTRL_SET_HASH_MAPPING, KEY_PAGE, 1, 0), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(ctrl(NETCTRL_GET_GREF_MAPPING_SIZE, 2, 0, 0), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(ctrl(NETCTRL_ADD_GREF_MAPPING, 2, KEY_PAGE, 1), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(ctrl(NETCTRL_DEL_GREF_MAPPING, UINT32_MAX, KEY_PAGE, 1),
                     NETCTRL_INVALID_PARAMETER);
    assert_int_equal(ctrl(NETCTRL_ADD_GREF_MAPPING, 0, KEY_PAGE, 513), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(ctrl(NETCTRL_ADD_GREF_MAPPING, 0, 1000, 1), NETCTRL_INVALID_PARAMETER);
}

static void a_ctrl_index_that_jumps(void **unused) {
    uint8_t f[100];
    (void)unused;
    connect_ctrl(1);
    *word(CTRL_REF, 0) = 129;
    fixture_hv_event(xen, FHV_PORT + QUEUES);
    settle();
    assert_int_equal(*word(CTRL_REF, 8), 0);
    assert_false(net->listening);
    make_frame(xen->pages[DATA], peer, 100);
    tx(DATA, 0, 0, 100);
    kick();
    assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), 0);
}

/* ---- kept grants ---- */

static void list_gref(unsigned i, uint32_t ref, unsigned flags) {
    uint8_t *e = xen->pages[KEY_PAGE] + (size_t)i * 8;
    store_le32(e, ref);
    store_le16(e + 4, (uint16_t)flags);
    store_le16(e + 6, 0x55);
}

static unsigned gref_status(unsigned i) {
    return load_le16(xen->pages[KEY_PAGE] + (size_t)i * 8 + 6);
}

static void kept_grants(void **unused) {
    uint8_t f[5000], want[5000];
    (void)unused;
    connect_ctrl(1);
    assert_int_equal(ctrl(NETCTRL_GET_GREF_MAPPING_SIZE, 0, 0, 0), NETCTRL_SUCCESS);
    assert_true(answered >= 256);
    for (unsigned i = 0; i < 30; i++) /* downwards, as the order doesn't matter */
        list_gref(i, DATA + 49 - i, 0);
    list_gref(30, DATA, NETGREF_READONLY);
    list_gref(31, DATA + 1, NETGREF_READONLY);
    unsigned before = xen->mapped;
    assert_int_equal(ctrl(NETCTRL_ADD_GREF_MAPPING, 0, KEY_PAGE, 32), NETCTRL_SUCCESS);
    assert_int_equal(xen->mapped, before + 32);
    unsigned calls = xen->copy_calls;
    make_frame(want, peer, sizeof(want));
    memcpy(xen->pages[DATA] + 96, want, 4000);
    memcpy(xen->pages[DATA + 1], want + 4000, 1000);
    tx(DATA, 96, NETTX_MORE, 5000);
    tx(DATA + 1, 0, 0, 1000);
    post(8);
    kick();
    assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), 5000);
    assert_memory_equal(f, want, sizeof(want));
    fixture_arrive(net, want, 5000, NULL);
    assert_memory_equal(rx(NETRX_MORE, 4096), want, 4096);
    assert_memory_equal(rx(0, 904), want + 4096, 904);
    assert_int_equal(xen->copy_calls, calls); /* all without a hypercall */
    /* one that may only be read can't be written to */
    store_le32(slot(RX_REF, 2) + 4, DATA);
    fixture_arrive(net, want, 100, NULL);
    rx(0, NETIF_ERROR);
    /* given back: found once, then not */
    list_gref(0, DATA, 0);
    list_gref(1, DATA, 0);
    list_gref(2, 63, 0);
    assert_int_equal(ctrl(NETCTRL_DEL_GREF_MAPPING, 0, KEY_PAGE, 3), NETCTRL_SUCCESS);
    assert_int_equal(answered, 1);
    assert_int_equal(gref_status(0), NETCTRL_SUCCESS);
    assert_int_equal(gref_status(1), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(gref_status(2), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(xen->mapped, before + 31);
    tx(DATA, 96, 0, 100);
    kick();
    assert_int_equal(xen->copy_calls, calls + 3); /* the list twice, and the frame */
    assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), 100);
}

/* All of a list or nothing. The rest is given back at the end: see teardown. */
static void kept_grants_that_fail(void **unused) {
    (void)unused;
    connect_ctrl(2);
    unsigned before = xen->mapped;
    list_gref(0, DATA, 0);
    list_gref(1, DATA + 1, 0);
    list_gref(2, 1000, 0);
    assert_int_equal(ctrl(NETCTRL_ADD_GREF_MAPPING, 1, KEY_PAGE, 3), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(xen->mapped, before);
    list_gref(2, DATA, 0); /* twice */
    assert_int_equal(ctrl(NETCTRL_ADD_GREF_MAPPING, 1, KEY_PAGE, 3), NETCTRL_INVALID_PARAMETER);
    assert_int_equal(xen->mapped, before);
    assert_int_equal(ctrl(NETCTRL_ADD_GREF_MAPPING, 1, KEY_PAGE, 2), NETCTRL_SUCCESS);
    assert_int_equal(ctrl(NETCTRL_ADD_GREF_MAPPING, 0, KEY_PAGE, 2), NETCTRL_SUCCESS);
    assert_int_equal(xen->mapped, before + 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(queues_send), TEST(queues_take_turns), TEST(queues_receive),
        TEST(a_queue_that_stalls), TEST(queues_that_cannot_be), TEST(hashes),
        TEST(hash_of_a_long_frame), TEST(mapping), TEST(bad_control),
        TEST(a_ctrl_index_that_jumps), TEST(kept_grants), TEST(kept_grants_that_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
