/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of long-lived things. See mem.h.
 */
#include "mem.h"

#include <stdlib.h>

#include "log.h"

void *mem_new(size_t size) {
    void *p = calloc(1, size);
    if (!p) {
        log_error("out of memory: %zu bytes wanted", size);
        abort();
    }
    return p;
}

void *mem_try(size_t size) {
    return calloc(1, size);
}

void mem_free(void *p) {
    free(p);
}
