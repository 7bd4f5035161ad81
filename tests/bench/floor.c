/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The floor of the native rig: the least C that answers Xen.  It claims everything, takes every
 * port of a wake with one read, answers reads with ones, moves string accesses by one memcpy,
 * drains the buffered ring, and is no device model: no chip, no check, no error path.  What a
 * device model costs above this is its own.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xenstore.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/memory.h>

#define DOMID 1
#define MAPPED_PAGES 512u
#define PORTS 64

static shared_iopage_t *sync_page;
static buffered_iopage_t *ring;
static uint8_t *ram, device[8192];
static uint32_t registers[65536 / 4];

static int fail(int stage) {
    _exit(stage);
}

static void drain(void) {
    while (ring->read_pointer != __atomic_load_n(&ring->write_pointer, __ATOMIC_ACQUIRE)) {
        const buf_ioreq_t *b = &ring->buf_ioreq[ring->read_pointer % IOREQ_BUFFER_SLOT_NUM];

        registers[b->addr & 0x3fff] = b->data;
        __atomic_fetch_add(&ring->read_pointer, 1, __ATOMIC_SEQ_CST);
    }
}

static void answer(ioreq_t *r) {
    uint64_t length = (uint64_t)r->count * r->size;

    r->state = STATE_IOREQ_INPROCESS;
    if (r->data_is_ptr && r->dir && length <= sizeof device && r->data < (MAPPED_PAGES - 2) * 4096)
        memcpy(ram + r->data, device, length);
    else if (r->dir)
        r->data = ~0ull;
    else
        registers[r->addr & 0x3fff] = (uint32_t)r->data;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    r->state = STATE_IORESP_READY;
}

static void claim(xendevicemodel_handle *d, ioservid_t id) {
    int rc = xendevicemodel_map_io_range_to_ioreq_server(d, DOMID, id, 0, 0, 0xffff);

    rc |= xendevicemodel_map_io_range_to_ioreq_server(d, DOMID, id, 1, 0xa0000, 0xbffff);
    for (uint8_t slot = 0; slot < 4; slot++)
        rc |= xendevicemodel_map_pcidev_to_ioreq_server(d, DOMID, id, 0, 0, slot, 0);
    if (rc || xendevicemodel_set_ioreq_server_state(d, DOMID, id, 1))
        fail(3);
}

static void map(xendevicemodel_handle *d, xenforeignmemory_handle *f, ioservid_t id) {
    xen_pfn_t gfn[MAPPED_PAGES];
    int err[MAPPED_PAGES];
    void *pages = NULL;

    if (!xenforeignmemory_map_resource(f, DOMID, XENMEM_resource_ioreq_server, id, 0, 2, &pages, 3,
                                       0))
        fail(4);
    ring = pages;
    sync_page = (shared_iopage_t *)((uint8_t *)pages + 4096);
    claim(d, id);
    for (unsigned i = 0; i < MAPPED_PAGES; i++)
        gfn[i] = i;
    ram = xenforeignmemory_map(f, DOMID, 3, MAPPED_PAGES, gfn, err);
    if (!ram)
        fail(5);
}

int main(void) {
    xenevtchn_handle *x = xenevtchn_open(NULL, 0);
    xenforeignmemory_handle *f = xenforeignmemory_open(NULL, 0);
    xendevicemodel_handle *d = xendevicemodel_open(NULL, 0);
    struct xs_handle *xs = xs_open(0);
    uint32_t port[PORTS], buffered_port = 0;
    ioservid_t id;
    int fd, sync, buffered;

    if (!x || !f || !d || !xs)
        fail(1);
    if (xendevicemodel_create_ioreq_server(d, DOMID, HVM_IOREQSRV_BUFIOREQ_ATOMIC, &id)
        || xendevicemodel_get_ioreq_server_info(d, DOMID, id, NULL, NULL, &buffered_port))
        fail(2);
    map(d, f, id);
    sync = xenevtchn_bind_interdomain(x, DOMID, sync_page->vcpu_ioreq[0].vp_eport);
    buffered = xenevtchn_bind_interdomain(x, DOMID, buffered_port);
    fd = xenevtchn_fd(x);
    if (sync < 0 || buffered < 0 || !xs_write(xs, 0, "device-model/1/state", "running", 7))
        fail(6);
    for (;;) {
        ssize_t n = read(fd, port, sizeof port);

        if (n <= 0)
            return 0;
        drain();
        if (__atomic_load_n(&sync_page->vcpu_ioreq[0].vp_eport, __ATOMIC_ACQUIRE)
            && sync_page->vcpu_ioreq[0].state == STATE_IOREQ_READY) {
            answer(&sync_page->vcpu_ioreq[0]);
            xenevtchn_notify(x, (evtchn_port_t)sync);
        }
        if (write(fd, port, (size_t)n) != n)
            return 7;
    }
}
