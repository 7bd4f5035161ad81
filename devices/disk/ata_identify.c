/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk says of itself: IDENTIFY DEVICE (ATA8-ACS, 7.16), SMART (7.53) and the general
 * purpose logs (Annex A). The disk has no mechanism and no history: its attributes are those of a
 * new one, its logs are empty.
 */
#include "disk/ata.h"

#include <string.h>

#include "core/bits.h"

enum { TRIM_BLOCKS = 8 };

static void word(uint8_t *page, unsigned n, uint64_t val) {
    store_le16(page + 2 * n, (uint16_t)val);
}

/* The last byte of a page makes the sum of all 512 zero. */
static void checksum(uint8_t *page) {
    uint8_t sum = 0;
    for (unsigned i = 0; i < ATA_SECTOR - 1; i++)
        sum = (uint8_t)(sum + page[i]);
    page[ATA_SECTOR - 1] = (uint8_t)-sum;
}

/* Words 1, 3, 6 and 54 to 58: the default and the current CHS translation. */
static void geometry(const struct ata_drive *d, uint8_t *page, uint64_t capacity) {
    word(page, 1, MIN(capacity / (16 * 63), 16383));
    word(page, 3, 16);
    word(page, 6, 63);
    if (!d->heads || !d->sectors)
        return;
    uint64_t cylinders = MIN(capacity / ((uint64_t)d->heads * d->sectors), 65535);
    uint64_t total = cylinders * d->heads * d->sectors;
    word(page, 54, cylinders);
    word(page, 55, d->heads);
    word(page, 56, d->sectors);
    word(page, 57, total);
    word(page, 58, total >> 16);
}

/* Words 82 to 87: what there is, and what of it is on. */
static void features(const struct ata_drive *d, uint8_t *page) {
    enum { SMART_ON = 0x0001, POWER = 0x0008, WRITE_CACHE = 0x0020, LOOK_AHEAD = 0x0040 };
    unsigned nop = 0x4000;
    word(page, 82, nop | LOOK_AHEAD | WRITE_CACHE | POWER | SMART_ON);
    word(page, 83, 0x7400); /* FLUSH CACHE EXT, FLUSH CACHE, LBA48 */
    /* FUA, general purpose log, SMART self-test and error logs; a name where there is one */
    unsigned extension = 0x4063 | (d->named ? 0x0100 : 0);
    word(page, 84, extension);
    word(page, 85, nop | POWER | (d->look_ahead ? LOOK_AHEAD : 0) |
                       (d->write_cache ? WRITE_CACHE : 0) | (d->smart ? SMART_ON : 0));
    word(page, 86, 0x3400);
    word(page, 87, extension);
}

/* Words 62 to 68 and 88: all modes of the time, and the one that SET FEATURES 03h chose. */
static void transfer_modes(const struct ata_drive *d, uint8_t *page) {
    unsigned chosen = d->transfer_mode & 7, kind = d->transfer_mode >> 3;
    word(page, 51, 0x0200);
    word(page, 53, 0x0007);
    word(page, 63, 0x0007 | (kind == 4 ? 0x0100u << chosen : 0));
    word(page, 64, 0x0003);
    for (unsigned n = 65; n <= 68; n++)
        word(page, n, 120);
    word(page, 88, 0x003f | (kind == 8 ? 0x0100u << chosen : 0));
}

/* A name in the IEEE style (NAA 5) made of the serial number, so that it stays over restarts. A
 * disk whose number nobody chose has none: others have the same number. */
static void world_wide_name(const struct ata_drive *d, uint8_t *page) {
    if (!d->named)
        return;
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (const char *c = d->serial; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3;
    uint64_t name = UINT64_C(0x5) << 60 | (hash & 0x0fffffffffffffff);
    for (unsigned i = 0; i < 4; i++)
        word(page, 108 + i, name >> (48 - 16 * i));
}

/* Words 75 to 79 and 222. */
static void serial_ata(uint8_t *page) {
    word(page, 75, ATA_QUEUE - 1);
    word(page, 76, 0x010e); /* queues; all three generations of the wire */
    word(page, 222, 0x101f); /* serial; ATA8-AST, SATA 1.0a to 2.6 */
}

void ata_disk_identify(const struct ata_drive *d, uint8_t *page) {
    uint64_t capacity = ata_disk_capacity(d);
    word(page, 0, 0x0040); /* a fixed drive */
    geometry(d, page, capacity);
    word(page, 2, 0xc837); /* is complete, and needs no SET FEATURES to spin up */
    ata_string(page + 20, d->serial, 20);
    word(page, 20, 3);
    word(page, 21, ATA_BUF / ATA_SECTOR);
    ata_string(page + 46, "1.0", 8);
    ata_string(page + 54, d->model, 40);
    word(page, 47, 0x8000 | ATA_MULTIPLE);
    word(page, 48, 0x4000);
    word(page, 49, 0x2f00); /* standby timers of the standard, IORDY, LBA, DMA */
    word(page, 50, 0x4000);
    transfer_modes(d, page);
    word(page, 59, d->multiple ? 0x0100 | d->multiple : 0);
    uint64_t lba28 = MIN(capacity, 0x0fffffff);
    word(page, 60, lba28);
    word(page, 61, lba28 >> 16);
    word(page, 80, 0x01f0); /* ATA/ATAPI-4 to ATA8-ACS */
    features(d, page);
    if (d->ops->serial)
        serial_ata(page);
    else
        word(page, 93, d->unit ? 0x6b00 : 0x600b); /* 80 wires, passed its diagnostic */
    for (unsigned i = 0; i < 4; i++)
        word(page, 100 + i, capacity >> (16 * i));
    word(page, 105, TRIM_BLOCKS);
    word(page, 106, 0x4000); /* one logical sector a physical one */
    world_wide_name(d, page);
    word(page, 119, 0x4000);
    word(page, 120, 0x4000);
    word(page, 169, 0x0001); /* DATA SET MANAGEMENT with TRIM */
    word(page, 217, 0x0001); /* nothing rotates */
    page[510] = 0xa5;
    checksum(page);
}

/* ---- SMART ---- */

struct attribute {
    uint8_t id, flags, value, threshold;
};

/* Power-on values of a disk that has seen nothing. */
static const struct attribute attributes[] = {
    {1, 0x0b, 100, 6},   /* raw read error rate */
    {5, 0x33, 100, 36},  /* reallocated sectors */
    {9, 0x32, 100, 0},   /* power-on hours */
    {12, 0x32, 100, 20}, /* power cycles */
    {194, 0x22, 70, 0},  /* temperature */
    {197, 0x12, 100, 0}, /* sectors that wait for reallocation */
    {198, 0x10, 100, 0}, /* uncorrectable sectors */
};

static void smart_page(struct ata_drive *d, uint8_t *page) {
    checksum(page);
    ata_send(d, ATA_SECTOR, ATA_SECTOR);
}

static void smart_data(struct ata_drive *d) {
    uint8_t *page = ata_buf(d, ATA_SECTOR);
    store_le16(page, 16);
    for (unsigned i = 0; i < ARRAY_LEN(attributes); i++) {
        uint8_t *entry = page + 2 + 12 * i;
        entry[0] = attributes[i].id;
        entry[1] = attributes[i].flags;
        entry[3] = entry[4] = attributes[i].value;
        entry[5] = attributes[i].id == 194 ? 30 : 0;
    }
    page[362] = 0x02;                /* off-line collection: completed without error */
    page[367] = 0x11;                /* executes off-line at once, has self-tests */
    store_le16(page + 368, 0x0003);  /* saves attributes */
    page[370] = 0x01;                /* error logging */
    page[372] = page[373] = 1;       /* minutes of a short and of an extended self-test */
    smart_page(d, page);
}

static void smart_thresholds(struct ata_drive *d) {
    uint8_t *page = ata_buf(d, ATA_SECTOR);
    store_le16(page, 16);
    for (unsigned i = 0; i < ARRAY_LEN(attributes); i++) {
        page[2 + 12 * i] = attributes[i].id;
        page[3 + 12 * i] = attributes[i].threshold;
    }
    smart_page(d, page);
}

enum { LOG_DIRECTORY = 0x00, LOG_ERRORS = 0x01, LOG_EXT_ERRORS = 0x03, LOG_SELF_TESTS = 0x06,
       LOG_EXT_SELF_TESTS = 0x07, LOG_QUEUE_ERROR = 0x10 };

static void smart_log(struct ata_drive *d) {
    uint8_t *page = ata_buf(d, ATA_SECTOR);
    if (d->count[0] != 1) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    switch (d->lba_low[0]) {
    case LOG_DIRECTORY:
        store_le16(page, 1);
        page[2 * LOG_ERRORS] = page[2 * LOG_SELF_TESTS] = 1;
        ata_send(d, ATA_SECTOR, ATA_SECTOR);
        return;
    case LOG_ERRORS:
    case LOG_SELF_TESTS:
        store_le16(page, 1); /* the revision; no entries */
        smart_page(d, page);
        return;
    default:
        ata_fail(d, ATA_ABRT);
        return;
    }
}

/* Reading it lets the drive take commands again. */
static void log_queue_error(struct ata_drive *d, uint8_t *page) {
    const struct ata_queue_error *failed = &d->failed;
    if (failed->pending) {
        page[0] = failed->unqueued ? 0x80 : failed->tag;
        page[2] = ATA_DRDY | ATA_ERR;
        page[3] = failed->error;
        page[4] = (uint8_t)failed->lba;
        page[5] = (uint8_t)(failed->lba >> 8);
        page[6] = (uint8_t)(failed->lba >> 16);
        page[7] = failed->device;
        page[8] = (uint8_t)(failed->lba >> 24);
        page[9] = (uint8_t)(failed->lba >> 32);
        page[10] = (uint8_t)(failed->lba >> 40);
        store_le16(page + 12, failed->count);
    }
    d->failed.pending = false;
    smart_page(d, page);
}

void ata_read_log_ext(struct ata_drive *d) {
    uint8_t *page = ata_buf(d, ATA_SECTOR);
    if (d->count[0] != 1 || d->count[1] || d->lba_mid[0] || d->lba_mid[1]) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    switch (d->lba_low[0]) {
    case LOG_DIRECTORY:
        store_le16(page, 1);
        page[2 * LOG_EXT_ERRORS] = page[2 * LOG_EXT_SELF_TESTS] = 1;
        page[2 * LOG_QUEUE_ERROR] = d->ops->serial;
        ata_send(d, ATA_SECTOR, ATA_SECTOR);
        return;
    case LOG_QUEUE_ERROR:
        if (d->ops->serial)
            log_queue_error(d, page);
        else
            ata_fail(d, ATA_ABRT);
        return;
    case LOG_EXT_ERRORS:
    case LOG_EXT_SELF_TESTS:
        page[0] = 1;
        smart_page(d, page);
        return;
    default:
        ata_fail(d, ATA_ABRT);
        return;
    }
}

void ata_smart(struct ata_drive *d) {
    enum { READ_DATA = 0xd0, READ_THRESHOLDS = 0xd1, AUTOSAVE = 0xd2, OFFLINE_IMMEDIATE = 0xd4,
           READ_LOG = 0xd5, ENABLE = 0xd8, DISABLE = 0xd9, RETURN_STATUS = 0xda };
    uint8_t sub = d->feature[0];
    if (d->lba_mid[0] != 0x4f || d->lba_high[0] != 0xc2 || (!d->smart && sub != ENABLE)) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    switch (sub) {
    case READ_DATA:
        smart_data(d);
        return;
    case READ_THRESHOLDS:
        smart_thresholds(d);
        return;
    case READ_LOG:
        smart_log(d);
        return;
    case ENABLE:
    case DISABLE:
        d->smart = sub == ENABLE;
        break;
    case AUTOSAVE:
    case OFFLINE_IMMEDIATE: /* passes at once */
    case RETURN_STATUS:     /* the signature stays 4Fh, C2h: no threshold exceeded */
        break;
    default:
        ata_fail(d, ATA_ABRT);
        return;
    }
    ata_complete(d);
}
