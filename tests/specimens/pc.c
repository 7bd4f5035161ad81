/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The small chips of the board: keyboard controller, serial ports, DMA controllers.
 */
#include <linux/input-event-codes.h>

#include "fixture.h"
#include "pc/i8042.h"

static void reset_wire(void *board) {
    struct fixture *fx = board;
    fx->engine.ops->shutdown(&fx->engine, ENGINE_REBOOT);
}

static void *build_i8042(struct fixture *fx) {
    return i8042_new(&(struct i8042_pins){.io = fx->io,
                                          .clock = fx->clock,
                                          .input = fx->input,
                                          .kbd = fixture_irq(fx, 1),
                                          .aux = fixture_irq(fx, 12),
                                          .reset = reset_wire,
                                          .board = fx});
}

/* Bits 0 to 3: which event; the others its value. */
static void poke_i8042(struct fixture *fx, void *dev, uint8_t what) {
    static const struct input_event events[16] = {
        {INPUT_KEY, KEY_A, 0}, {INPUT_KEY, KEY_PAUSE, 0}, {INPUT_KEY, KEY_SYSRQ, 0},
        {INPUT_KEY, KEY_LEFTALT, 0}, {INPUT_KEY, KEY_RIGHTCTRL, 0}, {INPUT_KEY, KEY_F24, 0},
        {INPUT_KEY, 0x2ff, 0}, {INPUT_REL, INPUT_X, 40}, {INPUT_REL, INPUT_Y, 40},
        {INPUT_REL, INPUT_WHEEL, 1}, {INPUT_REL, INPUT_X, INT32_MIN / 16},
        {INPUT_REL, INPUT_Y, INT32_MIN / 16}, {INPUT_BUTTON, BTN_LEFT, 0},
        {INPUT_BUTTON, BTN_EXTRA, 0}, {INPUT_BUTTON, BTN_RIGHT, 0}, {INPUT_KEY, KEY_UP, 0}};
    struct input_event event = events[what & 15];
    (void)dev;
    event.value = event.value ? event.value * (1 + (what >> 4)) : what >> 7;
    input_send(fx->input, &event);
    input_sync(fx->input);
}

static const uint16_t i8042_ports[] = {0x60, 1, 0x64, 1, 0};

const struct specimen pc_specimens[] = {
    {"i8042", build_i8042, &i8042_device, poke_i8042, i8042_ports},
    {0},
};
