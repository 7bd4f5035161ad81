# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Linux loads its PV keyboard's driver by itself: what is typed then arrives there, each key once, and the pointer's
# position and clicks are the PV pointer's.

scenario() {
    guest_cfg "$(direct_kernel "$SERIAL_ARGS guest.skip=bochs,cirrus")"
    guest_boot
    note "$(guest_run 'grep Name /proc/bus/input/devices | sort')"
    guest_run 'grep -q "Xen Virtual Keyboard" /proc/bus/input/devices' || fail "no PV keyboard"
    [ "$(xenstore-read "/local/domain/0/backend/vkbd/$(domid)/0/state")" = 4 ] || fail "the backend is not connected"
    record Keyboard keys
    record Pointer pointer
    sleep 2
    send_keys a
    qmp input-send-event '{"events":[{"type":"abs","data":{"axis":"x","value":4660}},{"type":"abs","data":{"axis":"y","value":32767}}]}' >/dev/null
    qmp input-send-event '{"events":[{"type":"btn","data":{"button":"left","down":true}},{"type":"btn","data":{"button":"left","down":false}}]}' >/dev/null
    sleep 3
    [[ $(events keys) == *'1 30 1;'*'1 30 0;'* ]] || fail "the PV keyboard got \"$(events keys)\""
    [ "$(guest_run 'wc -c </tmp/ps2' | tr -dc 0-9)" = 0 ] || fail "the key arrived at the PS/2 keyboard, too"
    local got=$(events pointer)
    note "pointer: $got"
    for event in '3 0 4660' '3 1 32767' '1 272 1' '1 272 0'; do
        [[ $got == *"$event;"* ]] || fail "the event \"$event\" did not arrive"
    done
    note "dm: $(dm_stats)"
}

# record NAME FILE: the events of the PV device of that name; and of the PS/2 keyboard
record() {
    guest_run "(cat \$(grep -l 'Xen Virtual $1' /sys/class/input/event*/device/name | sed 's,/sys/class,/dev,; s,/device.*,,') >/tmp/$2 &)" >/dev/null
    guest_run "(cat \$(grep -l 'AT Translated' /sys/class/input/event*/device/name | sed 's,/sys/class,/dev,; s,/device.*,,') >/tmp/ps2 &)" >/dev/null
}

# 24 bytes an event: two words of time, then type, code and value
events() {
    guest_run "hexdump -v -e '12/2 \"%d \" \"\n\"' /tmp/$1 | cut -d ' ' -f 9-11 | tr '\n' ';'"
}
