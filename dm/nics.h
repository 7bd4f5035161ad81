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
struct pci_function;

/* A -device that is a NIC; opens its netdev. False with board->why. */
bool nics_add(struct board *board, const struct config_device *device);

/* The unplug protocol: links end (a tap is gone), cards leave the bus. Again does nothing. */
void nics_unplug(struct board *board);

/* The machine stands still, or goes on. */
void nics_pause(struct board *board, bool pause);

/* The guest has let go the function that can be ejected; its card, if it is one of ours, goes. */
void nics_eject(struct board *board, struct pci_function *fn);

/*
 * What the monitor asks for. Names are those of netdevs and of cards. False: `why` is a sentence.
 * JSON is the arguments of netdev_add and of device_add.
 */
bool nics_set_link(struct machine *machine, const char *name, bool up, char *why, size_t why_len);
bool nics_add_netdev(struct machine *machine, const char *json, char *why, size_t why_len);
bool nics_del_netdev(struct machine *machine, const char *id, char *why, size_t why_len);
bool nics_has(const struct board *board, const char *id);
bool nics_is_model(const char *driver);
bool nics_plug(struct machine *machine, const char *json, char *why, size_t why_len);
/* Asks the guest to let the card go. *known: there is such a card. */
bool nics_ask_eject(struct machine *machine, const char *id, bool *known, char *why,
                    size_t why_len);
/* A line for each card and each netdev without one. */
void nics_print(const struct machine *machine, void (*line)(void *arg, const char *text),
                void *arg);

void nics_free(struct board *board);

#endif
