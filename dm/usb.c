/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See usb.h. A controller with id= "usb" has the bus "usb.0"; the built-in one's is "usb-bus.0". A
 * device without port= goes where guests of libxl are used to find it: to the first free port, but
 * the last one of a controller with two gets a hub, which takes what comes then.
 */
#include "usb.h"

#include <stdio.h>
#include <string.h>

#include "board.h"
#include "config.h"
#include "core/bits.h"
#include "core/mem.h"
#include "drives.h"
#include "pc/acpi_gpe.h"
#include "usb/hid.h"
#include "usb/hub.h"
#include "usb/storage.h"
#include "usb/uhci.h"
#include "usb_find.h"
#include "usb_real.h"
#include "usb/xhci.h"

enum { ID_LEN = 64, PATH_LEN = 32 };

struct usb_host {
    struct usb_host *next;
    char id[ID_LEN];  /* of the -device, or what it is called without one */
    char bus[ID_LEN]; /* "usb.0" */
    const struct device_ops *chip;
    void *dev;
    struct usb_port *ports;
    unsigned port_count;
    struct pci_function *fn;
};

struct usb_plugged {
    struct usb_plugged *next;
    struct usb_host *host;
    struct usb_device *dev;
    struct drive *drive; /* a disk's, or NULL */
    char id[ID_LEN]; /* of the -device, or bus and port */
    char serial[ID_LEN];
    bool own_serial; /* of the -device: as it is */
};

static bool id_fits(struct board *b, const struct config_device *device) {
    return strlen(device->id) < ID_LEN - 8 ||
           board_refuse(b, "-device %s: id=: at most %d characters", device->opts->text,
                        ID_LEN - 9);
}

/* ---- controllers ---- */

static struct usb_host *host_new(struct board *b, const char *id) {
    struct usb_host *host = mem_new(sizeof(*host)), **end = &b->usb_hosts;
    unsigned n = 0;
    for (; *end; end = &(*end)->next)
        n++;
    *end = host;
    if (*id)
        snprintf(host->id, sizeof(host->id), "%s", id);
    else if (n)
        snprintf(host->id, sizeof(host->id), "usb-bus%u", n);
    else
        snprintf(host->id, sizeof(host->id), "usb-bus");
    snprintf(host->bus, sizeof(host->bus), "%.50s.0", host->id);
    return host;
}

static void host_forget(struct board *b, struct usb_host *host) {
    struct usb_host **p = &b->usb_hosts;
    while (*p != host)
        p = &(*p)->next;
    *p = host->next;
    mem_free(host);
}

/* The chip, or NULL: its slot is taken. */
static bool host_made(struct board *b, struct usb_host *host, const struct device_ops *chip,
                      void *dev) {
    if (!dev) {
        board_refuse(b, "USB controller \"%s\": the PCI slot is taken, or none is free", host->id);
        host_forget(b, host);
        return false;
    }
    host->chip = chip;
    host->dev = dev;
    board_add(b, chip, dev, host->id);
    return true;
}

static bool add_uhci(struct board *b, uint16_t device_id, unsigned devfn, const char *id) {
    struct machine *m = b->machine;
    struct usb_host *host = host_new(b, id);
    struct uhci *uhci = uhci_new(&(struct uhci_pins){
        .pci = m->pci, .io = m->io, .clock = m->clock, .devfn = devfn, .device_id = device_id,
        .int_pin = 4, .qdev_id = *id ? host->id : NULL});
    if (!host_made(b, host, &uhci_device, uhci))
        return false;
    host->ports = uhci_ports(uhci);
    host->port_count = UHCI_PORTS;
    host->fn = uhci_function(uhci);
    return true;
}

/* p2= and p3= are how many ports of either kind there are: four, if nobody says. */
static bool add_xhci(struct board *b, const struct config_device *device, bool nec,
                     unsigned devfn) {
    struct machine *m = b->machine;
    uint64_t usb2 = 4, usb3 = 4;
    if (!opts_number(device->opts, "p2", XHCI_PLACES, &usb2, b->why, b->why_len) ||
        !opts_number(device->opts, "p3", XHCI_PLACES, &usb3, b->why, b->why_len))
        return false;
    if (!usb2 && !usb3)
        return board_refuse(b, "-device %s: p2=0 and p3=0 leave no port", device->opts->text);
    struct usb_host *host = host_new(b, device->id);
    struct xhci *xhci = xhci_new(&(struct xhci_pins){
        .pci = m->pci, .io = m->io, .clock = m->clock, .devfn = devfn, .nec = nec,
        .usb2 = (unsigned)usb2, .usb3 = (unsigned)usb3,
        .qdev_id = *device->id ? host->id : NULL});
    if (!host_made(b, host, &xhci_device, xhci))
        return false;
    host->ports = xhci_ports(xhci, &host->port_count);
    host->fn = xhci_function(xhci);
    return true;
}

bool usb_add_builtin(struct board *b) {
    return add_uhci(b, UHCI_PIIX3, 1 << 3 | 2, "");
}

bool usb_add_host(struct board *b, const struct config_device *device) {
    unsigned devfn = device->devfn >= 0 ? (unsigned)device->devfn : PCI_DEVFN_FREE;
    if (!id_fits(b, device))
        return false;
    if (!strcmp(device->name, "piix3-usb-uhci"))
        return add_uhci(b, UHCI_PIIX3, devfn, device->id);
    if (!strcmp(device->name, "piix4-usb-uhci"))
        return add_uhci(b, UHCI_PIIX4, devfn, device->id);
    if (!strcmp(device->name, "nec-usb-xhci") || !strcmp(device->name, "qemu-xhci"))
        return add_xhci(b, device, device->name[0] == 'n', devfn);
    config_refuse(device, b->why, b->why_len);
    return false;
}

/* ---- where a device goes ---- */

static bool is_root(const struct usb_host *host, const struct usb_port *port) {
    return port >= host->ports && port < host->ports + host->port_count;
}

/* "2.1": a hub is the `dev` of its ports. */
static size_t path_of(const struct usb_host *host, const struct usb_port *port, char *path,
                      size_t len) {
    size_t n = 0;
    if (!is_root(host, port)) {
        const struct usb_device *hub = port->dev;
        n = path_of(host, hub->port, path, len);
        n += (size_t)snprintf(path + n, len - n, ".");
    }
    return n + (size_t)snprintf(path + n, len - n, "%u", port->number + 1);
}

static struct usb_host *find_bus(struct board *b, const char *bus) {
    for (struct usb_host *host = b->usb_hosts; host; host = host->next)
        if (!strcmp(host->bus, bus))
            return host;
    return NULL;
}

static unsigned free_roots(const struct usb_host *host) {
    unsigned n = 0;
    for (unsigned i = 0; i < host->port_count; i++)
        n += !host->ports[i].device;
    return n;
}

static void plug_in(struct board *b, struct usb_host *host, struct usb_port *port,
                    struct usb_plugged *p, const char *id) {
    char path[PATH_LEN];
    path_of(host, port, path, sizeof(path));
    p->host = host;
    if (*id)
        snprintf(p->id, sizeof(p->id), "%s", id);
    else
        snprintf(p->id, sizeof(p->id), "%.40s/%.20s", host->bus, path);
    if (p->drive && *id)
        p->drive->qdev_id = p->id;
    unsigned devfn = host->fn->devfn;
    size_t n = strlen(p->serial);
    if (!p->own_serial)
        snprintf(p->serial + n, sizeof(p->serial) - n, "-0000:00:%02x.%u-%.20s", devfn >> 3,
                 devfn & 7, path);
    p->dev->id = p->id;
    board_add(b, p->dev->ops->chip, p->dev, p->id);
    p->next = b->usb_plugged;
    b->usb_plugged = p;
}

enum { A_HUB = HID_KINDS, A_DISK, A_REAL };

static const struct usb_kind {
    const char *name;
    const char *plain;  /* in -usbdevice, or NULL */
    const char *serial; /* the first part of its serial number */
    unsigned what;      /* enum hid_kind, A_HUB, A_DISK, A_REAL */
} kinds[] = {
    {"usb-tablet", "tablet", "28754", HID_TABLET},
    {"usb-mouse", "mouse", "89126", HID_MOUSE},
    {"usb-kbd", "keyboard", "68284", HID_KEYBOARD},
    {"usb-storage", NULL, "1", A_DISK},
    {"usb-host", NULL, "", A_REAL},
    {"usb-hub", NULL, "314159", A_HUB}, /* the last */
};

static bool make_disk(struct board *b, struct usb_plugged *p, const struct config_device *device) {
    const char *serial = opts_get(device->opts, "serial");
    bool removable = false;
    if (!opts_bool(device->opts, "removable", &removable, b->why, b->why_len))
        return false;
    p->drive = drives_add_usb(b, device);
    if (!p->drive)
        return false;
    p->own_serial = serial != NULL;
    if (serial)
        snprintf(p->serial, sizeof(p->serial), "%s", serial);
    p->dev = storage_new(&(struct storage_pins){
        .block = p->drive->block, .removable = removable, .serial = p->serial});
    return true;
}

static bool make_real(struct board *b, struct usb_plugged *p, const struct config_device *device,
                      const char *name) {
    struct usb_wanted wanted;
    if (device ? !usb_real_options(device->opts, &wanted, b->why, b->why_len)
               : !usb_real_name(name, &wanted))
        return false;
    p->dev = usb_real_make(b->machine->loop, &wanted, b->why, b->why_len);
    return p->dev;
}

/* What only devices of one kind know what to do with. */
static bool keys_fit(struct board *b, const struct usb_kind *kind,
                     const struct config_device *device) {
    static const struct {
        const char *key;
        unsigned what;
    } keys[] = {
        {"drive", A_DISK}, {"serial", A_DISK}, {"removable", A_DISK}, {"hostbus", A_REAL},
        {"hostaddr", A_REAL}, {"hostport", A_REAL}, {"vendorid", A_REAL}, {"productid", A_REAL},
    };
    for (unsigned i = 0; device && i < ARRAY_LEN(keys); i++)
        if (kind->what != keys[i].what && opts_get(device->opts, keys[i].key))
            return board_refuse(b, "%s: %s= is not implemented", kind->name, keys[i].key);
    return true;
}

/* `name`: a device of the host's without a -device. */
static struct usb_plugged *make(struct board *b, const struct usb_kind *kind,
                                const struct config_device *device, const char *name) {
    struct usb_plugged *p = mem_new(sizeof(*p));
    snprintf(p->serial, sizeof(p->serial), "%s", kind->serial);
    if (kind->what == A_DISK || kind->what == A_REAL) {
        bool made = kind->what == A_DISK ? make_disk(b, p, device)
                                         : make_real(b, p, device, name);
        if (!made) {
            mem_free(p);
            return NULL;
        }
    } else if (kind->what == A_HUB) {
        p->dev = hub_new(NULL, p->serial);
    } else {
        p->dev = hid_new(&(struct hid_pins){
            .kind = (enum hid_kind)kind->what, .input = b->machine->input,
            .clock = b->machine->clock, .serial = p->serial});
    }
    return p;
}

static void unmake(struct board *b, struct usb_plugged *p) {
    p->dev->ops->chip->free(p->dev);
    if (p->drive)
        drives_remove_usb(b, p->drive);
    mem_free(p);
}

/* Into that port. Takes `p`. */
static bool attach(struct board *b, struct usb_host *host, struct usb_port *port,
                   const struct usb_kind *kind, struct usb_plugged *p, const char *id) {
    if (b->machine->device_count == MACHINE_DEVICES) {
        unmake(b, p);
        return board_refuse(b, "%s: the machine has %d devices already", kind->name,
                            MACHINE_DEVICES);
    }
    plug_in(b, host, port, p, id);
    if (usb_attach(port, p->dev))
        return true;
    board_remove(b, p->dev);
    b->usb_plugged = p->next;
    unmake(b, p);
    return board_refuse(b, "%s: port %u of \"%s\" is taken, or is not for a device of this speed",
                        kind->name, port->number + 1, host->bus);
}

static bool has_hub(const struct usb_host *host) {
    bool found = false;
    for (unsigned i = 0; i < host->port_count; i++)
        found |= host->ports[i].device && host->ports[i].device->ops->port;
    return found;
}

/* The last root port of a small controller becomes a hub's before it is used up. */
static bool save_last_port(struct board *b, struct usb_host *host, const struct usb_kind *kind) {
    const struct usb_kind *hub = &kinds[ARRAY_LEN(kinds) - 1];
    if (host->port_count > UHCI_PORTS || kind == hub || free_roots(host) != 1 || has_hub(host))
        return true;
    return attach(b, host, usb_find_port(host->ports, host->port_count, NULL), hub,
                  make(b, hub, NULL, NULL), "");
}

static struct usb_port *find_place(struct board *b, struct usb_host *host,
                                   const struct usb_kind *kind, const char *path) {
    if (!path && !save_last_port(b, host, kind))
        return NULL;
    struct usb_port *port = usb_find_port(host->ports, host->port_count, path);
    if (!port)
        board_refuse(b, "%s: there is no %s%s on \"%s\"", kind->name, path ? "port " : "free port",
                     path ? path : "", host->bus);
    return port;
}

/* A device of the host's may be too fast for a small controller. */
static bool speed_fits(struct board *b, const struct usb_kind *kind, const struct usb_host *host,
                       const struct usb_port *port, const struct usb_device *dev) {
    static const char *const names[] = {"low", "full", "high", "super"};
    unsigned slowest = 0;
    while (!(dev->speeds >> slowest & 1))
        slowest++;
    return port->speeds & dev->speeds ||
           board_refuse(b, "%s: the device needs a bus of %s speed; \"%s\" has not that",
                        kind->name, names[slowest], host->bus);
}

static bool place(struct board *b, const struct usb_kind *kind, const struct config_device *device,
                  const char *name) {
    const char *bus = device ? opts_get(device->opts, "bus") : NULL;
    const char *path = device ? opts_get(device->opts, "port") : NULL;
    struct usb_host *host = bus ? find_bus(b, bus) : b->usb_hosts;
    if (!host && bus)
        return board_refuse(b, "%s: there is no USB bus \"%s\"", kind->name, bus);
    if (!host)
        return board_refuse(b, "%s: there is no USB controller (usb=1, usbversion= or usbctrl=)",
                            kind->name);
    struct usb_plugged *p = make(b, kind, device, name);
    if (!p)
        return false;
    struct usb_port *port = find_place(b, host, kind, path);
    if (!port || !speed_fits(b, kind, host, port, p->dev)) {
        unmake(b, p);
        return false;
    }
    return attach(b, host, port, kind, p, device ? device->id : "");
}

bool usb_add_device(struct board *b, const struct config_device *device) {
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
        if (!strcmp(kinds[i].name, device->name))
            return id_fits(b, device) && keys_fit(b, &kinds[i], device) &&
                   place(b, &kinds[i], device, NULL);
    config_refuse(device, b->why, b->why_len);
    return false;
}

bool usb_add_named(struct board *b, const char *name) {
    struct usb_wanted wanted;
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
        if ((kinds[i].plain && !strcmp(kinds[i].plain, name)) ||
            (kinds[i].what == A_REAL && usb_real_name(name, &wanted)))
            return place(b, &kinds[i], NULL, name);
    return board_refuse(b, "-usbdevice %s (usbdevice=): not implemented; there are tablet, mouse, "
                           "keyboard and host:BUS.ADDR", name);
}

/* ---- while the guest runs ---- */

static struct usb_host *find_host(const struct board *b, const char *id) {
    for (struct usb_host *host = b->usb_hosts; host; host = host->next)
        if (!strcmp(host->id, id))
            return host;
    return NULL;
}

static struct usb_plugged *find_plugged(const struct board *b, const char *id) {
    for (struct usb_plugged *p = b->usb_plugged; p; p = p->next)
        if (!strcmp(p->id, id))
            return p;
    return NULL;
}

bool usb_has(const struct board *b, const char *id) {
    return find_host(b, id) || find_plugged(b, id);
}

bool usb_plug(struct board *b, const struct config_device *device) {
    bool function = device->kind != DEVICE_USB;
    if (!board_may_plug(b, device->id, function))
        return false;
    if (!function)
        return usb_add_device(b, device);
    if (!usb_add_host(b, device))
        return false;
    struct usb_host *host = b->usb_hosts;
    while (host->next)
        host = host->next;
    host->fn->hotplug = true;
    if (b->machine->state != RUN_PRELAUNCH) /* libxl plugs in before the guest has run: no event */
        acpi_gpe_slot_up(b->gpe, host->fn->devfn >> 3);
    return true;
}

static void remove_plugged(struct board *b, struct usb_plugged *p) {
    struct usb_plugged **at = &b->usb_plugged;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    board_tell_gone(b, p->id);
    board_remove(b, p->dev);
    unmake(b, p);
}

static bool is_behind(const struct usb_plugged *p, const struct usb_device *hub) {
    const struct usb_port *port = p->dev->port;
    while (port && !is_root(p->host, port)) {
        const struct usb_device *parent = port->dev;
        if (parent == hub)
            return true;
        port = parent->port;
    }
    return false;
}

/* A device with all that is behind it; NULL: all of the controller. */
static void remove_below(struct board *b, struct usb_host *host, struct usb_device *hub) {
    for (struct usb_plugged *p = b->usb_plugged, *next; p; p = next) {
        next = p->next;
        if (p->host == host && (!hub || is_behind(p, hub))) {
            remove_plugged(b, p);
            next = b->usb_plugged; /* the list begins anew */
        }
    }
}

static void remove_host(struct board *b, struct usb_host *host) {
    remove_below(b, host, NULL);
    board_tell_gone(b, host->id);
    board_remove(b, host->dev);
    host->chip->free(host->dev);
    host_forget(b, host);
}

bool usb_unplug(struct board *b, const char *id) {
    struct usb_plugged *p = find_plugged(b, id);
    struct usb_host *host = find_host(b, id);
    if (p) {
        remove_below(b, p->host, p->dev);
        remove_plugged(b, p);
    } else if (host && host->fn->hotplug && b->machine->state == RUN_PRELAUNCH) {
        remove_host(b, host);
        return true;
    } else if (host && host->fn->hotplug && b->gpe) {
        acpi_gpe_slot_down(b->gpe, host->fn->devfn >> 3);
    } else if (host) {
        board_refuse(b, "the machine started with it");
    }
    return p || host;
}

bool usb_ejected(struct board *b, struct pci_function *fn) {
    for (struct usb_host *host = b->usb_hosts; host; host = host->next)
        if (host->fn == fn) {
            remove_host(b, host);
            return true;
        }
    return false;
}

void usb_free(struct board *b) {
    while (b->usb_plugged) {
        struct usb_plugged *p = b->usb_plugged;
        b->usb_plugged = p->next;
        mem_free(p);
    }
    while (b->usb_hosts)
        host_forget(b, b->usb_hosts);
}
