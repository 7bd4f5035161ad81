/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between image.c and the formats. Thread of the loop.
 */
#ifndef HOST_IMAGE_PRIV_H
#define HOST_IMAGE_PRIV_H

#include "image.h"

/* Makes the image of one format on an open regular file or block device of `size` bytes, which is
 * not 0. On failure fd stays the caller's and `why` is a sentence. */
struct block *raw_open(struct loop *loop, int fd, const char *name, uint64_t size,
                       const struct image_options *options, char *why, size_t why_len);

#endif
