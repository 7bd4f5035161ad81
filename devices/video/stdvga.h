/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard VGA, PCI 1234:1111: a VGA with the Bochs VBE registers, video memory at BAR 0, registers
 * in memory at BAR 2.
 */
#ifndef VIDEO_STDVGA_H
#define VIDEO_STDVGA_H

#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/display.h"
#include "core/engine.h"
#include "core/io.h"
#include "core/pci.h"

struct stdvga;

enum { STDVGA_SIDE = 4095 }; /* what an EDID can say */

struct stdvga_pins {
    struct engine *engine;
    struct io_bus *io;
    struct pci_bus *pci;
    struct clock *clock;
    unsigned devfn;      /* or PCI_DEVFN_FREE */
    uint32_t vram_bytes; /* a power of two, 1 to 256 MiB */
    const uint8_t *rom;  /* its VGA BIOS, which outlives the chip; NULL: none */
    uint32_t rom_len;
    unsigned xres, yres; /* the monitor's preferred mode, at most STDVGA_SIDE; 0: 1280 x 800 */
};

/* NULL: `why` is a sentence. */
struct stdvga *stdvga_new(const struct stdvga_pins *pins, char *why, size_t why_len);
struct display *stdvga_display(struct stdvga *stdvga);
struct pci_function *stdvga_pci(struct stdvga *stdvga);
extern const struct device_ops stdvga_device;

#endif
