# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# dm_restrict: the device model of the guest is another user, in an empty root, and serves on: a disk by DMA,
# a change of CD by a descriptor handed over, keys, a save and a restore, a reboot of the guest; nothing is left.

UID_BASE=131072

scenario() {
    local loop id
    grep -q xen-qemuuser-range-base /etc/passwd ||
        echo "xen-qemuuser-range-base:x:$UID_BASE:$UID_BASE::/nonexistent:/bin/false" >>/etc/passwd
    head -c 16777216 /dev/urandom >disk.img
    head -c 1048576 /dev/urandom >one.iso
    head -c 2097152 /dev/urandom >two.iso
    # A file could not be written beyond RLIMIT_FSIZE, which libxl sets to 256 KiB.
    loop=$(losetup -f --show disk.img)
    guest_cfg "$(direct_kernel)" 'dm_restrict = 1' \
        "disk = [ 'format=raw,vdev=hda,access=rw,backendtype=qdisk,target=$loop', $(cd_rom hdc $PWD/one.iso) ]"
    guest_boot
    id=$(domid)
    is_restricted $id $(dm_pid)

    same_in_guest /dev/sr0 one.iso
    xl cd-insert guest hdc $PWD/two.iso
    until_true 30 same_in_guest /dev/sr0 two.iso || fail "two.iso does not read back right"
    note "CD changed"
    same_in_guest /dev/sda disk.img || fail "the disk does not read back right"
    guest_run 'head -c 4194304 /dev/urandom >/tmp/new && dd if=/tmp/new of=/dev/sda bs=1M seek=8 conv=fsync 2>/dev/null' 120
    [ "$(guest_run 'md5sum </tmp/new')" = "$(dd if=$loop bs=1M skip=8 count=4 iflag=direct status=none | md5sum)" ] ||
        fail "what the guest wrote is not on the disk"
    note "disk written by DMA, 8 MiB into it"
    send_keys a
    again_restricted
    guest_type "reboot -f"
    until_true 120 domain_after $id || fail "no new domain after the guest's reboot"
    record_serial
    wait_for_console GUEST-READY
    shell_ready
    is_restricted $(domid) $(dm_pid)
    id=$(domid)
    guest_type "poweroff -f"
    expect_gone $id 60
    losetup -d $loop
}

again_restricted() {
    saved_and_restored
    id=$(domid)
    is_restricted $id $(dm_pid)
    same_in_guest /dev/sr0 two.iso || fail "the CD is another after a restore"
    [ "$(guest_run 'md5sum </tmp/new')" = "$(guest_run 'dd if=/dev/sda bs=1M skip=8 count=4 2>/dev/null | md5sum' 120)" ] ||
        fail "the disk is another after a restore"
    note "saved and restored"
}

# is_restricted DOMID PID
is_restricted() {
    local user=$(awk '/^Uid:/ { print $2, $3, $4 }' /proc/$2/status) want=$((UID_BASE + $1))
    [ "$user" = "$want $want $want" ] || fail "the device model is user $user, expected $want"
    [ "$(readlink /proc/$2/root)" = /run/xen/qemu-root-$1 ] || fail "its root is $(readlink /proc/$2/root)"
    [ "$(awk '/^CapEff/ { print $2 }' /proc/$2/status)" = 0000000000000000 ] || fail "it has capabilities"
    note "user $want, root $(readlink /proc/$2/root), no capabilities"
}

same_in_guest() { [ "$(guest_run "md5sum <$1" 120)" = "$(md5sum <$2)" ]; }
