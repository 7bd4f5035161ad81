/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hvm-dm: from the command line to a running machine and back. Start-up is a table of stages walked
 * up, and walked back down on failure and at exit; only main prints and exits. A process lives one
 * of three lives, and passes the stages that belong to it:
 *
 *   hvm    the device model of an HVM guest, or of the peer of a socket
 *   xenpv  serves PV devices alone: for PV and PVH guests, and started by `xl devd`
 *   probe  answers libxl's questions about the program, without touching Xen
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "argv.h"
#include "backends.h"
#include "chars.h"
#include "config.h"
#include "core/bits.h"
#include "core/log.h"
#include "depriv.h"
#include "image.h"
#include "keymap.h"
#include "loop.h"
#include "machine.h"
#include "nics.h"
#include "ports.h"
#include "qmp.h"
#include "save.h"
#include "sock.h"
#include "tls.h"
#include "vnc.h"
#include "xen.h"
#include "xen_pv.h"
#include "xen_store.h"

enum life { LIFE_HVM = 1, LIFE_XENPV = 2, LIFE_PROBE = 4, LIFE_ANY = 7 };

struct run {
    enum life life;
    int argc;
    char **argv;
    struct config *config;
    struct loop *loop;
    struct clock *clock;
    struct xen_store *store; /* NULL: not on Xen */
    struct pv *pv;           /* NULL: not on Xen, or restricted */
    struct chars *qtest;     /* NULL: on Xen */
    bool host_resets;        /* inside a reset that the monitor asked for */
    struct engine *engine;
    struct machine *machine;   /* NULL but in the hvm life */
    struct backends *backends; /* those of the xenpv life */
    struct vnc *vnc; /* NULL: -vnc none, or none at all */
    struct qmp *qmp;
    char why[512];
};

/* One line, one write: two writers of one log file never mix. */
static void log_line(enum log_level level, const char *line) {
    static const char *const names[] = {"error: ", "warning: ", "", "debug: "};
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    char text[1200];
    int n = snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ hvm-dm: %s%s\n",
                     tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                     tm.tm_sec, now.tv_nsec / 1000000, names[level], line);
    if (write(STDERR_FILENO, text, MIN((size_t)n, sizeof(text) - 1)) < 0)
        return; /* nobody is left to tell */
}

/* ---- the stages ---- */

static bool config_up(struct run *run) {
    run->config = argv_parse(run->argc, (const char *const *)run->argv, run->why,
                             sizeof(run->why));
    if (!run->config)
        return false;
    enum config_machine machine = run->config->machine;
    run->life = machine == MACHINE_NONE    ? LIFE_PROBE
                : machine == MACHINE_XENPV ? LIFE_XENPV
                                           : LIFE_HVM;
    return true;
}

static void config_down(struct run *run) {
    config_free(run->config);
}

static void asked_to_end(void *arg, int signo) {
    (void)signo;
    struct run *run = arg;
    loop_stop(run->loop);
}

static bool loop_up(struct run *run) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* under dm_restrict a write to a file may hit RLIMIT_FSIZE: EFBIG */
    run->loop = loop_new();
    if (!run->loop) {
        snprintf(run->why, sizeof(run->why), "no event loop: %s", strerror(errno));
        return false;
    }
    static const int ends[] = {SIGHUP, SIGTERM, SIGINT};
    for (unsigned i = 0; i < ARRAY_LEN(ends); i++)
        loop_signal(run->loop, ends[i], asked_to_end, run);
    return true;
}

static void loop_down(struct run *run) {
    if (run->loop)
        loop_free(run->loop);
}

/* ---- the socket engine: its peer is CPU, memory and clock ---- */

static void peer_closed(void *arg) {
    struct run *run = arg;
    loop_stop(run->loop);
}

static void guest_reset(void *arg, enum engine_shutdown how) {
    struct run *run = arg;
    if (how == ENGINE_REBOOT && !run->host_resets)
        qmp_event(run->qmp, "RESET", "{\"guest\":true,\"reason\":\"guest-reset\"}");
}

static bool sock_up(struct run *run) {
    run->qtest = ports_open(run->loop, run->config->qtest, run->why, sizeof(run->why));
    if (!run->qtest)
        return false;
    run->engine = sock_engine_new(run->qtest, run->config->ram, machine_low_ram(run->config),
                                  run->why, sizeof(run->why));
    if (!run->engine)
        return false;
    run->clock = sock_engine_clock(run->engine);
    return true;
}

static bool on_xen(const struct run *run) {
    return run->config->accel != ACCEL_QTEST;
}

static bool store_up(struct run *run) {
    if (!on_xen(run))
        return true;
    run->store = xen_store_open(run->loop, run->why, sizeof(run->why));
    return run->store != NULL;
}

static void store_down(struct run *run) {
    if (run->pv)
        xen_pv_free(run->pv);
    if (run->store)
        xen_store_close(run->store);
}

static bool xen_up(struct run *run) {
    const struct config *config = run->config;
    run->clock = clock_new(loop_monotonic, NULL);
    run->engine = xen_engine_new(run->loop, (unsigned)config->domid, config->max_cpus,
                                 config->incoming != NULL, run->why, sizeof(run->why));
    return run->engine != NULL;
}

static bool engine_up(struct run *run) {
    return on_xen(run) ? xen_up(run) : sock_up(run);
}

static void engine_down(struct run *run) {
    bool own_clock = run->clock && !run->qtest;
    if (run->engine)
        run->engine->ops->free(run->engine);
    if (run->qtest)
        chars_free(run->qtest);
    if (own_clock)
        clock_free(run->clock);
}

static bool machine_up(struct run *run) {
    char *firmware =
        run->store ? xen_store_read(run->store, "/local/domain/%d/hvmloader/bios",
                                    run->config->domid)
                   : NULL;
    run->machine = machine_new(run->config, run->engine, run->loop, run->clock, firmware, run->why,
                               sizeof(run->why));
    free(firmware);
    return run->machine != NULL;
}

static void machine_down(struct run *run) {
    if (run->machine)
        machine_free(run->machine);
}

static struct vnc *open_vnc(struct run *run, const struct config_vnc *v) {
    enum { DISPLAY_0 = 5900 };
    struct vnc_listen listen = {
        .host = v->host, .path = v->path, .port = DISPLAY_0 + v->display,
        .to_port = DISPLAY_0 + v->to, .password = v->password, .websocket = v->websocket,
        .web_host = v->web_host, .web_port = v->web_port,
        .keymap = keymap_find(run->config->keymap),
        .share = v->share == SHARE_FORCED    ? VNC_SHARE_FORCED
                 : v->share == SHARE_IGNORED ? VNC_SHARE_IGNORED
                                             : VNC_SHARE_EXCLUSIVE};
    struct tls_options tls;
    if (v->tls) {
        tls = (struct tls_options){.anonymous = v->tls->anonymous, .dir = v->tls->dir,
                                   .verify_peer = v->tls->verify_peer,
                                   .priority = v->tls->priority};
        listen.tls = &tls;
    }
    return vnc_open(run->loop, &listen, run->why, sizeof(run->why));
}

/* Listens before libxl asks for the port; viewers are let in at once. */
static bool vnc_up(struct run *run) {
    const struct config *config = run->config;
    for (unsigned i = 0; i < config->vnc_count; i++) {
        const struct config_vnc *v = &config->vncs[i];
        if (v->none)
            continue;
        if (run->vnc) {
            snprintf(run->why, sizeof(run->why), "-vnc %s: one VNC server is all there is",
                     v->opts->text);
            return false;
        }
        run->vnc = open_vnc(run, v);
        if (!run->vnc)
            return false;
        vnc_attach(run->vnc, run->machine->display, run->machine->input,
                   *config->name ? config->name : "hvm-dm");
        if (*config->keymap && !keymap_find(config->keymap))
            log_warn("-k %s (keymap=): there is no such layout; viewers that send key codes need "
                     "none, the keys of others are taken for those of a US keyboard",
                     config->keymap);
    }
    return true;
}

static void vnc_down(struct run *run) {
    vnc_close(run->vnc);
}

/* ---- what the monitors ask of us ---- */

static struct block *open_image(struct machine *machine, const struct qmp_image *image, char *why,
                                size_t why_len) {
    struct image_options options = {.format = *image->format ? image->format : NULL,
                                    .read_only = image->read_only};
    if (image->fd >= 0)
        return image_open_fd(machine->loop, image->fd, image->filename, &options, why, why_len);
    return image_open(machine->loop, image->filename, &options, why, why_len);
}

static void quit(void *arg) {
    struct run *run = arg;
    loop_stop(run->loop);
}

/* The monitor tells of this one itself. */
static void host_reset(struct machine *machine) {
    struct run *run = machine->lifecycle;
    run->host_resets = true;
    machine_ask_reset(machine);
    run->host_resets = false;
}

static bool dirty_log(void *arg, bool enable, char *why, size_t why_len) {
    (void)why;
    (void)why_len;
    struct run *run = arg;
    if (run->store)
        xen_engine_log_dirty(run->engine, enable);
    return true;
}

/* What Xen has kept for us of the guest's writes may still do something; and Xen has to know the
 * pages that all this wrote before the last of the guest's memory goes. */
static bool save(void *arg, int fd, bool live, char *why, size_t why_len) {
    (void)live; /* either way nothing is written to an image afterwards, unless the guest goes on */
    struct run *run = arg;
    if (run->store)
        xen_engine_flush(run->engine);
    bool ok = save_machine(run->machine, fd, why, why_len);
    if (run->store)
        xen_engine_flush(run->engine);
    return ok;
}

static bool load(void *arg, int fd, char *why, size_t why_len) {
    struct run *run = arg;
    if (run->machine->state == RUN_RUNNING) {
        snprintf(why, why_len, "the machine is running: \"stop\" comes first");
        return false;
    }
    machine_reset(run->machine);
    return save_load(run->machine, fd, why, why_len);
}

static bool vnc_tell(void *arg, struct qmp_vnc *vnc) {
    struct run *run = arg;
    struct vnc_info info;
    if (!run->vnc)
        return false;
    vnc_query(run->vnc, &info);
    *vnc = (struct qmp_vnc){
        .at = {info.at.host, info.at.service, info.at.family, false},
        .web = {info.web.host, info.web.service, info.web.family, true},
        .password = info.password, .tls = info.tls, .anonymous = info.anonymous,
        .websocket = info.websocket};
    return true;
}

static bool vnc_peer(void *arg, unsigned n, struct qmp_vnc_at *at, char bytes[QMP_VNC_PEER]) {
    struct run *run = arg;
    struct vnc_peer peer;
    if (!run->vnc || !vnc_query_client(run->vnc, n, &peer))
        return false;
    int len = snprintf(bytes, QMP_VNC_PEER, "%s", peer.host) + 1;
    snprintf(bytes + len, QMP_VNC_PEER - (size_t)len, "%s", peer.service);
    *at = (struct qmp_vnc_at){bytes, bytes + len, peer.family, peer.websocket};
    return true;
}

static bool vnc_password(void *arg, const char *password, char *why, size_t why_len) {
    struct run *run = arg;
    if (run->vnc)
        return vnc_set_password(run->vnc, password, why, why_len);
    snprintf(why, why_len, "there is no VNC server (-vnc)");
    return false;
}

static bool vnc_expire(void *arg, int64_t when, char *why, size_t why_len) {
    struct run *run = arg;
    if (run->vnc)
        return vnc_expire_password(run->vnc, when, why, why_len);
    snprintf(why, why_len, "there is no VNC server (-vnc)");
    return false;
}

static const struct qmp_ops qmp_ops = {
    .run = machine_cont, .pause = machine_pause, .reset = host_reset,
    .power_button = machine_power_button, .wakeup = machine_wakeup,
    .plug_cpu = machine_plug_cpu, .cpu_online = machine_cpu_online, .plug = machine_plug,
    .unplug = machine_unplug, .open_image = open_image, .set_link = nics_set_link,
    .netdev_add = nics_add_netdev, .netdev_del = nics_del_netdev, .is_card = nics_is_model,
    .plug_card = nics_plug, .eject_card = nics_ask_eject, .print_net = nics_print, .quit = quit,
    .save = save, .load = load, .dirty_log = dirty_log, .vnc = vnc_tell, .vnc_peer = vnc_peer,
    .vnc_password = vnc_password, .vnc_expire = vnc_expire,
};

static bool qmp_up(struct run *run) {
    run->qmp = qmp_open(run->loop, run->machine, run->config, &qmp_ops, run, run->why,
                        sizeof(run->why));
    return run->qmp != NULL;
}

static void qmp_down(struct run *run) {
    if (run->qmp)
        qmp_free(run->qmp);
}

static bool depriv_up(struct run *run) {
    if (run->config->domid_restrict && run->engine &&
        !xen_engine_restrict(run->engine, run->why, sizeof(run->why)))
        return false;
    return depriv(run->config, run->why, sizeof(run->why));
}

/* ---- guest data is not touched above this line ---- */

static bool load_up(struct run *run) {
    if (!run->config->incoming)
        return true;
    int fd = run->config->incoming_fd;
    if (fd < 0) {
        snprintf(run->why, sizeof(run->why),
                 "-incoming %s: the toolstack could not open the saved machine",
                 run->config->incoming);
        return false;
    }
    bool ok = save_load(run->machine, fd, run->why, sizeof(run->why));
    close(fd);
    return ok;
}

/* libxl waits for exactly this value; under dm_restrict it asks query-status instead. */
static void publish_running(struct run *run) {
    if (!xen_store_write(run->store, "running", "device-model/%d/state", run->config->domid) &&
        !run->config->domid_restrict)
        log_error("xenstore device-model/%d/state can't be written (%s): the toolstack gives up",
                  run->config->domid, strerror(errno));
}

static void state_changed(struct machine *machine) {
    struct run *run = machine->lifecycle;
    if ((machine->state == RUN_RUNNING || machine->state == RUN_SUSPENDED) && run->store)
        publish_running(run);
    qmp_state_changed(run->qmp);
    if (machine->state == RUN_SHUTDOWN && !run->config->no_shutdown)
        loop_stop(run->loop);
}

static void device_deleted(struct machine *machine, const char *id) {
    struct run *run = machine->lifecycle;
    char data[256];
    if (strpbrk(id, "\"\\")) /* a name that has to be escaped: nobody waits for it */
        return;
    snprintf(data, sizeof(data),
             "{\"device\":\"%.64s\",\"path\":\"/machine/peripheral/%.64s\"}", id, id);
    qmp_event(run->qmp, "DEVICE_DELETED", data);
}

static bool run_up(struct run *run) {
    run->machine->lifecycle = run;
    run->machine->state_changed = state_changed;
    run->machine->device_deleted = device_deleted;
    if (!run->config->incoming)
        machine_prepare(run->machine);
    if (run->store && !run->config->domid_restrict) {
        run->pv = xen_pv_new(run->loop, run->store, (unsigned)run->config->domid);
        machine_serve_pv(run->machine, run->pv);
    }
    if (run->store && !xen_engine_start(run->engine, run->why, sizeof(run->why)))
        return false;
    const struct config *config = run->config;
    log_info("hvm-dm 0.1.0 serves %s%s%s, %u of %u vCPUs, %llu MiB",
             run->store ? "the domain" : "the socket", *config->name ? " " : "", config->name,
             config->cpus, config->max_cpus, (unsigned long long)(config->ram >> 20));
    if (!run->config->paused)
        machine_run(run->machine);
    if (run->qtest)
        sock_engine_start(run->engine, &(struct sock_events){
            .arg = run, .shutdown = guest_reset, .closed = peer_closed});
    return true;
}

/* ---- PV devices alone ---- */

static bool xenpv_up(struct run *run) {
    const struct config *config = run->config;
    if (!on_xen(run) || config->domid_restrict) {
        snprintf(run->why, sizeof(run->why), "-machine xenpv%s: PV devices need all of Xen",
                 config->domid_restrict ? ", -xen-domid-restrict" : ", accel=qtest");
        return false;
    }
    run->clock = clock_new(loop_monotonic, NULL);
    run->pv = xen_pv_new(run->loop, run->store, (unsigned)config->domid);
    run->backends = backends_new(run->loop, run->clock, run->pv, NULL);
    log_info("hvm-dm 0.1.0 serves the PV devices of domain %d%s%s", config->domid,
             *config->name ? " " : "", config->name);
    publish_running(run);
    return true;
}

static void xenpv_down(struct run *run) {
    image_leaving(true);
    backends_free(run->backends);
    if (run->clock)
        clock_free(run->clock);
}

static const struct stage {
    unsigned lives;
    bool (*up)(struct run *run); /* false: run->why is a sentence */
    void (*down)(struct run *run); /* also after its own `up` failed halfway */
} stages[] = {
    {LIFE_ANY, config_up, config_down},
    {LIFE_ANY, loop_up, loop_down},
    {LIFE_HVM | LIFE_XENPV, store_up, store_down},
    {LIFE_HVM, engine_up, engine_down},
    {LIFE_HVM, machine_up, machine_down},
    {LIFE_HVM, vnc_up, vnc_down},
    {LIFE_ANY, qmp_up, qmp_down},
    {LIFE_ANY, depriv_up, NULL},
    {LIFE_HVM, load_up, NULL},
    {LIFE_HVM, run_up, NULL},
    {LIFE_XENPV, xenpv_up, xenpv_down},
};

static bool walk_up(struct run *run, unsigned *up) {
    while (*up < ARRAY_LEN(stages)) {
        const struct stage *stage = &stages[(*up)++];
        if (stage->lives & run->life && !stage->up(run))
            return false;
    }
    return true;
}

static void walk_down(struct run *run, unsigned up) {
    while (up-- > 0)
        if (stages[up].down && stages[up].lives & run->life)
            stages[up].down(run);
}

int main(int argc, char **argv) {
    const char *text;
    if (argv_asks(argc, (const char *const *)argv, &text)) {
        fputs(text, stdout);
        return 0;
    }
    log_to(log_line, LOG_LEVEL_INFO);
    struct run run = {.life = LIFE_ANY, .argc = argc, .argv = argv};
    unsigned up = 0;
    bool ok = walk_up(&run, &up);
    if (ok)
        loop_run(run.loop, run.config->accel == ACCEL_QTEST ? NULL : run.clock);
    else
        log_error("%s", run.why);
    walk_down(&run, up);
    return ok ? 0 : 1;
}
