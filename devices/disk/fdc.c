/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82078 "CHMOS Single-Chip Floppy Disk Controller" (290474-002), in its PC/AT mode: section 2
 * (registers), 5 (commands). Data is in fdc_data.c. The last value of the Digital Output Register
 * that firmware leaves is there from the start, for machines without any. Not modelled: the time
 * that motor, steps and turns take, precompensation, tapes, formats of other than 512 bytes, the
 * FIFO's threshold (it never runs over or dry), perpendicular recording but as a setting.
 */
#include "disk/fdc_chip.h"

#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"

enum { BASE = 0x3f0, HIGH = 0x3f7, LOW_PORTS = 6 };
enum { SRA, SRB, DOR, TDR, MSR, DATA };
enum { DOR_RESET = 0x04, DOR_GATE = 0x08, DOR_START = DOR_RESET | DOR_GATE };
enum { MSR_RQM = 0x80, MSR_DIO = 0x40, MSR_NONDMA = 0x20, MSR_BUSY = 0x10 };
enum { DSR_RESET = 0x80, RATE_MASK = 0x03, DIR_CHANGED = 0x80, RATE_250K = 2 };
enum { SEEK_BITS = 0x0f, LOCK = 0x80, PERPENDICULAR = 0x7f };

static const struct field drive_fields[] = {
    F_MAX(struct fdc_drive, cylinder, FDC_CYLINDERS - 1), F(struct fdc_drive, passing),
    F(struct fdc_drive, changed), F_END
};

static const struct field fdc_fields[] = {
    F_STRUCTS(struct fdc, drive, drive_fields), F(struct fdc, dor), F_MAX(struct fdc, tdr, 3),
    F_MAX(struct fdc, rate, 3), F_ARRAY(struct fdc, timing), F(struct fdc, config),
    F(struct fdc, pretrk), F(struct fdc, perpendicular), F(struct fdc, eot),
    F_ARRAY(struct fdc, pcn), F(struct fdc, lock), F(struct fdc, interrupt),
    F_MAX(struct fdc, polled, FDC_UNITS), F_MAX(struct fdc, seeked, 15),
    F_ARRAY(struct fdc, seek_st0), F_MAX(struct fdc, phase, FDC_PHASES - 1),
    F_MAX(struct fdc, op, FDC_OPS - 1), F_BYTES(struct fdc, fifo),
    F_MAX(struct fdc, pos, FDC_FIFO - 1), F_MAX(struct fdc, len, FDC_FIFO),
    F_MAX(struct fdc, unit, FDC_UNITS - 1), F_MAX(struct fdc, head, 1), F(struct fdc, c),
    F(struct fdc, h), F(struct fdc, r), F(struct fdc, n), F(struct fdc, last),
    F(struct fdc, multi), F(struct fdc, counted), F(struct fdc, seek), F(struct fdc, deleted),
    F(struct fdc, below), F(struct fdc, above),
    F_MAX(struct fdc, at, FDC_BUF), F_MAX(struct fdc, end, FDC_BUF),
    F_DYNAMIC_USED(struct fdc, buf, FDC_BUF, end), F_END
};

/* ---- lines ---- */

static bool level(const struct fdc *s) {
    return s->interrupt && s->dor & DOR_GATE;
}

void fdc_update(struct fdc *s) {
    if (s->phase == FDC_PIO_IN || s->phase == FDC_PIO_OUT)
        s->interrupt = true;
    isa_dma_request(&s->dma, s->phase == FDC_DMA_IN || s->phase == FDC_DMA_OUT);
    irq_set(&s->irq, level(s));
}

/* ---- ends of commands ---- */

static void next_command(struct fdc *s) {
    s->phase = FDC_COMMAND;
    s->op = FDC_NO_OP;
    s->pos = s->len = 0;
    s->at = s->end = 0;
}

void fdc_result(struct fdc *s, unsigned len) {
    s->phase = FDC_RESULT;
    s->op = FDC_NO_OP;
    s->pos = 0;
    s->len = (uint8_t)len;
    s->at = s->end = 0;
}

void fdc_result_data(struct fdc *s, uint8_t st0, uint8_t st1, uint8_t st2) {
    uint8_t seek = s->seek ? ST0_SE : 0;
    const uint8_t bytes[] = {(uint8_t)(st0 | seek | s->head << 2 | s->unit), st1, st2,
                             s->c, s->h, s->r, s->n};
    memcpy(s->fifo, bytes, sizeof(bytes));
    fdc_result(s, sizeof(bytes));
    s->interrupt = true;
    fdc_update(s);
}

static void one_byte(struct fdc *s, uint8_t val) {
    s->fifo[0] = val;
    fdc_result(s, 1);
}

/* ---- the head ---- */

/* A step pulse with a disk in the drive takes DSKCHG away. */
void fdc_move_head(struct fdc *s, unsigned unit, unsigned cylinder) {
    struct fdc_drive *drive = fdc_unit(s, unit);
    s->pcn[unit] = (uint8_t)cylinder;
    if (!drive)
        return;
    unsigned to = MIN(cylinder, (unsigned)FDC_CYLINDERS - 1);
    if (to != drive->cylinder && drive->block)
        drive->changed = false;
    drive->cylinder = (uint8_t)to;
}

static void seek_over(struct fdc *s, unsigned unit, uint8_t st0) {
    s->seeked |= (uint8_t)(1 << unit);
    s->seek_st0[unit] = (uint8_t)(st0 | unit);
    next_command(s);
    s->interrupt = true;
    fdc_update(s);
}

static void recalibrate(struct fdc *s) {
    unsigned unit = s->fifo[1] & 3;
    bool there = fdc_unit(s, unit);
    fdc_move_head(s, unit, 0);
    /* without a drive no signal says that the head is at track 0 */
    seek_over(s, unit, there ? ST0_SE : ST0_ABNORMAL | ST0_SE | ST0_EC);
}

static void seek(struct fdc *s) {
    unsigned unit = s->fifo[1] & 3;
    fdc_move_head(s, unit, s->fifo[2]);
    seek_over(s, unit, (uint8_t)(ST0_SE | (s->fifo[1] & 4)));
}

static void relative_seek(struct fdc *s) {
    unsigned unit = s->fifo[1] & 3, by = s->fifo[2], now = s->pcn[unit];
    bool inwards = s->fifo[0] & 0x40;
    fdc_move_head(s, unit, inwards ? MIN(now + by, 255u) : now - MIN(now, by));
    seek_over(s, unit, (uint8_t)(ST0_SE | (s->fifo[1] & 4)));
}

/* ---- what the controller says and is told ---- */

static void sense_interrupt(struct fdc *s) {
    unsigned unit;
    if (s->polled) { /* after a reset, once for each drive */
        unit = FDC_UNITS - s->polled--;
        s->fifo[0] = (uint8_t)(ST0_POLLED | unit);
        s->interrupt = false;
    } else if (s->seeked) {
        for (unit = 0; !(s->seeked >> unit & 1);)
            unit++;
        s->fifo[0] = s->seek_st0[unit];
        s->seeked &= (uint8_t)~(1 << unit);
        s->interrupt = s->seeked;
    } else {
        one_byte(s, ST0_INVALID);
        return;
    }
    s->fifo[1] = s->pcn[unit];
    fdc_result(s, 2);
    fdc_update(s);
}

static void sense_drive(struct fdc *s) {
    const struct fdc_drive *drive = fdc_unit(s, s->fifo[1] & 3);
    uint8_t st3 = (uint8_t)(ST3_ALWAYS | (s->fifo[1] & 7));
    if (drive && !drive->cylinder)
        st3 |= ST3_T0;
    if (drive && drive->block && drive->block->read_only)
        st3 |= ST3_WP;
    one_byte(s, st3);
}

static void specify(struct fdc *s) {
    memcpy(s->timing, s->fifo + 1, 2);
    next_command(s);
}

static void configure(struct fdc *s) {
    s->config = s->fifo[2];
    s->pretrk = s->fifo[3];
    next_command(s);
}

/* Bits 5 to 2, one a drive, are taken where bit 7 says so. */
static void perpendicular(struct fdc *s) {
    uint8_t val = s->fifo[1], kept = val & 0x80 ? 0 : s->perpendicular & 0x3c;
    s->perpendicular = (uint8_t)((val & (val & 0x80 ? 0x3f : 0x03)) | kept);
    next_command(s);
}

static void lock(struct fdc *s) {
    s->lock = s->fifo[0] & 0x80;
    one_byte(s, s->lock ? 0x10 : 0);
}

static uint8_t lock_and_perpendicular(const struct fdc *s) {
    return (uint8_t)((s->lock ? LOCK : 0) | s->perpendicular);
}

static void dump_registers(struct fdc *s) {
    memcpy(s->fifo, s->pcn, FDC_UNITS);
    memcpy(s->fifo + 4, s->timing, 2);
    s->fifo[6] = s->eot;
    s->fifo[7] = lock_and_perpendicular(s);
    s->fifo[8] = s->config;
    s->fifo[9] = s->pretrk;
    fdc_result(s, 10);
}

static void save(struct fdc *s) {
    memset(s->fifo, 0, 16);
    memcpy(s->fifo + 2, s->pcn, FDC_UNITS);
    memcpy(s->fifo + 6, s->timing, 2);
    s->fifo[8] = s->eot;
    s->fifo[9] = lock_and_perpendicular(s);
    s->fifo[10] = s->config;
    s->fifo[11] = s->pretrk;
    fdc_result(s, 16);
}

static void restore(struct fdc *s) {
    memcpy(s->pcn, s->fifo + 3, FDC_UNITS);
    memcpy(s->timing, s->fifo + 7, 2);
    s->eot = s->fifo[9];
    s->lock = s->fifo[10] & LOCK;
    s->perpendicular = s->fifo[10] & 0x3f;
    s->config = s->fifo[11];
    s->pretrk = s->fifo[12];
    next_command(s);
}

static void version(struct fdc *s) {
    one_byte(s, 0x90);
}

static void part_id(struct fdc *s) {
    one_byte(s, 0x41);
}

static void option(struct fdc *s) {
    next_command(s);
}

static void powerdown_mode(struct fdc *s) {
    one_byte(s, s->fifo[1]);
}

/* A list of drives' settings that its last byte ends; here they are taken and dropped. */
static void drive_specification(struct fdc *s) {
    if (s->fifo[s->pos - 1] & 0x40) {
        next_command(s);
        return;
    }
    memset(s->fifo, 0, 4);
    fdc_result(s, 4);
}

/* ---- commands with data ---- */

static void read_data(struct fdc *s) {
    fdc_start_data(s, FDC_READ, false, false);
}

static void read_deleted_data(struct fdc *s) {
    fdc_start_data(s, FDC_READ, true, false);
}

static void read_track(struct fdc *s) {
    fdc_start_data(s, FDC_READ, false, true);
}

static void write_data(struct fdc *s) {
    fdc_start_data(s, FDC_WRITE, s->fifo[0] & 0x08, false);
}

static void verify(struct fdc *s) {
    fdc_start_data(s, FDC_VERIFY, false, false);
}

static void scan(struct fdc *s) {
    unsigned which = s->fifo[0] & 0x1f;
    fdc_start_data(s, which == 0x11   ? FDC_SCAN_EQUAL
                      : which == 0x19 ? FDC_SCAN_LOW
                                      : FDC_SCAN_HIGH, false, false);
}

static const struct command {
    uint8_t mask, code, parameters;
    void (*run)(struct fdc *s);
} commands[] = {
    {0x1f, 0x06, 8, read_data},        {0x3f, 0x05, 8, write_data},
    {0xff, 0x08, 0, sense_interrupt},  {0xff, 0x0f, 2, seek},
    {0xff, 0x07, 1, recalibrate},      {0xbf, 0x0a, 1, fdc_read_id},
    {0xff, 0x03, 2, specify},          {0xff, 0x04, 1, sense_drive},
    {0x1f, 0x0c, 8, read_deleted_data}, {0x3f, 0x09, 8, write_data},
    {0x9f, 0x02, 8, read_track},       {0xbf, 0x0d, 5, fdc_start_format},
    {0x1f, 0x16, 8, verify},           {0x1f, 0x11, 8, scan},
    {0x1f, 0x19, 8, scan},             {0x1f, 0x1d, 8, scan},
    {0xff, 0x13, 3, configure},        {0xff, 0x0e, 0, dump_registers},
    {0x7f, 0x14, 0, lock},             {0xff, 0x12, 1, perpendicular},
    {0xff, 0x10, 0, version},          {0xff, 0x18, 0, part_id},
    {0xbf, 0x8f, 2, relative_seek},    {0xff, 0x2e, 0, save},
    {0xff, 0x4e, 16, restore},         {0xff, 0x33, 1, option},
    {0xff, 0x17, 1, powerdown_mode},   {0xff, 0x8e, 5, drive_specification},
};

enum { DRIVE_SPECIFICATION = 0x8e };

static const struct command *find_command(uint8_t code) {
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
        if ((code & commands[i].mask) == commands[i].code)
            return &commands[i];
    return NULL;
}

/* ---- the data port ---- */

static void command_write(struct fdc *s, uint8_t val) {
    if (!s->pos) {
        const struct command *command = find_command(val);
        s->len = (uint8_t)(command ? command->parameters + 1 : 1);
    }
    s->fifo[s->pos++] = val;
    bool listed = s->fifo[0] == DRIVE_SPECIFICATION && s->pos > 1 && val & 0x80;
    if (s->pos < s->len && !listed)
        return;
    const struct command *command = find_command(s->fifo[0]);
    if (command)
        command->run(s);
    else
        one_byte(s, ST0_INVALID);
}

static void data_write(struct fdc *s, uint8_t val) {
    if (s->phase == FDC_COMMAND)
        command_write(s, val);
    else if (s->phase == FDC_PIO_OUT)
        fdc_data_write(s, val);
}

static uint8_t data_read(struct fdc *s) {
    if (s->phase == FDC_PIO_IN)
        return fdc_data_read(s);
    if (s->phase != FDC_RESULT)
        return 0;
    if (!s->pos && !s->seeked && !s->polled) {
        s->interrupt = false;
        fdc_update(s);
    }
    uint8_t val = s->fifo[s->pos++];
    if (s->pos >= s->len)
        next_command(s);
    return val;
}

/* ---- resets ---- */

static void soft_reset(struct fdc *s) {
    fdc_abort(s);
    next_command(s);
    s->interrupt = false;
    s->seeked = s->polled = 0;
    if (!s->lock) {
        s->config = CONFIG_EFIFO;
        s->pretrk = 0;
    }
    s->perpendicular &= 0x3c;
}

/* The drives are polled, and each has changed. */
static void leave_reset(struct fdc *s) {
    s->phase = FDC_COMMAND;
    if (!(s->config & CONFIG_POLL)) {
        s->polled = FDC_UNITS;
        s->interrupt = true;
    }
}

static void dor_write(struct fdc *s, uint8_t val) {
    bool was = s->dor & DOR_RESET, now = val & DOR_RESET;
    s->dor = val;
    if (was && !now) {
        soft_reset(s);
        s->phase = FDC_RESET;
    } else if (!was && now) {
        leave_reset(s);
    }
    fdc_update(s);
}

static void dsr_write(struct fdc *s, uint8_t val) {
    s->rate = val & RATE_MASK;
    if (!(val & DSR_RESET) || !(s->dor & DOR_RESET))
        return;
    soft_reset(s);
    leave_reset(s);
    fdc_update(s);
}

/* ---- ports ---- */

static uint8_t main_status(const struct fdc *s) {
    switch ((enum fdc_phase)s->phase) {
    case FDC_COMMAND:
        return (uint8_t)(MSR_RQM | (s->pos ? MSR_BUSY : 0) | s->seeked);
    case FDC_PIO_IN:
        return MSR_RQM | MSR_DIO | MSR_NONDMA | MSR_BUSY;
    case FDC_PIO_OUT:
        return MSR_RQM | MSR_NONDMA | MSR_BUSY;
    case FDC_RESULT:
        return MSR_RQM | MSR_DIO | MSR_BUSY;
    case FDC_RESET:
        return 0;
    default:
        return MSR_BUSY;
    }
}

static uint64_t low_read(void *dev, uint64_t off, unsigned size) {
    struct fdc *s = dev;
    (void)size;
    switch (off) {
    case DOR:
        return s->dor;
    case TDR:
        return s->tdr;
    case MSR:
        return main_status(s);
    case DATA:
        return data_read(s);
    default:
        return 0xff; /* status registers A and B are of the PS/2 mode */
    }
}

static void low_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct fdc *s = dev;
    (void)size;
    switch (off) {
    case DOR:
        dor_write(s, (uint8_t)val);
        break;
    case TDR:
        s->tdr = val & 3;
        break;
    case MSR: /* written it is the Data rate Select Register */
        dsr_write(s, (uint8_t)val);
        break;
    case DATA:
        data_write(s, (uint8_t)val);
        break;
    default:
        break;
    }
}

/* Digital Input Register: the other bits are the IDE's, which leaves them low here. */
static uint64_t high_read(void *dev, uint64_t off, unsigned size) {
    struct fdc *s = dev;
    (void)off, (void)size;
    const struct fdc_drive *drive = fdc_unit(s, s->dor & 3);
    return drive && drive->changed ? DIR_CHANGED : 0;
}

static void high_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct fdc *s = dev;
    (void)off, (void)size;
    s->rate = val & RATE_MASK;
}

static const struct io_ops low_ops = {.read = low_read, .write = low_write, .min = 1, .max = 1};
static const struct io_ops high_ops = {.read = high_read, .write = high_write, .min = 1, .max = 1};

/* ---- life ---- */

static void fdc_reset(void *dev) {
    struct fdc *s = dev;
    s->lock = false;
    soft_reset(s);
    s->dor = DOR_START;
    s->tdr = s->perpendicular = s->eot = 0;
    s->rate = RATE_250K;
    memset(s->timing, 0, sizeof(s->timing));
    memset(s->pcn, 0, sizeof(s->pcn));
    memset(s->seek_st0, 0, sizeof(s->seek_st0));
    memset(s->fifo, 0, sizeof(s->fifo));
    s->unit = s->head = s->c = s->h = s->r = s->n = s->last = s->todo = 0;
    s->multi = s->counted = s->seek = s->deleted = s->below = s->above = false;
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        s->drive[i].cylinder = s->drive[i].passing = 0;
        s->drive[i].changed = s->drive[i].there;
    }
    fdc_update(s);
}

static bool fdc_idle(void *dev) {
    const struct fdc *s = dev;
    return !s->inflight;
}

static void fdc_free(void *dev) {
    struct fdc *s = dev;
    fdc_abort(s);
    for (unsigned i = 0; i < FDC_DRIVES; i++)
        block_put(s->drive[i].block);
    isa_dma_request(&s->dma, false);
    io_unmap(&s->low);
    io_unmap(&s->high);
    mem_free(s->buf);
    mem_free(s);
}

static bool refuse(char *why, size_t why_len, const char *what) {
    snprintf(why, why_len, "floppy controller: %s", what);
    return false;
}

static bool fdc_loaded(void *dev, char *why, size_t why_len) {
    struct fdc *s = dev;
    bool data = s->phase >= FDC_DMA_IN && s->phase <= FDC_PIO_OUT;
    const struct fdc_drive *drive = fdc_unit(s, s->unit);
    if (s->phase == FDC_BUSY)
        return refuse(why, why_len, "a request is in flight");
    if ((s->phase == FDC_RESULT || (s->phase == FDC_COMMAND && s->pos)) && s->pos >= s->len)
        return refuse(why, why_len, "a position is past its end");
    if (data && (!drive || !drive->block || s->op == FDC_NO_OP || s->op == FDC_VERIFY ||
                 s->at >= s->end || (s->op != FDC_FORMAT && s->end % FDC_SECTOR) ||
                 (s->op == FDC_FORMAT && s->end > FDC_SECTOR * 2) ||
                 (s->op >= FDC_SCAN_EQUAL && s->op <= FDC_SCAN_HIGH && s->end > FDC_SECTOR)))
        return refuse(why, why_len, "this data phase can't be");
    irq_restore(&s->irq, level(s));
    isa_dma_request(&s->dma, s->phase == FDC_DMA_IN || s->phase == FDC_DMA_OUT);
    return true;
}

static const struct state fdc_state = {"fdc", 1, fdc_fields, fdc_loaded};

const struct device_ops fdc_device = {.name = "fdc", .state = &fdc_state, .reset = fdc_reset,
                                      .idle = fdc_idle, .free = fdc_free};

struct fdc *fdc_new(const struct fdc_pins *pins) {
    struct fdc *s = mem_new(sizeof(*s));
    s->buf = mem_new(FDC_BUF);
    s->irq = pins->irq;
    s->dma = pins->dma;
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        const struct fdc_drive_pins *pin = &pins->drive[i];
        s->drive[i] = (struct fdc_drive){.there = pin->there, .type = pin->type, .fdc = s,
                                         .block = pin->block ? block_get(pin->block) : NULL};
        fdc_geometry_of(&s->drive[i]);
        /* an empty drive takes any of its size */
        if (pin->there && s->drive[i].type == FDC_AUTO)
            s->drive[i].type = FDC_2880K;
    }
    isa_dma_attach(&s->dma, fdc_pump, s);
    io_map_new(pins->io, &s->low, "floppy controller", &low_ops, s, IO_PORT, BASE, LOW_PORTS);
    io_map_new(pins->io, &s->high, "floppy controller", &high_ops, s, IO_PORT, HIGH, 1);
    fdc_reset(s);
    return s;
}

/* ---- what the machine and the monitor do ---- */

uint8_t fdc_cmos_type(const struct fdc *s, unsigned drive) {
    return s->drive[drive].there ? (uint8_t)s->drive[drive].type : 0;
}

struct block *fdc_block(const struct fdc *s, unsigned drive) {
    return s->drive[drive].block;
}

void *fdc_drive(struct fdc *s, unsigned drive) {
    return fdc_unit(s, drive);
}

/* A command that was at the old disk finds nothing any more. */
struct block *fdc_change(void *drive, struct block *medium) {
    struct fdc_drive *d = drive;
    struct fdc *s = d->fdc;
    struct block *old = d->block;
    if (old)
        block_drain(old);
    bool data = s->phase >= FDC_DMA_IN && s->phase <= FDC_PIO_OUT;
    d->block = medium;
    d->changed = true;
    fdc_geometry_of(d);
    if (data && s->unit == (unsigned)(d - s->drive))
        fdc_result_data(s, ST0_ABNORMAL, ST1_MA | ST1_ND, 0);
    return old;
}
