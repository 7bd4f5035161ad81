/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event rings and interrupters: xHCI 1.1, 4.9.4 and 4.17. See xhci_chip.h.
 *
 * A transfer or command starts only when its events have room, so none is lost: the rings wait for
 * the guest, as 4.9.4 wants it. Moderation is a time before which an interrupter may not raise its
 * interrupt again; a timer runs only while one is held back by it.
 */
#include <stdio.h>

#include "core/bits.h"
#include "usb/xhci_chip.h"

enum { /* 5.5.2, within an interrupter's register set */
    IMAN = 0x00, IMOD = 0x04, ERSTSZ = 0x08, ERSTBA = 0x10, ERSTBA_HIGH = 0x14, ERDP = 0x18,
    ERDP_HIGH = 0x1c,
};

enum { TRB_SIZE = 16, SEGMENT_MIN = 16, SEGMENT_MAX = 4096, IMOD_NS = 250 };

/* ---- the ring ---- */

static unsigned ring_size(const struct xhci_intr *r) {
    unsigned n = 0;
    for (unsigned i = 0; i < XHCI_SEGMENTS; i++)
        n += r->size[i];
    return n;
}

/* Reads the segment table once, when the first event needs it. False: there is no ring. */
static bool ring_load(struct xhci *x, struct xhci_intr *r) {
    if (r->loaded || !r->erstsz || !x->pci.master)
        return r->loaded;
    for (unsigned i = 0; i < XHCI_SEGMENTS; i++) {
        uint32_t entry[4] = {0};
        if (i < r->erstsz && !xhci_read_words(x, r->erstba + TRB_SIZE * i, entry, 4)) {
            xhci_die(x, "an event ring's segment table is not in memory", r->erstba);
            return false;
        }
        uint32_t size = entry[2] & 0xffff;
        if (i < r->erstsz && (size < SEGMENT_MIN || size > SEGMENT_MAX)) {
            xhci_die(x, "an event ring's segment has an impossible size", r->erstba);
            return false;
        }
        r->base[i] = (uint64_t)entry[1] << 32 | (entry[0] & ~(uint32_t)0x3f);
        r->size[i] = size;
    }
    r->enqueue = 0;
    r->cycle = true;
    r->loaded = true;
    return true;
}

static uint64_t entry_address(const struct xhci_intr *r, unsigned index) {
    unsigned i = 0;
    for (; i < XHCI_SEGMENTS - 1 && index >= r->size[i]; i++)
        index -= r->size[i];
    return r->base[i] + (uint64_t)TRB_SIZE * index;
}

/* Where the guest is, as an index; false: not in the ring. */
static bool dequeue_index(const struct xhci_intr *r, unsigned *index) {
    uint64_t at = r->erdp & ~(uint64_t)(TRB_SIZE - 1);
    unsigned before = 0;
    for (unsigned i = 0; i < XHCI_SEGMENTS; before += r->size[i++]) {
        uint64_t off = (at - r->base[i]) / TRB_SIZE;
        if (at >= r->base[i] && off < r->size[i]) {
            *index = before + (unsigned)off;
            return true;
        }
    }
    return false;
}

/* One entry stays free, so that full and empty differ. */
static unsigned ring_free(const struct xhci_intr *r) {
    unsigned index, size = ring_size(r);
    if (!dequeue_index(r, &index))
        return 0;
    return (index + size - r->enqueue - 1) % size;
}

static void put_event(struct xhci *x, struct xhci_intr *r, const struct xhci_event *e) {
    const uint32_t words[4] = {
        (uint32_t)e->param, (uint32_t)(e->param >> 32), (e->length & 0xffffff) | e->code << 24,
        e->type << 10 | e->ep << 16 | e->slot << 24 | e->flags | r->cycle,
    };
    xhci_write_words(x, entry_address(r, r->enqueue), words, 4);
    if (++r->enqueue == ring_size(r)) {
        r->enqueue = 0;
        r->cycle = !r->cycle;
    }
    r->pending |= !e->quiet;
}

void xhci_event(struct xhci *x, unsigned intr, const struct xhci_event *event) {
    struct xhci_intr *r = &x->intr[intr];
    if (!ring_load(x, r))
        return;
    unsigned room = ring_free(r);
    if (room > 1) {
        r->full = false;
        put_event(x, r, event);
    } else if (room && !r->full) {
        r->full = true;
        put_event(x, r, &(struct xhci_event){.type = EVENT_CONTROLLER, .code = CC_RING_FULL});
    }
}

bool xhci_event_room(struct xhci *x, unsigned intr, unsigned events) {
    struct xhci_intr *r = &x->intr[intr];
    if (!ring_load(x, r))
        return true; /* nowhere to tell: nothing to wait for */
    unsigned room = ring_free(r), size = ring_size(r);
    return room > events + r->reserved || (room + 1 == size && !r->reserved);
}

/* ---- interrupts ---- */

static void raise_one(struct xhci *x, struct xhci_intr *r) {
    uint64_t now = clock_now(x->clock), interval = (uint64_t)IMOD_NS * (r->imod & 0xffff);
    if (r->quiet_until > now + interval)
        r->quiet_until = 0; /* of another interval, or of a clock that began anew */
    if (!r->pending || r->erdp & ERDP_EHB || r->quiet_until > now)
        return;
    r->pending = false;
    r->erdp |= ERDP_EHB;
    r->iman |= IMAN_IP;
    r->quiet_until = now + interval;
    x->usbsts |= STS_EINT;
}

/* A message takes IP with it; the line stands for it until the guest clears it: 4.17.5. */
void xhci_raise(struct xhci *x) {
    bool line = false;
    for (unsigned i = 0; i < XHCI_INTRS; i++) {
        struct xhci_intr *r = &x->intr[i];
        if (r->pending)
            raise_one(x, r);
        if ((r->iman & (IMAN_IP | IMAN_IE)) != (IMAN_IP | IMAN_IE) || !(x->usbcmd & CMD_INTE))
            continue;
        if (msix_enabled(&x->msix))
            msix_send(&x->msix, i);
        else if (x->nec && msi_enabled(&x->msi))
            msi_send(&x->msi, i);
        else {
            line = true;
            continue;
        }
        r->iman &= ~(uint32_t)IMAN_IP;
    }
    pci_irq(&x->pci, line);
}

uint64_t xhci_moderated(const struct xhci *x) {
    uint64_t at = TIMER_NEVER;
    for (unsigned i = 0; i < XHCI_INTRS; i++) {
        const struct xhci_intr *r = &x->intr[i];
        if (r->pending && !(r->erdp & ERDP_EHB))
            at = MIN(at, r->quiet_until);
    }
    return at;
}

/* ---- registers ---- */

uint32_t xhci_intr_read(struct xhci *x, unsigned n, unsigned reg) {
    const struct xhci_intr *r = &x->intr[n];
    uint64_t now = clock_now(x->clock);
    switch (reg) {
    case IMAN:
        return r->iman;
    case IMOD: /* the counter runs down to 0 */
        return r->imod | (r->quiet_until > now
                              ? (uint32_t)MIN((r->quiet_until - now) / IMOD_NS, 0xffffu) << 16 : 0);
    case ERSTSZ:
        return r->erstsz;
    case ERSTBA:
        return (uint32_t)r->erstba;
    case ERSTBA_HIGH:
        return (uint32_t)(r->erstba >> 32);
    case ERDP:
        return (uint32_t)r->erdp;
    case ERDP_HIGH:
        return (uint32_t)(r->erdp >> 32);
    default:
        return 0;
    }
}

/* The guest has been here: what waited for room goes on; what it left unseen interrupts anew. */
static void dequeued(struct xhci *x, struct xhci_intr *r) {
    unsigned index;
    if (!r->loaded)
        return;
    if (dequeue_index(r, &index) && index == r->enqueue)
        r->pending = false;
    else if (!(r->erdp & ERDP_EHB))
        r->pending = true;
    if (x->usbcmd & CMD_RUN) {
        xhci_ports_tell(x);
        if (x->starved)
            xhci_all_due(x);
        x->starved = false;
    }
}

static void set_half(uint64_t *reg, bool high, uint32_t val) {
    *reg = high ? (uint64_t)val << 32 | (uint32_t)*reg : (*reg & ~(uint64_t)UINT32_MAX) | val;
}

void xhci_intr_write(struct xhci *x, unsigned n, unsigned reg, uint32_t val) {
    struct xhci_intr *r = &x->intr[n];
    switch (reg) {
    case IMAN:
        r->iman = (val & IMAN_IE) | (val & IMAN_IP ? 0 : r->iman & IMAN_IP);
        break;
    case IMOD:
        r->imod = val & 0xffff;
        break;
    case ERSTSZ:
        r->erstsz = MIN(val & 0xffff, (uint32_t)XHCI_SEGMENTS);
        break;
    case ERSTBA:
    case ERSTBA_HIGH:
        set_half(&r->erstba, reg == ERSTBA_HIGH, reg == ERSTBA ? val & ~0x3fu : val);
        r->loaded = r->pending = r->full = false;
        break;
    case ERDP:
        set_half(&r->erdp, false, (val & ~(uint32_t)ERDP_EHB) |
                                      (val & ERDP_EHB ? 0 : (uint32_t)r->erdp & ERDP_EHB));
        dequeued(x, r);
        break;
    case ERDP_HIGH:
        set_half(&r->erdp, true, val);
        dequeued(x, r);
        break;
    }
}

bool xhci_events_loaded(struct xhci *x, char *why, size_t why_len) {
    for (unsigned i = 0; i < XHCI_INTRS; i++) {
        struct xhci_intr *r = &x->intr[i];
        if (r->loaded && r->enqueue >= ring_size(r)) {
            snprintf(why, why_len, "interrupter %u: event %u of %u", i, r->enqueue, ring_size(r));
            return false;
        }
    }
    return true;
}
