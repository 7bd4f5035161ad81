# SPDX-License-Identifier: GPL-2.0-or-later
# needs: sector.asm
# xl destroy leaves nothing behind, whenever it comes: no domain, process, socket or xenstore node.

scenario() {
    local delay id
    cp /lab/in/files/sector.img .
    guest_cfg "disk = [ $(hd hda $PWD/sector.img) ]"
    for delay in paused 0 0.1 0.3 0.6 1 2; do
        xl create -q -p guest.cfg
        id=$(domid)
        [ $delay = paused ] || { xl unpause guest; sleep $delay; }
        xl destroy guest
        expect_gone $id
        note "after $delay s: nothing left"
    done

    guest_create
    id=$(domid)
    wait_for_console SECTOR-READY
    guest_type r
    wait_for_console "ok r"
    xl destroy guest
    expect_gone $id
    note "while reading from disk: nothing left"

    guest_create
    id=$(domid)
    kill -9 $(dm_pid)
    sleep 1
    xl destroy guest
    expect_gone $id
    note "with its device model killed: nothing left"
}
