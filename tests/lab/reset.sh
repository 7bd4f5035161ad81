# SPDX-License-Identifier: GPL-2.0-or-later
# needs: sector.asm
# Every way in which a PC resets itself makes libxl start the guest afresh; power-off ends it.

scenario() {
    cp /lab/in/files/sector.img .
    guest_cfg "disk = [ $(hd hda $PWD/sector.img) ]" 'on_reboot = "restart"'
    guest_create
    wait_for_console SECTOR-READY
    local letter
    for letter in t:triple-fault k:keyboard-controller c:cf9 p:port-92; do
        reset_by "${letter%%:*}" "${letter#*:}"
    done
    local id=$(domid)
    guest_type o
    expect_gone $id 30
    note "power-off: nothing left"
}

reset_by() {
    local before=$(domid)
    guest_type "$1"
    wait_for_console "ok $1" 20
    until_true 60 domain_after $before || fail "$2: domain $before was not started afresh"
    expect_gone $before
    record_serial
    sleep 1
    until_true 60 answers || fail "$2: the new guest does not run"
    note "$2: domain $before became $(domid)"
}

# An unknown letter makes the guest say that it is ready.
answers() {
    guest_type x
    sleep 0.5
    console_has SECTOR-READY
}
