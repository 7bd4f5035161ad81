/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images into IDE drives. See drives.h.
 */
#include "drives.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "config.h"
#include "core/log.h"
#include "core/mem.h"
#include "disk/piix_ide.h"
#include "image.h"

enum { IDE_DRIVES = 4 };

static struct block *open_medium(struct board *b, const struct config_disk *disk) {
    const struct config_drive *drive = disk->drive;
    struct machine *m = b->machine;
    if (drive->snapshot) {
        snprintf(b->why, b->why_len, "-drive %s: snapshot=on is not implemented",
                 drive->opts->text);
        return NULL;
    }
    struct image_options options = {
        .format = *drive->format ? drive->format : NULL,
        .read_only = drive->read_only || disk->cdrom,
        .direct = drive->direct,
    };
    return image_open(m->loop, drive->file, &options, b->why, b->why_len);
}

/* What stands on the other side of the machine's IDE: the disks that libxl put elsewhere. */
static bool refuse_disk(struct board *b, const struct config_disk *disk) {
    static const char *const what[] = {
        [DISK_IDE] = "an IDE disk beyond the four", [DISK_FLOPPY] = "the floppy drive",
        [DISK_SCSI] = "the LSI SCSI controller (vdev=sd*)",
        [DISK_AHCI] = "the AHCI controller (hdtype=\"ahci\")"};
    snprintf(b->why, b->why_len, "%s %s: %s is not implemented", disk->opts->origin,
             disk->opts->text, what[disk->kind]);
    return false;
}

static bool plug(struct board *b, struct piix_ide_pins *pins, const struct config_disk *disk) {
    /* an empty floppy drive is what the board has anyway */
    if (disk->kind == DISK_FLOPPY && (!disk->drive || !disk->drive->file))
        return true;
    unsigned place = disk->bus * 2 + disk->unit;
    if (disk->kind != DISK_IDE || disk->bus > 1 || disk->unit > 1)
        return refuse_disk(b, disk);
    struct ata_pins *pin = &pins->drive[place];
    if (pin->block || pin->cdrom) {
        snprintf(b->why, b->why_len, "%s %s: IDE bus %u unit %u is taken", disk->opts->origin,
                 disk->opts->text, disk->bus, disk->unit);
        return false;
    }
    pin->cdrom = disk->cdrom;
    pin->serial = disk->serial;
    pin->model = disk->model;
    if (!disk->drive || !disk->drive->file)
        return true;
    pin->block = open_medium(b, disk);
    return pin->block != NULL;
}

bool drives_open(struct board *b, struct piix_ide_pins *pins) {
    const struct config *config = b->machine->config;
    for (unsigned i = 0; i < config->disk_count; i++) {
        if (plug(b, pins, &config->disks[i]))
            continue;
        drives_opened(pins);
        return false;
    }
    return true;
}

void drives_opened(struct piix_ide_pins *pins) {
    for (unsigned i = 0; i < IDE_DRIVES; i++)
        block_put(pins->drive[i].block);
}

static const struct drive_ops cd_ops = {.locked = piix_cd_locked, .change = piix_cd_change,
                                       .press_eject = piix_cd_press_eject};

static void list_drive(struct board *b, const struct config_disk *disk) {
    struct machine *m = b->machine;
    const struct config_drive *medium = disk->drive;
    struct drive *drive = mem_new(sizeof(*drive));
    unsigned place = disk->bus * 2 + disk->unit;
    *drive = (struct drive){
        .id = medium ? medium->id : disk->qdev_id,
        .qdev_id = disk->qdev_id,
        .filename = medium && medium->file ? strdup(medium->file) : NULL,
        .format = medium && *medium->format ? medium->format : "raw",
        .block = piix_ide_block(b->ide, place),
        .removable = disk->cdrom,
        .ide = true,
        .read_only = disk->cdrom || (medium && medium->read_only),
        .place = place,
    };
    if (!disk->cdrom && drive->block)
        drive->held = block_get(drive->block);
    if (disk->cdrom) {
        drive->ops = &cd_ops;
        drive->dev = piix_ide_cd(b->ide, place);
    }
    struct drive **end = &m->drives;
    while (*end)
        end = &(*end)->next;
    *end = drive;
}

void drives_list(struct board *b) {
    const struct config *config = b->machine->config;
    for (unsigned i = 0; i < config->disk_count; i++)
        if (config->disks[i].kind == DISK_IDE)
            list_drive(b, &config->disks[i]);
}

void drives_free(struct machine *m) {
    while (m->drives) {
        struct drive *drive = m->drives;
        m->drives = drive->next;
        block_put(drive->held);
        free((char *)(uintptr_t)drive->filename);
        mem_free(drive);
    }
}

void drives_drain(struct machine *m) {
    for (struct drive *drive = m->drives; drive; drive = drive->next)
        if (drive->block)
            block_drain(drive->block);
}

void drives_unplug(struct board *b, bool keep_primary_master) {
    log_info("the guest unplugs its emulated disks%s",
             keep_primary_master ? " but the first" : "");
    piix_ide_unplug(b->ide, keep_primary_master);
}

struct block *drives_image(void *board, const char *format, const char *path, bool read_only) {
    struct machine *m = ((struct board *)board)->machine;
    for (struct drive *drive = m->drives; drive; drive = drive->next)
        if (drive->block && drive->filename && !strcmp(drive->filename, path) &&
            image_same_format(drive->format, format) && drive->block->read_only == read_only)
            return block_get(drive->block);
    char why[256];
    struct image_options options = {.format = format, .read_only = read_only};
    struct block *block = image_open(m->loop, path, &options, why, sizeof(why));
    if (!block)
        log_error("a PV disk of the guest can't be served: %s", why);
    return block;
}

struct drive *machine_drive(struct machine *m, const char *id) {
    for (struct drive *drive = m->drives; drive; drive = drive->next)
        if (!strcmp(drive->id, id) || (*drive->qdev_id && !strcmp(drive->qdev_id, id)))
            return drive;
    return NULL;
}
