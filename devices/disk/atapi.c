/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A DVD-ROM drive behind the PACKET command. ATA/ATAPI-6 (T13 1410D), 8.23 and 9.8 (the protocol);
 * SPC-3 and MMC-5 (the commands). The image is one data track of 2048-byte sectors. Not modelled:
 * audio, several sessions, raw sectors (READ CD gives user data), writing, region codes.
 */
#include "disk/atapi.h"

#include <errno.h>
#include <string.h>

#include "core/bits.h"

enum {
    DEVICE_RESET = 0x08, PACKET = 0xa0, IDENTIFY_PACKET_DEVICE = 0xa1, STANDBY_IMMEDIATE = 0xe0,
    IDLE_IMMEDIATE = 0xe1, STANDBY = 0xe2, IDLE = 0xe3, CHECK_POWER_MODE = 0xe5, SLEEP = 0xe6,
    FLUSH_CACHE = 0xe7, IDENTIFY_DEVICE = 0xec, SET_FEATURES = 0xef, READ_SECTORS = 0x20,
};

enum { CDB_LEN = 12 };

void atapi_power_on(struct ata_drive *d) {
    d->packet.attention = ASC_RESET;
}

/* ---- ends of a packet command ---- */

void atapi_check(struct ata_drive *d, uint8_t key, uint8_t asc, uint8_t ascq) {
    d->packet.sense_key = key;
    d->packet.asc = asc;
    d->packet.ascq = ascq;
    ata_fail(d, (uint8_t)(key << 4 | (key == SENSE_ILLEGAL_REQUEST ? ATA_ABRT : 0)));
}

void atapi_ending(struct ata_drive *d) {
    if (d->command == PACKET)
        d->count[0] = ATA_REASON_IO | ATA_REASON_CD;
}

static void not_ready(struct ata_drive *d) {
    atapi_check(d, SENSE_NOT_READY, ASC_NO_MEDIUM, d->packet.tray_open ? 2 : 1);
}

static void invalid_field(struct ata_drive *d) {
    atapi_check(d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD, 0);
}

void atapi_failed(struct ata_drive *d, int err) {
    if (d->command != PACKET)
        ata_fail(d, ATA_ABRT);
    else if (err == ENOMEDIUM)
        not_ready(d);
    else if (err == EINVAL)
        atapi_check(d, SENSE_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE, 0);
    else
        atapi_check(d, SENSE_MEDIUM_ERROR, ASC_UNRECOVERED_READ, 0);
}

/* ---- data phases ---- */

/* Interrupt reason and byte count of a DRQ block (9.8). */
void atapi_drq(struct ata_drive *d, uint32_t bytes) {
    if (d->command != PACKET)
        return;
    bool in = d->op == ATA_OP_IN || d->op == ATA_OP_READ;
    d->count[0] = !d->packet.have_cdb ? ATA_REASON_CD : in ? ATA_REASON_IO : 0;
    if (d->packet.have_cdb) {
        d->lba_mid[0] = (uint8_t)bytes;
        d->lba_high[0] = (uint8_t)(bytes >> 8);
    }
}

/* The most that the host takes in one DRQ block: even, whole sectors where it can be. */
static uint32_t block_limit(const struct ata_drive *d) {
    uint32_t limit = (d->lba_mid[0] | (uint32_t)d->lba_high[0] << 8) & ~1u;
    if (!limit)
        limit = 0xfffe;
    return limit >= ATA_CD_SECTOR ? limit & ~(ATA_CD_SECTOR - 1u) : limit;
}

void atapi_answer(struct ata_drive *d, uint32_t len, uint32_t allocated) {
    len = MIN(len, allocated);
    if (len)
        ata_send(d, len, block_limit(d));
    else
        ata_complete(d);
}

static void read_sectors(struct ata_drive *d, uint32_t lba, uint32_t n) {
    uint64_t capacity = atapi_capacity(d);
    if (lba > capacity || n > capacity - lba)
        atapi_check(d, SENSE_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE, 0);
    else if (!n)
        ata_complete(d);
    else
        ata_medium(d, ATA_OP_READ, (uint64_t)lba * ATA_CD_SECTOR, (uint64_t)n * ATA_CD_SECTOR,
                   block_limit(d));
}

/* ---- commands ---- */

static void test_unit_ready(struct ata_drive *d) {
    ata_complete(d);
}

static void read_10(struct ata_drive *d) {
    read_sectors(d, load_be32(d->packet.cdb + 2), load_be16(d->packet.cdb + 7));
}

static void read_12(struct ata_drive *d) {
    read_sectors(d, load_be32(d->packet.cdb + 2), load_be32(d->packet.cdb + 6));
}

/* READ CD and READ CD MSF: of the parts of a sector only user data is to be had. */
static void read_cd_at(struct ata_drive *d, uint32_t lba, uint32_t n) {
    const uint8_t *cdb = d->packet.cdb;
    unsigned type = cdb[1] >> 2 & 7, parts = cdb[9] & 0xf8;
    if (type != 0 && type != 2)
        atapi_check(d, SENSE_ILLEGAL_REQUEST, ASC_ILLEGAL_MODE, 0);
    else if (cdb[10] & 7 || (parts != 0x10 && parts))
        invalid_field(d);
    else
        read_sectors(d, lba, parts ? n : 0);
}

static void read_cd(struct ata_drive *d) {
    const uint8_t *cdb = d->packet.cdb;
    read_cd_at(d, load_be32(cdb + 2), (uint32_t)cdb[6] << 16 | load_be16(cdb + 7));
}

static uint32_t from_msf(const uint8_t *msf) {
    return ((uint32_t)msf[0] * 60 + msf[1]) * 75 + msf[2] - 150;
}

static void read_cd_msf(struct ata_drive *d) {
    uint32_t from = from_msf(d->packet.cdb + 3), to = from_msf(d->packet.cdb + 6);
    if (to < from)
        invalid_field(d);
    else
        read_cd_at(d, from, to - from);
}

static void seek(struct ata_drive *d) {
    if (load_be32(d->packet.cdb + 2) < atapi_capacity(d))
        ata_complete(d);
    else
        atapi_check(d, SENSE_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE, 0);
}

/* An eject leaves the disc on the open tray, until the host takes it or the guest loads it
 * again. */
static void move_tray(struct ata_drive *d, bool open) {
    if (d->packet.tray_open == open)
        return;
    d->packet.tray_open = open;
    if (!d->block)
        return;
    d->packet.event = open ? EVENT_MEDIA_REMOVAL : EVENT_NEW_MEDIA;
    if (!open)
        d->packet.attention = ASC_MEDIUM_CHANGED;
}

static void start_stop_unit(struct ata_drive *d) {
    bool start = d->packet.cdb[4] & 1, load_eject = d->packet.cdb[4] & 2;
    bool power = d->packet.cdb[4] & 0xf0;
    if (!power && load_eject && !start && d->packet.locked) {
        atapi_check(d, SENSE_ILLEGAL_REQUEST, ASC_REMOVAL_PREVENTED, 2);
        return;
    }
    if (!power && load_eject)
        move_tray(d, !start);
    else if (!power && start && !atapi_ready(d)) {
        not_ready(d);
        return;
    }
    ata_complete(d);
}

static void prevent_allow(struct ata_drive *d) {
    d->packet.locked = d->packet.cdb[4] & 1;
    ata_complete(d);
}

static void accept(struct ata_drive *d) {
    ata_complete(d);
}

/* MODE SELECT: no page has changeable fields that matter here; the list is taken and dropped. */
static void mode_select(struct ata_drive *d) {
    const uint8_t *cdb = d->packet.cdb;
    uint32_t len = cdb[0] == 0x15 ? cdb[4] : load_be16(cdb + 7);
    if (!(cdb[1] & 0x10))
        invalid_field(d);
    else if (len)
        ata_receive(d, len, block_limit(d));
    else
        ata_complete(d);
}

enum { NEEDS_MEDIUM = 1, DESPITE_ATTENTION = 2 };

struct packet_command {
    void (*run)(struct ata_drive *d);
    unsigned flags;
};

static const struct packet_command packet_commands[256] = {
    [0x00] = {test_unit_ready, NEEDS_MEDIUM},
    [0x03] = {atapi_request_sense, DESPITE_ATTENTION},
    [0x12] = {atapi_inquiry, DESPITE_ATTENTION},
    [0x15] = {mode_select, 0},
    [0x1a] = {atapi_mode_sense, 0},
    [0x1b] = {start_stop_unit, 0},
    [0x1e] = {prevent_allow, 0},
    [0x25] = {atapi_read_capacity, NEEDS_MEDIUM},
    [0x28] = {read_10, NEEDS_MEDIUM},
    [0x2b] = {seek, NEEDS_MEDIUM},
    [0x2f] = {accept, NEEDS_MEDIUM}, /* VERIFY */
    [0x42] = {atapi_read_subchannel, NEEDS_MEDIUM},
    [0x43] = {atapi_read_toc, NEEDS_MEDIUM},
    [0x44] = {atapi_read_header, NEEDS_MEDIUM},
    [0x46] = {atapi_get_configuration, DESPITE_ATTENTION},
    [0x4a] = {atapi_get_event_status, DESPITE_ATTENTION},
    [0x4e] = {accept, NEEDS_MEDIUM}, /* STOP PLAY/SCAN */
    [0x51] = {atapi_read_disc_information, NEEDS_MEDIUM},
    [0x52] = {atapi_read_track_information, NEEDS_MEDIUM},
    [0x55] = {mode_select, 0},
    [0x5a] = {atapi_mode_sense, 0},
    [0xa0] = {atapi_report_luns, DESPITE_ATTENTION},
    [0xa8] = {read_12, NEEDS_MEDIUM},
    [0xac] = {atapi_get_performance, 0},
    [0xad] = {atapi_read_dvd_structure, NEEDS_MEDIUM},
    [0xb9] = {read_cd_msf, NEEDS_MEDIUM},
    [0xbb] = {accept, 0}, /* SET CD SPEED */
    [0xbd] = {atapi_mechanism_status, 0},
    [0xbe] = {read_cd, NEEDS_MEDIUM},
};

static void run_packet(struct ata_drive *d) {
    const struct packet_command *command = &packet_commands[d->packet.cdb[0]];
    d->op = ATA_OP_NONE;
    d->dma = d->feature[0] & 1;
    if (d->packet.cdb[0] != 0x03)
        d->packet.sense_key = d->packet.asc = d->packet.ascq = 0;
    if (!command->run) {
        atapi_check(d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_OPCODE, 0);
    } else if (d->packet.attention && !(command->flags & DESPITE_ATTENTION)) {
        uint8_t asc = d->packet.attention;
        d->packet.attention = 0;
        atapi_check(d, SENSE_ATTENTION, asc, 0);
    } else if (command->flags & NEEDS_MEDIUM && !atapi_ready(d)) {
        not_ready(d);
    } else {
        command->run(d);
    }
}

void atapi_received(struct ata_drive *d) {
    if (d->packet.have_cdb) { /* a MODE SELECT list */
        ata_complete(d);
        return;
    }
    memcpy(d->packet.cdb, d->buf, CDB_LEN);
    d->packet.have_cdb = true;
    run_packet(d);
}

/* ---- the host's hand at the tray ---- */

static void atapi_changed(struct ata_drive *d) {
    bool reading = d->op == ATA_OP_READ && (d->phase == ATA_PIO_IN || d->phase == ATA_DMA_WAIT);
    d->packet.tray_open = !d->block;
    d->packet.event = d->block ? EVENT_NEW_MEDIA : EVENT_MEDIA_REMOVAL;
    d->packet.attention = d->block ? ASC_MEDIUM_CHANGED : 0;
    if (reading) /* the rest of what it reads is gone */
        not_ready(d);
}

bool ata_cd_locked(void *drive) {
    const struct ata_drive *d = drive;
    return d->packet.locked;
}

struct block *ata_cd_change(void *drive, struct block *medium) {
    struct ata_drive *d = drive;
    struct block *old = d->block;
    if (old)
        block_drain(old);
    d->block = medium;
    atapi_changed(d);
    return old;
}

void ata_cd_press_eject(void *drive) {
    struct ata_drive *d = drive;
    if (d->packet.locked && d->packet.event == EVENT_NONE)
        d->packet.event = EVENT_EJECT_REQUEST;
}

/* ---- the Command register ---- */

/* A packet drive refuses what it is for disks, with its signature (8.15, 8.34). */
static void refuse_with_signature(struct ata_drive *d) {
    d->count[0] = d->lba_low[0] = 1;
    d->lba_mid[0] = 0x14;
    d->lba_high[0] = 0xeb;
    ata_fail(d, ATA_ABRT);
}

static void packet(struct ata_drive *d) {
    if (d->feature[0] & 2) { /* overlapped */
        ata_fail(d, ATA_ABRT);
        return;
    }
    d->packet.have_cdb = false;
    ata_receive_packet(d, CDB_LEN);
}

static void set_features(struct ata_drive *d) {
    uint8_t mode = d->count[0];
    switch (d->feature[0]) {
    case 0x03:
        if (mode > 1 && mode >> 3 != 1 && mode >> 3 != 4 && mode >> 3 != 8) {
            ata_fail(d, ATA_ABRT);
            return;
        }
        d->transfer_mode = mode;
        break;
    case 0x66:
    case 0xcc:
        break;
    default:
        ata_fail(d, ATA_ABRT);
        return;
    }
    ata_complete(d);
}

void atapi_command(struct ata_drive *d, uint8_t command) {
    switch (command) {
    case PACKET:
        packet(d);
        break;
    case IDENTIFY_PACKET_DEVICE:
        atapi_identify(d, ata_buf(d, ATA_SECTOR));
        ata_send(d, ATA_SECTOR, ATA_SECTOR);
        break;
    case DEVICE_RESET:
        ata_reset_now(d);
        break;
    case SET_FEATURES:
        set_features(d);
        break;
    case CHECK_POWER_MODE:
        d->count[0] = d->power;
        ata_complete(d);
        break;
    case STANDBY:
    case STANDBY_IMMEDIATE:
    case SLEEP:
        d->power = ATA_STANDBY;
        ata_complete(d);
        break;
    case IDLE:
    case IDLE_IMMEDIATE:
        d->power = ATA_ACTIVE;
        ata_complete(d);
        break;
    case FLUSH_CACHE:
        ata_complete(d);
        break;
    case IDENTIFY_DEVICE:
    case READ_SECTORS:
        refuse_with_signature(d);
        break;
    default:
        ata_fail(d, ATA_ABRT);
        break;
    }
}
