/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transfer rings: xHCI 1.1, 4.9.2, 4.10, 4.11 and 6.4.1. See xhci_chip.h.
 *
 * A TD is taken whole, with all its TRBs, and goes to the device in parts as long as the lists of
 * memory allow; each part but the last is whole packets, so that a short one ends the TD. While a
 * device says NAK nothing is kept but how much of the TD it has had.
 */
#include <string.h>

#include "core/bits.h"
#include "usb/xhci_chip.h"

enum { TRB_LEN = 0x1ffff, TRB_INTR = 22 /* shift */, SETUP_LEN = 8 };

enum td { TD_NONE, TD_WHOLE, TD_BROKEN };

/* How a part, or a TD, has ended: there is more of it; it is complete, or its endpoint has halted;
 * its device has nothing now; its device keeps it. */
enum step { STEP_MORE, STEP_END, STEP_WAIT, STEP_PENDING };

static bool carries_data(const struct xhci_trb *trb) {
    return trb_type(trb) <= TRB_DATA;
}

static uint32_t data_len(const struct xhci_trb *trb) {
    return carries_data(trb) ? trb->status & TRB_LEN : 0;
}

/* ---- those under way ---- */

static struct xhci_transfer *find(struct xhci *x, unsigned slot, unsigned ep) {
    for (unsigned i = 0; i < XHCI_TRANSFERS; i++)
        if (x->transfer[i].ep == ep && x->transfer[i].slot == slot)
            return &x->transfer[i];
    return NULL;
}

static struct xhci_transfer *take(struct xhci *x, unsigned slot, unsigned ep) {
    for (unsigned i = 0; i < XHCI_TRANSFERS; i++) {
        struct xhci_transfer *t = &x->transfer[i];
        if (t->ep)
            continue;
        t->xhci = x;
        t->slot = (uint8_t)slot;
        t->ep = (uint8_t)ep;
        t->finished = false;
        t->n = 0;
        t->len = 0;
        t->reserved = 0;
        return t;
    }
    return NULL;
}

static void release(struct xhci_transfer *t) {
    struct xhci *x = t->xhci;
    dma_sg_done(&x->pci.dma, &t->sg, t->in);
    x->intr[t->intr].reserved -= t->reserved;
    xhci_slot(x, t->slot)->busy &= ~(UINT32_C(1) << t->ep);
    t->ep = 0;
}

bool xhci_transfers_idle(const struct xhci *x) {
    for (unsigned i = 0; i < XHCI_TRANSFERS; i++)
        if (x->transfer[i].ep)
            return false;
    return true;
}

static void transfer_done(struct usb_transfer *usb) {
    struct xhci_transfer *t = CONTAINER_OF(usb, struct xhci_transfer, usb);
    t->finished = true;
    xhci_make_due(t->xhci, t->slot, t->ep);
    xhci_work(t->xhci);
}

void xhci_cancel(struct xhci *x, unsigned slot, unsigned ep) {
    struct xhci_slot *s = xhci_slot(x, slot);
    if (!(s->busy >> ep & 1))
        return;
    struct xhci_transfer *t = find(x, slot, ep);
    if (!t->finished)
        usb_cancel(&t->usb);
    s->moved[ep] += (uint32_t)MIN(t->usb.actual, t->part);
    release(t);
}

/* ---- from the ring ---- */

static bool fits_ep(const struct xhci_trb *trb, unsigned ep_type, bool first) {
    switch (trb_type(trb)) {
    case TRB_SETUP:
        return ep_type == EP_CONTROL && first && trb->control & TRB_IDT &&
               (trb->status & TRB_LEN) == SETUP_LEN;
    case TRB_DATA:
    case TRB_STATUS:
        return ep_type == EP_CONTROL && first;
    case TRB_NORMAL:
        return ep_type != EP_CONTROL || !first;
    default:
        return trb_type(trb) == TRB_EVENT_DATA || trb_type(trb) == TRB_NO_OP;
    }
}

static bool is_immediate(const struct xhci_trb *trb) {
    return carries_data(trb) && trb->control & TRB_IDT;
}

/* Data in a TRB is all the data that its TD has. */
static bool fits_immediate(const struct xhci_transfer *t, const struct xhci_trb *trb) {
    if (t->n == 1)
        return !is_immediate(trb) || data_len(trb) <= SETUP_LEN;
    return !carries_data(trb) || !((trb->control | t->trb[0].control) & TRB_IDT);
}

/* All TRBs of the TD at the dequeue pointer; it is not looked at before the last one is there. */
static enum td collect(struct xhci *x, struct xhci_transfer *t) {
    struct xhci_slot *s = xhci_slot(x, t->slot);
    unsigned type = s->ep_type[t->ep];
    t->next = s->dequeue[t->ep];
    do {
        struct xhci_trb *trb = &t->trb[t->n];
        xhci_spend(x, 1);
        if (xhci_fetch(x, &t->next, trb) != FETCH_TRB)
            return TD_NONE;
        t->n++;
        if (!fits_ep(trb, type, t->n == 1) || !fits_immediate(t, trb))
            return TD_BROKEN;
        t->len += data_len(trb);
    } while (t->trb[t->n - 1].control & TRB_CHAIN && t->n < XHCI_TD_TRBS);
    return t->trb[t->n - 1].control & TRB_CHAIN ? TD_BROKEN : TD_WHOLE;
}

/* ---- events ---- */

static unsigned intr_of(const struct xhci_trb *trb) {
    unsigned intr = trb->status >> TRB_INTR;
    return intr < XHCI_INTRS ? intr : 0;
}

static void tell(struct xhci_transfer *t, const struct xhci_trb *trb, unsigned code, uint64_t param,
                 uint32_t length, unsigned flags) {
    xhci_event(t->xhci, intr_of(trb), &(struct xhci_event){
        .type = EVENT_TRANSFER, .code = code, .slot = t->slot, .ep = t->ep, .flags = flags,
        .param = param, .length = length, .quiet = trb->control & TRB_BEI});
}

/* As many as the TD may bring at most. */
static unsigned count_events(const struct xhci_transfer *t) {
    unsigned n = 1;
    for (unsigned i = 0; i < t->n; i++)
        n += (t->trb[i].control & (TRB_IOC | TRB_ISP)) != 0;
    return n;
}

/* A TD that has ended well: 4.10.1. After a short packet only Event Data is told of. */
static void report(struct xhci_transfer *t, size_t moved) {
    bool was_short = false, told = false;
    uint32_t edtla = 0;
    for (unsigned i = 0; i < t->n; i++) {
        const struct xhci_trb *trb = &t->trb[i];
        uint32_t len = data_len(trb), got = (uint32_t)MIN(moved, (size_t)len);
        bool is_short = got < len && !was_short;
        moved -= got;
        edtla += got;
        was_short |= is_short;
        unsigned code = was_short ? CC_SHORT : CC_SUCCESS;
        if (trb_type(trb) == TRB_EVENT_DATA) {
            if (trb->control & TRB_IOC)
                tell(t, trb, code, trb->param, edtla, EVENT_ED);
            edtla = 0;
        } else if (!told && (trb->control & TRB_IOC || (is_short && trb->control & TRB_ISP))) {
            tell(t, trb, code, trb->at, len - got, 0);
            told = was_short;
        }
    }
}

/* The TRB at which `moved` bytes end, always: 4.10.2. */
static void report_at(struct xhci_transfer *t, size_t moved, unsigned code) {
    const struct xhci_trb *at = &t->trb[0];
    uint32_t rest = data_len(at);
    for (unsigned i = 0; i < t->n; i++) {
        uint32_t len = data_len(&t->trb[i]), got = (uint32_t)MIN(moved, (size_t)len);
        if (!carries_data(&t->trb[i]) && i)
            continue;
        at = &t->trb[i];
        rest = len - got;
        moved -= got;
        if (rest)
            break;
    }
    tell(t, at, code, at->at, rest, 0);
}

void xhci_report_stopped(struct xhci *x, unsigned slot, unsigned ep) {
    struct xhci_transfer *t = take(x, slot, ep);
    if (!t)
        return;
    t->intr = 0;
    if (collect(x, t) == TD_WHOLE)
        report_at(t, xhci_slot(x, slot)->moved[ep], CC_STOPPED);
    release(t);
}

/* ---- to the device ---- */

static void fail(struct xhci_transfer *t, unsigned code) {
    struct xhci *x = t->xhci;
    struct xhci_slot *s = xhci_slot(x, t->slot);
    report_at(t, s->moved[t->ep], code);
    s->moved[t->ep] = 0;
    xhci_set_ep(x, t->slot, t->ep, code == CC_TRB ? EP_ERROR : EP_HALTED);
}

static void complete(struct xhci_transfer *t) {
    struct xhci_slot *s = xhci_slot(t->xhci, t->slot);
    report(t, s->moved[t->ep]);
    s->dequeue[t->ep] = t->next;
    s->moved[t->ep] = 0;
}

/* The list's own lengths stay, for the memory is given back by them. */
static void cut_part(struct xhci_transfer *t, size_t len) {
    unsigned n = 0;
    for (size_t left = len; left; n++) {
        t->cut[n] = t->sg.iov[n];
        t->cut[n].iov_len = MIN(t->cut[n].iov_len, left);
        left -= t->cut[n].iov_len;
    }
    t->part = len;
    t->usb.iov = t->cut;
    t->usb.niov = n;
}

/* The memory of the TD from `skip` on, as far as the list goes. */
static void gather(struct xhci_transfer *t, size_t skip) {
    const struct dma *dma = &t->xhci->pci.dma;
    size_t packet = xhci_slot(t->xhci, t->slot)->max_packet[t->ep], left = t->len - skip;
    for (unsigned i = 0; i < t->n; i++) {
        size_t len = data_len(&t->trb[i]), off = MIN(skip, len);
        skip -= off;
        len -= off;
        if (len && dma_sg_add(dma, &t->sg, t->trb[i].param + off, len, t->in) < len)
            break;
    }
    t->part = t->sg.len;
    t->usb.iov = t->sg.iov;
    t->usb.niov = t->sg.n;
    if (t->part < left && t->part > packet && t->part % packet)
        cut_part(t, t->part - t->part % packet);
}

/* Data that stands in the TRB itself: 6.4.1.1, IDT. */
static void take_immediate(struct xhci_transfer *t) {
    store_le64(t->bytes, t->trb[0].param);
    t->immediate = (struct iovec){t->bytes, t->len};
    t->part = t->len;
    t->usb.iov = &t->immediate;
    t->usb.niov = 1;
}

static enum usb_pid pid_of(const struct xhci_transfer *t, unsigned ep_type) {
    if (trb_type(&t->trb[0]) == TRB_SETUP)
        return USB_SETUP;
    bool in = ep_type == EP_CONTROL ? t->trb[0].control & TRB_IN : ep_type > EP_CONTROL;
    return in ? USB_IN : USB_OUT;
}

static enum usb_result submit_part(struct xhci_transfer *t) {
    struct xhci_slot *s = xhci_slot(t->xhci, t->slot);
    struct usb_device *dev = xhci_find_device(t->xhci, s);
    enum usb_pid pid = pid_of(t, s->ep_type[t->ep]);
    t->usb = (struct usb_transfer){.pid = pid, .ep = t->ep / 2, .done = transfer_done,
                                   .owner = t->xhci, .result = USB_ERROR};
    t->in = pid == USB_IN;
    t->part = 0;
    t->finished = false;
    if (!dev)
        return USB_ERROR;
    if (is_immediate(&t->trb[0]))
        take_immediate(t);
    else
        gather(t, s->moved[t->ep]);
    t->usb.len = t->part;
    xhci_spend(t->xhci, 8 + (unsigned)(t->part >> 8));
    return usb_submit(dev, &t->usb);
}

static enum step conclude(struct xhci_transfer *t, enum usb_result result) {
    struct xhci_slot *s = xhci_slot(t->xhci, t->slot);
    size_t actual = MIN(t->usb.actual, t->part);
    dma_sg_done(&t->xhci->pci.dma, &t->sg, t->in);
    s->moved[t->ep] += (uint32_t)actual;
    switch (result) {
    case USB_OK:
        if (actual == t->part && s->moved[t->ep] < t->len)
            return STEP_MORE;
        complete(t);
        return STEP_END;
    case USB_NAK:
        return STEP_WAIT;
    case USB_STALL:
        fail(t, CC_STALL);
        return STEP_END;
    case USB_BABBLE:
        fail(t, CC_BABBLE);
        return STEP_END;
    default:
        fail(t, CC_TRANSACTION);
        return STEP_END;
    }
}

/* Takes the next TD of the ring. False: there is none, or it has to wait. */
static struct xhci_transfer *begin(struct xhci *x, unsigned slot, unsigned ep) {
    struct xhci_transfer *t = take(x, slot, ep);
    if (!t) {
        x->starved = true; /* until another has ended */
        return NULL;
    }
    t->intr = 0;
    enum td td = collect(x, t);
    if (td == TD_NONE) {
        xhci_slot(x, slot)->armed &= ~(UINT32_C(1) << ep);
        release(t);
        return NULL;
    }
    t->intr = intr_of(&t->trb[t->n - 1]);
    unsigned events = count_events(t);
    if (!xhci_event_room(x, t->intr, events)) {
        x->starved = true;
        release(t);
        return NULL;
    }
    t->reserved = events;
    x->intr[t->intr].reserved += events;
    if (td == TD_BROKEN) {
        fail(t, CC_TRB);
        release(t);
        return NULL;
    }
    return t;
}

static enum step run_td(struct xhci *x, struct xhci_transfer *t) {
    enum step step = STEP_MORE;
    if (trb_type(&t->trb[0]) > TRB_LINK && !t->len) { /* nothing for the device */
        complete(t);
        return STEP_END;
    }
    while (step == STEP_MORE) {
        if (!t->finished && !xhci_spend(x, 0)) {
            xhci_make_due(x, t->slot, t->ep);
            return STEP_WAIT;
        }
        xhci_slot(x, t->slot)->busy |= UINT32_C(1) << t->ep;
        enum usb_result result = t->finished ? t->usb.result : submit_part(t);
        t->finished = false;
        step = result == USB_PENDING ? STEP_PENDING : conclude(t, result);
    }
    return step;
}

void xhci_run_ep(struct xhci *x, unsigned slot, unsigned ep) {
    struct xhci_slot *s = xhci_slot(x, slot);
    enum step step = STEP_END;
    while (step == STEP_END && s->state > SLOT_ENABLED && s->ep_state[ep] == EP_RUNNING) {
        struct xhci_transfer *t = s->busy >> ep & 1 ? find(x, slot, ep) : NULL;
        if (t && !t->finished)
            return;
        if (!t && !xhci_spend(x, 1)) {
            xhci_make_due(x, slot, ep);
            return;
        }
        if (!t)
            t = begin(x, slot, ep);
        if (!t)
            return;
        step = run_td(x, t);
        if (step != STEP_PENDING)
            release(t);
        if (step == STEP_END && x->starved) {
            x->starved = false;
            xhci_all_due(x);
        }
    }
}
