/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A load for a network card, and what it costs the device model:
 *
 *   nicload host PID LOAD COUNT    in dom0: waits for the guest, plays, prints one line: LOAD
 *                                  units-that-arrived microseconds cpu-ns switches events kernel-ns
 *   nicload guest HOST LOAD COUNT  in the guest
 *
 * LOAD is tcp-in, tcp-out (COUNT bytes to the guest, from it) or udp-in, udp-out (COUNT frames of
 * 64 bytes). Datagrams go in windows: the receiver answers each half of one, so that none need be
 * lost and what is measured is the card and not who drops first; a window whose answer is lost goes
 * on after a while. Bytes of a stream are checked.
 *
 * CPU is what dom0 ran, by Xen's account, less this program's own time, on which dom0's kernel
 * books what the guest took of it (some per cent): the device model, the kernel's work for it, and
 * what wakes it. kernel-ns is what dom0's kernel books on all threads of PID: with the time that a
 * device model gives away (ioreq/xen_yield.h), without interrupts that come while nothing runs.
 * Events are those of event channels (/proc/interrupts, all device models of dom0 together): one
 * for each access of the guest that dom0's kernel was told of.
 */
#include <arpa/inet.h>
#include <dirent.h>
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

enum { PORT = 5010, CHUNK = 65536, PAYLOAD = 18 /* a frame of 64 bytes with its FCS */,
       WINDOW = 64, PATIENCE_MS = 300, TRIES = 20 };

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* ---- what it costs ---- */

struct cost {
    uint64_t us, dom0, own, kernel, switches, events;
};

static uint64_t first_number(const char *path, const char *line_start) {
    char line[4096];
    uint64_t sum = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    while (fgets(line, sizeof(line), f)) {
        if (!strncmp(line, line_start, strlen(line_start)))
            sum += strtoull(line + strlen(line_start), NULL, 10);
    }
    fclose(f);
    return sum;
}

static uint64_t events(void) {
    char line[4096];
    uint64_t sum = 0;
    FILE *f = fopen("/proc/interrupts", "r");
    if (!f)
        die("/proc/interrupts");
    while (fgets(line, sizeof(line), f)) {
        char *colon = strchr(line, ':');
        if (colon && strstr(line, "evtchn:") && !strstr(line, "xenstored"))
            sum += strtoull(colon + 1, NULL, 10);
    }
    fclose(f);
    return sum;
}

static struct cost cost(const char *pid) {
    struct cost c = {.us = clock_ns(CLOCK_MONOTONIC) / 1000, .events = events(),
                     .dom0 = dom0_time(), .own = clock_ns(CLOCK_PROCESS_CPUTIME_ID)};
    char path[300];
    snprintf(path, sizeof(path), "/proc/%s/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%s/task/%.20s/schedstat", pid, task->d_name);
        c.kernel += first_number(path, "");
        snprintf(path, sizeof(path), "/proc/%s/task/%.20s/status", pid, task->d_name);
        c.switches += first_number(path, "voluntary_ctxt_switches:");
    }
    if (!tasks)
        die(pid);
    closedir(tasks);
    return c;
}

/* ---- streams ---- */

/* The stream is this, again and again. */
static uint8_t pattern[251 * 256];

static void make_pattern(void) {
    for (unsigned i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i % 251 ^ i >> 8);
}

static size_t run_at(uint64_t at, uint64_t len) {
    uint64_t left = sizeof(pattern) - at % sizeof(pattern);
    return (size_t)(len < left ? len : left);
}

static void send_stream(int fd, uint64_t count) {
    char answer;
    for (uint64_t at = 0; at < count;) {
        ssize_t n = write(fd, pattern + at % sizeof(pattern), run_at(at, count - at));
        if (n <= 0)
            die("write");
        at += (uint64_t)n;
    }
    shutdown(fd, SHUT_WR);
    if (read(fd, &answer, 1) != 1) /* the other end has all of it */
        die("no answer");
}

static void receive_stream(int fd, uint64_t count) {
    static uint8_t buf[CHUNK];
    uint64_t at = 0;
    for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0;)
        for (size_t i = 0, run; i < (size_t)n; i += run, at += run) {
            run = run_at(at, (uint64_t)n - i);
            if (memcmp(buf + i, pattern + at % sizeof(pattern), run)) {
                fprintf(stderr, "wrong bytes after %llu\n", (unsigned long long)at);
                exit(1);
            }
        }
    if (at != count || write(fd, "", 1) != 1)
        die("the stream is cut short");
}

/* ---- datagrams ---- */

static bool readable(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, PATIENCE_MS) > 0;
}

static void send_datagrams(int fd, uint32_t count) {
    uint32_t buf[PAYLOAD / 4 + 1] = {0}, sure = 0, lost = 0;
    for (uint32_t n = 0; n < count; n++) {
        buf[0] = n;
        if (send(fd, buf, PAYLOAD, 0) < 0)
            die("send");
        while (n + 1 - sure >= WINDOW) {
            uint32_t seen;
            if (!readable(fd))
                lost++, sure = n + 1;
            else if (recv(fd, &seen, sizeof(seen), 0) == sizeof(seen) && seen > sure)
                sure = seen;
        }
    }
    if (lost)
        fprintf(stderr, "%u windows had no answer\n", lost);
    buf[0] = UINT32_MAX; /* the end; may get lost, too */
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t seen = 0;
        send(fd, buf, PAYLOAD, 0);
        while (readable(fd) && recv(fd, &seen, sizeof(seen), 0) > 0 && seen != UINT32_MAX)
            ;
        if (seen == UINT32_MAX)
            return;
    }
    die("no answer");
}

static uint64_t receive_datagrams(int fd) {
    uint32_t buf[PAYLOAD / 4 + 1];
    uint64_t got = 0;
    for (;;) {
        if (recv(fd, buf, sizeof(buf), 0) != PAYLOAD)
            continue;
        uint32_t answer = buf[0] == UINT32_MAX ? buf[0] : buf[0] + 1;
        got += buf[0] != UINT32_MAX;
        if (answer == UINT32_MAX || answer % (WINDOW / 2) == 0)
            send(fd, &answer, sizeof(answer), 0);
        if (answer == UINT32_MAX)
            return got;
    }
}

/* ---- both ends ---- */

static int dial(const char *host, bool udp) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    inet_pton(AF_INET, host, &a.sin_addr);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
        die(host);
    return fd;
}

static int answer(bool udp) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    socklen_t len = sizeof(a);
    int on = 1, fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    uint32_t hello;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
        die("bind");
    if (!udp)
        return listen(fd, 1) ? -1 : accept(fd, NULL, NULL);
    if (recvfrom(fd, &hello, sizeof(hello), 0, (struct sockaddr *)&a, &len) < 0 ||
        connect(fd, (struct sockaddr *)&a, len))
        die("hello");
    return fd;
}

/* The guest's first datagram; it may be sent before anybody listens. */
static void hello(int fd) {
    uint32_t word = 0;
    for (unsigned i = 0; i < TRIES; i++) {
        send(fd, &word, sizeof(word), 0);
        if (readable(fd))
            return;
    }
    die("nobody there");
}

static uint64_t play(int fd, bool udp, bool sends, uint64_t count) {
    if (udp && sends)
        send_datagrams(fd, (uint32_t)count);
    else if (udp)
        return receive_datagrams(fd);
    else if (sends)
        send_stream(fd, count);
    else
        receive_stream(fd, count);
    return count;
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 2;
    bool udp = !strncmp(argv[3], "udp", 3), in = strstr(argv[3], "-in"), host = argv[1][0] == 'h';
    uint64_t count = strtoull(argv[4], NULL, 10);
    make_pattern();
    if (!host) {
        int fd = dial(argv[2], udp);
        if (udp && in)
            hello(fd);
        else if (udp)
            send(fd, &count, 4, 0);
        uint64_t got = play(fd, udp, !in, count);
        printf("%llu\n", (unsigned long long)got);
        return 0;
    }
    int fd = answer(udp);
    if (fd < 0)
        die("accept");
    struct cost a = cost(argv[2]);
    uint64_t n = play(fd, udp, in, count);
    struct cost b = cost(argv[2]);
    uint64_t cpu = b.dom0 - a.dom0 - (b.own - a.own);
    printf("%s %llu %llu %llu %llu %llu %llu\n", argv[3], (unsigned long long)n,
           (unsigned long long)(b.us - a.us), (unsigned long long)cpu,
           (unsigned long long)(b.switches - a.switches),
           (unsigned long long)(b.events - a.events),
           (unsigned long long)(b.kernel - a.kernel));
    return 0;
}
