/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors that clients hand over, in numbered sets that file names of the form /dev/fdset/N
 * refer to; and the machine's state, which libxl has saved through one. Sets go when no client is
 * left: what was opened from them has its own descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "internal.h"

enum { FDSETS_MAX = 256 };

/* One descriptor; several may have the same set. */
struct fdset {
    int64_t id;
    int fd;
    char *opaque; /* or NULL */
    struct fdset *next;
};

static void free_entry(struct fdset *entry) {
    close(entry->fd);
    free(entry->opaque);
    mem_free(entry);
}

void fdsets_free(struct qmp *qmp) {
    while (qmp->fdsets) {
        struct fdset *entry = qmp->fdsets;
        qmp->fdsets = entry->next;
        free_entry(entry);
    }
}

static struct fdset *find_set(struct qmp *qmp, int64_t id) {
    for (struct fdset *e = qmp->fdsets; e; e = e->next)
        if (e->id == id)
            return e;
    return NULL;
}

static unsigned count_fds(const struct qmp *qmp) {
    unsigned n = 0;
    for (const struct fdset *e = qmp->fdsets; e; e = e->next)
        n++;
    return n;
}

static struct json_object *cmd_add_fd(struct call *call) {
    int64_t id = arg_int(call, "fdset-id", -1);
    const char *opaque = arg_text(call, "opaque");
    int fd = session_take_fd(call->session);
    if (fd < 0)
        return call_fail(call, GENERIC_ERROR, "add-fd: no descriptor came with the message");
    bool given = arg_get(call, "fdset-id");
    if ((given && id < 0) || count_fds(call->qmp) >= FDSETS_MAX) {
        close(fd);
        return call_fail(call, GENERIC_ERROR, given && id < 0
                         ? "add-fd: fdset-id must not be negative"
                         : "add-fd: there are 256 descriptors already");
    }
    for (id = given ? id : 0; !given && find_set(call->qmp, id);)
        id++;
    struct fdset *entry = mem_new(sizeof(*entry));
    *entry = (struct fdset){id, fd, opaque ? strdup(opaque) : NULL, call->qmp->fdsets};
    call->qmp->fdsets = entry;
    struct json_object *info = json_object_new_object();
    j_add_int(info, "fdset-id", id);
    j_add_int(info, "fd", fd);
    return info;
}

static struct json_object *cmd_remove_fd(struct call *call) {
    int64_t id = arg_int(call, "fdset-id", -1), fd = arg_int(call, "fd", -1);
    bool found = false;
    for (struct fdset **e = &call->qmp->fdsets; *e;) {
        struct fdset *entry = *e;
        if (entry->id != id || (fd >= 0 && entry->fd != fd)) {
            e = &entry->next;
            continue;
        }
        *e = entry->next;
        free_entry(entry);
        found = true;
    }
    if (!found)
        return call_fail(call, GENERIC_ERROR, "remove-fd: there is no such descriptor in set %lld",
                         (long long)id);
    return NULL;
}

static struct json_object *set_info(struct qmp *qmp, int64_t id) {
    struct json_object *info = json_object_new_object(), *fds = json_object_new_array();
    for (const struct fdset *e = qmp->fdsets; e; e = e->next) {
        if (e->id != id)
            continue;
        struct json_object *entry = json_object_new_object();
        j_add_int(entry, "fd", e->fd);
        if (e->opaque)
            j_add_text(entry, "opaque", e->opaque);
        json_object_array_add(fds, entry);
    }
    j_add_int(info, "fdset-id", id);
    j_add(info, "fds", fds);
    return info;
}

static struct json_object *cmd_query_fdsets(struct call *call) {
    struct json_object *list = json_object_new_array();
    for (struct fdset *e = call->qmp->fdsets; e; e = e->next)
        if (find_set(call->qmp, e->id) == e)
            json_object_array_add(list, set_info(call->qmp, e->id));
    return list;
}

bool is_fdset(const char *filename) {
    return !strncmp(filename, "/dev/fdset/", 11);
}

/* Does the descriptor allow what `flags` ask for? */
static bool can(int fd, int flags) {
    int has = fcntl(fd, F_GETFL);
    if (has < 0)
        return false;
    return (has & O_ACCMODE) == O_RDWR || (has & O_ACCMODE) == (flags & O_ACCMODE);
}

static struct fdset *set_of_name(struct qmp *qmp, const char *filename, int flags) {
    char *end;
    errno = 0;
    long long id = strtoll(filename + 11, &end, 10);
    if (end == filename + 11 || *end || errno)
        return NULL;
    for (struct fdset *e = qmp->fdsets; e; e = e->next)
        if (e->id == id && can(e->fd, flags))
            return e;
    return NULL;
}

const char *fdset_name(struct qmp *qmp, const char *filename) {
    struct fdset *entry = set_of_name(qmp, filename, O_RDONLY);
    return entry ? entry->opaque : NULL;
}

int open_file(struct call *call, const char *filename, int flags) {
    int fd;
    if (is_fdset(filename)) {
        struct fdset *entry = set_of_name(call->qmp, filename, flags);
        if (!entry) {
            call_fail(call, GENERIC_ERROR, "%.64s: there is no such set with a descriptor for %s",
                      filename, (flags & O_ACCMODE) == O_RDONLY ? "reading" : "writing");
            return -1;
        }
        fd = fcntl(entry->fd, F_DUPFD_CLOEXEC, 0);
    } else {
        fd = open(filename, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600); /* a FIFO: no wait */
    }
    if (fd < 0)
        call_fail(call, GENERIC_ERROR, "%.256s: %s", filename, strerror(errno));
    return fd;
}

/* libxl ships the file at its size and doesn't empty it before. */
static struct json_object *cmd_save(struct call *call) {
    struct qmp *qmp = call->qmp;
    const char *filename = arg_text(call, "filename");
    char why[384] = "saving is not implemented yet";
    if (qmp->machine->state == RUN_RUNNING && qmp->ops->pause)
        qmp->ops->pause(qmp->machine);
    int fd = open_file(call, filename, O_WRONLY | O_CREAT);
    if (fd < 0)
        return NULL;
    bool saved = false;
    if (ftruncate(fd, 0) && errno != EINVAL)
        snprintf(why, sizeof(why), "%s", strerror(errno));
    else if (qmp->ops->save)
        saved = qmp->ops->save(qmp->arg, fd, arg_bool(call, "live", true), why, sizeof(why));
    close(fd);
    return saved ? NULL : call_fail(call, GENERIC_ERROR, "%.64s: %s", filename, why);
}

static struct json_object *cmd_load(struct call *call) {
    const struct qmp_ops *ops = call->qmp->ops;
    const char *filename = arg_text(call, "filename");
    char why[384] = "loading by command is not implemented yet";
    int fd = open_file(call, filename, O_RDONLY);
    if (fd < 0)
        return NULL;
    bool loaded = ops->load && ops->load(call->qmp->arg, fd, why, sizeof(why));
    close(fd);
    return loaded ? NULL : call_fail(call, GENERIC_ERROR, "%.64s: %s", filename, why);
}

static struct json_object *cmd_dirty_log(struct call *call) {
    const struct qmp_ops *ops = call->qmp->ops;
    char why[256] = "migrating a running guest is not implemented yet";
    if (!ops->dirty_log ||
        !ops->dirty_log(call->qmp->arg, arg_bool(call, "enable", false), why, sizeof(why)))
        return call_fail(call, GENERIC_ERROR, "xen-set-global-dirty-log: %s", why);
    return NULL;
}

const struct command fd_commands[] = {
    {"add-fd", "?fdset-id:i,?opaque:s", CMD_BARE, cmd_add_fd},
    {"remove-fd", "fdset-id:i,?fd:i", CMD_BARE, cmd_remove_fd},
    {"query-fdsets", NULL, CMD_BARE, cmd_query_fdsets},
    {"xen-save-devices-state", "filename:s,?live:b", 0, cmd_save},
    {"xen-load-devices-state", "filename:s", 0, cmd_load},
    {"xen-set-global-dirty-log", "enable:b", 0, cmd_dirty_log},
    {NULL, NULL, 0, NULL},
};
