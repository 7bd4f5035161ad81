/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fixture's own files share; tests use fixture.h.
 */
#ifndef TESTS_FIXTURE_PRIV_H
#define TESTS_FIXTURE_PRIV_H

#include "fixture.h"

struct fixture_range {
    uint64_t first, last;
};

struct fixture_vram {
    struct vram vram;
    uint64_t *dirty; /* a bit a page */
    struct fixture_vram *next;
};

struct fake_block;
struct fake_chars;
struct fake_net;

struct fixture_priv {
    uint64_t ports[65536 / 64]; /* claimed */
    struct fixture_range mem[512];
    unsigned mem_count;
    struct fixture_vram *vrams;
    struct fake_block *blocks;
    struct fake_chars *chars;
    struct fake_net *nets;
};

/* Ends the test: somebody broke an interface's promise. */
_Noreturn void fixture_wrong(const char *what, uint64_t val);

/* fixture_fail for every disk. */
void fixture_fail_all(struct fixture *fx, int err, unsigned n);

/* The first 64 MiB of each disk, where both have the same ones. */
void fixture_copy_blocks(struct fixture *to, struct fixture *from);
/* How much the readers at the far ends still take. */
void fixture_copy_chars(struct fixture *to, struct fixture *from);

/* Room, and the frames that wait. */
void fixture_copy_nets(struct fixture *to, struct fixture *from);

/* Gives back disks and chars. */
void fixture_io_done(struct fixture *fx);
void fixture_net_done(struct fixture *fx);

#endif
