/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen's ioreqs, as xen/include/public/hvm/ioreq.h describes them. A string access arrives as one
 * request for many elements; it leaves as one call of the sink for each stretch of memory, with a
 * pointer straight into the guest's RAM, so that `rep insw` is one memcpy in the chip.
 *
 * Xen writes these pages, not the guest, but the guest chose most fields. A request is copied out
 * once and the copy is used; addresses may be anything, counts are bounded.
 *
 * A buffer slot may be overtaken by Xen's renormalisation of both ring pointers (one 64-bit
 * compare-and-swap), so the pair is loaded at once and the read pointer is moved by an atomic add.
 */
#include "ring.h"

#include <string.h>
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>

#include "core/bits.h"

enum {
    REPS_MAX = 4096,    /* Xen keeps a string inside a page on each side */
    STATE_BYTE = 30,    /* of struct ioreq: state in bits 3:0 */
    STATE_MASK = 0x0f,
    RUN = 512,          /* bytes of a bulk fill */
};

_Static_assert(sizeof(struct ioreq) == 32, "struct ioreq");
_Static_assert(sizeof(struct buf_ioreq) == 8, "struct buf_ioreq");

/* ---- what one element is read from and written to ---- */

struct target {
    uint8_t type; /* IOREQ_TYPE_PIO, _COPY or _PCI_CONFIG */
    unsigned size;
    uint64_t addr;
    uint64_t step; /* added to addr after each element, modulo 2^64 */
};

static uint64_t target_read(struct ring *ring, const struct target *t) {
    const struct engine_sink *sink = &ring->engine->sink;
    if (t->type == IOREQ_TYPE_PCI_CONFIG) {
        unsigned reg = t->addr & 0xfff;
        if (t->addr >> 48 || reg + t->size > 0x1000)
            return size_mask(t->size);
        return sink->pci_read(sink->dev, t->addr >> 32 & 0xffff, reg, t->size);
    }
    return sink->read(sink->dev, t->type == IOREQ_TYPE_PIO ? IO_PORT : IO_MEM, t->addr, t->size);
}

static void target_write(struct ring *ring, const struct target *t, uint64_t val) {
    const struct engine_sink *sink = &ring->engine->sink;
    val &= size_mask(t->size);
    if (t->type == IOREQ_TYPE_PCI_CONFIG) {
        unsigned reg = t->addr & 0xfff;
        if (!(t->addr >> 48) && reg + t->size <= 0x1000)
            sink->pci_write(sink->dev, t->addr >> 32 & 0xffff, reg, t->size, (uint32_t)val);
        return;
    }
    sink->write(sink->dev, t->type == IOREQ_TYPE_PIO ? IO_PORT : IO_MEM, t->addr, t->size, val);
}

/* ---- strings between a target and memory ---- */

static unsigned bulk(struct ring *ring, const struct target *t, uint8_t *host, unsigned n,
                     bool read) {
    const struct engine_sink *sink = &ring->engine->sink;
    enum io_space space = t->type == IOREQ_TYPE_PIO ? IO_PORT : IO_MEM;
    return read ? sink->read_string(sink->dev, space, t->addr, t->size, host, n)
                : sink->write_string(sink->dev, space, t->addr, t->size, host, n);
}

static void single(struct ring *ring, const struct target *t, uint8_t *host, bool read) {
    uint64_t val = 0;
    if (read) {
        val = target_read(ring, t);
        memcpy(host, &val, t->size);
    } else {
        memcpy(&val, host, t->size);
        target_write(ring, t, val);
    }
}

/* n elements between the target, ascending, and memory here. Where the sink stops (a sector's end)
 * one element alone takes the chip over the edge; where it takes none twice, it gets the rest so. */
static void move(struct ring *ring, struct target *t, uint8_t *host, unsigned n, bool read) {
    bool try = n > 1 && t->type != IOREQ_TYPE_PCI_CONFIG, took_any = false;
    while (n) {
        unsigned took = try ? bulk(ring, t, host, n, read) : 0;
        if (took) {
            took_any = true;
        } else {
            single(ring, t, host, read);
            took = 1;
            try = took_any;
            took_any = false;
        }
        t->addr += t->step * took;
        host += (size_t)took * t->size;
        n -= took;
    }
}

/* One element's bytes in guest RAM, wherever its pages are here. What is not there reads as ones. */
static void copy_guest(struct engine *e, uint64_t gpa, uint8_t *buf, size_t size, bool write) {
    while (size) {
        size_t len = size;
        uint8_t *host = e->ops->map(e, gpa, &len, write);
        if (host && write)
            memcpy(host, buf, len);
        else if (host)
            memcpy(buf, host, len);
        else if (!write)
            memset(buf, 0xff, len);
        if (host)
            e->ops->unmap(e, host, gpa, len, write);
        gpa += len;
        buf += len;
        size -= len;
    }
}

static void element(struct ring *ring, struct target *t, uint64_t gpa, bool read) {
    uint8_t buf[8];
    if (!read)
        copy_guest(ring->engine, gpa, buf, t->size, false);
    single(ring, t, buf, read);
    if (read)
        copy_guest(ring->engine, gpa, buf, t->size, true);
    t->addr += t->step;
}

static void string_up(struct ring *ring, struct target *t, uint64_t gpa, unsigned count,
                      bool read) {
    struct engine *e = ring->engine;
    while (count) {
        size_t len = (size_t)count * t->size;
        uint8_t *host = e->ops->map(e, gpa, &len, read);
        unsigned n = host ? (unsigned)(len / t->size) : 0;
        if (n)
            move(ring, t, host, n, read);
        if (host)
            e->ops->unmap(e, host, gpa, len, read && n);
        if (!n) { /* not RAM, or an element across an edge of what is contiguous here */
            element(ring, t, gpa, read);
            n = 1;
        }
        gpa += (uint64_t)n * t->size;
        count -= n;
    }
}

static void string_down(struct ring *ring, struct target *t, uint64_t gpa, unsigned count,
                        bool read) {
    for (; count; count--, gpa -= t->size)
        element(ring, t, gpa, read);
}

/* The same value written to ascending addresses: rep stos. */
static void fill(struct ring *ring, struct target *t, uint64_t val, unsigned count) {
    uint8_t run[RUN];
    unsigned room = RUN / t->size;
    for (unsigned i = 0; i < MIN(count, room); i++)
        memcpy(run + (size_t)i * t->size, &val, t->size);
    while (count) {
        unsigned n = MIN(count, room);
        move(ring, t, run, n, false);
        count -= n;
    }
}

/* ---- requests ---- */

/* An access: by value or by reference, once or repeated. Returns the value read. */
static uint64_t transfer(struct ring *ring, const struct ioreq *req, struct target *t) {
    if (!req->data_is_ptr && req->count == 1) {
        if (req->dir == IOREQ_READ)
            return target_read(ring, t);
        target_write(ring, t, req->data);
        return req->data;
    }
    unsigned count = MIN(req->count, (uint32_t)REPS_MAX);
    if (count < req->count)
        log_guest(&ring->odd, "request of %u repetitions at %#llx: the first %u are done",
                  req->count, (unsigned long long)req->addr, count);
    if (t->type == IOREQ_TYPE_COPY)
        t->step = req->df ? -(uint64_t)t->size : t->size;
    bool read = req->dir == IOREQ_READ;
    if (req->data_is_ptr && req->df)
        string_down(ring, t, req->data, count, read);
    else if (req->data_is_ptr)
        string_up(ring, t, req->data, count, read);
    else if (!read && t->type == IOREQ_TYPE_COPY && !req->df)
        fill(ring, t, req->data, count);
    else {
        uint64_t val = req->data;
        for (; count; count--, t->addr += t->step)
            if (read)
                val = target_read(ring, t);
            else
                target_write(ring, t, val);
        return val;
    }
    return req->data;
}

static uint64_t answer(struct ring *ring, const struct ioreq *req) {
    switch (req->type) {
    case IOREQ_TYPE_PIO:
    case IOREQ_TYPE_COPY:
    case IOREQ_TYPE_PCI_CONFIG: {
        unsigned max = req->type == IOREQ_TYPE_COPY ? 8 : 4;
        if (req->size && req->size <= max && !(req->size & (req->size - 1))) {
            struct target t = {.type = req->type, .size = req->size, .addr = req->addr};
            return transfer(ring, req, &t);
        }
        break;
    }
    case IOREQ_TYPE_INVALIDATE:
        ring->invalidate(ring->engine);
        return req->data;
    case IOREQ_TYPE_TIMEOFFSET: /* the guest set its clock, which Xen keeps; nobody stores it */
        return req->data;
    }
    log_guest(&ring->odd, "request of type %u and size %u at %#llx is none that Xen documents",
              req->type, req->size, (unsigned long long)req->addr);
    return UINT64_MAX;
}

bool ring_serve(struct ring *ring, unsigned vcpu) {
    if (vcpu >= ring->vcpus)
        return false;
    struct ioreq *slot = &ring->slots[vcpu];
    uint8_t *state = (uint8_t *)slot + STATE_BYTE;
    uint8_t flags = __atomic_load_n(state, __ATOMIC_ACQUIRE);
    if ((flags & STATE_MASK) != STATE_IOREQ_READY)
        return false;
    struct ioreq req = *slot;
    flags &= (uint8_t)~STATE_MASK;
    __atomic_store_n(state, flags | STATE_IOREQ_INPROCESS, __ATOMIC_RELEASE);
    __asm__ volatile("" ::: "memory"); /* from here on only the copy is looked at */

    ring_drain(ring);
    uint64_t val = answer(ring, &req);
    if (req.dir == IOREQ_READ && !req.data_is_ptr)
        slot->data = val;
    __atomic_store_n(state, flags | STATE_IORESP_READY, __ATOMIC_RELEASE);
    return true;
}

/* ---- buffered writes ---- */

static void buffered_write(struct ring *ring, const struct buf_ioreq *slot, uint64_t val) {
    struct target t = {.type = slot->type, .size = 1u << slot->size, .addr = slot->addr};
    if (t.type == IOREQ_TYPE_COPY || (t.type == IOREQ_TYPE_PIO && t.size <= 4))
        target_write(ring, &t, val);
    else if (t.type != IOREQ_TYPE_TIMEOFFSET)
        log_guest(&ring->odd, "buffered request of type %u is none that Xen documents", t.type);
}

unsigned ring_drain(struct ring *ring) {
    struct buffered_iopage *page = ring->buffered;
    if (!page)
        return 0;
    uint64_t pointers = __atomic_load_n((uint64_t *)(void *)page, __ATOMIC_ACQUIRE);
    uint32_t next = (uint32_t)pointers, n = (uint32_t)(pointers >> 32) - next;
    if (!n)
        return 0;
    uint32_t taken = n;
    if (n > IOREQ_BUFFER_SLOT_NUM) {
        log_guest(&ring->odd, "%u buffered writes in a ring of %u: they are dropped", n,
                  IOREQ_BUFFER_SLOT_NUM);
        n = 0;
    }
    next %= IOREQ_BUFFER_SLOT_NUM;
    while (n--) {
        struct buf_ioreq slot = page->buf_ioreq[next];
        uint64_t val = slot.data;
        if (++next == IOREQ_BUFFER_SLOT_NUM)
            next = 0;
        if (slot.size == 3) { /* the high half is in a slot of its own */
            if (!n)
                break;
            n--;
            val |= (uint64_t)page->buf_ioreq[next].data << 32;
            if (++next == IOREQ_BUFFER_SLOT_NUM)
                next = 0;
        }
        buffered_write(ring, &slot, val);
    }
    __atomic_fetch_add(&page->read_pointer, taken, __ATOMIC_ACQ_REL);
    return taken;
}
