/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the socket engine share: sock.c is the engine, sock_mem.c the guest's memory as
 * the peer sees it, sock_proto.c the words.
 */
#ifndef IOREQ_SOCK_PRIV_H
#define IOREQ_SOCK_PRIV_H

#include "sock.h"

enum { SOCK_RANGES = 512, SOCK_LINES = 24, SOCK_LINKS = 4, SOCK_ISA_IRQS = 16 };

struct sock_range {
    uint64_t first, last;
};

struct sock_vram {
    struct vram vram;
    uint64_t *dirty; /* a bit a page */
    struct sock_vram *next;
};

/* A growing run of bytes. */
struct sock_buf {
    char *bytes;
    size_t len, cap;
};

struct sock {
    struct engine engine;
    struct chars *chars;
    struct sock_events events;
    struct clock *clock;
    uint64_t now; /* ns */
    /* memory */
    int memfd;
    uint8_t *ram;
    uint64_t ram_size, low; /* of it, `low` bytes are below 4 GiB */
    struct sock_vram *vrams;
    struct sock_range claims[SOCK_RANGES]; /* memory whose accesses the machine answers */
    unsigned claim_count;
    /* interrupts */
    bool isa[SOCK_ISA_IRQS];
    uint64_t intx[SOCK_LINKS][2]; /* which functions' pins hold the link: bit dev * 4 + pin */
    unsigned link_irq[SOCK_LINKS];
    bool lines[SOCK_LINES]; /* as the I/O APIC sees them */
    bool intercepted;
    /* the stream */
    struct sock_buf in, out;
    bool started;
    bool busy;     /* inside a command: its answer takes the messages along */
    bool skipping; /* the rest of a line that was too long */
};

/* Memory as a CPU sees it; what nobody answers reads as ones. */
uint64_t sock_mem_read(struct sock *s, uint64_t addr, unsigned size);
void sock_mem_write(struct sock *s, uint64_t addr, unsigned size, uint64_t val);
void sock_mem_fetch(struct sock *s, uint64_t addr, void *buf, uint64_t len);
void sock_mem_store(struct sock *s, uint64_t addr, const void *buf, uint64_t len);
void sock_mem_fill(struct sock *s, uint64_t addr, uint8_t val, uint64_t len);

/* As in engine_ops. */
void *sock_mem_map(struct engine *e, uint64_t gpa, size_t *len, bool write);
void sock_mem_unmap(struct engine *e, void *host, uint64_t gpa, size_t len, bool wrote);
void sock_mem_dirtied(struct engine *e, struct vram *vram, size_t offset, size_t len);

/* Time goes on to `ns` on the clock, timers running at their times; to the past it does not go. */
void sock_clock_to(struct sock *s, uint64_t ns);

/* Tells the peer of a line, if it wants to hear of lines. */
void sock_proto_irq(struct sock *s, unsigned n, bool level);
void sock_proto_start(struct sock *s);

#endif
