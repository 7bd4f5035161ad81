/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the RFB protocol share.
 */
#ifndef HOST_RFB_PRIV_H
#define HOST_RFB_PRIV_H

#include "rfb.h"

/* rfb_auth.c: until the state is RFB_CLIENT_INIT or RFB_CLOSED. */
void rfb_auth_greet(struct rfb *rfb);
/* Handles what is at the start of `in`; returns its length, or 0: more is needed. */
size_t rfb_auth_step(struct rfb *rfb);

/* rfb_keys.c */
void rfb_key(struct rfb *rfb, unsigned code, bool down); /* KEY_* */
void rfb_keysym(struct rfb *rfb, uint32_t keysym, bool down);
bool rfb_lift_keys(struct rfb *rfb); /* false: there were none */

#endif
