/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long dom0 has run, by Xen's account, which knows what of dom0's time the guest had
 * (ioreq/xen_yield.h). For the lab's benchmarks, in dom0.
 */
#ifndef BENCH_DOM0_TIME_H
#define BENCH_DOM0_TIME_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1 /* opens domctl.h */
#endif
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sys/privcmd.h>

/* Nanoseconds, of all its CPUs. Ends the program where there is no Xen. */
static inline uint64_t dom0_time(void) {
    static int fd = -1;
    static struct xen_domctl op;
    privcmd_hypercall_t call = {.op = __HYPERVISOR_domctl, .arg = {(uintptr_t)&op}};
    op = (struct xen_domctl){.cmd = XEN_DOMCTL_getdomaininfo,
                             .interface_version = XEN_DOMCTL_INTERFACE_VERSION};
    if (fd < 0)
        fd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, IOCTL_PRIVCMD_HYPERCALL, &call)) {
        perror("dom0's time");
        exit(1);
    }
    return op.u.getdomaininfo.cpu_time;
}

#endif
