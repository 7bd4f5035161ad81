/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disk geometry for firmware. A partition table tells by its end heads which translation was in use
 * when it was made, and that one must stay. CMOS: 0x12 drive types, 0x19 and 0x1a extended types,
 * 0x1b and 0x24 the parameters of user-defined drives (IBM PC/AT Technical Reference, as clones
 * extended it), 0x39 two bits of translation a drive. Not done: geometries by cyls=, heads=, secs=.
 */
#include "geometry.h"

#include "board.h"
#include "core/bits.h"
#include "pc/cmos.h"

enum {
    STANDARD_HEADS = 16, STANDARD_SECTORS = 63, CYLINDERS_MAX = 16383, BIOS_CYLINDERS = 1024,
    LARGE_MAX = 131072, /* cylinders times heads that bit-shifting reaches: 1024 * 128 */
    SECTOR = 512, MBR_TABLE = 446, MBR_ENTRY = 16, MBR_ENTRIES = 4,
};

/* How many heads the maker of the partition table saw, or 0. */
static unsigned heads_of(uint64_t sectors, const uint8_t *mbr) {
    if (!mbr || load_le16(mbr + SECTOR - 2) != 0xaa55)
        return 0;
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        const uint8_t *entry = mbr + MBR_TABLE + i * MBR_ENTRY;
        unsigned end_head = entry[5], end_sector = entry[6] & 0x3f;
        if (!load_le32(entry + 12) || !end_head || !end_sector)
            continue;
        uint64_t cylinders = sectors / ((end_head + 1) * end_sector);
        if (cylinders >= 1 && cylinders <= CYLINDERS_MAX)
            return end_head + 1;
    }
    return 0;
}

struct geometry geometry_of(uint64_t sectors, const uint8_t *mbr) {
    uint64_t cylinders = sectors / (STANDARD_HEADS * STANDARD_SECTORS);
    struct geometry g = {.cylinders = (unsigned)MIN(cylinders, (uint64_t)CYLINDERS_MAX),
                         .heads = STANDARD_HEADS, .sectors = STANDARD_SECTORS};
    unsigned seen = heads_of(sectors, mbr);
    if (seen > STANDARD_HEADS)
        g.translation = g.cylinders * g.heads <= LARGE_MAX ? TRANSLATION_LARGE : TRANSLATION_LBA;
    else if (seen || g.cylinders <= BIOS_CYLINDERS)
        g.translation = TRANSLATION_NONE;
    else
        g.translation = TRANSLATION_LBA;
    return g;
}

/* ---- into CMOS ---- */

static void parameters(struct cmos *cmos, unsigned place, const struct geometry *g) {
    enum { TYPES = 0x12, EXTENDED = 0x19, PARAMETERS = 0x1b, PARAMETERS_LEN = 9, USER = 47 };
    const uint8_t bytes[PARAMETERS_LEN] = {
        (uint8_t)g->cylinders, (uint8_t)(g->cylinders >> 8), (uint8_t)g->heads,
        0xff, 0xff,                                /* no write precompensation */
        (uint8_t)(0xc0 | (g->heads > 8) << 3),     /* control */
        (uint8_t)g->cylinders, (uint8_t)(g->cylinders >> 8), /* landing zone */
        (uint8_t)g->sectors,
    };
    cmos_preset(cmos, TYPES, (uint8_t)(cmos_get(cmos, TYPES) | (place ? 0x0f : 0xf0)));
    cmos_preset(cmos, EXTENDED + place, USER);
    for (unsigned i = 0; i < PARAMETERS_LEN; i++)
        cmos_preset(cmos, PARAMETERS + place * PARAMETERS_LEN + i, bytes[i]);
}

void geometry_preset(struct board *board) {
    enum { TRANSLATIONS = 0x39, PRIMARY = 2 };
    uint8_t translations = 0;
    for (struct drive *drive = board->machine->drives; drive; drive = drive->next) {
        uint8_t mbr[SECTOR];
        if (!drive->ide || drive->removable || !drive->block)
            continue;
        bool good = drive->block->size >= SECTOR &&
                    !block_sync(drive->block, BLOCK_READ, 0, mbr, SECTOR);
        struct geometry g = geometry_of(drive->block->size / SECTOR, good ? mbr : NULL);
        translations |= (uint8_t)(g.translation << (2 * drive->place));
        if (drive->place < PRIMARY)
            parameters(board->cmos, drive->place, &g);
    }
    cmos_preset(board->cmos, TRANSLATIONS, translations);
}
