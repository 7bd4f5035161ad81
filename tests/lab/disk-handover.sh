# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel diskcheck.c
# A guest that sees its disk both ways: it writes to the emulated one, unplugs it while it runs, finds everything in the
# PV one and writes on; after a reboot the emulated disk has that.

scenario() {
    local id
    cp /lab/in/files/diskcheck.img tools.img
    dd if=/dev/urandom of=data.img bs=1M count=48 status=none
    guest_cfg "$(direct_kernel "$SERIAL_ARGS xen_emul_unplug=unnecessary guest.skip=bochs,cirrus")" \
        "disk = [ $(hd xvda $PWD/data.img), $(disk_of raw xvde $PWD/tools.img) ]"
    guest_boot
    id=$(domid)
    both
    guest_run 'modprobe ext4; mke2fs /dev/sda 24576 >/dev/null 2>&1 && mount -t ext4 /dev/sda /mnt && tar cf /mnt/one /lib /etc 2>/dev/null && md5sum </mnt/one >/tmp/one && umount /mnt' 300 || fail "a file system on the emulated disk"
    guest_run '/tmp/diskcheck load /dev/sda 24 24 3 300 8' 300 || fail "load on the emulated disk"
    guest_run 'echo 1 >/sys/block/sda/device/delete; /tmp/diskcheck unplug' || fail "unplug"
    guest_run '/tmp/diskcheck check /dev/xvda 24 24 3 300' 300 || fail "the PV disk has not what the emulated one was given"
    guest_run 'mount -t ext4 /dev/xvda /mnt && [ "$(md5sum </mnt/one)" = "$(cat /tmp/one)" ]' 120 || fail "the PV disk has not the file"
    guest_run 'head -c 3000000 /mnt/one >/mnt/two; md5sum </mnt/one >/mnt/sums; md5sum </mnt/two >>/mnt/sums; umount /mnt' 120 || fail "writing by PV"
    guest_run '/tmp/diskcheck load /dev/xvda 24 24 4 300 16' 300 || fail "load on the PV disk"
    note "unplugged while it ran: good; dm: $(dm_stats)"
    mark
    guest_type "reboot -f"
    until_true 60 domain_after $id || fail "no reboot"
    record_serial
    wait_for_console GUEST-READY
    shell_ready
    both
    guest_run '/tmp/diskcheck check /dev/sda 24 24 4 300' 300 || fail "the emulated disk has not what the PV disk was given"
    guest_run 'modprobe ext4; mount -t ext4 -o ro /dev/sda /mnt && (md5sum </mnt/one; md5sum </mnt/two) >/tmp/sums && cmp /tmp/sums /mnt/sums' 120 ||
        fail "the emulated disk has not the files"
    note "and back after a reboot: good"
}

both() {
    until_true 20 guest_run '[ -b /dev/sda ] && [ -b /dev/xvda ] && [ -b /dev/xvde ]' || fail "the disk is not there twice: $(guest_run 'ls /dev/sd* /dev/xvd*')"
    guest_run 'cat /dev/xvde >/tmp/diskcheck && chmod +x /tmp/diskcheck' || fail "the program does not come over"
}
