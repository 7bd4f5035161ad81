/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all ATA drives share: the task file, the PIO and DMA data phases, requests to the image,
 * resets with their signatures. ATA/ATAPI-6 (T13 1410D), clauses 7 (registers) and 9 (protocols).
 * The commands themselves are in ata_disk.c and atapi.c. Not modelled: overlapped and queued
 * commands, the time that a mechanism takes.
 *
 * Reads go ahead of the host: one request to the image fills the buffer for as many DRQ blocks as
 * fit. Writes are collected the same way. DMA goes between guest memory and the image; the buffer
 * stands in where a sector lies in more pieces than a scatter list holds, and while a bad sector is
 * searched.
 */
#include "disk/ata.h"

#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"

enum { DMA_BATCH = 1 << 20 }; /* bytes a request: bounds what one guest can have in flight */

static const struct field packet_fields[] = {
    F_MAX(struct ata_packet, sense_key, 15), F(struct ata_packet, asc), F(struct ata_packet, ascq),
    F(struct ata_packet, attention), F_MAX(struct ata_packet, event, 15),
    F_MAX(struct ata_packet, tray_open, 1), F_MAX(struct ata_packet, locked, 1),
    F_MAX(struct ata_packet, have_cdb, 1),
    F_BYTES(struct ata_packet, cdb), F_END
};

static const struct field failed_fields[] = {
    F(struct ata_queue_error, pending), F(struct ata_queue_error, unqueued),
    F_MAX(struct ata_queue_error, tag, 31), F(struct ata_queue_error, error),
    F(struct ata_queue_error, device), F(struct ata_queue_error, count),
    F(struct ata_queue_error, lba), F_END
};

const struct field ata_drive_fields[] = {
    F_ARRAY(struct ata_drive, feature), F_ARRAY(struct ata_drive, count),
    F_ARRAY(struct ata_drive, lba_low), F_ARRAY(struct ata_drive, lba_mid),
    F_ARRAY(struct ata_drive, lba_high), F(struct ata_drive, device),
    F(struct ata_drive, control), F(struct ata_drive, status), F(struct ata_drive, error),
    F_MAX(struct ata_drive, intrq, 1),
    F(struct ata_drive, command), F_MAX(struct ata_drive, phase, ATA_BUSY - 1),
    F_MAX(struct ata_drive, op, ATA_OPS - 1), F_MAX(struct ata_drive, dma, 1),
    F_MAX(struct ata_drive, fua, 1), F_MAX(struct ata_drive, diagnosing, 1),
    F_MAX(struct ata_drive, pos, ATA_BUF), F_MAX(struct ata_drive, drq, ATA_BUF),
    F_MAX(struct ata_drive, end, ATA_BUF), F_MAX(struct ata_drive, drq_len, ATA_BUF),
    F(struct ata_drive, at), F(struct ata_drive, left),
    F_DYNAMIC_USED(struct ata_drive, buf, ATA_BUF, end),
    F_MAX(struct ata_drive, heads, 16), F(struct ata_drive, sectors),
    F_MAX(struct ata_drive, multiple, ATA_MULTIPLE), F(struct ata_drive, transfer_mode),
    F(struct ata_drive, power), F_MAX(struct ata_drive, write_cache, 1),
    F_MAX(struct ata_drive, look_ahead, 1), F_MAX(struct ata_drive, smart, 1),
    F_MAX(struct ata_drive, present, 1),
    F_STRUCT(struct ata_drive, packet, packet_fields),
    F_STRUCT(struct ata_drive, failed, failed_fields), F_END
};

/* ---- interrupts and ends of commands ---- */

static void interrupt(struct ata_drive *d, bool intrq) {
    d->intrq = intrq;
    d->ops->interrupt(d->host, d);
}

static void idle(struct ata_drive *d) {
    d->phase = ATA_IDLE;
    d->op = ATA_OP_NONE;
    d->dma = d->fua = d->careful = false;
    d->pos = d->drq = d->end = d->drq_len = 0;
    d->at = d->left = 0;
    d->written = 0;
}

/* Data goes between the medium and the host's memory: by the DMA engine of a parallel host, and
 * always where the host is a serial one, which moves what PIO commands move as well. */
static bool by_engine(const struct ata_drive *d) {
    return d->dma || d->ops->serial;
}

/* A PIO data-in command of a disk ends with its last block, which had its interrupt (9.5). */
static bool ends_quietly(const struct ata_drive *d) {
    return d->kind == ATA_DISK && d->phase == ATA_PIO_IN;
}

/* For a serial host, whose frames tell how the data of the command that ends here went. */
static void note_pio(struct ata_drive *d) {
    bool data = !d->dma && d->op >= ATA_OP_IN && d->op <= ATA_OP_WRITE;
    d->pio_in = data && (d->op == ATA_OP_IN || d->op == ATA_OP_READ);
    d->pio_out = data && !d->pio_in;
}

void ata_complete(struct ata_drive *d) {
    bool quiet = ends_quietly(d);
    note_pio(d);
    d->status = ATA_DRDY | ATA_DSC;
    if (d->kind == ATA_CDROM)
        atapi_ending(d);
    else
        ata_disk_ending(d);
    idle(d);
    if (!quiet)
        interrupt(d, true);
}

void ata_fail(struct ata_drive *d, uint8_t error) {
    d->error = error;
    d->pio_in = d->pio_out = false;
    d->status = ATA_DRDY | ATA_DSC | ATA_ERR;
    if (d->kind == ATA_CDROM)
        atapi_ending(d);
    idle(d);
    interrupt(d, true);
}

/* ---- the buffer ---- */

uint8_t *ata_buf(struct ata_drive *d, uint32_t bytes) {
    memset(d->buf, 0, bytes);
    return d->buf;
}

/* Opens the next DRQ block of buf[pos, end). */
static void open_block(struct ata_drive *d, bool with_interrupt) {
    uint32_t bytes = MIN(d->end - d->pos, d->drq_len);
    d->drq = d->pos + bytes;
    d->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    if (d->kind == ATA_CDROM)
        atapi_drq(d, bytes);
    if (with_interrupt)
        interrupt(d, true);
}

static void open_in(struct ata_drive *d, uint32_t bytes) {
    d->pos = 0;
    d->end = bytes;
    d->phase = ATA_PIO_IN;
    open_block(d, true);
}

/* The first block that a host is to send has no interrupt (9.6), later ones have. */
static void open_out(struct ata_drive *d, uint32_t bytes, bool first) {
    d->pos = 0;
    d->end = bytes;
    d->phase = ATA_PIO_OUT;
    open_block(d, !first);
}

/* ---- requests to the image ---- */

static void request_done(struct block_req *req, int err);

static void submit(struct ata_drive *d, enum block_op op, struct iovec *iov, unsigned niov,
                   size_t len) {
    d->phase = ATA_BUSY;
    d->status = ATA_BSY | ATA_DRDY | ATA_DSC;
    if (!d->block) { /* taken out while the command ran */
        if (d->sg.n)
            d->ops->dma_unmap(d->host, &d->sg, false);
        atapi_failed(d, ENOMEDIUM);
        return;
    }
    d->inflight = true;
    d->req = (struct block_req){.op = op, .offset = d->at, .len = len, .iov = iov, .niov = niov,
                                .done = request_done, .owner = d};
    block_submit(d->block, &d->req);
}

static void submit_buf(struct ata_drive *d, enum block_op op, uint32_t from, uint32_t len) {
    d->iov = (struct iovec){d->buf + from, len};
    submit(d, op, &d->iov, 1, len);
}

static uint32_t sector_size(const struct ata_drive *d) {
    return d->kind == ATA_CDROM ? ATA_CD_SECTOR : ATA_SECTOR;
}

/* How much the next request through the buffer moves. A chunk ends where a DRQ block ends. */
static uint32_t chunk(const struct ata_drive *d) {
    uint32_t most = ATA_BUF;
    if (d->careful || (by_engine(d) && d->op != ATA_OP_VERIFY))
        most = sector_size(d);
    else if (d->drq_len && d->drq_len % ATA_SECTOR == 0)
        most -= most % d->drq_len;
    return (uint32_t)MIN(d->left, most);
}

static void submit_piece(struct ata_drive *d) {
    uint32_t bytes = sector_size(d);
    if (d->op == ATA_OP_WRITE)
        dma_sg_fetch(&d->sg, d->written, d->buf, bytes);
    submit_buf(d, d->op == ATA_OP_WRITE ? BLOCK_WRITE : BLOCK_READ, 0, bytes);
}

static void submit_direct(struct ata_drive *d) {
    d->written = 0;
    if (d->careful && !(d->sg.len % sector_size(d)))
        submit_piece(d);
    else
        submit(d, d->op == ATA_OP_READ ? BLOCK_READ : BLOCK_WRITE, d->sg.iov, d->sg.n, d->sg.len);
}

static void submit_collected(struct ata_drive *d) {
    uint32_t bytes = d->end - d->written;
    submit_buf(d, BLOCK_WRITE, d->written, d->careful ? MIN(bytes, sector_size(d)) : bytes);
}

/* Data that was written is to be on stable storage when the command ends, if the host asked so. */
static void written_all(struct ata_drive *d) {
    if (d->fua || !d->write_cache)
        ata_flush(d);
    else
        ata_complete(d);
}

static void dma_run(struct ata_drive *d) {
    bool to_host = d->op == ATA_OP_IN || d->op == ATA_OP_READ;
    d->phase = ATA_DMA_WAIT;
    d->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    if (d->pos < d->end) {
        if (!d->ops->dma_ready(d->host, d, to_host))
            return;
        d->pos += (uint32_t)d->ops->dma_copy(d->host, d->buf + d->pos, d->end - d->pos, to_host);
        if (d->pos < d->end)
            return;
        if (d->op == ATA_OP_WRITE) {
            d->written = 0;
            submit_collected(d);
            return;
        }
        if (d->op == ATA_OP_OUT) {
            if (d->kind == ATA_CDROM)
                atapi_received(d);
            else
                ata_disk_received(d);
            return;
        }
    }
    if (!d->left) {
        if (d->op == ATA_OP_WRITE)
            written_all(d);
        else
            ata_complete(d);
        return;
    }
    if (!d->ops->dma_ready(d->host, d, to_host))
        return;
    if (d->ops->dma_map(d->host, &d->sg, MIN(d->left, DMA_BATCH), to_host)) {
        submit_direct(d);
    } else if (to_host) {
        submit_buf(d, BLOCK_READ, 0, chunk(d));
    } else {
        d->pos = 0;
        d->end = chunk(d);
        dma_run(d);
    }
}

/* The data phase goes on after the image moved something, or begins. */
static void medium_next(struct ata_drive *d, bool first) {
    if (d->op != ATA_OP_VERIFY && by_engine(d))
        dma_run(d);
    else if (d->op == ATA_OP_WRITE && d->left)
        open_out(d, chunk(d), first);
    else if (d->left)
        submit_buf(d, BLOCK_READ, 0, chunk(d));
    else if (d->op == ATA_OP_WRITE)
        written_all(d);
    else
        ata_complete(d);
}

/* [start, start + n) of LBA ranges, 8 bytes each: 48 bits of LBA, 16 of count (ACS-2, 7.10.3). */
static void discard_next(struct ata_drive *d) {
    while (d->pos + 8 <= d->end) {
        uint64_t range = load_le64(d->buf + d->pos);
        uint64_t lba = range & 0xffffffffffff, n = range >> 48;
        d->pos += 8;
        if (!n)
            continue;
        if (lba + n > ata_disk_capacity(d)) {
            ata_fail(d, ATA_IDNF | ATA_ABRT);
            return;
        }
        d->at = lba * ATA_SECTOR;
        submit(d, BLOCK_DISCARD, NULL, 0, n * ATA_SECTOR);
        return;
    }
    ata_complete(d);
}

/* A request through buf or, in pieces, through sg: true when there is more of the same to
 * submit. */
static bool moved(struct ata_drive *d, uint32_t bytes) {
    d->at += bytes;
    d->left -= bytes;
    if (d->sg.n) {
        if (d->req.iov == d->sg.iov) {
            d->ops->dma_unmap(d->host, &d->sg, d->op == ATA_OP_READ);
            return false;
        }
        if (d->op == ATA_OP_READ)
            dma_sg_fill(&d->sg, d->written, d->buf, bytes);
        d->written += bytes;
        if (d->written < d->sg.len) {
            submit_piece(d);
            return true;
        }
        d->ops->dma_unmap(d->host, &d->sg, d->op == ATA_OP_READ);
        return false;
    }
    if (d->op == ATA_OP_WRITE) {
        d->written += bytes;
        if (d->written < d->end) {
            submit_collected(d);
            return true;
        }
    }
    if (d->op == ATA_OP_READ && by_engine(d)) {
        d->pos = 0;
        d->end = bytes;
    } else {
        d->pos = d->end = 0;
    }
    return false;
}

static void request_ok(struct ata_drive *d) {
    uint32_t bytes = (uint32_t)d->req.len;
    switch ((enum ata_op)d->op) {
    case ATA_OP_READ:
    case ATA_OP_WRITE:
        if (moved(d, bytes))
            return;
        if (d->op == ATA_OP_READ && !by_engine(d))
            open_in(d, bytes);
        else
            medium_next(d, false);
        return;
    case ATA_OP_VERIFY:
        d->at += bytes;
        d->left -= bytes;
        medium_next(d, false);
        return;
    case ATA_OP_DISCARD:
        discard_next(d);
        return;
    default:
        ata_complete(d);
        return;
    }
}

/* True: the request that failed is done again in sectors, so that the guest learns which is bad. */
static bool search_bad(struct ata_drive *d) {
    bool medium = d->op == ATA_OP_READ || d->op == ATA_OP_WRITE || d->op == ATA_OP_VERIFY;
    if (!medium || d->careful || d->req.len <= sector_size(d))
        return false;
    d->careful = true;
    if (d->sg.n)
        submit_direct(d);
    else if (d->op == ATA_OP_WRITE)
        submit_collected(d);
    else
        submit_buf(d, BLOCK_READ, 0, chunk(d));
    return true;
}

static const char *const verbs[] = {[BLOCK_READ] = "reading", [BLOCK_WRITE] = "writing",
                                    [BLOCK_FLUSH] = "flushing", [BLOCK_DISCARD] = "discarding"};

static void request_failed(struct ata_drive *d, int err) {
    if (search_bad(d))
        return;
    log_guest(&d->failures, "%s: %s %zu bytes at offset %llu failed: %s", d->block->name,
              verbs[d->req.op], d->req.len, (unsigned long long)d->at, strerror(err));
    if (d->sg.n)
        d->ops->dma_unmap(d->host, &d->sg, d->op == ATA_OP_READ);
    if (d->kind == ATA_CDROM)
        atapi_failed(d, err);
    else
        ata_disk_failed(d, err);
}

static void reset_over(struct ata_drive *d);

static void request_done(struct block_req *req, int err) {
    struct ata_drive *d = req->owner;
    d->inflight = false;
    if (d->phase == ATA_RESETTING) {
        if (d->sg.n)
            d->ops->dma_unmap(d->host, &d->sg, req->op == BLOCK_READ);
        reset_over(d);
    } else if (err) {
        request_failed(d, err);
    } else {
        request_ok(d);
    }
}

/* ---- what commands start ---- */

void ata_send(struct ata_drive *d, uint32_t len, uint32_t drq_len) {
    d->op = ATA_OP_IN;
    d->left = 0;
    d->drq_len = drq_len;
    if (by_engine(d)) {
        d->pos = 0;
        d->end = len;
        dma_run(d);
    } else {
        open_in(d, len);
    }
}

void ata_receive(struct ata_drive *d, uint32_t len, uint32_t drq_len) {
    d->op = ATA_OP_OUT;
    d->left = 0;
    d->drq_len = drq_len;
    if (by_engine(d)) {
        d->pos = 0;
        d->end = len;
        dma_run(d);
    } else {
        open_out(d, len, d->kind == ATA_DISK || d->phase == ATA_IDLE);
    }
}

void ata_receive_packet(struct ata_drive *d, uint32_t len) {
    d->op = ATA_OP_OUT;
    d->left = 0;
    d->drq_len = len;
    open_out(d, len, true);
}

void ata_medium(struct ata_drive *d, enum ata_op op, uint64_t at, uint64_t len, uint32_t drq_len) {
    d->op = (uint8_t)op;
    d->at = at;
    d->left = len;
    d->drq_len = drq_len;
    d->pos = d->end = 0;
    medium_next(d, true);
}

void ata_flush(struct ata_drive *d) {
    d->op = ATA_OP_FLUSH;
    submit(d, BLOCK_FLUSH, NULL, 0, 0);
}

void ata_discard(struct ata_drive *d, uint32_t bytes) {
    d->op = ATA_OP_DISCARD;
    d->pos = 0;
    d->end = bytes;
    discard_next(d);
}

void ata_dma_go(struct ata_drive *d) {
    if (d->phase == ATA_DMA_WAIT)
        dma_run(d);
}

/* ---- the Data register ---- */

static void block_read(struct ata_drive *d) {
    if (d->pos < d->end)
        open_block(d, true);
    else if (d->op == ATA_OP_READ && d->left)
        medium_next(d, false);
    else
        ata_complete(d);
}

void ata_data_read(struct ata_drive *d, void *buf, size_t n) {
    uint8_t *to = buf;
    while (n && d->phase == ATA_PIO_IN) {
        /* an odd block ends with a byte of padding */
        size_t bytes = MIN(n, (size_t)(d->drq - d->pos)), even = MIN(n, (bytes + 1) & ~(size_t)1);
        memcpy(to, d->buf + d->pos, bytes);
        if (even > bytes)
            to[bytes] = 0;
        to += even;
        n -= even;
        d->pos += (uint32_t)bytes;
        if (d->pos >= d->drq)
            block_read(d);
    }
    memset(to, 0, n);
}

static void block_written(struct ata_drive *d) {
    if (d->pos < d->end) {
        open_block(d, true);
    } else if (d->op == ATA_OP_WRITE) {
        d->written = 0;
        submit_collected(d);
    } else if (d->kind == ATA_CDROM) {
        atapi_received(d);
    } else {
        ata_disk_received(d);
    }
}

void ata_data_write(struct ata_drive *d, const void *buf, size_t n) {
    const uint8_t *from = buf;
    while (n && d->phase == ATA_PIO_OUT) {
        size_t bytes = MIN(n, (size_t)(d->drq - d->pos)), even = MIN(n, (bytes + 1) & ~(size_t)1);
        memcpy(d->buf + d->pos, from, bytes);
        from += even;
        n -= even;
        d->pos += (uint32_t)bytes;
        if (d->pos >= d->drq)
            block_written(d);
    }
}

/* ---- resets (9.1 to 9.3, signatures 9.12) ---- */

static void signature(struct ata_drive *d) {
    bool packet = d->kind == ATA_CDROM;
    d->count[0] = d->lba_low[0] = 1;
    d->lba_mid[0] = packet ? 0x14 : 0;
    d->lba_high[0] = packet ? 0xeb : 0;
    d->error = 0x01; /* diagnostic code: passed */
    d->status = packet ? 0 : ATA_DRDY | ATA_DSC;
}

static void reset_over(struct ata_drive *d) {
    if (d->control & ATA_SRST)
        return;
    idle(d);
    signature(d);
    if (d->diagnosing && d->unit == 0)
        interrupt(d, true);
    else if (d->ops->reset_over)
        d->ops->reset_over(d->host, d);
    d->diagnosing = false;
}

void ata_reset_now(struct ata_drive *d) {
    d->phase = ATA_RESETTING;
    d->status = ATA_BSY;
    interrupt(d, false);
    if (!d->inflight)
        reset_over(d);
}

void ata_hard_reset(struct ata_drive *d) {
    d->control = d->device = 0;
    d->diagnosing = false;
    d->multiple = ATA_MULTIPLE;
    d->power = ATA_ACTIVE;
    d->failed.pending = false;
    ata_reset_now(d);
}

void ata_diagnose(struct ata_drive *d) {
    if (!ata_is_there(d))
        return;
    d->diagnosing = true;
    d->device = 0;
    ata_reset_now(d);
}

void ata_control(struct ata_drive *d, uint8_t val) {
    bool was = d->control & ATA_SRST;
    d->control = val & (ATA_HOB | ATA_SRST | ATA_NIEN);
    if (!ata_is_there(d))
        return;
    if (val & ATA_SRST && !was) {
        d->diagnosing = false;
        d->device = 0;
        if (d->power == ATA_ASLEEP)
            d->power = ATA_STANDBY;
        d->failed.pending = false;
        ata_reset_now(d);
    } else if (!(val & ATA_SRST) && was && !d->inflight && d->phase == ATA_RESETTING) {
        reset_over(d);
    }
    d->ops->interrupt(d->host, d);
}

/* ---- the Command Block ---- */

static uint8_t *register_pair(struct ata_drive *d, enum ata_register reg) {
    switch (reg) {
    case ATA_COUNT:
        return d->count;
    case ATA_LBA_LOW:
        return d->lba_low;
    case ATA_LBA_MID:
        return d->lba_mid;
    case ATA_LBA_HIGH:
        return d->lba_high;
    default:
        return d->feature;
    }
}

uint8_t ata_read(struct ata_drive *d, enum ata_register reg) {
    switch (reg) {
    case ATA_ERROR:
        return d->error;
    case ATA_DEVICE:
        return d->device;
    case ATA_STATUS:
        if (d->intrq)
            interrupt(d, false);
        return d->status;
    default:
        return register_pair(d, reg)[d->control & ATA_HOB ? 1 : 0];
    }
}

static void command(struct ata_drive *d, uint8_t val) {
    bool reset = val == 0x08 && d->kind == ATA_CDROM; /* DEVICE RESET stops anything */
    if (!ata_is_there(d) || (d->phase != ATA_IDLE && !reset) || d->power == ATA_ASLEEP)
        return;
    if (d->intrq)
        interrupt(d, false);
    d->command = val;
    d->error = 0;
    if (d->kind == ATA_CDROM)
        atapi_command(d, val);
    else
        ata_disk_command(d, val);
}

void ata_write(struct ata_drive *d, enum ata_register reg, uint8_t val) {
    if (reg == ATA_COMMAND) {
        d->control &= (uint8_t)~ATA_HOB;
        command(d, val);
        return;
    }
    if (reg == ATA_DEVICE) {
        d->device = val;
    } else if (d->phase == ATA_IDLE) {
        uint8_t *pair = register_pair(d, reg);
        pair[1] = pair[0];
        pair[0] = val;
    }
    d->control &= (uint8_t)~ATA_HOB;
}

void ata_frame(struct ata_drive *d, const uint8_t *fis) {
    if (d->phase == ATA_IDLE) {
        d->feature[0] = fis[3];
        d->lba_low[0] = fis[4];
        d->lba_mid[0] = fis[5];
        d->lba_high[0] = fis[6];
        d->device = fis[7];
        d->lba_low[1] = fis[8];
        d->lba_mid[1] = fis[9];
        d->lba_high[1] = fis[10];
        d->feature[1] = fis[11];
        d->count[0] = fis[12];
        d->count[1] = fis[13];
    }
    if (fis[2] == 0x90)
        ata_diagnose(d);
    else
        command(d, fis[2]);
}

/* ---- life ---- */

void ata_string(uint8_t *to, const char *from, unsigned len) {
    for (unsigned i = 0; i < len; i++)
        to[i ^ 1] = (uint8_t)(*from ? *from++ : ' ');
}

static void copy_string(char *to, size_t len, const char *from) {
    size_t n = strlen(from);
    n = MIN(n, len - 1);
    memcpy(to, from, n);
    to[n] = 0;
}

void ata_init(struct ata_drive *d, const struct ata_pins *pins, const struct ata_host *ops,
              void *host, unsigned unit, unsigned place) {
    d->kind = pins->cdrom ? ATA_CDROM : pins->block ? ATA_DISK : ATA_NONE;
    d->unit = unit;
    d->block = pins->block ? block_get(pins->block) : NULL;
    d->ops = ops;
    d->host = host;
    d->buf = mem_new(ATA_BUF);
    d->present = true;
    d->named = pins->serial && *pins->serial;
    if (d->named)
        copy_string(d->serial, sizeof(d->serial), pins->serial);
    else
        snprintf(d->serial, sizeof(d->serial), "HVM%05u", place + 1);
    copy_string(d->model, sizeof(d->model),
                pins->model && *pins->model ? pins->model
                : pins->cdrom               ? "HVM-DM DVD-ROM"
                                            : "HVM-DM HARDDISK");
}

void ata_done_with(struct ata_drive *d) {
    if (d->block)
        block_drain(d->block);
    block_put(d->block);
    d->block = NULL;
    mem_free(d->buf);
    d->buf = NULL;
}

void ata_power_on(struct ata_drive *d) {
    if (d->inflight)
        block_drain(d->block);
    idle(d);
    for (unsigned i = 0; i < 2; i++)
        d->feature[i] = d->count[i] = d->lba_low[i] = d->lba_mid[i] = d->lba_high[i] = 0;
    d->control = d->command = 0;
    d->diagnosing = false;
    d->multiple = ATA_MULTIPLE;
    d->transfer_mode = 0x22; /* multiword DMA 2, as a BIOS leaves it */
    d->power = ATA_ACTIVE;
    d->write_cache = d->look_ahead = d->smart = true;
    d->failed = (struct ata_queue_error){0};
    d->packet = (struct ata_packet){0}; /* and the tray goes in, as when a domain starts anew */
    if (d->kind == ATA_CDROM)
        atapi_power_on(d);
    else
        ata_disk_power_on(d);
    d->device = d->error = d->status = 0;
    if (ata_is_there(d))
        signature(d);
    d->intrq = false;
    d->ops->interrupt(d->host, d);
}

bool ata_loaded(struct ata_drive *d, char *why, size_t why_len) {
    if (d->pos > d->end || d->drq > d->end || (d->phase == ATA_PIO_IN && d->pos >= d->drq) ||
        (d->phase == ATA_PIO_OUT && d->pos >= d->drq)) {
        snprintf(why, why_len, "drive %u: buffer positions %u, %u, %u are not in order", d->unit,
                 d->pos, d->drq, d->end);
        return false;
    }
    bool data = d->phase == ATA_PIO_IN || d->phase == ATA_PIO_OUT || d->phase == ATA_DMA_WAIT;
    if (data && (d->kind == ATA_NONE || !d->drq_len || d->op == ATA_OP_NONE ||
                 d->op >= ATA_OP_VERIFY || (d->op == ATA_OP_WRITE && d->kind != ATA_DISK) ||
                 d->left % ATA_SECTOR)) {
        snprintf(why, why_len, "drive %u: data phase %u of operation %u can't be", d->unit,
                 d->phase, d->op);
        return false;
    }
    if (!d->present && d->kind == ATA_DISK) {
        block_put(d->block);
        d->block = NULL;
    }
    return true;
}

void ata_unplug(struct ata_drive *d) {
    if (d->kind != ATA_DISK || !d->present)
        return;
    block_drain(d->block);
    idle(d);
    ata_flush(d);
    block_drain(d->block);
    block_put(d->block);
    d->block = NULL;
    d->present = false;
    d->status = d->error = 0;
    interrupt(d, false);
}
