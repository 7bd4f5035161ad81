/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Libraries that most guests never need (NBD, TLS, USB, ...) are loaded when the first one asks, so
 * that a start costs nothing for them and a host without them can still run what doesn't use them.
 *
 *     static struct { int (*init)(...); int (*end)(...); } libz;
 *     static const struct late_symbol symbols[] = {LATE(libz, init, "deflateInit_"), ...};
 *     static struct late lib = {"libz.so.1", "zlib1g", symbols, ARRAY_LEN(symbols)};
 *     if (!late_load(&lib, why, why_len)) return false;
 *
 * Before privileges are dropped. One thread.
 */
#ifndef HOST_LATE_H
#define HOST_LATE_H

#include <stdbool.h>
#include <stddef.h>

struct late_symbol {
    const char *name;
    void *where; /* the function pointer to set */
};

#define LATE(table, member, symbol) {symbol, &(table).member}

struct late {
    const char *file;    /* "libz.so.1" */
    const char *package; /* Debian's, for the message */
    const struct late_symbol *symbols;
    unsigned count;
    /* its own */
    void *handle;
    bool loaded;
};

/* True when it is loaded; else `why` names library, package and what is missing. */
bool late_load(struct late *lib, char *why, size_t why_len);

#endif
