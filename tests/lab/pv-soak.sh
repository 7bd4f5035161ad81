# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel diskcheck.c
# Requests of random places and lengths on PV disks of three formats at once, sixteen under way on each: whatever is
# read is what was written last, also after each disk was taken away and given back. The same on each, so the images
# are the same afterwards, and the one below the qcow2 is as it was.

scenario() {
    local base=$LAB_WORK/base.img sum id operations=${SOAK_OPERATIONS:-1500}
    GUEST_TTY=console/tty
    dd if=/dev/urandom of=$base bs=1M count=24 status=none
    sum=$(md5sum <$base)
    cp $base raw.img
    cp /lab/in/files/diskcheck.img tools.img
    qemu-img create -q -f qcow2 -F raw -b $base top.qcow2 || fail "qemu-img create"
    qemu-img convert -f raw -O vpc -o force_size=on $base disk.vhd || fail "qemu-img convert"
    pv_cfg pvh "$(hd xvda $PWD/raw.img)" "$(disk_of qcow2 xvdb $PWD/top.qcow2)" "$(disk_of vhd xvdc $PWD/disk.vhd)" \
        "$(disk_of raw xvdd $PWD/tools.img ro)"
    guest_boot
    id=$(domid)
    guest_run 'cat /dev/xvdd >/tmp/diskcheck && chmod +x /tmp/diskcheck' || fail "the program does not come over"
    all_three "load" "$operations 16"
    note "$operations operations on each: good; dm: $(dm_stats)"
    again raw xvda raw.img
    again qcow2 xvdb top.qcow2
    again vhd xvdc disk.vhd
    all_three "check" "$operations"
    note "taken away and given back: good"
    guest_type "poweroff -f"
    expect_gone $id 60
    qemu-img check -f qcow2 top.qcow2 >$LAB_RESULTS/check.txt 2>&1 || fail "qemu-img check: $(cat $LAB_RESULTS/check.txt)"
    qemu-img compare -f raw -F qcow2 raw.img top.qcow2 || fail "the qcow2 differs"
    qemu-img compare -f raw -F vpc raw.img disk.vhd || fail "the VHD differs"
    [ "$(md5sum <$base)" = "$sum" ] || fail "the backing file has changed"
}

# again FORMAT VDEV FILE
again() {
    xl block-detach guest $2 || fail "block-detach $2"
    until_true 20 guest_run "[ ! -b /dev/$2 ]" || fail "$2 stays"
    xl block-attach guest "format=$1,vdev=$2,access=rw,backendtype=qdisk,target=$PWD/$3" || fail "block-attach $2"
    until_true 20 guest_run "[ -b /dev/$2 ]" || fail "$2 does not come back"
}

# all_three load|check ARGUMENTS
all_three() {
    local out
    out=$(guest_run "for d in a b c; do /tmp/diskcheck $1 /dev/xvd\$d 0 24 9 $2 >/tmp/out.\$d 2>&1 & done; wait; cat /tmp/out.*" 600)
    [ "$(echo "$out" | grep -c '^good$')" = 3 ] || fail "$1: $out"
}
