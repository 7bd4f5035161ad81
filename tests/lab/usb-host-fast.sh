# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel disk
# outer: -device usb-ehci,id=e
# outer: -drive if=none,id=fast,format=raw,snapshot=on,file=$FILES/guest.img
# outer: -device usb-storage,id=faststick,bus=e.0,port=1,drive=fast
# A high-speed disk of dom0 on the guest's xHCI controller: there from the start by usbdev=, detached and attached
# while the guest runs, and pulled out of the host in the middle of a transfer.
. "$(dirname "${BASH_SOURCE[0]}")/usb.sh"

scenario() {
    local found id sum written
    dom0_has 46f4 usb-storage 480 || fail "dom0 has no fast USB disk"
    sum=$(dom0_read 0 4096 480)
    found=($(host_device 46f4 480))
    guest_cfg "$(direct_kernel)" "usbctrl = ['type=devicemodel,version=3,ports=4']" \
        "usbdev = ['type=hostdev,hostbus=${found[0]},hostaddr=${found[1]}']"
    guest_boot
    id=$(domid)
    dom0_has 46f4 usbfs 480 || fail "dom0's drivers have not let go of the disk"
    guest_run 'modprobe -a usb-storage sd_mod' || fail "no modules"
    wait_for_disk
    reads_as "$sum" 0
    written=$(guest_run "dd if=/dev/urandom of=/tmp/data bs=1k count=2048 2>/dev/null; dd if=/tmp/data of=/dev/$DISK bs=64k seek=64 conv=fsync 2>/dev/null; md5sum </tmp/data" 300 | cut -d ' ' -f 1)
    guest_run 'echo 3 >/proc/sys/vm/drop_caches' >/dev/null
    [ "$(guest_run "dd if=/dev/$DISK bs=1k skip=4096 count=2048 2>/dev/null | md5sum" 300 | cut -d ' ' -f 1)" = "$written" ] || fail "the guest reads otherwise than it wrote"

    xl usb-list guest >$LAB_RESULTS/usb-list
    xl usbdev-detach guest 0 1 || fail "usbdev-detach"
    lost_disk
    [ "$(dom0_read 4096 2048 480)" = "$written" ] || fail "dom0 does not find what the guest wrote"

    attach 46f4 480
    wait_for_disk
    reads_as "$sum" 0

    guest_run "(dd if=/dev/$DISK of=/dev/null bs=4k >/tmp/dd 2>&1; echo ended \$? >>/tmp/dd) >/dev/null 2>&1 &" >/dev/null
    sleep 2
    guest_run '! grep ended /tmp/dd' >/dev/null || fail "the transfer was over at once"
    outer device_del faststick
    lost_disk
    guest_run 'for i in $(seq 30); do grep -q ended /tmp/dd && break; sleep 1; done; cat /tmp/dd' 60 >dd.txt || true
    note "dd: $(tr '\n' ' ' <dd.txt)"
    grep -q ended dd.txt || fail "a transfer to a disk that is gone does not end"
    # Linux takes the disk's size away with it, so that the reader sees either an error or the end.
    [ "$(sed -n 's/+.* records in.*//p' dd.txt)" -lt $((SIZE / 4096)) ] || fail "all of the disk was read: $(cat dd.txt)"
    grep -q 'USB device .* is gone' /var/log/xen/qemu-dm-guest.log || [ $LAB_DM = qemu ] || fail "no word of it"
    ! guest_run 'dmesg | grep -i -E "xhci.*(error|warn|timeout|died|not respond)"' >complaints || { cat complaints >&3; fail "the driver complains"; }
    note "dm: $(dm_stats)"
    xl destroy guest
    expect_gone $id
}

wait_for_disk() {
    guest_run 'for i in $(seq 60); do d=$(ls /sys/bus/usb/devices/*/*/host*/target*/*/block 2>/dev/null); [ -n "$d" ] && [ $(blockdev --getsize64 /dev/$d) -gt 0 ] && break; sleep 1; done; echo "$d"; cat /sys/bus/usb/devices/*/*/host*/../../speed' 120 >found ||
        { guest_run 'dmesg | tail -n 20' >&3; fail "the guest has no USB disk"; }
    DISK=$(head -n 1 found)
    SIZE=$(guest_run "blockdev --getsize64 /dev/$DISK")
    [[ $DISK = sd* ]] || { guest_run 'dmesg | tail -n 20' >&3; fail "the guest has no USB disk"; }
    [ "$(tail -n 1 found)" = 480 ] || fail "the disk is at $(tail -n 1 found) Mbit/s"
}

lost_disk() {
    guest_run "for i in \$(seq 30); do [ -e /dev/$DISK ] || break; sleep 1; done; ! [ -e /dev/$DISK ]" 60 || fail "the guest still has the disk"
}

# reads_as SUM KIB: the guest's 4 MiB from there on.
reads_as() {
    local before=$SECONDS got
    got=$(guest_run "dd if=/dev/$DISK bs=1k skip=$2 count=4096 2>/dev/null | md5sum" 300 | cut -d ' ' -f 1)
    [ "$got" = "$1" ] || fail "the guest reads $got, dom0 $1"
    note "4 MiB read in $((SECONDS - before)) s"
}
