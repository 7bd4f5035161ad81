/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fakexen.so stands where /dev/xen/ would be: preloaded into a device model it answers open, ioctl
 * and mmap of /dev/xen/evtchn, privcmd and gntdev.  The real libxen* libraries run above it, so any
 * device model that uses them runs without Xen, and pays for those libraries what it pays on a real
 * host.  xenstore needs nothing here: libxenstore connects to the guest's xenstored by
 * XENSTORED_PATH.
 *
 * Not modelled: openat, fcntl(F_DUPFD) of privcmd and gntdev, programs linked statically.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fakexen.h"

enum device { DEVICE_NONE, DEVICE_EVTCHN, DEVICE_PRIVCMD, DEVICE_GNTDEV };

#define FDS 1024

struct fakexen fx;
static uint8_t device_of[FDS];

static void attach(void) {
    const char *s = getenv("FAKEXEN");
    int fd[4 + WORLD_CHANNELS];

    for (unsigned i = 0; i < 4 + WORLD_CHANNELS; i++) {
        char *end;

        fd[i] = s && *s ? (int)strtol(s, &end, 10) : -1;
        if (fd[i] < 0) {
            fprintf(stderr, "fakexen: FAKEXEN must name %u file descriptors\n", 4 + WORLD_CHANNELS);
            _exit(70);
        }
        s = *end == ',' ? end + 1 : end;
    }
    fx.world = mmap(NULL, sizeof *fx.world, PROT_READ | PROT_WRITE, MAP_SHARED, fd[0], 0);
    fx.p2m = mmap(NULL, WORLD_GFNS * sizeof *fx.p2m, PROT_READ | PROT_WRITE, MAP_SHARED, fd[2], 0);
    if (fx.world == MAP_FAILED || fx.p2m == MAP_FAILED || fx.world->magic != WORLD_MAGIC) {
        fprintf(stderr, "fakexen: no world behind FAKEXEN=%s\n", getenv("FAKEXEN"));
        _exit(70);
    }
    fx.pages_fd = fd[1];
    fx.ioreq_fd = fd[3];
    memcpy(fx.channel_fd, fd + 4, sizeof fx.channel_fd);
}

void fakexen_enter(void) {
    syscall(SYS_getppid);
}

int fakexen_refuse(enum world_count what, int err) {
    fakexen_count(COUNT_refused, 1);
    fx.world->last_refused = what;
    fx.world->last_refused_errno = (uint32_t)err;
    return -err;
}

static int result(int rc) {
    if (rc >= 0)
        return rc;
    errno = -rc;
    return -1;
}

static int open_device(const char *name) {
    enum device device = DEVICE_NONE;
    int fd;

    if (!strcmp(name, "evtchn"))
        device = DEVICE_EVTCHN;
    else if (!strcmp(name, "privcmd"))
        device = DEVICE_PRIVCMD;
    else if (!strcmp(name, "gntdev"))
        device = DEVICE_GNTDEV;
    else
        return -ENOENT;
    if (!fx.world)
        attach();
    /* An empty file: a frame that could not be mapped faults when touched, as under the real
     * driver. */
    fd = device == DEVICE_EVTCHN ? evtchn_open() : memfd_create(name, MFD_CLOEXEC);
    if (fd < 0 || fd >= FDS)
        return -EMFILE;
    device_of[fd] = (uint8_t)device;
    return fd;
}

static int open_any(const char *path, int flags, mode_t mode) {
    static const char dir[] = "/dev/xen/";

    if (path && !strncmp(path, dir, sizeof dir - 1))
        return result(open_device(path + sizeof dir - 1));
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int device_fd(int fd) {
    return fd >= 0 && fd < FDS ? device_of[fd] : DEVICE_NONE;
}

#define MODE_OF(flags, mode)                                                                       \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                       \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode = va_arg(ap, mode_t);                                                                 \
        va_end(ap);                                                                                \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return open_any(path, flags, mode);
}

/* what open becomes under _FORTIFY_SOURCE */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

int __open_2(const char *path, int flags) {
    return open_any(path, flags, 0);
}

int __open64_2(const char *path, int flags) {
    return open_any(path, flags, 0);
}

int close(int fd) {
    if (fd >= 0 && fd < FDS)
        device_of[fd] = DEVICE_NONE;
    return (int)syscall(SYS_close, fd);
}

int dup(int fd) {
    int copy = (int)syscall(SYS_dup, fd);

    if (copy >= 0 && copy < FDS)
        device_of[copy] = (uint8_t)device_fd(fd);
    return copy;
}

/* libxentoolcore restricts a handle by putting /dev/null over its descriptor */
int dup2(int fd, int over) {
    int copy = (int)syscall(SYS_dup2, fd, over);

    if (copy >= 0 && copy < FDS)
        device_of[copy] = (uint8_t)device_fd(fd);
    return copy;
}

int ioctl(int fd, unsigned long request, ...) {
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    switch (device_fd(fd)) {
    case DEVICE_EVTCHN: return result(evtchn_ioctl(fd, request, arg));
    case DEVICE_PRIVCMD: return result(privcmd_ioctl(request, arg));
    case DEVICE_GNTDEV: return result(gntdev_ioctl(request, arg));
    default: return (int)syscall(SYS_ioctl, fd, request, arg);
    }
}

void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset) {
    int device = device_fd(fd);
    void *at;

    if (device == DEVICE_GNTDEV && !(flags & MAP_ANONYMOUS))
        return gntdev_mmap(addr, length, prot, flags, (uint64_t)offset);
    at = (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
    if (device == DEVICE_PRIVCMD && at != MAP_FAILED)
        privcmd_mapped(at, prot);
    return at;
}

void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));

void fakexen_map_frames(char *addr, int prot, size_t n, const uint64_t *gfn, int *err) {
    for (size_t i = 0; i < n;) {
        uint32_t page = gfn[i] < WORLD_GFNS ? fx.p2m[gfn[i]] : 0;
        size_t run = 1;

        err[i] = page ? 0 : -EINVAL;
        if (!page) {
            i++;
            continue;
        }
        while (i + run < n && gfn[i + run] < WORLD_GFNS && fx.p2m[gfn[i + run]] == page + run)
            err[i + run++] = 0;
        if ((void *)syscall(SYS_mmap, addr + i * WORLD_PAGE, run * WORLD_PAGE, prot,
                            MAP_SHARED | MAP_FIXED, fx.pages_fd, (off_t)(page - 1) * WORLD_PAGE)
            == MAP_FAILED)
            for (size_t j = 0; j < run; j++)
                err[i + j] = -errno;
        i += run;
    }
    fakexen_count(COUNT_foreign_pages, n);
}
