# SPDX-License-Identifier: GPL-2.0-or-later
# manual: what tests/bench/lab-pvdisk runs
# needs: kernel
# The same PVH guest and the same image, on ext4 in dom0, as a PV disk served by hvm-dm, by the packaged QEMU and by
# the kernel's blkback over a loop device, in one dom0. A line for each load:
# BENCH backend read|write random|linear bytes depth requests milliseconds dom0-CPU-deciseconds

scenario() {
    local id
    GUEST_TTY=console/tty
    modprobe ext4
    dd if=/dev/zero of=$LAB_WORK/fs.img bs=1M count=0 seek=160 status=none
    busybox mke2fs $LAB_WORK/fs.img >/dev/null
    mkdir -p /bench
    mount -t ext4 -o loop $LAB_WORK/fs.img /bench
    dd if=/dev/urandom of=/bench/data.img bs=1M count=64 status=none
    dd if=/lab/in/files/diskload of=$LAB_WORK/program.img bs=1M conv=sync status=none
    for backend in ${BENCH_BACKENDS:-hvm-dm qemu}; do
        [ $backend = qemu ] && DM=/usr/libexec/xen-qemu-system-i386 || DM=/usr/libexec/hvm-dm
        boot
        id=$(domid)
        loads $backend xvdb
        if [ $backend = hvm-dm ]; then
            xl block-detach guest xvdb
            xl block-attach guest "format=raw,vdev=xvdd,access=rw,backendtype=phy,target=/bench/data.img"
            until_true 20 guest_run '[ -b /dev/xvdd ]' || fail "no disk of blkback"
            loads blkback xvdd
        fi
        xl destroy $id
        expect_gone $id 30
    done
    umount /bench
}

boot() {
    cat >guest.cfg <<CFG
name = "guest"
type = "pvh"
memory = 256
vcpus = 1
kernel = "/lab/in/files/vmlinuz"
ramdisk = "/lab/in/files/initrd"
cmdline = "console=hvc0 quiet"
device_model_override = "$DM"
disk = [ $(hd xvdb /bench/data.img), $(hd xvdc $LAB_WORK/program.img) ]
CFG
    : >$SERIAL
    MARK=0
    guest_boot
    guest_run 'cp /dev/xvdc /tmp/load && chmod +x /tmp/load' >/dev/null
}

# In tenths of a second, all of dom0: a backend may be a process or the kernel's.
dom0_time() { xl list 0 | awk 'NR == 2 { print int($NF * 10) }'; }

loads() {
    local op how bytes depth before answer
    for op in read write; do
        for how in "random 4096" "linear 1048576"; do
            for depth in 1 32; do
                before=$(dom0_time)
                answer=$(guest_run "/tmp/load /dev/$2 $op $how $depth ${BENCH_SECONDS:-5}" 90) || fail "$2: $op $how fails"
                note "BENCH $1 $op $how $depth $answer $(($(dom0_time) - before))"
            done
        done
    done
}
