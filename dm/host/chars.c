/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character backends: the choice, and those that are plain descriptors: null, stdio, file, pipe,
 * device. See chars.h.
 */
#include "chars.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "chars_stream.h"
#include "core/bits.h"
#include "core/log.h"

struct plain {
    struct stream stream;
    bool is_file, restore_tty;
    struct log_limit lost; /* writes that a file refused */
    struct termios tty;    /* stdin's, as it was */
    int dir;               /* PIPE: of the path, so that a reader may come later; or -1 */
    char out_name[256];    /* PIPE: in that directory; FILE: the path, for messages */
};

static struct plain *plain_of(struct chars *chars) {
    return CONTAINER_OF(STREAM(chars), struct plain, stream);
}

/* ---- null ---- */

static size_t null_write(struct chars *chars, const uint8_t *bytes, size_t n) {
    (void)chars, (void)bytes;
    return n;
}

/* ---- file ---- */

/* A file never says "later". What doesn't fit the disk or the limit is lost, and the log says
 * so. */
static size_t file_write(struct chars *chars, const uint8_t *bytes, size_t n) {
    struct plain *p = plain_of(chars);
    ssize_t took = write(p->stream.out.fd, bytes, n);
    if (took < 0 || (size_t)took < n)
        log_guest(&p->lost, "%s: output lost in %s: %s", p->stream.id, p->out_name,
                  took < 0 ? strerror(errno) : "only a part was written");
    return n;
}

/* ---- pipe ---- */

/* The end to write to exists only while somebody reads: otherwise the pipe would fill up for
 * good. */
static size_t pipe_write(struct chars *chars, const uint8_t *bytes, size_t n) {
    struct plain *p = plain_of(chars);
    struct stream *s = &p->stream;
    if (s->out.fd < 0) {
        s->out.fd = openat(p->dir, p->out_name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (s->out.fd < 0)
            return n;
        s->out.events = 0;
        loop_add(s->loop, &s->out);
    }
    ssize_t took = write(s->out.fd, bytes, n);
    if (took < 0 && errno == EPIPE) { /* the reader left */
        loop_remove(s->loop, &s->out);
        close(s->out.fd);
        s->out.fd = -1;
        return n;
    }
    if (took < 0)
        took = 0;
    if ((size_t)took < n) {
        s->wants_space = true;
        loop_change(s->loop, &s->out, LOOP_WRITE);
    }
    return (size_t)took;
}

/* ---- stdio ---- */

/* Standard output is shared with whoever started us, so it stays blocking: ask first. A little
 * always goes without blocking once poll has said so. */
static size_t stdio_write(struct chars *chars, const uint8_t *bytes, size_t n) {
    enum { A_LITTLE = 64 };
    struct stream *s = STREAM(chars);
    for (size_t done = 0; done < n;) {
        struct pollfd fd = {s->out.fd, POLLOUT, 0};
        if (poll(&fd, 1, 0) <= 0) {
            s->wants_space = true;
            loop_change(s->loop, &s->out, LOOP_WRITE);
            return done;
        }
        ssize_t took = write(s->out.fd, bytes + done, MIN(n - done, (size_t)A_LITTLE));
        if (took <= 0)
            return n;
        done += (size_t)took;
    }
    return n;
}

/* ---- life ---- */

static void plain_free(struct chars *chars) {
    struct plain *p = plain_of(chars);
    if (p->restore_tty)
        tcsetattr(p->stream.in.fd, TCSANOW, &p->tty);
    if (p->dir >= 0)
        close(p->dir);
    p->stream.chars.user = (struct chars_user){0};
    stream_detach(&p->stream);
    free(p);
}

static const struct chars_ops null_ops = {null_write, stream_accept, plain_free};
static const struct chars_ops file_ops = {file_write, stream_accept, plain_free};
static const struct chars_ops pipe_ops = {pipe_write, stream_accept, plain_free};
static const struct chars_ops stdio_ops = {stdio_write, stream_accept, plain_free};
static const struct chars_ops stream_ops = {stream_write, stream_accept, plain_free};

static struct plain *plain_new(struct loop *loop, const struct chars_spec *spec,
                               const struct chars_ops *ops, const char *filename) {
    struct plain *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->dir = -1;
    stream_init(&p->stream, loop, ops, spec, filename);
    return p;
}

static struct chars *refuse(struct plain *p, const struct chars_spec *spec, const char *path,
                            char *why, size_t why_len) {
    snprintf(why, why_len, "%s: %s: %s", spec->id, path, strerror(p ? errno : ENOMEM));
    if (p)
        plain_free(&p->stream.chars);
    return NULL;
}

/* Output only, so there is nothing to watch. */
static struct chars *file_open(struct loop *loop, const struct chars_spec *spec, char *why,
                               size_t why_len) {
    struct plain *p = plain_new(loop, spec, &file_ops, "file");
    if (!p)
        return refuse(p, spec, spec->path, why, why_len);
    p->stream.out.fd = open(spec->path,
                            O_WRONLY | O_CREAT | O_CLOEXEC | (spec->append ? O_APPEND : O_TRUNC),
                            0666);
    if (p->stream.out.fd < 0)
        return refuse(p, spec, spec->path, why, why_len);
    snprintf(p->out_name, sizeof(p->out_name), "%s", spec->path);
    p->stream.chars.open = true;
    return &p->stream.chars;
}

static void make_raw(int fd) {
    struct termios tty;
    if (tcgetattr(fd, &tty))
        return;
    cfmakeraw(&tty);
    tty.c_cflag |= CLOCAL | CREAD;
    tcsetattr(fd, TCSANOW, &tty);
}

static struct chars *device_open(struct loop *loop, const struct chars_spec *spec, char *why,
                                 size_t why_len) {
    struct plain *p = plain_new(loop, spec, &stream_ops, "serial");
    if (!p)
        return refuse(p, spec, spec->path, why, why_len);
    int fd = open(spec->path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return refuse(p, spec, spec->path, why, why_len);
    struct stat st;
    if (fstat(fd, &st) || !S_ISCHR(st.st_mode)) {
        close(fd);
        errno = ENOTTY;
        return refuse(p, spec, spec->path, why, why_len);
    }
    make_raw(fd);
    if (!stream_attach(&p->stream, fd, fd))
        return refuse(p, spec, spec->path, why, why_len);
    return &p->stream.chars;
}

/* The way in is opened both ways, so that a writer who leaves is no end of file. Without a path.in
 * the one pipe is the way out. */
static struct chars *pipe_open(struct loop *loop, const struct chars_spec *spec, char *why,
                               size_t why_len) {
    struct plain *p = plain_new(loop, spec, &pipe_ops, "pipe");
    if (!p)
        return refuse(p, spec, spec->path, why, why_len);
    char path[4096], dir[4096];
    snprintf(path, sizeof(path), "%s.in", spec->path);
    bool two = !access(path, F_OK);
    int in = two ? open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
    if (two && in < 0)
        return refuse(p, spec, path, why, why_len);
    snprintf(dir, sizeof(dir), "%s", spec->path);
    char *slash = strrchr(dir, '/');
    int len = snprintf(p->out_name, sizeof(p->out_name), "%s%s", slash ? slash + 1 : dir,
                       two ? ".out" : "");
    if (slash)
        slash[1] = 0;
    p->dir = open(slash ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (p->dir < 0 || len >= (int)sizeof(p->out_name) ||
        fstatat(p->dir, p->out_name, &st, 0)) {
        if (in >= 0)
            close(in);
        return refuse(p, spec, spec->path, why, why_len);
    }
    if (!stream_attach(&p->stream, in, -1))
        return refuse(p, spec, spec->path, why, why_len);
    return &p->stream.chars;
}

/* Ctrl-C and its like keep their meaning for whoever sits there. */
static struct chars *stdio_open(struct loop *loop, const struct chars_spec *spec, char *why,
                                size_t why_len) {
    struct plain *p = plain_new(loop, spec, &stdio_ops, "stdio");
    if (!p)
        return refuse(p, spec, "stdio", why, why_len);
    if (!tcgetattr(STDIN_FILENO, &p->tty)) {
        struct termios raw = p->tty;
        cfmakeraw(&raw);
        raw.c_oflag |= OPOST;
        raw.c_lflag |= ISIG;
        p->restore_tty = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    struct stream *s = &p->stream;
    s->in.fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    s->out.fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    s->in.events = s->in.fd >= 0 ? LOOP_READ : 0;
    s->in_ends_alone = true;
    loop_add(loop, &s->in); /* not /dev/null or a file: nothing will come from there */
    loop_add(loop, &s->out);
    s->chars.open = true;
    return &s->chars;
}

static struct chars *null_open(struct loop *loop, const struct chars_spec *spec, char *why,
                               size_t why_len) {
    struct plain *p = plain_new(loop, spec, &null_ops, "null");
    return p ? &p->stream.chars : refuse(p, spec, "null", why, why_len);
}

struct chars *chars_open(struct loop *loop, const struct chars_spec *spec, char *why,
                         size_t why_len) {
    if (spec->mux) {
        snprintf(why, why_len, "%s: mon: a line shared with the human monitor is not implemented; "
                 "leave \"mon:\" out and use the QMP socket", spec->id);
        return NULL;
    }
    switch (spec->kind) {
    case CHARS_NULL:
        return null_open(loop, spec, why, why_len);
    case CHARS_PTY:
        return chars_pty_open(loop, spec, why, why_len);
    case CHARS_STDIO:
        return stdio_open(loop, spec, why, why_len);
    case CHARS_FILE:
        return file_open(loop, spec, why, why_len);
    case CHARS_PIPE:
        return pipe_open(loop, spec, why, why_len);
    case CHARS_DEVICE:
        return device_open(loop, spec, why, why_len);
    case CHARS_UDP:
        return chars_udp_open(loop, spec, why, why_len);
    case CHARS_TCP:
    case CHARS_UNIX:
        return chars_socket_open(loop, spec, why, why_len);
    }
    return NULL;
}

void chars_free(struct chars *chars) {
    if (chars)
        chars->ops->free(chars);
}
