/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB host controllers and the devices on them, from the command line and by hot-plug. One thread.
 */
#ifndef DM_USB_H
#define DM_USB_H

#include <stdbool.h>

struct board;
struct config_device;
struct pci_function;

/* -usb: the PIIX3's own controller. False with board->why, as all of these. */
bool usb_add_builtin(struct board *board);
/* A -device that is a controller, or one that is plugged into a controller. */
bool usb_add_host(struct board *board, const struct config_device *device);
bool usb_add_device(struct board *board, const struct config_device *device);
/* -usbdevice tablet, mouse, keyboard, host:BUS.ADDR, host:VENDOR:PRODUCT. */
bool usb_add_named(struct board *board, const char *name);

bool usb_has(const struct board *board, const char *id);
/* The guest runs already: it is told of a controller; a device shows by itself. */
bool usb_plug(struct board *board, const struct config_device *device);
/* False: no USB device or controller has that id. A controller leaves when the guest lets go. */
bool usb_unplug(struct board *board, const char *id);
/* The guest has let go of a function. False: it is no USB controller. */
bool usb_ejected(struct board *board, struct pci_function *fn);

void usb_free(struct board *board);

#endif
