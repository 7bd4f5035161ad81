/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packed clusters of images: zlib's raw deflate and zstd, by libraries that are loaded when the
 * first such image is opened.
 */
#ifndef HOST_IMAGE_UNPACK_H
#define HOST_IMAGE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False: `why` names the library that is missing. */
bool unpack_load(bool zstd, char *why, size_t why_len);

/* Makes `size` bytes; what follows in `in` is ignored. False: the bytes are bad. */
bool unpack(bool zstd, const uint8_t *in, size_t len, uint8_t *out, size_t size);

#endif
