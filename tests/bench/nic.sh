# SPDX-License-Identifier: GPL-2.0-or-later
# manual: what tests/bench/lab-nic runs
# needs: kernel
# A guest with one card of each model, on the packaged QEMU and on hvm-dm, in one dom0; the cards are up one at a time.
# A line for each load, with the figures of nicload.c:
# BENCH device-model model load arrived microseconds cpu-ns switches events kernel-ns

scenario() {
    local n model
    cp /lab/in/files/nicload /tmp/nicload
    for name in ${BENCH_DMS:-qemu hvm-dm}; do
        case $name in
        qemu) DM=/usr/libexec/xen-qemu-system-i386 ;;
        hvm-dm) DM=/usr/libexec/hvm-dm ;;
        *) DM=/tmp/$name && cp /lab/in/files/$name $DM && chmod +x $DM ;;
        esac
        : >$SERIAL
        MARK=0
        n=0
        vifs=
        for model in ${BENCH_MODELS:-rtl8139 e1000 virtio-net}; do
            n=$((n + 1))
            vifs="$vifs${vifs:+, }'mac=00:16:3e:aa:cc:0$n,model=$model,bridge=xenbr0'"
            ip addr add 10.9.$n.1/24 dev xenbr0 2>/dev/null || true
        done
        guest_cfg "$(direct_kernel)" "vif = [ $vifs ]"
        guest_boot
        n=0
        for model in ${BENCH_MODELS:-rtl8139 e1000 virtio-net}; do
            n=$((n + 1))
            card $n $model
        done
        n=$(domid)
        xl destroy $n
        expect_gone $n 30
    done
}

# card N MODEL: all loads over it.
card() {
    local eth host=10.9.$1.1 load
    eth=$(guest_run "basename \$(dirname \$(grep -l aa:cc:0$1 /sys/class/net/*/address))")
    guest_run "ip link set $eth up && ip addr add 10.9.$1.2/24 dev $eth && sleep 2" >/dev/null
    timeout 200 socat -u OPEN:/tmp/nicload TCP-LISTEN:5000,reuseaddr &
    guest_run "nc $host 5000 </dev/null >/tmp/nicload; chmod +x /tmp/nicload; md5sum </tmp/nicload" 200 >sum
    [ "$(cut -d' ' -f1 sum)" = "$(md5sum </tmp/nicload | cut -d' ' -f1)" ] || fail "$2: something else arrived"
    for load in ${BENCH_LOADS:-tcp-in tcp-out udp-in udp-out}; do
        one_load $1 $2 $load
    done
    guest_run "grep -e '${eth}' -e virtio /proc/interrupts" >>$LAB_RESULTS/$name-$2.txt
    xl qemu-monitor-command guest 'info io' >>$LAB_RESULTS/$name-$2.txt 2>&1 || true
    guest_run "grep $eth: /proc/net/dev; ip link set $eth down" >>$LAB_RESULTS/$name-$2.txt
}

one_load() {
    local count answer
    case $3 in
    tcp-*) count=$((${BENCH_MIB:-8} << 20)) ;;
    udp-*) count=${BENCH_PACKETS:-20000} ;;
    esac
    timeout 400 /tmp/nicload host $(dm_pid) $3 $count >figures &
    # No one polls meanwhile: all that dom0 does counts.
    answer=$(POLL=2 guest_run "sleep 0.7; /tmp/nicload guest 10.9.$1.1 $3 $count" 400) || fail "$2: $3: $answer"
    wait $! || fail "$2: $3: dom0's end"
    note "BENCH $name $2 $(cat figures) $answer"
}
