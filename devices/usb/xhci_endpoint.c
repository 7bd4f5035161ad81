/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoints: their contexts and states. xHCI 1.1, 4.8 and 6.2.3. See xhci_chip.h.
 */
#include "core/bits.h"
#include "usb/xhci_chip.h"

enum { CONTEXT = 32, EP_DEQUEUE = 2 /* word */, STREAMS = 0x1f << 10 };

static bool is_on(const struct xhci_slot *s, unsigned ep) {
    return s->state > SLOT_ENABLED && ep && ep < XHCI_EPS && s->ep_state[ep] != EP_DISABLED;
}

/* State and dequeue pointer into the guest's output context. */
static void show(struct xhci *x, const struct xhci_slot *s, unsigned ep) {
    uint64_t at = s->context + CONTEXT * ep;
    uint32_t word, dequeue[2] = {(uint32_t)s->dequeue[ep], (uint32_t)(s->dequeue[ep] >> 32)};
    if (!xhci_read_words(x, at, &word, 1))
        return;
    word = (word & ~(uint32_t)7) | s->ep_state[ep];
    xhci_write_words(x, at, &word, 1);
    xhci_write_words(x, at + 4 * EP_DEQUEUE, dequeue, 2);
}

void xhci_set_ep(struct xhci *x, unsigned slot, unsigned ep, unsigned state) {
    struct xhci_slot *s = xhci_slot(x, slot);
    s->ep_state[ep] = (uint8_t)state;
    if (state != EP_RUNNING)
        s->armed &= ~(UINT32_C(1) << ep);
    show(x, s, ep);
}

void xhci_make_due(struct xhci *x, unsigned slot, unsigned ep) {
    xhci_slot(x, slot)->due |= UINT32_C(1) << ep;
    x->due_slots |= UINT64_C(1) << (slot - 1);
}

void xhci_all_due(struct xhci *x) {
    x->commands_due |= x->commands_armed;
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        x->slot[i].due |= x->slot[i].armed;
        x->due_slots |= x->slot[i].due ? UINT64_C(1) << i : 0;
    }
}

struct usb_device *xhci_device_at(struct xhci *x, unsigned port, uint32_t route,
                                  unsigned address) {
    bool super = port < x->usb3;
    struct usb_port *place = &x->place[super ? port : port - x->usb3];
    if (!place->device || (place->device->speed == USB_SUPER) != super)
        return NULL;
    struct usb_device *dev = usb_follow(place, route);
    return dev && dev->address == address ? dev : NULL;
}

/* A device that was put in another's place has not the address of its slot. */
struct usb_device *xhci_find_device(struct xhci *x, const struct xhci_slot *s) {
    unsigned address = s->state >= SLOT_ADDRESSED ? (unsigned)(s - x->slot) + 1 : 0;
    return xhci_device_at(x, s->port, s->route, address);
}

/* ---- what commands do ---- */

unsigned xhci_check_ep(unsigned ep, const uint32_t *context) {
    unsigned type = context[1] >> 3 & 7;
    /* an endpoint's index says which way it goes: 4.5.1 */
    bool fits = ep == 1 ? type == EP_CONTROL
                        : type == EP_CONTROL ? ep & 1 : type && (type > EP_CONTROL) == (ep & 1);
    if (!fits || !(context[1] >> 16) || context[0] & STREAMS)
        return CC_PARAMETER;
    return type == EP_ISOCH_IN || type == EP_ISOCH_OUT ? CC_BANDWIDTH : CC_SUCCESS;
}

void xhci_enable_ep(struct xhci *x, unsigned slot, unsigned ep, const uint32_t *context) {
    struct xhci_slot *s = xhci_slot(x, slot);
    uint32_t words[8] = {0};
    xhci_cancel(x, slot, ep);
    s->armed &= ~(UINT32_C(1) << ep);
    s->ep_type[ep] = context[1] >> 3 & 7;
    s->max_packet[ep] = (uint16_t)(context[1] >> 16);
    s->dequeue[ep] = ((uint64_t)context[3] << 32 | context[2]) & ~(uint64_t)0xe;
    s->moved[ep] = 0;
    for (unsigned i = 0; i < 5; i++)
        words[i] = context[i];
    xhci_write_words(x, s->context + CONTEXT * ep, words, 8);
    xhci_set_ep(x, slot, ep, EP_RUNNING);
}

void xhci_disable_ep(struct xhci *x, unsigned slot, unsigned ep) {
    struct xhci_slot *s = xhci_slot(x, slot);
    xhci_cancel(x, slot, ep);
    if (s->ep_state[ep] == EP_DISABLED)
        return;
    xhci_set_ep(x, slot, ep, EP_DISABLED);
    s->ep_type[ep] = 0;
    s->max_packet[ep] = 0;
    s->dequeue[ep] = 0;
    s->moved[ep] = 0;
}

unsigned xhci_reset_ep(struct xhci *x, unsigned slot, unsigned ep) {
    struct xhci_slot *s = xhci_slot(x, slot);
    if (!is_on(s, ep))
        return CC_EP_NOT_ENABLED;
    if (s->ep_state[ep] != EP_HALTED)
        return CC_CONTEXT_STATE;
    xhci_set_ep(x, slot, ep, EP_STOPPED);
    return CC_SUCCESS;
}

unsigned xhci_stop_ep(struct xhci *x, unsigned slot, unsigned ep) {
    struct xhci_slot *s = xhci_slot(x, slot);
    if (!is_on(s, ep))
        return CC_EP_NOT_ENABLED;
    if (s->ep_state[ep] != EP_RUNNING)
        return CC_CONTEXT_STATE;
    xhci_cancel(x, slot, ep);
    xhci_report_stopped(x, slot, ep);
    xhci_set_ep(x, slot, ep, EP_STOPPED);
    return CC_SUCCESS;
}

unsigned xhci_set_dequeue(struct xhci *x, unsigned slot, unsigned ep, uint64_t dequeue) {
    struct xhci_slot *s = xhci_slot(x, slot);
    if (!is_on(s, ep))
        return CC_EP_NOT_ENABLED;
    if (s->ep_state[ep] != EP_STOPPED && s->ep_state[ep] != EP_ERROR)
        return CC_CONTEXT_STATE;
    s->dequeue[ep] = dequeue & ~(uint64_t)0xe;
    s->moved[ep] = 0;
    xhci_set_ep(x, slot, ep, EP_STOPPED);
    return CC_SUCCESS;
}

/* One that has halted does not hear it. */
void xhci_doorbell(struct xhci *x, unsigned slot, unsigned ep) {
    struct xhci_slot *s = xhci_slot(x, slot);
    if (!is_on(s, ep) || s->ep_state[ep] == EP_HALTED || s->ep_state[ep] == EP_ERROR)
        return;
    if (s->ep_state[ep] == EP_STOPPED)
        xhci_set_ep(x, slot, ep, EP_RUNNING);
    s->armed |= UINT32_C(1) << ep;
    xhci_make_due(x, slot, ep);
}
