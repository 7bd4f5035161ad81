# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# A guest gives memory back and takes it again (xl mem-set) while its disk works by DMA: what is read is right, also
# into pages that were away meanwhile; and so in a guest that is populated on demand (memory < maxmem).

scenario() {
    head -c 8388608 /dev/urandom >a.img
    SUM=$(md5sum <a.img)
    note "all memory from the start"
    one_guest 192 'memory = 320'
    note "populated on demand"
    one_guest 192 'memory = 256' 'maxmem = 320'
}

# one_guest SMALL LINE...: ballooned down to SMALL MiB and up again.
one_guest() {
    local small=$1 id target
    shift
    guest_cfg "$@" "$(direct_kernel "$EMULATED_ARGS guest.skip=bochs,cirrus")" "disk = [ $(hd hda $PWD/a.img) ]"
    guest_boot
    id=$(domid)
    read_disk "before"
    for target in $small 256 $small 256; do
        xl mem-set guest $target
        read_disk "while going to $target MiB"
        until_true 60 has_memory $target || fail "the guest does not come to $target MiB: $(xl list guest | tail -n 1)"
        read_disk "at $target MiB"
    done
    guest_type "poweroff -f"
    expect_gone $id 60
    mv $SERIAL serial-$id.log
    MARK=0
}

# Within 24 MiB: video memory and rounding count.
has_memory() {
    local now=$(xl list guest | awk 'END { print $3 }')
    [ $((now - $1)) -le 24 ] && [ $(($1 - now)) -le 24 ]
}

# Past the guest's cache, and through a file in its memory, so that pages of all ages take part.
read_disk() {
    local sum
    sum=$(guest_run "dd if=/dev/sda bs=1M iflag=direct 2>/dev/null | md5sum; rm -f /tmp/copy; dd if=/dev/sda of=/tmp/copy bs=1M 2>/dev/null; md5sum </tmp/copy; echo 3 >/proc/sys/vm/drop_caches" 180)
    [ "$(grep -c "^${SUM%% *}" <<<"$sum")" = 2 ] || fail "$1: read $sum, not twice $SUM"
    note "$1: right; dm: $(dm_stats)"
}
