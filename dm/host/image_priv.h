/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between image.c, the protocols and the formats. An image is a format on a protocol. A protocol
 * reaches bytes and gives them as a struct block; a format makes another of it, which owns it. Raw
 * is no format of its own: its image is the protocol's block. Thread of the loop.
 */
#ifndef HOST_IMAGE_PRIV_H
#define HOST_IMAGE_PRIV_H

#include "image.h"

/*
 * The protocol of regular files and block devices. `below` says that a format will stand on it: the
 * file may then grow (block->growable). NULL: `why` is a sentence, and fd stays the caller's.
 */
struct block *file_open(struct loop *loop, const char *path, bool below,
                        const struct image_options *options, char *why, size_t why_len);
struct block *file_open_fd(struct loop *loop, int fd, const char *name, bool below,
                           const struct image_options *options, char *why, size_t why_len);

/* The protocol of network disks: paths that nbd_url.h describes. */
struct block *nbd_open(struct loop *loop, const char *path, bool below,
                       const struct image_options *options, char *why, size_t why_len);

/* False: the block is not one of file_open, or can't. */
bool file_set_direct(struct block *block, bool direct);

/* Puts away a block of file_open_fd that no format could use, but not its descriptor. */
void file_give_back(struct block *file);

/* The backing file or parent of image `name`: read only, reached as the image is, `path` relative
 * to the image's own. Bounded in depth. */
struct block *image_open_below(struct loop *loop, const char *name, const char *path,
                               const char *format, const struct image_options *options, char *why,
                               size_t why_len);

/* Formats. On success the image owns the file, on failure it stays the caller's. */
struct block *qcow2_open(struct loop *loop, struct block *file, const char *name,
                         const struct image_options *options, char *why, size_t why_len);
struct block *vhd_open(struct loop *loop, struct block *file, const char *name,
                       const struct image_options *options, char *why, size_t why_len);

#endif
