# SPDX-License-Identifier: GPL-2.0-or-later
# needs: sector.asm
# Text, VGA 16 and 256 colours and a VBE mode arrive in the screendump with the right size and colour.

scenario() {
    cp /lab/in/files/sector.img .
    guest_cfg "disk = [ $(hd hda $PWD/sector.img) ]"
    guest_create
    wait_for_console SECTOR-READY
    shows 3 text 720x400 0000aa
    shows 2 vga16 640x480 00aa00
    shows d vga256 320x200,640x400 aa0000
    shows v vbe 1024x768 ff8000
    shows 3 text-again 720x400 0000aa
}

# shows LETTER NAME SIZE[,SIZE] COLOUR: the colour is that of the pixel at 100,8.
shows() {
    local size colour
    mark
    guest_type "$1"
    wait_for_console "ok $1" 60
    screendump $2
    size=$(dump_size $2)
    colour=$(dump_pixel $2 100 8)
    [[ ,$3, == *,$size,* ]] || fail "$2: screen is $size, expected $3"
    same_colour $colour $4 || fail "$2: pixel 100,8 is $colour, expected $4"
    note "$2: $size $colour"
}

# The DAC has six bits a colour; how they are stretched to eight is the display's affair.
same_colour() { [ $((0x$1 & 0xfcfcfc)) = $((0x$2 & 0xfcfcfc)) ]; }
