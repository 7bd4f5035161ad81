# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# manual
# How fast an emulated card is, and what it costs dom0: TCP to and from the guest, device model's CPU ticks a MiB.
# Of use only beside another device model in the same hour: tests/bench/nic.sh. MODEL= and MIB= (--env).

HOST=10.9.0.1 GUEST=10.9.0.2

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' /proc/$(dm_pid)/stat; }

# measure NAME COMMAND: the guest's, with socat at our end already waiting.
measure() {
    local name=$1 before=$(ticks) start=$(date +%s%N) after end
    guest_run "$2" 600 >/dev/null || fail "$name"
    wait
    end=$(date +%s%N) after=$(ticks)
    echo "$name $MIB MiB $(((end - start) / 1000000)) ms $((after - before)) ticks" | tee -a $LAB_RESULTS/speed.txt >&3
}

scenario() {
    local eth
    MIB=${MIB:-8}
    ip addr add $HOST/24 dev xenbr0 2>/dev/null || true
    guest_cfg "$(direct_kernel)" "vif = [ 'mac=00:16:3e:aa:bb:03,model=${MODEL:-rtl8139},bridge=xenbr0' ]"
    guest_boot
    eth=$(guest_run 'ls /sys/class/net | grep -v lo | head -n 1')
    guest_run "ip link set $eth up && ip addr add $GUEST/24 dev $eth && sleep 1"
    [ -z "$READER" ] || disown $READER
    head -c ${MIB}M /dev/zero | timeout 600 socat -u - TCP-LISTEN:5001,reuseaddr &
    measure to-guest "nc $HOST 5001 </dev/null >/dev/null"
    timeout 600 socat -u TCP-LISTEN:5002,reuseaddr OPEN:/dev/null &
    measure from-guest "head -c ${MIB}M /dev/zero | nc $HOST 5002"
}
