/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The graphics cards. A poke looks at the screen, as a screendump or a viewer does.
 */
#include "core/display.h"
#include "fixture.h"
#include "video/cirrus.h"
#include "video/stdvga.h"

enum { DEVFN = 0x10, VRAM = 1 << 20 };

static void *build_stdvga(struct fixture *fx) {
    static const uint8_t rom[4096] = {0x55, 0xaa, 8};
    char why[200];
    return stdvga_new(&(struct stdvga_pins){.engine = &fx->engine, .io = fx->io, .pci = fx->pci,
                                            .clock = fx->clock, .devfn = DEVFN,
                                            .vram_bytes = VRAM, .rom = rom,
                                            .rom_len = sizeof(rom)},
                      why, sizeof(why));
}

static void *build_cirrus(struct fixture *fx) {
    char why[200];
    return cirrus_new(&(struct cirrus_pins){.engine = &fx->engine, .io = fx->io, .pci = fx->pci,
                                            .clock = fx->clock, .devfn = DEVFN},
                      why, sizeof(why));
}

static void look(struct display *display, uint8_t what) {
    /* a picture of all video memory at 8 bits is 4 MiB: fine for a test */
    static struct display_cursor cursor;
    display->cursor_apart = what & 8 && display->cursor && display->cursor(display->dev, &cursor);
    if (what & 1 && !display->watchers)
        display_watch(display, true);
    display->refresh(display->dev, display, what & 2);
    if (what & 4 && display->watchers)
        display_watch(display, false);
}

static void poke_stdvga(struct fixture *fx, void *dev, uint8_t what) {
    (void)fx;
    look(stdvga_display(dev), what);
}

static void poke_cirrus(struct fixture *fx, void *dev, uint8_t what) {
    (void)fx;
    look(cirrus_display(dev), what);
}

static const uint16_t stdvga_ports[] = {0x3b0, 0x30, 0x1ce, 3, 0};
static const uint16_t cirrus_ports[] = {0x3b0, 0x30, 0};

const struct specimen video_specimens[] = {
    {"stdvga", build_stdvga, &stdvga_device, poke_stdvga, stdvga_ports},
    {"cirrus", build_cirrus, &cirrus_device, poke_cirrus, cirrus_ports},
    {0},
};
