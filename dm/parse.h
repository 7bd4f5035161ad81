/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the command-line parser share: the config in the making, and its memory.
 */
#ifndef DM_PARSE_H
#define DM_PARSE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "config.h"

struct option;

/* The lists of the config, writable. Each has room for one entry an argument, and a few to
 * spare. */
struct parse {
    struct config *config;
    struct config_arena *arena;
    struct config_chardev *chardevs;
    struct config_monitor *monitors;
    const struct opts **monitor_opts; /* of -mon: its chardev is found at the end */
    const struct config_chardev **serials, **parallels;
    const char **serial_refs, **parallel_refs; /* chardev:ID, found at the end */
    struct config_vnc *vncs;
    struct config_tls *tls;
    const char **usbdevices;
    struct config_device *devices;
    struct config_drive *drives;
    struct config_disk *disks;
    struct config_netdev *netdevs;
    struct config_global *globals;
    unsigned compat_monitors;
    unsigned board_cards; /* of -nic, the first of the devices */
    bool literal;  /* libxl's own line: doubled commas are two */
    bool accel_said;
    char *why;
    size_t why_len;
};

/* Memory that lives as long as the config; NULL-free: a host without it ends the process. */
struct config_arena *arena_new(void);
void arena_free(struct config_arena *arena);
void *arena_alloc(struct config_arena *arena, size_t size);
char *arena_printf(struct config_arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_bytes(struct config_arena *arena, const char *bytes, size_t n); /* ends it with a NUL */

/* Sets `why`; always false, so that it can be returned. */
bool parse_fail(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Takes a value apart. `keys` is a NULL-ended list of the keys known here: "readonly", "file." for
 * all that begin so, "server!" for one that may stand without a value. NULL: every name=value and
 * every lone word is a key. `implied` names the key of the head, so that type=tap and tap are the
 * same; NULL: no head. The result lives in the arena. NULL: `why` is set.
 */
const struct opts *opts_parse(struct parse *p, const char *origin, const char *text,
                              const char *implied, const char *const *keys);

bool parse_unsigned(const char *text, unsigned max, unsigned *out); /* decimal, all of it */

/* argv_chardev.c */
bool parse_chardev(struct parse *p, const char *origin, const char *text);
/* "unix:PATH,server=on": *out is NULL for "none"; *ref is set for "chardev:ID". */
bool parse_chardev_line(struct parse *p, const char *origin, const char *text, const char *id,
                        const struct config_chardev **out, const char **ref);
bool parse_mon(struct parse *p, const char *origin, const char *text);
bool parse_qmp(struct parse *p, const char *origin, const char *text);
bool parse_monitor(struct parse *p, const char *origin, const char *text);
bool parse_serial(struct parse *p, const char *origin, const char *text);
bool parse_parallel(struct parse *p, const char *origin, const char *text);
bool resolve_chardevs(struct parse *p);

/* argv_block.c */
bool parse_drive(struct parse *p, const char *origin, const char *text);
bool parse_blockdev(struct parse *p, const char *origin, const char *text);
bool parse_simple_drive(struct parse *p, const char *origin, const char *text); /* -hda, -cdrom */
bool resolve_blockdevs(struct parse *p);
bool resolve_disks(struct parse *p); /* after the devices */
struct config_drive *find_drive(const struct parse *p, const char *id);

/* argv_throttle.c */
bool throttle_key(const char *key); /* it names a limit of a -drive */
bool take_throttle(struct parse *p, struct config_drive *d);

/* argv_vnc.c */
bool parse_vnc(struct parse *p, const char *origin, const char *text);
bool parse_object(struct parse *p, const char *origin, const char *text);
bool resolve_vncs(struct parse *p);

/* argv_device.c */
bool parse_device(struct parse *p, const char *origin, const char *text);
bool parse_netdev(struct parse *p, const char *origin, const char *text);
bool parse_net(struct parse *p, const char *origin, const char *text);
bool parse_usbdevice(struct parse *p, const char *origin, const char *text);
bool resolve_devices(struct parse *p);
bool check_device(struct parse *p, const struct config_device *device); /* its keys are known */

#endif
