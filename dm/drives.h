/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Media into drives: opens the images of the command line, plugs them in, and keeps the list by
 * which the monitor finds them. One thread.
 */
#ifndef DM_DRIVES_H
#define DM_DRIVES_H

#include <stdbool.h>

#include "machine.h"

struct board;
struct config_device;
struct fdc_pins;
struct piix_ide_pins;

/* Opens what hangs on the IDE and fills in the pins' drives. False with board->why, also where some
 * other drive of the command line has no place in this machine. */
bool drives_open(struct board *board, struct piix_ide_pins *pins);

/* The controller holds its own references by now. */
void drives_opened(struct piix_ide_pins *pins);

/* Once the controller exists: the monitor's side of its drives. */
void drives_list(struct board *board);

/* An AHCI controller with its drives. False with board->why. */
bool drives_add_ahci(struct board *board, const struct config_device *device);

/* The drive= of a USB disk, opened and listed; NULL with board->why. The list holds a reference:
 * removed after the disk is. */
struct drive *drives_add_usb(struct board *board, const struct config_device *device);
void drives_remove_usb(struct board *board, struct drive *drive);

/* The same three for the floppy controller. */
bool drives_open_floppies(struct board *board, struct fdc_pins *pins);
void drives_opened_floppies(struct fdc_pins *pins);
void drives_list_floppies(struct board *board);

void drives_free(struct machine *machine);

/* Waits until nothing is in flight on any image. */
void drives_drain(struct machine *machine);

/* What was written is on stable storage, for every image. False: `why` names one where it isn't. */
bool drives_flush(struct machine *machine, char *why, size_t why_len);

/* The unplug protocol: disks leave IDE and AHCI; the list shows them without a medium. */
void drives_unplug(struct board *board, bool keep_primary_master);

/*
 * The image of a PV disk: that of the emulated drive with the same file, or else opened for it,
 * with a reference for the caller. One object, so that a format's own memory is one, and what the
 * one side wrote the other reads. NULL: the log says why.
 */
struct block *drives_image(struct machine *machine, const char *format, const char *path,
                           bool read_only);

#endif
