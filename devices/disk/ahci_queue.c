/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native command queuing: READ and WRITE FPDMA QUEUED (SATA 2.6, 13.6; AHCI 1.3, 5.6.4 and
 * 6.2.2.2). Up to 32 requests are with the image at once; each goes between guest memory and the
 * image, in pieces where it is long or its list is. Not modelled: the other queued commands, the
 * D2H frame by which a drive takes a queued command (nothing of it shows but PxCI).
 *
 * A sector that lies in more pieces than a scatter list holds goes through the tag's own memory,
 * and so do all of a request that failed, one by one: log 10h names the bad one.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "disk/ahci_port.h"

enum { WRITE_FPDMA = 0x61, DEVICE_FUA = 0x80, BATCH = 1 << 20 };
enum { SDB_FIS = 0xa1, SDB_OFFSET = 0x58, FIS_INTERRUPT = 0x40 };

static unsigned number_of(const struct ahci_tag *t) {
    return (unsigned)(t - t->port->tags);
}

/* Set Device Bits: which tags are done, and whether well. The low and the high status bits go into
 * PxTFD; BSY and DRQ stay as they are. */
static void set_device_bits(struct ahci_port *p, uint32_t done, uint8_t status, uint8_t error) {
    uint8_t fis[8] = {SDB_FIS, FIS_INTERRUPT, status & 0x77, error};
    store_le32(fis + 4, done);
    ahci_post(p, SDB_OFFSET, fis, sizeof(fis));
    p->tfd = (p->tfd & (ATA_BSY | ATA_DRQ)) | (status & 0x77) | (uint32_t)error << 8;
    p->is |= PXIS_SDBS;
    p->sact &= ~done;
}

/* All that is queued ends unfinished; software asks log 10h which one failed. */
static void fail(struct ahci_port *p, uint8_t error) {
    p->queued = 0;
    ahci_queue_abandon(p);
    p->halted = true;
    set_device_bits(p, 0, ATA_DRDY | ATA_ERR, error);
    p->is |= PXIS_TFES;
}

static void fail_tag(struct ahci_tag *t, uint8_t error) {
    struct ahci_port *p = t->port;
    p->drive.failed = (struct ata_queue_error){.pending = true, .tag = (uint8_t)number_of(t),
                                               .error = error, .device = t->device,
                                               .count = t->count, .lba = t->at / ATA_SECTOR};
    fail(p, error);
}

void ahci_queue_refuse(struct ahci_port *p) {
    p->drive.failed = (struct ata_queue_error){.pending = true, .unqueued = true,
                                               .error = ATA_ABRT};
    fail(p, ATA_ABRT);
}

void ahci_queue_abandon(struct ahci_port *p) {
    for (unsigned i = 0; p->inflight && i < AHCI_SLOTS; i++)
        p->tags[i].dead |= p->tags[i].inflight;
}

/* ---- one command ---- */

static void request_done(struct block_req *req, int err);

static void submit(struct ahci_tag *t, enum block_op op, struct iovec *iov, unsigned niov,
                   size_t len) {
    struct ahci_port *p = t->port;
    t->inflight = true;
    p->inflight++;
    t->req.op = op;
    t->req.offset = t->at;
    t->req.len = len;
    t->req.iov = iov;
    t->req.niov = niov;
    t->req.done = request_done;
    t->req.owner = t;
    block_submit(p->drive.block, &t->req);
}

static void submit_sector(struct ahci_tag *t) {
    t->iov = (struct iovec){t->sector, ATA_SECTOR};
    submit(t, t->write ? BLOCK_WRITE : BLOCK_READ, &t->iov, 1, ATA_SECTOR);
}

static void submit_mapped(struct ahci_tag *t) {
    if (!t->careful) {
        submit(t, t->write ? BLOCK_WRITE : BLOCK_READ, t->sg.iov, t->sg.n, t->sg.len);
        return;
    }
    if (t->write)
        dma_sg_fetch(&t->sg, t->moved, t->sector, ATA_SECTOR);
    submit_sector(t);
}

static void finish(struct ahci_tag *t) {
    struct ahci_port *p = t->port;
    uint32_t bit = 1u << number_of(t);
    p->queued &= ~bit;
    if (t->list.marked)
        p->is |= PXIS_DPS;
    set_device_bits(p, bit, ATA_DRDY, 0);
}

/* A read drops what is beyond the list, a write waits for data that never comes, until software
 * resets the port. */
static void starve(struct ahci_tag *t) {
    struct ahci_port *p = t->port;
    if (t->list.fault) {
        p->is |= PXIS_HBFS;
        p->halted = true;
    } else if (!t->write) {
        p->is |= PXIS_OFS;
        finish(t);
    }
}

/* No whole sector could be mapped: there are none, or the next one is in too many pieces. */
static void next_in_pieces(struct ahci_tag *t) {
    const struct dma *dma = &t->port->pci->dma;
    if (ahci_list_ended(&t->list, dma) ||
        (t->write && ahci_list_copy(&t->list, dma, t->sector, ATA_SECTOR, false) < ATA_SECTOR))
        starve(t);
    else
        submit_sector(t);
}

static void next(struct ahci_tag *t) {
    struct ahci_port *p = t->port;
    if (t->left) {
        t->moved = 0;
        if (ahci_list_map(&t->list, &p->pci->dma, &t->sg, MIN(t->left, (uint64_t)BATCH), !t->write))
            submit_mapped(t);
        else
            next_in_pieces(t);
    } else if (t->write && t->fua) {
        t->fua = false;
        submit(t, BLOCK_FLUSH, NULL, 0, 0);
    } else {
        finish(t);
    }
}

static uint8_t error_of(const struct ahci_tag *t, int err) {
    return err == EINVAL ? ATA_IDNF : t->write ? ATA_ABRT : ATA_UNC;
}

static void give_back(struct ahci_tag *t) {
    if (t->sg.n)
        dma_sg_done(&t->port->pci->dma, &t->sg, !t->write);
}

/* The sector in our memory is read or written. True: there are more of the same mapped memory. */
static bool sector_moved(struct ahci_tag *t) {
    if (!t->sg.n) {
        if (!t->write)
            ahci_list_copy(&t->list, &t->port->pci->dma, t->sector, ATA_SECTOR, true);
        return false;
    }
    if (!t->write)
        dma_sg_fill(&t->sg, t->moved, t->sector, ATA_SECTOR);
    t->moved += ATA_SECTOR;
    return t->moved < t->sg.len;
}

static void request_ok(struct ahci_tag *t) {
    t->at += t->req.len;
    t->left -= t->req.len;
    if (t->req.iov == &t->iov && sector_moved(t)) {
        submit_mapped(t);
        return;
    }
    give_back(t);
    next(t);
}

static void request_failed(struct ahci_tag *t, int err) {
    struct ahci_port *p = t->port;
    if (!t->careful && t->req.len > ATA_SECTOR) {
        t->careful = true;
        submit_mapped(t);
        return;
    }
    give_back(t);
    log_guest(&p->drive.failures, "%s: %s %zu bytes at offset %llu failed: %s",
              p->drive.block->name, t->write ? "writing" : "reading", t->req.len,
              (unsigned long long)t->at, strerror(err));
    fail_tag(t, error_of(t, err));
}

static void request_done(struct block_req *req, int err) {
    struct ahci_tag *t = req->owner;
    struct ahci_port *p = t->port;
    t->inflight = false;
    p->inflight--;
    if (t->dead) {
        give_back(t);
        t->dead = false;
        ahci_port_settle(p);
        return;
    }
    if (err)
        request_failed(t, err);
    else
        request_ok(t);
    if (p->ci)
        ahci_port_run(p);
    p->changed(p);
}

void ahci_queue_start(struct ahci_port *p, unsigned n, const uint8_t *fis) {
    struct ahci_tag *t = &p->tags[n];
    uint64_t capacity = ata_disk_capacity(&p->drive);
    uint32_t sectors = fis[3] | (uint32_t)fis[11] << 8;
    uint64_t low = fis[4] | (uint32_t)fis[5] << 8 | (uint32_t)fis[6] << 16;
    uint64_t high = fis[8] | (uint32_t)fis[9] << 8 | (uint32_t)fis[10] << 16;
    uint64_t lba = low | high << 24;
    if (!sectors)
        sectors = 65536;
    t->write = fis[2] == WRITE_FPDMA;
    t->fua = fis[7] & DEVICE_FUA || !p->drive.write_cache;
    t->device = fis[7];
    t->count = load_le16(fis + 12);
    t->at = lba * ATA_SECTOR;
    t->left = (uint64_t)sectors * ATA_SECTOR;
    t->careful = false;
    p->queued |= 1u << n;
    if (fis[12] >> 3 != n || !(p->sact & 1u << n))
        fail_tag(t, ATA_ABRT);
    else if (lba >= capacity || sectors > capacity - lba)
        fail_tag(t, ATA_IDNF);
    else
        next(t);
}
