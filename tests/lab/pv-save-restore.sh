# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# As save-restore, with PV drivers, which have unplugged the emulated disk and card: these stay away.
. "$(dirname "${BASH_SOURCE[0]}")/save-restore.sh"

scenario() {
    media
    guest_cfg "$(direct_kernel "$SERIAL_ARGS guest.skip=bochs,cirrus")" "vif = [ 'mac=$MAC,model=rtl8139,bridge=xenbr0' ]" \
        "disk = [ $(hd xvda $PWD/disk.img), $(cd_rom hdc $PWD/cd.iso) ]"
    guest_boot
    net_up
    DISK=/dev/xvda
    moved_about
}

# What the guest's drivers have unplugged stays away.
further() {
    [ -z "$(tap $(domid))" ] || fail "$1: the emulated card's tap is back"
    guest_run '[ ! -e /dev/sda ]' || fail "$1: the emulated disk is back"
}
