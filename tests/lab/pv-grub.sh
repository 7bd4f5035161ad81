# SPDX-License-Identifier: GPL-2.0-or-later
# needs: disk pvgrub
# PV and PVH guests that GRUB boots from their PV disk: its driver lets go of the disk, and the kernel's begins anew on it.

scenario() {
    local type id image
    GUEST_TTY=console/tty
    for type in pv pvh; do
        image=$(guest_disk)
        pv_cfg $type "$(hd xvda $image)"
        sed -i "s|^kernel = .*|kernel = \"/lab/in/files/grub-$type\"|; /^ramdisk = /d; /^cmdline = /d" guest.cfg
        : >$SERIAL
        MARK=0
        guest_boot
        id=$(domid)
        guest_run '[ -b /dev/xvda1 ]' || fail "$type: no disk"
        [ "$(xenstore-read /local/domain/0/backend/qdisk/$id/51712/state)" = 4 ] || fail "$type: the disk is not connected"
        [ "$(guest_run 'md5sum </dev/xvda' 120)" = "$(md5sum <$image)" ] || fail "$type: the guest reads something else than the image holds"
        guest_run 'dd if=/dev/urandom of=/dev/xvda bs=64k seek=600 count=8 conv=fsync 2>/dev/null' 60 || fail "$type: writing"
        [ "$(guest_run 'md5sum </dev/xvda' 120)" = "$(md5sum <$image)" ] || fail "$type: what it wrote is not in the image"
        guest_type "poweroff -f"
        expect_gone $id 60
        note "$type: GRUB, then Linux, on one disk"
    done
}
