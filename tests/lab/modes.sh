# SPDX-License-Identifier: GPL-2.0-or-later
# needs: modes.asm golden-modes
# A guest goes through every mode of both video chips (modes.asm); each picture is the one that the
# packaged QEMU shows for the same guest, or differs for a reason that tests/golden/modes.py names.
# --env MODES=cirrus is the half of it.

scenario() {
    WRONG=0
    local vga
    for vga in ${MODES:-std cirrus}; do
        plays $vga ${vga/#std/stdvga}
    done
    [ $WRONG = 0 ] || fail "$WRONG pictures differ"
}

# plays NAME VGA: NAME is in the list, VGA in the configuration.
plays() {
    local line name stages=0
    cp /lab/in/files/modes.img .
    guest_cfg "disk = [ $(hd hda $PWD/modes.img) ]" "vga = \"$2\""
    timeout 120 xl create -q -p guest.cfg || fail "xl create: exit $?"
    until_true 10 serial_tty >/dev/null || fail "no serial port"
    TTY=$(serial_tty)
    stty -F $TTY raw -echo
    exec 4<>$TTY
    monitor_open
    xl unpause guest
    while read -r -t 120 line <&4; do
        line=${line%$'\r'}
        [[ $line == "SHOW "* ]] || continue
        name=${line#SHOW }
        [ $name = end ] && break
        stages=$((stages + 1))
        same_picture $1 $name
        [ $((stages % 25)) != 0 ] || note "$1: $stages pictures, the last $name"
        printf x >&4
    done
    [ "$name" = end ] || fail "$1: the guest stopped after \"$line\", $stages pictures"
    [ $stages = $(grep -c "^$1 " /lab/in/files/modes.list) ] || fail "$1: $stages pictures only"
    note "$1: $stages pictures"
    exec 4>&-
    kill $MONITOR_PID 2>/dev/null
    xl destroy guest
}

# One connection for all: a screendump takes one round trip then.
monitor_open() {
    coproc MONITOR { socat - UNIX-CONNECT:/run/xen/qmp-libxenstat-$(domid); }
    monitor '{"execute":"qmp_capabilities"}'
}

monitor() {
    local answer
    echo "$1" >&${MONITOR[1]}
    while read -r -t 60 answer <&${MONITOR[0]}; do
        [[ $answer == *'"error"'* ]] && fail "QMP: $answer"
        [[ $answer == *'"return"'* ]] && return 0
    done
    fail "QMP: no answer to $1"
}

# same_picture VGA NAME: of a cursor that blinks, both pictures have to come.
same_picture() {
    local vga name size mask wanted sum seen= try
    read -r vga name size mask wanted <<<"$(grep "^$1 $2 " /lab/in/files/modes.list)"
    [ -n "$wanted" ] || fail "$1: $2 is not in the list"
    for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
        monitor "{\"execute\":\"screendump\",\"arguments\":{\"filename\":\"$LAB_WORK/dump.ppm\"}}"
        sum=$(picture_sum $mask)
        [[ "$size $wanted " == "${sum% *} "*"${sum#* } "* ]] || break
        [[ $seen == *${sum#* }* ]] || seen="$seen ${sum#* }"
        [ $(wc -w <<<"$seen") = $(wc -w <<<"$wanted") ] && return
        sleep 0.2
    done
    WRONG=$((WRONG + 1))
    note "$1: $2 is $sum, expected $size $wanted"
    cp dump.ppm $LAB_RESULTS/$1-$2.ppm
}

# Size and MD5 of dump.ppm, its pixels without the bits that are the display's affair.
picture_sum() {
    local size header
    size=$(head -n 2 dump.ppm | tail -n 1 | tr ' ' x)
    header=$(head -n 3 dump.ppm | wc -c)
    echo "$size $(tail -c +$((header + 1)) dump.ppm | masked $1 | md5sum | cut -d ' ' -f 1)"
}

masked() {
    [ $1 = ff ] && exec cat
    LC_ALL=C tr '\000-\377' "$(for i in $(seq 0 255); do printf '\\%03o' $((i & 0x$1)); done)"
}
