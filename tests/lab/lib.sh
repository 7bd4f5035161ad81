# SPDX-License-Identifier: GPL-2.0-or-later
# What a lab scenario stands on (bash, in dom0). A scenario is a file tests/lab/NAME.sh with a function
# `scenario`; it fails as soon as a command in it fails, or by `fail TEXT`. Its working directory is a
# tmpfs that goes away with it. A line "# needs: WORD..." in it asks for iso, disk, kernel, dom0, pvgrub,
# golden-modes, NAME.asm or NAME.c (tools/labkit/guest.py); a line "# manual" keeps it out of `tools/lab run all`.
#
#   $DM             path of the device model           $LAB_DM    its name: hvm-dm or qemu
#   $LAB_RESULTS    what is left here is on the host at the end
#   /lab/in/files   files handed in by --in and by "needs"
#
# One guest at a time, called "guest":
#   guest_cfg LINE...           begins guest.cfg: 1 vCPU, 256 MiB, serial on a pty, standard VGA, our
#                               device model, then the lines given
#   guest_iso [ARGS], guest_disk [ARGS]    print the path of a fresh copy of the medium, with these
#                               kernel arguments
#   pv_cfg pv|pvh DISK...       guest.cfg of such a guest, 1 vCPU, 256 MiB; its console is at GUEST_TTY=console/tty
#   hd VDEV FILE, cd_rom VDEV FILE         print an entry of disk = [ ]
#   disk_of FORMAT VDEV FILE [ro]          the same for any format
#   blkback VDEV /dev/loopN     the same, without quotes, of a disk that dom0's kernel serves
#   direct_kernel [ARGS]        prints the lines that boot the kernel without a medium
#   guest_create                xl create, with its serial port recorded in serial.log
#   guest_boot                  the same, and waits for the guest's userspace
#   wait_for_console PATTERN [S]    waits until serial.log has it (grep -E), from the mark on
#   console_was PATTERN         true if it was there at any time
#   mark                        sets the mark to the end of serial.log
#   guest_type TEXT             types a line into the serial port
#   guest_run COMMAND [S]       runs a command in the guest's serial shell; prints its output; its
#                               status is ours
#   saved_and_restored [CHECK]  xl save, xl restore; nothing of the old domain is left, CHECK holds before the guest
#                               goes on, the shell answers
#   quietly SECONDS COMMAND...  runs it; what it says is shown only if it fails, which ends the scenario
#   goes_on                     unpauses a domain that was restored; its serial port is recorded, its shell answers
#   shell_again [S]             waits for the shell of a guest that resumes; its drivers drop what was typed before
#   qmp COMMAND [ARGUMENTS]     one QMP command with JSON arguments; prints the answer
#   send_keys KEY...            presses and releases QEMU's key names; "shift-x" for chords
#   screendump NAME             the screen, on the host as NAME.png
#   dump_size NAME, dump_pixel NAME X Y    of it: WIDTHxHEIGHT; a pixel as rrggbb
#   expect_gone DOMID [S]       nothing of it is left: domain, process, socket, xenstore nodes
#   dm_pid, dm_stats            the device model's process id; its CPU ticks, context switches, memory
#   viewer_start [OPTIONS]      connects rfbview (tests/bench/rfb, "needs: viewer") to the guest's VNC
#   view COMMAND...             one command of rfbview; prints its answer
#   view_until S CONDITION...   takes updates until the condition, a command, holds
#   covers LEAST MOST COLOUR[~TOLERANCE] [X Y W H]    so many pixels in a thousand have that colour
#   box COLOUR[~TOLERANCE] [X Y W H]    the rectangle X Y W H around those that have it
#   picture NAME                what the viewer sees, on the host as NAME.png
#   domid                       the guest's domain id
#   outer COMMAND...            a command of the outer machine's monitor, for hardware that comes and
#                               goes; lines "# outer: ARGUMENTS" in the scenario say what it has
#                               ($FILES is the folder of what the scenario needs)
#   note TEXT                   a line in the report

set -o pipefail

BOOT_TIMEOUT=${BOOT_TIMEOUT:-600}
SERIAL=$LAB_WORK/serial.log
MARK=0
SEQUENCE=0
READER=
VIEWER=

# To the host whatever the caller does with our output.
exec 3>&1
note() { echo "  $*" >&3; }
fail() { echo "  FAIL: $*" >&3; exit 1; }
outer() { echo "@@outer $*" >&3; }

# until_true SECONDS COMMAND...: polls twice a second, or every $POLL seconds. What a poll forks is time taken from the
# guest.
until_true() {
    local deadline=$((SECONDS + $1)); shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep ${POLL:-0.5}
    done
}

# ---- guest ---------------------------------------------------------------------------------------

# Xen takes the emulated host's TSC for an unsteady one and would answer each RDTSC of the guest itself.
guest_cfg() {
    cat >guest.cfg <<CFG
name = "guest"
type = "hvm"
memory = 256
vcpus = 1
serial = "pty"
vnc = 1
usb = 0
vga = "stdvga"
tsc_mode = "native"
device_model_version = "qemu-xen"
device_model_override = "$DM"
CFG
    [ $# = 0 ] || printf '%s\n' "$@" >>guest.cfg
}

pv_cfg() {
    local type=$1 disks; shift
    disks=$(printf '%s, ' "$@")
    cat >guest.cfg <<CFG
name = "guest"
type = "$type"
memory = 256
vcpus = 1
kernel = "/lab/in/files/vmlinuz"
ramdisk = "/lab/in/files/initrd"
cmdline = "console=hvc0 quiet"
device_model_version = "qemu-xen"
device_model_override = "$DM"
disk = [ ${disks%, } ]
CFG
}

# medium FILE ARGS: copies a boot medium and puts kernel arguments into it.
medium() {
    local copy=$LAB_WORK/$1 offset room
    cp /lab/in/files/$1 $copy
    read -r offset room </lab/in/files/$1.args
    [ ${#2} -le $room ] || fail "kernel arguments too long"
    printf "%-${room}s" "$2" | dd of=$copy bs=1 seek=$offset conv=notrunc status=none
    echo $copy
}

SERIAL_ARGS="console=tty0 console=ttyS0,115200 quiet"
EMULATED_ARGS="$SERIAL_ARGS xen_emul_unplug=never"

# The kernel= lines of a direct boot.
direct_kernel() {
    echo 'kernel = "/lab/in/files/vmlinuz"'
    echo 'ramdisk = "/lab/in/files/initrd"'
    echo "cmdline = \"${1-$EMULATED_ARGS guest.skip=bochs,cirrus}\""
}

# Without backendtype=qdisk libxl gives a raw file to the kernel's backend, through a loop device.
hd() { echo "'format=raw,vdev=$1,access=rw,backendtype=qdisk,target=$2'"; }
disk_of() { echo "'format=$1,vdev=$2,access=${4:-rw},backendtype=qdisk,target=$3'"; }
cd_rom() { echo "'format=raw,vdev=$1,access=ro,devtype=cdrom,target=$2'"; }

# Xen's own script wants more of stat than busybox has.
blkback() {
    local script=$LAB_WORK/blkback-$1
    cat >$script <<SCRIPT
#!/bin/sh
[ \$1 = add ] && xenstore-write \$XENBUS_PATH/physical-device $(printf 7:%x ${2#/dev/loop}) \$XENBUS_PATH/hotplug-status connected
exit 0
SCRIPT
    chmod +x $script
    echo "format=raw,vdev=$1,access=rw,script=$script,target=$2"
}

guest_iso() { medium guest.iso "${1-$EMULATED_ARGS}"; }
guest_disk() { medium guest.img "${1-$EMULATED_ARGS}"; }

domid() { xl domid guest 2>/dev/null; }

dm_pid() { xenstore-read /local/domain/$(domid)/image/device-model-pid 2>/dev/null; }

guest_create() {
    timeout 120 xl create -q -p guest.cfg "$@" || fail "xl create: exit $?"
    record_serial
    xl unpause guest
}

# domain_after DOMID: true when the guest is a new domain with its serial port set up.
domain_after() {
    local now=$(domid)
    [ -n "$now" ] && [ "$now" != $1 ] && [ -n "$(serial_tty)" ]
}

# A PV guest has a console in its place: GUEST_TTY=console/tty.
serial_tty() { xenstore-read /local/domain/$(domid)/${GUEST_TTY:-serial/0/tty} 2>/dev/null; }

record_serial() {
    until_true 10 serial_tty >/dev/null || return 0    # a guest without a pty serial port
    TTY=$(serial_tty)
    stty -F $TTY raw -echo
    [ -z "$READER" ] || kill $READER 2>/dev/null || true
    cat $TTY >>$SERIAL 2>/dev/null &
    READER=$!
}

guest_boot() {
    guest_create "$@"
    wait_for_console GUEST-READY $BOOT_TIMEOUT
    shell_ready
}

# Makes the guest's serial shell fit for guest_run.
shell_ready() {
    guest_type "stty -echo"
    guest_run true >/dev/null
}

console_was() { grep -a -E -q -- "$1" $SERIAL; }
since_mark() { tail -c +$((MARK + 1)) $SERIAL 2>/dev/null; }
mark() { MARK=$(stat -c %s $SERIAL 2>/dev/null || echo 0); }

console_has() { since_mark | grep -a -E -q -- "$1"; }

wait_for_console() {
    until_true ${2:-$BOOT_TIMEOUT} console_has "$1" && return
    tail -n 20 $SERIAL >&3
    fail "no \"$1\" on the serial console in ${2:-$BOOT_TIMEOUT} s"
}

guest_type() { printf '%s\n' "$1" >$TTY; }

# The quotes inside keep an echoed command from looking like its own result.
guest_run() {
    SEQUENCE=$((SEQUENCE + 1))
    local tag="rc$SEQUENCE" status
    mark
    guest_type "$1"
    guest_type "echo @\"\"$tag=\$?."
    wait_for_console "@$tag=[0-9]+\\." ${2:-60} >&2
    status=$(since_mark | tr -d '\r' | sed -n "s/.*@$tag=\\([0-9]*\\)\\..*/\\1/p" | head -n 1)
    since_mark | tr -d '\r' | sed -e 's/^guest# //' -e "s/@$tag=.*//" -e '/^$/d'
    return $status
}

shell_again() {
    mark
    POLL=3 until_true ${1:-30} shell_answers && return
    xl list -v >&3
    xl dmesg | tail -n 20 >&3
    xl qemu-monitor-command guest 'info io' >&3
    tail -n 8 /var/log/xen/qemu-dm-guest*.log >&3
    fail "the guest's shell does not answer"
}

shell_answers() {
    console_has '@back\.' && return
    guest_type 'echo @""back.'
    false
}

saved_and_restored() {
    local id=$(domid)
    quietly 200 xl save guest $LAB_WORK/saved
    expect_gone $id 30
    quietly 200 xl restore -p $LAB_WORK/saved
    rm $LAB_WORK/saved
    ${1:-true}
    goes_on
}

quietly() {
    local status=0
    timeout "$@" >said.txt 2>&1 || status=$?
    [ $status = 0 ] || { cat said.txt >&3; fail "${*:2}: exit $status"; }
}

goes_on() {
    record_serial
    xl unpause guest
    shell_again
}

# measured_load SECONDS COMMAND: a load in the guest that takes so long, by a command that says how long it took as the
# last word of its line. Prints that line and the microseconds that dom0 ran for it, of which nothing is ours: domtime
# takes its sample amid the load, while no one polls.
measured_load() {
    local answer
    awk -v s=$1 'BEGIN { print 0.5 + s / 4, s / 2 }' >sample.at
    /tmp/domtime $(cat sample.at) >sample &
    local sampler=$!
    answer=$(POLL=2 guest_run "sleep 0.5; $2" 300) || return 1
    wait $sampler || return 1
    awk -v us=${answer##* } -v answer="$answer" '{ printf "%s %.0f\n", answer, us * $1 / 1e6 }' sample
}

# ---- device model --------------------------------------------------------------------------------

qmp() {
    local socket=/run/xen/qmp-libxenstat-$(domid) command answer
    [ -S $socket ] || fail "no QMP socket $socket"
    command="{\"execute\":\"$1\"${2:+,\"arguments\":$2},\"id\":\"it\"}"
    # The wait: a client that has closed its side is one that is gone.
    answer=$( { echo '{"execute":"qmp_capabilities"}'; echo "$command"; sleep ${QMP_WAIT:-1}; } |
        socat -t 5 - UNIX-CONNECT:$socket | grep '"it"') || fail "QMP $1: no answer"
    echo "$answer"
    [[ $answer != *'"error"'* ]] || { note "QMP $1: $answer"; return 1; }
}

send_keys() {
    local key part keys
    for key in "$@"; do
        keys=
        for part in ${key//-/ }; do
            keys="$keys${keys:+,}{\"type\":\"qcode\",\"data\":\"$part\"}"
        done
        QMP_WAIT=0.3 qmp send-key "{\"keys\":[$keys]}" >/dev/null || fail "send-key $key"
    done
}

screendump() {
    qmp screendump "{\"filename\":\"$LAB_WORK/dump.ppm\"}" >/dev/null || fail "screendump refused"
    until_true 5 test -s dump.ppm || fail "screendump left no file"
    mv dump.ppm $LAB_RESULTS/$1.ppm
}

# dump_size NAME, dump_pixel NAME X Y: of a screendump.
dump_size() { head -n 2 $LAB_RESULTS/$1.ppm | tail -n 1 | tr ' ' x; }

dump_pixel() {
    local file=$LAB_RESULTS/$1.ppm size=$(dump_size $1) header
    header=$(head -n 3 $file | wc -c)
    xxd -p -s $((header + ($3 * ${size%x*} + $2) * 3)) -l 3 $file
}

# ---- viewer --------------------------------------------------------------------------------------

viewer_start() {
    viewer_stop
    rm -f view.to view.from
    mkfifo view.to view.from
    until_true 20 socat -u OPEN:/dev/null TCP:127.0.0.1:${VNC_PORT:-5900} 2>/dev/null || fail "no VNC server"
    /lab/in/files/rfbview "$@" 127.0.0.1:${VNC_PORT:-5900} <view.to >view.from &
    VIEWER=$!
    exec 8>view.to 9<view.from
    view_answer >/dev/null || fail "the viewer does not come in"
}

viewer_stop() {
    [ -n "$VIEWER" ] || return 0
    exec 8>&- 9<&-
    wait $VIEWER || true
    VIEWER=
}

view_answer() {
    local answer
    read -r -t 600 answer <&9 || { note "the viewer is gone"; return 1; }
    [[ $answer == ok* ]] || { note "viewer: $answer"; return 1; }
    echo "${answer#ok }"
}

view() { echo "$*" >&8; view_answer; }

picture() { view save $LAB_RESULTS/$1.ppm >/dev/null || fail "no picture $1"; }

# view_until SECONDS CONDITION...: looks at what comes until the condition, a command, holds.
view_until() {
    local deadline=$((SECONDS + $1)); shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        view watch 0.5 >/dev/null || return 1
    done
}

# share COLOUR[~TOLERANCE] [X Y W H]: how many pixels in a thousand have it.
share() { view area "$@" | cut -d ' ' -f 1; }

# covers LEAST MOST COLOUR[~TOLERANCE] [X Y W H]: so many of a thousand pixels have it.
covers() {
    local n
    n=$(share "${@:3}") && [ "$n" -ge $1 ] && [ "$n" -le $2 ]
}

# box COLOUR[~TOLERANCE] [X Y W H]: X Y W H of what has it.
box() { view area "$@" | cut -d ' ' -f 3-; }

dm_stats() {
    local pid=$(dm_pid)
    [ -n "$pid" ] || return 0
    awk '{ sub(/.*\) /, ""); printf "user %d system %d", $12, $13 }' /proc/$pid/stat
    cat /proc/$pid/task/*/status | awk '/^voluntary/ { v += $2 } /^nonvol/ { n += $2 }
        END { printf " voluntary %d involuntary %d", v, n }'
    awk '/^Rss/ { r = $2 } /^Pss:/ { p = $2 } /^Private/ { s += $2 }
        END { printf " rss_kb %d pss_kb %d private_kb %d\n", r, p, s }' /proc/$pid/smaps_rollup
}

# ---- ending --------------------------------------------------------------------------------------

leftovers() {
    local id=$1
    xl list | awk -v id=$id '$2 == id { print "domain: " $0 }'
    ps -o pid,args | grep -e "-xen-domid $id " | grep -v grep | cut -c 1-120 | sed 's/^/process: /'
    ls -d /run/xen/qmp-*-$id /run/xen/*-$id.* 2>/dev/null | sed 's/^/file: /'
    xenstore-exists /local/domain/$id && echo "xenstore: /local/domain/$id"
    xenstore-exists /local/domain/0/device-model/$id && echo "xenstore: device-model/$id"
    return 0
}

nothing_left() { [ -z "$(leftovers $1)" ]; }

expect_gone() {
    until_true ${2:-20} nothing_left $1 && return
    leftovers $1 >&3
    fail "something of domain $1 is left"
}

clean_up() {
    set +e
    local id=$(domid)
    [ -n "$id" ] && { note "dm: $(dm_stats)"; xl destroy $id; }
    [ -n "$READER" ] && kill $READER 2>/dev/null
    viewer_stop
    cp guest.cfg serial.log $LAB_RESULTS/ 2>/dev/null
    for log in /var/log/xen/*.log; do
        [ -s $log ] && cp $log $LAB_RESULTS/
    done
    rm -f /var/log/xen/*.log
}

lab_main() {
    trap clean_up EXIT
    . /lab/in/lab/$LAB_SCENARIO.sh
    set -e
    scenario
}
