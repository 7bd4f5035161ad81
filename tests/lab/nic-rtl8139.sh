# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# xl's default network card: a guest's own driver on it, both ways over the bridge, a cable that is pulled and put
# back; then a guest whose PV drivers take it away, and go on through dom0's kernel.

HOST=10.9.0.1 GUEST=10.9.0.2 MAC=00:16:3e:aa:bb:01

tap() { ls -d /sys/class/net/vif$1.0-emu 2>/dev/null; }

# The guest's interface, whatever it is called.
card() { guest_run 'ls /sys/class/net | grep -v lo | head -n 1'; }

# What the card's two ends say of themselves, then the end.
stuck() {
    SEQUENCE=$((SEQUENCE + 1))
    note "$(xl qemu-monitor-command guest 'info network')"
    note "$(guest_run 'ip -s link; grep -i eth /proc/interrupts; dmesg | tail -n 5' 20)"
    fail "$@"
}

# both_ways SIZE: TCP to the guest and back; what arrives is what was sent.
both_ways() {
    head -c $1 /dev/urandom >sent
    timeout 200 socat -u OPEN:sent TCP-LISTEN:5001,reuseaddr &
    SEQUENCE=$((SEQUENCE + 1))
    (guest_run "nc $HOST 5001 </dev/null >/tmp/got; md5sum </tmp/got" 200 >sum) || stuck "the guest can't receive"
    [ "$(cut -d' ' -f1 sum)" = "$(md5sum <sent | cut -d' ' -f1)" ] || fail "to the guest: something else arrived"
    timeout 200 socat -u TCP-LISTEN:5002,reuseaddr CREATE:back &
    SEQUENCE=$((SEQUENCE + 1))
    (guest_run "nc $HOST 5002 </tmp/got" 200 >/dev/null) || stuck "the guest can't send"
    wait $! || stuck "what the guest sends has no end"
    cmp sent back || fail "from the guest: something else arrived"
}

answers() { guest_run "ping -c 2 -W 2 $HOST" 30 >/dev/null; }

scenario() {
    local id eth
    ip addr add $HOST/24 dev xenbr0 2>/dev/null || true
    guest_cfg "$(direct_kernel)" "vif = [ 'mac=$MAC,model=rtl8139,bridge=xenbr0' ]"
    guest_boot
    id=$(domid)
    [ -n "$(tap $id)" ] || fail "there is no tap"
    [ "$(basename $(readlink $(tap $id)/master))" = xenbr0 ] || fail "the tap is not in the bridge"
    eth=$(card)
    guest_run "basename \$(readlink /sys/class/net/$eth/device/driver)" | tee driver >&3
    grep -q 8139 driver || fail "the driver of $eth is not the 8139's"
    [ "$(guest_run "cat /sys/class/net/$eth/address")" = $MAC ] || fail "the card's address"
    guest_run "ip link set $eth up && ip addr add $GUEST/24 dev $eth" || fail "the card does not come up"
    guest_run 'sleep 1'
    answers || fail "no answer to a ping"
    ping -c 3 -i 0.3 -s 1400 $GUEST >ping.txt || fail "the guest does not answer"
    note "$(tail -n 1 ping.txt)"
    both_ways 4000000
    note "dm: $(dm_stats)"
    if [ $LAB_DM != qemu ]; then
        qmp set_link '{"name":"net0","up":false}' >/dev/null
        until_true 10 guest_run "[ \$(cat /sys/class/net/$eth/carrier) = 0 ]" || fail "the guest sees no cable pulled"
        answers && fail "an answer over a cable that is out"
        qmp set_link '{"name":"nic0","up":true}' >/dev/null
        until_true 10 guest_run "[ \$(cat /sys/class/net/$eth/carrier) = 1 ]" || fail "the cable is back, the guest does not see it"
        until_true 10 answers || fail "no answer after the cable is back"
        xl qemu-monitor-command guest 'info network' | tee $LAB_RESULTS/network.txt | grep -q rtl8139 || fail "info network"
    fi
    guest_type "poweroff -f"
    expect_gone $id 60
    [ -z "$(tap $id)" ] || fail "the tap outlives the guest"

    # PV drivers
    guest_cfg "$(direct_kernel "$SERIAL_ARGS guest.skip=bochs,cirrus")" "vif = [ 'mac=$MAC,model=rtl8139,bridge=xenbr0' ]"
    guest_boot
    id=$(domid)
    [ -z "$(tap $id)" ] || fail "the guest has unplugged its card, and the tap is there"
    eth=$(card)
    guest_run "[ ! -e /sys/bus/pci/drivers/8139cp/0000* ]" || fail "the card is still on the bus"
    guest_run "ip link set $eth up && ip addr add $GUEST/24 dev $eth"
    until_true 20 answers || fail "no answer to the PV driver"
    both_ways 4000000
    guest_type "poweroff -f"
    expect_gone $id 60
}
