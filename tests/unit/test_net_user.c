/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user-mode network as a guest sees it: who has the router's address, what DHCP offers, a
 * connection from the host that is forwarded; and that it sleeps when nothing goes on.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/net_frame.h"
#include "loop.h"
#include "net.h"

static struct loop *loop;
static struct net *net;
static char why[256];
static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 1, 2, 3};
static uint8_t got[2000];
static size_t got_len;

static void arrived(void *dev) {
    (void)dev;
    struct iovec iov = {got, sizeof(got)};
    got_len = net_receive(net, &iov, 1, NULL);
    net_listen(net, false);
}

static int setup(void **arg) {
    (void)arg;
    loop = loop_new();
    return 0;
}

static int teardown(void **arg) {
    (void)arg;
    if (net)
        net_free(net);
    net = NULL;
    loop_free(loop);
    return 0;
}

static bool start(const struct net_user_spec *spec) {
    net = net_user_open(loop, spec, why, sizeof(why));
    if (net)
        net->user.arrived = arrived;
    return net;
}

static bool next_frame(void) {
    got_len = 0;
    net_listen(net, true);
    for (unsigned i = 0; i < 200 && !got_len; i++)
        loop_once(loop, NULL, 10000000);
    return got_len;
}

static void send_frame(const uint8_t *f, size_t len) {
    assert_true(net_send(net, &(struct iovec){(void *)(uintptr_t)f, len}, 1, NULL));
}

/* RFC 826 */
static void arp(uint8_t *f, unsigned op, uint32_t from, uint32_t to) {
    static const uint8_t head[] = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0};
    memset(f, 0xff, 6);
    memcpy(f + 6, mac, 6);
    memcpy(f + 12, head, sizeof(head));
    f[21] = (uint8_t)op;
    memcpy(f + 22, mac, 6);
    store_be32(f + 28, from);
    memset(f + 32, 0, 6);
    store_be32(f + 38, to);
}

static void test_arp(void **arg) {
    (void)arg;
    uint8_t f[42];
    if (!start(&(struct net_user_spec){.id = "net0", .network = "192.168.7.0/24",
                                       .host = "192.168.7.1"}))
        fail_msg("%s", why);
    arp(f, 1, 0xc0a8070f, 0xc0a80701);
    send_frame(f, sizeof(f));
    assert_true(next_frame());
    assert_memory_equal(got, mac, 6);
    assert_int_equal(load_be16(got + 20), 2);
    assert_int_equal(load_be32(got + 28), 0xc0a80701);
    /* nothing more to do: it sleeps */
    loop_once(loop, NULL, 0);
    assert_int_equal(loop_once(loop, NULL, 200000000), 0);
}

/* RFC 2131: a discover, and where the boot file is */
static void test_dhcp(void **arg) {
    (void)arg;
    uint8_t f[342] = {0};
    if (!start(&(struct net_user_spec){.id = "net0", .bootfile = "boot.ipxe", .restricted = true}))
        fail_msg("%s", why);
    memset(f, 0xff, 6);
    memcpy(f + 6, mac, 6);
    store_be16(f + 12, NET_ETH_IP4);
    uint8_t *ip = f + 14, *udp = ip + 20, *bootp = udp + 8;
    ip[0] = 0x45;
    store_be16(ip + 2, sizeof(f) - 14);
    ip[8] = 64;
    ip[9] = NET_PROTO_UDP;
    memset(ip + 16, 0xff, 4);
    store_be16(ip + 10, (uint16_t)~net_sum(0, ip, 20));
    store_be16(udp, 68);
    store_be16(udp + 2, 67);
    store_be16(udp + 4, sizeof(f) - 34);
    bootp[0] = 1;
    bootp[1] = 1;
    bootp[2] = 6;
    memcpy(bootp + 28, mac, 6);
    store_be32(bootp + 236, 0x63825363);
    memcpy(bootp + 240, (const uint8_t[]){53, 1, 1, 255}, 4);
    send_frame(f, sizeof(f));
    do
        assert_true(next_frame());
    while (load_be16(got + 12) != NET_ETH_IP4);
    assert_int_equal(load_be32(got + 42 + 16), 0x0a00020f); /* 10.0.2.15 */
    assert_string_equal((const char *)got + 42 + 108, "boot.ipxe");
}

static void test_forward(void **arg) {
    (void)arg;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    /* a port that is free */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    close(fd);
    struct net_forward f = {.host = "127.0.0.1", .port = ntohs(addr.sin_port), .guest = "",
                            .guest_port = 22};
    if (!start(&(struct net_user_spec){.id = "net0", .forwards = &f, .forward_count = 1}))
        fail_msg("%s", why);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_true(next_frame()); /* who has 10.0.2.15? */
    assert_int_equal(load_be16(got + 12), 0x0806);
    uint8_t reply[42];
    arp(reply, 2, 0x0a00020f, 0x0a000202);
    send_frame(reply, sizeof(reply));
    do
        assert_true(next_frame());
    while (load_be16(got + 12) != NET_ETH_IP4);
    struct iovec iov = {got, got_len};
    struct net_layout l;
    net_layout(&iov, 1, &l);
    assert_int_equal(l.proto, NET_PROTO_TCP);
    assert_int_equal(load_be16(got + l.l4 + 2), 22);
    assert_int_equal(got[l.l4 + 13] & 0x12, 0x02); /* SYN */
    close(fd);
}

static void test_refused(void **arg) {
    static const struct net_user_spec bad[] = {
        {.id = "net0", .network = "10.0.2.0/33"}, {.id = "net0", .network = "here"},
        {.id = "net0", .host = "10.9.9.9"}, {.id = "net0", .dns = "1"},
        {.id = "net0", .dhcp_start = "x"},
    };
    (void)arg;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(start(&bad[i]));
        assert_non_null(strstr(why, "netdev net0: "));
    }
    struct net_forward f = {.host = "203.0.113.1", .port = 1, .guest = "", .guest_port = 22};
    assert_false(start(&(struct net_user_spec){.id = "net0", .forwards = &f, .forward_count = 1}));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_arp), T(test_dhcp), T(test_forward),
                                       T(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
