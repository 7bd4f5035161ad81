# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# PV and PVH guests, whose device model is only a server of PV devices: a disk of two queues that is partly a file
# system, taken away and given back while it works, and a PV guest's CD-ROM whose medium changes.

scenario() {
    GUEST_TTY=console/tty
    dd if=/dev/urandom of=$LAB_WORK/data.img bs=1M count=32 status=none
    dd if=/dev/urandom of=$LAB_WORK/one.iso bs=1M count=1 status=none
    dd if=/dev/urandom of=$LAB_WORK/two.iso bs=1M count=2 status=none
    a_pvh_guest
    a_pv_guest
}

# pv_cfg TYPE DISK...
pv_cfg() {
    local type=$1 disks; shift
    disks=$(printf '%s, ' "$@")
    cat >guest.cfg <<CFG
name = "guest"
type = "$type"
memory = 256
vcpus = 2
kernel = "/lab/in/files/vmlinuz"
ramdisk = "/lab/in/files/initrd"
cmdline = "console=hvc0 quiet"
device_model_override = "$DM"
disk = [ ${disks%, } ]
CFG
}

a_pvh_guest() {
    local image=$LAB_WORK/data.img sum id
    sum=$(md5sum <$image)
    pv_cfg pvh "$(hd xvda $image)"
    guest_boot
    id=$(domid)
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
    file_system
    note "pvh: two queues, a file system: good; dm: $(dm_stats)"
    under_load
    guest_type "poweroff -f"
    expect_gone $id 60
    note "pvh: gone"
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

# A disk that is being read and written goes away under its users, and comes back as good as ever.
under_load() {
    guest_run '(while dd if=/dev/xvda of=/dev/null bs=64k count=300; do :; done) >/dev/null 2>&1 &
        echo $! >/tmp/load; (while dd if=/dev/zero of=/dev/xvda bs=4k count=500; do :; done) >/dev/null 2>&1 &
        echo $! >>/tmp/load' >/dev/null
    sleep 2
    xl block-detach guest xvda || note "the guest keeps a disk in use: detached by force"
    xl block-detach --force guest xvda 2>/dev/null || true
    [ -d /proc/$(dm_pid) ] || fail "the device model is gone"
    guest_run 'kill $(cat /tmp/load) 2>/dev/null; killall dd 2>/dev/null; wait; true' >/dev/null
    until_true 30 guest_run '[ ! -e /dev/xvda ]' || fail "the disk is still there after block-detach under load"
    xl block-attach guest "format=raw,vdev=xvdb,access=rw,backendtype=qdisk,target=$LAB_WORK/data.img" || fail "block-attach"
    until_true 20 guest_run '[ -b /dev/xvdb ]' || fail "block-attach: the guest has no xvdb"
    shell_ready     # it may be a new one, that echoes
    [ "$(guest_run 'md5sum </dev/xvdb' 120)" = "$(md5sum <$LAB_WORK/data.img)" ] ||
        fail "xvdb is not the image: $(guest_run 'md5sum </dev/xvdb' 120)"
    note "pvh: detached under load and attached again"
}

a_pv_guest() {
    local id
    pv_cfg pv "$(hd xvda $LAB_WORK/data.img)" \
        "'format=raw,vdev=xvdc,access=ro,devtype=cdrom,backendtype=qdisk,target=$LAB_WORK/one.iso'"
    guest_boot
    id=$(domid)
    [ "$(guest_run 'md5sum </dev/xvda' 120)" = "$(md5sum <$LAB_WORK/data.img)" ] || fail "the PV guest's disk is not the image"
    [ "$(guest_run 'md5sum </dev/xvdc' 60)" = "$(md5sum <$LAB_WORK/one.iso)" ] || fail "the PV guest's CD-ROM is not the image"
    if [ $LAB_DM = hvm-dm ]; then
        new_medium ''
        new_medium aio:$LAB_WORK/two.iso
        until_true 30 holds_two || fail "the guest does not see the new medium"
        note "pv: the CD-ROM's medium changed"
    fi
    xl reboot guest
    until_true 60 domain_after $id || fail "no reboot"
    note "pv: rebooted"
    xl destroy $(domid)
    expect_gone $id 60
}

# As libxl does it for drives that have no emulated twin (it refuses to, for a PV guest).
new_medium() { xenstore-write /local/domain/0/backend/qdisk/$(domid)/51744/params "$1"; }

holds_two() { [ "$(guest_run 'md5sum </dev/xvdc 2>/dev/null' 60)" = "$(md5sum <$LAB_WORK/two.iso)" ]; }
