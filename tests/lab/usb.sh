# SPDX-License-Identifier: GPL-2.0-or-later
# manual: no scenario of its own; what the USB scenarios share: devices that people use, disks, and an idle minute.

# has_input NAME [SECONDS]: an input device of that name is there.
has_input() {
    guest_run "for i in \$(seq ${2:-15}); do /init coldplug; grep -q '$1' /proc/bus/input/devices && break; sleep 1; done; grep -q '$1' /proc/bus/input/devices" 90
}

lost_input() {
    guest_run "for i in \$(seq 15); do grep -q '$1' /proc/bus/input/devices || break; sleep 1; done; ! grep -q '$1' /proc/bus/input/devices" 90
}

# record NAME: the events of an input device into /tmp/ev.
record() {
    guest_run "(cat \$(grep -l '$1' /sys/class/input/event*/device/name | head -n 1 | sed 's,/sys/class,/dev,; s,/device.*,,') >/tmp/ev &)" >/dev/null
    sleep 2
}

# 24 bytes an event: two words of time, then type, code and value; "type code value;..."
events() {
    sleep 3
    guest_run 'killall cat; hexdump -v -e "12/2 \"%d \" \"\n\"" /tmp/ev | cut -d " " -f 9-11 | tr "\n" ";"' >events
    note "$1: $(cat events)"
}

expect_events() {
    for event in "$@"; do
        grep -q "\(^\|;\)$event;" events || fail "the event \"$event\" did not arrive"
    done
}

send() { QMP_WAIT=0.3 qmp input-send-event "{\"events\":[$1]}" >/dev/null; }
at() { send "{\"type\":\"abs\",\"data\":{\"axis\":\"x\",\"value\":$1}},{\"type\":\"abs\",\"data\":{\"axis\":\"y\",\"value\":$2}}"; }
button() { send "{\"type\":\"btn\",\"data\":{\"button\":\"$1\",\"down\":true}}"; send "{\"type\":\"btn\",\"data\":{\"button\":\"$1\",\"down\":false}}"; }

tablet() {
    record 'USB Tablet'
    at 4660 22136
    at 32767 0
    button left
    button wheel-up
    events tablet
    expect_events '3 0 4660' '3 1 22136' '3 0 32767' '3 1 0' '1 272 1' '1 272 0' '2 8 1'
}

keyboard() {
    record 'USB Keyboard'
    send_keys shift-a f5
    events keyboard
    expect_events '1 42 1' '1 30 1' '1 30 0' '1 42 0' '1 63 1' '1 63 0'
}

# The mouse gets what is relative; the tablet, what is absolute.
mouse() {
    record 'USB Mouse'
    send '{"type":"rel","data":{"axis":"x","value":7}},{"type":"rel","data":{"axis":"y","value":-3}}'
    events mouse
    expect_events '2 0 7' '2 1 -3'
}

# idle [BOUND]: wakeups of all the device model's threads in a minute, the kernel's for it included, beyond the guest's
# own accesses.
idle() {
    local before after asked=0
    sleep 10
    [ $LAB_DM = qemu ] || asked=$(accesses)
    before=$(wakeups)
    sleep 60
    after=$(wakeups)
    note "idle: $((after - before)) wakeups of the device model in 60 s"
    [ $LAB_DM = qemu ] && return
    asked=$(($(accesses) - asked))
    note "idle: the guest made $asked accesses meanwhile"
    [ $((after - before - asked)) -lt ${1:-5} ] || fail "wakeups that the guest didn't ask for"
}

# What the guest has asked of all regions so far.
accesses() {
    qmp human-monitor-command '{"command-line":"info io"}' | grep -o 'accesses [0-9]*' | awk '{ n += $2 } END { print n }'
}

wakeups() { cat /proc/$(dm_pid)/task/*/status | awk '/^voluntary/ { v += $2 } END { print v + 0 }'; }

# disk_image NAME MIB: an image of noise.
disk_image() {
    dd if=/dev/urandom of=$LAB_WORK/$1 bs=1M count=$2 status=none
    echo $LAB_WORK/$1
}

# The guest's name for the disk of a USB device with that serial number; into $DISK.
find_disk() {
    guest_run "for i in \$(seq 20); do /init coldplug; ls -d /sys/bus/usb/devices/*/serial | xargs grep -l '^$1\$' | sed 's,/serial,,' >/tmp/where; ls -d \$(cat /tmp/where)/*/host*/target*/*/block/* 2>/dev/null >/tmp/block && break; sleep 1; done; sed 's,.*/,,' /tmp/block" 90 >found || true
    DISK=$(tail -n 1 found)
    [[ $DISK = sd* ]] || { guest_run 'dmesg | tail -n 20' >&3; fail "no disk with the serial number $1"; }
    note "$1 is $DISK, at $(guest_run 'cat $(cat /tmp/where)/speed') Mbit/s"
}

# check_disk FILE SPEED: what is read is what is in the image, and what is written gets there.
check_disk() {
    local speed=$(guest_run 'cat $(cat /tmp/where)/speed')
    [ "$speed" = $2 ] || fail "a disk at $speed Mbit/s, not $2"
    [ "$(guest_run "md5sum </dev/$DISK" 300)" = "$(md5sum <$1)" ] || fail "the disk reads otherwise"
    guest_run "dd if=/dev/urandom of=/tmp/new bs=1k count=${3:-3000} 2>/dev/null; dd if=/tmp/new of=/dev/$DISK bs=64k seek=7 conv=fsync 2>/dev/null" 300 ||
        fail "the disk can't be written"
    [ "$(guest_run 'md5sum </tmp/new' 60)" = "$(dd if=$1 bs=1k skip=448 count=${3:-3000} status=none | md5sum)" ] ||
        fail "what was written is not in the image"
    guest_run "echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/$DISK bs=64k skip=7 count=100 2>/dev/null | head -c $((${3:-3000} * 1024)) | cmp - /tmp/new" 300 ||
        fail "what was written reads otherwise"
}

# ---- USB devices of dom0 -------------------------------------------------------------------------

# host_device VENDOR [SPEED]: of dom0's device of that vendor and speed "BUS ADDRESS NAME".
host_device() {
    local dir
    for dir in /sys/bus/usb/devices/*; do
        [ "$(cat $dir/idVendor 2>/dev/null)" = $1 ] && [ "$(cat $dir/speed)" = ${2:-12} ] &&
            echo "$(cat $dir/busnum) $(cat $dir/devnum) ${dir##*/}" && return
    done
    return 1
}

driver_of() { basename "$(readlink /sys/bus/usb/devices/$1:1.0/driver)"; }

# dom0_has VENDOR DRIVER [SPEED]: soon.
dom0_drives() {
    local found
    found=($(host_device $1 $3)) && [ "$(driver_of ${found[2]})" = $2 ]
}
dom0_has() { until_true 30 dom0_drives "$@"; }

# host_disk [SPEED]: dom0's name for that disk of QEMU's, once it is there.
host_disk() {
    local found
    found=($(host_device 46f4 $1)) &&
        DISK=$(ls /sys/bus/usb/devices/${found[2]}/${found[2]}:1.0/host*/target*/*/block 2>/dev/null) &&
        [ $(blockdev --getsize64 /dev/$DISK) -gt 0 ]
}

# dom0_read KIB KIB [SPEED]: the checksum of that part of that disk.
dom0_read() {
    local DISK
    until_true 30 host_disk $3 || fail "dom0 has no USB disk"
    echo 3 >/proc/sys/vm/drop_caches
    dd if=/dev/$DISK bs=1k skip=$1 count=$2 2>/dev/null | md5sum | cut -d ' ' -f 1
}

# attach VENDOR [SPEED]
attach() {
    local found
    found=($(host_device $1 $2)) || fail "dom0 has no device of $1"
    xl usbdev-attach guest hostbus=${found[0]} hostaddr=${found[1]} || fail "usbdev-attach"
    dom0_has $1 usbfs $2 || fail "dom0's drivers have not let go of $1"
    note "attached $1, ${found[0]}.${found[1]}"
}

# stick_of_dom0 SPEED: a disk of dom0's at that speed on the guest's xHCI controller: there from the start by usbdev=,
# detached and attached while the guest runs, and pulled out of the host ("faststick") in the middle of a transfer.
stick_of_dom0() {
    local speed=$1 found id sum written read
    dom0_has 46f4 usb-storage $speed || fail "dom0 has no fast USB disk"
    sum=$(dom0_read 0 4096 $speed)
    found=($(host_device 46f4 $speed))
    guest_cfg "$(direct_kernel)" "usbctrl = ['type=devicemodel,version=3,ports=4']" \
        "usbdev = ['type=hostdev,hostbus=${found[0]},hostaddr=${found[1]}']"
    guest_boot
    id=$(domid)
    dom0_has 46f4 usbfs $speed || fail "dom0's drivers have not let go of the disk"
    guest_run 'modprobe -a usb-storage sd_mod' || fail "no modules"
    wait_for_disk
    reads_as "$sum" 0
    written=$(guest_run "dd if=/dev/urandom of=/tmp/data bs=1k count=2048 2>/dev/null; dd if=/tmp/data of=/dev/$DISK bs=64k seek=64 conv=fsync 2>/dev/null; md5sum </tmp/data" 300 | cut -d ' ' -f 1)
    guest_run 'echo 3 >/proc/sys/vm/drop_caches' >/dev/null
    [ "$(guest_run "dd if=/dev/$DISK bs=1k skip=4096 count=2048 2>/dev/null | md5sum" 300 | cut -d ' ' -f 1)" = "$written" ] || fail "the guest reads otherwise than it wrote"

    xl usb-list guest >$LAB_RESULTS/usb-list
    xl usbdev-detach guest 0 1 || fail "usbdev-detach"
    lost_disk
    [ "$(dom0_read 4096 2048 $speed)" = "$written" ] || fail "dom0 does not find what the guest wrote"

    attach 46f4 $speed
    wait_for_disk
    reads_as "$sum" 0

    guest_run "(while dd if=/dev/$DISK of=/dev/null bs=4k >/tmp/dd 2>&1 && [ -e /dev/$DISK ]; do echo 3 >/proc/sys/vm/drop_caches; done; echo ended >>/tmp/dd) >/dev/null 2>&1 &" >/dev/null
    sleep 2
    guest_run '! grep ended /tmp/dd' >/dev/null || fail "the transfer was over at once"
    outer device_del faststick
    lost_disk
    guest_run 'for i in $(seq 30); do grep -q ended /tmp/dd && break; sleep 1; done; cat /tmp/dd' 60 >dd.txt || true
    note "dd: $(tr '\n' ' ' <dd.txt)"
    grep -q ended dd.txt || fail "a transfer to a disk that is gone does not end"
    # Linux takes the disk's size away with it, so that the reader sees either an error or the end.
    read=$(sed -n 's/+.* records in.*//p' dd.txt)
    [ ${read:-0} -lt $((SIZE / 4096)) ] || fail "all of the disk was read: $(cat dd.txt)"
    grep -q 'USB device .* is gone' /var/log/xen/qemu-dm-guest.log || [ $LAB_DM = qemu ] || fail "no word of it"
    ! guest_run 'dmesg | grep -i -E "xhci.*(error|warn|timeout|died|not respond)"' >complaints || { cat complaints >&3; fail "the driver complains"; }
    note "dm: $(dm_stats)"
    xl destroy guest
    expect_gone $id
}

wait_for_disk() {
    guest_run 'for i in $(seq 60); do d=$(ls /sys/bus/usb/devices/*/*/host*/target*/*/block 2>/dev/null); [ -n "$d" ] && [ $(blockdev --getsize64 /dev/$d) -gt 0 ] && break; sleep 1; done; echo "$d"; cat /sys/bus/usb/devices/*/*/host*/../../speed' 120 >found ||
        { guest_run 'dmesg | tail -n 20' >&3; fail "the guest has no USB disk"; }
    DISK=$(head -n 1 found)
    SIZE=$(guest_run "blockdev --getsize64 /dev/$DISK")
    [[ $DISK = sd* ]] || { guest_run 'dmesg | tail -n 20' >&3; fail "the guest has no USB disk"; }
    [ "$(tail -n 1 found)" = $speed ] || fail "the disk is at $(tail -n 1 found) Mbit/s"
}

lost_disk() {
    guest_run "for i in \$(seq 30); do [ -e /dev/$DISK ] || break; sleep 1; done; ! [ -e /dev/$DISK ]" 60 || fail "the guest still has the disk"
}

# reads_as SUM KIB: the guest's 4 MiB from there on.
reads_as() {
    local before=$SECONDS got
    got=$(guest_run "dd if=/dev/$DISK bs=1k skip=$2 count=4096 2>/dev/null | md5sum" 300 | cut -d ' ' -f 1)
    [ "$got" = "$1" ] || fail "the guest reads $got, dom0 $1"
    note "4 MiB read in $((SECONDS - before)) s"
}
