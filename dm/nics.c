/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of network cards, and their cables. See nics.h.
 */
#include "nics.h"

#include <stdio.h>
#include <string.h>

#include "board.h"
#include "config.h"
#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/net.h"
#include "net/e1000.h"
#include "net/rtl8139.h"
#include "netdev.h"

/* A card is one row. */
static const struct model {
    const char *name; /* as the command line resolves it */
    /* what firmware boots from; the first one that is there */
    const char *roms[2];
    void *(*make)(const struct nic_pins *pins);
    struct pci_function *(*function)(void *dev);
    const struct device_ops *ops;
} models[] = {
    {"rtl8139", {"efi-rtl8139.rom", "pxe-rtl8139.rom"}, rtl8139_new, rtl8139_function,
     &rtl8139_device},
    {"e1000", {"efi-e1000.rom", "pxe-e1000.rom"}, e1000_new, e1000_function, &e1000_device},
};

/* Cables and cards outlive their unplugging: the machine's list still resets and saves the card. */
struct netdev {
    const char *id;
    struct net *net;
    struct nic *nic;
    struct netdev *next;
};

struct nic {
    const struct model *model;
    void *dev;
    struct netdev *netdev; /* NULL: no cable */
    struct rom_file rom;
    struct nic *next;
};

struct nics {
    struct netdev *netdevs;
    struct nic *cards;
    unsigned made;
};

static struct nics *nics_of(struct board *b) {
    if (!b->nics)
        b->nics = mem_new(sizeof(*b->nics));
    return b->nics;
}

static const struct model *find_model(const char *name) {
    for (unsigned i = 0; i < ARRAY_LEN(models); i++)
        if (!strcmp(models[i].name, name))
            return &models[i];
    return NULL;
}

/* ---- cables ---- */

static struct netdev *find_netdev(const struct nics *nics, const char *id) {
    for (struct netdev *d = nics->netdevs; d; d = d->next)
        if (!strcmp(d->id, id))
            return d;
    return NULL;
}

static struct netdev *open_netdev(struct board *b, const struct config_netdev *config) {
    struct nics *nics = nics_of(b);
    struct net *net = netdev_open(b->machine->loop, config, b->why, b->why_len);
    if (!net)
        return NULL;
    net_pause(net, b->machine->state != RUN_RUNNING);
    struct netdev *d = mem_new(sizeof(*d));
    *d = (struct netdev){.id = config->id, .net = net, .next = nics->netdevs};
    nics->netdevs = d;
    return d;
}

static bool find_cable(struct board *b, const struct config_device *device,
                       struct netdev **netdev) {
    *netdev = NULL;
    if (!device->netdev)
        return true;
    *netdev = find_netdev(nics_of(b), device->netdev->id);
    if (!*netdev)
        *netdev = open_netdev(b, device->netdev);
    if (*netdev && (*netdev)->nic) {
        snprintf(b->why, b->why_len, "%s %s: netdev \"%s\" has a card already",
                 device->opts->origin, device->opts->text, (*netdev)->id);
        return false;
    }
    return *netdev != NULL;
}

/* ---- cards ---- */

/* romfile= as asked; else the distribution's, and if there is none, no network boot. */
static bool find_rom(struct board *b, const struct model *model,
                     const struct config_device *device, struct rom_file *rom) {
    const char *asked = opts_get(device->opts, "romfile");
    if (asked)
        return !*asked || rom_open(asked, rom, b->why, b->why_len);
    char why[256] = "";
    for (unsigned i = 0; i < ARRAY_LEN(model->roms) && model->roms[i]; i++)
        if (rom_open(model->roms[i], rom, why, sizeof(why)))
            return true;
    if (*why)
        log_warn("%s: no network boot from this card: %s", device->opts->text, why);
    return true;
}

/* What libxl always gives; those that people's command lines leave out count up. */
static void choose_mac(struct nics *nics, const struct config_device *device, uint8_t mac[6]) {
    static const uint8_t first[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    memcpy(mac, device->has_mac ? device->mac : first, 6);
    if (!device->has_mac)
        mac[5] = (uint8_t)(mac[5] + nics->made);
}

bool nics_add(struct board *b, const struct config_device *device) {
    struct nics *nics = nics_of(b);
    const struct model *model = find_model(device->name);
    struct machine *m = b->machine;
    struct netdev *netdev;
    struct nic *nic;
    if (!model) {
        config_refuse(device, b->why, b->why_len);
        return false;
    }
    if (!find_cable(b, device, &netdev))
        return false;
    struct nic_pins pins = {
        .pci = m->pci, .clock = m->clock, .net = netdev ? netdev->net : NULL,
        .devfn = device->devfn >= 0 ? (unsigned)device->devfn : PCI_DEVFN_FREE,
        .qdev_id = device->id};
    choose_mac(nics, device, pins.mac);
    struct rom_file rom = {0};
    if (!find_rom(b, model, device, &rom))
        return false;
    pins.rom = rom.bytes;
    pins.rom_len = rom.len;
    void *dev = model->make(&pins);
    if (!dev) {
        snprintf(b->why, b->why_len, "%s %s: its PCI slot is taken, or none is free",
                 device->opts->origin, device->opts->text);
        rom_close(&rom);
        return false;
    }
    nic = mem_new(sizeof(*nic));
    *nic = (struct nic){model, dev, netdev, rom, nics->cards};
    nics->cards = nic;
    nics->made++;
    model->function(dev)->hotplug = true;
    if (netdev)
        netdev->nic = nic;
    board_add(b, model->ops, dev, *device->id ? device->id : "nic");
    return true;
}

void nics_unplug(struct board *b) {
    for (struct netdev *d = b->nics ? b->nics->netdevs : NULL; d; d = d->next)
        if (d->nic)
            net_close(d->net);
    for (struct nic *nic = b->nics ? b->nics->cards : NULL; nic; nic = nic->next)
        pci_remove(nic->model->function(nic->dev));
}

void nics_pause(struct board *b, bool pause) {
    for (struct netdev *d = b->nics ? b->nics->netdevs : NULL; d; d = d->next)
        net_pause(d->net, pause);
}

void nics_eject(struct board *b, struct pci_function *fn) {
    (void)b;
    pci_remove(fn);
}

void nics_free(struct board *b) {
    struct nics *nics = b->nics;
    if (!nics)
        return;
    while (nics->cards) {
        struct nic *nic = nics->cards;
        nics->cards = nic->next;
        rom_close(&nic->rom);
        mem_free(nic);
    }
    while (nics->netdevs) {
        struct netdev *d = nics->netdevs;
        nics->netdevs = d->next;
        net_free(d->net);
        mem_free(d);
    }
    mem_free(nics);
    b->nics = NULL;
}
