/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One port of an AHCI controller with the drive that is wired to it: AHCI 1.3, 3.3 (registers), 5
 * (the port's state machine), 6.2 (errors), 10.4 (resets); SATA 2.6, 10.3 (frames). The drive's own
 * commands are those of the parallel one (ata.c); what a PIO command moves goes by the port's DMA
 * as well. Not modelled: port multipliers, hot plug, power states of the wire (they are accepted),
 * the setup frames of data that a host sends, the asynchronous notification.
 */
#include "disk/ahci_port.h"

#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"

enum { PXIS_STICKY = (int)0xfd8000af, PXIE_MASK = (int)0xfdc000ff };
enum {
    PXCMD_ST = 1 << 0, PXCMD_SUD = 1 << 1, PXCMD_POD = 1 << 2, PXCMD_CLO = 1 << 3,
    PXCMD_FRE = 1 << 4, PXCMD_CCS_SHIFT = 8, PXCMD_FR = 1 << 14, PXCMD_CR = 1 << 15,
    PXCMD_ATAPI = 1 << 24, PXCMD_DLAE = 1 << 25,
    PXCMD_RW = PXCMD_ST | PXCMD_FRE | PXCMD_ATAPI | PXCMD_DLAE,
};
enum { DET_MASK = 0xf, DET_INIT = 1, DET_OFFLINE = 4, SSTS_UP = 0x123, SSTS_OFFLINE = 0x004 };
enum { SERR_MASK = 0x07ff0f03 };
enum { TFD_NONE = 0x7f, SIG_NONE = (int)0xffffffff };
/* Frames, and where they are received */
enum { H2D_FIS = 0x27, D2H_FIS = 0x34, PIO_SETUP_FIS = 0x5f };
enum { PIO_SETUP_OFFSET = 0x20, D2H_OFFSET = 0x40 };
enum { FIS_COMMAND = 0x80, FIS_INTERRUPT = 0x40, FIS_TO_HOST = 0x20, H2D_LEN = 20 };
/* The first word of a command header */
enum { HEADER_CFL = 0x1f, HEADER_CLEAR_BUSY = 0x400, HEADER_PRDTL_SHIFT = 16, HEADER_LEN = 32 };
enum { PACKET = 0xa0, READ_FPDMA = 0x60, WRITE_FPDMA = 0x61, READ_LOG_EXT = 0x2f, LOG_QUEUE = 0x10,
       ACMD = 0x40, CDB_LEN = 12 };

const struct field ahci_port_fields[] = {
    F_STRUCT(struct ahci_port, drive, ata_drive_fields),
    F(struct ahci_port, clb), F(struct ahci_port, fb), F(struct ahci_port, is),
    F(struct ahci_port, ie), F(struct ahci_port, cmd), F(struct ahci_port, tfd),
    F(struct ahci_port, sig), F(struct ahci_port, ssts), F(struct ahci_port, sctl),
    F(struct ahci_port, serr), F(struct ahci_port, sact), F(struct ahci_port, ci),
    F_MAX(struct ahci_port, slot, AHCI_SLOTS - 1), F(struct ahci_port, busy),
    F(struct ahci_port, halted), F(struct ahci_port, signature), F(struct ahci_port, queued),
    F_END
};

/* ---- frames from the drive ---- */

void ahci_post(struct ahci_port *p, unsigned off, const void *fis, size_t len) {
    if (p->cmd & PXCMD_FRE)
        dma_write(&p->pci->dma, p->fb + off, fis, len);
}

static void registers(const struct ata_drive *d, uint8_t *fis) {
    fis[2] = d->status;
    fis[3] = d->error;
    fis[4] = d->lba_low[0];
    fis[5] = d->lba_mid[0];
    fis[6] = d->lba_high[0];
    fis[7] = d->device;
    fis[8] = d->lba_low[1];
    fis[9] = d->lba_mid[1];
    fis[10] = d->lba_high[1];
    fis[12] = d->count[0];
    fis[13] = d->count[1];
}

static void task_file(struct ahci_port *p) {
    p->tfd = p->drive.status | (uint32_t)p->drive.error << 8;
}

static void post_registers(struct ahci_port *p, bool interrupt) {
    uint8_t fis[20] = {D2H_FIS, interrupt ? FIS_INTERRUPT : 0};
    registers(&p->drive, fis);
    ahci_post(p, D2H_OFFSET, fis, sizeof(fis));
    task_file(p);
    if (interrupt)
        p->is |= PXIS_DHRS;
}

/* The last data block of a PIO command: what the status is after it stands beside what it was. */
static void post_pio_setup(struct ahci_port *p) {
    uint8_t fis[20] = {PIO_SETUP_FIS, FIS_INTERRUPT | FIS_TO_HOST};
    registers(&p->drive, fis);
    fis[2] = ATA_DRDY | ATA_DSC | ATA_DRQ;
    fis[15] = p->drive.status;
    store_le16(fis + 16, (uint16_t)MIN(p->moved, 0xfffeu));
    ahci_post(p, PIO_SETUP_OFFSET, fis, sizeof(fis));
    task_file(p);
    p->is |= PXIS_PSS;
}

/* The first frame after a reset, when the port receives and nothing of before is under way. */
static void post_signature(struct ahci_port *p) {
    const struct ata_drive *d = &p->drive;
    if (!p->signature || !(p->cmd & PXCMD_FRE) || p->inflight || d->phase == ATA_RESETTING)
        return;
    p->signature = false;
    p->sig = d->count[0] | (uint32_t)d->lba_low[0] << 8 | (uint32_t)d->lba_mid[0] << 16 |
             (uint32_t)d->lba_high[0] << 24;
    post_registers(p, false);
}

/* ---- ends of commands ---- */

/* Bytes moved, into the command's header. */
static void count_moved(struct ahci_port *p) {
    uint8_t count[4];
    store_le32(count, p->moved);
    dma_write(&p->pci->dma, p->header + 4, count, sizeof(count));
}

static void command_done(struct ahci_port *p, bool interrupt) {
    const struct ata_drive *d = &p->drive;
    bool failed = d->status & ATA_ERR, ours = p->busy;
    p->busy = false;
    if (ours && p->moved)
        count_moved(p);
    if (d->pio_in && d->command != PACKET && !failed)
        post_pio_setup(p);
    else
        post_registers(p, interrupt);
    if (!ours) /* the port was stopped meanwhile */
        return;
    if (p->list.marked)
        p->is |= PXIS_DPS;
    if (failed) {
        p->is |= PXIS_TFES;
        p->halted = true;
    } else {
        p->ci &= ~(1u << p->slot);
    }
    if (p->ci)
        ahci_port_run(p);
}

static void host_interrupt(void *host, struct ata_drive *d) {
    struct ahci_port *p = host;
    if (!d->intrq)
        return;
    d->intrq = false;
    command_done(p, true);
    p->changed(p);
}

static void host_reset_over(void *host, struct ata_drive *d) {
    struct ahci_port *p = host;
    (void)d;
    if (p->busy && !p->signature) { /* DEVICE RESET */
        command_done(p, false);
    } else {
        p->signature = true;
        post_signature(p);
    }
    p->changed(p);
}

void ahci_port_settle(struct ahci_port *p) {
    post_signature(p);
    ahci_port_run(p);
    p->changed(p);
}

/* ---- the drive's data ---- */

static bool host_dma_ready(void *host, struct ata_drive *d, bool to_host) {
    struct ahci_port *p = host;
    (void)d;
    return p->busy && (to_host || !ahci_list_ended(&p->list, &p->pci->dma));
}

static bool host_dma_map(void *host, struct dma_sg *sg, size_t len, bool to_host) {
    struct ahci_port *p = host;
    size_t got = ahci_list_map(&p->list, &p->pci->dma, sg, len, to_host);
    p->moved += (uint32_t)got;
    return got;
}

static void host_dma_unmap(void *host, struct dma_sg *sg, bool wrote) {
    struct ahci_port *p = host;
    dma_sg_done(&p->pci->dma, sg, wrote);
}

/* What a drive sends beyond the list is dropped. */
static size_t host_dma_copy(void *host, void *buf, size_t len, bool to_host) {
    struct ahci_port *p = host;
    size_t done = ahci_list_copy(&p->list, &p->pci->dma, buf, len, to_host);
    p->moved += (uint32_t)done;
    if (done == len || !to_host)
        return done;
    p->is |= p->list.fault ? PXIS_HBFS : PXIS_OFS;
    return len;
}

static const struct ata_host host_ops = {
    .serial = true, .interrupt = host_interrupt, .dma_ready = host_dma_ready,
    .dma_map = host_dma_map, .dma_unmap = host_dma_unmap, .dma_copy = host_dma_copy,
    .reset_over = host_reset_over,
};

/* ---- taking commands ---- */

static void fatal(struct ahci_port *p, uint32_t is) {
    p->is |= is;
    p->halted = true;
}

/* A control frame: nothing comes back, but at the end of a software reset. */
static void take_control(struct ahci_port *p, uint32_t header, const uint8_t *fis) {
    struct ata_drive *d = &p->drive;
    p->ci &= ~(1u << p->slot);
    if (!(header & HEADER_CLEAR_BUSY))
        p->tfd |= ATA_BSY;
    if (fis[15] & ATA_SRST && p->queued) {
        p->queued = 0;
        ahci_queue_abandon(p);
    }
    bool reset = d->control & ATA_SRST && !(fis[15] & ATA_SRST);
    ata_control(d, fis[15]);
    if (!reset && !(fis[15] & ATA_SRST))
        task_file(p);
}

static bool is_queued(const struct ahci_port *p, const uint8_t *fis) {
    return p->tags && (fis[2] == READ_FPDMA || fis[2] == WRITE_FPDMA);
}

static bool reads_queue_log(const uint8_t *fis) {
    return fis[2] == READ_LOG_EXT && fis[4] == LOG_QUEUE;
}

static void take_unqueued(struct ahci_port *p, const uint8_t *table) {
    struct ata_drive *d = &p->drive;
    p->busy = true;
    p->moved = 0;
    p->tfd = ATA_BSY | ATA_DRDY | ATA_DSC;
    if (d->failed.pending && !reads_queue_log(table)) {
        if (d->phase == ATA_IDLE)
            ata_fail(d, ATA_ABRT);
        return;
    }
    ata_frame(d, table);
    if (table[2] == PACKET && d->phase == ATA_PIO_OUT && !d->packet.have_cdb)
        ata_data_write(d, table + ACMD, CDB_LEN);
}

static void take_command(struct ahci_port *p, const uint8_t *table, uint64_t prdt, unsigned entries,
                         unsigned ahead) {
    struct ata_drive *d = &p->drive;
    const uint8_t *prds = table + AHCI_TABLE_HEAD;
    if (is_queued(p, table) && !d->failed.pending && d->phase == ATA_IDLE &&
        d->power != ATA_ASLEEP) {
        p->ci &= ~(1u << p->slot);
        d->power = ATA_ACTIVE;
        d->error = 0;
        p->tfd = ATA_DRDY | ATA_DSC;
        ahci_list_start(&p->tags[p->slot].list, prdt, entries, prds, ahead);
        ahci_queue_start(p, p->slot, table);
    } else if (p->queued) {
        ahci_queue_refuse(p);
    } else {
        ahci_list_start(&p->list, prdt, entries, prds, ahead);
        take_unqueued(p, table);
    }
}

/* Header, command table and as much of the region list as is looked at first: two reads. */
static void take(struct ahci_port *p, unsigned slot) {
    uint8_t header[16], table[AHCI_TABLE_HEAD + AHCI_PRD_AHEAD * AHCI_PRD];
    const struct dma *dma = &p->pci->dma;
    p->slot = (uint8_t)slot;
    p->header = p->clb + (uint64_t)slot * HEADER_LEN;
    if (!dma_read(dma, p->header, header, sizeof(header))) {
        fatal(p, PXIS_HBFS);
        return;
    }
    uint32_t flags = load_le32(header);
    uint64_t at = load_le64(header + 8) & ~UINT64_C(0x7f);
    unsigned entries = flags >> HEADER_PRDTL_SHIFT;
    unsigned ahead = MIN(entries, (unsigned)AHCI_PRD_AHEAD);
    if (!dma_read(dma, at, table, AHCI_TABLE_HEAD + ahead * AHCI_PRD)) {
        fatal(p, PXIS_HBFS);
        return;
    }
    if (table[0] != H2D_FIS || (flags & HEADER_CFL) * 4 < H2D_LEN) {
        p->serr |= PXSERR_P;
        fatal(p, PXIS_IFS);
    } else if (table[1] & FIS_COMMAND) {
        take_command(p, table, at + AHCI_TABLE_HEAD, entries, ahead);
    } else {
        take_control(p, flags, table);
    }
}

/* Slots are served in turn, from the one after the last on; one whose request of an earlier life is
 * still with the image has to wait. */
static int next_slot(const struct ahci_port *p) {
    if (!(p->cmd & PXCMD_ST) || p->halted || p->busy || p->tfd & (ATA_BSY | ATA_DRQ) ||
        !ata_is_there(&p->drive))
        return -1;
    for (unsigned i = 1; p->ci && i <= AHCI_SLOTS; i++) {
        unsigned slot = (p->slot + i) % AHCI_SLOTS;
        if (p->ci & 1u << slot && !(p->inflight && p->tags[slot].inflight))
            return (int)slot;
    }
    return -1;
}

void ahci_port_run(struct ahci_port *p) {
    if (p->running)
        return;
    p->running = true;
    for (int slot = next_slot(p); slot >= 0; slot = next_slot(p))
        take(p, (unsigned)slot);
    p->running = false;
}

/* ---- starting, stopping, resets ---- */

static void stop(struct ahci_port *p) {
    p->ci = p->sact = p->queued = 0;
    p->busy = p->halted = false;
    p->slot = AHCI_SLOTS - 1; /* the next one is 0 */
    ahci_queue_abandon(p);
}

static void hard_reset(struct ahci_port *p) {
    bool there = ata_is_there(&p->drive);
    p->queued = 0;
    ahci_queue_abandon(p);
    p->busy = false;
    p->sig = (uint32_t)SIG_NONE;
    p->ssts = there ? SSTS_UP : 0;
    p->tfd = there ? ATA_BSY : TFD_NONE;
    p->signature = false;
    if (!there)
        return;
    p->serr |= PXSERR_X | PXSERR_N;
    p->signature = true;
    ata_hard_reset(&p->drive);
}

static void reset_registers(struct ahci_port *p) {
    p->is = p->ie = p->serr = p->sctl = 0;
    p->cmd = PXCMD_SUD | PXCMD_POD;
}

void ahci_port_reset(struct ahci_port *p) {
    if (!ahci_port_idle(p))
        block_drain(p->drive.block);
    stop(p);
    reset_registers(p);
    hard_reset(p);
}

void ahci_port_power_on(struct ahci_port *p) {
    if (!ahci_port_idle(p))
        block_drain(p->drive.block);
    stop(p);
    reset_registers(p);
    p->clb = p->fb = 0;
    ata_power_on(&p->drive);
    hard_reset(p);
    p->serr &= (uint32_t)~PXSERR_N;
}

static void sctl_write(struct ahci_port *p, uint32_t val) {
    unsigned was = p->sctl & DET_MASK, det = val & DET_MASK;
    p->sctl = val & 0xfff;
    if (det == was)
        return;
    if (det == DET_INIT || det == DET_OFFLINE) {
        p->ssts = det == DET_OFFLINE ? SSTS_OFFLINE : 0;
        p->tfd = TFD_NONE;
        p->queued = 0;
        p->busy = p->signature = false;
        ahci_queue_abandon(p);
    } else if (det == 0) {
        hard_reset(p);
    }
}

static void cmd_write(struct ahci_port *p, uint32_t val) {
    uint32_t was = p->cmd;
    p->cmd = (was & ~(uint32_t)PXCMD_RW) | (val & PXCMD_RW);
    if (was & ~p->cmd & PXCMD_ST)
        stop(p);
    if (val & PXCMD_CLO && !(p->cmd & PXCMD_ST & was))
        p->tfd &= ~(uint32_t)(ATA_BSY | ATA_DRQ);
    if (p->cmd & ~was & PXCMD_FRE)
        post_signature(p);
    ahci_port_run(p);
}

/* ---- registers ---- */

static uint32_t cmd_now(const struct ahci_port *p) {
    bool running = p->cmd & PXCMD_ST || p->inflight || p->drive.inflight;
    return p->cmd | (p->cmd & PXCMD_FRE ? PXCMD_FR : 0) | (running ? PXCMD_CR : 0) |
           (p->busy || p->halted ? (uint32_t)p->slot << PXCMD_CCS_SHIFT : 0);
}

uint32_t ahci_port_read(struct ahci_port *p, unsigned reg) {
    switch (reg) {
    case PXCLB:
        return (uint32_t)p->clb;
    case PXCLBU:
        return (uint32_t)(p->clb >> 32);
    case PXFB:
        return (uint32_t)p->fb;
    case PXFBU:
        return (uint32_t)(p->fb >> 32);
    case PXIS:
        return ahci_port_is(p);
    case PXIE:
        return p->ie;
    case PXCMD:
        return cmd_now(p);
    case PXTFD:
        return p->tfd;
    case PXSIG:
        return p->sig;
    case PXSSTS:
        return p->ssts;
    case PXSCTL:
        return p->sctl;
    case PXSERR:
        return p->serr;
    case PXSACT:
        return p->sact;
    case PXCI:
        return p->ci;
    default:
        return 0;
    }
}

static uint64_t with_low(uint64_t old, uint32_t low) {
    return (old & ~UINT64_C(0xffffffff)) | low;
}

static uint64_t with_high(uint64_t old, uint32_t high) {
    return (old & 0xffffffff) | (uint64_t)high << 32;
}

void ahci_port_write(struct ahci_port *p, unsigned reg, uint32_t val) {
    switch (reg) {
    case PXCLB:
        p->clb = with_low(p->clb, val & ~0x3ffu);
        break;
    case PXCLBU:
        p->clb = with_high(p->clb, val);
        break;
    case PXFB:
        p->fb = with_low(p->fb, val & ~0xffu);
        break;
    case PXFBU:
        p->fb = with_high(p->fb, val);
        break;
    case PXIS:
        p->is &= ~val;
        break;
    case PXIE:
        p->ie = val & (uint32_t)PXIE_MASK;
        break;
    case PXCMD:
        cmd_write(p, val);
        break;
    case PXSCTL:
        sctl_write(p, val);
        break;
    case PXSERR:
        p->serr &= ~val;
        break;
    case PXSACT: /* for commands that PxCI is about to name */
        if (p->cmd & PXCMD_ST)
            p->sact |= val;
        break;
    case PXCI:
        if (p->cmd & PXCMD_ST) {
            p->ci |= val;
            ahci_port_run(p);
        }
        break;
    default:
        break;
    }
}

/* ---- life ---- */

void ahci_port_init(struct ahci_port *p, const struct ata_pins *pins, unsigned place) {
    ata_init(&p->drive, pins, &host_ops, p, 0, place);
    if (p->drive.kind != ATA_DISK)
        return;
    p->tags = mem_new(AHCI_SLOTS * sizeof(*p->tags));
    for (unsigned i = 0; i < AHCI_SLOTS; i++)
        p->tags[i].port = p;
}

void ahci_port_free(struct ahci_port *p) {
    ata_done_with(&p->drive);
    mem_free(p->tags);
}

bool ahci_port_idle(const struct ahci_port *p) {
    return !p->inflight && !p->drive.inflight;
}

bool ahci_port_loaded(struct ahci_port *p, char *why, size_t why_len) {
    if (!ata_loaded(&p->drive, why, why_len))
        return false;
    uint32_t unknown = p->is & ~(uint32_t)PXIS_STICKY;
    if (unknown || p->serr & ~(uint32_t)SERR_MASK || p->clb & 0x3ff || p->fb & 0xff ||
        (p->cmd & ~(uint32_t)PXCMD_RW) != (PXCMD_SUD | PXCMD_POD)) {
        snprintf(why, why_len, "port %u: reserved bits are set", p->number);
        return false;
    }
    p->list = (struct ahci_list){0};
    p->moved = 0;
    return true;
}

void ahci_port_unplug(struct ahci_port *p) {
    if (p->drive.kind != ATA_DISK || !p->drive.present)
        return;
    block_drain(p->drive.block);
    stop(p);
    reset_registers(p);
    ata_unplug(&p->drive);
    p->is = 0;
    hard_reset(p);
}
