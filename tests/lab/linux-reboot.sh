# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Linux goes down and comes up again by xl reboot and by its own reboot; xl shutdown ends it.

scenario() {
    guest_cfg "$(direct_kernel)" 'on_reboot = "restart"'
    guest_boot
    again "xl reboot" xl reboot guest
    again "reboot -f" guest_type "reboot -f"
    local id=$(domid)
    xl shutdown guest
    expect_gone $id 60
}

# again NAME COMMAND...: the command must bring a new domain that reaches userspace.
again() {
    local before=$(domid) name=$1
    shift
    mark
    "$@"
    until_true 60 is_new $before || fail "$name: domain $before was not started afresh"
    expect_gone $before
    record_serial
    wait_for_console GUEST-READY
    shell_ready
    note "$name: domain $before became $(domid), userspace after $SECONDS s"
}

is_new() { local now=$(domid); [ -n "$now" ] && [ "$now" != $1 ] && [ -n "$(serial_tty)" ]; }
