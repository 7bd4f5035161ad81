/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The small chips of the board: keyboard controller, serial ports, DMA controllers.
 */
#include <linux/input-event-codes.h>

#include "core/bits.h"
#include "fixture.h"
#include "pc/i8042.h"
#include "pc/uart16550.h"

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

static void *build_uart(struct fixture *fx) {
    return uart16550_new(&(struct uart16550_pins){.io = fx->io,
                                                  .clock = fx->clock,
                                                  .irq = fixture_irq(fx, 4),
                                                  .base = 0x3f8,
                                                  .chars = fixture_chars(fx)});
}

/* Somebody types, or the reader stops, or goes on. */
static void poke_uart(struct fixture *fx, void *dev, uint8_t what) {
    static const uint8_t text[] = "The quick brown fox";
    struct chars *line = fixture_line(fx);
    (void)dev;
    if (what & 0x80)
        fixture_chars_room(line, what & 0x1f);
    else
        fixture_type(line, text, what % sizeof(text));
}

static const uint16_t uart_ports[] = {0x3f8, 8, 0};

const struct specimen pc_specimens[] = {
    {"i8042", build_i8042, &i8042_device, poke_i8042, i8042_ports},
    {"uart16550", build_uart, &uart16550_device, poke_uart, uart_ports},
    {0},
};
