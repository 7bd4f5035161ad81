/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An option ROM that boots a Linux kernel: 16-bit code, found by the firmware as a boot entry (Plug
 * and Play BIOS Specification 1.0A, section 3). Everything that it could compute linux_boot.c has
 * already put into its table; it hands the descriptors to fw_cfg's DMA one by one and jumps to the
 * kernel's set-up code (Documentation/arch/x86/boot.rst, "Running the kernel").
 */
#include "rom_head.h"

        .section .rodata
        .code16
        .balign 16

        .global linux_rom, linux_rom_end, linux_rom_pnp, linux_rom_table, linux_rom_count
        .global linux_rom_segment, linux_rom_stack

        .set    DESCRIPTOR, 0x7c00      /* where a boot sector would be: free memory */
        .set    DMA_HIGH, 0x514
        .set    DMA_LOW, 0x518

        rom_head linux_rom, "boot - linux_rom"

        .balign 16
linux_rom_table:
        .fill   4 * 16, 1, 0
linux_rom_count:
        .word   0
linux_rom_segment:
        .word   0
linux_rom_stack:
        .word   0

maker:  .asciz  "hvm-dm"
product:
        .asciz  "Linux kernel"
failed: .asciz  "hvm-dm: the kernel could not be loaded\r\n"

init:
        movw    $0x20, %ax              /* an initial program load device is there */
        lret

boot:
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ss
        movw    $DESCRIPTOR, %sp        /* grows down from it */
        movw    %ax, %es
        movw    %cs, %ax
        movw    %ax, %ds
        movw    $(linux_rom_table - linux_rom), %si
        movw    linux_rom_count - linux_rom, %bx

next:   /* the descriptor must be in memory that can be written: the answer comes there */
        movw    $DESCRIPTOR, %di
        movw    $8, %cx
        rep     movsw
        xorl    %eax, %eax
        movw    $DMA_HIGH, %dx
        outl    %eax, %dx
        movl    $((DESCRIPTOR & 0xff) << 24 | (DESCRIPTOR & 0xff00) << 8), %eax
        movw    $DMA_LOW, %dx
        outl    %eax, %dx
wait:   movl    %es:DESCRIPTOR, %eax
        testl   $0x01000000, %eax       /* big-endian: the error bit is in the last byte */
        jnz     fail
        testl   %eax, %eax
        jnz     wait
        decw    %bx
        jnz     next

        movw    linux_rom_segment - linux_rom, %bx
        movw    linux_rom_stack - linux_rom, %sp
        movw    %bx, %ss
        movw    %bx, %ds
        movw    %bx, %es
        movw    %bx, %fs
        movw    %bx, %gs
        addw    $0x20, %bx              /* set-up code starts behind the first sector */
        pushw   %bx
        pushw   $0
        lret

fail:   sti
        movw    $(failed - linux_rom), %si
print:  lodsb
        testb   %al, %al
        jz      stop
        movw    $0x0007, %bx
        movb    $0x0e, %ah
        int     $0x10
        jmp     print
stop:   hlt
        jmp     stop

        .byte   0                       /* at least one byte for the checksum */
        .balign 512, 0
linux_rom_end:

        .section .note.GNU-stack, "", @progbits
