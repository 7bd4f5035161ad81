# SPDX-License-Identifier: GPL-2.0-or-later
# manual: what tests/bench/lab runs
# needs: iso kernel
# The same guests booted by hvm-dm and by the packaged QEMU in turn, in one dom0. A line for each boot:
# BENCH device-model guest wall-centiseconds cpu-ticks switches resident-KiB private-KiB dom0-deciseconds
# The ticks are dom0's kernel's, which takes time that the device model gave away for its own; dom0's time is Xen's.

dom0_time() { xl list Domain-0 | awk '/^Domain-0/ { printf "%.0f", $NF * 10 }'; }
now() { awk '{ print int($1 * 100) }' /proc/uptime; }

one_boot() {
    local name=$1 path=$2 guest=$3 begun ended stats id used
    DM=$path
    : >$SERIAL
    MARK=0
    rm -f seen
    case $guest in
    iso) guest_cfg 'vga = "stdvga"' 'boot = "d"' \
        "disk = [ 'format=raw,vdev=hdc,access=ro,devtype=cdrom,target=$(guest_iso)' ]" ;;
    kernel) guest_cfg 'vga = "stdvga"' "$(direct_kernel "$EMULATED_ARGS")" ;;
    esac
    used=$(dom0_time)
    begun=$(now)
    guest_create
    wait_for_console GUEST-READY
    ended=$(now)
    used=$(($(dom0_time) - used))
    stats=$(dm_stats | awk '{ print $2 + $4, $6 + $8, $10, $14 }')
    note "BENCH $name $guest $((ended - begun)) $stats $used"
    id=$(domid)
    xl destroy guest
    kill $READER 2>/dev/null || true
    expect_gone $id 30
}

scenario() {
    local round guest
    for round in $(seq ${BENCH_ROUNDS:-2}); do
        for guest in ${BENCH_GUESTS:-iso kernel}; do
            one_boot hvm-dm /usr/libexec/hvm-dm $guest
            one_boot qemu /usr/libexec/xen-qemu-system-i386 $guest
        done
    done
}
