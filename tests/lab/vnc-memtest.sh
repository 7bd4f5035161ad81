# SPDX-License-Identifier: GPL-2.0-or-later
# needs: memtest viewer
# Memtest86+, driven over VNC: it comes up, its bar grows, its menu opens and closes by keys, and its exit key resets the
# machine. Text of 720x400: rows of 16 lines, columns of 9 pixels.

TITLE="0 0 252 16" FOOTER="0 384 720 16" BAR="340 16 360 16" MENU="190 48 340 288"

# Grey title and footer, and nothing but blue between them.
is_up() {
    [ "$(view size)" = 720x400 ] && covers 800 950 aaaaaa~4 $TITLE && covers 750 950 aaaaaa~4 $FOOTER &&
        covers 950 1000 0000aa~4 0 152 720 200
}

bar() { view area aaaaaa~4 $BAR | cut -d ' ' -f 2; }
bar_grew() { [ "$(bar)" -gt $1 ]; }
menu_open() { covers 800 1000 000000~4 $MENU; }
menu_closed() { covers 0 50 000000~4 $MENU && is_up; }

scenario() {
    local length id
    guest_cfg "disk = [ $(cd_rom hdc /lab/in/files/memtest.iso) ]" 'boot = "d"'
    sed -i 's/^memory = .*/memory = 24/' guest.cfg
    guest_create
    id=$(domid)
    viewer_start
    view_until 120 is_up || { picture not-up; fail "memtest86+ does not come up"; }
    picture up
    length=$(bar)
    view_until 60 bar_grew $length || { picture no-test; fail "no test goes on"; }
    picture testing
    view key F1 >/dev/null
    view_until 20 menu_open || { picture no-menu; fail "F1 opens no menu"; }
    picture menu
    view key F10 >/dev/null
    view_until 20 menu_closed || { picture still-menu; fail "F10 does not close the menu"; }
    picture closed
    viewer_stop_after key Escape
    until_true 30 domain_changed $id || fail "Escape does not reset the machine"
    note "the machine was reset: domain $id is $(domid) now"
}

domain_changed() { local now=$(domid); [ -n "$now" ] && [ "$now" != $1 ]; }

# The server goes with the machine.
viewer_stop_after() { view "$@" >/dev/null || true; viewer_stop; }
