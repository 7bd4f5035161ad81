/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What there is: streams, PCI functions, options.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "core/bits.h"
#include "internal.h"

static void add_chardev(struct json_object *list, const char *label, const char *filename,
                        bool open) {
    struct json_object *entry = json_object_new_object();
    j_add_text(entry, "label", label);
    j_add_text(entry, "filename", filename);
    j_add_bool(entry, "frontend-open", open);
    json_object_array_add(list, entry);
}

/* libxl reads where serial<N> is: "pty:/dev/pts/3". */
static struct json_object *cmd_chardev(struct call *call) {
    const struct qmp *qmp = call->qmp;
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; qmp->machine && i < qmp->machine->chars_count; i++) {
        const struct chars *chars = qmp->machine->chars[i];
        add_chardev(list, chars->id, chars->filename ? chars->filename : "null", true);
    }
    for (unsigned i = 0; i < qmp->config->monitor_count; i++) {
        const struct config_chardev *chr = qmp->config->monitors[i].chardev;
        char filename[256];
        if (chr->path)
            snprintf(filename, sizeof(filename), "unix:%s%s", chr->path,
                     chr->server ? ",server=on" : "");
        else if (chr->port)
            snprintf(filename, sizeof(filename), "tcp:%s:%s%s", chr->host, chr->port,
                     chr->server ? ",server=on" : "");
        else
            snprintf(filename, sizeof(filename), "fd:%d%s", chr->fd,
                     chr->server ? ",server=on" : "");
        add_chardev(list, chr->id, filename, true);
    }
    return list;
}

static const char *class_name(unsigned class_) {
    static const struct {
        uint16_t class_;
        const char *name;
    } names[] = {{0x0101, "IDE controller"}, {0x0106, "SATA controller"},
                 {0x0100, "SCSI controller"}, {0x0200, "Ethernet controller"},
                 {0x0300, "VGA controller"}, {0x0600, "Host bridge"}, {0x0601, "ISA bridge"},
                 {0x0680, "Bridge"}, {0x0c03, "USB controller"}, {0xff80, "Xen platform device"}};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].class_ == class_)
            return names[i].name;
    return "Device";
}

static void add_region(struct json_object *regions, const struct pci_function *fn, unsigned n) {
    const struct pci_bar *bar = &fn->bar[n];
    uint64_t address = pci_bar_address(fn, n);
    if (bar->kind == PCI_BAR_NONE)
        return;
    struct json_object *region = json_object_new_object();
    j_add_int(region, "bar", n);
    j_add_text(region, "type", bar->kind == PCI_BAR_IO ? "io" : "memory");
    j_add_int(region, "address", address == UINT64_MAX ? -1 : (int64_t)address);
    j_add_int(region, "size", bar->size);
    if (bar->kind != PCI_BAR_IO) {
        j_add_bool(region, "prefetch", bar->kind == PCI_BAR_MEM_PREFETCH);
        j_add_bool(region, "mem_type_64", false);
    }
    json_object_array_add(regions, region);
}

/* libxl wants a string qdev_id of every function, and bus, slot and function. */
static struct json_object *pci_device(const struct pci_function *fn) {
    struct json_object *entry = json_object_new_object(), *class_ = json_object_new_object();
    struct json_object *id = json_object_new_object(), *regions = json_object_new_array();
    unsigned number = load_le16(fn->config + PCI_CLASS);
    j_add_int(entry, "bus", 0);
    j_add_int(entry, "slot", fn->devfn >> 3);
    j_add_int(entry, "function", fn->devfn & 7);
    j_add_int(class_, "class", number);
    j_add_text(class_, "desc", class_name(number));
    j_add(entry, "class_info", class_);
    j_add_int(id, "vendor", load_le16(fn->config + PCI_VENDOR));
    j_add_int(id, "device", load_le16(fn->config + PCI_DEVICE));
    j_add_int(id, "subsystem-vendor", load_le16(fn->config + PCI_SUB_VENDOR));
    j_add_int(id, "subsystem", load_le16(fn->config + PCI_SUBSYSTEM));
    j_add(entry, "id", id);
    if (fn->config[PCI_INT_PIN])
        j_add_int(entry, "irq", fn->config[PCI_INT_LINE]);
    j_add_int(entry, "irq_pin", fn->config[PCI_INT_PIN]);
    j_add_text(entry, "qdev_id", fn->qdev_id ? fn->qdev_id : "");
    for (unsigned n = 0; n < PCI_BARS; n++)
        add_region(regions, fn, n);
    j_add(entry, "regions", regions);
    return entry;
}

static struct json_object *cmd_pci(struct call *call) {
    struct json_object *buses = json_object_new_array(), *bus = json_object_new_object();
    struct json_object *devices = json_object_new_array();
    struct machine *machine = call->qmp->machine;
    for (unsigned devfn = 0; machine->pci && devfn < 256; devfn++) {
        const struct pci_function *fn = pci_find(machine->pci, devfn);
        if (fn)
            json_object_array_add(devices, pci_device(fn));
    }
    j_add_int(bus, "bus", 0);
    j_add(bus, "devices", devices);
    json_object_array_add(buses, bus);
    return buses;
}

/* libxl's probe looks for run-with and its chroot and user. */
static struct json_object *cmd_options(struct call *call) {
    static const char *const names[] = {"chroot", "user"};
    const char *option = arg_text(call, "option");
    struct json_object *list = json_object_new_array();
    if (option && strcmp(option, "run-with"))
        return list;
    struct json_object *entry = json_object_new_object(), *params = json_object_new_array();
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        struct json_object *param = json_object_new_object();
        j_add_text(param, "name", names[i]);
        j_add_text(param, "type", "string");
        json_object_array_add(params, param);
    }
    j_add_text(entry, "option", "run-with");
    j_add(entry, "parameters", params);
    json_object_array_add(list, entry);
    return list;
}

const struct command query_commands[] = {
    {"query-chardev", NULL, CMD_BARE, cmd_chardev},
    {"query-pci", NULL, 0, cmd_pci},
    {"query-command-line-options", "?option:s", CMD_BARE, cmd_options},
    {NULL, NULL, 0, NULL},
};
