# SPDX-License-Identifier: GPL-2.0-or-later
# manual: what tests/bench/lab-viewer runs
# needs: kernel viewer
# A Linux guest with its console on bochs-drm at 1024x768x32 and a viewer in dom0, by hvm-dm and by the packaged QEMU in
# turn, in one dom0. A line for each load, and one for each kind of delay:
# BENCH device-model load cpu-ns wakeups updates bytes milliseconds rounds-of-the-guest dom0-ns
# cpu-ns is the device model's by dom0's kernel, which takes time that it gave away for its own; dom0-ns all that dom0
# ran by Xen's account, without what the viewer did.
# DELAY device-model name {"least": ms, "median": ms, "most": ms}

# All threads of the device model: nanoseconds on a CPU, voluntary switches.
used() {
    cat /proc/$(dm_pid)/task/*/schedstat | awk '{ n += $1 } END { printf "%.0f ", n }'
    cat /proc/$(dm_pid)/task/*/status | awk '/^voluntary/ { v += $2 } END { print v }'
}

# sampled SECONDS COMMAND...: runs it, and says in `sample` how many nanoseconds dom0 ran in that time beside the viewer.
sampled() {
    local seconds=$1 viewer=0 was=0; shift
    /tmp/domtime 0 $seconds >millionths &
    local sampler=$!
    [ -z "$VIEWER" ] || was=$(cut -d ' ' -f 1 /proc/$VIEWER/schedstat)
    "$@" || return 1
    [ -z "$VIEWER" ] || viewer=$(cut -d ' ' -f 1 /proc/$VIEWER/schedstat)
    wait $sampler || return 1
    awk -v s=$seconds -v v=$((viewer - was)) '{ printf "%.0f\n", $1 * 1e3 * s - v }' millionths >sample
}

# load NAME SECONDS [COMMAND]: the viewer looks for that long; the guest does it meanwhile, again and again.
load() {
    local name=$1 seconds=$2 before after answer rounds=0
    [ -z "$3" ] || guest_run "rm -f /tmp/stop; (n=0; while [ ! -e /tmp/stop ]; do $3; n=\$((n + 1)); done; echo \$n >/tmp/n) &" >/dev/null
    view watch 2 >/dev/null
    before=($(used))
    sampled $seconds view watch $seconds >answer || fail "$name: no answer of the viewer"
    answer=$(cat answer)
    after=($(used))
    [ -z "$3" ] || rounds=$(guest_run 'touch /tmp/stop; wait; cat /tmp/n' 300 | grep -x '[0-9]*')
    note "BENCH $BENCH_DM $name $((after[0] - before[0])) $((after[1] - before[1])) $(echo "$answer" |
        sed 's/.*"updates": \([0-9]*\),.*"bytes": \([0-9]*\), "seconds": \([0-9]*\)\.\([0-9]*\)}/\1 \2 \3\4/') $rounds $(cat sample)"
}

# The same when nobody looks.
alone() {
    local before=($(used)) after
    sampled $1 sleep $1
    after=($(used))
    note "BENCH $BENCH_DM alone $((after[0] - before[0])) $((after[1] - before[1])) 0 0 ${1}000 0 $(cat sample)"
}

delay() { note "DELAY $BENCH_DM $1 $(view latency $2 type $3)"; }

one_dm() {
    local id
    BENCH_DM=$1 DM=$2
    : >$SERIAL
    MARK=0
    guest_cfg "$(direct_kernel "$EMULATED_ARGS guest.skip=cirrus video=1024x768-32")"
    guest_boot
    guest_run '[ -e /dev/fb0 ] && cat /sys/class/graphics/fb0/virtual_size' >size || fail "no frame buffer"
    note "$BENCH_DM: $(cat size)"
    guest_run 'b=/bin/busybox; cat $b $b $b $b $b | head -c 3145728 >/tmp/a; cat $b $b $b $b $b | tail -c +8193 | head -c 3145728 >/tmp/b; dmesg | tail -n 20 >/tmp/log' 60 >/dev/null
    # a console whose cursor does not blink, then one whose does
    guest_run 'printf "\033[?25l" >/dev/tty0' >/dev/null
    sleep 2
    alone 6
    viewer_start --blind --encodings ${BENCH_ENCODINGS:-tight,copyrect}
    view updates 1 >/dev/null
    view watch 2 >/dev/null
    load rest 6
    delay typed 20 0.3
    delay after-rest 5 4
    guest_run 'printf "\033[?25h" >/dev/tty0' >/dev/null
    load cursor 6
    guest_run 'printf "\033[?25l" >/dev/tty0' >/dev/null
    load scroll 10 'cat /tmp/log >/dev/tty0'
    load pictures 10 'cat /tmp/a >/dev/fb0; cat /tmp/b >/dev/fb0'
    screendump $BENCH_DM
    viewer_stop
    id=$(domid)
    xl destroy guest
    kill $READER 2>/dev/null || true
    expect_gone $id 30
}

scenario() {
    cp /lab/in/files/domtime /tmp
    one_dm hvm-dm /usr/libexec/hvm-dm
    one_dm qemu /usr/libexec/xen-qemu-system-i386
}
