/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network cards and what they are plugged into: the netdevs of the command line, the cards on them,
 * and the half of the unplug protocol that takes them away. One thread.
 */
#ifndef DM_NICS_H
#define DM_NICS_H

#include <stdbool.h>

struct board;
struct config_device;

/* A -device that is a NIC. False with board->why. */
bool nics_add(struct board *board, const struct config_device *device);

/* The unplug protocol: links end (a tap is gone), cards leave the bus. Again does nothing. */
void nics_unplug(struct board *board);

void nics_free(struct board *board);

#endif
