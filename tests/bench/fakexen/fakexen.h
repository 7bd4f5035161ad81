/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of fakexen.so among themselves.  Handlers return 0 or more, or -errno. */
#ifndef FAKEXEN_H
#define FAKEXEN_H

#include <stddef.h>

#include "world.h"

struct fakexen {
    struct world *world;
    uint32_t *p2m; /* page + 1 of each guest frame, 0 where there is none */
    int pages_fd, ioreq_fd;
    int channel_fd[WORLD_CHANNELS];
};

extern struct fakexen fx;

static inline void fakexen_count(enum world_count what, uint64_t n) {
    __atomic_fetch_add(&fx.world->count[what], n, __ATOMIC_RELAXED);
}

/* Count a call that Xen would have refused, and return -err. */
int fakexen_refuse(enum world_count what, int err);

/* The kernel entry that the real ioctl would have made: keeps counts of system calls honest. */
void fakexen_enter(void);

/* Map guest frames at addr (already reserved by an mmap of the device), one errno each; absent ones
 * stay unmapped. */
void fakexen_map_frames(char *addr, int prot, size_t n, const uint64_t *gfn, int *err);

int evtchn_open(void); /* the fd */
int evtchn_ioctl(int fd, unsigned long request, void *arg);
int evtchn_send(uint32_t local); /* by hypercall, without the device */
int privcmd_ioctl(unsigned long request, void *arg);
void privcmd_mapped(void *addr, int prot);
int dm_op(unsigned op_size, void *op, void *buf, size_t buf_size, unsigned nr_bufs);
int gntdev_ioctl(unsigned long request, void *arg);
void *gntdev_mmap(void *addr, size_t length, int prot, int flags, uint64_t index);

#endif
