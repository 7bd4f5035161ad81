/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of USB mass storage: the transport is in storage.c, the disk's commands are in
 * storage_scsi.c.
 */
#ifndef DEVICES_USB_STORAGE_CHIP_H
#define DEVICES_USB_STORAGE_CHIP_H

#include "usb/storage.h"

enum { STORAGE_SECTOR = 512, STORAGE_BUFFER = 64 << 10, STORAGE_IOVS = 128, STORAGE_CDB = 16 };

/* What the host may ask for next. BROKEN: a reset recovery, nothing else. */
enum storage_phase { PHASE_COMMAND, PHASE_IN, PHASE_OUT, PHASE_STATUS, PHASE_BROKEN };

/* bCSWStatus: USB Mass Storage Class, Bulk-Only Transport 1.0, table 5.3 */
enum { CSW_GOOD = 0, CSW_FAILED = 1, CSW_PHASE_ERROR = 2 };

/* Whose memory the request that is in flight moves: the buffer's, or the transfer's own. */
enum { MOVE_NOTHING, MOVE_BUFFER, MOVE_DIRECT };

struct storage {
    struct usb_device usb;
    /* registers */
    uint8_t phase, status;
    bool writes;       /* the command takes data from the host */
    uint32_t tag;      /* dCBWTag */
    uint32_t expected; /* bytes that the host still wants to move */
    uint32_t residue;  /* of what it wanted, bytes that were not, or mean nothing */
    uint8_t cdb[STORAGE_CDB];
    uint8_t sense_key, asc, ascq;
    uint8_t attention; /* an ASC to report before anything else; 0: none */
    bool locked;
    bool refused[2]; /* NAK was said: usb_ready is due, [out, in] */
    /* hidden state */
    uint64_t medium_at, medium_left; /* bytes: where the command goes on, and how far */
    uint32_t buf_at, buf_len;        /* IN: what is given next. OUT: what has come */
    uint8_t *buf;
    /* wires and derived */
    struct block *block;
    struct block_watch watch;
    bool removable;
    struct block_req req;
    struct iovec iov[STORAGE_IOVS];
    bool busy, dropped; /* req is in flight; its result is for nobody */
    uint8_t moves;
    struct usb_transfer *transfer; /* that is PENDING, or NULL */
};

/*
 * Carries out s->cdb as far as it goes without the host: an answer is in the buffer then, or
 * medium_at and medium_left say what to move, and `writes` where to. Fails by storage_check.
 */
void storage_command(struct storage *s, unsigned cdb_len);
void storage_flush(struct storage *s); /* the transport's, for commands */

/* Ends the command with CHECK CONDITION. */
void storage_check(struct storage *s, uint8_t key, uint8_t asc);
/* Sense of a request that failed with an errno. */
void storage_io_failed(struct storage *s, int err);

enum { ASC_RESET = 0x29, ASC_CAPACITY_CHANGED = 0x2a };

#endif
