/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines to the administrator. See log.h.
 */
#include "log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum { LINE_MAX_BYTES = 1024 };

static void (*log_sink)(enum log_level, const char *);
static enum log_level log_max = LOG_LEVEL_INFO;

void log_to(void (*sink)(enum log_level, const char *), enum log_level max) {
    log_sink = sink;
    log_max = max;
}

static void log_line(enum log_level level, const char *fmt, va_list ap) {
    if (!log_sink || level > log_max)
        return;
    char line[LINE_MAX_BYTES];
    vsnprintf(line, sizeof(line), fmt, ap);
    /* Guests and file names can hold control bytes; one entry stays one line. */
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    log_sink(level, line);
}

#define LOG_AT(level)                                                                              \
    do {                                                                                           \
        va_list ap;                                                                                \
        va_start(ap, fmt);                                                                         \
        log_line(level, fmt, ap);                                                                  \
        va_end(ap);                                                                                \
    } while (0)

void log_error(const char *fmt, ...) {
    LOG_AT(LOG_LEVEL_ERROR);
}

void log_warn(const char *fmt, ...) {
    LOG_AT(LOG_LEVEL_WARN);
}

void log_info(const char *fmt, ...) {
    LOG_AT(LOG_LEVEL_INFO);
}

void log_debug(const char *fmt, ...) {
    LOG_AT(LOG_LEVEL_DEBUG);
}

void log_guest(struct log_limit *limit, const char *fmt, ...) {
    limit->count++;
    if (limit->count & (limit->count - 1))
        return;
    LOG_AT(LOG_LEVEL_WARN);
}
