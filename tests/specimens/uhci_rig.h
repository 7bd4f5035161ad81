/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the specimens of USB devices share: the controller that they hang from, and how a driver
 * brings up one of its ports (Universal Host Controller Interface, Rev. 1.1, section 2.1.7).
 */
#ifndef TESTS_SPECIMENS_UHCI_RIG_H
#define TESTS_SPECIMENS_UHCI_RIG_H

#include "fixture.h"
#include "usb/uhci.h"

static inline struct uhci *uhci_rig_new(struct fixture *fx) {
    return uhci_new(&(struct uhci_pins){.pci = fx->pci, .io = fx->io, .clock = fx->clock,
                                        .devfn = 1 << 3 | 2, .device_id = UHCI_PIIX3,
                                        .int_pin = 4});
}

/* Reset, the reset's end, enabled. */
static inline void uhci_rig_enable(struct fixture *fx, uint16_t port) {
    out16(fx, port, 0x0200);
    out16(fx, port, 0x0000);
    out16(fx, port, 0x0006);
}

#endif
