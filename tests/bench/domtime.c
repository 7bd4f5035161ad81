/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of a CPU dom0 has, by Xen's account, which knows what of dom0's time the guest had. For
 * the lab's benchmarks.
 *
 *     domtime DELAY LENGTH
 *
 * Waits for DELAY seconds and prints the millionths of the following LENGTH that dom0 ran.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define __XEN_TOOLS__ 1 /* opens domctl.h */
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/sys/privcmd.h>

static void wait_for(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double dom0_time(int fd) {
    static struct xen_domctl op;
    privcmd_hypercall_t call = {.op = __HYPERVISOR_domctl, .arg = {(uintptr_t)&op}};
    op = (struct xen_domctl){.cmd = XEN_DOMCTL_getdomaininfo,
                             .interface_version = XEN_DOMCTL_INTERFACE_VERSION};
    if (ioctl(fd, IOCTL_PRIVCMD_HYPERCALL, &call)) {
        perror("domtime: getdomaininfo");
        exit(1);
    }
    return (double)op.u.getdomaininfo.cpu_time * 1e-9;
}

int main(int argc, char **argv) {
    int fd = open("/dev/xen/privcmd", O_RDWR);
    if (argc < 3 || fd < 0)
        return 2;
    dom0_time(fd);
    wait_for(atof(argv[1]));
    double from = now(), used = dom0_time(fd);
    wait_for(atof(argv[2]));
    used = dom0_time(fd) - used;
    printf("%.0f\n", 1e6 * used / (now() - from));
    return 0;
}
