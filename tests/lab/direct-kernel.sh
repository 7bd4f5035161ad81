# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# kernel=, ramdisk= and cmdline= boot without any medium; the command line arrives; ACPI's button and power-off work.

scenario() {
    local id
    guest_cfg "$(direct_kernel "$EMULATED_ARGS guest.skip=bochs,cirrus guest.run=echo,HELLO-CMDLINE")"
    guest_boot
    id=$(domid)
    note "userspace after $SECONDS s; dm: $(dm_stats)"
    console_was HELLO-CMDLINE || fail "the command line did not arrive"
    guest_run 'grep -l "Power Button" /sys/class/input/*/name && (timeout 60 head -c 24 $(grep -l "Power Button" /sys/class/input/event*/device/name | sed "s,/sys/class,/dev,; s,/device.*,,") | wc -c >/tmp/button) &' >/dev/null
    sleep 1
    xl trigger guest power
    local got=$(guest_run 'for i in 1 2 3 4 5; do grep . /tmp/button && break; sleep 1; done')
    [[ $got == *24* ]] || fail "the power button was not seen ($got)"
    guest_type "poweroff -f"
    expect_gone $id 60
}
