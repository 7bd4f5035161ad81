# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Two guests talk through the bridge: each of one's cards with the other's, which sends back what it gets.
. "$(dirname "${BASH_SOURCE[0]}")/nics.sh"

PEER_MODEL=${PEER_MODEL:-e1000}

# The other guest, which does all by itself.
start_peer() {
    local n address=
    for n in 1 2 3; do
        address="$address;ip,addr,add,10.9.$n.9/24,dev,eth0"
    done
    cat >peer.cfg <<CFG
name = "peer"
type = "hvm"
memory = 192
vcpus = 1
serial = "file:$LAB_RESULTS/peer.log"
vnc = 0
usb = 0
vga = "stdvga"
device_model_version = "qemu-xen"
device_model_override = "$DM"
kernel = "/lab/in/files/vmlinuz"
ramdisk = "/lab/in/files/initrd"
cmdline = "$EMULATED_ARGS guest.skip=bochs,cirrus guest.run=eval,ip,link,set,eth0,up$address;nc,-ll,-p,7,-e,cat"
vif = [ 'mac=00:16:3e:aa:dd:01,model=$PEER_MODEL,bridge=xenbr0' ]
CFG
    timeout 120 xl create -q peer.cfg || fail "the other guest: xl create: exit $?"
}

echoes() { guest_run "ping -c 1 -W 2 $1" 20 >/dev/null; }

scenario() {
    local n=0 model id peer
    start_peer
    boot_with_cards
    guest_run "head -c 2000000 /dev/urandom >/tmp/sent; md5sum </tmp/sent" >sum
    for model in $MODELS; do
        n=$((n + 1))
        use_card $n
        until_true 60 echoes 10.9.$n.9 || stuck "$model: the other guest's $PEER_MODEL does not answer"
        guest_run "nc 10.9.$n.9 7 </tmp/sent | head -c 2000000 | md5sum" 200 >back || stuck "$model: nothing comes back"
        [ "$(cut -d' ' -f1 sum)" = "$(cut -d' ' -f1 back)" ] || fail "$model to $PEER_MODEL and back: something else arrived"
        note "$model to $PEER_MODEL and back: 2 MB"
    done
    id=$(domid) peer=$(xl domid peer)
    xl destroy peer
    xl destroy guest
    expect_gone $peer
    expect_gone $id
}
