/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kill -9 before each system call. A process opens an image, writes to it and flushes it, and is
 * killed when it is about to make its nth call, for every n. Each time everything flushed is there,
 * every sector holds something that was written to it, qemu-img finds nothing worse than leaks, and
 * the image opens for writing and takes a write. Calls are those of the thread that has the image:
 * what io_uring or other threads do for it ends where it is. HVMDM_STEP looks at every nth call
 * only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/log.h"
#include "image.h"
#include "loop.h"

enum { SIZE = 1 << 20, SECTORS = SIZE / 512, OPS = 24, BATCH = 4, MOST = 40, CALLS = 100000 };

struct config {
    const char *name, *format, *prepare;
    enum image_aio aio;
    bool unknown; /* to qemu-img check */
};

static const struct config configs[] = {
    {"raw", "raw", "truncate -s 1M $D/new", IMAGE_AIO_BEST, true},
    {"qcow2", "qcow2",
     "head -c 1M /dev/zero >$D/below && qemu-img create -q -f qcow2 -o cluster_size=4k -F raw "
     "-b $D/below $D/new", IMAGE_AIO_BEST, false},
    {"qcow2 by threads", "qcow2", "qemu-img create -q -f qcow2 -o cluster_size=512 $D/new 1M",
     IMAGE_AIO_THREADS, false},
    {"snapshot", "qcow2",
     "qemu-img create -q -f qcow2 -o cluster_size=4k $D/new 1M && "
     "qemu-io -f qcow2 -c 'write -P 0 0 1M' $D/new >/dev/null && qemu-img snapshot -c one $D/new",
     IMAGE_AIO_BEST, false},
    {"VHD", "vpc", "qemu-img create -q -f vpc -o force_size=on $D/new 1M", IMAGE_AIO_BEST, true},
};

/* What the process tells by memory, for which it needs no call. Operations count from 1. */
struct progress {
    uint32_t begun, flushed;
};

static volatile struct progress *progress;
static const struct config *config;
static char dir[] = "/tmp/hvm-dm-kill-XXXXXX", why[512];

static void shell(const char *command) {
    if (system(command))
        fail_msg("%s", command);
}

/* Where the nth write goes: [first, first + count) sectors, overlapping earlier ones. */
static void place(uint32_t op, uint32_t *first, uint32_t *count) {
    uint32_t mixed = op * UINT32_C(2654435761);
    *count = 1 + (mixed >> 8) % MOST;
    *first = (mixed >> 16) % (SECTORS / 4 - MOST) + op % 4 * (SECTORS / 4);
}

/* ---- the process ---- */

static void done(struct block_req *req, int err) {
    if (err)
        _exit(3);
    --*(unsigned *)req->owner;
}

static void wait_for(struct loop *loop, const unsigned *left) {
    while (*left)
        loop_once(loop, NULL, NS_PER_SEC);
}

static void work(struct loop *loop, struct block *block) {
    static uint32_t bytes[BATCH][MOST * 128];
    struct block_req req[BATCH];
    struct iovec iov[BATCH];
    unsigned left;
    for (uint32_t op = 1; op <= OPS; op += BATCH) {
        progress->begun = op + BATCH - 1;
        left = BATCH;
        for (unsigned i = 0; i < BATCH; i++) {
            uint32_t first, count;
            place(op + i, &first, &count);
            for (unsigned k = 0; k < count * 128; k++)
                bytes[i][k] = op + i;
            iov[i] = (struct iovec){bytes[i], count * 512};
            req[i] = (struct block_req){.op = BLOCK_WRITE, .offset = first * 512, .iov = &iov[i],
                                        .len = count * 512, .niov = 1, .done = done,
                                        .owner = &left};
            block_submit(block, &req[i]);
        }
        wait_for(loop, &left);
        left = 1;
        req[0] = (struct block_req){.op = BLOCK_FLUSH, .done = done, .owner = &left};
        block_submit(block, &req[0]);
        wait_for(loop, &left);
        progress->flushed = op + BATCH - 1;
    }
}

static struct block *open_disk(struct loop *loop) {
    char path[64];
    struct image_options options = {.format = config->format, .aio = config->aio};
    snprintf(path, sizeof(path), "%s/disk", dir);
    return image_open(loop, path, &options, why, sizeof(why));
}

static void process(void) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    struct loop *loop = loop_new();
    struct block *block = open_disk(loop);
    if (!block)
        _exit(2);
    work(loop, block);
    block_put(block);
    _exit(0);
}

/* ---- the killer ---- */

/* True: it was killed before its nth call; false: it ended by itself. */
static bool live_and_die(unsigned n) {
    int status;
    pid_t pid = fork();
    if (!pid)
        process();
    waitpid(pid, &status, 0);
    assert_true(WIFSTOPPED(status));
    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    for (unsigned stops = 0; stops < CALLS; stops++) {
        if (stops == 2 * n) { /* each call stops twice: this is where the nth begins */
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return true;
        }
        ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
        waitpid(pid, &status, 0);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return false;
        }
        assert_true(WIFSTOPPED(status));
        assert_int_equal(WSTOPSIG(status), SIGTRAP | 0x80);
    }
    fail_msg("%s", "it makes no end of calls");
    return false;
}

/* ---- what is left ---- */

static void transferred(struct block_req *req, int err) {
    *(int *)req->owner = err;
}

static int transfer(struct loop *loop, struct block *block, enum block_op op, uint64_t offset,
                    void *buf, size_t len) {
    int err = -1;
    struct iovec iov = {buf, len};
    struct block_req req = {.op = op, .offset = offset, .len = len, .iov = &iov, .niov = 1,
                            .done = transferred, .owner = &err};
    block_submit(block, &req);
    while (err < 0)
        loop_once(loop, NULL, NS_PER_SEC);
    return err;
}

/* May the sector hold what operation `op` wrote (0: nothing)? The last flushed one of those that
 * wrote to it, or one after it. */
static bool may_be(uint32_t sector, uint32_t op, uint32_t begun, uint32_t flushed) {
    uint32_t first, count, last = 0;
    bool wrote = !op;
    for (uint32_t i = 1; i <= begun; i++) {
        place(i, &first, &count);
        if (sector < first || sector >= first + count)
            continue;
        last = i <= flushed ? i : last;
        wrote |= i == op;
    }
    return wrote && op >= last;
}

static void look(unsigned n) {
    static uint32_t bytes[SIZE / 4];
    char command[128];
    snprintf(command, sizeof(command), "qemu-img check -q -f %s %s/disk >/dev/null 2>&1",
             config->format, dir);
    int status = config->unknown ? 0 : WEXITSTATUS(system(command));
    if (status && status != 3) /* leaks */
        fail_msg("killed before call %u: qemu-img check gives %d", n, status);
    struct loop *loop = loop_new();
    struct block *block = open_disk(loop);
    if (!block)
        fail_msg("killed before call %u: %s", n, why);
    assert_int_equal(transfer(loop, block, BLOCK_READ, 0, bytes, SIZE), 0);
    for (uint32_t i = 0; i < SECTORS; i++) {
        uint32_t op = bytes[i * 128];
        for (unsigned k = 1; k < 128; k++)
            assert_int_equal(bytes[i * 128 + k], op);
        if (!may_be(i, op, progress->begun, progress->flushed))
            fail_msg("killed before call %u: sector %u holds what write %u wrote, %u are flushed",
                     n, i, op, progress->flushed);
    }
    assert_int_equal(transfer(loop, block, BLOCK_WRITE, 512, bytes, 4096), 0);
    assert_int_equal(transfer(loop, block, BLOCK_FLUSH, 0, NULL, 0), 0);
    block_put(block);
    loop_free(loop);
}

static void killed(void **state) {
    config = *state;
    char command[512];
    const char *step = getenv("HVMDM_STEP");
    unsigned each = step ? (unsigned)atoi(step) : 1, seen = 0;
    snprintf(command, sizeof(command), "rm -f $D/*; %s", config->prepare);
    shell(command);
    bool more = true;
    for (unsigned n = 1; more; n += each) {
        shell("cp $D/new $D/disk");
        *progress = (struct progress){0};
        more = live_and_die(n);
        seen = n;
        look(n);
    }
    assert_int_equal(progress->flushed, OPS);
    print_message("%s: killed before each of %u calls\n", config->name, seen);
}

static void drop_line(enum log_level level, const char *line) {
    (void)level;
    (void)line;
}

int main(void) {
    struct CMUnitTest tests[ARRAY_LEN(configs)];
    progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                    -1, 0);
    if (progress == MAP_FAILED || !mkdtemp(dir))
        return 1;
    setenv("D", dir, 1);
    log_to(drop_line, LOG_LEVEL_INFO);
    for (unsigned i = 0; i < ARRAY_LEN(configs); i++)
        tests[i] = (struct CMUnitTest){configs[i].name, killed, NULL, NULL,
                                       (void *)(uintptr_t)&configs[i]};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    shell("rm -r $D");
    return failed;
}
