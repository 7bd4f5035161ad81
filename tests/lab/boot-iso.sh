# SPDX-License-Identifier: GPL-2.0-or-later
# needs: iso
# An unmodified Linux boots from a CD: SeaBIOS, ISOLINUX, kernel, userspace, and back to nothing.

scenario() {
    guest_cfg "disk = [ 'format=raw,vdev=hdc,access=ro,devtype=cdrom,target=$(guest_iso)' ]" 'boot = "d"'
    guest_boot
    local id=$(domid)
    note "$(guest_run 'uname -sr')"
    note "$(dm_stats)"
    screendump screen
    guest_type "poweroff -f"
    expect_gone $id 60
}
