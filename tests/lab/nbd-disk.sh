# SPDX-License-Identifier: GPL-2.0-or-later
# needs: disk
# Both disks of the guest are on NBD servers: it boots from one, emulated and then PV, and reads and writes the
# other one, whose server is killed and started anew meanwhile.

# serve NAME FILE: in the background, on a socket of that name.
serve() {
    rm -f $LAB_WORK/$1.sock
    nbdkit -f -U $LAB_WORK/$1.sock file $2 &
    eval "SERVER_$1=$!"
    until_true 20 test -S $LAB_WORK/$1.sock || fail "no server for $1"
}

url() { echo "nbd+unix:///?socket=$LAB_WORK/$1.sock"; }

scenario() {
    local image=$LAB_WORK/data.img log=/var/log/xen/qemu-dm-guest.log sum id
    [ $LAB_DM = hvm-dm ] || { note "only hvm-dm waits for a server"; return 0; }
    dd if=/dev/urandom of=$image bs=1M count=16 status=none
    sum=$(md5sum <$image)
    serve boot $(guest_disk "$SERIAL_ARGS guest.skip=bochs,cirrus")
    serve data $image
    guest_cfg "disk = [ $(hd hda $(url boot)), $(hd xvdb $(url data)) ]" 'boot = "c"'
    guest_boot
    id=$(domid)
    guest_run '[ -b /dev/xvda1 ] && [ ! -e /dev/sda ]' || fail "the emulated disk did not make room for the PV disk"

    # 8 seconds of reading, in which the server goes and comes
    qmp block_set_io_throttle '{"device":"'$(url data)'","bps":2097152,"bps_rd":0,"bps_wr":0,"iops":0,"iops_rd":0,"iops_wr":0}'
    # The background shell becomes the new server: one that it only started would get its SIGTERM when it ends.
    (sleep 2; kill -9 $SERVER_data; sleep 2; rm -f data.sock; exec nbdkit -f -U $LAB_WORK/data.sock file $image) &
    SECONDS=0
    [ "$(guest_run 'md5sum </dev/xvdb' 120)" = "$sum" ] || fail "the guest reads something else than the image holds"
    note "16 MiB at 2 MiB/s with a restart: $SECONDS s"
    [ $SECONDS -ge 7 ] || fail "the limit was not kept"
    grep "the server is gone" $log || fail "no word of the server that went"
    grep "the server is back" $log || fail "no word of the server that came"
    qmp block_set_io_throttle '{"device":"'$(url data)'","bps":0,"bps_rd":0,"bps_wr":0,"iops":0,"iops_rd":0,"iops_wr":0}'

    guest_run 'dd if=/dev/xvdb of=/dev/xvdb bs=1M count=4 seek=8 conv=fsync 2>/dev/null' 120 >/dev/null || fail "writing"
    [ "$(dd if=$image bs=1M count=4 status=none | md5sum)" = "$(dd if=$image bs=1M skip=8 count=4 status=none | md5sum)" ] ||
        fail "what the guest wrote and synced is not on the server"
    note "dm: $(dm_stats)"
    guest_type "poweroff -f"
    expect_gone $id 60
}
