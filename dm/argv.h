/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line, as libxl 4.17 and later write it for an HVM guest, and as clients of the socket
 * engine write it. What it can say but we can't do is refused by one line that names the option,
 * its value and the xl.cfg setting it comes from. One thread.
 */
#ifndef DM_ARGV_H
#define DM_ARGV_H

#include <stdbool.h>
#include <stddef.h>

struct config;

/* NULL: `why` is the line to print. The strings of argv must outlive the config. */
struct config *argv_parse(int argc, const char *const argv[], char *why, size_t why_len);
void config_free(struct config *config);

/*
 * A -device or a -netdev that comes later, as JSON text: a config with just that in it. What it
 * refers to is not looked up. NULL: `why` is a sentence.
 */
struct config *argv_parse_plugged(const char *option, const char *json, char *why, size_t why_len);

/* True when argv asks for -version or -help alone: `text` is what to print before exit(0). */
bool argv_asks(int argc, const char *const argv[], const char **text);

/* Everything in the config, a line each, for people and golden tests. */
void config_print(const struct config *config, void (*line)(void *arg, const char *text),
                  void *arg);

#endif
