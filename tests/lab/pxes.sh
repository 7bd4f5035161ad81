# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Network boot: the firmware finds the card's ROM, iPXE asks for an address, takes its script and the kernel by
# HTTP, and Linux comes up. MODEL=e1000 (--env) tries another card.

HOST=10.9.0.1

scenario() {
    local model=${MODEL:-rtl8139} id
    ip addr add $HOST/24 dev xenbr0 2>/dev/null || true
    mkdir boot
    ln /lab/in/files/vmlinuz /lab/in/files/initrd boot/ 2>/dev/null || cp /lab/in/files/vmlinuz /lab/in/files/initrd boot/
    cat >boot/boot.ipxe <<SCRIPT
#!ipxe
kernel http://$HOST/vmlinuz $EMULATED_ARGS guest.skip=bochs,cirrus guest.run=echo,BOOTED-BY-NETWORK
initrd http://$HOST/initrd
boot
SCRIPT
    cat >udhcpd.conf <<CONF
start 10.9.0.20
end 10.9.0.30
interface xenbr0
siaddr $HOST
boot_file http://$HOST/boot.ipxe
option subnet 255.255.255.0
option lease 3600
lease_file $PWD/leases
CONF
    touch leases
    udhcpd -f udhcpd.conf >$LAB_RESULTS/udhcpd.txt 2>&1 &
    httpd -f -p $HOST:80 -h boot &
    guest_cfg 'boot = "n"' "vif = [ 'mac=00:16:3e:aa:bb:02,model=$model,bridge=xenbr0' ]"
    guest_create
    id=$(domid)
    wait_for_console BOOTED-BY-NETWORK 600
    note "kernel and initrd by $model in $SECONDS s"
    note "dm: $(dm_stats)"
    screendump pxe
    xl destroy guest
    expect_gone $id
    kill $(jobs -p) # the servers
}
