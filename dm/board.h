/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the machine share among themselves: the wires between the chips. machine.c
 * draws the board; drives.c plugs in the media, ports.c the serial lines. One thread.
 */
#ifndef DM_BOARD_H
#define DM_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"
#include "rom.h"

enum { ISA_IRQS = 16, BOARD_ROMS = 8, COM_PORTS = 4, BOARD_AHCIS = 4 };

struct board {
    struct machine *machine;
    /* chips that others reach by name */
    struct acpi_gpe *gpe;
    struct piix4_pm *pm; /* NULL: -no-acpi */
    struct piix_ide *ide;
    struct ahci *ahci[BOARD_AHCIS];
    unsigned ahci_count;
    struct i8237 *dma;
    struct fdc *fdc;
    struct i8042 *i8042;
    struct cmos *cmos;
    struct backends *backends; /* NULL: not on Xen, or not to be had under dm_restrict */
    struct kernel *kernel; /* NULL: no -kernel */
    struct nics *nics;     /* nics.c's own; NULL: no NIC */
    /* USB (usb.c): controllers in their order, devices the newest first */
    struct usb_host *usb_hosts;
    struct usb_plugged *usb_plugged;
    /* ISA lines: each is the wire-OR of what hangs on it */
    uint32_t isa_inputs[ISA_IRQS];
    unsigned isa_taken[ISA_IRQS];
    /* a reset that waits for the access that asked for it to end (socket engine) */
    struct loop_task reset_task;
    struct rom_file roms[BOARD_ROMS];
    unsigned rom_count;
    char *why;
    size_t why_len;
};

/* The next input of ISA line irq. */
struct irq board_isa(struct board *board, unsigned irq);

/* Puts a chip into the machine's list; the order is that of reset and save. */
void board_add(struct board *board, const struct device_ops *ops, void *dev, const char *id);

/* Takes it out again; it is the caller's to free. */
void board_remove(struct board *board, const void *dev);

/* False, with the sentence in board->why. */
bool board_refuse(struct board *board, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whether something with that id can be plugged in while the guest runs; a function of the PCI bus
 * has to be noticed by it. False with board->why. */
bool board_may_plug(struct board *board, const char *id, bool function);

/* What had that id is gone: the monitors are told. */
void board_tell_gone(struct board *board, const char *id);

/* A firmware image for as long as the board lives; false with board->why. */
bool board_rom(struct board *board, const char *name, const uint8_t **bytes, uint32_t *len);

/* For the reset outputs of chips and for the guest's power-off. */
void board_reset_wire(void *board);
void board_power_off_wire(void *board);

#endif
