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

#endif
