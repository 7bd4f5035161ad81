# SPDX-License-Identifier: GPL-2.0-or-later
# manual: no scenario of its own; what nic-e1000 and nic-virtio share.

HOST=10.9.0.1 GUEST=10.9.0.2 MAC=00:16:3e:aa:bb:02

tap() { ls -d /sys/class/net/vif$1.0-emu 2>/dev/null; }

# The guest's interface, whatever it is called.
card() { guest_run 'ls /sys/class/net | grep -v lo | head -n 1'; }

# What the card's two ends say of themselves, then the end.
stuck() {
    SEQUENCE=$((SEQUENCE + 1))
    note "$(guest_run 'ip -s link; grep -i -e eth -e virtio /proc/interrupts; dmesg | tail -n 8' 20)"
    fail "$@"
}

# listens PORT: the background's socat has come so far.
listens() { until_true 20 grep -q ":$(printf %04X $1) .* 0A " /proc/net/tcp6 || fail "nobody listens at $1"; }

# both_ways SIZE: TCP to the guest and back; what arrives is what was sent.
both_ways() {
    head -c $1 /dev/urandom >sent
    timeout 200 socat -u OPEN:sent TCP6-LISTEN:5001,reuseaddr,ipv6only=0 &
    listens 5001
    SEQUENCE=$((SEQUENCE + 1))
    (guest_run "nc $HOST 5001 </dev/null >/tmp/got; md5sum </tmp/got" 200 >sum) || stuck "the guest can't receive"
    [ "$(cut -d' ' -f1 sum)" = "$(md5sum <sent | cut -d' ' -f1)" ] || fail "to the guest: something else arrived"
    timeout 200 socat -u TCP6-LISTEN:5002,reuseaddr,ipv6only=0 CREATE:back &
    listens 5002
    SEQUENCE=$((SEQUENCE + 1))
    (guest_run "nc $HOST 5002 </tmp/got" 200 >/dev/null) || stuck "the guest can't send"
    wait $! || stuck "what the guest sends has no end"
    cmp sent back || fail "from the guest: something else arrived"
}

answers() { guest_run "ping -c 2 -W 2 $HOST" 30 >/dev/null; }

# flap ETH: the cable goes out and in again.
flap() {
    qmp set_link '{"name":"net0","up":false}' >/dev/null
    until_true 10 guest_run "[ \$(cat /sys/class/net/$1/carrier) = 0 ]" || stuck "the guest sees no cable pulled"
    answers && fail "an answer over a cable that is out"
    qmp set_link '{"name":"net0","up":true}' >/dev/null
    until_true 10 guest_run "[ \$(cat /sys/class/net/$1/carrier) = 1 ]" || stuck "the cable is back, the guest does not see it"
    until_true 10 answers || stuck "no answer after the cable is back"
}

# nic_scenario MODEL DRIVER: Linux' own driver on the card, then a guest whose PV drivers take it away.
nic_scenario() {
    local id eth
    ip addr add $HOST/24 dev xenbr0 2>/dev/null || true
    guest_cfg "$(direct_kernel)" "vif = [ 'mac=$MAC,model=$1,bridge=xenbr0' ]"
    guest_boot
    id=$(domid)
    [ -n "$(tap $id)" ] || fail "there is no tap"
    eth=$(card)
    guest_run "basename \$(readlink /sys/class/net/$eth/device/driver)" | tee driver >&3
    grep -q "$2" driver || stuck "the driver of $eth is not $2"
    [ "$(guest_run "cat /sys/class/net/$eth/address")" = $MAC ] || fail "the card's address"
    guest_run "ip link set $eth up && ip addr add $GUEST/24 dev $eth" || fail "the card does not come up"
    until_true 10 guest_run "[ \$(cat /sys/class/net/$eth/carrier) = 1 ]" || stuck "no carrier"
    answers || stuck "no answer to a ping"
    ping -c 3 -i 0.3 -s 1400 $GUEST >ping.txt || stuck "the guest does not answer"
    note "$(tail -n 1 ping.txt)"
    both_ways 4000000
    guest_run "ip link set $eth promisc on" && answers || stuck "no answer while promiscuous"
    guest_run "ip link set $eth promisc off" && answers || stuck "no answer after it"
    note "dm: $(dm_stats)"
    note "$(guest_run "ip -s link show $eth; grep -i -e eth -e virtio /proc/interrupts")"
    [ $LAB_DM = qemu ] || flap $eth
    guest_run "ip link set $eth down && ip link set $eth up" && until_true 10 answers || stuck "down and up"
    guest_type "poweroff -f"
    expect_gone $id 60
    [ -z "$(tap $id)" ] || fail "the tap outlives the guest"
    unplugged_nic $1
}

# unplugged_nic MODEL: PV drivers take the card away.
unplugged_nic() {
    local id eth
    guest_cfg "$(direct_kernel "$SERIAL_ARGS guest.skip=bochs,cirrus")" "vif = [ 'mac=$MAC,model=$1,bridge=xenbr0' ]"
    guest_boot
    id=$(domid)
    [ -z "$(tap $id)" ] || fail "the guest has unplugged its card, and the tap is there"
    eth=$(card)
    guest_run "ip link set $eth up && ip addr add $GUEST/24 dev $eth"
    until_true 20 answers || fail "no answer to the PV driver"
    both_ways 1000000
    guest_type "poweroff -f"
    expect_gone $id 60
}
