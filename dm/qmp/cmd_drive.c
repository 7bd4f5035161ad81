/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes to the disks of a running guest: their limits, their sizes.
 *
 * Not modelled: groups of drives with limits in common.
 */
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "internal.h"

/* By "id", "device" or "node-name"; each finds a drive by either of its names or by its file. */
static struct drive *named_drive(struct call *call) {
    static const char *const keys[] = {"id", "device", "node-name"};
    const char *id = NULL;
    for (unsigned i = 0; i < ARRAY_LEN(keys) && !id; i++)
        id = arg_text(call, keys[i]);
    if (!id) {
        call_fail(call, GENERIC_ERROR, "the drive's \"device\" is needed");
        return NULL;
    }
    struct drive *drive = machine_drive(call->qmp->machine, id);
    if (!drive)
        call_fail(call, DEVICE_NOT_FOUND, "there is no drive \"%.64s\"", id);
    return drive;
}

static struct json_object *cmd_resize(struct call *call) {
    struct drive *drive = named_drive(call);
    int64_t size = arg_int(call, "size", 0);
    char why[384];
    if (!drive)
        return NULL;
    if (!drive->block)
        return call_fail(call, GENERIC_ERROR, "drive \"%s\" has no medium", drive->id);
    if (size < 0)
        return call_fail(call, GENERIC_ERROR, "size %lld is less than nothing", (long long)size);
    if (!block_resize(drive->block, (uint64_t)size, why, sizeof(why)))
        return call_fail(call, GENERIC_ERROR, "%s", why);
    return NULL;
}

/* False after call_fail. */
static bool take_number(struct call *call, const char *key, uint64_t *out) {
    int64_t value = arg_int(call, key, 0);
    *out = (uint64_t)value;
    if (value < 0)
        call_fail(call, GENERIC_ERROR, "%s: a number of 0 or more was expected", key);
    return value >= 0;
}

static bool take_limit(struct call *call, const char *what, const char *whose,
                       struct throttle_limit *limit) {
    char name[40];
    uint64_t *const places[] = {&limit->avg, &limit->max, &limit->length};
    static const char *const endings[] = {"", "_max", "_max_length"};
    for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
        snprintf(name, sizeof(name), "%s%s%s", what, whose, endings[i]);
        if (!take_number(call, name, places[i]))
            return false;
    }
    return true;
}

static struct json_object *cmd_throttle(struct call *call) {
    static const char *const whats[] = {"bps", "iops"}, *const whoses[] = {"", "_rd", "_wr"};
    struct throttle_limits limits = {0};
    struct drive *drive = named_drive(call);
    if (!drive)
        return NULL;
    for (unsigned i = 0; i < THROTTLE_WHATS; i++)
        for (unsigned j = 0; j < THROTTLE_WHOSES; j++)
            if (!take_limit(call, whats[i], whoses[j], &limits.limit[i][j]))
                return NULL;
    if (!take_number(call, "iops_size", &limits.iops_size))
        return NULL;
    const char *wrong = throttle_check(&limits);
    if (wrong)
        return call_fail(call, GENERIC_ERROR, "%s", wrong);
    drive->limits = limits;
    if (drive->block)
        block_throttle(drive->block, call->qmp->machine->clock, &limits);
    return NULL;
}

const struct command drive_commands[] = {
    {"block_resize", "?device:s,?node-name:s,size:i", 0, cmd_resize},
    {"block_set_io_throttle",
     "?device:s,?id:s,bps:i,bps_rd:i,bps_wr:i,iops:i,iops_rd:i,iops_wr:i,?bps_max:i,?bps_rd_max:i,"
     "?bps_wr_max:i,?iops_max:i,?iops_rd_max:i,?iops_wr_max:i,?bps_max_length:i,"
     "?bps_rd_max_length:i,?bps_wr_max_length:i,?iops_max_length:i,?iops_rd_max_length:i,"
     "?iops_wr_max_length:i,?iops_size:i", 0, cmd_throttle},
    {NULL, NULL, 0, NULL},
};
