# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# A guest with several CPUs, and CPUs that come while it runs (xl vcpu-set).

scenario() {
    local count
    guest_cfg "$(direct_kernel)" 'maxvcpus = 4'
    sed -i 's/^vcpus = .*/vcpus = 2/' guest.cfg
    guest_boot
    count=$(guest_run nproc)
    [ "$count" = 2 ] || fail "the guest sees $count CPUs, expected 2"
    xl vcpu-set --ignore-host guest 4
    until_true 60 online_in_guest 4 || fail "after vcpu-set 4 the guest sees $count CPUs"
    note "2 CPUs became 4"
    guest_run 'for i in 1 2 3 4; do (seq 1 20000 | md5sum >/dev/null) & done; wait' 120
}

# A new CPU is there but off until somebody switches it on, usually udev.
online_in_guest() {
    guest_run 'for c in /sys/devices/system/cpu/cpu[1-9]/online; do echo 1 >$c; done 2>/dev/null' >/dev/null
    count=$(guest_run nproc)
    [ "$count" = $1 ]
}
