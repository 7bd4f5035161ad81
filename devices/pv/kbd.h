/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend of a guest's PV keyboard and pointer: what people do goes there, and not to the PS/2
 * ones, once its driver is connected. Document: xen/io/kbdif.h. One thread.
 */
#ifndef DEVICES_PV_KBD_H
#define DEVICES_PV_KBD_H

#include "pv/xenbus.h"

extern const struct xenbus_type pv_kbd_type; /* its owner is the machine's struct input */

#endif
