/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's netfront and the board around one PV network, for the test_pv_net*.c, each of which
 * is a program of its own. xen/io/netif.h has the layouts (tx and rx slots, extra information), the
 * nodes and the features.
 */
#ifndef UNIT_NETFRONT_H
#define UNIT_NETFRONT_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/net_frame.h"
#include "fixture.h"
#include "fixture_hv.h"
#include "loop.h"
#include "pv/net.h"
#include "pv/netif.h"

#pragma GCC diagnostic ignored "-Wunused-function"

#define BE "backend/qnic/1/0/"
#define FE "/local/domain/1/device/vif/0/"

/* Rings of queue n are pages 1 + 2n and 2 + 2n. */
enum { QUEUES = 3, CTRL_REF = 7, DATA = 8 };
#define TX_REF (1 + 2 * at_queue)
#define RX_REF (2 + 2 * at_queue)

static struct fixture fx;
static struct fixture_hv hv, *const xen = &hv;
static struct loop *loop;
static struct net *net;
static struct xenbus *bus;
static struct pv_net_board board;
/* The frontend's side of its rings, and the queue that the functions below are about. */
static uint32_t tx_prod[QUEUES], tx_cons[QUEUES], rx_prod[QUEUES], rx_cons[QUEUES];
static unsigned at_queue, queue_count;
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
    while (fixture_hv_settle(xen));
}

static uint32_t *word(unsigned ref, unsigned off) {
    return (uint32_t *)(void *)(xen->pages[ref] + off);
}

static uint8_t *slot(unsigned ref, uint32_t i) {
    return xen->pages[ref] + 64 + (i & 255) * (ref == TX_REF ? 12 : 8);
}

static void setup_offloads(unsigned offloads) {
    fixture_init(&fx);
    queue_count = 1;
    fixture_hv_init(xen);
    loop = loop_new();
    net = fixture_net(&fx);
    net->offloads = offloads;
    board = (struct pv_net_board){.loop = loop, .clock = fx.clock, .open = open_link};
    bus = xenbus_new(&xen->pv, &pv_net_type, &board);
    fixture_hv_put(xen, BE "frontend", "/local/domain/1/device/vif/0");
    fixture_hv_put(xen, BE "mac", "00:16:3e:01:02:03");
    fixture_hv_put(xen, BE "online", "1");
    fixture_hv_put(xen, FE "state", "1");
    fixture_hv_put(xen, BE "state", "1");
    settle();
}

/* Rings as netfront makes them: tell me of the first answer. */
static void begin_rings(void) {
    for (at_queue = 0; at_queue < QUEUES; at_queue++) {
        tx_prod[at_queue] = tx_cons[at_queue] = rx_prod[at_queue] = rx_cons[at_queue] = 0;
        memset(xen->pages[TX_REF], 0, 2 * PV_PAGE);
        *word(TX_REF, 4) = *word(TX_REF, 12) = *word(RX_REF, 4) = *word(RX_REF, 12) = 1;
    }
    at_queue = 0;
}

static void put_number(const char *folder, const char *node, unsigned val) {
    char path[128], text[16];
    snprintf(path, sizeof(path), FE "%s%s", folder, node);
    snprintf(text, sizeof(text), "%u", val);
    fixture_hv_put(xen, path, text);
}

static void put_queue(const char *folder, unsigned n) {
    put_number(folder, "tx-ring-ref", 1 + 2 * n);
    put_number(folder, "rx-ring-ref", 2 + 2 * n);
    put_number(folder, "event-channel", FHV_PORT + n);
}

static void connect_with(bool all) {
    begin_rings();
    if (queue_count == 1)
        put_queue("", 0);
    fixture_hv_put(xen, FE "request-rx-copy", "1");
    fixture_hv_put(xen, FE "feature-rx-notify", "1");
    if (all) {
        fixture_hv_put(xen, FE "feature-sg", "1");
        fixture_hv_put(xen, FE "feature-gso-tcpv4", "1");
        fixture_hv_put(xen, FE "feature-gso-tcpv6", "1");
        fixture_hv_put(xen, FE "feature-ipv6-csum-offload", "1");
    }
    fixture_hv_put(xen, FE "state", "4");
    settle();
    assert_string_equal(fixture_hv_get(xen, BE "state"), "4");
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
    loop_free(loop);
    fixture_hv_done(xen);
    fixture_done(&fx);
    return 0;
}

static void tx(uint32_t ref, unsigned offset, unsigned flags, unsigned size) {
    uint8_t *s = slot(TX_REF, tx_prod[at_queue]);
    store_le32(s, ref);
    store_le16(s + 4, (uint16_t)offset);
    store_le16(s + 6, (uint16_t)flags);
    store_le16(s + 8, (uint16_t)(0x100 + tx_prod[at_queue]));
    store_le16(s + 10, (uint16_t)size);
    tx_prod[at_queue]++;
}

static void tx_extra(unsigned type, unsigned flags, const uint8_t *six) {
    uint8_t *s = slot(TX_REF, tx_prod[at_queue]++);
    s[0] = (uint8_t)type;
    s[1] = (uint8_t)flags;
    memcpy(s + 2, six, 6);
}

static void kick(void) {
    *word(TX_REF, 0) = tx_prod[at_queue];
    *word(RX_REF, 0) = rx_prod[at_queue];
    fixture_hv_event(xen, FHV_PORT + at_queue);
    settle();
}

static int status(void) {
    assert_int_not_equal(*word(TX_REF, 8), tx_cons[at_queue]);
    return (int16_t)load_le16(slot(TX_REF, tx_cons[at_queue]++) + 2);
}

static void post(unsigned n) {
    for (unsigned i = 0; i < n; i++, rx_prod[at_queue]++) {
        uint8_t *s = slot(RX_REF, rx_prod[at_queue]);
        store_le16(s, (uint16_t)(0x200 + rx_prod[at_queue]));
        store_le32(s + 4, DATA + 20 + rx_prod[at_queue] % 30);
    }
}

static const uint8_t *rx(unsigned flags, int want) {
    const uint8_t *s = slot(RX_REF, rx_cons[at_queue]);
    assert_int_not_equal(*word(RX_REF, 8), rx_cons[at_queue]);
    assert_int_equal(load_le16(s), 0x200 + rx_cons[at_queue]);
    assert_int_equal(load_le16(s + 4), flags);
    assert_int_equal((int16_t)load_le16(s + 6), want);
    return xen->pages[DATA + 20 + rx_cons[at_queue]++ % 30];
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
