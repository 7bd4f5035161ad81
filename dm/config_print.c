/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The config as text: one line a setting that isn't at its default, in a fixed order.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "argv.h"
#include "config.h"

struct printer {
    void (*line)(void *arg, const char *text);
    void *arg;
};

__attribute__((format(printf, 2, 3)))
static void say(const struct printer *out, const char *fmt, ...) {
    char text[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    out->line(out->arg, text);
}

static void say_text(const struct printer *out, const char *name, const char *val) {
    if (val && *val)
        say(out, "%s = \"%s\"", name, val);
}

static void say_flag(const struct printer *out, const char *name, bool val) {
    if (val)
        say(out, "%s", name);
}

/* A growing line: " key=value" for what is set. */
struct words {
    char text[4096];
    size_t len;
};

__attribute__((format(printf, 2, 3)))
static void word(struct words *w, const char *fmt, ...) {
    if (w->len >= sizeof(w->text) - 1)
        return;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(w->text + w->len, sizeof(w->text) - w->len, fmt, args);
    va_end(args);
    w->len += (size_t)n;
}

static void word_text(struct words *w, const char *name, const char *val) {
    if (val && *val)
        word(w, " %s=\"%s\"", name, val);
}

static void word_flag(struct words *w, const char *name, bool val) {
    if (val)
        word(w, " %s", name);
}

static void say_words(const struct printer *out, struct words *w) {
    out->line(out->arg, w->text);
    w->len = 0;
}

static void print_basics(const struct printer *out, const struct config *c) {
    static const char *const machines[] = {"xenfv", "pc", "xenpv", "none"};
    say(out, "machine = %s, accel = %s", machines[c->machine],
        c->accel == ACCEL_XEN ? "xen" : "qtest");
    if (c->domid >= 0)
        say(out, "domid = %d", c->domid);
    say_text(out, "name", c->name);
    say_text(out, "uuid", c->uuid);
    say(out, "ram = %" PRIu64 " MiB, cpus = %u of %u", c->ram >> 20, c->cpus, c->max_cpus);
    if (c->max_below_4g)
        say(out, "max-below-4g = 0x%" PRIx64, c->max_below_4g);
    say_flag(out, "xen-attach", c->xen_attach);
    say_flag(out, "domid-restrict", c->domid_restrict);
    say_flag(out, "paused", c->paused);
    say_flag(out, "no-shutdown", c->no_shutdown);
    say_flag(out, "no-reboot", c->no_reboot);
    say_flag(out, "nodefaults", c->nodefaults);
    say_flag(out, "no-acpi", c->no_acpi);
    say_flag(out, "nographic", c->nographic);
    say_flag(out, "usb", c->usb);
    say_flag(out, "net-none", c->net_none);
    say_flag(out, "default-net", c->default_net);
    say_flag(out, "boot-menu", c->boot_menu);
    say_text(out, "boot-order", c->boot_order);
    say_text(out, "boot-once", c->boot_once);
    say_text(out, "kernel", c->kernel);
    say_text(out, "initrd", c->initrd);
    say_text(out, "append", c->append);
    say_text(out, "bios", c->bios);
    say_text(out, "display", c->display);
    say_text(out, "keymap", c->keymap);
    say_text(out, "vga", c->vga);
    if (c->incoming)
        say(out, "incoming = \"%s\" fd %d", c->incoming, c->incoming_fd);
    say_text(out, "chroot", c->chroot);
    say_text(out, "runas", c->runas);
    say_text(out, "qtest-log", c->qtest_log);
    say_text(out, "log-file", c->log_file);
}

static void print_chardevs(const struct printer *out, const struct config *c) {
    static const char *const backends[] = {"null", "pty", "stdio", "file", "pipe", "device",
                                           "tcp", "udp", "unix"};
    struct words w = {0};
    for (unsigned i = 0; i < c->chardev_count; i++) {
        const struct config_chardev *chr = &c->chardevs[i];
        word(&w, "chardev \"%s\" %s", chr->id, backends[chr->backend]);
        word_text(&w, "path", chr->path);
        word_text(&w, "host", chr->host);
        word_text(&w, "port", chr->port);
        word_text(&w, "local-host", chr->local_host);
        word_text(&w, "local-port", chr->local_port);
        if (chr->fd >= 0)
            word(&w, " fd=%d", chr->fd);
        word_flag(&w, "server", chr->server);
        word_flag(&w, "wait", chr->wait);
        word_flag(&w, "telnet", chr->telnet);
        word_flag(&w, "nodelay", chr->nodelay);
        word_flag(&w, "append", chr->append);
        word_flag(&w, "abstract", chr->abstract);
        word_flag(&w, "mux", chr->mux);
        say_words(out, &w);
    }
    for (unsigned i = 0; i < c->monitor_count; i++)
        say(out, "monitor %s on \"%s\"", c->monitors[i].control ? "qmp" : "hmp",
            c->monitors[i].chardev->id);
    for (unsigned i = 0; i < c->serial_count; i++)
        say(out, "serial %u %s%s", i, c->serials[i] ? "on " : "none",
            c->serials[i] ? c->serials[i]->id : "");
    for (unsigned i = 0; i < c->parallel_count; i++)
        say(out, "parallel %u %s%s", i, c->parallels[i] ? "on " : "none",
            c->parallels[i] ? c->parallels[i]->id : "");
    if (c->qtest)
        say(out, "qtest on \"%s\"", c->qtest->id);
}

static void print_vnc(const struct printer *out, const struct config_vnc *vnc) {
    static const char *const shares[] = {"", " force-shared", " share-ignored"};
    struct words w = {.len = 0};
    if (vnc->none)
        word(&w, "vnc none");
    else if (vnc->path)
        word(&w, "vnc unix \"%s\"", vnc->path);
    else
        word(&w, "vnc host=\"%s\" display %u to %u", vnc->host, vnc->display, vnc->to);
    word_flag(&w, "password", vnc->password);
    if (vnc->websocket)
        word(&w, " websocket host=\"%s\" port %u", vnc->web_host, vnc->web_port);
    word_text(&w, "tls", vnc->tls ? vnc->tls->id : NULL);
    word(&w, "%s", shares[vnc->share]);
    say(out, "%s", w.text);
}

static void print_display(const struct printer *out, const struct config *c) {
    for (unsigned i = 0; i < c->tls_count; i++) {
        const struct config_tls *tls = &c->tls[i];
        struct words w = {.len = 0};
        word(&w, "tls \"%s\"%s", tls->id, tls->anonymous ? " anonymous" : "");
        word_text(&w, "dir", tls->dir);
        word_flag(&w, "verify-peer", tls->verify_peer);
        word_text(&w, "priority", tls->priority);
        say(out, "%s", w.text);
    }
    for (unsigned i = 0; i < c->vnc_count; i++)
        print_vnc(out, &c->vncs[i]);
    for (unsigned i = 0; i < c->usbdevice_count; i++)
        say(out, "usbdevice \"%s\"", c->usbdevices[i]);
    for (unsigned i = 0; i < c->global_count; i++)
        say(out, "global %s.%s=\"%s\"", c->globals[i].driver, c->globals[i].property,
            c->globals[i].value);
}

static void word_limits(struct words *w, const struct throttle_limits *limits) {
    for (unsigned what = 0; what < THROTTLE_WHATS; what++)
        for (unsigned whose = 0; whose < THROTTLE_WHOSES; whose++) {
            const struct throttle_limit *l = &limits->limit[what][whose];
            if (l->avg)
                word(w, " %s=%llu/%llu/%llu", throttle_name(what, whose),
                     (unsigned long long)l->avg, (unsigned long long)l->max,
                     (unsigned long long)l->length);
        }
    if (limits->iops_size)
        word(w, " iops-size=%llu", (unsigned long long)limits->iops_size);
}

static void print_blocks(const struct printer *out, const struct config *c) {
    static const char *const interfaces[] = {"ide", "floppy", "none", "other"};
    static const char *const kinds[] = {"ide", "floppy", "scsi", "ahci"};
    struct words w = {0};
    for (unsigned i = 0; i < c->drive_count; i++) {
        const struct config_drive *d = &c->drives[i];
        word(&w, "drive \"%s\" if=%s", d->id, interfaces[d->interface]);
        word_text(&w, "file", d->file);
        word_text(&w, "format", d->format);
        word_flag(&w, "cdrom", d->cdrom);
        word_flag(&w, "read-only", d->read_only);
        word_flag(&w, "snapshot", d->snapshot);
        word_flag(&w, "direct", d->direct);
        word_flag(&w, "no-flush", d->no_flush);
        word_flag(&w, "discard", d->discard);
        word_flag(&w, "unused", !d->used);
        word_limits(&w, &d->limits);
        if (d->patience_s)
            word(&w, " patience=%u", d->patience_s);
        say_words(out, &w);
    }
    for (unsigned i = 0; i < c->disk_count; i++) {
        const struct config_disk *d = &c->disks[i];
        word(&w, "disk %s %u.%u %s drive=\"%s\"", kinds[d->kind], d->bus, d->unit,
             d->cdrom ? "cdrom" : "disk", d->drive ? d->drive->id : "");
        word_text(&w, "qdev-id", d->qdev_id);
        word_text(&w, "serial", d->serial);
        word_text(&w, "model", d->model);
        word_text(&w, "version", d->version);
        say_words(out, &w);
    }
}

static void print_devices(const struct printer *out, const struct config *c) {
    static const char *const kinds[] = {"disk", "fdc", "vga", "nic", "usb-host", "usb",
                                        "scsi-host", "ahci-host", "sound", "xen", "serial",
                                        "virtio", "other"};
    struct words w = {0};
    for (unsigned i = 0; i < c->netdev_count; i++) {
        const struct config_netdev *n = &c->netdevs[i];
        word(&w, "netdev \"%s\" %s", n->id, n->type);
        word_text(&w, "ifname", n->ifname);
        word_text(&w, "bridge", n->bridge);
        if (n->fd >= 0)
            word(&w, " fd=%d", n->fd);
        say_words(out, &w);
    }
    for (unsigned i = 0; i < c->device_count; i++) {
        const struct config_device *d = &c->devices[i];
        word(&w, "device %s %s", kinds[d->kind], d->name);
        word_text(&w, "id", d->id);
        if (d->devfn >= 0)
            word(&w, " addr=%02x.%x", d->devfn >> 3, d->devfn & 7);
        if (d->has_mac)
            word(&w, " mac=%02x:%02x:%02x:%02x:%02x:%02x", d->mac[0], d->mac[1], d->mac[2],
                 d->mac[3], d->mac[4], d->mac[5]);
        if (d->netdev)
            word_text(&w, "netdev", d->netdev->id);
        if (d->chardev)
            word_text(&w, "chardev", d->chardev->id);
        say_words(out, &w);
    }
}

void config_print(const struct config *config, void (*line)(void *arg, const char *text),
                  void *arg) {
    const struct printer out = {line, arg};
    print_basics(&out, config);
    print_chardevs(&out, config);
    print_display(&out, config);
    print_blocks(&out, config);
    print_devices(&out, config);
}
