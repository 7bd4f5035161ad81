# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel disk
# outer: -device piix3-usb-uhci,id=u
# outer: -drive if=none,id=medium,format=raw,snapshot=on,file=$FILES/guest.img
# outer: -device usb-storage,id=stick,bus=u.0,port=1,drive=medium -device usb-kbd,id=kbd,bus=u.0,port=2
# USB devices of dom0 in the guest's hands: a disk is read and written, a keyboard typed on; they go back to dom0's
# drivers by usbdev-detach and when the guest is destroyed in the middle of a transfer; one is pulled out.
. "$(dirname "${BASH_SOURCE[0]}")/usb.sh"

scenario() {
    dom0_has 46f4 usb-storage || fail "dom0 has no USB disk"
    head_sum=$(dom0_read 0 1024)
    first_sum=$(dom0_read 0 512)
    guest_cfg "$(direct_kernel)" "usbctrl = ['type=devicemodel,version=1,ports=2']"
    guest_boot
    # our init loads modules once
    guest_run 'modprobe -a usb-storage sd_mod usbhid hid-generic evdev' || fail "no modules"
    attach 46f4
    disk
    keyboard
    detach
    guest_keeps_file=$(dom0_read 600 256)
    [ "$guest_keeps_file" = "$written" ] || fail "dom0 does not find what the guest wrote"
    pulled_out
    destroyed
}

wait_for_disk() {
    guest_run 'for i in $(seq 60); do [ -b /dev/sda ] && [ $(blockdev --getsize64 /dev/sda) -gt 0 ] && break; sleep 1; done; blockdev --getsize64 /dev/sda' 120 >size ||
        { guest_run 'dmesg | tail -n 20' >&3; fail "the guest has no USB disk"; }
    note "the guest's disk has $(cat size) bytes"
}

disk() {
    local sum before=$SECONDS
    wait_for_disk
    sum=$(guest_run 'dd if=/dev/sda bs=1k count=1024 2>/dev/null | md5sum' 120 | cut -d ' ' -f 1)
    [ "$sum" = "$head_sum" ] || fail "the guest reads $sum, dom0 $head_sum"
    note "1 MiB read in $((SECONDS - before)) s"
    before=$SECONDS
    written=$(guest_run 'dd if=/dev/urandom of=/tmp/data bs=1k count=256 2>/dev/null; dd if=/tmp/data of=/dev/sda bs=1k seek=600 2>/dev/null; sync; md5sum </tmp/data' 120 | cut -d ' ' -f 1)
    guest_run 'echo 3 >/proc/sys/vm/drop_caches' >/dev/null
    sum=$(guest_run 'dd if=/dev/sda bs=1k skip=600 count=256 2>/dev/null | md5sum' 120 | cut -d ' ' -f 1)
    [ "$sum" = "$written" ] || fail "the guest reads $sum, but wrote $written"
    note "256 KiB written and read in $((SECONDS - before)) s"
}

keyboard() {
    dom0_has 0627 usbhid || fail "dom0 has no keyboard"
    attach 0627
    guest_run 'for i in $(seq 30); do grep -q "QEMU USB Keyboard" /proc/bus/input/devices && break; sleep 1; done; grep -c "QEMU USB Keyboard" /proc/bus/input/devices' 60 >/dev/null ||
        fail "the guest has no USB keyboard"
    guest_run "(cat \$(grep -l 'USB Keyboard' /sys/class/input/event*/device/name | head -n 1 | sed 's,/sys/class,/dev,; s,/device.*,,') >/tmp/ev &)" >/dev/null
    sleep 2
    outer sendkey f5
    sleep 4
    guest_run 'killall cat; hexdump -v -e "12/2 \"%d \" \"\n\"" /tmp/ev | cut -d " " -f 9-11 | tr "\n" ";"' >events || true
    note "keyboard: $(cat events)"
    grep -q "1 63 1;" events && grep -q "1 63 0;" events || fail "the key did not arrive"
}

detach() {
    xl usb-list guest >usb-list; cp usb-list $LAB_RESULTS/
    xl usbdev-detach guest 0 2 || fail "usbdev-detach of the keyboard"
    xl usbdev-detach guest 0 1 || fail "usbdev-detach of the disk"
    dom0_has 0627 usbhid || fail "dom0's driver has not got the keyboard back"
    dom0_has 46f4 usb-storage || fail "dom0's driver has not got the disk back"
    guest_run 'for i in $(seq 30); do [ -b /dev/sda ] || break; sleep 1; done; ! [ -b /dev/sda ]' 60 || fail "the guest still has the disk"
}

# With an interrupt transfer in flight, as a keyboard always has.
pulled_out() {
    attach 46f4
    attach 0627
    wait_for_disk
    guest_run 'for i in $(seq 30); do grep -q "QEMU USB Keyboard" /proc/bus/input/devices && break; sleep 1; done; grep -c "QEMU USB Keyboard" /proc/bus/input/devices' 60 >/dev/null ||
        fail "the guest has no USB keyboard again"
    outer device_del kbd
    guest_run 'for i in $(seq 30); do grep -q "QEMU USB Keyboard" /proc/bus/input/devices || break; sleep 1; done; ! grep -q "QEMU USB Keyboard" /proc/bus/input/devices' 60 ||
        fail "the guest has not noticed that the keyboard is gone"
    grep -q 'USB device .* is gone' /var/log/xen/qemu-dm-guest.log || [ $LAB_DM = qemu ] || fail "no word of it"
}

# While the disk is read.
destroyed() {
    local id=$(domid)
    guest_run '(dd if=/dev/sda of=/dev/null bs=4k >/tmp/dd 2>&1 &); sleep 2' >/dev/null
    note "dm: $(dm_stats)"
    xl destroy guest
    expect_gone $id
    dom0_has 46f4 usb-storage || fail "dom0's driver has not got the disk back"
    [ "$(dom0_read 0 512)" = "$first_sum" ] || fail "the disk is not what it was"
}
