/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An option ROM that stands before the firmware's INT 13h: extended reads (Enhanced Disk Drive
 * Specification, function 42h) of IDE drives into conventional memory are handed to the ports of
 * int13.h whole. Which drive a BIOS number means is asked of the firmware (function 48h: the device
 * parameter table extension). What is not such a read, and what fails, is the firmware's to do.
 */
#include "rom_head.h"

        .section .rodata
        .code16
        .balign 16

        .global int13_rom, int13_rom_end, int13_rom_pnp

        .set    PORT, 0x520
        .set    BUSY, 1
        .set    VECTOR, 4 * 0x13
        /* On the stack: the drive's parameters, a request of int13.h, then what was pushed. */
        .set    PARAMETERS, 0
        .set    PARAMETERS_LEN, 30      /* up to the pointer to the extension */
        .set    EXTENSION, 26
        .set    REQUEST, 32
        .set    LOCALS, 52
        .set    SAVED_EDX, LOCALS + 4 + 20

        rom_head int13_rom, "0"

maker:  .asciz  "hvm-dm"
product:
        .asciz  "INT 13h"

        .balign 4
before: .long   0                       /* the firmware's handler */

        /* Once, while the ROM can still be written. */
init:   pushl   %eax
        pushw   %ds
        pushw   %cx
        xorw    %cx, %cx
        movw    %cx, %ds
        movl    VECTOR, %eax
        movl    %eax, %cs:before - int13_rom
        movw    $(hook - int13_rom), VECTOR
        movw    %cs, VECTOR + 2
        movb    $4, %cl                 /* the image still adds up to 0 */
1:      subb    %al, %cs:int13_rom_end - int13_rom - 1
        shrl    $8, %eax
        loop    1b
        popw    %cx
        popw    %ds
        popl    %eax
        xorw    %ax, %ax                /* no device to boot from is here */
        lret

hook:   cmpb    $0x42, %ah
        je      read
chain:  ljmpw   *%cs:before - int13_rom

read:   pushal
        pushw   %ds
        pushw   %es
        subw    $LOCALS, %sp
        movw    %sp, %bp
        smsw    %ax
        testb   $1, %al                 /* virtual 8086 mode: addresses may mean something else */
        jnz     leave
        cmpb    $16, (%si)
        jb      leave
        movzwl  4(%si), %eax
        movzwl  6(%si), %ecx
        cmpw    $0xffff, %cx            /* a flat address follows, or high memory */
        je      leave
        shll    $4, %ecx
        addl    %ecx, %eax
        movl    %eax, REQUEST + 4(%bp)
        movzwl  2(%si), %eax
        movl    %eax, REQUEST + 8(%bp)
        movl    8(%si), %eax
        movl    %eax, REQUEST + 12(%bp)
        movl    12(%si), %eax
        movl    %eax, REQUEST + 16(%bp)

        pushw   %ss
        popw    %ds
        movw    $PARAMETERS_LEN, PARAMETERS(%bp)
        leaw    PARAMETERS(%bp), %si
        movb    SAVED_EDX(%bp), %dl
        movb    $0x48, %ah
        pushw   %bp
        pushfw
        lcallw  *%cs:before - int13_rom
        popw    %bp
        jc      leave
        cmpw    $PARAMETERS_LEN, PARAMETERS(%bp)
        jb      leave
        cmpw    $0xffff, EXTENSION + 2(%bp)
        je      leave
        lesw    EXTENSION(%bp), %bx
        movw    %es:(%bx), %ax
        movw    %ax, REQUEST(%bp)
        movzbw  %es:4(%bx), %ax
        movw    %ax, REQUEST + 2(%bp)

        movw    %ss, %ax
        movzwl  %ax, %eax
        shll    $4, %eax
        movzwl  %bp, %ecx
        leal    REQUEST(%ecx, %eax), %eax
        movw    $PORT, %dx
        outl    %eax, %dx
wait:   inb     %dx, %al
        cmpb    $BUSY, %al
        jne     ended
        sti                             /* the clock ticks on */
        pause
        cli
        jmp     wait
ended:  testb   %al, %al
        jnz     leave

        movw    $0x40, %ax              /* the last operation's status */
        movw    %ax, %ds
        movb    $0, 0x74
        addw    $LOCALS, %sp
        popw    %es
        popw    %ds
        popal
        movb    $0, %ah
        pushw   %bp
        movw    %sp, %bp
        andb    $0xfe, 6(%bp)           /* the caller's carry flag */
        popw    %bp
        iretw

leave:  addw    $LOCALS, %sp
        popw    %es
        popw    %ds
        popal
        jmp     chain

        .byte   0                       /* at least one byte for the checksum */
        .balign 512, 0
int13_rom_end:

        .section .note.GNU-stack, "", @progbits
