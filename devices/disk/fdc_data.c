/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What moves between a floppy and the host: Intel 82078 data sheet (290474-002), 5.2. One request
 * to the image reads a track from the sector on; a write is collected up to the terminal count or
 * the end of the track. Without DMA it goes by sectors. Positions in buf never pass `end`, and
 * `end` never FDC_BUF. Not modelled: sectors of other sizes than 512 bytes, deleted data marks
 * (none is kept), CRC errors, SCAN's step of two.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "disk/fdc_chip.h"

enum { SIZE_512 = 2, ID_LEN = 4 };

static void finish(struct fdc *s, uint8_t st0, uint8_t st1, uint8_t st2) {
    fdc_result_data(s, st0, st1, (uint8_t)(st2 | (s->deleted ? ST2_CM : 0)));
}

static void fail(struct fdc *s, uint8_t st1, uint8_t st2) {
    finish(s, ST0_ABNORMAL, st1, st2);
}

/* ---- the image ---- */

static void request_done(struct block_req *req, int err);

static void submit(struct fdc *s, enum block_op op, uint32_t sector, uint32_t len) {
    struct fdc_drive *drive = &s->drive[s->unit];
    const struct fdc_geometry *g = &drive->geometry;
    uint64_t lba = ((uint64_t)drive->cylinder * g->heads + s->head) * g->sectors + sector - 1;
    s->phase = FDC_BUSY;
    s->interrupt = false;
    s->inflight = true;
    s->iov = (struct iovec){s->buf, len};
    s->req = (struct block_req){.op = op, .offset = lba * FDC_SECTOR, .len = len, .iov = &s->iov,
                                .niov = 1, .done = request_done, .owner = s};
    fdc_update(s);
    block_submit(drive->block, &s->req);
}

/* ---- from sector to sector ---- */

/* The ID after `n` more sectors (82078, table 5-4): past the last one of the side it is the first
 * of the other side or of the next cylinder. False: there the command's reach ends. */
static bool advance(struct fdc *s, unsigned n) {
    unsigned r = s->r + n;
    s->r = (uint8_t)r;
    if (r <= s->eot || s->last < s->eot)
        return true;
    s->r = 1;
    if (s->multi && !s->head) {
        s->head = s->h = 1;
        return true;
    }
    if (s->multi)
        s->h = 0;
    s->c++;
    return false;
}

static bool is_scan(const struct fdc *s) {
    return s->op >= FDC_SCAN_EQUAL && s->op <= FDC_SCAN_HIGH;
}

static void begin_phase(struct fdc *s, bool to_host) {
    if (fdc_polls_data(s))
        s->phase = to_host ? FDC_PIO_IN : FDC_PIO_OUT;
    else
        s->phase = to_host ? FDC_DMA_IN : FDC_DMA_OUT;
    fdc_update(s);
    fdc_pump(s);
}

/* From the sector r on to the end of the track or of what is asked for. */
static void begin_run(struct fdc *s) {
    const struct fdc_geometry *g = &s->drive[s->unit].geometry;
    if (!s->r || s->r > g->sectors || s->head >= g->heads) {
        fail(s, ST1_ND, 0);
        return;
    }
    s->last = s->eot >= s->r ? MIN(s->eot, g->sectors) : g->sectors;
    unsigned n = s->last - s->r + 1u;
    if (fdc_polls_data(s) || is_scan(s) || s->deleted)
        n = 1;
    if (s->op == FDC_VERIFY && s->counted)
        n = MIN(n, (unsigned)s->todo);
    s->at = 0;
    s->end = n * FDC_SECTOR;
    s->below = s->above = false;
    if (s->op == FDC_WRITE)
        begin_phase(s, false);
    else
        submit(s, BLOCK_READ, s->r, s->end);
}

static void next_run(struct fdc *s) {
    bool more = advance(s, s->end / FDC_SECTOR);
    if (s->deleted)
        finish(s, 0, 0, 0);
    else if (more)
        begin_run(s);
    else if (s->op == FDC_VERIFY && !s->counted)
        finish(s, 0, 0, 0);
    else if (is_scan(s))
        finish(s, 0, 0, ST2_SN);
    else
        fail(s, ST1_EN, 0);
}

/* ---- SCAN: the host's bytes against the medium's; ff matches anything ---- */

static void compare(struct fdc *s, uint8_t host) {
    uint8_t medium = s->buf[s->at++];
    if (medium == host || medium == 0xff || host == 0xff)
        return;
    s->below |= medium < host;
    s->above |= medium > host;
}

static void compared(struct fdc *s, bool tc) {
    bool hit = s->op == FDC_SCAN_EQUAL ? !s->below && !s->above
               : s->op == FDC_SCAN_LOW ? !s->above
                                       : !s->below;
    bool equal = !s->below && !s->above;
    if (hit || tc) {
        advance(s, 1);
        finish(s, 0, 0, hit ? (equal ? ST2_SH : 0) : ST2_SN);
    } else {
        next_run(s);
    }
}

/* ---- FORMAT TRACK: the host sends an ID for each sector ---- */

static void format_next(struct fdc *s) {
    const struct fdc_drive *drive = &s->drive[s->unit];
    while (s->at + ID_LEN <= s->end) {
        const uint8_t *id = s->buf + FDC_SECTOR + s->at;
        s->at += ID_LEN;
        s->c = id[0], s->h = id[1], s->r = id[2], s->n = id[3];
        if (s->r && s->r <= drive->geometry.sectors && s->n == SIZE_512) {
            submit(s, BLOCK_WRITE, s->r, FDC_SECTOR);
            return;
        }
    }
    finish(s, 0, 0, 0);
}

/* The IDs make room for a sector of filler before them. */
static void ids_received(struct fdc *s) {
    uint8_t filler = s->fifo[5];
    memmove(s->buf + FDC_SECTOR, s->buf, s->at);
    memset(s->buf, filler, FDC_SECTOR);
    s->end = s->at - s->at % ID_LEN;
    s->at = 0;
    format_next(s);
}

/* ---- data went to or came from the host ---- */

static void write_out(struct fdc *s, bool tc) {
    uint32_t whole = (s->at + FDC_SECTOR - 1) / FDC_SECTOR * FDC_SECTOR;
    memset(s->buf + s->at, 0, whole - s->at); /* zeros up to the sector's end */
    s->terminal = tc;
    s->end = whole;
    submit(s, BLOCK_WRITE, s->r, whole);
}

/* Buf is used up, or the terminal count came. */
static void progress(struct fdc *s, bool tc) {
    if (!tc && s->at < s->end)
        return;
    switch ((enum fdc_op)s->op) {
    case FDC_WRITE:
        write_out(s, tc);
        break;
    case FDC_FORMAT:
        ids_received(s);
        break;
    case FDC_SCAN_EQUAL:
    case FDC_SCAN_LOW:
    case FDC_SCAN_HIGH:
        compared(s, tc);
        break;
    default:
        if (tc) {
            advance(s, (s->at + FDC_SECTOR - 1) / FDC_SECTOR);
            finish(s, 0, 0, 0);
        } else {
            next_run(s);
        }
        break;
    }
}

static bool scan_by_dma(struct fdc *s) {
    uint8_t bytes[FDC_SECTOR];
    bool tc;
    size_t n = isa_dma_move(&s->dma, bytes, s->end - s->at, false, &tc);
    for (size_t i = 0; i < n; i++)
        compare(s, bytes[i]);
    return tc;
}

void fdc_pump(void *fdc) {
    struct fdc *s = fdc;
    bool tc;
    if (s->phase != FDC_DMA_IN && s->phase != FDC_DMA_OUT)
        return;
    if (is_scan(s))
        tc = scan_by_dma(s);
    else
        s->at += (uint32_t)isa_dma_move(&s->dma, s->buf + s->at, s->end - s->at,
                                        s->phase == FDC_DMA_IN, &tc);
    progress(s, tc);
}

uint8_t fdc_data_read(struct fdc *s) {
    uint8_t val = s->buf[s->at++];
    progress(s, false);
    return val;
}

void fdc_data_write(struct fdc *s, uint8_t val) {
    if (is_scan(s))
        compare(s, val);
    else
        s->buf[s->at++] = val;
    progress(s, false);
}

/* ---- the image did its part ---- */

static void verified(struct fdc *s) {
    s->todo = (uint8_t)(s->todo - (s->counted ? s->end / FDC_SECTOR : 0));
    if (s->counted && !s->todo) {
        advance(s, s->end / FDC_SECTOR);
        finish(s, 0, 0, 0);
    } else {
        next_run(s);
    }
}

static void request_ok(struct fdc *s) {
    switch ((enum fdc_op)s->op) {
    case FDC_WRITE:
        if (s->terminal) {
            advance(s, s->end / FDC_SECTOR);
            finish(s, 0, 0, 0);
        } else {
            next_run(s);
        }
        break;
    case FDC_FORMAT:
        format_next(s);
        break;
    case FDC_VERIFY:
        verified(s);
        break;
    default:
        begin_phase(s, !is_scan(s));
        break;
    }
}

static void request_done(struct block_req *req, int err) {
    struct fdc *s = req->owner;
    s->inflight = false;
    if (s->phase != FDC_BUSY) /* reset meanwhile */
        return;
    if (err == EINVAL) { /* an image that is shorter than its format */
        fail(s, ST1_ND, 0);
    } else if (err) {
        log_guest(&s->failures, "%s: floppy request at offset %llu failed: %s",
                  s->drive[s->unit].block->name, (unsigned long long)req->offset, strerror(err));
        fail(s, req->op == BLOCK_WRITE ? ST1_NW : ST1_DE, req->op == BLOCK_WRITE ? 0 : ST2_DD);
    } else {
        request_ok(s);
    }
}

void fdc_abort(struct fdc *s) {
    s->phase = FDC_RESET;
    if (s->inflight)
        block_drain(s->drive[s->unit].block);
    s->op = FDC_NO_OP;
    s->at = s->end = 0;
    s->terminal = false;
}

/* ---- commands ---- */

/* What all have to find under the head; else the status that says what is missing. */
static bool find_medium(struct fdc *s, bool writes) {
    struct fdc_drive *drive = fdc_unit(s, s->unit);
    if (!drive || !drive->block || drive->geometry.rate != s->rate ||
        drive->cylinder >= drive->geometry.cylinders || s->head >= drive->geometry.heads) {
        fail(s, ST1_MA | ST1_ND, 0);
        return false;
    }
    if (writes && drive->block->read_only) {
        fail(s, ST1_NW, 0);
        return false;
    }
    return true;
}

/* `track` is READ TRACK, which takes what comes from the index hole on. */
void fdc_start_data(struct fdc *s, enum fdc_op op, bool deleted, bool track) {
    const uint8_t *fifo = s->fifo;
    s->op = (uint8_t)op;
    s->unit = fifo[1] & 3;
    s->head = fifo[1] >> 2 & 1;
    s->c = fifo[2], s->h = fifo[3], s->r = track ? 1 : fifo[4], s->n = fifo[5];
    s->eot = s->last = fifo[6];
    s->multi = fifo[0] & 0x80 && !track;
    s->counted = op == FDC_VERIFY && fifo[1] & 0x80 && fifo[8];
    s->todo = s->counted ? fifo[8] : 0;
    s->deleted = s->terminal = s->seek = false;
    struct fdc_drive *drive = fdc_unit(s, s->unit);
    if (s->config & CONFIG_EIS && drive && drive->cylinder != s->c) {
        fdc_move_head(s, s->unit, s->c);
        s->seek = true;
    }
    if (!find_medium(s, op == FDC_WRITE))
        return;
    if (s->c != drive->cylinder)
        fail(s, ST1_ND, ST2_WC);
    else if (s->h != s->head || s->n != SIZE_512)
        fail(s, ST1_ND, 0);
    else if (deleted && op == FDC_READ && fifo[0] & 0x20) /* it skips all that are not deleted */
        fail(s, ST1_ND, 0);
    else {
        s->deleted = deleted && op == FDC_READ; /* stops after the first, which is of other kind */
        begin_run(s);
    }
}

void fdc_start_format(struct fdc *s) {
    s->op = FDC_FORMAT;
    s->unit = s->fifo[1] & 3;
    s->head = s->fifo[1] >> 2 & 1;
    s->n = s->fifo[2];
    s->eot = s->last = s->fifo[3];
    s->multi = s->deleted = s->terminal = s->seek = false;
    s->h = s->head;
    s->r = 1;
    s->c = s->pcn[s->unit];
    if (!find_medium(s, true))
        return;
    s->at = 0;
    s->end = s->eot * (uint32_t)ID_LEN;
    if (s->n != SIZE_512)
        fail(s, ST1_ND, 0);
    else if (!s->end)
        finish(s, 0, 0, 0);
    else
        begin_phase(s, false);
}

/* The disk turns: each time it is another one's turn. */
void fdc_read_id(struct fdc *s) {
    s->op = FDC_READ;
    s->unit = s->fifo[1] & 3;
    s->head = s->fifo[1] >> 2 & 1;
    s->deleted = s->seek = false;
    s->c = s->pcn[s->unit], s->h = s->head, s->r = 1, s->n = SIZE_512;
    if (!find_medium(s, false))
        return;
    struct fdc_drive *drive = &s->drive[s->unit];
    s->c = drive->cylinder;
    s->r = (uint8_t)(drive->passing % drive->geometry.sectors + 1);
    drive->passing = s->r;
    finish(s, 0, 0, 0);
}
