/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The floor of a PV disk: the least program that moves the same pieces of the same file by
 * io_uring, with as many under way. No guest, no ring, no event channel: what a PV disk costs above
 * this is its own and Xen's. With "events" another process says when to begin the next DEPTH of
 * them, and is told when they are done, as fakexen makes event channels: a word to wait for, to
 * read and to answer, and a word to send. That is what nobody can do without who serves a guest.
 *
 *     blkfloor FILE read|write BYTES DEPTH TIMES [events]
 *
 * Prints CPU microseconds for one request, and the wall clock's.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

/* ---- events ---- */

enum { UNMASK = 1, NOTIFY };

static int channel = -1, waits;

/* The guest: it tells of requests when those before are done. */
static void guest(int fd) {
    uint32_t word = 0;

    while (write(fd, &word, sizeof word) == sizeof word) {
        do
            if (read(fd, &word, sizeof word) != sizeof word)
                _exit(0);
        while (word != NOTIFY);
    }
    _exit(0);
}

static int open_channel(void) {
    struct epoll_event want = { .events = EPOLLIN };
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return -1;
    if (!fork()) {
        close(ends[0]);
        guest(ends[1]);
    }
    close(ends[1]);
    channel = ends[0];
    waits = epoll_create1(EPOLL_CLOEXEC);
    return epoll_ctl(waits, EPOLL_CTL_ADD, channel, &want);
}

static int wait_for_event(void) {
    struct epoll_event got;
    uint32_t word;

    if (channel < 0)
        return 0;
    while (epoll_wait(waits, &got, 1, -1) != 1)
        if (errno != EINTR) /* io_uring's way to have its work done */
            return -1;
    if (read(channel, &word, sizeof word) != sizeof word)
        return -1;
    word = UNMASK;
    return write(channel, &word, sizeof word) == sizeof word ? 0 : -1;
}

static int tell(void) {
    uint32_t word = NOTIFY;

    return channel < 0 || write(channel, &word, sizeof word) == sizeof word ? 0 : -1;
}

/* ---- requests ---- */

int main(int argc, char **argv) {
    struct io_uring ring;
    struct io_uring_cqe *cqe;
    struct stat st;
    uint64_t seed = 12345;

    if (argc < 6)
        return 2;
    int writes = !strcmp(argv[2], "write"), fd = open(argv[1], O_RDWR);
    unsigned bytes = (unsigned)atoi(argv[3]), depth = (unsigned)atoi(argv[4]);
    unsigned long times = strtoul(argv[5], NULL, 10), sent = 0, done = 0, batch = depth;
    char *memory = aligned_alloc(4096, (size_t)bytes * depth);

    if (fd < 0 || fstat(fd, &st) || io_uring_queue_init(64, &ring, 0) ||
        (argc > 6 && open_channel()))
        return 1;
    memset(memory, 0, (size_t)bytes * depth);
    uint64_t places = (uint64_t)st.st_size / 4096 - bytes / 4096;
    uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), wall = clock_ns(CLOCK_MONOTONIC);
    while (done < times) {
        if (sent == done && wait_for_event())
            return 1;
        while (sent < times && sent - done < depth && (channel < 0 || sent < batch)) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
            uint64_t at;

            seed = seed * 6364136223846793005ull + 1;
            at = (seed >> 33) % places * 4096;
            if (writes)
                io_uring_prep_write(sqe, fd, memory + sent % depth * bytes, bytes, at);
            else
                io_uring_prep_read(sqe, fd, memory + sent % depth * bytes, bytes, at);
            sent++;
        }
        io_uring_submit_and_wait(&ring, 1);
        while (!io_uring_peek_cqe(&ring, &cqe)) {
            if (cqe->res != (int)bytes)
                return 1;
            io_uring_cqe_seen(&ring, cqe);
            done++;
        }
        if (done == batch && tell())
            return 1;
        if (done == batch)
            batch += depth;
    }
    printf("%.3f %.3f\n", (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e-3 / (double)times,
           (double)(clock_ns(CLOCK_MONOTONIC) - wall) * 1e-3 / (double)times);
    return 0;
}
