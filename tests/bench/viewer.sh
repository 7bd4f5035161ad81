# SPDX-License-Identifier: GPL-2.0-or-later
# manual: what tests/bench/lab-viewer runs
# needs: kernel viewer
# A Linux guest with its console on bochs-drm at 1024x768x32 and a viewer in dom0, by hvm-dm and by the packaged QEMU in
# turn, in one dom0. A line for each load:
# BENCH device-model load cpu-ns wakeups updates bytes milliseconds

# All threads of the device model: nanoseconds on a CPU, voluntary switches.
used() {
    cat /proc/$(dm_pid)/task/*/schedstat | awk '{ n += $1 } END { printf "%.0f ", n }'
    cat /proc/$(dm_pid)/task/*/status | awk '/^voluntary/ { v += $2 } END { print v }'
}

# load NAME SECONDS COMMAND: the viewer looks for that long; the guest does it meanwhile.
load() {
    local name=$1 before after answer
    view watch 1 >/dev/null
    before=($(used))
    echo "watch $2" >&8
    [ -z "$3" ] || guest_type "$3"
    answer=$(view_answer) || fail "$name: no answer of the viewer"
    after=($(used))
    note "BENCH $BENCH_DM $name $((after[0] - before[0])) $((after[1] - before[1])) $(echo "$answer" |
        sed 's/.*"updates": \([0-9]*\),.*"bytes": \([0-9]*\), "seconds": \([0-9]*\)\.\([0-9]*\)}/\1 \2 \3\4/')"
}

one_dm() {
    local id
    BENCH_DM=$1 DM=$2
    : >$SERIAL
    MARK=0
    guest_cfg "$(direct_kernel "$EMULATED_ARGS guest.skip=cirrus video=1024x768-32")"
    guest_boot
    guest_run '[ -e /dev/fb0 ] && cat /sys/class/graphics/fb0/virtual_size' >size || fail "no frame buffer"
    note "$BENCH_DM: $(cat size)"
    guest_run 'b=/bin/busybox; cat $b $b $b $b $b | head -c 3145728 >/tmp/a; cat $b $b $b $b $b | tail -c +8193 | head -c 3145728 >/tmp/b; dmesg >/tmp/log' 60 >/dev/null
    viewer_start --blind --encodings ${BENCH_ENCODINGS:-tight,copyrect}
    view updates 1 >/dev/null
    # a console whose cursor does not blink, then one whose does
    guest_type 'printf "\033[?25l" >/dev/tty0'
    view watch 2 >/dev/null
    load rest 6 ''
    guest_type 'printf "\033[?25h" >/dev/tty0'
    load cursor 6 ''
    load scroll 10 'for i in 1 2; do cat /tmp/log >/dev/tty0; done'
    load pictures 10 'for i in 1 2 3 4 5 6 7 8 9 10; do cat /tmp/a >/dev/fb0; usleep 200000; cat /tmp/b >/dev/fb0; usleep 200000; done'
    screendump $BENCH_DM
    viewer_stop
    id=$(domid)
    xl destroy guest
    kill $READER 2>/dev/null || true
    expect_gone $id 30
}

scenario() {
    one_dm hvm-dm /usr/libexec/hvm-dm
    one_dm qemu /usr/libexec/xen-qemu-system-i386
}
