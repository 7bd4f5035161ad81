# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# An HVM guest whose root file system is the PV disk that took the emulated one's place: qcow2 over a raw one, VHD, raw.
# Each boot finds what was put there, and what it writes is there afterwards.

ARGS="$SERIAL_ARGS guest.skip=bochs,cirrus"
ROOT="mount -t proc p /proc; modprobe xen-blkfront; mount -t devtmpfs d /dev; while ! [ -b /dev/xvda ]; do sleep 0.1; done; \
modprobe ext4; mount -t ext4 /dev/xvda /mnt; umount /dev; exec switch_root /mnt /init"

scenario() {
    dd if=/dev/zero of=root.img bs=1M count=0 seek=48 status=none
    guest_cfg "$(direct_kernel "$ARGS")" "disk = [ $(hd hda $PWD/root.img) ]"
    guest_boot
    guest_run 'modprobe ext4; mke2fs /dev/xvda >/dev/null 2>&1 && mount -t ext4 /dev/xvda /mnt' 120 || fail "mke2fs"
    guest_run 'cp -a /bin /sbin /usr /lib /etc /init /mnt/; mkdir -p /mnt/proc /mnt/sys /mnt/dev /mnt/tmp /mnt/root /mnt/mnt
        md5sum /init /etc/* /usr/bin/busybox >/mnt/root/sums 2>/dev/null; [ -x /mnt/init ] && umount /mnt' 300 || fail "making the root file system"
    power_off
    qemu-img create -q -f qcow2 -F raw -b $PWD/root.img root.qcow2 || fail "qemu-img create"
    qemu-img convert -f raw -O vpc -o force_size=on root.img root.vhd || fail "qemu-img convert"
    from qcow2 root.qcow2 qcow2
    qemu-img check -f qcow2 root.qcow2 >$LAB_RESULTS/check.txt 2>&1 || fail "qemu-img check: $(cat $LAB_RESULTS/check.txt)"
    from vhd root.vhd vpc
    from raw root.img raw       # last: it is below the first
}

power_off() {
    local id=$(domid)
    guest_type "sync; mount -o remount,ro / 2>/dev/null; poweroff -f"
    expect_gone $id 60
}

# from FORMAT FILE QEMU'S-NAME-OF-IT
from() {
    guest_cfg "$(direct_kernel)" "disk = [ $(disk_of $1 hda $PWD/$2) ]"
    sed -i "s|^cmdline = .*|cmdline = '$ARGS rdinit=/bin/sh -- -c \"$ROOT\"'|" guest.cfg
    : >$SERIAL
    MARK=0
    guest_boot
    guest_run 'grep -q "^/dev/xvda / ext4 rw" /proc/mounts && [ ! -e /dev/sda ]' ||
        fail "$1: the root file system is another: $(guest_run 'cat /proc/mounts')"
    guest_run 'md5sum -c /root/sums >/dev/null' 120 || fail "$1: the files are not as they were"
    guest_run "echo $1-was-here >/root/$1 && sync" || fail "$1: writing"
    power_off
    qemu-img convert -f $3 -O raw $2 after.raw || fail "$1: qemu-img can't read the image"
    grep -a -q $1-was-here after.raw || fail "$1: what the guest wrote is not in the image"
    note "$1: booted"
}
