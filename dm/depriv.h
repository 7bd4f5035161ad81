/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up what a running machine doesn't need: root directory, user, privileges to come. Called
 * once, after everything is open and before guest data is touched.
 */
#ifndef DM_DEPRIV_H
#define DM_DEPRIV_H

#include <stdbool.h>
#include <stddef.h>

struct config;

/* Does what -chroot and -runas ask; false with a sentence when it can't. */
bool depriv(const struct config *config, char *why, size_t why_len);

#endif
