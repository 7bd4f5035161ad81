/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -device, -netdev, -net, -usbdevice: what each driver name is, where in xl.cfg it comes from, and
 * which netdev or chardev it refers to (libxl writes the -netdev after its -device).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "parse.h"
#include "usb_find.h"
#include "usb_real.h"

static const struct driver {
    const char *name, *alias;
    enum config_device_kind kind;
    const char *xl;   /* the xl.cfg setting that makes it, or NULL */
    const char *what; /* in a refusal: "... is not implemented" */
} drivers[] = {
    {"ide-hd", NULL, DEVICE_DISK, "disk=", "an IDE disk"},
    {"ide-cd", NULL, DEVICE_DISK, "disk= with devtype=cdrom", "an IDE CD-ROM"},
    {"scsi-hd", NULL, DEVICE_DISK, "disk= with vdev=sd*", "a SCSI disk"},
    {"scsi-cd", NULL, DEVICE_DISK, NULL, "a SCSI CD-ROM"},
    {"floppy", NULL, DEVICE_DISK, NULL, "a floppy drive"},
    {"isa-fdc", NULL, DEVICE_FDC, NULL, "a second floppy controller"},
    {"lsi53c895a", "lsi", DEVICE_SCSI_HOST, "disk= with vdev=sd*", "the SCSI controller"},
    {"ahci", "ich9-ahci", DEVICE_AHCI_HOST, "hdtype=\"ahci\"", "the AHCI controller"},
    {"VGA", NULL, DEVICE_VGA, "vga=\"stdvga\"", "the standard VGA"},
    {"cirrus-vga", NULL, DEVICE_VGA, "vga=\"cirrus\"", "the Cirrus VGA"},
    {"qxl-vga", NULL, DEVICE_VGA, "vga=\"qxl\"", "the QXL VGA"},
    {"secondary-vga", NULL, DEVICE_VGA, NULL, "a second VGA"},
    {"bochs-display", NULL, DEVICE_VGA, NULL, "a display without VGA"},
    {"rtl8139", NULL, DEVICE_NIC, "vif= with model=rtl8139", "the RTL8139 network card"},
    {"e1000", "e1000-82540em", DEVICE_NIC, "vif= with model=e1000", "the E1000 network card"},
    {"e1000e", NULL, DEVICE_NIC, "vif= with model=e1000e", "the E1000E network card"},
    {"virtio-net-pci", "virtio-net", DEVICE_NIC, "vif= with model=virtio-net", "virtio network"},
    {"ne2k_pci", NULL, DEVICE_NIC, "vif= with model=ne2k_pci", "the NE2000 network card"},
    {"pcnet", NULL, DEVICE_NIC, "vif= with model=pcnet", "the PCnet network card"},
    {"i82551", NULL, DEVICE_NIC, "vif= with model=i82551", "the i82551 network card"},
    {"i82557b", NULL, DEVICE_NIC, "vif= with model=i82557b", "the i82557 network card"},
    {"i82559er", NULL, DEVICE_NIC, "vif= with model=i82559er", "the i82559 network card"},
    {"vmxnet3", NULL, DEVICE_NIC, "vif= with model=vmxnet3", "the VMXNET3 network card"},
    {"piix3-usb-uhci", NULL, DEVICE_USB_HOST, "usbversion=1", "USB"},
    {"piix4-usb-uhci", NULL, DEVICE_USB_HOST, NULL, "USB"},
    {"usb-ehci", NULL, DEVICE_USB_HOST, "usbctrl=", "USB 2.0 (EHCI)"},
    {"ich9-usb-ehci1", NULL, DEVICE_USB_HOST, "usbversion=2", "USB 2.0 (EHCI)"},
    {"ich9-usb-uhci1", NULL, DEVICE_USB_HOST, "usbversion=2", "USB 2.0"},
    {"ich9-usb-uhci2", NULL, DEVICE_USB_HOST, "usbversion=2", "USB 2.0"},
    {"ich9-usb-uhci3", NULL, DEVICE_USB_HOST, "usbversion=2", "USB 2.0"},
    {"nec-usb-xhci", NULL, DEVICE_USB_HOST, "usbversion=3", "USB 3"},
    {"qemu-xhci", NULL, DEVICE_USB_HOST, NULL, "USB 3"},
    {"usb-tablet", NULL, DEVICE_USB, "usbdevice=\"tablet\"", "the USB tablet"},
    {"usb-mouse", NULL, DEVICE_USB, "usbdevice=\"mouse\"", "the USB mouse"},
    {"usb-kbd", NULL, DEVICE_USB, "usbdevice=\"keyboard\"", "the USB keyboard"},
    {"usb-hub", NULL, DEVICE_USB, NULL, "a USB hub"},
    {"usb-storage", NULL, DEVICE_USB, NULL, "USB storage"},
    {"usb-host", NULL, DEVICE_USB, "usbdev=", "handing a USB device of the host to the guest"},
    {"usb-redir", NULL, DEVICE_USB, "spiceusbredirection", "USB redirection"},
    {"intel-hda", NULL, DEVICE_SOUND, "soundhw=\"hda\"", "sound"},
    {"hda-duplex", NULL, DEVICE_SOUND, "soundhw=\"hda\"", "sound"},
    {"AC97", "ac97", DEVICE_SOUND, "soundhw=\"ac97\"", "sound"},
    {"adlib", NULL, DEVICE_SOUND, "soundhw=\"adlib\"", "sound"},
    {"cs4231a", NULL, DEVICE_SOUND, "soundhw=\"cs4231a\"", "sound"},
    {"ES1370", "es1370", DEVICE_SOUND, "soundhw=\"es1370\"", "sound"},
    {"gus", NULL, DEVICE_SOUND, "soundhw=\"gus\"", "sound"},
    {"sb16", NULL, DEVICE_SOUND, "soundhw=\"sb16\"", "sound"},
    {"virtio-serial-pci", "virtio-serial", DEVICE_VIRTIO, "spicevdagent=1", "virtio serial"},
    {"virtserialport", NULL, DEVICE_VIRTIO, "spicevdagent=1", "virtio serial"},
    {"xen-pvdevice", NULL, DEVICE_XEN, "vendor_device=\"xenserver\"", "the XenServer device"},
    {"xen-platform", NULL, DEVICE_XEN, "xen_platform_pci=1", "a second Xen platform device"},
    {"xen-pci-passthrough", NULL, DEVICE_XEN, "pci=", "PCI passthrough"},
    {"isa-serial", NULL, DEVICE_SERIAL, NULL, "an ISA serial port"},
    {"pci-serial", NULL, DEVICE_SERIAL, NULL, "a PCI serial port"},
};

static const struct driver *find_driver(const char *name) {
    for (unsigned i = 0; i < ARRAY_LEN(drivers); i++)
        if (!strcmp(drivers[i].name, name) ||
            (drivers[i].alias && !strcmp(drivers[i].alias, name)))
            return &drivers[i];
    return NULL;
}

void config_refuse(const struct config_device *device, char *why, size_t why_len) {
    const struct driver *driver = find_driver(device->driver);
    if (!driver)
        snprintf(why, why_len, "%s %s: there is no device \"%s\"", device->opts->origin,
                 device->opts->text, device->driver);
    else if (!driver->xl)
        snprintf(why, why_len, "%s %s: %s is not implemented", device->opts->origin,
                 device->opts->text, driver->what);
    else
        snprintf(why, why_len, "%s %s (%s): %s is not implemented", device->opts->origin,
                 device->opts->text, driver->xl, driver->what);
}

/* slot or slot.function, in hexadecimal with or without 0x */
static bool take_addr(struct parse *p, struct config_device *device, const char *addr) {
    char *end;
    unsigned long slot = strtoul(addr, &end, 16), function = 0;
    bool good = isxdigit((unsigned char)*addr);
    if (good && *end == '.') {
        good = isxdigit((unsigned char)end[1]);
        function = strtoul(end + 1, &end, 16);
    }
    if (!good || *end || slot > 31 || function > 7)
        return parse_fail(p, "-device %s: addr=%s: expected a PCI slot from 0 to 1f and a function "
                          "from 0 to 7, as in 1d.7", device->opts->text, addr);
    device->devfn = (int)(slot << 3 | function);
    return true;
}

static bool take_mac(struct parse *p, struct config_device *device, const char *mac) {
    const char *s = mac;
    for (unsigned i = 0; i < 6; i++) {
        char *end;
        if (!isxdigit((unsigned char)s[0]))
            goto bad;
        unsigned long byte = strtoul(s, &end, 16);
        if (end - s > 2 || *end != (i < 5 ? ':' : '\0'))
            goto bad;
        device->mac[i] = (uint8_t)byte;
        s = end + 1;
    }
    device->has_mac = true;
    return true;
bad:
    return parse_fail(p, "-device %s: mac=%s: expected six bytes, as in 00:16:3e:01:02:03",
                      device->opts->text, mac);
}

static bool take_device(struct parse *p, const struct opts *o, struct config_device *device) {
    const struct driver *driver = find_driver(o->head);
    const char *id = opts_get(o, "id"), *addr = opts_get(o, "addr"), *mac = opts_get(o, "mac");
    *device = (struct config_device){
        .kind = driver ? driver->kind : DEVICE_OTHER,
        .driver = o->head,
        .name = driver ? driver->name : o->head,
        .id = id ? id : "",
        .devfn = -1,
        .opts = o,
    };
    return (!addr || take_addr(p, device, addr)) && (!mac || take_mac(p, device, mac));
}

bool parse_device(struct parse *p, const char *origin, const char *text) {
    const struct opts *o = opts_parse(p, origin, text, "driver", NULL);
    struct config_device device;
    if (!o)
        return false;
    if (!*o->head)
        return parse_fail(p, "%s %s: no driver is named", origin, text);
    if (!take_device(p, o, &device))
        return false;
    for (unsigned i = 0; *device.id && i < p->config->device_count; i++)
        if (!strcmp(p->devices[i].id, device.id))
            return parse_fail(p, "%s %s: there is a device \"%s\" already", origin, text,
                              device.id);
    p->devices[p->config->device_count++] = device;
    return true;
}

bool parse_netdev(struct parse *p, const char *origin, const char *text) {
    static const char *const keys[] = {
        "type", "id", "ifname", "br", "script", "downscript", "fd", "fds", "helper", "sndbuf",
        "vnet_hdr", "vhost", "vhostfd", "vhostforce", "queues", "hostfwd", "guestfwd", "net",
        "host", "dns", "restrict", "tftp", "bootfile", "hostname", "path", "listen", "connect",
        "mcast", "localaddr", "udp", "server", "addr.", "local.", "remote.", "ipv4", "ipv6",
        "reconnect", "dhcpstart", "smb", "domainname", "dnssearch", "tftp-server-name",
        "netdev", "hubid", NULL,
    };
    const struct opts *o = opts_parse(p, origin, text, "type", keys);
    if (!o)
        return false;
    const char *id = opts_get(o, "id"), *fd = opts_get(o, "fd");
    unsigned number;
    if (!id)
        return parse_fail(p, "%s %s: a netdev needs id=", origin, text);
    for (unsigned i = 0; i < p->config->netdev_count; i++)
        if (!strcmp(p->netdevs[i].id, id))
            return parse_fail(p, "%s %s: there is a netdev \"%s\" already", origin, text, id);
    if (fd && !parse_unsigned(fd, 1 << 20, &number))
        return parse_fail(p, "%s %s: fd=%s: expected an open descriptor's number", origin, text,
                          fd);
    p->netdevs[p->config->netdev_count++] = (struct config_netdev){
        .id = id, .type = o->head, .ifname = opts_get(o, "ifname"), .bridge = opts_get(o, "br"),
        .fd = fd ? (int)number : -1, .opts = o,
    };
    return true;
}

/* The card that came last has its place before those of -device, as one of the board's. */
static void put_on_board(struct parse *p) {
    unsigned last = p->config->device_count - 1, at = p->board_cards++;
    struct config_device card = p->devices[last];
    memmove(p->devices + at + 1, p->devices + at, (last - at) * sizeof(card));
    p->devices[at] = card;
}

/* -nic TYPE,model=M,mac=A,...: a netdev and a card on it. */
static bool parse_nic(struct parse *p, const char *origin, const char *text) {
    const struct opts *o = opts_parse(p, origin, text, "type", NULL);
    if (!o)
        return false;
    const char *model = opts_get(o, "model"), *mac = opts_get(o, "mac");
    const char *netdev = arena_printf(p->arena, "%s,id=nic%u", o->head, p->config->netdev_count);
    for (unsigned i = 0; i < o->count; i++) {
        const char *key = o->kv[i].key;
        if (strcmp(key, "type") && strcmp(key, "model") && strcmp(key, "mac") && strcmp(key, "id"))
            netdev = arena_printf(p->arena, "%s,%s=%s", netdev, key, o->kv[i].val);
    }
    const char *device = arena_printf(p->arena, "%s,netdev=nic%u%s%s", model ? model : "e1000",
                                      p->config->netdev_count, mac ? ",mac=" : "", mac ? mac : "");
    if (!parse_netdev(p, origin, netdev) || !parse_device(p, origin, device))
        return false;
    put_on_board(p);
    return true;
}

/* What QEMU's PC has where no option speaks of networks, for who drives it by qtest as they do
 * QEMU. */
static bool default_card(struct parse *p) {
    struct config *c = p->config;
    c->default_net = c->accel == ACCEL_QTEST && c->machine == MACHINE_PC && !c->nodefaults &&
                     !c->net_none && !c->netdev_count;
    return !c->default_net || parse_nic(p, "-nic", "user");
}

/* -net is the older form of the same, and joins by hubs what it names: only none of it. */
bool parse_net(struct parse *p, const char *origin, const char *text) {
    if (!strcmp(text, "none")) {
        p->config->net_none = true;
        return true;
    }
    if (!strcmp(origin, "-nic"))
        return parse_nic(p, origin, text);
    return parse_fail(p, "%s %s: only none is implemented; a network card is a -device with a "
                      "-netdev, or a -nic", origin, text);
}

bool parse_usbdevice(struct parse *p, const char *origin, const char *text) {
    static const char *const known[] = {"tablet", "mouse", "keyboard", "wacom-tablet", "braille"};
    struct usb_wanted wanted;
    for (unsigned i = 0; i <= ARRAY_LEN(known); i++) {
        if (i < ARRAY_LEN(known) ? strcmp(known[i], text) != 0 : !usb_real_name(text, &wanted))
            continue;
        p->usbdevices[p->config->usbdevice_count++] = text;
        p->config->usb = true;
        return true;
    }
    return parse_fail(p, "%s %s (usbdevice=): there are tablet, mouse, keyboard, host:BUS.ADDR and "
                      "host:VENDOR:PRODUCT", origin, text);
}

/* What a device of each kind may be told; the board knows what to do with it. */
bool check_device(struct parse *p, const struct config_device *device) {
    static const char *const common[] = {"id", "bus", "addr", "multifunction"};
    static const char *const keys[][10] = {
        [DEVICE_DISK] = {"drive", "unit", "scsi-id", "serial", "model", "ver", "drive-type"},
        [DEVICE_VGA] = {"vgamem_mb", "vram_size_mb", "ram_size_mb", "xres", "yres"},
        [DEVICE_NIC] = {"netdev", "mac", "romfile", "mq", "vectors", "host_mtu"},
        [DEVICE_USB_HOST] = {"masterbus", "firstport", "p2", "p3"},
        [DEVICE_USB] = {"port", "drive", "hostbus", "hostaddr", "hostport", "vendorid",
                        "productid", "chardev", "serial", "removable"},
        [DEVICE_XEN] = {"device-id", "hostaddr", "permissive"},
        [DEVICE_SERIAL] = {"chardev", "index"},
        [DEVICE_VIRTIO] = {"chardev", "name"},
        [DEVICE_OTHER] = {NULL},
    };
    const struct opts *o = device->opts;
    const char *bus = opts_get(o, "bus");
    for (unsigned i = 0; i < o->count && device->kind != DEVICE_OTHER; i++) {
        const char *key = o->kv[i].key;
        bool known = o->kv[i].val == o->head;
        for (unsigned k = 0; k < ARRAY_LEN(common); k++)
            known |= !strcmp(key, common[k]);
        for (unsigned k = 0; k < 10 && keys[device->kind][k]; k++)
            known |= !strcmp(key, keys[device->kind][k]);
        if (!known)
            return parse_fail(p, "-device %s: %s= is not implemented", o->text, key);
    }
    bool on_pci = device->kind != DEVICE_DISK && device->kind != DEVICE_FDC &&
                  device->kind != DEVICE_USB;
    return !bus || !on_pci || !strcmp(bus, "pci.0") ||
           parse_fail(p, "-device %s: bus=%s: the PC has one PCI bus, pci.0", o->text, bus);
}

/* The medium of a USB disk; those of other disks are resolve_disks's. */
static bool take_drive(struct parse *p, const struct config_device *device) {
    const char *id = opts_get(device->opts, "drive");
    struct config_drive *drive = id ? find_drive(p, id) : NULL;
    if (device->kind != DEVICE_USB || !id)
        return true;
    if (!drive)
        return parse_fail(p, "-device %s: there is no drive \"%s\"", device->opts->text, id);
    if (drive->used || drive->interface != IF_NONE)
        return parse_fail(p, "-device %s: drive \"%s\" is in use already", device->opts->text, id);
    drive->used = true;
    return true;
}

static bool resolve_device(struct parse *p, struct config_device *device) {
    if (!check_device(p, device) || !take_drive(p, device))
        return false;
    const char *netdev = opts_get(device->opts, "netdev");
    const char *chardev = opts_get(device->opts, "chardev");
    for (unsigned i = 0; netdev && i < p->config->netdev_count; i++)
        if (!strcmp(p->netdevs[i].id, netdev))
            device->netdev = &p->netdevs[i];
    if (netdev && !device->netdev)
        return parse_fail(p, "-device %s: there is no netdev \"%s\"", device->opts->text, netdev);
    if (chardev) {
        device->chardev = config_chardev(p->config, chardev);
        if (!device->chardev)
            return parse_fail(p, "-device %s: there is no chardev \"%s\"", device->opts->text,
                              chardev);
    }
    return true;
}

bool config_device(const struct opts *opts, struct config_device *device, char *why,
                   size_t why_len) {
    struct parse p = {.why = why, .why_len = why_len};
    return take_device(&p, opts, device) && check_device(&p, device);
}

bool resolve_devices(struct parse *p) {
    if (!default_card(p))
        return false;
    for (unsigned i = 0; i < p->config->device_count; i++)
        if (!resolve_device(p, &p->devices[i]))
            return false;
    return true;
}
