/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the floppy controller: registers and commands (fdc.c), data (fdc_data.c), media
 * (fdc_media.c). One thread.
 */
#ifndef DISK_FDC_CHIP_H
#define DISK_FDC_CHIP_H

#include "core/log.h"
#include "core/state.h"
#include "disk/fdc.h"

enum {
    FDC_SECTOR = 512, FDC_TRACK_MAX = 64, FDC_BUF = FDC_SECTOR * FDC_TRACK_MAX, FDC_FIFO = 20,
    FDC_UNITS = 4, FDC_CYLINDERS = 86, /* where a drive's head stops */
};

/* Result bytes (82078, 5.1) */
enum { ST0_ABNORMAL = 0x40, ST0_INVALID = 0x80, ST0_POLLED = 0xc0, ST0_SE = 0x20, ST0_EC = 0x10 };
enum { ST1_EN = 0x80, ST1_DE = 0x20, ST1_ND = 0x04, ST1_NW = 0x02, ST1_MA = 0x01 };
enum { ST2_CM = 0x40, ST2_DD = 0x20, ST2_WC = 0x10, ST2_SH = 0x08, ST2_SN = 0x04 };
enum { ST3_WP = 0x40, ST3_ALWAYS = 0x28, ST3_T0 = 0x10 };
enum { CONFIG_EIS = 0x40, CONFIG_EFIFO = 0x20, CONFIG_POLL = 0x10 };

enum fdc_phase {
    FDC_COMMAND, /* the host writes fifo[pos, len) */
    FDC_BUSY,    /* the image works; never saved */
    FDC_DMA_IN,  /* DREQ: buf[at, end) is to go to memory */
    FDC_DMA_OUT, /* ... or to come from there */
    FDC_PIO_IN,  /* the same by the data port */
    FDC_PIO_OUT,
    FDC_RESULT,  /* the host reads fifo[pos, len) */
    FDC_RESET,   /* held in reset */
    FDC_PHASES
};

enum fdc_op {
    FDC_NO_OP, FDC_READ, FDC_WRITE, FDC_VERIFY, FDC_SCAN_EQUAL, FDC_SCAN_LOW, FDC_SCAN_HIGH,
    FDC_FORMAT, FDC_OPS
};

struct fdc_geometry {
    uint8_t sectors, cylinders, heads, rate;
};

struct fdc_drive {
    /* hidden state */
    uint8_t cylinder; /* where the head is */
    uint8_t passing;  /* the sector that passed last, from 0 */
    bool changed;     /* DSKCHG */
    /* wires and derived */
    bool there;
    enum fdc_type type;
    struct block *block;
    struct fdc_geometry geometry; /* of the medium */
    struct fdc *fdc;
};

struct fdc {
    struct fdc_drive drive[FDC_DRIVES];
    /* registers */
    uint8_t dor, tdr, rate;
    uint8_t timing[2];     /* as SPECIFY gave them */
    uint8_t config, pretrk, perpendicular, eot;
    uint8_t pcn[FDC_UNITS];
    bool lock;
    /* hidden state: interrupts */
    bool interrupt;
    uint8_t polled;        /* drives whose change of ready a reset still reports */
    uint8_t seeked;        /* drives whose seek is over, one bit each */
    uint8_t seek_st0[FDC_UNITS];
    /* hidden state: the command */
    uint8_t phase, op;     /* enum fdc_phase, fdc_op */
    uint8_t fifo[FDC_FIFO];
    uint8_t pos, len;
    /* hidden state: its data */
    uint8_t unit, head;
    uint8_t c, h, r, n, last; /* the sector ID that is next; the last of this run */
    bool multi, counted, seek, deleted, below, above;
    uint32_t at, end;      /* in buf: the next byte, past what is there */
    uint8_t *buf;          /* FDC_BUF bytes */
    /* wires and derived */
    struct irq irq;
    struct isa_dma dma;
    struct io_region low, high;
    bool inflight;
    bool terminal; /* the terminal count came with what is being written */
    uint8_t todo;  /* sectors VERIFY still has to look at, if it counts */
    struct block_req req;
    struct iovec iov;
    struct log_limit failures;
};

void fdc_geometry_of(struct fdc_drive *drive);

static inline struct fdc_drive *fdc_unit(struct fdc *s, unsigned unit) {
    return unit < FDC_DRIVES && s->drive[unit].there ? &s->drive[unit] : NULL;
}

static inline bool fdc_polls_data(const struct fdc *s) { /* non-DMA mode */
    return s->timing[1] & 1;
}

void fdc_update(struct fdc *s);                 /* INT and DREQ, from the state */
void fdc_result(struct fdc *s, unsigned len);   /* fifo[0, len) */
void fdc_result_data(struct fdc *s, uint8_t st0, uint8_t st1, uint8_t st2);
void fdc_move_head(struct fdc *s, unsigned unit, unsigned cylinder);

/* ---- fdc_data.c ---- */

void fdc_start_data(struct fdc *s, enum fdc_op op, bool deleted, bool track);
void fdc_start_format(struct fdc *s);
void fdc_read_id(struct fdc *s);
void fdc_pump(void *fdc); /* the DMA channel is ready, or may be */
uint8_t fdc_data_read(struct fdc *s);
void fdc_data_write(struct fdc *s, uint8_t val);
void fdc_abort(struct fdc *s); /* waits for what is in flight, and forgets it */

#endif
