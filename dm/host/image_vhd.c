/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include "image_priv.h"
struct block *vhd_open(struct loop *loop, struct block *file, const char *name,
                       const struct image_options *options, char *why, size_t why_len) {
    (void)loop; (void)file; (void)options;
    snprintf(why, why_len, "image '%s': not yet", name);
    return NULL;
}
