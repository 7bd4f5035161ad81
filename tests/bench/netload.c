/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load for a network, in a guest and at its other end:
 *
 *     netload send ADDRESS PORT MIB    a TCP stream; ends when the other end has had it all
 *     netload recv PORT                takes one
 *     netload usend ADDRESS PORT N     N frames of 64 bytes: datagrams of 22
 *     netload urecv PORT               takes them until none has come for a second
 *
 * Prints bytes (or datagrams) and nanoseconds, of the ends that receive from the first to the last.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, DATAGRAM = 22, TRIES = 100 };

static char chunk[CHUNK];

static uint64_t now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
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

static void print(uint64_t what, uint64_t ns) {
    printf("%llu %llu\n", (unsigned long long)what, (unsigned long long)ns);
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
    uint64_t bytes = left, start = now();
    while (left) {
        ssize_t n = write(fd, chunk, left < CHUNK ? left : CHUNK);
        if (n <= 0)
            die("write");
        left -= (uint64_t)n;
    }
    shutdown(fd, SHUT_WR);
    while (read(fd, chunk, CHUNK) > 0)
        ;
    print(bytes, now() - start);
}

static void do_recv(const char *port) {
    int at = open_at(SOCK_STREAM, port);
    listen(at, 1);
    int fd = accept(at, NULL, NULL);
    uint64_t bytes = 0, start = 0;
    for (ssize_t n; (n = read(fd, chunk, CHUNK)) > 0; bytes += (uint64_t)n)
        if (!bytes)
            start = now();
    print(bytes, now() - start);
    close(fd);
}

static void do_usend(const char *host, const char *port, uint64_t n) {
    struct sockaddr_in a = address(host, port);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
        die("connect");
    uint64_t start = now(), sent = 0;
    for (uint64_t i = 0; i < n; i++)
        sent += send(fd, chunk, DATAGRAM, 0) == DATAGRAM;
    print(sent, now() - start);
}

static void do_urecv(const char *port) {
    int fd = open_at(SOCK_DGRAM, port);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint64_t n = 0, first = 0, last = 0;
    while (poll(&p, 1, n ? 1000 : 30000) > 0) {
        while (recv(fd, chunk, CHUNK, MSG_DONTWAIT) > 0) {
            last = now();
            if (!n++)
                first = last;
        }
    }
    print(n, last - first);
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "send"))
        do_send(argv[2], argv[3], strtoull(argv[4], NULL, 0) << 20);
    else if (argc == 3 && !strcmp(argv[1], "recv"))
        do_recv(argv[2]);
    else if (argc == 5 && !strcmp(argv[1], "usend"))
        do_usend(argv[2], argv[3], strtoull(argv[4], NULL, 0));
    else if (argc == 3 && !strcmp(argv[1], "urecv"))
        do_urecv(argv[2]);
    else
        return 2;
    return 0;
}
