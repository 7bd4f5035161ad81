# SPDX-License-Identifier: GPL-2.0-or-later
# needs: floppy.asm kernel
# boot="a": the BIOS loads a boot sector from a floppy, which reads the rest of its track by itself; and
# Linux' floppy driver reads and writes a disk, and sees the host change it.

scenario() {
    local id floppy=$LAB_WORK/floppy.img other=$LAB_WORK/other.img
    truncate -s 1440K $floppy $other
    dd if=/lab/in/files/floppy.img of=$floppy conv=notrunc bs=512 count=18 status=none
    guest_cfg 'boot = "a"' \
        "device_model_args_hvm = [\"-drive\", \"if=floppy,index=0,format=raw,file=$floppy\"]"
    guest_create
    wait_for_console "FLOPPY-BOOTED" 120
    wait_for_console "FLOPPY-TRACK-OK" 30
    note "booted after $SECONDS s; dm: $(dm_stats)"
    xl destroy guest

    dd if=/dev/urandom of=$floppy bs=512 count=2880 conv=notrunc status=none
    dd if=/dev/urandom of=$other bs=512 count=2880 conv=notrunc status=none
    guest_cfg "$(direct_kernel)" \
        "device_model_args_hvm = [\"-drive\", \"if=floppy,index=0,id=fd,format=raw,file=$floppy\"]"
    guest_boot
    id=$(domid)
    guest_run 'modprobe floppy; sleep 2; ls -l /dev/fd0' 60 || fail "no floppy drive"
    note "guest: $(guest_run 'dmesg | grep -i -E "floppy|FDC"' 60 | tr '\n' ';')"
    [ "$(guest_run 'md5sum </dev/fd0' 240)" = "$(md5sum <$floppy)" ] || fail "the floppy reads otherwise"
    guest_run 'dd if=/dev/urandom of=/tmp/new bs=1k count=40 2>/dev/null; dd if=/tmp/new of=/dev/fd0 bs=1k seek=100 2>/dev/null; sync' 240 ||
        fail "the floppy can't be written"
    [ "$(guest_run 'md5sum </tmp/new' 60)" = "$(dd if=$floppy bs=1k skip=100 count=40 status=none | md5sum)" ] ||
        fail "what was written is not on the floppy"
    qmp eject '{"device":"fd"}' >/dev/null
    qmp blockdev-change-medium "{\"device\":\"fd\",\"filename\":\"$other\",\"format\":\"raw\"}" >/dev/null
    [ "$(guest_run 'md5sum </dev/fd0' 240)" = "$(md5sum <$other)" ] || fail "the guest does not see the new floppy"
    guest_type "poweroff -f"
    expect_gone $id 60
}
