/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A through its ports. Sections are those of National's PC16550D data sheet (1995).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "pc/uart16550.h"

enum { BASE = 0x3f8, RBR = BASE, THR = BASE, IER, IIR, FCR = IIR, LCR, MCR, LSR, MSR, SCR,
       DLL = BASE, DLM = IER, IRQ = 4 };

static struct fixture fx;
static struct uart16550 *uart;
static struct chars *line;

static int setup(void **unused) {
    (void)unused;
    fixture_init(&fx);
    line = fixture_chars(&fx);
    uart = uart16550_new(&(struct uart16550_pins){.io = fx.io,
                                                  .clock = fx.clock,
                                                  .irq = fixture_irq(&fx, IRQ),
                                                  .base = BASE,
                                                  .chars = line});
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    uart16550_device.free(uart);
    fixture_done(&fx);
    return 0;
}

static size_t type(const char *text) {
    return fixture_type(line, (const uint8_t *)text, strlen(text));
}

static void sent(const char *text) {
    char got[64] = {0};
    size_t n = fixture_written(line, (uint8_t *)got, sizeof(got) - 1);
    assert_string_equal(got, text);
    assert_int_equal(n, strlen(text));
}

/* 115200 8N1, FIFOs on with the given trigger bits */
static void program(uint8_t fcr) {
    out8(&fx, LCR, 0x80);
    out8(&fx, DLL, 1);
    out8(&fx, DLM, 0);
    out8(&fx, LCR, 0x03);
    out8(&fx, FCR, fcr);
    out8(&fx, MCR, 0x0b);
}

/* Table I */
static void reset_values(void **unused) {
    (void)unused;
    assert_int_equal(in8(&fx, IER), 0x00);
    assert_int_equal(in8(&fx, IIR), 0x01);
    assert_int_equal(in8(&fx, LCR), 0x00);
    assert_int_equal(in8(&fx, MCR), 0x00);
    assert_int_equal(in8(&fx, LSR), 0x60);
    assert_int_equal(in8(&fx, MSR) & 0x0f, 0x00);
    assert_false(fx.irq[IRQ]);
}

static void registers_store(void **unused) {
    (void)unused;
    out8(&fx, SCR, 0x5a);
    assert_int_equal(in8(&fx, SCR), 0x5a);
    out8(&fx, IER, 0xff); /* as hvmloader looks for the port */
    assert_int_equal(in8(&fx, IER), 0x0f);
    out8(&fx, MCR, 0xff);
    assert_int_equal(in8(&fx, MCR), 0x1f);
    out8(&fx, LCR, 0x80);
    out8(&fx, DLL, 0x34);
    out8(&fx, DLM, 0x12);
    assert_int_equal(in8(&fx, DLL), 0x34);
    assert_int_equal(in8(&fx, DLM), 0x12);
    out8(&fx, LCR, 0x03);
    assert_int_equal(in8(&fx, IER), 0x0f);
    out16(&fx, MSR, 0xa500); /* a word is two bytes: 3ff is the scratch register */
    assert_int_equal(in8(&fx, SCR), 0xa5);
}

static void sends_and_receives(void **unused) {
    (void)unused;
    out8(&fx, THR, 'A');
    out8(&fx, THR, 'B');
    sent("AB");
    assert_int_equal(in8(&fx, LSR), 0x60);
    assert_int_equal(type("xy"), 1); /* one holding register: the line waits with the second */
    assert_int_equal(in8(&fx, LSR), 0x61);
    assert_int_equal(in8(&fx, RBR), 'x');
    assert_int_equal(in8(&fx, LSR), 0x60);
    assert_int_equal(in8(&fx, RBR), 'x'); /* nothing new */
}

static void strings(void **unused) {
    (void)unused;
    program(0x07);
    assert_int_equal(io_write_string(fx.io, IO_PORT, THR, 1, "hello, world", 12), 12);
    sent("hello, world");
    assert_int_equal(type("abcd"), 4);
    char got[5] = {0};
    assert_int_equal(io_read_string(fx.io, IO_PORT, RBR, 1, got, 4), 4);
    assert_string_equal(got, "abcd");
    assert_int_equal(io_read_string(fx.io, IO_PORT, LSR, 1, got, 4), 0);
}

/* 8.10.1: the trigger level, and below it the time-out after four characters' time */
static void fifo_trigger_and_timeout(void **unused) {
    (void)unused;
    program(0x87); /* 8 bytes */
    assert_int_equal(in8(&fx, IIR), 0xc1);
    out8(&fx, IER, 0x01);
    assert_int_equal(type("1234567"), 7);
    assert_false(fx.irq[IRQ]);
    assert_int_equal(type("8"), 1);
    assert_true(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, IIR), 0xc4);
    assert_int_equal(in8(&fx, RBR), '1');
    assert_false(fx.irq[IRQ]); /* falls when below the level */
    fixture_sleep(&fx, 300 * NS_PER_US);
    assert_false(fx.irq[IRQ]);
    fixture_sleep(&fx, 60 * NS_PER_US); /* 40 bits at 115200 are 347 us */
    assert_true(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, IIR), 0xcc);
    assert_int_equal(in8(&fx, RBR), '2');
    assert_false(fx.irq[IRQ]); /* reading clears it and times anew */
    fixture_sleep(&fx, 400 * NS_PER_US);
    assert_int_equal(in8(&fx, IIR), 0xcc);
    while (in8(&fx, LSR) & 1)
        in8(&fx, RBR);
    fixture_sleep(&fx, NS_PER_SEC);
    assert_int_equal(in8(&fx, IIR), 0xc1);
    assert_true(clock_next(fx.clock) == TIMER_NEVER);
}

static void trigger_levels(void **unused) {
    (void)unused;
    static const struct {
        uint8_t fcr, level;
    } rows[] = {{0x07, 1}, {0x47, 4}, {0x87, 8}, {0xc7, 14}};
    out8(&fx, IER, 0x01);
    for (unsigned i = 0; i < 4; i++) {
        program(rows[i].fcr);
        for (unsigned n = 1; n <= rows[i].level; n++) {
            type("x");
            assert_int_equal(fx.irq[IRQ], n == rows[i].level);
        }
    }
}

static void fifo_holds_16_and_the_line_waits(void **unused) {
    (void)unused;
    program(0x07);
    assert_int_equal(type("0123456789abcdefg"), 16);
    assert_int_equal(in8(&fx, LSR), 0x61); /* no overrun */
    out8(&fx, FCR, 0x03);                  /* receiver FIFO reset */
    assert_int_equal(in8(&fx, LSR), 0x60);
    assert_int_equal(type("ab"), 2);
    out8(&fx, FCR, 0x00); /* a change of bit 0 empties it as well */
    assert_int_equal(in8(&fx, LSR), 0x60);
    assert_int_equal(in8(&fx, IIR), 0x01);
}

/* 8.10.2 and 8.6.3: THRE is reset by reading IIR when it is the source, or by writing THR. */
static void thre_interrupt(void **unused) {
    (void)unused;
    program(0x07);
    out8(&fx, IER, 0x02);
    assert_true(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, IIR), 0xc2);
    assert_false(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, IIR), 0xc1);
    out8(&fx, THR, 'x');
    assert_true(fx.irq[IRQ]);
    assert_int_equal(in8(&fx, IIR), 0xc2);
    out8(&fx, IER, 0x00);
    out8(&fx, IER, 0x02); /* enabling asks again: 8250 drivers rely on it */
    assert_int_equal(in8(&fx, IIR), 0xc2);
    type("y");
    out8(&fx, IER, 0x00);
    out8(&fx, IER, 0x03);
    assert_int_equal(in8(&fx, IIR), 0xc4); /* received data comes first ... */
    in8(&fx, RBR);
    assert_int_equal(in8(&fx, IIR), 0xc2); /* ... and did not clear THRE */
}

/* A peer that does not read: 16 bytes wait, the guest sees a full transmitter, nothing grows. */
static void back_pressure(void **unused) {
    (void)unused;
    program(0x07);
    fixture_chars_room(line, 2);
    out8(&fx, IER, 0x02);
    in8(&fx, IIR);
    for (unsigned i = 0; i < 18; i++)
        out8(&fx, THR, (uint8_t)('a' + i));
    assert_int_equal(in8(&fx, LSR) & 0x60, 0x00);
    assert_false(fx.irq[IRQ]);
    sent("ab");
    fixture_chars_room(line, 4);
    assert_int_equal(in8(&fx, LSR) & 0x60, 0x00);
    fixture_chars_room(line, 100);
    assert_int_equal(in8(&fx, LSR) & 0x60, 0x60);
    assert_true(fx.irq[IRQ]);
    sent("cdefghijklmnopqr");
    fixture_chars_room(line, 0);
    out8(&fx, THR, 'z');
    out8(&fx, FCR, 0x05); /* transmitter FIFO reset */
    assert_int_equal(in8(&fx, LSR) & 0x60, 0x60);
}

/* 8.7: loopback, as drivers test for the chip */
static void loopback(void **unused) {
    (void)unused;
    out8(&fx, LCR, 0x03);
    in8(&fx, MSR);
    out8(&fx, MCR, 0x1a);
    assert_int_equal(in8(&fx, MSR) & 0xf0, 0x90); /* Linux: RTS and OUT2 come back as CTS, DCD */
    out8(&fx, MCR, 0x1f);
    assert_int_equal(in8(&fx, MSR) & 0xf0, 0xf0);
    out8(&fx, MCR, 0x10);
    assert_int_equal(in8(&fx, MSR), 0x0f); /* all four changed, RI fell */
    out8(&fx, THR, 0xae);
    sent("");
    assert_int_equal(in8(&fx, LSR), 0x61);
    out8(&fx, THR, 0x55); /* overruns */
    assert_int_equal(in8(&fx, LSR), 0x63);
    assert_int_equal(in8(&fx, LSR), 0x61);
    assert_int_equal(in8(&fx, RBR), 0x55);
    assert_int_equal(type("x"), 0); /* the line is cut */
    out8(&fx, LCR, 0x00);
    out8(&fx, THR, 0xff);
    assert_int_equal(in8(&fx, RBR), 0x1f); /* five bits */
    out8(&fx, MCR, 0x00);
    assert_int_equal(in8(&fx, MSR) & 0xf0, 0xb0);
    assert_int_equal(type("x"), 1);
}

static void line_and_modem_interrupts(void **unused) {
    (void)unused;
    program(0x07);
    in8(&fx, MSR);
    out8(&fx, IER, 0x0c);
    assert_false(fx.irq[IRQ]);
    out8(&fx, MCR, 0x10);
    assert_int_equal(in8(&fx, IIR), 0xc0); /* modem status */
    for (unsigned i = 0; i < 17; i++)
        out8(&fx, THR, (uint8_t)i);
    assert_int_equal(in8(&fx, IIR), 0xc6); /* line status is above it */
    assert_int_equal(in8(&fx, LSR), 0x63);
    assert_int_equal(in8(&fx, IIR), 0xc0);
    in8(&fx, MSR);
    assert_false(fx.irq[IRQ]);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(in8(&fx, RBR), i); /* in the FIFO the newcomer is lost */
}

static void nothing_plugged_in(void **unused) {
    (void)unused;
    struct uart16550 *other = uart16550_new(&(struct uart16550_pins){
        .io = fx.io, .clock = fx.clock, .irq = fixture_irq(&fx, 3), .base = 0x2f8});
    out8(&fx, 0x2f8, 'x');
    assert_int_equal(in8(&fx, 0x2fd), 0x60);
    uart16550_device.reset(other);
    uart16550_device.free(other);
    assert_int_equal(in8(&fx, 0x2fd), 0xff);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(reset_values), TEST(registers_store), TEST(sends_and_receives), TEST(strings),
        TEST(fifo_trigger_and_timeout), TEST(trigger_levels),
        TEST(fifo_holds_16_and_the_line_waits), TEST(thre_interrupt), TEST(back_pressure),
        TEST(loopback), TEST(line_and_modem_interrupts), TEST(nothing_plugged_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
