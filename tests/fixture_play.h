/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Things that happen to a specimen, as data: from bytes (fuzzer, laws) or from lines of text
 * (tests/regress), performed on a fixture. Lines are:
 *
 *     in8 0x1f7                    also 16, 32; ports
 *     out8 0x1f7 0xec
 *     ins16 0x1f0 256              elements; also 8, 32
 *     outs16 0x1f0 6 a80000..      elements, and bytes that are repeated as often as it takes
 *     read32 0xa0000               memory; also 8, 16, 64
 *     write32 0xa0000 0x1234
 *     reads32 0xa0000 64
 *     writes32 0xa0000 64 00ff
 *     cfgread16 0x09 0x04          devfn, register
 *     cfgwrite16 0x09 0x04 0x0005
 *     ram 0x1000 00100000fe010080  bytes into guest memory
 *     sleep 1000000                ns
 *     bars                         every BAR gets a place, as from firmware
 *     io                           disk requests finish, frames that wait are offered
 *     fail 5 1                     errno, how many requests of each disk
 *     poke 3                       the host does something to the chip
 *     reset                        after a drain, as the machine does it
 *     reload                       save, reset, load: must succeed and change nothing
 *     damage 17 0x40               save, change that byte (modulo the length), reset, load
 */
#ifndef TESTS_FIXTURE_PLAY_H
#define TESTS_FIXTURE_PLAY_H

#include "fixture.h"

enum play_kind {
    PLAY_IN, PLAY_OUT, PLAY_INS, PLAY_OUTS, PLAY_READ, PLAY_WRITE, PLAY_READS, PLAY_WRITES,
    PLAY_CFG_READ, PLAY_CFG_WRITE, PLAY_RAM, PLAY_SLEEP, PLAY_IO, PLAY_FAIL, PLAY_POKE,
    PLAY_RESET, PLAY_RELOAD, PLAY_DAMAGE, PLAY_BARS, PLAY_KINDS
};

enum { PLAY_DATA = 32, PLAY_STRING = 1024 /* elements at most */ };

struct play_op {
    enum play_kind kind;
    unsigned size;  /* of an element: 1, 2, 4, 8 */
    uint64_t addr;  /* port, memory address, devfn << 8 | register, ns, what, errno, offset */
    uint64_t val;
    unsigned n;     /* elements, requests */
    unsigned data_len;
    uint8_t data[PLAY_DATA];
};

struct play {
    struct fixture *fx;
    const struct specimen *specimen;
    void *dev;
    uint64_t hash; /* of all that was read */
};

/* A specimen by name, or NULL. */
const struct specimen *play_specimen(const char *name);

void play_open(struct play *play, struct fixture *fx, const struct specimen *specimen);
void play_close(struct play *play);

/* Gives every BAR a place and turns all decoding on, as firmware does. */
void play_enable_bars(struct play *play);

void play_op(struct play *play, const struct play_op *op);

/* The next thing that the bytes say; *len goes down. False: no bytes are left. */
bool play_decode(const struct play *play, const uint8_t **bytes, size_t *len, struct play_op *op);

/* All that the bytes say; each is told to `tell` first, when that is not NULL. */
void play_bytes(struct play *play, const uint8_t *bytes, size_t len,
                void (*tell)(const struct play_op *op));

void play_print(const struct play_op *op, char *line, size_t len);
bool play_parse(const char *line, struct play_op *op);

/* One run of the fuzzer: builds the specimen, enables its BARs, does what the bytes say, frees. */
void play_input(const struct specimen *specimen, const uint8_t *bytes, size_t len,
                void (*tell)(const struct play_op *op));

/* Requests finish until the chip says that it is idle; ends the test when it never is. */
void play_drain(struct play *play);

#endif
