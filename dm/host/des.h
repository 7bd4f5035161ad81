/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DES encryption of single blocks: FIPS 46-3. VNC authentication is built on it; nothing else
 * should be.
 */
#ifndef HOST_DES_H
#define HOST_DES_H

#include <stdint.h>

void des_encrypt(const uint8_t key[8], const uint8_t in[8], uint8_t out[8]);

#endif
