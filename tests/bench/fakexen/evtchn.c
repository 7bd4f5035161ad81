/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /dev/xen/evtchn.  A descriptor is one end of a stream socket whose other end the guest holds:
 * read() gives ports, write() unmasks them, poll works, all by the kernel itself.  The guest keeps
 * what is masked and pending. A notify is the one thing that is written here, marked so that it
 * cannot be taken for an unmask.
 *
 * Not modelled: virtual interrupts, ports offered to others (bind_unbound), the ring's overflow
 * (EFBIG) and reset.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_DUMP_STATS_AT(name) ((void)(name))
#endif

#include <xen/xen.h>
#include <xen/sys/evtchn.h>

#include "fakexen.h"

#define FDS 1024

static uint8_t channel_of[FDS];

int evtchn_open(void) {
    uint32_t n = fx.world->channels_open;
    int fd;

    if (n >= WORLD_CHANNELS)
        return -1;
    /* A copy: the device model may close it, and the guest still holds the pair. */
    fd = fcntl(fx.channel_fd[n], F_DUPFD_CLOEXEC, 3);
    if (fd >= FDS)
        return -1;
    if (fd >= 0) {
        channel_of[fd] = (uint8_t)n;
        fx.world->channels_open = n + 1;
    }
    return fd;
}

static int bind(int fd, uint32_t domain, uint32_t remote) {
    struct world *w = fx.world;
    uint32_t local = w->next_local, word;

    fakexen_count(COUNT_evtchn_bind, 1);
    if (domain != w->domid)
        return fakexen_refuse(COUNT_evtchn_bind, ESRCH);
    if (remote >= WORLD_PORTS || w->remote[remote] != REMOTE_UNBOUND)
        return fakexen_refuse(COUNT_evtchn_bind, EINVAL);
    if (local >= WORLD_PORTS)
        return fakexen_refuse(COUNT_evtchn_bind, ENOSPC);
    w->next_local = local + 1;
    w->remote[remote] = REMOTE_BOUND;
    w->local[local] = (struct world_binding){ channel_of[fd], 1, (uint16_t)remote };
    word = local | WORLD_BOUND;
    return write(fd, &word, sizeof word) == sizeof word ? (int)local : -errno;
}

static int unbind(uint32_t local) {
    struct world *w = fx.world;

    fakexen_enter();
    fakexen_count(COUNT_evtchn_unbind, 1);
    if (local >= WORLD_PORTS || !w->local[local].bound)
        return fakexen_refuse(COUNT_evtchn_unbind, ENOTCONN);
    w->local[local].bound = 0;
    w->remote[w->local[local].remote] = REMOTE_UNBOUND;
    return 0;
}

static void mark(struct world *w) {
    w->mark_wanted = 0;
    memcpy(w->marked, w->count, sizeof w->marked);
    CALLGRIND_DUMP_STATS_AT(w->mark_name);
}

static int notify(int fd, uint32_t local) {
    struct world *w = fx.world;
    uint32_t word = local | WORLD_NOTIFY;

    fakexen_count(COUNT_evtchn_notify, 1);
    if (local >= WORLD_PORTS || !w->local[local].bound)
        return fakexen_refuse(COUNT_evtchn_notify, ENOTCONN);
    if (w->mark_wanted)
        mark(w);
    /* by syscall(2): an ioctl is no cancellation point, which write() is, at some cost */
    return syscall(SYS_write, fd, &word, sizeof word) == sizeof word ? 0 : -errno;
}

int evtchn_send(uint32_t local) {
    const struct world *w = fx.world;
    return notify(fx.channel_fd[local < WORLD_PORTS ? w->local[local].channel : 0], local);
}

int evtchn_ioctl(int fd, unsigned long request, void *arg) {
    switch (request) {
    case IOCTL_EVTCHN_NOTIFY: return notify(fd, ((struct ioctl_evtchn_notify *)arg)->port);
    case IOCTL_EVTCHN_BIND_INTERDOMAIN: {
        const struct ioctl_evtchn_bind_interdomain *b = arg;

        return bind(fd, b->remote_domain, b->remote_port);
    }
    case IOCTL_EVTCHN_UNBIND: return unbind(((struct ioctl_evtchn_unbind *)arg)->port);
    case IOCTL_EVTCHN_RESTRICT_DOMID:
        fakexen_enter();
        fakexen_count(COUNT_restrict, 1);
        fx.world->restricted++;
        return 0;
    default:
        fakexen_enter();
        fakexen_count(COUNT_evtchn_other, 1);
        return fakexen_refuse(COUNT_evtchn_other, ENOTTY);
    }
}
