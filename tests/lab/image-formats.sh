# SPDX-License-Identifier: GPL-2.0-or-later
# needs: disk
# The guest boots from a qcow2 image over a raw one and has a VHD beside it; its PV drivers take both over. What it
# writes is in the images, which are whole afterwards, and the raw one below is as it was.

scenario() {
    local base boot=$LAB_WORK/boot.qcow2 data=$LAB_WORK/data.vhd before sum head id
    base=$(guest_disk "$SERIAL_ARGS guest.skip=bochs,cirrus")
    before=$(md5sum <$base)
    qemu-img create -q -f qcow2 -F raw -b $base $boot || fail "qemu-img create"
    qemu-img create -q -f vpc -o force_size=on $data 24M || fail "qemu-img create"
    guest_cfg "disk = [ $(disk_of qcow2 hda $boot), $(disk_of vhd xvdb $data) ]" 'boot = "c"'
    guest_boot
    id=$(domid)
    [ "$(xenstore-read /local/domain/0/backend/qdisk/$id/768/params)" = "qcow2:$boot" ] || fail "params"
    [ "$(xenstore-read /local/domain/0/backend/qdisk/$id/768/state)" = 4 ] || fail "the boot disk is not connected"
    guest_run '[ -b /dev/xvda1 ] && [ ! -e /dev/sda ]' || fail "the emulated disk did not make room for the PV disk"

    # a copy of the boot disk's beginning to the VHD, and 3 MiB of it over the boot disk's end
    guest_run 'dd if=/dev/xvda of=/dev/xvdb bs=1M count=16 seek=3 conv=fsync 2>/dev/null' 300 || fail "writing the VHD"
    guest_run 'n=$(($(cat /sys/block/xvda/size) / 2048 - 3)); dd if=/dev/xvdb of=/dev/xvda bs=1M skip=3 seek=$n count=3 \
        conv=fsync 2>/dev/null' 300 || fail "writing the boot disk"
    head=$(guest_run 'dd if=/dev/xvdb bs=1M skip=3 count=3 2>/dev/null | md5sum' 120)
    sum=$(guest_run 'md5sum </dev/xvdb' 120)
    note "dm: $(dm_stats)"
    guest_type "poweroff -f"
    expect_gone $id 60

    qemu-img check -f qcow2 $boot >$LAB_RESULTS/check.txt 2>&1 || fail "qemu-img check: $(cat $LAB_RESULTS/check.txt)"
    [ "$(md5sum <$base)" = "$before" ] || fail "the backing file has changed"
    qemu-img convert -f vpc -O raw $data data.raw || fail "the VHD can't be read"
    [ "$(md5sum <data.raw)" = "$sum" ] || fail "the VHD holds something else than the guest read"
    qemu-img convert -f qcow2 -O raw $boot boot.raw || fail "the qcow2 can't be read"
    [ "$(tail -c 3145728 boot.raw | md5sum)" = "$head" ] || fail "what the guest wrote to its boot disk is not in the image"
}
