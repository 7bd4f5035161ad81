/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images into drives: IDE, AHCI, floppy, USB. See drives.h.
 */
#include "drives.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "config.h"
#include "core/log.h"
#include "core/mem.h"
#include "disk/ahci.h"
#include "disk/fdc.h"
#include "disk/piix_ide.h"
#include "image.h"

enum { IDE_DRIVES = 4 };

static struct block *open_medium(struct board *b, const struct config_disk *disk) {
    const struct config_drive *drive = disk->drive;
    struct machine *m = b->machine;
    bool read_only = drive->read_only || disk->cdrom, overlay = drive->snapshot && !read_only;
    struct image_options options = {
        .format = *drive->format ? drive->format : NULL,
        .read_only = read_only || overlay,
        .direct = drive->direct,
        .patience_s = drive->patience_s,
    };
    struct block *block = image_open(m->loop, drive->file, &options, b->why, b->why_len);
    if (!block || !overlay)
        return block;
    struct block *over = image_overlay(m->loop, block, b->why, b->why_len);
    if (!over)
        block_put(block);
    return over;
}

static bool refuse_disk(struct board *b, const struct config_disk *disk, const char *what) {
    return board_refuse(b, "%s %s: %s", disk->opts->origin, disk->opts->text, what);
}

/* Opens what is to be in the drive; *block stays NULL where nothing is. */
static bool load(struct board *b, const struct config_disk *disk, struct block **block) {
    if (!disk->drive || !disk->drive->file)
        return true;
    *block = open_medium(b, disk);
    return *block != NULL;
}

static bool plug(struct board *b, struct ata_pins *pin, const struct config_disk *disk) {
    pin->cdrom = disk->cdrom;
    pin->serial = disk->serial;
    pin->model = disk->model;
    return load(b, disk, &pin->block);
}

static bool has_controller(const struct config *config, const char *id) {
    for (unsigned i = 0; i < config->device_count; i++)
        if (config->devices[i].kind == DEVICE_AHCI_HOST && !strcmp(config->devices[i].id, id))
            return true;
    return false;
}

/* What can't be plugged in anywhere is refused before anything is opened. */
static bool has_place(struct board *b, const struct config_disk *disk) {
    switch (disk->kind) {
    case DISK_SCSI:
        return refuse_disk(b, disk, "the LSI SCSI controller (vdev=sd*) is not implemented");
    case DISK_AHCI:
        if (!has_controller(b->machine->config, disk->host))
            return refuse_disk(b, disk, "there is no AHCI controller of that name");
        return (disk->bus < AHCI_PORTS && !disk->unit) ||
               refuse_disk(b, disk, "an AHCI controller has ports 0 to 5, and a port unit 0");
    default:
        return true;
    }
}

static void put_all(struct ata_pins *pins, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        block_put(pins[i].block);
}

bool drives_open(struct board *b, struct piix_ide_pins *pins) {
    const struct config *config = b->machine->config;
    for (unsigned i = 0; i < config->disk_count; i++)
        if (!has_place(b, &config->disks[i]))
            return false;
    for (unsigned i = 0; i < config->disk_count; i++) {
        const struct config_disk *disk = &config->disks[i];
        if (disk->kind != DISK_IDE || plug(b, &pins->drive[disk->bus * 2 + disk->unit], disk))
            continue;
        drives_opened(pins);
        return false;
    }
    return true;
}

void drives_opened(struct piix_ide_pins *pins) {
    put_all(pins->drive, IDE_DRIVES);
}

static void append(struct machine *m, struct drive *drive) {
    struct drive **end = &m->drives;
    while (*end)
        end = &(*end)->next;
    *end = drive;
    drive->machine = m;
}

static void drive_free(struct drive *drive) {
    free((char *)(uintptr_t)drive->filename);
    mem_free(drive);
}

static const struct drive_ops cd_ops = {.locked = ata_cd_locked, .change = ata_cd_change,
                                       .press_eject = ata_cd_press_eject};
static const struct drive_ops floppy_ops = {.change = fdc_change};

/* For the monitor: `dev` is the chip's side of a drive whose medium can be changed, or NULL. */
static struct drive *list_drive(struct board *b, const struct config_disk *disk,
                                struct block *block, void *dev) {
    struct machine *m = b->machine;
    const struct config_drive *medium = disk->drive;
    struct drive *drive = mem_new(sizeof(*drive));
    *drive = (struct drive){
        .id = medium ? medium->id : disk->qdev_id,
        .qdev_id = disk->qdev_id,
        .filename = medium && medium->file ? strdup(medium->file) : NULL,
        .format = medium && *medium->format ? medium->format : "raw",
        .block = block,
        .ops = !dev ? NULL : disk->kind == DISK_FLOPPY ? &floppy_ops : &cd_ops,
        .dev = dev,
        .removable = dev,
        .read_only = disk->cdrom || (medium && medium->read_only),
        .ide = disk->kind == DISK_IDE,
        .place = disk->bus * 2 + disk->unit,
    };
    if (medium)
        drive->limits = medium->limits;
    if (drive->block)
        block_throttle(drive->block, m->clock, &drive->limits);
    if (!dev && block)
        drive->held = block_get(block);
    append(m, drive);
    return drive;
}

void drives_list(struct board *b) {
    const struct config *config = b->machine->config;
    for (unsigned i = 0; i < config->disk_count; i++) {
        const struct config_disk *disk = &config->disks[i];
        unsigned place = disk->bus * 2 + disk->unit;
        if (disk->kind == DISK_IDE)
            list_drive(b, disk, piix_ide_block(b->ide, place), piix_ide_cd(b->ide, place));
    }
}

/* ---- AHCI ---- */

static bool on_controller(const struct config_disk *disk, const struct config_device *device) {
    return disk->kind == DISK_AHCI && !strcmp(disk->host, device->id);
}

static void list_ahci(struct board *b, const struct config_device *device, struct ahci *ahci) {
    const struct config *config = b->machine->config;
    for (unsigned i = 0; i < config->disk_count; i++) {
        const struct config_disk *disk = &config->disks[i];
        if (on_controller(disk, device))
            list_drive(b, disk, ahci_block(ahci, disk->bus), ahci_cd(ahci, disk->bus));
    }
}

bool drives_add_ahci(struct board *b, const struct config_device *device) {
    const struct config *config = b->machine->config;
    struct ahci_pins pins = {
        .pci = b->machine->pci, .qdev_id = device->id,
        .devfn = device->devfn >= 0 ? (unsigned)device->devfn : PCI_DEVFN_FREE,
        .place = IDE_DRIVES + b->ahci_count * AHCI_PORTS};
    struct ahci *ahci = NULL;
    bool good = b->ahci_count < BOARD_AHCIS;
    if (!good)
        board_refuse(b, "-device %s: there are %d AHCI controllers already", device->opts->text,
                     BOARD_AHCIS);
    for (unsigned i = 0; good && i < config->disk_count; i++)
        if (on_controller(&config->disks[i], device))
            good = plug(b, &pins.drive[config->disks[i].bus], &config->disks[i]);
    if (good) {
        ahci = ahci_new(&pins);
        if (!ahci)
            board_refuse(b, "-device %s: the PCI slot is taken", device->opts->text);
    }
    put_all(pins.drive, AHCI_PORTS);
    if (!ahci)
        return false;
    b->ahci[b->ahci_count++] = ahci;
    board_add(b, &ahci_device, ahci, *device->id ? device->id : "ahci");
    list_ahci(b, device, ahci);
    return true;
}

/* ---- USB ---- */

struct drive *drives_add_usb(struct board *b, const struct config_device *device) {
    const struct opts *o = device->opts;
    const char *id = opts_get(o, "drive");
    struct config_disk disk = {.kind = DISK_USB, .qdev_id = "", .opts = o};
    struct block *block = NULL;
    disk.drive = id ? config_drive(b->machine->config, id) : NULL;
    if (!id) {
        refuse_disk(b, &disk, "a disk needs drive=");
    } else if (!disk.drive || !disk.drive->file) {
        refuse_disk(b, &disk, "there is no drive of that name with a medium");
    } else if (machine_drive(b->machine, id)) {
        refuse_disk(b, &disk, "the drive is in use already");
    } else if (load(b, &disk, &block)) {
        struct drive *drive = list_drive(b, &disk, block, NULL);
        block_put(block);
        return drive;
    }
    return NULL;
}

void drives_remove_usb(struct board *b, struct drive *drive) {
    struct drive **p = &b->machine->drives;
    while (*p != drive)
        p = &(*p)->next;
    *p = drive->next;
    block_put(drive->held);
    drive_free(drive);
}

/* ---- floppies ---- */

static bool floppy_type(struct board *b, const struct config_disk *disk, enum fdc_type *type) {
    static const struct {
        const char *name;
        enum fdc_type type;
    } names[] = {{"144", FDC_1440K}, {"288", FDC_2880K}, {"120", FDC_1200K}, {"auto", FDC_AUTO}};
    const struct config *config = b->machine->config;
    const char *name = opts_get(disk->opts, "drive-type");
    if (!name)
        name = config_global(config, "isa-fdc", disk->unit ? "fdtypeB" : "fdtypeA");
    if (!name)
        name = config_global(config, "floppy", "drive-type");
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (name && strcmp(name, names[i].name))
            continue;
        *type = name ? names[i].type : FDC_AUTO;
        return true;
    }
    return refuse_disk(b, disk, "a floppy drive's type is 144, 288, 120 or auto");
}

bool drives_open_floppies(struct board *b, struct fdc_pins *pins) {
    const struct config *config = b->machine->config;
    bool good = true;
    for (unsigned i = 0; good && i < config->disk_count; i++) {
        const struct config_disk *disk = &config->disks[i];
        if (disk->kind != DISK_FLOPPY)
            continue;
        struct fdc_drive_pins *pin = &pins->drive[disk->unit];
        pin->there = true;
        good = floppy_type(b, disk, &pin->type) && load(b, disk, &pin->block);
    }
    if (!config->nodefaults) /* a PC that a qtest client asks for has one */
        pins->drive[0].there = true;
    if (!good)
        drives_opened_floppies(pins);
    return good;
}

void drives_opened_floppies(struct fdc_pins *pins) {
    for (unsigned i = 0; i < FDC_DRIVES; i++)
        block_put(pins->drive[i].block);
}

void drives_list_floppies(struct board *b) {
    static const struct config_drive empty = {.id = "floppy0", .format = ""};
    static const struct config_disk unnamed = {.kind = DISK_FLOPPY, .qdev_id = "", .drive = &empty};
    const struct config *config = b->machine->config;
    bool first = false;
    for (unsigned i = 0; i < config->disk_count; i++) {
        const struct config_disk *disk = &config->disks[i];
        if (disk->kind != DISK_FLOPPY)
            continue;
        first |= !disk->unit;
        list_drive(b, disk, fdc_block(b->fdc, disk->unit), fdc_drive(b->fdc, disk->unit));
    }
    if (!first && fdc_drive(b->fdc, 0))
        list_drive(b, &unnamed, NULL, fdc_drive(b->fdc, 0));
}

void drives_free(struct machine *m) {
    while (m->drives) {
        struct drive *drive = m->drives;
        m->drives = drive->next;
        block_put(drive->held);
        drive_free(drive);
    }
}

void drives_drain(struct machine *m) {
    for (struct drive *drive = m->drives; drive; drive = drive->next)
        if (drive->block)
            block_drain(drive->block);
}

bool drives_flush(struct machine *m, char *why, size_t why_len) {
    for (struct drive *drive = m->drives; drive; drive = drive->next) {
        if (!drive->block || drive->block->read_only)
            continue;
        int err = block_sync(drive->block, BLOCK_FLUSH, 0, NULL, 0);
        if (!err)
            continue;
        snprintf(why, why_len, "disk '%s' can't be flushed: %s", drive->block->name,
                 strerror(err));
        return false;
    }
    return true;
}

void drives_unplug(struct board *b, bool keep_primary_master) {
    log_info("the guest unplugs its emulated disks%s",
             keep_primary_master ? " but the first" : "");
    piix_ide_unplug(b->ide, keep_primary_master);
    for (unsigned i = 0; i < b->ahci_count; i++)
        ahci_unplug(b->ahci[i], keep_primary_master && i == 0);
}

/* ---- PV disks that have no emulated drive ---- */

static void pv_gone(void *arg) {
    struct drive *drive = arg, **p = &drive->machine->drives;
    while (*p != drive)
        p = &(*p)->next;
    *p = drive->next;
    drive_free(drive);
}

/* So that it is counted, limited, resized and drained as the others. */
static void list_pv(struct machine *m, struct block *block, const char *format,
                    const char *path) {
    struct drive *drive = mem_new(sizeof(*drive));
    *drive = (struct drive){.qdev_id = "", .filename = strdup(path), .block = block,
                            .format = image_format_name(format), .read_only = block->read_only};
    snprintf(drive->own_id, sizeof(drive->own_id), "pv%u", m->pv_drives++);
    drive->id = drive->own_id;
    drive->watch = (struct block_watch){.gone = pv_gone, .arg = drive};
    block_watch(block, &drive->watch);
    append(m, drive);
}

struct block *drives_image(struct machine *m, const char *format, const char *path,
                           bool read_only) {
    for (struct drive *drive = m->drives; drive; drive = drive->next)
        if (drive->block && drive->filename && !strcmp(drive->filename, path) &&
            image_same_format(drive->format, format) && drive->block->read_only == read_only)
            return block_get(drive->block);
    char why[256];
    struct image_options options = {.format = format, .read_only = read_only};
    struct block *block = image_open(m->loop, path, &options, why, sizeof(why));
    if (block)
        list_pv(m, block, format, path);
    else
        log_error("a PV disk of the guest can't be served: %s", why);
    return block;
}

struct drive *machine_drive(struct machine *m, const char *id) {
    for (struct drive *drive = m->drives; drive; drive = drive->next)
        if (!strcmp(drive->id, id) || (drive->qdev_id && *id && !strcmp(drive->qdev_id, id)) ||
            (drive->filename && !strcmp(drive->filename, id)))
            return drive;
    return NULL;
}
