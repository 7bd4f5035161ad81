# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel nictool.c
# The registers of the 8139 of before C+: four transmit descriptors, one receive ring of bytes. Linux' driver for them,
# 8139too, leaves chips of revision 20h and later to 8139cp; here its copy of that number is made ffh first. It learns of
# a cable that is pulled by bit 11 of CSCR, which the C+ has not.
. "$(dirname "${BASH_SOURCE[0]}")/nics.sh"
MODELS=rtl8139

# `cmp $0x1f, REGISTER; ja` is how it leaves them. What is changed has no signature that is right, and goes without.
unleash() {
    guest_run 'cp $(find /lib/modules -name 8139too.ko) /tmp && cd /tmp && end=$(wc -c <8139too.ko)'
    guest_run 'od -An -v -tx1 8139too.ko | tr -d " \n" >hex'
    guest_run 'at=$(awk "match(\$0, /80f[89a-f]1f0f87/) { print (RSTART + 3) / 2 }" hex); echo "at $at of $end"' >&3
    guest_run 'printf "\377" | dd of=8139too.ko bs=1 seek=$at conv=notrunc' || fail "8139too has no such check"
    guest_run 'printf "." | dd of=8139too.ko bs=1 seek=$((end - 2)) conv=notrunc'
    guest_run 'rmmod 8139cp; rmmod 8139too; modprobe mii; insmod 8139too.ko; cd /'
}

scenario() {
    local id
    boot_with_cards
    id=$(domid)
    use_card 1
    fetch nictool
    unleash
    guest_run "grep ^8139too /proc/modules" || stuck "8139too is not loaded"
    ETH=
    use_card 1
    guest_run "basename \$(readlink /sys/class/net/$ETH/device/driver)" | tee driver >&3
    grep -q 8139too driver || stuck "the driver of $ETH is not 8139too"
    ping -c 3 -i 0.3 -s 1400 $GUEST >ping.txt || stuck "the guest does not answer"
    both_ways 1000000
    guest_run "/tmp/nictool flood $HOST 9000 1" 100 >there &
    ./nictool flood $GUEST 9000 1 >here
    wait $! || fail "the guest's flood"
    note "dom0 $(cat here); guest $(cat there)"
    until_true 20 answers || stuck "no answer after the flood"
    both_ways 300000
    guest_run "ip link set $ETH promisc on" && answers || stuck "no answer while promiscuous"
    guest_run "ip link set $ETH promisc off"
    guest_run "/tmp/nictool stats $ETH; grep $ETH: /proc/net/dev; dmesg | grep -i 8139 | tail -n 8" | tee $LAB_RESULTS/stats.txt >&3 || true
    guest_run "ip link set $ETH down && ip link set $ETH up" && until_true 10 answers || stuck "down and up"
    xl destroy guest
    expect_gone $id
}
