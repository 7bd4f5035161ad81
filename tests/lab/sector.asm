; SPDX-License-Identifier: GPL-2.0-or-later
; A boot-sector guest that does what single letters on the serial port say, and answers each with "ok LETTER":
;   t k c p    reset: triple fault, keyboard controller, 0xcf9, port 92
;   o          power off through PM1a_CNT
;   3 2 d v    screen: text 80x25, VGA 640x480x16, 320x200x256, VBE 1024x768x32, each filled (see tests/lab/screen.sh)
;   r          read sectors for ever (INT 13h)

        bits 16
        org 0x7c00

start:  xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov [drive], dl
        cld
        call serial_open

hello:  mov si, ready
        call serial_print
next:   call serial_get
        cmp al, 10
        je next
        mov [letter], al
        mov si, table
.find:  lodsb
        test al, al
        jz hello
        mov bl, al
        lodsw
        cmp bl, [letter]
        jne .find
        mov [action], ax
        cmp bl, 'a'                     ; screens answer when they are drawn, the rest before they act
        jb .draw
        cmp bl, 'd'
        je .draw
        cmp bl, 'v'
        je .draw
        call answer
        call [action]
        jmp next
.draw:  call [action]
        xor ax, ax
        mov es, ax
        call answer
        jmp next

answer: mov si, done
        jmp serial_print

%include "serial.inc"

triple: lidt [nothing]
        int3
kbd:    mov al, 0xfe
        out 0x64, al
        hlt
cf9:    mov dx, 0xcf9
        mov al, 2
        out dx, al
        mov al, 6
        out dx, al
        hlt
port92: in al, 0x92
        or al, 1
        out 0x92, al
        hlt
off:    mov dx, 0xb004
        mov ax, 0x2000                  ; SLP_EN, and 0 is S5
        out dx, ax
        hlt

text:   mov ax, 3
        int 0x10
        push 0xb800
        pop es
        xor di, di
        mov ax, 0x1f20                  ; spaces on blue
        mov cx, 2000
        rep stosw
        ret
vga16:  mov ax, 0x12
        int 0x10
        mov dx, 0x3ce
        mov ax, 0x0200                  ; set/reset: green
        out dx, ax
        mov ax, 0x0f01
        out dx, ax
        push 0xa000
        pop es
        xor di, di
        mov cx, 38400 / 2
        rep stosw
        ret
vga256: mov ax, 0x13
        int 0x10
        push 0xa000
        pop es
        xor di, di
        mov ax, 0x0404                  ; red
        mov cx, 32000
        rep stosw
        ret
vbe:    mov ax, 0x4f02
        mov bx, 0x144
        int 0x10
        push 0xa000
        pop es
        xor di, di
        mov eax, 0x00ff8000             ; orange, in the first bank: 16 lines
        mov cx, 16384
        rep stosd
        ret

reads:  mov ax, 0x0210
        mov cx, 1
        mov dl, [drive]
        mov dh, 0
        mov bx, 0x8000
        int 0x13
        jmp reads

table:  db 't'
        dw triple
        db 'k'
        dw kbd
        db 'c'
        dw cf9
        db 'p'
        dw port92
        db 'o'
        dw off
        db '3'
        dw text
        db '2'
        dw vga16
        db 'd'
        dw vga256
        db 'v'
        dw vbe
        db 'r'
        dw reads
        db 0
nothing:
        dw 0, 0, 0
ready:  db 'SECTOR-READY', 13, 10, 0
done:   db 'ok '
letter: db '?', 13, 10, 0
drive:  db 0
action: dw 0

        times 510 - ($ - $$) db 0
        dw 0xaa55
