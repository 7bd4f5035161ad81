/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys as viewers name them, to KEY_* of Linux's input-event-codes.h: X keysyms by where they are
 * on a US keyboard, and PC/XT scan codes, which name the key itself.
 */
#ifndef HOST_KEYSYM_H
#define HOST_KEYSYM_H

#include <stdint.h>

unsigned key_of_keysym(uint32_t keysym); /* 0: none */
/* Set 1 make codes, with 0x80 added for those after e0. */
unsigned key_of_xt(uint32_t code); /* 0: none */

#endif
