/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest can be told to do, one line a command; `guest --help` lists them.  Each writes its
 * answer, without the leading "ok " and the newline, into a buffer, or returns an error that the
 * caller prints.
 */
#ifndef GUEST_PLAYS_H
#define GUEST_PLAYS_H

#include <stddef.h>

#include "hv.h"

#define ANSWER 65536
#define BUFFER_GPA 0x100000u /* where string accesses and sectors go */

struct play {
    const char *name, *arguments, *help;
    int required; /* how many arguments at least */
    /* NULL, or what went wrong */
    const char *(*run)(int argc, char **argv, char *answer);
};

extern const struct play plays[]; /* the guest's ordinary accesses, ends with a NULL name */
extern const struct play ahci_plays[];
extern const struct play ide_plays[];
extern const struct play blk_plays[];
extern const struct play hostile_plays[];
extern const struct play screen_plays[];

/* One plain port access of vcpu 0; dir is IOREQ_READ or IOREQ_WRITE. */
enum hv_error play_port(unsigned dir, unsigned port, unsigned size, uint64_t *data);

/* strtoull of argv[i], or def where there is none. */
unsigned long long play_number(int argc, char **argv, int i, unsigned long long def);

#endif
