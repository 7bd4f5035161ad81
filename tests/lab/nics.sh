# SPDX-License-Identifier: GPL-2.0-or-later
# manual: no scenario of its own; what the scenarios of network cards share.

HOST=10.9.0.1 GUEST=10.9.0.2 MAC=00:16:3e:aa:bb:02

tap() { ls -d /sys/class/net/vif$1.0-emu 2>/dev/null; }

# The guest's interface, whatever it is called.
card() { guest_run 'ls /sys/class/net | grep -v lo | head -n 1'; }

# What the card's two ends say of themselves, then the end.
stuck() {
    SEQUENCE=$((SEQUENCE + 1))
    note "$(xl qemu-monitor-command guest 'info network')"
    note "$(guest_run 'cat /proc/net/dev; grep -i -e eth -e virtio /proc/interrupts; dmesg | tail -n 8' 20)"
    fail "$@"
}

# listens PORT: the background's socat has come so far.
listens() { until_true 20 grep -q ":$(printf %04X $1) .* 0A " /proc/net/tcp6 || fail "nobody listens at $1"; }

# both_ways SIZE: TCP to the guest and back; what arrives is what was sent. PIN goes before the guest's programs.
both_ways() {
    head -c $1 /dev/urandom >sent
    timeout 200 socat -u OPEN:sent TCP6-LISTEN:5001,reuseaddr,ipv6only=0 &
    listens 5001
    SEQUENCE=$((SEQUENCE + 1))
    (guest_run "$PIN nc $HOST 5001 </dev/null >/tmp/got; md5sum </tmp/got" 200 >sum) || stuck "the guest can't receive"
    [ "$(cut -d' ' -f1 sum)" = "$(md5sum <sent | cut -d' ' -f1)" ] || different
    timeout 200 socat -u TCP6-LISTEN:5002,reuseaddr,ipv6only=0 CREATE:back &
    listens 5002
    SEQUENCE=$((SEQUENCE + 1))
    (guest_run "$PIN nc $HOST 5002 </tmp/got" 200 >/dev/null) || stuck "the guest can't send"
    wait $! || stuck "what the guest sends has no end"
    cmp sent back || fail "from the guest: something else arrived"
}

# Where what the guest has got is not what was sent.
different() {
    timeout 100 socat -u TCP-LISTEN:5003,reuseaddr CREATE:got &
    guest_run "nc $HOST 5003 </tmp/got" 100 >/dev/null
    wait $! || true
    note "$(stat -c %s sent) bytes sent, $(stat -c %s got) arrived; $(cmp -l sent got 2>&1 | wc -l) differ:"
    note "$(cmp -l sent got 2>&1 | head -n 6)"
    fail "to the guest: something else arrived"
}

answers() { guest_run "ping -c 2 -W 2 $HOST" 30 >/dev/null; }

# flap ETH: the cable goes out and in again.
flap() {
    qmp set_link '{"name":"net0","up":false}' >/dev/null
    until_true 10 guest_run "[ \$(cat /sys/class/net/$1/carrier) = 0 ]" || stuck "the guest sees no cable pulled"
    answers && fail "an answer over a cable that is out"
    qmp set_link '{"name":"nic0","up":true}' >/dev/null
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
    [ "$(basename $(readlink $(tap $id)/master))" = xenbr0 ] || fail "the tap is not in the bridge"
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
    note "$(guest_run "grep $eth: /proc/net/dev; grep -i -e eth -e virtio /proc/interrupts")"
    if [ $LAB_DM != qemu ]; then
        flap $eth
        xl qemu-monitor-command guest 'info network' | tee $LAB_RESULTS/network.txt | grep -q "model=$1" || fail "info network"
    fi
    guest_run "ip link set $eth down && ip link set $eth up" && until_true 10 answers || stuck "down and up"
    guest_type "poweroff -f"
    expect_gone $id 60
    [ -z "$(tap $id)" ] || fail "the tap outlives the guest"
    unplugged_nic $1 $2
}

# unplugged_nic MODEL DRIVER: PV drivers take the card away.
unplugged_nic() {
    local id eth
    guest_cfg "$(direct_kernel "$SERIAL_ARGS guest.skip=bochs,cirrus")" "vif = [ 'mac=$MAC,model=$1,bridge=xenbr0' ]"
    guest_boot
    id=$(domid)
    [ -z "$(tap $id)" ] || fail "the guest has unplugged its card, and the tap is there"
    eth=$(card)
    guest_run "[ ! -e /sys/bus/pci/drivers/$2/0000* ]" || fail "the card is still on the bus"
    guest_run "ip link set $eth up && ip addr add $GUEST/24 dev $eth"
    until_true 20 answers || fail "no answer to the PV driver"
    both_ways 1000000
    guest_type "poweroff -f"
    expect_gone $id 60
}

# ---- several cards -----------------------------------------------------------------------------

MODELS=${MODELS:-rtl8139 e1000 virtio-net}

# A guest with a card of each of MODELS; the card N of them has 10.9.N.0/24, once it is up.
boot_with_cards() {
    local n=0 vifs= model
    for model in $MODELS; do
        n=$((n + 1))
        vifs="$vifs${vifs:+, }'mac=00:16:3e:aa:cc:0$n,model=$model,bridge=xenbr0'"
        ip addr add 10.9.$n.1/24 dev xenbr0 2>/dev/null || true
    done
    guest_cfg "$(direct_kernel)" "vif = [ $vifs ]"
    guest_boot
}

# use_card N: only this one is up; sets ETH, HOST, GUEST.
use_card() {
    [ -z "$ETH" ] || guest_run "ip link set $ETH down"
    HOST=10.9.$1.1 GUEST=10.9.$1.2
    ETH=$(guest_run "basename \$(dirname \$(grep -l aa:cc:0$1 /sys/class/net/*/address))")
    guest_run "ip link set $ETH up && ip addr add $GUEST/24 dev $ETH" || fail "card $1 does not come up"
    until_true 10 answers || stuck "card $1: no answer"
}

# fetch PROGRAM: from what dom0 was given, here and in the guest's /tmp, after use_card.
fetch() {
    cp /lab/in/files/$1 . && chmod +x $1
    timeout 100 socat -u OPEN:$1 TCP-LISTEN:5000,reuseaddr &
    guest_run "nc $HOST 5000 </dev/null >/tmp/$1 && chmod +x /tmp/$1" 100 || stuck "$1 does not arrive"
}
