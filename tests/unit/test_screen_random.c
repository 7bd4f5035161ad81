/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that changes modes, registers and the place of its video memory between any two accesses
 * while a viewer looks: whatever it does, what the viewer has is what drawing everything afresh
 * gives. HVMDM_SEED repeats a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/display.h"
#include "vga_modes.h"
#include "video/cirrus.h"
#include "video/stdvga.h"

enum { DEVFN = 0x10, VRAM = 1 << 20, VGA_PART = 256 << 10, ROUNDS = 60, ACCESSES = 60, PLACES = 4 };

static const uint32_t places[PLACES] = {0xf0000000, 0xe0000000, 0xf0000000, 0};

struct board {
    struct fixture fx;
    struct display *display;
    void *chip;
    const struct device_ops *ops;
    bool cirrus;
    uint32_t lfb;
    uint64_t random;
};

static uint32_t dice(struct board *b, uint32_t sides) {
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return (uint32_t)(b->random >> 16) % sides;
}

static void set_up(struct board *b, bool cirrus, uint64_t seed) {
    char why[200];
    memset(b, 0, sizeof(*b));
    b->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    b->cirrus = cirrus;
    fixture_init(&b->fx);
    struct fixture *fx = &b->fx;
    if (cirrus) {
        b->chip = cirrus_new(&(struct cirrus_pins){.engine = &fx->engine, .io = fx->io,
                                                   .pci = fx->pci, .clock = fx->clock,
                                                   .devfn = DEVFN}, why, sizeof(why));
        b->display = cirrus_display(b->chip);
        b->ops = &cirrus_device;
    } else {
        b->chip = stdvga_new(&(struct stdvga_pins){.engine = &fx->engine, .io = fx->io,
                                                   .pci = fx->pci, .clock = fx->clock,
                                                   .devfn = DEVFN, .vram_bytes = VRAM},
                             why, sizeof(why));
        b->display = stdvga_display(b->chip);
        b->ops = &stdvga_device;
    }
    cfg_write(fx, DEVFN, PCI_BAR0, 4, places[0]);
    cfg_write(fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM);
    b->lfb = places[0];
}

static void set_mode(struct board *b) {
    static const struct vga_mode *const modes[] = {&mode_03, &mode_04, &mode_12, &mode_13};
    struct fixture *fx = &b->fx;
    vga_set(fx, modes[dice(b, 4)]);
    if (b->cirrus) {
        static const uint8_t packed[] = {0x00, 0x01, 0x03, 0x05, 0x07, 0x09};
        vga_seq(fx, 7, packed[dice(b, 6)]);
        vga_seq(fx, 0x12, (uint8_t)dice(b, 8));
        return;
    }
    const uint16_t bpp[] = {4, 8, 15, 16, 24, 32};
    const uint16_t regs[][2] = {{4, 0}, {1, (uint16_t)(dice(b, 500) + 64)},
                                {2, (uint16_t)(dice(b, 300) + 64)}, {3, bpp[dice(b, 6)]},
                                {4, dice(b, 2) ? 0x41 : 0}, {6, (uint16_t)dice(b, 700)},
                                {8, (uint16_t)dice(b, 40)}, {9, (uint16_t)dice(b, 40)}};
    for (unsigned i = 0; i < ARRAY_LEN(regs); i++) {
        out16(fx, 0x1ce, regs[i][0]);
        out16(fx, 0x1cf, regs[i][1]);
    }
}

/* Video memory goes somewhere else, or nowhere, while it is tracked. */
static void move_memory(struct board *b) {
    b->lfb = places[dice(b, PLACES)];
    cfg_write(&b->fx, DEVFN, PCI_BAR0, 4, b->lfb);
    cfg_write(&b->fx, DEVFN, PCI_COMMAND, 2,
              b->lfb ? PCI_CMD_IO | PCI_CMD_MEM : (uint32_t)PCI_CMD_IO);
}

static void one_access(struct board *b) {
    struct fixture *fx = &b->fx;
    uint32_t val = dice(b, 0x10000);
    switch (dice(b, 10)) {
    case 0:
        vga_crtc(fx, (uint8_t)(8 + dice(b, 17)), (uint8_t)val);
        break;
    case 1:
        vga_seq(fx, (uint8_t)dice(b, b->cirrus ? 0x20 : 5), (uint8_t)val);
        break;
    case 2:
        vga_gr(fx, (uint8_t)dice(b, b->cirrus ? 0x3a : 9), (uint8_t)val);
        break;
    case 3:
        vga_attr(fx, (uint8_t)(0x10 + dice(b, 5)), (uint8_t)val);
        break;
    case 4:
        vga_dac(fx, (uint8_t)dice(b, 256), (uint8_t)val & 63, 5, 6);
        break;
    case 5:
        if (!dice(b, 4))
            move_memory(b);
        break;
    case 6:
        fx->now += dice(b, 1000) * UINT64_C(1000000);
        break;
    case 7:
    case 8:
        if (b->lfb) /* as often to the VGA's part, where characters and fonts are */
            mem_write(fx, b->lfb + (dice(b, dice(b, 2) ? VRAM : VGA_PART) & ~3u), 4,
                      val * 0x10003u);
        break;
    default:
        mem_write(fx, 0xa0000 + (dice(b, 0x20000) & ~1u), 2, val);
    }
}

static void look(struct board *b, bool whole) {
    struct display *d = b->display;
    static struct display_cursor cursor;
    if (d->cursor)
        d->cursor_apart = d->cursor(d->dev, &cursor) && dice(b, 2);
    d->refresh(d->dev, d, whole);
}

static void compare(struct board *b, uint64_t seed, unsigned round) {
    struct display *d = b->display;
    look(b, false);
    if (!d->pixels)
        return;
    size_t n = (size_t)d->stride * d->height;
    uint32_t *seen = malloc(n * sizeof(*seen));
    memcpy(seen, d->pixels, n * sizeof(*seen));
    d->refresh(d->dev, d, true);
    for (size_t i = 0; i < n; i++)
        if ((seen[i] ^ d->pixels[i]) & 0xffffff)
            fail_msg("seed %llu, round %u: %zu,%zu of %u x %u is %06x, should be %06x",
                     (unsigned long long)seed, round, i % d->stride, i / d->stride, d->width,
                     d->height, seen[i] & 0xffffff, d->pixels[i] & 0xffffff);
    free(seen);
}

static void play(bool cirrus, uint64_t seed) {
    static struct board b;
    set_up(&b, cirrus, seed);
    set_mode(&b);
    display_watch(b.display, true);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < ACCESSES; i++) {
            one_access(&b);
            if (!dice(&b, 40))
                set_mode(&b);
            if (!dice(&b, 12))
                look(&b, false);
        }
        compare(&b, seed, round);
    }
    display_watch(b.display, false);
    b.ops->free(b.chip);
    fixture_done(&b.fx);
}

static void play_seeds(bool cirrus) {
    const char *wanted = getenv("HVMDM_SEED");
    for (uint64_t seed = 1; seed <= 6 && !wanted; seed++)
        play(cirrus, seed);
    if (wanted)
        play(cirrus, strtoull(wanted, NULL, 0));
}

static void stdvga_is_as_it_looks(void **state) {
    (void)state;
    play_seeds(false);
}

static void cirrus_is_as_it_looks(void **state) {
    (void)state;
    play_seeds(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stdvga_is_as_it_looks), cmocka_unit_test(cirrus_is_as_it_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
