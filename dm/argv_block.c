/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -drive, -blockdev, -hda and its like, and the disks that they and -device ide-hd, ide-cd, scsi-hd
 * and floppy make of them.
 *
 * Not modelled: COLO's quorum and replication, throttle groups, backing files named by options.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "parse.h"

static const char *const drive_keys[] = {
    "if", "index", "bus", "unit", "media", "file", "format", "id", "readonly!", "read-only",
    "cache", "cache.direct", "cache.no-flush", "cache.writeback", "snapshot", "aio", "rerror",
    "werror", "discard", "detect-zeroes", "copy-on-read", "serial", "addr", "driver", "node-name",
    "auto-read-only", "locking", "file.", "children.", "read-pattern", "vote-threshold", "mode",
    "top-id", "backing", "backing.", "throttling.", "cyls", "heads", "secs",
    "trans", "size", "filename", "read-zeroes", "latency-ns", "bps", "iops",
    "reconnect-delay", "bps_rd", "bps_wr", "bps_max", "bps_rd_max", "bps_wr_max", "bps_max_length",
    "bps_rd_max_length", "bps_wr_max_length", "iops_rd", "iops_wr", "iops_max", "iops_rd_max",
    "iops_wr_max", "iops_max_length", "iops_rd_max_length", "iops_wr_max_length", "iops_size",
    NULL,
};

static const char *const unused_keys[] = {
    /* what only QEMU's own block layer gives a meaning, and the guest can't tell */
    "aio", "auto-read-only", "locking", "detect-zeroes", "cache.writeback", "read-zeroes",
    "latency-ns", "addr", NULL,
};

static const char *const taken_keys[] = {
    "if", "index", "bus", "unit", "media", "file", "format", "id", "readonly", "read-only", "cache",
    "cache.direct", "cache.no-flush", "snapshot", "discard", "serial", "driver", "node-name",
    "filename", "size", "file.driver", "file.filename", "file.locking", "file.aio",
    "file.auto-read-only", "file.read-only", "file.node-name", "file.cache.direct", "file.size",
    "file.read-zeroes", "rerror", "werror", "reconnect-delay", "file.reconnect-delay", NULL,
};

const struct config_drive *config_drive(const struct config *config, const char *id) {
    for (unsigned i = 0; i < config->drive_count; i++)
        if (!strcmp(config->drives[i].id, id))
            return &config->drives[i];
    return NULL;
}

struct config_drive *find_drive(const struct parse *p, const char *id) {
    return (struct config_drive *)config_drive(p->config, id);
}

static bool in_list(const char *const *list, const char *key) {
    for (; *list; list++)
        if (!strcmp(*list, key))
            return true;
    return false;
}

/* What would change the guest's data or its answers, if left out, is refused by name. */
static bool check_keys(struct parse *p, const struct opts *o) {
    for (unsigned i = 0; i < o->count; i++) {
        const char *key = o->kv[i].key;
        if (!in_list(taken_keys, key) && !in_list(unused_keys, key) && !throttle_key(key))
            return parse_fail(p, "%s %s: %s= is not implemented%s", o->origin, o->text, key,
                              !strncmp(key, "children.", 9) || !strcmp(key, "top-id") ? " (COLO)"
                                                                                      : "");
    }
    const char *driver = opts_get(o, "driver");
    if (driver && (!strcmp(driver, "quorum") || !strcmp(driver, "replication")))
        return parse_fail(p, "%s %s: driver=%s is not implemented (COLO)", o->origin, o->text,
                          driver);
    static const char *const on_error[] = {"rerror", "werror"};
    for (unsigned i = 0; i < 2; i++) {
        const char *val = opts_get(o, on_error[i]);
        if (val && strcmp(val, "report") && strcmp(val, "auto"))
            return parse_fail(p, "%s %s: %s=%s: only report is implemented", o->origin, o->text,
                              on_error[i], val);
    }
    return true;
}

static bool take_cache(struct parse *p, struct config_drive *d) {
    const struct opts *o = d->opts;
    const char *cache = opts_get(o, "cache");
    if (cache) {
        static const char *const modes[] = {"writeback", "writethrough", "none", "directsync",
                                            "unsafe", NULL};
        if (!in_list(modes, cache))
            return parse_fail(p, "%s %s: cache=%s: expected writeback, writethrough, none, "
                              "directsync or unsafe", o->origin, o->text, cache);
        d->direct = !strcmp(cache, "none") || !strcmp(cache, "directsync");
        d->no_flush = !strcmp(cache, "unsafe");
    }
    const char *discard = opts_get(o, "discard");
    d->discard = discard && (!strcmp(discard, "unmap") || !strcmp(discard, "on"));
    return opts_bool(o, "cache.direct", &d->direct, p->why, p->why_len) &&
           opts_bool(o, "cache.no-flush", &d->no_flush, p->why, p->why_len) &&
           opts_bool(o, "readonly", &d->read_only, p->why, p->why_len) &&
           opts_bool(o, "read-only", &d->read_only, p->why, p->why_len) &&
           opts_bool(o, "snapshot", &d->snapshot, p->why, p->why_len);
}

/* How long a network disk's requests wait for a server that is gone. */
static bool take_patience(struct parse *p, struct config_drive *d) {
    static const char *const keys[] = {"reconnect-delay", "file.reconnect-delay"};
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        uint64_t seconds = 0;
        if (!opts_get(d->opts, keys[i]))
            continue;
        if (!opts_number(d->opts, keys[i], 86400, &seconds, p->why, p->why_len))
            return false;
        d->patience_s = (unsigned)MAX(seconds, 1);
    }
    return true;
}

/* format= or driver=, and file=, file.filename= or filename= */
static void take_file(struct config_drive *d) {
    static const char *const names[] = {"filename", "file.filename", "file"};
    const struct opts *o = d->opts;
    const char *format = opts_get(o, "format");
    if (!format)
        format = opts_get(o, "driver");
    d->format = format ? format : "";
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (opts_get(o, names[i]))
            d->file = opts_get(o, names[i]);
    if (d->file && !*d->file)
        d->file = NULL;
    const char *below = opts_get(o, "file.driver");
    if (below && !strncmp(below, "null-", 5))
        d->format = below;
    if (d->file && !strncmp(d->file, "null-co://", 10)) {
        d->format = "null-co";
        d->file = NULL;
    }
}

static bool taken_index(const struct parse *p, enum config_interface interface, unsigned index) {
    for (unsigned i = 0; i < p->config->drive_count; i++)
        if (p->drives[i].interface == interface && p->drives[i].index == index)
            return true;
    return false;
}

static bool take_index(struct parse *p, struct config_drive *d) {
    const struct opts *o = d->opts;
    uint64_t index = UINT64_MAX, bus = UINT64_MAX, unit = UINT64_MAX;
    unsigned slots = d->interface == IF_IDE ? 4 : 2, per_bus = 2;
    if (!opts_number(o, "index", 99, &index, p->why, p->why_len) ||
        !opts_number(o, "bus", 99, &bus, p->why, p->why_len) ||
        !opts_number(o, "unit", 99, &unit, p->why, p->why_len))
        return false;
    if (d->interface == IF_NONE)
        return true;
    if (index == UINT64_MAX && (bus != UINT64_MAX || unit != UINT64_MAX))
        index = (bus == UINT64_MAX ? 0 : bus) * per_bus + (unit == UINT64_MAX ? 0 : unit);
    for (unsigned i = 0; index == UINT64_MAX && i < slots; i++)
        if (!taken_index(p, d->interface, i))
            index = i;
    if (index >= slots)
        return parse_fail(p, "%s %s: there are %u %s drives, 0 to %u", o->origin, o->text, slots,
                          d->interface == IF_IDE ? "IDE" : "floppy", slots - 1);
    if (taken_index(p, d->interface, (unsigned)index))
        return parse_fail(p, "%s %s: %s drive %u is taken already", o->origin, o->text,
                          d->interface == IF_IDE ? "IDE" : "floppy", (unsigned)index);
    d->index = (unsigned)index;
    return true;
}

static bool take_interface(struct parse *p, struct config_drive *d) {
    static const struct {
        const char *name;
        enum config_interface interface;
    } names[] = {{"ide", IF_IDE}, {"floppy", IF_FLOPPY}, {"none", IF_NONE}};
    const struct opts *o = d->opts;
    const char *interface = opts_get(o, "if"), *media = opts_get(o, "media");
    d->interface = interface ? IF_OTHER : IF_IDE;
    for (unsigned i = 0; interface && i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i].name, interface))
            d->interface = names[i].interface;
    if (d->interface == IF_OTHER)
        return parse_fail(p, "%s %s: if=%s is not implemented; there are ide, floppy and none",
                          o->origin, o->text, interface);
    if (media && strcmp(media, "disk") && strcmp(media, "cdrom"))
        return parse_fail(p, "%s %s: media=%s: expected disk or cdrom", o->origin, o->text, media);
    d->cdrom = media && !strcmp(media, "cdrom");
    return true;
}

static const char *default_id(struct parse *p, const struct config_drive *d) {
    if (d->interface == IF_IDE)
        return arena_printf(p->arena, "ide%u-%s%u", d->index / 2, d->cdrom ? "cd" : "hd",
                            d->index % 2);
    if (d->interface == IF_FLOPPY)
        return arena_printf(p->arena, "floppy%u", d->index);
    return arena_printf(p->arena, "none%u", p->config->drive_count);
}

static bool add_drive(struct parse *p, struct config_drive *d) {
    if (find_drive(p, d->id))
        return parse_fail(p, "%s %s: there is a drive \"%s\" already", d->opts->origin,
                          d->opts->text, d->id);
    p->drives[p->config->drive_count++] = *d;
    return true;
}

static bool take_drive(struct parse *p, const struct opts *o) {
    struct config_drive d = {.opts = o};
    if (!check_keys(p, o) || !take_interface(p, &d) || !take_index(p, &d) || !take_cache(p, &d) ||
        !take_patience(p, &d) || !take_throttle(p, &d))
        return false;
    take_file(&d);
    d.read_only |= d.cdrom;
    const char *id = opts_get(o, "id");
    if (!id)
        id = opts_get(o, "node-name");
    d.id = id ? id : default_id(p, &d);
    return add_drive(p, &d);
}

bool parse_drive(struct parse *p, const char *origin, const char *text) {
    const struct opts *o = opts_parse(p, origin, text, NULL, drive_keys);
    return o && take_drive(p, o);
}

/* -hda FILE is -drive if=ide,index=0,file=FILE, and so on; FILE is not looked into for keys. */
bool parse_simple_drive(struct parse *p, const char *origin, const char *text) {
    static const struct {
        const char *origin, *interface, *index, *media;
    } names[] = {{"-hda", "ide", "0", "disk"}, {"-hdb", "ide", "1", "disk"},
                 {"-hdc", "ide", "2", "disk"}, {"-hdd", "ide", "3", "disk"},
                 {"-cdrom", "ide", "2", "cdrom"}, {"-fda", "floppy", "0", "disk"},
                 {"-fdb", "floppy", "1", "disk"}};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i].origin, origin))
            continue;
        struct opts *o = arena_alloc(p->arena, sizeof(*o));
        struct opt *kv = arena_alloc(p->arena, 4 * sizeof(*kv));
        kv[0] = (struct opt){"if", names[i].interface};
        kv[1] = (struct opt){"index", names[i].index};
        kv[2] = (struct opt){"media", names[i].media};
        kv[3] = (struct opt){"file", text};
        *o = (struct opts){.origin = names[i].origin, .text = text, .head = "", kv, 4};
        return take_drive(p, o);
    }
    return false;
}

bool parse_blockdev(struct parse *p, const char *origin, const char *text) {
    const struct opts *o = opts_parse(p, origin, text, "driver", drive_keys);
    if (!o || !check_keys(p, o))
        return false;
    const char *id = opts_get(o, "node-name");
    if (!id)
        return parse_fail(p, "%s %s: a block device needs node-name=", origin, text);
    struct config_drive d = {.opts = o, .interface = IF_NONE, .id = id};
    if (!take_cache(p, &d) || !take_patience(p, &d) || !take_throttle(p, &d))
        return false;
    take_file(&d);
    return add_drive(p, &d);
}

/* A format node whose file= names another node takes over that node's file. */
bool resolve_blockdevs(struct parse *p) {
    for (unsigned i = 0; i < p->config->drive_count; i++) {
        struct config_drive *d = &p->drives[i];
        if (strcmp(d->opts->origin, "-blockdev"))
            continue;
        const char *node = opts_get(d->opts, "file");
        for (unsigned depth = 0; node; depth++) {
            const struct config_drive *below = find_drive(p, node);
            if (!below || depth > p->config->drive_count)
                return parse_fail(p, "-blockdev %s: node \"%s\" %s", d->opts->text, node,
                                  below ? "stands on itself" : "is not there");
            node = opts_get(below->opts, "file");
            d->file = node ? d->file : below->file;
            d->direct |= below->direct;
            d->no_flush |= below->no_flush;
            if (!node && !strncmp(below->format, "null-", 5))
                d->format = below->format;
        }
        static const char *const plain[] = {"file", "host_device", "host_cdrom", NULL};
        if (in_list(plain, d->format))
            d->format = "raw";
    }
    return true;
}

static bool same_place(const struct config_disk *a, const struct config_disk *b) {
    return a->kind == b->kind && a->bus == b->bus && a->unit == b->unit &&
           !strcmp(a->host, b->host);
}

static bool place_taken(const struct parse *p, const struct config_disk *disk) {
    for (unsigned i = 0; i < p->config->disk_count; i++)
        if (same_place(&p->disks[i], disk))
            return true;
    return false;
}

/* A property that the disk itself was not given: -global ide-hd.serial=X. */
static const char *global_or(const struct parse *p, const struct config_disk *disk,
                             const char *property, const char *own) {
    static const char *const kinds[] = {"ide-", NULL, "scsi-", "ide-"};
    char driver[16];
    if (own || !kinds[disk->kind])
        return own;
    snprintf(driver, sizeof(driver), "%s%s", kinds[disk->kind], disk->cdrom ? "cd" : "hd");
    return config_global(p->config, driver, property);
}

static bool add_disk(struct parse *p, struct config_disk *disk) {
    static const char *const kinds[] = {"IDE channel", "floppy controller", "SCSI bus",
                                        "AHCI port"};
    if (place_taken(p, disk))
        return parse_fail(p, "%s %s: %s %u has a drive %u already", disk->opts->origin,
                          disk->opts->text, kinds[disk->kind], disk->bus, disk->unit);
    disk->serial = global_or(p, disk, "serial", disk->serial);
    disk->model = global_or(p, disk, "model", disk->model);
    disk->version = global_or(p, disk, "ver", disk->version);
    p->disks[p->config->disk_count++] = *disk;
    return true;
}

/* "ide.1", "ahci0.3": the number after the dot. */
static bool ide_bus(struct parse *p, struct config_disk *disk, const char *bus) {
    const struct opts *o = disk->opts;
    const char *dot = strrchr(bus, '.');
    unsigned number;
    if (!dot || !parse_unsigned(dot + 1, 31, &number))
        return parse_fail(p, "%s %s: bus=%s: expected ide.0, ide.1 or a port of an AHCI controller",
                          o->origin, o->text, bus);
    disk->bus = number;
    if (strncmp(bus, "ide.", 4)) {
        disk->kind = DISK_AHCI;
        disk->host = arena_printf(p->arena, "%.*s", (int)(dot - bus), bus);
        return true;
    }
    return number < 2 || parse_fail(p, "%s %s: bus=%s: the PC has IDE channels ide.0 and ide.1",
                                    o->origin, o->text, bus);
}

/* Without bus= and unit=: the first free place. */
static bool place_ide(struct parse *p, struct config_disk *disk, bool has_bus, bool has_unit) {
    unsigned buses = disk->kind == DISK_AHCI ? disk->bus + 1 : 2;
    if (has_unit)
        return true;
    for (unsigned bus = has_bus ? disk->bus : 0; bus < (has_bus ? disk->bus + 1 : buses); bus++) {
        disk->bus = bus;
        for (disk->unit = 0; disk->unit < 2; disk->unit++)
            if (!place_taken(p, disk))
                return true;
    }
    return parse_fail(p, "%s %s: no IDE drive is free", disk->opts->origin, disk->opts->text);
}

static bool place_disk(struct parse *p, struct config_disk *disk) {
    const struct opts *o = disk->opts;
    const char *bus = opts_get(o, "bus");
    uint64_t unit = 0;
    if (!opts_number(o, disk->kind == DISK_SCSI ? "scsi-id" : "unit", 15, &unit, p->why,
                     p->why_len))
        return false;
    disk->unit = (unsigned)unit;
    if (disk->kind == DISK_SCSI)
        return true;
    if (disk->kind == DISK_FLOPPY) {
        while (!opts_get(o, "unit") && place_taken(p, disk) && disk->unit < 2)
            disk->unit++;
    } else if ((bus && !ide_bus(p, disk, bus)) || !place_ide(p, disk, bus, opts_get(o, "unit"))) {
        return false;
    }
    return disk->unit < 2 || parse_fail(p, "%s %s: unit=%u: expected 0 or 1", o->origin, o->text,
                                        disk->unit);
}

static bool device_disk(struct parse *p, const struct config_device *device) {
    const struct opts *o = device->opts;
    struct config_disk disk = {.opts = o, .host = "", .qdev_id = device->id};
    disk.cdrom = strstr(device->name, "-cd") != NULL;
    disk.serial = opts_get(o, "serial");
    disk.model = opts_get(o, "model");
    disk.version = opts_get(o, "ver");
    if (!strncmp(device->name, "scsi", 4))
        disk.kind = DISK_SCSI;
    else if (!strcmp(device->name, "floppy"))
        disk.kind = DISK_FLOPPY;
    const char *id = opts_get(o, "drive");
    struct config_drive *drive = id ? find_drive(p, id) : NULL;
    if (id && !drive)
        return parse_fail(p, "%s %s: there is no drive \"%s\"", o->origin, o->text, id);
    if (!drive && !disk.cdrom && disk.kind != DISK_FLOPPY)
        return parse_fail(p, "%s %s: a disk needs drive=", o->origin, o->text);
    if (drive && drive->used)
        return parse_fail(p, "%s %s: drive \"%s\" is in use already", o->origin, o->text, id);
    if (drive)
        drive->used = true;
    disk.drive = drive;
    return place_disk(p, &disk) && add_disk(p, &disk);
}

/* What QEMU's PC has unless it is told otherwise, for who drives it by qtest as they do QEMU: an
 * empty CD-ROM drive, the secondary channel's first, if no -device is a disk. */
static bool default_cdrom(struct parse *p) {
    static const struct config_drive empty = {.id = "ide1-cd0", .format = ""};
    const struct config *config = p->config;
    struct config_disk cd = {.kind = DISK_IDE, .cdrom = true, .bus = 1, .host = "", .qdev_id = "",
                             .drive = &empty, .opts = config->machine_opts};
    bool wanted = config->accel == ACCEL_QTEST && config->machine == MACHINE_PC &&
                  !config->nodefaults && !place_taken(p, &cd);
    for (unsigned i = 0; i < config->device_count; i++)
        wanted &= p->devices[i].kind != DEVICE_DISK || !strcmp(p->devices[i].name, "floppy");
    return !wanted || add_disk(p, &cd);
}

bool resolve_disks(struct parse *p) {
    for (unsigned i = 0; i < p->config->drive_count; i++) {
        struct config_drive *d = &p->drives[i];
        if (d->interface == IF_NONE)
            continue;
        struct config_disk disk = {.kind = d->interface == IF_IDE ? DISK_IDE : DISK_FLOPPY,
                                   .cdrom = d->cdrom, .host = "", .qdev_id = "", .drive = d,
                                   .opts = d->opts,
                                   .serial = opts_get(d->opts, "serial")};
        disk.bus = d->interface == IF_IDE ? d->index / 2 : 0;
        disk.unit = d->interface == IF_IDE ? d->index % 2 : d->index;
        d->used = true;
        if (!add_disk(p, &disk))
            return false;
    }
    for (unsigned i = 0; i < p->config->device_count; i++)
        if (p->devices[i].kind == DEVICE_DISK && !device_disk(p, &p->devices[i]))
            return false;
    return default_cdrom(p);
}
