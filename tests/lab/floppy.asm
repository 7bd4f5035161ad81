; SPDX-License-Identifier: GPL-2.0-or-later
; A floppy's first track: the boot sector says FLOPPY-BOOTED on the serial port, reads the rest of the
; track in one go (INT 13h, function 2), looks at the mark at the end of each sector, writes the last one
; back, and says FLOPPY-TRACK-OK.

        bits 16
        org 0x7c00
COM1    equ 0x3f8
TRACK   equ 18
BUFFER  equ 0x8000

start:  xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov [drive], dl
        cld
        mov dx, COM1 + 3                ; 115200 8n1
        mov al, 0x80
        out dx, al
        mov dl, 0xf8
        mov al, 1
        out dx, al
        inc dx
        dec ax
        out dx, al
        mov dl, 0xfb
        mov al, 3
        out dx, al

        mov si, booted
        call print
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
.say:   call print
.stop:  hlt
        jmp .stop

print:  lodsb
        test al, al
        jz .end
        mov ah, al
        mov dx, COM1 + 5
.busy:  in al, dx
        test al, 0x20
        jz .busy
        mov al, ah
        mov dx, COM1
        out dx, al
        jmp print
.end:   ret

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
