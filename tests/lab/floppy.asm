; SPDX-License-Identifier: GPL-2.0-or-later
; A floppy's first track: the boot sector says FLOPPY-BOOTED on the serial port, reads the rest of the
; track in one go (INT 13h, function 2), looks at the mark at the end of each sector, writes the last one
; back, and says FLOPPY-TRACK-OK.

        bits 16
        org 0x7c00
TRACK   equ 18
BUFFER  equ 0x8000

start:  xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov [drive], dl
        cld
        call serial_open

        mov si, booted
        call serial_print
        mov ax, 0x0200 + TRACK - 1      ; read 17 sectors
        mov bx, BUFFER
        mov cx, 0x0002                  ; cylinder 0, from sector 2
        mov dh, 0
        mov dl, [drive]
        int 0x13
        jc .bad
        mov si, BUFFER + 510
        mov cx, TRACK - 1
        mov ax, 2
.mark:  cmp [si], ax
        jne .bad
        inc ax
        add si, 512
        loop .mark
        mov ax, 0x0301                  ; write the last one back
        mov bx, BUFFER + 512 * (TRACK - 2)
        mov cx, TRACK
        mov dh, 0
        mov dl, [drive]
        int 0x13
        jc .bad
        mov si, good
        jmp .say
.bad:   mov si, wrong
.say:   call serial_print
.stop:  hlt
        jmp .stop

%include "serial.inc"

drive   db 0
booted  db "FLOPPY-BOOTED", 13, 10, 0
good    db "FLOPPY-TRACK-OK", 13, 10, 0
wrong   db "FLOPPY-TRACK-WRONG", 13, 10, 0

        times 510 - ($ - $$) db 0
        dw 0xaa55
%assign n 2
%rep TRACK - 1
        times 510 db n
        dw n
%assign n n + 1
%endrep
