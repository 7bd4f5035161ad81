# SPDX-License-Identifier: GPL-2.0-or-later
# manual: what tests/bench/lab-disk runs
# needs: kernel
# The same guest and the same image, on ext4 in dom0, as an emulated disk: on the IDE by DMA and by PIO, on AHCI;
# with either device model in turn, in one dom0. A line for each load:
# BENCH device-model mode read|write random|linear bytes depth requests microseconds dom0-CPU-microseconds exits

scenario() {
    local guest dm
    modprobe ext4
    dd if=/dev/zero of=$LAB_WORK/fs.img bs=1M count=0 seek=96 status=none
    busybox mke2fs -F $LAB_WORK/fs.img >/dev/null
    mkdir -p /bench
    mount -t ext4 -o loop $LAB_WORK/fs.img /bench
    dd if=/dev/urandom of=/bench/data.img bs=1M count=32 status=none
    cp /lab/in/files/domtime /tmp
    dd if=/lab/in/files/diskload of=$LAB_WORK/program.img bs=1M conv=sync status=none
    for guest in ${BENCH_GUESTS:-ide ahci}; do
        for dm in ${BENCH_DMS:-hvm-dm qemu}; do
            [ $dm = qemu ] && DM=/usr/libexec/xen-qemu-system-i386 || DM=/usr/libexec/hvm-dm
            one_guest $dm $guest
        done
    done
    umount /bench
}

one_guest() {
    local hdtype= id mode
    [ $2 = ide ] || hdtype='hdtype = "ahci"'
    guest_cfg "$(direct_kernel "$EMULATED_ARGS $BENCH_ARGS guest.skip=bochs,cirrus,ahci,ata_piix,ata_generic")" "$hdtype" \
        "disk = [ $(hd hda /bench/data.img), $(hd hdb $LAB_WORK/program.img) ]"
    : >$SERIAL
    MARK=0
    guest_boot
    id=$(domid)
    for mode in $([ $2 = ide ] && echo ${BENCH_MODES:-dma pio} || echo ahci); do
        attach $mode
        loads $1 $mode
    done
    xl destroy $id
    kill $READER 2>/dev/null || true
    expect_gone $id 30
}

# attach MODE: loads the driver; every disk is named by the place that it has.
attach() {
    local how=1 driver=ata_piix
    [ $1 = pio ] && how=0
    [ $1 = ahci ] && driver=ahci
    guest_run 'lsmod | grep -q sd_mod && rmmod sd_mod ata_piix libata; true' >/dev/null
    guest_run "modprobe libata dma=$how && modprobe $driver && modprobe sd_mod && sleep 2" 120 >/dev/null ||
        fail "no $driver"
    guest_run "cp /dev/sdb /tmp/load && chmod +x /tmp/load && echo none >/sys/block/sda/queue/scheduler" >/dev/null ||
        fail "no disks"
    note "$1: $(guest_run 'dmesg | grep -E "ata[0-9.]+: (configured|[0-9]+ sectors)" | tail -n 2' | tr '\n' ' ')"
}

# Of all regions; QEMU does not say.
exits() {
    [ $1 = hvm-dm ] || { echo 0; return; }
    qmp human-monitor-command '{"command-line":"info io"}' | grep -o 'accesses [0-9]*' | awk '{ n += $2 } END { print n }'
}

loads() {
    local op load seen answer seconds=${BENCH_SECONDS:-0.5}
    case $2 in
    dma) set -- $1 $2 "random 4096 1" "linear 65536 1" "linear 524288 1" ;;
    pio) set -- $1 $2 "random 4096 1" "linear 65536 1" ;;
    ahci) set -- $1 $2 "random 4096 1" "random 4096 32" "linear 524288 1" "linear 524288 32" ;;
    esac
    for op in read write; do
        for load in "${@:3}"; do
            seen=$(exits $1)
            answer=$(measured_load $seconds "/tmp/load /dev/sda $op $load $seconds") || fail "$2: $op $load fails"
            note "BENCH $1 $2 $op $load $answer $(($(exits $1) - seen))"
        done
    done
}
