# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# A guest is saved and restored, saved and left running, and migrated (to the same host), while it works with the
# emulated devices. Its disks, card, screen, tablet and programs go on. MODEL is the card.
. "$(dirname "${BASH_SOURCE[0]}")/nics.sh"
. "$(dirname "${BASH_SOURCE[0]}")/usb.sh"

scenario() {
    media
    guest_cfg "$(direct_kernel)" "vif = [ 'mac=$MAC,model=${MODEL:-e1000},bridge=xenbr0' ]" \
        "disk = [ $(hd hda $PWD/disk.img), $(cd_rom hdc $PWD/cd.iso) ]" \
        "usbctrl = [ 'type=devicemodel,version=3,ports=4' ]" 'usbdevice = [ "tablet" ]'
    sed -i 's/^usb = 0/usb = 1/' guest.cfg
    guest_boot
    has_input 'USB Tablet' || fail "the guest has no tablet"
    net_up
    moved_about
}

# What both scenarios do with a guest that has a DISK. `further` is what else holds each time.
moved_about() {
    guest_run "head -c 8388608 /dev/urandom >/tmp/data && dd if=/tmp/data of=$DISK bs=64k conv=notrunc,fsync" 60 >/dev/null ||
        fail "the disk can't be written"
    works "before"
    guest_run 'printf "\033[?25l" >/dev/tty0' # a cursor that blinks is not twice the same
    screendump before
    at_work
    saved_and_restored same_screen
    works "after a restore"
    quietly 200 xl save -c guest $LAB_WORK/saved
    rm $LAB_WORK/saved
    shell_again
    works "after a save that lets it go on"
    migrated
    works "after a migration"
    guest_type "poweroff -f"
    expect_gone $(domid) 60
}

media() {
    ip addr add $HOST/24 dev xenbr0 2>/dev/null || true
    head -c 16777216 /dev/urandom >disk.img
    head -c 2097152 /dev/urandom >cd.iso
}

same_screen() {
    screendump after
    cmp $LAB_RESULTS/before.ppm $LAB_RESULTS/after.ppm || fail "the screen is another"
}

net_up() {
    ETH=$(card)
    guest_run "ip link set $ETH up && ip addr add $GUEST/24 dev $ETH" || fail "the card does not come up"
    until_true 20 answers || stuck "no answer to a ping"
}

# Writes all the time behind the data, and counts.
at_work() {
    guest_run "(n=0; while :; do dd if=/tmp/data of=$DISK bs=64k seek=128 count=32 conv=notrunc,fsync 2>/dev/null || break; n=\$((n + 1)); echo \$n >/tmp/n; sleep 0.3; done) &" >/dev/null
    until_true 30 counts
    WAS=1
}

counts() { guest_run '[ -s /tmp/n ]' >/dev/null; }

DISK=/dev/sda

# The disk holds what was written, past the guest's cache; the image does, too; the card, the CD and the load go on.
works() {
    local n
    guest_run "echo 3 >/proc/sys/vm/drop_caches; dd if=$DISK bs=64k count=128 2>/dev/null | cmp - /tmp/data" 60 || fail "$1: the disk reads otherwise"
    guest_run 'md5sum </dev/sr0' 60 | grep -q "$(md5sum <cd.iso | cut -d' ' -f1)" || fail "$1: the CD-ROM reads otherwise"
    until_true 20 answers || stuck "$1: no answer to a ping"
    ping -c 2 -i 0.3 -s 1400 $GUEST >/dev/null || stuck "$1: the guest does not answer"
    if [ -n "$WAS" ]; then
        n=$(guest_run 'cat /tmp/n')
        until_true 30 eval "[ \"\$(guest_run 'cat /tmp/n')\" -gt $n ]" || fail "$1: the guest's writer stands still"
    fi
    further "$1"
    guest_run 'dmesg | grep -i -e "not responding" -e "HC died" -e "timed out" -e "lost interrupt"' && fail "$1: a driver complains"
    note "$1: works, up $(guest_run 'cut -d" " -f1 /proc/uptime') s"
}

# The tablet's events arrive.
further() {
    record 'USB Tablet'
    at $((RANDOM % 30000)) $((RANDOM % 30000))
    until_true 20 guest_run '[ -s /tmp/ev ]' >/dev/null || fail "$1: the tablet is dead"
    guest_run 'killall cat'
}

migrated() {
    local id=$(domid)
    quietly 400 xl migrate -p -s "" guest "xl migrate-receive -p"
    expect_gone $id 30
    goes_on
}
