# SPDX-License-Identifier: GPL-2.0-or-later
# manual: a comparison, of what a guest's driver does when its backend goes
# needs: kernel
# A PV disk is taken away by force while the guest writes it: do the guest's writes end? Served by either device model
# and by the kernel.

scenario() {
    local backend id
    GUEST_TTY=console/tty
    truncate -s 16M data.img
    truncate -s 1M other.img
    for backend in ${BACKENDS:-hvm-dm qemu blkback}; do
        [ $backend = qemu ] && DM=/usr/libexec/xen-qemu-system-i386 || DM=/usr/libexec/hvm-dm
        : >$SERIAL
        MARK=0
        pv_cfg pvh "$(hd xvda $PWD/other.img)"
        guest_boot
        id=$(domid)
        attach $backend
        guest_run '(while dd if=/dev/zero of=/dev/xvdf bs=64k count=20 oflag=direct; do :; done) >/dev/null 2>&1 & sleep 0.3' || fail "writing"
        xl block-detach --force guest xvdf || note "$backend: block-detach --force fails"
        if until_true 30 over; then
            note "$backend: the writer has ended, $(guest_run 'ls /dev/xvdf 2>&1; true')"
        else
            note "$backend: the writer waits for ever: $(guest_run 'for p in $(pidof dd); do grep State /proc/$p/status; cat /proc/$p/stack; done; true' | tr '\n' ' ')"
        fi
        note "$backend: $(guest_run 'dmesg | tail -n 5' | tr '\n' '|')"
        guest_run 'dd if=/dev/xvda of=/dev/null bs=64k count=4 iflag=direct 2>/dev/null' 60 || fail "the other disk does not go on"
        xl destroy $id
        expect_gone $id 60
        losetup -D
    done
}

over() { guest_run '[ -z "$(pidof dd)" ] || { sleep 1; [ -z "$(pidof dd)" ]; }'; }

attach() {
    local disk="format=raw,vdev=xvdf,access=rw,backendtype=qdisk,target=$PWD/data.img"
    if [ $1 = blkback ]; then
        losetup /dev/loop7 data.img
        disk=$(blkback xvdf /dev/loop7)
    fi
    xl block-attach guest "$disk" || fail "$1: block-attach"
    until_true 20 guest_run '[ -b /dev/xvdf ]' || fail "$1: the guest has no xvdf"
}
