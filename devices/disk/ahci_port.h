/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the AHCI controller: a port with its drive (ahci_port.c), the commands that it queues
 * (ahci_queue.c) and the memory that a command names (ahci_list.c). One thread.
 */
#ifndef DISK_AHCI_PORT_H
#define DISK_AHCI_PORT_H

#include "core/pci.h"
#include "disk/ata.h"

enum { AHCI_SLOTS = 32, AHCI_PRD = 16, AHCI_PRD_AHEAD = 8, AHCI_TABLE_HEAD = 0x80 };

/* Port registers (AHCI 1.3, 3.3) */
enum {
    PXCLB = 0x00, PXCLBU = 0x04, PXFB = 0x08, PXFBU = 0x0c, PXIS = 0x10, PXIE = 0x14, PXCMD = 0x18,
    PXTFD = 0x20, PXSIG = 0x24, PXSSTS = 0x28, PXSCTL = 0x2c, PXSERR = 0x30, PXSACT = 0x34,
    PXCI = 0x38, AHCI_PORT_SIZE = 0x80,
};

enum {
    PXIS_DHRS = 1 << 0, PXIS_PSS = 1 << 1, PXIS_SDBS = 1 << 3, PXIS_DPS = 1 << 5,
    PXIS_PCS = 1 << 6, PXIS_PRCS = 1 << 22, PXIS_OFS = 1 << 24, PXIS_IFS = 1 << 27,
    PXIS_HBFS = 1 << 29, PXIS_TFES = 1 << 30,
};
enum { PXSERR_P = 1 << 10, PXSERR_N = 1 << 16, PXSERR_X = 1 << 26 };

/* Where a command is in its list of physical regions. */
struct ahci_list {
    uint64_t table;
    unsigned entries, next; /* how many there are; the next to look at */
    uint64_t addr;          /* the current region, and how much of it is left */
    uint32_t left;
    bool marked;            /* a region that asks for an interrupt was reached */
    bool fault;             /* the list is not in memory */
    unsigned first, have;   /* regions that were read ahead */
    uint8_t ahead[AHCI_PRD_AHEAD * AHCI_PRD];
};

/* A queued command on its way. */
struct ahci_tag {
    struct ahci_port *port;
    struct block_req req;
    struct dma_sg sg;
    struct ahci_list list;
    uint64_t at, left;
    uint32_t moved; /* bytes of sg that are done with, where they go by the sector */
    uint16_t count;
    uint8_t device;
    bool write, fua;
    bool careful;  /* sector by sector, to find the bad one */
    bool inflight; /* its request is with the image */
    bool dead;     /* ... and nobody waits for it any more */
    struct iovec iov;
    uint8_t sector[ATA_SECTOR];
};

struct ahci_port {
    struct ata_drive drive;
    /* registers */
    uint64_t clb, fb;
    uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
    /* hidden state */
    uint8_t slot;   /* whose command went to the drive last */
    bool busy;      /* ... which carries it out; not a queued one */
    bool halted;    /* after an error, until software stops the port */
    bool signature; /* the drive's first frame after a reset waits to be received */
    uint32_t queued; /* tags whose commands the drive holds */
    /* wires and derived */
    unsigned number;
    struct pci_function *pci;
    void (*changed)(struct ahci_port *p); /* the interrupt condition may have */
    void *ahci;
    struct ahci_list list; /* of the command that is carried out */
    uint32_t moved;        /* bytes that it has transferred */
    uint64_t header;       /* where its header is */
    bool running;
    struct ahci_tag *tags; /* NULL: no disk */
    unsigned inflight;     /* tags with a request out */
};

extern const struct field ahci_port_fields[];

void ahci_port_init(struct ahci_port *p, const struct ata_pins *pins, unsigned place);
void ahci_port_free(struct ahci_port *p);
/* Power-on values. Waits for requests in flight. */
void ahci_port_power_on(struct ahci_port *p);
/* GHC.HR: registers but the two addresses, and COMRESET. Waits too. */
void ahci_port_reset(struct ahci_port *p);
bool ahci_port_loaded(struct ahci_port *p, char *why, size_t why_len);
bool ahci_port_idle(const struct ahci_port *p);
void ahci_port_unplug(struct ahci_port *p);

uint32_t ahci_port_read(struct ahci_port *p, unsigned reg);
void ahci_port_write(struct ahci_port *p, unsigned reg, uint32_t val);

/* PCS and PRCS show bits of PxSERR. */
static inline uint32_t ahci_port_is(const struct ahci_port *p) {
    return p->is | (p->serr & PXSERR_X ? (uint32_t)PXIS_PCS : 0) |
           (p->serr & PXSERR_N ? (uint32_t)PXIS_PRCS : 0);
}

static inline bool ahci_port_interrupts(const struct ahci_port *p) {
    return ahci_port_is(p) & p->ie;
}

/* ---- among the parts ---- */

/* Puts a frame into the received-FIS area. */
void ahci_post(struct ahci_port *p, unsigned off, const void *fis, size_t len);
void ahci_port_run(struct ahci_port *p); /* takes commands as long as there are any to take */
void ahci_port_settle(struct ahci_port *p); /* a request of an earlier life is over */

/* `ahead` are the first regions, as many as there are in `have`. */
void ahci_list_start(struct ahci_list *l, uint64_t table, unsigned entries, const uint8_t *ahead,
                     unsigned have);
/* The next at most `len` bytes, in whole sectors; 0: no whole sector that fits. */
size_t ahci_list_map(struct ahci_list *l, const struct dma *dma, struct dma_sg *sg, size_t len,
                     bool to_host);
/* Fewer than len when the list ends. */
size_t ahci_list_copy(struct ahci_list *l, const struct dma *dma, void *buf, size_t len,
                      bool to_host);
bool ahci_list_ended(struct ahci_list *l, const struct dma *dma);

/* Takes the queued command in slot n; its list is started. */
void ahci_queue_start(struct ahci_port *p, unsigned n, const uint8_t *fis);
/* A command that may not stand beside queued ones. */
void ahci_queue_refuse(struct ahci_port *p);
void ahci_queue_abandon(struct ahci_port *p); /* what is in flight reports nothing any more */

#endif
