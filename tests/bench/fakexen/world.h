/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The make-believe hypervisor: one page-aligned struct in a memfd, mapped by the guest
 * (tests/bench/guest) and by the device model (through fakexen.so).  Everything Xen would know
 * about the domain is here, so that the guest can ask it and a test can look at it.  Layouts of
 * ioreq pages, hypercalls and ioctls are Xen's public headers'.
 *
 * The device model's process finds the file descriptors in the environment variable FAKEXEN:
 * "world,pages,p2m,ioreq,channel0,...,channel7".
 *
 * Not modelled: more than one ioreq server, more than one domain, grants other than "reference =
 * frame number", populate on demand, paging, log-dirty of guest RAM.
 */
#ifndef FAKEXEN_WORLD_H
#define FAKEXEN_WORLD_H

#include <stdint.h>

#define WORLD_MAGIC 0x58656e21u
#define WORLD_PAGE 4096u
#define WORLD_GFNS 0x180000u /* guest frame numbers below 6 GiB */
#define WORLD_VCPUS 128u
#define WORLD_CHANNELS 8u /* how often /dev/xen/evtchn can be opened */
#define WORLD_PORTS 512u /* ports of either end */
#define WORLD_RANGES 256u /* of each type: Xen's MAX_NR_IO_RANGES */
#define WORLD_PARAMS 64u
#define WORLD_DIRTY 4096u /* frames whose writes are told one by one */
#define WORLD_BUFIOREQ_PORT 9u /* the guest's end of the buffered ring's channel */
#define WORLD_VCPU_PORT 16u /* the guest's end of vcpu 0's, then one a vcpu */
#define WORLD_LOCAL_PORT 64u /* the first port given to the device model */

/* On an event channel's socket the guest sends ports; the device model answers with ports to unmask
 * (its own write()) and, from the notify ioctl, with ports that have this bit. */
#define WORLD_NOTIFY 0x80000000u
#define WORLD_BOUND 0x40000000u /* from the bind ioctl: this port exists now */

/* clang-format off */
/* Calls that are counted, in the order of the counters.  The first group are hypercalls. */
#define WORLD_CALLS(X) \
    X(evtchn_bind) X(evtchn_unbind) X(evtchn_notify) X(evtchn_other) X(foreign_map) \
    X(resource_map) X(restrict) X(grant_map) X(grant_unmap) X(grant_copy) X(populate) \
    X(hvm_param) X(domctl) X(xen_version) X(remote_shutdown) X(yield) \
    X(unknown) \
    X(dm_0) X(dm_create_server) X(dm_server_info) X(dm_map_range) X(dm_unmap_range) \
    X(dm_set_state) X(dm_destroy_server) X(dm_track_dirty_vram) X(dm_pci_intx) X(dm_isa_irq) \
    X(dm_pci_link) X(dm_modified_memory) X(dm_mem_type) X(dm_inject_event) X(dm_inject_msi) \
    X(dm_map_mem_type) X(dm_shutdown) X(dm_relocate) X(dm_pin_cacheattr) X(dm_irq_level) \
    X(dm_nr_vcpus) X(dm_unknown)
/* These are not hypercalls: pages in foreign maps, interrupt calls that changed nothing, calls Xen
 * would have refused; and, counted by the guest, ports unmasked by write(), ports that nobody bound
 * unmasked, xenstore requests. */
#define WORLD_EVENTS(X) \
    X(foreign_pages) X(irq_unchanged) X(refused) X(unmasked) X(unmask_unbound) X(xs_read) \
    X(xs_write) X(xs_other)
/* clang-format on */

enum world_count {
#define WORLD_ENUM(name) COUNT_##name,
    WORLD_CALLS(WORLD_ENUM)
    WORLD_EVENTS(WORLD_ENUM)
#undef WORLD_ENUM
    COUNT_MAX
};

struct world_range {
    uint64_t start, end; /* inclusive */
};

struct world_ranges {
    uint32_t n;
    struct world_range range[WORLD_RANGES];
};

enum world_remote { REMOTE_NONE, REMOTE_UNBOUND, REMOTE_BOUND };

struct world_binding {
    uint8_t channel, bound;
    uint16_t remote;
};

struct world {
    uint32_t magic, domid, vcpus;
    uint64_t pages_left; /* what populate may still take */
    uint64_t tot_pages; /* of the domain */
    uint64_t top_gfn; /* the highest frame that ever was there */
    uint64_t next_page; /* the first unused page of the pages memfd */

    /* event channels */
    uint32_t channels_open, next_local;
    uint8_t remote[WORLD_PORTS]; /* enum world_remote, of the guest's ports */
    struct world_binding local[WORLD_PORTS];

    /* the ioreq server */
    uint32_t server_exists, server_enabled, server_bufioreq, server_mapped, servers_destroyed;
    struct world_ranges claimed[3]; /* XEN_DMOP_IO_RANGE_PORT, _MEMORY, _PCI */

    /* interrupts, as last set, and how often they went each way */
    uint8_t isa[16], link[4], intx[32][4];
    uint32_t isa_raised[16], isa_lowered[16], intx_raised, intx_lowered;
    uint64_t msi_addr;
    uint32_t msi_data;

    uint64_t hvm_param[WORLD_PARAMS];
    int32_t shutdown; /* the reason, -1 while the domain lives */
    uint32_t restricted;
    uint32_t dirty_vram; /* what track_dirty_vram says: enum world_dirty */
    uint64_t vram_gfn, vram_pages; /* as last tracked */
    /* DIRTY_WRITTEN: what the guest has written since it was asked for, from this frame on */
    uint64_t dirty_gfn, dirty[WORLD_DIRTY / 64];
    uint32_t last_refused, last_refused_errno; /* enum world_count, errno */

    /* a mark: set mark_wanted, and the next notify dumps callgrind's counters and copies ours */
    uint32_t mark_wanted;
    char mark_name[32];
    uint64_t count[COUNT_MAX], marked[COUNT_MAX];
};

enum world_dirty { DIRTY_NONE, DIRTY_ALL, DIRTY_NODATA, DIRTY_WRITTEN };

#endif
