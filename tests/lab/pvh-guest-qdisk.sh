# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# A PVH guest, whose device model is only a server of PV devices: a disk of two queues, with a file system, taken away
# and given back, also while it works.

scenario() {
    local image=$LAB_WORK/data.img sum id
    GUEST_TTY=console/tty
    dd if=/dev/urandom of=$image bs=1M count=32 status=none
    sum=$(md5sum <$image)
    pv_cfg pvh "$(hd xvda $image)"
    # One CPU at first: the two of the guest share one, and a kernel that boots on two has them wait for each other.
    # The driver has as many queues as there are CPUs when it is loaded.
    sed -i 's/^vcpus = 1/vcpus = 2/; s/console=hvc0/console=hvc0 maxcpus=1 guest.skip=xen_blkfront/' guest.cfg
    guest_boot
    id=$(domid)
    guest_run 'echo 1 >/sys/devices/system/cpu/cpu1/online && modprobe xen-blkfront' || fail "no second CPU"
    until_true 20 guest_run '[ -b /dev/xvda ]' || fail "the guest has no xvda"
    [ "$(xenstore-read /local/domain/0/device-model/$id/state)" = running ] || fail "no device model is running"
    xl dmesg -c >/dev/null
    grep -q xenpv /proc/$(dm_pid)/cmdline || fail "the device model is no xenpv one: $(tr '\0' ' ' </proc/$(dm_pid)/cmdline)"
    [ "$(xenstore-read /local/domain/0/backend/qdisk/$id/51712/state)" = 4 ] || fail "the disk is not connected"
    [ "$(guest_run 'md5sum </dev/xvda' 120)" = "$sum" ] || fail "the guest reads something else than the image holds"
    if [ $LAB_DM = hvm-dm ]; then
        [ "$(xenstore-read /local/domain/$id/device/vbd/51712/multi-queue-num-queues)" = 2 ] || fail "not two queues"
        [ "$(guest_run 'ls /sys/block/xvda/mq | wc -l')" = 2 ] || fail "the guest has not two queues"
    fi
    guest_run 'for c in 0 1; do taskset $((c + 1)) dd if=/dev/xvda of=/dev/xvda bs=64k count=64 skip=$((c * 64)) \
        seek=$((256 + c * 64)) conv=fsync 2>/dev/null & done; wait' 120 >/dev/null || fail "writing on both CPUs"
    [ "$(dd if=$image bs=1M count=8 status=none | md5sum)" = "$(dd if=$image bs=1M skip=16 count=8 status=none | md5sum)" ] ||
        fail "what the guest wrote and synced is not in the image"
    note "two queues: good"
    guest_run 'echo 0 >/sys/devices/system/cpu/cpu1/online' || fail "the second CPU does not go"
    file_system
    note "a file system: good; dm: $(dm_stats)"
    under_load
    guest_type "poweroff -f"
    expect_gone $id 60
    note "gone"
}

# On the disk of the guest, and after it has been taken away and given back.
file_system() {
    guest_run 'mke2fs -q /dev/xvda 2>/dev/null || mke2fs /dev/xvda >/dev/null; modprobe ext4; mount -t ext4 /dev/xvda /mnt &&
        tar cf /mnt/files.tar /bin /lib/modules 2>/dev/null; sync; md5sum </mnt/files.tar >/tmp/sum && umount /mnt' 180 >/dev/null ||
        fail "a file system on the disk"
    detach_attach
    guest_run 'mount -t ext4 /dev/xvda /mnt && [ "$(md5sum </mnt/files.tar)" = "$(cat /tmp/sum)" ] && umount /mnt' 120 >/dev/null ||
        fail "the file system does not read back right"
}

detach_attach() {
    xl block-detach guest xvda || fail "block-detach"
    until_true 20 guest_run '[ ! -e /dev/xvda ]' || fail "the disk is still in the guest after block-detach"
    xl block-attach guest "format=raw,vdev=xvda,access=rw,backendtype=qdisk,target=$LAB_WORK/data.img" || fail "block-attach"
    until_true 20 guest_run '[ -b /dev/xvda ]' || fail "block-attach: the guest has no xvda"
}

# A disk that is being read and written goes away under its users, and comes back as good as ever. A dd that begins
# just then makes a plain file of that name.
under_load() {
    guest_run '(while dd if=/dev/xvda of=/dev/null bs=64k count=300; do :; done) >/dev/null 2>&1 &
        echo $! >/tmp/load; (while [ -b /dev/xvda ] && dd if=/dev/zero of=/dev/xvda bs=4k count=500; do :; done) >/dev/null 2>&1 &
        echo $! >>/tmp/load' >/dev/null
    sleep 2
    xl block-detach guest xvda || note "the guest keeps a disk in use: detached by force"
    xl block-detach --force guest xvda 2>/dev/null || true
    [ -d /proc/$(dm_pid) ] || fail "the device model is gone"
    guest_run 'kill $(cat /tmp/load) 2>/dev/null; killall dd 2>/dev/null; wait; true' >/dev/null
    until_true 30 guest_run '[ ! -b /dev/xvda ]' || fail "the disk is still there after block-detach under load"
    xl block-attach guest "format=raw,vdev=xvdb,access=rw,backendtype=qdisk,target=$LAB_WORK/data.img" || fail "block-attach"
    until_true 20 guest_run '[ -b /dev/xvdb ]' || fail "block-attach: the guest has no xvdb"
    shell_ready     # it may be a new one, that echoes
    [ "$(guest_run 'md5sum </dev/xvdb' 120)" = "$(md5sum <$LAB_WORK/data.img)" ] ||
        fail "xvdb is not the image: $(guest_run 'md5sum </dev/xvdb' 120)"
    note "detached under load and attached again"
}
