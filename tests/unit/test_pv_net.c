/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV network with one queue: frames both ways, offloads, multicast, guests that don't take what
 * arrives, and what a hostile frontend writes. See netfront.h.
 */
#include "netfront.h"

#include <malloc.h>

static void features(void **unused) {
    (void)unused;
    assert_string_equal(fixture_hv_get(xen, BE "state"), "2");
    assert_string_equal(fixture_hv_get(xen, BE "hotplug-status"), "connected");
    assert_string_equal(fixture_hv_get(xen, BE "feature-rx-copy"), "1");
    assert_string_equal(fixture_hv_get(xen, BE "feature-rx-flip"), "0");
    assert_string_equal(fixture_hv_get(xen, BE "feature-sg"), "1");
    assert_string_equal(fixture_hv_get(xen, BE "feature-gso-tcpv4"), "1");
    connect_with(true);
    assert_int_equal(fixture_accepted(net), NET_CSUM | NET_TSO4 | NET_TSO6);
}

static void sends(void **unused) {
    uint8_t f[65536], want[3000];
    (void)unused;
    connect_with(false);
    make_frame(want, peer, sizeof(want));
    memcpy(xen->pages[DATA] + 96, want, 1000);
    memcpy(xen->pages[DATA + 1], want + 1000, 2000);
    tx(DATA, 96, 0, 60);
    tx(DATA, 96, NETTX_MORE, 3000); /* the first one says the whole size */
    tx(DATA + 1, 0, 0, 2000);
    kick();
    assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), 60);
    assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), 3000);
    assert_memory_equal(f, want, 3000);
    assert_int_equal(xen->copy_calls, 1);
    assert_int_equal(xen->split, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(load_le16(slot(TX_REF, tx_cons[0])), 0x100 + i);
        assert_int_equal(status(), 0);
    }
    assert_int_equal(xen->told[0], 1);
    assert_int_equal(*word(TX_REF, 4), 4); /* tell of the next */
}

static void offloads_of_the_guest(void **unused) {
    uint8_t f[65536];
    struct net_meta meta;
    (void)unused;
    connect_with(true);
    make_tcp(xen->pages[DATA], 4000);
    tx(DATA, 0, NETTX_CSUM_BLANK | NETTX_VALIDATED, 1000);
    store_be16(xen->pages[DATA] + 16, 986);
    kick();
    if (!net->offloads) {
        assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), 1000);
        struct iovec iov = {f, 1000};
        struct net_layout l;
        net_layout(&iov, 1, &l);
        assert_int_equal(net_verify(&iov, 1, &l) & NET_SUM_L4_BAD, 0);
    } else {
        assert_int_equal(fixture_sent(net, f, sizeof(f), &meta), 1000);
        assert_int_equal(meta.flags, NET_META_CSUM);
        assert_int_equal(meta.csum_start, 34);
        assert_int_equal(meta.csum_offset, 16);
    }
    /* segments: size, type, features */
    make_tcp(xen->pages[DATA], 4000);
    tx(DATA, 0, NETTX_CSUM_BLANK | NETTX_EXTRA, 4000);
    tx_extra(NETEXTRA_GSO, 0, (const uint8_t[]){1460 & 255, 1460 >> 8, NETGSO_TCP4, 0, 0, 0});
    kick();
    if (net->offloads) {
        assert_int_equal(fixture_sent(net, f, sizeof(f), &meta), 4000);
        assert_int_equal(meta.gso_type, NET_GSO_TCP4);
        assert_int_equal(meta.gso_size, 1460);
        assert_int_equal(meta.hdr_len, 54);
    } else {
        static const size_t lengths[] = {1514, 1514, 1080};
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), lengths[i]);
            assert_true(sum_ok(f, lengths[i]));
        }
    }
    assert_int_equal(status(), 0);
    assert_int_equal(status(), 0);
    assert_int_equal(status(), NETIF_NULL);
}

static void receives(void **unused) {
    uint8_t want[9000];
    (void)unused;
    connect_with(true);
    make_frame(want, mac, sizeof(want));
    fixture_arrive(net, want, 100, NULL);
    fixture_arrive(net, want, 50, NULL);
    assert_int_equal(fixture_waiting(net), 1); /* no slots yet: one is held, and no more */
    assert_false(net->listening);
    post(2);
    kick();
    fixture_frames(&fx);
    assert_memory_equal(rx(0, 100), want, 100);
    assert_memory_equal(rx(0, 50), want, 50);
    post(1);
    kick();
    fixture_arrive(net, want, 9000, NULL); /* three pages, one is there */
    assert_int_equal(*word(RX_REF, 8), 2);
    assert_int_equal(*word(RX_REF, 4), 5); /* tell when there are three */
    assert_false(net->listening);
    post(10);
    kick();
    assert_memory_equal(rx(NETRX_MORE, 4096), want, 4096);
    assert_memory_equal(rx(NETRX_MORE, 4096), want + 4096, 4096);
    assert_memory_equal(rx(0, 808), want + 8192, 808);
    assert_int_equal(xen->split, 0);
    assert_true(net->listening);
}

static void offloads_to_the_guest(void **unused) {
    uint8_t f[5000];
    struct net_meta undone = {.flags = NET_META_CSUM, .gso_type = NET_GSO_TCP4, .hdr_len = 54,
                              .gso_size = 1460, .csum_start = 34, .csum_offset = 16};
    struct net_meta valid = {.flags = NET_META_VALID};
    (void)unused;
    connect_with(true);
    post(8);
    kick();
    make_tcp(f, sizeof(f));
    fixture_arrive(net, f, sizeof(f), &undone);
    rx(NETRX_CSUM_BLANK | NETRX_VALIDATED | NETRX_EXTRA | NETRX_MORE, 4096);
    const uint8_t *extra = slot(RX_REF, rx_cons[0]++);
    assert_int_equal(extra[0], NETEXTRA_GSO);
    assert_int_equal(load_le16(extra + 2), 1460);
    assert_int_equal(extra[4], NETGSO_TCP4);
    rx(0, 904);
    fixture_arrive(net, f, 200, &valid);
    rx(NETRX_VALIDATED, 200);
}

static void multicast_control(void **unused) {
    uint8_t f[100];
    static const uint8_t group[6] = {0x01, 0x00, 0x5e, 1, 2, 3};
    (void)unused;
    fixture_hv_put(xen, FE "request-multicast-control", "1");
    connect_with(false);
    post(8);
    make_frame(f, group, sizeof(f));
    kick();
    fixture_arrive(net, f, sizeof(f), NULL);
    assert_int_equal(*word(RX_REF, 8), 0);
    tx(0, 0, NETTX_EXTRA, 0);
    tx_extra(NETEXTRA_MCAST_ADD, 0, group);
    kick();
    assert_int_equal(status(), 0);
    assert_int_equal(status(), NETIF_NULL);
    fixture_arrive(net, f, sizeof(f), NULL);
    rx(0, 100);
    tx(0, 0, NETTX_EXTRA, 0);
    tx_extra(NETEXTRA_MCAST_DEL, 0, group);
    kick();
    fixture_arrive(net, f, sizeof(f), NULL);
    assert_int_equal(*word(RX_REF, 8), 1);
    assert_int_equal(fixture_sent_count(net), 0);
}

static void a_link_without_room(void **unused) {
    uint8_t f[65536];
    (void)unused;
    connect_with(true);
    fixture_net_room(net, 2);
    make_tcp(xen->pages[DATA], 4000);
    for (unsigned i = 0; i < 4; i++)
        tx(DATA, 0, 0, 100 + i);
    kick();
    assert_int_equal(fixture_sent_count(net), 2);
    assert_int_equal(*word(TX_REF, 8), 2);
    kick();
    assert_int_equal(*word(TX_REF, 8), 2);
    fixture_net_room(net, UINT_MAX);
    assert_int_equal(*word(TX_REF, 8), 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), 100 + i);
}

/* Grants that are no good, frames that contradict themselves: an error each. */
static void bad_frames(void **unused) {
    uint8_t f[65536];
    (void)unused;
    connect_with(true);
    make_tcp(xen->pages[DATA], 4000);
    tx(1000, 0, 0, 100);              /* no such grant */
    tx(DATA, 4000, 0, 200);           /* beyond the page */
    tx(DATA, 0, 0, 13);               /* not even a header */
    tx(DATA, 0, NETTX_MORE, 100);     /* its parts are longer than it is */
    tx(DATA, 0, 0, 200);
    tx(DATA, 0, NETTX_EXTRA | NETTX_CSUM_BLANK, 1000);
    tx_extra(NETEXTRA_GSO, 0, (const uint8_t[6]){0, 0, NETGSO_TCP4}); /* segments of nothing */
    tx(DATA, 0, 0, 100);
    kick();
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(status(), NETIF_ERROR);
    assert_int_equal(status(), NETIF_NULL);
    assert_int_equal(status(), 0);
    assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), 100);
    /* to the guest, too */
    post(1);
    store_le32(slot(RX_REF, 0) + 4, 1000);
    kick();
    fixture_arrive(net, xen->pages[DATA], 100, NULL);
    rx(0, NETIF_ERROR);
}

/* What its parts sum up to wraps round at 64 KiB to something small. */
static void parts_that_wrap(void **unused) {
    (void)unused;
    connect_with(true);
    tx(DATA, 0, NETTX_MORE, 100);
    for (unsigned i = 0; i < 15; i++)
        tx(DATA, 0, NETTX_MORE, 4096);
    tx(DATA, 0, 0, 4060);
    kick();
    assert_int_equal(status(), NETIF_ERROR);
    assert_int_equal(fixture_sent_count(net), 0);
}

static void expect_not_served(void) {
    unsigned sent = fixture_sent_count(net);
    kick();
    tx(DATA, 0, 0, 100);
    kick();
    assert_int_equal(fixture_sent_count(net), sent);
    assert_false(net->listening);
    /* until it connects anew */
    fixture_hv_put(xen, FE "state", "5");
    settle();
    fixture_hv_put(xen, FE "state", "6");
    settle();
    fixture_hv_put(xen, FE "state", "1");
    settle();
    connect_with(true);
    tx(DATA, 0, 0, 100);
    kick();
    assert_int_equal(fixture_sent_count(net), sent + 1);
}

static void hostile_rings(void **unused) {
    uint8_t frame[100];
    (void)unused;
    connect_with(true);
    tx_prod[0] += 300;
    expect_not_served();
    rx_prod[0] += 300; /* seen when there is something to receive */
    kick();
    make_frame(frame, mac, sizeof(frame));
    fixture_arrive(net, frame, sizeof(frame), NULL);
    expect_not_served();
    for (unsigned i = 0; i < 21; i++) /* no end */
        tx(DATA, 0, NETTX_MORE, 1000);
    expect_not_served();
    tx(DATA, 0, NETTX_MORE, 1000); /* cut off */
    expect_not_served();
    tx(DATA, 0, NETTX_EXTRA, 1000);
    expect_not_served();
}

static void split_channels(void **unused) {
    uint8_t f[100];
    (void)unused;
    fixture_hv_put(xen, FE "event-channel-tx", "8");
    fixture_hv_put(xen, FE "event-channel-rx", "9");
    connect_with(false);
    tx(DATA, 0, 0, 100);
    *word(TX_REF, 0) = tx_prod[0];
    fixture_hv_event(xen, FHV_PORT + 1);
    assert_int_equal(fixture_sent_count(net), 1);
    assert_int_equal(xen->told[1], 1);
    post(1);
    *word(RX_REF, 0) = rx_prod[0];
    fixture_hv_event(xen, FHV_PORT + 2);
    make_frame(f, mac, sizeof(f));
    fixture_arrive(net, f, sizeof(f), NULL);
    rx(0, 100);
    assert_int_equal(xen->told[2], 1);
}

/* A full ring is served in batches, and goes on by itself. */
static void a_full_ring(void **unused) {
    (void)unused;
    connect_with(true);
    for (unsigned i = 0; i < 256; i++)
        tx(DATA, 0, 0, 60);
    kick();
    assert_int_equal(*word(TX_REF, 8), 256);
    assert_int_equal(xen->copy_calls, 4);
    assert_int_equal(xen->told[0], 1); /* its wish: of the first */
}

/* ---- floods ---- */

/* As many frames as a gigabit's smallest in a second, both ways at once, and a guest that often has
 * no slots: no memory is taken for them. */
static void floods(void **unused) {
    uint8_t f[3000];
    (void)unused;
    connect_with(true);
    make_frame(f, mac, sizeof(f));
    make_frame(xen->pages[DATA], peer, 3000);
    size_t before = 0;
    for (unsigned i = 0; i < 60000; i++) {
        for (unsigned k = 0; k < 20; k++)
            tx(DATA, 0, 0, 60 + i % 1440);
        post(i % 7 ? 3 : i % 64);
        *word(RX_REF, 0) = rx_prod[0];
        fixture_net_room(net, i % 5 ? UINT_MAX : 7);
        for (unsigned k = 0; k < 5; k++)
            fixture_arrive(net, f, 60 + i % 2900, NULL);
        kick();
        fixture_net_room(net, UINT_MAX);
        settle();
        assert_int_equal(*word(TX_REF, 8), tx_prod[0]);
        rx_cons[0] = *word(RX_REF, 8);
        while (rx_prod[0] - rx_cons[0] > 200) /* the ring is full: some are taken */
            fixture_arrive(net, f, 60, NULL), rx_cons[0] = *word(RX_REF, 8);
        while (fixture_sent(net, f, 0, NULL))
            ;
        if (i == 1000)
            before = mallinfo2().uordblks;
    }
    assert_int_equal(xen->split, 0);
    assert_true(mallinfo2().uordblks <= before + 64 * 3200); /* the link's */
}

/* ---- IPv6 ---- */

static void make_tcp6(uint8_t *f, size_t len) {
    make_frame(f, peer, len);
    memset(f + 14, 0, 60);
    store_be16(f + 12, 0x86dd);
    f[14] = 0x60;
    store_be16(f + 18, (uint16_t)(len - 54));
    f[20] = 6;
    f[22 + 15] = 1;
    f[38 + 15] = 2;
    f[66] = 0x50;
}

static void long_frames_of_ipv6(void **unused) {
    uint8_t f[65536];
    struct net_meta meta;
    struct net_meta undone = {.flags = NET_META_CSUM, .gso_type = NET_GSO_TCP6, .hdr_len = 74,
                              .gso_size = 1440, .csum_start = 54, .csum_offset = 16};
    (void)unused;
    connect_with(true);
    make_tcp6(xen->pages[DATA], 4000);
    tx(DATA, 0, NETTX_CSUM_BLANK | NETTX_EXTRA, 4000);
    tx_extra(NETEXTRA_GSO, NETEXTRA_MORE,
             (const uint8_t[]){1440 & 255, 1440 >> 8, NETGSO_TCP6, 0, 0, 0});
    tx_extra(NETEXTRA_HASH, 0, (const uint8_t[]){NETHASH_TCP6, NETHASH_TOEPLITZ, 1, 2, 3, 4});
    post(4);
    kick();
    assert_int_equal(fixture_sent(net, f, sizeof(f), &meta), 4000);
    assert_memory_equal(&meta, &undone, sizeof(meta));
    make_tcp6(f, 5000);
    fixture_arrive(net, f, 5000, &undone);
    rx(NETRX_CSUM_BLANK | NETRX_VALIDATED | NETRX_EXTRA | NETRX_MORE, 4096);
    assert_int_equal(slot(RX_REF, rx_cons[0]++)[4], NETGSO_TCP6);
    rx(0, 904);
}

/* feature-ipv6-csum-offload is absent: checksums of IPv6 are put, those of IPv4 are not. */
static void sums_of_ipv6(void **unused) {
    uint8_t f[200];
    struct net_meta undone = {.flags = NET_META_CSUM, .csum_start = 54, .csum_offset = 16};
    struct iovec iov = {f, sizeof(f)};
    struct net_layout l;
    (void)unused;
    connect_with(false);
    assert_int_equal(fixture_accepted(net), NET_CSUM);
    post(2);
    kick();
    make_tcp6(f, sizeof(f));
    net_layout(&iov, 1, &l);
    store_be16(f + 70, net_pseudo_sum(&iov, 1, &l, sizeof(f) - 54));
    fixture_arrive(net, f, sizeof(f), &undone);
    memcpy(f, rx(NETRX_VALIDATED, 200), sizeof(f));
    assert_int_equal(net_verify(&iov, 1, &l), NET_SUM_L4);
    make_tcp(f, sizeof(f));
    undone.csum_start = 34;
    fixture_arrive(net, f, sizeof(f), &undone);
    rx(NETRX_VALIDATED | NETRX_CSUM_BLANK, 200);
}

static void no_offloads(void **unused) {
    (void)unused;
    fixture_hv_put(xen, FE "feature-no-csum-offload", "1");
    connect_with(true);
    assert_int_equal(fixture_accepted(net), 0);
}

/* ---- guests that don't take what arrives ---- */

static void arrive_many(unsigned n) {
    uint8_t f[9000];
    make_frame(f, mac, sizeof(f));
    for (unsigned i = 0; i < n; i++)
        fixture_arrive(net, f, 1000, NULL);
}

static void a_guest_that_stalls(void **unused) {
    (void)unused;
    connect_with(true);
    post(1);
    kick();
    arrive_many(20);
    rx(0, 1000);
    assert_int_equal(fixture_waiting(net), 18); /* and one is held */
    fixture_sleep(&fx, 9 * NS_PER_SEC);
    fixture_frames(&fx);
    assert_int_equal(fixture_waiting(net), 18);
    fixture_sleep(&fx, 2 * NS_PER_SEC);
    fixture_frames(&fx);
    assert_int_equal(fixture_waiting(net), 0); /* lost */
    for (unsigned i = 0; i < 10; i++) {
        arrive_many(1000);
        assert_int_equal(fixture_waiting(net), 0);
    }
    assert_int_equal(clock_next(fx.clock), TIMER_NEVER); /* nothing ticks */
    post(2);
    kick();
    arrive_many(1);
    rx(0, 1000);
    arrive_many(3); /* and it is waited for again */
    rx(0, 1000);
    assert_int_equal(fixture_waiting(net), 1);
}

/* No feature-rx-notify: slots may be there at any time, without a word. */
static void a_guest_that_does_not_tell(void **unused) {
    (void)unused;
    connect_with(true);
    fixture_hv_put(xen, FE "state", "5");
    settle();
    fixture_hv_put(xen, FE "state", "1");
    settle();
    fixture_hv_put(xen, FE "feature-rx-notify", "0");
    begin_rings();
    fixture_hv_put(xen, FE "state", "4");
    settle();
    arrive_many(3);
    post(3);
    *word(RX_REF, 0) = rx_prod[0];
    fixture_sleep(&fx, 40 * NS_PER_MS);
    fixture_frames(&fx);
    for (unsigned i = 0; i < 3; i++)
        rx(0, 1000);
    arrive_many(2);
    fixture_sleep(&fx, 40 * NS_PER_MS);
    fixture_frames(&fx);
    assert_int_equal(fixture_waiting(net), 0);
}

/* What came for nobody is not brought to the next frontend. */
static void stale_frames(void **unused) {
    (void)unused;
    arrive_many(5);
    connect_with(true);
    post(5);
    kick();
    arrive_many(1);
    rx(0, 1000);
    assert_int_equal(*word(RX_REF, 8), 1);
}

/* ---- what was agreed on ---- */

static void multicast_at_any_time(void **unused) {
    uint8_t f[100], group[6] = {0x01, 0x00, 0x5e, 1, 2, 3};
    (void)unused;
    connect_with(false);
    post(8);
    kick();
    make_frame(f, group, sizeof(f));
    fixture_arrive(net, f, sizeof(f), NULL);
    rx(0, 100);
    fixture_hv_put(xen, FE "request-multicast-control", "1");
    settle();
    fixture_arrive(net, f, sizeof(f), NULL);
    assert_int_equal(*word(RX_REF, 8), 1);
    for (unsigned i = 0; i < 65; i++) { /* one too many */
        group[5] = (uint8_t)i;
        tx(0, 0, NETTX_EXTRA, 0);
        tx_extra(NETEXTRA_MCAST_ADD, 0, group);
        kick();
        assert_int_equal(status(), i < 64 ? NETIF_OKAY : NETIF_ERROR);
        assert_int_equal(status(), NETIF_NULL);
    }
    fixture_arrive(net, f, sizeof(f), NULL);
    rx(0, 100);
    fixture_hv_put(xen, FE "request-multicast-control", "0");
    settle();
    f[0] = 0x33;
    fixture_arrive(net, f, sizeof(f), NULL);
    rx(0, 100);
}

/* The guest is told of the answer it wants to be told of, and of no other. */
static void event_indices(void **unused) {
    (void)unused;
    connect_with(true);
    make_frame(xen->pages[DATA], peer, 100);
    *word(TX_REF, 12) = 4;
    for (unsigned i = 0; i < 3; i++) {
        tx(DATA, 0, 0, 100);
        kick();
    }
    assert_int_equal(xen->told[0], 0);
    tx(DATA, 0, 0, 100);
    kick();
    assert_int_equal(xen->told[0], 1);
    tx(DATA, 0, 0, 100);
    kick();
    assert_int_equal(xen->told[0], 1);
}

/* Frames so close together that being told of each costs more than they do. */
static void frames_in_quick_succession(void **unused) {
    (void)unused;
    connect_with(true);
    make_frame(xen->pages[DATA], peer, 100);
    for (unsigned i = 0; i < 5; i++) {
        tx(DATA, 0, 0, 100);
        kick();
        assert_int_equal(*word(TX_REF, 4), tx_prod[0] + 1); /* tell of the next */
        fixture_sleep(&fx, 45 * NS_PER_US);
    }
    fixture_sleep(&fx, NS_PER_MS);
    for (unsigned i = 0; i < 2; i++, fixture_sleep(&fx, 5 * NS_PER_US)) {
        tx(DATA, 0, 0, 100);
        kick();
    }
    assert_int_equal(*word(TX_REF, 4), tx_prod[0] + 64);
    for (unsigned i = 0; i < 3; i++) { /* found without a word */
        tx(DATA, 0, 0, 100);
        *word(TX_REF, 0) = tx_prod[0];
        fixture_sleep(&fx, 50 * NS_PER_US);
        assert_int_equal(*word(TX_REF, 8), tx_prod[0]);
    }
    fixture_sleep(&fx, 50 * NS_PER_US); /* nothing: tell again, and nothing ticks */
    assert_int_equal(*word(TX_REF, 4), tx_prod[0] + 1);
    assert_int_equal(clock_next(fx.clock), TIMER_NEVER);
}

/* Segments of next to nothing: a frame of 64 KiB would be cut into as many. */
static void absurd_segments(void **unused) {
    static const uint8_t wrong[][3] = {
        {7, 0, NETGSO_TCP4}, {0xff, 0xff, 3}, {0xb4, 5, 0}, {0xb4, 5, 255}};
    (void)unused;
    connect_with(true);
    make_tcp(xen->pages[DATA], 4000);
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
        tx(DATA, 0, NETTX_EXTRA | NETTX_CSUM_BLANK, 4000);
        tx_extra(NETEXTRA_GSO, 0, (const uint8_t[6]){wrong[i][0], wrong[i][1], wrong[i][2]});
        kick();
        assert_int_equal(status(), NETIF_ERROR);
        assert_int_equal(status(), NETIF_NULL);
    }
    assert_int_equal(fixture_sent_count(net), 0);
    tx(DATA, 0, NETTX_EXTRA, 4000);
    tx_extra(9, 0, (const uint8_t[6]){0}); /* there is no such information */
    expect_not_served();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(features), TEST(sends), TEST(offloads_of_the_guest),
        cmocka_unit_test_setup_teardown(offloads_of_the_guest, setup_plain, teardown),
        TEST(receives), TEST(offloads_to_the_guest), TEST(multicast_control),
        TEST(a_link_without_room), TEST(bad_frames), TEST(parts_that_wrap), TEST(hostile_rings),
        TEST(split_channels), TEST(a_full_ring), TEST(long_frames_of_ipv6), TEST(sums_of_ipv6),
        TEST(no_offloads), TEST(a_guest_that_stalls), TEST(a_guest_that_does_not_tell),
        TEST(stale_frames), TEST(multicast_at_any_time), TEST(event_indices),
        TEST(frames_in_quick_succession), TEST(absurd_segments), TEST(floods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
