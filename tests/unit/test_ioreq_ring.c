/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests in pages as Xen lays them out (xen/include/public/hvm/ioreq.h), against a sink that
 * writes down what it is asked and memory with a hole and an edge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>

#include "core/bits.h"
#include "ring.h"

enum { RAM = 0x10000, EDGE = 0x2000, HOLE = 0x4000, HOLE_END = 0x5000, VCPUS = 4, CALLS = 64 };

struct call {
    char what; /* r w R W (strings) p P (PCI read, write) */
    enum io_space space;
    uint64_t addr;
    unsigned size, n;
    uint64_t val;
};

struct board {
    struct engine engine; /* first */
    struct ring ring;
    struct ioreq slots[VCPUS];
    union {
        struct buffered_iopage page;
        struct {
            uint32_t read_pointer, write_pointer;
        };
    } buffered;
    uint8_t ram[RAM];
    unsigned held, dirtied, invalidated, bulk_max; /* bulk_max: what the sink takes at once */
    struct call calls[CALLS];
    unsigned ncalls;
    uint64_t counter; /* what reads give: 1, 2, 3 ... */
};

static struct board b;

static struct call *note(char what, enum io_space space, uint64_t addr, unsigned size, unsigned n,
                         uint64_t val) {
    static struct call spare;
    struct call *c = b.ncalls < CALLS ? &b.calls[b.ncalls] : &spare;
    b.ncalls++;
    *c = (struct call){what, space, addr, size, n, val};
    return c;
}

static uint64_t sink_read(void *dev, enum io_space space, uint64_t addr, unsigned size) {
    (void)dev;
    return note('r', space, addr, size, 1, ++b.counter & size_mask(size))->val;
}

static void sink_write(void *dev, enum io_space space, uint64_t addr, unsigned size, uint64_t val) {
    (void)dev;
    note('w', space, addr, size, 1, val);
}

static unsigned sink_read_string(void *dev, enum io_space space, uint64_t addr, unsigned size,
                                 void *buf, unsigned n) {
    (void)dev;
    n = MIN(n, b.bulk_max);
    note('R', space, addr, size, n, 0);
    for (unsigned i = 0; i < n; i++) {
        b.counter++;
        memcpy((uint8_t *)buf + i * size, &b.counter, size);
    }
    return n;
}

static unsigned sink_write_string(void *dev, enum io_space space, uint64_t addr, unsigned size,
                                  const void *buf, unsigned n) {
    (void)dev;
    n = MIN(n, b.bulk_max);
    uint64_t first = 0;
    memcpy(&first, buf, size);
    note('W', space, addr, size, n, first);
    return n;
}

static uint32_t sink_pci_read(void *dev, unsigned bdf, unsigned reg, unsigned size) {
    (void)dev;
    note('p', (enum io_space)bdf, reg, size, 1, 0);
    return 0x12345678 & (uint32_t)size_mask(size);
}

static void sink_pci_write(void *dev, unsigned bdf, unsigned reg, unsigned size, uint32_t val) {
    (void)dev;
    note('P', (enum io_space)bdf, reg, size, 1, val);
}

static void *map(struct engine *e, uint64_t gpa, size_t *len, bool write) {
    (void)e, (void)write;
    uint64_t end = gpa < EDGE ? EDGE : gpa < HOLE ? HOLE : gpa < HOLE_END ? HOLE_END : RAM;
    if (gpa >= RAM) {
        *len = MIN(*len, 4096 - (gpa & 4095));
        return NULL;
    }
    *len = MIN(*len, end - gpa);
    if (gpa >= HOLE && gpa < HOLE_END)
        return NULL;
    b.held++;
    return b.ram + gpa;
}

static void unmap(struct engine *e, void *host, uint64_t gpa, size_t len, bool wrote) {
    (void)e, (void)len;
    assert_ptr_equal(host, b.ram + gpa);
    b.held--;
    b.dirtied += wrote;
}

static void invalidate(struct engine *e) {
    assert_ptr_equal(e, &b.engine);
    b.invalidated++;
}

static const struct engine_ops ops = {.map = map, .unmap = unmap};

static int setup(void **state) {
    (void)state;
    memset(&b, 0, sizeof(b));
    b.engine.ops = &ops;
    b.engine.sink = (struct engine_sink){&b, sink_read, sink_write, sink_read_string,
                                         sink_write_string, sink_pci_read, sink_pci_write};
    b.ring = (struct ring){.engine = &b.engine, .slots = b.slots, .vcpus = VCPUS,
                           .buffered = &b.buffered.page, .invalidate = invalidate};
    b.bulk_max = UINT32_MAX;
    return 0;
}

static struct ioreq request(uint8_t type, unsigned dir, uint64_t addr, unsigned size,
                            uint64_t data) {
    return (struct ioreq){.type = type, .dir = dir & 1, .addr = addr, .size = size, .data = data,
                          .count = 1, .vp_eport = 77, .state = STATE_IOREQ_READY};
}

static struct ioreq string(uint8_t type, unsigned dir, uint64_t addr, unsigned size, uint64_t gpa,
                           unsigned count) {
    struct ioreq req = request(type, dir, addr, size, gpa);
    req.data_is_ptr = 1;
    req.count = count;
    return req;
}

/* Serves it on vCPU 1 and checks that all but state and data came back as they were. */
static uint64_t serve(struct ioreq req) {
    b.slots[1] = req;
    assert_true(ring_serve(&b.ring, 1));
    assert_int_equal(b.slots[1].state, STATE_IORESP_READY);
    struct ioreq after = b.slots[1];
    uint64_t data = after.data;
    after.state = req.state;
    after.data = req.data;
    assert_memory_equal(&after, &req, sizeof(req));
    assert_int_equal(b.held, 0);
    return data;
}

static void expect(unsigned i, char what, uint64_t space, uint64_t addr, unsigned size, unsigned n,
                   uint64_t val) {
    assert_true(i < b.ncalls);
    const struct call *c = &b.calls[i];
    assert_int_equal(c->what, what);
    assert_int_equal(c->space, space);
    assert_int_equal(c->addr, addr);
    assert_int_equal(c->size, size);
    assert_int_equal(c->n, n);
    assert_int_equal(c->val, val);
}

static void single_accesses(void **state) {
    (void)state;
    assert_int_equal(serve(request(IOREQ_TYPE_PIO, IOREQ_READ, 0x1f7, 1, 0xffff)), 1);
    expect(0, 'r', IO_PORT, 0x1f7, 1, 1, 1);
    /* what is above the size is none of the chip's business */
    serve(request(IOREQ_TYPE_PIO, IOREQ_WRITE, 0xcf8, 2, 0xdeadbeef80001234));
    expect(1, 'w', IO_PORT, 0xcf8, 2, 1, 0x1234);
    serve(request(IOREQ_TYPE_COPY, IOREQ_WRITE, 0xf0000000, 8, 0x1122334455667788));
    expect(2, 'w', IO_MEM, 0xf0000000, 8, 1, 0x1122334455667788);
    assert_int_equal(serve(request(IOREQ_TYPE_COPY, IOREQ_READ, 0xa0000, 4, 0)), 2);
    expect(3, 'r', IO_MEM, 0xa0000, 4, 1, 2);
    assert_int_equal(b.ncalls, 4);
}

static void only_ready_requests_are_served(void **state) {
    (void)state;
    for (unsigned s = 0; s < 16; s++) {
        b.slots[0] = request(IOREQ_TYPE_PIO, IOREQ_READ, 0x60, 1, 0);
        b.slots[0].state = s & 15;
        assert_int_equal(ring_serve(&b.ring, 0), s == STATE_IOREQ_READY);
        assert_int_equal(b.slots[0].state, s == STATE_IOREQ_READY ? STATE_IORESP_READY : s);
    }
    assert_int_equal(b.ncalls, 1);
    assert_false(ring_serve(&b.ring, VCPUS));
    assert_false(ring_serve(&b.ring, UINT32_MAX));
}

static void pci_configuration(void **state) {
    (void)state;
    uint64_t dev = (uint64_t)(1 << 3 | 2) << 32; /* 00:01.2 */
    assert_int_equal(serve(request(IOREQ_TYPE_PCI_CONFIG, IOREQ_READ, dev | 0x0a, 2, 0)), 0x5678);
    expect(0, 'p', 1 << 3 | 2, 0x0a, 2, 1, 0);
    serve(request(IOREQ_TYPE_PCI_CONFIG, IOREQ_WRITE, dev | UINT64_C(3) << 40 | 4, 1, 0x1ff));
    expect(1, 'P', 3 << 8 | 1 << 3 | 2, 4, 1, 1, 0xff);
    /* another segment, or a dword over the end of the space: nobody */
    assert_int_equal(
        serve(request(IOREQ_TYPE_PCI_CONFIG, IOREQ_READ, dev | UINT64_C(1) << 48, 4, 0)),
        0xffffffff);
    assert_int_equal(serve(request(IOREQ_TYPE_PCI_CONFIG, IOREQ_READ, dev | 0xffe, 4, 0)),
                     0xffffffff);
    assert_int_equal(b.ncalls, 2);
    /* rep insl on 0xcfc */
    serve(string(IOREQ_TYPE_PCI_CONFIG, IOREQ_READ, dev, 4, 0x100, 2));
    assert_int_equal(b.ncalls, 4);
    assert_memory_equal(b.ram + 0x100, "\x78\x56\x34\x12\x78\x56\x34\x12", 8);
}

static void rep_insw_is_one_call(void **state) {
    (void)state;
    serve(string(IOREQ_TYPE_PIO, IOREQ_READ, 0x1f0, 2, 0x1000, 256));
    assert_int_equal(b.ncalls, 1);
    expect(0, 'R', IO_PORT, 0x1f0, 2, 256, 0);
    assert_int_equal(load_le16(b.ram + 0x1000), 1);
    assert_int_equal(load_le16(b.ram + 0x1000 + 510), 256);
    assert_int_equal(load_le16(b.ram + 0x1000 + 512), 0);
    assert_int_equal(b.dirtied, 1);
    memcpy(b.ram + 0x1000, "ab", 2);
    serve(string(IOREQ_TYPE_PIO, IOREQ_WRITE, 0x1f0, 2, 0x1000, 256));
    assert_int_equal(b.ncalls, 2);
    expect(1, 'W', IO_PORT, 0x1f0, 2, 256, 'a' | 'b' << 8);
    assert_int_equal(b.dirtied, 1); /* read only */
}

static void where_the_sink_stops_one_element_leads_on(void **state) {
    (void)state;
    b.bulk_max = 100;
    serve(string(IOREQ_TYPE_PIO, IOREQ_READ, 0x1f0, 2, 0x1000, 250));
    expect(0, 'R', IO_PORT, 0x1f0, 2, 100, 0);
    expect(1, 'R', IO_PORT, 0x1f0, 2, 100, 0);
    expect(2, 'R', IO_PORT, 0x1f0, 2, 50, 0);
    assert_int_equal(load_le16(b.ram + 0x1000 + 498), 250);
}

static void without_bulk_elements_go_one_by_one(void **state) {
    (void)state;
    b.bulk_max = 0;
    serve(string(IOREQ_TYPE_PIO, IOREQ_READ, 0x60, 1, 0x1ffe, 4));
    expect(0, 'R', IO_PORT, 0x60, 1, 0, 0); /* asked once for each stretch of memory */
    expect(1, 'r', IO_PORT, 0x60, 1, 1, 1);
    expect(2, 'r', IO_PORT, 0x60, 1, 1, 2);
    expect(3, 'R', IO_PORT, 0x60, 1, 0, 0);
    expect(4, 'r', IO_PORT, 0x60, 1, 1, 3);
    expect(5, 'r', IO_PORT, 0x60, 1, 1, 4);
    assert_int_equal(b.ncalls, 6);
    assert_memory_equal(b.ram + 0x1ffe, "\1\2\3\4", 4);
}

static void a_string_over_an_edge_keeps_its_elements_whole(void **state) {
    (void)state;
    serve(string(IOREQ_TYPE_COPY, IOREQ_READ, 0xa0000, 4, EDGE - 10, 5));
    expect(0, 'R', IO_MEM, 0xa0000, 4, 2, 0);
    expect(1, 'r', IO_MEM, 0xa0008, 4, 1, 3); /* lies across */
    expect(2, 'R', IO_MEM, 0xa000c, 4, 2, 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(load_le32(b.ram + EDGE - 10 + 4 * i), i + 1);
}

static void descending_strings(void **state) {
    (void)state;
    struct ioreq req = string(IOREQ_TYPE_PIO, IOREQ_READ, 0x1f0, 2, 0x1004, 3);
    req.df = 1;
    serve(req);
    assert_int_equal(load_le16(b.ram + 0x1004), 1); /* the port stays, memory goes down */
    assert_int_equal(load_le16(b.ram + 0x1002), 2);
    assert_int_equal(load_le16(b.ram + 0x1000), 3);
    expect(2, 'r', IO_PORT, 0x1f0, 2, 1, 3);
    b.ncalls = 0;
    req = string(IOREQ_TYPE_COPY, IOREQ_WRITE, 0xa0010, 2, 0x1004, 3);
    req.df = 1;
    serve(req);
    expect(0, 'w', IO_MEM, 0xa0010, 2, 1, 1); /* both go down */
    expect(1, 'w', IO_MEM, 0xa000e, 2, 1, 2);
    expect(2, 'w', IO_MEM, 0xa000c, 2, 1, 3);
}

static void repeated_stores(void **state) {
    (void)state;
    struct ioreq req = request(IOREQ_TYPE_COPY, IOREQ_WRITE, 0xa0000, 2, 0x720);
    req.count = 2000; /* rep stosw over a text screen */
    serve(req);
    expect(0, 'W', IO_MEM, 0xa0000, 2, 256, 0x720);
    expect(1, 'W', IO_MEM, 0xa0200, 2, 256, 0x720);
    expect(7, 'W', IO_MEM, 0xa0e00, 2, 2000 - 7 * 256, 0x720);
    assert_int_equal(b.ncalls, 8);
    b.ncalls = 0;
    req.count = 2;
    req.df = 1;
    serve(req);
    expect(0, 'w', IO_MEM, 0xa0000, 2, 1, 0x720);
    expect(1, 'w', IO_MEM, 0x9fffe, 2, 1, 0x720);
}

static void absent_memory_reads_as_ones_and_swallows(void **state) {
    (void)state;
    serve(string(IOREQ_TYPE_PIO, IOREQ_WRITE, 0x1f0, 2, HOLE, 2));
    expect(0, 'w', IO_PORT, 0x1f0, 2, 1, 0xffff);
    expect(1, 'w', IO_PORT, 0x1f0, 2, 1, 0xffff);
    b.ncalls = 0;
    /* the device is read all the same, and what is behind the hole gets its element */
    serve(string(IOREQ_TYPE_PIO, IOREQ_READ, 0x1f0, 2, HOLE_END - 4, 3));
    assert_int_equal(b.ncalls, 3);
    assert_int_equal(load_le16(b.ram + HOLE_END), 3);
    assert_int_equal(load_le16(b.ram + HOLE_END - 2), 0);
    b.ncalls = 0;
    serve(string(IOREQ_TYPE_PIO, IOREQ_READ, 0x1f0, 4, UINT64_MAX - 5, 8)); /* wraps around */
    assert_int_equal(b.ncalls, 2 + 1);
    expect(2, 'R', IO_PORT, 0x1f0, 4, 6, 0); /* two elements, and then from address 2 */
}

static void hostile_fields_are_bounded(void **state) {
    (void)state;
    static const unsigned sizes[] = {0, 3, 5, 6, 7, 8, 9, 16, 0x80000000, UINT32_MAX};
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
        assert_true(serve(request(IOREQ_TYPE_PIO, IOREQ_READ, 0x60, sizes[i], 0)) == UINT64_MAX);
    for (unsigned type = 3; type < 256; type++)
        if (type != IOREQ_TYPE_TIMEOFFSET && type != IOREQ_TYPE_INVALIDATE)
            serve(request((uint8_t)type, IOREQ_WRITE, 0x60, 1, 0));
    assert_int_equal(b.ncalls, 0);
    serve(string(IOREQ_TYPE_PIO, IOREQ_READ, 0x60, 1, 0x1000, UINT32_MAX));
    expect(0, 'R', IO_PORT, 0x60, 1, 4096, 0);
    assert_int_equal(b.ncalls, 1);
    serve(string(IOREQ_TYPE_PIO, IOREQ_READ, 0x60, 1, 0x1000, 0));
    assert_int_equal(b.ncalls, 1);
}

static void invalidate_is_answered(void **state) {
    (void)state;
    struct ioreq req = request(IOREQ_TYPE_INVALIDATE, IOREQ_WRITE, 0, 4, UINT64_MAX);
    req.count = 0; /* as Xen sends it */
    serve(req);
    assert_int_equal(b.invalidated, 1);
    serve(request(IOREQ_TYPE_TIMEOFFSET, IOREQ_WRITE, 0, 8, 3600));
    assert_int_equal(b.ncalls, 0);
}

/* ---- the buffer ---- */

static void push(uint8_t type, uint32_t addr, unsigned size_code, uint64_t val) {
    uint32_t *wp = &b.buffered.write_pointer;
    struct buf_ioreq *slots = b.buffered.page.buf_ioreq;
    slots[*wp % IOREQ_BUFFER_SLOT_NUM] = (struct buf_ioreq){
        .type = type, .size = size_code & 3, .addr = addr & 0xfffff, .data = (uint32_t)val};
    ++*wp;
    if (size_code == 3) {
        slots[*wp % IOREQ_BUFFER_SLOT_NUM] = (struct buf_ioreq){.data = (uint32_t)(val >> 32)};
        ++*wp;
    }
}

static void buffered_writes(void **state) {
    (void)state;
    b.buffered.read_pointer = b.buffered.write_pointer = IOREQ_BUFFER_SLOT_NUM - 2;
    push(IOREQ_TYPE_COPY, 0xb8000, 1, 0x0741);
    push(IOREQ_TYPE_COPY, 0xa0000, 3, 0x1122334455667788); /* its halves lie across the end */
    push(IOREQ_TYPE_TIMEOFFSET, 0, 3, 5);
    push(IOREQ_TYPE_COPY, 0xbffff, 0, 0x1ff);
    assert_int_equal(ring_drain(&b.ring), 6);
    expect(0, 'w', IO_MEM, 0xb8000, 2, 1, 0x0741);
    expect(1, 'w', IO_MEM, 0xa0000, 8, 1, 0x1122334455667788);
    expect(2, 'w', IO_MEM, 0xbffff, 1, 1, 0xff);
    assert_int_equal(b.ncalls, 3);
    assert_int_equal(b.buffered.read_pointer, b.buffered.write_pointer);
    assert_int_equal(ring_drain(&b.ring), 0);
}

static void ascending_buffered_writes_are_one_string(void **state) {
    (void)state;
    for (unsigned i = 0; i < 400; i++)
        push(IOREQ_TYPE_COPY, 0xb8000 + 2 * i, 1, 0x700 + i);
    push(IOREQ_TYPE_COPY, 0xb8000, 1, 0x7ff);     /* not next to the last one */
    push(IOREQ_TYPE_COPY, 0xb8002, 0, 0x55);      /* another size */
    push(IOREQ_TYPE_COPY, 0xb8003, 0, 0x66);
    push(IOREQ_TYPE_PIO, 0x3c8, 0, 1);            /* in between, in order */
    push(IOREQ_TYPE_COPY, 0xb8004, 0, 0x77);
    ring_drain(&b.ring);
    expect(0, 'W', IO_MEM, 0xb8000, 2, 256, 0x700);
    expect(1, 'W', IO_MEM, 0xb8200, 2, 144, 0x800);
    expect(2, 'w', IO_MEM, 0xb8000, 2, 1, 0x7ff);
    expect(3, 'W', IO_MEM, 0xb8002, 1, 2, 0x55);
    expect(4, 'w', IO_PORT, 0x3c8, 1, 1, 1);
    expect(5, 'w', IO_MEM, 0xb8004, 1, 1, 0x77);
    assert_int_equal(b.ncalls, 6);
}

static void pointers_may_wrap_at_32_bits(void **state) {
    (void)state;
    b.buffered.read_pointer = b.buffered.write_pointer = UINT32_MAX;
    uint32_t slot = UINT32_MAX % IOREQ_BUFFER_SLOT_NUM;
    b.buffered.page.buf_ioreq[slot] = (struct buf_ioreq){.type = 1, .addr = 0xa0001, .data = 9};
    b.buffered.write_pointer = 0;
    assert_int_equal(ring_drain(&b.ring), 1);
    expect(0, 'w', IO_MEM, 0xa0001, 1, 1, 9);
    assert_int_equal(b.buffered.read_pointer, 0);
}

static void buffered_writes_come_before_a_request(void **state) {
    (void)state;
    push(IOREQ_TYPE_COPY, 0xa0000, 0, 1);
    serve(request(IOREQ_TYPE_PIO, IOREQ_READ, 0x3da, 1, 0));
    expect(0, 'w', IO_MEM, 0xa0000, 1, 1, 1);
    expect(1, 'r', IO_PORT, 0x3da, 1, 1, 1);
}

static void a_full_ring_is_taken_and_a_broken_one_dropped(void **state) {
    (void)state;
    for (unsigned i = 0; i < IOREQ_BUFFER_SLOT_NUM; i++)
        push(IOREQ_TYPE_COPY, 0xa0000 + i, 0, i);
    assert_int_equal(ring_drain(&b.ring), IOREQ_BUFFER_SLOT_NUM);
    expect(0, 'W', IO_MEM, 0xa0000, 1, IOREQ_BUFFER_SLOT_NUM, 0);
    assert_int_equal(b.ncalls, 1);
    b.ncalls = 0;
    b.buffered.write_pointer += IOREQ_BUFFER_SLOT_NUM + 1;
    assert_int_equal(ring_drain(&b.ring), IOREQ_BUFFER_SLOT_NUM + 1);
    assert_int_equal(b.ncalls, 0);
    assert_int_equal(b.buffered.read_pointer, b.buffered.write_pointer);
    /* a first half without its second */
    b.buffered.page.buf_ioreq[b.buffered.write_pointer % IOREQ_BUFFER_SLOT_NUM].size = 3;
    b.buffered.write_pointer++;
    assert_int_equal(ring_drain(&b.ring), 1);
    assert_int_equal(b.ncalls, 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(single_accesses),
        T(only_ready_requests_are_served),
        T(pci_configuration),
        T(rep_insw_is_one_call),
        T(where_the_sink_stops_one_element_leads_on),
        T(without_bulk_elements_go_one_by_one),
        T(a_string_over_an_edge_keeps_its_elements_whole),
        T(descending_strings),
        T(repeated_stores),
        T(absent_memory_reads_as_ones_and_swallows),
        T(hostile_fields_are_bounded),
        T(invalidate_is_answered),
        T(buffered_writes),
        T(ascending_buffered_writes_are_one_string),
        T(pointers_may_wrap_at_32_bits),
        T(buffered_writes_come_before_a_request),
        T(a_full_ring_is_taken_and_a_broken_one_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
