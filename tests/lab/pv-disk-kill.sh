# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel diskcheck.c
# The device model is killed while a guest writes to its PV disk: the image opens clean, and has all that was flushed.

scenario() {
    GUEST_TTY=console/tty
    cp /lab/in/files/diskcheck.img tools.img
    qemu-img create -q -f qcow2 disk.qcow2 48M || fail "qemu-img create"
    qemu-img create -q -f vpc -o force_size=on disk.vpc 48M || fail "qemu-img create"
    dd if=/dev/zero of=disk.raw bs=1M count=0 seek=48 status=none
    killed_and_opened qcow2 disk.qcow2 1
    killed_and_opened vhd disk.vpc 2
    killed_and_opened raw disk.raw 3
}

boot_with() {
    pv_cfg pvh "$(disk_of $1 xvda $PWD/$2)" "$(disk_of raw xvdd $PWD/tools.img ro)"
    : >$SERIAL
    MARK=0
    guest_boot
    guest_run 'cat /dev/xvdd >/tmp/diskcheck && chmod +x /tmp/diskcheck' || fail "the program does not come over"
}

# killed_and_opened FORMAT FILE SEED: the first half is written and flushed, the second half just being written.
killed_and_opened() {
    local id status=0
    boot_with $1 $2
    id=$(domid)
    guest_run "/tmp/diskcheck load /dev/xvda 0 24 $3 400 16" 300 >/dev/null || fail "$1: load"
    guest_run "(/tmp/diskcheck load /dev/xvda 24 24 7 0 16) >/dev/null 2>&1 & sleep 0.$3" || fail "$1: load"
    kill -9 $(dm_pid)
    xl destroy $id 2>/dev/null || true
    expect_gone $id 60
    case $1 in
    qcow2)  # 3: clusters that nobody uses
        qemu-img check -f qcow2 $2 >$LAB_RESULTS/check-$3.txt 2>&1 || status=$?
        [ $status = 0 ] || [ $status = 3 ] || fail "qemu-img check: $(cat $LAB_RESULTS/check-$3.txt)" ;;
    vhd)
        qemu-img info -f vpc $2 >/dev/null || fail "qemu-img can't open the VHD" ;;
    esac
    boot_with $1 $2
    id=$(domid)
    guest_run "/tmp/diskcheck check /dev/xvda 0 24 $3 400" 300 >/dev/null || fail "$1: what was flushed is not there"
    guest_run "/tmp/diskcheck load /dev/xvda 24 24 8 100 16" 300 >/dev/null || fail "$1: it can't be written any more"
    guest_type "poweroff -f"
    expect_gone $id 60
    note "$1: killed and opened again"
}
