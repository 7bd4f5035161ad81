/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine's state in a file, as xl save, migration and a soft reset move it to another process:
 * records of core/state.h one after the other, first the board's own, then one a chip in wiring
 * order. Guest memory is not in it: it comes with the domain, video memory at its place.
 *
 * The machine is built from the command line first, as at any start, and then takes the values.
 * What was saved and is not here may be plugged in later, for libxl plugs in USB controllers after
 * the start: it finds its state then. One thread.
 */
#ifndef DM_SAVE_H
#define DM_SAVE_H

#include <stdbool.h>
#include <stddef.h>

struct board;
struct machine;

/*
 * Of a machine that is paused, nothing in flight; every disk is flushed first. False: `why` is a
 * sentence, and the machine can go on.
 */
bool save_machine(struct machine *machine, int fd, char *why, size_t why_len);

/*
 * Into a machine that was just built or reset; it is paused afterwards. False: `why` names what
 * does not fit, and the machine can only be reset or freed.
 */
bool save_load(struct machine *machine, int fd, char *why, size_t why_len);

/* The chip that was added last: takes the state that waits for it. */
void save_added(struct board *board);

/* Is it one of a saved machine, so that the guest knows of it? */
bool save_knew(const struct board *board, const void *dev);

void save_free(struct board *board);

#endif
