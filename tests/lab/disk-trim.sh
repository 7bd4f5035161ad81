# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# TRIM by a guest's IDE and AHCI disks reaches images of each format: the storage is given back, what is beside it
# stays, and qemu-img finds the images whole.

scenario() {
    one_controller ide
    one_controller ahci
}

one_controller() {
    local id n=0 name device before after
    rm -f a.raw b.qcow2 c.vhd
    truncate -s 32M a.raw
    qemu-img create -q -f qcow2 b.qcow2 33M
    qemu-img create -q -f vpc -o force_size=on c.vhd 34M
    guest_cfg "$(direct_kernel)" "hdtype = \"$1\"" \
        "disk = [ $(hd hda $PWD/a.raw), $(disk_of qcow2 hdb $PWD/b.qcow2), $(disk_of vhd hdc $PWD/c.vhd) ]"
    : >$SERIAL
    MARK=0
    guest_boot
    id=$(domid)
    for name in a.raw b.qcow2 c.vhd; do
        device=/dev/$(device_of $((32 + n)))
        n=$((n + 1))
        guest_run "dd if=/dev/urandom of=$device bs=1M count=16 conv=fsync 2>/dev/null" 180 >/dev/null || fail "writing $device"
        before=$(stat -c %b $name)
        guest_run "blkdiscard -o 4194304 -l 8388608 $device" 120 || fail "$1: TRIM of $device is refused"
        # what a flush gives back is punched after it
        guest_run "for i in 1 2; do dd if=/dev/zero of=$device bs=4k count=1 seek=7000 conv=fsync 2>/dev/null; done" 60
        after=$(stat -c %b $name)
        note "$1, $name: $before blocks, $after after TRIM of half of them"
        [ $after -le $((before - 16000)) ] || fail "$1: TRIM does not reach $name"
        guest_run "(dd if=$device bs=1M count=4; dd if=$device bs=1M skip=12 count=4) 2>/dev/null | md5sum" 120 >$name.sum
    done
    xl destroy $id
    kill $READER 2>/dev/null || true
    expect_gone $id 30

    qemu-img check -q -f qcow2 b.qcow2 || fail "$1: qemu-img check"
    qemu-img convert -f qcow2 -O raw b.qcow2 b.raw
    qemu-img convert -f vpc -O raw c.vhd c.raw
    [ "$(kept a.raw)" = "$(cat a.raw.sum)" ] && [ "$(kept b.raw)" = "$(cat b.qcow2.sum)" ] &&
        [ "$(kept c.raw)" = "$(cat c.vhd.sum)" ] || fail "$1: what is beside the TRIM has changed"
}

# What the guest calls the disk of that many MiB: disks of two channels are found in any order.
device_of() {
    local name
    name=$(guest_run "grep -l -x $(($1 * 2048)) /sys/block/sd?/size | cut -d/ -f4" 60)
    [[ $name == sd? ]] || fail "no disk of $1 MiB: $name"
    echo $name
}

kept() { (dd if=$1 bs=1M count=4; dd if=$1 bs=1M skip=12 count=4) 2>/dev/null | md5sum; }
