; SPDX-License-Identifier: GPL-2.0-or-later
; A guest that shows pictures in every mode of a VGA, of the VBE modes that its BIOS offers and, where
; it finds one, of a Cirrus chip. After each it says "SHOW NAME" on the serial port and waits for a
; byte; the end is "SHOW end". tests/golden/modes.py compares what is seen with another device model.

        bits 16
        org 0x7c00
INFO    equ 0x5000                      ; segments: what VBE says,
RAMP    equ 0x6000                      ; and a line of pixels
SECTORS equ 48

%macro seq 2
        mov ax, ((%2) << 8) | (%1)
        mov dx, 0x3c4
        out dx, ax
%endmacro
%macro gr 2
        mov ax, ((%2) << 8) | (%1)
        mov dx, 0x3ce
        out dx, ax
%endmacro
%macro cr 2
        mov ax, ((%2) << 8) | (%1)
        mov dx, 0x3d4
        out dx, ax
%endmacro
%macro attr 2
        mov ax, ((%2) << 8) | (%1)
        call attribute
%endmacro
%macro mode 1
        mov ax, %1
        int 0x10
%endmacro
%macro show 1
        call show_it
        db %1, 0
%endmacro

        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7c00
        mov si, packet
        mov ah, 0x42
        int 0x13
        jnc main
        mov al, '!'
        call serial_put
        hlt
packet: db 16, 0
        dw SECTORS, main, 0
        dq 1
%include "serial.inc"
        times 510 - ($ - $$) db 0
        dw 0xaa55

main:   xor ax, ax                      ; begun here where nobody boots
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        cld
        call serial_open
        call texts
        call graphics
        call vbe
        call dispi
        call cirrus
        show "end"
        hlt
        jmp $ - 1

; ---- talking ----

show_it:
        xor ax, ax
        mov ds, ax
        mov es, ax
        pop bx                          ; the name follows the call
        mov si, word_show
        call serial_print
        mov si, bx
        call serial_print
        push si
go_on:  mov si, line_end
        call serial_print
        jmp serial_get

; ax in decimal; al in hexadecimal
put_number:
        xor dx, dx
        mov bx, 10
        div bx
        push dx
        test ax, ax
        jz .last
        call put_number
.last:  pop ax
        add al, '0'
        jmp serial_put
put_hex:
        push ax
        shr al, 4
        call .one
        pop ax
        and al, 15
.one:   cmp al, 10
        sbb al, 0x69
        das
        jmp serial_put

word_show: db "SHOW ", 0
line_end: db 13, 10, 0

; ---- helpers ----

; index al, value ah; the picture stays on
attribute:
        push ax
        mov dx, 0x3da
        in al, dx
        mov dl, 0xc0
        pop ax
        out dx, al
        mov al, ah
        out dx, al
        mov al, 0x20
        out dx, al
        ret

; What CRT registers 0 to 7 take
unlock: cr 0x11, 0x0e
        ret

no_cursor:
        mov ah, 1
        mov cx, 0x2000
        int 0x10
        ret

no_blink:
        mov ax, 0x1003
        mov bx, 0
        int 0x10
        ret

; cx characters at es:di: each of the 256 (but b0 to bf, see text-shades), in changing colours. Pictures
; are made in memory and moved in one instruction: an access to the window costs a hypervisor most.
characters:
        push es
        push di
        push cx
        mov ax, RAMP
        mov es, ax
        xor di, di
        xor bx, bx
.next:  mov ax, bx
        shr ax, 3
        imul ax, ax, 7
        mov ah, al
        mov al, bl
        sub al, 0xb0
        cmp al, 0x10
        jb .there
        mov al, bl
.there: stosw
        inc bx
        loop .next
        pop cx
        pop di
        pop es
; cx words from RAMP to es:di
from_ramp:
        push ds
        mov ax, RAMP
        mov ds, ax
        xor si, si
        rep movsw
        pop ds
        ret

fill_text:                              ; cx characters
        call no_blink
        call no_cursor
fill_only:
        push cx
        mov ax, 0xb800
        mov es, ax
        xor di, di
        pop cx
        jmp characters

; cx bytes (0: 64 KiB) of each plane at es:0, each with a pattern of its own
fill_planes:
        mov bx, 1
.plane: push cx
        mov dx, 0x3c4
        mov al, 2
        mov ah, bl
        out dx, ax
        push es
        mov ax, RAMP
        mov es, ax
        xor di, di
.next:  mov ax, di
        shr ax, 4
        add ax, di
        imul ax, bx
        stosb
        loop .next
        pop es
        pop cx
        push cx
        dec cx
        shr cx, 1
        inc cx
        xor di, di
        call from_ramp
        pop cx
        shl bx, 1
        cmp bx, 16
        jb .plane
        seq 2, 15
        ret

; 256 colours by the DAC's ports
own_palette:
        mov dx, 0x3c8
        xor ax, ax
        out dx, al
        inc dx
        xor bx, bx
.next:  mov al, bl
        shr al, 2
        out dx, al
        mov al, bl
        and al, 0x3f
        out dx, al
        imul ax, bx, 5
        and al, 0x3f
        out dx, al
        inc bl
        jnz .next
        ret

; es reaches 4 GiB (unreal mode); ax is lost
flat:   cli
        push ds
        lgdt [table]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp .on
.on:    mov bx, 8
        mov es, bx
        and al, 0xfe
        mov cr0, eax
        jmp .off
.off:   xor bx, bx
        mov es, bx
        pop ds
        sti
        ret
        align 8
gdt:    dq 0, 0x00cf92000000ffff
table:  dw 15
        dd gdt

%include "modes_vga.inc"
%include "modes_vbe.inc"
%include "modes_cirrus.inc"

        times 512 * (SECTORS + 1) - ($ - $$) db 0
