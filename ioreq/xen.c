/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine on Xen: libxendevicemodel for the ioreq server and interrupts, libxenevtchn for the
 * channels, libxenforeignmemory for pages, libxencall for the three hypercalls that have no library
 * with a stable interface (memory_op, hvm_op, domctl). libxenctrl is not used: its interface
 * changes with every Xen.
 *
 * A wake is: one read of all ports that fired, the requests with a notification each, as early as
 * possible, and one write that unmasks all ports; in between, looks for what comes next at once, as
 * xen_yield.h says. They go to the kernel by syscall(2): libxenstore
 * has a thread, and with one libc's read, write and epoll_wait are cancellation points, which cost
 * more than the whole of our decoding.
 */
#include "xen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define __XEN_TOOLS__ 1 /* opens domctl.h */
#include <xen/domctl.h>
#include <xen/hvm/ioreq.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xentoolcore.h>

#include "core/bits.h"
#include "xen_priv.h"

enum {
    VCPUS_MAX = XEN_PAGE / sizeof(struct ioreq),
    NO_VCPU = 0xffff,    /* the buffered ring's channel, or none of ours */
    PAUSE_MAX_MS = 64,
    LOOKS = 8,
    BUFFERED_ATOMIC = 2, /* HVM_IOREQSRV_BUFIOREQ_ATOMIC, which is for Xen's own tools */
    DOMCTL_OLDEST = XEN_DOMCTL_INTERFACE_VERSION, /* 4.17 has 0x15 */
    DOMCTL_NEWEST = DOMCTL_OLDEST + 16,
};

#define OUT_OF_LINE __attribute__((noinline)) /* keeps the serving of one access short */

static bool fail(char *why, size_t why_len, const char *what) {
    snprintf(why, why_len, "%s: %s", what, strerror(errno));
    return false;
}

void xen_refused(struct xen *x, const char *what) {
    log_guest(&x->refused, "domain %u: Xen refused %s: %s", x->domid, what, strerror(errno));
}

int xen_memory_op(struct xen *x, unsigned op, void *arg, size_t size) {
    void *buffer = xencall_alloc_buffer(x->call, size);
    if (!buffer)
        return -1;
    memcpy(buffer, arg, size);
    int rc = xencall2(x->call, __HYPERVISOR_memory_op, op, (uintptr_t)buffer);
    memcpy(arg, buffer, size);
    xencall_free_buffer(x->call, buffer);
    return rc;
}

/* ---- accesses ---- */

/* A turn of the loop inside a chip (it drains): the guest's other requests wait for this one. */
static void wait_for_this_one(struct xen *x) {
    x->again = true;
    loop_change(x->loop, &x->events, 0);
}

static void now_the_others(struct xen *x) {
    x->again = false;
    loop_change(x->loop, &x->events, LOOP_READ);
}

static inline void unmask(struct xen *x, const uint32_t *ports, unsigned n) {
    size_t len = n * sizeof(ports[0]);
    xen_check(x, syscall(SYS_write, x->events.fd, ports, len) != (long)len,
              "to unmask event channels");
}

/*
 * Xen sends an event for each write that it buffers, and a guest that draws its screen makes
 * thousands: a wake of dom0 for each would cost several times the writes. So after the first its
 * channel stays masked, and the ring is looked at now and then, ever less often, until nothing was
 * written for such a while. What is in the ring is never late for the guest: it is drained before
 * each request.
 */
static void soon_ready(void *arg, unsigned events) {
    struct xen *x = arg;
    (void)events;
    uint64_t expired;
    if (read(x->soon.fd, &expired, sizeof(expired)) != (ssize_t)sizeof(expired))
        return;
    xen_vram_leave(x, 0, UINT64_MAX);
    if (!x->buffered_masked)
        return;
    if (!x->serving)
        ring_drain(&x->ring);
    bool busy = x->ring.drained != x->drained;
    x->drained = x->ring.drained;
    x->pause = MIN(2 * x->pause, (unsigned)PAUSE_MAX_MS);
    if (busy && xen_soon(x, x->pause))
        return;
    x->buffered_masked = false;
    unmask(x, &x->buffered_local, 1);
}

bool xen_soon(struct xen *x, unsigned ms) {
    const struct itimerspec soon = {.it_value.tv_nsec = ms * 1000000L};
    if (x->soon.fd < 0) {
        x->soon = (struct loop_fd){
            .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
            .ready = soon_ready, .arg = x, .events = LOOP_READ};
        if (x->soon.fd < 0 || !loop_add(x->loop, &x->soon))
            return false;
    }
    return !timerfd_settime(x->soon.fd, 0, &soon, NULL);
}

/* Drains the ring. True: its channel is to stay masked. */
OUT_OF_LINE static bool ring_event(struct xen *x) {
    x->pause = SOON_MS;
    x->buffered_masked = ring_drain(&x->ring) && xen_soon(x, x->pause);
    x->drained = x->ring.drained;
    return x->buffered_masked;
}

static inline unsigned vcpu_of(const struct xen *x, uint32_t port) {
    uint32_t at = port - x->port_first;
    return at < x->port_count ? x->vcpu_of[at] : NO_VCPU;
}

/* Answers the vCPU of this port, if it waits. */
static inline bool answer(struct xen *x, unsigned vcpu, uint32_t port) {
    if (!ring_serve(&x->ring, vcpu))
        return false;
    xenevtchn_notify(x->evtchn, port);
    return true;
}

/* Until we sleep, before which it is looked at. */
OUT_OF_LINE static void hold_masked(struct xen *x, uint32_t port) {
    if (!x->held_count)
        loop_look_add(x->loop, &x->look);
    x->held[x->held_count++] = port;
}

static void events_ready(void *arg, unsigned events) {
    struct xen *x = arg;
    (void)events;
    if (x->serving) {
        wait_for_this_one(x);
        return;
    }
    uint32_t *ports = x->fired;
    ssize_t got = syscall(SYS_read, x->events.fd, ports, sizeof(x->fired));
    if (got <= 0) {
        xen_check(x, got < 0 && errno != EAGAIN && errno != EINTR, "to read event channels");
        return;
    }
    bool hold = !x->held_count && xen_yield_try(&x->yield);
    unsigned n = (unsigned)((size_t)got / sizeof(ports[0])), rest = 0;
    x->serving = true;
    for (unsigned i = 0; i < n; i++) {
        unsigned vcpu = vcpu_of(x, ports[i]);
        bool masked = vcpu == NO_VCPU ? ring_event(x) : answer(x, vcpu, ports[i]) && hold;
        if (!masked)
            ports[rest++] = ports[i];
        else if (vcpu != NO_VCPU)
            hold_masked(x, ports[i]);
    }
    x->serving = false;
    if (rest)
        unmask(x, ports, rest);
    if (x->again)
        now_the_others(x);
}

/* Has one of those who were answered come back, or another vCPU come? */
static bool look_at_vcpus(void *arg) {
    struct xen *x = arg;
    bool came = false;
    x->serving = true;
    for (uint32_t at = 0; at < x->port_count; at++)
        if (ring_serve(&x->ring, x->vcpu_of[at])) {
            xen_yield_tell(&x->yield, x->port_first + at);
            came = true;
        }
    x->serving = false;
    if (x->again)
        now_the_others(x);
    return came;
}

/* Before the loop sleeps: a few accesses in a row, each answered by the yield that waits for the
 * next, and then what else the loop has, timers above all. */
static bool look_again(void *arg) {
    struct xen *x = arg;
    if (x->serving) { /* a chip drains: who is answered does not wait for this */
        xen_yield_tell_all(&x->yield);
        return false;
    }
    bool came = true;
    for (unsigned n = 0; came && n < LOOKS && !loop_busy(x->loop); n++)
        came = xen_yield_look(&x->yield, look_at_vcpus, x);
    xen_yield_tell_all(&x->yield);
    if (!came) {
        unmask(x, x->held, x->held_count);
        x->held_count = 0;
        loop_look_remove(x->loop, &x->look);
    }
    return came;
}

static bool xen_claim(struct engine *e, enum io_space space, uint64_t base, uint64_t size) {
    struct xen *x = xen_of(e);
    if (space == IO_MEM)
        xen_vram_leave(x, base, size);
    if (!xendevicemodel_map_io_range_to_ioreq_server(x->dm, x->domid, x->server, space == IO_MEM,
                                                     base, base + size - 1))
        return true;
    log_error("Xen: %s %#llx to %#llx can't be claimed: %s%s", space == IO_MEM ? "memory" : "ports",
              (unsigned long long)base, (unsigned long long)(base + size - 1), strerror(errno),
              errno == EEXIST   ? " (another device model has them)"
              : errno == ENOMEM ? " (a server has 256 ranges at most)"
                                : "");
    return false;
}

static void xen_unclaim(struct engine *e, enum io_space space, uint64_t base, uint64_t size) {
    struct xen *x = xen_of(e);
    xen_check(x,
              xendevicemodel_unmap_io_range_from_ioreq_server(
                  x->dm, x->domid, x->server, space == IO_MEM, base, base + size - 1),
              "to give an I/O range back");
}

static bool xen_claim_pci(struct engine *e, unsigned bdf) {
    struct xen *x = xen_of(e);
    if (!xendevicemodel_map_pcidev_to_ioreq_server(x->dm, x->domid, x->server, 0, bdf >> 8 & 0xff,
                                                   bdf >> 3 & 0x1f, bdf & 7))
        return true;
    log_error("Xen: PCI function %02x:%02x.%x can't be claimed: %s", bdf >> 8 & 0xff,
              bdf >> 3 & 0x1f, bdf & 7, strerror(errno));
    return false;
}

static void xen_unclaim_pci(struct engine *e, unsigned bdf) {
    struct xen *x = xen_of(e);
    xen_check(x,
              xendevicemodel_unmap_pcidev_from_ioreq_server(x->dm, x->domid, x->server, 0,
                                                            bdf >> 8 & 0xff, bdf >> 3 & 0x1f,
                                                            bdf & 7),
              "to give a PCI function back");
}

/* ---- memory ---- */

static void flush_dirty(void *arg) {
    struct xen *x = arg;
    if (!x->dirty_count)
        return;
    xen_check(x,
              xendevicemodel_modified_memory_bulk(x->dm, x->domid, x->dirty, x->dirty_count),
              "to note written pages: a migration of this domain would lose data");
    x->dirty_count = 0;
}

void xen_dirty(struct xen *x, uint64_t gfn, uint64_t n) {
    if (!x->log_dirty || !n)
        return;
    if (x->dirty_count) {
        struct xen_dm_op_modified_memory_extent *last = &x->dirty[x->dirty_count - 1];
        uint64_t end = last->first_pfn + last->nr;
        if (gfn >= last->first_pfn && gfn <= end) { /* inside it or right behind */
            last->nr = (uint32_t)MAX(end, gfn + n) - (uint32_t)last->first_pfn;
            return;
        }
    }
    if (x->dirty_count == DIRTY_EXTENTS)
        flush_dirty(x);
    x->dirty[x->dirty_count++] =
        (struct xen_dm_op_modified_memory_extent){.nr = (uint32_t)n, .first_pfn = gfn};
    loop_defer(x->loop, &x->dirty_task);
}

static void *xen_get(struct engine *e, uint64_t gpa, size_t *len, bool write) {
    (void)write;
    return xen_map_get(&xen_of(e)->map, gpa, len);
}

static void xen_put(struct engine *e, void *host, uint64_t gpa, size_t len, bool wrote) {
    struct xen *x = xen_of(e);
    xen_map_put(&x->map, host, gpa);
    if (wrote && x->log_dirty && len)
        xen_dirty(x, gpa >> XEN_PAGE_SHIFT,
                  ((gpa + len - 1) >> XEN_PAGE_SHIFT) - (gpa >> XEN_PAGE_SHIFT) + 1);
}

static void invalidate(struct engine *e) {
    xen_map_invalidate(&xen_of(e)->map);
}

static void xen_protect(struct engine *e, uint64_t gpa, uint64_t len, bool read_only) {
    struct xen *x = xen_of(e);
    xen_check(x,
              xendevicemodel_set_mem_type(x->dm, x->domid,
                                          read_only ? HVMMEM_ram_ro : HVMMEM_ram_rw,
                                          gpa >> XEN_PAGE_SHIFT, (uint32_t)(len >> XEN_PAGE_SHIFT)),
              "to change the protection of pages");
}

/* ---- power ---- */

static void xen_shutdown(struct engine *e, enum engine_shutdown how) {
    static const unsigned reasons[] = {
        [ENGINE_POWEROFF] = SHUTDOWN_poweroff,
        [ENGINE_REBOOT] = SHUTDOWN_reboot,
        [ENGINE_CRASH] = SHUTDOWN_crash,
    };
    struct xen *x = xen_of(e);
    if (xendevicemodel_shutdown(x->dm, x->domid, reasons[how]))
        log_error("domain %u could not be shut down: %s", x->domid, strerror(errno));
}

static void xen_suspend(struct engine *e, bool suspended) {
    struct xen *x = xen_of(e);
    struct xen_hvm_param *param = xencall_alloc_buffer(x->call, sizeof(*param));
    if (!param) {
        log_error("no memory to change the sleep state of domain %u", x->domid);
        return;
    }
    *param = (struct xen_hvm_param){
        .domid = x->domid, .index = HVM_PARAM_ACPI_S_STATE, .value = suspended ? 3 : 0};
    if (xencall2(x->call, __HYPERVISOR_hvm_op, HVMOP_set_param, (uintptr_t)param))
        log_error("domain %u can't be %s: %s%s", x->domid,
                  suspended ? "put to sleep" : "woken from sleep", strerror(errno),
                  " (a restricted device model may not do that)");
    xencall_free_buffer(x->call, param);
}

/*
 * PM1_STS is Xen's, and its power button a domain control operation. Xen takes those in its own
 * version only, though this one has had the same shape in all of them: the version is looked for.
 */
static bool xen_power_button(struct engine *e) {
    struct xen *x = xen_of(e);
    struct xen_domctl *op = xencall_alloc_buffer(x->call, sizeof(*op));
    int failed = -1;
    errno = EACCES;
    for (unsigned version = DOMCTL_OLDEST;
         op && failed && errno == EACCES && version <= DOMCTL_NEWEST; version++) {
        *op = (struct xen_domctl){.cmd = XEN_DOMCTL_sendtrigger, .interface_version = version,
                                  .domain = (domid_t)x->domid};
        op->u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_POWER;
        failed = xencall1(x->call, __HYPERVISOR_domctl, (uintptr_t)op);
    }
    if (failed)
        xen_refused(x, "to press the power button");
    if (op)
        xencall_free_buffer(x->call, op);
    return !failed;
}

/* ---- life ---- */

static void xen_free(struct engine *e) {
    struct xen *x = xen_of(e);
    loop_look_remove(x->loop, &x->look);
    loop_remove(x->loop, &x->events);
    loop_remove(x->loop, &x->soon);
    if (x->soon.fd >= 0)
        close(x->soon.fd);
    loop_cancel(x->loop, &x->dirty_task);
    if (x->has_server) /* first: a vCPU may wait for an answer that will not come */
        xendevicemodel_destroy_ioreq_server(x->dm, x->domid, x->server);
    while (x->vrams)
        xen_vram_free(e, (struct vram *)x->vrams);
    if (x->map.chunks)
        xen_map_done(&x->map);
    xen_yield_close(&x->yield);
    if (x->pages)
        xenforeignmemory_unmap_resource(x->fmem, x->pages);
    if (x->evtchn)
        xenevtchn_close(x->evtchn);
    if (x->fmem)
        xenforeignmemory_close(x->fmem);
    if (x->dm)
        xendevicemodel_close(x->dm);
    if (x->call)
        xencall_close(x->call);
    xen_irq_done(x);
    free(x->vcpu_of);
    free(x);
}

static const struct engine_ops ops = {
    .claim = xen_claim,
    .unclaim = xen_unclaim,
    .claim_pci = xen_claim_pci,
    .unclaim_pci = xen_unclaim_pci,
    .isa_irq = xen_isa_irq,
    .pci_intx = xen_pci_intx,
    .pci_link = xen_pci_link,
    .msi = xen_msi,
    .map = xen_get,
    .unmap = xen_put,
    .vram_new = xen_vram_new,
    .vram_free = xen_vram_free,
    .vram_place = xen_vram_place,
    .vram_dirty = xen_vram_dirty,
    .vram_dirtied = xen_vram_dirtied,
    .protect = xen_protect,
    .shutdown = xen_shutdown,
    .suspend = xen_suspend,
    .power_button = xen_power_button,
    .free = xen_free,
};

static bool open_handles(struct xen *x, char *why, size_t why_len) {
    x->evtchn = xenevtchn_open(NULL, 0);
    if (!x->evtchn)
        return fail(why, why_len,
                    "Xen's event channels (/dev/xen/evtchn) can't be opened; is this dom0?");
    x->dm = xendevicemodel_open(NULL, 0);
    if (!x->dm)
        return fail(why, why_len, "Xen's privileged commands (/dev/xen/privcmd) can't be opened");
    x->fmem = xenforeignmemory_open(NULL, 0);
    if (!x->fmem)
        return fail(why, why_len, "Xen's foreign memory (/dev/xen/privcmd) can't be opened");
    x->call = xencall_open(NULL, 0);
    if (!x->call)
        return fail(why, why_len, "Xen's hypercalls (/dev/xen/privcmd) can't be opened");
    if (!xen_irq_init(x))
        return fail(why, why_len, "Xen's interrupts (/dev/xen/privcmd) can't be opened");
    return true;
}

/* How far the guest's memory goes, whether mapping it allocates it, where there is room for
 * VRAM. */
static bool look_at_memory(struct xen *x, char *why, size_t why_len) {
    domid_t domid = x->domid;
    int top = xen_memory_op(x, XENMEM_maximum_gpfn, &domid, sizeof(domid));
    if (top < 0) {
        snprintf(why, why_len, "domain %u: Xen doesn't tell how much memory it has: %s", x->domid,
                 strerror(errno));
        return false;
    }
    struct xen_pod_target pod = {.domid = x->domid};
    bool populates =
        !xen_memory_op(x, XENMEM_get_pod_target, &pod, sizeof(pod)) && pod.pod_entries;
    uint64_t gfns = (uint64_t)top + 1, four_gib = GIB(4) >> XEN_PAGE_SHIFT;
    x->vram_home = MAX(gfns, four_gib);
    if (xen_map_init(&x->map, x->fmem, x->domid, gfns, populates))
        return true;
    return fail(why, why_len, "no memory for the table of the guest's memory");
}

static bool make_server(struct xen *x, char *why, size_t why_len) {
    if (xendevicemodel_create_ioreq_server(x->dm, x->domid, BUFFERED_ATOMIC,
                                           &x->server)) {
        snprintf(why, why_len, "domain %u: no ioreq server can be made: %s%s", x->domid,
                 strerror(errno), errno == ESRCH ? " (no such domain)" : "");
        return false;
    }
    x->has_server = true;
    void *pages = NULL;
    x->pages = xenforeignmemory_map_resource(x->fmem, x->domid, XENMEM_resource_ioreq_server,
                                             x->server, 0, 2, &pages, PROT_READ | PROT_WRITE, 0);
    if (!x->pages) {
        snprintf(why, why_len, "domain %u: its ioreq pages can't be mapped: %s", x->domid,
                 strerror(errno));
        return false;
    }
    x->ring.engine = &x->engine;
    x->ring.invalidate = invalidate;
    x->ring.buffered = pages;
    x->ring.slots = (struct ioreq *)(void *)((uint8_t *)pages + XEN_PAGE);
    /* NULL frames: asking for them would move the pages into the guest */
    if (xendevicemodel_get_ioreq_server_info(x->dm, x->domid, x->server, NULL, NULL,
                                             &x->buffered_port)) {
        snprintf(why, why_len, "domain %u: the channel of its buffered ring is not known: %s",
                 x->domid, strerror(errno));
        return false;
    }
    return true;
}

struct engine *xen_engine_new(struct loop *loop, unsigned domid, unsigned max_vcpus, bool restored,
                              char *why, size_t why_len) {
    if (domid >= DOMID_FIRST_RESERVED || !max_vcpus || max_vcpus > VCPUS_MAX) {
        snprintf(why, why_len,
                 "domain %u with %u vCPUs: a domain is 0 to %u and has 1 to %u vCPUs", domid,
                 max_vcpus, DOMID_FIRST_RESERVED - 1, (unsigned)VCPUS_MAX);
        return NULL;
    }
    struct xen *x = calloc(1, sizeof(*x));
    if (!x) {
        fail(why, why_len, "the Xen engine");
        return NULL;
    }
    x->engine.ops = &ops;
    x->loop = loop;
    x->domid = (domid_t)domid;
    x->soon.fd = -1;
    x->irq.fd = -1;
    x->restored = restored;
    x->ring.vcpus = max_vcpus;
    x->dirty_task = (struct loop_task){.run = flush_dirty, .arg = x};
    if (open_handles(x, why, why_len) && look_at_memory(x, why, why_len) &&
        make_server(x, why, why_len))
        return &x->engine;
    xen_free(&x->engine);
    return NULL;
}

/* Binds the vCPUs' channels and makes the table from local ports to vCPUs. */
static bool bind(struct xen *x, char *why, size_t why_len) {
    uint32_t locals[VCPUS_MAX], first = UINT32_MAX, last = 0;
    for (unsigned i = 0; i < x->ring.vcpus; i++) {
        int local = xenevtchn_bind_interdomain(x->evtchn, x->domid, x->ring.slots[i].vp_eport);
        if (local < 0) {
            snprintf(why, why_len, "domain %u: the channel of vCPU %u (port %u) can't be bound: %s",
                     x->domid, i, x->ring.slots[i].vp_eport, strerror(errno));
            return false;
        }
        locals[i] = (uint32_t)local;
        first = MIN(first, locals[i]);
        last = MAX(last, locals[i]);
    }
    int buffered = xenevtchn_bind_interdomain(x->evtchn, x->domid, x->buffered_port);
    if (buffered < 0) {
        snprintf(why, why_len, "domain %u: the channel of its buffered ring can't be bound: %s",
                 x->domid, strerror(errno));
        return false;
    }
    x->buffered_local = (uint32_t)buffered;
    x->port_count = last - first + 1;
    x->vcpu_of = malloc(x->port_count * sizeof(*x->vcpu_of));
    if (!x->vcpu_of)
        return fail(why, why_len, "the table of event channels");
    memset(x->vcpu_of, 0xff, x->port_count * sizeof(*x->vcpu_of));
    for (unsigned i = 0; i < x->ring.vcpus; i++)
        x->vcpu_of[locals[i] - first] = (uint16_t)i;
    x->port_first = first;
    return true;
}

bool xen_engine_start(struct engine *engine, char *why, size_t why_len) {
    struct xen *x = xen_of(engine);
    xen_vram_settle(x);
    if (xendevicemodel_set_ioreq_server_state(x->dm, x->domid, x->server, 1)) {
        snprintf(why, why_len, "domain %u: its ioreq server can't be enabled: %s", x->domid,
                 strerror(errno));
        return false;
    }
    if (!bind(x, why, why_len))
        return false;
    int fd = xenevtchn_fd(x->evtchn);
    x->events = (struct loop_fd){
        .fd = fd, .ready = events_ready, .arg = x, .events = LOOP_READ};
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) || !loop_add(x->loop, &x->events))
        return fail(why, why_len, "Xen's event channels can't be watched");
    xen_yield_open(&x->yield, x->call, x->evtchn);
    x->look = (struct loop_look){.look = look_again, .arg = x};
    return true;
}

void xen_engine_flush(struct engine *engine) {
    struct xen *x = xen_of(engine);
    if (!x->serving)
        ring_drain(&x->ring);
    xen_vram_leave(x, 0, UINT64_MAX);
    flush_dirty(x);
}

void xen_engine_log_dirty(struct engine *engine, bool on) {
    struct xen *x = xen_of(engine);
    if (!on)
        flush_dirty(x);
    x->log_dirty = on;
}

bool xen_engine_restrict(struct engine *engine, char *why, size_t why_len) {
    struct xen *x = xen_of(engine);
    if (!xentoolcore_restrict_all(x->domid) && xen_irq_restrict(x))
        return true;
    snprintf(why, why_len, "Xen's handles can't be restricted to domain %u: %s", x->domid,
             strerror(errno));
    return false;
}
