# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# xl cd-eject and cd-insert: the guest sees the medium go and another come; a locked tray keeps its
# medium.

scenario() {
    head -c 1048576 /dev/urandom >one.iso
    head -c 2097152 /dev/urandom >two.iso
    guest_cfg "$(direct_kernel)" "disk = [ $(cd_rom hdc $PWD/one.iso) ]"
    guest_boot
    reads one.iso
    xl cd-eject guest hdc
    guest_run 'cat /dev/sr0 >/dev/null' && fail "the ejected medium can still be read"
    note "ejected"
    xl cd-insert guest hdc $PWD/two.iso
    reads two.iso
    guest_run 'exec 9</dev/sr0; sleep 0.1' || true      # open: the kernel locks the tray
    if xl cd-eject guest hdc; then
        fail "a locked tray was opened"
    fi
    note "locked: kept"
    reads two.iso
}

# reads FILE: what is in the drive. The first tries may meet the drive getting ready.
reads() {
    until_true 30 holds $1 || fail "$1 does not read back right"
    note "$1 read back right"
}

holds() { [ "$(guest_run 'md5sum </dev/sr0 2>/dev/null' 120)" = "$(md5sum <$1)" ]; }
