# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# As save-restore, with PV drivers, which have unplugged the emulated disk and card: these stay away.
. "$(dirname "${BASH_SOURCE[0]}")/save-restore.sh"

scenario() {
    media
    guest_cfg "$(direct_kernel "$SERIAL_ARGS guest.skip=bochs,cirrus")" "vif = [ 'mac=$MAC,model=rtl8139,bridge=xenbr0' ]" \
        "disk = [ $(hd xvda $PWD/disk.img), $(cd_rom hdc $PWD/cd.iso) ]"
    guest_boot
    unplugged
    net_up
    DISK=/dev/xvda
    guest_run 'head -c 8388608 /dev/urandom >/tmp/data && dd if=/tmp/data of=/dev/xvda bs=64k conv=notrunc,fsync' 60 >/dev/null ||
        fail "the PV disk can't be written"
    works "PV drivers, before"
    at_work /dev/xvda
    saved_and_restored
    unplugged
    works "PV drivers, after a restore"
    saved_and_goes_on
    works "PV drivers, after a save that lets them go on"
    migrated
    unplugged
    works "PV drivers, after a migration"
    guest_type "poweroff -f"
    expect_gone $(domid) 60
}

# What the guest's drivers have unplugged stays away.
unplugged() {
    [ -z "$(tap $(domid))" ] || fail "the emulated card's tap is back"
    guest_run '[ ! -e /dev/sda ]' || fail "the emulated disk is back"
}
