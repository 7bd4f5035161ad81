/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of an ATA disk. ATA/ATAPI-6 (T13 1410D), clause 8, and ATA8-ACS for LBA48 with FUA,
 * logs and DATA SET MANAGEMENT. Obsolete commands that systems of the time still send (RECALIBRATE,
 * SEEK, INITIALIZE DEVICE PARAMETERS, the without-retry opcodes) are here too. Not modelled:
 * SECURITY, host protected area, READ LONG, FORMAT TRACK, CFA, queued commands.
 */
#include "disk/ata.h"

#include <errno.h>
#include <string.h>

#include "core/bits.h"

enum { MAX_HEADS = 16, MAX_SECTORS = 63, MAX_CYLINDERS = 16383 };

enum {
    NOP = 0x00, DATA_SET_MANAGEMENT = 0x06, READ = 0x20, READ_NORETRY = 0x21, READ_EXT = 0x24,
    READ_DMA_EXT = 0x25, READ_NATIVE_MAX_EXT = 0x27, READ_MULTIPLE_EXT = 0x29, READ_LOG_EXT = 0x2f,
    WRITE = 0x30, WRITE_NORETRY = 0x31, WRITE_EXT = 0x34, WRITE_DMA_EXT = 0x35,
    WRITE_MULTIPLE_EXT = 0x39, WRITE_VERIFY = 0x3c, WRITE_DMA_FUA_EXT = 0x3d, VERIFY = 0x40,
    VERIFY_NORETRY = 0x41, VERIFY_EXT = 0x42, INITIALIZE_PARAMETERS = 0x91,
    SMART = 0xb0, READ_MULTIPLE = 0xc4, WRITE_MULTIPLE = 0xc5, SET_MULTIPLE = 0xc6,
    READ_DMA = 0xc8, READ_DMA_NORETRY = 0xc9, WRITE_DMA = 0xca, WRITE_DMA_NORETRY = 0xcb,
    WRITE_MULTIPLE_FUA_EXT = 0xce, STANDBY_IMMEDIATE = 0xe0, IDLE_IMMEDIATE = 0xe1, STANDBY = 0xe2,
    IDLE = 0xe3, CHECK_POWER_MODE = 0xe5, SLEEP = 0xe6, FLUSH_CACHE = 0xe7,
    FLUSH_CACHE_EXT = 0xea, IDENTIFY_DEVICE = 0xec, SET_FEATURES = 0xef,
    READ_NATIVE_MAX = 0xf8,
};

uint64_t ata_disk_capacity(const struct ata_drive *d) {
    return d->block ? d->block->size / ATA_SECTOR : 0;
}

void ata_disk_power_on(struct ata_drive *d) {
    d->heads = MAX_HEADS;
    d->sectors = MAX_SECTORS;
}

/* ---- addresses ---- */

static bool is_ext(uint8_t command) {
    switch (command) {
    case READ_EXT:
    case READ_DMA_EXT:
    case READ_MULTIPLE_EXT:
    case WRITE_EXT:
    case WRITE_DMA_EXT:
    case WRITE_MULTIPLE_EXT:
    case WRITE_DMA_FUA_EXT:
    case WRITE_MULTIPLE_FUA_EXT:
    case VERIFY_EXT:
    case READ_NATIVE_MAX_EXT:
    case FLUSH_CACHE_EXT:
        return true;
    default:
        return false;
    }
}

static uint32_t low24(const struct ata_drive *d, unsigned i) {
    return d->lba_low[i] | (uint32_t)d->lba_mid[i] << 8 | (uint32_t)d->lba_high[i] << 16;
}

/* False: no such sector. */
static bool address(const struct ata_drive *d, uint64_t *lba) {
    if (is_ext(d->command)) {
        *lba = low24(d, 0) | (uint64_t)low24(d, 1) << 24;
        return true;
    }
    if (d->device & ATA_LBA) {
        *lba = low24(d, 0) | (uint32_t)(d->device & 0x0f) << 24;
        return true;
    }
    uint32_t cylinder = d->lba_mid[0] | (uint32_t)d->lba_high[0] << 8, head = d->device & 0x0f;
    uint32_t sector = d->lba_low[0];
    *lba = ((uint64_t)cylinder * d->heads + head) * d->sectors + sector - 1;
    return sector && sector <= d->sectors && head < d->heads;
}

static uint32_t count(const struct ata_drive *d) {
    if (is_ext(d->command)) {
        uint32_t n = d->count[0] | (uint32_t)d->count[1] << 8;
        return n ? n : 65536;
    }
    return d->count[0] ? d->count[0] : 256;
}

static void set_low24(struct ata_drive *d, unsigned i, uint64_t val) {
    d->lba_low[i] = (uint8_t)val;
    d->lba_mid[i] = (uint8_t)(val >> 8);
    d->lba_high[i] = (uint8_t)(val >> 16);
}

/* Shows a sector in the registers, the way the command was addressed. */
static void show(struct ata_drive *d, uint64_t lba) {
    if (is_ext(d->command)) {
        set_low24(d, 0, lba);
        set_low24(d, 1, lba >> 24);
    } else if (d->device & ATA_LBA) {
        set_low24(d, 0, lba);
        d->device = (uint8_t)((d->device & 0xf0) | (lba >> 24 & 0x0f));
    } else if (d->heads && d->sectors) {
        uint64_t track = lba / d->sectors;
        d->lba_low[0] = (uint8_t)(lba % d->sectors + 1);
        d->lba_mid[0] = (uint8_t)(track / d->heads);
        d->lba_high[0] = (uint8_t)(track / d->heads >> 8);
        d->device = (uint8_t)((d->device & 0xf0) | track % d->heads);
    }
}

/* The registers at the end of a command that moved sectors: the last one, none left. */
void ata_disk_ending(struct ata_drive *d) {
    if (d->op != ATA_OP_READ && d->op != ATA_OP_WRITE && d->op != ATA_OP_VERIFY)
        return;
    show(d, d->at / ATA_SECTOR - 1);
    d->count[0] = d->count[1] = 0;
}

void ata_disk_failed(struct ata_drive *d, int err) {
    bool reading = d->req.op == BLOCK_READ;
    show(d, d->at / ATA_SECTOR);
    ata_fail(d, err == EINVAL ? ATA_IDNF : reading ? ATA_UNC : ATA_ABRT);
}

static void move(struct ata_drive *d, enum ata_op op, unsigned sectors_a_block) {
    uint64_t lba, capacity = ata_disk_capacity(d);
    uint32_t n = count(d);
    if (!address(d, &lba) || lba >= capacity) {
        ata_fail(d, ATA_IDNF);
    } else if (n > capacity - lba) {
        show(d, capacity);
        ata_fail(d, ATA_IDNF);
    } else {
        d->power = ATA_ACTIVE;
        ata_medium(d, op, lba * ATA_SECTOR, (uint64_t)n * ATA_SECTOR,
                   sectors_a_block * ATA_SECTOR);
    }
}

static void move_multiple(struct ata_drive *d, enum ata_op op) {
    if (d->multiple)
        move(d, op, d->multiple);
    else
        ata_fail(d, ATA_ABRT);
}

static void move_dma(struct ata_drive *d, enum ata_op op) {
    d->dma = true;
    move(d, op, 1);
}

/* ---- commands without data ---- */

static void initialize_parameters(struct ata_drive *d) {
    uint8_t heads = (uint8_t)((d->device & 0x0f) + 1), sectors = d->count[0];
    if (!sectors) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    d->heads = heads;
    d->sectors = sectors;
    ata_complete(d);
}

static void seek(struct ata_drive *d) {
    uint64_t lba;
    if (address(d, &lba) && lba < ata_disk_capacity(d))
        ata_complete(d);
    else
        ata_fail(d, ATA_IDNF);
}

static void set_multiple(struct ata_drive *d) {
    uint8_t n = d->count[0];
    if (n > ATA_MULTIPLE || n & (n - 1)) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    d->multiple = n;
    ata_complete(d);
}

static void read_native_max(struct ata_drive *d) {
    uint64_t last = ata_disk_capacity(d) - 1;
    if (d->command == READ_NATIVE_MAX)
        last = MIN(last, 0x0ffffffe);
    show(d, last);
    ata_complete(d);
}

/* SET FEATURES 03h: what the drive can do is what IDENTIFY shows in words 63, 64 and 88. */
static bool can_transfer(uint8_t mode) {
    unsigned kind = mode >> 3, n = mode & 7;
    return kind == 0 ? n <= 1 : kind == 1 ? n <= 4 : kind == 4 ? n <= 2 : kind == 8 && n <= 5;
}

static void set_features(struct ata_drive *d) {
    switch (d->feature[0]) {
    case 0x02:
        d->write_cache = true;
        break;
    case 0x82: /* what the cache holds goes to the medium first */
        d->write_cache = false;
        ata_flush(d);
        return;
    case 0x03:
        if (!can_transfer(d->count[0])) {
            ata_fail(d, ATA_ABRT);
            return;
        }
        d->transfer_mode = d->count[0];
        break;
    case 0xaa:
        d->look_ahead = true;
        break;
    case 0x55:
        d->look_ahead = false;
        break;
    case 0x66: /* keep settings over a software reset, or not: they are kept */
    case 0xcc:
    case 0x05: /* advanced power management, acoustics: nothing turns */
    case 0x85:
    case 0x42:
    case 0xc2:
        break;
    default:
        ata_fail(d, ATA_ABRT);
        return;
    }
    ata_complete(d);
}

static void set_power(struct ata_drive *d, uint8_t power) {
    d->power = power;
    ata_flush(d);
}

static void check_power(struct ata_drive *d) {
    d->count[0] = d->power;
    ata_complete(d);
}

/* ---- commands with data of the drive's own ---- */

static void identify(struct ata_drive *d) {
    ata_disk_identify(d, ata_buf(d, ATA_SECTOR));
    ata_send(d, ATA_SECTOR, ATA_SECTOR);
}

static void data_set_management(struct ata_drive *d) {
    uint32_t blocks = count(d);
    if (d->feature[0] != 0x01 || blocks > ATA_BUF / ATA_SECTOR) {
        ata_fail(d, ATA_ABRT);
        return;
    }
    d->dma = true;
    ata_receive(d, blocks * ATA_SECTOR, ATA_SECTOR);
}

void ata_disk_received(struct ata_drive *d) {
    if (d->command == DATA_SET_MANAGEMENT)
        ata_discard(d, d->end);
    else
        ata_complete(d);
}

/* ---- the Command register ---- */

static bool moves_sectors(struct ata_drive *d, uint8_t command) {
    switch (command) {
    case READ:
    case READ_NORETRY:
    case READ_EXT:
        move(d, ATA_OP_READ, 1);
        return true;
    case WRITE_VERIFY:
        d->fua = true;
        move(d, ATA_OP_WRITE, 1);
        return true;
    case WRITE:
    case WRITE_NORETRY:
    case WRITE_EXT:
        move(d, ATA_OP_WRITE, 1);
        return true;
    case READ_MULTIPLE:
    case READ_MULTIPLE_EXT:
        move_multiple(d, ATA_OP_READ);
        return true;
    case WRITE_MULTIPLE_FUA_EXT:
        d->fua = true;
        move_multiple(d, ATA_OP_WRITE);
        return true;
    case WRITE_MULTIPLE:
    case WRITE_MULTIPLE_EXT:
        move_multiple(d, ATA_OP_WRITE);
        return true;
    case READ_DMA:
    case READ_DMA_NORETRY:
    case READ_DMA_EXT:
        move_dma(d, ATA_OP_READ);
        return true;
    case WRITE_DMA_FUA_EXT:
        d->fua = true;
        move_dma(d, ATA_OP_WRITE);
        return true;
    case WRITE_DMA:
    case WRITE_DMA_NORETRY:
    case WRITE_DMA_EXT:
        move_dma(d, ATA_OP_WRITE);
        return true;
    case VERIFY:
    case VERIFY_NORETRY:
    case VERIFY_EXT:
        move(d, ATA_OP_VERIFY, 1);
        return true;
    default:
        return false;
    }
}

/* Power management, with the opcodes that ATA-1 gave it. */
static bool manages_power(struct ata_drive *d, uint8_t command) {
    switch (command) {
    case STANDBY_IMMEDIATE:
    case STANDBY:
    case 0x94:
    case 0x96:
        set_power(d, ATA_STANDBY);
        return true;
    case IDLE_IMMEDIATE:
    case IDLE:
    case 0x95:
    case 0x97:
        set_power(d, ATA_ACTIVE);
        return true;
    case SLEEP:
    case 0x99:
        set_power(d, ATA_ASLEEP);
        return true;
    case CHECK_POWER_MODE:
    case 0x98:
        check_power(d);
        return true;
    default:
        return false;
    }
}

void ata_disk_command(struct ata_drive *d, uint8_t command) {
    if (moves_sectors(d, command) || manages_power(d, command))
        return;
    switch (command) {
    case IDENTIFY_DEVICE:
        identify(d);
        break;
    case SET_FEATURES:
        set_features(d);
        break;
    case SET_MULTIPLE:
        set_multiple(d);
        break;
    case INITIALIZE_PARAMETERS:
        initialize_parameters(d);
        break;
    case FLUSH_CACHE:
    case FLUSH_CACHE_EXT:
        ata_flush(d);
        break;
    case READ_NATIVE_MAX:
    case READ_NATIVE_MAX_EXT:
        read_native_max(d);
        break;
    case DATA_SET_MANAGEMENT:
        data_set_management(d);
        break;
    case SMART:
        ata_smart(d);
        break;
    case READ_LOG_EXT:
        ata_read_log_ext(d);
        break;
    default:
        if (command >> 4 == 0x1) /* RECALIBRATE */
            ata_complete(d);
        else if (command >> 4 == 0x7)
            seek(d);
        else
            ata_fail(d, ATA_ABRT);
        break;
    }
}
