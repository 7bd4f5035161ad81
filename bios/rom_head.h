/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For assembler: how an option ROM of ours begins (Plug and Play BIOS Specification 1.0A, 3.1,
 * 3.2). NAME, NAME_end and NAME_pnp are its labels; it has `init`, `maker` and `product`.
 * `bootstrap` is the offset that a system is booted at, or 0. Both checksums are rom_seal's.
 */
#ifndef BIOS_ROM_HEAD_H
#define BIOS_ROM_HEAD_H

#ifdef __ASSEMBLER__
        .macro  rom_head name, bootstrap
\name:
        .byte   0x55, 0xaa
        .byte   (\name\()_end - \name) / 512
        jmp     init                    /* offset 3: called once, before booting */
        .org    \name + 0x18
        .word   0                       /* no PCI data */
        .word   \name\()_pnp - \name

        .balign 16
\name\()_pnp:
        .ascii  "$PnP"
        .byte   1                       /* revision */
        .byte   0x20 / 16
        .word   0                       /* no other header */
        .byte   0
        .byte   0                       /* checksum */
        .long   0                       /* device id */
        .word   maker - \name
        .word   product - \name
        .byte   0, 0, 0                 /* device type */
        .byte   0                       /* device indicators */
        .word   0                       /* boot connection vector */
        .word   0                       /* disconnect vector */
        .word   \bootstrap              /* bootstrap entry vector */
        .word   0
        .word   0                       /* static resources */
        .endm
#endif

#endif
