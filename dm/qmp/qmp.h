/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine protocol's monitors: sockets on which libxl, xentop and people ask and command in
 * JSON. Each monitor of the config is one listening socket that serves one client at a time, or one
 * connection out. They listen as soon as qmp_open returns, before there is a machine. One thread.
 */
#ifndef QMP_QMP_H
#define QMP_QMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block;
struct config;
struct config_device;
struct loop;
struct machine;
struct qmp;

/* A medium to open: a file by name, or by descriptor, which is the callee's once it succeeded. */
struct qmp_image {
    const char *filename; /* for messages when fd >= 0 */
    int fd;
    const char *format; /* "raw", "qcow2", ...; "" when not said */
    bool read_only;
};

struct qmp_vnc_at {
    const char *host;    /* numeric, or a Unix socket's path */
    const char *service; /* the TCP port: "5901", or the path again */
    const char *family;  /* "ipv4", "ipv6" or "unix" */
    bool websocket;
};

struct qmp_vnc {
    struct qmp_vnc_at at, web; /* web: when `websocket` */
    bool password, tls, anonymous, websocket;
};

enum { QMP_VNC_PEER = 96 };

/*
 * What the monitors ask of others. Those that take a machine are machine.h's; `arg` is main's. One
 * that is NULL is answered as not implemented.
 */
struct qmp_ops {
    void (*run)(struct machine *machine);
    void (*pause)(struct machine *machine); /* afterwards nothing is in flight */
    void (*reset)(struct machine *machine); /* the reset button: under Xen a reboot of the domain */
    void (*power_button)(struct machine *machine);
    bool (*wakeup)(struct machine *machine);
    bool (*plug_cpu)(struct machine *machine, unsigned cpu);
    bool (*cpu_online)(const struct machine *machine, unsigned cpu);
    bool (*plug)(struct machine *machine, const struct config_device *device, char *why,
                 size_t why_len);
    bool (*unplug)(struct machine *machine, const char *id, char *why, size_t why_len);
    /* NULL: `why` is a sentence. */
    struct block *(*open_image)(struct machine *machine, const struct qmp_image *image, char *why,
                                size_t why_len);

    /* Network cards; the names and promises of nics.h. */
    bool (*set_link)(struct machine *machine, const char *name, bool up, char *why,
                     size_t why_len);
    bool (*netdev_add)(struct machine *machine, const char *json, char *why, size_t why_len);
    bool (*netdev_del)(struct machine *machine, const char *id, char *why, size_t why_len);
    bool (*is_card)(const char *driver);
    bool (*plug_card)(struct machine *machine, const char *json, char *why, size_t why_len);
    bool (*eject_card)(struct machine *machine, const char *id, bool *known, char *why,
                       size_t why_len);
    void (*print_net)(const struct machine *machine, void (*line)(void *arg, const char *text),
                      void *arg);

    void (*quit)(void *arg); /* the process ends after the reply is out */
    bool (*vnc)(void *arg, struct qmp_vnc *vnc); /* false: no VNC server */
    /* The nth viewer, with room for its texts; false: there is none. */
    bool (*vnc_peer)(void *arg, unsigned n, struct qmp_vnc_at *at, char bytes[QMP_VNC_PEER]);
    bool (*vnc_password)(void *arg, const char *password, char *why, size_t why_len);
    /* From when on it is good no more, in s of the epoch; INT64_MAX: never. */
    bool (*vnc_expire)(void *arg, int64_t when, char *why, size_t why_len);
    /* The machine is paused; fd is an empty file. `live`: the image goes on on another host. */
    bool (*save)(void *arg, int fd, bool live, char *why, size_t why_len);
    bool (*load)(void *arg, int fd, char *why, size_t why_len);
    bool (*dirty_log)(void *arg, bool enable, char *why, size_t why_len);
};

/* NULL: `why` says which socket could not be had. machine NULL: none yet, or ever (the probe). */
struct qmp *qmp_open(struct loop *loop, struct machine *machine, const struct config *config,
                     const struct qmp_ops *ops, void *arg, char *why, size_t why_len);
void qmp_machine(struct qmp *qmp, struct machine *machine); /* NULL before it is freed */
void qmp_free(struct qmp *qmp); /* hangs up, unlinks the sockets */

/*
 * An event to every client that listens: "RESET" with data as JSON text, or NULL. Never to xentop's
 * socket, whose client takes whatever arrives for its answer.
 */
void qmp_event(struct qmp *qmp, const char *name, const char *data);
/* From the machine's state_changed: STOP, RESUME, SUSPEND, WAKEUP, SHUTDOWN as the change says. */
void qmp_state_changed(struct qmp *qmp);

#endif
