/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command ring, slots and their contexts: xHCI 1.1, 4.6 and 6.2. See xhci_chip.h. Device
 * addresses are the numbers of slots.
 */
#include "core/bits.h"
#include "usb/xhci_chip.h"

enum { CONTEXT = 32, WORDS = CONTEXT / 4 };

enum { /* of slot contexts: 6.2.2, by word */
    SLOT_ROUTE = 0xfffff, SLOT_ENTRIES = 27 /* shift */, SLOT_PORT = 16 /* shift, word 1 */,
    SLOT_EXIT_LATENCY = 0xffff /* word 1 */, SLOT_STATE = 27 /* shift, word 3 */,
};

#define SLOT_INTR UINT32_C(0xffc00000) /* word 2 */

enum { NEC_VERSION = 0x3034, BANDWIDTH_PERCENT = 80 };
#define NEC_KEY UINT32_C(0x49434878)

bool xhci_read_words(struct xhci *x, uint64_t addr, uint32_t *words, unsigned n) {
    uint8_t bytes[2 * CONTEXT];
    bool good = dma_read(&x->pci.dma, addr, bytes, 4 * n);
    for (unsigned i = 0; i < n; i++)
        words[i] = load_le32(bytes + 4 * i);
    return good;
}

void xhci_write_words(struct xhci *x, uint64_t addr, const uint32_t *words, unsigned n) {
    uint8_t bytes[2 * CONTEXT];
    for (unsigned i = 0; i < n; i++)
        store_le32(bytes + 4 * i, words[i]);
    dma_write(&x->pci.dma, addr, bytes, 4 * n);
}

/* An input context: the flags, then slot and endpoints as in an output context. */
struct input {
    uint64_t at;
    uint32_t drop, add;
    uint32_t slot[WORDS];
};

static bool read_input(struct xhci *x, const struct xhci_trb *trb, struct input *in) {
    uint32_t flags[2];
    in->at = trb->param & ~(uint64_t)0xf;
    if (!xhci_read_words(x, in->at, flags, 2) ||
        !xhci_read_words(x, in->at + CONTEXT, in->slot, WORDS))
        return false;
    in->drop = flags[0];
    in->add = flags[1];
    return true;
}

static bool read_input_ep(struct xhci *x, const struct input *in, unsigned ep, uint32_t *words) {
    return xhci_read_words(x, in->at + CONTEXT * (ep + 1), words, WORDS);
}

static void show_state(struct xhci *x, unsigned slot) {
    const struct xhci_slot *s = xhci_slot(x, slot);
    unsigned address = s->state >= SLOT_ADDRESSED ? slot : 0;
    uint32_t word = (s->state > SLOT_ENABLED ? s->state - 1u : 0) << SLOT_STATE | address;
    xhci_write_words(x, s->context + 12, &word, 1);
}

static void set_state(struct xhci *x, unsigned slot, unsigned state) {
    xhci_slot(x, slot)->state = (uint8_t)state;
    show_state(x, slot);
}

/* ---- slots ---- */

static unsigned enable_slot(struct xhci *x, unsigned *slot) {
    for (*slot = 1; *slot <= MIN(x->config, (uint32_t)XHCI_SLOTS); (*slot)++)
        if (xhci_slot(x, *slot)->state == SLOT_DISABLED) {
            *xhci_slot(x, *slot) = (struct xhci_slot){.state = SLOT_ENABLED};
            return CC_SUCCESS;
        }
    *slot = 0;
    return CC_NO_SLOTS;
}

static void disable_eps(struct xhci *x, unsigned slot, unsigned first) {
    for (unsigned ep = first; ep < XHCI_EPS; ep++)
        xhci_disable_ep(x, slot, ep);
}

static unsigned disable_slot(struct xhci *x, unsigned slot) {
    struct xhci_slot *s = xhci_slot(x, slot);
    disable_eps(x, slot, 1);
    if (s->state > SLOT_ENABLED)
        set_state(x, slot, SLOT_DISABLED);
    *s = (struct xhci_slot){0};
    return CC_SUCCESS;
}

static bool is_taken(const struct xhci *x, unsigned slot, unsigned port, uint32_t route) {
    for (unsigned i = 0; i < XHCI_SLOTS; i++)
        if (i + 1 != slot && x->slot[i].state >= SLOT_ADDRESSED && x->slot[i].port == port &&
            x->slot[i].route == route)
            return true;
    return false;
}

/* Without BSR the device gets its address: 4.6.5. */
static unsigned address_device(struct xhci *x, const struct xhci_trb *trb, unsigned slot) {
    struct xhci_slot *s = xhci_slot(x, slot);
    struct input in;
    uint32_t ep0[WORDS], pointer[2];
    bool bsr = trb->control & DC_BSR;
    if (!read_input(x, trb, &in) || !read_input_ep(x, &in, 1, ep0) || in.drop || in.add != 3)
        return CC_TRB;
    if (s->state != SLOT_ENABLED && (bsr || s->state != SLOT_DEFAULT))
        return CC_CONTEXT_STATE;
    unsigned port = (in.slot[1] >> SLOT_PORT & 0xff) - 1u;
    uint32_t route = in.slot[0] & SLOT_ROUTE;
    if (port >= x->usb2 + x->usb3 || is_taken(x, slot, port, route))
        return CC_TRB;
    if (xhci_check_ep(1, ep0) != CC_SUCCESS ||
        !xhci_read_words(x, x->dcbaap + 8 * slot, pointer, 2))
        return CC_PARAMETER;
    struct usb_device *dev = xhci_device_at(x, port, route, 0);
    if (!dev)
        return CC_TRANSACTION;
    s->port = (uint8_t)port;
    s->route = route;
    s->context = (uint64_t)pointer[1] << 32 | (pointer[0] & ~(uint32_t)0x3f);
    in.slot[0] = (in.slot[0] & ~(UINT32_C(31) << SLOT_ENTRIES)) | UINT32_C(1) << SLOT_ENTRIES;
    in.slot[3] = 0;
    xhci_write_words(x, s->context, in.slot, WORDS);
    xhci_enable_ep(x, slot, 1, ep0);
    if (!bsr)
        usb_set_address(dev, (uint8_t)slot);
    set_state(x, slot, bsr ? SLOT_DEFAULT : SLOT_ADDRESSED);
    return CC_SUCCESS;
}

static unsigned last_ep(const struct xhci_slot *s) {
    unsigned last = 1;
    for (unsigned ep = 2; ep < XHCI_EPS; ep++)
        last = s->ep_state[ep] != EP_DISABLED ? ep : last;
    return last;
}

/* The number of contexts in use goes into the slot context, with what hubs tell of themselves. */
static void show_slot(struct xhci *x, unsigned slot, const uint32_t *from) {
    struct xhci_slot *s = xhci_slot(x, slot);
    uint32_t words[3];
    if (!xhci_read_words(x, s->context, words, 3))
        return;
    words[0] = (from ? from[0] & 0x06000000 : words[0] & 0x06000000) | (words[0] & 0x00ffffff) |
               last_ep(s) << SLOT_ENTRIES;
    if (from) {
        words[1] = (words[1] & 0x00ffffff) | (from[1] & 0xff000000);
        words[2] = (words[2] & SLOT_INTR) | (from[2] & ~SLOT_INTR);
    }
    xhci_write_words(x, s->context, words, 3);
}

/* What is to be added is checked before anything changes. */
static unsigned configure_endpoint(struct xhci *x, const struct xhci_trb *trb, unsigned slot) {
    struct xhci_slot *s = xhci_slot(x, slot);
    struct input in;
    uint32_t words[XHCI_EPS][WORDS];
    unsigned code = CC_SUCCESS;
    if (s->state < SLOT_ADDRESSED)
        return CC_CONTEXT_STATE;
    if (trb->control & DC_DECONFIGURE) {
        disable_eps(x, slot, 2);
        show_slot(x, slot, NULL);
        set_state(x, slot, SLOT_ADDRESSED);
        return CC_SUCCESS;
    }
    if (!read_input(x, trb, &in) || in.drop & 3 || (in.add & 3) != 1)
        return CC_TRB;
    for (unsigned ep = 2; ep < XHCI_EPS && code == CC_SUCCESS; ep++)
        if (in.add >> ep & 1)
            code = read_input_ep(x, &in, ep, words[ep]) ? xhci_check_ep(ep, words[ep]) : CC_TRB;
    if (code != CC_SUCCESS)
        return code;
    for (unsigned ep = 2; ep < XHCI_EPS; ep++) {
        if ((in.drop | in.add) >> ep & 1)
            xhci_disable_ep(x, slot, ep);
        if (in.add >> ep & 1)
            xhci_enable_ep(x, slot, ep, words[ep]);
    }
    show_slot(x, slot, in.slot);
    set_state(x, slot, last_ep(s) > 1 ? SLOT_CONFIGURED : SLOT_ADDRESSED);
    return CC_SUCCESS;
}

static unsigned evaluate_context(struct xhci *x, const struct xhci_trb *trb, unsigned slot) {
    struct xhci_slot *s = xhci_slot(x, slot);
    struct input in;
    uint32_t words[WORDS];
    if (s->state < SLOT_DEFAULT)
        return CC_CONTEXT_STATE;
    if (!read_input(x, trb, &in) || in.drop || in.add & ~(uint32_t)3)
        return CC_TRB;
    if (in.add & 1 && xhci_read_words(x, s->context, words, 3)) {
        words[1] = (words[1] & ~(uint32_t)SLOT_EXIT_LATENCY) | (in.slot[1] & SLOT_EXIT_LATENCY);
        words[2] = (words[2] & ~SLOT_INTR) | (in.slot[2] & SLOT_INTR);
        xhci_write_words(x, s->context, words, 3);
    }
    if (in.add & 2 && read_input_ep(x, &in, 1, words) && words[1] >> 16) {
        uint32_t old;
        s->max_packet[1] = (uint16_t)(words[1] >> 16);
        xhci_read_words(x, s->context + CONTEXT + 4, &old, 1);
        old = (old & 0xffff) | (words[1] & 0xffff0000);
        xhci_write_words(x, s->context + CONTEXT + 4, &old, 1);
    }
    return CC_SUCCESS;
}

/* After the port was reset: 4.6.11. */
static unsigned reset_device(struct xhci *x, unsigned slot) {
    if (xhci_slot(x, slot)->state < SLOT_ADDRESSED)
        return CC_CONTEXT_STATE;
    disable_eps(x, slot, 2);
    xhci_cancel(x, slot, 1);
    xhci_slot(x, slot)->moved[1] = 0;
    show_slot(x, slot, NULL);
    set_state(x, slot, SLOT_DEFAULT);
    return CC_SUCCESS;
}

/* ---- others ---- */

static unsigned port_bandwidth(struct xhci *x, const struct xhci_trb *trb) {
    uint8_t bytes[1 + XHCI_REGS] = {0};
    for (unsigned i = 1; i <= x->usb2 + x->usb3; i++)
        bytes[i] = BANDWIDTH_PERCENT;
    return dma_write(&x->pci.dma, trb->param & ~(uint64_t)0xf, bytes, 1 + x->usb2 + x->usb3)
               ? CC_SUCCESS : CC_PARAMETER;
}

static uint32_t rotate(uint32_t val, unsigned by) {
    by &= 31;
    return by ? val << by | val >> (32 - by) : val;
}

/* NEC's driver for Windows wants to know that the chip is theirs. */
static uint32_t nec_answer(uint32_t high, uint32_t low) {
    uint32_t sum = rotate(low - NEC_KEY, 32 - (high >> 8 & 31));
    sum += rotate(low + NEC_KEY, high);
    return ~(sum - rotate(high ^ NEC_KEY, low >> 16));
}

/* Their answers are events of their own type. */
static void vendor_command(const struct xhci *x, const struct xhci_trb *trb, struct xhci_event *e) {
    if (!x->nec)
        return;
    e->type = EVENT_NEC;
    e->code = CC_SUCCESS;
    if (trb_type(trb) == CMD_NEC_FIRMWARE) {
        e->length = NEC_VERSION;
        return;
    }
    uint32_t answer = nec_answer((uint32_t)(trb->param >> 32), (uint32_t)trb->param);
    e->length = answer & 0xffff;
    e->ep = answer >> 16 & 0xff;
    e->slot = answer >> 24;
}

static unsigned slot_command(struct xhci *x, const struct xhci_trb *trb, unsigned slot) {
    unsigned ep = trb->control >> 16 & 0x1f;
    if (!slot || slot > XHCI_SLOTS)
        return CC_TRB;
    if (xhci_slot(x, slot)->state == SLOT_DISABLED)
        return CC_SLOT_NOT_ENABLED;
    switch (trb_type(trb)) {
    case CMD_DISABLE_SLOT:
        return disable_slot(x, slot);
    case CMD_ADDRESS_DEVICE:
        return address_device(x, trb, slot);
    case CMD_CONFIGURE_ENDPOINT:
        return configure_endpoint(x, trb, slot);
    case CMD_EVALUATE_CONTEXT:
        return evaluate_context(x, trb, slot);
    case CMD_RESET_DEVICE:
        return reset_device(x, slot);
    }
    if (!ep)
        return CC_TRB;
    switch (trb_type(trb)) {
    case CMD_RESET_ENDPOINT:
        return xhci_reset_ep(x, slot, ep);
    case CMD_STOP_ENDPOINT:
        return xhci_stop_ep(x, slot, ep);
    default:
        return xhci_set_dequeue(x, slot, ep, trb->param);
    }
}

static void run_command(struct xhci *x, const struct xhci_trb *trb) {
    struct xhci_event e = {.type = EVENT_COMMAND, .code = CC_TRB, .param = trb->at,
                           .slot = trb->control >> 24};
    switch (trb_type(trb)) {
    case CMD_ENABLE_SLOT:
        e.code = enable_slot(x, &e.slot);
        break;
    case CMD_DISABLE_SLOT:
    case CMD_ADDRESS_DEVICE:
    case CMD_CONFIGURE_ENDPOINT:
    case CMD_EVALUATE_CONTEXT:
    case CMD_RESET_ENDPOINT:
    case CMD_STOP_ENDPOINT:
    case CMD_SET_TR_DEQUEUE:
    case CMD_RESET_DEVICE:
        e.code = slot_command(x, trb, e.slot);
        break;
    case CMD_GET_PORT_BANDWIDTH:
        e.code = port_bandwidth(x, trb);
        break;
    case CMD_NO_OP:
        e.code = CC_SUCCESS;
        break;
    case CMD_NEC_FIRMWARE:
    case CMD_NEC_CHALLENGE:
        vendor_command(x, trb, &e);
        break;
    }
    xhci_event(x, 0, &e);
}

/* A stop event may come with a command's own. */
void xhci_run_commands(struct xhci *x) {
    struct xhci_trb trb;
    while (x->commands_run && x->usbcmd & CMD_RUN) {
        if (!xhci_spend(x, 16)) {
            x->commands_due = true;
            return;
        }
        if (!xhci_event_room(x, 0, 2)) {
            x->starved = true;
            return;
        }
        if (xhci_fetch(x, &x->commands, &trb) != FETCH_TRB) {
            x->commands_armed = false;
            return;
        }
        run_command(x, &trb);
    }
}

void xhci_stop_commands(struct xhci *x) {
    x->commands_run = x->commands_armed = x->commands_due = false;
    xhci_event(x, 0, &(struct xhci_event){.type = EVENT_COMMAND, .code = CC_COMMANDS_STOPPED,
                                          .param = x->commands & ~(uint64_t)0xf});
}
