/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character backends against the real thing: ptys, files, pipes, sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "chars.h"
#include "core/bits.h"
#include "core/clock.h"
#include "loop.h"

static struct loop *loop;
static struct chars *line;
static char dir[64];
static char got[65536];
static size_t got_len, room;
static unsigned writables;
static char why[512];

static size_t user_room(void *dev) {
    (void)dev;
    return MIN(room, sizeof(got) - 1 - got_len);
}

static void user_received(void *dev, const uint8_t *bytes, size_t n) {
    (void)dev;
    assert_true(n <= room);
    room -= n;
    memcpy(got + got_len, bytes, n);
    got_len += n;
    got[got_len] = 0;
}

static void user_writable(void *dev) {
    (void)dev;
    writables++;
}

static int setup(void **unused) {
    (void)unused;
    signal(SIGPIPE, SIG_IGN);
    loop = loop_new();
    line = NULL;
    got_len = writables = 0;
    got[0] = 0;
    room = sizeof(got);
    strcpy(dir, "/tmp/test_chars.XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    char command[128];
    chars_free(line);
    loop_free(loop);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static void start(const struct chars_spec *spec) {
    line = chars_open(loop, spec, why, sizeof(why));
    if (!line)
        fail_msg("%s", why);
    line->user = (struct chars_user){
        .room = user_room, .received = user_received, .writable = user_writable};
    chars_accept(line);
}

/* Turns until nothing happens for 20 ms; how many turns found something. */
static unsigned turn(void) {
    unsigned turns = 0;
    while (turns < 1000 && loop_once(loop, NULL, 20 * NS_PER_MS))
        turns++;
    return turns;
}

/* Turns until it is so, for at most two seconds: a pty hands over in its own time. */
#define UNTIL(cond)                                                                                \
    do {                                                                                           \
        for (unsigned i_ = 0; !(cond) && i_ < 100; i_++)                                           \
            loop_once(loop, NULL, 20 * NS_PER_MS);                                                 \
        assert_true(cond);                                                                         \
    } while (0)

static size_t say(const char *text) {
    return chars_write(line, (const uint8_t *)text, strlen(text));
}

static void hears(int fd, const char *text) {
    char buf[256] = "";
    struct pollfd pfd = {fd, POLLIN, 0};
    size_t len = 0;
    while (len < strlen(text) && poll(&pfd, 1, 1000) > 0) {
        ssize_t n = read(fd, buf + len, sizeof(buf) - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    buf[len] = 0;
    assert_string_equal(buf, text);
}

static const char *in_dir(const char *name) {
    static char path[2][128];
    static unsigned which;
    which = !which;
    snprintf(path[which], sizeof(path[0]), "%s/%s", dir, name);
    return path[which];
}

static void null_swallows(void **unused) {
    (void)unused;
    start(&(struct chars_spec){.kind = CHARS_NULL, .id = "serial0", .fd = -1});
    assert_int_equal(say("gone"), 4);
    assert_string_equal(line->filename, "null");
    assert_int_equal(turn(), 0);
}

/* Nobody there: what is written is dropped and nothing wakes us. Then somebody comes, and
 * leaves. */
static void pty(void **unused) {
    (void)unused;
    start(&(struct chars_spec){.kind = CHARS_PTY, .id = "serial0", .fd = -1});
    assert_int_equal(strncmp(line->filename, "pty:/dev/pts/", 13), 0);
    UNTIL(!line->open);
    assert_int_equal(say("lost"), 4);
    assert_int_equal(turn(), 0);
    for (unsigned again = 0; again < 3; again++) {
        int fd = open(line->filename + 4, O_RDWR | O_NOCTTY);
        assert_true(fd >= 0);
        UNTIL(line->open);
        assert_int_equal(say("to you\r\n"), 8);
        hears(fd, "to you\r\n");
        assert_int_equal(write(fd, "me\n\x03\x7f", 5), 5); /* raw: nothing is cooked */
        UNTIL(!strcmp(got, "me\n\x03\x7f"));
        got[got_len = 0] = 0;
        close(fd);
        UNTIL(!line->open);
        turn();
        assert_int_equal(turn(), 0);
    }
}

/* A reader that stops: a bounded amount goes, then the chip is told "later"; it goes on, or
 * leaves. */
static void pty_back_pressure(void **unused) {
    (void)unused;
    static char block[4096];
    start(&(struct chars_spec){.kind = CHARS_PTY, .id = "serial0", .fd = -1});
    int fd = open(line->filename + 4, O_RDWR | O_NOCTTY);
    UNTIL(line->open);
    size_t sum = 0, n;
    memset(block, 'x', sizeof(block));
    while ((n = chars_write(line, (uint8_t *)block, sizeof(block))) == sizeof(block)) {
        sum += n;
        assert_true(sum < 4 << 20);
    }
    assert_int_equal(turn(), 0);
    assert_int_equal(writables, 0);
    while (poll(&(struct pollfd){fd, POLLIN, 0}, 1, 20) > 0 && read(fd, block, sizeof(block)) > 0) {
    }
    UNTIL(writables == 1);
    while (chars_write(line, (uint8_t *)block, sizeof(block)) == sizeof(block)) {
    }
    close(fd);
    UNTIL(writables == 2);
    assert_int_equal(chars_write(line, (uint8_t *)block, sizeof(block)), sizeof(block));
}

/* Input waits in the kernel until the chip has room, and nothing spins meanwhile. */
static void input_waits_for_room(void **unused) {
    (void)unused;
    start(&(struct chars_spec){.kind = CHARS_PTY, .id = "serial0", .fd = -1});
    int fd = open(line->filename + 4, O_RDWR | O_NOCTTY);
    UNTIL(line->open);
    room = 3;
    assert_int_equal(write(fd, "abcdef", 6), 6);
    UNTIL(!strcmp(got, "abc"));
    turn();
    assert_int_equal(turn(), 0);
    room = 100;
    chars_accept(line);
    UNTIL(!strcmp(got, "abcdef"));
    close(fd);
}

static void file(void **unused) {
    (void)unused;
    char path[128], text[64] = "";
    snprintf(path, sizeof(path), "%s", in_dir("log"));
    for (unsigned append = 0; append < 2; append++) {
        start(&(struct chars_spec){
            .kind = CHARS_FILE, .id = "serial0", .path = path, .append = append, .fd = -1});
        assert_int_equal(say("line\n"), 5);
        chars_free(line);
        line = NULL;
    }
    FILE *f = fopen(path, "r");
    assert_int_equal(fread(text, 1, sizeof(text) - 1, f), 10);
    fclose(f);
    assert_string_equal(text, "line\nline\n");
    line = chars_open(loop, &(struct chars_spec){.kind = CHARS_FILE, .id = "serial0", .path = dir},
                      why, sizeof(why));
    assert_null(line);
    assert_non_null(strstr(why, dir));
    assert_non_null(strstr(why, "serial0"));
}

static void full_disk(void **unused) {
    (void)unused;
    start(&(struct chars_spec){
        .kind = CHARS_FILE, .id = "serial0", .path = "/dev/full", .append = true, .fd = -1});
    assert_int_equal(say("lost"), 4);
}

static void device_null(void **unused) {
    (void)unused;
    start(&(struct chars_spec){
        .kind = CHARS_DEVICE, .id = "serial0", .path = "/dev/null", .fd = -1});
    assert_int_equal(say("lost"), 4);
    assert_int_equal(turn(), 0);
    chars_free(line);
    line = chars_open(loop, &(struct chars_spec){.kind = CHARS_DEVICE, .id = "serial0",
                                                 .path = "/etc/passwd", .fd = -1},
                      why, sizeof(why));
    assert_null(line);
}

/* Without a reader nothing piles up; with one everything arrives; writers may come and go. */
static void pipes(void **unused) {
    (void)unused;
    static char block[65536];
    assert_int_equal(mkfifo(in_dir("p.in"), 0600), 0);
    assert_int_equal(mkfifo(in_dir("p.out"), 0600), 0);
    start(&(struct chars_spec){.kind = CHARS_PIPE, .id = "serial0", .path = in_dir("p"), .fd = -1});
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(chars_write(line, (uint8_t *)block, sizeof(block)), sizeof(block));
    int out = open(in_dir("p.out"), O_RDONLY | O_NONBLOCK);
    assert_int_equal(say("hello"), 5);
    hears(out, "hello");
    for (unsigned i = 0; i < 2; i++) {
        int in = open(in_dir("p.in"), O_WRONLY);
        assert_int_equal(write(in, "typed", 5), 5);
        close(in);
        UNTIL(!strcmp(got, "typed"));
        got[got_len = 0] = 0;
        turn();
        assert_int_equal(turn(), 0);
    }
    close(out);
    assert_int_equal(say("dropped"), 7);
}

static int connect_unix(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void unix_server(void **unused) {
    (void)unused;
    char path[128];
    snprintf(path, sizeof(path), "%s", in_dir("sock"));
    fclose(fopen(path, "w")); /* left over from somebody */
    start(&(struct chars_spec){
        .kind = CHARS_UNIX, .id = "serial0", .path = path, .server = true, .fd = -1});
    assert_int_equal(strncmp(line->filename, "disconnected:unix:", 18), 0);
    assert_int_equal(say("lost"), 4);
    int a = connect_unix(path);
    UNTIL(line->open);
    int b = connect_unix(path); /* waits for its turn */
    turn();
    say("to a");
    hears(a, "to a");
    assert_int_equal(write(b, "from b", 6), 6);
    turn();
    assert_string_equal(got, "");
    close(a);
    UNTIL(!strcmp(got, "from b"));
    say("to b");
    hears(b, "to b");
    close(b);
    UNTIL(!line->open);
    turn();
    assert_int_equal(turn(), 0);
    chars_free(line);
    line = NULL;
    assert_int_equal(access(path, F_OK), -1); /* nothing is left behind */
}

static int listen_tcp(unsigned *port) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *port = ntohs(addr.sin_port);
    return fd;
}

static void tcp_client(void **unused) {
    (void)unused;
    unsigned number;
    char port[16];
    int listener = listen_tcp(&number);
    snprintf(port, sizeof(port), "%u", number);
    start(&(struct chars_spec){.kind = CHARS_TCP, .id = "serial0", .host = "127.0.0.1",
                               .port = port, .nodelay = true, .fd = -1});
    int peer = accept(listener, NULL, NULL);
    say("hi");
    hears(peer, "hi");
    close(peer);
    UNTIL(!line->open);
    assert_int_equal(say("lost"), 4);
    chars_free(line);
    close(listener);
    line = chars_open(loop, &(struct chars_spec){.kind = CHARS_TCP, .id = "serial0",
                                                 .host = "127.0.0.1", .port = port, .fd = -1},
                      why, sizeof(why));
    assert_null(line);
    assert_non_null(strstr(why, port));
}

/* An inherited listening socket; RFC 854: 255 is doubled, commands are not data, CR NUL is CR. */
static void telnet(void **unused) {
    (void)unused;
    unsigned port;
    int listener = listen_tcp(&port);
    start(&(struct chars_spec){
        .kind = CHARS_TCP, .id = "serial0", .server = true, .telnet = true, .fd = listener});
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(peer, (struct sockaddr *)&addr, sizeof(addr)), 0);
    turn();
    unsigned char hello[12];
    assert_int_equal(recv(peer, hello, sizeof(hello), MSG_WAITALL), 12);
    assert_int_equal(hello[0], 255);
    assert_int_equal(say("a\xff\xff"
                         "b"),
                     4);
    hears(peer, "a\xff\xff\xff\xff"
                "b");
    static const char typed[] = "x\xff\xfd\x01y\r\0z\xff\xff\xff\xfa\x18\x00stuff\xff\xf0!";
    for (size_t i = 0; i < sizeof(typed) - 1; i++) { /* in pieces */
        assert_int_equal(write(peer, typed + i, 1), 1);
        turn();
    }
    assert_string_equal(got, "xy\rz\xff!");
    close(peer);
}

static void udp(void **unused) {
    (void)unused;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int peer = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(peer, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(getsockname(peer, (struct sockaddr *)&addr, &len), 0);
    char port[16];
    snprintf(port, sizeof(port), "%u", ntohs(addr.sin_port));
    start(&(struct chars_spec){.kind = CHARS_UDP, .id = "serial0", .host = "127.0.0.1",
                               .port = port, .local_host = "", .local_port = "", .fd = -1});
    assert_int_equal(say("ping"), 4);
    char buf[16];
    len = sizeof(addr);
    assert_int_equal(recvfrom(peer, buf, sizeof(buf), 0, (struct sockaddr *)&addr, &len), 4);
    room = 2;
    sendto(peer, "pong", 4, 0, (struct sockaddr *)&addr, len);
    sendto(peer, "!", 1, 0, (struct sockaddr *)&addr, len);
    UNTIL(!strcmp(got, "po"));
    turn();
    assert_int_equal(turn(), 0);
    room = 100;
    chars_accept(line);
    UNTIL(!strcmp(got, "pong!"));
    close(peer);
}

static void monitor_is_refused(void **unused) {
    (void)unused;
    line = chars_open(loop, &(struct chars_spec){.kind = CHARS_STDIO, .id = "serial0", .mux = true},
                      why, sizeof(why));
    assert_null(line);
    assert_non_null(strstr(why, "mon:"));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(null_swallows), TEST(pty), TEST(pty_back_pressure), TEST(input_waits_for_room),
        TEST(file), TEST(full_disk), TEST(device_null), TEST(pipes), TEST(unix_server),
        TEST(tcp_client), TEST(telnet), TEST(udp), TEST(monitor_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
