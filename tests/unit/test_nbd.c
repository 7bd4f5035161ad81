/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network disks against servers written by others, nbdkit and qemu-nbd, which are stopped, killed
 * and started anew; and against one that speaks rubbish. The servers inherit their listening socket
 * (systemd's socket activation), so nobody waits for them to be ready.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/throttle.h"
#include "image.h"
#include "loop.h"
#include "nbd_url.h"

enum { SIZE = 1 << 20, MANY = 200 };

static struct loop *loop;
static char dir[] = "/tmp/hvm-dm-nbd-XXXXXX";
static char sock[64], disk[64], url[128], why[512];
static char lines[4096];
static int listener = -1;
static pid_t server;
static struct image_options options;

static void keep_line(enum log_level level, const char *line) {
    (void)level;
    size_t n = strlen(lines);
    snprintf(lines + n, sizeof(lines) - n, "%s\n", line);
}

static unsigned said(const char *what) {
    unsigned n = 0;
    for (const char *at = lines; (at = strstr(at, what)); at++)
        n++;
    return n;
}

/* ---- servers ---- */

static void listen_unix(const char *path) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    unlink(path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(listen(listener, 8), 0);
}

/* Its output is of no interest. */
static void start(const char *const *argv) {
    server = fork();
    if (server)
        return;
    char pid[16];
    int nowhere = open("/dev/null", O_RDWR);
    snprintf(pid, sizeof(pid), "%d", getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LANG", "C", 1);
    dup2(listener, 3);
    fcntl(3, F_SETFD, 0);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

#define START(...) start((const char *const[]){__VA_ARGS__, NULL})
#define NBDKIT "nbdkit", "-f", "--exit-with-parent"

static void serve_disk(void) {
    listen_unix(sock);
    START(NBDKIT, "file", disk);
}

static void kill_server(void) {
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    server = 0;
    if (listener >= 0)
        close(listener);
    listener = -1;
}

static void hold_server(void) {
    kill(server, SIGSTOP);
    waitpid(server, NULL, WUNTRACED);
}

static int setup(void **unused) {
    (void)unused;
    loop = loop_new();
    snprintf(sock, sizeof(sock), "%s/sock", dir);
    snprintf(disk, sizeof(disk), "%s/disk", dir);
    snprintf(url, sizeof(url), "nbd+unix:///?socket=%s", sock);
    int fd = open(disk, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    close(fd);
    log_to(keep_line, LOG_LEVEL_INFO);
    lines[0] = 0;
    options = (struct image_options){.format = "raw"};
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    kill_server();
    image_leaving(false);
    loop_free(loop);
    unlink(sock);
    unlink(disk);
    log_to(NULL, LOG_LEVEL_INFO);
    return 0;
}

/* ---- requests ---- */

struct asked {
    struct block_req req;
    struct iovec iov;
    int err; /* -1: not done yet */
};

static void done(struct block_req *req, int err) {
    ((struct asked *)req->owner)->err = err;
}

static struct block *open_image(void) {
    struct block *block = image_open(loop, url, &options, why, sizeof(why));
    if (!block)
        fail_msg("%s", why);
    return block;
}

static void submit(struct block *block, struct asked *a, enum block_op op, uint64_t offset,
                   void *buf, size_t len) {
    a->err = -1;
    a->iov = (struct iovec){buf, len};
    a->req = (struct block_req){.op = op, .offset = offset, .len = len, .iov = &a->iov,
                                .niov = len && buf ? 1 : 0, .done = done, .owner = a};
    block_submit(block, &a->req);
    assert_int_equal(a->err, -1); /* never from inside submit */
}

static int wait_for(struct asked *a) {
    uint64_t until = loop_monotonic(NULL) + 20 * NS_PER_SEC;
    while (a->err < 0 && loop_monotonic(NULL) < until)
        loop_once(loop, NULL, NS_PER_SEC);
    return a->err;
}

static int request(struct block *block, enum block_op op, uint64_t offset, void *buf, size_t len) {
    struct asked a;
    submit(block, &a, op, offset, buf, len);
    return wait_for(&a);
}

static int read_at(struct block *block, uint64_t offset, void *buf, size_t len) {
    return request(block, BLOCK_READ, offset, buf, len);
}

static int write_at(struct block *block, uint64_t offset, void *buf, size_t len) {
    return request(block, BLOCK_WRITE, offset, buf, len);
}

static int flush(struct block *block) {
    return request(block, BLOCK_FLUSH, 0, NULL, 0);
}

/* Until the server has what was submitted, as far as we can tell. */
static void turns(unsigned n) {
    while (n--)
        loop_once(loop, NULL, 0);
}

static uint8_t on_disk(uint64_t offset) {
    uint8_t byte = 0;
    int fd = open(disk, O_RDONLY);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
    return byte;
}

/* ---- names ---- */

static void urls(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *host, *port, *path, *export;
    } good[] = {
        {"nbd:localhost:10810", "localhost", "10810", "", ""},
        {"nbd:[::1]:1", "::1", "1", "", ""},
        {"nbd:10.0.0.1:10809:exportname=a b:c", "10.0.0.1", "10809", "", "a b:c"},
        {"nbd:unix:/run/a.sock", "", "", "/run/a.sock", ""},
        {"nbd:unix:/run/a:b:exportname=x", "", "", "/run/a:b", "x"},
        {"nbd://host", "host", "10809", "", ""},
        {"nbd://host:65535/", "host", "65535", "", ""},
        {"nbd://[fe80::1]:20/a%20b/c", "fe80::1", "20", "", "a b/c"},
        {"nbd+tcp://host/x", "host", "10809", "", "x"},
        {"nbd+unix:///?socket=/run/tap.sock", "", "", "/run/tap.sock", ""},
        {"nbd+unix:///e%2fx?other=1&socket=%2Frun%2Fs", "", "", "/run/s", "e/x"},
    };
    static const char *const bad[] = {
        "nbd:", "nbd:host", "nbd:host:", "nbd:host:0", "nbd:host:65536", "nbd:host:99999999999",
        "nbd:host:1x", "nbd::1", "nbd:unix:", "nbd://", "nbd://:1", "nbd://[::1", "nbd://[::1]1",
        "nbd:[::1]:", "nbd+unix:///", "nbd+unix:///?socket=", "nbd+unix://host/?socket=/a",
        "nbd+unix:///?socket=%2", "nbd+unix:///?socket=%00", "nbd+unix:///%zz?socket=/a",
        "nbds://host", "nbd+vsock://1", "nbd", "",
    };
    struct nbd_url u;
    for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
        if (!nbd_url_parse(good[i].text, &u, why, sizeof(why)))
            fail_msg("%s", why);
        assert_string_equal(u.host, good[i].host);
        assert_string_equal(u.port, good[i].port);
        assert_string_equal(u.path, good[i].path);
        assert_string_equal(u.export, good[i].export);
    }
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        if (nbd_url_parse(bad[i], &u, why, sizeof(why)))
            fail_msg("'%s' was taken", bad[i]);
    char path[] = "nbd:unix:/";
    char longest[10 + 108 + 1];
    snprintf(longest, sizeof(longest), "%s%0107d", path, 0); /* 108 bytes, one too many */
    assert_false(nbd_url_parse(longest, &u, why, sizeof(why)));
    longest[10 + 106] = 0;
    assert_true(nbd_url_parse(longest, &u, why, sizeof(why)));
}

/* ---- data ---- */

static void reads_and_writes(void **unused) {
    (void)unused;
    serve_disk();
    struct block *block = open_image();
    uint8_t a[4096], b[4096];
    assert_int_equal(block->size, SIZE);
    assert_false(block->read_only);
    memset(a, 0x5a, sizeof(a));
    assert_int_equal(write_at(block, 8192, a, sizeof(a)), 0);
    assert_int_equal(flush(block), 0);
    assert_int_equal(read_at(block, 8192, b, sizeof(b)), 0);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(on_disk(8192), 0x5a);
    assert_int_equal(on_disk(8191), 0);
    assert_int_equal(request(block, BLOCK_DISCARD, 8192, NULL, 4096), 0);
    assert_int_equal(read_at(block, 8192, b, sizeof(b)), 0);
    assert_int_equal(b[0], 0);
    assert_int_equal(read_at(block, SIZE, b, 512), EINVAL);
    block_put(block);
    assert_string_equal(lines, "");
}

/* Pieces of odd sizes become one command and come back in place; a large request is several. */
static void scatters(void **unused) {
    (void)unused;
    enum { LARGE = 9 << 20 };
    assert_int_equal(truncate(disk, 16 << 20), 0);
    serve_disk();
    struct block *block = open_image();
    uint8_t *from = malloc(LARGE), *to = calloc(1, LARGE);
    for (unsigned i = 0; i < LARGE; i++)
        from[i] = (uint8_t)(i * 7 + i / 512);
    struct iovec out[] = {{from, 3}, {from + 3, 5 << 20}, {from + 3 + (5 << 20), LARGE - 3 -
                                                                               (5 << 20)}};
    struct iovec in[] = {{to, LARGE - 1}, {to + LARGE - 1, 1}};
    struct asked a = {.err = -1};
    a.req = (struct block_req){.op = BLOCK_WRITE, .offset = 512, .len = LARGE, .iov = out,
                               .niov = 3, .done = done, .owner = &a};
    block_submit(block, &a.req);
    assert_int_equal(wait_for(&a), 0);
    a.err = -1;
    a.req = (struct block_req){.op = BLOCK_READ, .offset = 512, .len = LARGE, .iov = in,
                               .niov = 2, .done = done, .owner = &a};
    block_submit(block, &a.req);
    assert_int_equal(wait_for(&a), 0);
    assert_memory_equal(from, to, LARGE);
    block_put(block);
    free(from);
    free(to);
}

static void many_at_once(void **unused) {
    (void)unused;
    serve_disk();
    struct block *block = open_image();
    static struct asked asked[MANY];
    static uint8_t bufs[MANY][512];
    for (unsigned i = 0; i < MANY; i++) {
        memset(bufs[i], (int)i, 512);
        submit(block, &asked[i], BLOCK_WRITE, i * 512, bufs[i], 512);
    }
    block_drain(block);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(asked[i].err, 0);
        assert_int_equal(on_disk(i * 512), (uint8_t)i);
    }
    block_put(block);
}

/* Over TCP, with a name for the export, from the other server. */
static void over_tcp(void **unused) {
    (void)unused;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(to);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&to, len), 0);
    assert_int_equal(listen(listener, 8), 0);
    getsockname(listener, (struct sockaddr *)&to, &len);
    START("qemu-nbd", "-f", "raw", "-t", "-x", "the disk", disk);
    snprintf(url, sizeof(url), "nbd://127.0.0.1:%u/the%%20disk", ntohs(to.sin_port));
    struct block *block = open_image();
    uint8_t a[512] = {0xc3}, b[512];
    assert_int_equal(write_at(block, 512, a, 512), 0);
    assert_int_equal(read_at(block, 512, b, 512), 0);
    assert_memory_equal(a, b, 512);
    assert_int_equal(flush(block), 0);
    block_put(block);
    snprintf(url, sizeof(url), "nbd:127.0.0.1:%u:exportname=no disk", ntohs(to.sin_port));
    assert_null(image_open(loop, url, &options, why, sizeof(why)));
    assert_non_null(strstr(why, "no disk"));
}

static void read_only_export(void **unused) {
    (void)unused;
    listen_unix(sock);
    START(NBDKIT, "-r", "file", disk);
    struct block *block = open_image();
    uint8_t a[512] = {0};
    assert_true(block->read_only);
    assert_int_equal(write_at(block, 0, a, 512), EROFS);
    assert_int_equal(read_at(block, 0, a, 512), 0);
    assert_int_equal(flush(block), 0);
    block_put(block);
}

/* A format stands on the protocol as on a file. */
static void qcow2_over_nbd(void **unused) {
    (void)unused;
    char make[200];
    snprintf(make, sizeof(make), "qemu-img create -q -f qcow2 -o preallocation=full %s 1M", disk);
    assert_int_equal(system(make), 0);
    serve_disk();
    options.format = "qcow2";
    struct block *block = open_image();
    uint8_t a[512] = {0x77}, b[512] = {0};
    assert_int_equal(block->size, SIZE);
    assert_int_equal(write_at(block, 70000 / 512 * 512, a, 512), 0);
    kill_server();
    struct asked read;
    submit(block, &read, BLOCK_READ, 70000 / 512 * 512, b, 512);
    turns(10);
    serve_disk();
    assert_int_equal(wait_for(&read), 0);
    assert_memory_equal(a, b, 512);
    flush(block);
    block_put(block);
    snprintf(make, sizeof(make), "qemu-img check -q -f qcow2 %s", disk);
    kill_server();
    assert_int_equal(system(make), 0);
}

/* ---- errors ---- */

static void errors_of_the_server(void **unused) {
    (void)unused;
    static const struct {
        const char *error;
        int write, read;
    } cases[] = {{"error=ENOSPC", ENOSPC, ENOSPC}, {"error=EPERM", EROFS, EROFS},
                 {"error=EIO", EIO, EIO}, {"error=EINVAL", EIO, EIO}};
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t a[512] = {0};
        listen_unix(sock);
        START(NBDKIT, "--filter=error", "memory", "1M", cases[i].error, "error-rate=100%");
        lines[0] = 0;
        struct block *block = open_image();
        assert_int_equal(write_at(block, 1024, a, 512), cases[i].write);
        assert_int_equal(read_at(block, 1024, a, 512), cases[i].read);
        assert_int_equal(said("answers a write at offset 1024"), 1);
        assert_int_equal(block->stats.errors, 2);
        block_put(block);
        kill_server();
    }
}

static void nobody_there(void **unused) {
    (void)unused;
    assert_null(image_open(loop, url, &options, why, sizeof(why)));
    assert_non_null(strstr(why, "No such file"));
    assert_non_null(strstr(why, sock));
    listen_unix(sock);
    close(listener);
    listener = -1;
    assert_null(image_open(loop, url, &options, why, sizeof(why)));
    assert_non_null(strstr(why, "refused"));
    assert_null(image_open(loop, "nbd://no-such-host.invalid", &options, why, sizeof(why)));
    assert_non_null(strstr(why, "no-such-host.invalid"));
}

/* Between us and a real server: passes on what the server says, of which from byte `good` on every
 * bit is turned over, or nothing more comes (`cut`). */
static void relay(uint32_t good, bool cut) {
    int client = accept(listener, NULL, NULL), real = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof(to.sun_path), "%s-real", sock);
    if (connect(real, (struct sockaddr *)&to, sizeof(to)))
        _exit(1);
    for (uint32_t n = 0;;) {
        struct pollfd fds[] = {{.fd = client, .events = POLLIN}, {.fd = real, .events = POLLIN}};
        uint8_t buf[4096];
        poll(fds, 2, -1);
        ssize_t got;
        if (fds[0].revents) {
            if ((got = read(client, buf, sizeof(buf))) <= 0 || write(real, buf, (size_t)got) < 0)
                _exit(0);
        } else if ((got = read(real, buf, sizeof(buf))) <= 0) {
            _exit(0);
        } else {
            for (ssize_t i = 0; i < got; i++, n++) {
                if (n >= good && cut)
                    _exit(write(client, buf, (size_t)i) < 0);
                buf[i] = (uint8_t)(n >= good ? ~buf[i] : buf[i]);
            }
            if (write(client, buf, (size_t)got) < 0)
                _exit(0);
        }
    }
}

/* A server that says rubbish, or nothing more, from some byte on. */
static void bad_talk(bool cut) {
    char real[80];
    uint8_t a[512];
    snprintf(real, sizeof(real), "%s-real", sock);
    listen_unix(real);
    START(NBDKIT, "file", disk);
    pid_t true_server = server;
    close(listener);
    options.patience_s = 1;
    unsigned opened = 0;
    for (uint32_t good = 0; good < 700; good += good < 60 ? 1 : 37) {
        lines[0] = 0;
        listen_unix(sock);
        server = fork();
        if (!server)
            relay(good, cut);
        close(listener); /* a second connection is refused when the relay ends */
        struct block *block = image_open(loop, url, &options, why, sizeof(why));
        if (block) {
            opened++;
            struct asked asked;
            submit(block, &asked, BLOCK_READ, 0, a, 512);
            image_leaving(true); /* no need to wait for it to come back */
            block_drain(block);
            image_leaving(false);
            assert_true(asked.err == 0 || asked.err == EIO);
            block_put(block);
        } else {
            assert_non_null(strstr(why, sock));
        }
        listener = -1;
        kill_server();
    }
    assert_true(opened > 0 && opened < 40);
    server = true_server;
    kill_server();
    unlink(real);
}

static void rubbish(void **unused) {
    (void)unused;
    bad_talk(false);
}

static void cut_short(void **unused) {
    (void)unused;
    bad_talk(true);
}

/* ---- servers that go and come ---- */

static void requests_survive_a_restart(void **unused) {
    (void)unused;
    serve_disk();
    struct block *block = open_image();
    static struct asked asked[MANY];
    static uint8_t bufs[MANY][512];
    hold_server();
    for (unsigned i = 0; i < MANY; i++) {
        memset(bufs[i], (int)(i + 1), 512);
        submit(block, &asked[i], BLOCK_WRITE, i * 512, bufs[i], 512);
    }
    turns(20);
    kill_server();
    turns(20);
    uint8_t late[512] = {0};
    struct asked read;
    submit(block, &read, BLOCK_READ, 100 * 512, late, 512);
    turns(5);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(asked[i].err, -1);
    serve_disk();
    assert_int_equal(wait_for(&read), 0);
    block_drain(block);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(asked[i].err, 0);
        assert_int_equal(on_disk(i * 512), (uint8_t)(i + 1));
    }
    assert_int_equal(said("the server is gone"), 1);
    assert_int_equal(said("the server is back"), 1);
    assert_int_equal(flush(block), 0); /* no answer was lost with a write */
    block_put(block);
}

/* A guest that reads all of a disk with a limit, many requests at a time, each in several pieces.
 * The server is killed in the middle of it, and its socket file stays and refuses for some
 * attempts; the limit lets new requests through meanwhile. */
struct reading {
    struct asked asked;
    struct iovec pieces[4];
    uint8_t buf[32768];
};

static void read_next(struct block *block, struct reading *r, uint64_t offset) {
    size_t piece = sizeof(r->buf) / ARRAY_LEN(r->pieces);
    for (unsigned i = 0; i < ARRAY_LEN(r->pieces); i++)
        r->pieces[i] = (struct iovec){r->buf + i * piece, piece};
    r->asked.err = -1;
    r->asked.req = (struct block_req){.op = BLOCK_READ, .offset = offset, .len = sizeof(r->buf),
                                      .iov = r->pieces, .niov = ARRAY_LEN(r->pieces),
                                      .done = done, .owner = &r->asked};
    block_submit(block, &r->asked.req);
}

static void fill_disk(uint64_t size) {
    int fd = open(disk, O_WRONLY);
    for (uint32_t block[128], at = 0; at < size; at += sizeof(block)) {
        for (unsigned i = 0; i < ARRAY_LEN(block); i++)
            block[i] = at + i;
        assert_int_equal(write(fd, block, sizeof(block)), (ssize_t)sizeof(block));
    }
    close(fd);
}

static void check_read(const struct reading *r) {
    for (uint32_t i = 0, word; i < sizeof(r->buf); i += sizeof(word)) {
        memcpy(&word, r->buf + i, sizeof(word));
        assert_int_equal(word, (uint32_t)r->asked.req.offset + i / 512 * 512 + i % 512 / 4);
    }
}

static void stale_socket_under_a_limit(void **unused) {
    (void)unused;
    static struct reading readings[16];
    struct clock *clock = clock_new(loop_monotonic, NULL);
    struct throttle_limits limits = {0};
    limits.limit[THROTTLE_BPS][THROTTLE_TOTAL].avg = 2 * SIZE;
    fill_disk(SIZE);
    serve_disk();
    struct block *block = open_image();
    block_throttle(block, clock, &limits);
    uint64_t asked = 0, read = 0, refused_until = 0, end = loop_monotonic(NULL) + 20 * NS_PER_SEC;
    for (unsigned i = 0; i < ARRAY_LEN(readings); i++, asked += sizeof(readings[i].buf))
        read_next(block, &readings[i], asked);
    while (read < SIZE && loop_monotonic(NULL) < end) {
        loop_once(loop, clock, 10 * NS_PER_MS);
        for (unsigned i = 0; i < ARRAY_LEN(readings); i++) {
            struct reading *r = &readings[i];
            if (r->asked.err < 0 || !r->asked.req.len)
                continue;
            assert_int_equal(r->asked.err, 0);
            check_read(r);
            read += sizeof(r->buf);
            r->asked.req.len = 0;
            if (asked < SIZE)
                read_next(block, r, asked);
            asked += sizeof(r->buf);
        }
        if (!refused_until && read >= SIZE / 2) {
            kill_server();
            refused_until = loop_monotonic(NULL) + 500 * NS_PER_MS;
        } else if (listener < 0 && loop_monotonic(NULL) >= refused_until) {
            serve_disk();
        }
    }
    assert_int_equal(read, SIZE);
    assert_int_equal(said("the server is gone"), 1);
    assert_int_equal(said("the server is back"), 1);
    block_put(block);
    clock_free(clock);
}

/* Nothing was asked, and yet a restart doesn't go unnoticed. */
static void idle_over_a_restart(void **unused) {
    (void)unused;
    serve_disk();
    struct block *block = open_image();
    kill_server();
    uint64_t until = loop_monotonic(NULL) + 10 * NS_PER_SEC;
    while (!said("the server is gone") && loop_monotonic(NULL) < until)
        loop_once(loop, NULL, NS_PER_SEC);
    assert_int_equal(truncate(disk, 2 * SIZE), 0);
    serve_disk();
    while (!said("the server is back") && loop_monotonic(NULL) < until)
        loop_once(loop, NULL, NS_PER_SEC);
    uint8_t a[512];
    assert_int_equal(block->size, 2 * SIZE); /* the export has grown meanwhile */
    assert_int_equal(read_at(block, SIZE, a, 512), 0);
    block_put(block);
}

static void restart(void) {
    kill_server();
    serve_disk();
}

static void unflushed_writes_are_told(void **unused) {
    (void)unused;
    serve_disk();
    struct block *block = open_image();
    uint8_t a[512] = {1};
    assert_int_equal(write_at(block, 0, a, 512), 0);
    restart();
    assert_int_equal(write_at(block, 512, a, 512), 0);
    assert_int_equal(flush(block), EIO);
    assert_int_equal(flush(block), 0);
    restart(); /* nothing written since */
    assert_int_equal(flush(block), 0);
    assert_int_equal(write_at(block, 0, a, 512), 0);
    assert_int_equal(flush(block), 0);
    restart();
    assert_int_equal(read_at(block, 0, a, 512), 0);
    assert_int_equal(flush(block), 0);
    block_put(block);
}

/* Those that waited all fail, the later ones don't. */
static void flushes_in_flight(void **unused) {
    (void)unused;
    serve_disk();
    struct block *block = open_image();
    struct asked flushes[3];
    uint8_t a[512] = {1};
    assert_int_equal(write_at(block, 0, a, 512), 0);
    hold_server();
    for (unsigned i = 0; i < 3; i++)
        submit(block, &flushes[i], BLOCK_FLUSH, 0, NULL, 0);
    turns(10);
    restart();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(wait_for(&flushes[i]), EIO);
    assert_int_equal(flush(block), 0);
    block_put(block);
}

static void gives_up(void **unused) {
    (void)unused;
    options.patience_s = 1;
    serve_disk();
    struct block *block = open_image();
    uint8_t a[512] = {7};
    kill_server();
    uint64_t begin = loop_monotonic(NULL);
    assert_int_equal(read_at(block, 0, a, 512), EIO);
    uint64_t took = loop_monotonic(NULL) - begin;
    assert_in_range(took / NS_PER_MS, 900, 5000);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(read_at(block, 0, a, 512), EIO);
    assert_int_equal(said("requests fail until it is back"), 1);
    serve_disk(); /* the next look is a second after the last one */
    int err = EIO;
    for (uint64_t until = loop_monotonic(NULL) + 10 * NS_PER_SEC;
         err && loop_monotonic(NULL) < until;) {
        err = write_at(block, 0, a, 512);
        loop_once(loop, NULL, 10 * NS_PER_MS);
    }
    assert_int_equal(err, 0);
    assert_int_equal(on_disk(0), 7);
    block_put(block);
}

static void silent_server(void **unused) {
    (void)unused;
    options.patience_s = 1;
    serve_disk();
    struct block *block = open_image();
    struct asked read;
    uint8_t a[512];
    hold_server();
    submit(block, &read, BLOCK_READ, 0, a, 512);
    uint64_t begin = loop_monotonic(NULL);
    block_drain(block); /* as a pause does */
    assert_int_equal(read.err, EIO);
    assert_in_range((loop_monotonic(NULL) - begin) / NS_PER_MS, 1900, 5000);
    block_put(block);
}

static void leave_with(void (*stop)(void)) {
    serve_disk();
    struct block *block = open_image();
    struct asked read;
    uint8_t a[512];
    stop();
    turns(10);
    submit(block, &read, BLOCK_READ, 0, a, 512);
    turns(10);
    image_leaving(true);
    uint64_t begin = loop_monotonic(NULL);
    block_drain(block);
    assert_int_equal(read.err, EIO);
    assert_in_range((loop_monotonic(NULL) - begin) / NS_PER_MS, 0, 4000);
    block_put(block);
}

static void leaving_does_not_wait(void **unused) {
    (void)unused;
    leave_with(kill_server);
    image_leaving(false);
    leave_with(hold_server);
}

/* It comes back with another disk, which is none of ours. */
static void comes_back_smaller(void **unused) {
    (void)unused;
    options.patience_s = 1;
    serve_disk();
    struct block *block = open_image();
    uint8_t a[512];
    kill_server();
    assert_int_equal(truncate(disk, SIZE / 2), 0);
    serve_disk();
    assert_int_equal(read_at(block, 0, a, 512), EIO);
    assert_int_equal(said("has shrunk"), 1);
    assert_int_equal(block->size, SIZE);
    block_put(block);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(urls), T(reads_and_writes), T(scatters), T(many_at_once), T(over_tcp),
        T(read_only_export), T(qcow2_over_nbd),
        T(errors_of_the_server), T(nobody_there), T(rubbish), T(cut_short),
        T(requests_survive_a_restart), T(stale_socket_under_a_limit),
        T(idle_over_a_restart), T(unflushed_writes_are_told),
        T(flushes_in_flight), T(gives_up), T(silent_server), T(leaving_does_not_wait),
        T(comes_back_smaller),
    };
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(dir))
        return 1;
    int failed = cmocka_run_group_tests_name("nbd", tests, NULL, NULL);
    rmdir(dir);
    return failed;
}
