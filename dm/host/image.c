/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An image is a format on a protocol: the tables of both, and who opens what. See image.h.
 */
#include "image.h"

#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "image_priv.h"

enum { DEPTH_MAX = 64 };

struct image_protocol {
    const char *scheme; /* "nbd:": what a path of it begins with */
    struct block *(*open)(struct loop *loop, const char *path, bool below,
                          const struct image_options *options, char *why, size_t why_len);
};

static const struct image_protocol protocols[] = {
    {"", file_open}, {"nbd:", nbd_open}, {"nbd+unix:", nbd_open}, {"nbd+tcp:", nbd_open},
    {"nbds:", nbd_open}, {"nbds+unix:", nbd_open}, /* for its own sentence */
};

struct image_format {
    const char *name, *canonical;
    /* NULL: the file is the image. */
    struct block *(*open)(struct loop *loop, struct block *file, const char *name,
                          const struct image_options *options, char *why, size_t why_len);
};

/* host_device and file are what a raw image is called by the way it is reached. */
static const struct image_format formats[] = {
    {"raw", "raw", NULL}, {"host_device", "raw", NULL}, {"file", "raw", NULL},
    {"qcow2", "qcow2", qcow2_open}, {"vpc", "vpc", vhd_open}, {"vhd", "vpc", vhd_open},
};

static const struct image_format *find_format(const char *name) {
    for (unsigned i = 0; i < ARRAY_LEN(formats); i++)
        if (!strcmp(formats[i].name, name ? name : "raw"))
            return &formats[i];
    return NULL;
}

static const struct image_format *format_of(const char *name, const struct image_options *options,
                                            char *why, size_t why_len) {
    const struct image_format *format = find_format(options->format);
    if (!format)
        snprintf(why, why_len,
                 "image '%s': format '%s' is not supported: expected raw, qcow2 or vpc", name,
                 options->format);
    return format;
}

const char *image_format_name(const char *name) {
    const struct image_format *format = find_format(name);
    return format ? format->canonical : "";
}

bool image_same_format(const char *a, const char *b) {
    const struct image_format *one = find_format(a), *other = find_format(b);
    return one && other && !strcmp(one->canonical, other->canonical);
}

struct block *image_open_fd(struct loop *loop, int fd, const char *name,
                            const struct image_options *options, char *why, size_t why_len) {
    const struct image_format *format = format_of(name, options, why, why_len);
    if (!format)
        return NULL;
    struct block *file = file_open_fd(loop, fd, name, format->open, options, why, why_len);
    if (!file || !format->open)
        return file;
    struct block *block = format->open(loop, file, name, options, why, why_len);
    if (!block)
        file_give_back(file);
    return block;
}

/* "nbd+unix:///?socket=..." as libxl gives for tap disks, "nbd:host:port", "json:{...}" */
static bool names_protocol(const char *path) {
    size_t scheme = strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789+");
    return scheme > 1 && path[scheme] == ':';
}

static const struct image_protocol *protocol_of(const char *path, char *why, size_t why_len) {
    for (unsigned i = 0; i < ARRAY_LEN(protocols); i++) {
        const char *scheme = protocols[i].scheme;
        if (*scheme ? !strncmp(path, scheme, strlen(scheme)) : !names_protocol(path))
            return &protocols[i];
    }
    snprintf(why, why_len,
             "image '%s' is reached by a protocol, which is not supported: expected the path of a "
             "file or a block device", path);
    return NULL;
}

struct block *image_open(struct loop *loop, const char *path, const struct image_options *options,
                         char *why, size_t why_len) {
    const struct image_format *format = format_of(path, options, why, why_len);
    const struct image_protocol *protocol = format ? protocol_of(path, why, why_len) : NULL;
    if (!protocol)
        return NULL;
    struct block *file = protocol->open(loop, path, format->open, options, why, why_len);
    if (!file || !format->open)
        return file;
    struct block *block = format->open(loop, file, path, options, why, why_len);
    if (!block)
        block_put(file);
    return block;
}

struct block *image_open_below(struct loop *loop, const char *name, const char *path,
                               const char *format, const struct image_options *options, char *why,
                               size_t why_len) {
    struct image_options below = *options;
    const char *slash = strrchr(name, '/');
    char joined[4096];
    below.format = format;
    below.read_only = true;
    if (++below.depth > DEPTH_MAX) {
        snprintf(why, why_len, "image '%s' is the end of a chain of %u images, or of one that is "
                 "its own backing file: '%s' is not opened", name, DEPTH_MAX, path);
        return NULL;
    }
    if (*path == '/' || !slash || names_protocol(path))
        return image_open(loop, path, &below, why, why_len);
    int len = snprintf(joined, sizeof(joined), "%.*s%s", (int)(slash + 1 - name), name, path);
    if (len >= (int)sizeof(joined)) {
        snprintf(why, why_len, "image '%s': the name of its backing file is too long", name);
        return NULL;
    }
    return image_open(loop, joined, &below, why, why_len);
}

void image_set_direct(struct block *block, bool direct) {
    file_set_direct(block, direct);
}
