# SPDX-License-Identifier: GPL-2.0-or-later
# needs: installer viewer
# manual: minutes, and packages beyond those of the other scenarios (tools/deps --installer)
# Debian's graphical installer, driven over VNC: language, location and keyboard are chosen by keys and by clicks of a USB
# tablet, until it looks for a network. Its screens are told apart by their titles, whatever they say: the list on each has
# a green bar across it, and white around that. Scripts make rows of different heights, and a list may scroll.

GREEN=2b857c~14 BANNER=04475d~10

title() { view sum 0 84 400 22; }
below_banner() { echo 0 100 $WIDTH $((HEIGHT - 100)); }
bar() { box $GREEN $(below_banner); }
bar_y() { bar | cut -d ' ' -f 2; }

take_size() {
    local size=$(view size)
    WIDTH=${size%x*} HEIGHT=${size#*x}
}

# list_after TITLE: another screen than that, with a list and a bar in it.
list_after() {
    local x y w h
    take_size
    [ $HEIGHT -ge 600 ] && [ "$(title)" != "$1" ] && covers 1000 1000 $BANNER 0 0 40 40 || return 1
    read -r x y w h <<<"$(bar)"
    [ "${w:-0}" -gt $((WIDTH * 8 / 10)) ] && [ $h -ge 20 ] && [ $h -le 26 ] &&
        covers 500 1000 ffffff 20 210 $((WIDTH - 60)) $((HEIGHT - 300))
}

no_list_after() { [ "$(title)" != "$1" ] && covers 0 50 ffffff $(below_banner) && [ "$(share $BANNER 0 0 40 40)" = 1000 ]; }

# next NAME SECONDS TITLE
next() {
    view_until $2 list_after "$3" || { picture no-$1; fail "the screen \"$1\" does not come"; }
    picture $1
    note "$1: $(view size), the bar at $(bar), $SECONDS s"
}

bar_left() { local y=$(bar_y); [ -n "$y" ] && [ $y != $1 ]; }

bar_holds() {
    local x y w h
    read -r x y w h <<<"$(bar)"
    [ -n "$y" ] && [ $y -le $1 ] && [ $1 -lt $((y + h)) ]
}

# key NAME: it moves the bar.
key() {
    local y=$(bar_y)
    view key $1 >/dev/null
    view_until 30 bar_left $y || { picture bar; fail "$1: the bar stays at $(bar)"; }
}

# click Y: the row there gets the bar.
click() {
    view click 100 $1 >/dev/null
    view_until 30 bar_holds $1 || { picture bar; fail "a click at line $1: the bar is at $(bar)"; }
}

continue_button() { view click $((WIDTH - 61)) $((HEIGHT - 26)) >/dev/null; }

scenario() {
    local y now
    guest_cfg 'kernel = "/lab/in/files/installer.vmlinuz"' 'ramdisk = "/lab/in/files/installer.initrd"' \
        'cmdline = "vga=788 quiet"' 'usbdevice = ["tablet"]'
    sed -i 's/^memory = .*/memory = 1400/; s/^usb = 0/usb = 1/' guest.cfg
    guest_create
    viewer_start
    next language 900 none
    view still 1 20 >/dev/null
    y=$(bar_y) now=$(title)
    key Up
    click $((y - 100))
    click $((y + 11))
    continue_button
    next location 120 "$now"
    now=$(title)
    key Up
    view key Return >/dev/null
    next keyboard 120 "$now"
    now=$(title)
    continue_button
    view_until 120 no_list_after "$now" || { picture still-keyboard; fail "the keyboard's screen stays"; }
    picture network
}
