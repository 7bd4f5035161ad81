# SPDX-License-Identifier: GPL-2.0-or-later
# needs: grub viewer
# GRUB's menu on its graphical terminal, driven over VNC: the green bar follows the arrow keys, and the entry below it is
# the one that boots.

LINE=16     # a line of its font

bar_at() {
    local x y w h
    read -r x y w h <<<"$(box 00a800~4)"
    [ "$y" = "$1" ] && [ "$h" = $LINE ] && [ "$w" -gt 600 ]
}

# A blue box with text on it, and a bar in it.
is_up() {
    [ "$(view size)" = 800x600 ] && covers 400 700 0000a8~4 && covers 15 60 00a800~4
}

# press KEY Y: the bar goes there.
press() {
    view key $1 >/dev/null
    view_until 20 bar_at $2 || { picture wrong; fail "$1: the bar is at $(box 00a800~4), not at line $2"; }
}

scenario() {
    local top
    guest_cfg "disk = [ $(cd_rom hdc /lab/in/files/grub.iso) ]" 'boot = "d"'
    guest_create
    viewer_start
    view_until 120 is_up || { picture not-up; fail "no menu"; }
    top=$(box 00a800~4 | cut -d ' ' -f 2)
    picture menu
    press Down $((top + LINE))
    press Down $((top + 2 * LINE))
    press Down $((top + 3 * LINE))
    press Up $((top + 2 * LINE))
    picture third
    view key Return >/dev/null
    wait_for_console CHOSE-THIRD
}
