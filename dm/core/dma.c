/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM for bus masters. See dma.h.
 */
#include "dma.h"

#include <string.h>

#include "bits.h"

enum { PAGE = 4096 };

/* What stands in for memory that is not there: one page to read ones from, one to write into. */
static uint8_t absent_ones[PAGE];
static uint8_t absent_sink[PAGE];

static bool dma_on(const struct dma *dma) {
    return !dma->enabled || *dma->enabled;
}

static void *dma_map(const struct dma *dma, uint64_t gpa, size_t *len, bool write) {
    if (!dma_on(dma))
        return NULL;
    return dma->engine->ops->map(dma->engine, gpa, len, write);
}

bool dma_read(const struct dma *dma, uint64_t gpa, void *buf, size_t len) {
    bool all = true;
    for (uint8_t *to = buf; len;) {
        size_t n = len;
        void *host = dma_map(dma, gpa, &n, false);
        if (host) {
            memcpy(to, host, n);
            dma->engine->ops->unmap(dma->engine, host, gpa, n, false);
        } else {
            memset(to, 0xff, n);
            all = false;
        }
        to += n;
        gpa += n;
        len -= n;
    }
    return all;
}

bool dma_write(const struct dma *dma, uint64_t gpa, const void *buf, size_t len) {
    bool all = true;
    for (const uint8_t *from = buf; len;) {
        size_t n = len;
        void *host = dma_map(dma, gpa, &n, true);
        if (host) {
            memcpy(host, from, n);
            dma->engine->ops->unmap(dma->engine, host, gpa, n, true);
        } else {
            all = false;
        }
        from += n;
        gpa += n;
        len -= n;
    }
    return all;
}

static bool is_absent(const void *host) {
    return host == absent_ones || host == absent_sink;
}

size_t dma_sg_add(const struct dma *dma, struct dma_sg *sg, uint64_t gpa, size_t len, bool write) {
    size_t added = 0;
    while (added < len && sg->n < DMA_SG_MAX) {
        size_t n = len - added;
        void *host = dma_map(dma, gpa + added, &n, write);
        if (!host) {
            memset(absent_ones, 0xff, sizeof(absent_ones));
            host = write ? absent_sink : absent_ones;
            n = MIN(n, (size_t)PAGE);
        }
        sg->gpa[sg->n] = gpa + added;
        sg->iov[sg->n++] = (struct iovec){host, n};
        sg->len += n;
        added += n;
    }
    return added;
}

void dma_sg_done(const struct dma *dma, struct dma_sg *sg, bool wrote) {
    for (unsigned i = 0; i < sg->n; i++)
        if (!is_absent(sg->iov[i].iov_base))
            dma->engine->ops->unmap(dma->engine, sg->iov[i].iov_base, sg->gpa[i],
                                    sg->iov[i].iov_len, wrote);
    sg->n = 0;
    sg->len = 0;
}

static size_t sg_copy(const struct dma_sg *sg, size_t skip, uint8_t *buf, size_t len, bool fill) {
    size_t done = 0;
    for (unsigned i = 0; i < sg->n && done < len; i++) {
        size_t have = sg->iov[i].iov_len;
        if (skip >= have) {
            skip -= have;
            continue;
        }
        uint8_t *host = (uint8_t *)sg->iov[i].iov_base + skip;
        size_t n = MIN(have - skip, len - done);
        if (fill)
            memcpy(host, buf + done, n);
        else
            memcpy(buf + done, host, n);
        done += n;
        skip = 0;
    }
    return done;
}

size_t dma_sg_fill(const struct dma_sg *sg, size_t skip, const void *buf, size_t len) {
    return sg_copy(sg, skip, (uint8_t *)(uintptr_t)buf, len, true);
}

size_t dma_sg_fetch(const struct dma_sg *sg, size_t skip, void *buf, size_t len) {
    return sg_copy(sg, skip, buf, len, false);
}
