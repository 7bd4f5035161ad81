# SPDX-License-Identifier: GPL-2.0-or-later
# needs: iso
# The keyboard works at ISOLINUX' prompt: it repeats what was typed when it finds no such kernel.

scenario() {
    guest_cfg "disk = [ $(cd_rom hdc $(guest_iso)) ]" 'boot = "d"'
    guest_create
    wait_for_console 'boot:'
    send_keys h shift-e l l 0 minus d spc ret
    wait_for_console 'hEll0-d' 60
    screendump isolinux
}
