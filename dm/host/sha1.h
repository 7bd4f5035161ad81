/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-1 of a short text, which a WebSocket's handshake asks for; it protects nothing there. FIPS
 * 180-4, section 6.1.
 */
#ifndef HOST_SHA1_H
#define HOST_SHA1_H

#include <stddef.h>
#include <stdint.h>

enum { SHA1_LEN = 20 };

void sha1(const void *bytes, size_t n, uint8_t digest[SHA1_LEN]);

#endif
