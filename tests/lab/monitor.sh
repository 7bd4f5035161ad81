# SPDX-License-Identifier: GPL-2.0-or-later
# needs: disk iso
# All that libxl, xl and xentop ask the monitors of a running guest: CPUs plugged in, media changed and refused,
# the human monitor, a save that is answered, statistics, and the guest goes on.

expect_error() {
    "$@" >error.txt 2>&1 && fail "$*: succeeded"
    note "refused: $* -- $(tail -n 1 error.txt)"
}

same_medium() {
    [ "$(guest_run "dd if=/dev/sr0 bs=2048 skip=16 count=1 2>/dev/null | md5sum")" = \
        "$(dd if=$1 bs=2048 skip=16 count=1 status=none | md5sum)" ]
}

scenario() {
    guest_cfg "disk = [ 'format=raw,vdev=hda,access=rw,target=$(guest_disk)', 'vdev=hdc,access=ro,devtype=cdrom,target=' ]" \
        'boot = "c"' 'maxvcpus = 4' 'vncpasswd = "secret"'
    guest_boot
    local id=$(domid)

    # where things are, as libxl wrote it from the monitor's answers
    [ "$(xenstore-read /local/domain/$id/console/vnc-port)" -ge 5900 ] || fail "no VNC port"
    xl list -l guest | grep -q '"maxvcpus"\|"max_vcpus"' || fail "xl list -l"

    xl vcpu-set --ignore-host guest 3
    [ "$(qmp query-cpus-fast | grep -o cpu-index | wc -l)" = 3 ] || fail "not 3 CPUs: $(qmp query-cpus-fast)"
    until_true 20 guest_run "[ -d /sys/devices/system/cpu/cpu2 ]" >/dev/null || fail "the guest sees no third CPU"
    guest_run "for c in 1 2; do echo 1 >/sys/devices/system/cpu/cpu\$c/online; done; nproc" >/dev/null
    note "CPUs in the guest: $(guest_run nproc)"

    local iso=$(guest_iso)
    xl cd-insert guest hdc $iso
    until_true 30 same_medium $iso || fail "the guest doesn't read the medium that was inserted"
    guest_run "sleep 1000 </dev/sr0 &" >/dev/null      # an open drive is locked
    sleep 1
    expect_error xl cd-eject guest hdc
    guest_run "killall sleep; sleep 1" >/dev/null
    xl cd-eject guest hdc
    guest_run "! dd if=/dev/sr0 of=/dev/null count=1 2>/dev/null" >/dev/null || fail "an empty drive is read"
    xl cd-insert guest hdc $iso
    until_true 30 same_medium $iso || fail "the second time the guest doesn't read it"

    note "$(xl qemu-monitor-command guest 'info status')"
    xl qemu-monitor-command guest 'info block' | grep -q "ide-5632: $iso" || fail "info block: $(xl qemu-monitor-command guest 'info block')"
    xl qemu-monitor-command guest 'info nonsense' | grep -q unknown || fail "info nonsense"

    xentop -b -i 2 -d 1 -x >xentop.txt || fail "xentop: $?"
    note "$(grep -c VBD xentop.txt) lines of xentop on disks"
    cp xentop.txt $LAB_RESULTS/

    xl pause guest
    xl unpause guest
    guest_run true

    if [ $LAB_DM = hvm-dm ]; then
        expect_error timeout 100 xl save guest $LAB_WORK/saved
        guest_run true || fail "the guest did not go on after a save that failed"
    fi

    qmp system_powerdown >/dev/null
    screendump screen
    note "$(dm_stats)"
    guest_type "poweroff -f"
    expect_gone $id 60
}
