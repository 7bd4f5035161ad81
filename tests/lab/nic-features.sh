# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel nictool.c
# What a card does beside carrying frames: VLAN tags, filters, promiscuous, long frames, its driver's self-test and
# statistics; one guest with a card of each model.
. "$(dirname "${BASH_SOURCE[0]}")/nics.sh"

FOREIGN=02:00:00:00:00:99 GROUP=01:00:5e:01:02:03

# Tagged both ways, in full length and with checksums and segments left to the card.
vlan() {
    local host=$HOST guest=$GUEST
    guest_run "modprobe 8021q; vconfig add $ETH 5 >/dev/null && ip addr add 10.9.105.2/24 dev $ETH.5 && ip link set $ETH.5 up" ||
        fail "$1: no VLAN in the guest"
    HOST=10.9.105.1 GUEST=10.9.105.2
    until_true 10 answers || stuck "$1: no answer in the VLAN"
    ping -c 2 -s 1472 -M do $GUEST >/dev/null 2>&1 || ping -c 2 -s 1472 $GUEST >/dev/null || stuck "$1: no long answer in the VLAN"
    both_ways 300000
    guest_run "ip link set $ETH.5 down; vconfig rem $ETH.5" >/dev/null
    HOST=$host GUEST=$guest
}

# heard MAC [promisc|GROUP]: how many of 20 frames to MAC the guest gets.
heard() {
    guest_run "/tmp/nictool count $ETH 88b5 4 $2" 30 >count.txt &
    local waiting=$!
    sleep 2
    ./nictool send xenbr0 $1 88b5 20 300
    wait $waiting || fail "frames came damaged: $(cat count.txt)"
    grep -o '[0-9]* good' count.txt | cut -d' ' -f1
}

filters() {
    local n
    n=$(heard $FOREIGN) && [ "$n" = 0 ] || fail "$1: $n frames for another card came in"
    n=$(heard $FOREIGN promisc) && [ "$n" = 20 ] || fail "$1: $n of 20 frames came to a promiscuous card"
    n=$(heard $GROUP) && [ "$n" = 0 ] || fail "$1: $n frames of a group that nobody joined"
    n=$(heard $GROUP $GROUP) && [ "$n" = 20 ] || fail "$1: $n of 20 frames of a group that was joined"
    n=$(heard $(guest_run "cat /sys/class/net/$ETH/address")) && [ "$n" = 20 ] || fail "$1: $n of 20 frames to itself"
}

jumbo() {
    local vif=vif$(domid).$2-emu
    ip link set $vif mtu 9000 && ip link set xenbr0 mtu 9000
    guest_run "ip link set $ETH mtu 9000" || fail "$1 takes no MTU of 9000"
    until_true 10 answers || stuck "$1: no answer with an MTU of 9000"
    ping -c 2 -s 8972 $GUEST >/dev/null || stuck "$1: no answer of 9000 bytes"
    guest_run "ping -c 2 -s 8972 $HOST" >/dev/null || stuck "$1: dom0 does not answer with 9000 bytes"
    both_ways 1000000
    guest_run "ip link set $ETH mtu 1500"
    ip link set $vif mtu 1500 && ip link set xenbr0 mtu 1500
}

statistics() {
    guest_run "/tmp/nictool stats $ETH" >$LAB_RESULTS/stats-$1.txt || fail "$1: no statistics"
    note "$1: $(grep -E '^(rx_packets|tx_packets|rx_ok|tx_ok|rx_queue_0_packets|tx_queue_0_packets) ' $LAB_RESULTS/stats-$1.txt | tr '\n' ' ')"
    ! grep -E '(err|rx_crc|rx_length|dropped).* [1-9]' $LAB_RESULTS/stats-$1.txt >&3 || note "$1 counts errors"
}

scenario() {
    local n=0 model
    modprobe 8021q
    boot_with_cards
    # now that the bridge has ports: without, it may have no address
    ip link add link xenbr0 name vlan5 type vlan id 5
    ip addr add 10.9.105.1/24 dev vlan5 && ip link set vlan5 up
    for model in $MODELS; do
        n=$((n + 1))
        use_card $n
        guest_run '[ -x /tmp/nictool ]' || fetch nictool
        vlan $model
        filters $model
        [ $model = rtl8139 ] || jumbo $model $((n - 1))
        statistics $model
        if [ $model = e1000 ]; then
            guest_run "/tmp/nictool selftest $ETH" 120 | tee $LAB_RESULTS/selftest.txt >&3 || fail "the self-test fails"
            until_true 20 answers || stuck "no answer after the self-test"
        fi
    done
    ip link del vlan5
    note "dm: $(dm_stats)"
    n=$(domid)
    xl destroy guest
    expect_gone $n
}
