# SPDX-License-Identifier: GPL-2.0-or-later
# needs: iso
# SeaBIOS drives the USB keyboard, by memory alone once it is set up: what is typed at ISOLINUX' prompt arrives.

scenario() {
    guest_cfg "disk = [ $(cd_rom hdc $(guest_iso)) ]" 'boot = "d"' 'usbdevice = ["keyboard", "tablet"]'
    sed -i 's/^usb = 0/usb = 1/' guest.cfg
    guest_create
    wait_for_console 'boot:'
    send_keys h shift-e l l 0 minus d spc ret
    wait_for_console 'hEll0-d' 60
    note "dm: $(dm_stats)"
}
