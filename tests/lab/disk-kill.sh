# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# The device model is killed, at some moment, while its guest writes to emulated disks of each format: what the guest has
# flushed is there, the images are whole, and a new guest goes on with them. Then once more.

scenario() {
    truncate -s 32M a.raw
    truncate -s 33M below.raw
    qemu-img create -q -f qcow2 -F raw -b $PWD/below.raw b.qcow2
    qemu-img create -q -f vpc -o force_size=on c.vhd 34M
    FLUSHED=0
    for until in 20 47; do
        one_life $until
        look
    done
    # reads by a new guest, of what the files hold
    start
    for pair in $A:a.raw $B:b.raw $C:c.raw; do
        [ "$(guest_run "md5sum </dev/${pair%:*}" 180)" = "$(md5sum <${pair#*:})" ] || fail "$pair differ"
    done
}

start() {
    guest_cfg "$(direct_kernel)" \
        "disk = [ $(hd hda $PWD/a.raw), $(disk_of qcow2 hdb $PWD/b.qcow2), $(disk_of vhd hdc $PWD/c.vhd) ]"
    : >$SERIAL
    MARK=0
    guest_boot
    A=$(device_of 32)
    B=$(device_of 33)
    C=$(device_of 34)
}

# What the guest calls the disk of that many MiB: disks of two channels are found in any order.
device_of() {
    local name
    name=$(guest_run "grep -l -x $(($1 * 2048)) /sys/block/sd?/size | cut -d/ -f4" 60)
    [[ $name == sd? ]] || fail "no disk of $1 MiB: $name"
    echo $name
}

# The guest writes pieces of 64 KiB, each with a content and a place of its own, and says which are flushed.
one_life() {
    local id dm moment
    start
    id=$(domid)
    dm=$(dm_pid)
    guest_type "i=$((FLUSHED + 1)); all='$A $B $C'; "'while :; do for d in $all; do seq $((i*100000)) $((i*100000+9999)) |
        head -c 65536 | dd of=/dev/$d bs=64k seek=$((i*37%499)) conv=fsync 2>/dev/null; done; echo "flushed $i"; i=$((i+1)); done'
    wait_for_console "flushed $1\b" 300
    moment=0.$((RANDOM % 1000 + 1000))     # 0.1 s and up to as much more: of a few pieces
    sleep $moment
    kill -9 $dm
    until_true 10 test ! -e /proc/$dm || fail "it lives"
    sleep 1
    FLUSHED=$(grep -a -o 'flushed [0-9][0-9]*' $SERIAL | tail -n 1 | cut -d' ' -f2)
    note "killed $moment s after piece $1 was flushed: $FLUSHED were"
    xl destroy $id
    kill $READER 2>/dev/null || true
    until_true 60 nothing_left $id || fail "something of domain $id is left"
}

look() {
    local i
    qemu-img check -f qcow2 b.qcow2 >check.txt 2>&1 || [ $? = 3 ] || fail "qemu-img check: $(cat check.txt)"   # 3: leaks
    qemu-img convert -f qcow2 -O raw b.qcow2 b.raw || fail "the qcow2 can't be read"
    qemu-img convert -f vpc -O raw c.vhd c.raw || fail "the VHD can't be read"
    for i in $(seq 1 $FLUSHED); do
        seq $((i * 100000)) $((i * 100000 + 9999)) | head -c 65536 >piece || true
        for image in a b c; do
            dd if=$image.raw bs=64k skip=$((i * 37 % 499)) count=1 status=none | cmp -s - piece ||
                fail "$image: piece $i was flushed and is not there"
        done
    done
}
