/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See fixture_xhci.h. xHCI 1.1, chapters 4 and 6.
 */
#include "fixture_xhci.h"

#include "core/bits.h"

enum { TYPE = 10, LINK = 6, TOGGLE = 2, EVENT_COMMAND = 33, EVENT_TRANSFER = 32 };
enum { COMMANDS_AT = XD_STATE, EVENTS_AT = XD_STATE + 4, RINGS_AT = XD_STATE + 16 };

static void put_trb(struct fixture *fx, uint64_t at, uint64_t param, uint32_t status,
                    uint32_t control) {
    mem_write(fx, at, 8, param);
    mem_write(fx, at + 8, 4, status);
    mem_write(fx, at + 12, 4, control);
}

/* A ring's position: index << 1 | what the cycle bit is not, so that zeros are a fresh one. */
static uint64_t append(struct fixture *fx, uint64_t ring, uint32_t state, uint64_t param,
                       uint32_t status, uint32_t control) {
    uint32_t pos = (uint32_t)mem_read(fx, state, 4), index = (pos >> 1) % XD_RING_TRBS;
    uint32_t cycle = !(pos & 1);
    uint64_t at = ring + 16 * index;
    put_trb(fx, at, param, status, control | cycle);
    if (++index == XD_RING_TRBS - 1) {
        put_trb(fx, ring + 16 * index, ring, 0,
                LINK << TYPE | TOGGLE | cycle | (control & 0x10 /* chain */));
        index = 0;
        cycle = !cycle;
    }
    mem_write(fx, state, 4, index << 1 | !cycle);
    return at;
}

void xd_start(struct fixture *fx, uint64_t bar) {
    mem_write(fx, bar + XD_USBCMD, 4, 2);
    for (uint32_t at = XD_STATE; at < XD_INPUT; at += 8)
        mem_write(fx, at, 8, 0);
    for (uint32_t at = XD_CONTEXTS; at < XD_RINGS + 8 * 32 * 0x100; at += 8)
        mem_write(fx, at, 8, 0);
    for (unsigned slot = 1; slot < 8; slot++)
        mem_write(fx, XD_DCBAA + 8 * slot, 8, XD_CONTEXTS + 0x400 * slot);
    mem_write(fx, XD_ERST, 8, XD_EVENTS);
    mem_write(fx, XD_ERST + 8, 8, XD_EVENT_TRBS);
    mem_write(fx, bar + XD_CONFIG, 4, 8);
    mem_write(fx, bar + XD_DCBAAP, 8, XD_DCBAA);
    mem_write(fx, bar + XD_CRCR, 8, XD_COMMANDS | 1);
    mem_write(fx, bar + XD_ERSTSZ, 4, 1);
    mem_write(fx, bar + XD_ERDP, 8, XD_EVENTS);
    mem_write(fx, bar + XD_ERSTBA, 8, XD_ERST);
    mem_write(fx, bar + XD_IMAN, 4, 2);
    mem_write(fx, bar + XD_USBCMD, 4, 5);
}

bool xd_event(struct fixture *fx, uint64_t bar, struct xd_event *event) {
    uint32_t pos = (uint32_t)mem_read(fx, EVENTS_AT, 4), index = (pos >> 1) % XD_EVENT_TRBS;
    uint64_t at = XD_EVENTS + 16 * index;
    uint32_t control = (uint32_t)mem_read(fx, at + 12, 4);
    if ((control & 1) == (pos & 1))
        return false;
    uint32_t status = (uint32_t)mem_read(fx, at + 8, 4);
    *event = (struct xd_event){
        .param = mem_read(fx, at, 8), .length = status & 0xffffff, .code = status >> 24,
        .control = control, .type = control >> TYPE & 0x3f, .slot = control >> 24,
        .ep = control >> 16 & 0x1f};
    pos += 2;
    if (pos >> 1 == XD_EVENT_TRBS)
        pos = !(pos & 1);
    mem_write(fx, EVENTS_AT, 4, pos);
    mem_write(fx, bar + XD_ERDP, 8, (XD_EVENTS + 16 * (pos >> 1)) | 8);
    return true;
}

bool xd_wait(struct fixture *fx, uint64_t bar, unsigned type, struct xd_event *event) {
    for (unsigned i = 0; i < 64 && xd_event(fx, bar, event); i++)
        if (event->type == type)
            return true;
    return false;
}

unsigned xd_command(struct fixture *fx, uint64_t bar, unsigned type, uint64_t param,
                    uint32_t control, struct xd_event *event) {
    struct xd_event mine;
    event = event ? event : &mine;
    append(fx, XD_COMMANDS, COMMANDS_AT, param, 0, type << TYPE | control);
    mem_write(fx, bar + XD_DOORBELL, 4, 0);
    return xd_wait(fx, bar, EVENT_COMMAND, event) ? event->code : 0;
}

unsigned xd_enable_slot(struct fixture *fx, uint64_t bar) {
    struct xd_event event;
    return xd_command(fx, bar, 9, 0, 0, &event) == 1 ? event.slot : 0;
}

uint64_t xd_ring(unsigned slot, unsigned ep) {
    return XD_RINGS + 0x100 * (slot % 8 * 32 + ep);
}

/* A fresh ring, and the endpoint's part of the input context. */
static void input_ep(struct fixture *fx, unsigned slot, unsigned ep, unsigned type,
                     unsigned max_packet) {
    uint64_t at = XD_INPUT + 32 * (ep + 1);
    for (unsigned i = 0; i < 0x100; i += 8)
        mem_write(fx, xd_ring(slot, ep) + i, 8, 0);
    mem_write(fx, RINGS_AT + 4 * (slot % 8 * 32 + ep), 4, 0);
    mem_write(fx, at, 4, 0);
    mem_write(fx, at + 4, 4, max_packet << 16 | type << 3 | 3 << 1);
    mem_write(fx, at + 8, 8, xd_ring(slot, ep) | 1);
    mem_write(fx, at + 16, 4, 8);
}

unsigned xd_address(struct fixture *fx, uint64_t bar, unsigned slot, unsigned port, uint32_t route,
                    bool bsr) {
    for (unsigned i = 0; i < 33 * 32; i += 8)
        mem_write(fx, XD_INPUT + i, 8, 0);
    mem_write(fx, XD_INPUT + 4, 4, 3);
    mem_write(fx, XD_INPUT + 32, 4, 1u << 27 | route);
    mem_write(fx, XD_INPUT + 36, 4, port << 16);
    input_ep(fx, slot, 1, 4, 64);
    return xd_command(fx, bar, 11, XD_INPUT, slot << 24 | (bsr ? 0x200u : 0), NULL);
}

unsigned xd_configure(struct fixture *fx, uint64_t bar, unsigned slot, unsigned ep, unsigned type,
                      unsigned max_packet) {
    mem_write(fx, XD_INPUT, 4, 0);
    mem_write(fx, XD_INPUT + 4, 4, 1 | 1u << ep);
    mem_write(fx, XD_INPUT + 32, 4, ep << 27);
    input_ep(fx, slot, ep, type, max_packet);
    return xd_command(fx, bar, 12, XD_INPUT, slot << 24, NULL);
}

uint64_t xd_queue(struct fixture *fx, unsigned slot, unsigned ep, uint64_t param, uint32_t status,
                  uint32_t control) {
    return append(fx, xd_ring(slot, ep), RINGS_AT + 4 * (slot % 8 * 32 + ep), param, status,
                  control);
}

void xd_doorbell(struct fixture *fx, uint64_t bar, unsigned slot, unsigned ep) {
    mem_write(fx, bar + XD_DOORBELL + 4 * slot, 4, ep);
}

unsigned xd_control(struct fixture *fx, uint64_t bar, unsigned slot, const uint8_t setup[8]) {
    struct xd_event event;
    uint32_t len = load_le16(setup + 6), in = setup[0] & 0x80 ? 1u << 16 : 0;
    xd_queue(fx, slot, 1, load_le64(setup), 8, 2 << TYPE | 0x40);
    if (len)
        xd_queue(fx, slot, 1, XD_DATA, len, 3 << TYPE | in);
    uint64_t status = xd_queue(fx, slot, 1, 0, 0,
                               4 << TYPE | 0x20 | (len && in ? 0 : 1u << 16));
    xd_doorbell(fx, bar, slot, 1);
    while (xd_wait(fx, bar, EVENT_TRANSFER, &event))
        if (event.code != 1 || event.param == status)
            return event.code;
    return 0;
}

uint32_t xd_context(struct fixture *fx, unsigned slot, unsigned ep, unsigned word) {
    return (uint32_t)mem_read(fx, XD_CONTEXTS + 0x400 * slot + 32 * ep + 4 * word, 4);
}
