/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packaged VGA BIOSes run against our chips, in an emulated real-mode CPU (libunicorn): what
 * they set up is what guests get. Each mode that they offer is set; it has to have the size that
 * the BIOS says, and pixels that the BIOS or the framebuffer draws have to be seen where they were
 * put.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unicorn/unicorn.h>

#include "core/bits.h"
#include "fixture.h"
#include "video/cirrus.h"
#include "video/stdvga.h"

enum {
    DEVFN = 0x10, LFB = 0xf0000000, MMIO = 0xf8000000, ROM = 0xc0000, ROM_SIZE = 0x10000,
    RETURN = 0x600, STACK = 0xff00, BUFFER = 0x50000, MAX_STEPS = 100000000,
    AX = UC_X86_REG_EAX, BX = UC_X86_REG_EBX, CX = UC_X86_REG_ECX, DX = UC_X86_REG_EDX,
};

static struct fixture fx;
static uc_engine *uc;
static uint32_t config_address;
static uint8_t rom[ROM_SIZE];
static struct display *display;
static void *chip;
static const struct device_ops *ops;

/* ---- the PC around it ---- */

static uint32_t on_in(uc_engine *engine, uint32_t port, int size, void *data) {
    (void)engine;
    (void)data;
    if (port >= 0xcfc && port <= 0xcff)
        return config_address >> 31 ? pci_config_read(fx.pci, config_address >> 8 & 0xffff,
                                                      (config_address & 0xfc) + (port & 3),
                                                      (unsigned)size)
                                    : UINT32_MAX;
    return (uint32_t)io_read(fx.io, IO_PORT, port, (unsigned)size);
}

static void on_out(uc_engine *engine, uint32_t port, int size, uint32_t val, void *data) {
    (void)engine;
    (void)data;
    if (port == 0xcf8 && size == 4)
        config_address = val;
    else if (port >= 0xcfc && port <= 0xcff)
        pci_config_write(fx.pci, config_address >> 8 & 0xffff, (config_address & 0xfc) + (port & 3),
                         (unsigned)size, val);
    else
        io_write(fx.io, IO_PORT, port, (unsigned)size, val);
}

static uint64_t mem_in(uc_engine *engine, uint64_t off, unsigned size, void *base) {
    (void)engine;
    return mem_read(&fx, *(uint64_t *)base + off, size);
}

static void mem_out(uc_engine *engine, uint64_t off, unsigned size, uint64_t val, void *base) {
    (void)engine;
    mem_write(&fx, *(uint64_t *)base + off, size, val & size_mask(size));
}

static uint32_t reg(int which) {
    uint32_t val = 0;
    uc_reg_read(uc, which, &val);
    return val;
}

static void set_reg(int which, uint32_t val) {
    uc_reg_write(uc, which, &val);
}

static void push(uint16_t val) {
    uint32_t sp = (reg(UC_X86_REG_ESP) - 2) & 0xffff;
    set_reg(UC_X86_REG_ESP, sp);
    uc_mem_write(uc, sp, &val, 2);
}

/* An INT inside the BIOS: as the CPU does it; those that nobody serves fail with carry. */
static void on_interrupt(uc_engine *engine, uint32_t n, void *data) {
    uint16_t vector[2];
    (void)data;
    uc_mem_read(engine, n * 4, vector, 4);
    if (!vector[1]) {
        set_reg(UC_X86_REG_EFLAGS, reg(UC_X86_REG_EFLAGS) | 1);
        return;
    }
    push((uint16_t)reg(UC_X86_REG_EFLAGS));
    push((uint16_t)reg(UC_X86_REG_CS));
    push((uint16_t)reg(UC_X86_REG_EIP));
    set_reg(UC_X86_REG_CS, vector[1]);
    set_reg(UC_X86_REG_EIP, vector[0]);
}

static void call(uint16_t segment, uint16_t offset, bool interrupt) {
    set_reg(UC_X86_REG_SS, 0);
    set_reg(UC_X86_REG_DS, 0);
    set_reg(UC_X86_REG_ESP, STACK);
    set_reg(UC_X86_REG_EFLAGS, 2);
    if (interrupt)
        push(2);
    push(0);
    push(RETURN);
    set_reg(UC_X86_REG_CS, segment);
    uc_err error = uc_emu_start(uc, segment * 16u + offset, RETURN, 0, MAX_STEPS);
    if (error || reg(UC_X86_REG_EIP) != RETURN)
        fail_msg("%s at %x:%x", uc_strerror(error), reg(UC_X86_REG_CS), reg(UC_X86_REG_EIP));
}

static uint16_t video(uint16_t ax, uint16_t bx, uint16_t cx, uint16_t dx) {
    uint16_t vector[2];
    uc_mem_read(uc, 0x40, vector, 4);
    set_reg(AX, ax);
    set_reg(BX, bx);
    set_reg(CX, cx);
    set_reg(DX, dx);
    call(vector[1], vector[0], true);
    return (uint16_t)reg(AX);
}

static void load_rom(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is missing: package seabios", path);
    memset(rom, 0, sizeof(rom));
    assert_true(fread(rom, 1, sizeof(rom), file) > 512);
    fclose(file);
}

static void power_on(void) {
    static uint64_t window = 0xa0000, registers = MMIO;
    static const uint8_t halt = 0xf4;
    uc_hook hooks[3];
    assert_int_equal(uc_open(UC_ARCH_X86, UC_MODE_16, &uc), 0);
    uc_mem_map(uc, 0, 0xa0000, UC_PROT_ALL);
    uc_mem_map(uc, ROM, 0x40000, UC_PROT_ALL);
    uc_mmio_map(uc, window, 0x20000, mem_in, &window, mem_out, &window);
    uc_mmio_map(uc, registers, 0x1000, mem_in, &registers, mem_out, &registers);
    uc_mem_write(uc, ROM, rom, sizeof(rom));
    uc_mem_write(uc, RETURN, &halt, 1);
    uc_hook_add(uc, &hooks[0], UC_HOOK_INSN, (void *)on_in, NULL, 1, 0, UC_X86_INS_IN);
    uc_hook_add(uc, &hooks[1], UC_HOOK_INSN, (void *)on_out, NULL, 1, 0, UC_X86_INS_OUT);
    uc_hook_add(uc, &hooks[2], UC_HOOK_INTR, (void *)on_interrupt, NULL, 1, 0);
    cfg_write(&fx, DEVFN, PCI_BAR0, 4, LFB);
    cfg_write(&fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM);
    set_reg(AX, DEVFN);
    call(ROM >> 4, 3, false);
}

static int setup_stdvga(void **state) {
    char why[200];
    (void)state;
    load_rom("/usr/share/seabios/vgabios-stdvga.bin");
    fixture_init(&fx);
    chip = stdvga_new(&(struct stdvga_pins){.engine = &fx.engine, .io = fx.io, .pci = fx.pci,
                                            .clock = fx.clock, .devfn = DEVFN,
                                            .vram_bytes = 16 << 20},
                      why, sizeof(why));
    ops = &stdvga_device;
    display = stdvga_display(chip);
    cfg_write(&fx, DEVFN, PCI_BAR0 + 8, 4, MMIO);
    power_on();
    return 0;
}

static int setup_cirrus(void **state) {
    char why[200];
    (void)state;
    load_rom("/usr/share/seabios/vgabios-cirrus.bin");
    fixture_init(&fx);
    chip = cirrus_new(&(struct cirrus_pins){.engine = &fx.engine, .io = fx.io, .pci = fx.pci,
                                            .clock = fx.clock, .devfn = DEVFN},
                      why, sizeof(why));
    ops = &cirrus_device;
    display = cirrus_display(chip);
    cfg_write(&fx, DEVFN, PCI_BAR0 + 4, 4, MMIO);
    power_on();
    return 0;
}

static int power_off(void **state) {
    (void)state;
    uc_close(uc);
    ops->free(chip);
    fixture_done(&fx);
    return 0;
}

static void refresh(void) {
    display->refresh(display->dev, display, true);
    assert_non_null(display->pixels);
}

static uint32_t pixel(unsigned x, unsigned y) {
    assert_true(x < display->width && y < display->height);
    return display->pixels[(size_t)y * display->stride + x] & 0xffffff;
}

/* ---- what it does ---- */

/* The BIOS's own 8 x 16 font, by INT 10h function 1130h. */
static void glyph_of(uint8_t ch, uint8_t rows[16]) {
    video(0x1130, 0x0600, 0, 0);
    uc_mem_read(uc, reg(UC_X86_REG_ES) * 16 + (reg(UC_X86_REG_EBP) & 0xffff) + ch * 16u, rows, 16);
}

static void text_is_legible(void **state) {
    (void)state;
    uint8_t rows[16];
    video(0x0003, 0, 0, 0);
    video(0x0200, 0, 0, 0x0305); /* row 3, column 5 */
    video(0x0e00 | 'R', 7, 0, 0);
    glyph_of('R', rows);
    refresh();
    assert_int_equal(display->width, 720);
    assert_int_equal(display->height, 400);
    unsigned dots = 0;
    for (unsigned y = 0; y < 16; y++)
        for (unsigned x = 0; x < 9; x++) {
            bool on = x < 8 && rows[y] >> (7 - x) & 1;
            dots += on;
            assert_int_equal(pixel(45 + x, 48 + y), on ? 0xaaaaaa : 0);
        }
    assert_true(dots > 20);
}

static void legacy_graphics(void **state) {
    static const struct {
        uint8_t mode, colour;
        uint16_t width, height, show_w, show_h;
        uint32_t rgb;
    } modes[] = {
        {0x04, 2, 320, 200, 640, 400, 0xff55ff}, {0x06, 1, 640, 200, 640, 400, 0xffffff},
        {0x0d, 4, 320, 200, 640, 400, 0xaa0000}, {0x0e, 4, 640, 200, 640, 400, 0xaa0000},
        {0x10, 4, 640, 350, 640, 350, 0xaa0000}, {0x11, 1, 640, 480, 640, 480, 0xffffff},
        {0x12, 4, 640, 480, 640, 480, 0xaa0000}, {0x13, 40, 320, 200, 640, 400, 0xff0000},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(modes); i++) {
        unsigned x = modes[i].width - 3u, y = modes[i].height - 2u;
        video(modes[i].mode, 0, 0, 0);
        video(0x0c00 | modes[i].colour, 0, (uint16_t)x, (uint16_t)y);
        refresh();
        assert_int_equal(display->width, modes[i].show_w);
        assert_int_equal(display->height, modes[i].show_h);
        unsigned sx = modes[i].show_w / modes[i].width, sy = modes[i].show_h / modes[i].height;
        assert_int_equal(pixel(x * sx, y * sy), modes[i].rgb);
        assert_int_equal(pixel((x + 1) * sx - 1, (y + 1) * sy - 1), modes[i].rgb);
        assert_int_equal(pixel((x + 1) * sx, y * sy), 0);
        assert_int_equal(pixel(x * sx, (y + 1) * sy), 0);
    }
}

/* What one value of all ones comes out as, and where its red is: VBE's mode information. */
static void packed_mode(uint16_t mode, const uint8_t *info) {
    unsigned pitch = load_le16(info + 16), width = load_le16(info + 18);
    unsigned height = load_le16(info + 20), bytes = (info[25] + 7u) / 8;
    uint32_t lfb = load_le32(info + 40), x = width - 5, y = height - 3;
    assert_int_equal(lfb, LFB);
    uint32_t red = ((1u << info[31]) - 1) << info[32];
    for (unsigned i = 0; i < bytes; i++) {
        mem_write(&fx, lfb + y * pitch + x * bytes + i, 1, bytes > 1 ? red >> (8 * i) & 0xff : 40);
        mem_write(&fx, lfb + y * pitch + (x + 2) * bytes + i, 1, bytes > 1 ? 0xff : 15);
    }
    refresh();
    if (pixel(x, y) != 0xff0000 || pixel(x + 1, y) || pixel(x + 2, y) != 0xffffff)
        fail_msg("mode %x, %u x %u x %u: %06x %06x %06x", mode, width, height, info[25],
                 pixel(x, y), pixel(x + 1, y), pixel(x + 2, y));
}

static void planar_mode(const uint8_t *info) {
    uint16_t x = (uint16_t)(load_le16(info + 18) - 9), y = 399; /* in the first 64 KiB */
    video(0x0c0f, 0, x, y);
    refresh();
    assert_int_equal(pixel(x, y), 0xffffff);
    assert_int_equal(pixel(x - 1u, y), 0);
    assert_int_equal(pixel(x + 1u, y), 0);
}

static void vbe_modes(void **state) {
    (void)state;
    uint8_t info[512];
    unsigned tried = 0;
    set_reg(UC_X86_REG_ES, BUFFER >> 4);
    set_reg(UC_X86_REG_EDI, 0);
    assert_int_equal(video(0x4f00, 0, 0, 0), 0x004f);
    uc_mem_read(uc, BUFFER, info, sizeof(info));
    assert_memory_equal(info, "VESA", 4);
    uint32_t list = load_le16(info + 14) + load_le16(info + 16) * 16u;
    for (;; list += 2) {
        uint8_t entry[2];
        uc_mem_read(uc, list, entry, 2);
        uint16_t mode = load_le16(entry);
        if (mode == 0xffff)
            break;
        set_reg(UC_X86_REG_ES, BUFFER >> 4);
        set_reg(UC_X86_REG_EDI, 0x200);
        if (video(0x4f01, 0, mode, 0) != 0x004f)
            continue;
        uc_mem_read(uc, BUFFER + 0x200, info, 256);
        bool packed = info[27] == 4 || info[27] == 6;
        if (mode <= 0x13 || (!packed && info[27] != 3))
            continue; /* see legacy_graphics */
        assert_int_equal(video(0x4f02, (uint16_t)(mode | (packed ? 0x4000 : 0)), 0, 0), 0x004f);
        refresh();
        if (display->width != load_le16(info + 18) || display->height != load_le16(info + 20))
            fail_msg("mode %x, %u x %u x %u: %u x %u is shown", mode, load_le16(info + 18),
                     load_le16(info + 20), info[25], display->width, display->height);
        if (packed)
            packed_mode(mode, info);
        else
            planar_mode(info);
        tried++;
    }
    assert_true(tried > 10);
    video(0x0003, 0, 0, 0);
    refresh();
    assert_int_equal(display->width, 720);
}

#define T(f, chip_)                                                                                \
    cmocka_unit_test_setup_teardown(f, setup_##chip_, power_off)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(text_is_legible, stdvga), T(legacy_graphics, stdvga), T(vbe_modes, stdvga),
        T(text_is_legible, cirrus), T(legacy_graphics, cirrus), T(vbe_modes, cirrus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
