# SPDX-License-Identifier: GPL-2.0-or-later
# needs: kernel
# A guest with several CPUs, and CPUs that come and go at run time (xl vcpu-set).

scenario() {
    guest_cfg "$(direct_kernel)" 'maxvcpus = 4'
    sed -i 's/^vcpus = .*/vcpus = 2/' guest.cfg
    guest_boot
    local n=$(guest_run nproc)
    [ "$n" = 2 ] || fail "the guest sees $n CPUs, expected 2"
    xl vcpu-set guest 4
    n=$(guest_run 'for i in 1 2 3 4 5 6 7 8 9 10; do for c in /sys/devices/system/cpu/cpu[1-9]/online; do echo 1 >$c; done; [ $(nproc) = 4 ] && break; sleep 1; done 2>/dev/null; nproc' 120)
    [ "$n" = 4 ] || fail "after vcpu-set 4 the guest sees $n CPUs"
    note "2 CPUs became 4"
    guest_run 'for i in 1 2 3 4; do (seq 1 20000 | md5sum >/dev/null) & done; wait' 120
    xl vcpu-set guest 3
    n=$(guest_run 'for i in 1 2 3 4 5 6 7 8 9 10; do [ $(nproc) = 3 ] && break; sleep 1; done; nproc' 120)
    note "after vcpu-set 3: $n CPUs"
}
