# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# What libxl, xl and xentop ask the monitors of a running guest beside CPUs and media: where screen and serial port
# are, the human monitor, statistics; and the guest goes on.

scenario() {
    head -c 65536 /dev/zero >disk.img
    head -c 1048576 /dev/urandom >one.iso
    guest_cfg "$(direct_kernel)" 'vncpasswd = "secret"' \
        "disk = [ $(hd hda $PWD/disk.img), 'vdev=hdc,access=ro,devtype=cdrom,target=' ]"
    guest_boot
    local id=$(domid)

    # what libxl wrote from the monitor's answers before the guest ran
    [ "$(xenstore-read /local/domain/$id/console/vnc-port)" -ge 5900 ] || fail "no VNC port"
    [ "$(xenstore-read /local/domain/$id/console/vnc-pass)" = secret ] || fail "no VNC password"
    xl list -l guest | grep -q '"max_vcpus": *1' || fail "xl list -l"

    # a drive that was empty at the start
    xl cd-insert guest hdc $PWD/one.iso
    [ "$(guest_run 'md5sum </dev/sr0' 60 | cut -d' ' -f1)" = "$(md5sum <one.iso | cut -d' ' -f1)" ] || fail "the medium is not read"

    [ "$(xl qemu-monitor-command guest 'info status' | tr -d '\r')" = "VM status: running" ] || fail "info status"
    xl qemu-monitor-command guest 'info block' >block.txt
    grep -q "ide0-hd0: $PWD/disk.img" block.txt && grep -q "ide-5632: $PWD/one.iso" block.txt || fail "info block: $(cat block.txt)"
    xl qemu-monitor-command guest 'info pci' | grep -q 8086:7113 || fail "info pci"
    xl qemu-monitor-command guest 'no such thing' | grep -q unknown || fail "an unknown command is not answered"

    guest_run 'cat /dev/sda >/dev/null' >/dev/null
    xentop -b -i 2 -d 1 -x >$LAB_RESULTS/xentop.txt || fail "xentop: $?"
    note "xentop: $(grep VBD $LAB_RESULTS/xentop.txt | tail -n 1)"

    xl pause guest
    xl unpause guest
    guest_run true

    qmp system_powerdown >/dev/null || fail "system_powerdown"
    xl destroy guest
    expect_gone $id
}
