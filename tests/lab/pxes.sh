# SPDX-License-Identifier: GPL-2.0-or-later
# manual: no scenario of its own; what the pxe scenarios share.
# Network boot: the firmware finds the card's ROM, iPXE asks for an address, takes its script and the kernel, and
# Linux comes up.

HOST=10.9.0.1

serve_files() {
    mkdir boot
    ln /lab/in/files/vmlinuz /lab/in/files/initrd boot/ 2>/dev/null || cp /lab/in/files/vmlinuz /lab/in/files/initrd boot/
    cat >boot/boot.ipxe <<SCRIPT
#!ipxe
kernel $1/vmlinuz $EMULATED_ARGS guest.skip=bochs,cirrus guest.run=echo,BOOTED-BY-NETWORK
initrd $1/initrd
boot
SCRIPT
    case $1 in
    http:*) httpd -f -p $HOST:80 -h boot & ;;
    tftp:*)
        cp /lab/in/files/nictool . && chmod +x nictool
        ./nictool tftpd boot >$LAB_RESULTS/tftpd.txt 2>&1 &
        ;;
    esac
}

# pxe_scenario MODEL http|tftp
pxe_scenario() {
    local id
    ip addr add $HOST/24 dev xenbr0 2>/dev/null || true
    serve_files $2://$HOST
    cat >udhcpd.conf <<CONF
start 10.9.0.20
end 10.9.0.30
interface xenbr0
siaddr $HOST
boot_file $2://$HOST/boot.ipxe
option subnet 255.255.255.0
option lease 3600
lease_file $PWD/leases
CONF
    touch leases
    udhcpd -f udhcpd.conf >$LAB_RESULTS/udhcpd.txt 2>&1 &
    guest_cfg 'boot = "n"' "vif = [ 'mac=00:16:3e:aa:bb:02,model=$1,bridge=xenbr0' ]"
    guest_create
    id=$(domid)
    wait_for_console BOOTED-BY-NETWORK 600
    [ $2 = http ] || grep -q "initrd: all" $LAB_RESULTS/tftpd.txt || fail "it was not by TFTP"
    note "kernel and initrd by $1 and $2 in $SECONDS s"
    note "dm: $(dm_stats)"
    screendump pxe
    xl destroy guest
    expect_gone $id
    kill $(jobs -p) # the servers
}
