# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel nictool.c
# virtio-net with two pairs of queues and two vCPUs: what a CPU asks for comes by its own pair; the driver goes down to
# one pair and back; the MTU that the card names.
. "$(dirname "${BASH_SOURCE[0]}")/nics.sh"

# interrupts QUEUE: of "input.1" and its like
interrupts() { guest_run "grep virtio.*-$1 /proc/interrupts" | awk '{ print $2 + $3 }'; }

# asks_on CPU: both ways by a program on that CPU; sets CAME0 and CAME1, the interrupts for what came
asks_on() {
    local before0=$(interrupts input.0) before1=$(interrupts input.1)
    PIN="taskset $((1 << $1))" both_ways 300000
    CAME0=$(($(interrupts input.0) - before0)) CAME1=$(($(interrupts input.1) - before1))
    note "asked for on CPU $1: $CAME0 interrupts of input.0, $CAME1 of input.1"
}

scenario() {
    local id
    ip addr add $HOST/24 dev xenbr0 2>/dev/null || true
    guest_cfg "$(direct_kernel)" "device_model_args_hvm = [ \
        '-device', 'virtio-net-pci,netdev=q0,mac=$MAC,mq=on,host_mtu=1400,romfile=', \
        '-netdev', 'tap,id=q0,ifname=queues,script=no,downscript=no,queues=2' ]"
    sed -i 's/^vcpus = .*/vcpus = 2/' guest.cfg
    guest_create
    id=$(domid)
    ip link set queues master xenbr0 up || fail "there is no tap"
    wait_for_console GUEST-READY $BOOT_TIMEOUT
    shell_ready
    ETH=$(card)
    [ "$(guest_run "cat /sys/class/net/$ETH/mtu")" = 1400 ] || fail "the MTU is not the card's"
    guest_run "ip link set $ETH up && ip addr add $GUEST/24 dev $ETH" || fail "the card does not come up"
    until_true 10 answers || stuck "no answer to a ping"
    fetch nictool
    [ "$(guest_run "/tmp/nictool pairs $ETH")" = "2 of 2" ] || fail "the driver does not use two pairs"
    note "$(guest_run "cd /sys/class/net/$ETH/queues && echo *; cat tx-*/xps_cpus")"
    asks_on 0
    [ $CAME0 -gt $((2 * CAME1)) ] || fail "CPU 0: not by its pair"
    asks_on 1
    [ $CAME1 -gt $((2 * CAME0)) ] || fail "CPU 1: not by its pair"
    [ "$(guest_run "/tmp/nictool pairs $ETH 1")" = "1 of 2" ] || fail "one pair"
    asks_on 1
    [ $CAME1 = 0 ] && [ $CAME0 -gt 0 ] || fail "one pair: by another"
    [ "$(guest_run "/tmp/nictool pairs $ETH 2")" = "2 of 2" ] || fail "two pairs again"
    asks_on 1
    [ $CAME1 -gt $((2 * CAME0)) ] || fail "two pairs again: not by them"
    note "$(guest_run "grep virtio /proc/interrupts")"
    note "dm: $(dm_stats)"
    guest_type "poweroff -f"
    expect_gone $id 60
    [ ! -e /sys/class/net/queues ] || fail "the tap outlives the guest"
}
