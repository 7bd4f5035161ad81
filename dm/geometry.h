/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How firmware shall see a disk by cylinder, head and sector. SeaBIOS takes the translation of ATA
 * disks from CMOS and nowhere else: with a wrong one, disks beyond 504 MiB end there for DOS and
 * for boot loaders without LBA, and partitions made elsewhere are not found.
 */
#ifndef DM_GEOMETRY_H
#define DM_GEOMETRY_H

#include <stdint.h>

enum translation { TRANSLATION_NONE, TRANSLATION_LBA, TRANSLATION_LARGE };

struct geometry {
    unsigned cylinders, heads, sectors; /* what IDENTIFY DEVICE says */
    enum translation translation;       /* what the firmware makes of it */
};

/* `mbr`: the disk's first 512 bytes, or NULL when they can't be read. */
struct geometry geometry_of(uint64_t sectors, const uint8_t *mbr);

struct board;

/* Reads the first sector of each IDE disk and presets CMOS. Guest data: after privileges are
 * dropped, before the guest runs. */
void geometry_preset(struct board *board);

#endif
