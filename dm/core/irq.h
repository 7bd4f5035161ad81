/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An interrupt line, as a value that the board hands to a chip. Level-triggered in meaning: the
 * chip says what the level is, as often as it likes; only a change travels on.
 */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H

#include <stdbool.h>

struct irq {
    void (*set)(void *dev, unsigned n, bool level);
    /* Optional: the far end's copy of the level, where it isn't saved with the far end. */
    void (*restore)(void *dev, unsigned n, bool level);
    void *dev;
    unsigned n;
    bool level;
};

static inline void irq_set(struct irq *irq, bool level) {
    if (irq->level == level)
        return;
    irq->level = level;
    if (irq->set)
        irq->set(irq->dev, irq->n, level);
}

/* After a load: the interrupt controller kept its own copy of the level, so no edge is made. */
static inline void irq_restore(struct irq *irq, bool level) {
    irq->level = level;
    if (irq->restore)
        irq->restore(irq->dev, irq->n, level);
}

#endif
