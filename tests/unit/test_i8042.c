/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8042, keyboard and mouse through ports 60 and 64. "TR" is the IBM PS/2 Hardware Interface
 * Technical Reference (1990): its chapters on the controller, the keyboard and the mouse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/input-event-codes.h>

#include "fixture.h"
#include "pc/i8042.h"

enum { KBD_IRQ = 1, AUX_IRQ = 12, OBF = 0x01, SYS = 0x04, CMD = 0x08, AUX = 0x20 };

static struct fixture fx;
static struct i8042 *chip;
static unsigned resets;

static void on_reset(void *board) {
    (void)board;
    resets++;
}

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    resets = 0;
    chip = i8042_new(&(struct i8042_pins){.io = fx.io,
                                          .clock = fx.clock,
                                          .input = fx.input,
                                          .kbd = fixture_irq(&fx, KBD_IRQ),
                                          .aux = fixture_irq(&fx, AUX_IRQ),
                                          .reset = on_reset});
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    i8042_device.free(chip);
    fixture_done(&fx);
    return 0;
}

/* ---- helpers: a careful driver ---- */

static void expect(uint8_t byte, uint8_t from_aux) {
    fixture_sleep(&fx, NS_PER_MS);
    assert_int_equal(in8(&fx, 0x64) & (OBF | AUX), OBF | from_aux);
    assert_int_equal(in8(&fx, 0x60), byte);
}

static void expect_nothing(void) {
    fixture_sleep(&fx, NS_PER_MS);
    assert_int_equal(in8(&fx, 0x64) & OBF, 0);
}

static void expect_kbd(const char *bytes, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        expect((uint8_t)bytes[i], 0);
    expect_nothing();
}

static void expect_aux(const char *bytes, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        expect((uint8_t)bytes[i], AUX);
    expect_nothing();
}

#define KBD(s) expect_kbd(s, sizeof(s) - 1)
#define MOUSE(s) expect_aux(s, sizeof(s) - 1)

static void mode(uint8_t val) {
    out8(&fx, 0x64, 0x60);
    out8(&fx, 0x60, val);
}

static void to_kbd(uint8_t byte) {
    out8(&fx, 0x60, byte);
    expect(0xfa, 0);
}

static void to_mouse(uint8_t byte) {
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, byte);
    expect(0xfa, AUX);
}

static void send(enum input_kind kind, unsigned code, int value) {
    input_send(fx.input, &(struct input_event){kind, (uint16_t)code, value});
}

static void key(unsigned code, bool down) {
    send(INPUT_KEY, code, down);
    input_sync(fx.input);
}

static void motion(int dx, int dy, int wheel) {
    send(INPUT_REL, INPUT_X, dx);
    send(INPUT_REL, INPUT_Y, dy);
    send(INPUT_REL, INPUT_WHEEL, wheel);
    input_sync(fx.input);
}

static void button(unsigned code, bool down) {
    send(INPUT_BUTTON, code, down);
    input_sync(fx.input);
}

/* ---- TR, controller ---- */

static void self_test(void **unused) {
    (void)unused;
    assert_int_equal(in8(&fx, 0x64) & SYS, 0);
    out8(&fx, 0x64, 0xaa);
    assert_int_equal(in8(&fx, 0x64) & CMD, CMD);
    expect(0x55, 0);
    assert_int_equal(in8(&fx, 0x64) & SYS, SYS);
    out8(&fx, 0x64, 0xab);
    expect(0x00, 0);
    out8(&fx, 0x64, 0xa9);
    expect(0x00, 0);
    out8(&fx, 0x64, 0xa4); /* F1: no password is installed */
    expect(0xf1, 0);
}

static void ram_and_command_byte(void **unused) {
    (void)unused;
    out8(&fx, 0x64, 0x7f);
    out8(&fx, 0x60, 0x5c);
    assert_int_equal(in8(&fx, 0x64) & CMD, 0);
    out8(&fx, 0x64, 0x3f);
    expect(0x5c, 0);
    mode(0x47);
    out8(&fx, 0x64, 0x20);
    expect(0x47, 0);
    /* A7, A8, AD, AE are bits 5 and 4 of the command byte */
    out8(&fx, 0x64, 0xa7);
    out8(&fx, 0x64, 0xad);
    out8(&fx, 0x64, 0x20);
    expect(0x77, 0);
    out8(&fx, 0x64, 0xa8);
    out8(&fx, 0x64, 0x20);
    expect(0x57, 0);
    out8(&fx, 0x64, 0xae);
    out8(&fx, 0x64, 0x20);
    expect(0x47, 0);
}

/* What Linux does to find out whether there is an auxiliary port. */
static void loop_backs(void **unused) {
    (void)unused;
    mode(0x02);
    out8(&fx, 0x64, 0xd3);
    out8(&fx, 0x60, 0x5a);
    assert_true(fx.irq[AUX_IRQ]);
    expect(0x5a, AUX);
    assert_false(fx.irq[AUX_IRQ]);
    out8(&fx, 0x64, 0xd2);
    out8(&fx, 0x60, 0xa5);
    assert_false(fx.irq[KBD_IRQ]); /* not enabled */
    expect(0xa5, 0);
}

static void output_port(void **unused) {
    (void)unused;
    out8(&fx, 0x64, 0xd1);
    out8(&fx, 0x60, 0xdd);
    out8(&fx, 0x64, 0xd0);
    assert_int_equal(in8(&fx, 0x60) & 0x03, 0x01);
    out8(&fx, 0x64, 0xdf);
    out8(&fx, 0x64, 0xd0);
    assert_int_equal(in8(&fx, 0x60) & 0x03, 0x03);
    out8(&fx, 0x64, 0xc0);
    assert_int_equal(in8(&fx, 0x60) & 0x80, 0x80); /* not locked */
    assert_int_equal(resets, 0);
    out8(&fx, 0x64, 0xff); /* pulses nothing */
    assert_int_equal(resets, 0);
    out8(&fx, 0x64, 0xfe);
    assert_int_equal(resets, 1);
    out8(&fx, 0x64, 0xd1);
    out8(&fx, 0x60, 0xfe);
    assert_int_equal(resets, 2);
}

/* One interrupt a byte: the line falls in between, for an edge-triggered PIC. */
static void interrupts_per_byte(void **unused) {
    (void)unused;
    mode(0x03);
    key(KEY_HOME, true); /* E0 6C */
    assert_true(fx.irq[KBD_IRQ]);
    assert_int_equal(fx.irq_edges[KBD_IRQ], 1);
    assert_int_equal(in8(&fx, 0x60), 0xe0);
    assert_false(fx.irq[KBD_IRQ]);
    assert_int_equal(in8(&fx, 0x60), 0xe0); /* a BIOS behind a DOS hook reads the same byte */
    fixture_sleep(&fx, NS_PER_MS);
    assert_int_equal(fx.irq_edges[KBD_IRQ], 2);
    assert_int_equal(in8(&fx, 0x60), 0x6c);
    assert_false(fx.irq[KBD_IRQ]);
    assert_int_equal(clock_next(fx.clock) == TIMER_NEVER, 0);
    fixture_sleep(&fx, NS_PER_MS);
    assert_true(clock_next(fx.clock) == TIMER_NEVER);
}

static void disabled_interface_holds_keys(void **unused) {
    (void)unused;
    mode(0x11);
    key(KEY_A, true);
    expect_nothing();
    assert_false(fx.irq[KBD_IRQ]);
    out8(&fx, 0x64, 0xae);
    assert_true(fx.irq[KBD_IRQ]);
    KBD("\x1c");
}

static void reset_lowers_lines(void **unused) {
    (void)unused;
    mode(0x03);
    key(KEY_A, true);
    assert_true(fx.irq[KBD_IRQ]);
    i8042_device.reset(chip);
    assert_false(fx.irq[KBD_IRQ]);
    expect_nothing();
}

/* ---- TR, keyboard ---- */

static void set_2(void **unused) {
    (void)unused;
    mode(0x00);
    key(KEY_A, true);
    key(KEY_A, false);
    KBD("\x1c\xf0\x1c");
    key(KEY_F7, true);
    KBD("\x83");
    key(KEY_RIGHTCTRL, true);
    key(KEY_RIGHTCTRL, false);
    KBD("\xe0\x14\xe0\xf0\x14");
    key(KEY_LEFTMETA, true);
    KBD("\xe0\x1f");
    key(KEY_KPENTER, true);
    KBD("\xe0\x5a");
}

static void set_2_translated(void **unused) {
    (void)unused;
    mode(0x40);
    for (unsigned code = KEY_ESC; code <= KEY_KPDOT; code++) {
        if (code == KEY_LEFTSHIFT || code == KEY_LEFTALT || code == KEY_LEFTCTRL ||
            code == KEY_RIGHTSHIFT)
            continue;
        key(code, true);
        expect((uint8_t)code, 0); /* Linux numbered its keys after set 1 */
        key(code, false);
        expect((uint8_t)(code | 0x80), 0);
    }
    key(KEY_F12, true);
    key(KEY_F12, false);
    KBD("\x58\xd8");
    key(KEY_DELETE, true);
    key(KEY_DELETE, false);
    KBD("\xe0\x53\xe0\xd3");
    key(KEY_RO, true);
    KBD("\x73");
    key(KEY_YEN, true);
    KBD("\x7d");
    key(0x2ff, true); /* no such key on this keyboard */
    expect_nothing();
}

/* TR, "Scan Code Set 1": the same codes come out of the keyboard itself. */
static void set_1(void **unused) {
    (void)unused;
    mode(0x00);
    to_kbd(0xf0);
    to_kbd(0x01);
    key(KEY_A, true);
    key(KEY_A, false);
    KBD("\x1e\x9e");
    key(KEY_UP, true);
    key(KEY_UP, false);
    KBD("\xe0\x48\xe0\xc8");
    to_kbd(0xf0);
    to_kbd(0x00);
    KBD("\x01");
}

static void pause_and_print_screen(void **unused) {
    (void)unused;
    mode(0x40);
    key(KEY_PAUSE, true);
    key(KEY_PAUSE, false);
    KBD("\xe1\x1d\x45\xe1\x9d\xc5");
    key(KEY_SYSRQ, true);
    KBD("\xe0\x2a\xe0\x37");
    key(KEY_SYSRQ, false);
    KBD("\xe0\xb7\xe0\xaa");
    key(KEY_LEFTALT, true);
    KBD("\x38");
    key(KEY_SYSRQ, true);
    key(KEY_SYSRQ, false);
    KBD("\x54\xd4");
    key(KEY_LEFTALT, false);
    key(KEY_LEFTCTRL, true);
    KBD("\xb8\x1d");
    key(KEY_PAUSE, true); /* Break */
    KBD("\xe0\x46\xe0\xc6");
    mode(0x00);
    key(KEY_LEFTCTRL, false);
    key(KEY_PAUSE, true);
    KBD("\xf0\x14\xe1\x14\x77\xe1\xf0\x14\xf0\x77");
}

static void set_3(void **unused) {
    (void)unused;
    mode(0x00);
    to_kbd(0xf0);
    to_kbd(0x03);
    key(KEY_ESC, true);
    key(KEY_ESC, false); /* typematic by default: no break code */
    KBD("\x08");
    key(KEY_LEFTSHIFT, true);
    key(KEY_LEFTSHIFT, false);
    KBD("\x12\xf0\x12");
    to_kbd(0xfc); /* this one key: make/break */
    to_kbd(0x08);
    key(KEY_ESC, false);
    KBD("\xf0\x08");
    to_kbd(0xfa);
    key(KEY_DELETE, true);
    key(KEY_DELETE, false);
    KBD("\x64\xf0\x64");
    key(KEY_KP4, true); /* as in set 2 */
    KBD("\x6b");
}

static void kbd_commands(void **unused) {
    (void)unused;
    mode(0x00);
    out8(&fx, 0x60, 0xff);
    KBD("\xfa\xaa");
    out8(&fx, 0x60, 0xee);
    KBD("\xee");
    out8(&fx, 0x60, 0xf2);
    KBD("\xfa\xab\x83");
    mode(0x40);
    out8(&fx, 0x60, 0xf2); /* the controller translates 83; Linux knows AB 41 */
    KBD("\xfa\xab\x41");
    mode(0x00);
    to_kbd(0xed);
    to_kbd(0x05);
    assert_int_equal(input_leds(fx.input), INPUT_LED_SCROLL | INPUT_LED_CAPS);
    to_kbd(0xf3);
    to_kbd(0x20);
    to_kbd(0xed); /* a command instead of the parameter is a command */
    out8(&fx, 0x60, 0xee);
    KBD("\xee");
    out8(&fx, 0x60, 0x99);
    KBD("\xfe");
    out8(&fx, 0x60, 0xee);
    KBD("\xee");
    out8(&fx, 0x60, 0xfe); /* once more */
    KBD("\xee");
    to_kbd(0xf5);
    key(KEY_A, true);
    expect_nothing();
    to_kbd(0xf4);
    key(KEY_A, true);
    KBD("\x1c");
}

/* A command's answer comes before keys that wait; the controller's own before both. */
static void answers_first(void **unused) {
    (void)unused;
    mode(0x11);
    key(KEY_A, true);
    out8(&fx, 0x60, 0xed);
    KBD("\xfa\x1c");
}

/* TR, keyboard, "Overrun": what does not fit is lost as whole keys, and marked. */
static void overrun(void **unused) {
    (void)unused;
    mode(0x10);
    for (unsigned i = 0; i < 600; i++)
        key(KEY_UP, i % 2 == 0);
    out8(&fx, 0x64, 0xae);
    unsigned n = 0;
    uint8_t last[3] = {0};
    for (; in8(&fx, 0x64) & OBF; n++, fixture_sleep(&fx, NS_PER_MS)) {
        last[0] = last[1];
        last[1] = last[2];
        last[2] = in8(&fx, 0x60);
    }
    assert_int_equal(last[2], 0x00);
    assert_true(n <= 256 && n > 240);
    key(KEY_B, true);
    KBD("\x32");
}

/* ---- TR, mouse ---- */

static void mouse_reset(void **unused) {
    (void)unused;
    mode(0x02);
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, 0xff);
    MOUSE("\xfa\xaa\x00");
    assert_int_equal(fx.irq_edges[AUX_IRQ], 3);
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, 0xf2);
    MOUSE("\xfa\x00");
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, 0xe9); /* disabled, 1:1, 4 counts a mm, 100 a second */
    MOUSE("\xfa\x00\x02\x64");
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, 0xe1); /* not a command of a plain mouse */
    MOUSE("\xfe");
}

static void packets(void **unused) {
    (void)unused;
    mode(0x00);
    motion(5, 5, 0); /* not enabled yet: lost */
    to_mouse(0xf4);
    expect_nothing();
    motion(1, 0, 0);
    MOUSE("\x08\x01\x00");
    motion(-1, 2, 0); /* down on the screen is negative on the mouse */
    MOUSE("\x38\xff\xfe");
    button(BTN_LEFT, true);
    MOUSE("\x09\x00\x00");
    button(BTN_RIGHT, true);
    button(BTN_LEFT, false);
    MOUSE("\x0b\x00\x00\x0a\x00\x00");
    motion(0, 0, 1); /* no wheel yet */
    expect_nothing();
    to_mouse(0xf5);
    motion(3, 3, 0);
    expect_nothing();
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, 0xe9); /* right button held: bit 0 */
    MOUSE("\xfa\x01\x02\x64");
}

/* Nine bits and a sign; what does not fit, or comes while a packet waits, goes into the next. */
static void motion_adds_up(void **unused) {
    (void)unused;
    mode(0x00);
    to_mouse(0xf4);
    motion(300, -255, 0);
    motion(10, 0, 0);
    motion(10, 0, 0);
    MOUSE("\x08\xff\xff\x08\x41\x00");
    motion(-300, 0, 0);
    MOUSE("\x18\x01\x00\x18\xd3\x00");
}

/* Two clicks while the host is busy are two clicks. */
static void clicks_are_not_lost(void **unused) {
    (void)unused;
    mode(0x00);
    to_mouse(0xf4);
    motion(1, 0, 0); /* waits in the controller */
    for (unsigned i = 0; i < 4; i++)
        button(BTN_LEFT, i % 2 == 0);
    MOUSE("\x08\x01\x00\x09\x00\x00\x08\x00\x00\x09\x00\x00\x08\x00\x00");
}

static void rate(uint8_t val) {
    to_mouse(0xf3);
    to_mouse(val);
}

static void wheel(void **unused) {
    (void)unused;
    mode(0x00);
    rate(200);
    rate(100);
    rate(80);
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, 0xf2);
    MOUSE("\xfa\x03");
    to_mouse(0xf4);
    motion(0, 0, 1); /* away from the user is negative */
    MOUSE("\x08\x00\x00\xff");
    motion(0, 0, -10);
    MOUSE("\x08\x00\x00\x07\x08\x00\x00\x03");
    button(BTN_SIDE, true); /* only the Explorer has it */
    expect_nothing();
}

static void five_buttons(void **unused) {
    (void)unused;
    mode(0x00);
    rate(200);
    rate(200);
    rate(80);
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, 0xf2);
    MOUSE("\xfa\x04");
    to_mouse(0xf4);
    button(BTN_SIDE, true);
    MOUSE("\x08\x00\x00\x10");
    motion(0, 0, 1);
    MOUSE("\x08\x00\x00\x1f");
    button(BTN_EXTRA, true);
    MOUSE("\x08\x00\x00\x30");
}

static void remote_and_wrap(void **unused) {
    (void)unused;
    mode(0x00);
    to_mouse(0xf4);
    to_mouse(0xf0);
    motion(4, 0, 0);
    expect_nothing();
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, 0xeb);
    MOUSE("\xfa\x08\x04\x00");
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, 0xe9);
    MOUSE("\xfa\x60\x02\x64");
    to_mouse(0xea);
    to_mouse(0xee);
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, 0xf4);
    MOUSE("\xf4");
    to_mouse(0xec);
    motion(4, 0, 0);
    MOUSE("\x08\x04\x00");
}

static void scaling_and_resolution(void **unused) {
    (void)unused;
    mode(0x00);
    to_mouse(0xe7);
    to_mouse(0xe8);
    to_mouse(0x03);
    to_mouse(0xf4);
    motion(3, 1, 0);
    MOUSE("\x28\x03\xff");
    motion(-6, 0, 0);
    MOUSE("\x18\xf4\x00");
    to_mouse(0xe6);
    motion(5, 0, 0);
    MOUSE("\x08\x05\x00");
    to_mouse(0xe8);
    out8(&fx, 0x64, 0xd4);
    out8(&fx, 0x60, 0x04); /* no such resolution */
    MOUSE("\xfe");
}

/* Aux off: its clock is held, packets wait in the mouse. */
static void disabled_mouse_interface(void **unused) {
    (void)unused;
    mode(0x02);
    to_mouse(0xf4);
    out8(&fx, 0x64, 0xa7);
    motion(1, 1, 0);
    expect_nothing();
    assert_false(fx.irq[AUX_IRQ]);
    out8(&fx, 0x64, 0xa8);
    assert_true(fx.irq[AUX_IRQ]);
    MOUSE("\x28\x01\xff");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(self_test), TEST(ram_and_command_byte), TEST(loop_backs), TEST(output_port),
        TEST(interrupts_per_byte), TEST(disabled_interface_holds_keys), TEST(reset_lowers_lines),
        TEST(set_2), TEST(set_2_translated), TEST(set_1), TEST(pause_and_print_screen),
        TEST(set_3), TEST(kbd_commands), TEST(answers_first), TEST(overrun), TEST(mouse_reset),
        TEST(packets), TEST(motion_adds_up), TEST(clicks_are_not_lost), TEST(wheel),
        TEST(five_buttons), TEST(remote_and_wrap), TEST(scaling_and_resolution),
        TEST(disabled_mouse_interface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
