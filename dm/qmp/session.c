/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One client's conversation: bytes in, documents to dispatch, answers to a buffer. Every message
 * out is one line that ends with CR LF, which libxl looks for.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "internal.h"

enum { OUT_EVENTS_MAX = 64 << 10 };

void session_init(struct session *session, struct qmp *qmp, bool wants_events) {
    *session = (struct session){.qmp = qmp, .wants_events = wants_events};
}

static void close_fds(struct session *session) {
    for (unsigned i = 0; i < session->fd_count; i++)
        close(session->fds[i]);
    session->fd_count = 0;
}

void session_free(struct session *session) {
    frame_free(&session->frame);
    close_fds(session);
    free(session->out);
    *session = (struct session){0};
}

static void append(struct session *session, const char *bytes, size_t n) {
    if (session->out_len + n > session->out_room) {
        size_t room = session->out_room ? session->out_room : 1024;
        while (room < session->out_len + n)
            room *= 2;
        char *out = realloc(session->out, room);
        if (!out) {
            log_error("qmp: no memory for an answer of %zu bytes", n);
            return;
        }
        session->out = out;
        session->out_room = room;
    }
    memcpy(session->out + session->out_len, bytes, n);
    session->out_len += n;
}

void session_send(struct session *session, struct json_object *object) {
    size_t n;
    const char *text = json_object_to_json_string_length(
        object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);
    /* A client that doesn't read its events loses some, not our memory. */
    bool event = json_object_object_get_ex(object, "event", NULL);
    if (!event || session->out_len < OUT_EVENTS_MAX) {
        append(session, text, n);
        append(session, "\r\n", 2);
    }
    json_object_put(object);
}

void session_sent(struct session *session, size_t n) {
    if (n == 0)
        return;
    session->out_len -= n;
    memmove(session->out, session->out + n, session->out_len);
    if (session->out_len == 0 && session->out_room > 4096) {
        free(session->out);
        session->out = NULL;
        session->out_room = 0;
    }
}

void session_greet(struct session *session) {
    struct json_object *greeting = json_object_new_object(), *body = json_object_new_object();
    struct call call = {.qmp = session->qmp, .session = session};
    struct json_object *oob = json_object_new_array();
    json_object_array_add(oob, j_text("oob"));
    j_add(body, "version", call_command(&call, "query-version", NULL));
    j_add(body, "capabilities", oob);
    j_add(greeting, "QMP", body);
    session_send(session, greeting);
}

void session_add_fd(struct session *session, int fd) {
    if (session->fd_count == SESSION_FDS)
        close(fd);
    else
        session->fds[session->fd_count++] = fd;
}

int session_take_fd(struct session *session) {
    if (session->fd_count == 0)
        return -1;
    int fd = session->fds[0];
    session->fd_count--;
    memmove(session->fds, session->fds + 1, session->fd_count * sizeof(int));
    return fd;
}

void session_input(struct session *session, const char *bytes, size_t n) {
    while (n) {
        size_t used;
        switch (frame_take(&session->frame, bytes, n, &used)) {
        case FRAME_MORE:
            break;
        case FRAME_DOCUMENT:
            session_send(session,
                         dispatch(session, session->frame.text, session->frame.len));
            break;
        case FRAME_GARBAGE:
            session_send(session, error_reply(GENERIC_ERROR, "not JSON: expected an object; the "
                                                             "rest of the line is dropped"));
            break;
        case FRAME_LONG:
            session_send(session, error_reply(GENERIC_ERROR, "a message above 1 MiB; the rest of "
                                                             "the line is dropped"));
            break;
        }
        bytes += used;
        n -= used;
    }
    /* A descriptor comes with the first byte of the message that is to take it. */
    if (session->frame.depth == 0)
        close_fds(session);
}
