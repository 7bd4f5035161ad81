/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power cuts. An image on a file in memory gets random writes and discards, and the file tells of
 * each write and sync. Then the power fails between any two of them: what was synced is there, of
 * the sectors written since some are and some are not (and, as after a kill, all are). Each time
 * qemu-img finds nothing worse than leaks, what the guest had flushed reads as flushed, and the
 * image can be written on. HVMDM_SEED and HVMDM_CUTS choose other cuts, and how many of each kind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/log.h"
#include "fixture_file.h"
#include "image_priv.h"
#include "loop.h"

enum { ROUNDS = 40, BATCH = 8, EVENTS = 20000, MODELS = ROUNDS + 1, MAX_FILE = 64 << 20 };

struct config {
    const char *name, *format, *prepare;
    size_t size;
    bool unknown; /* to qemu-img check */
};

static const struct config configs[] = {
    {"64k", "qcow2", "qemu-img create -q -f qcow2 $D/disk 4M", 4 << 20, false},
    {"4k", "qcow2", "qemu-img create -q -f qcow2 -o cluster_size=4k $D/disk 1M", 1 << 20, false},
    {"512", "qcow2", "qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64 $D/disk 1M",
     1 << 20, false},
    {"v2", "qcow2", "qemu-img create -q -f qcow2 -o cluster_size=4k,compat=0.10 $D/disk 1M",
     1 << 20, false},
    {"larger refcount table", "qcow2",
     "qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64 $D/disk 2M && "
     "qemu-io -f qcow2 -c 'write 0 1900k' $D/disk >/dev/null", 2 << 20, false},
    {"snapshot", "qcow2",
     "qemu-img create -q -f qcow2 -o cluster_size=4k $D/disk 1M && "
     "qemu-io -f qcow2 -c 'write 0 1M' -c 'write 0 512k' $D/disk >/dev/null && "
     "qemu-io -f qcow2 -c 'write -z 0 1M' $D/disk >/dev/null && "
     "qemu-img snapshot -c one $D/disk", 1 << 20, false},
    {"packed", "qcow2",
     "head -c 1M /dev/zero >$D/zeros && qemu-img create -q -f qcow2 -o cluster_size=4k $D/disk 1M "
     "&& qemu-io -f qcow2 -c 'write -c -P 0 0 64k' -c 'write -c -P 0 512k 64k' $D/disk >/dev/null",
     1 << 20, false},
    {"VHD", "vpc", "qemu-img create -q -f vpc -o force_size=on $D/disk 8M", 8 << 20, true},
};

enum event_kind { WRITTEN, SYNCED, TOUCHED, FLUSHED };

struct event {
    enum event_kind kind;
    uint64_t offset;
    size_t len;
    uint8_t *bytes; /* of a write */
};

static struct event events[EVENTS];
static unsigned event_count;
static const struct config *config;
static struct loop *loop;
static char dir[] = "/tmp/hvm-dm-cut-XXXXXX";
static uint8_t *original, *model, *flushed[MODELS];
static size_t original_len;
static unsigned flushes;
static uint64_t seed;

static uint64_t roll(uint64_t below) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % below;
}

static int shell(const char *text) {
    char *command;
    assert_true(asprintf(&command, "D=%s; %s", dir, text) > 0);
    int status = system(command);
    free(command);
    return WEXITSTATUS(status);
}

static void note(enum event_kind kind, uint64_t offset, size_t len, const uint8_t *bytes) {
    assert_true(event_count < EVENTS);
    struct event *e = &events[event_count++];
    *e = (struct event){kind, offset, len, NULL};
    if (bytes) {
        e->bytes = malloc(len);
        memcpy(e->bytes, bytes, len);
    }
}

static void effect(void *arg, uint64_t offset, const uint8_t *bytes, size_t len) {
    (void)arg;
    note(bytes ? WRITTEN : SYNCED, offset, len, bytes);
}

/* ---- the workload ---- */

static int last_err;
static unsigned finished;

static void done(struct block_req *req, int err) {
    (void)req;
    last_err |= err;
    finished++;
}

static void wait_for(unsigned n) {
    for (unsigned i = 0; finished < n && i < 1000000; i++)
        loop_once(loop, NULL, NS_PER_SEC);
    assert_int_equal(finished, n);
    assert_int_equal(last_err, 0);
}

static int one(struct block *block, enum block_op op, uint64_t offset, void *buf, size_t len) {
    struct iovec iov = {buf, len};
    struct block_req req = {.op = op, .offset = offset, .len = len, .iov = &iov,
                            .niov = len != 0, .done = done};
    finished = 0;
    last_err = 0;
    block_submit(block, &req);
    wait_for(1);
    return last_err;
}

static void batch(struct block *block) {
    static struct block_req req[BATCH];
    static struct iovec iov[BATCH];
    unsigned n = 0;
    finished = 0;
    last_err = 0;
    for (unsigned i = 0; i < BATCH; i++) {
        uint64_t from = roll(config->size / 512), len = 1 + roll(roll(3) ? 12 : 130);
        bool overlaps = false;
        len = MIN(len, config->size / 512 - from) * 512;
        for (unsigned k = 0; k < n; k++)
            overlaps |= from * 512 < req[k].offset + req[k].len &&
                        req[k].offset < from * 512 + len;
        if (overlaps)
            continue;
        req[n] = (struct block_req){.op = roll(6) ? BLOCK_WRITE : BLOCK_DISCARD,
                                    .offset = from * 512, .len = len, .done = done};
        note(TOUCHED, from * 512, len, NULL);
        if (req[n].op == BLOCK_WRITE) {
            memset(model + from * 512, (int)(1 + roll(255)), len);
            iov[n] = (struct iovec){model + from * 512, len};
            req[n].iov = &iov[n];
            req[n].niov = 1;
        }
        n++;
    }
    for (unsigned i = 0; i < n; i++)
        block_submit(block, &req[i]);
    wait_for(n);
}

static struct block *open_bytes(uint8_t *bytes, size_t len, bool read_only,
                                struct fixture_file **file) {
    char why[512];
    struct image_options options = {.format = config->format, .read_only = read_only};
    *file = fixture_file_new(loop, bytes, len, MAX_FILE, read_only);
    (*file)->seed = roll(UINT64_MAX);
    struct block *block = (!strcmp(config->format, "vpc") ? vhd_open : qcow2_open)(
        loop, &(*file)->block, "cut", &options, why, sizeof(why));
    if (!block)
        fail_msg("%s: %s", config->name, why);
    return block;
}

/* What the guest would read now is what a flush must keep (discards are free to choose). */
static void flush(struct block *block) {
    one(block, BLOCK_FLUSH, 0, NULL, 0);
    one(block, BLOCK_READ, 0, model, config->size);
    flushed[flushes] = malloc(config->size);
    memcpy(flushed[flushes], model, config->size);
    note(FLUSHED, flushes++, 0, NULL);
}

static void record(void) {
    struct fixture_file *file;
    struct block *block = open_bytes(original, original_len, false, &file);
    file->effect = effect;
    one(block, BLOCK_READ, 0, model, config->size);
    for (unsigned i = 0; i < ROUNDS; i++) {
        batch(block);
        if (roll(3) == 0)
            flush(block);
    }
    block_put(block);
}

/* ---- a cut ---- */

enum cut_kind { KILLED, RANDOM, MOST_LOST };

/* The file after the cut before event k. */
static uint8_t *file_at(unsigned k, enum cut_kind kind, size_t *len) {
    uint8_t *bytes = calloc(1, MAX_FILE);
    unsigned synced = 0;
    *len = original_len;
    memcpy(bytes, original, original_len);
    for (unsigned i = 0; i < k; i++)
        if (events[i].kind == SYNCED)
            synced = i;
    for (unsigned i = 0; i < k; i++) {
        const struct event *e = &events[i];
        for (size_t at = 0; e->kind == WRITTEN && at < e->len; at += 512) {
            if (i >= synced && kind != KILLED && roll(kind == RANDOM ? 2 : 8))
                continue;
            memcpy(bytes + e->offset + at, e->bytes + at, 512);
            *len = MAX(*len, e->offset + at + 512);
        }
    }
    return bytes;
}

static void check_file(const uint8_t *bytes, size_t len, unsigned k, const char *when) {
    char path[128];
    snprintf(path, sizeof(path), "%s/cut", dir);
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
    int status = config->unknown ? 0 : shell("qemu-img check -f qcow2 $D/cut >$D/out 2>&1");
    if (status && status != 3) { /* 3: leaks only */
        shell("head -n 20 $D/out");
        fail_msg("%s: %s cut %u: qemu-img check gives %d", config->name, when, k, status);
    }
}

/* What was flushed, and not touched since, reads as flushed. */
static void check_flushed(struct block *block, unsigned k) {
    uint8_t *now = malloc(config->size), *touched = calloc(1, config->size / 512);
    const uint8_t *then = NULL;
    for (unsigned i = 0; i < k; i++) {
        if (events[i].kind == FLUSHED) {
            then = flushed[events[i].offset];
            memset(touched, 0, config->size / 512);
        } else if (events[i].kind == TOUCHED) {
            memset(touched + events[i].offset / 512, 1, events[i].len / 512);
        }
    }
    one(block, BLOCK_READ, 0, now, config->size);
    for (size_t s = 0; then && s < config->size / 512; s++)
        if (!touched[s] && memcmp(now + s * 512, then + s * 512, 512))
            fail_msg("%s: cut %u: sector %zu has lost what was flushed", config->name, k, s);
    free(now);
    free(touched);
}

static void cut(unsigned k, enum cut_kind kind) {
    size_t len;
    uint8_t *bytes = file_at(k, kind, &len);
    struct fixture_file *file;
    check_file(bytes, len, k, "at");
    struct block *block = open_bytes(bytes, len, false, &file);
    check_flushed(block, k);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t at = roll(config->size / 4096 - 2) * 4096 + roll(8) * 512;
        one(block, BLOCK_WRITE, at, model, 4096);
    }
    /* beyond its end, the file stays with us until it has been looked at */
    file->block.users++;
    block_put(block);
    check_file(file->bytes, file->block.size, k, "written after");
    block_put(&file->block);
    free(bytes);
}

/* Anywhere, or where most is at stake: before a sync has an effect. */
static unsigned moment(void) {
    unsigned k = (unsigned)roll(event_count + 1);
    if (roll(2))
        while (k < event_count && events[k].kind != SYNCED)
            k++;
    return k;
}

static void load_original(void) {
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s/disk", dir);
    stat(path, &st);
    original_len = (size_t)st.st_size;
    original = malloc(original_len);
    FILE *f = fopen(path, "rb");
    assert_int_equal(fread(original, 1, original_len, f), original_len);
    fclose(f);
    original_len = (original_len + 511) & ~(size_t)511;
    original = realloc(original, original_len);
}

static void power_cuts(void **state) {
    config = *state;
    const char *given = getenv("HVMDM_SEED"), *cuts = getenv("HVMDM_CUTS");
    seed = given ? strtoull(given, NULL, 0) : 0x2545f4914f6cdd1d;
    assert_int_equal(shell("rm -rf $D/*"), 0);
    assert_int_equal(shell(config->prepare), 0);
    load_original();
    model = malloc(config->size);
    event_count = flushes = 0;
    record();
    for (unsigned i = 0; i < (cuts ? (unsigned)atoi(cuts) : 8); i++)
        for (int kind = KILLED; kind <= MOST_LOST; kind++)
            cut(moment(), (enum cut_kind)kind);
    for (unsigned i = 0; i < event_count; i++)
        free(events[i].bytes);
    while (flushes)
        free(flushed[--flushes]);
    free(model);
    free(original);
}

static void keep_quiet(enum log_level level, const char *line) {
    (void)level;
    if (getenv("HVMDM_SEED"))
        printf("%s\n", line);
}

int main(int argc, char **argv) {
    struct CMUnitTest tests[ARRAY_LEN(configs)];
    unsigned n = 0;
    if (system("qemu-img --version >/dev/null 2>&1")) {
        printf("skipped: there is no qemu-img\n");
        return 0;
    }
    if (!mkdtemp(dir))
        return 1;
    log_to(keep_quiet, LOG_LEVEL_WARN);
    loop = loop_new();
    for (unsigned i = 0; i < ARRAY_LEN(configs); i++)
        if (argc < 2 || strstr(configs[i].name, argv[1]))
            tests[n++] = (struct CMUnitTest){configs[i].name, power_cuts, NULL, NULL,
                                             (void *)(uintptr_t)&configs[i]};
    int failed = _cmocka_run_group_tests("cut", tests, n, NULL, NULL);
    char remove[64];
    snprintf(remove, sizeof(remove), "rm -rf %s", dir);
    failed += system(remove) != 0;
    loop_free(loop);
    return failed;
}
