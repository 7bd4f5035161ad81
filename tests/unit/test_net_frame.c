/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames: sums (RFC 1071's and RFC 1624's examples, real packets), segments, filters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/net_flow.h"
#include "fixture.h"

/* A UDP datagram of one byte. By hand: 0a00 + 0001 + 0a00 + 0002 + 11 + 9 + 4d2 + 35 + 9 + 6100 is
 * 7a2d, whose complement is 85d2. */
static const uint8_t dns[] = {
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x00, 0x16, 0x3e, 0x01, 0x02, 0x03, 0x08, 0x00,
    0x45, 0x00, 0x00, 0x1d, 0x00, 0x01, 0x00, 0x00, 0x40, 0x11, 0x66, 0xcd, 0x0a, 0x00,
    0x00, 0x01, 0x0a, 0x00, 0x00, 0x02, 0x04, 0xd2, 0x00, 0x35, 0x00, 0x09, 0x85, 0xd2,
    0x61,
};

/* The sum by its definition: 16 bits after another, the carry added to the end. */
static uint16_t slow_sum(const uint8_t *p, size_t len) {
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static void test_sum(void **arg) {
    /* RFC 1071, 3: 0001 f203 f4f5 f6f7 sum to ddf2 */
    static const uint8_t rfc[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    (void)arg;
    assert_int_equal(net_sum(0, rfc, sizeof(rfc)), 0xddf2);
    assert_int_equal(net_sum(0, rfc, 3), 0xf201);
    assert_int_equal(net_sum(0xffff, rfc, 0), 0xffff);
    uint8_t bytes[300];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 77 + 5);
    for (unsigned len = 0; len < sizeof(bytes); len++)
        assert_int_equal(net_sum(0, bytes, len), slow_sum(bytes, len));
    for (unsigned a = 0; a < 40; a++)
        for (unsigned b = a; b < 90; b += 7) {
            struct iovec iov[3] = {{bytes, a}, {bytes + a, b - a}, {bytes + b, 300 - b}};
            assert_int_equal(net_iov_sum(0, iov, 3, 0, 300), slow_sum(bytes, 300));
            assert_int_equal(net_iov_sum(0, iov, 3, 33, 111), slow_sum(bytes + 33, 111));
        }
}

static void test_slice(void **arg) {
    (void)arg;
    uint8_t bytes[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, out[10];
    struct iovec iov[4] = {{bytes, 3}, {bytes + 3, 0}, {bytes + 3, 4}, {bytes + 7, 3}}, to[4];
    size_t got;
    assert_int_equal(net_iov_slice(to, 4, iov, 4, 2, 6, &got), 3);
    assert_int_equal(got, 6);
    assert_int_equal(net_iov_fetch(to, 3, 0, out, 10), 6);
    assert_memory_equal(out, bytes + 2, 6);
    assert_int_equal(net_iov_slice(to, 1, iov, 4, 2, 6, &got), 1);
    assert_int_equal(got, 1);
    assert_int_equal(net_iov_slice(to, 4, iov, 4, 10, 6, &got), 0);
    assert_int_equal(net_iov_len(iov, 4), 10);
}

static void test_layout(void **arg) {
    (void)arg;
    uint8_t f[64] = {0};
    memcpy(f, dns, sizeof(dns));
    struct iovec iov = {f, 60};
    struct net_layout l;
    assert_true(net_layout(&iov, 1, &l));
    assert_int_equal(l.ip, 4);
    assert_int_equal(l.proto, NET_PROTO_UDP);
    assert_int_equal(l.l4, 34);
    assert_int_equal(l.l4_header, 8);
    assert_int_equal(l.end, 43);
    assert_int_equal(net_verify(&iov, 1, &l), NET_SUM_IP | NET_SUM_L4);
    f[42]++;
    assert_int_equal(net_verify(&iov, 1, &l), NET_SUM_IP | NET_SUM_L4 | NET_SUM_L4_BAD);
    f[42]--;
    f[22]--; /* TTL: only the IP header's */
    assert_int_equal(net_verify(&iov, 1, &l), NET_SUM_IP | NET_SUM_IP_BAD | NET_SUM_L4);
    f[20] = 0x20; /* more fragments: nothing to be said of UDP */
    net_layout(&iov, 1, &l);
    assert_true(l.fragment);
    assert_int_equal(net_verify(&iov, 1, &l) & NET_SUM_L4, 0);
    for (size_t len = 0; len < 60; len++) { /* cut anywhere */
        iov.iov_len = len;
        assert_int_equal(net_layout(&iov, 1, &l), len >= NET_HEADER);
        net_verify(&iov, 1, &l);
    }
}

/* A datagram and its answer, and another's. */
static void test_flow(void **arg) {
    uint8_t f[2][sizeof(dns)];
    struct iovec iov[2][2];
    struct net_flow flow[2];
    (void)arg;
    for (unsigned i = 0; i < 2; i++) {
        memcpy(f[i], dns, sizeof(dns));
        iov[i][0] = (struct iovec){f[i], 28}; /* cut within the addresses */
        iov[i][1] = (struct iovec){f[i] + 28, sizeof(dns) - 28};
    }
    memcpy(f[1] + 26, dns + 30, 4);
    memcpy(f[1] + 30, dns + 26, 4);
    memcpy(f[1] + 34, dns + 36, 2);
    memcpy(f[1] + 36, dns + 34, 2);
    for (unsigned i = 0; i < 2; i++)
        net_flow_of(iov[i], 2, &flow[i]);
    assert_int_equal(flow[0].len, 8);
    assert_true(flow[0].ports && !flow[0].tcp);
    assert_memory_equal(flow[0].bytes, dns + 26, 12);
    uint32_t hash = net_flow_hash(&flow[0]);
    assert_int_equal(net_flow_hash(&flow[1]), hash);
    f[1][35]++; /* another port */
    net_flow_of(iov[1], 2, &flow[1]);
    assert_int_not_equal(net_flow_hash(&flow[1]), hash);
    f[0][20] = 0x20; /* fragments have no ports to go by: all of a datagram's go one way */
    f[0][37] = 0;
    net_flow_of(iov[0], 2, &flow[0]);
    assert_int_equal(flow[0].len, 8);
    assert_false(flow[0].ports);
    f[0][12] = 0x88; /* not IP */
    net_flow_of(iov[0], 2, &flow[0]);
    assert_int_equal(flow[0].len, 0);
    unsigned seen = 0;
    for (unsigned port = 0; port < 64; port++) {
        store_be16(f[1] + 34, (uint16_t)port);
        net_flow_of(iov[1], 2, &flow[1]);
        unsigned queue = net_flow_queue(net_flow_hash(&flow[1]), 8);
        assert_in_range(queue, 0, 7);
        seen |= 1u << queue;
    }
    assert_int_equal(seen, 0xff);
}

static void test_hash(void **arg) {
    /* the check value of the CRC-32 */
    (void)arg;
    assert_int_equal(net_crc32("123456789", 9), 0xcbf43926);
    /* 01:00:5e:00:00:01, all hosts, is bit 31 of the hash of Realtek's and AMD's cards */
    static const uint8_t all_hosts[] = {0x01, 0x00, 0x5e, 0x00, 0x00, 0x01};
    uint32_t crc = UINT32_MAX;
    for (unsigned i = 0; i < 6; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            uint32_t carry = crc >> 31 ^ (all_hosts[i] >> bit & 1);
            crc = crc << 1 ^ (carry ? 0x04c11db7 : 0);
        }
    assert_int_equal(net_hash(all_hosts), crc);
}

static struct fixture fx;
static struct net *net;

static int setup(void **arg) {
    (void)arg;
    fixture_init(&fx);
    net = fixture_net(&fx);
    return 0;
}

static int teardown(void **arg) {
    (void)arg;
    fixture_done(&fx);
    return 0;
}

static void test_csum(void **arg) {
    (void)arg;
    uint8_t f[sizeof(dns)], out[64];
    unsigned segment = 0;
    struct net_meta meta = {.flags = NET_META_CSUM, .csum_start = 34, .csum_offset = 6}, got;
    memcpy(f, dns, sizeof(dns));
    store_be16(f + 40, 0);
    struct iovec whole = {f, sizeof(f)};
    struct net_layout l;
    net_layout(&whole, 1, &l);
    store_be16(f + 40, net_pseudo_sum(&whole, 1, &l, 9));
    struct iovec iov[2] = {{f, 41}, {f + 41, sizeof(f) - 41}}; /* cut through the sum */
    assert_true(net_send_undone(net, iov, 2, &meta, &segment));
    assert_int_equal(fixture_sent(net, out, sizeof(out), &got), sizeof(dns));
    assert_memory_equal(out, dns, sizeof(dns));
    assert_int_equal(got.flags, 0);
    net->offloads = NET_CSUM;
    assert_true(net_send_undone(net, iov, 2, &meta, &segment));
    assert_int_equal(fixture_sent(net, out, sizeof(out), &got), sizeof(dns));
    assert_int_equal(got.flags, NET_META_CSUM);
    assert_memory_equal(out, f, sizeof(f));
    net->offloads = 0;
    meta.csum_start = 65535; /* beyond the frame: dropped */
    assert_true(net_send_undone(net, iov, 2, &meta, &segment));
    assert_int_equal(fixture_sent_count(net), 0);
}

enum { MSS = 1000, PAYLOAD = 2500 };

/* 10.0.0.1 to 10.0.0.2 or fd00::1 to fd00::2, FIN, PSH, ACK and CWR, with an option of 4 bytes. */
static size_t make_tcp(uint8_t *f, bool ip6) {
    memset(f, 0, 100);
    memcpy(f, dns, 12);
    store_be16(f + 12, ip6 ? NET_ETH_IP6 : NET_ETH_IP4);
    uint8_t *ip = f + 14, *tcp = ip + (ip6 ? 40 : 20);
    if (ip6) {
        ip[0] = 0x60;
        ip[6] = 6;
        ip[8] = ip[24] = 0xfd;
        ip[23] = 1;
        ip[39] = 2;
    } else {
        memcpy(ip, dns + 14, 20);
        store_be16(ip + 2, 0); /* as Windows leaves it */
        store_be16(ip + 4, 0xffff);
        ip[9] = 6;
    }
    store_be32(tcp + 4, 0xfffffff0);
    tcp[12] = 0x60;
    tcp[13] = 0x99;
    size_t header = (size_t)(tcp + 24 - f);
    for (unsigned i = 0; i < PAYLOAD; i++)
        f[header + i] = (uint8_t)(i / 7);
    return header;
}

static void expect_segment(unsigned i, bool ip6, size_t header, const uint8_t *from) {
    uint8_t f[4096];
    size_t payload = i == 2 ? PAYLOAD - 2 * MSS : MSS;
    struct net_layout l;
    assert_int_equal(fixture_sent(net, f, sizeof(f), NULL), header + payload);
    struct iovec iov = {f, header + payload};
    assert_true(net_layout(&iov, 1, &l));
    assert_int_equal(l.end, header + payload);
    assert_int_equal(net_verify(&iov, 1, &l), ip6 ? NET_SUM_L4 : NET_SUM_IP | NET_SUM_L4);
    const uint8_t *tcp = f + l.l4;
    assert_int_equal(load_be32(tcp + 4), (uint32_t)(0xfffffff0 + i * MSS));
    assert_int_equal(tcp[13], i == 0 ? 0x90 : i == 1 ? 0x10 : 0x19);
    if (!ip6)
        assert_int_equal(load_be16(f + 18), (uint16_t)(0xffff + i));
    assert_memory_equal(f + header, from + header + i * MSS, payload);
}

static void segments(bool ip6) {
    uint8_t f[4096];
    struct net_meta meta;
    unsigned segment = 0;
    size_t header = make_tcp(f, ip6);
    assert_true(net_prepare_tso(f, header, PAYLOAD, MSS, &meta));
    assert_int_equal(meta.gso_type, ip6 ? NET_GSO_TCP6 : NET_GSO_TCP4);
    struct iovec iov[3] = {{f, 20}, {f + 20, 1051}, {f + 1071, header + PAYLOAD - 1071}};
    fixture_net_room(net, 2);
    assert_false(net_send_undone(net, iov, 3, &meta, &segment));
    assert_int_equal(segment, 2);
    expect_segment(0, ip6, header, f);
    fixture_net_room(net, 10);
    assert_true(net_send_undone(net, iov, 3, &meta, &segment));
    assert_int_equal(segment, 0);
    expect_segment(1, ip6, header, f);
    expect_segment(2, ip6, header, f);
    assert_int_equal(fixture_sent_count(net), 0);
    net->offloads = NET_CSUM | NET_TSO4 | NET_TSO6;
    assert_true(net_send_undone(net, iov, 3, &meta, &segment));
    assert_int_equal(fixture_sent(net, f, sizeof(f), &meta), header + PAYLOAD);
    assert_int_equal(meta.gso_size, MSS);
}

static void test_tso4(void **arg) {
    (void)arg;
    segments(false);
}

static void test_tso6(void **arg) {
    (void)arg;
    segments(true);
}

/* What contradicts itself is dropped, whatever it is. */
static void test_tso_bad(void **arg) {
    (void)arg;
    uint8_t f[4096];
    struct net_meta meta;
    unsigned segment = 0;
    size_t header = make_tcp(f, false);
    assert_false(net_prepare_tso(f, header - 1, PAYLOAD, MSS, &meta));
    assert_false(net_prepare_tso(f, header, PAYLOAD, 0, &meta));
    assert_false(net_prepare_tso(f, header, 65535, MSS, &meta));
    assert_true(net_prepare_tso(f, header, PAYLOAD, MSS, &meta));
    for (size_t len = NET_HEADER; len < header + 1; len++) {
        struct iovec iov = {f, len};
        assert_true(net_send_undone(net, &iov, 1, &meta, &segment));
    }
    struct iovec iov = {f, header + PAYLOAD};
    meta.gso_size = 0;
    assert_true(net_send_undone(net, &iov, 1, &meta, &segment));
    meta.gso_type = NET_GSO_UDP4;
    meta.gso_size = 1000;
    assert_true(net_send_undone(net, &iov, 1, &meta, &segment));
    assert_int_equal(fixture_sent_count(net), 0);
}

static void never_called(void *dev) {
    (void)dev;
    fail();
}

static unsigned called;

static void count_call(void *dev) {
    (void)dev;
    called++;
}

static void test_link(void **arg) {
    (void)arg;
    uint8_t f[60] = {0}, out[60];
    struct iovec iov = {f, 60};
    net->user = (struct net_user){.arrived = never_called, .sendable = count_call};
    assert_true(fixture_arrive(net, f, 60, NULL)); /* nobody listens: it waits */
    net_set_link(net, false);
    assert_true(net_send(net, &iov, 1, NULL));
    assert_int_equal(net->stats.tx_dropped, 1);
    assert_int_equal(net_receive(net, &iov, 1, NULL), 0);
    net_set_link(net, true); /* what waited is stale */
    assert_int_equal(fixture_waiting(net), 0);
    /* a paused machine is told of nothing, and of what it missed afterwards */
    net_listen(net, true);
    net_pause(net, true);
    assert_true(fixture_arrive(net, f, 60, NULL));
    called = 0;
    fixture_net_room(net, 0);
    assert_false(net_send(net, &iov, 1, NULL));
    fixture_net_room(net, 1);
    assert_int_equal(called, 0);
    net_listen(net, false);
    net_pause(net, false);
    assert_int_equal(called, 1);
    assert_int_equal(net_receive(net, &(struct iovec){out, 60}, 1, NULL), 60);
    /* the host's end is gone: all is taken, nothing comes */
    net_close(net);
    assert_true(net_send(net, &iov, 1, NULL));
    assert_int_equal(net_receive(net, &iov, 1, NULL), 0);
    net_close(net);
}

int main(void) {
#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum), cmocka_unit_test(test_slice), cmocka_unit_test(test_layout),
        cmocka_unit_test(test_hash), cmocka_unit_test(test_flow), NET_TEST(test_csum),
        NET_TEST(test_tso4), NET_TEST(test_tso6), NET_TEST(test_tso_bad), NET_TEST(test_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
