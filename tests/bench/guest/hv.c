/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <xen/hvm/dm_op.h>
#include <xen/hvm/params.h>

#define LOW_END_GFN 0xf0000u /* LIBXL_HVM_MMIO_START */
#define SPECIAL_GFN 0xfeff0u
#define MIB_PAGES 256u
#define RAM_WINDOW (256ull << 20)
#define SPARE_PAGES 256u /* libxl's LIBXL_MAXMEM_CONSTANT, 1 MiB */

static struct world *world;
static uint32_t *p2m;
static uint8_t *ram, *ioreq_pages;
static int world_fd, pages_fd, p2m_fd, ioreq_fd;
static int ours[WORLD_CHANNELS], theirs[WORLD_CHANNELS];
static uint8_t masked[WORLD_PORTS], pending[WORLD_PORTS]; /* by the device model's port */
static uint32_t notified[WORLD_PORTS];

int hv_timeout_ms = 20000;

static int memory_file(const char *name, uint64_t size, void **at, uint64_t map) {
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)size))
        return -1;
    *at = mmap(NULL, map, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return *at == MAP_FAILED ? -1 : fd;
}

static void populate(uint64_t gfn, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        p2m[gfn + i] = (uint32_t)(gfn + i) + 1;
    world->tot_pages += n;
    if (n && gfn + n - 1 > world->top_gfn)
        world->top_gfn = gfn + n - 1;
}

static void lay_out(unsigned ram_mib, unsigned video_mib) {
    uint64_t pages = (uint64_t)ram_mib * MIB_PAGES, low = pages < LOW_END_GFN ? pages : LOW_END_GFN;

    populate(0, 0xa0);
    populate(0xc0, low - 0xc0);
    populate(0x100000, pages - low);
    populate(SPECIAL_GFN, 16);
    world->next_page = WORLD_GFNS; /* what is populated later lies behind all of these */
    world->pages_left = (uint64_t)video_mib * MIB_PAGES + SPARE_PAGES;
    world->hvm_param[HVM_PARAM_STORE_PFN] = 0xfeffc;
    world->hvm_param[HVM_PARAM_STORE_EVTCHN] = 1;
    world->hvm_param[HVM_PARAM_CONSOLE_PFN] = 0xfefff;
    world->hvm_param[HVM_PARAM_CONSOLE_EVTCHN] = 2;
    world->hvm_param[HVM_PARAM_IOREQ_PFN] = 0xfeffd;
    world->hvm_param[HVM_PARAM_BUFIOREQ_PFN] = 0xfeffb;
}

int hv_new(unsigned domid, unsigned ram_mib, unsigned video_mib, unsigned vcpus) {
    uint64_t pages = (uint64_t)WORLD_GFNS + video_mib * MIB_PAGES + SPARE_PAGES;
    int pair[2];
    void *at;

    if (!vcpus || vcpus > WORLD_VCPUS || ram_mib < 2 || ram_mib > 4096) {
        fprintf(stderr, "guest: 1 to %u vcpus and 2 to 4096 MiB, not %u and %u\n", WORLD_VCPUS,
                vcpus, ram_mib);
        return -1;
    }
    world_fd = memory_file("world", sizeof *world, &at, sizeof *world);
    world = at;
    pages_fd = memory_file("pages", pages * WORLD_PAGE, &at, RAM_WINDOW);
    ram = at;
    p2m_fd = memory_file("p2m", WORLD_GFNS * sizeof *p2m, &at, WORLD_GFNS * sizeof *p2m);
    p2m = at;
    ioreq_fd = memory_file("ioreq", 2 * WORLD_PAGE, &at, 2 * WORLD_PAGE);
    ioreq_pages = at;
    if (world_fd < 0 || pages_fd < 0 || p2m_fd < 0 || ioreq_fd < 0) {
        fprintf(stderr, "guest: no memory for the domain: %s\n", strerror(errno));
        return -1;
    }
    *world = (struct world){ .magic = WORLD_MAGIC,
                             .domid = domid,
                             .vcpus = vcpus,
                             .shutdown = -1,
                             .next_local = WORLD_LOCAL_PORT };
    lay_out(ram_mib, video_mib);
    for (unsigned i = 0; i < WORLD_CHANNELS; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
            fprintf(stderr, "guest: no event channel: %s\n", strerror(errno));
            return -1;
        }
        ours[i] = pair[0];
        theirs[i] = pair[1];
    }
    return 0;
}

void hv_lend(void) {
    char names[128];
    int fds[4 + WORLD_CHANNELS] = { world_fd, pages_fd, p2m_fd, ioreq_fd };
    size_t at = 0;

    memcpy(fds + 4, theirs, sizeof theirs);
    for (unsigned i = 0; i < 4 + WORLD_CHANNELS; i++) {
        fcntl(fds[i], F_SETFD, 0);
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%d", i ? "," : "", fds[i]);
    }
    setenv("FAKEXEN", names, 1);
}

void hv_lent(void) {
    for (unsigned i = 0; i < WORLD_CHANNELS; i++)
        close(theirs[i]);
}

struct world *hv_world(void) {
    return world;
}

const char *hv_error(enum hv_error e) {
    static const char *const text[] = {
        [HV_OK] = "ok",
        [HV_TIMEOUT] = "no answer in time",
        [HV_GONE] = "the device model is gone",
        [HV_BAD_STATE] = "notified, but the slot is not in state IORESP_READY",
        [HV_NOT_READY] = "nobody has bound that event channel",
    };

    return text[e];
}

uint8_t *hv_ram(uint64_t gpa) {
    uint64_t gfn = gpa / WORLD_PAGE;
    uint64_t page = gfn < WORLD_GFNS ? p2m[gfn] : 0; /* one more than its place in the file */
    static uint8_t *far; /* one page at a time */

    if (!page)
        return NULL;
    if (page <= RAM_WINDOW / WORLD_PAGE)
        return ram + (page - 1) * WORLD_PAGE + gpa % WORLD_PAGE;
    if (far)
        munmap(far, WORLD_PAGE);
    far = mmap(NULL, WORLD_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, pages_fd,
               (off_t)((page - 1) * WORLD_PAGE));
    if (far == MAP_FAILED)
        far = NULL;
    return far ? far + gpa % WORLD_PAGE : NULL;
}

uint8_t *hv_map(uint64_t gfn, uint64_t n) {
    void *at;

    for (uint64_t i = 0; i < n; i++)
        if (gfn + i >= WORLD_GFNS || !p2m[gfn + i] || p2m[gfn + i] != p2m[gfn] + i)
            return NULL;
    at = mmap(NULL, n * WORLD_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, pages_fd,
              (off_t)(p2m[gfn] - 1) * WORLD_PAGE);
    return at == MAP_FAILED ? NULL : at;
}

void hv_balloon(uint64_t gfn, uint64_t n) {
    for (uint64_t i = gfn; i < gfn + n && i < WORLD_GFNS; i++)
        p2m[i] = 0;
}

volatile ioreq_t *hv_slot(unsigned vcpu) {
    return &((shared_iopage_t *)(ioreq_pages + WORLD_PAGE))->vcpu_ioreq[vcpu];
}

volatile buffered_iopage_t *hv_ring(void) {
    return (buffered_iopage_t *)ioreq_pages;
}

/* The device model's port that is bound to one of ours; 0 if none is. */
static uint32_t local_of(unsigned remote) {
    for (uint32_t i = WORLD_LOCAL_PORT; i < world->next_local; i++)
        if (world->local[i].bound && world->local[i].remote == remote)
            return i;
    return 0;
}

void hv_offer(unsigned remote_port) {
    world->remote[remote_port] = REMOTE_UNBOUND;
}

unsigned hv_notified(unsigned remote_port) {
    uint32_t local = local_of(remote_port);
    unsigned n = notified[local];

    notified[local] = 0;
    return n;
}

static enum hv_error deliver(uint32_t local) {
    pending[local] = 0;
    masked[local] = 1;
    return send(ours[world->local[local].channel], &local, sizeof local, MSG_NOSIGNAL)
                   == sizeof local
               ? HV_OK
               : HV_GONE;
}

enum hv_error hv_event(unsigned remote_port) {
    uint32_t local = local_of(remote_port);

    if (!local)
        return HV_NOT_READY;
    if (!masked[local])
        return deliver(local);
    pending[local] = 1;
    return HV_OK;
}

enum hv_error hv_event_forced(unsigned remote_port) {
    uint32_t local = local_of(remote_port);

    return local ? deliver(local) : HV_NOT_READY;
}

static void take(uint32_t word) {
    uint32_t local = word & ~(WORLD_NOTIFY | WORLD_BOUND);

    if (local >= WORLD_PORTS || !world->local[local].bound) {
        if (!(word & WORLD_NOTIFY))
            world->count[COUNT_unmask_unbound]++;
    } else if (word & WORLD_NOTIFY) {
        notified[local]++;
    } else if (word & WORLD_BOUND) {
        deliver(local); /* Xen sets a freshly bound port pending, lest an earlier event be lost */
    } else {
        world->count[COUNT_unmasked]++;
        masked[local] = 0;
        if (pending[local])
            deliver(local);
    }
}

enum hv_error hv_pump(int timeout_ms) {
    struct pollfd p[WORLD_CHANNELS];
    unsigned n = world->channels_open ? world->channels_open : 1;
    uint32_t word[64];

    for (unsigned i = 0; i < n; i++)
        p[i] = (struct pollfd){ ours[i], POLLIN, 0 };
    if (poll(p, n, timeout_ms) <= 0)
        return HV_TIMEOUT;
    for (unsigned i = 0; i < n; i++) {
        ssize_t got = p[i].revents ? recv(ours[i], word, sizeof word, MSG_DONTWAIT) : 4;

        if (got <= 0)
            return HV_GONE;
        for (ssize_t j = 0; p[i].revents && j < got / 4; j++)
            take(word[j]);
    }
    return HV_OK;
}

void hv_post(unsigned vcpu, const ioreq_t *request) {
    volatile ioreq_t *slot = hv_slot(vcpu);

    slot->addr = request->addr;
    slot->data = request->data;
    slot->count = request->count;
    slot->size = request->size;
    slot->data_is_ptr = request->data_is_ptr;
    slot->dir = request->dir;
    slot->df = request->df;
    slot->type = request->type;
    __sync_synchronize();
    slot->state = STATE_IOREQ_READY;
    __sync_synchronize();
}

static long now_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

enum hv_error hv_answer(unsigned vcpu, int timeout_ms, uint64_t *data) {
    volatile ioreq_t *slot = hv_slot(vcpu);
    uint32_t local = local_of(WORLD_VCPU_PORT + vcpu);
    long until = 0;

    while (!notified[local] || slot->state != STATE_IORESP_READY) {
        enum hv_error e;

        if (notified[local] && slot->state != STATE_IOREQ_READY
            && slot->state != STATE_IOREQ_INPROCESS)
            return HV_BAD_STATE;
        notified[local] = 0; /* a notify too many wakes the vcpu, which sees that it must wait on */
        e = hv_pump(timeout_ms);
        until = until ? until : now_ms() + timeout_ms;
        if (e != HV_OK)
            return e;
        if (now_ms() > until)
            return HV_TIMEOUT;
    }
    notified[local] = 0;
    __sync_synchronize();
    *data = slot->data;
    slot->state = STATE_IOREQ_NONE;
    return HV_OK;
}

enum hv_error hv_request(unsigned vcpu, const ioreq_t *request, uint64_t *data) {
    enum hv_error e;

    hv_post(vcpu, request);
    e = hv_event(WORLD_VCPU_PORT + vcpu);
    return e == HV_OK ? hv_answer(vcpu, hv_timeout_ms, data) : e;
}

int hv_claimed(unsigned type, uint64_t start, uint64_t end) {
    const struct world_ranges *claimed = &world->claimed[type];
    uint32_t i;

    while (world->server_enabled) {
        for (i = 0; i < claimed->n; i++)
            if (claimed->range[i].start <= start && start <= claimed->range[i].end)
                break;
        if (i == claimed->n)
            return 0;
        if (claimed->range[i].end >= end)
            return 1;
        start = claimed->range[i].end + 1;
    }
    return 0;
}

static int somebodys(const ioreq_t *r) {
    uint64_t length = r->type == IOREQ_TYPE_COPY ? (uint64_t)r->size * r->count : r->size;

    switch (r->type) {
    case IOREQ_TYPE_PIO: return hv_claimed(XEN_DMOP_IO_RANGE_PORT, r->addr, r->addr + length - 1);
    case IOREQ_TYPE_COPY:
        return hv_claimed(XEN_DMOP_IO_RANGE_MEMORY, r->addr, r->addr + length - 1);
    case IOREQ_TYPE_PCI_CONFIG:
        return hv_claimed(XEN_DMOP_IO_RANGE_PCI, r->addr >> 32, r->addr >> 32);
    default: return 1;
    }
}

enum hv_error hv_access(unsigned vcpu, const ioreq_t *request, uint64_t *data) {
    if (somebodys(request))
        return hv_request(vcpu, request, data);
    *data = ~0ull;
    return HV_OK;
}

enum hv_error hv_buffered(uint64_t addr, unsigned size_code, uint64_t data) {
    volatile buffered_iopage_t *ring = hv_ring();
    unsigned slots = size_code == 3 ? 2 : 1;
    uint32_t at = ring->write_pointer;
    long until = now_ms() + hv_timeout_ms;

    while (at - ring->read_pointer > IOREQ_BUFFER_SLOT_NUM - slots) {
        hv_event(WORLD_BUFIOREQ_PORT);
        if (hv_pump(1) == HV_GONE)
            return HV_GONE;
        if (now_ms() > until)
            return HV_TIMEOUT;
    }
    for (unsigned i = 0; i < slots; i++) {
        volatile buf_ioreq_t *b = &ring->buf_ioreq[(at + i) % IOREQ_BUFFER_SLOT_NUM];

        b->type = IOREQ_TYPE_COPY;
        b->dir = IOREQ_WRITE;
        b->size = size_code & 3;
        b->addr = addr & 0xfffff;
        b->data = (uint32_t)(data >> 32 * i);
    }
    __sync_synchronize();
    ring->write_pointer = at + slots;
    return HV_OK;
}
