# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# The xHCI driver lets go of its controller and takes it again; a keyboard sleeps and wakes the guest by a key.
. "$(dirname "${BASH_SOURCE[0]}")/usb.sh"

scenario() {
    guest_cfg "$(direct_kernel)" 'usbversion = 3' "device_model_args_hvm = [
        \"-device\", \"usb-tablet,bus=usb.0,port=1\", \"-device\", \"usb-kbd,bus=usb.0,port=2\" ]"
    sed -i '/^usb = 0/d' guest.cfg
    guest_boot
    has_input 'USB Keyboard' || fail "no USB keyboard"
    rebind
    sleeping_key
    note "dm: $(dm_stats)"
}

rebind() {
    local i
    for i in 1 2; do
        guest_run 'basename $(ls -d /sys/bus/pci/drivers/xhci_hcd/0000:* | head -n 1) >/tmp/pci; cat /tmp/pci >/sys/bus/pci/drivers/xhci_hcd/unbind' 60 || fail "unbind"
        lost_input 'USB Tablet' || fail "the tablet is still there"
        guest_run 'cat /tmp/pci >/sys/bus/pci/drivers/xhci_hcd/bind' 60 || fail "bind"
        has_input 'USB Tablet' || fail "the tablet was not found again"
        has_input 'USB Keyboard' || fail "the keyboard was not found again"
    done
    tablet
    note "the driver has let go and come back"
}

sleeping_key() {
    guest_run 'for d in /sys/bus/usb/devices/*; do grep -q "USB Keyboard" $d/product 2>/dev/null && echo $d; done >/tmp/kbd; d=$(cat /tmp/kbd)/power; echo 500 >$d/autosuspend_delay_ms; echo enabled >$d/wakeup; echo auto >$d/control' 60 || fail "no power control"
    record 'USB Keyboard'
    sleep 2
    guest_run 'cat $(cat /tmp/kbd)/power/runtime_status' 60 >asleep || true
    note "the keyboard is $(cat asleep)"
    grep -q suspended asleep || fail "the keyboard does not sleep"
    send_keys shift-a f5
    events keyboard
    expect_events '1 42 1' '1 30 1' '1 30 0' '1 42 0' '1 63 1' '1 63 0'
}
