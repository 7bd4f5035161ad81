/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Framing of JSON (RFC 8259) in a stream. What can't be a document is dropped up to the end of its
 * line: a raw newline is never inside a string, so after one the next line starts afresh.
 */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

enum { FRAME_KEEP = 4096 };

/* No byte of UTF-8: what clients send to get out of a half message. */
#define RESET ((char)0xff)

void frame_free(struct frame *frame) {
    free(frame->text);
    *frame = (struct frame){0};
}

/* Empty again; a large buffer is given back. */
static void restart(struct frame *frame) {
    if (frame->room > FRAME_KEEP) {
        free(frame->text);
        frame->text = NULL;
        frame->room = 0;
    }
    frame->len = 0;
    frame->depth = 0;
    frame->quote = 0;
    frame->escaped = false;
}

/* Keeps a byte and room for a NUL. */
static bool keep(struct frame *frame, char c) {
    if (frame->len + 2 > frame->room) {
        size_t room = frame->room ? frame->room * 2 : 512;
        char *text = room <= 2 * FRAME_MAX ? realloc(frame->text, room) : NULL;
        if (!text)
            return false;
        frame->text = text;
        frame->room = room;
    }
    frame->text[frame->len++] = c;
    frame->text[frame->len] = '\0';
    return true;
}

/* One byte inside a document. False: it can't become one. */
static bool step(struct frame *frame, char c) {
    if (c == '\0' || c == RESET)
        return false;
    if (frame->quote) {
        if (c == '\n')
            return false;
        if (frame->escaped)
            frame->escaped = false;
        else if (c == '\\')
            frame->escaped = true;
        else if (c == frame->quote)
            frame->quote = 0;
        return true;
    }
    switch (c) {
    case '"':
    case '\'':
        frame->quote = c;
        return true;
    case '{':
    case '[':
        if (frame->depth == FRAME_DEPTH)
            return false;
        frame->closing[frame->depth++] = c == '{' ? '}' : ']';
        return true;
    case '}':
    case ']':
        return frame->closing[--frame->depth] == c;
    default:
        return true;
    }
}

/* The byte that made it garbage was taken; the rest of its line goes too. */
static enum frame_result give_up(struct frame *frame, char c, enum frame_result why) {
    restart(frame);
    frame->skip = c != '\n' && c != RESET;
    return why;
}

enum frame_result frame_take(struct frame *frame, const char *bytes, size_t n, size_t *used) {
    if (frame->depth == 0)
        restart(frame);
    for (size_t i = 0; i < n; i++) {
        char c = bytes[i];
        *used = i + 1;
        if (frame->skip) {
            frame->skip = c != '\n' && c != RESET;
            continue;
        }
        bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (frame->depth == 0 && space)
            continue;
        if (frame->depth == 0 && c != '{' && c != '[')
            return give_up(frame, c, FRAME_GARBAGE);
        if (!step(frame, c))
            return give_up(frame, c, FRAME_GARBAGE);
        if (frame->len == FRAME_MAX || !keep(frame, c))
            return give_up(frame, c, FRAME_LONG);
        if (frame->depth == 0)
            return FRAME_DOCUMENT;
    }
    *used = n;
    return FRAME_MORE;
}
