/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the packet drive: the protocol (atapi.c) and the answers (atapi_data.c). One thread.
 */
#ifndef DISK_ATAPI_H
#define DISK_ATAPI_H

#include "disk/ata.h"

/* Sense keys and additional sense codes (SPC-3, 4.5.6) */
enum {
    SENSE_NOT_READY = 2, SENSE_MEDIUM_ERROR = 3, SENSE_ILLEGAL_REQUEST = 5, SENSE_ATTENTION = 6,
};
enum {
    ASC_UNRECOVERED_READ = 0x11, ASC_INVALID_OPCODE = 0x20, ASC_LBA_OUT_OF_RANGE = 0x21,
    ASC_INVALID_FIELD = 0x24, ASC_PARAMETER_LENGTH = 0x1a, ASC_MEDIUM_CHANGED = 0x28,
    ASC_RESET = 0x29, ASC_NO_MEDIUM = 0x3a, ASC_SAVING = 0x39, ASC_REMOVAL_PREVENTED = 0x53,
    ASC_ILLEGAL_MODE = 0x64,
};

/* Media event codes (MMC-5, table 276) */
enum { EVENT_NONE = 0, EVENT_EJECT_REQUEST = 1, EVENT_NEW_MEDIA = 2, EVENT_MEDIA_REMOVAL = 3 };

/* Ends the command with CHECK CONDITION. */
void atapi_check(struct ata_drive *d, uint8_t key, uint8_t asc, uint8_t ascq);
/* Sends `len` bytes of buf, cut to what the CDB allocates. */
void atapi_answer(struct ata_drive *d, uint32_t len, uint32_t allocated);

static inline bool atapi_ready(const struct ata_drive *d) {
    return d->block && !d->packet.tray_open;
}

/* In sectors of 2048 bytes; 0 without a medium. */
static inline uint64_t atapi_capacity(const struct ata_drive *d) {
    return atapi_ready(d) ? d->block->size / ATA_CD_SECTOR : 0;
}

void atapi_identify(const struct ata_drive *d, uint8_t *page);
void atapi_inquiry(struct ata_drive *d);
void atapi_request_sense(struct ata_drive *d);
void atapi_mode_sense(struct ata_drive *d);
void atapi_read_capacity(struct ata_drive *d);
void atapi_read_toc(struct ata_drive *d);
void atapi_read_subchannel(struct ata_drive *d);
void atapi_read_header(struct ata_drive *d);
void atapi_get_configuration(struct ata_drive *d);
void atapi_get_event_status(struct ata_drive *d);
void atapi_read_disc_information(struct ata_drive *d);
void atapi_read_track_information(struct ata_drive *d);
void atapi_read_dvd_structure(struct ata_drive *d);
void atapi_get_performance(struct ata_drive *d);
void atapi_mechanism_status(struct ata_drive *d);
void atapi_report_luns(struct ata_drive *d);

#endif
