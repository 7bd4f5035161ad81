# SPDX-License-Identifier: GPL-2.0-or-later
# needs: disk
# The guest's PV drivers take its emulated disks away and go on with ours: what it writes is in the image, what it
# reads is what the image holds, and the disk it booted from is the same one.

scenario() {
    local image=$LAB_WORK/data.img sum id
    [ $LAB_DM = hvm-dm ] || note "the peer's PV disk"
    dd if=/dev/urandom of=$image bs=1M count=16 status=none
    sum=$(md5sum <$image)
    guest_cfg "disk = [ $(hd hda $(guest_disk "$SERIAL_ARGS guest.skip=bochs,cirrus")), $(hd xvdb $image) ]" 'boot = "c"'
    guest_boot
    id=$(domid)
    [ "$(xenstore-read /local/domain/0/backend/qdisk/$id/768/state)" = 4 ] || fail "the boot disk is not connected"
    guest_run '[ -b /dev/xvda1 ] && [ ! -e /dev/sda ]' || fail "the emulated disk did not make room for the PV disk"
    [ "$(guest_run 'md5sum </dev/xvdb' 120)" = "$sum" ] || fail "the guest reads something else than the image holds"

    # 1 MiB requests are indirect ones; the odd block at the end is not
    guest_run 'dd if=/dev/xvdb of=/dev/xvdb bs=1M count=4 seek=8 conv=fsync 2>/dev/null &&
        dd if=/dev/xvdb of=/dev/xvdb bs=512 count=3 seek=30001 conv=fsync 2>/dev/null' 120 >/dev/null || fail "writing"
    [ "$(dd if=$image bs=1M count=4 status=none | md5sum)" = "$(dd if=$image bs=1M skip=8 count=4 status=none | md5sum)" ] ||
        fail "what the guest wrote and synced is not in the image"
    [ "$(dd if=$image bs=512 count=3 status=none | md5sum)" = "$(dd if=$image bs=512 skip=30001 count=3 status=none | md5sum)" ] ||
        fail "three odd sectors are not in the image"
    guest_run '! dd if=/dev/zero of=/dev/xvdb bs=512 count=1 seek=32768 2>/dev/null' || fail "written past the end"

    xl block-detach guest xvdb || fail "block-detach"
    until_true 20 guest_run '[ ! -e /dev/xvdb ]' || fail "the disk is still in the guest after block-detach"
    xl block-attach guest "format=raw,vdev=xvdc,access=ro,backendtype=qdisk,target=$image" || fail "block-attach"
    until_true 20 guest_run '[ -b /dev/xvdc ]' || fail "block-attach: the guest has no xvdc"
    [ "$(guest_run 'cat /sys/block/xvdc/ro')" = 1 ] || fail "access=ro is not read-only in the guest"
    [ "$(guest_run 'md5sum </dev/xvdc' 120)" = "$(md5sum <$image)" ] || fail "xvdc is not the image"
    note "dm: $(dm_stats)"
    guest_type "poweroff -f"
    expect_gone $id 60
}
