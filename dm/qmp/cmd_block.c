/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives: what xentop counts, and the media that xl cd-insert and cd-eject change.
 *
 * Not modelled: block jobs, a tray that stands open without being emptied.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bits.h"
#include "internal.h"

static const char *or_empty(const char *text) {
    return text ? text : "";
}

static bool locked(const struct drive *drive) {
    return drive->ops && drive->ops->locked && drive->ops->locked(drive->dev);
}

/* As libxenstat looks for it: it compares with what follows the first / of the backend's params. */
static const char *stat_name(const char *filename) {
    const char *slash = strstr(filename, "://");
    return slash ? slash + 1 : filename;
}

static struct json_object *inserted(const struct drive *drive) {
    static const char *const limits[] = {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"};
    struct json_object *info = json_object_new_object(), *image = json_object_new_object();
    const char *filename = or_empty(drive->filename), *format = or_empty(drive->format);
    format = *format ? format : "raw";
    j_add_text(info, "file", stat_name(filename));
    j_add_text(info, "drv", format);
    j_add_bool(info, "ro", drive->block->read_only);
    j_add_bool(info, "encrypted", false);
    for (unsigned i = 0; i < 6; i++)
        j_add_int(info, limits[i],
                  (int64_t)drive->limits.limit[i / THROTTLE_WHOSES][i % THROTTLE_WHOSES].avg);
    j_add_text(image, "filename", filename);
    j_add_text(image, "format", format);
    j_add_int(image, "virtual-size", (int64_t)drive->block->size);
    j_add(info, "image", image);
    return info;
}

static struct json_object *cmd_query_block(struct call *call) {
    struct json_object *list = json_object_new_array();
    for (const struct drive *d = call->qmp->machine->drives; d; d = d->next) {
        struct json_object *entry = json_object_new_object();
        j_add_text(entry, "device", d->id);
        if (*or_empty(d->qdev_id))
            j_add_text(entry, "qdev", d->qdev_id);
        j_add_bool(entry, "locked", locked(d));
        j_add_bool(entry, "removable", d->removable);
        if (d->removable)
            j_add_bool(entry, "tray_open", false);
        j_add_text(entry, "type", "unknown");
        if (d->block)
            j_add(entry, "inserted", inserted(d));
        json_object_array_add(list, entry);
    }
    return list;
}

static struct json_object *cmd_query_blockstats(struct call *call) {
    static const struct block_stats none;
    struct json_object *list = json_object_new_array();
    for (const struct drive *d = call->qmp->machine->drives; d; d = d->next) {
        const struct block_stats *s = d->block ? &d->block->stats : &none;
        struct json_object *entry = json_object_new_object(), *stats = json_object_new_object();
        j_add_int(stats, "rd_bytes", (int64_t)s->rd_bytes);
        j_add_int(stats, "wr_bytes", (int64_t)s->wr_bytes);
        j_add_int(stats, "rd_operations", (int64_t)s->rd_ops);
        j_add_int(stats, "wr_operations", (int64_t)s->wr_ops);
        j_add_int(stats, "flush_operations", (int64_t)s->flush_ops);
        j_add_int(stats, "unmap_operations", (int64_t)s->discard_ops);
        j_add_int(stats, "unmap_bytes", (int64_t)s->discard_bytes);
        j_add_int(stats, "failed_operations", (int64_t)s->errors);
        j_add_text(entry, "device", d->id);
        if (*or_empty(d->qdev_id))
            j_add_text(entry, "qdev", d->qdev_id);
        j_add(entry, "stats", stats);
        json_object_array_add(list, entry);
    }
    return list;
}

/* By "id" (the -device's) or "device" (the -drive's); each finds either. */
static struct drive *named_drive(struct call *call) {
    const char *id = arg_text(call, "id");
    if (!id)
        id = arg_text(call, "device");
    if (!id) {
        call_fail(call, GENERIC_ERROR, "the drive's \"id\" is needed");
        return NULL;
    }
    struct drive *drive = call->qmp->machine->drives;
    while (drive && strcmp(drive->id, id) && strcmp(or_empty(drive->qdev_id), id))
        drive = drive->next;
    if (!drive) {
        call_fail(call, DEVICE_NOT_FOUND, "there is no drive \"%.64s\"", id);
        return NULL;
    }
    if (!drive->removable || !drive->ops || !drive->ops->change) {
        call_fail(call, GENERIC_ERROR, "drive \"%.64s\" has a fixed disk", id);
        return NULL;
    }
    return drive;
}

static bool tray_opens(struct call *call, const struct drive *drive) {
    if (!drive->block || !locked(drive) || arg_bool(call, "force", false))
        return true;
    if (drive->ops->press_eject)
        drive->ops->press_eject(drive->dev);
    call_fail(call, GENERIC_ERROR, "the guest locked the tray of drive \"%s\"", drive->id);
    return false;
}

static void change(struct machine *machine, struct drive *drive, struct block *medium) {
    struct block *old = drive->ops->change(drive->dev, medium);
    drive->block = medium;
    if (medium)
        block_throttle(medium, machine->clock, &drive->limits);
    if (old)
        block_put(old);
    free((char *)drive->filename);
    drive->filename = NULL;
}

static void tray_event(struct qmp *qmp, const struct drive *drive, bool open) {
    struct json_object *data = json_object_new_object();
    j_add_text(data, "device", drive->id);
    j_add_text(data, "id", or_empty(drive->qdev_id));
    j_add_bool(data, "tray-open", open);
    qmp_event(qmp, "DEVICE_TRAY_MOVED", json_object_to_json_string(data));
    json_object_put(data);
}

static struct json_object *cmd_eject(struct call *call) {
    struct drive *drive = named_drive(call);
    if (!drive || !tray_opens(call, drive) || !drive->block)
        return NULL;
    change(call->qmp->machine, drive, NULL);
    tray_event(call->qmp, drive, true);
    return NULL;
}

/* "raw:/srv/a.iso", which libxl sends with a descriptor, names the file better than its number. */
static const char *shown_name(struct call *call, const char *filename) {
    const char *opaque = is_fdset(filename) ? fdset_name(call->qmp, filename) : NULL;
    const char *slash = opaque ? strchr(opaque, '/') : NULL;
    return slash ? slash : filename;
}

/* A name that outlives the request. */
static const char *format_name(const char *format) {
    static const char *const names[] = {"qcow2", "qcow", "qed",  "vpc",
                                        "vhd",   "vhdx", "vmdk", "vdi"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], format))
            return names[i];
    return "raw";
}

/* retain (the drive's own way), read-only or read-write */
static bool wants_read_only(struct call *call, const struct drive *drive) {
    const char *mode = arg_text(call, "read-only-mode");
    if (!mode || !strcmp(mode, "retain"))
        return drive->read_only;
    if (strcmp(mode, "read-only") && strcmp(mode, "read-write"))
        call_fail(call, GENERIC_ERROR, "read-only-mode must be retain, read-only or read-write");
    return strcmp(mode, "read-write") != 0;
}

static struct json_object *cmd_change_medium(struct call *call) {
    const char *filename = arg_text(call, "filename"), *format = or_empty(arg_text(call, "format"));
    struct drive *drive = named_drive(call);
    if (!drive || !tray_opens(call, drive))
        return NULL;
    if (!call->qmp->ops->open_image)
        return call_fail(call, GENERIC_ERROR, "opening images is not implemented yet");
    struct qmp_image image = {filename, -1, format, wants_read_only(call, drive)};
    if (call->failed)
        return NULL;
    if (is_fdset(filename)) {
        image.fd = open_file(call, filename, image.read_only ? O_RDONLY : O_RDWR);
        if (image.fd < 0)
            return NULL;
        image.filename = shown_name(call, filename); /* backing files are looked for beside it */
    }
    char why[384];
    struct block *medium = call->qmp->ops->open_image(call->qmp->machine, &image, why, sizeof(why));
    if (!medium && image.fd >= 0)
        close(image.fd);
    if (!medium)
        return call_fail(call, GENERIC_ERROR, "%s", why);
    bool had = drive->block;
    change(call->qmp->machine, drive, medium);
    drive->filename = strdup(shown_name(call, filename));
    drive->format = format_name(format);
    if (had)
        tray_event(call->qmp, drive, true);
    tray_event(call->qmp, drive, false);
    return NULL;
}

const struct command block_commands[] = {
    {"query-block", NULL, 0, cmd_query_block},
    {"query-blockstats", "?query-nodes:b", 0, cmd_query_blockstats},
    {"eject", "?id:s,?device:s,?force:b", 0, cmd_eject},
    {"blockdev-change-medium", "?id:s,?device:s,filename:s,?format:s,?read-only-mode:s,?force:b", 0,
     cmd_change_medium},
    {NULL, NULL, 0, NULL},
};
