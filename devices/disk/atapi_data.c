/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a DVD-ROM drive says of itself and of the disc in it: SPC-3 chapter 6 and 7, MMC-5 chapter 5
 * to 7, ATA/ATAPI-6 8.16. Each function fills the drive's buffer from the CDB and sends it.
 */
#include "disk/atapi.h"

#include <string.h>

#include "core/bits.h"

enum { PROFILE_CD_ROM = 0x0008, PROFILE_DVD_ROM = 0x0010 };
enum { CD_MAX_SECTORS = 80 * 60 * 75 }; /* what is bigger is a DVD */

static void invalid_field(struct ata_drive *d) {
    atapi_check(d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD, 0);
}

static bool is_dvd(const struct ata_drive *d) {
    return atapi_capacity(d) > CD_MAX_SECTORS;
}

static unsigned profile(const struct ata_drive *d) {
    return !atapi_ready(d) ? 0 : is_dvd(d) ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

/* ---- the drive ---- */

static void word(uint8_t *page, unsigned n, unsigned val) {
    store_le16(page + 2 * n, (uint16_t)val);
}

void atapi_identify(const struct ata_drive *d, uint8_t *page) {
    unsigned kind = d->transfer_mode >> 3, chosen = d->transfer_mode & 7;
    word(page, 0, 0x85c0); /* CD-ROM, removable, DRQ within 50 us, packets of 12 bytes */
    ata_string(page + 20, d->serial, 20);
    ata_string(page + 46, "1.0", 8);
    ata_string(page + 54, d->model, 40);
    word(page, 49, 0x0f00); /* IORDY, LBA, DMA */
    word(page, 50, 0x4000);
    word(page, 53, 0x0006);
    word(page, 63, 0x0007 | (kind == 4 ? 0x0100u << chosen : 0));
    word(page, 64, 0x0003);
    for (unsigned n = 65; n <= 68; n++)
        word(page, n, 120);
    word(page, 80, 0x01f0);
    word(page, 82, 0x4218); /* NOP, DEVICE RESET, PACKET, power management */
    word(page, 83, 0x4000);
    word(page, 84, 0x4000);
    word(page, 85, 0x4218);
    word(page, 87, 0x4000);
    word(page, 88, 0x003f | (kind == 8 ? 0x0100u << chosen : 0));
    if (d->ops->serial)
        word(page, 76, 0x000e);
    else
        word(page, 93, d->unit ? 0x6b00 : 0x600b);
    page[510] = 0xa5;
    uint8_t sum = 0;
    for (unsigned i = 0; i < 511; i++)
        sum = (uint8_t)(sum + page[i]);
    page[511] = (uint8_t)-sum;
}

static void padded(uint8_t *to, const char *from, unsigned len) {
    for (unsigned i = 0; i < len; i++)
        to[i] = (uint8_t)(*from ? *from++ : ' ');
}

static void vital_product_data(struct ata_drive *d, uint8_t *page, uint32_t allocated) {
    uint32_t len;
    page[0] = 0x05;
    page[1] = d->packet.cdb[2];
    switch (page[1]) {
    case 0x00: /* which pages there are */
        memcpy(page + 4, "\x00\x80\x83", 3);
        len = 3;
        break;
    case 0x80: /* unit serial number */
        padded(page + 4, d->serial, 20);
        len = 20;
        break;
    case 0x83: /* identification: ASCII, by vendor */
        page[4] = 0x02;
        page[5] = 0x01;
        page[7] = 28;
        padded(page + 8, "HVM-DM", 8);
        padded(page + 16, d->serial, 20);
        len = 32;
        break;
    default:
        invalid_field(d);
        return;
    }
    page[3] = (uint8_t)len;
    atapi_answer(d, len + 4, allocated);
}

void atapi_inquiry(struct ata_drive *d) {
    const uint8_t *cdb = d->packet.cdb;
    uint32_t allocated = load_be16(cdb + 3);
    uint8_t *page = ata_buf(d, 256);
    if (cdb[1] & 1) {
        vital_product_data(d, page, allocated);
        return;
    }
    if (cdb[2]) {
        invalid_field(d);
        return;
    }
    page[0] = 0x05; /* CD/DVD */
    page[1] = 0x80; /* removable */
    page[2] = 0x05; /* SPC-3 */
    page[3] = 0x32; /* of ATAPI; response format 2 */
    page[4] = 36 - 5;
    padded(page + 8, "HVM-DM", 8);
    padded(page + 16, strncmp(d->model, "HVM-DM ", 7) ? d->model : d->model + 7, 16);
    padded(page + 32, "1.0", 4);
    atapi_answer(d, 36, allocated);
}

void atapi_request_sense(struct ata_drive *d) {
    struct ata_packet *p = &d->packet;
    uint8_t *page = ata_buf(d, 18);
    if (!p->sense_key && p->attention) {
        p->sense_key = SENSE_ATTENTION;
        p->asc = p->attention;
        p->ascq = 0;
        p->attention = 0;
    }
    page[0] = 0x70;
    page[2] = p->sense_key;
    page[7] = 10;
    page[12] = p->asc;
    page[13] = p->ascq;
    p->sense_key = p->asc = p->ascq = 0;
    atapi_answer(d, 18, p->cdb[4]);
}

/* ---- mode pages ---- */

struct mode_page {
    uint8_t code, len; /* of what follows the two bytes */
    uint8_t bytes[20];
};

static const struct mode_page mode_pages[] = {
    {0x01, 0x0a, {[1] = 5}},                              /* error recovery: 5 retries */
    {0x0d, 0x06, {[3] = 60, [5] = 75}},                   /* S units an M, F units an S */
    {0x0e, 0x0e, {[0] = 0x04, [5] = 75, [6] = 1, [7] = 0xff, [8] = 2, [9] = 0xff}}, /* audio */
    {0x1a, 0x0a, {0}},                                    /* power condition */
    {0x1d, 0x0a, {[7] = 15, [9] = 15}},                   /* time-outs */
    {0x2a, 0x14, {[0] = 0x3f, /* reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R, DVD-RAM */
                  [2] = 0x70, /* multi-session, mode 2 form 1 and 2 */
                  [4] = 0x29, /* tray, ejects, locks */
                  [6] = 0x1b, [7] = 0x90, [10] = 0x02, /* 7056 kB/s, buffer 512 KiB */
                  [12] = 0x1b, [13] = 0x90}},
};

/* Control of a mode page: current, changeable, default, saved. */
static unsigned put_mode_page(const struct ata_drive *d, const struct mode_page *from, uint8_t *to,
                              unsigned control) {
    to[0] = from->code;
    to[1] = from->len;
    if (control != 1)
        memcpy(to + 2, from->bytes, from->len);
    if (from->code == 0x2a && control == 0 && d->packet.locked)
        to[6] |= 0x02;
    return from->len + 2u;
}

/* The medium type byte of the header (MMC-1's, which old systems look at). */
static uint8_t medium_type(const struct ata_drive *d) {
    return d->packet.tray_open ? 0x71 : !d->block ? 0x70 : 0x01;
}

void atapi_mode_sense(struct ata_drive *d) {
    const uint8_t *cdb = d->packet.cdb;
    bool six = cdb[0] == 0x1a;
    unsigned control = cdb[2] >> 6, code = cdb[2] & 0x3f, header = six ? 4 : 8;
    uint8_t *page = ata_buf(d, 256);
    unsigned len = header;
    if (control == 3) {
        atapi_check(d, SENSE_ILLEGAL_REQUEST, ASC_SAVING, 0);
        return;
    }
    for (unsigned i = 0; i < ARRAY_LEN(mode_pages); i++)
        if (code == mode_pages[i].code || code == 0x3f)
            len += put_mode_page(d, &mode_pages[i], page + len, control);
    if (len == header) {
        invalid_field(d);
        return;
    }
    if (six) {
        page[0] = (uint8_t)(len - 1);
        page[1] = medium_type(d);
    } else {
        store_be16(page, (uint16_t)(len - 2));
        page[2] = medium_type(d);
    }
    atapi_answer(d, len, six ? cdb[4] : load_be16(cdb + 7));
}

/* ---- features ---- */

struct feature {
    uint16_t code;
    uint8_t flags; /* version << 2 | persistent << 1 | current */
    uint8_t len;
    uint8_t bytes[8];
    uint16_t profile; /* current only with this profile */
};

enum { ALWAYS = 0x03, WITH_MEDIUM = 0x00 };

static const struct feature feature_table[] = {
    {0x0001, 0x08 | ALWAYS, 8, {[3] = 2, [4] = 1}, 0},       /* core: ATAPI, DBE */
    {0x0002, 0x04 | ALWAYS, 4, {0x02}, 0},                   /* morphing: op change */
    {0x0003, 0x00 | ALWAYS, 4, {0x29}, 0},                   /* removable: tray, eject, lock */
    {0x0010, WITH_MEDIUM, 8, {[2] = 8, [5] = 16}, 0xffff},   /* random readable: 2048, 16 */
    {0x001d, WITH_MEDIUM, 0, {0}, PROFILE_CD_ROM},           /* multi-read */
    {0x001e, 0x08 | WITH_MEDIUM, 4, {0}, PROFILE_CD_ROM},    /* CD read */
    {0x001f, WITH_MEDIUM, 4, {0}, PROFILE_DVD_ROM},          /* DVD read */
    {0x0100, 0x00 | ALWAYS, 0, {0}, 0},                      /* power management */
    {0x0105, 0x00 | ALWAYS, 4, {0}, 0},                      /* time-out */
};

static bool feature_current(const struct ata_drive *d, const struct feature *f) {
    return f->flags & 1 || (profile(d) && (f->profile == 0xffff || f->profile == profile(d)));
}

static unsigned put_profiles(const struct ata_drive *d, uint8_t *to) {
    static const uint16_t profiles[] = {PROFILE_DVD_ROM, PROFILE_CD_ROM};
    to[2] = ALWAYS;
    to[3] = 4 * ARRAY_LEN(profiles);
    for (unsigned i = 0; i < ARRAY_LEN(profiles); i++) {
        store_be16(to + 4 + 4 * i, profiles[i]);
        to[6 + 4 * i] = profile(d) == profiles[i];
    }
    return 4 + to[3];
}

void atapi_get_configuration(struct ata_drive *d) {
    const uint8_t *cdb = d->packet.cdb;
    unsigned which = cdb[1] & 3, first = load_be16(cdb + 2), len = 8;
    uint8_t *page = ata_buf(d, 256);
    if (which == 3) {
        invalid_field(d);
        return;
    }
    store_be16(page + 6, (uint16_t)profile(d));
    if (first == 0)
        len += put_profiles(d, page + len);
    for (unsigned i = 0; i < ARRAY_LEN(feature_table); i++) {
        const struct feature *f = &feature_table[i];
        bool current = feature_current(d, f);
        if (which == 2 ? f->code != first : f->code < first || (which == 1 && !current))
            continue;
        store_be16(page + len, f->code);
        page[len + 2] = (uint8_t)(f->flags | current);
        page[len + 3] = f->len;
        memcpy(page + len + 4, f->bytes, f->len);
        len += 4u + f->len;
    }
    store_be32(page, len - 4);
    atapi_answer(d, len, load_be16(cdb + 7));
}

void atapi_get_event_status(struct ata_drive *d) {
    enum { MEDIA_CLASS = 4, MEDIA_MASK = 1 << MEDIA_CLASS, NO_EVENT = 0x80 };
    const uint8_t *cdb = d->packet.cdb;
    uint32_t allocated = load_be16(cdb + 7), len = 4;
    uint8_t *page = ata_buf(d, 8);
    if (!(cdb[1] & 1)) { /* asynchronous: needs command queuing */
        invalid_field(d);
        return;
    }
    page[3] = MEDIA_MASK;
    if (cdb[4] & MEDIA_MASK) {
        page[2] = MEDIA_CLASS;
        page[4] = d->packet.event;
        page[5] = (uint8_t)((d->packet.tray_open ? 1 : 0) | (atapi_ready(d) ? 2 : 0));
        len = 8;
        if (allocated > 4)
            d->packet.event = EVENT_NONE;
    } else {
        page[2] = NO_EVENT;
    }
    store_be16(page, (uint16_t)(len - 2));
    atapi_answer(d, len, allocated);
}

void atapi_get_performance(struct ata_drive *d) {
    uint8_t *page = ata_buf(d, 24);
    if (d->packet.cdb[10] != 0) { /* only nominal performance */
        invalid_field(d);
        return;
    }
    uint64_t capacity = atapi_capacity(d);
    store_be32(page, 20);
    store_be32(page + 12, 7056); /* kB/s at the first sector and at the last */
    store_be32(page + 16, (uint32_t)(capacity ? capacity - 1 : 0));
    store_be32(page + 20, 7056);
    atapi_answer(d, 24, 8 + 16u * load_be16(d->packet.cdb + 8));
}

void atapi_mechanism_status(struct ata_drive *d) {
    uint8_t *page = ata_buf(d, 8);
    page[1] = d->packet.tray_open ? 0x10 : 0;
    atapi_answer(d, 8, load_be16(d->packet.cdb + 8));
}

void atapi_report_luns(struct ata_drive *d) {
    uint8_t *page = ata_buf(d, 16);
    store_be32(page, 8); /* one, number 0 */
    atapi_answer(d, 16, load_be32(d->packet.cdb + 6));
}

/* ---- the disc ---- */

void atapi_read_capacity(struct ata_drive *d) {
    uint8_t *page = ata_buf(d, 8);
    uint64_t capacity = atapi_capacity(d);
    store_be32(page, (uint32_t)(capacity ? capacity - 1 : 0));
    store_be32(page + 4, ATA_CD_SECTOR);
    atapi_answer(d, 8, 8);
}

static void put_msf(uint8_t *to, uint64_t lba) {
    uint64_t frames = lba + 150;
    to[0] = (uint8_t)(frames / 75 / 60);
    to[1] = (uint8_t)(frames / 75 % 60);
    to[2] = (uint8_t)(frames % 75);
}

static void put_address(uint8_t *to, bool msf, uint64_t lba) {
    if (msf)
        put_msf(to + 1, lba);
    else
        store_be32(to, (uint32_t)lba);
}

enum { DATA_TRACK = 0x14, LEAD_OUT = 0xaa };

static unsigned toc_tracks(struct ata_drive *d, uint8_t *page, bool msf) {
    unsigned len = 4, first = d->packet.cdb[6];
    page[2] = page[3] = 1;
    if (first <= 1) {
        page[len + 1] = DATA_TRACK;
        page[len + 2] = 1;
        put_address(page + len + 4, msf, 0);
        len += 8;
    }
    page[len + 1] = DATA_TRACK;
    page[len + 2] = LEAD_OUT;
    put_address(page + len + 4, msf, atapi_capacity(d));
    return len + 8;
}

static unsigned toc_sessions(uint8_t *page, bool msf) {
    page[2] = page[3] = 1;
    page[5] = DATA_TRACK;
    page[6] = 1;
    put_address(page + 8, msf, 0);
    return 12;
}

/* The raw TOC: the lead-in's Q sub-channel, point by point. */
static unsigned toc_raw(struct ata_drive *d, uint8_t *page) {
    static const uint8_t points[] = {0xa0, 0xa1, 0xa2, 0x01};
    unsigned len = 4;
    page[2] = page[3] = 1;
    for (unsigned i = 0; i < ARRAY_LEN(points); i++, len += 11) {
        uint8_t *entry = page + len;
        entry[0] = 1;
        entry[1] = DATA_TRACK;
        entry[3] = points[i];
        if (points[i] == 0xa0 || points[i] == 0xa1)
            entry[8] = 1; /* first and last track */
        else
            put_msf(entry + 8, points[i] == 0xa2 ? atapi_capacity(d) : 0);
    }
    return len;
}

void atapi_read_toc(struct ata_drive *d) {
    const uint8_t *cdb = d->packet.cdb;
    bool msf = cdb[1] & 2;
    unsigned format = cdb[2] & 0x0f, first = cdb[6], len;
    if (!format)
        format = cdb[9] >> 6; /* where SFF 8020i had it */
    uint8_t *page = ata_buf(d, 64);
    if (format > 2 || (format == 0 && first > 1 && first != LEAD_OUT) ||
        (format == 2 && first > 1)) {
        invalid_field(d);
        return;
    }
    len = format == 0 ? toc_tracks(d, page, msf) : format == 1 ? toc_sessions(page, msf)
                                                              : toc_raw(d, page);
    store_be16(page, (uint16_t)(len - 2));
    atapi_answer(d, len, load_be16(cdb + 7));
}

void atapi_read_subchannel(struct ata_drive *d) {
    const uint8_t *cdb = d->packet.cdb;
    uint8_t *page = ata_buf(d, 24);
    unsigned len = 4, format = cdb[3];
    page[1] = 0x15; /* no audio operation */
    if (cdb[2] & 0x40 && format == 1) { /* current position */
        page[4] = 1;
        page[5] = DATA_TRACK;
        page[6] = page[7] = 1;
        put_address(page + 8, cdb[1] & 2, 0);
        put_address(page + 12, cdb[1] & 2, 0);
        len = 16;
    } else if (cdb[2] & 0x40 && (format == 2 || format == 3)) { /* catalogue number, ISRC: none */
        page[4] = (uint8_t)format;
        len = 24;
    } else if (cdb[2] & 0x40) {
        invalid_field(d);
        return;
    }
    store_be16(page + 2, (uint16_t)(len - 4));
    atapi_answer(d, len, load_be16(cdb + 7));
}

void atapi_read_header(struct ata_drive *d) {
    const uint8_t *cdb = d->packet.cdb;
    uint32_t lba = load_be32(cdb + 2);
    uint8_t *page = ata_buf(d, 8);
    if (lba >= atapi_capacity(d)) {
        atapi_check(d, SENSE_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE, 0);
        return;
    }
    page[0] = 1; /* mode 1: 2048 bytes */
    put_address(page + 4, cdb[1] & 2, lba);
    atapi_answer(d, 8, load_be16(cdb + 7));
}

void atapi_read_disc_information(struct ata_drive *d) {
    const uint8_t *cdb = d->packet.cdb;
    uint8_t *page = ata_buf(d, 34);
    if (cdb[1] & 7) {
        invalid_field(d);
        return;
    }
    store_be16(page, 32);
    page[2] = 0x0e; /* last session complete, disc finalized */
    page[3] = page[4] = page[5] = page[6] = 1; /* first track, sessions, first and last of them */
    page[7] = 0x20; /* unrestricted use */
    memset(page + 16, 0xff, 8); /* no further lead-in or lead-out */
    atapi_answer(d, 34, load_be16(cdb + 7));
}

void atapi_read_track_information(struct ata_drive *d) {
    const uint8_t *cdb = d->packet.cdb;
    uint32_t what = load_be32(cdb + 2);
    unsigned type = cdb[1] & 3;
    uint64_t capacity = atapi_capacity(d);
    uint8_t *page = ata_buf(d, 36);
    if (type == 0 ? what >= capacity : type > 2 || what != 1) {
        invalid_field(d);
        return;
    }
    store_be16(page, 34);
    page[2] = page[3] = 1;
    page[5] = 0x04; /* data, uninterrupted */
    page[6] = 0x01; /* mode 1 */
    store_be32(page + 24, (uint32_t)capacity);
    atapi_answer(d, 36, load_be16(cdb + 7));
}

/* MMC-5, 6.22: formats 00h, 01h, 04h and the list of them. */
void atapi_read_dvd_structure(struct ata_drive *d) {
    static const uint8_t list[] = {0x00, 0x40, 0x08, 0x04, 0x01, 0x40, 0x00, 0x08,
                                   0x04, 0x40, 0x08, 0x04, 0xff, 0x40, 0x00, 0x14};
    const uint8_t *cdb = d->packet.cdb;
    unsigned format = cdb[7], len;
    uint64_t capacity = atapi_capacity(d);
    uint8_t *page = ata_buf(d, 2052);
    if (format != 0xff && !is_dvd(d)) {
        atapi_check(d, SENSE_ILLEGAL_REQUEST, 0x30, 0x02); /* incompatible format */
        return;
    }
    switch (format) {
    case 0x00: /* physical: a single-layer DVD-ROM of 120 mm, sectors from 30000h on */
        page[4] = 0x01;
        page[5] = 0x0f;
        page[6] = 0x01;
        store_be32(page + 8, 0x30000);
        store_be32(page + 12, (uint32_t)(0x30000 + capacity - 1));
        len = 2052;
        break;
    case 0x01: /* copyright: no protection, all regions */
        len = 8;
        break;
    case 0x04: /* manufacturing: nothing recorded */
        len = 2052;
        break;
    case 0xff:
        memcpy(page + 4, list, sizeof(list));
        len = 4 + sizeof(list);
        break;
    default:
        invalid_field(d);
        return;
    }
    store_be16(page, (uint16_t)(len - 2));
    atapi_answer(d, len, load_be16(cdb + 8));
}
