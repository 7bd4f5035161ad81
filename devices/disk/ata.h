/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The AT Attachment bus: a drive as its controller sees it (registers, a data port, a DMA request,
 * an interrupt), and the cable on which two drives share one set of registers. ATA/ATAPI-6 (T13
 * 1410D) with the commands of ATA8-ACS that systems send; packet drives speak MMC-5. One thread.
 *
 * A controller holds struct ata_drive in its own struct (or in a struct ata_cable), lists
 * ata_drive_fields in its state and implements struct ata_host.
 */
#ifndef DISK_ATA_H
#define DISK_ATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/block.h"
#include "core/dma.h"
#include "core/io.h"
#include "core/log.h"
#include "core/state.h"

/* Status, Error, Device, Device Control and Interrupt Reason (ATA/ATAPI-6, clause 7) */
enum {
    ATA_BSY = 0x80, ATA_DRDY = 0x40, ATA_DF = 0x20, ATA_DSC = 0x10, ATA_DRQ = 0x08, ATA_ERR = 0x01,
    ATA_UNC = 0x40, ATA_IDNF = 0x10, ATA_ABRT = 0x04,
    ATA_DEV = 0x10, ATA_LBA = 0x40,
    ATA_HOB = 0x80, ATA_SRST = 0x04, ATA_NIEN = 0x02,
    ATA_REASON_CD = 0x01, ATA_REASON_IO = 0x02,
};

/* Offsets in the Command Block */
enum ata_register {
    ATA_DATA, ATA_FEATURES, ATA_COUNT, ATA_LBA_LOW, ATA_LBA_MID, ATA_LBA_HIGH, ATA_DEVICE,
    ATA_COMMAND, ATA_REGISTERS,
    ATA_ERROR = ATA_FEATURES, ATA_STATUS = ATA_COMMAND,
};

enum ata_kind { ATA_NONE, ATA_DISK, ATA_CDROM };

enum ata_phase {
    ATA_IDLE,
    ATA_PIO_IN,   /* DRQ: the host reads buf[pos, drq) */
    ATA_PIO_OUT,  /* DRQ: the host writes buf[pos, drq) */
    ATA_DMA_WAIT, /* DMARQ: the host's engine is to run */
    ATA_RESETTING,
    ATA_BUSY,     /* the image works; never saved */
};

enum ata_op {
    ATA_OP_NONE,
    ATA_OP_IN,      /* bytes of the drive's own: buf[0, end) */
    ATA_OP_OUT,     /* bytes for the drive itself */
    ATA_OP_READ,    /* medium to host */
    ATA_OP_WRITE,   /* host to medium */
    ATA_OP_VERIFY,  /* medium to nowhere */
    ATA_OP_FLUSH,
    ATA_OP_DISCARD, /* the ranges in buf[pos, end) */
    ATA_OPS
};

enum { ATA_BUF = 65536, ATA_SECTOR = 512, ATA_CD_SECTOR = 2048, ATA_QUEUE = 32 };

/* Sectors a block of READ MULTIPLE at most, and from power-on: Linux takes what is on and sets
 * nothing, and each block costs an interrupt with its register reads. */
enum { ATA_MULTIPLE = ATA_BUF / ATA_SECTOR };

struct ata_drive;

/* What a drive asks of its controller. */
struct ata_host {
    bool serial; /* SATA: the host moves all data by dma_*, that of PIO commands too */
    /* The drive's intrq or nIEN may have changed. */
    void (*interrupt)(void *host, struct ata_drive *drive);
    /* The DMA engine is started, goes the drive's way and its list isn't at an end. */
    bool (*dma_ready)(void *host, struct ata_drive *drive, bool to_host);
    /* The next guest memory of the list: at most `len` bytes, a multiple of 512, put into the empty
     * sg. False: the list has no whole sector that fits into an sg. */
    bool (*dma_map)(void *host, struct dma_sg *sg, size_t len, bool to_host);
    /* Gives back what dma_map gave, transferred. */
    void (*dma_unmap)(void *host, struct dma_sg *sg, bool wrote);
    /* Copies between buf and the next guest memory of the list; returns bytes moved: fewer than len
     * when the list ends. */
    size_t (*dma_copy)(void *host, void *buf, size_t len, bool to_host);
    /* A reset that the host asked for is over: the signature is in the registers. Optional. */
    void (*reset_over)(void *host, struct ata_drive *drive);
};

/* The queued command that failed: what log 10h tells (ATA8-ACS, Annex A). Until it is read, or a
 * reset, the drive carries out nothing else. */
struct ata_queue_error {
    bool pending;
    bool unqueued; /* it was no queued command */
    uint8_t tag, error, device;
    uint16_t count;
    uint64_t lba;
};

/* What a packet drive knows beyond its task file. */
struct ata_packet {
    uint8_t sense_key, asc, ascq;
    uint8_t attention; /* ASC of the pending UNIT ATTENTION, or 0 */
    uint8_t event;     /* media event code for GET EVENT STATUS NOTIFICATION */
    bool tray_open, locked;
    bool have_cdb; /* the PACKET command is past its command packet */
    uint8_t cdb[12];
};

struct ata_drive {
    /* registers; [1] is what was written before [0] (LBA48's high order bytes) */
    uint8_t feature[2], count[2], lba_low[2], lba_mid[2], lba_high[2];
    uint8_t device, control, status, error;
    bool intrq;
    /* hidden state: the command that is carried out */
    uint8_t command;
    uint8_t phase, op; /* enum ata_phase, ata_op */
    bool dma, fua, diagnosing;
    uint32_t pos, drq, end; /* in buf: next byte, past the DRQ block, past what is there */
    uint32_t drq_len;       /* bytes of a full DRQ block */
    uint64_t at, left;      /* bytes on the medium: the next, and how many are still to move */
    uint8_t *buf;           /* ATA_BUF bytes */
    /* hidden state: what commands have set */
    uint8_t heads, sectors; /* of the current CHS translation */
    uint8_t multiple;       /* sectors a block of READ MULTIPLE; 0: off */
    uint8_t transfer_mode;  /* as SET FEATURES 03h gave it */
    uint8_t power;          /* as CHECK POWER MODE shows it; ATA_ASLEEP */
    bool write_cache, look_ahead, smart;
    bool present;           /* not unplugged */
    struct ata_packet packet;
    struct ata_queue_error failed;
    /* wires and derived */
    uint8_t kind;           /* enum ata_kind, as built */
    unsigned unit;          /* 0 or 1 on its cable */
    struct block *block;    /* NULL: no medium */
    const struct ata_host *ops;
    void *host;
    char serial[21], model[41];
    bool named;             /* the serial number was configured */
    bool inflight;
    bool careful;           /* sector by sector, to find the bad one */
    bool pio_in, pio_out;   /* how the data of the command that just ended went (serial hosts) */
    uint32_t written;       /* bytes of buf or sg that are done with */
    struct block_req req;
    struct iovec iov;
    struct dma_sg sg;
    struct log_limit failures;
};

enum { ATA_ACTIVE = 0xff, ATA_STANDBY = 0x00, ATA_ASLEEP = 0x01 };

extern const struct field ata_drive_fields[];

/* ---- for controllers ---- */

struct ata_pins {
    struct block *block; /* the drive takes its own reference; NULL: no drive, or empty CD-ROM */
    bool cdrom;
    const char *serial, *model; /* NULL: our own */
};

/* `place` is the drive's in the machine, from 0: for its serial number, where none is
 * configured. */
void ata_init(struct ata_drive *d, const struct ata_pins *pins, const struct ata_host *ops,
              void *host, unsigned unit, unsigned place);
void ata_done_with(struct ata_drive *d); /* drained; frees what the drive holds */

/* Power-on state. Waits for requests in flight. */
void ata_power_on(struct ata_drive *d);
/* After a load; see struct state. */
bool ata_loaded(struct ata_drive *d, char *why, size_t why_len);

static inline bool ata_is_there(const struct ata_drive *d) {
    return d->kind != ATA_NONE && d->present;
}

/* Registers 1 to 7 of the Command Block, and Device Control. Reading Status lowers INTRQ. */
uint8_t ata_read(struct ata_drive *d, enum ata_register reg);
void ata_write(struct ata_drive *d, enum ata_register reg, uint8_t val);
void ata_control(struct ata_drive *d, uint8_t val);
/* EXECUTE DEVICE DIAGNOSTIC, which all drives of a cable carry out. */
void ata_diagnose(struct ata_drive *d);

/* The Data register: n bytes, an even number; what isn't there reads as zeros or is dropped. */
void ata_data_read(struct ata_drive *d, void *buf, size_t n);
void ata_data_write(struct ata_drive *d, const void *buf, size_t n);

/* A serial host's register frame (SATA 2.6, 10.3.4), 20 bytes, whose C bit is set. */
void ata_frame(struct ata_drive *d, const uint8_t *fis);
/* COMRESET; over when nothing is in flight. */
void ata_hard_reset(struct ata_drive *d);

/* The engine was started, or has a list again. */
void ata_dma_go(struct ata_drive *d);

/* Waits, writes back and lets go of the medium; the drive is gone. Disks only. */
void ata_unplug(struct ata_drive *d);

/* A CD-ROM's front, for struct drive_ops. The host changes the medium: the drive takes over the
 * caller's reference to the new one (NULL: none) and the caller the drive's to the old one. Who
 * presses the button while the guest has the tray locked lets the guest hear of it. */
bool ata_cd_locked(void *drive);
struct block *ata_cd_change(void *drive, struct block *medium);
void ata_cd_press_eject(void *drive);

/* ---- for the drives: ata_disk.c, atapi.c ---- */

/* Start a data phase; `len` bytes in all, `drq_len` a DRQ block. */
void ata_send(struct ata_drive *d, uint32_t len, uint32_t drq_len);    /* buf[0, len) */
void ata_receive(struct ata_drive *d, uint32_t len, uint32_t drq_len); /* to buf */
void ata_receive_packet(struct ata_drive *d, uint32_t len); /* a command packet, always by PIO */
void ata_medium(struct ata_drive *d, enum ata_op op, uint64_t at, uint64_t len, uint32_t drq_len);
void ata_flush(struct ata_drive *d);
void ata_discard(struct ata_drive *d, uint32_t bytes); /* ranges are in buf[0, bytes) */
/* buf with its first `bytes` zeroed, to be filled for ata_send. */
uint8_t *ata_buf(struct ata_drive *d, uint32_t bytes);

void ata_complete(struct ata_drive *d);
void ata_fail(struct ata_drive *d, uint8_t error);
void ata_reset_now(struct ata_drive *d); /* as soon as nothing is in flight: signature */

void ata_disk_power_on(struct ata_drive *d);
void ata_disk_command(struct ata_drive *d, uint8_t command);
void ata_disk_received(struct ata_drive *d);
void ata_disk_failed(struct ata_drive *d, int err);
void ata_disk_ending(struct ata_drive *d);
uint64_t ata_disk_capacity(const struct ata_drive *d); /* in sectors */
void ata_disk_identify(const struct ata_drive *d, uint8_t *page);
void ata_smart(struct ata_drive *d);
void ata_read_log_ext(struct ata_drive *d);

void atapi_power_on(struct ata_drive *d);
void atapi_command(struct ata_drive *d, uint8_t command);
void atapi_received(struct ata_drive *d);
void atapi_failed(struct ata_drive *d, int err);
void atapi_drq(struct ata_drive *d, uint32_t bytes);
void atapi_ending(struct ata_drive *d);

/* Fills an IDENTIFY string field: bytes swapped in words, padded with spaces. */
void ata_string(uint8_t *to, const char *from, unsigned len);

/* ---- the cable: two drives, one set of registers ---- */

struct ata_cable {
    struct ata_drive drive[2];
    /* registers */
    uint8_t selected; /* 0 or 1 */
};

extern const struct field ata_cable_fields[];
extern const struct io_ops ata_command_ops; /* 8 ports; dev is the cable */
extern const struct io_ops ata_control_ops; /* 1 port: Alternate Status, Device Control */

bool ata_cable_intrq(const struct ata_cable *cable); /* the level of the line */
void ata_cable_power_on(struct ata_cable *cable);

#endif
