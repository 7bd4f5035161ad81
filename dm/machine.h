/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine: the board with its chips in wiring order, and the people's side of it (what QMP, the
 * lifecycle and save need to find). dm/machine.c is the drawing of the board. One thread.
 */
#ifndef DM_MACHINE_H
#define DM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/block.h"
#include "core/chars.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/display.h"
#include "core/engine.h"
#include "core/input.h"
#include "core/io.h"
#include "core/loop.h"
#include "core/pci.h"
#include "core/throttle.h"

struct config;
struct config_device;
struct pv;

/* The names are those of query-status. */
enum run_state {
    RUN_PRELAUNCH, /* started with -S, never run */
    RUN_INMIGRATE, /* state is still to be loaded */
    RUN_RUNNING,
    RUN_PAUSED,    /* stop, or loaded under -S */
    RUN_SUSPENDED, /* ACPI S3 */
    RUN_SHUTDOWN,  /* the guest powered off or reset; Xen tears the domain down */
};

const char *run_state_name(enum run_state state);

/*
 * A drive with its medium, for the monitor. The chip's side fills in ops; NULL ops mean a fixed
 * disk.
 */
struct drive_ops {
    bool (*locked)(void *dev); /* PREVENT MEDIUM REMOVAL is in force */
    /* Takes the new medium (NULL: none) and reports the change to the guest; returns the old
     * one. */
    struct block *(*change)(void *dev, struct block *medium);
    /* The eject button of a locked tray: asks the guest to let the medium go. */
    void (*press_eject)(void *dev);
};

struct drive {
    const char *id;       /* of the -drive or -device: "ide-5632", "ide0-hd0" */
    const char *qdev_id;  /* of the -device, or "" */
    const char *filename; /* as configured or inserted, by strdup; NULL: empty */
    const char *format;   /* one that stays */
    struct block *block;  /* NULL: empty */
    struct block *held;   /* a disk's: our reference, for the PV backend and the counters */
    const struct drive_ops *ops;
    void *dev;
    bool removable, read_only;
    bool ide; /* on the PIIX3's channels */
    unsigned place; /* on its controller: channel or port * 2 + unit */
    struct throttle_limits limits; /* of whatever medium is in it */
    struct block_watch watch;      /* a PV disk's that has no emulated drive: it goes with it */
    char own_id[16];
    struct machine *machine;
    struct drive *next;
};

enum { MACHINE_DEVICES = 64, MACHINE_CHARS = 32 };

struct machine {
    const struct config *config;
    struct engine *engine;
    struct loop *loop;
    struct clock *clock;
    struct io_bus *io;
    struct pci_bus *pci;
    struct input *input;
    struct display *display; /* NULL: no VGA */
    struct drive *drives;
    unsigned pv_drives; /* ever; names them */
    struct chars *chars[MACHINE_CHARS]; /* for query-chardev */
    unsigned chars_count;
    struct device devices[MACHINE_DEVICES];
    unsigned device_count;
    bool seabios; /* the guest's firmware is SeaBIOS, not another */
    enum run_state state;
    bool asleep; /* in S3, also while paused */
    void (*state_changed)(struct machine *machine); /* lifecycle: xenstore's "running", VNC */
    void (*device_deleted)(struct machine *machine, const char *id); /* lifecycle: the guest let go
                                                                      * a card that has an id */
    void *lifecycle; /* for these */
    struct board *board; /* machine.c's own: chips by name */
};

/*
 * Builds the board. `firmware` is what the toolstack calls the guest's: "seabios", "ovmf", ...;
 * NULL: not known. NULL: `why` says which option can't be met, naming it.
 */
struct machine *machine_new(const struct config *config, struct engine *engine, struct loop *loop,
                            struct clock *clock, const char *firmware, char *why, size_t why_len);
void machine_free(struct machine *machine);

/*
 * Serves the guest's PV devices from now on; pv outlives the machine. Those that exist already are
 * found from the loop.
 */
void machine_serve_pv(struct machine *machine, struct pv *pv);

/* What firmware is told of the disks' contents: after privileges are dropped, before it runs. */
void machine_prepare(struct machine *machine);
/* Bytes of RAM below 4 GiB. */
uint64_t machine_low_ram(const struct config *config);
void machine_run(struct machine *machine);   /* nothing when it runs already */
void machine_cont(struct machine *machine);  /* the same, and the toolstack is through with it */
void machine_pause(struct machine *machine); /* stop: drains; afterwards nothing is in flight */
void machine_reset(struct machine *machine); /* every chip to power-on, in wiring order */
/* The reset button: under Xen the toolstack makes the domain anew, else a reset in place
 * follows. */
void machine_ask_reset(struct machine *machine);
void machine_power_button(struct machine *machine);
bool machine_wakeup(struct machine *machine); /* from S3; false: not suspended */

/* By either id or by its file; or NULL. */
struct drive *machine_drive(struct machine *machine, const char *id);

/*
 * Hot-plug of a CPU (device_add of its type, or cpu-add). False: no such CPU, or it is there.
 */
bool machine_plug_cpu(struct machine *machine, unsigned cpu);
bool machine_cpu_online(const struct machine *machine, unsigned cpu);

/*
 * device_add, device_del. What lives on after the call is copied from the config_device. Unplug is
 * false where there is no such device that could be unplugged; a `why` that is not empty says that
 * it won't be. It may take until the guest lets go of it.
 */
bool machine_plug(struct machine *machine, const struct config_device *device, char *why,
                  size_t why_len);
bool machine_unplug(struct machine *machine, const char *id, char *why, size_t why_len);

#endif
