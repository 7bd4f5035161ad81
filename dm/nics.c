/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of network cards, and their cables. See nics.h.
 */
#include "nics.h"

#include <stdio.h>
#include <string.h>

#include "argv.h"
#include "board.h"
#include "config.h"
#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/net.h"
#include "net/e1000.h"
#include "net/rtl8139.h"
#include "net/virtio_net.h"
#include "netdev.h"
#include "pc/acpi_gpe.h"

enum { VECTORS_MAX = 2048 /* PCI's */, MTU_MIN = 68 /* RFC 791's */ };

/* A card is one row. */
static const struct model {
    const char *name; /* as the command line resolves it */
    /* what firmware boots from; the first one that is there */
    const char *roms[2];
    bool pairs; /* several queues, and what goes with them */
    void *(*make)(const struct nic_pins *pins);
    struct pci_function *(*function)(void *dev);
    const struct device_ops *ops;
} models[] = {
    {"rtl8139", {"efi-rtl8139.rom", "pxe-rtl8139.rom"}, false, rtl8139_new,
     rtl8139_function, &rtl8139_device},
    {"e1000", {"efi-e1000.rom", "pxe-e1000.rom"}, false, e1000_new, e1000_function, &e1000_device},
    {"virtio-net-pci", {"efi-virtio.rom", "pxe-virtio.rom"}, true, virtio_net_new,
     virtio_net_function, &virtio_net_device},
};

/* Cables and cards outlive their unplugging: the machine's list still resets and saves the card. */
struct netdev {
    const char *id;
    struct net *net;
    struct nic *nic;
    struct config *owned; /* of netdev_add: the strings; else NULL */
    struct netdev *next;
};

struct nic {
    const struct model *model;
    void *dev;
    const char *id;        /* of the -device, or "" */
    struct netdev *netdev; /* NULL: no cable */
    struct rom_file rom;
    uint8_t mac[6];
    struct config *owned; /* of device_add: the strings; else NULL */
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

static void free_netdev(struct nics *nics, struct netdev *d) {
    struct netdev **p = &nics->netdevs;
    while (*p != d)
        p = &(*p)->next;
    *p = d->next;
    net_free(d->net);
    config_free(d->owned);
    mem_free(d);
}

static bool find_cable(struct board *b, const struct config_device *device,
                       struct netdev **netdev) {
    const char *id = opts_get(device->opts, "netdev");
    *netdev = NULL;
    if (!id)
        return true;
    *netdev = find_netdev(nics_of(b), id);
    if (!*netdev && device->netdev)
        *netdev = open_netdev(b, device->netdev);
    else if (!*netdev)
        board_refuse(b, "%s: there is no netdev \"%s\"", device->opts->origin, id);
    if (*netdev && (*netdev)->nic)
        return board_refuse(b, "%s %s: netdev \"%s\" has a card already", device->opts->origin,
                            device->opts->text, (*netdev)->id);
    return *netdev != NULL;
}

/* ---- cards ---- */

/* romfile= as it is; else the distribution's, and if there is none, no network boot. */
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

/* mq=, vectors=, host_mtu=: as many pairs as the netdev says, where they are wanted. */
static bool take_further(struct board *b, const struct model *model,
                         const struct config_device *device, struct nic_pins *pins) {
    static const char *const keys[] = {"mq", "vectors", "host_mtu"};
    uint64_t vectors = 0, mtu = 0;
    bool mq = false;
    for (unsigned i = 0; i < ARRAY_LEN(keys) && !model->pairs; i++)
        if (opts_get(device->opts, keys[i]))
            return board_refuse(b, "%s %s: %s= is for virtio-net-pci", device->opts->origin,
                                device->opts->text, keys[i]);
    if (!opts_bool(device->opts, "mq", &mq, b->why, b->why_len) ||
        !opts_number(device->opts, "vectors", VECTORS_MAX, &vectors, b->why, b->why_len) ||
        !opts_number(device->opts, "host_mtu", UINT16_MAX, &mtu, b->why, b->why_len))
        return false;
    const char *bad = opts_get(device->opts, "vectors") && !vectors ? "vectors"
                      : mtu && mtu < MTU_MIN                        ? "host_mtu"
                                                                    : NULL;
    if (bad)
        return board_refuse(b, "%s %s: %s=%s is too little", device->opts->origin,
                            device->opts->text, bad, opts_get(device->opts, bad));
    pins->pairs = mq && pins->net ? pins->net->queues : 1;
    pins->vectors = (unsigned)vectors;
    pins->mtu = (unsigned)mtu;
    return true;
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
    if (!take_further(b, model, device, &pins))
        return false;
    struct rom_file rom = {0};
    if (!find_rom(b, model, device, &rom))
        return false;
    pins.rom = rom.bytes;
    pins.rom_len = rom.len;
    void *dev = model->make(&pins);
    if (!dev) {
        rom_close(&rom);
        return board_refuse(b, "%s %s: its PCI slot is taken, or none is free",
                            device->opts->origin, device->opts->text);
    }
    const uint8_t *id = model->function(dev)->config;
    if (!opts_get(device->opts, "romfile"))
        rom_name(&rom, load_le16(id + PCI_VENDOR), load_le16(id + PCI_DEVICE));
    nic = mem_new(sizeof(*nic));
    *nic = (struct nic){.model = model, .dev = dev, .id = device->id, .netdev = netdev, .rom = rom,
                        .next = nics->cards};
    memcpy(nic->mac, pins.mac, sizeof(nic->mac));
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

/* The strings of a config that the card was made from go with it. */
static void forget(struct nics *nics, struct nic *nic) {
    struct nic **p = &nics->cards;
    while (*p != nic)
        p = &(*p)->next;
    *p = nic->next;
    if (nic->netdev)
        nic->netdev->nic = NULL;
    rom_close(&nic->rom);
    config_free(nic->owned);
    mem_free(nic);
}

void nics_free(struct board *b) {
    struct nics *nics = b->nics;
    if (!nics)
        return;
    while (nics->cards)
        forget(nics, nics->cards);
    while (nics->netdevs)
        free_netdev(nics, nics->netdevs);
    mem_free(nics);
    b->nics = NULL;
}

/* ---- plugging ---- */

static struct nic *card_at(const struct nics *nics, const struct pci_function *fn) {
    for (struct nic *nic = nics ? nics->cards : NULL; nic; nic = nic->next)
        if (nic->model->function(nic->dev) == fn)
            return nic;
    return NULL;
}

static struct nic *card_named(const struct nics *nics, const char *id) {
    for (struct nic *nic = nics ? nics->cards : NULL; nic; nic = nic->next)
        if (*id && !strcmp(nic->id, id))
            return nic;
    return NULL;
}

void nics_eject(struct board *b, struct pci_function *fn) {
    struct nic *nic = card_at(b->nics, fn);
    pci_remove(fn);
    if (!nic)
        return;
    board_tell_gone(b, nic->id);
    board_remove(b, nic->dev);
    nic->model->ops->free(nic->dev);
    forget(b->nics, nic);
}

bool nics_is_model(const char *driver) {
    return find_model(driver) != NULL;
}

bool nics_has(const struct board *b, const char *id) {
    return card_named(b->nics, id);
}

/* The board's own place for messages is gone after the start. */
static bool with_why(struct board *b, char *why, size_t why_len) {
    b->why = why;
    b->why_len = why_len;
    return true;
}

bool nics_plug(struct machine *m, const char *json, char *why, size_t why_len) {
    struct board *b = m->board;
    struct config *config = argv_parse_plugged("device_add", json, why, why_len);
    bool ok = config && with_why(b, why, why_len) &&
              board_may_plug(b, config->devices[0].id, true) && nics_add(b, &config->devices[0]);
    if (!ok) {
        config_free(config);
        return false;
    }
    struct nic *nic = b->nics->cards;
    nic->owned = config;
    acpi_gpe_slot_up(b->gpe, nic->model->function(nic->dev)->devfn >> 3);
    return true;
}

bool nics_ask_eject(struct machine *m, const char *id, bool *known, char *why, size_t why_len) {
    struct nic *nic = card_named(m->board->nics, id);
    *known = nic != NULL;
    if (!nic)
        return false;
    const struct pci_function *fn = nic->model->function(nic->dev);
    if (!fn->bus || !m->board->gpe) {
        snprintf(why, why_len, "device_del %s: %s", id,
                 fn->bus ? "without ACPI (acpi=0) the guest can't be asked to let a card go"
                         : "the guest's drivers have unplugged it");
        return false;
    }
    acpi_gpe_slot_down(m->board->gpe, fn->devfn >> 3);
    return true;
}

/* ---- netdevs at run time ---- */

bool nics_set_link(struct machine *m, const char *name, bool up, char *why, size_t why_len) {
    const struct nics *nics = m->board->nics;
    const struct nic *nic = card_named(nics, name);
    struct netdev *d = nic ? nic->netdev : nics ? find_netdev(nics, name) : NULL;
    if (d) {
        net_set_link(d->net, up);
        return true;
    }
    snprintf(why, why_len, "set_link: there is no netdev or card \"%.64s\"%s", name,
             nic ? " with a netdev" : "");
    return false;
}

bool nics_add_netdev(struct machine *m, const char *json, char *why, size_t why_len) {
    struct config *config = argv_parse_plugged("netdev_add", json, why, why_len);
    struct netdev *d = NULL;
    if (config && find_netdev(nics_of(m->board), config->netdevs[0].id))
        snprintf(why, why_len, "netdev_add: there is a netdev \"%.64s\" already",
                 config->netdevs[0].id);
    else if (config && with_why(m->board, why, why_len))
        d = open_netdev(m->board, &config->netdevs[0]);
    if (d)
        d->owned = config;
    else
        config_free(config);
    return d;
}

/* Its card keeps a cable that leads nowhere, and sees that it is out. */
bool nics_del_netdev(struct machine *m, const char *id, char *why, size_t why_len) {
    struct nics *nics = m->board->nics;
    struct netdev *d = nics ? find_netdev(nics, id) : NULL;
    if (!d) {
        snprintf(why, why_len, "netdev_del: there is no netdev \"%.64s\"", id);
        return false;
    }
    if (!d->nic) {
        free_netdev(nics, d);
        return true;
    }
    net_set_link(d->net, false);
    net_close(d->net);
    d->id = ""; /* the name is free for another */
    return true;
}

/* ---- for people ---- */

static void print_cable(const struct netdev *d, char *text, size_t len) {
    const struct net_stats *s = &d->net->stats;
    snprintf(text, len, "%s: %s, link %s, sent %llu (%llu lost), received %llu",
             *d->id ? d->id : "(deleted)", d->net->closed ? "closed" : "open",
             d->net->link_up ? "up" : "down", (unsigned long long)s->tx_frames,
             (unsigned long long)s->tx_dropped, (unsigned long long)s->rx_frames);
}

void nics_print(const struct machine *m, void (*line)(void *arg, const char *text), void *arg) {
    const struct nics *nics = m->board->nics;
    char text[256], cable[200];
    for (const struct nic *nic = nics ? nics->cards : NULL; nic; nic = nic->next) {
        const uint8_t *mac = nic->mac;
        snprintf(text, sizeof(text), "%s: model=%s,macaddr=%02x:%02x:%02x:%02x:%02x:%02x%s",
                 *nic->id ? nic->id : nic->model->name, nic->model->name, mac[0], mac[1], mac[2],
                 mac[3], mac[4], mac[5], nic->model->function(nic->dev)->bus ? "" : ", unplugged");
        line(arg, text);
        if (!nic->netdev)
            continue;
        print_cable(nic->netdev, cable, sizeof(cable));
        snprintf(text, sizeof(text), " \\ %s", cable);
        line(arg, text);
    }
    for (const struct netdev *d = nics ? nics->netdevs : NULL; d; d = d->next) {
        if (d->nic)
            continue;
        print_cable(d, text, sizeof(text));
        line(arg, text);
    }
}
