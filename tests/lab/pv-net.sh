# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# The PV network backend: qnic nodes as a toolstack writes them, the tap on the bridge, the guest's netfront. Pings, TCP
# both ways over IPv4 and IPv6 with long frames, a link that flaps, detach and attach, the kernel's netback beside it,
# a reboot, the end of the guest under traffic; for a PVH guest of two queues, then in short for an HVM guest.
. "$(dirname "${BASH_SOURCE[0]}")/qnics.sh"

MAC=00:16:3e:aa:cc:01 NETBACK_MAC=00:16:3e:aa:cc:00

scenario() {
    addresses
    GUEST_TTY=console/tty
    a_pvh_guest
    GUEST_TTY=
    an_hvm_guest
}

a_pvh_guest() {
    dd if=/dev/zero of=$LAB_WORK/data.img bs=1M count=1 status=none
    cat >guest.cfg <<CFG
name = "guest"
type = "pvh"
memory = 256
vcpus = 2
kernel = "/lab/in/files/vmlinuz"
ramdisk = "/lab/in/files/initrd"
cmdline = "console=hvc0 quiet"
device_model_override = "$DM"
disk = [ $(hd xvda $LAB_WORK/data.img) ]
vif = [ 'mac=$NETBACK_MAC,bridge=xenbr0' ]
CFG
    guest_boot
    netback_works
    qnic_plug 1 $MAC
    [ "$(xenstore-read /local/domain/$(domid)/device/vif/1/multi-queue-num-queues)" = 2 ] || fail "not two queues"
    qnic_up $MAC
    ping -c 3 -i 0.3 -s 1400 $GUEST >ping.txt || stuck "the guest does not answer"
    note "$(tail -n 1 ping.txt)"
    long_frames
    tap_flaps
    netback_works
    note "pvh: traffic, flap, netback beside it: good; dm: $(dm_stats)"
    comes_and_goes
    reboots $(domid)
    destroyed_under_traffic
}

# The same by a machine's device model.
an_hvm_guest() {
    local id
    guest_cfg "$(direct_kernel "$SERIAL_ARGS guest.skip=bochs,cirrus")" \
        "vif = [ 'mac=$NETBACK_MAC,bridge=xenbr0,type=vif' ]"
    : >$SERIAL
    MARK=0
    guest_boot
    id=$(domid)
    qnic_plug 1 $MAC
    qnic_up $MAC
    long_frames
    netback_works
    note "hvm: good; dm: $(dm_stats)"
    guest_type "poweroff -f"
    expect_gone $id 60
    [ ! -e /sys/class/net/$TAP ] || fail "the tap outlives the guest"
    qnic_forget $id
}

comes_and_goes() {
    qnic_unplug 1
    until_true 20 guest_run "[ ! -e /sys/class/net/$ETH ]" || stuck "the card is still in the guest"
    qnic_plug 1 $MAC
    qnic_up $MAC
    both_ways 1000000
    netback_works
    note "detached and attached again"
}

# netback_works: the kernel's card of the same guest.
netback_works() {
    local eth=$(card_of $NETBACK_MAC)
    guest_run "ip link set $eth up; ip addr show $eth | grep -q 10.9.2.2 || ip addr add 10.9.2.2/24 dev $eth" >/dev/null
    until_true 20 ping -c 1 -W 2 10.9.2.2 >/dev/null || stuck "the kernel's netback does not answer"
}

# long_frames: what TCP sends crosses the tap in frames longer than any on a wire, both ways and for both protocols.
long_frames() {
    counted both_ways 4000000
    HOST=$HOST6 counted both_ways 1000000
}

counted() {
    local stats=/sys/class/net/$TAP/statistics a b c d
    a=$(cat $stats/tx_packets) b=$(cat $stats/tx_bytes) c=$(cat $stats/rx_packets) d=$(cat $stats/rx_bytes)
    "$@"
    a=$((($(cat $stats/tx_bytes) - b) / ($(cat $stats/tx_packets) - a)))
    c=$((($(cat $stats/rx_bytes) - d) / ($(cat $stats/rx_packets) - c)))
    note "$HOST: bytes a frame: $a to the guest, $c from it"
    [ $a -gt 2000 ] && [ $c -gt 2000 ] || fail "no long frames"
}

tap_flaps() {
    ip link set $TAP down
    answers && fail "an answer over a tap that is down"
    ip link set $TAP up
    until_true 20 answers || stuck "no answer after the tap is up again"
}

reboots() {
    guest_type "reboot -f"
    until_true 60 domain_after $1 || fail "no reboot"
    qnic_forget $1
    [ ! -e /sys/class/net/vif$1.1 ] || fail "the tap outlives the guest"
    MARK=$(stat -c %s $SERIAL)
    record_serial
    wait_for_console GUEST-READY
    shell_ready
    qnic_plug 1 $MAC
    qnic_up $MAC
    both_ways 500000
    note "rebooted"
}

# Floods in both directions, and the guest is gone.
destroyed_under_traffic() {
    local id=$(domid) flood
    socat -u TCP6-LISTEN:5003,reuseaddr,ipv6only=0 OPEN:/dev/null &
    (cat /dev/zero | socat -u - TCP6-LISTEN:5004,reuseaddr,ipv6only=0) 2>/dev/null &
    flood=$!
    listens 5003
    listens 5004
    guest_run "(cat /dev/zero | nc $HOST 5003 >/dev/null 2>&1 &); (nc $HOST 5004 </dev/null >/dev/null 2>&1 &); sleep 2" \
        30 >/dev/null
    xl destroy $id
    expect_gone $id 60
    [ ! -e /sys/class/net/$TAP ] || fail "the tap outlives the guest"
    qnic_forget $id
    kill $flood 2>/dev/null || true
    note "destroyed under traffic"
}
