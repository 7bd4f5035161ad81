/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines over descriptors. See chars_stream.h.
 */
#include "chars_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/bits.h"

enum { CHUNK = 4096 };

static bool fails_for_now(int err) {
    return err == EAGAIN || err == EWOULDBLOCK || err == EINTR || err == ENOBUFS;
}

static void gone(struct stream *s) {
    if (s->in_ends_alone) {
        loop_remove(s->loop, &s->in);
        return;
    }
    stream_detach(s);
    if (s->lost)
        s->lost(s);
}

static void in_ready(void *arg, unsigned events) {
    struct stream *s = arg;
    const struct chars_user *user = &s->chars.user;
    uint8_t bytes[CHUNK];
    (void)events;
    size_t room = user->room ? user->room(user->dev) : 0;
    if (!room) { /* not before: most chips have room again by the time more arrives */
        loop_change(s->loop, &s->in, 0);
        return;
    }
    ssize_t n = read(s->in.fd, bytes, MIN(room, sizeof(bytes)));
    if (n < 0 && fails_for_now(errno))
        return;
    if (n <= 0) {
        gone(s);
        return;
    }
    size_t left = s->decode ? s->decode(s, bytes, (size_t)n) : (size_t)n;
    if (left)
        user->received(user->dev, bytes, left);
}

static void tell_space(struct stream *s) {
    bool wanted = s->wants_space;
    s->wants_space = false;
    if (wanted && s->chars.user.writable)
        s->chars.user.writable(s->chars.user.dev);
}

static void out_ready(void *arg, unsigned events) {
    struct stream *s = arg;
    (void)events;
    loop_change(s->loop, &s->out, 0);
    tell_space(s);
}

void stream_init(struct stream *s, struct loop *loop, const struct chars_ops *ops,
                 const struct chars_spec *spec, const char *filename) {
    s->loop = loop;
    snprintf(s->id, sizeof(s->id), "%s", spec->id);
    snprintf(s->filename, sizeof(s->filename), "%s", filename);
    s->chars = (struct chars){.ops = ops, .id = s->id, .filename = s->filename};
    s->in = (struct loop_fd){.fd = -1, .ready = in_ready, .arg = s};
    s->out = (struct loop_fd){.fd = -1, .ready = out_ready, .arg = s};
}

static void set_open(struct stream *s, bool open) {
    s->chars.open = open;
    if (s->chars.user.opened)
        s->chars.user.opened(s->chars.user.dev, open);
}

bool stream_attach(struct stream *s, int in, int out) {
    if (in >= 0 && in == out)
        out = fcntl(in, F_DUPFD_CLOEXEC, 0);
    s->in.fd = in;
    s->out.fd = out;
    s->in.events = in >= 0 ? LOOP_READ : 0;
    s->out.events = 0;
    if (in >= 0)
        fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK);
    if (out >= 0)
        fcntl(out, F_SETFL, fcntl(out, F_GETFL) | O_NONBLOCK);
    /* files and /dev/null can't be watched: nothing will ever come from there */
    if (!loop_add(s->loop, &s->in) && errno != EPERM) {
        int err = errno;
        stream_detach(s);
        errno = err;
        return false;
    }
    loop_add(s->loop, &s->out);
    set_open(s, true);
    return true;
}

void stream_detach(struct stream *s) {
    loop_remove(s->loop, &s->in);
    loop_remove(s->loop, &s->out);
    if (s->in.fd >= 0)
        close(s->in.fd);
    if (s->out.fd >= 0)
        close(s->out.fd);
    s->in.fd = s->out.fd = -1;
    if (s->chars.open)
        set_open(s, false);
    tell_space(s);
}

/* An error drops the bytes: if the peer is gone, reading will tell. */
size_t stream_write(struct chars *chars, const uint8_t *bytes, size_t n) {
    struct stream *s = STREAM(chars);
    if (s->out.fd < 0)
        return n;
    ssize_t took = write(s->out.fd, bytes, n);
    if (took < 0 && !fails_for_now(errno))
        return n;
    if (took < 0)
        took = 0;
    if ((size_t)took < n) {
        s->wants_space = true;
        loop_change(s->loop, &s->out, LOOP_WRITE);
    }
    return (size_t)took;
}

void stream_accept(struct chars *chars) {
    struct stream *s = STREAM(chars);
    if (s->in.fd >= 0 && s->in.added)
        loop_change(s->loop, &s->in, LOOP_READ);
}
