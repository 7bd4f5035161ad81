/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pseudo-terminal. While nobody has its slave open the master would report a hang-up for ever, so
 * it is not watched then; inotify says when somebody opens the slave. Hosts that are out of inotify
 * instances look once a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#include "chars_stream.h"
#include "core/bits.h"
#include "core/log.h"

struct pty {
    struct stream stream;
    int master;           /* the stream has duplicates of it while somebody is there */
    struct loop_fd opens; /* inotify or timer */
};

static struct pty *pty_of(struct stream *stream) {
    return CONTAINER_OF(stream, struct pty, stream);
}

static bool somebody_there(const struct pty *p) {
    struct pollfd fd = {p->master, POLLIN, 0};
    return poll(&fd, 1, 0) < 0 || !(fd.revents & POLLHUP);
}

static void look(struct pty *p) {
    if (p->stream.chars.open || !somebody_there(p))
        return;
    int fd = fcntl(p->master, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0)
        stream_attach(&p->stream, fd, fd);
}

static void opens_ready(void *arg, unsigned events) {
    struct pty *p = arg;
    char drain[4096];
    (void)events;
    ssize_t n = read(p->opens.fd, drain, sizeof(drain));
    (void)n; /* how often does not matter */
    look(p);
}

/* Somebody may have come again between the hang-up and now, before inotify's word is read. */
static void lost(struct stream *stream) {
    look(pty_of(stream));
}

static void pty_free(struct chars *chars) {
    struct pty *p = pty_of(STREAM(chars));
    chars->user = (struct chars_user){0};
    p->stream.lost = NULL;
    stream_detach(&p->stream);
    loop_remove(p->stream.loop, &p->opens);
    if (p->opens.fd >= 0)
        close(p->opens.fd);
    if (p->master >= 0)
        close(p->master);
    free(p);
}

static const struct chars_ops pty_ops = {stream_write, stream_accept, pty_free};

static int watch(const char *slave) {
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd >= 0 && inotify_add_watch(fd, slave, IN_OPEN) >= 0)
        return fd;
    if (fd >= 0)
        close(fd);
    fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct itimerspec second = {{1, 0}, {1, 0}};
    if (fd >= 0)
        timerfd_settime(fd, 0, &second, NULL);
    return fd;
}

/* A slave that was never opened counts as open for the master: open and close it once. */
static bool prepare_slave(struct pty *p, char *slave, size_t len) {
    if (grantpt(p->master) || unlockpt(p->master) || ptsname_r(p->master, slave, len))
        return false;
    int fd = open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct termios tty;
    bool ok = !tcgetattr(fd, &tty);
    cfmakeraw(&tty);
    ok = ok && !tcsetattr(fd, TCSANOW, &tty);
    close(fd);
    return ok;
}

struct chars *chars_pty_open(struct loop *loop, const struct chars_spec *spec, char *why,
                             size_t why_len) {
    struct pty *p = calloc(1, sizeof(*p));
    char slave[128] = "";
    if (!p) {
        snprintf(why, why_len, "%s: pty: %s", spec->id, strerror(ENOMEM));
        return NULL;
    }
    stream_init(&p->stream, loop, &pty_ops, spec, "pty");
    p->stream.lost = lost;
    p->opens = (struct loop_fd){
        .fd = -1, .ready = opens_ready, .arg = p, .events = LOOP_READ};
    p->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (p->master < 0 || !prepare_slave(p, slave, sizeof(slave)) ||
        (p->opens.fd = watch(slave)) < 0 || !loop_add(loop, &p->opens)) {
        snprintf(why, why_len, "%s: pty: %s", spec->id, strerror(errno));
        pty_free(&p->stream.chars);
        return NULL;
    }
    snprintf(p->stream.filename, sizeof(p->stream.filename), "pty:%s", slave);
    log_info("%s is %s", spec->id, slave);
    return &p->stream.chars;
}
