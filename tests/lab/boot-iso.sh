# SPDX-License-Identifier: GPL-2.0-or-later
# needs: iso
# An unmodified Linux boots from a CD: SeaBIOS, ISOLINUX, kernel, userspace on a graphical console, and back to nothing.

scenario() {
    local iso=$(guest_iso) id
    guest_cfg "disk = [ $(cd_rom hdc $iso) ]" 'boot = "d"'
    guest_boot
    id=$(domid)
    note "$(guest_run 'uname -sr') after $SECONDS s; dm: $(dm_stats)"
    screendump screen
    [ $(dump_size screen) = 720x400 ] && fail "the screen is still in text mode"
    note "screen: $(dump_size screen)"
    local sum=$(guest_run 'mount -t iso9660 -o ro /dev/sr0 /mnt && cat /mnt/vmlinuz /mnt/initrd | md5sum' 180)
    [ "${sum%% *}" = "$(cat /lab/in/files/guest.md5)" ] || fail "files on the CD read back as $sum"
    note "CD: 12 MB read back right"
    guest_type "poweroff -f"
    expect_gone $id 60
}
