/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is the same for images of all formats: opening the file, looking at what it is, and
 * sentences for what it can't be. See image.h.
 */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bits.h"
#include "image_priv.h"

struct image_format {
    const char *name;
    struct block *(*open)(struct loop *loop, int fd, const char *name, uint64_t size,
                          const struct image_options *options, char *why, size_t why_len);
};

/* host_device and file are what a raw image is called by the way it is reached. */
static const struct image_format formats[] = {
    {"raw", raw_open}, {"host_device", raw_open}, {"file", raw_open},
};

static const struct image_format *find_format(const char *name) {
    for (unsigned i = 0; i < ARRAY_LEN(formats); i++)
        if (!strcmp(formats[i].name, name ? name : "raw"))
            return &formats[i];
    return NULL;
}

/* The size of a regular file or block device, or 0 and a sentence. */
static uint64_t size_of(int fd, const char *name, char *why, size_t why_len) {
    struct stat st;
    uint64_t size = 0;
    if (fstat(fd, &st)) {
        snprintf(why, why_len, "image '%s': %s", name, strerror(errno));
    } else if (S_ISREG(st.st_mode)) {
        size = (uint64_t)st.st_size;
        if (!size)
            snprintf(why, why_len, "image '%s' is empty: a disk has at least one sector", name);
    } else if (S_ISBLK(st.st_mode)) {
        if (ioctl(fd, BLKGETSIZE64, &size))
            snprintf(why, why_len, "image '%s': its size can't be had: %s", name, strerror(errno));
        else if (!size)
            snprintf(why, why_len, "image '%s' is a device without a medium", name);
    } else {
        snprintf(why, why_len, "image '%s' is a %s: expected a regular file or a block device",
                 name,
                 S_ISDIR(st.st_mode) ? "directory" : S_ISCHR(st.st_mode) ? "character device"
                 : S_ISFIFO(st.st_mode) ? "pipe" : "socket");
    }
    return size;
}

struct block *image_open_fd(struct loop *loop, int fd, const char *name,
                            const struct image_options *options, char *why, size_t why_len) {
    const struct image_format *format = find_format(options->format);
    if (!format) {
        snprintf(why, why_len, "image '%s': format '%s' is not supported: expected 'raw'", name,
                 options->format);
        return NULL;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        snprintf(why, why_len, "image '%s': %s", name, strerror(errno));
        return NULL;
    }
    if (!options->read_only && (flags & O_ACCMODE) == O_RDONLY) {
        snprintf(why, why_len, "image '%s' is open for reading only, and the drive is writable",
                 name);
        return NULL;
    }
    uint64_t size = size_of(fd, name, why, why_len);
    if (!size)
        return NULL;
    /* a request that has to wait must wait, not fail */
    flags = (flags & ~O_NONBLOCK) | (options->direct ? O_DIRECT : 0);
    if (fcntl(fd, F_SETFL, flags)) {
        snprintf(why, why_len, "image '%s' can't be opened past the page cache: %s", name,
                 strerror(errno));
        return NULL;
    }
    return format->open(loop, fd, name, size, options, why, why_len);
}

/* "nbd+unix:///?socket=..." as libxl gives for tap disks, "nbd:host:port", "json:{...}" */
static bool is_protocol(const char *path) {
    size_t scheme = strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789+");
    return scheme > 1 && path[scheme] == ':';
}

struct block *image_open(struct loop *loop, const char *path, const struct image_options *options,
                         char *why, size_t why_len) {
    if (is_protocol(path)) {
        snprintf(why, why_len,
                 "image '%s' is reached by a protocol, which is not supported: expected the path "
                 "of a file or a block device", path);
        return NULL;
    }
    /* without waiting for a pipe's writer */
    int mode = options->read_only ? O_RDONLY : O_RDWR;
    int fd = open(path, mode | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == EISDIR)
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* told of below by what it is */
    if (fd < 0) {
        snprintf(why, why_len, "image '%s' can't be opened for %s: %s", path,
                 options->read_only ? "reading" : "writing", strerror(errno));
        return NULL;
    }
    struct stat st;
    struct block *block = NULL;
    if (!fstat(fd, &st) && S_ISDIR(st.st_mode))
        snprintf(why, why_len,
                 "image '%s' is a directory: expected a regular file or a block device", path);
    else
        block = image_open_fd(loop, fd, path, options, why, why_len);
    if (!block)
        close(fd);
    return block;
}
