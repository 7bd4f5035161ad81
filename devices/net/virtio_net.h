/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio network device. See virtio_net.c.
 */
#ifndef DEVICES_NET_VIRTIO_NET_H
#define DEVICES_NET_VIRTIO_NET_H

#include "net/nic.h"

void *virtio_net_new(const struct nic_pins *pins);
struct pci_function *virtio_net_function(void *dev);
extern const struct device_ops virtio_net_device;

#endif
