# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# Linux goes down and comes up again by xl reboot; its own reboot starts the guest afresh too.

scenario() {
    guest_cfg "$(direct_kernel)" 'on_reboot = "restart"'
    guest_boot
    restarted "xl reboot" xl reboot guest
    wait_for_console GUEST-READY
    shell_ready
    note "userspace again after $SECONDS s"
    restarted "reboot -f" guest_type "reboot -f"
}

# restarted NAME COMMAND...: the command makes libxl start a new domain for the guest.
restarted() {
    local before=$(domid) name=$1
    shift
    mark
    "$@"
    until_true 60 domain_after $before || fail "$name: domain $before was not started afresh"
    expect_gone $before
    record_serial
    note "$name: domain $before became $(domid)"
}
