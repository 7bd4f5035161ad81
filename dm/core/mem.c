/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of long-lived things. See mem.h.
 */
#include "mem.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

enum { PAGE = 4096 };

static void *there(void *p, size_t size) {
    if (!p) {
        log_error("out of memory: %zu bytes wanted", size);
        abort();
    }
    return p;
}

void *mem_new(size_t size) {
    return there(calloc(1, size), size);
}

void *mem_pages(unsigned n) {
    size_t size = (size_t)n * PAGE;
    return memset(there(aligned_alloc(PAGE, size), size), 0, size);
}

void *mem_try(size_t size) {
    return calloc(1, size);
}

void mem_free(void *p) {
    free(p);
}
