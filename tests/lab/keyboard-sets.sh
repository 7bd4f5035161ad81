# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# What software seldom asks of the PS/2 keyboard: Linux reads it without the controller's translation, first in scan
# code set 2, then in set 3; keys by send-key and by input-send-event, chords, a key that is held, and its lights.

scenario() {
    guest_cfg "$(direct_kernel "$EMULATED_ARGS guest.skip=bochs,cirrus i8042.direct=1")"
    guest_boot
    keys "AT Raw Set 2 keyboard"
    guest_run 'for d in /sys/bus/serio/devices/*; do [ -e $d/set ] && echo 3 >$d/set; done; cat /sys/bus/serio/devices/*/set' >set
    [ "$(tail -n 1 set)" = 3 ] || fail "the keyboard is in set $(cat set)"
    keys "AT Raw Set 3 keyboard"
    lights
    note "dm: $(dm_stats)"
}

# 24 bytes an event: two words of time, then type, code and value; "type code value;..."
keys() {
    local event
    guest_run "grep -q '$1' /proc/bus/input/devices" || fail "no \"$1\""
    guest_run "(cat \$(grep -l '$1' /sys/class/input/event*/device/name | sed 's,/sys/class,/dev,; s,/device.*,,') >/tmp/ev &)" >/dev/null
    sleep 2
    send_keys shift-a f5 ctrl_r up
    for event in true false; do
        QMP_WAIT=0.3 qmp input-send-event "{\"events\":[{\"type\":\"key\",\"data\":{\"down\":$event,\"key\":{\"type\":\"qcode\",\"data\":\"kp_enter\"}}}]}" >/dev/null
    done
    QMP_WAIT=2 qmp send-key '{"keys":[{"type":"qcode","data":"f12"}],"hold-time":1500}' >/dev/null
    sleep 3
    guest_run 'killall cat; hexdump -v -e "12/2 \"%d \" \"\n\"" /tmp/ev | cut -d " " -f 9-11 | tr "\n" ";"' >events
    note "$1: $(cat events)"
    for event in '1 42 1' '1 30 1' '1 30 0' '1 42 0' '1 63 1' '1 63 0' '1 97 1' '1 97 0' '1 103 1' '1 103 0' '1 96 1' '1 96 0' '1 88 1' '1 88 0'; do
        grep -q "\(^\|;\)$event;" events || fail "the event \"$event\" did not arrive"
    done
}

# Linux waits for the keyboard's answer to EDh, and gives it up as gone when none comes.
lights() {
    guest_run 'for l in caps num scroll; do for v in 1 0 1; do echo $v >$(ls -d /sys/class/leds/input*::${l}lock | head -n 1)/brightness; done; done; sleep 1; cat /sys/class/leds/input*::*lock/brightness' >lit
    [ "$(grep -c 1 lit)" = 3 ] || fail "lights: $(cat lit)"
    ! guest_run 'dmesg | grep -i -E "atkbd|i8042" | grep -i -E "fail|error|timeout|unknown|reset"' >complaints || { cat complaints >&3; fail "the driver complains"; }
}
