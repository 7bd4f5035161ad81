/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load for a network, in a guest and at its other end:
 *
 *     netload send ADDRESS PORT MIB    a TCP stream; ends when the other end has had it all
 *     netload recv PORT                takes one
 *     netload usend ADDRESS PORT N [WINDOW]    N frames of 64 bytes: datagrams of 22
 *     netload urecv PORT               takes them until none has come for a second
 *     netload dom0 ...                 any of them, in dom0: tells what it cost there, too
 *
 * Prints bytes (or datagrams) and nanoseconds, of the ends that receive from the first to the last,
 * and the nanoseconds that dom0 ran then, by Xen's account, less this program's own.
 * No more than WINDOW datagrams are on their way at a time: the other end answers each half of one,
 * and a window whose answer is lost goes on after a while.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "dom0_time.h"

enum { CHUNK = 1 << 16, DATAGRAM = 22, TRIES = 100, PATIENCE_MS = 300,
       SELDOM = 64 };

static char chunk[CHUNK];

static bool in_dom0;

struct moment {
    uint64_t time, dom0; /* of dom0 without this program */
};

static struct moment now(void) {
    struct moment m = {.time = clock_ns(CLOCK_MONOTONIC)};
    if (in_dom0)
        m.dom0 = dom0_time() - clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    return m;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static struct sockaddr_in address(const char *host, const char *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (!host)
        a.sin_addr.s_addr = INADDR_ANY;
    else if (!inet_aton(host, &a.sin_addr))
        die(host);
    return a;
}

static int open_at(int type, const char *port) {
    struct sockaddr_in a = address(NULL, port);
    int one = 1, room = 4 << 20, fd = socket(AF_INET, type, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (type == SOCK_DGRAM)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
        die("bind");
    return fd;
}

static void print(uint64_t what, struct moment from, struct moment to) {
    printf("%llu %llu %lld\n", (unsigned long long)what,
           (unsigned long long)(to.time - from.time), (long long)(to.dom0 - from.dom0));
}

static int connect_to(const char *host, const char *port) {
    struct sockaddr_in a = address(host, port);
    for (int i = 0; i < TRIES; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (!connect(fd, (struct sockaddr *)&a, sizeof(a)))
            return fd;
        close(fd);
        usleep(100000);
    }
    die("connect");
    return -1;
}

static void do_send(const char *host, const char *port, uint64_t left) {
    int fd = connect_to(host, port);
    uint64_t bytes = left;
    struct moment start = now();
    while (left) {
        ssize_t n = write(fd, chunk, left < CHUNK ? left : CHUNK);
        if (n <= 0)
            die("write");
        left -= (uint64_t)n;
    }
    shutdown(fd, SHUT_WR);
    while (read(fd, chunk, CHUNK) > 0)
        ;
    print(bytes, start, now());
}

static void do_recv(const char *port) {
    int at = open_at(SOCK_STREAM, port);
    listen(at, 1);
    int fd = accept(at, NULL, NULL);
    uint64_t bytes = 0;
    struct moment start = {0};
    for (ssize_t n; (n = read(fd, chunk, CHUNK)) > 0; bytes += (uint64_t)n)
        if (!bytes)
            start = now();
    print(bytes, start, now());
    close(fd);
}

/* What a datagram begins with. */
struct head {
    uint32_t number, window; /* its own, from 0; 0: no answers are wanted */
};

/* Until no more than a window has no answer. */
static void wait_for_room(int fd, uint32_t sent, uint32_t window, uint32_t *answered) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (window && sent - *answered >= window) {
        uint32_t n;
        if (poll(&p, 1, PATIENCE_MS) <= 0)
            *answered = sent;
        else if (recv(fd, &n, sizeof(n), 0) == sizeof(n) && n > *answered)
            *answered = n;
    }
}

static void do_usend(const char *host, const char *port, uint32_t n, uint32_t window) {
    struct sockaddr_in a = address(host, port);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
        die("connect");
    struct moment start = now();
    uint32_t answered = 0, sent = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct head h = {i, window};
        memcpy(chunk, &h, sizeof(h));
        sent += send(fd, chunk, DATAGRAM, 0) == DATAGRAM;
        wait_for_room(fd, i + 1, window, &answered);
    }
    print(sent, start, now());
}

static bool take(int fd) {
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    struct head h;
    if (recvfrom(fd, chunk, CHUNK, MSG_DONTWAIT, (struct sockaddr *)&from, &len) < DATAGRAM)
        return false;
    memcpy(&h, chunk, sizeof(h));
    uint32_t n = h.number + 1;
    if (h.window && n % (h.window / 2) == 0)
        sendto(fd, &n, sizeof(n), 0, (struct sockaddr *)&from, len);
    return true;
}

static void do_urecv(const char *port) {
    int fd = open_at(SOCK_DGRAM, port);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint64_t n = 0;
    struct moment first = {0}, last = {0};
    while (poll(&p, 1, n ? 1000 : 30000) > 0) {
        for (; take(fd); last.time = clock_ns(CLOCK_MONOTONIC), n++) {
            if (n % SELDOM == 0) /* it takes a hypercall */
                last = now();
            if (!n)
                first = last;
        }
    }
    print(n, first, last);
}

int main(int argc, char **argv) {
    in_dom0 = argc > 1 && !strcmp(argv[1], "dom0");
    argc -= in_dom0;
    argv += in_dom0;
    if (argc == 5 && !strcmp(argv[1], "send"))
        do_send(argv[2], argv[3], strtoull(argv[4], NULL, 0) << 20);
    else if (argc == 3 && !strcmp(argv[1], "recv"))
        do_recv(argv[2]);
    else if ((argc == 5 || argc == 6) && !strcmp(argv[1], "usend"))
        do_usend(argv[2], argv[3], (uint32_t)atol(argv[4]),
                 argc == 6 ? (uint32_t)atol(argv[5]) : 0);
    else if (argc == 3 && !strcmp(argv[1], "urecv"))
        do_urecv(argv[2]);
    else
        return 2;
    return 0;
}
