/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every PCI network card is given. A card NAME has in its header
 *
 *     void *NAME_new(const struct nic_pins *pins);        NULL: the slot is taken
 *     struct pci_function *NAME_function(void *dev);
 *     extern const struct device_ops NAME_device;
 *
 * and a row in dm/nics.c. It sets pins->net->user when it is made and clears it when it is freed;
 * a net whose host end has gone stays valid until then.
 */
#ifndef DEVICES_NET_NIC_H
#define DEVICES_NET_NIC_H

#include "core/clock.h"
#include "core/device.h"
#include "core/net.h"
#include "core/pci.h"

struct nic_pins {
    struct pci_bus *pci;
    unsigned devfn;
    struct clock *clock;
    struct net *net; /* NULL: no cable */
    uint8_t mac[6];
    const uint8_t *rom; /* NULL: none */
    uint32_t rom_len;
    const char *qdev_id; /* of the command line, or "" */
    /* of cards that can (virtio-net) */
    unsigned pairs;   /* of queues, at most; 0 and 1: one */
    unsigned vectors; /* of MSI-X; 0: one for each thing that interrupts */
    unsigned mtu;     /* that the guest shall use; 0: what it likes */
};

#endif
