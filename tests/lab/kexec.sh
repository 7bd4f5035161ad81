# SPDX-License-Identifier: GPL-2.0-or-later
# manual: a comparison, of what becomes of guests that Xen and the toolstack have to help
# needs: kernel kexec.c
# Guests boot another kernel by kexec: Linux on Xen then asks for a soft reset of its domain, which the toolstack
# carries out and the domain goes on. PVH, whose disk is served by either device model or by the kernel; HVM, with
# either device model.

scenario() {
    local backend
    cp /lab/in/files/kexec.img .
    for f in vmlinuz initrd; do
        dd if=/lab/in/files/$f of=$f.img bs=1M conv=sync status=none
    done
    for backend in hvm-dm qemu blkback; do
        one pvh $backend
    done
    for backend in hvm-dm qemu; do
        one hvm $backend
    done
}

one() {
    local id tail log=/var/log/xen/xl-guest.log
    local disks="$(disk $2 xvda kexec.img), $(disk $2 xvdb vmlinuz.img), $(disk $2 xvdc initrd.img)"
    [ $2 = qemu ] && DM=/usr/libexec/xen-qemu-system-i386 || DM=/usr/libexec/hvm-dm
    if [ $1 = pvh ]; then
        GUEST_TTY=console/tty
        pv_cfg pvh "$disks"
        tail="console=hvc0 quiet xen_emul_unplug=unnecessary"
    else
        GUEST_TTY=serial/0/tty
        guest_cfg "$(direct_kernel "$SERIAL_ARGS guest.skip=bochs,cirrus")" "disk = [ $disks ]"
        tail="$SERIAL_ARGS guest.skip=bochs,cirrus"
    fi
    : >$SERIAL
    rm -f $log
    MARK=0
    # xl stays, for what it does about a guest that shuts down.
    timeout 120 xl create guest.cfg >/dev/null || fail "xl create"
    record_serial
    wait_for_console GUEST-READY
    shell_ready
    id=$(domid)
    guest_run 'cat /dev/xvda >/tmp/kexec && chmod +x /tmp/kexec && cat /dev/xvdb >/tmp/vmlinuz && cat /dev/xvdc >/tmp/initrd' 60 ||
        fail "$1, $2: the files do not come over"
    mark
    guest_type "/tmp/kexec /tmp/vmlinuz /tmp/initrd '$tail'"
    if until_true 120 again && [ -n "$(domid)" ]; then
        note "$1, $2: another kernel runs in domain $(domid), which was $id: $(guest_run 'md5sum </dev/xvdb' 60 | head -n 1)"
    else
        note "$1, $2: no other kernel; domain $id is now $(xl list | awk -v id=$id '$2 == id { print $5 }')"
        tail -n 5 $SERIAL >&3
    fi
    grep -a -v -i 'waiting for' $log | tail -n 12 >&3
    cp $log $LAB_RESULTS/xl-$1-$2.log
    id=$(domid) || true
    [ -z "$id" ] || xl destroy guest
    kill $READER 2>/dev/null || true
    losetup -D
    sleep 3
}

# A kernel came up after the mark, or the domain is gone.
again() { console_has GUEST-READY || [ -z "$(domid)" ]; }

disk() {
    local loop
    case $1 in
    blkback)
        loop=$(losetup -f)
        losetup $loop $3
        echo "'$(blkback $2 $loop)'"
        ;;
    *) hd $2 $PWD/$3 ;;
    esac
}
