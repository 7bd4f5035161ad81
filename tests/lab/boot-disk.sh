# SPDX-License-Identifier: GPL-2.0-or-later
# needs: disk
# GRUB on a disk: its menu obeys the keyboard, its kernel reaches userspace with the screen in text mode;
# the mouse moves; files written are there after the caches are dropped.

scenario() {
    local moved id
    guest_cfg "disk = [ $(hd hda $(guest_disk)) ]"
    guest_create
    wait_for_console "GNU GRUB" 120
    sleep 1
    screendump grub
    send_keys down ret
    wait_for_console CHOSE-TEXT
    wait_for_console GUEST-READY
    shell_ready
    id=$(domid)
    note "userspace after $SECONDS s; dm: $(dm_stats)"
    screendump text
    [ $(dump_size text) = 720x400 ] || fail "the screen is $(dump_size text), not in text mode"

    guest_run '(timeout 20 head -c 12 /dev/input/mice | xxd -p >/tmp/mice) & sleep 1' >/dev/null
    for _ in 1 2 3 4; do
        move_mouse 5 3
    done
    moved=$(guest_run 'wait; cat /tmp/mice' 40)
    note "mouse: $moved"
    [[ $moved == *05* ]] || fail "the mouse did not move"

    guest_run 'mount -t ext2 /dev/sda1 /mnt && dd if=/dev/urandom of=/mnt/new bs=64k count=16 2>/dev/null' 120
    guest_run 'md5sum </mnt/new >/tmp/sum; umount /mnt && echo 3 >/proc/sys/vm/drop_caches' 120
    guest_run 'mount -t ext2 /dev/sda1 /mnt && md5sum </mnt/new | cmp - /tmp/sum && umount /mnt' 120 ||
        fail "the disk does not keep what was written"
    guest_type "poweroff -f"
    expect_gone $id 60
}

move_mouse() {
    local event='{"type":"rel","data":{"axis":"%s","value":%d}}'
    QMP_WAIT=0.3 qmp input-send-event "{\"events\":[$(printf "$event,$event" x $1 y $2)]}" >/dev/null
}
