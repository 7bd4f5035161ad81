/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 82078 floppy disk controller at its first place in a PC (ports 3f0 to 3f5 and 3f7), with up
 * to two drives. One thread.
 */
#ifndef DISK_FDC_H
#define DISK_FDC_H

#include "core/block.h"
#include "core/device.h"
#include "core/io.h"
#include "core/irq.h"
#include "core/isa_dma.h"

struct fdc;

enum { FDC_DRIVES = 2 };

/* As CMOS 0x10 has them. FDC_AUTO: what fits the medium. */
enum fdc_type { FDC_AUTO, FDC_360K, FDC_1200K, FDC_720K, FDC_1440K, FDC_2880K };

struct fdc_drive_pins {
    bool there;
    struct block *block; /* the drive takes its own reference; NULL: empty */
    enum fdc_type type;
};

struct fdc_pins {
    struct io_bus *io;
    struct irq irq;
    struct isa_dma dma;
    struct fdc_drive_pins drive[FDC_DRIVES];
};

struct fdc *fdc_new(const struct fdc_pins *pins);
extern const struct device_ops fdc_device;

/* For CMOS 0x10; 0: no drive. */
uint8_t fdc_cmos_type(const struct fdc *fdc, unsigned drive);

struct block *fdc_block(const struct fdc *fdc, unsigned drive);

/* A drive for fdc_change, or NULL. It takes over the caller's reference to the new medium (NULL:
 * none) and the caller the drive's to the old one. */
void *fdc_drive(struct fdc *fdc, unsigned drive);
struct block *fdc_change(void *drive, struct block *medium);

#endif
