/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest [options] -- DEVICE-MODEL ARGUMENTS...
 *
 * Starts a device model under fakexen.so as libxl would and plays Xen, xenstored and the guest
 * around it, told what to do by lines on stdin (or -c): each is answered by one line, "ok ..." or
 * "error ...".  Ends when told to quit or at the end of stdin, and takes the device model with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xen/hvm/dm_op.h>

#include "hv.h"
#include "plays.h"
#include "process.h"
#include "store.h"

static const char *firmware = "seabios";
static unsigned domid = 1, ram_mib = 56, video_mib = 16, vcpus = 1;
static char preload[4096], *directory = "/tmp", *log_path, *script;
static const char *sockets[8];
static unsigned socket_count, sockets_ready;
static char state_path[64];
static pid_t dm;
static int dm_ended, dm_status;
static struct timespec started;

static const char *const count_names[COUNT_MAX] = {
#define NAME(name) [COUNT_##name] = #name,
    WORLD_CALLS(NAME) WORLD_EVENTS(NAME)
#undef NAME
};

static double ms_since(const struct timespec *from, const struct timespec *to) {
    return (double)(to->tv_sec - from->tv_sec) * 1e3 + (double)(to->tv_nsec - from->tv_nsec) * 1e-6;
}

/* Whether the device model has ended; reaps it. */
static int ended(void) {
    if (!dm_ended && waitpid(dm, &dm_status, WNOHANG) == dm)
        dm_ended = 1;
    return dm_ended;
}

static const char *how_ended(char *text) {
    if (WIFSIGNALED(dm_status))
        sprintf(text, "signal %d", WTERMSIG(dm_status));
    else
        sprintf(text, "exit %d", WEXITSTATUS(dm_status));
    return text;
}

/* When "running" is written libxl connects at once: which of the sockets take a connection? */
static void count_sockets(void) {
    sockets_ready = 0;
    for (unsigned i = 0; i < socket_count; i++) {
        struct sockaddr_un addr = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        snprintf(addr.sun_path, sizeof addr.sun_path, "%s", sockets[i]);
        sockets_ready += !connect(fd, (struct sockaddr *)&addr, sizeof addr);
        close(fd);
    }
}

/* commands about the process */

static const char *play_running(int argc, char **argv, char *answer) {
    unsigned seconds = (unsigned)play_number(argc, argv, 0, 60);
    struct timespec at;
    struct process_use u;

    for (unsigned i = 0; store_wait(state_path, "running", 100, &at); i++) {
        if (ended())
            return "the device model ended before it was running";
        if (i >= 10 * seconds)
            return "not running in time";
    }
    if (process_use(dm, &u))
        return "no such process";
    sprintf(answer, "{\"wall_ms\": %.3f, \"cpu_ms\": %.3f, \"faults\": %ld, \"sockets\": %u}",
            ms_since(&started, &at), u.cpu_ms, u.faults, sockets_ready);
    return NULL;
}

static const char *play_memory(int argc, char **argv, char *answer) {
    struct process_memory m;

    (void)argc, (void)argv;
    if (process_memory(dm, &m))
        return "no such process";
    sprintf(answer,
            "{\"rss\": %ld, \"anon\": %ld, \"file\": %ld, \"shmem\": %ld, \"pss\": %ld, "
            "\"page_tables\": %ld, "
            "\"threads\": %ld}",
            m.rss_kib, m.anon_kib, m.file_kib, m.shmem_kib, m.pss_kib, m.page_tables_kib,
            m.threads);
    return NULL;
}

static const char *play_cpu(int argc, char **argv, char *answer) {
    struct process_use u;

    (void)argc, (void)argv;
    if (process_use(dm, &u))
        return "no such process";
    sprintf(answer, "{\"cpu_ms\": %.3f, \"wakeups\": %ld}", u.cpu_ms, u.voluntary);
    return NULL;
}

static const char *play_idle(int argc, char **argv, char *answer) {
    double seconds = argc ? atof(argv[0]) : 1;
    struct process_use before, after;
    struct timespec from, now;

    if (process_use(dm, &before))
        return "no such process";
    clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        if (hv_pump(seconds < 0.02 ? (int)(seconds * 1e3) : 20) == HV_GONE && ended())
            return "the device model is gone";
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (ms_since(&from, &now) < seconds * 1e3);
    if (process_use(dm, &after))
        return "no such process";
    sprintf(answer, "{\"wakeups\": %ld, \"preempted\": %ld, \"cpu_ms\": %.3f, \"faults\": %ld}",
            after.voluntary - before.voluntary, after.involuntary - before.involuntary,
            after.cpu_ms - before.cpu_ms, after.faults - before.faults);
    return NULL;
}

static const char *play_kill(int argc, char **argv, char *answer) {
    (void)argc, (void)answer;
    return kill(dm, atoi(argv[0])) ? strerror(errno) : NULL;
}

static const char *play_wait(int argc, char **argv, char *answer) {
    int timeout_ms = (int)play_number(argc, argv, 0, 5000);
    struct timespec from, now;

    clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        now = (struct timespec){ 0, 1000000 };
        if (ended()) {
            how_ended(answer);
            return NULL;
        }
        nanosleep(&now, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (ms_since(&from, &now) < timeout_ms);
    return "still there";
}

static const char *play_pid(int argc, char **argv, char *answer) {
    (void)argc, (void)argv;
    sprintf(answer, "%d", dm);
    return NULL;
}

/* commands about the world */

static int print_counts(const uint64_t *count, char *answer) {
    int at = sprintf(answer, "{");

    for (int i = 0; i < COUNT_MAX; i++)
        if (count[i])
            at += sprintf(answer + at, "%s\"%s\": %llu", at > 1 ? ", " : "", count_names[i],
                          (unsigned long long)count[i]);
    return at + sprintf(answer + at, "}");
}

static const char *play_counts(int argc, char **argv, char *answer) {
    (void)argc, (void)argv;
    print_counts(hv_world()->count, answer);
    return NULL;
}

/* The answer to one more access marks this point: see struct world. */
static const char *play_mark(int argc, char **argv, char *answer) {
    struct world *w = hv_world();
    ioreq_t r = { .type = IOREQ_TYPE_PIO, .dir = IOREQ_READ, .addr = 0x80, .size = 1, .count = 1 };
    uint64_t data;
    enum hv_error e;

    if (!hv_claimed(XEN_DMOP_IO_RANGE_PORT, r.addr, r.addr))
        return "nobody claims port 0x80";
    snprintf(w->mark_name, sizeof w->mark_name, "%s", argc ? argv[0] : "");
    __sync_synchronize();
    w->mark_wanted = 1;
    e = hv_request(0, &r, &data);
    if (e == HV_OK)
        print_counts(w->marked, answer);
    return e == HV_OK ? NULL : hv_error(e);
}

static int print_ranges(const char *name, const struct world_ranges *r, char *answer) {
    int at = sprintf(answer, "\"%s\": [", name);

    for (uint32_t i = 0; i < r->n; i++)
        at += sprintf(answer + at, "%s[%llu, %llu]", i ? ", " : "",
                      (unsigned long long)r->range[i].start, (unsigned long long)r->range[i].end);
    return at + sprintf(answer + at, "]");
}

static const char *play_claims(int argc, char **argv, char *answer) {
    const struct world *w = hv_world();
    int at = sprintf(answer, "{");

    (void)argc, (void)argv;
    at += print_ranges("port", &w->claimed[XEN_DMOP_IO_RANGE_PORT], answer + at);
    at += sprintf(answer + at, ", ");
    at += print_ranges("memory", &w->claimed[XEN_DMOP_IO_RANGE_MEMORY], answer + at);
    at += sprintf(answer + at, ", ");
    at += print_ranges("pci", &w->claimed[XEN_DMOP_IO_RANGE_PCI], answer + at);
    sprintf(answer + at, "}");
    return NULL;
}

static int print_u8(const char *name, const uint8_t *value, int n, char *answer) {
    int at = sprintf(answer, ", \"%s\": [", name);

    for (int i = 0; i < n; i++)
        at += sprintf(answer + at, "%s%u", i ? ", " : "", value[i]);
    return at + sprintf(answer + at, "]");
}

static const char *play_domain(int argc, char **argv, char *answer) {
    const struct world *w = hv_world();
    int at;

    (void)argc, (void)argv;
    at = sprintf(
        answer,
        "{\"server\": %u, \"enabled\": %u, \"bufioreq\": %u, \"destroyed\": %u, \"shutdown\": %d, "
        "\"channels\": %u, \"restricted\": %u, \"refused\": \"%s\", \"refused_errno\": %u, "
        "\"pages_left\": %llu, \"vram_gfn\": %llu, \"vram_pages\": %llu, \"s_state\": %llu, "
        "\"bound\": ",
        w->server_exists, w->server_enabled, w->server_bufioreq, w->servers_destroyed, w->shutdown,
        w->channels_open, w->restricted,
        w->count[COUNT_refused] ? count_names[w->last_refused] : "", w->last_refused_errno,
        (unsigned long long)w->pages_left, (unsigned long long)w->vram_gfn,
        (unsigned long long)w->vram_pages, (unsigned long long)w->hvm_param[14]);
    at += sprintf(answer + at, "[");
    for (unsigned i = 0, n = 0; i < WORLD_PORTS; i++)
        if (w->local[i].bound)
            at += sprintf(answer + at, "%s%u", n++ ? ", " : "", w->local[i].remote);
    at += sprintf(answer + at, "]");
    at += print_u8("isa", w->isa, 16, answer + at);
    at += print_u8("link", w->link, 4, answer + at);
    at += sprintf(answer + at, ", \"intx\": [");
    for (unsigned i = 0, n = 0; i < 32 * 4; i++)
        if (w->intx[i / 4][i % 4])
            at += sprintf(answer + at, "%s[%u, %u]", n++ ? ", " : "", i / 4, i % 4);
    sprintf(answer + at, "]}");
    return NULL;
}

static const char *play_dirty(int argc, char **argv, char *answer) {
    (void)argc, (void)answer;
    hv_world()->dirty_vram = !strcmp(argv[0], "all")       ? DIRTY_ALL
                             : !strcmp(argv[0], "nodata")  ? DIRTY_NODATA
                             : !strcmp(argv[0], "written") ? DIRTY_WRITTEN
                                                           : DIRTY_NONE;
    return NULL;
}

static const char *play_timeout(int argc, char **argv, char *answer) {
    (void)answer;
    hv_timeout_ms = (int)play_number(argc, argv, 0, 20000);
    return NULL;
}

/* commands about xenstore */

static const char *play_xs_read(int argc, char **argv, char *answer) {
    (void)argc;
    return store_read(argv[0], answer, ANSWER / 2) < 0 ? "ENOENT" : NULL;
}

static const char *play_xs_write(int argc, char **argv, char *answer) {
    const char *value = argc > 1 ? argv[1] : "";

    (void)answer;
    return store_write(argv[0], value, strlen(value)) ? "ENOMEM" : NULL;
}

static const char *play_xs_ls(int argc, char **argv, char *answer) {
    (void)argc;
    return store_list(argv[0], answer, ANSWER / 2) < 0 ? "ENOENT" : NULL;
}

static const char *play_xs_rm(int argc, char **argv, char *answer) {
    (void)argc, (void)answer;
    return store_remove(argv[0]) ? "ENOENT" : NULL;
}

static const struct play control_plays[] = {
    { "running", "[SECONDS]", "wait for device-model/N/state", 0, play_running },
    { "memory", "", "of the device model, in KiB", 0, play_memory },
    { "cpu", "", "what the device model has used until now", 0, play_cpu },
    { "idle", "[SECONDS]", "do nothing; what did the device model do?", 0, play_idle },
    { "kill", "SIGNAL", "send it, by number", 1, play_kill },
    { "wait", "[MS]", "for the device model's end", 0, play_wait },
    { "pid", "", "of the device model", 0, play_pid },
    { "counts", "", "of hypercalls and events", 0, play_counts },
    { "mark", "[NAME]", "one access; callgrind dumps, counts are shown", 0, play_mark },
    { "claims", "", "ranges of the ioreq server", 0, play_claims },
    { "domain", "", "server, interrupts, shutdown reason", 0, play_domain },
    { "dirty", "none|all|nodata|written", "what track_dirty_vram answers", 1, play_dirty },
    { "timeout", "MS", "for an answer to a request", 1, play_timeout },
    { "xs-read", "PATH", "", 1, play_xs_read },
    { "xs-write", "PATH VALUE", "", 1, play_xs_write },
    { "xs-ls", "PATH", "", 1, play_xs_ls },
    { "xs-rm", "PATH", "", 1, play_xs_rm },
    { NULL, NULL, NULL, 0, NULL },
};

static const struct play *const all_plays[] = { control_plays, plays,     ide_plays,
                                                ahci_plays,    blk_plays, hostile_plays,
                                                screen_plays };

static const struct play *find_play(const char *name) {
    for (unsigned i = 0; i < sizeof all_plays / sizeof *all_plays; i++)
        for (const struct play *p = all_plays[i]; p->name; p++)
            if (!strcmp(p->name, name))
                return p;
    return NULL;
}

/* One command line, answered.  Returns 0 for quit. */
static int perform(char *line) {
    static char answer[ANSWER];
    char *argv[16], *save;
    const struct play *p;
    const char *error;
    int argc = 0;

    for (char *word = strtok_r(line, " \t\n", &save); word && argc < 16;
         word = strtok_r(NULL, " \t\n", &save))
        argv[argc++] = word;
    if (!argc)
        return 1;
    if (!strcmp(argv[0], "quit"))
        return 0;
    p = find_play(argv[0]);
    *answer = 0;
    if (!p)
        error = "no such command";
    else if (argc - 1 < p->required)
        error = p->arguments;
    else
        error = p->run(argc - 1, argv + 1, answer);
    if (error)
        printf("error %s: %s\n", argv[0], error);
    else
        printf("ok%s%s\n", *answer ? " " : "", answer);
    fflush(stdout);
    return 1;
}

/* Commands from stdin, while the device model's writes are taken in. */
static void obey(void) {
    static char buf[8192];
    size_t have = 0;

    for (;;) {
        struct pollfd p = { 0, POLLIN, 0 };
        ssize_t n;
        char *end;

        while (poll(&p, 1, 10) == 0)
            if (hv_pump(10) == HV_GONE)
                usleep(1000);
        n = read(0, buf + have, sizeof buf - 1 - have);
        if (n <= 0)
            return;
        have += (size_t)n;
        buf[have] = 0;
        while ((end = strchr(buf, '\n'))) {
            *end = 0;
            if (!perform(buf))
                return;
            have -= (size_t)(end + 1 - buf);
            memmove(buf, end + 1, have + 1);
        }
        if (have == sizeof buf - 1)
            return;
    }
}

/* the device model's start and end */

static void exec_dm(char **argv) {
    int null = open("/dev/null", O_RDONLY),
        log = log_path ? open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0644) : dup(2);
    char number[16], xenstored[4200];

    snprintf(number, sizeof number, "%u", domid);
    snprintf(xenstored, sizeof xenstored, "%s/xenstored", directory);
    setenv("XEN_DOMAIN_ID", number, 1);
    setenv("XENSTORED_PATH", xenstored, 1);
    setenv("LD_PRELOAD", preload, 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 0); /* we preload in front of it */
    hv_lend();
    dup2(null, 0);
    dup2(log, 1);
    dup2(log, 2);
    if (null > 2)
        close(null);
    if (log > 2)
        close(log);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a rig that is killed leaves nothing behind */
    execvp(argv[0], argv);
    fprintf(stderr, "guest: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static void prepare_store(void) {
    const struct {
        const char *path, *value;
    } nodes[] = {
        { "/local/domain/0/domid", "0" },
        { "/local/domain/0/device-model/%u", "" },
        { "/local/domain/%u/domid", "1" },
        { "/local/domain/%u/name", "guest" },
        { "/local/domain/%u/vm", "/vm/9a1c0e00-0000-4000-8000-000000000001" },
        { "/local/domain/%u/hvmloader/bios", firmware },
        { "/local/domain/%u/hvmloader/allow-memory-relocate", "0" },
        { "/local/domain/%u/platform/acpi", "1" },
        { "/local/domain/%u/platform/device-model", "qemu_xen" },
        { "/local/domain/%u/console/type", "xenconsoled" },
    };
    char path[128];

    for (unsigned i = 0; i < sizeof nodes / sizeof *nodes; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(path, sizeof path, nodes[i].path, domid);
#pragma GCC diagnostic pop
        store_write(path, nodes[i].value, strlen(nodes[i].value));
    }
}

static void end_dm(void) {
    char text[32], *argument = "5000";

    if (!ended())
        kill(dm, SIGTERM);
    if (play_wait(1, &argument, text)) {
        kill(dm, SIGKILL);
        waitpid(dm, &dm_status, 0);
    }
}

static void usage(void) {
    printf("guest [--memory MIB] [--video MIB] [--vcpus N] [--domid N] [--dir DIRECTORY] [--log "
           "FILE]\n"
           "      [--firmware NAME] [--preload FAKEXEN.SO] [--socket PATH]... [-c 'COMMAND; COMMAND...'] -- "
           "DEVICE-MODEL "
           "ARGUMENTS...\n\nCommands:\n");
    for (unsigned i = 0; i < sizeof all_plays / sizeof *all_plays; i++)
        for (const struct play *p = all_plays[i]; p->name; p++)
            printf("  %-12s%-42s%s\n", p->name, p->arguments, p->help);
    exit(0);
}

static void options(int argc, char **argv) {
    static const struct option known[] = {
        { "memory", 1, NULL, 'm' },  { "video", 1, NULL, 'v' },  { "vcpus", 1, NULL, 'n' },
        { "domid", 1, NULL, 'd' },   { "dir", 1, NULL, 'D' },    { "log", 1, NULL, 'l' },
        { "preload", 1, NULL, 'p' }, { "socket", 1, NULL, 's' }, { "help", 0, NULL, 'h' },
        { "firmware", 1, NULL, 'f' },
        { NULL, 0, NULL, 0 },
    };
    char self[2048];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[n > 0 ? n : 0] = 0;
    snprintf(preload, sizeof preload, "%s/fakexen.so", dirname(self));
    for (int c; (c = getopt_long(argc, argv, "+c:h", known, NULL)) != -1;) {
        switch (c) {
        case 'm': ram_mib = (unsigned)atoi(optarg); break;
        case 'v': video_mib = (unsigned)atoi(optarg); break;
        case 'n': vcpus = (unsigned)atoi(optarg); break;
        case 'd': domid = (unsigned)atoi(optarg); break;
        case 'f': firmware = optarg; break;
        case 'D': directory = optarg; break;
        case 'l': log_path = optarg; break;
        case 'p': snprintf(preload, sizeof preload, "%s", optarg); break;
        case 's':
            if (socket_count < 8)
                sockets[socket_count++] = optarg;
            break;
        case 'c': script = optarg; break;
        case 'h': usage(); break;
        default: exit(2);
        }
    }
    if (optind >= argc) {
        fprintf(stderr, "guest: no device model named; try --help\n");
        exit(2);
    }
}

int main(int argc, char **argv) {
    char path[4200];

    options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    snprintf(path, sizeof path, "%s/xenstored", directory);
    snprintf(state_path, sizeof state_path, "/local/domain/0/device-model/%u/state", domid);
    store_notice(state_path, "running", count_sockets);
    if (hv_new(domid, ram_mib, video_mib, vcpus) || store_start(path, hv_world()))
        return 1;
    prepare_store();
    memset(hv_world()->count, 0, sizeof hv_world()->count);
    clock_gettime(CLOCK_MONOTONIC, &started);
    dm = fork();
    if (!dm) {
        signal(SIGPIPE, SIG_DFL);
        exec_dm(argv + optind);
    }
    hv_lent();
    if (script) {
        char *save;

        for (char *c = strtok_r(script, ";", &save); c; c = strtok_r(NULL, ";", &save))
            if (!perform(c))
                break;
    } else {
        obey();
    }
    end_dm();
    unlink(path);
    printf("ended %s\n", how_ended(path));
    return 0;
}
