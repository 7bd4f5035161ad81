/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV network as netfront meets it: nodes, rings, grants. xen/io/netif.h has the layouts (tx and
 * rx slots, extra information) and the features.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/net_frame.h"
#include "fixture.h"
#include "fixture_pv.h"
#include "loop.h"
#include "pv/net.h"
#include "pv/netif.h"

#define BE "backend/qnic/1/0/"
#define FE "/local/domain/1/device/vif/0/"

enum { TX_REF = 1, RX_REF = 2, DATA = 8 };

static struct fixture fx;
static struct fake_pv *xen;
static struct loop *loop;
static struct net *net;
static struct xenbus *bus;
static struct pv_net_board board;
static uint32_t tx_prod, tx_cons, rx_prod, rx_cons;
static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 1, 2, 3}, peer[6] = {0x00, 0x16, 0x3e, 4, 5, 6};

static struct net *open_link(void *unused, const char *id, const char *ifname) {
    (void)unused;
    assert_string_equal(id, "qnic0");
    assert_string_equal(ifname, "vif1.0");
    return net;
}

static void settle(void) {
    do
        loop_once(loop, NULL, 0);
    while (fake_settle(xen));
}

static uint32_t *word(unsigned ref, unsigned off) {
    return (uint32_t *)(void *)(xen->pages[ref] + off);
}

static uint8_t *slot(unsigned ref, uint32_t i) {
    return xen->pages[ref] + 64 + (i & 255) * (ref == TX_REF ? 12 : 8);
}

static void setup_offloads(unsigned offloads) {
    fixture_init(&fx);
    xen = fake_pv_new();
    loop = loop_new();
    net = fixture_net(&fx);
    net->offloads = offloads;
    board = (struct pv_net_board){.loop = loop, .clock = fx.clock, .open = open_link};
    bus = xenbus_new(&xen->pv, &pv_net_type, &board);
    fake_put(xen, BE "frontend", "/local/domain/1/device/vif/0");
    fake_put(xen, BE "mac", "00:16:3e:01:02:03");
    fake_put(xen, BE "online", "1");
    fake_put(xen, FE "state", "1");
    fake_put(xen, BE "state", "1");
    settle();
}

static void connect_with(bool all) {
    tx_prod = tx_cons = rx_prod = rx_cons = 0;
    memset(xen->pages[TX_REF], 0, 2 * PV_PAGE);
    *word(TX_REF, 4) = *word(TX_REF, 12) = *word(RX_REF, 4) = *word(RX_REF, 12) = 1;
    fake_put(xen, FE "tx-ring-ref", "1");
    fake_put(xen, FE "rx-ring-ref", "2");
    fake_put(xen, FE "event-channel", "7");
    fake_put(xen, FE "request-rx-copy", "1");
    fake_put(xen, FE "feature-rx-notify", "1");
    if (all) {
        fake_put(xen, FE "feature-sg", "1");
        fake_put(xen, FE "feature-gso-tcpv4", "1");
        fake_put(xen, FE "feature-gso-tcpv6", "1");
        fake_put(xen, FE "feature-ipv6-csum-offload", "1");
    }
    fake_put(xen, FE "state", "4");
    settle();
    assert_string_equal(fake_got(xen, BE "state"), "4");
}

static int setup(void **unused) {
    (void)unused;
    setup_offloads(NET_CSUM | NET_TSO4 | NET_TSO6);
    return 0;
}

static int setup_plain(void **unused) {
    (void)unused;
    setup_offloads(0);
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    xenbus_free(bus);
    assert_int_equal(xen->maps, 0);
    assert_null(xen->port[0]);
    loop_free(loop);
    fake_pv_free(xen);
    fixture_done(&fx);
    return 0;
}

static void tx(uint32_t ref, unsigned offset, unsigned flags, unsigned size) {
    uint8_t *s = slot(TX_REF, tx_prod);
    store_le32(s, ref);
    store_le16(s + 4, (uint16_t)offset);
    store_le16(s + 6, (uint16_t)flags);
    store_le16(s + 8, (uint16_t)(0x100 + tx_prod));
    store_le16(s + 10, (uint16_t)size);
    tx_prod++;
}

static void tx_extra(unsigned type, unsigned flags, const uint8_t *six) {
    uint8_t *s = slot(TX_REF, tx_prod++);
    s[0] = (uint8_t)type;
    s[1] = (uint8_t)flags;
    memcpy(s + 2, six, 6);
}

static void kick(void) {
    *word(TX_REF, 0) = tx_prod;
    *word(RX_REF, 0) = rx_prod;
    fake_kick(xen, 0);
    settle();
}

static int status(void) {
    assert_int_not_equal(*word(TX_REF, 8), tx_cons);
    return (int16_t)load_le16(slot(TX_REF, tx_cons++) + 2);
}

static void post(unsigned n) {
    for (unsigned i = 0; i < n; i++, rx_prod++) {
        uint8_t *s = slot(RX_REF, rx_prod);
        store_le16(s, (uint16_t)(0x200 + rx_prod));
        store_le32(s + 4, DATA + 20 + rx_prod % 30);
    }
}

static const uint8_t *rx(unsigned flags, int want) {
    const uint8_t *s = slot(RX_REF, rx_cons);
    assert_int_not_equal(*word(RX_REF, 8), rx_cons);
    assert_int_equal(load_le16(s), 0x200 + rx_cons);
    assert_int_equal(load_le16(s + 4), flags);
    assert_int_equal((int16_t)load_le16(s + 6), want);
    return xen->pages[DATA + 20 + rx_cons++ % 30];
}

static void make_frame(uint8_t *f, const uint8_t *dest, size_t len) {
    for (size_t i = 0; i < len; i++)
        f[i] = (uint8_t)(i * 7 + i / 251);
    memcpy(f, dest, 6);
    memcpy(f + 6, peer, 6);
    store_be16(f + 12, 0x88b5);
}

static void make_tcp(uint8_t *f, size_t len) {
    make_frame(f, peer, len);
    memset(f + 14, 0, 40);
    store_be16(f + 12, 0x0800);
    f[14] = 0x45;
    store_be16(f + 16, (uint16_t)(len - 14));
    f[23] = 6;
    store_be32(f + 26, 0x0a000001);
    store_be32(f + 30, 0x0a000002);
    f[46] = 0x50;
    store_be16(f + 24, (uint16_t)~net_sum(0, f + 14, 20));
}

static bool sum_ok(const uint8_t *f, size_t len) {
    struct iovec iov = {(void *)(uintptr_t)f, len};
    struct net_layout l;
    return net_layout(&iov, 1, &l) && net_verify(&iov, 1, &l) == (NET_SUM_IP | NET_SUM_L4);
}

static void features(void **unused) {
    (void)unused;
    assert_string_equal(fake_got(xen, BE "state"), "2");
    assert_string_equal(fake_got(xen, BE "hotplug-status"), "connected");
    assert_string_equal(fake_got(xen, BE "feature-rx-copy"), "1");
    assert_string_equal(fake_got(xen, BE "feature-rx-flip"), "0");
    assert_string_equal(fake_got(xen, BE "feature-sg"), "1");
    assert_string_equal(fake_got(xen, BE "feature-gso-tcpv4"), "1");
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
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(load_le16(slot(TX_REF, tx_cons)), 0x100 + i);
        assert_int_equal(status(), 0);
    }
    assert_int_equal(xen->notified[0], 1);
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
    const uint8_t *extra = slot(RX_REF, rx_cons++);
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
    fake_put(xen, FE "request-multicast-control", "1");
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
    fake_put(xen, FE "state", "5");
    settle();
    fake_put(xen, FE "state", "6");
    settle();
    fake_put(xen, FE "state", "1");
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
    tx_prod += 300;
    expect_not_served();
    rx_prod += 300; /* seen when there is something to receive */
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
    fake_put(xen, FE "event-channel-tx", "8");
    fake_put(xen, FE "event-channel-rx", "9");
    connect_with(false);
    tx(DATA, 0, 0, 100);
    *word(TX_REF, 0) = tx_prod;
    fake_kick(xen, 1);
    assert_int_equal(fixture_sent_count(net), 1);
    assert_int_equal(xen->notified[1], 1);
    post(1);
    *word(RX_REF, 0) = rx_prod;
    fake_kick(xen, 2);
    make_frame(f, mac, sizeof(f));
    fixture_arrive(net, f, sizeof(f), NULL);
    rx(0, 100);
    assert_int_equal(xen->notified[2], 1);
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
    assert_int_equal(xen->notified[0], 1); /* its wish: of the first */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(features), TEST(sends), TEST(offloads_of_the_guest),
        cmocka_unit_test_setup_teardown(offloads_of_the_guest, setup_plain, teardown),
        TEST(receives), TEST(offloads_to_the_guest), TEST(multicast_control),
        TEST(a_link_without_room), TEST(bad_frames), TEST(parts_that_wrap), TEST(hostile_rings),
        TEST(split_channels), TEST(a_full_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
