/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line of text to the administrator. Core formats, main says where lines go. One thread.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Where whole lines (no newline at the end) go; NULL drops them. Lines above `max` are not made. */
void log_to(void (*sink)(enum log_level level, const char *line), enum log_level max);

#define LOG_PRINTF(f, a) __attribute__((format(__printf__, f, a)))

void log_error(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_warn(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_info(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_debug(const char *fmt, ...) LOG_PRINTF(1, 2);

/*
 * A line that the guest can provoke: one of these counts for one kind of mistake, and the line is
 * printed for the 1st, 2nd, 4th, 8th, ... time only, so that a guest can't fill the host's disk.
 */
struct log_limit {
    uint64_t count;
};

void log_guest(struct log_limit *limit, const char *fmt, ...) LOG_PRINTF(2, 3);

#endif
