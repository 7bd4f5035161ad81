/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON documents out of a stream: by balance of braces, since xentop ends none with a newline.
 */
#ifndef QMP_FRAME_H
#define QMP_FRAME_H

#include <stdbool.h>
#include <stddef.h>

enum { FRAME_MAX = 1 << 20, FRAME_DEPTH = 64 };

struct frame {
    char *text; /* the document so far */
    size_t len, room;
    char closing[FRAME_DEPTH]; /* what closes each level */
    unsigned depth;
    char quote;   /* inside a string that this ends, or 0 */
    bool escaped; /* after a backslash */
    bool skip;    /* garbage up to the end of the line */
};

enum frame_result {
    FRAME_MORE,     /* all bytes are taken */
    FRAME_DOCUMENT, /* text[0..len) is one, and ends with a NUL */
    FRAME_GARBAGE,  /* what was there is dropped, up to the end of the line */
    FRAME_LONG,     /* the same, for a document above FRAME_MAX */
};

void frame_free(struct frame *frame);

/* Takes bytes up to the end of a document or of what can't become one; *used is how many. */
enum frame_result frame_take(struct frame *frame, const char *bytes, size_t n, size_t *used);

#endif
