/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the monitor share: a session (one client's conversation, no socket in it), a
 * call (one command in it), and the table of commands.
 */
#ifndef QMP_INTERNAL_H
#define QMP_INTERNAL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/clock.h"
#include "frame.h"
#include "machine.h"
#include "qmp.h"

enum { SESSION_FDS = 16 };

struct session {
    struct qmp *qmp;
    struct frame frame;
    bool negotiated;      /* qmp_capabilities was said */
    bool oob;             /* ... with oob */
    bool wants_events;
    int fds[SESSION_FDS]; /* received with messages and not yet taken by add-fd, oldest first */
    unsigned fd_count;
    char *out;            /* to be sent */
    size_t out_len, out_room;
};

struct fdset;
struct monitor;
struct keys;

struct qmp {
    struct loop *loop;
    struct machine *machine; /* NULL: none */
    const struct config *config;
    const struct qmp_ops *ops;
    void *arg;
    struct monitor *monitors;
    struct fdset *fdsets;
    struct keys *keys;      /* made by the first send-key */
    enum run_state last_state;
    bool busy; /* inside a command, which may turn the loop */
};

enum error_class { GENERIC_ERROR, COMMAND_NOT_FOUND, DEVICE_NOT_ACTIVE, DEVICE_NOT_FOUND };

struct call {
    struct qmp *qmp;
    struct session *session;
    struct json_object *args; /* checked against the command's list; NULL when none were given */
    bool failed;
    enum error_class class_;
    char why[512];
};

struct command {
    const char *name;
    /*
     * "id:s,?force:b": name and type of each argument (s string, i integer, b boolean, o object,
     * a array), ? before those that may be absent; "*" at the end allows any others.
     */
    const char *args;
    unsigned flags;
    /* The value of "return", owned by the caller; NULL is {} or, after call_fail, an error. */
    struct json_object *(*run)(struct call *call);
};

enum {
    CMD_EARLY = 1, /* allowed before qmp_capabilities, and only there */
    CMD_BARE = 2,  /* needs no machine */
};

extern const struct command *const command_tables[]; /* NULL at the end; each ends with no name */

/* monitor.c */
void qmp_leave(struct qmp *qmp); /* a command is over: monitors that had to wait go on */
void qmp_last_client_left(struct qmp *qmp);

/* session.c */
void session_init(struct session *session, struct qmp *qmp, bool wants_events);
void session_free(struct session *session);
void session_greet(struct session *session);
/* What the client sent; answers are in `out` afterwards. */
void session_input(struct session *session, const char *bytes, size_t n);
void session_add_fd(struct session *session, int fd); /* takes it */
int session_take_fd(struct session *session);         /* or -1 */
void session_send(struct session *session, struct json_object *object); /* takes it */
void session_sent(struct session *session, size_t n); /* that much of `out` is gone */

/* dispatch.c */
struct json_object *dispatch(struct session *session, const char *text, size_t len); /* the reply */
struct json_object *error_reply(enum error_class class_, const char *why);
/* Runs a command by name, as hmp.c does; `args` is taken. The call says whether it failed. */
struct json_object *call_command(struct call *call, const char *name, struct json_object *args);
struct json_object *cmd_query_commands(struct call *call);

struct json_object *call_fail(struct call *call, enum error_class class_, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))); /* always NULL */
const char *arg_text(const struct call *call, const char *name); /* NULL: absent */
int64_t arg_int(const struct call *call, const char *name, int64_t otherwise);
bool arg_bool(const struct call *call, const char *name, bool otherwise);
struct json_object *arg_get(const struct call *call, const char *name);

/* Building answers. */
struct json_object *j_text(const char *text);
void j_add(struct json_object *object, const char *key, struct json_object *value);
void j_add_text(struct json_object *object, const char *key, const char *text);
void j_add_int(struct json_object *object, const char *key, int64_t value);
void j_add_bool(struct json_object *object, const char *key, bool value);

/* cmd_fd.c: a file to read or write, by path or /dev/fdset/N; -1 after call_fail. */
int open_file(struct call *call, const char *filename, int flags);
bool is_fdset(const char *filename);
const char *fdset_name(struct qmp *qmp, const char *filename); /* the opaque of its fd, or NULL */
void fdsets_free(struct qmp *qmp);

/* cmd_input.c */
void keys_free(struct qmp *qmp);

/* cmd_net.c: device_add and device_del of network cards. False: not ours to answer. */
bool plug_card(struct call *call);
bool eject_card(struct call *call);

/* keynames.c: KEY_* of a QKeyCode or of a PC scan code (0x80 added for those after 0xe0); 0:
 * none. */
unsigned key_by_name(const char *name);
unsigned key_by_number(int64_t number);

/* screendump.c: false: errno says why. */
bool write_ppm(int fd, const struct display *display);
bool write_png(int fd, const struct display *display);

extern const struct command machine_commands[], block_commands[], drive_commands[],
    query_commands[], input_commands[], fd_commands[], screen_commands[], hmp_commands[],
    vnc_commands[], net_commands[];

#endif
