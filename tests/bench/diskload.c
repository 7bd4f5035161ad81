/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load on a disk, for a guest in the lab: a static program that keeps so many O_DIRECT requests
 * under way for some time, by the kernel's own asynchronous I/O.
 *
 *     diskload DEVICE read|write random|linear BYTES DEPTH SECONDS
 *
 * Prints the requests done and the microseconds they took.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"

enum { DEPTH_MAX = 64 };

int main(int argc, char **argv) {
    static struct iocb iocbs[DEPTH_MAX];
    struct io_event events[DEPTH_MAX];
    aio_context_t context = 0;
    uint64_t seed = 12345, at = 0;
    unsigned long done = 0;
    unsigned under_way = 0;

    if (argc < 7)
        return 2;
    int writes = !strcmp(argv[2], "write"), linear = !strcmp(argv[3], "linear");
    unsigned bytes = (unsigned)atoi(argv[4]), depth = (unsigned)atoi(argv[5]);
    uint64_t length = (uint64_t)(atof(argv[6]) * 1e9);
    int fd = open(argv[1], O_RDWR | O_DIRECT);
    uint64_t places = fd < 0 ? 0 : (uint64_t)lseek(fd, 0, SEEK_END) / bytes;

    if (!places || !depth || depth > DEPTH_MAX || syscall(SYS_io_setup, depth, &context))
        return 1;
    for (unsigned i = 0; i < depth; i++) {
        void *memory = aligned_alloc(4096, bytes);

        memset(memory, (int)i, bytes);
        iocbs[i] = (struct iocb){ .aio_fildes = (uint32_t)fd, .aio_nbytes = bytes,
                                  .aio_lio_opcode = writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
                                  .aio_buf = (uint64_t)(uintptr_t)memory };
        events[i].obj = (uint64_t)(uintptr_t)&iocbs[i];
    }
    uint64_t from = clock_ns(CLOCK_MONOTONIC);
    for (unsigned free = depth; under_way || free;) {
        struct iocb *batch[DEPTH_MAX];
        unsigned n = 0;

        for (; clock_ns(CLOCK_MONOTONIC) - from < length && n < free; n++) {
            batch[n] = (struct iocb *)(uintptr_t)events[n].obj;
            seed = seed * 6364136223846793005ull + 1;
            at = linear ? (at + 1) % places : (seed >> 33) % places;
            batch[n]->aio_offset = (int64_t)(at * bytes);
        }
        if (n && syscall(SYS_io_submit, context, (long)n, batch) != (long)n)
            return 1;
        under_way += n;
        if (!under_way)
            break;
        long got = syscall(SYS_io_getevents, context, 1L, (long)depth, events, NULL);
        for (long i = 0; i < got; i++)
            if (events[i].res != (int64_t)bytes)
                return 1;
        free = got > 0 ? (unsigned)got : 0;
        under_way -= free;
        done += free;
    }
    printf("%lu %llu\n", done, (unsigned long long)(clock_ns(CLOCK_MONOTONIC) - from) / 1000);
    return 0;
}
