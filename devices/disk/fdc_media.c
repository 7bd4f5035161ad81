/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Floppy disks: an image tells its format by its size. The common formats of the PC and those that
 * DMF, 2M, fdformat and Linux' fdutils write. What has no such size is read as a 1.44 MB disk of
 * which some is missing or left over. Formats share sizes: the drive's kind decides.
 */
#include "core/bits.h"
#include "disk/fdc_chip.h"

enum { RATE_500K, RATE_300K, RATE_250K, RATE_1M };

static const struct format {
    enum fdc_type type; /* the drive that it belongs into */
    struct fdc_geometry geometry;
} formats[] = {
    {FDC_1440K, {18, 80, 2, RATE_500K}}, {FDC_1440K, {20, 80, 2, RATE_500K}},
    {FDC_1440K, {21, 80, 2, RATE_500K}}, {FDC_1440K, {21, 82, 2, RATE_500K}},
    {FDC_1440K, {21, 83, 2, RATE_500K}}, {FDC_1440K, {22, 80, 2, RATE_500K}},
    {FDC_1440K, {23, 80, 2, RATE_500K}}, {FDC_1440K, {24, 80, 2, RATE_500K}},
    {FDC_2880K, {36, 80, 2, RATE_1M}},   {FDC_2880K, {39, 80, 2, RATE_1M}},
    {FDC_2880K, {40, 80, 2, RATE_1M}},   {FDC_2880K, {44, 80, 2, RATE_1M}},
    {FDC_2880K, {48, 80, 2, RATE_1M}},   {FDC_1440K, {9, 80, 2, RATE_250K}},
    {FDC_1440K, {10, 80, 2, RATE_250K}}, {FDC_1440K, {10, 82, 2, RATE_250K}},
    {FDC_1440K, {10, 83, 2, RATE_250K}}, {FDC_1440K, {13, 80, 2, RATE_250K}},
    {FDC_1440K, {14, 80, 2, RATE_250K}}, {FDC_1200K, {15, 80, 2, RATE_500K}},
    {FDC_1200K, {18, 80, 2, RATE_500K}}, {FDC_1200K, {18, 82, 2, RATE_500K}},
    {FDC_1200K, {18, 83, 2, RATE_500K}}, {FDC_1200K, {20, 80, 2, RATE_500K}},
    {FDC_1200K, {9, 80, 2, RATE_300K}},  {FDC_1200K, {11, 80, 2, RATE_300K}},
    {FDC_1200K, {9, 40, 2, RATE_300K}},  {FDC_1200K, {9, 40, 1, RATE_300K}},
    {FDC_1200K, {10, 41, 2, RATE_300K}}, {FDC_1200K, {10, 42, 2, RATE_300K}},
    {FDC_1200K, {8, 40, 2, RATE_300K}},  {FDC_1200K, {8, 40, 1, RATE_300K}},
    {FDC_1440K, {9, 80, 1, RATE_250K}},
};

static uint64_t bytes_of(const struct fdc_geometry *g) {
    return (uint64_t)g->sectors * g->cylinders * g->heads * FDC_SECTOR;
}

/* A 3.5 inch drive takes what is made for the smaller ones of its size. */
static bool fits(enum fdc_type drive, enum fdc_type format) {
    if (drive == FDC_2880K)
        return format == FDC_1440K || format == FDC_2880K;
    if (drive == FDC_720K)
        return format == FDC_1440K;
    if (drive == FDC_360K)
        return format == FDC_1200K;
    return drive == FDC_AUTO || drive == format;
}

void fdc_geometry_of(struct fdc_drive *drive) {
    const struct format *found = NULL;
    if (!drive->block) {
        drive->geometry = (struct fdc_geometry){0};
        return;
    }
    for (unsigned i = 0; i < ARRAY_LEN(formats) && !found; i++)
        if (fits(drive->type, formats[i].type) &&
            bytes_of(&formats[i].geometry) == drive->block->size)
            found = &formats[i];
    if (!found)
        found = &formats[0];
    drive->geometry = found->geometry;
    if (drive->type == FDC_AUTO)
        drive->type = found->type;
    if (drive->type == FDC_360K && drive->geometry.rate == RATE_300K)
        drive->geometry.rate = RATE_250K; /* it turns slower than the 1.2 MB drive */
}
