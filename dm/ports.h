/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serial lines: the character backends of the command line, and the UARTs on them. One thread.
 */
#ifndef DM_PORTS_H
#define DM_PORTS_H

#include <stdbool.h>
#include <stddef.h>

struct board;
struct chars;
struct config_chardev;
struct loop;

/* A character backend as the command line describes it; NULL and a sentence when it can't be
 * had. */
struct chars *ports_open(struct loop *loop, const struct config_chardev *chardev, char *why,
                         size_t why_len);

/* Opens every character backend but the monitors'; puts COM1 to COM4 onto the board. */
bool ports_add(struct board *board);
void ports_free(struct board *board);

#endif
