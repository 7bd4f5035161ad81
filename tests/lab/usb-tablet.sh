# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Linux drives the UHCI controller, the tablet, and the keyboard behind the hub: positions, clicks and keys arrive as
# they were sent. Then nobody does anything for a minute, and the device model's wakeups are counted.

scenario() {
    guest_cfg "$(direct_kernel)" 'usbdevice = ["tablet", "keyboard"]'
    sed -i 's/^usb = 0/usb = 1/' guest.cfg
    guest_boot
    guest_run 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do grep -q "USB Keyboard" /proc/bus/input/devices && break; sleep 1; done' 60 >/dev/null
    guest_run 'dmesg | grep -i -E "usb|hid" | tail -n 25' >usb.log || true
    cp usb.log $LAB_RESULTS/
    note "$(grep -c . usb.log) lines on USB; $(guest_run 'grep -h Name /proc/bus/input/devices | grep -c USB') input devices"
    for name in Tablet Keyboard; do
        guest_run "grep -q 'QEMU QEMU USB $name' /proc/bus/input/devices" || { cat usb.log >&3; fail "no USB $name"; }
    done
    tablet
    keyboard
    idle
    replug
    note "dm: $(dm_stats)"
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

# idle: wakeups of all the device model's threads in a minute.
idle() {
    local before after asked=0
    sleep 10
    [ $LAB_DM = qemu ] || asked=$(accesses)
    before=$(wakeups)
    sleep 60
    after=$(wakeups)
    note "idle: $((after - before)) wakeups of the device model in 60 s"
    [ $LAB_DM = qemu ] && return
    # Linux polls the root hub four times a second, with six reads each time
    asked=$(($(accesses) - asked))
    note "idle: the guest made $asked accesses meanwhile"
    [ $((after - before - asked)) -lt 60 ] || fail "wakeups that the guest didn't ask for"
}

# What the guest has asked of all regions so far.
accesses() {
    qmp human-monitor-command '{"command-line":"info io"}' | grep -o 'accesses [0-9]*' | awk '{ n += $2 } END { print n }'
}

wakeups() { cat /proc/$(dm_pid)/task/*/status | awk '/^voluntary/ { v += $2 } END { print v }'; }

# A tablet more, by the monitor, is found and lost again.
replug() {
    [ $LAB_DM = qemu ] && return
    QMP_WAIT=1 qmp device_add '{"driver":"usb-mouse","id":"xenusb-1-9","bus":"usb-bus.0"}' >/dev/null || fail "device_add"
    guest_run 'for i in 1 2 3 4 5 6 7 8 9; do grep -q "USB Mouse" /proc/bus/input/devices && break; sleep 1; done; grep "USB Mouse" /proc/bus/input/devices' 60 || fail "the new mouse was not found"
    qmp device_del '{"id":"xenusb-1-9"}' >/dev/null || fail "device_del"
    guest_run 'for i in 1 2 3 4 5 6 7 8 9; do grep -q "USB Mouse" /proc/bus/input/devices || break; sleep 1; done; ! grep "USB Mouse" /proc/bus/input/devices' 60 || fail "the mouse is still there"
}
