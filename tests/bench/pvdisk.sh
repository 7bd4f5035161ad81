# SPDX-License-Identifier: GPL-2.0-or-later
# manual: what tests/bench/lab-pvdisk runs
# needs: kernel
# The same PVH guest and the same image, on ext4 in dom0, as a PV disk served by hvm-dm, by the packaged QEMU and by
# the kernel's blkback over a loop device, in one dom0. A line for each load:
# BENCH backend read|write random|linear bytes depth requests microseconds dom0-CPU-microseconds

scenario() {
    local id
    GUEST_TTY=console/tty
    modprobe ext4
    dd if=/dev/zero of=$LAB_WORK/fs.img bs=1M count=0 seek=160 status=none
    busybox mke2fs -F $LAB_WORK/fs.img >/dev/null
    mkdir -p /bench
    mount -t ext4 -o loop $LAB_WORK/fs.img /bench
    echo 0 >/proc/sys/vm/dirty_writeback_centisecs     # nobody writes the page cache back meanwhile
    dd if=/dev/urandom of=/bench/data.img bs=1M count=64 status=none
    cp /lab/in/files/domtime /tmp
    dd if=/lab/in/files/diskload of=$LAB_WORK/program.img bs=1M conv=sync status=none
    for backend in ${BENCH_BACKENDS:-hvm-dm qemu}; do
        [ $backend = qemu ] && DM=/usr/libexec/xen-qemu-system-i386 || DM=/usr/libexec/hvm-dm
        boot
        id=$(domid)
        loads $backend xvdb
        if [ $backend = hvm-dm ]; then
            xl block-detach guest xvdb
            attach_blkback
            loads blkback xvdd
        fi
        xl destroy $id
        expect_gone $id 30
        [ $backend = qemu ] || losetup -d /dev/loop7
    done
    umount /bench
}

attach_blkback() {
    losetup /dev/loop7 /bench/data.img
    xl block-attach guest "$(blkback xvdd /dev/loop7)" || fail "block-attach"
    until_true 20 guest_run '[ -b /dev/xvdd ]' || fail "no disk of blkback"
}

boot() {
    pv_cfg pvh "$(hd xvdb /bench/data.img)" "$(hd xvdc $LAB_WORK/program.img)"
    echo 'tsc_mode = "native"' >>guest.cfg
    : >$SERIAL
    MARK=0
    guest_boot
    guest_run 'cp /dev/xvdc /tmp/load && chmod +x /tmp/load' >/dev/null
}

loads() {
    local op how depth answer seconds=${BENCH_SECONDS:-0.4}
    sync
    for op in read write; do
        for how in "random 4096" "linear 1048576"; do
            for depth in 1 32; do
                guest_run "/tmp/load /dev/$2 $op $how $depth 0.1" 90 >/dev/null || fail "$2: $op $how fails"
                answer=$(measured_load $seconds "/tmp/load /dev/$2 $op $how $depth $seconds") || fail "$2: $op $how fails"
                note "BENCH $1 $op $how $depth $answer"
            done
        done
    done
}
