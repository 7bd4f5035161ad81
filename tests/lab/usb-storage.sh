# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# UHCI: Linux drives a disk on the root hub and one behind a hub, and one that comes and goes.
. "$(dirname "${BASH_SOURCE[0]}")/usb.sh"

scenario() {
    local first=$(disk_image first.img 3) second=$(disk_image second.img 2)
    guest_cfg "$(direct_kernel)" 'usbversion = 1' "device_model_args_hvm = [
        \"-drive\", \"if=none,id=first,format=raw,file=$first\", \"-device\", \"usb-storage,bus=usb.0,port=1,drive=first,serial=FIRST\",
        \"-device\", \"usb-hub,bus=usb.0,port=2\",
        \"-drive\", \"if=none,id=second,format=raw,file=$second\", \"-device\", \"usb-storage,id=s,bus=usb.0,port=2.3,drive=second,serial=SECOND\" ]"
    sed -i '/^usb = 0/d' guest.cfg
    guest_boot
    find_disk FIRST
    check_disk $first 12 600
    find_disk SECOND
    check_disk $second 12 300
    guest_run 'dmesg | grep -i -E "usb|scsi|sd " | tail -n 60' >$LAB_RESULTS/usb.log || true
    ! guest_run 'dmesg | grep -i -E "usb .*(error|reset)|I/O error"' >complaints || { cat complaints >&3; fail "the driver complains"; }
    [ $LAB_DM = qemu ] && return
    qmp device_del '{"id":"s"}' >/dev/null || fail "device_del"
    guest_run "for i in \$(seq 15); do [ -e /dev/$DISK ] || break; sleep 1; done; [ ! -e /dev/$DISK ]" 60 || fail "the disk is still there"
    qmp device_add '{"driver":"usb-storage","id":"s","bus":"usb.0","port":"2.4","drive":"second","serial":"AGAIN"}' >/dev/null || fail "device_add"
    find_disk AGAIN
    check_disk $second 12 100
    note "dm: $(dm_stats)"
}
