# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Linux finds the PS/2 keyboard, a wheel mouse on the auxiliary port and a 16550A; keys and motion arrive as they were
# sent, and a lot of text crosses the serial line both ways unharmed.

scenario() {
    guest_cfg "$(direct_kernel)"
    guest_boot
    note "$(guest_run 'cat /proc/bus/input/devices | grep Name | sort')"
    guest_run 'grep -q "AT Translated Set 2 keyboard" /proc/bus/input/devices' || fail "no keyboard"
    guest_run 'grep -q "ImExPS/2" /proc/bus/input/devices' || fail "no mouse with wheel and five buttons"
    guest_run 'dmesg | grep "ttyS0 at I/O 0x3f8 (irq = 4, .*16550A"' || fail "no 16550A"
    keyboard
    mouse
    serial_line
    note "dm: $(dm_stats)"
}

# What is typed on the PC's keyboard runs in the shell on the screen.
keyboard() {
    send_keys e c h o spc shift-k shift-dot slash t m p slash k ret
    guest_run 'for i in 1 2 3 4 5 6 7 8 9; do grep -q . /tmp/k && break; sleep 1; done; cat /tmp/k' >keys
    [ "$(cat keys)" = K ] || fail "the shell on the screen got \"$(cat keys)\""
}

# 24 bytes an event: two words of time, then type, code and value as shorts. REL_X 5, REL_Y -3, BTN_LEFT, REL_WHEEL 1.
mouse() {
    guest_run '(cat $(grep -l ImExPS /sys/class/input/event*/device/name | sed "s,/sys/class,/dev,; s,/device.*,,") >/tmp/m &)' >/dev/null
    sleep 2
    qmp input-send-event '{"events":[{"type":"rel","data":{"axis":"x","value":5}},{"type":"rel","data":{"axis":"y","value":-3}}]}' >/dev/null
    qmp input-send-event '{"events":[{"type":"btn","data":{"button":"left","down":true}}]}' >/dev/null
    qmp input-send-event '{"events":[{"type":"btn","data":{"button":"left","down":false}}]}' >/dev/null
    qmp input-send-event '{"events":[{"type":"btn","data":{"button":"wheel-up","down":true}},{"type":"btn","data":{"button":"wheel-up","down":false}}]}' >/dev/null
    sleep 3
    guest_run 'killall cat; hexdump -v -e "12/2 \"%d \" \"\n\"" /tmp/m | cut -d " " -f 9-11 | tr "\n" ";"' >motion
    note "mouse: $(cat motion)"
    for event in '2 0 5' '2 1 -3' '1 272 1' '1 272 0' '2 8 1'; do
        grep -q "$event;" motion || fail "the event \"$event\" did not arrive"
    done
}

serial_line() {
    local lines=$(guest_run 'i=0; while [ $i -lt 300 ]; do echo "line $i of a long text, to be seen whole"; i=$((i+1)); done' 240 |
        grep -c 'line [0-9]* of a long text, to be seen whole')
    [ $lines = 300 ] || fail "$lines of 300 lines arrived"
    local text=$(head -c 1000 /dev/urandom | base64 -w 0 | head -c 1000)
    local sum=$(guest_run "echo -n $text | md5sum" 120)
    [[ $sum == "$(echo -n $text | md5sum | cut -d ' ' -f 1)"* ]] || fail "1000 characters were typed, others arrived"
}
