# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# usbversion=3: Linux drives the xHCI controller with a tablet, a keyboard, a hub with a mouse behind it and disks of
# every speed; devices and a second controller come and go; then nobody does anything for a minute.
. "$(dirname "${BASH_SOURCE[0]}")/usb.sh"

scenario() {
    local super=$(disk_image super.img 16) full=$(disk_image full.img 2) high=$(disk_image high.img 16)
    guest_cfg "$(direct_kernel)" 'usbversion = 3' "device_model_args_hvm = [
        \"-device\", \"usb-tablet,bus=usb.0,port=1\", \"-device\", \"usb-kbd,bus=usb.0,port=2\",
        \"-device\", \"usb-hub,bus=usb.0,port=3\",
        \"-drive\", \"if=none,id=super,format=raw,file=$super\", \"-device\", \"usb-storage,bus=usb.0,port=4,drive=super,serial=SUPER\",
        \"-drive\", \"if=none,id=full,format=raw,file=$full\", \"-device\", \"usb-storage,bus=usb.0,port=3.5,drive=full,serial=FULL\",
        \"-drive\", \"if=none,id=high,format=raw,file=$high\" ]"
    sed -i '/^usb = 0/d' guest.cfg
    guest_boot
    for name in Tablet Keyboard; do
        has_input "QEMU QEMU USB $name" || { guest_run 'dmesg | tail -n 30' >&3; fail "no USB $name"; }
    done
    guest_run 'dmesg | grep -i -E "usb|xhci|hid" | tail -n 60' >$LAB_RESULTS/usb.log || true
    note "xhci interrupts: $(guest_run 'grep -c xhci_hcd /proc/interrupts')"
    tablet
    keyboard
    # Later than the tablet, for the last pointing device that comes gets the buttons.
    qmp device_add '{"driver":"usb-mouse","id":"m","bus":"usb.0","port":"3.2"}' >/dev/null || fail "device_add of a mouse"
    has_input 'QEMU QEMU USB Mouse' || fail "no USB mouse behind the hub"
    mouse
    find_disk SUPER
    check_disk $super 5000
    find_disk FULL
    check_disk $full 12 300
    [ $LAB_DM = qemu ] || { plug; controller $high; }
    ! guest_run 'dmesg | grep -i -E "xhci.*(error|warn|timeout|died|not respond)|usb .*(error|reset)"' >complaints ||
        { cat complaints >&3; fail "the driver complains"; }
    idle
    note "dm: $(dm_stats)"
}

plug() {
    local i
    for i in 1 2 3; do
        QMP_WAIT=1 qmp device_del '{"id":"usb.0/2"}' >/dev/null || fail "device_del"
        lost_input 'USB Keyboard' || fail "the keyboard is still there"
        QMP_WAIT=1 qmp device_add '{"driver":"usb-kbd","id":"usb.0/2","bus":"usb.0","port":"2"}' >/dev/null || fail "device_add"
        has_input 'USB Keyboard' || fail "the keyboard was not found again"
    done
    keyboard
    note "plugged in and pulled out"
}

# A second controller by hot-plug as xl usbctrl-attach does it, without SuperSpeed ports: a disk is a high-speed one.
controller() {
    QMP_WAIT=1 qmp device_add '{"driver":"nec-usb-xhci","id":"xenusb-0","p2":8,"p3":0}' >/dev/null || fail "device_add of a controller"
    QMP_WAIT=1 qmp device_add '{"driver":"usb-storage","id":"stick","bus":"xenusb-0.0","drive":"high","serial":"HIGH"}' >/dev/null || fail "device_add of a disk"
    find_disk HIGH
    check_disk $1 480
    qmp device_del '{"id":"stick"}' >/dev/null || fail "device_del"
    guest_run "for i in \$(seq 15); do [ -e /dev/$DISK ] || break; sleep 1; done; [ ! -e /dev/$DISK ]" 60 || fail "the disk is still there"
    qmp device_del '{"id":"xenusb-0"}' >/dev/null || fail "device_del of the controller"
    until_true 30 controller_gone || fail "the guest did not let go of the controller"
}

controller_gone() { ! qmp query-pci | grep -q xenusb-0; }
