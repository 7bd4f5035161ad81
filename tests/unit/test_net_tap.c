/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's ends of links against the kernel: a tap in a network namespace of its own (as root;
 * else only what needs none), streams and datagrams over socket pairs.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/net_frame.h"
#include "loop.h"
#include "net.h"
#include "tap_queue.h"

static struct loop *loop;
static char why[256];
static bool has_namespace;

/* The NIC's side: takes up to `room` frames. */
static struct {
    struct net *net;
    uint8_t frame[70000];
    size_t len, cap;
    struct net_meta meta;
    unsigned count, room, sendable;
} nic;

static void arrived(void *dev) {
    (void)dev;
    while (nic.room) {
        struct iovec iov[2] = {{nic.frame, 10}, {nic.frame + 10, nic.cap - 10}};
        size_t len = net_receive(nic.net, iov, 2, &nic.meta);
        if (!len)
            return;
        nic.len = len;
        nic.count++;
        nic.room--;
    }
    net_listen(nic.net, false);
}

static void sendable(void *dev) {
    (void)dev;
    nic.sendable++;
}

static void plug(struct net *net) {
    assert_non_null(net);
    nic.net = net;
    nic.len = nic.count = nic.sendable = 0;
    nic.room = 1000000;
    nic.cap = sizeof(nic.frame);
    net->user = (struct net_user){.arrived = arrived, .sendable = sendable};
    net_listen(net, true);
}

/* Turns the loop until it has `n` frames or nothing more comes. */
static void turn_until(unsigned n) {
    for (unsigned i = 0; i < 1000 && nic.count < n; i++)
        loop_once(loop, NULL, 10000000);
}

static bool send_bytes(const void *bytes, size_t len) {
    struct iovec iov = {(void *)(uintptr_t)bytes, len};
    return net_send(nic.net, &iov, 1, NULL);
}

static int setup(void **arg) {
    (void)arg;
    loop = loop_new();
    return 0;
}

static int teardown(void **arg) {
    (void)arg;
    loop_free(loop);
    return 0;
}

/* ---- sockets ---- */

static void socket_pair(int type, int *far) {
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, type, 0, fd), 0);
    *far = fd[1];
    fcntl(fd[1], F_SETFL, O_NONBLOCK);
    plug(net_socket_open(loop, &(struct net_socket_spec){.id = "net0", .fd = fd[0]}, why,
                         sizeof(why)));
}

static void test_datagrams(void **arg) {
    (void)arg;
    int far;
    uint8_t buf[2000] = {1, 2, 3};
    socket_pair(SOCK_DGRAM, &far);
    assert_int_equal(write(far, buf, 1514), 1514);
    turn_until(1);
    assert_int_equal(nic.len, 1514);
    assert_memory_equal(nic.frame, buf, 1514);
    assert_true(send_bytes(buf, 60));
    assert_int_equal(read(far, buf, sizeof(buf)), 60);
    net_free(nic.net);
    close(far);
}

static void put_frame(int far, size_t len, uint8_t seed) {
    uint8_t buf[4 + 2000];
    store_be32(buf, (uint32_t)len);
    memset(buf + 4, seed, len);
    assert_int_equal(write(far, buf, 4 + len), 4 + len);
}

static void test_stream(void **arg) {
    (void)arg;
    int far;
    socket_pair(SOCK_STREAM, &far);
    for (unsigned i = 0; i < 20; i++)
        put_frame(far, 60 + i, (uint8_t)i);
    /* in pieces */
    uint8_t split[4 + 60] = {0, 0, 0, 60};
    assert_int_equal(write(far, split, 3), 3);
    turn_until(20);
    assert_int_equal(nic.count, 20);
    assert_int_equal(nic.frame[78], 19);
    assert_int_equal(write(far, split + 3, 61), 61);
    turn_until(21);
    assert_int_equal(nic.len, 60);
    /* who has no room gets the rest when it has */
    nic.room = 2;
    net_listen(nic.net, true);
    for (unsigned i = 0; i < 5; i++)
        put_frame(far, 100 + i, 1);
    turn_until(23);
    loop_once(loop, NULL, 0);
    assert_int_equal(nic.count, 23);
    nic.room = 100;
    net_listen(nic.net, true);
    turn_until(26);
    assert_int_equal(nic.len, 104);
    net_free(nic.net);
    close(far);
}

/* A reader that stops costs no memory; when it goes on every frame it gets is whole. */
static void test_stream_full(void **arg) {
    (void)arg;
    static uint8_t big[1000], buf[4 + 1000];
    int far;
    unsigned sent = 0, got = 0;
    socket_pair(SOCK_STREAM, &far);
    while (sent < 100000 && send_bytes(big, sizeof(big)))
        sent++;
    assert_true(sent < 100000);
    assert_false(send_bytes(big, sizeof(big)));
    for (size_t have = 0; got < sent;) {
        ssize_t n = read(far, buf + have, sizeof(buf) - have);
        if (n < 0) {
            loop_once(loop, NULL, 1000000);
            continue;
        }
        have += (size_t)n;
        if (have < sizeof(buf))
            continue;
        assert_int_equal(load_be32(buf), 1000);
        have = 0;
        got++;
    }
    loop_once(loop, NULL, 1000000);
    assert_true(nic.sendable >= 1);
    assert_true(send_bytes(big, sizeof(big)));
    net_free(nic.net);
    close(far);
}

/* A peer that says nonsense, or goes: what is sent afterwards is dropped. */
static void test_stream_nonsense(void **arg) {
    (void)arg;
    int far;
    uint8_t bad[4] = {0xff, 0xff, 0xff, 0xff};
    for (unsigned i = 0; i < 2; i++) {
        socket_pair(SOCK_STREAM, &far);
        if (i == 0)
            assert_int_equal(write(far, bad, 4), 4);
        else
            close(far);
        loop_once(loop, NULL, 1000000);
        loop_once(loop, NULL, 0);
        assert_true(send_bytes(nic.frame, 60));
        assert_int_equal(nic.net->stats.tx_dropped, 1);
        net_free(nic.net);
        if (i == 0)
            close(far);
    }
}

/* ---- taps ---- */

static int control;

static void interface(const char *name, unsigned long op, struct ifreq *req) {
    memset(req->ifr_name, 0, sizeof(req->ifr_name));
    strcpy(req->ifr_name, name);
    assert_int_equal(ioctl(control, op, req), 0);
}

static bool exists(const char *name) {
    struct ifreq req = {0};
    strcpy(req.ifr_name, name);
    return !ioctl(control, SIOCGIFINDEX, &req);
}

/* A packet socket on the tap: the other side. */
static int listen_on(const char *name) {
    struct ifreq req = {0};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    assert_true(fd >= 0);
    interface(name, SIOCGIFFLAGS, &req);
    req.ifr_flags |= IFF_UP;
    interface(name, SIOCSIFFLAGS, &req);
    interface(name, SIOCGIFINDEX, &req);
    struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
                               .sll_ifindex = req.ifr_ifindex};
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

/* Of a type that nobody else speaks. */
static void mark(uint8_t *f, size_t len) {
    memset(f, 0x5a, len);
    memset(f, 0xff, 6);
    store_be16(f + 12, 0x88b5); /* local experimental */
}

static size_t next_marked(int fd, uint8_t *f, size_t max) {
    for (unsigned i = 0; i < 100; i++) {
        ssize_t n = recv(fd, f, max, MSG_DONTWAIT);
        if (n >= 14 && load_be16(f + 12) == 0x88b5)
            return (size_t)n;
        if (n < 0)
            loop_once(loop, NULL, 1000000);
    }
    return 0;
}

static void test_tap(void **arg) {
    (void)arg;
    uint8_t f[2000], got[2000];
    if (!has_namespace)
        skip();
    plug(net_tap_open(loop, "net0", "vif7.0-emu", -1, 1, why, sizeof(why)));
    struct ifreq req = {0};
    interface("vif7.0-emu", SIOCGIFFLAGS, &req);
    assert_int_equal(req.ifr_flags & IFF_UP, 0); /* that is the toolstack's */
    mark(f, 100);
    assert_true(send_bytes(f, 100)); /* before it is up: dropped */
    int far = listen_on("vif7.0-emu");
    assert_true(send_bytes(f, 100));
    assert_int_equal(next_marked(far, got, sizeof(got)), 100);
    assert_memory_equal(f, got, 100);
    /* the other way, among what the kernel itself says on a new interface */
    mark(f, 300);
    nic.room = 0;
    net_listen(nic.net, true);
    loop_once(loop, NULL, 1000000);
    assert_int_equal(send(far, f, 300, 0), 300);
    nic.room = 1000;
    net_listen(nic.net, true);
    for (unsigned i = 0; i < 100 && nic.len != 300; i++)
        loop_once(loop, NULL, 1000000);
    assert_memory_equal(nic.frame, f, 300);
    /* a frame longer than its buffer says how long it was */
    nic.cap = 40;
    memset(nic.frame, 0, 400);
    assert_int_equal(send(far, f, 300, 0), 300);
    nic.len = 0;
    for (unsigned i = 0; i < 100 && nic.len != 300; i++)
        loop_once(loop, NULL, 1000000);
    assert_int_equal(nic.len, 300);
    assert_int_equal(nic.frame[40], 0);
    net_close(nic.net); /* as unplug does */
    assert_false(exists("vif7.0-emu"));
    assert_true(send_bytes(f, 100));
    net_free(nic.net);
    close(far);
}

/* A script may rename it; it is ours by descriptor. */
static void test_tap_renamed(void **arg) {
    (void)arg;
    struct ifreq req = {0};
    if (!has_namespace)
        skip();
    plug(net_tap_open(loop, "net0", "vif8.0-emu", -1, 1, why, sizeof(why)));
    strcpy(req.ifr_newname, "web-emu");
    interface("vif8.0-emu", SIOCSIFNAME, &req);
    int far = listen_on("web-emu");
    uint8_t f[100];
    mark(f, 100);
    assert_true(send_bytes(f, 100));
    assert_int_equal(next_marked(far, f, 100), 100);
    net_free(nic.net);
    assert_false(exists("web-emu"));
    close(far);
}

/* 10,000 bytes over TCP, to be cut at 1448; f has been zeroes. */
static void long_tcp(uint8_t f[54 + 10000], struct net_meta *meta) {
    store_be16(f + 12, NET_ETH_IP4);
    memset(f, 0xff, 6);
    f[14] = 0x45;
    f[22] = 64;
    f[23] = NET_PROTO_TCP;
    f[26] = f[30] = 10;
    f[29] = 1;
    f[33] = 2;
    f[46] = 0x50;
    f[47] = 0x10;
    assert_true(net_prepare_tso(f, 54, 10000, 1448, meta));
}

/* A long frame passes in one piece, its checksum as it is: the kernel sees to both where it has
 * to. */
static void test_tap_offload(void **arg) {
    (void)arg;
    static uint8_t f[20000], got[20000];
    struct net_meta meta;
    if (!has_namespace)
        skip();
    plug(net_tap_open(loop, "net0", "vif9.0-emu", -1, 1, why, sizeof(why)));
    int far = listen_on("vif9.0-emu");
    assert_int_equal(nic.net->offloads, NET_CSUM | NET_TSO4 | NET_TSO6 | NET_ECN);
    long_tcp(f, &meta);
    unsigned segment = 0;
    struct iovec iov[2] = {{f, 60}, {f + 60, 54 + 10000 - 60}};
    assert_true(net_send_undone(nic.net, iov, 2, &meta, &segment));
    ssize_t n = 0;
    for (unsigned i = 0; i < 100 && n != 10054; i++)
        n = recv(far, got, sizeof(got), MSG_DONTWAIT);
    assert_int_equal(n, 10054);
    assert_memory_equal(got, f, 54);
    net_free(nic.net);
    close(far);
}

/* From dom0's network: 10000 bytes of TCP, to be cut every 1448. */
static void send_long(int far, uint8_t *f) {
    struct {
        struct net_meta meta;
        uint8_t frame[54 + 10000];
    } __attribute__((packed)) *p = calloc(1, sizeof(*p));
    memset(f, 0, 54);
    memset(f, 0xff, 6);
    store_be16(f + 12, NET_ETH_IP4);
    f[14] = 0x45;
    store_be16(f + 18, 0x1000);
    f[22] = 64;
    f[23] = NET_PROTO_TCP;
    f[26] = f[30] = 10;
    f[29] = 1;
    f[33] = 2;
    store_be32(f + 38, 100);
    f[46] = 0x50;
    f[47] = 0x19; /* ACK, PSH, FIN */
    for (unsigned i = 54; i < 54 + 10000; i++)
        f[i] = (uint8_t)(i * 7 + i / 251);
    struct net_meta meta;
    assert_true(net_prepare_tso(f, 54, 10000, 1448, &meta));
    p->meta = meta;
    memcpy(p->frame, f, sizeof(p->frame));
    assert_int_equal(send(far, p, sizeof(*p), 0), sizeof(*p));
    free(p);
}

/* The next frame that `is` wants, among what the kernel itself says. */
static bool next_that(bool (*is)(void)) {
    for (unsigned i = 0; i < 100; i++) {
        nic.len = 0;
        nic.room = 1;
        net_listen(nic.net, true);
        if (!nic.len)
            loop_once(loop, NULL, 1000000);
        if (nic.len > 54 && is())
            return true;
    }
    return false;
}

static bool is_tcp(void) {
    return nic.frame[23] == NET_PROTO_TCP && load_be16(nic.frame + 12) == 0x0800;
}

static bool next_tcp(void) {
    return next_that(is_tcp);
}

static bool is_ours(void) {
    return load_be16(nic.frame + 12) == 0x88b5 || is_tcp();
}

/* The kernel's own frames come between series, and make two of one. */
static void hush(const char *name) {
    char path[100];
    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    int fd = open(path, O_WRONLY);
    assert_true(fd < 0 || write(fd, "1", 1) == 1);
    close(fd);
}

static void send_number(int far, unsigned n) {
    uint8_t f[sizeof(struct net_meta) + 60] = {0};
    mark(f + sizeof(struct net_meta), 60);
    f[sizeof(f) - 1] = (uint8_t)n;
    assert_int_equal(send(far, f, sizeof(f), 0), sizeof(f));
}

static void expect_number(unsigned n) {
    assert_true(next_that(is_ours));
    assert_int_equal(nic.len, 60);
    assert_int_equal(nic.frame[59], n);
}

/*
 * Short frames come many by one call, in their order, to a NIC that stops after each; with a long
 * frame among them which the NIC takes whole or in segments. What comes while the cable is out is
 * lost, though the call before had found no more.
 */
static void test_tap_series(void **arg) {
    (void)arg;
    static uint8_t f[54 + 10000];
    int on = 1;
    if (!has_namespace)
        skip();
    plug(net_tap_open(loop, "net0", "vif3.0-emu", -1, 1, why, sizeof(why)));
    hush("vif3.0-emu");
    int far = listen_on("vif3.0-emu");
    assert_int_equal(setsockopt(far, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
    for (unsigned round = 0; round < 12; round++) {
        unsigned pieces = round % 4 != 3 ? 0 : round == 3 ? 1 : 7;
        net_accept(nic.net, pieces == 1 ? NET_CSUM | NET_TSO4 : 0);
        for (unsigned i = 0; i < 40; i++) {
            send_number(far, i);
            if (pieces && i == 20)
                send_long(far, f);
        }
        for (unsigned i = 0; i < 40; i++) {
            expect_number(i);
            for (unsigned piece = 0; i == 20 && piece < pieces; piece++) {
                assert_true(next_that(is_ours));
                assert_int_equal(load_be32(nic.frame + 38), 100 + piece * 1448);
            }
        }
    }
    for (unsigned round = 0; round < 3; round++) { /* 41, 41, 10 */
        for (unsigned i = 0; i < (round < 2 ? 40u : 10u); i++)
            send_number(far, i);
        for (unsigned i = 0; i < (round < 2 ? 40u : 10u); i++)
            expect_number(i);
        /* the series has an end: the NIC takes more than there is */
        nic.room = round < 2 ? 3 : 0;
        if (nic.room)
            send_number(far, 99);
        for (unsigned i = 0; i < 100 && nic.room == 3; i++) {
            net_listen(nic.net, true);
            loop_once(loop, NULL, 1000000);
        }
    }
    net_set_link(nic.net, false);
    send_number(far, 200);
    net_set_link(nic.net, true);
    send_number(far, 201);
    expect_number(201);
    net_free(nic.net);
    close(far);
}

/* A NIC that takes no long frames gets segments with all checksums, however little it takes at
 * once; into room for a frame, for less and for all of it. */
static void test_tap_cuts(void **arg) {
    (void)arg;
    static uint8_t f[54 + 10000];
    int on = 1;
    if (!has_namespace)
        skip();
    plug(net_tap_open(loop, "net0", "vif5.0-emu", -1, 1, why, sizeof(why)));
    int far = listen_on("vif5.0-emu");
    assert_int_equal(setsockopt(far, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
    static const size_t caps[] = {1522, 1000, 4096, 70000};
    for (unsigned c = 0; c < 4; c++) {
        nic.cap = caps[c];
        send_long(far, f);
        for (unsigned i = 0, at = 0; i < 7; i++, at += 1448) {
            size_t payload = i < 6 ? 1448 : 10000 - 6 * 1448;
            struct iovec iov = {nic.frame, 54 + payload};
            struct net_layout l;
            assert_true(next_tcp());
            assert_int_equal(nic.len, 54 + payload);
            assert_int_equal(load_be32(nic.frame + 38), 100 + at);
            assert_int_equal(load_be16(nic.frame + 18), 0x1000 + i);
            assert_int_equal(nic.frame[47], i < 6 ? 0x10 : 0x19);
            assert_memory_equal(nic.frame + 54, f + 54 + at, MIN(payload, caps[c] - 54));
            assert_int_equal(nic.meta.flags, NET_META_VALID);
            assert_int_equal(nic.meta.gso_type, 0);
            assert_true(net_layout(&iov, 1, &l));
            if (nic.cap > 1500)
                assert_int_equal(net_verify(&iov, 1, &l), NET_SUM_IP | NET_SUM_L4);
        }
    }
    /* one that takes them has it in one piece */
    net_accept(nic.net, NET_CSUM | NET_TSO4);
    send_long(far, f);
    assert_true(next_tcp());
    assert_int_equal(nic.len, sizeof(f));
    assert_int_equal(nic.meta.gso_size, 1448);
    /* the end in the middle of a frame */
    net_accept(nic.net, 0);
    send_long(far, f);
    assert_true(next_tcp());
    net_free(nic.net);
    close(far);
}

/* The next of IPv4, among what the kernel itself says; -1: there is none. */
static ssize_t next_ip4(int fd, uint8_t *f, size_t max) {
    ssize_t n;
    do
        n = recv(fd, f, max, MSG_DONTWAIT);
    while (n > 0 && load_be16(f + 12) != NET_ETH_IP4);
    return n;
}

/* Segments that a NIC sends in one turn go out as one frame, before what is sent after them. */
static void test_tap_joins(void **arg) {
    (void)arg;
    static uint8_t f[54 + 10000], got[20000];
    struct net_segments cut;
    struct net_meta meta;
    if (!has_namespace)
        skip();
    plug(net_tap_open(loop, "net0", "vif4.0-emu", -1, 1, why, sizeof(why)));
    int far = listen_on("vif4.0-emu");
    long_tcp(f, &meta);
    struct iovec all = {f, sizeof(f)};
    assert_true(net_segments_begin(&cut, &all, 1, sizeof(f), &meta));
    for (unsigned i = 0; i < 4; i++) {
        uint8_t h[54];
        struct iovec iov[2] = {{h, 54}, {f + 54 + 1448 * i, 1448}};
        net_segment(&cut, i, h, iov + 1, 1, 1448);
        assert_true(net_send(nic.net, iov, 2, NULL));
    }
    uint8_t last[100];
    mark(last, sizeof(last));
    assert_true(send_bytes(last, sizeof(last)));
    assert_int_equal(next_ip4(far, got, sizeof(got)), 54 + 4 * 1448);
    assert_memory_equal(got + 54, f + 54, 4 * 1448);
    assert_int_equal(next_marked(far, got, sizeof(got)), 100);
    /* one that nothing follows goes when the turn ends */
    uint8_t h[54];
    struct iovec iov[2] = {{h, 54}, {f + 54, 1448}};
    net_segment(&cut, 0, h, iov + 1, 1, 1448);
    assert_true(net_send(nic.net, iov, 2, NULL));
    assert_int_equal(next_ip4(far, got, sizeof(got)), -1);
    loop_once(loop, NULL, 1000000);
    assert_int_equal(next_ip4(far, got, sizeof(got)), 54 + 1448);
    assert_memory_equal(got, h, 54);
    assert_int_equal(nic.net->stats.tx_dropped, 0);
    net_free(nic.net);
    close(far);
}

/* Short frames wait for the end of the turn, more than go at once do not; in their order with what
 * is too long to wait. */
static void test_tap_turns(void **arg) {
    (void)arg;
    enum { MANY = 2 * TAP_QUEUE_FRAMES + 10, LONG = MANY / 3 };
    uint8_t f[3000], got[4000];
    if (!has_namespace)
        skip();
    plug(net_tap_open(loop, "net0", "vif2.0-emu", -1, 1, why, sizeof(why)));
    struct ifreq req = {.ifr_mtu = 4000};
    interface("vif2.0-emu", SIOCSIFMTU, &req);
    int far = listen_on("vif2.0-emu");
    mark(f, sizeof(f));
    assert_true(send_bytes(f, 60));
    assert_int_equal(recv(far, got, sizeof(got), MSG_DONTWAIT), -1);
    loop_once(loop, NULL, 0);
    assert_int_equal(next_marked(far, got, sizeof(got)), 60);
    for (unsigned i = 0; i < MANY; i++) {
        f[20] = (uint8_t)i;
        assert_true(send_bytes(f, i == LONG ? sizeof(f) : 60 + i % 7));
    }
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(next_marked(far, got, sizeof(got)), i == LONG ? sizeof(f) : 60 + i % 7);
        assert_int_equal(got[20], i);
    }
    assert_int_equal(nic.net->stats.tx_dropped, 0);
    /* the kernel wants none while it is down */
    interface("vif2.0-emu", SIOCGIFFLAGS, &req);
    req.ifr_flags &= ~IFF_UP;
    interface("vif2.0-emu", SIOCSIFFLAGS, &req);
    for (unsigned i = 0; i < 10; i++)
        assert_true(send_bytes(f, 60));
    loop_once(loop, NULL, 0);
    assert_int_equal(nic.net->stats.tx_dropped, 10);
    /* what waits goes before the tap does */
    req.ifr_flags |= IFF_UP;
    interface("vif2.0-emu", SIOCSIFFLAGS, &req);
    assert_true(send_bytes(f, 60) && send_bytes(f, 60));
    net_free(nic.net);
    assert_false(exists("vif2.0-emu"));
    close(far);
}

static bool queue_number(struct tap_queue *q, unsigned n) {
    uint8_t f[200] = {(uint8_t)n};
    struct iovec iov[2] = {{f, 1}, {f + 1, 59 + n % 100}};
    return tap_queue_add(q, iov, 2);
}

/* All at once, each of them once. */
static void test_queue_at_once(void **arg) {
    (void)arg;
    static struct tap_queue q;
    struct tap_ring ring = {0};
    int fd[2];
    uint64_t dropped = 0;
    uint8_t f[200];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fd), 0);
    ring.fd = fd[0];
    q = (struct tap_queue){.ring = &ring, .unlimited = true};
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 8; i++)
            assert_true(queue_number(&q, i));
        assert_true(tap_queue_flush(&q, &dropped));
        for (unsigned i = 0; i < 8; i++) {
            assert_int_equal(recv(fd[1], f, sizeof(f), 0), 60 + i);
            assert_int_equal(f[0], i);
        }
        assert_int_equal(recv(fd[1], f, sizeof(f), 0), -1);
    }
    assert_int_equal(dropped, 0);
    close(fd[1]);
    assert_true(queue_number(&q, 0) && queue_number(&q, 1));
    assert_true(tap_queue_flush(&q, &dropped)); /* nobody is there */
    assert_int_equal(dropped, 2);
    tap_ring_free(&ring);
    close(fd[0]);
}

/* One that does get full: the rest stays, and goes when there is room. */
static void test_queue_full(void **arg) {
    (void)arg;
    static struct tap_queue q;
    struct tap_ring ring = {0};
    int fd[2];
    unsigned sent = 0, next = 0;
    uint64_t dropped = 0;
    uint8_t f[200];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fd), 0);
    ring.fd = fd[0];
    q = (struct tap_queue){.ring = &ring};
    while (tap_queue_flush(&q, &dropped))
        while (queue_number(&q, sent))
            sent++;
    assert_in_range(sent, TAP_QUEUE_FRAMES, 10000);
    for (ssize_t n; (n = recv(fd[1], f, sizeof(f), 0)) > 0; next++) {
        assert_int_equal(n, 60 + next % 100);
        assert_int_equal(f[0], (uint8_t)next);
        tap_queue_flush(&q, &dropped);
    }
    assert_int_equal(next, sent);
    assert_int_equal(dropped, 0);
    close(fd[1]);
    close(fd[0]);
}

/* As `ip link del` does it. */
static void delete_interface(const char *name) {
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
    } req = {.header = {.nlmsg_len = sizeof(req), .nlmsg_type = RTM_DELLINK,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    char answer[256];
    struct ifreq which = {0};
    interface(name, SIOCGIFINDEX, &which);
    req.info.ifi_index = which.ifr_ifindex;
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    assert_int_equal(send(fd, &req, sizeof(req), 0), sizeof(req));
    assert_true(recv(fd, answer, sizeof(answer), 0) > 0);
    close(fd);
}

/* A tap that is deleted is a cable that is out; nothing turns for it. */
static void test_tap_deleted(void **arg) {
    (void)arg;
    uint8_t f[100];
    if (!has_namespace)
        skip();
    plug(net_tap_open(loop, "net0", "vif3.0-emu", -1, 1, why, sizeof(why)));
    close(listen_on("vif3.0-emu"));
    delete_interface("vif3.0-emu");
    assert_false(exists("vif3.0-emu"));
    for (unsigned i = 0; i < 10 && nic.net->link_up; i++)
        loop_once(loop, NULL, 10000000);
    assert_false(nic.net->link_up);
    assert_int_equal(loop_once(loop, NULL, 10000000), 0);
    mark(f, 100);
    assert_true(send_bytes(f, 100));
    net_set_link(nic.net, true); /* an administrator's wish does not bring it back */
    assert_true(send_bytes(f, 100));
    for (unsigned i = 0; i < 10 && nic.net->link_up; i++)
        loop_once(loop, NULL, 10000000);
    assert_int_equal(loop_once(loop, NULL, 10000000), 0);
    net_free(nic.net);
}

/* One that somebody has made for several queues, and a NIC that has them. */
static void test_tap_queues(void **arg) {
    (void)arg;
    struct ifreq req = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE,
                        .ifr_name = "vif2.0-emu"};
    if (!has_namespace)
        skip();
    int fd = open("/dev/net/tun", O_RDWR);
    assert_int_equal(ioctl(fd, TUNSETIFF, &req), 0);
    assert_null(net_tap_open(loop, "net0", "vif2.0-emu", -1, 1, why, sizeof(why)));
    struct net *net = net_tap_open(loop, "net0", "vif2.0-emu", -1, 4, why, sizeof(why));
    assert_non_null(net);
    assert_int_equal(net->queues, 4);
    close(fd);
    net_free(net);
}

static void test_tap_refused(void **arg) {
    (void)arg;
    int fd = open("/dev/null", O_RDWR);
    assert_null(net_tap_open(loop, "net0", NULL, fd, 1, why, sizeof(why)));
    assert_non_null(strstr(why, "is not a tap"));
    close(fd);
    if (!has_namespace)
        skip();
    assert_null(net_tap_open(loop, "net0", "a-name-that-is-too-long", -1, 1, why, sizeof(why)));
    assert_non_null(strstr(why, "at most 15"));
    struct net *net = net_tap_open(loop, "net0", "vif6.0-emu", -1, 1, why, sizeof(why));
    assert_non_null(net);
    assert_null(net_tap_open(loop, "net1", "vif6.0-emu", -1, 1, why, sizeof(why)));
    assert_non_null(strstr(why, "vif6.0-emu"));
    net_free(net);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_datagrams), T(test_stream), T(test_stream_full), T(test_stream_nonsense),
        T(test_tap), T(test_tap_renamed), T(test_tap_offload), T(test_tap_cuts),
        T(test_tap_joins), T(test_tap_turns), T(test_queue_at_once), T(test_queue_full),
        T(test_tap_series),
        T(test_tap_deleted), T(test_tap_queues), T(test_tap_refused),
    };
    has_namespace = !unshare(CLONE_NEWNET) && !access("/dev/net/tun", R_OK | W_OK);
    control = socket(AF_INET, SOCK_DGRAM, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
