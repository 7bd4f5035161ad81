/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitors over real sockets, with a machine of the test's own. Expectations are those of libxl
 * (libxl_qmp.c), xentop (xenstat_qmp.c) and the machine protocol's reference.
 */
#include <fcntl.h>
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "argv.h"
#include "config.h"
#include "core/bits.h"
#include "fixture.h"
#include "inflate.h"
#include "loop.h"
#include "machine.h"
#include "qmp/internal.h"
#include "qmp/qmp.h"

#define HELLO "{\"execute\":\"qmp_capabilities\",\"id\":1}\r\n"
#define GREETING                                                                                   \
    "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":2,\"major\":7},"                       \
    "\"package\":\"hvm-dm\"},\"capabilities\":[\"oob\"]}}\r\n"

struct bench {
    struct fixture fx;
    struct loop *loop;
    struct config *config;
    struct machine machine;
    struct drive disk, cd;
    struct display display;
    struct qmp *qmp;
    char dir[64], path[96], stat_path[96];
    bool quit, cd_locked, cpus[4];
    unsigned resets, power_buttons;
    char image[256], image_format[16];
    int image_fd;
    bool saved_live;
    char keys[256]; /* what was typed */
    struct input_sink sink;
};

static struct bench *bench; /* the one of this test: ops get machines, not benches */

static void do_run(struct machine *machine) {
    machine->state = RUN_RUNNING;
    qmp_state_changed(bench->qmp);
}

static void do_pause(struct machine *machine) {
    if (machine->state == RUN_RUNNING)
        machine->state = RUN_PAUSED;
    qmp_state_changed(bench->qmp);
}

static void do_reset(struct machine *machine) {
    (void)machine;
    bench->resets++;
}

static void do_power_button(struct machine *machine) {
    (void)machine;
    bench->power_buttons++;
}

static bool do_wakeup(struct machine *machine) {
    return machine->state == RUN_SUSPENDED;
}

static bool do_plug_cpu(struct machine *machine, unsigned cpu) {
    (void)machine;
    bench->cpus[cpu] = true;
    return true;
}

static bool do_cpu_online(const struct machine *machine, unsigned cpu) {
    (void)machine;
    return bench->cpus[cpu];
}

static struct block *do_open_image(struct machine *machine, const struct qmp_image *image,
                                   char *why, size_t why_len) {
    (void)machine;
    if (strstr(image->filename, "missing")) {
        snprintf(why, why_len, "%s: no such file", image->filename);
        return NULL;
    }
    snprintf(bench->image, sizeof(bench->image), "%s", image->filename);
    snprintf(bench->image_format, sizeof(bench->image_format), "%s", image->format);
    bench->image_fd = image->fd;
    if (image->fd >= 0)
        close(image->fd);
    return block_get(fixture_block(&bench->fx, 4096, image->read_only));
}

static void do_quit(void *arg) {
    ((struct bench *)arg)->quit = true;
}

static bool with_tls;

static bool do_vnc(void *arg, struct qmp_vnc *vnc) {
    (void)arg;
    *vnc = (struct qmp_vnc){.at = {"127.0.0.1", "5901", "ipv4", false},
                            .web = {"127.0.0.1", "5701", "ipv4", true},
                            .password = true, .tls = with_tls, .websocket = with_tls};
    return true;
}

static bool do_vnc_peer(void *arg, unsigned n, struct qmp_vnc_at *at, char bytes[QMP_VNC_PEER]) {
    (void)arg, (void)bytes;
    *at = (struct qmp_vnc_at){"127.0.0.1", "40000", "ipv4", true};
    return with_tls && !n;
}

static bool do_vnc_password(void *arg, const char *password, char *why, size_t why_len) {
    (void)arg;
    snprintf(why, why_len, "too long");
    return strlen(password) <= 8;
}

static int64_t expires;

static bool do_vnc_expire(void *arg, int64_t when, char *why, size_t why_len) {
    (void)arg, (void)why, (void)why_len;
    expires = when;
    return true;
}

static bool do_save(void *arg, int fd, bool live, char *why, size_t why_len) {
    (void)why, (void)why_len;
    ((struct bench *)arg)->saved_live = live;
    return write(fd, "STATE", 5) == 5;
}

static const struct qmp_ops ops = {
    .run = do_run, .pause = do_pause, .reset = do_reset, .power_button = do_power_button,
    .wakeup = do_wakeup, .plug_cpu = do_plug_cpu, .cpu_online = do_cpu_online,
    .open_image = do_open_image, .quit = do_quit, .vnc = do_vnc, .vnc_peer = do_vnc_peer,
    .vnc_password = do_vnc_password, .vnc_expire = do_vnc_expire,
    .save = do_save,
};

static bool cd_is_locked(void *dev) {
    return ((struct bench *)dev)->cd_locked;
}

static struct block *cd_change(void *dev, struct block *medium) {
    struct bench *b = dev;
    struct block *old = b->cd.block;
    b->cd.block = medium;
    return old;
}

static const struct drive_ops cd_ops = {.locked = cd_is_locked, .change = cd_change};

static void typed(void *dev, const struct input_event *event) {
    struct bench *b = dev;
    size_t n = strlen(b->keys);
    snprintf(b->keys + n, sizeof(b->keys) - n, "%u:%u=%d ", event->kind, event->code, event->value);
}

static void make_machine(struct bench *b) {
    b->disk = (struct drive){.id = "ide0-hd0", .qdev_id = "", .filename = "/srv/root.img",
                             .format = "raw", .next = &b->cd};
    b->disk.block = fixture_block(&b->fx, 8192, false);
    b->disk.block->stats = (struct block_stats){.rd_ops = 3, .wr_ops = 2, .rd_bytes = 1536,
                                                .flush_ops = 4, .discard_ops = 1,
                                                .discard_bytes = 512,
                                                .wr_bytes = 1024};
    b->cd = (struct drive){.id = "ide-5632", .qdev_id = "ide-5632", .ops = &cd_ops, .dev = b,
                           .removable = true, .read_only = true};
    b->machine = (struct machine){.config = b->config, .loop = b->loop, .clock = b->fx.clock,
                                  .pci = b->fx.pci, .input = b->fx.input,
                                  .display = &b->display, .drives = &b->disk,
                                  .state = RUN_PRELAUNCH};
    b->cpus[0] = b->cpus[1] = true;
    b->sink = (struct input_sink){.name = "test", .kinds = 0xf, .dev = b, .event = typed};
    input_add(b->fx.input, &b->sink);
}

static int setup(void **state) {
    struct bench *b = calloc(1, sizeof(*b));
    char why[256] = "", first[256], second[256];
    snprintf(b->dir, sizeof(b->dir), "/tmp/test_qmp.XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->path, sizeof(b->path), "%s/qmp", b->dir);
    snprintf(b->stat_path, sizeof(b->stat_path), "%s/stat", b->dir);
    snprintf(first, sizeof(first), "socket,id=libxl-cmd,path=%s,server=on,wait=off", b->path);
    snprintf(second, sizeof(second), "socket,id=libxenstat-cmd,path=%s,server=on,wait=off",
             b->stat_path);
    const char *argv[] = {"hvm-dm", "-xen-domid", "1", "-name", "guest, one", "-smp", "2,maxcpus=4",
                          "-chardev", first, "-mon", "chardev=libxl-cmd,mode=control",
                          "-chardev", second, "-mon", "chardev=libxenstat-cmd,mode=control",
                          "-device", "VGA,id=vga"};
    b->config = argv_parse(sizeof(argv) / sizeof(argv[0]), argv, why, sizeof(why));
    assert_non_null(b->config);
    fixture_init(&b->fx);
    b->loop = loop_new();
    make_machine(b);
    bench = b;
    b->qmp = qmp_open(b->loop, &b->machine, b->config, &ops, b, why, sizeof(why));
    assert_string_equal(why, "");
    assert_non_null(b->qmp);
    *state = b;
    return 0;
}

static int teardown(void **state) {
    struct bench *b = *state;
    struct stat st;
    qmp_free(b->qmp);
    assert_int_not_equal(stat(b->path, &st), 0); /* no socket stays behind */
    if (b->cd.block)
        block_put(b->cd.block);
    free((char *)b->cd.filename);
    input_remove(b->fx.input, &b->sink);
    fixture_done(&b->fx);
    loop_free(b->loop);
    config_free((struct config *)b->config);
    assert_int_equal(rmdir(b->dir), 0);
    free(b);
    return 0;
}

static void turn(struct bench *b) {
    while (loop_once(b->loop, NULL, 0))
        ;
}

static struct sockaddr_un address(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof(addr.sun_path));
    strcpy(addr.sun_path, path);
    return addr;
}

static int bind_at(const char *path) {
    struct sockaddr_un addr = address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static int connect_to(const char *path) {
    struct sockaddr_un addr = address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static char received[1 << 17];

/* All that the other side has to say now. */
static const char *hear(struct bench *b, int fd) {
    size_t n = 0;
    for (;;) {
        turn(b);
        ssize_t got = recv(fd, received + n, sizeof(received) - 1 - n, MSG_DONTWAIT);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    received[n] = '\0';
    return received;
}

static const char *say(struct bench *b, int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    return hear(b, fd);
}

/* Connected, greeted and past qmp_capabilities. */
static int begin(struct bench *b) {
    int fd = connect_to(b->path);
    assert_string_equal(hear(b, fd), GREETING);
    assert_string_equal(say(b, fd, HELLO), "{\"return\":{},\"id\":1}\r\n");
    return fd;
}

#define EXPECT(command, answer) assert_string_equal(say(b, fd, command "\r\n"), answer "\r\n")
#define EXPECT_IN(command, part) assert_non_null(strstr(say(b, fd, command "\r\n"), part))

static void test_talk(void **state) {
    struct bench *b = *state;
    int fd = connect_to(b->path);
    assert_string_equal(hear(b, fd), GREETING);
    EXPECT("{\"execute\":\"query-status\",\"id\":\"x\"}",
           "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"\\\"query-status\\\" before "
           "qmp_capabilities, which must come first\"},\"id\":\"x\"}");
    EXPECT("{\"execute\":\"qmp_capabilities\",\"id\":[1,{\"a\":null}],"
           "\"arguments\":{\"enable\":[\"oob\"]}}",
           "{\"return\":{},\"id\":[1,{\"a\":null}]}");
    EXPECT("{\"execute\":\"qmp_capabilities\"}",
           "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"qmp_capabilities came already\"}}");
    /* libxl's ids start here */
    EXPECT("{\"execute\":\"query-status\",\"id\":2020372736}",
           "{\"return\":{\"status\":\"prelaunch\",\"singlestep\":false,\"running\":false},"
           "\"id\":2020372736}");
    EXPECT("{\"execute\":\"frobnicate\",\"id\":null}",
           "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"there is no command "
           "\\\"frobnicate\\\"\"},\"id\":null}");
    EXPECT("{\"exec-oob\":\"query-status\"}",
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"no command may run out of band\"}}");
    EXPECT("{\"execute\":\"query-name\"}", "{\"return\":{\"name\":\"guest, one\"}}");
    EXPECT_IN("{\"execute\":\"query-commands\"}", "{\"name\":\"query-commands\"}");
    close(fd);
}

static void test_arguments(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
    EXPECT("{\"execute\":\"eject\",\"arguments\":{\"id\":7}}",
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"eject: the argument \\\"id\\\" must "
           "be a string\"}}");
    EXPECT("{\"execute\":\"device_del\"}",
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"device_del needs the argument "
           "\\\"id\\\", a string\"}}");
    EXPECT("{\"execute\":\"stop\",\"arguments\":{\"x\":1}}",
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"stop has no argument \\\"x\\\"\"}}");
    EXPECT("{\"execute\":\"stop\",\"arguments\":[]}",
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"\\\"arguments\\\" must be an "
           "object\"}}");
    EXPECT("{\"execute\":\"stop\",\"argument\":{}}",
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"a request has no member "
           "\\\"argument\\\"\"}}");
    EXPECT("{\"execute\":3}", "{\"error\":{\"class\":\"GenericError\",\"desc\":\"a request needs "
                              "\\\"execute\\\", a string\"}}");
    EXPECT("[]", "{\"error\":{\"class\":\"GenericError\",\"desc\":\"a request must be a JSON "
                 "object\"}}");
    close(fd);
}

static void test_malformed(void **state) {
    struct bench *b = *state;
    static const char *const bad[] = {
        "hello\n", "\"text\"\n", "}\n", "{\"execute\":\"stop\"]\n", "{\"a\" 1}\n", "{,}\n",
        "{\"execute\":\"half\n", "{\"execute\":\xff", "{\"a\":\"\x80\"}\n", "{\"a\":\"\\q\"}\n",
        "1 2 3 {}\n",
    };
    int fd = begin(b);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *answer = say(b, fd, bad[i]);
        assert_non_null(strstr(answer, "{\"error\":{\"class\":\"GenericError\",\"desc\":\"not JSON"));
        assert_ptr_equal(strstr(answer, "\r\n"), answer + strlen(answer) - 2); /* one */
        EXPECT("{\"execute\":\"query-name\"}", "{\"return\":{\"name\":\"guest, one\"}}");
    }
    char deep[300];
    memset(deep, '[', sizeof(deep));
    deep[sizeof(deep) - 2] = '\n';
    deep[sizeof(deep) - 1] = '\0';
    assert_non_null(strstr(say(b, fd, deep), "not JSON"));
    EXPECT("{\"execute\":\"query-name\"}", "{\"return\":{\"name\":\"guest, one\"}}");
    close(fd);
}

static void test_long(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
    char *blob = malloc(65536);
    memset(blob, 'x', 65536);
    say(b, fd, "{\"execute\":\"");
    for (unsigned i = 0; i < 32; i++) { /* 2 MiB */
        assert_int_equal(send(fd, blob, 65536, MSG_NOSIGNAL), 65536);
        const char *answer = hear(b, fd);
        assert_true(*answer == '\0' || strstr(answer, "1 MiB"));
    }
    assert_string_equal(say(b, fd, "\"}\r\n"), "");
    EXPECT("{\"execute\":\"query-name\"}", "{\"return\":{\"name\":\"guest, one\"}}");
    free(blob);
    close(fd);
}

/* json-c builds of libxl write slashes with a backslash; ids and strings keep their escapes. */
static void test_escapes(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
    EXPECT_IN("{\"execute\":\"blockdev-change-medium\",\"arguments\":{\"id\":\"ide-5632\","
              "\"filename\":\"\\/srv\\/\\u00e9.iso\",\"format\":\"raw\"}}", "{\"return\":{}}");
    assert_string_equal(b->image, "/srv/\xc3\xa9.iso");
    close(fd);
}

static void test_clients(void **state) {
    struct bench *b = *state;
    int fd = begin(b), second = connect_to(b->path), third = connect_to(b->path);
    assert_string_equal(hear(b, second), ""); /* waits in the backlog */
    EXPECT("{\"execute\":\"query-name\"}", "{\"return\":{\"name\":\"guest, one\"}}");
    close(fd);
    assert_string_equal(hear(b, second), GREETING);
    assert_string_equal(hear(b, third), "");
    close(second);
    assert_string_equal(hear(b, third), GREETING);
    /* capabilities are a connection's */
    assert_non_null(strstr(say(b, third, "{\"execute\":\"stop\"}"), "CommandNotFound"));
    close(third);
    turn(b);
}

/* A client that goes away after every number of bytes leaves the monitor serving. */
static void test_disconnect(void **state) {
    struct bench *b = *state;
    static const char talk[] = HELLO "{\"execute\":\"query-pci\",\"id\":2}\r\n";
    for (size_t n = 0; n < sizeof(talk); n++) {
        int fd = connect_to(b->path);
        if (n % 2)
            turn(b);
        assert_int_equal(send(fd, talk, n, MSG_NOSIGNAL), n);
        if (n % 3)
            turn(b);
        close(fd);
        turn(b);
    }
    close(begin(b));
    turn(b);
}

static void test_bytewise(void **state) {
    struct bench *b = *state;
    static const char talk[] = " " HELLO "{\"execute\":\"query-name\",\"id\":\"}{\\\"]\"}\r\n";
    int fd = connect_to(b->path);
    hear(b, fd);
    for (const char *s = talk; *s; s++) {
        char one[2] = {*s, '\0'};
        const char *answer = say(b, fd, one);
        if (*s == '}' && s[1] == '\r' && s[2] == '\n' && !s[3])
            assert_string_equal(answer, "{\"return\":{\"name\":\"guest, one\"},"
                                        "\"id\":\"}{\\\"]\"}\r\n");
    }
    close(fd);
}

/* `echo ... | socat - UNIX:...` closes its side before it reads. */
static void test_half_close(void **state) {
    struct bench *b = *state;
    int fd = connect_to(b->path);
    assert_int_equal(send(fd, HELLO, strlen(HELLO), 0), strlen(HELLO));
    shutdown(fd, SHUT_WR);
    assert_string_equal(hear(b, fd), GREETING "{\"return\":{},\"id\":1}\r\n");
    assert_int_equal(recv(fd, received, 1, MSG_DONTWAIT), 0); /* and is hung up on */
    close(fd);
    close(begin(b));
}

/* A client that commands and doesn't read is not asked for more, and costs bounded memory. */
static void test_back_pressure(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
    static const char command[] = "{\"execute\":\"query-commands\"}\r\n";
    size_t taken = 0;
    for (unsigned quiet = 0; quiet < 3;) {
        ssize_t n = send(fd, command, sizeof(command) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        quiet = n < 0 ? quiet + 1 : 0;
        taken += n > 0 ? (size_t)n : 0;
        turn(b);
        assert_true(taken < 4 << 20); /* else it takes for ever */
    }
    size_t lines = 0;
    for (;;) {
        const char *text = hear(b, fd);
        if (!*text)
            break;
        for (; *text; text++)
            lines += *text == '\n';
    }
    assert_true(lines >= taken / sizeof(command));
    close(fd);
    turn(b);
}

static void test_run_states(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
    assert_non_null(strstr(say(b, fd, "{\"execute\":\"cont\"}"), "\"event\":\"RESUME\"}\r\n"
                                                                "{\"return\":{}}\r\n"));
    assert_int_equal(b->machine.state, RUN_RUNNING);
    EXPECT("{\"execute\":\"cont\",\"id\":2}", "{\"return\":{},\"id\":2}");
    EXPECT("{\"execute\":\"query-status\"}",
           "{\"return\":{\"status\":\"running\",\"singlestep\":false,\"running\":true}}");
    assert_non_null(strstr(say(b, fd, "{\"execute\":\"stop\"}"), "\"event\":\"STOP\"}\r\n"));
    EXPECT("{\"execute\":\"system_wakeup\"}", "{\"error\":{\"class\":\"GenericError\",\"desc\":"
                                              "\"the guest is not suspended: it is paused\"}}");
    EXPECT_IN("{\"execute\":\"system_powerdown\"}", "\"POWERDOWN\"");
    EXPECT_IN("{\"execute\":\"system_reset\"}", "\"RESET\",\"data\":{\"guest\":false");
    assert_int_equal(b->power_buttons, 1);
    assert_int_equal(b->resets, 1);
    EXPECT_IN("{\"execute\":\"quit\",\"id\":9}", "{\"return\":{},\"id\":9}\r\n");
    assert_true(b->quit);
    close(fd);
}

/* xentop: no id, no newline, one document an answer, and nothing that it didn't ask for. */
static void test_xentop(void **state) {
    struct bench *b = *state;
    int fd = connect_to(b->stat_path), other = begin(b);
    assert_string_equal(hear(b, fd), GREETING);
    assert_string_equal(say(b, fd, "{ \"execute\": \"qmp_capabilities\" }"), "{\"return\":{}}\r\n");
    assert_non_null(strstr(say(b, other, "{\"execute\":\"cont\"}"), "RESUME"));
    assert_string_equal(hear(b, fd), "");
    assert_string_equal(
        say(b, fd, "{ \"execute\": \"query-blockstats\" }"),
        "{\"return\":[{\"device\":\"ide0-hd0\",\"stats\":{\"rd_bytes\":1536,\"wr_bytes\":1024,"
        "\"rd_operations\":3,\"wr_operations\":2,\"flush_operations\":4,\"unmap_operations\":1,"
        "\"unmap_bytes\":512,\"failed_operations\":0}},"
        "{\"device\":\"ide-5632\",\"qdev\":\"ide-5632\",\"stats\":{\"rd_bytes\":0,\"wr_bytes\":0,"
        "\"rd_operations\":0,\"wr_operations\":0,\"flush_operations\":0,"
        "\"unmap_operations\":0,\"unmap_bytes\":0,\"failed_operations\":0}}]}\r\n");
    const char *blocks = say(b, fd, "{ \"execute\": \"query-block\" }");
    assert_non_null(strstr(blocks, "\"device\":\"ide0-hd0\""));
    assert_non_null(strstr(blocks, "\"inserted\":{\"file\":\"/srv/root.img\""));
    close(fd);
    close(other);
}

#define NO_LIMITS "\"bps\":0,\"bps_rd\":0,\"bps_wr\":0,\"iops\":0,\"iops_rd\":0,\"iops_wr\":0"

/* With QEMU's arguments; the limits stay with the drive when its medium goes. */
static void test_io_throttle(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
    assert_non_null(strstr(say(b, fd, "{\"execute\":\"query-block\"}"), NO_LIMITS));
    EXPECT("{\"execute\":\"block_set_io_throttle\",\"arguments\":{\"device\":\"ide0-hd0\",\"bps\":0,"
           "\"bps_rd\":1048576,\"bps_wr\":0,\"iops\":100,\"iops_rd\":0,\"iops_wr\":0,\"iops_max\":500,"
           "\"iops_size\":4096}}", "{\"return\":{}}");
    assert_non_null(b->disk.block->throttle);
    assert_non_null(strstr(say(b, fd, "{\"execute\":\"query-block\"}"),
                           "\"bps\":0,\"bps_rd\":1048576,\"bps_wr\":0,\"iops\":100,"));
    assert_int_equal(b->disk.limits.limit[THROTTLE_IOPS][THROTTLE_TOTAL].max, 500);
    assert_int_equal(b->disk.limits.iops_size, 4096);
    static const char *const bad[] = {
        "\"device\":\"ide0-hd0\",\"bps\":1,\"bps_rd\":1", "\"id\":\"ide0-hd0\",\"bps\":-1,\"bps_rd\":0",
        "\"device\":\"none\",\"bps\":0,\"bps_rd\":0", "\"bps\":0,\"bps_rd\":0",
        "\"device\":\"ide0-hd0\",\"group\":\"g\",\"bps\":0,\"bps_rd\":0"};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        char text[300];
        snprintf(text, sizeof(text), "{\"execute\":\"block_set_io_throttle\",\"arguments\":{%s,"
                 "\"bps_wr\":0,\"iops\":0,\"iops_rd\":0,\"iops_wr\":0}}", bad[i]);
        assert_non_null(strstr(say(b, fd, text), "\"error\""));
    }
    assert_non_null(b->disk.block->throttle);
    EXPECT("{\"execute\":\"block_set_io_throttle\",\"arguments\":{\"device\":\"/srv/root.img\","
           NO_LIMITS "}}", "{\"return\":{}}");
    assert_null(b->disk.block->throttle);
    /* an empty drive remembers */
    EXPECT("{\"execute\":\"block_set_io_throttle\",\"arguments\":{\"id\":\"ide-5632\",\"bps\":0,"
           "\"bps_rd\":5,\"bps_wr\":0,\"iops\":0,\"iops_rd\":0,\"iops_wr\":0}}", "{\"return\":{}}");
    assert_int_equal(b->cd.limits.limit[THROTTLE_BPS][THROTTLE_READ].avg, 5);
    close(fd);
}

static void test_resize(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
    EXPECT("{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"ide0-hd0\",\"size\":16384}}",
           "{\"return\":{}}");
    assert_int_equal(b->disk.block->size, 16384);
    static const char *const bad[] = {"\"device\":\"ide0-hd0\",\"size\":16385",
                                      "\"node-name\":\"ide0-hd0\",\"size\":0",
                                      "\"device\":\"ide0-hd0\",\"size\":-512",
                                      "\"device\":\"ide-5632\",\"size\":512", "\"size\":512",
                                      "\"device\":\"none\",\"size\":512"};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        char text[200];
        snprintf(text, sizeof(text), "{\"execute\":\"block_resize\",\"arguments\":{%s}}", bad[i]);
        assert_non_null(strstr(say(b, fd, text), "\"error\""));
    }
    assert_int_equal(b->disk.block->size, 16384);
    close(fd);
}

static void test_post_config(void **state) {
    struct bench *b = *state;
    struct chars *serial = fixture_chars(&b->fx);
    serial->id = "serial0";
    serial->filename = "pty:/dev/pts/5";
    b->machine.chars[b->machine.chars_count++] = serial;
    int fd = begin(b);
    const char *answer = say(b, fd, "{\"execute\":\"query-chardev\"}");
    assert_non_null(strstr(answer, "{\"label\":\"serial0\",\"filename\":\"pty:/dev/pts/5\","
                                   "\"frontend-open\":true}"));
    assert_non_null(strstr(answer, "{\"label\":\"libxl-cmd\",\"filename\":\"unix:/tmp/"));
    EXPECT("{\"execute\":\"query-vnc\"}",
           "{\"return\":{\"enabled\":true,\"host\":\"127.0.0.1\",\"service\":\"5901\","
           "\"family\":\"ipv4\",\"auth\":\"vnc\",\"clients\":[]}}");
    with_tls = true;
    EXPECT("{\"execute\":\"query-vnc\"}", "{\"return\":{\"enabled\":true,\"host\":\"127.0.0.1\",\"service\":\"5901\",\"family\":\"ipv4\",\"auth\":\"vencrypt+x509+vnc\",\"clients\":[{\"host\":\"127.0.0.1\",\"service\":\"40000\",\"family\":\"ipv4\",\"websocket\":true}]}}");
    EXPECT("{\"execute\":\"query-vnc-servers\"}", "{\"return\":[{\"id\":\"default\",\"server\":[{\"host\":\"127.0.0.1\",\"service\":\"5901\",\"family\":\"ipv4\",\"websocket\":false,\"auth\":\"vencrypt\",\"vencrypt\":\"x509-vnc\"},{\"host\":\"127.0.0.1\",\"service\":\"5701\",\"family\":\"ipv4\",\"websocket\":true,\"auth\":\"vnc\"}],\"clients\":[{\"host\":\"127.0.0.1\",\"service\":\"40000\",\"family\":\"ipv4\",\"websocket\":true}],\"auth\":\"vencrypt\",\"vencrypt\":\"x509-vnc\"}]}");
    with_tls = false;
    EXPECT("{\"execute\":\"change-vnc-password\",\"arguments\":{\"password\":\"secret\"}}",
           "{\"return\":{}}");
    EXPECT("{\"execute\":\"change-vnc-password\",\"arguments\":{\"password\":\"much too long\"}}",
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"change-vnc-password: too long\"}}");
    close(fd);
}

#define PASSWORD(args) "{\"execute\":\"set_password\",\"arguments\":{" args "}}"
#define EXPIRE(args) "{\"execute\":\"expire_password\",\"arguments\":{" args "}}"

static void test_vnc_password(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
    EXPECT(PASSWORD("\"protocol\":\"vnc\",\"password\":\"secret\",\"connected\":\"keep\""),
           "{\"return\":{}}");
    EXPECT_IN(PASSWORD("\"protocol\":\"vnc\",\"password\":\"a\",\"connected\":\"disconnect\""),
              "keep");
    EXPECT_IN(PASSWORD("\"protocol\":\"spice\",\"password\":\"secret\""), "spice");
    EXPECT_IN(PASSWORD("\"protocol\":\"vnc\",\"password\":\"much too long\""), "too long");
    static const struct {
        const char *text;
        bool from_now;
        int64_t when;
    } good[] = {{"now", true, 0}, {"+90", true, 90}, {"never", false, INT64_MAX},
                {"1893456000", false, 1893456000}, {"9223372036854775807", false, INT64_MAX}};
    static const char *const bad[] = {"", "later", "-1", "+", "+-1", "12x", "nowhere", "++1",
                                      "+9223372036854775807", "99999999999999999999"};
    char command[128];
    for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
        int64_t before = time(NULL);
        snprintf(command, sizeof(command), EXPIRE("\"protocol\":\"vnc\",\"time\":\"%s\"") "\r\n",
                 good[i].text);
        assert_string_equal(say(b, fd, command), "{\"return\":{}}\r\n");
        if (good[i].from_now)
            assert_in_range(expires, before + good[i].when, time(NULL) + good[i].when);
        else
            assert_true(expires == good[i].when);
    }
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(command, sizeof(command), EXPIRE("\"protocol\":\"vnc\",\"time\":\"%s\"") "\r\n", bad[i]);
        assert_non_null(strstr(say(b, fd, command), "expire_password: time is"));
    }
    EXPECT_IN(EXPIRE("\"protocol\":\"spice\",\"time\":\"now\""), "spice");
    close(fd);
}

static void test_cpus(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
    const char *answer = say(b, fd, "{\"execute\":\"query-cpus-fast\"}");
    assert_non_null(strstr(answer, "\"cpu-index\":1"));
    assert_null(strstr(answer, "\"cpu-index\":2"));
    EXPECT_IN("{\"execute\":\"query-hotpluggable-cpus\"}",
              "{\"return\":[{\"type\":\"xen-hvm-cpu\",\"vcpus-count\":1,\"props\":{\"socket-id\":3,");
    EXPECT("{\"execute\":\"device_add\",\"arguments\":{\"id\":\"cpu-2\",\"driver\":\"xen-hvm-cpu\","
           "\"socket-id\":2,\"core-id\":0,\"thread-id\":0}}", "{\"return\":{}}");
    assert_true(b->cpus[2]);
    EXPECT_IN("{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"xen-hvm-cpu\","
              "\"socket-id\":2}}", "CPU 2 is there already");
    EXPECT_IN("{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"xen-hvm-cpu\","
              "\"socket-id\":4}}", "below 4 (maxvcpus=)");
    EXPECT_IN("{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"xen-pci-passthrough\","
              "\"id\":\"pci-pt-00_02.0\",\"hostaddr\":\"0000:00:02.0\"}}",
              "\"GenericError\",\"desc\":\"device_add xen-pci-passthrough: PCI passthrough (pci=)");
    EXPECT_IN("{\"execute\":\"device_del\",\"arguments\":{\"id\":\"nic7\"}}", "DeviceNotFound");
    close(fd);
}

static void test_pci(void **state) {
    struct bench *b = *state;
    static const struct pci_id id = {0x8086, 0x7000, 0, 0, 0x0601, 0, 0, 0};
    struct pci_function fn;
    pci_init(&fn, "piix3", &id, NULL);
    assert_true(pci_add(b->fx.pci, &fn, 8));
    int fd = begin(b);
    EXPECT("{\"execute\":\"query-pci\"}",
           "{\"return\":[{\"bus\":0,\"devices\":[{\"bus\":0,\"slot\":1,\"function\":0,"
           "\"class_info\":{\"class\":1537,\"desc\":\"ISA bridge\"},\"id\":{\"vendor\":32902,"
           "\"device\":28672,\"subsystem-vendor\":0,\"subsystem\":0},\"irq_pin\":0,"
           "\"qdev_id\":\"\",\"regions\":[]}]}]}");
    EXPECT_IN("{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":"
              "\"info pci\"}}", "ISA bridge: PCI device 8086:7000");
    close(fd);
    pci_remove(&fn);
}

/* sendmsg with a descriptor at the first byte, as libxl does. */
static const char *say_with_fd(struct bench *b, int sock, const char *text, int fd) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)text, strlen(text)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    assert_int_equal(sendmsg(sock, &msg, 0), strlen(text));
    return hear(b, sock);
}

static void test_cd(void **state) {
    struct bench *b = *state;
    int fd = begin(b), null = open("/dev/null", O_RDONLY);
    /* xl cd-insert: eject what is (not) there, hand over the descriptor, insert it by its number */
    EXPECT("{\"execute\":\"eject\",\"arguments\":{\"id\":\"ide-5632\"}}", "{\"return\":{}}");
    EXPECT("{\"execute\":\"add-fd\"}", "{\"error\":{\"class\":\"GenericError\",\"desc\":\"add-fd: "
                                       "no descriptor came with the message\"}}");
    assert_non_null(strstr(say_with_fd(b, fd, "{\"execute\":\"add-fd\",\"id\":3,\"arguments\":{"
                                       "\"opaque\":\"raw:/srv/a.iso\"}}\r\n", null),
                           "{\"return\":{\"fdset-id\":0,\"fd\":"));
    close(null);
    EXPECT_IN("{\"execute\":\"query-fdsets\"}", "\"opaque\":\"raw:/srv/a.iso\"}]}]}");
    EXPECT_IN("{\"execute\":\"blockdev-change-medium\",\"arguments\":{\"id\":\"ide-5632\","
              "\"filename\":\"\\/dev\\/fdset\\/1\",\"format\":\"raw\"}}", "there is no such set");
    assert_non_null(strstr(say(b, fd, "{\"execute\":\"blockdev-change-medium\",\"arguments\":{"
                               "\"id\":\"ide-5632\",\"filename\":\"\\/dev\\/fdset\\/0\","
                               "\"format\":\"raw\"}}"), "{\"return\":{}}\r\n"));
    assert_true(b->image_fd >= 0);
    assert_string_equal(b->image_format, "raw");
    assert_non_null(b->cd.block);
    assert_string_equal(b->cd.filename, "/srv/a.iso"); /* what xentop compares with params */
    b->cd_locked = true;
    EXPECT("{\"execute\":\"eject\",\"arguments\":{\"id\":\"ide-5632\"}}",
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"the guest locked the tray of drive "
           "\\\"ide-5632\\\"\"}}");
    b->cd_locked = false;
    EXPECT_IN("{\"execute\":\"eject\",\"arguments\":{\"id\":\"ide-5632\"}}", "{\"return\":{}}");
    assert_null(b->cd.block);
    EXPECT("{\"execute\":\"eject\",\"arguments\":{\"device\":\"ide0-hd0\"}}",
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"drive \\\"ide0-hd0\\\" has a fixed "
           "disk\"}}");
    EXPECT_IN("{\"execute\":\"eject\",\"arguments\":{\"id\":\"x\"}}", "DeviceNotFound");
    EXPECT_IN("{\"execute\":\"blockdev-change-medium\",\"arguments\":{\"id\":\"ide-5632\","
              "\"filename\":\"/missing\"}}", "/missing: no such file");
    EXPECT("{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":0}}", "{\"return\":{}}");
    EXPECT("{\"execute\":\"query-fdsets\"}", "{\"return\":[]}");
    close(fd);
}

/* A descriptor is its own message's: not that of the next one. */
static void test_stray_fd(void **state) {
    struct bench *b = *state;
    int fd = begin(b), null = open("/dev/null", O_RDONLY);
    say_with_fd(b, fd, "{\"execute\":\"query-name\"}", null);
    EXPECT_IN("{\"execute\":\"add-fd\"}", "no descriptor came");
    assert_string_equal(say_with_fd(b, fd, "{\"execute\":", null), "");
    EXPECT_IN("\"add-fd\"}", "{\"return\":{\"fdset-id\":0");
    close(null);
    close(fd);
}

static void test_save(void **state) {
    struct bench *b = *state;
    char path[128], bytes[64] = "";
    snprintf(path, sizeof(path), "%s/save", b->dir);
    int file = open(path, O_RDWR | O_CREAT, 0600), fd = begin(b);
    assert_int_equal(write(file, "longer than the state", 21), 21);
    int out = open(path, O_WRONLY);
    say_with_fd(b, fd, "{\"execute\":\"add-fd\"}", out);
    close(out);
    b->machine.state = RUN_RUNNING;
    EXPECT_IN("{\"execute\":\"xen-save-devices-state\",\"arguments\":{\"filename\":"
              "\"/dev/fdset/0\",\"live\":false}}", "{\"return\":{}}");
    assert_int_equal(b->machine.state, RUN_PAUSED);
    assert_false(b->saved_live);
    assert_int_equal(pread(file, bytes, sizeof(bytes), 0), 5); /* it was emptied first */
    EXPECT_IN("{\"execute\":\"xen-set-global-dirty-log\",\"arguments\":{\"enable\":true}}",
              "not implemented yet");
    close(file);
    unlink(path);
    close(fd);
    turn(b);
    fd = begin(b); /* sets go with the last client */
    EXPECT("{\"execute\":\"query-fdsets\"}", "{\"return\":[]}");
    close(fd);
}

static void test_keys(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
    EXPECT("{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"qcode\",\"data\":"
           "\"ctrl\"},{\"type\":\"number\",\"data\":211}]}}", "{\"return\":{}}");
    EXPECT("{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":"
           "\"sendkey a 50\"}}", "{\"return\":\"\"}");
    assert_string_equal(b->keys, "0:29=1 0:111=1 "); /* KEY_LEFTCTRL, KEY_DELETE */
    fixture_sleep(&b->fx, 99 * NS_PER_MS);
    assert_string_equal(b->keys, "0:29=1 0:111=1 ");
    fixture_sleep(&b->fx, 2 * NS_PER_MS);
    assert_string_equal(b->keys, "0:29=1 0:111=1 0:111=0 0:29=0 ");
    fixture_sleep(&b->fx, 400 * NS_PER_MS);
    assert_string_equal(b->keys, "0:29=1 0:111=1 0:111=0 0:29=0 0:30=1 0:30=0 ");
    b->keys[0] = '\0';
    EXPECT("{\"execute\":\"input-send-event\",\"arguments\":{\"events\":["
           "{\"type\":\"rel\",\"data\":{\"axis\":\"x\",\"value\":-3}},"
           "{\"type\":\"btn\",\"data\":{\"down\":true,\"button\":\"left\"}},"
           "{\"type\":\"btn\",\"data\":{\"down\":true,\"button\":\"wheel-up\"}},"
           "{\"type\":\"abs\",\"data\":{\"axis\":\"y\",\"value\":40000}},"
           "{\"type\":\"key\",\"data\":{\"down\":true,\"key\":{\"type\":\"qcode\","
           "\"data\":\"ret\"}}}]}}", "{\"return\":{}}");
    char want[64];
    snprintf(want, sizeof(want), "2:0=-3 1:%u=1 2:2=1 3:1=32767 0:28=1 ", BTN_LEFT);
    assert_string_equal(b->keys, want);
    EXPECT_IN("{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"qcode\",\"data\":"
              "\"any\"}]}}", "there is no key \\\"any\\\"");
    EXPECT_IN("{\"execute\":\"send-key\",\"arguments\":{\"keys\":[]}}", "1 to 16");
    EXPECT_IN("{\"execute\":\"send-key\",\"arguments\":{\"keys\":[null]}}", "a key is");
    close(fd);
}

static void test_human(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
#define HUMAN(line) "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"" line "\"}}"
    EXPECT(HUMAN("info status"), "{\"return\":\"VM status: paused (prelaunch)\\r\\n\"}");
    EXPECT_IN(HUMAN("nonsense 1"), "{\"return\":\"unknown command: 'nonsense 1'");
    EXPECT_IN(HUMAN("info block"), "ide0-hd0: /srv/root.img (raw)\\r\\nide-5632: [not inserted]");
    EXPECT_IN(HUMAN("info cpus"), "CPU #1: online\\r\\n\"}");
    EXPECT_IN(HUMAN("eject ide0-hd0"), "{\"return\":\"Error: drive");
    EXPECT_IN(HUMAN("change ide-5632 /srv/b.iso raw"), "{\"return\":\"\"}");
    assert_string_equal(b->cd.filename, "/srv/b.iso");
    EXPECT_IN(HUMAN("help"), "info status -- is the machine running?");
    EXPECT_IN(HUMAN("eject"), "expected [-f] drive");
    EXPECT_IN(HUMAN("info version"), "7.2.0 hvm-dm");
    close(fd);
}

/* libxl's probe: no machine, an inherited socket that it may already have connected to. */
static void test_probe(void **state) {
    struct bench *b = *state;
    char path[128], spec[64], why[256] = "";
    snprintf(path, sizeof(path), "%s/probe", b->dir);
    int sock = bind_at(path);
    assert_int_equal(listen(sock, 1), 0);
    int fd = connect_to(path);
    snprintf(spec, sizeof(spec), "socket,id=libxl-cmd,fd=%d,server=on,wait=off", sock);
    const char *argv[] = {"hvm-dm", "-S", "-no-user-config", "-nodefaults", "-nographic",
                          "-machine", "none,accel=xen", "-chardev", spec, "-mon",
                          "chardev=libxl-cmd,mode=control"};
    struct config *config = argv_parse(sizeof(argv) / sizeof(argv[0]), argv, why, sizeof(why));
    assert_non_null(config);
    struct qmp *qmp = qmp_open(b->loop, NULL, config, &ops, b, why, sizeof(why));
    assert_non_null(qmp);
    assert_string_equal(hear(b, fd), GREETING);
    say(b, fd, HELLO);
    EXPECT("{\"execute\":\"query-command-line-options\",\"id\":2}",
           "{\"return\":[{\"option\":\"run-with\",\"parameters\":[{\"name\":\"chroot\","
           "\"type\":\"string\"},{\"name\":\"user\",\"type\":\"string\"}]}],\"id\":2}");
    EXPECT("{\"execute\":\"query-pci\"}",
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"query-pci: there is no machine\"}}");
    EXPECT_IN("{\"execute\":\"query-chardev\"}", "\"fd:");
    EXPECT_IN(HUMAN("info pci"), "there is no machine");
    EXPECT_IN("{\"execute\":\"quit\"}", "{\"return\":{}}\r\n");
    assert_true(b->quit);
    close(fd);
    qmp_free(qmp);
    config_free(config);
    struct stat st;
    assert_int_equal(stat(path, &st), 0); /* not ours to unlink */
    unlink(path);
}

/* The probe leaves its socket behind: the next start takes its place, but not that of a file. */
static void test_rebind(void **state) {
    struct bench *b = *state;
    char path[128], spec[256], why[256] = "";
    snprintf(path, sizeof(path), "%s/stale", b->dir);
    int sock = bind_at(path);
    close(sock);
    snprintf(spec, sizeof(spec), "unix:%s,server,nowait", path);
    const char *argv[] = {"hvm-dm", "-M", "none", "-qmp", spec};
    struct config *config = argv_parse(5, argv, why, sizeof(why));
    struct qmp *qmp = qmp_open(b->loop, NULL, config, &ops, b, why, sizeof(why));
    assert_non_null(qmp);
    int fd = connect_to(path);
    assert_string_equal(hear(b, fd), GREETING);
    close(fd);
    qmp_free(qmp);
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    close(file);
    assert_null(qmp_open(b->loop, NULL, config, &ops, b, why, sizeof(why)));
    assert_non_null(strstr(why, "monitor \"compat_monitor0\": can't bind"));
    assert_non_null(strstr(why, "Address already in use"));
    unlink(path);
    config_free(config);
}

/* A client of the socket engine listens, and we connect. */
static void test_connect_out(void **state) {
    struct bench *b = *state;
    char path[128], spec[256], why[256] = "";
    snprintf(path, sizeof(path), "%s/out", b->dir);
    int sock = bind_at(path);
    listen(sock, 1);
    snprintf(spec, sizeof(spec), "socket,path=%s,id=char0", path);
    const char *argv[] = {"hvm-dm", "-M", "none", "-chardev", spec, "-mon",
                          "chardev=char0,mode=control"};
    struct config *config = argv_parse(7, argv, why, sizeof(why));
    struct qmp *qmp = qmp_open(b->loop, NULL, config, &ops, b, why, sizeof(why));
    assert_non_null(qmp);
    int fd = accept4(sock, NULL, NULL, SOCK_NONBLOCK);
    assert_string_equal(hear(b, fd), GREETING);
    assert_string_equal(say(b, fd, HELLO), "{\"return\":{},\"id\":1}\r\n");
    close(fd);
    turn(b);
    qmp_free(qmp);
    close(sock);
    unlink(path);
    config_free(config);
}

/* An event to a client that doesn't read is dropped after a while; commands by another go on. */
static void test_events_bounded(void **state) {
    struct bench *b = *state;
    int fd = begin(b);
    for (unsigned i = 0; i < 20000; i++)
        qmp_event(b->qmp, "RESET", "{\"guest\":true}");
    size_t n = strlen(hear(b, fd));
    assert_true(n > 1000);
    EXPECT_IN("{\"execute\":\"query-name\"}", "guest, one");
    close(fd);
}

static void no_refresh(void *dev, struct display *display, bool whole) {
    (void)dev, (void)display, (void)whole;
}

static void no_watch(void *dev, bool watched) {
    (void)dev, (void)watched;
}

static void test_screendump(void **state) {
    struct bench *b = *state;
    char command[256], path[128];
    uint32_t pixels[6] = {0xff0000, 0x00ff00, 0x0000ff, 0xffffff, 0x123456, 0};
    b->display = (struct display){.width = 2, .height = 2, .stride = 3, .pixels = pixels,
                                  .refresh = no_refresh, .watched = no_watch};
    snprintf(path, sizeof(path), "%s/a.ppm", b->dir);
    snprintf(command, sizeof(command),
             "{\"execute\":\"screendump\",\"arguments\":{\"filename\":\"%s\"}}", path);
    int fd = begin(b);
    assert_string_equal(say(b, fd, command), "{\"return\":{}}\r\n");
    static const uint8_t want[] = "P6\n2 2\n255\n\xff\0\0\0\xff\0\xff\xff\xff\x12\x34\x56";
    uint8_t got[64];
    int file = open(path, O_RDONLY);
    assert_int_equal(read(file, got, sizeof(got)), sizeof(want) - 1);
    assert_memory_equal(got, want, sizeof(want) - 1);
    close(file);
    unlink(path);
    EXPECT_IN("{\"execute\":\"screendump\",\"arguments\":{\"filename\":\"/no/such/dir\"}}",
              "/no/such/dir: No such file or directory");
    EXPECT_IN("{\"execute\":\"screendump\",\"arguments\":{\"filename\":\"/x\",\"format\":\"bmp\"}}",
              "format must be ppm or png");
    close(fd);
}

/* 300 x 2: a run above the longest match, and one line that repeats the other. */
static void test_png(void **state) {
    (void)state;
    static uint32_t pixels[600];
    for (unsigned i = 0; i < 300; i++)
        pixels[i] = pixels[300 + i] = i < 200 ? 0x909090 : i * 0x010203;
    struct display display = {.width = 300, .height = 2, .stride = 300, .pixels = pixels};
    char path[] = "/tmp/test_png.XXXXXX";
    int fd = mkstemp(path);
    assert_true(write_png(fd, &display));
    static uint8_t file[4096], lines[2000];
    ssize_t n = pread(fd, file, sizeof(file), 0);
    close(fd);
    unlink(path);
    assert_true(n > 60);
    assert_memory_equal(file, "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\x2c\0\0\0\x02\x08\x02\0\0\0",
                        29);
    assert_memory_equal(file + 37, "IDAT", 4);
    assert_memory_equal(file + n - 12, "\0\0\0\0IEND\xae\x42\x60\x82", 12); /* its CRC is known */
    assert_int_equal(inflate_fixed(file + 43, lines, sizeof(lines)), 2 * 901);
    assert_int_equal(lines[0], 2);
    assert_int_equal(lines[901], 2);
    for (unsigned i = 0; i < 900; i++) {
        assert_int_equal(lines[1 + i], (uint8_t)(pixels[i / 3] >> (16 - 8 * (i % 3))));
        assert_int_equal(lines[902 + i], 0);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_talk), TEST(test_arguments), TEST(test_malformed), TEST(test_long),
        TEST(test_escapes), TEST(test_clients), TEST(test_disconnect), TEST(test_bytewise),
        TEST(test_half_close), TEST(test_back_pressure), TEST(test_run_states), TEST(test_xentop),
        TEST(test_io_throttle), TEST(test_resize), TEST(test_post_config), TEST(test_vnc_password),
        TEST(test_cpus), TEST(test_pci), TEST(test_cd), TEST(test_stray_fd), TEST(test_save),
        TEST(test_keys), TEST(test_human), TEST(test_probe), TEST(test_rebind),
        TEST(test_connect_out), TEST(test_events_bounded), TEST(test_screendump),
        cmocka_unit_test(test_png),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
