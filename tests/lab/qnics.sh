# SPDX-License-Identifier: GPL-2.0-or-later
# manual: no scenario of its own; what pv-net and tests/bench/pvnet.sh share: cards of our PV network backend, made as a
# toolstack makes them that knows of qnic nodes (libxl writes none).
. /lab/in/lab/nics.sh

HOST=10.9.1.1 GUEST=10.9.1.2 HOST6=fd09::1 GUEST6=fd09::2

addresses() {
    local address
    for address in 10.9.2.1/24 $HOST/24 $HOST6/64; do
        ip addr add $address dev xenbr0 2>/dev/null || true
    done
}

# qnic_plug DEVID MAC: writes the nodes, and does for the tap what a hot-plug script does. $TAP is its name.
qnic_plug() {
    local id=$(domid) fe be
    fe=/local/domain/$id/device/vif/$1 be=/local/domain/0/backend/qnic/$id/$1
    TAP=vif$id.$1
    xenstore-write $fe/backend $be $fe/backend-id 0 $fe/handle $1 $fe/mac $2
    xenstore-chmod $fe n$id r0 && xenstore-chmod -r $fe n$id r0
    xenstore-write $be/frontend $fe $be/frontend-id $id $be/online 1 $be/script /etc/xen/scripts/vif-bridge \
        $be/mac $2 $be/bridge xenbr0 $be/handle $1 $be/type vif $be/vifname $TAP
    xenstore-chmod $be n0 r$id && xenstore-chmod -r $be n0 r$id
    xenstore-write $fe/state 1 $be/state 1
    until_true 20 ls /sys/class/net/$TAP >/dev/null 2>&1 || fail "no tap $TAP"
    ip link set $TAP master xenbr0
    ip link set $TAP up
    until_true 30 qnic_is $id $1 4 || fail "qnic $1 is not connected: $(xenstore-ls $be; xenstore-ls $fe)"
}

qnic_is() { [ "$(xenstore-read /local/domain/0/backend/qnic/$1/$2/state 2>/dev/null)" = $3 ]; }

qnic_unplug() {
    local id=$(domid)
    xenstore-write /local/domain/0/backend/qnic/$id/$1/online 0 /local/domain/0/backend/qnic/$id/$1/state 5
    until_true 20 qnic_is $id $1 6 || fail "qnic $1 does not close: $(xenstore-ls /local/domain/0/backend/qnic/$id/$1)"
    qnic_forget $id
    xenstore-rm /local/domain/$id/device/vif/$1
    until_true 10 test ! -e /sys/class/net/vif$id.$1 || fail "the tap is there after detach"
}

qnic_forget() { xenstore-rm /local/domain/0/backend/qnic/$1 2>/dev/null || true; }

# card_of MAC: the guest's name for it.
card_of() { guest_run "grep -l $1 /sys/class/net/*/address | cut -d/ -f5"; }

# qnic_up MAC: gives it its addresses; $ETH is its name.
qnic_up() {
    until_true 20 guest_run "grep -q $1 /sys/class/net/*/address" || stuck "the guest has no card $1"
    ETH=$(card_of $1)
    guest_run "echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore; echo 0 >/proc/sys/net/ipv6/conf/$ETH/accept_dad
        ip link set $ETH up && ip addr add $GUEST/24 dev $ETH && ip addr add $GUEST6/64 dev $ETH" >/dev/null ||
        stuck "$ETH does not come up"
    until_true 20 answers || stuck "no answer to a ping"
}
