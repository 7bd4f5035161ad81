/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of an xHCI controller for tests. All it knows is in guest memory, below, so that it goes
 * on with a chip that was saved and loaded. Slots 1 to 7.
 */
#ifndef TESTS_FIXTURE_XHCI_H
#define TESTS_FIXTURE_XHCI_H

#include "fixture.h"

enum { /* guest memory */
    XD_STATE = 0x800, XD_DCBAA = 0x1000, XD_COMMANDS = 0x2000, XD_EVENTS = 0x3000, XD_ERST = 0x4000,
    XD_INPUT = 0x5000, XD_CONTEXTS = 0x8000 /* 400h a slot */, XD_RINGS = 0x20000 /* 100h each */,
    XD_SETUP = 0x40000, XD_DATA = 0x50000,
    XD_RING_TRBS = 16, XD_EVENT_TRBS = 16,
};

enum { /* registers */
    XD_USBCMD = 0x40, XD_USBSTS = 0x44, XD_CRCR = 0x58, XD_DCBAAP = 0x70, XD_CONFIG = 0x78,
    XD_PORTSC = 0x440, XD_MFINDEX = 0x1000, XD_IMAN = 0x1020, XD_IMOD = 0x1024, XD_ERSTSZ = 0x1028,
    XD_ERSTBA = 0x1030, XD_ERDP = 0x1038, XD_DOORBELL = 0x2000,
};

struct xd_event {
    uint64_t param;
    uint32_t length, control;
    unsigned type, code, slot, ep;
};

/* Rings, one event ring segment, 8 slots, interrupts on; the controller runs. */
void xd_start(struct fixture *fx, uint64_t bar);
/* The next event of interrupter 0; false: there is none. */
bool xd_event(struct fixture *fx, uint64_t bar, struct xd_event *event);
/* Until an event of that type comes; others are dropped. False: none does. */
bool xd_wait(struct fixture *fx, uint64_t bar, unsigned type, struct xd_event *event);

/* The completion code of a command; 0: there was no event. */
unsigned xd_command(struct fixture *fx, uint64_t bar, unsigned type, uint64_t param,
                    uint32_t control, struct xd_event *event);
unsigned xd_enable_slot(struct fixture *fx, uint64_t bar); /* its number, or 0 */
/* Writes an input context of slot and endpoint 0, and says Address Device. */
unsigned xd_address(struct fixture *fx, uint64_t bar, unsigned slot, unsigned port, uint32_t route,
                    bool bsr);
/* An endpoint by its index (2 * number + in), of a type as in endpoint contexts. */
unsigned xd_configure(struct fixture *fx, uint64_t bar, unsigned slot, unsigned ep, unsigned type,
                      unsigned max_packet);

uint64_t xd_ring(unsigned slot, unsigned ep);
/* A TRB on a transfer ring, nobody told; its address. */
uint64_t xd_queue(struct fixture *fx, unsigned slot, unsigned ep, uint64_t param, uint32_t status,
                  uint32_t control);
void xd_doorbell(struct fixture *fx, uint64_t bar, unsigned slot, unsigned ep);
/* A control transfer to XD_DATA, its status stage with IOC. The code of the first event that is no
 * success, or of the status stage. */
unsigned xd_control(struct fixture *fx, uint64_t bar, unsigned slot, const uint8_t setup[8]);
uint32_t xd_context(struct fixture *fx, unsigned slot, unsigned ep, unsigned word);

#endif
