# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel viewer
# Linux' console on its own drivers of both video chips, as a viewer sees it: bochs-drm on a standard VGA with 256 MiB
# and a monitor of a size of its own, cirrus-drm; and a guest without any (vga="none").

BLUE=0000aa~8 RED=aa0000~8 GREEN=00aa00~8

# console DRIVER SIZE BITS: the guest's console is that driver's; what is written there, and into its memory, is seen.
console() {
    local got
    got=$(guest_run 'cat /proc/fb')
    [[ $got == *"$1"* ]] || fail "the console is on \"$got\", not on $1"
    got=$(guest_run 'tr , x </sys/class/graphics/fb0/virtual_size')
    [ "$got" = $2 ] || fail "$1: the guest's screen is $got, expected $2"
    viewer_start
    guest_type "printf '\033[?25l\033[44m\033[2J\033[3;5H\033[41m          ' >/dev/tty0"
    view_until 60 red_box || { picture $1-wrong; fail "$1: the red box is at $(box $RED) of $(view size)"; }
    [ "$(view size)" = $2 ] || fail "$1: the screen is $(view size), expected $2"
    covers 990 999 $BLUE || fail "$1: $(share $BLUE) of a thousand pixels are blue"
    picture $1-box
    guest_type "printf '\033[42m\033[2J\033[0m' >/dev/tty0; dmesg | tail -n 20 >/dev/tty0"
    view_until 60 covers 1 999 $GREEN || fail "$1: no green"
    view_until 60 log_is_there || { picture $1-wrong; fail "$1: the kernel's log does not show"; }
    view still 1 60 >/dev/null
    picture $1-log
    # 16 lines of the frame buffer by one write, of which Linux 6.1 brings the last line in part only
    guest_type "dd if=/dev/zero of=/dev/fb0 bs=$((16 * ${2%x*} * $3 / 8)) count=1"
    view_until 60 covers 1000 1000 000000 0 0 ${2%x*} 15 || { picture $1-wrong; fail "$1: what is written to /dev/fb0 does not show"; }
    picture $1-memory
    screendump $1
    [ "$(dump_size $1)" = $2 ] || fail "$1: the screendump is $(dump_size $1)"
    [ "$(dump_pixel $1 0 14)" = 000000 ] || fail "$1: line 14 of the screendump is not black"
    viewer_stop
}

# The third line and fifth column of characters of 8 by 16, ten of them.
red_box() { [ "$(box $RED)" = "32 32 80 16" ]; }

# Its letters, below where the screen was cleared.
log_is_there() { covers 10 500 aaaaaa~8; }

video_class() { guest_run 'grep -l ^0x03 /sys/bus/pci/devices/*/class || true'; }

standard_vga() {
    local card start end flags
    guest_cfg "$(direct_kernel "$EMULATED_ARGS guest.skip=cirrus")" 'videoram = 256' \
        'device_model_args_hvm = [ "-global", "VGA.xres=1152", "-global", "VGA.yres=864" ]'
    # Video memory is of it, and Linux' balloon gives as much again away: it takes xenstore's target, from which
    # libxl has taken video memory, for one that still has it.
    sed -i 's/^memory = .*/memory = 1024/' guest.cfg
    guest_boot
    card=$(video_class)
    read -r start end flags <<<"$(guest_run "head -n 1 ${card%/*}/resource")"
    [ $((end - start + 1)) = $((256 << 20)) ] || fail "video memory from $start to $end"
    [ "$(guest_run 'head -n 1 /sys/class/drm/card0-*/modes')" = 1152x864 ] ||
        fail "the monitor's best mode is $(guest_run 'head -n 1 /sys/class/drm/card0-*/modes')"
    console bochs 1152x864 32
    guest_away
}

cirrus() {
    guest_cfg "$(direct_kernel "$EMULATED_ARGS guest.skip=bochs")" 'vga = "cirrus"'
    guest_boot
    console cirrus 1024x768 16
    guest_away
}

none() {
    guest_cfg "$(direct_kernel)" 'vga = "none"'
    guest_boot
    [ -z "$(video_class)" ] || fail "there is a video card: $(video_class)"
    viewer_start
    [ "$(view size)" = 640x480 ] && covers 1000 1000 000000 || fail "vga=none: a viewer sees $(view size)"
    viewer_stop
    guest_away
}

guest_away() {
    local id=$(domid)
    xl destroy guest
    kill $READER 2>/dev/null || true
    READER=
    : >$SERIAL
    MARK=0
    expect_gone $id 30
}

scenario() {
    none
    standard_vga
    cirrus
}
