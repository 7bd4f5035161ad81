# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Linux drives the UHCI controller, the tablet, and the keyboard behind the hub: positions, clicks and keys arrive as
# they were sent. Then nobody does anything for a minute, and the device model's wakeups are counted.
. "$(dirname "${BASH_SOURCE[0]}")/usb.sh"

scenario() {
    guest_cfg "$(direct_kernel)" 'usbdevice = ["tablet", "keyboard"]'
    sed -i 's/^usb = 0/usb = 1/' guest.cfg
    guest_boot
    for name in Tablet Keyboard; do
        has_input "QEMU QEMU USB $name" || { guest_run 'dmesg | tail -n 30' >&3; fail "no USB $name"; }
    done
    guest_run 'dmesg | grep -i -E "usb|hid" | tail -n 25' >usb.log || true
    cp usb.log $LAB_RESULTS/
    note "$(grep -c . usb.log) lines on USB; $(guest_run 'grep -h Name /proc/bus/input/devices | grep -c USB') input devices"
    tablet
    keyboard
    idle
    replug
    note "dm: $(dm_stats)"
}

# A tablet more, by the monitor, is found and lost again.
replug() {
    [ $LAB_DM = qemu ] && return
    QMP_WAIT=1 qmp device_add '{"driver":"usb-mouse","id":"xenusb-1-9","bus":"usb-bus.0"}' >/dev/null || fail "device_add"
    guest_run 'for i in 1 2 3 4 5 6 7 8 9; do grep -q "USB Mouse" /proc/bus/input/devices && break; sleep 1; done; grep "USB Mouse" /proc/bus/input/devices' 60 || fail "the new mouse was not found"
    qmp device_del '{"id":"xenusb-1-9"}' >/dev/null || fail "device_del"
    guest_run 'for i in 1 2 3 4 5 6 7 8 9; do grep -q "USB Mouse" /proc/bus/input/devices || break; sleep 1; done; ! grep "USB Mouse" /proc/bus/input/devices' 60 || fail "the mouse is still there"
}
