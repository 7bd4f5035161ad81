/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See usb_find.h; Linux' Documentation/ABI/stable/sysfs-bus-usb. Only attributes that the kernel
 * answers without the device's lock are read: bConfigurationValue and its kin are not among them.
 */
#include "usb_find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct usb_roots usb_roots = {"/sys/bus/usb/devices", "/dev/bus/usb"};

enum { CLASS_HUB = 9, NAME_LEN = 64, PATH_LEN = 512 };

/* Bytes read, -1 for none. */
static ssize_t read_file(const char *device, const char *name, void *buf, size_t len) {
    char path[PATH_LEN];
    snprintf(path, sizeof(path), "%s/%s/%s", usb_roots.sys, device, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t got = 0;
    ssize_t n;
    while (got < len && (n = read(fd, (char *)buf + got, len - got)) > 0)
        got += (size_t)n;
    close(fd);
    return (ssize_t)got;
}

static bool read_text(const char *device, const char *name, char *text, size_t len) {
    ssize_t n = read_file(device, name, text, len - 1);
    if (n <= 0)
        return false;
    text[n] = 0;
    text[strcspn(text, "\n")] = 0;
    return true;
}

static unsigned read_number(const char *device, const char *name, int base) {
    char text[NAME_LEN];
    return read_text(device, name, text, sizeof(text)) ? (unsigned)strtoul(text, NULL, base) : 0;
}

static enum usb_speed read_speed(const char *device) {
    char text[NAME_LEN] = "";
    read_text(device, "speed", text, sizeof(text));
    unsigned mbit = (unsigned)strtoul(text, NULL, 10);
    if (mbit >= 5000)
        return USB_SUPER;
    return mbit == 480 ? USB_HIGH : mbit == 12 ? USB_FULL : USB_LOW; /* low is 1.5 */
}

static bool matches(const struct usb_wanted *w, const struct usb_found *f) {
    return (!w->bus || w->bus == f->bus) && (!w->addr || w->addr == f->addr) &&
           (!w->port || !strcmp(w->port, f->port)) &&
           (!w->vendor || w->vendor == f->vendor) && (!w->product || w->product == f->product);
}

static bool look_at(const char *device, const struct usb_wanted *wanted, struct usb_found *f) {
    *f = (struct usb_found){.bus = read_number(device, "busnum", 10),
                            .addr = read_number(device, "devnum", 10)};
    if (!f->bus || !f->addr || read_number(device, "bDeviceClass", 16) == CLASS_HUB)
        return false;
    f->vendor = read_number(device, "idVendor", 16);
    f->product = read_number(device, "idProduct", 16);
    read_text(device, "devpath", f->port, sizeof(f->port));
    return matches(wanted, f);
}

static bool read_descriptors(const char *device, struct usb_found *f) {
    f->speed = read_speed(device);
    f->descriptors = malloc(USB_DESC_MAX);
    if (!f->descriptors)
        return false;
    ssize_t n = read_file(device, "descriptors", f->descriptors, USB_DESC_MAX);
    f->descriptors_len = n > 0 ? (size_t)n : 0;
    if (usb_desc_sound(f->descriptors, f->descriptors_len))
        return true;
    free(f->descriptors);
    f->descriptors = NULL;
    return false;
}

static void say_wanted(const struct usb_wanted *w, char *text, size_t len) {
    int n = 0;
    *text = 0;
    if (w->bus)
        n += snprintf(text + n, len - (size_t)n, " hostbus=%u", w->bus);
    if (w->addr)
        n += snprintf(text + n, len - (size_t)n, " hostaddr=%u", w->addr);
    if (w->vendor || w->product)
        n += snprintf(text + n, len - (size_t)n, " vendorid=%#06x productid=%#06x", w->vendor,
                      w->product);
    if (w->port)
        snprintf(text + n, len - (size_t)n, " hostport=%.31s", w->port);
}

bool usb_find_real(const struct usb_wanted *wanted, struct usb_found *found, char *why,
                   size_t why_len) {
    char text[160];
    struct dirent *entry;
    bool seen = false, good = false;
    say_wanted(wanted, text, sizeof(text));
    DIR *dir = opendir(usb_roots.sys);
    if (!dir) {
        snprintf(why, why_len, "the host's USB devices can't be listed: %s: %s", usb_roots.sys,
                 strerror(errno));
        return false;
    }
    while (!seen && (entry = readdir(dir))) {
        bool is_interface = strchr(entry->d_name, ':'); /* 1-2:1.0 */
        seen = entry->d_name[0] != '.' && !is_interface &&
               look_at(entry->d_name, wanted, found);
        good = seen && read_descriptors(entry->d_name, found);
    }
    closedir(dir);
    if (!good)
        snprintf(why, why_len, "the host's USB device%s %s", text,
                 seen ? "has descriptors that make no sense" : "is not there (hubs don't count)");
    return good;
}
