/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A channel of the ISA bus' DMA controller, as a value that the board hands to a chip: DREQ, DACK
 * and TC. The controller owns the address and the count; the chip asks, and moves its bytes when it
 * is let. One thread.
 */
#ifndef CORE_ISA_DMA_H
#define CORE_ISA_DMA_H

#include <stdbool.h>
#include <stddef.h>

struct isa_dma_ops {
    /* `ready` is called when the channel can move something while DREQ is high, and could not. */
    void (*attach)(void *dev, unsigned channel, void (*ready)(void *user), void *user);
    void (*request)(void *dev, unsigned channel, bool level);
    /* Up to `len` bytes between buf and memory; fewer when the count ends (then *tc) or the channel
     * is masked or programmed for the other direction. A channel that is programmed to verify
     * counts and moves nothing. */
    size_t (*move)(void *dev, unsigned channel, void *buf, size_t len, bool to_memory, bool *tc);
};

struct isa_dma {
    const struct isa_dma_ops *ops; /* NULL: no channel is wired */
    void *dev;
    unsigned channel;
};

static inline void isa_dma_attach(const struct isa_dma *dma, void (*ready)(void *), void *user) {
    if (dma->ops)
        dma->ops->attach(dma->dev, dma->channel, ready, user);
}

static inline void isa_dma_request(const struct isa_dma *dma, bool level) {
    if (dma->ops)
        dma->ops->request(dma->dev, dma->channel, level);
}

static inline size_t isa_dma_move(const struct isa_dma *dma, void *buf, size_t len, bool to_memory,
                                  bool *tc) {
    *tc = false;
    return dma->ops ? dma->ops->move(dma->dev, dma->channel, buf, len, to_memory, tc) : 0;
}

#endif
