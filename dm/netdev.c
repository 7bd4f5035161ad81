/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See netdev.h.
 */
#include "netdev.h"

#include <stdio.h>

#include "config.h"

struct net *netdev_open(struct loop *loop, const struct config_netdev *config, char *why,
                        size_t why_len) {
    (void)loop;
    snprintf(why, why_len, "%s %s: this type is not implemented", config->opts->origin,
             config->opts->text);
    return NULL;
}
