/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cable with two drives: both latch what the host writes, the selected one answers. ATA/ATAPI-6
 * (T13 1410D), 7.1 (device selection), 9.16.1 (Device 0 alone answers for Device 1), 4.3 (the
 * pull-down on DD7 by which a host sees that nobody drives the bus). Not modelled: 8-bit data
 * transfers.
 */
#include "disk/ata.h"

#include <string.h>

#include "core/bits.h"

#define OUT_OF_LINE __attribute__((noinline)) /* keeps the common case short */

const struct field ata_cable_fields[] = {
    F_STRUCTS(struct ata_cable, drive, ata_drive_fields),
    F_MAX(struct ata_cable, selected, 1), F_END
};

/*
 * What an empty channel reads as. The standard wants no more than DD7 pulled down (7f), but to a
 * driver that has DRQ set: Linux polls it a thousand times to see it go. Zeros are a board with all
 * lines pulled down, and what guests of Xen know.
 */
enum { NOBODY = 0 };

static struct ata_drive *selected(struct ata_cable *cable) {
    return &cable->drive[cable->selected];
}

/* Who drives the bus when the selected drive is to, or NULL. */
static struct ata_drive *answering(struct ata_cable *cable) {
    if (ata_is_there(selected(cable)))
        return selected(cable);
    return cable->selected && ata_is_there(&cable->drive[0]) ? &cable->drive[0] : NULL;
}

bool ata_cable_intrq(const struct ata_cable *cable) {
    const struct ata_drive *d = &cable->drive[cable->selected];
    return ata_is_there(d) && d->intrq && !(d->control & ATA_NIEN);
}

void ata_cable_power_on(struct ata_cable *cable) {
    cable->selected = 0;
    for (unsigned i = 0; i < 2; i++)
        ata_power_on(&cable->drive[i]);
}

/* A read of the Data register strobes whole words, also where the host looks at one byte. */
OUT_OF_LINE static uint32_t data_read(struct ata_cable *cable, unsigned size) {
    struct ata_drive *d = answering(cable);
    if (!d || d != selected(cable))
        return NOBODY;
    uint8_t bytes[4] = {0};
    ata_data_read(d, bytes, size == 4 ? 4 : 2);
    return load_le32(bytes);
}

static uint8_t register_read(struct ata_cable *cable, enum ata_register reg) {
    struct ata_drive *d = selected(cable);
    if (ata_is_there(d))
        return ata_read(d, reg);
    d = answering(cable);
    return !d ? NOBODY : reg == ATA_STATUS ? 0 : ata_read(d, reg);
}

OUT_OF_LINE static uint64_t registers_read(struct ata_cable *cable, unsigned reg, unsigned n) {
    uint64_t val = 0;
    for (unsigned i = 0; i < n; i++)
        val |= (uint64_t)register_read(cable, (enum ata_register)(reg + i)) << (8 * i);
    return val;
}

static uint64_t command_read(void *dev, uint64_t off, unsigned size) {
    struct ata_cable *cable = dev;
    if (off == ATA_DATA)
        return data_read(cable, size);
    if (size == 1)
        return register_read(cable, (enum ata_register)off);
    return registers_read(cable, (unsigned)off, size);
}

static void diagnose(struct ata_cable *cable) {
    cable->selected = 0;
    for (unsigned i = 0; i < 2; i++)
        ata_diagnose(&cable->drive[i]);
}

static void latch(struct ata_cable *cable, enum ata_register reg, uint8_t val) {
    for (unsigned i = 0; i < 2; i++)
        if (ata_is_there(&cable->drive[i]))
            ata_write(&cable->drive[i], reg, val);
}

static void register_write(struct ata_cable *cable, enum ata_register reg, uint8_t val) {
    struct ata_drive *d = &cable->drive[0];
    switch (reg) {
    case ATA_COMMAND:
        if (val == 0x90)
            diagnose(cable);
        else
            ata_write(selected(cable), reg, val);
        break;
    case ATA_DEVICE:
        latch(cable, reg, val);
        cable->selected = val & ATA_DEV ? 1 : 0;
        d->ops->interrupt(d->host, d);
        break;
    default:
        latch(cable, reg, val);
        break;
    }
}

static void data_write(struct ata_cable *cable, unsigned size, uint32_t val) {
    uint8_t bytes[4];
    store_le32(bytes, val);
    ata_data_write(selected(cable), bytes, size == 4 ? 4 : 2);
}

static void command_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct ata_cable *cable = dev;
    if (off == ATA_DATA) {
        data_write(cable, size, (uint32_t)val);
        return;
    }
    if (size == 1) {
        register_write(cable, (enum ata_register)off, (uint8_t)val);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        register_write(cable, (enum ata_register)(off + i), (uint8_t)(val >> (8 * i)));
}

static unsigned command_read_string(void *dev, uint64_t off, unsigned size, void *buf, unsigned n) {
    struct ata_cable *cable = dev;
    if (off != ATA_DATA || size == 1 || !ata_is_there(selected(cable)))
        return 0;
    ata_data_read(selected(cable), buf, (size_t)n * size);
    return n;
}

static unsigned command_write_string(void *dev, uint64_t off, unsigned size, const void *buf,
                                     unsigned n) {
    struct ata_cable *cable = dev;
    if (off != ATA_DATA || size == 1 || !ata_is_there(selected(cable)))
        return 0;
    ata_data_write(selected(cable), buf, (size_t)n * size);
    return n;
}

const struct io_ops ata_command_ops = {
    .read = command_read, .write = command_write, .read_string = command_read_string,
    .write_string = command_write_string, .min = 1, .max = 4,
};

static uint64_t control_read(void *dev, uint64_t off, unsigned size) {
    struct ata_cable *cable = dev;
    struct ata_drive *d = answering(cable);
    (void)off;
    (void)size;
    if (!d)
        return NOBODY;
    return d == selected(cable) ? d->status : 0;
}

static void control_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct ata_cable *cable = dev;
    (void)off;
    (void)size;
    if (val & ATA_SRST)
        cable->selected = 0; /* both drives clear their Device register */
    for (unsigned i = 0; i < 2; i++)
        ata_control(&cable->drive[i], (uint8_t)val);
}

const struct io_ops ata_control_ops = {
    .read = control_read, .write = control_write, .min = 1, .max = 1,
};
