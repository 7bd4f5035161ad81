/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See bios_pc.h.
 */
#include "bios_pc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "video/cirrus.h"
#include "video/stdvga.h"

enum {
    DEVFN = 0x10, MMIO = 0xf8000000, LFB_SIZE = 64 << 20, ROM = 0xc0000, ROM_SIZE = 0x10000,
    RETURN = 0x600, STACK = 0xff00, MAX_STEPS = 100000000, STDVGA_RAM = 16 << 20,
};

struct bios_pc pc;
static uint8_t rom[ROM_SIZE];

#define FAIL(...)                                                                                  \
    do {                                                                                           \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        exit(1);                                                                                   \
    } while (0)

/* ---- its buses ---- */

static uint32_t on_in(uc_engine *engine, uint32_t port, int size, void *data) {
    (void)engine;
    (void)data;
    if (port >= 0xcfc && port <= 0xcff)
        return pc.config_address >> 31
                   ? pci_config_read(pc.fx.pci, pc.config_address >> 8 & 0xffff,
                                     (pc.config_address & 0xfc) + (port & 3), (unsigned)size)
                   : UINT32_MAX;
    if (pc.in && port >= 0x3f0 && port < 0x400)
        return pc.in(port);
    return (uint32_t)io_read(pc.fx.io, IO_PORT, port, (unsigned)size);
}

static void on_out(uc_engine *engine, uint32_t port, int size, uint32_t val, void *data) {
    (void)engine;
    (void)data;
    if (port == 0xcf8 && size == 4)
        pc.config_address = val;
    else if (port >= 0xcfc && port <= 0xcff)
        pci_config_write(pc.fx.pci, pc.config_address >> 8 & 0xffff,
                         (pc.config_address & 0xfc) + (port & 3), (unsigned)size, val);
    else if (pc.out && port >= 0x3f0 && port < 0x400)
        pc.out(port, val);
    else
        io_write(pc.fx.io, IO_PORT, port, (unsigned)size, val);
}

static uint64_t mem_in(uc_engine *engine, uint64_t off, unsigned size, void *base) {
    (void)engine;
    return mem_read(&pc.fx, *(uint64_t *)base + off, size);
}

static void mem_out(uc_engine *engine, uint64_t off, unsigned size, uint64_t val, void *base) {
    (void)engine;
    mem_write(&pc.fx, *(uint64_t *)base + off, size, val & size_mask(size));
}

/* ---- its CPU ---- */

uint32_t bios_pc_reg(int which) {
    uint32_t val = 0;
    uc_reg_read(pc.uc, which, &val);
    return val;
}

void bios_pc_set_reg(int which, uint32_t val) {
    uc_reg_write(pc.uc, which, &val);
}

static void push(uint16_t val) {
    uint32_t sp = (bios_pc_reg(UC_X86_REG_ESP) - 2) & 0xffff;
    bios_pc_set_reg(UC_X86_REG_ESP, sp);
    uc_mem_write(pc.uc, bios_pc_reg(UC_X86_REG_SS) * 16 + sp, &val, 2);
}

/* An INT: as the CPU does it; those that nobody serves fail with carry. */
static void on_interrupt(uc_engine *engine, uint32_t n, void *data) {
    uint16_t vector[2];
    (void)data;
    uc_mem_read(engine, n * 4, vector, 4);
    if (!vector[1]) {
        bios_pc_set_reg(UC_X86_REG_EFLAGS, bios_pc_reg(UC_X86_REG_EFLAGS) | 1);
        return;
    }
    push((uint16_t)bios_pc_reg(UC_X86_REG_EFLAGS));
    push((uint16_t)bios_pc_reg(UC_X86_REG_CS));
    push((uint16_t)bios_pc_reg(UC_X86_REG_EIP));
    bios_pc_set_reg(UC_X86_REG_CS, vector[1]);
    bios_pc_set_reg(UC_X86_REG_EIP, vector[0]);
}

static void call(uint16_t segment, uint16_t offset, bool interrupt) {
    bios_pc_set_reg(UC_X86_REG_SS, 0);
    bios_pc_set_reg(UC_X86_REG_DS, 0);
    bios_pc_set_reg(UC_X86_REG_ESP, STACK);
    bios_pc_set_reg(UC_X86_REG_EFLAGS, 2);
    if (interrupt)
        push(2);
    push(0);
    push(RETURN);
    bios_pc_set_reg(UC_X86_REG_CS, segment);
    uc_err error = uc_emu_start(pc.uc, segment * 16u + offset, RETURN, 0, MAX_STEPS);
    if (error || bios_pc_reg(UC_X86_REG_EIP) != RETURN)
        FAIL("%s at %x:%x", uc_strerror(error), bios_pc_reg(UC_X86_REG_CS),
             bios_pc_reg(UC_X86_REG_EIP));
}

uint16_t bios_pc_video(uint16_t ax, uint16_t bx, uint16_t cx, uint16_t dx) {
    uint16_t vector[2];
    uc_mem_read(pc.uc, 0x40, vector, 4);
    bios_pc_set_reg(UC_X86_REG_EAX, ax);
    bios_pc_set_reg(UC_X86_REG_EBX, bx);
    bios_pc_set_reg(UC_X86_REG_ECX, cx);
    bios_pc_set_reg(UC_X86_REG_EDX, dx);
    call(vector[1], vector[0], true);
    return (uint16_t)bios_pc_reg(UC_X86_REG_EAX);
}

void bios_pc_run(uint32_t address) {
    bios_pc_set_reg(UC_X86_REG_CS, 0);
    uc_err error = uc_emu_start(pc.uc, address, UINT64_MAX, 0, 0);
    if (error)
        FAIL("%s at %x:%x", uc_strerror(error), bios_pc_reg(UC_X86_REG_CS),
             bios_pc_reg(UC_X86_REG_EIP));
}

/* ---- power ---- */

static void load_rom(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        FAIL("%s is missing: package seabios", path);
    memset(rom, 0, sizeof(rom));
    if (fread(rom, 1, sizeof(rom), file) <= 512)
        FAIL("%s is too short", path);
    fclose(file);
}

static void new_chip(enum bios_pc_vga vga) {
    char why[200] = "";
    struct fixture *fx = &pc.fx;
    if (vga == BIOS_PC_STDVGA) {
        struct stdvga_pins pins = {.engine = &fx->engine, .io = fx->io, .pci = fx->pci,
                                   .clock = fx->clock, .devfn = DEVFN, .vram_bytes = STDVGA_RAM};
        struct stdvga *s = stdvga_new(&pins, why, sizeof(why));
        pc.chip = s;
        pc.ops = &stdvga_device;
        pc.display = s ? stdvga_display(s) : NULL;
    } else {
        struct cirrus_pins pins = {.engine = &fx->engine, .io = fx->io, .pci = fx->pci,
                                   .clock = fx->clock, .devfn = DEVFN};
        struct cirrus *c = cirrus_new(&pins, why, sizeof(why));
        pc.chip = c;
        pc.ops = &cirrus_device;
        pc.display = c ? cirrus_display(c) : NULL;
    }
    if (!pc.chip)
        FAIL("%s", why);
}

void bios_pc_on(enum bios_pc_vga vga) {
    static uint64_t window = 0xa0000, registers = MMIO, frame = BIOS_PC_LFB;
    static const uint8_t halt = 0xf4;
    uc_hook hooks[3];
    memset(&pc, 0, sizeof(pc));
    load_rom(vga == BIOS_PC_STDVGA ? "/usr/share/seabios/vgabios-stdvga.bin"
                                   : "/usr/share/seabios/vgabios-cirrus.bin");
    fixture_init(&pc.fx);
    new_chip(vga);
    if (uc_open(UC_ARCH_X86, UC_MODE_16, &pc.uc))
        FAIL("no emulated CPU");
    uc_mem_map(pc.uc, 0, BIOS_PC_RAM, UC_PROT_ALL);
    uc_mem_map(pc.uc, ROM, 0x40000, UC_PROT_ALL);
    uc_mmio_map(pc.uc, window, 0x20000, mem_in, &window, mem_out, &window);
    uc_mmio_map(pc.uc, registers, 0x1000, mem_in, &registers, mem_out, &registers);
    uc_mmio_map(pc.uc, frame, LFB_SIZE, mem_in, &frame, mem_out, &frame);
    uc_mem_write(pc.uc, ROM, rom, sizeof(rom));
    uc_mem_write(pc.uc, RETURN, &halt, 1);
    uc_hook_add(pc.uc, &hooks[0], UC_HOOK_INSN, (void *)on_in, NULL, 1, 0, UC_X86_INS_IN);
    uc_hook_add(pc.uc, &hooks[1], UC_HOOK_INSN, (void *)on_out, NULL, 1, 0, UC_X86_INS_OUT);
    uc_hook_add(pc.uc, &hooks[2], UC_HOOK_INTR, (void *)on_interrupt, NULL, 1, 0);
    cfg_write(&pc.fx, DEVFN, PCI_BAR0, 4, BIOS_PC_LFB);
    cfg_write(&pc.fx, DEVFN, PCI_BAR0 + (vga == BIOS_PC_STDVGA ? 8 : 4), 4, MMIO);
    cfg_write(&pc.fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM);
    bios_pc_set_reg(UC_X86_REG_EAX, DEVFN);
    call(ROM >> 4, 3, false);
}

void bios_pc_off(void) {
    uc_close(pc.uc);
    pc.ops->free(pc.chip);
    fixture_done(&pc.fx);
}
