# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Emulated disks whose images fail: one on a file system that gets full, one whose server dies, one that becomes
# shorter. The guest has errors for what can't be done and for nothing else, each image has its line in the log, and
# the fourth disk goes on all the time.

LOG=/var/log/xen/qemu-dm-guest.log

scenario() {
    local id server
    [ $LAB_DM = hvm-dm ] || { note "QEMU's errors are not looked at"; return 0; }
    mkdir full
    mount -t tmpfs -o size=4m tmpfs full
    truncate -s 16M full/a.img
    head -c 17825792 /dev/urandom >b.img
    head -c 18874368 /dev/urandom >c.img
    head -c 19922944 /dev/urandom >d.img
    nbdkit -f -U $PWD/b.sock file b.img &
    server=$!
    until_true 20 test -S b.sock || fail "no server"
    guest_cfg "$(direct_kernel)" "disk = [ $(hd hda $PWD/full/a.img), $(hd hdb nbd+unix:///?socket=$PWD/b.sock), \
        $(hd hdc $PWD/c.img), $(hd hdd $PWD/d.img) ]"
    guest_boot
    id=$(domid)
    A=$(device_of 16)
    B=$(device_of 17)
    C=$(device_of 18)
    D=$(device_of 19)

    guest_run "dd if=/dev/$D of=/dev/$A bs=64k count=256 iflag=direct oflag=direct 2>/dev/null" 300 >/dev/null &&
        fail "16 MiB fit into a file system of 4"
    same a $A 2 d.img
    lines "full/a.img" "No space left"
    good "the full file system"

    truncate -s 1M c.img
    same c $C 1 c.img
    guest_run "dd if=/dev/$C of=/dev/null bs=64k skip=100 count=1 iflag=direct 2>/dev/null" 300 >/dev/null &&
        fail "what is cut off can be read"
    lines "c.img" "ends at offset"
    good "the image that was cut off"

    same b $B 1 b.img
    kill -9 $server
    guest_type "(dd if=/dev/$B of=/dev/null bs=64k skip=50 count=1 iflag=direct 2>/dev/null; echo \$? >/tmp/status) &"
    good "the server that died, while a read waits for it"
    guest_run 'n=0; while [ ! -s /tmp/status ] && [ $n -lt 300 ]; do sleep 1; n=$((n+1)); done; [ $(cat /tmp/status) != 0 ]' 400 ||
        fail "a disk without a server can be read"
    lines "b.sock" "the server is gone"
    good "the server that died"
    note "dm: $(dm_stats)"
    xl destroy $id
    expect_gone $id 60
    umount full
}

# What the guest calls the disk of that many MiB: disks of two channels are found in any order.
device_of() {
    local name
    name=$(guest_run "grep -l -x $(($1 * 2048)) /sys/block/sd?/size | cut -d/ -f4" 60)
    [[ $name == sd? ]] || fail "no disk of $1 MiB: $name"
    echo $name
}

# same WHAT DEVICE MEBIBYTES FILE: the beginning of the device is that of the file.
same() {
    local seen=$(guest_run "dd if=/dev/$2 bs=1M count=$3 iflag=direct 2>/dev/null | md5sum" 120)
    [ "$seen" = "$(head -c $(($3 << 20)) $4 | md5sum)" ] || fail "disk $1 reads as something else"
}

# The last disk is as ever, for reading and writing.
good() {
    same "d, after $1," $D 4 d.img
    guest_run "dd if=/dev/urandom of=/dev/$D bs=64k seek=100 count=8 conv=fsync 2>/dev/null" 120 >/dev/null ||
        fail "disk d can't be written after $1"
    note "$1: $SECONDS s"
}

# Some, but not one a request.
lines() {
    local n=$(grep "$1" $LOG | grep -c "$2" || true)
    [ $n -ge 1 ] || { cat $LOG >&3; fail "no word of $1"; }
    [ $(grep -c "$1" $LOG) -le 20 ] || fail "$(grep -c "$1" $LOG) lines for $1"
    note "$(grep "$1" $LOG | grep -m 1 "$2")"
}
