/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk in USB mass storage: SPC-3 (INQUIRY, MODE SENSE, REQUEST SENSE, REPORT LUNS), SBC-2 (the
 * rest). One logical unit, sectors of 512 bytes. Not modelled: MODE SELECT, FUA, reservations,
 * formatting, thin provisioning.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "usb/storage_chip.h"

enum { /* operation codes */
    TEST_UNIT_READY = 0x00, REQUEST_SENSE = 0x03, READ_6 = 0x08, WRITE_6 = 0x0a, INQUIRY = 0x12,
    MODE_SENSE_6 = 0x1a, START_STOP_UNIT = 0x1b, PREVENT_ALLOW = 0x1e,
    READ_FORMAT_CAPACITIES = 0x23, READ_CAPACITY_10 = 0x25, READ_10 = 0x28, WRITE_10 = 0x2a,
    SEEK_10 = 0x2b, VERIFY_10 = 0x2f, SYNCHRONIZE_CACHE_10 = 0x35, MODE_SENSE_10 = 0x5a,
    READ_16 = 0x88, WRITE_16 = 0x8a, SYNCHRONIZE_CACHE_16 = 0x91, SERVICE_ACTION_IN_16 = 0x9e,
    REPORT_LUNS = 0xa0, READ_12 = 0xa8, WRITE_12 = 0xaa,
};

enum { /* sense keys, additional sense codes: SPC-3, 4.5.6 */
    KEY_NONE = 0, KEY_MEDIUM = 3, KEY_ILLEGAL_REQUEST = 5, KEY_UNIT_ATTENTION = 6,
    KEY_DATA_PROTECT = 7,
    ASC_WRITE_ERROR = 0x0c, ASC_READ_ERROR = 0x11, ASC_INVALID_OPCODE = 0x20,
    ASC_LBA_OUT_OF_RANGE = 0x21, ASC_INVALID_FIELD = 0x24,
    ASC_WRITE_PROTECTED = 0x27,
};

enum { READ_CAPACITY_16 = 0x10 /* service action */, SENSE_LEN = 18, INQUIRY_LEN = 36 };
enum { CDB_FUA = 0x08, CDB_LOEJ = 0x02, CDB_EVPD = 0x01, CDB_BYTCHK = 0x02, CDB_DBD = 0x08 };
enum { PAGE_CACHING = 0x08, PAGE_CONTROL = 0x0a, PAGE_ALL = 0x3f };
enum { VPD_PAGES = 0x00, VPD_SERIAL = 0x80, VPD_IDENTIFICATION = 0x83 };

static const char vendor[] = "HVM-DM  ", product[] = "USB DISK        ", revision[] = "1.0 ";

/* ---- ends ---- */

static void sense(struct storage *s, uint8_t key, uint8_t asc, uint8_t ascq) {
    s->sense_key = key;
    s->asc = asc;
    s->ascq = ascq;
}

void storage_check(struct storage *s, uint8_t key, uint8_t asc) {
    sense(s, key, asc, 0);
    s->status = CSW_FAILED;
    s->buf_at = s->buf_len = 0;
    s->medium_left = 0;
}

void storage_io_failed(struct storage *s, int err) {
    if (err == EROFS)
        storage_check(s, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
    else if (err == EINVAL)
        storage_check(s, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
    else
        storage_check(s, KEY_MEDIUM, s->req.op == BLOCK_READ ? ASC_READ_ERROR : ASC_WRITE_ERROR);
}

static void invalid_field(struct storage *s) {
    storage_check(s, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
}

/* As much of the answer in the buffer as the command allows for. */
static void answer(struct storage *s, uint32_t len, uint32_t allocated) {
    s->buf_len = MIN(len, allocated);
}

/* ---- about the disk ---- */

static uint64_t sectors(const struct storage *s) {
    return s->block->size / STORAGE_SECTOR;
}

static const char *serial_of(const struct storage *s) {
    return s->usb.serial ? s->usb.serial : "1";
}

static uint32_t put_text(uint8_t *at, const char *text, uint32_t max) {
    uint32_t n = (uint32_t)MIN(strlen(text), (size_t)max);
    memcpy(at, text, n);
    return n;
}

/* Vital product data: SPC-3, 7.6. Returns its length, 0 where there is none. */
static uint32_t give_vpd(struct storage *s, uint8_t page) {
    enum { TEXT_MAX = 64, ASCII = 2, T10_VENDOR = 1 };
    uint8_t *b = s->buf;
    uint32_t n = 4;
    switch (page) {
    case VPD_PAGES:
        b[n++] = VPD_PAGES;
        b[n++] = VPD_SERIAL;
        b[n++] = VPD_IDENTIFICATION;
        break;
    case VPD_SERIAL:
        n += put_text(b + n, serial_of(s), TEXT_MAX);
        break;
    case VPD_IDENTIFICATION:
        b[4] = ASCII;
        b[5] = T10_VENDOR;
        n = 8 + put_text(b + 8, vendor, 8);
        n += put_text(b + n, serial_of(s), TEXT_MAX);
        b[7] = (uint8_t)(n - 8);
        break;
    default:
        return 0;
    }
    b[1] = page;
    b[3] = (uint8_t)(n - 4);
    return n;
}

static void inquiry(struct storage *s) {
    uint8_t *b = s->buf;
    uint16_t allocated = load_be16(s->cdb + 3);
    if (s->cdb[1] & CDB_EVPD) {
        uint32_t n = give_vpd(s, s->cdb[2]);
        if (n)
            answer(s, n, allocated);
        else
            invalid_field(s);
        return;
    }
    if (s->cdb[2]) {
        invalid_field(s);
        return;
    }
    b[1] = s->removable ? 0x80 : 0;
    b[2] = 5; /* SPC-3 */
    b[3] = 2; /* response data format */
    b[4] = INQUIRY_LEN - 5;
    put_text(b + 8, vendor, 8);
    put_text(b + 16, product, 16);
    put_text(b + 32, revision, 4);
    answer(s, INQUIRY_LEN, allocated);
}

static void request_sense(struct storage *s) {
    uint8_t *b = s->buf;
    if (s->attention) {
        sense(s, KEY_UNIT_ATTENTION, s->attention, s->attention == ASC_CAPACITY_CHANGED ? 9 : 0);
        s->attention = 0;
    }
    b[0] = 0x70; /* current, fixed format */
    b[2] = s->sense_key;
    b[7] = SENSE_LEN - 8;
    b[12] = s->asc;
    b[13] = s->ascq;
    sense(s, KEY_NONE, 0, 0);
    answer(s, SENSE_LEN, s->cdb[4]);
}

static void read_capacity_10(struct storage *s) {
    uint64_t last = sectors(s) - 1;
    store_be32(s->buf, (uint32_t)MIN(last, (uint64_t)UINT32_MAX));
    store_be32(s->buf + 4, STORAGE_SECTOR);
    answer(s, 8, 8);
}

static void read_capacity_16(struct storage *s) {
    if ((s->cdb[1] & 0x1f) != READ_CAPACITY_16) {
        invalid_field(s);
        return;
    }
    store_be64(s->buf, sectors(s) - 1);
    store_be32(s->buf + 8, STORAGE_SECTOR);
    answer(s, 32, load_be32(s->cdb + 10));
}

/* MMC-3, 6.24: Windows asks sticks. */
static void read_format_capacities(struct storage *s) {
    s->buf[3] = 8;
    store_be32(s->buf + 4, (uint32_t)MIN(sectors(s), (uint64_t)UINT32_MAX));
    store_be32(s->buf + 8, STORAGE_SECTOR);
    s->buf[8] = 2; /* formatted */
    answer(s, 12, load_be16(s->cdb + 7));
}

static void report_luns(struct storage *s) {
    store_be32(s->buf, 8); /* one, of number 0 */
    answer(s, 16, load_be32(s->cdb + 6));
}

/* Mode pages: SBC-2, 6.3. The cache is written back when SYNCHRONIZE CACHE says so. */
static uint32_t put_pages(uint8_t *at, uint8_t page, bool changeable) {
    uint32_t n = 0;
    if (page == PAGE_CACHING || page == PAGE_ALL) {
        at[n] = PAGE_CACHING;
        at[n + 1] = 18;
        at[n + 2] = changeable ? 0 : 4; /* WCE */
        n += 20;
    }
    if (page == PAGE_CONTROL || page == PAGE_ALL) {
        at[n] = PAGE_CONTROL;
        at[n + 1] = 10;
        n += 12;
    }
    return n;
}

static void mode_sense(struct storage *s) {
    bool ten = s->cdb[0] == MODE_SENSE_10;
    uint8_t *b = s->buf, control = s->cdb[2] >> 6;
    uint32_t header = ten ? 8 : 4, n = header;
    if (!(s->cdb[1] & CDB_DBD)) { /* a short block descriptor */
        b[ten ? 7 : 3] = 8;
        store_be32(b + n, (uint32_t)MIN(sectors(s), (uint64_t)UINT32_MAX));
        store_be32(b + n + 4, STORAGE_SECTOR);
        n += 8;
    }
    uint32_t pages = put_pages(b + n, s->cdb[2] & 0x3f, control == 1);
    if (!pages || control == 3 /* saved values */ || s->cdb[3]) {
        memset(b, 0, n + pages);
        invalid_field(s);
        return;
    }
    n += pages;
    if (ten)
        store_be16(b, (uint16_t)(n - 2));
    else
        b[0] = (uint8_t)(n - 1);
    b[ten ? 3 : 2] = s->block->read_only ? 0x80 : 0;
    answer(s, n, ten ? load_be16(s->cdb + 7) : s->cdb[4]);
}

/* ---- the medium ---- */

static bool in_range(struct storage *s, uint64_t lba, uint64_t n) {
    if (lba <= sectors(s) && n <= sectors(s) - lba)
        return true;
    storage_check(s, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
    return false;
}

static void move(struct storage *s, uint64_t lba, uint64_t n, bool write) {
    s->writes = write;
    if (write && s->block->read_only) {
        storage_check(s, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
    } else if (in_range(s, lba, n)) {
        s->medium_at = lba * STORAGE_SECTOR;
        s->medium_left = n * STORAGE_SECTOR;
    }
}

/* Reading and writing with 6, 10, 12 and 16 bytes. */
static void move_by_cdb(struct storage *s, bool write) {
    const uint8_t *c = s->cdb;
    if (c[0] == READ_6 || c[0] == WRITE_6)
        move(s, load_be32(c) & 0x1fffff, c[4] ? c[4] : 256, write);
    else if (c[1] & CDB_FUA)
        invalid_field(s);
    else if (c[0] == READ_10 || c[0] == WRITE_10)
        move(s, load_be32(c + 2), load_be16(c + 7), write);
    else if (c[0] == READ_12 || c[0] == WRITE_12)
        move(s, load_be32(c + 2), load_be32(c + 6), write);
    else
        move(s, load_be64(c + 2), load_be32(c + 10), write);
}

static void verify(struct storage *s) {
    if (s->cdb[1] & CDB_BYTCHK)
        invalid_field(s);
    else
        in_range(s, load_be32(s->cdb + 2), load_be16(s->cdb + 7));
}

static void start_stop(struct storage *s) {
    if (s->cdb[4] & CDB_LOEJ)
        invalid_field(s); /* the medium stays */
    else if (!(s->cdb[4] & 1) && !s->block->read_only)
        storage_flush(s);
}

static void prevent_allow(struct storage *s) {
    if (s->removable)
        s->locked = s->cdb[4] & 1;
    else if (s->cdb[4] & 1)
        invalid_field(s);
}

static void carry_out(struct storage *s) {
    switch (s->cdb[0]) {
    case TEST_UNIT_READY:
        break;
    case READ_6:
    case READ_10:
    case READ_12:
    case READ_16:
        move_by_cdb(s, false);
        break;
    case WRITE_6:
    case WRITE_10:
    case WRITE_12:
    case WRITE_16:
        move_by_cdb(s, true);
        break;
    case MODE_SENSE_6:
    case MODE_SENSE_10:
        mode_sense(s);
        break;
    case START_STOP_UNIT:
        start_stop(s);
        break;
    case PREVENT_ALLOW:
        prevent_allow(s);
        break;
    case READ_FORMAT_CAPACITIES:
        read_format_capacities(s);
        break;
    case READ_CAPACITY_10:
        read_capacity_10(s);
        break;
    case SERVICE_ACTION_IN_16:
        read_capacity_16(s);
        break;
    case SEEK_10:
        in_range(s, load_be32(s->cdb + 2), 1);
        break;
    case VERIFY_10:
        verify(s);
        break;
    case SYNCHRONIZE_CACHE_10:
    case SYNCHRONIZE_CACHE_16:
        if (!s->block->read_only)
            storage_flush(s);
        break;
    default:
        storage_check(s, KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
    }
}

/* INQUIRY, REPORT LUNS and REQUEST SENSE are answered whatever has happened: SPC-3, 4.5.2. */
void storage_command(struct storage *s, unsigned cdb_len) {
    static const uint8_t lengths[8] = {6, 10, 10, 1, 16, 12, 1, 1};
    memset(s->buf, 0, 512); /* answers begin as zeros */
    if (s->cdb[0] != REQUEST_SENSE)
        sense(s, KEY_NONE, 0, 0);
    if (cdb_len < lengths[s->cdb[0] >> 5])
        invalid_field(s);
    else if (s->cdb[0] == INQUIRY)
        inquiry(s);
    else if (s->cdb[0] == REQUEST_SENSE)
        request_sense(s);
    else if (s->cdb[0] == REPORT_LUNS)
        report_luns(s);
    else if (s->attention)
        storage_check(s, KEY_UNIT_ATTENTION, s->attention);
    else
        carry_out(s);
    if (s->status == CSW_FAILED && s->sense_key == KEY_UNIT_ATTENTION) {
        s->ascq = s->attention == ASC_CAPACITY_CHANGED ? 9 : 0;
        s->attention = 0;
    }
}
