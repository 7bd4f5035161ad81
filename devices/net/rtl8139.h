/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTL8139C+, the network card that xl gives a guest unless model= says otherwise. See nic.h.
 */
#ifndef NET_RTL8139_H
#define NET_RTL8139_H

#include "net/nic.h"

void *rtl8139_new(const struct nic_pins *pins);
struct pci_function *rtl8139_function(void *dev);
extern const struct device_ops rtl8139_device;

#endif
