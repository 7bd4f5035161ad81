/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disk images: opens one by format and gives what core/block.h describes, with one user, the
 * caller. The format is what the caller says, never guessed from the contents, which are the
 * guest's. An image belongs to the thread of the loop it was opened with. Nothing is locked: a PV
 * backend may have the same file open.
 */
#ifndef HOST_IMAGE_H
#define HOST_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/block.h"
#include "core/loop.h"

/* How an image reaches its file. */
enum image_aio {
    IMAGE_AIO_BEST,   /* io_uring, or threads where the kernel has none or forbids it */
    IMAGE_AIO_THREADS,
};

struct image_options {
    const char *format; /* "raw", "host_device", "file", "qcow2", "vpc", "vhd"; NULL: raw */
    bool read_only;
    bool direct;        /* past the page cache (O_DIRECT) */
    enum image_aio aio;
    unsigned depth;     /* of the chain of backing files above; 0 for callers */
    unsigned patience_s; /* how long requests wait for a network disk's server; 0: 30 */
};

/* The name by which it is known, one that stays: "raw" for "file"; "" for none of ours. */
const char *image_format_name(const char *format);

/* Two names of one format, as "vpc" and "vhd" are. */
bool image_same_format(const char *a, const char *b);

/* NULL: `why` is a sentence that names the file. */
struct block *image_open(struct loop *loop, const char *path, const struct image_options *options,
                         char *why, size_t why_len);

/* The same from a descriptor, which the image owns from then on; on failure it stays the caller's.
 * `name` is for messages. */
struct block *image_open_fd(struct loop *loop, int fd, const char *name,
                            const struct image_options *options, char *why, size_t why_len);

/* The same disk, whose changes go to a temporary file and are gone with the image. It takes over
 * the caller's reference to `base`, which is open for reading only; on failure that stays the
 * caller's. */
struct block *image_overlay(struct loop *loop, struct block *base, char *why, size_t why_len);

/* The process ends: from now on no drain waits for a server that is gone. */
void image_leaving(bool yes);

/*
 * Past the page cache from now on, or through it again. Nothing changes where the file can't, and
 * for formats with a memory of their own.
 */
void image_set_direct(struct block *block, bool direct);

#endif
