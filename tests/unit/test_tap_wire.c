/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two of the kernel's TCP stacks in namespaces of their own, a tap in each, and a card between them
 * that takes nothing undone: what one sends in long frames is cut, goes over in single ones, and is
 * joined again. What arrives is what was sent, with however little room on the way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/net.h"
#include "loop.h"
#include "net.h"

enum { BYTES = 3000000, PORT = 7777, FRAME = 1522 };

static struct loop *loop;

/* One direction of the wire: a frame that the other end had no room for waits in it. */
struct way {
    struct net *from, *to;
    uint8_t frame[FRAME];
    size_t waiting;
    unsigned at_once; /* frames of an arrival that are taken before the card needs a rest */
    unsigned frames;
};

static struct way ways[2];

static bool pass(struct way *w) {
    struct iovec iov = {w->frame, w->waiting};
    if (w->waiting && !net_send(w->to, &iov, 1, NULL))
        return false;
    w->waiting = 0;
    return true;
}

static void arrived(void *dev) {
    struct way *w = dev;
    for (unsigned i = 0; i < w->at_once; i++) {
        struct iovec iov = {w->frame, sizeof(w->frame)};
        struct net_meta meta;
        w->waiting = net_receive(w->from, &iov, 1, &meta);
        if (!w->waiting)
            return;
        assert_true(w->waiting <= 1514);
        assert_int_equal(meta.gso_type, 0);
        assert_int_equal(meta.flags & NET_META_CSUM, 0);
        w->frames++;
        if (!pass(w))
            break;
    }
    net_listen(w->from, false);
}

static void sendable(void *dev) {
    pass(&ways[dev == &ways[0]]); /* the other way sends on this end */
}

static void ioctl_ok(int fd, unsigned long what, struct ifreq *req) {
    assert_int_equal(ioctl(fd, what, req), 0);
}

/* In the namespace of now. */
static struct net *make_end(const char *name, const char *address) {
    char why[256];
    struct ifreq req = {0};
    struct sockaddr_in a = {.sin_family = AF_INET};
    struct net *net = net_tap_open(loop, name, name, -1, 1, why, sizeof(why));
    assert_non_null(net);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    strcpy(req.ifr_name, name);
    inet_pton(AF_INET, address, &a.sin_addr);
    memcpy(&req.ifr_addr, &a, sizeof(a));
    ioctl_ok(fd, SIOCSIFADDR, &req);
    inet_pton(AF_INET, "255.255.255.0", &a.sin_addr);
    memcpy(&req.ifr_netmask, &a, sizeof(a));
    ioctl_ok(fd, SIOCSIFNETMASK, &req);
    req.ifr_flags = IFF_UP | IFF_RUNNING;
    ioctl_ok(fd, SIOCSIFFLAGS, &req);
    close(fd);
    return net;
}

static uint8_t byte_at(size_t i, unsigned seed) {
    return (uint8_t)(i % 251 ^ i >> 12 ^ seed);
}

struct stream {
    int fd;
    unsigned seed; /* of what it sends; it gets the other's */
    size_t sent, got;
};

static void turn_stream(struct stream *s) {
    static uint8_t buf[60000];
    size_t len = MIN(sizeof(buf), BYTES - s->sent);
    for (size_t i = 0; i < len; i++)
        buf[i] = byte_at(s->sent + i, s->seed);
    ssize_t n = len ? send(s->fd, buf, len, MSG_DONTWAIT) : 0;
    s->sent += n > 0 ? (size_t)n : 0;
    n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
    for (ssize_t i = 0; i < n; i++)
        if (buf[i] != byte_at(s->got + (size_t)i, s->seed ^ 1))
            fail_msg("byte %zu is another", s->got + (size_t)i);
    s->got += n > 0 ? (size_t)n : 0;
}

static void turn_wire(void) {
    loop_once(loop, NULL, 1000000);
    for (unsigned i = 0; i < 2; i++)
        if (pass(&ways[i]))
            net_listen(ways[i].from, true);
}

static void play(int listener, int client, unsigned at_once) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct stream s[2] = {{.seed = 0}, {.fd = client, .seed = 1}};
    ways[0].at_once = ways[1].at_once = at_once;
    ways[0].frames = ways[1].frames = 0;
    inet_pton(AF_INET, "10.9.8.1", &a.sin_addr);
    fcntl(client, F_SETFL, O_NONBLOCK);
    assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), -1);
    assert_int_equal(errno, EINPROGRESS);
    for (unsigned i = 0; i < 5000 && (s[0].fd = accept(listener, NULL, NULL)) < 0; i++)
        turn_wire();
    assert_true(s[0].fd >= 0);
    for (unsigned i = 0; i < 200000 && (s[0].got < BYTES || s[1].got < BYTES); i++) {
        turn_stream(&s[0]);
        turn_stream(&s[1]);
        turn_wire();
    }
    assert_int_equal(s[0].got, BYTES);
    assert_int_equal(s[1].got, BYTES);
    for (unsigned i = 0; i < 2; i++)
        assert_true(ways[i].frames >= BYTES / 1460);
    close(s[0].fd);
    close(client);
}

static int client_socket(void) {
    return socket(AF_INET, SOCK_STREAM, 0);
}

static void test_wire(void **arg) {
    (void)arg;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (unshare(CLONE_NEWNET) || access("/dev/net/tun", R_OK | W_OK))
        skip();
    loop = loop_new();
    struct net *a = make_end("wire0", "10.9.8.1");
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(listen(listener, 1), 0);
    fcntl(listener, F_SETFL, O_NONBLOCK);
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    struct net *b = make_end("wire1", "10.9.8.2");
    ways[0] = (struct way){.from = a, .to = b};
    ways[1] = (struct way){.from = b, .to = a};
    a->user = (struct net_user){.dev = &ways[0], .arrived = arrived, .sendable = sendable};
    b->user = (struct net_user){.dev = &ways[1], .arrived = arrived, .sendable = sendable};
    static const unsigned at_once[] = {64, 1, 7};
    for (unsigned i = 0; i < ARRAY_LEN(at_once); i++)
        play(listener, client_socket(), at_once[i]);
    close(listener);
    net_free(a);
    net_free(b);
    loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wire)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
