/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /dev/xen/privcmd: foreign mappings, the ioreq server's pages, the hypercalls that a device model
 * makes through libxenctrl, and (dm_op.c) its own.  Hypercall buffers are plain memory of the
 * caller here.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/sys/privcmd.h>

#include "fakexen.h"

/* The protection that the mmap asked for, which the ioctl that fills it does not repeat. */
static __thread struct {
    void *addr;
    int prot;
} mapped;

void privcmd_mapped(void *addr, int prot) {
    mapped.addr = addr;
    mapped.prot = prot;
}

static int protection(uint64_t addr) {
    return (uint64_t)(uintptr_t)mapped.addr == addr ? mapped.prot : PROT_READ | PROT_WRITE;
}

static int map_batch(const privcmd_mmapbatch_v2_t *b) {
    fakexen_count(COUNT_foreign_map, 1);
    if (b->dom != fx.world->domid)
        return fakexen_refuse(COUNT_foreign_map, ESRCH);
    fakexen_enter();
    fakexen_map_frames((char *)(uintptr_t)b->addr, protection(b->addr), b->num, b->arr, b->err);
    return 0;
}

static int map_resource(privcmd_mmap_resource_t *r) {
    struct world *w = fx.world;
    uint32_t frames = 1 + (w->vcpus + 127) / 128;

    fakexen_count(COUNT_resource_map, 1);
    if (r->dom != w->domid || r->type != XENMEM_resource_ioreq_server || !w->server_exists || r->id)
        return fakexen_refuse(COUNT_resource_map, EINVAL);
    if (!r->addr && !r->num) {
        fakexen_enter();
        r->num = frames;
        return 0;
    }
    if (r->idx > frames || r->num > frames - r->idx)
        return fakexen_refuse(COUNT_resource_map, EINVAL);
    if ((void *)syscall(SYS_mmap, r->addr, r->num * WORLD_PAGE, protection(r->addr),
                        MAP_SHARED | MAP_FIXED, fx.ioreq_fd, (off_t)r->idx * WORLD_PAGE)
        == MAP_FAILED)
        return -errno;
    w->server_mapped = 1;
    return 0;
}

/* Returns how many extents were populated, as the hypercall does. */
static int populate(const xen_memory_reservation_t *r) {
    struct world *w = fx.world;
    xen_pfn_t *gfn;
    uint64_t i;

    fakexen_count(COUNT_populate, 1);
    gfn = r->extent_start.p;
    if (r->domid != w->domid || r->extent_order)
        return fakexen_refuse(COUNT_populate, EINVAL);
    for (i = 0; i < r->nr_extents; i++) {
        if (gfn[i] >= WORLD_GFNS || !w->pages_left) {
            fakexen_refuse(COUNT_populate, ENOMEM);
            break;
        }
        if (!fx.p2m[gfn[i]]) {
            fx.p2m[gfn[i]] = (uint32_t)++w->next_page;
            if (gfn[i] > w->top_gfn)
                w->top_gfn = gfn[i];
            w->pages_left--;
            w->tot_pages++;
        }
    }
    return (int)i;
}

static int pod_target(xen_pod_target_t *t) {
    if (t->domid != fx.world->domid)
        return fakexen_refuse(COUNT_unknown, ESRCH);
    t->tot_pages = fx.world->tot_pages;
    t->pod_cache_pages = t->pod_entries = 0;
    return 0;
}

static int memory_op(unsigned cmd, void *arg) {
    switch (cmd) {
    case XENMEM_populate_physmap: return populate(arg);
    case XENMEM_maximum_gpfn:
        return (int)fx.world->top_gfn;
    case XENMEM_get_pod_target:
        return pod_target(arg);
    default: return fakexen_refuse(COUNT_unknown, ENOSYS);
    }
}

static int hvm_op(unsigned cmd, xen_hvm_param_t *p) {
    fakexen_count(COUNT_hvm_param, 1);
    if ((cmd != HVMOP_set_param && cmd != HVMOP_get_param) || p->domid != fx.world->domid)
        return fakexen_refuse(COUNT_hvm_param, EINVAL);
    if (p->index >= HVM_NR_PARAMS || p->index >= WORLD_PARAMS)
        return fakexen_refuse(COUNT_hvm_param, EINVAL);
    if (cmd == HVMOP_set_param)
        fx.world->hvm_param[p->index] = p->value;
    else
        p->value = fx.world->hvm_param[p->index];
    return 0;
}

static int domctl(struct xen_domctl *d) {
    fakexen_count(COUNT_domctl, 1);
    if (d->interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return fakexen_refuse(COUNT_domctl, EACCES);
    if (d->cmd != XEN_DOMCTL_getdomaininfo)
        return fakexen_refuse(COUNT_domctl, ENOSYS);
    if (d->domain != fx.world->domid)
        return -ESRCH;
    memset(&d->u.getdomaininfo, 0, sizeof d->u.getdomaininfo);
    d->u.getdomaininfo.domain = (domid_t)d->domain;
    d->u.getdomaininfo.flags = XEN_DOMINF_hvm_guest | XEN_DOMINF_hap | XEN_DOMINF_running;
    d->u.getdomaininfo.nr_online_vcpus = fx.world->vcpus;
    d->u.getdomaininfo.max_vcpu_id = fx.world->vcpus - 1;
    d->u.getdomaininfo.tot_pages = fx.world->tot_pages;
    d->u.getdomaininfo.max_pages = fx.world->tot_pages + fx.world->pages_left;
    return 0;
}

/* A yield gives the CPU to nobody here: the guest has its own. */
static int sched_op(unsigned cmd, const struct sched_remote_shutdown *s) {
    if (cmd == SCHEDOP_yield) {
        fakexen_count(COUNT_yield, 1);
        return 0;
    }
    fakexen_count(COUNT_remote_shutdown, 1);
    if (cmd != SCHEDOP_remote_shutdown || s->domain_id != fx.world->domid)
        return fakexen_refuse(COUNT_remote_shutdown, EINVAL);
    fx.world->shutdown = (int32_t)s->reason;
    return 0;
}

static int event_channel_op(unsigned cmd, const evtchn_send_t *send) {
    return cmd == EVTCHNOP_send ? evtchn_send(send->port) : fakexen_refuse(COUNT_unknown, ENOSYS);
}

static int xen_version(unsigned cmd) {
    fakexen_count(COUNT_xen_version, 1);
    return cmd == 0 ? 4 << 16 | 17 : fakexen_refuse(COUNT_xen_version, ENOSYS);
}

static int hypercall(uint64_t op, const uint64_t *arg) {
    void *arg1 = (void *)(uintptr_t)arg[1];

    switch (op) {
    case __HYPERVISOR_memory_op: return memory_op((unsigned)arg[0], arg1);
    case __HYPERVISOR_hvm_op: return hvm_op((unsigned)arg[0], arg1);
    case __HYPERVISOR_domctl: return domctl((void *)(uintptr_t)arg[0]);
    case __HYPERVISOR_sched_op: return sched_op((unsigned)arg[0], arg1);
    case __HYPERVISOR_event_channel_op: return event_channel_op((unsigned)arg[0], arg1);
    case __HYPERVISOR_xen_version: return xen_version((unsigned)arg[0]);
    default: fakexen_count(COUNT_unknown, 1); return fakexen_refuse(COUNT_unknown, ENOSYS);
    }
}

/* libxencall wraps a call whose result may be longer than an int into a multicall of one; ours say
 * whom to notify before a yield. */
static int multicall(multicall_entry_t *entry, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        uint64_t arg[5] = { entry[i].args[0], entry[i].args[1], entry[i].args[2], entry[i].args[3],
                            entry[i].args[4] };

        entry[i].result = (xen_ulong_t)(long)hypercall(entry[i].op, arg);
    }
    return 0;
}

static int hypercall_ioctl(const privcmd_hypercall_t *h) {
    const uint64_t arg[5] = { h->arg[0], h->arg[1], h->arg[2], h->arg[3], h->arg[4] };

    fakexen_enter();
    if (h->op == __HYPERVISOR_multicall)
        return multicall((multicall_entry_t *)(uintptr_t)arg[0], arg[1]);
    return hypercall(h->op, arg);
}

static int dm_op_ioctl(const privcmd_dm_op_t *d) {
    const privcmd_dm_op_buf_t *b;

    fakexen_enter();
    if (!d)
        return -EFAULT;
    if (!d->num) /* libxendevicemodel's way to ask whether there is such an ioctl */
        return 0;
    if (d->dom != fx.world->domid)
        return -ESRCH;
    b = d->ubufs;
    return dm_op((unsigned)b[0].size, b[0].uptr, d->num > 1 ? b[1].uptr : NULL,
                 d->num > 1 ? b[1].size : 0, d->num);
}

int privcmd_ioctl(unsigned long request, void *arg) {
    switch (request) {
    case IOCTL_PRIVCMD_DM_OP: return dm_op_ioctl(arg);
    case IOCTL_PRIVCMD_MMAPBATCH_V2: return map_batch(arg);
    case IOCTL_PRIVCMD_MMAP_RESOURCE: return map_resource(arg);
    case IOCTL_PRIVCMD_HYPERCALL: return hypercall_ioctl(arg);
    case IOCTL_PRIVCMD_RESTRICT:
        fakexen_enter();
        fakexen_count(COUNT_restrict, 1);
        fx.world->restricted++;
        return *(const domid_t *)arg == fx.world->domid ? 0 : -EINVAL;
    default: fakexen_enter(); return -ENOTTY;
    }
}
