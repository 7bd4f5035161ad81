/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Intel 82540EM, a gigabit Ethernet card ("PRO/1000 MT Desktop"). See e1000.c.
 */
#ifndef DEVICES_NET_E1000_H
#define DEVICES_NET_E1000_H

#include "net/nic.h"

void *e1000_new(const struct nic_pins *pins);
struct pci_function *e1000_function(void *dev);
extern const struct device_ops e1000_device;

#endif
