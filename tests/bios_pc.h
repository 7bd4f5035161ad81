/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PC with one of our VGAs and its packaged BIOS, run by an emulated real-mode CPU (libunicorn):
 * what the BIOS sets up is what guests get. One at a time.
 */
#ifndef TESTS_BIOS_PC_H
#define TESTS_BIOS_PC_H

#include <stdbool.h>
#include <stdint.h>

#include <unicorn/unicorn.h>

#include "fixture.h"

enum { BIOS_PC_LFB = 0xf0000000, BIOS_PC_RAM = 0xa0000 };

struct bios_pc {
    struct fixture fx;
    uc_engine *uc;
    struct display *display;
    void *chip;
    const struct device_ops *ops;
    /* Ports that are nobody's; may be NULL. */
    uint32_t (*in)(unsigned port);
    void (*out)(unsigned port, uint32_t val);
    /* the PC's own */
    uint32_t config_address;
};

extern struct bios_pc pc;

enum bios_pc_vga { BIOS_PC_STDVGA, BIOS_PC_CIRRUS };

/* Powers it on and runs the VGA BIOS's start. What goes wrong ends the program with a sentence. */
void bios_pc_on(enum bios_pc_vga vga);
void bios_pc_off(void);

uint32_t bios_pc_reg(int which); /* UC_X86_REG_* */
void bios_pc_set_reg(int which, uint32_t val);
/* INT 10h; returns AX. */
uint16_t bios_pc_video(uint16_t ax, uint16_t bx, uint16_t cx, uint16_t dx);
/* Runs what is in memory from there on, until it halts. */
void bios_pc_run(uint32_t address);

#endif
