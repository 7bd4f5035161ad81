/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random reads, writes, discards and flushes through the image layer, the same on a plain array;
 * then qemu-img looks at the image: `check` finds nothing, `compare` finds the array. Requests of a
 * batch run at the same time and touch different sectors, often of the same cluster. HVMDM_SEED and
 * HVMDM_ROUNDS choose another run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/log.h"
#include "image.h"
#include "loop.h"

enum { BATCH = 24, STEPS = 120, MAX_SIZE = 24 << 20 };

enum {
    FILLED = 1,    /* the disk reads as base.raw at first */
    UNCHECKED = 2, /* qemu-img has no check for it */
    UNKNOWN = 4,   /* nor can it read it */
};

struct config {
    const char *name, *format;
    const char *prepare; /* shell: makes $D/disk; $D/base.raw is there */
    uint64_t size;
    unsigned is;
    const char *after; /* shell: must still be so */
};

static const struct config configs[] = {
    {"v3", "qcow2", "qemu-img create -q -f qcow2 $D/disk 8M", 8 << 20, 0, NULL},
    {"v2", "qcow2", "qemu-img create -q -f qcow2 -o compat=0.10 $D/disk 8M", 8 << 20, 0, NULL},
    {"512", "qcow2", "qemu-img create -q -f qcow2 -o cluster_size=512 $D/disk 20M", 20 << 20, 0, NULL},
    {"2M", "qcow2", "qemu-img create -q -f qcow2 -o cluster_size=2M $D/disk 16M", 16 << 20, 0, NULL},
    {"odd size", "qcow2", "qemu-img create -q -f qcow2 -o cluster_size=16k $D/disk 5000704", 5000704, 0, NULL},
    {"refcounts of 1 bit", "qcow2",
     "qemu-img create -q -f qcow2 -o cluster_size=4k,refcount_bits=1 $D/disk 8M", 8 << 20, 0, NULL},
    {"refcounts of 2 bits", "qcow2",
     "qemu-img create -q -f qcow2 -o cluster_size=1k,refcount_bits=2 $D/disk 8M", 8 << 20, 0, NULL},
    {"refcounts of 4 bits", "qcow2",
     "qemu-img create -q -f qcow2 -o cluster_size=4k,refcount_bits=4 $D/disk 8M", 8 << 20, 0, NULL},
    {"refcounts of 8 bits", "qcow2",
     "qemu-img create -q -f qcow2 -o cluster_size=4k,refcount_bits=8 $D/disk 8M", 8 << 20, 0, NULL},
    {"refcounts of 32 bits", "qcow2",
     "qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=32 $D/disk 8M", 8 << 20, 0, NULL},
    {"refcounts of 64 bits", "qcow2",
     "qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64 $D/disk 8M", 8 << 20, 0, NULL},
    {"lazy refcounts", "qcow2",
     "qemu-img create -q -f qcow2 -o lazy_refcounts=on $D/disk 8M && "
     "qemu-io -f qcow2 -c 'write 0 8M' -c abort $D/disk >/dev/null 2>&1; "
     "qemu-io -f qcow2 -c 'write -P 0 0 8M' -c 'flush' -c 'sigraise 9' $D/disk >/dev/null 2>&1; true",
     8 << 20, 0, NULL},
    {"preallocated", "qcow2", "qemu-img create -q -f qcow2 -o preallocation=metadata $D/disk 8M",
     8 << 20, 0, NULL},
    {"preallocated zeros", "qcow2",
     "qemu-img create -q -f qcow2 -o cluster_size=32k,preallocation=falloc $D/disk 8M && "
     "qemu-io -f qcow2 -c 'write 0 8M' -c 'write -z 0 8M' $D/disk >/dev/null", 8 << 20, 0, NULL},
    {"raw below", "qcow2",
     "qemu-img create -q -f qcow2 -F raw -b base.raw $D/disk 8M", 8 << 20, FILLED, NULL},
    {"raw below, v2", "qcow2",
     "qemu-img create -q -f qcow2 -o compat=0.10 -F raw -b base.raw $D/disk 8M", 8 << 20, FILLED, NULL},
    {"short qcow2 below", "qcow2",
     "qemu-img convert -f raw -O qcow2 $D/base.raw $D/base && "
     "qemu-img create -q -f qcow2 -o cluster_size=4k -F qcow2 -b base $D/disk 11M", 11 << 20, FILLED, NULL},
    {"packed", "qcow2", "qemu-img convert -c -f raw -O qcow2 $D/base.raw $D/disk", 8 << 20, FILLED, NULL},
    {"packed, 4k", "qcow2",
     "qemu-img convert -c -f raw -O qcow2 -o cluster_size=4k $D/base.raw $D/disk", 8 << 20, FILLED, NULL},
    {"packed by zstd", "qcow2",
     "qemu-img convert -c -f raw -O qcow2 -o compression_type=zstd $D/base.raw $D/disk", 8 << 20, FILLED, NULL},
    {"snapshots", "qcow2",
     "qemu-img convert -f raw -O qcow2 -o cluster_size=8k $D/base.raw $D/disk && "
     "qemu-img snapshot -c one $D/disk && qemu-io -f qcow2 -c 'write -P 7 1M 1M' $D/disk >/dev/null "
     "&& qemu-img snapshot -c two $D/disk && "
     "qemu-io -f qcow2 -c 'write -P 0 1M 1M' $D/disk > /dev/null && "
     "qemu-img snapshot -a one $D/disk", 8 << 20, FILLED,
     "qemu-img convert -l one -f qcow2 -O raw $D/disk $D/one && cmp $D/one $D/base.raw"},
    {"bitmaps", "qcow2",
     "qemu-img create -q -f qcow2 $D/disk 8M && qemu-img bitmap --add $D/disk one && "
     "qemu-io -f qcow2 -c 'write 1M 1M' -c 'write -z 0 8M' $D/disk >/dev/null && "
     "qemu-img bitmap --add --disable -g 128k $D/disk two", 8 << 20, 0,
     "test $(qemu-img info $D/disk | grep -c in-use) = 2"},
    {"snapshots, packed", "qcow2",
     "qemu-img convert -c -f raw -O qcow2 -o cluster_size=8k $D/base.raw $D/disk && "
     "qemu-img snapshot -c one $D/disk", 8 << 20, FILLED,
     "qemu-img convert -l one -f qcow2 -O raw $D/disk $D/one && cmp $D/one $D/base.raw"},
};

static const struct config vhds[] = {
    {"fixed VHD", "vpc", "qemu-img create -q -f vpc -o subformat=fixed,force_size=on $D/disk 8M",
     8 << 20, UNCHECKED, NULL},
    {"dynamic VHD", "vhd", "qemu-img create -q -f vpc -o force_size=on $D/disk 20M", 20 << 20,
     UNCHECKED, NULL},
    {"dynamic VHD by geometry", "vpc", "qemu-img create -q -f vpc $D/disk 8M", 8390656, UNCHECKED, NULL},
    {"converted VHD", "vhd",
     "qemu-img convert -f raw -O vpc -o force_size=on $D/base.raw $D/disk", 8 << 20, FILLED | UNCHECKED, NULL},
    {"differencing VHD", "vhd",
     "qemu-img convert -f raw -O vpc -o force_size=on $D/base.raw $D/base.vhd && "
     "python3 " CHILD " $D/base.vhd $D/disk", 8 << 20, FILLED | UNCHECKED | UNKNOWN, NULL},
};

static struct loop *loop;
static char dir[] = "/tmp/hvm-dm-random-XXXXXX";
static const struct config *config;
static uint8_t *model, *base;
static uint64_t seed;

static uint64_t roll(uint64_t below) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % below;
}

static void show(enum log_level level, const char *line) {
    (void)level;
    printf("%s\n", line);
}

static int shell(const char *text) {
    char *command;
    assert_true(asprintf(&command, "D=%s; %s", dir, text) > 0);
    int status = system(command);
    free(command);
    return status;
}

/* ---- a batch of requests ---- */

struct request {
    struct block_req req;
    uint8_t *memory;
    struct iovec iov[3];
    int err;
};

static struct request requests[BATCH];
static unsigned finished;

static void done(struct block_req *req, int err) {
    ((struct request *)req->owner)->err = err;
    finished++;
}

/* Three pieces, as guests' pages are. */
static void cut(struct request *r, size_t len) {
    size_t a = roll(len / 512 + 1) * 512, b = roll((len - a) / 512 + 1) * 512;
    r->memory = malloc(len);
    r->iov[0] = (struct iovec){r->memory, a};
    r->iov[1] = (struct iovec){r->memory + a, b};
    r->iov[2] = (struct iovec){r->memory + a + b, len - a - b};
    r->req.iov = r->iov;
    r->req.niov = 3;
}

static bool overlaps(unsigned n, uint64_t offset, uint64_t len) {
    for (unsigned i = 0; i < n; i++)
        if (offset < requests[i].req.offset + requests[i].req.len &&
            requests[i].req.offset < offset + len)
            return true;
    return false;
}

static void fill(uint8_t *to, size_t len) {
    if (roll(8) == 0) {
        memset(to, 0, len);
        return;
    }
    for (size_t i = 0; i + 8 <= len; i += 8) {
        uint64_t value = (i % 512) ? (uint64_t)i * 0x101 : roll(UINT64_MAX);
        memcpy(to + i, &value, 8);
    }
}

static unsigned make_batch(uint64_t size) {
    /* many near one place, some anywhere */
    uint64_t spot = roll(size / 512), n = 0;
    for (unsigned tries = 0; tries < BATCH; tries++) {
        uint64_t sector = roll(3) ? (spot + roll(400)) % (size / 512) : roll(size / 512);
        uint64_t len = 1 + roll(roll(4) ? 40 : 600), kind = roll(20);
        struct request *r = &requests[n];
        len = MIN(len, size / 512 - sector) * 512;
        if (overlaps((unsigned)n, sector * 512, len))
            continue;
        *r = (struct request){.req = {.offset = sector * 512, .len = len, .done = done,
                                      .owner = r}, .err = -1};
        r->req.op = kind < 8 ? BLOCK_READ : kind < 17 ? BLOCK_WRITE
                    : kind < 19 ? BLOCK_DISCARD : BLOCK_FLUSH;
        if (r->req.op == BLOCK_FLUSH)
            r->req.len = 0;
        else
            cut(r, len);
        if (r->req.op == BLOCK_WRITE)
            fill(r->memory, len);
        if (r->req.op == BLOCK_DISCARD) {
            free(r->memory);
            r->memory = NULL;
        }
        n++;
    }
    return (unsigned)n;
}

static void wait_for(unsigned n) {
    for (unsigned i = 0; finished < n && i < 100000; i++)
        loop_once(loop, NULL, NS_PER_SEC);
    assert_int_equal(finished, n);
}

static void same(const uint8_t *a, const uint8_t *b, uint64_t at, size_t len, const char *what) {
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i])
            fail_msg("%s: %s: byte 0x%llx is 0x%02x, not 0x%02x", config->name, what,
                     (unsigned long long)(at + i), a[i], b[i]);
}

/* A sector that was discarded reads as zeros or as before. */
static void check_discarded(struct block *block, uint64_t at, size_t len) {
    static const uint8_t zeros[512];
    struct request *r = &requests[BATCH - 1];
    uint8_t *memory = malloc(len);
    struct iovec iov = {memory, len};
    *r = (struct request){.req = {.op = BLOCK_READ, .offset = at, .len = len, .iov = &iov,
                                  .niov = 1, .done = done, .owner = r}};
    finished = 0;
    block_submit(block, &r->req);
    wait_for(1);
    assert_int_equal(r->err, 0);
    for (size_t i = 0; i < len; i += 512)
        if (memcmp(memory + i, zeros, 512))
            same(memory + i, model + at + i, at + i, 512, "discarded");
        else
            memset(model + at + i, 0, 512);
    free(memory);
}

static void run_batch(struct block *block) {
    struct {
        uint64_t at, len;
    } gone[BATCH];
    unsigned n = make_batch(config->size), count = 0;
    finished = 0;
    for (unsigned i = 0; i < n; i++)
        block_submit(block, &requests[i].req);
    if (roll(10) == 0)
        block_drain(block);
    wait_for(n);
    for (unsigned i = 0; i < n; i++) {
        struct request *r = &requests[i];
        assert_int_equal(r->err, 0);
        if (r->req.op == BLOCK_READ)
            same(r->memory, model + r->req.offset, r->req.offset, r->req.len, "read");
        else if (r->req.op == BLOCK_WRITE)
            memcpy(model + r->req.offset, r->memory, r->req.len);
        else if (r->req.op == BLOCK_DISCARD)
            gone[count].at = r->req.offset, gone[count++].len = r->req.len;
        free(r->memory);
    }
    for (unsigned i = 0; i < count; i++)
        check_discarded(block, gone[i].at, gone[i].len);
}

static struct block *open_disk(void) {
    char path[128], why[512];
    struct image_options options = {.format = config->format};
    snprintf(path, sizeof(path), "%s/disk", dir);
    struct block *block = image_open(loop, path, &options, why, sizeof(why));
    if (!block)
        fail_msg("%s: %s", config->name, why);
    assert_int_equal(block->size, config->size);
    return block;
}

static void read_all(struct block *block) {
    struct request *r = &requests[0];
    struct iovec iov = {malloc(config->size), config->size};
    *r = (struct request){.req = {.op = BLOCK_READ, .len = config->size, .iov = &iov, .niov = 1,
                                  .done = done, .owner = r}, .err = -1};
    finished = 0;
    block_submit(block, &r->req);
    wait_for(1);
    assert_int_equal(r->err, 0);
    same(iov.iov_base, model, 0, config->size, "at the end");
    free(iov.iov_base);
}

static void write_file(const char *name, const uint8_t *bytes, size_t len) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void random_requests(void **state) {
    config = *state;
    const char *rounds = getenv("HVMDM_ROUNDS"), *given = getenv("HVMDM_SEED");
    seed = given ? strtoull(given, NULL, 0) : 0x9e3779b97f4a7c15;
    assert_int_equal(shell("rm -rf $D/*"), 0);
    write_file("base.raw", base, 8 << 20);
    assert_int_equal(shell(config->prepare), 0);
    memset(model, 0, MAX_SIZE);
    if (config->is & FILLED)
        memcpy(model, base, 8 << 20);
    struct block *block = open_disk();
    for (unsigned i = 0; i < STEPS * (rounds ? (unsigned)atoi(rounds) : 1); i++) {
        run_batch(block);
        if (roll(25) == 0) {
            block_put(block);
            if (!(config->is & UNCHECKED))
                assert_int_equal(shell("qemu-img check -q -f qcow2 $D/disk"), 0);
            block = open_disk();
        }
    }
    block_put(block);
    write_file("model", model, config->size);
    block = open_disk();
    read_all(block);
    block_put(block);
    char compare[128];
    if (!(config->is & UNCHECKED))
        assert_int_equal(shell("qemu-img check -q -f qcow2 $D/disk"), 0);
    snprintf(compare, sizeof(compare), "qemu-img compare -f %s -F raw $D/disk $D/model >$D/out || "
             "{ cat $D/out; false; }", !strcmp(config->format, "vhd") ? "vpc" : config->format);
    if (!(config->is & UNKNOWN))
        assert_int_equal(shell(compare), 0);
    if (config->after)
        assert_int_equal(shell(config->after), 0);
}

int main(int argc, char **argv) {
    struct CMUnitTest tests[ARRAY_LEN(configs) + ARRAY_LEN(vhds)];
    unsigned n = 0;
    if (system("qemu-img --version >/dev/null 2>&1")) {
        printf("skipped: there is no qemu-img\n");
        return 0;
    }
    if (!mkdtemp(dir))
        return 1;
    log_to(show, LOG_LEVEL_WARN);
    loop = loop_new();
    model = malloc(MAX_SIZE);
    base = malloc(8 << 20);
    seed = 7;
    for (size_t i = 0; i < 8 << 20; i += 4096)
        fill(base + i, 4096);
    for (unsigned i = 0; i < ARRAY_LEN(tests); i++) {
        const struct config *c = i < ARRAY_LEN(configs) ? &configs[i]
                                                        : &vhds[i - ARRAY_LEN(configs)];
        if (argc < 2 || strstr(c->name, argv[1]))
            tests[n++] = (struct CMUnitTest){c->name, random_requests, NULL, NULL,
                                             (void *)(uintptr_t)c};
    }
    int failed = _cmocka_run_group_tests("random", tests, n, NULL, NULL);
    char remove[64];
    snprintf(remove, sizeof(remove), "rm -rf %s", dir);
    failed += system(remove) != 0;
    loop_free(loop);
    free(model);
    free(base);
    return failed;
}
