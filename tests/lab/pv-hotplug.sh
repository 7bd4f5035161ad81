# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel diskcheck.c
# PV disks come and go while another one works, and go by force. A drive that was empty gets
# media by xl cd-insert: the guest reads them in its emulated half, the only one that Linux takes in an HVM guest; the PV
# half tells of them in its nodes.

scenario() {
    local id n
    cp /lab/in/files/diskcheck.img tools.img
    truncate -s 48M data.img
    head -c 8388608 /dev/urandom >more.img
    head -c 1048576 /dev/urandom >one.iso
    head -c 2097152 /dev/urandom >two.iso
    guest_cfg "$(direct_kernel "$SERIAL_ARGS guest.skip=bochs,cirrus")" \
        "disk = [ $(hd xvda $PWD/data.img), $(disk_of raw xvde $PWD/tools.img ro), $(cd_rom xvdc '') ]"
    guest_boot
    id=$(domid)
    guest_run 'cat /dev/xvde >/tmp/diskcheck && chmod +x /tmp/diskcheck' || fail "the program does not come over"
    guest_run '(n=1; while /tmp/diskcheck load /dev/xvda 0 16 $n 100 4 && [ ! -e /tmp/stop ]; do n=$((n+1)); done
        echo $n >/tmp/rounds) >/tmp/load.log 2>&1 &' || fail "load"
    for n in 1 2; do
        attach
        [ "$(guest_run 'md5sum </dev/xvdf' 120)" = "$(md5sum <more.img)" ] || fail "xvdf is not the image"
        guest_run "dd if=/dev/urandom of=/dev/xvdf bs=64k seek=$((n * 20)) count=4 conv=fsync 2>/dev/null" 60 || fail "writing xvdf"
        xl block-detach guest xvdf || fail "block-detach"
        gone
    done
    note "attached and detached $n times beside a disk at work"
    media
    by_force
    guest_run 'touch /tmp/stop; while [ ! -e /tmp/rounds ]; do sleep 1; done' 300
    n=$(guest_run 'cat /tmp/rounds')
    [ "$(guest_run 'grep -c BAD /tmp/load.log')" = 0 ] || fail "the disk at work: $(guest_run 'cat /tmp/load.log')"
    guest_run "/tmp/diskcheck check /dev/xvda 0 16 $n 100" 300 || fail "the disk at work reads otherwise"
    note "the disk at work: $n rounds, all well; dm: $(dm_stats)"
    xl destroy guest # Linux does not power off: it waits for the disk that went by force
    expect_gone $id 60
}

attach() {
    xl block-attach guest "format=raw,vdev=xvdf,access=rw,backendtype=qdisk,target=$PWD/more.img" || fail "block-attach"
    until_true 20 guest_run '[ -b /dev/xvdf ]' || fail "block-attach: the guest has no xvdf"
}

held() { ls -l /proc/$(dm_pid)/fd | grep -q more.img; }
let_go() { ! held; }

gone() {
    until_true 20 guest_run '[ ! -e /dev/xvdf ]' || fail "the disk is still in the guest"
    until_true 10 let_go || fail "the image of a detached disk is still open"
    xenstore-exists /local/domain/0/backend/qdisk/$(domid)/51792 && fail "the nodes of a detached disk stay"
    return 0
}

# One that nobody uses, then one that is being written: whatever becomes of its users (Linux 6.1 waits for answers that
# nobody is left to give), the image is let go and the other disk goes on.
by_force() {
    attach
    held || fail "the image is not open: this test sees nothing"
    xl block-detach --force guest xvdf || fail "block-detach --force"
    gone
    attach
    [ "$(guest_run 'md5sum </dev/xvdf' 120)" = "$(md5sum <more.img)" ] || fail "attached again: xvdf is not the image"
    guest_run '(while dd if=/dev/zero of=/dev/xvdf bs=64k count=20 oflag=direct; do :; done) >/dev/null 2>&1 & sleep 0.3' || fail "writing"
    xl block-detach --force guest xvdf || fail "block-detach --force under load"
    until_true 20 let_go || fail "the image of a disk detached by force is still open"
    guest_run 'dd if=/dev/xvda of=/dev/null bs=64k count=4 iflag=direct 2>/dev/null' 60 || fail "the other disk does not go on"
    note "detached by force, idle and written"
}

sectors_are() { [ "$(xenstore-read /local/domain/0/backend/qdisk/$(domid)/51744/sectors)" = $1 ]; }
holds() { [ "$(guest_run 'md5sum </dev/sr0 2>/dev/null' 120)" = "$(md5sum <$1)" ]; }

media() {
    guest_run '[ -b /dev/sr0 ]' || fail "no CD-ROM drive"
    guest_run 'cat /dev/sr0 >/dev/null 2>&1' && fail "an empty drive can be read"
    sectors_are 0 || fail "the PV half of the empty drive has sectors"
    xl cd-insert guest xvdc $PWD/one.iso || fail "cd-insert"
    until_true 30 holds one.iso || fail "the medium put into the empty drive does not read back right"
    sectors_are 2048 || fail "the PV half does not tell of the medium"
    xl cd-eject guest xvdc || fail "cd-eject"
    sectors_are 0 || fail "the PV half does not tell that the medium is out"
    xl cd-insert guest xvdc $PWD/two.iso || fail "cd-insert"
    until_true 30 holds two.iso || fail "the second medium does not read back right"
    sectors_are 4096 || fail "the PV half does not tell of the second medium"
    note "media for the empty drive: good"
}
