# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# A guest with several CPUs from the start, and CPUs that come while it runs (xl vcpu-set).

scenario() {
    local count
    from_start 3
    from_start 4
    boot_with 2 'maxvcpus = 4'
    xl vcpu-set --ignore-host guest 4
    until_true 60 online_in_guest 4 || fail "after vcpu-set 4 the guest sees $count CPUs"
    note "2 CPUs became 4"
    all_work 4
}

# boot_with N LINE...
boot_with() {
    guest_cfg "$(direct_kernel)" "${@:2}"
    sed -i "s/^vcpus = .*/vcpus = $1/" guest.cfg
    mark
    guest_boot
    count=$(guest_run nproc)
    [ "$count" = $1 ] || fail "the guest sees $count CPUs, expected $1"
}

from_start() {
    local id
    boot_with $1
    id=$(domid)
    all_work $1
    note "$1 CPUs from the start"
    xl destroy guest
    expect_gone $id
}

# Each CPU has something to do, and did it: a line of /proc/stat is one's jiffies of user time.
all_work() {
    local busy
    guest_run "for i in \$(seq $1); do (seq 1 20000 | md5sum >/dev/null) & done; wait" 120
    busy=$(guest_run 'grep "^cpu[0-9]" /proc/stat | awk "\$2 > 0" | wc -l')
    [ "$busy" = $1 ] || fail "$busy of $1 CPUs did something"
}

# A new CPU is there but off until somebody switches it on, usually udev.
online_in_guest() {
    guest_run 'for c in /sys/devices/system/cpu/cpu[1-9]/online; do echo 1 >$c; done 2>/dev/null' >/dev/null
    count=$(guest_run nproc)
    [ "$count" = $1 ]
}
