/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket engine over a socketpair's worth of characters: the words, memory, interrupts, time;
 * and lines that are too long, cut, or nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/dma.h"
#include "core/io.h"
#include "core/pci.h"
#include "fixture.h"
#include "sock.h"

struct world {
    struct fixture fx; /* for its chars */
    struct chars *chars;
    struct engine *engine;
    struct io_bus *io;
    struct io_region region;
    struct timer timer;
    uint8_t regs[16];
    unsigned shutdowns, closes, rings;
    uint64_t rang_at;
};

static uint64_t chip_read(void *dev, uint64_t off, unsigned size) {
    struct world *w = dev;
    return load_le(w->regs + off, size);
}

static void chip_write(void *dev, uint64_t off, unsigned size, uint64_t val) {
    struct world *w = dev;
    store_le(w->regs + off, size, val);
    if (off == 15)
        w->engine->ops->isa_irq(w->engine, 7, val);
}

static const struct io_ops chip = {.read = chip_read, .write = chip_write, .max = 8};

static uint64_t sink_read(void *dev, enum io_space space, uint64_t addr, unsigned size) {
    return io_read(dev, space, addr, size);
}

static void sink_write(void *dev, enum io_space space, uint64_t addr, unsigned size,
                       uint64_t val) {
    io_write(dev, space, addr, size, val);
}

static void on_shutdown(void *arg, enum engine_shutdown how) {
    struct world *w = arg;
    (void)how;
    w->shutdowns++;
}

static void on_closed(void *arg) {
    struct world *w = arg;
    w->closes++;
}

static void ring(void *dev) {
    struct world *w = dev;
    w->rings++;
    w->rang_at = clock_now(sock_engine_clock(w->engine));
}

static void start(struct world *w, uint64_t ram) {
    char why[128];
    w->engine = sock_engine_new(w->chars, ram, GIB(3), why, sizeof(why));
    assert_non_null(w->engine);
    w->io = io_bus_new(w->engine);
    w->engine->sink = (struct engine_sink){.dev = w->io, .read = sink_read, .write = sink_write};
    timer_init(&w->timer, sock_engine_clock(w->engine), ring, w);
    const struct sock_events events = {w, on_shutdown, NULL, on_closed};
    sock_engine_start(w->engine, &events);
}

static void stop(struct world *w) {
    io_unmap(&w->region);
    io_bus_free(w->io);
    timer_off(&w->timer);
    w->engine->ops->free(w->engine);
}

static int setup(void **arg) {
    struct world *w = calloc(1, sizeof(*w));
    fixture_init(&w->fx);
    w->chars = fixture_chars(&w->fx);
    start(w, MIB(2));
    *arg = w;
    return 0;
}

static int teardown(void **arg) {
    struct world *w = *arg;
    stop(w);
    fixture_done(&w->fx);
    free(w);
    return 0;
}

static const char *answer(struct world *w, const char *line) {
    static char text[4096];
    assert_int_equal(fixture_type(w->chars, (const uint8_t *)line, strlen(line)), strlen(line));
    size_t n = fixture_written(w->chars, (uint8_t *)text, sizeof(text) - 1);
    text[n] = 0;
    return text;
}

static void test_ports(void **arg) {
    struct world *w = *arg;
    assert_string_equal(answer(w, "inb 0x70\n"), "OK 0x00ff\n");
    io_map_new(w->io, &w->region, "chip", &chip, w, IO_PORT, 0x100, 16);
    assert_string_equal(answer(w, "outb 0x100 0x5a\n"), "OK\n");
    assert_string_equal(answer(w, "outw 0x102 0xbeef\n"), "OK\n");
    assert_string_equal(answer(w, "inl 256\n"), "OK 0xbeef005a\n");
    assert_string_equal(answer(w, "outl 0x104 4294967295\n"), "OK\n");
    assert_string_equal(answer(w, "inw 0x104\r\n"), "OK 0xffff\n");
}

static void test_memory(void **arg) {
    struct world *w = *arg;
    assert_string_equal(answer(w, "writeq 0x1000 0x1122334455667788\n"), "OK\n");
    assert_string_equal(answer(w, "readl 0x1004\n"), "OK 0x0000000011223344\n");
    assert_string_equal(answer(w, "readb 0x1000\n"), "OK 0x0000000000000088\n");
    assert_string_equal(answer(w, "read 0x1000 4\n"), "OK 0x88776655\n");
    assert_string_equal(answer(w, "b64read 0x1000 4\n"), "OK iHdmVQ==\n");
    assert_string_equal(answer(w, "b64write 0x2000 5 aGVsbG8=\n"), "OK\n");
    assert_string_equal(answer(w, "read 0x2000 6\n"), "OK 0x68656c6c6f00\n");
    assert_string_equal(answer(w, "write 0x2000 4 0x0102\n"), "OK\n"); /* zeros follow */
    assert_string_equal(answer(w, "read 0x2000 5\n"), "OK 0x010200006f\n");
    assert_string_equal(answer(w, "memset 0x3000 3 0x7f\n"), "OK\n");
    assert_string_equal(answer(w, "readl 0x3000\n"), "OK 0x00000000007f7f7f\n");
    assert_string_equal(answer(w, "endianness\n"), "OK little\n");
}

/* RAM ends at 640 KiB, begins again at 1 MiB, and ends at its size. */
static void test_memory_map(void **arg) {
    struct world *w = *arg;
    answer(w, "memset 0 0x100000000 0x11\n");
    assert_string_equal(answer(w, "readw 0x9ffff\n"), "OK 0x000000000000ff11\n");
    assert_string_equal(answer(w, "readw 0xfffff\n"), "OK 0x00000000000011ff\n");
    assert_string_equal(answer(w, "readw 0x1fffff\n"), "OK 0x000000000000ff11\n");
    assert_string_equal(answer(w, "readq 0xfffffffffffffffc\n"), "OK 0x11111111ffffffff\n");
    assert_string_equal(answer(w, "read 0x1ffffe 4\n"), "OK 0x1111ffff\n");
    stop(w);
    start(w, GIB(5));
    assert_string_equal(answer(w, "writel 0x17ffffffc 0x12345678\n"), "OK\n");
    assert_string_equal(answer(w, "readl 0x17ffffffc\n"), "OK 0x0000000012345678\n");
    assert_string_equal(answer(w, "readl 0x180000000\n"), "OK 0x00000000ffffffff\n");
    assert_string_equal(answer(w, "readl 0xc0000000\n"), "OK 0x00000000ffffffff\n");
    assert_string_equal(answer(w, "readl 0xbffffffc\n"), "OK 0x0000000000000000\n");
}

static void test_claimed_memory(void **arg) {
    struct world *w = *arg;
    io_map_new(w->io, &w->region, "chip", &chip, w, IO_MEM, 0xa0000, 16);
    answer(w, "writel 0xa0004 0xcafe0123\n");
    assert_int_equal(load_le32(w->regs + 4), 0xcafe0123);
    assert_string_equal(answer(w, "read 0xa0003 6\n"), "OK 0x002301feca00\n");
    assert_string_equal(answer(w, "write 0x9fffe 4 0x01020304\n"), "OK\n");
    assert_string_equal(answer(w, "readl 0x9fffe\n"), "OK 0x0000000004030201\n");
    io_unmap(&w->region);
    assert_string_equal(answer(w, "readb 0xa0004\n"), "OK 0x00000000000000ff\n");
    io_map_new(w->io, &w->region, "chip", &chip, w, IO_MEM, 0x1000, 16); /* over RAM */
    assert_string_equal(answer(w, "readl 0x1004\n"), "OK 0x00000000cafe0123\n");
    uint8_t byte = 1;
    const struct dma dma = {w->engine, NULL};
    assert_true(dma_read(&dma, 0x1004, &byte, 1)); /* a bus master sees what is below */
    assert_int_equal(byte, 0);
}

static void test_vram(void **arg) {
    struct world *w = *arg;
    const struct engine_ops *ops = w->engine->ops;
    uint64_t dirty = 0;
    struct vram *v = ops->vram_new(w->engine, MIB(1));
    assert_string_equal(answer(w, "writeb 0xe0002000 0x42\n"), "OK\n");
    assert_int_equal(v->bytes[0x2000], 0);
    ops->vram_place(w->engine, v, 0xe0000000);
    answer(w, "writeb 0xe0002000 0x42\n");
    assert_int_equal(v->bytes[0x2000], 0x42);
    assert_true(ops->vram_dirty(w->engine, v, 0, 64, &dirty));
    assert_int_equal(dirty, 1 << 2);
    ops->vram_dirtied(w->engine, v, 0xfff, 2);
    ops->vram_dirty(w->engine, v, 0, 64, &dirty);
    assert_int_equal(dirty, 3);
    ops->vram_free(w->engine, v);
}

static void test_dma(void **arg) {
    struct world *w = *arg;
    const struct dma dma = {w->engine, NULL};
    uint8_t buf[4] = {1, 2, 3, 4};
    assert_true(dma_write(&dma, 0x9fffc, buf, 4));
    assert_string_equal(answer(w, "readl 0x9fffc\n"), "OK 0x0000000004030201\n");
    assert_false(dma_write(&dma, 0x9fffe, buf, 4));
    assert_string_equal(answer(w, "readl 0x9fffc\n"), "OK 0x0000000002010201\n");
    assert_false(dma_read(&dma, UINT64_MAX - 1, buf, 4));
    w->engine->ops->msi(w->engine, 0x5000, 0x4041);
    assert_string_equal(answer(w, "readl 0x5000\n"), "OK 0x0000000000004041\n");
}

static void test_interrupts(void **arg) {
    struct world *w = *arg;
    const struct engine_ops *ops = w->engine->ops;
    ops->isa_irq(w->engine, 4, true);
    assert_string_equal(answer(w, ""), ""); /* nobody asked */
    ops->isa_irq(w->engine, 4, false);
    assert_string_equal(answer(w, "irq_intercept_in nothing\n"), "FAIL Unknown device\n");
    assert_string_equal(answer(w, "irq_intercept_in ioapic\n"), "OK\n");
    ops->isa_irq(w->engine, 14, true);
    assert_string_equal(answer(w, ""), "IRQ raise 14\n");
    ops->isa_irq(w->engine, 14, true);
    ops->isa_irq(w->engine, 14, false);
    assert_string_equal(answer(w, ""), "IRQ lower 14\n");
}

static void test_pci_links(void **arg) {
    struct world *w = *arg;
    const struct engine_ops *ops = w->engine->ops;
    answer(w, "irq_intercept_in /machine/ioapic\n");
    ops->pci_intx(w->engine, 3, 0, true); /* slot 3, INTA#: link 2; not routed */
    assert_string_equal(answer(w, ""), "");
    ops->pci_link(w->engine, 2, 11);
    assert_string_equal(answer(w, ""), "IRQ raise 11\n");
    ops->pci_intx(w->engine, 2, 1, true); /* slot 2, INTB#: the same link */
    ops->pci_intx(w->engine, 3, 0, false);
    assert_string_equal(answer(w, ""), ""); /* shared: still high */
    ops->pci_link(w->engine, 2, 5);
    assert_string_equal(answer(w, ""), "IRQ lower 11\nIRQ raise 5\n");
    ops->isa_irq(w->engine, 5, true);
    ops->pci_intx(w->engine, 2, 1, false);
    ops->isa_irq(w->engine, 5, false);
    assert_string_equal(answer(w, ""), "IRQ lower 5\n");
}

static void test_clock(void **arg) {
    struct world *w = *arg;
    assert_string_equal(answer(w, "clock_step\n"), "OK 0\n");
    timer_at(&w->timer, 1000);
    assert_string_equal(answer(w, "clock_step 999\n"), "OK 999\n");
    assert_int_equal(w->rings, 0);
    assert_string_equal(answer(w, "clock_step 10\n"), "OK 1009\n");
    assert_int_equal(w->rings, 1);
    assert_int_equal(w->rang_at, 1000);
    timer_at(&w->timer, 5000);
    assert_string_equal(answer(w, "clock_step\n"), "OK 5000\n");
    assert_int_equal(w->rings, 2);
    assert_string_equal(answer(w, "clock_set 7000\n"), "OK 7000\n");
    assert_string_equal(answer(w, "clock_set 10\n"), "OK 7000\n"); /* not to the past */
}

static void test_order_of_messages(void **arg) {
    struct world *w = *arg;
    answer(w, "irq_intercept_in ioapic\n");
    io_map_new(w->io, &w->region, "chip", &chip, w, IO_PORT, 0x100, 16);
    assert_string_equal(answer(w, "outb 0x10f 1\ninb 0x10f\n"),
                        "IRQ raise 7\nOK\nOK 0x0001\n");
}

static void test_nonsense(void **arg) {
    struct world *w = *arg;
    assert_string_equal(answer(w, "foo 1 2\n"), "FAIL Unknown command 'foo'\n");
    assert_string_equal(answer(w, "inb\n"), "FAIL inb: argument 1 must be a number\n");
    assert_string_equal(answer(w, "outb 1 2x\n"), "FAIL outb: argument 2 must be a number\n");
    assert_string_equal(answer(w, "\n  \n"), "");
    assert_string_equal(answer(w, "read 0 0\n"), "FAIL read: 0 bytes: must be 1 to 16777216\n");
    assert_string_equal(answer(w, "read 0 99999999999\n"),
                        "FAIL read: 99999999999 bytes: must be 1 to 16777216\n");
    assert_string_equal(answer(w, "write 0 2 0xzz\n"),
                        "FAIL write: argument 3 must be 0x and two digits a byte\n");
    assert_string_equal(answer(w, "b64write 0 2 !!\n"),
                        "FAIL b64write: argument 3 must be base64\n");
    assert_string_equal(answer(w, "i"), "");
    assert_string_equal(answer(w, "nb "), "");
    assert_string_equal(answer(w, "0x10\n"), "OK 0x00ff\n");
}

static void test_huge_line(void **arg) {
    struct world *w = *arg;
    char *chunk = malloc(MIB(1) + 1);
    memset(chunk, 'x', MIB(1));
    chunk[MIB(1)] = 0;
    const char *said = "";
    for (unsigned i = 0; i < 66 && !*said; i++)
        said = answer(w, chunk);
    assert_non_null(strstr(said, "FAIL a line has more than"));
    assert_string_equal(answer(w, chunk), "");
    assert_string_equal(answer(w, "\ninb 0\n"), "OK 0x00ff\n");
    free(chunk);
}

static void test_back_pressure(void **arg) {
    struct world *w = *arg;
    char text[16];
    fixture_chars_room(w->chars, 4);
    assert_string_equal(answer(w, "inb 0\n"), "OK 0");
    fixture_chars_room(w->chars, 100);
    assert_int_equal(fixture_written(w->chars, (uint8_t *)text, sizeof(text)), 6);
    assert_memory_equal(text, "x00ff\n", 6);
}

static void test_events(void **arg) {
    struct world *w = *arg;
    w->engine->ops->shutdown(w->engine, ENGINE_REBOOT);
    assert_int_equal(w->shutdowns, 1);
    w->chars->user.opened(w->chars->user.dev, false);
    assert_int_equal(w->closes, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_ports), TEST(test_memory), TEST(test_memory_map), TEST(test_claimed_memory),
        TEST(test_vram), TEST(test_dma), TEST(test_interrupts), TEST(test_pci_links),
        TEST(test_clock), TEST(test_order_of_messages), TEST(test_nonsense),
        TEST(test_huge_line), TEST(test_back_pressure), TEST(test_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
