/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See usb_real.h. Devices are named as QEMU names them, for libxl writes it so: usbdev= and
 * `xl usbdev-attach` become -device usb-host with hostbus= and hostaddr=.
 */
#include "usb_real.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "usb/real.h"
#include "usb_host.h"

enum { BUS_MAX = 999, ADDR_MAX = 127 };

static bool number(const struct opts *opts, const char *key, uint64_t max, unsigned *out,
                   char *why, size_t why_len) {
    uint64_t n = 0;
    if (!opts_number(opts, key, max, &n, why, why_len))
        return false;
    *out = (unsigned)n;
    return true;
}

/* "1.4.2" */
static bool is_port(const char *text) {
    size_t n = strlen(text);
    return n && n < USB_PORT_LEN && strspn(text, "0123456789.") == n;
}

bool usb_real_options(const struct opts *opts, struct usb_wanted *w, char *why, size_t why_len) {
    *w = (struct usb_wanted){.port = opts_get(opts, "hostport")};
    if (!number(opts, "hostbus", BUS_MAX, &w->bus, why, why_len) ||
        !number(opts, "hostaddr", ADDR_MAX, &w->addr, why, why_len) ||
        !number(opts, "vendorid", 0xffff, &w->vendor, why, why_len) ||
        !number(opts, "productid", 0xffff, &w->product, why, why_len))
        return false;
    if (w->port && !is_port(w->port)) {
        snprintf(why, why_len, "usb-host: hostport=%s: expected the ports on the way, as in 1.4",
                 w->port);
        return false;
    }
    bool one = w->bus ? w->addr || w->port : w->vendor && w->product;
    if (!one)
        snprintf(why, why_len, "usb-host: expected hostbus= with hostaddr= or hostport=, or "
                 "vendorid= with productid=");
    return one;
}

/* Digits up to `end`. */
static bool take(const char **text, int base, char end, unsigned long max, unsigned *out) {
    char *rest;
    unsigned long n = strtoul(*text, &rest, base);
    if (!isxdigit((unsigned char)**text) || *rest != end || n > max || !n)
        return false;
    *out = (unsigned)n;
    *text = rest + (end != 0);
    return true;
}

bool usb_real_name(const char *name, struct usb_wanted *w) {
    *w = (struct usb_wanted){0};
    if (strncmp(name, "host:", 5))
        return false;
    const char *text = name + 5;
    if (strchr(text, '.'))
        return take(&text, 10, '.', BUS_MAX, &w->bus) && take(&text, 10, 0, ADDR_MAX, &w->addr);
    return take(&text, 16, ':', 0xffff, &w->vendor) &&
           take(&text, 16, 0, 0xffff, &w->product);
}

struct usb_device *usb_real_make(struct loop *loop, const struct usb_wanted *wanted, char *why,
                                 size_t why_len) {
    struct real_usb *real = usb_host_open(loop, wanted, why, why_len);
    return real ? real_new(&(struct real_pins){.real = real}) : NULL;
}
