/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cirrus Logic CL-GD5446, PCI 1013:00b8, 4 MiB: libxl's default graphics card.
 */
#ifndef VIDEO_CIRRUS_H
#define VIDEO_CIRRUS_H

#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/display.h"
#include "core/engine.h"
#include "core/io.h"
#include "core/pci.h"

struct cirrus;

struct cirrus_pins {
    struct engine *engine;
    struct io_bus *io;
    struct pci_bus *pci;
    struct clock *clock;
    unsigned devfn;     /* or PCI_DEVFN_FREE */
    const uint8_t *rom; /* its VGA BIOS, which outlives the chip; NULL: none */
    uint32_t rom_len;
};

/* NULL: `why` is a sentence. */
struct cirrus *cirrus_new(const struct cirrus_pins *pins, char *why, size_t why_len);
struct display *cirrus_display(struct cirrus *cirrus);
struct pci_function *cirrus_pci(struct cirrus *cirrus);
extern const struct device_ops cirrus_device;

#endif
