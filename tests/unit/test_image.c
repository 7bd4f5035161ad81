/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Raw images on a real loop and real files, by io_uring and by threads: every test runs with both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/log.h"
#include "image.h"
#include "loop.h"

enum { SIZE = 1 << 20 };

static struct loop *loop;
static char dir[] = "/tmp/hvm-dm-image-XXXXXX";
static char path[128], why[256], last_line[512];
static struct image_options options = {.format = "raw"};

static void keep_line(enum log_level level, const char *line) {
    (void)level;
    snprintf(last_line, sizeof(last_line), "%s", line);
}

static void make_file(size_t size) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    uint8_t *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i / 512 + i);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
    free(bytes);
}

static int setup(void **unused) {
    (void)unused;
    loop = loop_new();
    snprintf(path, sizeof(path), "%s/disk.img", dir);
    log_to(keep_line, LOG_LEVEL_INFO);
    last_line[0] = 0;
    enum image_aio aio = options.aio;
    options = (struct image_options){.format = "raw", .aio = aio};
    make_file(SIZE);
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    loop_free(loop);
    unlink(path);
    log_to(NULL, LOG_LEVEL_INFO);
    return 0;
}

static int with_threads(void **unused) {
    (void)unused;
    options.aio = IMAGE_AIO_THREADS;
    return 0;
}

/* ---- helpers ---- */

static unsigned finished;

static void done(struct block_req *req, int err) {
    *(int *)req->owner = err;
    finished++;
}

static void done_and_put(struct block_req *req, int err) {
    struct block *block;
    memcpy(&block, req + 1, sizeof(block)); /* it follows the request */
    done(req, err);
    block_put(block);
}

static struct block *open_image(void) {
    struct block *block = image_open(loop, path, &options, why, sizeof(why));
    if (!block)
        fail_msg("%s", why);
    return block;
}

/* Submits, turns the loop until done was called, and returns its errno. */
static int request(struct block *block, enum block_op op, uint64_t offset, struct iovec *iov,
                   unsigned niov) {
    int err = -1;
    size_t len = 0;
    for (unsigned i = 0; i < niov; i++)
        len += iov[i].iov_len;
    struct block_req req = {.op = op, .offset = offset, .len = len, .iov = iov, .niov = niov,
                            .done = done, .owner = &err};
    unsigned before = finished;
    block_submit(block, &req);
    assert_int_equal(finished, before); /* never from inside submit */
    for (unsigned i = 0; finished == before && i < 1000; i++)
        loop_once(loop, NULL, NS_PER_SEC);
    return err;
}

static int read_at(struct block *block, uint64_t offset, void *buf, size_t len) {
    return request(block, BLOCK_READ, offset, &(struct iovec){buf, len}, 1);
}

static int write_at(struct block *block, uint64_t offset, const void *buf, size_t len) {
    return request(block, BLOCK_WRITE, offset, &(struct iovec){(void *)(uintptr_t)buf, len}, 1);
}

static void refused(const char *sentence) {
    assert_null(image_open(loop, path, &options, why, sizeof(why)));
    if (!strstr(why, sentence) || !strstr(why, path))
        fail_msg("'%s' does not say '%s' of '%s'", why, sentence, path);
}

/* ---- data ---- */

static void reads_and_writes(void **unused) {
    (void)unused;
    struct block *block = open_image();
    uint8_t buf[1024];
    assert_int_equal(block->size, SIZE);
    assert_int_equal(read_at(block, 512, buf, 1024), 0);
    for (unsigned i = 0; i < 1024; i++)
        assert_int_equal(buf[i], (uint8_t)((512 + i) / 512 + i));
    memset(buf, 0xa5, sizeof(buf));
    assert_int_equal(write_at(block, 4096, buf, 1024), 0);
    assert_int_equal(request(block, BLOCK_FLUSH, 0, NULL, 0), 0);
    memset(buf, 0, sizeof(buf));
    assert_int_equal(read_at(block, 4096, buf, 1024), 0);
    assert_int_equal(buf[0], 0xa5);
    assert_int_equal(buf[1023], 0xa5);
    assert_int_equal(block->stats.rd_ops, 2);
    block_put(block);
}

static void scatters(void **unused) {
    (void)unused;
    struct block *block = open_image();
    uint8_t a[3], b[509], c[512];
    struct iovec iov[] = {{a, 3}, {b, 509}, {c, 512}};
    assert_int_equal(request(block, BLOCK_READ, 0, iov, 3), 0);
    assert_int_equal(a[2], 2);
    assert_int_equal(b[0], 3);
    assert_int_equal(c[0], 1);
    block_put(block);
}

/* What is written over an image is read again, and never reaches it. */
static void overlay(void **unused) {
    (void)unused;
    static uint8_t was[SIZE], expected[SIZE], seen[SIZE], piece[7 * 512];
    options.read_only = true;
    struct block *base = open_image();
    assert_int_equal(read_at(base, 0, was, SIZE), 0);
    struct block *block = image_overlay(loop, base, why, sizeof(why));
    assert_non_null(block);
    assert_int_equal(block->size, SIZE);
    memcpy(expected, was, SIZE);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t at = (i * 7919 % (SIZE / 512 - 7)) * UINT64_C(512);
        memset(piece, (int)(0x80 + i), sizeof(piece));
        memcpy(expected + at, piece, sizeof(piece));
        assert_int_equal(write_at(block, at, piece, sizeof(piece)), 0);
    }
    assert_int_equal(request(block, BLOCK_FLUSH, 0, NULL, 0), 0);
    assert_int_equal(read_at(block, 0, seen, SIZE), 0);
    assert_memory_equal(seen, expected, SIZE);
    block_put(block);
    base = open_image();
    assert_int_equal(read_at(base, 0, seen, SIZE), 0);
    assert_memory_equal(seen, was, SIZE);
    setenv("TMPDIR", "/nowhere", 1);
    assert_null(image_overlay(loop, base, why, sizeof(why)));
    assert_non_null(strstr(why, "no temporary file"));
    unsetenv("TMPDIR");
    block_put(base);
}

static void many_at_once(void **unused) {
    (void)unused;
    enum { N = 300 };
    struct block *block = open_image();
    static struct block_req reqs[N];
    static struct iovec iov[N];
    static uint8_t buf[N][512];
    int err[N];
    finished = 0;
    for (unsigned i = 0; i < N; i++) {
        iov[i] = (struct iovec){buf[i], 512};
        reqs[i] = (struct block_req){.op = BLOCK_READ, .offset = 512 * i, .len = 512,
                                     .iov = &iov[i], .niov = 1, .done = done, .owner = &err[i]};
        block_submit(block, &reqs[i]);
    }
    block_drain(block);
    assert_int_equal(finished, N);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(err[i], 0);
        assert_int_equal(buf[i][0], (uint8_t)i);
    }
    block_put(block);
}

static void discards(void **unused) {
    (void)unused;
    struct block *block = open_image();
    int err = -1;
    struct block_req req = {.op = BLOCK_DISCARD, .offset = 8192, .len = 65536, .done = done,
                            .owner = &err};
    block_submit(block, &req);
    block_drain(block);
    assert_int_equal(err, 0);
    block_put(block);
}

static void direct(void **unused) {
    (void)unused;
    options.direct = true;
    struct block *block = image_open(loop, path, &options, why, sizeof(why));
    if (!block) { /* a file system without O_DIRECT says so */
        assert_non_null(strstr(why, "page cache"));
        return;
    }
    uint8_t buf[4097];
    assert_int_equal(read_at(block, 4096, buf + 1, 4096), 0);
    assert_int_equal(buf[1], 8);
    assert_int_equal(write_at(block, 0, buf + 1, 4096), 0);
    block_put(block);
}

/* Whatever the file system makes of it, each byte is where it was, in pieces of any alignment. */
static void past_the_cache_and_back(void **unused) {
    (void)unused;
    struct block *block = open_image();
    uint8_t buf[1025], back[1025];
    for (unsigned i = 0; i < 6; i++) {
        image_set_direct(block, i % 2 == 0);
        memset(buf, (int)(0x40 + i), sizeof(buf));
        assert_int_equal(write_at(block, 512 + 1024 * i, buf + 1, 1024), 0);
        image_set_direct(block, i % 3 == 0);
        assert_int_equal(read_at(block, 512 + 1024 * i, back + 1, 1024), 0);
        assert_memory_equal(buf + 1, back + 1, 1024);
        assert_int_equal(read_at(block, 0, back + 1, 512), 0);
        assert_int_equal(back[1], 0);
    }
    block_put(block);
}

/* ---- sizes ---- */

static void odd_size(void **unused) {
    (void)unused;
    make_file(1000);
    struct block *block = open_image();
    uint8_t buf[1024];
    memset(buf, 0xff, sizeof(buf));
    assert_int_equal(block->size, 1024);
    assert_int_equal(read_at(block, 0, buf, 1024), 0);
    assert_int_equal(buf[999], (uint8_t)(1 + 999));
    for (unsigned i = 1000; i < 1024; i++)
        assert_int_equal(buf[i], 0);
    assert_int_equal(write_at(block, 0, buf, 512), 0);
    assert_int_equal(write_at(block, 512, buf, 512), EIO);
    assert_non_null(strstr(last_line, "no multiple of 512"));
    block_put(block);
    struct stat st;
    stat(path, &st);
    assert_int_equal(st.st_size, 1000);
}

static void shrinks_under_io(void **unused) {
    (void)unused;
    struct block *block = open_image();
    uint8_t buf[1024];
    assert_int_equal(truncate(path, 700), 0);
    assert_int_equal(read_at(block, 0, buf, 512), 0);
    assert_int_equal(read_at(block, 0, buf, 1024), EIO);
    assert_non_null(strstr(last_line, path));
    assert_non_null(strstr(last_line, "700"));
    block_put(block);
}

static unsigned resizes;

static void count_resize(void *arg) {
    assert_int_equal(((struct block *)arg)->size, 2 * SIZE);
    resizes++;
}

static uint64_t file_size(void) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

/* Larger, by us or by somebody else before us; never smaller. */
static void resizes_live(void **unused) {
    (void)unused;
    struct block *block = open_image();
    struct block_watch watch = {.resized = count_resize, .arg = block};
    uint8_t buf[512] = {1};
    resizes = 0;
    block_watch(block, &watch);
    assert_int_equal(write_at(block, SIZE, buf, 512), EINVAL);
    assert_true(block_resize(block, 2 * SIZE, why, sizeof(why)));
    assert_int_equal(resizes, 1);
    assert_int_equal(file_size(), 2 * SIZE);
    assert_int_equal(write_at(block, 2 * SIZE - 512, buf, 512), 0);
    assert_int_equal(read_at(block, SIZE, buf, 512), 0);
    assert_int_equal(buf[0], 0);
    block_unwatch(block, &watch);
    assert_false(block_resize(block, SIZE, why, sizeof(why)));
    assert_non_null(strstr(why, "smaller"));
    assert_non_null(strstr(why, path));
    assert_int_equal(truncate(path, 4 * SIZE), 0);
    assert_true(block_resize(block, 4 * SIZE, why, sizeof(why)));
    assert_int_equal(block->size, 4 * SIZE);
    assert_int_equal(read_at(block, 4 * SIZE - 512, buf, 512), 0);
    assert_false(block_resize(block, 4 * SIZE + 1, why, sizeof(why)));
    assert_false(block_resize(block, 0, why, sizeof(why)));
    block_put(block);
    options.read_only = true;
    block = open_image();
    assert_false(block_resize(block, 8 * SIZE, why, sizeof(why)));
    block_put(block);
    assert_int_equal(file_size(), 4 * SIZE);
    assert_int_equal(resizes, 1);
}

/* The host's disk is full: ENOSPC or EFBIG, the image keeps its size and goes on. */
static void no_room_to_grow(void **unused) {
    (void)unused;
    struct block *block = open_image();
    struct rlimit before, limit = {SIZE + SIZE / 2, RLIM_INFINITY};
    uint8_t buf[512];
    getrlimit(RLIMIT_FSIZE, &before);
    limit.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    bool grew = block_resize(block, 2 * SIZE, why, sizeof(why));
    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(grew);
    assert_non_null(strstr(why, "can't be made larger"));
    assert_int_equal(block->size, SIZE);
    assert_int_equal(read_at(block, 0, buf, 512), 0);
    block_put(block);
}

static void past_the_end(void **unused) {
    (void)unused;
    struct block *block = open_image();
    uint8_t buf[512];
    assert_int_equal(read_at(block, SIZE, buf, 512), EINVAL);
    assert_int_equal(read_at(block, UINT64_MAX - 511, buf, 512), EINVAL);
    block_put(block);
}

static void read_only(void **unused) {
    (void)unused;
    options.read_only = true;
    struct block *block = open_image();
    uint8_t buf[512] = {0};
    assert_int_equal(write_at(block, 0, buf, 512), EROFS);
    assert_int_equal(request(block, BLOCK_FLUSH, 0, NULL, 0), 0);
    block_put(block);
}

static void file_cannot_be_written(void **unused) {
    (void)unused;
    options.read_only = true;
    struct block *block = open_image();
    block->read_only = false; /* as if the descriptor had gone bad: write fails with EBADF */
    uint8_t buf[512] = {0};
    assert_int_equal(write_at(block, 0, buf, 512), EBADF);
    assert_int_equal(block->stats.errors, 1);
    block_put(block);
}

/* The host has no room for it: the guest gets an error, not a signal for the process. */
static void the_file_may_not_grow(void **unused) {
    (void)unused;
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(truncate(path, SIZE), 0);
    struct block *block = open_image();
    struct rlimit before, limit = {SIZE / 2, RLIM_INFINITY};
    uint8_t buf[1024] = {1};
    getrlimit(RLIMIT_FSIZE, &before);
    limit.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    int err = write_at(block, SIZE - 1024, buf, 1024);
    int half = write_at(block, SIZE / 2 - 512, buf, 1024); /* short, then refused */
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(err, EFBIG);
    assert_int_equal(half, EFBIG);
    assert_non_null(strstr(last_line, path));
    assert_non_null(strstr(last_line, "a write at offset"));
    assert_int_equal(read_at(block, SIZE / 2 - 512, buf, 512), 0);
    block_put(block);
}

/* A `done` may let go of the image and even be the last to do so. */
static void put_inside_done(void **unused) {
    (void)unused;
    int err = -1;
    uint8_t buf[512];
    struct iovec iov = {buf, 512};
    struct putting {
        struct block_req req;
        struct block *block;
    } p = {.req = {.op = BLOCK_READ, .len = 512, .iov = &iov, .niov = 1, .done = done_and_put,
                   .owner = &err}};
    p.block = open_image();
    block_submit(p.block, &p.req);
    for (unsigned i = 0; err == -1 && i < 1000; i++)
        loop_once(loop, NULL, NS_PER_SEC);
    assert_int_equal(err, 0);
}

/* ---- what can't be an image ---- */

static void missing(void **unused) {
    (void)unused;
    unlink(path);
    refused("No such file");
}

static void empty(void **unused) {
    (void)unused;
    make_file(0);
    refused("is empty");
}

static void directory(void **unused) {
    (void)unused;
    unlink(path);
    mkdir(path, 0700);
    refused("is a directory");
    options.read_only = true;
    refused("is a directory");
    rmdir(path);
}

static void pipe_file(void **unused) {
    (void)unused;
    unlink(path);
    mkfifo(path, 0600);
    refused("is a pipe");
}

static void character_device(void **unused) {
    (void)unused;
    assert_null(image_open(loop, "/dev/zero", &options, why, sizeof(why)));
    assert_non_null(strstr(why, "character device"));
}

static void other_format(void **unused) {
    (void)unused;
    options.format = "vmdk";
    refused("format 'vmdk' is not supported");
    options.format = "qcow2";
    refused("is no qcow2 image");
    assert_true(image_same_format("vpc", "vhd"));
    assert_true(image_same_format("host_device", NULL));
    assert_false(image_same_format("raw", "qcow2"));
    assert_false(image_same_format("null-co", "null-co"));
}

static void protocol(void **unused) {
    (void)unused;
    snprintf(path, sizeof(path), "iscsi://host/target/0");
    refused("protocol");
    snprintf(path, sizeof(path), "nbds://host/disk");
    refused("TLS");
    snprintf(path, sizeof(path), "nbds+unix:///?socket=/x");
    refused("TLS");
}

static void from_descriptor(void **unused) {
    (void)unused;
    int fd = open(path, O_RDONLY);
    assert_null(image_open_fd(loop, fd, "/dev/fdset/1", &options, why, sizeof(why)));
    assert_non_null(strstr(why, "reading only"));
    options.read_only = true;
    struct block *block = image_open_fd(loop, fd, "/dev/fdset/1", &options, why, sizeof(why));
    assert_non_null(block);
    assert_string_equal(block->name, "/dev/fdset/1");
    uint8_t buf[512];
    assert_int_equal(read_at(block, 512, buf, 512), 0);
    assert_int_equal(buf[0], 1);
    block_put(block);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- threads and descriptors ---- */

typedef int create_thread(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);

static unsigned asked_for;
static bool no_threads;

/* In the C library's place. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                   void *arg) {
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    create_thread *real;
    memcpy(&real, &found, sizeof(real));
    asked_for++;
    return no_threads ? EAGAIN : real(thread, attr, run, arg);
}

/* Ours that are of that kind. */
static unsigned descriptors(const char *kind) {
    unsigned n = 0;
    char name[300], what[64];
    DIR *all = opendir("/proc/self/fd");
    for (struct dirent *one; (one = readdir(all));) {
        snprintf(name, sizeof(name), "/proc/self/fd/%s", one->d_name);
        ssize_t len = readlink(name, what, sizeof(what) - 1);
        what[len > 0 ? len : 0] = 0;
        n += strstr(what, kind) != NULL;
    }
    closedir(all);
    return n;
}

/* One request of each kind, what was written last read again. */
static void each_kind(struct block *block, uint8_t value) {
    uint8_t out[8192], back[8192];
    memset(out, value, sizeof(out));
    assert_int_equal(write_at(block, 4096, out, sizeof(out)), 0);
    assert_int_equal(request(block, BLOCK_FLUSH, 0, NULL, 0), 0);
    assert_int_equal(request(block, BLOCK_DISCARD, 65536, &(struct iovec){NULL, 65536}, 1), 0);
    assert_int_equal(read_at(block, 4096, back, sizeof(back)), 0);
    assert_memory_equal(back, out, sizeof(out));
    block_submit(block, &(struct block_req){.op = BLOCK_WRITE, .offset = 4096, .len = sizeof(out),
                                            .iov = &(struct iovec){out, sizeof(out)}, .niov = 1,
                                            .done = done, .owner = &(int){0}});
    block_drain(block);
}

static void no_thread_to_be_had(void **unused) {
    (void)unused;
    struct block *block = open_image();
    no_threads = true;
    asked_for = 0;
    each_kind(block, 0x5a);
    no_threads = false;
    unsigned then = asked_for;
    each_kind(block, 0xa5);
    block_put(block);
    /* none was needed where the temporary files are in memory; else one is tried again */
    assert_true(!then || asked_for > then);
}

static void no_descriptor_to_be_had(void **unused) {
    (void)unused;
    struct rlimit limit;
    uint8_t buf[512];
    struct block *block = open_image();
    getrlimit(RLIMIT_NOFILE, &limit);
    if (options.aio == IMAGE_AIO_BEST) /* the ring */
        assert_int_equal(read_at(block, 512, buf, sizeof(buf)), 0);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, limit.rlim_max});
    each_kind(block, 0x5a);
    setrlimit(RLIMIT_NOFILE, &limit);
    each_kind(block, 0xa5);
    block_put(block);
}

/* A disk that is only read costs its ring. */
static void descriptors_when_they_are_needed(void **unused) {
    (void)unused;
    uint8_t buf[512];
    unsigned before = descriptors("eventfd");
    struct block *block = open_image();
    assert_int_equal(read_at(block, 512, buf, sizeof(buf)), 0);
    if (descriptors("io_uring"))
        assert_int_equal(descriptors("eventfd"), before);
    each_kind(block, 0x5a);
    block_put(block);
    assert_int_equal(descriptors("eventfd"), before);
}

/* tmpfs waits for nothing: no thread is started for what is there. */
static void in_memory(void **unused) {
    (void)unused;
    unlink(path);
    snprintf(path, sizeof(path), "/dev/shm/hvm-dm-image-%d", (int)getpid());
    make_file(SIZE);
    struct block *block = open_image();
    asked_for = 0;
    each_kind(block, 0x5a);
    block_put(block);
    assert_int_equal(asked_for, 0);
}

/* A device's node is on a tmpfs, the device is not. Only where we may make one. */
static void device_on_tmpfs(void **unused) {
    (void)unused;
    char command[256], device[128] = "";
    snprintf(command, sizeof(command), "losetup -f --show %s 2>/dev/null", path);
    FILE *out = popen(command, "r");
    if (!out || fscanf(out, "%127s", device) != 1 || pclose(out))
        skip();
    char file[sizeof(path)];
    memcpy(file, path, sizeof(file));
    memcpy(path, device, sizeof(path));
    struct block *block = open_image();
    asked_for = 0;
    each_kind(block, 0x5a);
    block_put(block);
    snprintf(command, sizeof(command), "losetup -d %s", device);
    assert_int_equal(system(command), 0);
    memcpy(path, file, sizeof(path));
    assert_true(asked_for > 0);
}

/* ---- at rest ---- */

static unsigned tasks(void) {
    unsigned n = 0;
    DIR *all = opendir("/proc/self/task");
    for (struct dirent *one; (one = readdir(all));)
        n += one->d_name[0] != '.';
    closedir(all);
    return n;
}

/* After any work, what had to wait for the storage included, there is soon no thread but ours, not
 * even one of the kernel's, and nothing that would wake us. */
static void rests(const char *file) {
    snprintf(path, sizeof(path), "%s", file);
    make_file(SIZE);
    struct block *block = open_image();
    uint8_t buf[8192];
    memset(buf, 0x5a, sizeof(buf));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(write_at(block, 4096, buf, sizeof(buf)), 0);
        assert_int_equal(request(block, BLOCK_FLUSH, 0, NULL, 0), 0);
    }
    assert_int_equal(request(block, BLOCK_DISCARD, 65536, &(struct iovec){NULL, 65536}, 1), 0);
    assert_int_equal(read_at(block, 4096, buf, sizeof(buf)), 0);
    uint64_t end = loop_monotonic(NULL) + 20 * NS_PER_SEC;
    while (tasks() > 1 && loop_monotonic(NULL) < end)
        loop_once(loop, NULL, NS_PER_SEC / 10);
    assert_int_equal(tasks(), 1);
    assert_int_equal(loop_once(loop, NULL, 3 * NS_PER_SEC), 0);
    assert_int_equal(write_at(block, 4096, buf, sizeof(buf)), 0); /* and it goes on */
    assert_int_equal(request(block, BLOCK_FLUSH, 0, NULL, 0), 0);
    block_put(block);
}

static void comes_to_rest(void **unused) {
    (void)unused;
    char file[sizeof(path)];
    memcpy(file, path, sizeof(file));
    rests(file);
}

static void comes_to_rest_on_tmpfs(void **unused) {
    (void)unused;
    char file[64];
    unlink(path);
    snprintf(file, sizeof(file), "/dev/shm/hvm-dm-image-%d", (int)getpid());
    rests(file);
}

/* Every kind of request, more than can be under way, all asked for at once. */
static void all_kinds_at_once(void **unused) {
    (void)unused;
    enum { EACH = 100 };
    static uint8_t bytes[EACH][4096], back[EACH][4096];
    static struct block_req req[3 * EACH];
    struct iovec iov[2 * EACH];
    int err[3 * EACH];
    struct block *block = open_image();
    unsigned before = finished;
    for (unsigned i = 0; i < EACH; i++) {
        memset(bytes[i], (int)i, sizeof(bytes[i]));
        iov[2 * i] = (struct iovec){bytes[i], 4096};
        iov[2 * i + 1] = (struct iovec){back[i], 4096};
        req[3 * i] = (struct block_req){.op = BLOCK_WRITE, .offset = 4096 * i, .len = 4096,
                                        .iov = &iov[2 * i], .niov = 1};
        req[3 * i + 1] = (struct block_req){.op = BLOCK_FLUSH};
        req[3 * i + 2] = (struct block_req){.op = BLOCK_READ, .offset = SIZE / 2 + 4096 * i,
                                            .len = 4096, .iov = &iov[2 * i + 1], .niov = 1};
        for (unsigned k = 3 * i; k < 3 * i + 3; k++) {
            err[k] = -1;
            req[k].done = done;
            req[k].owner = &err[k];
            block_submit(block, &req[k]);
        }
    }
    while (finished < before + 3 * EACH)
        loop_once(loop, NULL, NS_PER_SEC);
    for (unsigned k = 0; k < 3 * EACH; k++)
        assert_int_equal(err[k], 0);
    for (unsigned i = 0; i < EACH; i++) {
        uint32_t at = SIZE / 2 + 4096 * i;
        assert_int_equal(back[i][600], (uint8_t)((at + 600) / 512 + at + 600));
        assert_int_equal(read_at(block, 4096 * i, back[i], 4096), 0);
        assert_memory_equal(back[i], bytes[i], 4096);
    }
    block_put(block);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        T(reads_and_writes), T(scatters), T(overlay), T(many_at_once), T(discards),
        T(direct),
        T(past_the_cache_and_back), T(odd_size), T(shrinks_under_io), T(resizes_live),
        T(no_room_to_grow), T(past_the_end), T(read_only), T(file_cannot_be_written),
        T(the_file_may_not_grow), T(put_inside_done), T(missing),
        T(empty), T(directory), T(pipe_file), T(character_device), T(other_format), T(protocol),
        T(from_descriptor), T(all_kinds_at_once), T(comes_to_rest), T(comes_to_rest_on_tmpfs),
        T(no_thread_to_be_had), T(no_descriptor_to_be_had), T(descriptors_when_they_are_needed),
        T(in_memory), T(device_on_tmpfs),
    };
    if (!mkdtemp(dir))
        return 1;
    int failed = cmocka_run_group_tests_name("io_uring", tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("threads", tests, with_threads, NULL);
    rmdir(dir);
    return failed;
}
