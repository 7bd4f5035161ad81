/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that the command line can say, as plain data. argv.c fills it in and resolves what refers to
 * what; machine.c turns it into a board. Strings and structs belong to the config and live as long.
 * One thread.
 */
#ifndef DM_CONFIG_H
#define DM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/throttle.h"

/*
 * One option with its value taken apart: "-device e1000,id=nic0,mac=00:16:3e:00:00:01" has the head
 * "e1000". Values are as typed: libxl doesn't double commas, so a comma belongs to the value unless
 * a key that this option knows follows it. JSON objects become keys with dots ("file.filename").
 */
struct opt {
    const char *key, *val; /* a lone word after the head is a key with the value "on" */
};

struct opts {
    const char *origin; /* the option: "-device" */
    const char *text;   /* its whole value, for messages */
    const char *head;   /* what stood in front without a key, or the implied key's value; or "" */
    const struct opt *kv;
    unsigned count;
};

const char *opts_get(const struct opts *opts, const char *key); /* the last one given, or NULL */
/*
 * These leave *out alone where the key is absent. False: the value is no such thing, and `why` says
 * so, naming option, key and value. Sizes take k, M, G, T (`unit` is what a bare number counts in).
 */
bool opts_bool(const struct opts *opts, const char *key, bool *out, char *why, size_t why_len);
bool opts_number(const struct opts *opts, const char *key, uint64_t max, uint64_t *out, char *why,
                 size_t why_len);
bool opts_size(const struct opts *opts, const char *key, uint64_t unit, uint64_t *out, char *why,
               size_t why_len);
/* The first key that is not in the NULL-ended list, or NULL: a chip refuses what it doesn't
 * know. */
const char *opts_unknown(const struct opts *opts, const char *const *known);

enum config_accel {
    ACCEL_XEN,
    ACCEL_QTEST, /* a socket on which the peer is CPU, memory and clock */
};

enum config_machine {
    MACHINE_XENFV, /* the i440FX PC with the Xen platform device */
    MACHINE_PC,    /* without it */
    MACHINE_XENPV, /* PV backends only */
    MACHINE_NONE,  /* libxl's probe: QMP alone, Xen is not touched */
};

enum config_backend {
    CHARDEV_NULL, CHARDEV_PTY, CHARDEV_STDIO, CHARDEV_FILE, CHARDEV_PIPE, CHARDEV_DEVICE,
    CHARDEV_TCP, CHARDEV_UDP, CHARDEV_UNIX,
};

struct config_chardev {
    const char *id; /* "libxl-cmd"; those made by -serial are "serial0", ... */
    enum config_backend backend;
    const char *path;                    /* FILE, PIPE, DEVICE, UNIX; else NULL */
    const char *host, *port;             /* TCP, UDP (where to send); "" is any */
    const char *local_host, *local_port; /* UDP, where to receive; or "" */
    int fd;       /* UNIX, TCP: an inherited socket (listening when `server`), or -1 */
    bool server;  /* listens */
    bool wait;    /* ... and the start waits for a peer */
    bool telnet, nodelay, append, abstract;
    bool mux;     /* shared with the monitor (mon:) */
    const struct opts *opts;
};

struct config_monitor {
    const struct config_chardev *chardev;
    bool control; /* QMP; else the human monitor */
    const char *origin; /* "-mon", "-qmp", "-monitor" */
};

enum config_interface { IF_IDE, IF_FLOPPY, IF_NONE, IF_OTHER };

/* A medium: -drive, -blockdev, -hda and its like. */
struct config_drive {
    const char *id; /* "ide-5632"; if=ide without one: "ide0-hd1", "ide1-cd0"; "floppy0" */
    enum config_interface interface;
    unsigned index;     /* of if=ide (0 to 3) and if=floppy (0, 1) */
    bool cdrom;         /* media=cdrom */
    const char *file;   /* NULL: empty */
    const char *format; /* "raw", "qcow2", "vpc", ...; "" when not said */
    bool read_only, snapshot;
    bool direct;   /* cache=none, directsync; cache.direct=on */
    bool no_flush; /* cache=unsafe; cache.no-flush=on */
    bool discard;  /* discard=unmap */
    bool used;     /* a disk has it */
    struct throttle_limits limits;
    unsigned patience_s; /* reconnect-delay= of a network disk; 0: the default */
    const struct opts *opts;
};

enum config_disk_kind { DISK_IDE, DISK_FLOPPY, DISK_SCSI, DISK_AHCI, DISK_USB };

/* An emulated drive on its connector: from -drive if=ide|floppy, or from -device with its
 * medium. */
struct config_disk {
    enum config_disk_kind kind;
    bool cdrom;
    unsigned bus, unit;               /* IDE channel and drive; AHCI port; SCSI: 0 and id */
    const char *host;                 /* id of an AHCI disk's controller, or "" */
    const char *qdev_id;              /* id= of the -device, or "" */
    const struct config_drive *drive; /* NULL: a drive without medium */
    const struct opts *opts;          /* of the -device, for its further keys, or of the -drive */
    const char *serial, *model, *version; /* what IDENTIFY says, or NULL */
};

enum config_device_kind {
    DEVICE_DISK, /* in config.disks too: nothing more to do */
    DEVICE_FDC,
    DEVICE_VGA, DEVICE_NIC, DEVICE_USB_HOST, DEVICE_USB, DEVICE_SCSI_HOST, DEVICE_AHCI_HOST,
    DEVICE_SOUND, DEVICE_XEN, DEVICE_SERIAL, DEVICE_VIRTIO, DEVICE_OTHER,
};

struct config_netdev {
    const char *id;     /* "net0" */
    const char *type;   /* "tap", "user", ... */
    const char *ifname; /* "vif5.0-emu", or NULL */
    const char *bridge; /* or NULL */
    int fd;             /* an open tap, or -1 */
    const struct opts *opts;
};

/* A -device, in command-line order, which is the order of PCI slots. */
struct config_device {
    enum config_device_kind kind;
    const char *driver; /* as typed; aliases are resolved in `name` */
    const char *name;   /* "virtio-net-pci" for "virtio-net" */
    const char *id;     /* or "" */
    int devfn;          /* of addr=, or -1 */
    const struct config_netdev *netdev;   /* a NIC's, or NULL */
    const struct config_chardev *chardev; /* or NULL */
    bool has_mac;
    uint8_t mac[6];
    const struct opts *opts;
};

struct config_global {
    const char *driver, *property, *value;
};

/* -object tls-creds-x509 and -anon, a server's */
struct config_tls {
    const char *id;
    bool anonymous;
    const char *dir;      /* of the certificates */
    bool verify_peer;
    const char *priority; /* or NULL */
};

enum config_share { SHARE_EXCLUSIVE, SHARE_FORCED, SHARE_IGNORED };

struct config_vnc {
    bool none;
    const char *host;     /* "" is any; NULL with `path` */
    const char *path;     /* unix socket, or NULL */
    unsigned display, to; /* TCP ports 5900 + display ... 5900 + to; to >= display */
    bool password;
    enum config_share share; /* what one means who wants to be alone */
    bool websocket;
    const char *web_host;    /* "" is any */
    unsigned web_port;       /* 0: 5700 and the display */
    const struct config_tls *tls; /* or NULL */
    const struct opts *opts;
};

struct config {
    enum config_accel accel;
    enum config_machine machine;
    const struct opts *machine_opts; /* further keys; never NULL */
    int domid;                       /* -1: none given */
    bool xen_attach;
    bool domid_restrict;
    bool paused;      /* -S */
    bool no_shutdown; /* a guest's power-off doesn't end the process */
    bool no_reboot;   /* a guest's reset ends it */
    bool nodefaults;  /* no devices but those named */
    bool no_acpi;
    const char *name; /* or "" */
    const char *uuid; /* or "" */

    uint64_t ram;             /* bytes, video memory not counted */
    uint64_t max_below_4g;    /* bytes of max-ram-below-4g=, or 0 */
    unsigned cpus, max_cpus;  /* online at start; possible */

    const char *boot_order;   /* letters a, c, d, n; "" when not said */
    const char *boot_once;    /* for the first boot, or "" */
    bool boot_menu;
    const char *kernel, *initrd, *append; /* NULL: not given */
    const char *bios;                     /* a firmware image (socket engine), or NULL */

    const struct config_chardev *chardevs; /* all, also those of -serial, -monitor, -qmp */
    unsigned chardev_count;
    const struct config_monitor *monitors;
    unsigned monitor_count;
    const struct config_chardev *const *serials; /* COM1 on; NULL entries are not there */
    unsigned serial_count;
    const struct config_chardev *const *parallels;
    unsigned parallel_count;

    const struct config_vnc *vncs;
    unsigned vnc_count;
    const struct config_tls *tls;
    unsigned tls_count;
    const char *display; /* the last -display: "none", "sdl", or "" */
    bool nographic;
    const char *keymap;  /* -k, or "" */
    const char *vga;     /* -vga: "std", "cirrus", "none", ...; "" when not said */

    bool usb;
    const char *const *usbdevices;
    unsigned usbdevice_count;

    const struct config_device *devices;
    unsigned device_count;
    const struct config_drive *drives;
    unsigned drive_count;
    const struct config_disk *disks;
    unsigned disk_count;
    const struct config_netdev *netdevs;
    unsigned netdev_count;
    bool net_none; /* -net none, -nic none */
    bool default_net; /* nobody has said that there shall be a card */
    const struct config_global *globals;
    unsigned global_count;

    const char *incoming; /* "fd:7", "defer", or NULL */
    int incoming_fd;      /* of fd:K; -1: none, or libxl could not open it */
    const char *chroot;   /* or NULL */
    const char *runas;    /* "user" or "uid:gid", or NULL */

    const struct config_chardev *qtest; /* -qtest, or NULL */
    const char *qtest_log;              /* or NULL */
    const char *log_file;               /* -D, or NULL */

    struct config_arena *arena; /* argv.c's own */
};

const struct config_drive *config_drive(const struct config *config, const char *id);
const struct config_chardev *config_chardev(const struct config *config, const char *id);
/* The last -global of that property, or NULL. */
const char *config_global(const struct config *config, const char *driver, const char *property);

/*
 * A device from its options, as -device takes it: kind, names, address; false: `why` is a sentence.
 * Nothing it refers to is looked up. The device points into the options.
 */
bool config_device(const struct opts *opts, struct config_device *device, char *why,
                   size_t why_len);

/*
 * Where in xl.cfg a device comes from and what it belongs to, for a refusal such as
 * `-device intel-hda (soundhw="hda"): sound is not implemented`.
 */
void config_refuse(const struct config_device *device, char *why, size_t why_len);

#endif
