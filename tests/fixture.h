/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A board for tests: an engine in memory, a clock that stands still until told, interrupts that are
 * written down, disks in memory whose requests finish when told. What a chip's unit test, its laws
 * and its fuzz target build on.
 */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/block.h"
#include "core/chars.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/engine.h"
#include "core/input.h"
#include "core/io.h"
#include "core/irq.h"
#include "core/net.h"
#include "core/pci.h"

enum { FIXTURE_RAM = 1 << 20, FIXTURE_IRQS = 32, FIXTURE_BLOCKS = 4, FIXTURE_CHARS = 4 };

struct fixture {
    struct engine engine;
    struct io_bus *io;
    struct pci_bus *pci;
    struct clock *clock;
    struct input *input;
    uint64_t now; /* ns */
    uint8_t *ram; /* FIXTURE_RAM bytes at guest-physical 0; nothing is above */
    /* what chips did to the board */
    bool irq[FIXTURE_IRQS];           /* levels of the lines given out by fixture_irq */
    unsigned irq_edges[FIXTURE_IRQS]; /* rising ones */
    bool intx[32][4];
    unsigned intx_edges[32][4];
    unsigned link_irq[4];
    unsigned msis; /* messages sent, and the last one */
    uint64_t msi_addr;
    uint32_t msi_data;
    unsigned shutdowns;
    enum engine_shutdown shutdown;
    bool suspended;
    unsigned maps; /* guest memory held: maps minus unmaps */
    bool read_only;
    void *priv; /* the fixture's own */
};

void fixture_init(struct fixture *fx);
void fixture_done(struct fixture *fx);

/* Line n, to put into a pins struct; its level shows in fx->irq[n]. */
struct irq fixture_irq(struct fixture *fx, unsigned n);

/* A disk of `size` bytes of zeros in memory; its bytes with fixture_bytes. One user is the
 * fixture. */
struct block *fixture_block(struct fixture *fx, uint64_t size, bool read_only);
/* The one that was made last, or NULL. */
struct block *fixture_disk(const struct fixture *fx);
uint8_t *fixture_bytes(struct block *block);
/* The next n requests of the block fail with err. */
void fixture_fail(struct block *block, int err, unsigned n);
/* What touches the byte at `offset` fails with err; 0: nothing any more. */
void fixture_bad(struct block *block, int err, uint64_t offset);
/* Finishes requests until none is left that was or gets submitted; returns how many. */
unsigned fixture_io(struct fixture *fx);
/* Requests that wait. */
unsigned fixture_pending(const struct fixture *fx);

/* A character backend that keeps what is written (and takes at most fixture_chars_room bytes of it
 * until told otherwise) and hands in what a test types. */
struct chars *fixture_chars(struct fixture *fx);
/* The one that was made last, or NULL. */
struct chars *fixture_line(const struct fixture *fx);
size_t fixture_written(struct chars *chars, uint8_t *bytes, size_t max); /* takes them out */
void fixture_chars_room(struct chars *chars, size_t room);
/* Returns how many went. */
size_t fixture_type(struct chars *chars, const uint8_t *bytes, size_t n);

/*
 * A network link: frames that the NIC sends are kept (the last FIXTURE_FRAMES of them), frames that
 * a test hands in wait until the NIC takes them. It refuses when it has no room, and wants what its
 * `offloads` do not cover to be done.
 */
enum { FIXTURE_FRAMES = 64 };
struct net *fixture_net(struct fixture *fx);
/* The one that was made last, or NULL. */
struct net *fixture_cable(const struct fixture *fx);
/* Takes out the oldest frame sent: copies up to max bytes, returns its length, 0 for none. */
size_t fixture_sent(struct net *net, uint8_t *frame, size_t max, struct net_meta *meta);
unsigned fixture_sent_count(const struct net *net);
/* How many more frames it takes; UINT_MAX is any number, as at the start. */
void fixture_net_room(struct net *net, unsigned frames);
/* A frame arrives; meta may be NULL. False: FIXTURE_FRAMES wait already. */
bool fixture_arrive(struct net *net, const uint8_t *frame, size_t len, const struct net_meta *meta);
unsigned fixture_waiting(const struct net *net);
unsigned fixture_accepted(const struct net *net); /* offloads */
/* Whatever waits is offered, as the host's loop does: in fixture_arrive, too. */
void fixture_frames(struct fixture *fx);

/* Time passes: timers run at their times, in order. */
void fixture_sleep(struct fixture *fx, uint64_t ns);

/* Accesses, as a CPU makes them. */
uint8_t in8(struct fixture *fx, uint16_t port);
uint16_t in16(struct fixture *fx, uint16_t port);
uint32_t in32(struct fixture *fx, uint16_t port);
void out8(struct fixture *fx, uint16_t port, uint8_t val);
void out16(struct fixture *fx, uint16_t port, uint16_t val);
void out32(struct fixture *fx, uint16_t port, uint32_t val);
void ins16(struct fixture *fx, uint16_t port, void *buf, unsigned n);        /* rep insw */
void outs16(struct fixture *fx, uint16_t port, const void *buf, unsigned n); /* rep outsw */
uint64_t mem_read(struct fixture *fx, uint64_t addr, unsigned size);
void mem_write(struct fixture *fx, uint64_t addr, unsigned size, uint64_t val);
uint32_t cfg_read(struct fixture *fx, unsigned devfn, unsigned reg, unsigned size);
void cfg_write(struct fixture *fx, unsigned devfn, unsigned reg, unsigned size, uint32_t val);

/*
 * A specimen: how to build one chip on a fixture, for the laws and the fuzzer. Each file of
 * tests/specimens ends its array with one that has no name, and is listed in specimens.c.
 */
struct specimen {
    const char *name;
    /* Makes the chip with all it needs on the fixture. */
    void *(*build)(struct fixture *fx);
    const struct device_ops *ops;
    /* What the host can do to it (typing, clicking, a new medium), chosen by one byte; optional. */
    void (*poke)(struct fixture *fx, void *dev, uint8_t what);
    /* Where the fuzzer finds it, beside what the BARs show: pairs of first port, count; ends with
     * 0. */
    const uint16_t *ports;
};

extern const struct specimen *const specimen_lists[]; /* NULL at the end */

#endif
