# SPDX-License-Identifier: GPL-2.0-or-later
# manual: what tests/bench/lab-pvnet runs
# needs: kernel
# One PVH guest with two PV network cards, one served by the kernel's netback and one by hvm-dm, loaded in turn. A line
# for each load:
# BENCH backend load bytes-or-datagrams nanoseconds dom0-CPU-ns
. /lab/in/lab/qnics.sh

NETBACK_MAC=00:16:3e:aa:cc:00 MAC=00:16:3e:aa:cc:01

scenario() {
    local load i
    GUEST_TTY=console/tty
    cp /lab/in/files/netload /tmp/netload
    chmod +x /tmp/netload
    addresses
    dd if=/tmp/netload of=$LAB_WORK/program.img bs=1M conv=sync status=none
    cat >guest.cfg <<CFG
name = "guest"
type = "pvh"
memory = 256
vcpus = ${VCPUS:-1}
tsc_mode = "native"
kernel = "/lab/in/files/vmlinuz"
ramdisk = "/lab/in/files/initrd"
cmdline = "console=hvc0 quiet"
device_model_override = "$DM"
disk = [ $(hd xvdc $LAB_WORK/program.img) ]
vif = [ 'mac=$NETBACK_MAC,bridge=xenbr0' ]
CFG
    guest_boot
    guest_run 'cp /dev/xvdc /tmp/netload && chmod +x /tmp/netload' >/dev/null
    qnic_plug 1 $MAC
    qnic_up $MAC
    i=$(card_of $NETBACK_MAC)
    guest_run "ip link set $i up; ip addr add 10.9.2.2/24 dev $i" >/dev/null
    until_true 20 ping -c 1 -W 2 10.9.2.2 >/dev/null || fail "netback does not answer"
    [ -z "$READER" ] || disown $READER
    for load in ${LOADS:-udp-out udp-in tcp-out tcp-in flood-in}; do
        for i in $(seq ${ROUNDS:-2}); do
            measure netback $load 10.9.2
            measure hvm-dm $load 10.9.1
        done
    done
}

# Of dom0's end; no one polls meanwhile, for all that dom0 does counts. What arrives in the guest, the guest says.
measure() {
    local answer
    answer=$(POLL=2 $2 $3) || fail "$1: $2"
    note "BENCH $1 $2 $answer"
}

tcp-out() {
    /tmp/netload dom0 recv 5001 >here &
    guest_run "sleep 0.7; /tmp/netload send $1.1 5001 ${MIB:-24}" 300 >/dev/null || return
    wait $!
    cat here
}

tcp-in() {
    guest_run "(/tmp/netload recv 5001 </dev/null >/dev/null 2>&1 &)" >/dev/null
    /tmp/netload dom0 send $1.2 5001 ${MIB:-24}
}

udp-out() {
    /tmp/netload dom0 urecv 5001 >here &
    guest_run "sleep 0.7; /tmp/netload usend $1.1 5001 ${DATAGRAMS:-20000}" 300 >/dev/null || return
    wait $!
    cat here
}

# No more on their way than a quarter of what a tap holds: nothing is lost, and what is measured is not who drops first.
udp-in() { to_guest $1 256; }

# As fast as the sender can. netback stops it; a tap can't, and loses what it has no room for. The guest says how many
# came.
flood-in() { to_guest $1 0; }

to_guest() {
    guest_run "(/tmp/netload urecv 5001 </dev/null >/tmp/answer 2>/dev/null &)" >/dev/null
    /tmp/netload dom0 usend $1.2 5001 ${DATAGRAMS:-20000} $2 >here
    until_true 20 guest_run '[ -s /tmp/answer ]' >/dev/null || return
    echo "$(guest_run 'cut -d" " -f 1,2 /tmp/answer; rm /tmp/answer') $(cut -d' ' -f 3 here)"
}
