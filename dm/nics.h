/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network cards and what they are plugged into: the netdevs of the command line and of the monitor,
 * the cards on them, and the half of the unplug protocol that takes them away. One thread.
 */
#ifndef DM_NICS_H
#define DM_NICS_H

#include <stdbool.h>
#include <stddef.h>

struct board;
struct config_device;
struct config_netdev;
struct machine;

/* A -device that is a NIC; opens its netdev. False with board->why. */
bool nics_add(struct board *board, const struct config_device *device);

/* The unplug protocol: links end (a tap is gone), cards leave the bus. Again does nothing. */
void nics_unplug(struct board *board);

/* The machine stands still, or goes on. */
void nics_pause(struct board *board, bool pause);

/* The guest lets go the card at that place, after it was asked or of its own will. */
struct pci_function;
void nics_eject(struct board *board, struct pci_function *fn);

void nics_free(struct board *board);

#endif
