# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# A PV guest, whose device model is only a server of PV devices: a disk, a CD-ROM whose medium changes, and a drive that
# is empty at first.

scenario() {
    local id
    GUEST_TTY=console/tty
    dd if=/dev/urandom of=$LAB_WORK/data.img bs=1M count=8 status=none
    dd if=/dev/urandom of=$LAB_WORK/one.iso bs=1M count=1 status=none
    dd if=/dev/urandom of=$LAB_WORK/two.iso bs=1M count=2 status=none
    pv_cfg pv "$(hd xvda $LAB_WORK/data.img)" \
        "'format=raw,vdev=xvdc,access=ro,devtype=cdrom,backendtype=qdisk,target=$LAB_WORK/one.iso'" \
        "'format=raw,vdev=xvdd,access=ro,devtype=cdrom,backendtype=qdisk,target='"
    guest_boot
    id=$(domid)
    [ "$(guest_run 'cat /sys/hypervisor/guest_type')" = PV ] || fail "not a PV guest"
    [ "$(guest_run 'md5sum </dev/xvda' 120)" = "$(md5sum <$LAB_WORK/data.img)" ] || fail "the PV guest's disk is not the image"
    [ "$(guest_run 'md5sum </dev/xvdc' 60)" = "$(md5sum <$LAB_WORK/one.iso)" ] || fail "the PV guest's CD-ROM is not the image"
    if [ $LAB_DM = hvm-dm ]; then
        [ "$(guest_run 'cat /sys/block/xvdd/size')" = 0 ] || fail "the empty drive has a size"
        new_medium 51744 ''
        new_medium 51744 aio:$LAB_WORK/two.iso
        until_true 30 holds_two xvdc || fail "the guest does not see the new medium"
        note "the CD-ROM's medium changed"
        new_medium 51760 aio:$LAB_WORK/two.iso
        until_true 30 holds_two xvdd || fail "the guest does not see the medium in the drive that was empty"
        new_medium 51760 aio:
        until_true 30 guest_run '[ $(cat /sys/block/xvdd/size) = 0 ]' || fail "the guest does not see that the drive is empty again"
        note "the empty drive had a medium"
    fi
    xl reboot guest
    until_true 60 domain_after $id || fail "no reboot"
    note "rebooted"
    xl destroy $(domid)
    expect_gone $id 60
}

# As libxl does it for drives that have no emulated twin (it refuses to, for a PV guest).
new_medium() { xenstore-write /local/domain/0/backend/qdisk/$(domid)/$1/params "$2"; }

holds_two() { [ "$(guest_run "md5sum </dev/$1 2>/dev/null" 60)" = "$(md5sum <$LAB_WORK/two.iso)" ]; }
