/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk whose changes go when it does (snapshot=on): a qcow2 image in a temporary file without a
 * name, made here, over the image that stays as it is. The file is in $TMPDIR or /var/tmp, as
 * QEMU's is, and holds what the guest has written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bits.h"
#include "image_priv.h"
#include "image_qcow2.h"

enum { CLUSTER_BITS = 16, CLUSTER = 1 << CLUSTER_BITS };
enum { REFTABLE = CLUSTER, REFBLOCK = 2 * CLUSTER, L1 = 3 * CLUSTER };

/* The first four clusters and an L1 table of zeros; the rest comes as it is written. */
static bool make(int fd, uint64_t size) {
    static const uint64_t l2_span = (uint64_t)CLUSTER * (CLUSTER / 8);
    uint64_t entries = (size + l2_span - 1) / l2_span;
    uint64_t clusters = L1 / CLUSTER + (entries * 8 + CLUSTER - 1) / CLUSTER;
    uint8_t *head = calloc(1, L1);
    if (!head)
        return false;
    store_be32(head + QH_MAGIC, QCOW2_MAGIC);
    store_be32(head + QH_VERSION, 3);
    store_be32(head + QH_CLUSTER_BITS, CLUSTER_BITS);
    store_be64(head + QH_SIZE, size);
    store_be32(head + QH_L1_SIZE, (uint32_t)entries);
    store_be64(head + QH_L1_OFFSET, L1);
    store_be64(head + QH_REFTABLE_OFFSET, REFTABLE);
    store_be32(head + QH_REFTABLE_CLUSTERS, 1);
    store_be32(head + QH_REFCOUNT_ORDER, 4);
    store_be32(head + QH_HEADER_LENGTH, QH_V3_LENGTH);
    store_be64(head + REFTABLE, REFBLOCK);
    for (uint64_t i = 0; i < MIN(clusters, (uint64_t)CLUSTER / 2); i++)
        store_be16(head + REFBLOCK + i * 2, 1);
    bool ok = pwrite(fd, head, L1, 0) == L1 && !ftruncate(fd, (off_t)(clusters << CLUSTER_BITS));
    free(head);
    return ok;
}

static int temporary(const char *dir) {
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    char path[4096];
    if (snprintf(path, sizeof(path), "%s/hvm-dm.XXXXXX", dir) >= (int)sizeof(path))
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

struct block *image_overlay(struct loop *loop, struct block *base, char *why, size_t why_len) {
    struct image_options options = {.format = "qcow2"};
    const char *dir = getenv("TMPDIR");
    int fd = temporary(dir && *dir ? dir : "/var/tmp");
    if (fd < 0 || !make(fd, base->size)) {
        snprintf(why, why_len, "image '%s': no temporary file for its snapshot: %s", base->name,
                 strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct block *block = image_open_fd(loop, fd, base->name, &options, why, why_len);
    if (block)
        map_of(block)->backing = base;
    else
        close(fd);
    return block;
}
