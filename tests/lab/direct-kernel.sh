# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# kernel=, ramdisk= and cmdline= boot without any medium; the command line arrives; ACPI's power button
# is felt; xl shutdown ends the guest.

scenario() {
    local id event got
    guest_cfg "$(direct_kernel "$EMULATED_ARGS guest.skip=bochs,cirrus guest.run=echo,HELLO-CMDLINE")"
    guest_boot
    id=$(domid)
    note "userspace after $SECONDS s; dm: $(dm_stats)"
    console_was HELLO-CMDLINE || fail "the command line did not arrive"

    event=$(guest_run 'cd /sys/class/input; grep -l "Power Button" event*/device/name | head -n 1')
    guest_run "(timeout 60 head -c 24 /dev/input/${event%%/*} | wc -c >/tmp/button) &" >/dev/null
    sleep 1
    xl trigger guest power
    got=$(guest_run 'for i in 1 2 3 4 5; do grep 24 /tmp/button && break; sleep 1; done') ||
        fail "the power button was not felt ($event: $got)"

    xl shutdown guest
    expect_gone $id 60
}
