/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bus master's way to guest RAM. Structures are copied (copy, check, use); bulk data is reached
 * in place by scatter lists that go straight to the host's I/O. Only RAM: never a chip's registers.
 * What is not RAM reads as ones and swallows writes, and so does all of it while Bus Master Enable
 * is off.
 */
#ifndef CORE_DMA_H
#define CORE_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h> /* struct iovec, the type only */

#include "engine.h"

struct dma {
    struct engine *engine;
    const bool *enabled; /* NULL: always */
};

/* False: some of it was not RAM. */
bool dma_read(const struct dma *dma, uint64_t gpa, void *buf, size_t len);
bool dma_write(const struct dma *dma, uint64_t gpa, const void *buf, size_t len);

enum { DMA_SG_MAX = 128 };

/* A list of guest memory held in place; all zeros is an empty one. */
struct dma_sg {
    unsigned n;
    size_t len; /* bytes in all */
    struct iovec iov[DMA_SG_MAX];
    uint64_t gpa[DMA_SG_MAX];
};

/* Adds [gpa, gpa + len) and returns how many bytes were added: fewer when the list is full.
 * `write`: the device will write to it. */
size_t dma_sg_add(const struct dma *dma, struct dma_sg *sg, uint64_t gpa, size_t len, bool write);

/* Gives all of it back. `wrote`: the device has written to it. */
void dma_sg_done(const struct dma *dma, struct dma_sg *sg, bool wrote);

/* Copies between a buffer and the list, from `skip` bytes into the list on; returns bytes
 * copied. */
size_t dma_sg_fill(const struct dma_sg *sg, size_t skip, const void *buf, size_t len);
size_t dma_sg_fetch(const struct dma_sg *sg, size_t skip, void *buf, size_t len);

#endif
