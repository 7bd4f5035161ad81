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
    for name in b c d; do
        head -c 16777216 /dev/urandom >$name.img
    done
    nbdkit -f -U $PWD/b.sock file b.img &
    server=$!
    until_true 20 test -S b.sock || fail "no server"
    guest_cfg "$(direct_kernel)" "disk = [ $(hd hda $PWD/full/a.img), $(hd hdb nbd+unix:///?socket=$PWD/b.sock), \
        $(hd hdc $PWD/c.img), $(hd hdd $PWD/d.img) ]"
    guest_boot
    id=$(domid)

    guest_run 'dd if=/dev/sdd of=/dev/sda bs=64k iflag=direct oflag=direct 2>/dev/null' 300 >/dev/null &&
        fail "16 MiB fit into a file system of 4"
    same a sda 2 d.img
    lines "full/a.img" "No space left"
    good "the full file system"

    truncate -s 1M c.img
    same c sdc 1 c.img
    guest_run 'dd if=/dev/sdc of=/dev/null bs=64k skip=100 count=1 iflag=direct 2>/dev/null' 300 >/dev/null &&
        fail "what is cut off can be read"
    lines "c.img" "ends at offset"
    good "the image that was cut off"

    same b sdb 1 b.img
    kill -9 $server
    guest_type '(dd if=/dev/sdb of=/dev/null bs=64k skip=50 count=1 iflag=direct 2>/dev/null; echo $? >/tmp/status) &'
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

# same WHAT DEVICE MEBIBYTES FILE: the beginning of the device is that of the file.
same() {
    local seen=$(guest_run "dd if=/dev/$2 bs=1M count=$3 iflag=direct 2>/dev/null | md5sum" 120)
    [ "$seen" = "$(head -c $(($3 << 20)) $4 | md5sum)" ] || fail "disk $1 reads as something else"
}

# The last disk is as ever, for reading and writing.
good() {
    same "d, after $1," sdd 4 d.img
    guest_run 'dd if=/dev/urandom of=/dev/sdd bs=64k seek=100 count=8 conv=fsync 2>/dev/null' 120 >/dev/null ||
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
