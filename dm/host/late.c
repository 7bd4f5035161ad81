/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dlopen and dlsym for a table of names. See late.h.
 */
#include "late.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

bool late_load(struct late *lib, char *why, size_t why_len) {
    if (lib->loaded)
        return true;
    if (!lib->handle)
        lib->handle = dlopen(lib->file, RTLD_NOW | RTLD_LOCAL);
    if (!lib->handle) {
        snprintf(why, why_len, "%s (package %s) can't be loaded: %s", lib->file, lib->package,
                 dlerror());
        return false;
    }
    for (unsigned i = 0; i < lib->count; i++) {
        void *symbol = dlsym(lib->handle, lib->symbols[i].name);
        if (!symbol) {
            snprintf(why, why_len, "%s (package %s) has no %s", lib->file, lib->package,
                     lib->symbols[i].name);
            return false;
        }
        memcpy(lib->symbols[i].where, &symbol, sizeof(symbol));
    }
    lib->loaded = true;
    return true;
}
