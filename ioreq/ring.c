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
    STATE_BYTE = 30,    /* of struct ioreq: state and flags, bit fields from bit 0 on */
    STATE_MASK = 0x0f,
    DATA_IS_PTR = 0x10,
    DIR_READ = 0x20,
    PORT_SIZES = 1 << 1 | 1 << 2 | 1 << 4,
    RUN = 512,          /* bytes of a bulk fill */
};

/* Keeps single accesses short: they are the hot path. */
#define OUT_OF_LINE __attribute__((noinline))

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
 * one element alone takes the chip over the edge; where it takes none twice, it gets the rest
 * so. */
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

/* One element's bytes in guest RAM, wherever its pages are here. What is not there reads as
 * ones. */
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
OUT_OF_LINE static void fill(struct ring *ring, struct target *t, uint64_t val, unsigned count) {
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

/* By reference or repeated. Returns the value read. */
OUT_OF_LINE static uint64_t transfer(struct ring *ring, const struct ioreq *req, struct target *t) {
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
            if (req->data_is_ptr || req->count != 1)
                return transfer(ring, req, &t);
            if (req->dir == IOREQ_READ)
                return target_read(ring, &t);
            target_write(ring, &t, req->data);
            return req->data;
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

/* ---- buffered writes ---- */

/* Writes to ascending addresses, as of a guest that clears or scrolls its screen: one string. */
struct run {
    struct target at;
    uint64_t next;
    unsigned n;
    uint8_t bytes[RUN + sizeof(uint32_t)];
};

static void run_end(struct ring *ring, struct run *run) {
    if (run->n == 1)
        single(ring, &run->at, run->bytes, false);
    else if (run->n)
        move(ring, &run->at, run->bytes, run->n, false);
    run->n = 0;
}

static inline void run_add(struct ring *ring, struct run *run, const struct buf_ioreq *slot) {
    unsigned size = 1u << slot->size;
    if (slot->addr != run->next || size != run->at.size || run->n * size >= RUN) {
        run_end(ring, run);
        run->at = (struct target){
            .type = IOREQ_TYPE_COPY, .size = size, .addr = slot->addr, .step = size};
    }
    uint32_t data = slot->data;
    memcpy(run->bytes + run->n * size, &data, sizeof(data));
    run->n++;
    run->next = slot->addr + size;
}

/* What comes rarely: eight bytes, ports, whatever. */
OUT_OF_LINE static void odd_write(struct ring *ring, const struct buf_ioreq *slot, uint64_t val) {
    struct target t = {.type = slot->type, .size = 1u << slot->size, .addr = slot->addr};
    if (t.type == IOREQ_TYPE_COPY || (t.type == IOREQ_TYPE_PIO && t.size <= 4))
        target_write(ring, &t, val);
    else if (t.type != IOREQ_TYPE_TIMEOFFSET)
        log_guest(&ring->odd, "buffered request of type %u is none that Xen documents", t.type);
}

/* Does the n writes from slot `next` on. */
OUT_OF_LINE static unsigned drain(struct ring *ring, uint32_t next, uint32_t n) {
    struct buffered_iopage *page = ring->buffered;
    uint32_t taken = n;
    if (n > IOREQ_BUFFER_SLOT_NUM) {
        log_guest(&ring->odd, "%u buffered writes in a ring of %u: they are dropped", n,
                  IOREQ_BUFFER_SLOT_NUM);
        n = 0;
    }
    struct run run;
    run.n = 0;
    run.next = UINT64_MAX;
    run.at.size = 0;
    next %= IOREQ_BUFFER_SLOT_NUM;
    while (n--) {
        struct buf_ioreq slot = page->buf_ioreq[next];
        if (++next == IOREQ_BUFFER_SLOT_NUM)
            next = 0;
        if (slot.type == IOREQ_TYPE_COPY && slot.size < 3) {
            run_add(ring, &run, &slot);
            continue;
        }
        run_end(ring, &run);
        run.next = UINT64_MAX;
        uint64_t val = slot.data;
        if (slot.size == 3) { /* the high half is in a slot of its own */
            if (!n)
                break;
            n--;
            val |= (uint64_t)page->buf_ioreq[next].data << 32;
            if (++next == IOREQ_BUFFER_SLOT_NUM)
                next = 0;
        }
        odd_write(ring, &slot, val);
    }
    run_end(ring, &run);
    ring->drained += taken;
    __atomic_fetch_add(&page->read_pointer, taken, __ATOMIC_ACQ_REL);
    return taken;
}

/* Both pointers at once, since Xen may turn both back. */
static inline unsigned drain_pending(struct ring *ring) {
    if (!ring->buffered)
        return 0;
    uint64_t pointers = __atomic_load_n((uint64_t *)(void *)ring->buffered, __ATOMIC_ACQUIRE);
    uint32_t next = (uint32_t)pointers, end = (uint32_t)(pointers >> 32);
    return next == end ? 0 : drain(ring, next, end - next);
}

unsigned ring_drain(struct ring *ring) {
    return drain_pending(ring);
}

/* Each field is read from the page once. */
#define TAKE(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

OUT_OF_LINE static uint64_t answer_copy(struct ring *ring, const struct ioreq *slot, uint8_t flags,
                                        uint8_t type) {
    struct ioreq req;
    memcpy(&req, slot, sizeof(req));
    __asm__ volatile("" ::: "memory"); /* from here on only the copy is looked at */
    ((uint8_t *)&req)[STATE_BYTE] = flags;
    req.type = type;
    return answer(ring, &req);
}

bool ring_serve(struct ring *ring, unsigned vcpu) {
    if (vcpu >= ring->vcpus)
        return false;
    struct ioreq *slot = &ring->slots[vcpu];
    uint8_t *state = (uint8_t *)slot + STATE_BYTE;
    uint8_t flags = __atomic_load_n(state, __ATOMIC_ACQUIRE);
    if ((flags & STATE_MASK) != STATE_IOREQ_READY)
        return false;
    flags &= (uint8_t)~STATE_MASK;
    __atomic_store_n(state, flags | STATE_IOREQ_INPROCESS, __ATOMIC_RELEASE);
    drain_pending(ring);

    /* a port, once: nearly all of what a guest does */
    uint8_t type = TAKE(slot->type);
    uint32_t size = TAKE(slot->size);
    uint64_t val = 0;
    if (type == IOREQ_TYPE_PIO && !(flags & DATA_IS_PTR) && TAKE(slot->count) == 1 && size <= 4 &&
        PORT_SIZES >> size & 1) {
        const struct engine_sink *sink = &ring->engine->sink;
        uint64_t addr = TAKE(slot->addr);
        if (flags & DIR_READ)
            val = sink->read(sink->dev, IO_PORT, addr, size);
        else
            sink->write(sink->dev, IO_PORT, addr, size, TAKE(slot->data) & size_mask(size));
    } else {
        val = answer_copy(ring, slot, flags, type);
    }
    if ((flags & (DIR_READ | DATA_IS_PTR)) == DIR_READ)
        slot->data = val;
    __atomic_store_n(state, flags | STATE_IORESP_READY, __ATOMIC_RELEASE);
    return true;
}
