/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net as its drivers use it: "Virtual I/O Device (VIRTIO) Version 1.1", 2.6 (rings), 4.1
 * (PCI, both interfaces), 5.1 (the network device).
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "core/net_frame.h"
#include "fixture.h"
#include "net/virtio_net.h"

#define MODERN 0xf0000000u
#define MSIX 0xf0100000u

enum { DEVFN = 3 << 3, PORT = 0xc000, SIZE = 256, DESC = 0x8000, DATA = 0x20000 };
enum { QUEUES = 17, DESC_FURTHER = 0x80000, CTRL_OUT = 0x70000, CTRL_IN = 0x71000 };
enum { /* in a ring's 32 KiB: the parts of a modern one */
    AVAIL_AT = 0x4000, USED_AT = 0x5000, RING_BYTES = 0x8000,
};
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

#define CSUM 0x1u
#define GUEST_CSUM 0x2u
#define TSO4 0x800u
#define GUEST_TSO4 0x80u
#define MERGE 0x8000u
#define STATUS 0x10000u
#define CTRL 0xe0000u
#define MQ 0x400000u
#define INDIRECT_DESC (1u << 28)
#define EVENT_IDX (1u << 29)

static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 0x11, 0x22, 0x33};
static const uint8_t peer[6] = {0x00, 0x16, 0x3e, 0xaa, 0xbb, 0xcc};

struct world {
    struct fixture fx;
    struct net *net;
    void *dev;
    unsigned queues, ctrl;
    uint32_t ring[QUEUES]; /* of each queue: where its descriptors are */
    uint32_t avail[QUEUES], used[QUEUES];
    unsigned next_desc[QUEUES];
};

static uint8_t *ram(struct world *w, uint32_t at) {
    return w->fx.ram + at;
}

static uint32_t common(struct world *w, unsigned off, unsigned size) {
    return (uint32_t)mem_read(&w->fx, MODERN + off, size);
}

static void set(struct world *w, unsigned off, unsigned size, uint32_t val) {
    mem_write(&w->fx, MODERN + off, size, val);
}

static struct world *build(unsigned offloads, unsigned pairs, unsigned vectors, unsigned mtu) {
    struct world *w = calloc(1, sizeof(*w));
    w->queues = 2 * pairs + 1;
    fixture_init(&w->fx);
    w->net = fixture_net(&w->fx);
    w->net->offloads = offloads;
    struct nic_pins pins = {.pci = w->fx.pci, .devfn = DEVFN, .clock = w->fx.clock, .net = w->net,
                            .qdev_id = "", .pairs = pairs, .vectors = vectors, .mtu = mtu};
    memcpy(pins.mac, mac, 6);
    w->dev = virtio_net_new(&pins);
    cfg_write(&w->fx, DEVFN, PCI_BAR0, 4, PORT);
    cfg_write(&w->fx, DEVFN, PCI_BAR0 + 4, 4, MSIX);
    cfg_write(&w->fx, DEVFN, PCI_BAR0 + 16, 4, MODERN);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
    return w;
}

static int setup(void **arg) {
    *arg = build(0, 1, 0, 0);
    return 0;
}

static int setup_offloads(void **arg) {
    *arg = build(NET_CSUM | NET_TSO4, 1, 0, 0);
    return 0;
}

static int setup_pairs(void **arg) {
    *arg = build(0, 2, 0, 9000);
    return 0;
}

static int teardown(void **arg) {
    struct world *w = *arg;
    virtio_net_device.free(w->dev);
    assert_int_equal(w->fx.maps, 0);
    fixture_done(&w->fx);
    free(w);
    return 0;
}

static void place_ring(struct world *w, unsigned q) {
    w->ring[q] = q < 3 ? DESC + RING_BYTES * q : DESC_FURTHER + RING_BYTES * (q - 3);
    w->next_desc[q] = 0;
    memset(ram(w, w->ring[q]), 0, RING_BYTES);
}

/* 3.1.1: a modern driver comes up. */
static void start_modern(struct world *w, uint32_t features) {
    w->ctrl = features & MQ ? w->queues - 1 : 2;
    set(w, 20, 1, 0);
    set(w, 20, 1, 3);
    set(w, 8, 4, 0);
    set(w, 12, 4, features);
    set(w, 8, 4, 1);
    set(w, 12, 4, 1);
    set(w, 20, 1, 11);
    assert_int_equal(common(w, 20, 1), 11);
    for (unsigned q = 0; q < (features & MQ ? w->queues : 3); q++) {
        place_ring(w, q);
        w->avail[q] = w->ring[q] + AVAIL_AT;
        w->used[q] = w->ring[q] + USED_AT;
        set(w, 22, 2, q);
        set(w, 32, 4, w->ring[q]);
        set(w, 36, 4, 0);
        set(w, 40, 4, w->avail[q]);
        set(w, 48, 4, w->used[q]);
        set(w, 28, 2, 1);
    }
    set(w, 20, 1, 15);
}

static void start_legacy(struct world *w, uint32_t features) {
    out8(&w->fx, PORT + 18, 0);
    out8(&w->fx, PORT + 18, 3);
    out32(&w->fx, PORT + 4, features);
    for (unsigned q = 0; q < 3; q++) {
        out16(&w->fx, PORT + 14, (uint16_t)q);
        assert_int_equal(in16(&w->fx, PORT + 12), SIZE);
        place_ring(w, q);
        w->avail[q] = w->ring[q] + 16 * SIZE;
        w->used[q] = w->ring[q] + 0x2000; /* 4096 + 6 + 512, up to the next page */
        out32(&w->fx, PORT + 8, w->ring[q] >> 12);
    }
    out8(&w->fx, PORT + 18, 7);
}

static void put_desc(uint8_t *d, uint64_t addr, uint32_t len, unsigned flags, unsigned next) {
    store_le64(d, addr);
    store_le32(d + 8, len);
    store_le16(d + 12, (uint16_t)flags);
    store_le16(d + 14, (uint16_t)next);
}

static uint8_t *desc(struct world *w, unsigned q, unsigned i) {
    return ram(w, w->ring[q] + 16 * (i % SIZE));
}

static void offer(struct world *w, unsigned q, unsigned head) {
    uint8_t *avail = ram(w, w->avail[q]);
    unsigned idx = load_le16(avail + 2);
    store_le16(avail + 4 + 2 * (idx % SIZE), (uint16_t)head);
    store_le16(avail + 2, (uint16_t)(idx + 1));
}

static void kick(struct world *w, unsigned q) {
    mem_write(&w->fx, MODERN + 0x3000 + 4 * q, 2, q);
}

/* A chain of one or two descriptors. */
static void add(struct world *w, unsigned q, uint32_t at, uint32_t len, unsigned flags) {
    put_desc(desc(w, q, w->next_desc[q]), at, len, flags, 0);
    offer(w, q, w->next_desc[q]++ % SIZE);
}

static unsigned used_idx(struct world *w, unsigned q) {
    return load_le16(ram(w, w->used[q] + 2));
}

static uint32_t used_len(struct world *w, unsigned q, unsigned i) {
    return load_le32(ram(w, w->used[q] + 4 + 8 * (i % SIZE) + 4));
}

static void fill(uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7 + i / 251);
}

static void make_frame(uint8_t *f, const uint8_t *dest, size_t len) {
    fill(f, len);
    memcpy(f, dest, 6);
    memcpy(f + 6, peer, 6);
    store_be16(f + 12, 0x88b5);
}

static bool arrive(struct world *w, const uint8_t *dest, size_t len) {
    static uint8_t f[65536];
    make_frame(f, dest, len);
    return fixture_arrive(w->net, f, len, NULL);
}

static size_t sent(struct world *w, uint8_t *f, struct net_meta *meta) {
    return fixture_sent(w->net, f, 65536, meta);
}

/* ---- the function ---- */

static void test_identity(void **arg) {
    struct world *w = *arg;
    unsigned kinds = 0, at = cfg_read(&w->fx, DEVFN, PCI_CAP_PTR, 1), bound = 0;
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0, 4), 0x10001af4);
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_SUBSYSTEM, 2), 1);
    for (; at && bound < 16; bound++, at = cfg_read(&w->fx, DEVFN, at + 1, 1)) {
        if (cfg_read(&w->fx, DEVFN, at, 1) == 0x11)
            kinds |= 1;
        else if (cfg_read(&w->fx, DEVFN, at, 1) == 0x09)
            kinds |= 1u << cfg_read(&w->fx, DEVFN, at + 3, 1);
    }
    assert_int_equal(kinds, 0x3f);
    assert_int_equal(common(w, 18, 2), 3);
    assert_int_equal(mem_read(&w->fx, MODERN + 0x2000, 4), 0x113e1600);
    assert_int_equal(mem_read(&w->fx, MODERN + 0x2004, 4), 0x00013322); /* up */
    assert_int_equal(in8(&w->fx, PORT + 20), 0x00);
    assert_int_equal(in32(&w->fx, PORT + 20), 0x113e1600);
    cfg_write(&w->fx, DEVFN, 0xe8 + 2, 2, 0x8000); /* with MSI-X there are two more registers */
    assert_int_equal(in32(&w->fx, PORT + 24), 0x113e1600);
    assert_int_equal(in16(&w->fx, PORT + 20), 0xffff);
}

static void test_features(void **arg) {
    struct world *w = *arg;
    set(w, 0, 4, 1);
    assert_int_equal(common(w, 4, 4), 1);
    set(w, 0, 4, 2);
    assert_int_equal(common(w, 4, 4), 0);
    set(w, 20, 1, 3);
    set(w, 8, 4, 0);
    set(w, 12, 4, 1u << 22); /* several queue pairs were not offered */
    set(w, 20, 1, 11);
    assert_int_equal(common(w, 20, 1), 3);
}

/* 4.1.4.7: by configuration space, whether memory is enabled or not. */
static void test_window(void **arg) {
    struct world *w = *arg;
    unsigned at = cfg_read(&w->fx, DEVFN, PCI_CAP_PTR, 1);
    while (at && (cfg_read(&w->fx, DEVFN, at, 1) != 9 || cfg_read(&w->fx, DEVFN, at + 3, 1) != 5))
        at = cfg_read(&w->fx, DEVFN, at + 1, 1);
    assert_true(at);
    assert_int_equal(cfg_read(&w->fx, DEVFN, at + 2, 1), 20);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, 0);
    cfg_write(&w->fx, DEVFN, at + 4, 1, 4);
    cfg_write(&w->fx, DEVFN, at + 8, 4, 0x2000);
    cfg_write(&w->fx, DEVFN, at + 12, 4, 4);
    assert_int_equal(cfg_read(&w->fx, DEVFN, at + 16, 4), 0x113e1600); /* MAC */
    cfg_write(&w->fx, DEVFN, at + 12, 4, 2);
    assert_int_equal(cfg_read(&w->fx, DEVFN, at + 16, 2), 0x1600);
    cfg_write(&w->fx, DEVFN, at + 8, 4, 20); /* status */
    cfg_write(&w->fx, DEVFN, at + 12, 4, 1);
    cfg_write(&w->fx, DEVFN, at + 16, 1, 3);
    assert_int_equal(cfg_read(&w->fx, DEVFN, at + 16, 1), 3);
    cfg_write(&w->fx, DEVFN, at + 12, 4, 3); /* no such length; nor offset; nor BAR */
    cfg_write(&w->fx, DEVFN, at + 16, 1, 0);
    cfg_write(&w->fx, DEVFN, at + 12, 4, 1);
    cfg_write(&w->fx, DEVFN, at + 8, 4, 0x4014);
    cfg_write(&w->fx, DEVFN, at + 16, 1, 0);
    cfg_write(&w->fx, DEVFN, at + 8, 4, 20);
    cfg_write(&w->fx, DEVFN, at + 4, 1, 1);
    cfg_write(&w->fx, DEVFN, at + 16, 1, 0);
    cfg_write(&w->fx, DEVFN, at + 4, 1, 4);
    assert_int_equal(cfg_read(&w->fx, DEVFN, at + 16, 1), 3);
    cfg_write(&w->fx, DEVFN, at + 4, 1, 0); /* the old interface */
    cfg_write(&w->fx, DEVFN, at + 8, 4, 18);
    assert_int_equal(cfg_read(&w->fx, DEVFN, at + 16, 1), 3);
}

/* 2.1.2, 4.1.4.3.1: writing 0 forgets everything. */
static void test_reset(void **arg) {
    struct world *w = *arg;
    start_modern(w, MERGE);
    set(w, 20, 1, 0);
    assert_int_equal(common(w, 20, 1), 0);
    set(w, 22, 2, 1);
    assert_int_equal(common(w, 28, 2), 0);
    assert_int_equal(common(w, 24, 2), SIZE);
    set(w, 24, 2, 100);
    assert_int_equal(common(w, 24, 2), SIZE);
    set(w, 24, 2, 64);
    assert_int_equal(common(w, 24, 2), 64);
    set(w, 22, 2, 3);
    assert_int_equal(common(w, 24, 2), 0); /* no such queue */
}

/* ---- sending ---- */

static void test_tx(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    start_modern(w, 0);
    make_frame(ram(w, DATA + 12), peer, 1000);
    add(w, 1, DATA, 1012, 0);
    kick(w, 1);
    assert_int_equal(sent(w, f, NULL), 1000);
    assert_memory_equal(f, ram(w, DATA + 12), 1000);
    assert_int_equal(used_idx(w, 1), 1);
    assert_true(w->fx.intx[3][0]);
    assert_int_equal(mem_read(&w->fx, MODERN + 0x1000, 1), 1); /* ISR */
    assert_false(w->fx.intx[3][0]);
    /* header and frame in two descriptors, and no interrupt if the guest does not want one */
    store_le16(ram(w, w->avail[1]), 1);
    put_desc(desc(w, 1, 10), DATA, 12, NEXT, 20);
    put_desc(desc(w, 1, 20), DATA + 12, 77, 0, 0);
    offer(w, 1, 10);
    kick(w, 1);
    assert_int_equal(sent(w, f, NULL), 77);
    assert_false(w->fx.intx[3][0]);
}

static void test_tx_legacy(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    start_legacy(w, 0);
    make_frame(ram(w, DATA + 10), peer, 100);
    add(w, 1, DATA, 110, 0);
    out16(&w->fx, PORT + 16, 1);
    assert_int_equal(sent(w, f, NULL), 100);
    assert_memory_equal(f, ram(w, DATA + 10), 100);
    assert_int_equal(used_idx(w, 1), 1);
    assert_int_equal(in8(&w->fx, PORT + 19), 1);
}

static void test_tx_indirect(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    start_modern(w, INDIRECT_DESC);
    make_frame(ram(w, DATA + 12), peer, 1000);
    put_desc(ram(w, DATA + 4096), DATA, 12, NEXT, 2);
    put_desc(ram(w, DATA + 4096 + 16), DATA + 112, 900, 0, 0);
    put_desc(ram(w, DATA + 4096 + 32), DATA + 12, 100, NEXT, 1);
    add(w, 1, DATA + 4096, 48, INDIRECT);
    kick(w, 1);
    assert_int_equal(sent(w, f, NULL), 1000);
    assert_memory_equal(f, ram(w, DATA + 12), 1000);
}

static void make_tso(struct world *w, size_t payload) {
    uint8_t *h = ram(w, DATA), *f = h + 12;
    memset(h, 0, 12 + 54);
    h[0] = 1;
    h[1] = NET_GSO_TCP4;
    store_le16(h + 2, 54);
    store_le16(h + 4, 1000);
    store_le16(h + 6, 34);
    store_le16(h + 8, 16);
    make_frame(f, peer, 14);
    store_be16(f + 12, 0x0800);
    f[14] = 0x45;
    store_be16(f + 16, (uint16_t)(40 + payload));
    f[23] = 6;
    f[46] = 0x50;
    fill(f + 54, payload);
}

static void test_tso(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    struct net_meta meta;
    start_modern(w, CSUM | TSO4);
    make_tso(w, 2500);
    add(w, 1, DATA, 12 + 2554, 0);
    kick(w, 1);
    if (w->net->offloads & NET_TSO4) {
        assert_int_equal(sent(w, f, &meta), 2554);
        assert_int_equal(meta.gso_size, 1000);
        return;
    }
    assert_int_equal(sent(w, f, NULL), 1054);
    assert_int_equal(sent(w, f, NULL), 1054);
    assert_int_equal(sent(w, f, NULL), 554);
}

static void test_no_room(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    start_modern(w, CSUM | TSO4);
    fixture_net_room(w->net, 1);
    make_tso(w, 2500);
    add(w, 1, DATA, 12 + 2554, 0);
    kick(w, 1);
    assert_int_equal(used_idx(w, 1), 0);
    kick(w, 1);
    assert_int_equal(fixture_sent_count(w->net), 1);
    fixture_net_room(w->net, UINT_MAX);
    assert_int_equal(used_idx(w, 1), 1);
    for (unsigned i = 0; i < 3; i++)
        assert_true(sent(w, f, NULL));
    assert_int_equal(sent(w, f, NULL), 0);
}

/* 2.6.7, 2.6.10: interrupts and notifications at event indices. */
static void test_event_index(void **arg) {
    struct world *w = *arg;
    start_modern(w, EVENT_IDX);
    make_frame(ram(w, DATA + 12), peer, 60);
    store_le16(ram(w, w->avail[1] + 4 + 2 * SIZE), 2); /* after the third */
    for (unsigned i = 0; i < 2; i++) {
        add(w, 1, DATA, 72, 0);
        kick(w, 1);
        assert_false(w->fx.intx[3][0]);
    }
    add(w, 1, DATA, 72, 0);
    kick(w, 1);
    assert_true(w->fx.intx[3][0]);
    assert_int_equal(load_le16(ram(w, w->used[1] + 4 + 8 * SIZE)), 3); /* we want the fourth */
}

static void test_msix(void **arg) {
    struct world *w = *arg;
    cfg_write(&w->fx, DEVFN, 0xe8 + 2, 2, 0x8000);
    for (unsigned i = 0; i < 4; i++) {
        mem_write(&w->fx, MSIX + 16 * i, 4, 0xfee00000);
        mem_write(&w->fx, MSIX + 16 * i + 8, 4, 0x40 + i);
        mem_write(&w->fx, MSIX + 16 * i + 12, 4, 0);
    }
    start_modern(w, STATUS);
    set(w, 22, 2, 1);
    set(w, 26, 2, 2);
    assert_int_equal(common(w, 26, 2), 2);
    set(w, 26, 2, 4); /* there is no such */
    assert_int_equal(common(w, 26, 2), 0xffff);
    set(w, 26, 2, 2);
    set(w, 16, 2, 3);
    add(w, 1, DATA, 72, 0);
    kick(w, 1);
    assert_int_equal(w->fx.msis, 1);
    assert_int_equal(w->fx.msi_data, 0x42);
    net_set_link(w->net, false);
    assert_int_equal(w->fx.msi_data, 0x43);
    assert_int_equal(mem_read(&w->fx, MODERN + 0x2006, 2), 0);
    assert_false(w->fx.intx[3][0]);
}

/* ---- receiving ---- */

static void post(struct world *w, unsigned n, uint32_t size) {
    for (unsigned i = 0; i < n; i++)
        add(w, 0, DATA + size * w->next_desc[0], size, WRITE);
    kick(w, 0);
}

static void test_rx(void **arg) {
    struct world *w = *arg;
    uint8_t want[1000];
    start_modern(w, 0);
    arrive(w, mac, 1000);
    assert_int_equal(fixture_waiting(w->net), 1); /* no buffers yet */
    post(w, 2, 2048);
    fixture_frames(&w->fx);
    make_frame(want, mac, 1000);
    assert_int_equal(used_idx(w, 0), 1);
    assert_int_equal(used_len(w, 0, 0), 1012);
    assert_memory_equal(ram(w, DATA + 12), want, 1000);
    assert_int_equal(load_le16(ram(w, DATA + 10)), 1);
    assert_int_equal(load_le16(ram(w, w->used[0])), 1); /* no need to notify */
    assert_true(w->fx.intx[3][0]);
    arrive(w, mac, 100);
    assert_int_equal(load_le16(ram(w, w->used[0])), 0); /* none are left */
    arrive(w, mac, 100);
    assert_int_equal(fixture_waiting(w->net), 1);
}

static void test_rx_legacy(void **arg) {
    struct world *w = *arg;
    start_legacy(w, 0);
    put_desc(desc(w, 0, 0), DATA, 10, WRITE | NEXT, 1); /* as old drivers cut it */
    put_desc(desc(w, 0, 1), DATA + 100, 1518, WRITE, 0);
    offer(w, 0, 0);
    out16(&w->fx, PORT + 16, 0);
    arrive(w, mac, 500);
    assert_int_equal(used_len(w, 0, 0), 510);
    assert_memory_equal(ram(w, DATA + 100), mac, 6);
}

/* 5.1.6.3.1: a frame over several buffers, header in the first. */
static void test_rx_merged(void **arg) {
    struct world *w = *arg;
    static uint8_t want[9000];
    start_modern(w, MERGE);
    post(w, 24, 1500);
    make_frame(want, mac, sizeof(want));
    for (unsigned round = 0; round < 2; round++) { /* over our buffer first, then in place */
        uint32_t at = DATA + 7 * 1500 * round;
        arrive(w, mac, 9000);
        assert_int_equal(used_idx(w, 0), 7 * (round + 1));
        assert_int_equal(used_len(w, 0, 7 * round), 1500);
        assert_int_equal(used_len(w, 0, 7 * round + 6), 9012 - 6 * 1500);
        assert_int_equal(load_le16(ram(w, at + 10)), 7);
        assert_memory_equal(ram(w, at + 12), want, sizeof(want));
    }
    arrive(w, mac, 100); /* one is enough again */
    assert_int_equal(used_idx(w, 0), 15);
    arrive(w, mac, 1000);
    assert_int_equal(used_idx(w, 0), 16);
    assert_int_equal(load_le16(ram(w, DATA + 15 * 1500 + 10)), 1);
    arrive(w, mac, 60000); /* more than there are */
    assert_int_equal(used_idx(w, 0), 16);
    assert_int_equal(fixture_waiting(w->net), 0);
}

static void test_rx_offloads(void **arg) {
    struct world *w = *arg;
    uint8_t f[2000];
    struct net_meta undone = {.flags = NET_META_CSUM, .gso_type = NET_GSO_TCP4, .hdr_len = 54,
                              .gso_size = 1000, .csum_start = 34, .csum_offset = 16};
    start_modern(w, 0);
    assert_int_equal(fixture_accepted(w->net), 0);
    start_modern(w, GUEST_CSUM | GUEST_TSO4 | MERGE);
    assert_int_equal(fixture_accepted(w->net), NET_CSUM | NET_TSO4);
    post(w, 4, 2048);
    make_frame(f, mac, sizeof(f));
    fixture_arrive(w->net, f, sizeof(f), &undone);
    const uint8_t *h = ram(w, DATA);
    assert_int_equal(h[0], 1);
    assert_int_equal(h[1], NET_GSO_TCP4);
    assert_int_equal(load_le16(h + 2), 54);
    assert_int_equal(load_le16(h + 4), 1000);
    assert_int_equal(load_le16(h + 6), 34);
    assert_int_equal(load_le16(h + 8), 16);
}

/* ---- the control queue ---- */

static unsigned control(struct world *w, const uint8_t *bytes, size_t len) {
    unsigned q = w->ctrl, i = w->next_desc[q];
    memcpy(ram(w, CTRL_OUT), bytes, len);
    *ram(w, CTRL_IN) = 0x77;
    put_desc(desc(w, q, i), CTRL_OUT, 2, NEXT, (i + 1) % SIZE);
    put_desc(desc(w, q, i + 1), CTRL_OUT + 2, (uint32_t)len - 2, NEXT, (i + 2) % SIZE);
    put_desc(desc(w, q, i + 2), CTRL_IN, 1, WRITE, 0);
    w->next_desc[q] = (i + 3) % SIZE;
    offer(w, q, i);
    kick(w, q);
    return *ram(w, CTRL_IN);
}

static bool took(struct world *w, const uint8_t *dest) {
    unsigned before = used_idx(w, 0);
    arrive(w, dest, 100);
    return used_idx(w, 0) != before;
}

static void test_filters(void **arg) {
    struct world *w = *arg;
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t group[6] = {0x01, 0x00, 0x5e, 0x00, 0x12, 0x34};
    start_modern(w, CTRL);
    post(w, 32, 2048);
    assert_true(took(w, peer)); /* promiscuous until told otherwise */
    assert_int_equal(control(w, (const uint8_t[]){0, 0, 0}, 3), 0);
    assert_true(took(w, mac) && took(w, all) && !took(w, peer) && !took(w, group));
    control(w, (const uint8_t[]){0, 1, 1}, 3); /* all multicast */
    assert_true(took(w, group) && !took(w, peer));
    control(w, (const uint8_t[]){0, 1, 0}, 3);
    uint8_t table[2 + 4 + 6 + 4 + 6] = {1, 0, 1};
    memcpy(table + 6, peer, 6);
    table[12] = 1;
    memcpy(table + 16, group, 6);
    assert_int_equal(control(w, table, sizeof(table)), 0);
    assert_true(took(w, group) && took(w, peer));
    table[12] = 2; /* longer than it is */
    assert_int_equal(control(w, table, sizeof(table)), 1);
    control(w, (const uint8_t[]){0, 5, 1}, 3); /* no broadcast */
    assert_false(took(w, all));
    assert_int_equal(control(w, (const uint8_t[]){0, 9, 1}, 3), 1);
    assert_int_equal(control(w, (const uint8_t[]){9, 0, 1}, 3), 1);
}

static bool took_tagged(struct world *w, unsigned vid) {
    uint8_t f[100];
    unsigned before = used_idx(w, 0);
    make_frame(f, mac, sizeof(f));
    store_be32(f + 12, 0x81000000 | vid);
    fixture_arrive(w->net, f, sizeof(f), NULL);
    return used_idx(w, 0) != before;
}

static void test_vlans(void **arg) {
    struct world *w = *arg;
    start_modern(w, CTRL);
    post(w, 8, 2048);
    control(w, (const uint8_t[]){0, 0, 0}, 3);
    assert_false(took_tagged(w, 100));
    assert_int_equal(control(w, (const uint8_t[]){2, 0, 100, 0}, 4), 0);
    assert_true(took_tagged(w, 100) && !took_tagged(w, 101));
    control(w, (const uint8_t[]){2, 1, 100, 0}, 4);
    assert_false(took_tagged(w, 100));
    assert_int_equal(control(w, (const uint8_t[]){2, 0, 0, 0x10}, 4), 1);
}

/* ---- several pairs of queues: 5.1.2, 5.1.6.5.5 ---- */

enum { RX_DATA = 0x30000 }; /* in 64 KiB for each pair: its buffers */

static unsigned set_pairs(struct world *w, unsigned n) {
    return control(w, (const uint8_t[]){4, 0, (uint8_t)n, (uint8_t)(n >> 8)}, 4);
}

static void post_to(struct world *w, unsigned pair, unsigned n, uint32_t size) {
    for (unsigned i = 0; i < n; i++) {
        add(w, 2 * pair, RX_DATA + 0x10000 * pair + size * w->next_desc[2 * pair], size, WRITE);
        kick(w, 2 * pair);
    }
}

/* UDP between two ports, one way or back. */
static void make_flow(uint8_t *f, unsigned flow, bool back, size_t len) {
    static const uint8_t ip[2][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}};
    make_frame(f, back ? mac : peer, len);
    store_be16(f + 12, 0x0800);
    memset(f + 14, 0, 20);
    f[14] = 0x45;
    store_be16(f + 16, (uint16_t)(len - 14));
    f[23] = 17;
    memcpy(f + 26, ip[back], 4);
    memcpy(f + 30, ip[!back], 4);
    store_be16(f + (back ? 36 : 34), (uint16_t)(1000 + flow));
    store_be16(f + (back ? 34 : 36), 80);
}

static void send_flow(struct world *w, unsigned pair, unsigned flow) {
    uint8_t f[100];
    make_flow(ram(w, DATA + 12), flow, false, 88);
    memset(ram(w, DATA), 0, 12);
    add(w, 2 * pair + 1, DATA, 100, 0);
    kick(w, 2 * pair + 1);
    assert_int_equal(sent(w, f, NULL), 88);
}

/* The pair whose buffers an answer took, or 9: none's. */
static unsigned answered(struct world *w, unsigned flow, size_t len) {
    static uint8_t f[16384];
    unsigned before[2] = {used_idx(w, 0), used_idx(w, 2)};
    make_flow(f, flow, true, len);
    fixture_arrive(w->net, f, len, NULL);
    return used_idx(w, 0) != before[0] ? 0 : used_idx(w, 2) != before[1] ? 1 : 9;
}

static void test_pairs_identity(void **arg) {
    struct world *w = *arg;
    set(w, 0, 4, 0);
    assert_int_equal(common(w, 4, 4) & (MQ | 8), MQ | 8);
    assert_int_equal(common(w, 18, 2), 5);
    assert_int_equal(mem_read(&w->fx, MODERN + 0x2008, 2), 2);
    assert_int_equal(mem_read(&w->fx, MODERN + 0x200a, 2), 9000);
    set(w, 22, 2, 4);
    assert_int_equal(common(w, 24, 2), SIZE);
    set(w, 26, 2, 5); /* a vector for each queue, and one */
    assert_int_equal(common(w, 26, 2), 5);
    set(w, 26, 2, 6);
    assert_int_equal(common(w, 26, 2), 0xffff);
    set(w, 22, 2, 5);
    assert_int_equal(common(w, 24, 2), 0);
}

static void test_fewer_vectors(void **arg) {
    (void)arg;
    struct world *w = build(0, 2, 3, 0);
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0xe8 + 2, 2), 2); /* and one */
    set(w, 26, 2, 2);
    assert_int_equal(common(w, 26, 2), 2);
    set(w, 26, 2, 3);
    assert_int_equal(common(w, 26, 2), 0xffff);
    set(w, 0, 4, 0);
    assert_int_equal(common(w, 4, 4) & (MQ | 8), MQ);
    teardown((void **)&w);
}

static void test_pairs_set(void **arg) {
    struct world *w = *arg;
    uint8_t f[100];
    start_modern(w, CTRL | MQ);
    make_frame(ram(w, DATA + 12), peer, 60);
    add(w, 3, DATA, 72, 0);
    kick(w, 3);
    assert_int_equal(sent(w, f, NULL), 0); /* one pair until told otherwise */
    assert_int_equal(set_pairs(w, 0), 1);
    assert_int_equal(set_pairs(w, 3), 1);
    assert_int_equal(set_pairs(w, 257), 1);
    assert_int_equal(control(w, (const uint8_t[]){4, 1, 2, 0}, 4), 1);
    assert_int_equal(control(w, (const uint8_t[]){4, 0, 2}, 3), 1);
    assert_int_equal(used_idx(w, 3), 0);
    assert_int_equal(set_pairs(w, 2), 0);
    assert_int_equal(sent(w, f, NULL), 60); /* what waited */
    assert_int_equal(used_idx(w, 3), 1);
    assert_int_equal(set_pairs(w, 1), 0);
    add(w, 3, DATA, 72, 0);
    kick(w, 3);
    assert_int_equal(sent(w, f, NULL), 0);
    start_modern(w, CTRL); /* not negotiated: the control queue is the third */
    assert_int_equal(control(w, (const uint8_t[]){0, 0, 0}, 3), 0);
    assert_int_equal(set_pairs(w, 2), 1);
}

static void start_pairs(struct world *w, uint32_t features) {
    start_modern(w, CTRL | MQ | features);
    assert_int_equal(set_pairs(w, 2), 0);
    post_to(w, 0, 30, 1600);
    post_to(w, 1, 30, 1600);
}

/* A flow comes in where it was last sent from. */
static void test_steering(void **arg) {
    struct world *w = *arg;
    start_pairs(w, 0);
    for (unsigned flow = 0; flow < 4; flow++) {
        send_flow(w, flow & 1, flow);
        assert_int_equal(answered(w, flow, 200), flow & 1);
        send_flow(w, !(flow & 1), flow);
        assert_int_equal(answered(w, flow, 200), !(flow & 1));
    }
    assert_int_equal(set_pairs(w, 1), 0);
    for (unsigned flow = 0; flow < 4; flow++)
        assert_int_equal(answered(w, flow, 200), 0);
}

/* Its pair is no longer used. */
static void test_fewer_pairs(void **arg) {
    (void)arg;
    struct world *w = build(0, 3, 0, 0);
    start_modern(w, CTRL | MQ);
    assert_int_equal(set_pairs(w, 3), 0);
    for (unsigned pair = 0; pair < 3; pair++)
        post_to(w, pair, 8, 1600);
    send_flow(w, 2, 0);
    assert_int_equal(answered(w, 0, 100), 9);
    assert_int_equal(used_idx(w, 4), 1);
    assert_int_equal(set_pairs(w, 2), 0);
    assert_in_range(answered(w, 0, 100), 0, 1);
    assert_int_equal(used_idx(w, 4), 1);
    teardown((void **)&w);
}

/* What was never sent keeps to one queue, too, and not all do to the same. */
static void test_spreading(void **arg) {
    struct world *w = *arg;
    unsigned seen = 0;
    start_pairs(w, 0);
    for (unsigned flow = 0; flow < 20; flow++) {
        unsigned pair = answered(w, flow, 100);
        assert_int_equal(answered(w, flow, 100), pair);
        seen |= 1u << pair;
    }
    assert_int_equal(seen, 3);
}

/* It was read into buffers of the other pair. */
static void test_carried(void **arg) {
    struct world *w = *arg;
    static uint8_t want[9000];
    start_pairs(w, MERGE);
    send_flow(w, 0, 0);
    send_flow(w, 1, 1);
    assert_int_equal(answered(w, 0, 100), 0);
    assert_int_equal(answered(w, 1, sizeof(want)), 1); /* six buffers, with the header */
    assert_int_equal(used_idx(w, 0), 1);
    assert_int_equal(used_idx(w, 2), 6);
    make_flow(want, 1, true, sizeof(want));
    assert_memory_equal(ram(w, RX_DATA + 0x10000 + 12), want, sizeof(want));
    assert_int_equal(load_le16(ram(w, RX_DATA + 0x10000 + 10)), 6);
    assert_int_equal(used_len(w, 2, 5), 9012 - 5 * 1600);
    assert_int_equal(answered(w, 0, 300), 0); /* the next of its buffers, not a later one */
    make_flow(want, 0, true, 300);
    assert_memory_equal(ram(w, RX_DATA + 1600 + 12), want, 300);
    assert_int_equal(answered(w, 1, 16000), 1);
    assert_int_equal(answered(w, 1, 16000), 1);
    assert_int_equal(answered(w, 1, 16000), 9); /* more than the two that are left there: lost */
    assert_int_equal(answered(w, 1, 100), 1);
}

/* A pair without buffers holds up the others for a second; then what is for it is lost. */
static void test_patience(void **arg) {
    struct world *w = *arg;
    start_modern(w, CTRL | MQ);
    assert_int_equal(set_pairs(w, 2), 0);
    post_to(w, 0, 8, 1600);
    send_flow(w, 0, 0);
    send_flow(w, 1, 1);
    assert_int_equal(answered(w, 0, 100), 9);
    assert_int_equal(fixture_waiting(w->net), 1);
    fixture_sleep(&w->fx, 999 * NS_PER_MS);
    assert_int_equal(fixture_waiting(w->net), 1);
    fixture_sleep(&w->fx, NS_PER_MS);
    fixture_frames(&w->fx);
    assert_int_equal(used_idx(w, 0), 1);
    assert_int_equal(answered(w, 0, 100), 0);
    assert_int_equal(answered(w, 1, 100), 9);
    assert_int_equal(fixture_waiting(w->net), 0); /* lost */
    assert_int_equal(clock_next(w->fx.clock), TIMER_NEVER);
    post_to(w, 1, 1, 1600);
    assert_int_equal(answered(w, 1, 100), 1);
    assert_int_equal(answered(w, 1, 100), 9); /* waits again */
    assert_int_equal(fixture_waiting(w->net), 1);
    post_to(w, 1, 1, 1600);
    fixture_frames(&w->fx);
    assert_int_equal(used_idx(w, 2), 2);
}

/* Segments of one pair's frame are not mixed with another's. */
static void test_refused_pair(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    start_modern(w, CTRL | MQ | CSUM | TSO4);
    assert_int_equal(set_pairs(w, 2), 0);
    fixture_net_room(w->net, 1);
    make_tso(w, 2500);
    add(w, 3, DATA, 12 + 2554, 0);
    kick(w, 3);
    make_frame(ram(w, DATA + 8192 + 12), peer, 77);
    add(w, 1, DATA + 8192, 12 + 77, 0);
    kick(w, 1);
    assert_int_equal(fixture_sent_count(w->net), 1);
    fixture_net_room(w->net, UINT_MAX);
    assert_int_equal(sent(w, f, NULL), 1054);
    assert_int_equal(sent(w, f, NULL), 1054);
    assert_int_equal(sent(w, f, NULL), 554);
    assert_int_equal(sent(w, f, NULL), 77);
    assert_int_equal(sent(w, f, NULL), 0);
}

/* A state with more pairs than there are is refused. */
static void test_pairs_saved(void **arg) {
    struct world *w = *arg, *other = build(0, 1, 0, 0), *same = build(0, 2, 0, 9000);
    const struct state *state = virtio_net_device.state;
    struct state_buf saved = {0};
    size_t used;
    char why[200] = "";
    start_pairs(w, 0);
    send_flow(w, 1, 5);
    state_save(&saved, state, "nic", w->dev);
    assert_false(state_load(saved.bytes, saved.len, &used, state, "nic", other->dev, why,
                            sizeof(why)));
    assert_non_null(strstr(why, "2, of 1 pairs"));
    assert_true(state_load(saved.bytes, saved.len, &used, state, "nic", same->dev, why,
                           sizeof(why)));
    state_buf_free(&saved);
    memcpy(same->fx.ram, w->fx.ram, FIXTURE_RAM);
    memcpy(same->avail, w->avail, sizeof(w->avail));
    memcpy(same->used, w->used, sizeof(w->used));
    assert_int_equal(answered(same, 5, 100), 1);
    teardown((void **)&other);
    teardown((void **)&same);
}

/* ---- rings that can't be ---- */

static void expect_broken(struct world *w) {
    uint8_t f[100];
    kick(w, 1);
    assert_int_equal(common(w, 20, 1) & 0x40, 0x40);
    assert_int_equal(sent(w, f, NULL), 0);
    kick(w, 1);
    assert_int_equal(w->fx.maps, 0);
    start_modern(w, INDIRECT_DESC); /* a reset helps */
    add(w, 1, DATA, 72, 0);
    kick(w, 1);
    assert_int_equal(fixture_sent_count(w->net), 1);
    fixture_sent(w->net, f, sizeof(f), NULL);
}

static void test_hostile(void **arg) {
    struct world *w = *arg;
    start_modern(w, INDIRECT_DESC);
    store_le16(ram(w, w->avail[1] + 2), 300); /* more than the ring holds */
    expect_broken(w);
    offer(w, 1, 256); /* a head beyond the table */
    expect_broken(w);
    put_desc(desc(w, 1, 1), DATA, 10, NEXT, 1); /* a loop */
    offer(w, 1, 1);
    expect_broken(w);
    put_desc(desc(w, 1, 1), DATA, 10, NEXT, 999); /* out of the table */
    offer(w, 1, 1);
    expect_broken(w);
    put_desc(desc(w, 1, 1), DATA, 10, WRITE | NEXT, 2); /* to be read after to be written */
    put_desc(desc(w, 1, 2), DATA, 10, 0, 0);
    offer(w, 1, 1);
    expect_broken(w);
    add(w, 1, DATA, 17, INDIRECT); /* no whole descriptors */
    expect_broken(w);
    put_desc(ram(w, DATA), DATA, 16, INDIRECT, 0); /* a table within itself */
    add(w, 1, DATA, 16, INDIRECT);
    expect_broken(w);
}

/* What is bounded but strange is answered. */
static void test_odd(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    start_modern(w, CSUM | TSO4);
    add(w, 1, DATA, 5, 0);                 /* less than a header */
    add(w, 1, DATA, 0xffffffff, 0);        /* no end */
    add(w, 1, DATA, 72, WRITE);            /* nothing to read */
    add(w, 1, 0xffff0000, 72, 0);          /* not RAM: all ones, so nonsense */
    make_tso(w, 100);
    store_le16(ram(w, DATA + 6), 5000);    /* a checksum beyond the frame */
    add(w, 1, DATA, 166, 0);
    kick(w, 1);
    assert_int_equal(used_idx(w, 1), 5);
    assert_int_equal(common(w, 20, 1), 15);
    assert_int_equal(sent(w, f, NULL), 0);
    add(w, 0, DATA, 5, WRITE); /* a buffer too small for a header */
    kick(w, 0);
    arrive(w, mac, 100);
    assert_int_equal(used_idx(w, 0), 0);
}

static void test_no_master(void **arg) {
    struct world *w = *arg;
    uint8_t f[2048];
    start_modern(w, 0);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_MEM);
    add(w, 1, DATA, 72, 0);
    kick(w, 1);
    assert_int_equal(sent(w, f, NULL), 0);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
    assert_int_equal(sent(w, f, NULL), 60);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define PAIRS_TEST(f) cmocka_unit_test_setup_teardown(f, setup_pairs, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_identity), TEST(test_window), TEST(test_features), TEST(test_reset),
        TEST(test_tx),
        TEST(test_tx_legacy), TEST(test_tx_indirect), TEST(test_tso),
        cmocka_unit_test_setup_teardown(test_tso, setup_offloads, teardown), TEST(test_no_room),
        TEST(test_event_index), TEST(test_msix), TEST(test_rx), TEST(test_rx_legacy),
        TEST(test_rx_merged), TEST(test_rx_offloads), TEST(test_filters), TEST(test_vlans),
        PAIRS_TEST(test_pairs_identity), cmocka_unit_test(test_fewer_vectors),
        PAIRS_TEST(test_pairs_set), PAIRS_TEST(test_steering), PAIRS_TEST(test_spreading),
        cmocka_unit_test(test_fewer_pairs),
        PAIRS_TEST(test_carried), PAIRS_TEST(test_patience), PAIRS_TEST(test_refused_pair),
        PAIRS_TEST(test_pairs_saved), TEST(test_hostile), TEST(test_odd), TEST(test_no_master),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
