/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82540EM, as its drivers see it: "PCI/PCI-X Family of Gigabit Ethernet Controllers Software
 * Developer's Manual" (317453), chapters 3 (rings, offloads), 5 (EEPROM), 8 (PHY), 13 (registers).
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
#include "net/e1000.h"

#define BAR 0xf0000000u
enum { DEVFN = 3 << 3, PORT = 0xc000, RING = 8 };
enum { TX_RING = 0x1000, RX_RING = 0x2000, TX_DATA = 0x10000, RX_DATA = 0x40000 };

static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 0x11, 0x22, 0x33};
static const uint8_t peer[6] = {0x00, 0x16, 0x3e, 0xaa, 0xbb, 0xcc};

struct world {
    struct fixture fx;
    struct net *net;
    void *dev;
    unsigned tail, rx_head;
};

static uint32_t rd(struct world *w, uint32_t reg) {
    return (uint32_t)mem_read(&w->fx, BAR + reg, 4);
}

static void wr(struct world *w, uint32_t reg, uint32_t val) {
    mem_write(&w->fx, BAR + reg, 4, val);
}

static struct world *build(unsigned offloads) {
    struct world *w = calloc(1, sizeof(*w));
    fixture_init(&w->fx);
    w->net = fixture_net(&w->fx);
    w->net->offloads = offloads;
    struct nic_pins pins = {.pci = w->fx.pci, .devfn = DEVFN, .clock = w->fx.clock, .net = w->net,
                            .qdev_id = ""};
    memcpy(pins.mac, mac, 6);
    w->dev = e1000_new(&pins);
    cfg_write(&w->fx, DEVFN, PCI_BAR0, 4, BAR);
    cfg_write(&w->fx, DEVFN, PCI_BAR0 + 4, 4, PORT);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
    wr(w, 0x3800, TX_RING);
    wr(w, 0x3808, RING * 16);
    wr(w, 0x2800, RX_RING);
    wr(w, 0x2808, RING * 16);
    return w;
}

static int setup(void **arg) {
    *arg = build(0);
    return 0;
}

static int setup_offloads(void **arg) {
    *arg = build(NET_CSUM | NET_TSO4 | NET_TSO6);
    return 0;
}

static int teardown(void **arg) {
    struct world *w = *arg;
    e1000_device.free(w->dev);
    assert_int_equal(w->fx.maps, 0);
    fixture_done(&w->fx);
    free(w);
    return 0;
}

/* ---- helpers of a driver ---- */

static uint8_t *ram(struct world *w, uint32_t at) {
    return w->fx.ram + at;
}

static uint8_t *tx_desc(struct world *w, unsigned i) {
    return ram(w, TX_RING + 16 * (i % RING));
}

static void put_desc(struct world *w, uint64_t addr, uint32_t word2, uint32_t word3) {
    uint8_t *d = tx_desc(w, w->tail);
    store_le64(d, addr);
    store_le32(d + 8, word2);
    store_le32(d + 12, word3);
    w->tail = (w->tail + 1) % RING;
}

/* 3.3.3: length, CSO, CMD; status, CSS, special */
static void legacy(struct world *w, uint32_t addr, unsigned len, unsigned cmd, unsigned cso,
                   unsigned css, unsigned special) {
    put_desc(w, addr, len | cso << 16 | cmd << 24, css << 8 | special << 16);
}

static void data(struct world *w, uint32_t addr, unsigned len, unsigned cmd, unsigned popts,
                 unsigned special) {
    put_desc(w, addr, len | 1u << 20 | (cmd | 0x20) << 24, popts << 8 | special << 16);
}

static void kick(struct world *w) {
    wr(w, 0x0400, 0x2);
    wr(w, 0x3818, w->tail);
}

static size_t sent(struct world *w, uint8_t *frame, struct net_meta *meta) {
    return fixture_sent(w->net, frame, 65536, meta);
}

static void fill(uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7 + i / 251);
}

/* Ethernet, IPv4 without options, TCP without options: 54 bytes of headers, then payload. */
static void make_tcp(uint8_t *f, size_t payload) {
    memset(f, 0, 54);
    memcpy(f, peer, 6);
    memcpy(f + 6, mac, 6);
    store_be16(f + 12, 0x0800);
    f[14] = 0x45;
    store_be16(f + 16, (uint16_t)(40 + payload));
    store_be16(f + 18, 0x1234);
    f[22] = 64;
    f[23] = 6;
    store_be32(f + 26, 0x0a000001);
    store_be32(f + 30, 0x0a000002);
    store_be16(f + 34, 1000);
    store_be16(f + 36, 2000);
    store_be32(f + 38, 0x01020304);
    f[46] = 0x50;
    f[47] = 0x19; /* ACK, PSH, FIN */
    fill(f + 54, payload);
}

/* The TCP pseudo header's sum, as drivers put it into the checksum field. */
static uint16_t pseudo(const uint8_t *f, size_t l4) {
    uint8_t extra[4] = {0, 6, (uint8_t)(l4 >> 8), (uint8_t)l4};
    return net_sum(net_sum(0, f + 26, 8), extra, 4);
}

static void check_tcp(const uint8_t *f, size_t len) {
    assert_int_equal(net_sum(0, f + 14, 20), 0xffff);
    assert_int_equal(load_be16(f + 16), len - 14);
    assert_int_equal(net_sum(pseudo(f, len - 34), f + 34, len - 34), 0xffff);
}

static void rx_start(struct world *w, uint32_t rctl, unsigned buffers, unsigned size) {
    for (unsigned i = 0; i < RING; i++) {
        store_le64(ram(w, RX_RING + 16 * i), RX_DATA + i * size);
        memset(ram(w, RX_RING + 16 * i + 8), 0xee, 8);
    }
    wr(w, 0x2810, 0);
    wr(w, 0x2818, buffers);
    wr(w, 0x0100, rctl | 2);
}

static const uint8_t *rx_desc(struct world *w, unsigned i) {
    return ram(w, RX_RING + 16 * i);
}

static void arrive(struct world *w, const uint8_t *dest, size_t len) {
    uint8_t f[16384];
    fill(f, len);
    memcpy(f, dest, 6);
    store_be16(f + 12, 0x88b5);
    assert_true(fixture_arrive(w->net, f, len, NULL));
}

static bool took(struct world *w, const uint8_t *dest) {
    uint32_t head = rd(w, 0x2810);
    arrive(w, dest, 100);
    bool moved = rd(w, 0x2810) != head;
    wr(w, 0x2818, (rd(w, 0x2810) + RING - 1) % RING);
    return moved;
}

/* ---- identity, EEPROM, PHY ---- */

static void test_identity(void **arg) {
    struct world *w = *arg;
    assert_int_equal(cfg_read(&w->fx, DEVFN, 0, 4), 0x100e8086);
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_CLASS, 2), 0x0200);
    assert_int_equal(rd(w, 0x5400), 0x113e1600);
    assert_int_equal(rd(w, 0x5404), 0x80003322);
    assert_int_equal(rd(w, 0x0008) & 0xc3, 0x83); /* full duplex, up, 1000 Mb/s */
}

static uint16_t eerd(struct world *w, unsigned word) {
    wr(w, 0x0014, word << 8 | 1);
    assert_int_equal(rd(w, 0x0014) & 0x10, 0x10);
    return (uint16_t)(rd(w, 0x0014) >> 16);
}

static void clock_bit(struct world *w, bool di) {
    wr(w, 0x0010, 0x42 | di << 2);
    wr(w, 0x0010, 0x43 | di << 2);
    wr(w, 0x0010, 0x42 | di << 2);
}

/* 93C46: start bit and opcode 110, 6 bits of address, then 16 bits come out. */
static uint16_t microwire(struct world *w, unsigned word) {
    uint16_t val = 0;
    wr(w, 0x0010, 0x40);
    assert_int_equal(rd(w, 0x0010) & 0x180, 0x180); /* granted, present */
    for (int i = 2; i >= 0; i--)
        clock_bit(w, 6 >> i & 1);
    for (int i = 5; i >= 0; i--)
        clock_bit(w, word >> i & 1);
    for (unsigned i = 0; i < 16; i++) {
        clock_bit(w, false);
        val = (uint16_t)(val << 1 | (rd(w, 0x0010) >> 3 & 1));
    }
    wr(w, 0x0010, 0);
    return val;
}

static void test_eeprom(void **arg) {
    struct world *w = *arg;
    uint16_t sum = 0;
    for (unsigned i = 0; i < 64; i++) {
        sum = (uint16_t)(sum + eerd(w, i));
        assert_int_equal(microwire(w, i), eerd(w, i));
    }
    assert_int_equal(sum, 0xbaba);
    assert_int_equal(eerd(w, 0), 0x1600);
    assert_int_equal(eerd(w, 2), 0x3322);
    assert_int_equal(eerd(w, 0x0d), 0x100e);
    wr(w, 0x0010, 0x42); /* selected and idle: ready */
    assert_int_equal(rd(w, 0x0010) & 8, 8);
}

static uint32_t mdic(struct world *w, unsigned phy, unsigned reg, uint32_t op) {
    wr(w, 0x0020, op | reg << 16 | phy << 21);
    assert_int_equal(rd(w, 0x0020) & 1u << 28, 1u << 28);
    return rd(w, 0x0020);
}

static uint16_t phy_read(struct world *w, unsigned reg) {
    return (uint16_t)mdic(w, 1, reg, 2u << 26);
}

static void test_phy(void **arg) {
    struct world *w = *arg;
    assert_int_equal(phy_read(w, 2), 0x0141);
    assert_int_equal(phy_read(w, 3) & 0xfff0, 0x0c20);
    assert_int_equal(phy_read(w, 0), 0x1140);
    assert_int_equal(phy_read(w, 1), 0x796d);
    assert_int_equal(mdic(w, 2, 2, 2u << 26) & 1u << 30, 1u << 30); /* no such PHY */
    mdic(w, 1, 4, 1u << 26 | 0x01e1);
    assert_int_equal(phy_read(w, 4), 0x01e1);
    mdic(w, 1, 2, 1u << 26 | 0xffff);
    assert_int_equal(phy_read(w, 2), 0x0141);
    wr(w, 0xd0, 0x200);
    mdic(w, 1, 2, 2u << 26 | 1u << 29);
    assert_true(w->fx.intx[3][0]);
    assert_int_equal(rd(w, 0xc0), 0x200);
    assert_false(w->fx.intx[3][0]);
}

/* Negotiation takes its time; LSC tells of its end. */
static void test_autoneg(void **arg) {
    struct world *w = *arg;
    mdic(w, 1, 0, 1u << 26 | 0x1340);
    assert_int_equal(rd(w, 0x0008) & 2, 0);
    assert_int_equal(phy_read(w, 1) & 0x24, 0);
    wr(w, 0xd0, 4);
    fixture_sleep(&w->fx, NS_PER_SEC);
    assert_int_equal(rd(w, 0x0008) & 2, 2);
    assert_true(w->fx.intx[3][0]);
    assert_int_equal(phy_read(w, 1) & 0x24, 0x24);
    assert_int_equal(phy_read(w, 0), 0x1140); /* restart clears itself */
}

static void test_link(void **arg) {
    struct world *w = *arg;
    wr(w, 0xd0, 4);
    net_set_link(w->net, false);
    assert_int_equal(rd(w, 0x0008) & 2, 0);
    assert_int_equal(rd(w, 0xc0), 4);
    net_set_link(w->net, true);
    assert_int_equal(rd(w, 0x0008) & 2, 2);
    assert_int_equal(rd(w, 0xc0), 4);
    assert_int_equal(phy_read(w, 1) & 4, 0); /* it was down since the last look */
    assert_int_equal(phy_read(w, 1) & 4, 4);
    assert_int_equal(phy_read(w, 17) & 0x0c00, 0x0c00);
}

/* ---- registers, as Linux' e1000 tests them ---- */

static void test_patterns(void **arg) {
    struct world *w = *arg;
    static const struct {
        uint32_t reg, mask, write;
    } rows[] = {
        {0x0028, 0xffffffff, 0xffffffff}, {0x002c, 0x0000ffff, 0xffffffff},
        {0x0030, 0x0000ffff, 0xffffffff}, {0x0038, 0x0000ffff, 0xffffffff},
        {0x2820, 0x0000ffff, 0x0000ffff}, {0x2804, 0xffffffff, 0xffffffff},
        {0x2808, 0x000fff80, 0x000fffff}, {0x2810, 0x0000ffff, 0x0000ffff},
        {0x2818, 0x0000ffff, 0x0000ffff}, {0x2168, 0x0000fff8, 0x0000fff8},
        {0x0170, 0x0000ffff, 0xffffffff}, {0x0410, 0x3fffffff, 0xffffffff},
        {0x3804, 0xffffffff, 0xffffffff}, {0x3808, 0x000fff80, 0x000fffff},
        {0x2800, 0xfffffff0, 0xffffffff}, {0x0178, 0xc000ffff, 0x0000ffff},
        {0x3800, 0xfffffff0, 0xffffffff}, {0x3820, 0x0000ffff, 0x0000ffff},
        {0x540c, 0x8003ffff, 0xffffffff}, {0x53fc, 0xffffffff, 0xffffffff},
        {0x57fc, 0xffffffff, 0xffffffff},
    };
    static const uint32_t patterns[] = {0x5a5a5a5a, 0xa5a5a5a5, 0x00000000, 0xffffffff};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        for (unsigned j = 0; j < ARRAY_LEN(patterns); j++) {
            wr(w, rows[i].reg, patterns[j] & rows[i].write);
            assert_int_equal(rd(w, rows[i].reg), patterns[j] & rows[i].write & rows[i].mask);
        }
    uint32_t before = rd(w, 0x0008);
    wr(w, 0x0008, 0xffffffff);
    assert_int_equal(rd(w, 0x0008), before);
    wr(w, 0x0100, 0x06dfb3fe);
    assert_int_equal(rd(w, 0x0100), 0x06dfb3fe);
}

/* 14.4: RST clears itself; the address comes from the EEPROM, the PCI function stays. */
static void test_reset(void **arg) {
    struct world *w = *arg;
    wr(w, 0x5400, 0x12345678);
    wr(w, 0x0100, 0x8002);
    wr(w, 0xd0, 0x80);
    wr(w, 0xc8, 0x80);
    assert_true(w->fx.intx[3][0]);
    wr(w, 0x0000, 1u << 26);
    assert_false(w->fx.intx[3][0]);
    assert_int_equal(rd(w, 0x0000) & 1u << 26, 0);
    assert_int_equal(rd(w, 0x5400), 0x113e1600);
    assert_int_equal(rd(w, 0x0100), 0);
    assert_int_equal(rd(w, 0x0038), 0x8100);
    assert_int_equal(rd(w, 0x1000), 0x00100030);
    assert_int_equal(cfg_read(&w->fx, DEVFN, PCI_BAR0, 4), BAR);
}

static void test_io_ports(void **arg) {
    struct world *w = *arg;
    out32(&w->fx, PORT, 0x5400);
    assert_int_equal(in32(&w->fx, PORT + 4), 0x113e1600);
    out32(&w->fx, PORT + 4, 0x11111111);
    assert_int_equal(rd(w, 0x5400), 0x11111111);
    out32(&w->fx, PORT, 0x80000000);
    assert_int_equal(in32(&w->fx, PORT + 4), 0);
    assert_int_equal(in32(&w->fx, PORT), 0x80000000);
}

/* ---- interrupts ---- */

static void test_causes(void **arg) {
    struct world *w = *arg;
    wr(w, 0xc8, 0x84);
    assert_false(w->fx.intx[3][0]);
    wr(w, 0xd0, 0x80);
    assert_true(w->fx.intx[3][0]);
    assert_int_equal(rd(w, 0xd0), 0x80);
    wr(w, 0xd8, 0x80);
    assert_false(w->fx.intx[3][0]);
    wr(w, 0xc0, 0x80); /* writing ones clears */
    assert_int_equal(rd(w, 0xc0), 4);
    assert_int_equal(rd(w, 0xc0), 0);
    for (unsigned i = 0; i < 10; i++) { /* the interrupt test of Linux' driver */
        wr(w, 0xd0, 1u << i);
        wr(w, 0xc8, 1u << i);
        assert_true(w->fx.intx[3][0]);
        assert_int_equal(rd(w, 0xc0), 1u << i);
        wr(w, 0xd8, 1u << i);
    }
}

/* 13.4.18: at least 100 * 256 ns from one interrupt to the next. */
static void test_itr(void **arg) {
    struct world *w = *arg;
    wr(w, 0xc4, 100);
    wr(w, 0xd0, 0x80);
    wr(w, 0xc8, 0x80);
    assert_int_equal(w->fx.intx_edges[3][0], 1); /* the first one at once */
    assert_true(clock_next(w->fx.clock) == TIMER_NEVER);
    rd(w, 0xc0);
    wr(w, 0xc8, 0x80);
    assert_false(w->fx.intx[3][0]);
    fixture_sleep(&w->fx, 25599);
    assert_false(w->fx.intx[3][0]);
    fixture_sleep(&w->fx, 1);
    assert_true(w->fx.intx[3][0]);
    assert_int_equal(rd(w, 0xc0), 0x80);
    fixture_sleep(&w->fx, 25600);
    wr(w, 0xc8, 0x80);
    assert_true(w->fx.intx[3][0]);
    rd(w, 0xc0);
    wr(w, 0xc8, 0x80);
    wr(w, 0xc4, 0); /* no interval any more */
    assert_true(w->fx.intx[3][0]);
}

/* 3.2.7.1: RDTR begins anew with each frame, RADV ends it. */
static void test_rx_delay(void **arg) {
    struct world *w = *arg;
    wr(w, 0x2820, 10);
    wr(w, 0x282c, 15);
    wr(w, 0xd0, 0x80);
    rx_start(w, 0x8000, 7, 2048);
    arrive(w, mac, 100);
    assert_false(w->fx.intx[3][0]);
    fixture_sleep(&w->fx, 9 * 1024);
    arrive(w, mac, 100);
    fixture_sleep(&w->fx, 6 * 1024 - 1);
    assert_false(w->fx.intx[3][0]);
    fixture_sleep(&w->fx, 1);
    assert_true(w->fx.intx[3][0]);
    assert_int_equal(rd(w, 0xc0) & 0x80, 0x80);
    arrive(w, mac, 100);
    assert_false(w->fx.intx[3][0]);
    wr(w, 0x2820, 0x8000000a); /* FPD */
    assert_true(w->fx.intx[3][0]);
}

static void test_tx_delay(void **arg) {
    struct world *w = *arg;
    uint8_t f[2048];
    wr(w, 0x3820, 8);
    wr(w, 0xd0, 1);
    legacy(w, TX_DATA, 100, 0x8b, 0, 0, 0); /* IDE */
    kick(w);
    assert_int_equal(sent(w, f, NULL), 100);
    assert_false(w->fx.intx[3][0]);
    fixture_sleep(&w->fx, 249999); /* TIDV is taken as no less than that */
    assert_false(w->fx.intx[3][0]);
    fixture_sleep(&w->fx, 1);
    assert_true(w->fx.intx[3][0]);
    assert_int_equal(rd(w, 0xc0) & 1, 1);
    wr(w, 0x3820, 1000); /* what is more is what the register says */
    legacy(w, TX_DATA, 100, 0x8b, 0, 0, 0);
    kick(w);
    sent(w, f, NULL);
    fixture_sleep(&w->fx, 1023999);
    assert_false(w->fx.intx[3][0]);
    fixture_sleep(&w->fx, 1);
    assert_true(w->fx.intx[3][0]);
    rd(w, 0xc0);
    legacy(w, TX_DATA, 100, 0x0b, 0, 0, 0); /* at once */
    kick(w);
    assert_true(w->fx.intx[3][0]);
}

static void send_delayed(struct world *w) {
    legacy(w, TX_DATA, 100, 0x8b, 0, 0, 0);
    kick(w);
}

/* A delayed TXDW is seen by whoever looks, comes with any other interrupt, when the ring gets
 * full, and wakes nobody while it is masked. */
static void test_tx_delay_ends(void **arg) {
    struct world *w = *arg;
    wr(w, 0x3820, 8);
    wr(w, 0xd0, 0x81);
    send_delayed(w);
    assert_int_equal(rd(w, 0xc0) & 1, 1);
    fixture_sleep(&w->fx, 1000000);
    assert_false(w->fx.intx[3][0]); /* it was seen */
    send_delayed(w);
    wr(w, 0xc8, 0x80);
    assert_true(w->fx.intx[3][0]);
    assert_int_equal(rd(w, 0xc0) & 0x81, 0x81);
    assert_true(clock_next(w->fx.clock) == TIMER_NEVER);
    for (unsigned i = 0; i < RING / 2; i++) {
        assert_false(w->fx.intx[3][0]);
        send_delayed(w);
    }
    assert_true(w->fx.intx[3][0]);
    rd(w, 0xc0);
    wr(w, 0xd8, 1);
    send_delayed(w);
    assert_true(clock_next(w->fx.clock) == TIMER_NEVER);
    fixture_sleep(&w->fx, 1000000);
    wr(w, 0xd0, 1);
    assert_true(w->fx.intx[3][0]);
    rd(w, 0xc0);
    wr(w, 0xd8, 1);
    send_delayed(w);
    wr(w, 0xd0, 1);
    assert_false(w->fx.intx[3][0]);
    fixture_sleep(&w->fx, 250000);
    assert_true(w->fx.intx[3][0]);
}

/* ---- sending ---- */

static void test_tx_legacy(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    fill(ram(w, TX_DATA), 3000);
    legacy(w, TX_DATA, 14, 0x02, 0, 0, 0);
    legacy(w, TX_DATA + 100, 1000, 0x0b, 0, 0, 0);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 1014);
    assert_memory_equal(f, ram(w, TX_DATA), 14);
    assert_memory_equal(f + 14, ram(w, TX_DATA + 100), 1000);
    assert_int_equal(tx_desc(w, 0)[12], 0); /* RS was not asked for */
    assert_int_equal(tx_desc(w, 1)[12], 1);
    assert_int_equal(rd(w, 0x3810), 2);
    assert_int_equal(rd(w, 0xc0), 3); /* TXDW, TXQE */
    assert_int_equal(rd(w, 0x4080), 1);
    assert_int_equal(rd(w, 0x40e8), 1); /* 512 to 1023 bytes */
    assert_int_equal(rd(w, 0x4088 + 8), 1018);
    assert_int_equal(rd(w, 0x4094), 0);
    assert_int_equal(rd(w, 0x4090), 0); /* cleared with the high half */
}

/* Descriptors of a frame may come with several writes of the tail. */
static void test_tx_in_parts(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    fill(ram(w, TX_DATA), 3000);
    legacy(w, TX_DATA, 60, 0x02, 0, 0, 0);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 0);
    assert_int_equal(w->fx.maps, 0);
    legacy(w, TX_DATA + 60, 60, 0x0b, 0, 0, 0);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 120);
    assert_memory_equal(f, ram(w, TX_DATA), 120);
}

static void test_tx_short(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    memset(ram(w, TX_DATA), 0xff, 64);
    legacy(w, TX_DATA, 20, 0x0b, 0, 0, 0);
    wr(w, 0x0400, 0xa); /* EN, PSP */
    wr(w, 0x3818, w->tail);
    assert_int_equal(sent(w, f, NULL), 60);
    assert_int_equal(f[19], 0xff);
    assert_int_equal(f[20] | f[59], 0);
}

static void test_tx_ring_wraps(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    for (unsigned i = 0; i < 20; i++) {
        legacy(w, TX_DATA, 60 + i, 0x0b, 0, 0, 0);
        kick(w);
        assert_int_equal(sent(w, f, NULL), 60 + i);
    }
    assert_int_equal(rd(w, 0x3810), 20 % RING);
    wr(w, 0x3818, 500); /* beyond the ring */
    assert_int_equal(sent(w, f, NULL), 0);
}

static void test_tx_vlan(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    fill(ram(w, TX_DATA), 100);
    legacy(w, TX_DATA, 100, 0x4b, 0, 0, 0x6123);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 100); /* VME is off */
    wr(w, 0x0000, 1u << 30);
    legacy(w, TX_DATA, 100, 0x4b, 0, 0, 0x6123);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 104);
    assert_memory_equal(f, ram(w, TX_DATA), 12);
    assert_int_equal(load_be32(f + 12), 0x81006123);
    assert_memory_equal(f + 16, ram(w, TX_DATA + 12), 88);
}

/* 3.5.4: IP and TCP checksums put in by us, where the link can't. */
static void context(struct world *w, unsigned tucmd, unsigned paylen, unsigned hdrlen,
                    unsigned mss) {
    put_desc(w, 14 | 24u << 8 | 33u << 16 | (uint64_t)(34 | 50u << 8) << 32,
             paylen | (tucmd | 0x20) << 24, hdrlen << 8 | mss << 16);
}

static void test_tx_checksums(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    make_tcp(ram(w, TX_DATA), 301);
    store_be16(ram(w, TX_DATA + 50), pseudo(ram(w, TX_DATA), 321));
    context(w, 3, 0, 0, 0);
    data(w, TX_DATA, 355, 0x0b, 3, 0);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 355);
    check_tcp(f, 355);
    assert_int_equal(load_be16(ram(w, TX_DATA + 24)), 0); /* the driver's own stays */
    /* the legacy way: sum from CSS on, put at CSO */
    store_be16(ram(w, TX_DATA + 24), load_be16(f + 24));
    legacy(w, TX_DATA, 355, 0x0f, 50, 34, 0);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 355);
    check_tcp(f, 355);
    /* and the context stays for frames to come */
    data(w, TX_DATA, 355, 0x0b, 2, 0);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 355);
    check_tcp(f, 355);
}

static void test_tx_checksum_undone(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    struct net_meta meta;
    make_tcp(ram(w, TX_DATA), 301);
    context(w, 3, 0, 0, 0);
    wr(w, 0x0000, 1u << 30);
    data(w, TX_DATA, 355, 0x4b, 2, 5);
    kick(w);
    assert_int_equal(sent(w, f, &meta), 359);
    assert_int_equal(meta.flags, NET_META_CSUM);
    assert_int_equal(meta.csum_start, 38);
    assert_int_equal(meta.csum_offset, 16);
}

static void send_tso(struct world *w, unsigned cmd) {
    make_tcp(ram(w, TX_DATA), 4000);
    store_be16(ram(w, TX_DATA + 16), 0);
    store_be16(ram(w, TX_DATA + 50), pseudo(ram(w, TX_DATA), 0));
    context(w, 7, 4000, 54, 1460);
    data(w, TX_DATA, 54, 0x06 | (cmd & 0x40), 3, 7);
    data(w, TX_DATA + 54, 4000, 0x0f | cmd, 3, 7);
    kick(w);
}

static void check_segments(struct world *w) {
    static const size_t lengths[] = {1514, 1514, 1134};
    uint8_t f[65536];
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(sent(w, f, NULL), lengths[i]);
        check_tcp(f, lengths[i]);
        assert_int_equal(load_be16(f + 18), 0x1234 + i);
        assert_int_equal(load_be32(f + 38), 0x01020304 + 1460 * i);
        assert_int_equal(f[47], i == 2 ? 0x19 : 0x10);
        assert_memory_equal(f + 54, ram(w, TX_DATA + 54 + 1460 * i), lengths[i] - 54);
    }
    assert_int_equal(sent(w, f, NULL), 0);
}

static void test_tso(void **arg) {
    struct world *w = *arg;
    send_tso(w, 0);
    check_segments(w);
    assert_int_equal(rd(w, 0x40d4), 3);        /* TPT */
    assert_int_equal(rd(w, 0x40f8), 1);        /* TSCTC */
    assert_int_equal(rd(w, 0x40ec), 3);        /* 1024 and more */
    assert_int_equal(rd(w, 0x40c8), 4000 + 3 * 58);
}

static void test_tso_undone(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    struct net_meta meta;
    send_tso(w, 0);
    assert_int_equal(sent(w, f, &meta), 4054);
    assert_int_equal(meta.gso_type, NET_GSO_TCP4);
    assert_int_equal(meta.gso_size, 1460);
    assert_int_equal(meta.hdr_len, 54);
    assert_int_equal(load_be16(f + 16), 4040);
    assert_int_equal(load_be16(f + 50), pseudo(f, 4020));
    assert_memory_equal(f + 54, ram(w, TX_DATA + 54), 4000);
    wr(w, 0x0000, 1u << 30);
    send_tso(w, 0x40);
    assert_int_equal(sent(w, f, &meta), 4058);
    assert_int_equal(load_be32(f + 12), 0x81000007);
    assert_int_equal(meta.hdr_len, 58);
}

/* The link fills up in the midst of the segments; nothing is lost or sent twice. */
static void test_no_room(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    fixture_net_room(w->net, 1);
    send_tso(w, 0);
    assert_int_equal(fixture_sent_count(w->net), 1);
    assert_int_equal(rd(w, 0x3810), 2); /* the last descriptor is still ours */
    assert_int_equal(tx_desc(w, 2)[12] & 1, 0);
    legacy(w, TX_DATA, 77, 0x0b, 0, 0, 0);
    kick(w);
    assert_int_equal(fixture_sent_count(w->net), 1);
    fixture_net_room(w->net, UINT_MAX);
    assert_int_equal(fixture_sent_count(w->net), 4);
    assert_int_equal(rd(w, 0x3810), 4);
    assert_int_equal(tx_desc(w, 2)[12] & 1, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(sent(w, f, NULL), 77);
    assert_int_equal(sent(w, f, NULL), 77);
    /* what waits is forgotten when the transmitter is turned off */
    fixture_net_room(w->net, 0);
    legacy(w, TX_DATA, 77, 0x0b, 0, 0, 0);
    kick(w);
    wr(w, 0x0400, 0);
    fixture_net_room(w->net, UINT_MAX);
    assert_int_equal(sent(w, f, NULL), 0);
    wr(w, 0x0400, 2);
    assert_int_equal(sent(w, f, NULL), 77); /* but its descriptor was not taken */
}

/* Descriptors that lead nowhere or say nonsense. */
static void test_tx_nonsense(void **arg) {
    struct world *w = *arg;
    uint8_t f[65536];
    data(w, 0xfffff000, 100, 0x0b, 0, 0); /* beyond RAM */
    kick(w);
    assert_int_equal(sent(w, f, NULL), 100);
    assert_int_equal(f[50], 0xff);
    data(w, TX_DATA, 0xfffff, 0x0b, 0, 0); /* a megabyte */
    context(w, 7, 100, 200, 0);            /* headers longer than the frame, no size */
    data(w, TX_DATA, 100, 0x0f, 3, 0);
    data(w, TX_DATA, 5, 0x0b, 3, 0);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 0);
    assert_int_equal(rd(w, 0x3810), w->tail);
    for (unsigned i = 0; i < 300; i++) { /* a frame that never ends */
        legacy(w, TX_DATA, 1, 0x0a, 0, 0, 0);
        kick(w);
    }
    legacy(w, TX_DATA, 1, 0x0b, 0, 0, 0);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 0);
    legacy(w, TX_DATA, 60, 0x0b, 0, 0, 0);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 60);
}

/* A queue of thousands does not hold up the machine. */
static void test_tx_flood(void **arg) {
    struct world *w = *arg;
    for (unsigned i = 0; i < 1024; i++) {
        store_le64(ram(w, 0x80000 + 16 * i), TX_DATA);
        store_le32(ram(w, 0x80000 + 16 * i + 8), 60 | 0x0bu << 24);
    }
    wr(w, 0x3800, 0x80000);
    wr(w, 0x3808, 1024 * 16);
    wr(w, 0x0400, 2);
    wr(w, 0x3818, 1023);
    assert_int_equal(rd(w, 0x3810), 256);
    fixture_sleep(&w->fx, 1);
    assert_int_equal(rd(w, 0x3810), 1023);
}

/* PHY loopback, as drivers test themselves. */
static void test_loopback(void **arg) {
    struct world *w = *arg;
    fill(ram(w, TX_DATA), 1024);
    memset(ram(w, TX_DATA), 0xff, 6);
    mdic(w, 1, 0, 1u << 26 | 0x4140);
    rx_start(w, 0x8000, 7, 2048);
    legacy(w, TX_DATA, 1024, 0x0b, 0, 0, 0);
    kick(w);
    assert_int_equal(fixture_sent_count(w->net), 0);
    assert_int_equal(rd(w, 0x2810), 1);
    assert_memory_equal(ram(w, RX_DATA), ram(w, TX_DATA), 1024);
}

/* ---- receiving ---- */

static void test_rx(void **arg) {
    struct world *w = *arg;
    uint8_t want[1000];
    wr(w, 0xd0, 0x80);
    rx_start(w, 0x8000, 2, 2048);
    arrive(w, mac, 1000);
    fill(want, 1000);
    memcpy(want, mac, 6);
    store_be16(want + 12, 0x88b5);
    assert_memory_equal(ram(w, RX_DATA), want, 1000);
    assert_int_equal(load_le16(rx_desc(w, 0) + 8), 1004); /* with FCS */
    assert_int_equal(rx_desc(w, 0)[12], 0x07);            /* DD, EOP, IXSM */
    assert_int_equal(rx_desc(w, 0)[13], 0);
    assert_true(w->fx.intx[3][0]);
    assert_int_equal(rd(w, 0xc0) & 0x90, 0x90); /* few are left, too */
    assert_int_equal(rd(w, 0x4074), 1);
    assert_int_equal(rd(w, 0x4088), 1004);
    assert_int_equal(rd(w, 0x406c), 1);
    /* short frames are padded, the FCS is left out if so asked */
    wr(w, 0x0100, 0x04008002);
    arrive(w, mac, 20);
    assert_int_equal(load_le16(rx_desc(w, 1) + 8), 60);
    /* no descriptor: it waits on the host */
    arrive(w, mac, 500);
    assert_int_equal(fixture_waiting(w->net), 1);
    wr(w, 0x2818, 3);
    fixture_frames(&w->fx);
    assert_int_equal(fixture_waiting(w->net), 0);
    assert_int_equal(load_le16(rx_desc(w, 2) + 8), 500);
}

static void test_rx_filters(void **arg) {
    struct world *w = *arg;
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t group[6] = {0x01, 0x00, 0x5e, 0x00, 0x12, 0x34};
    rx_start(w, 0, 7, 2048);
    assert_true(took(w, mac));
    assert_false(took(w, peer) || took(w, all) || took(w, group));
    wr(w, 0x0100, 0x8002); /* BAM */
    assert_true(took(w, all) && !took(w, group));
    wr(w, 0x0100, 0x000a); /* UPE */
    assert_true(took(w, peer) && !took(w, group));
    wr(w, 0x0100, 0x0012); /* MPE */
    assert_true(took(w, group) && !took(w, peer));
    /* 13.5.1: bits 47:36 of the address are 0x341 */
    wr(w, 0x0100, 0x0002);
    wr(w, 0x5200 + 4 * (0x341 >> 5), 1u << (0x341 & 31));
    assert_true(took(w, group));
    assert_int_equal(rx_desc(w, (rd(w, 0x2810) + RING - 1) % RING)[12] & 0x80, 0x80); /* PIF */
    wr(w, 0x0100, 0x3002); /* another slice of it: 43:32, 0x412 */
    assert_false(took(w, group));
    wr(w, 0x5200 + 4 * (0x412 >> 5), 1u << (0x412 & 31));
    assert_true(took(w, group));
    /* another exact address */
    wr(w, 0x5400 + 8 * 15, load_le32(peer));
    assert_false(took(w, peer));
    wr(w, 0x5404 + 8 * 15, 0x80000000 | load_le16(peer + 4));
    assert_true(took(w, peer));
    assert_int_equal(rd(w, 0x407c), 3); /* MPRC */
    assert_int_equal(rd(w, 0x4078), 1); /* BPRC */
}

static void arrive_tagged(struct world *w, unsigned tci) {
    uint8_t f[200];
    fill(f, sizeof(f));
    memcpy(f, mac, 6);
    store_be32(f + 12, 0x81000000 | tci);
    fixture_arrive(w->net, f, sizeof(f), NULL);
}

static void test_rx_vlan(void **arg) {
    struct world *w = *arg;
    uint8_t want[200];
    fill(want, sizeof(want));
    rx_start(w, 0x8000, 7, 2048);
    arrive_tagged(w, 0x2064);
    assert_int_equal(load_le16(rx_desc(w, 0) + 8), 204); /* VME off: as it is */
    wr(w, 0x0000, 1u << 30);
    arrive_tagged(w, 0x2064);
    assert_int_equal(load_le16(rx_desc(w, 1) + 8), 200);
    assert_int_equal(rx_desc(w, 1)[12] & 8, 8);
    assert_int_equal(load_le16(rx_desc(w, 1) + 14), 0x2064);
    assert_memory_equal(ram(w, RX_DATA + 2048 + 12), want + 16, 184);
    wr(w, 0x0100, 0x00048002); /* VFE */
    arrive_tagged(w, 0x2064);
    assert_int_equal(rd(w, 0x2810), 2);
    wr(w, 0x5600 + 4 * (0x64 >> 5), 1u << (0x64 & 31));
    arrive_tagged(w, 0x2064);
    assert_int_equal(rd(w, 0x2810), 3);
    wr(w, 0x0100, 0x000c8002); /* CFIEN: CFI must be as RCTL says, 0 */
    arrive_tagged(w, 0x3064);
    assert_int_equal(rd(w, 0x2810), 3);
    /* the longest frame: all that is behind the tag moves */
    uint8_t f[1518];
    fill(f, sizeof(f));
    memcpy(f, mac, 6);
    store_be16(f + 12, 0x8100);
    store_be16(f + 14, 0x0064);
    assert_true(fixture_arrive(w->net, f, sizeof(f), NULL));
    assert_int_equal(load_le16(rx_desc(w, 3) + 8), 1518);
    assert_memory_equal(ram(w, RX_DATA + 3 * 2048), f, 12);
    assert_memory_equal(ram(w, RX_DATA + 3 * 2048 + 12), f + 16, 1502);
}

/* Long frames: LPE, and several buffers each. */
static void test_rx_jumbo(void **arg) {
    struct world *w = *arg;
    uint8_t want[9000];
    rx_start(w, 0x8000, 7, 2048);
    arrive(w, mac, 1518);
    assert_int_equal(rd(w, 0x2810), 1);
    /* without LPE nothing is written behind 1522 bytes of a buffer, whatever comes */
    memset(ram(w, RX_DATA + 2048), 0x77, 2048);
    arrive(w, mac, 9000);
    for (unsigned i = 1522; i < 2048; i++)
        assert_int_equal(*ram(w, RX_DATA + 2048 + i), 0x77);
    assert_int_equal(rd(w, 0x2810), 1);
    arrive(w, mac, 1519);
    assert_int_equal(rd(w, 0x2810), 1);
    assert_int_equal(rd(w, 0x40ac), 2); /* ROC */
    wr(w, 0x0100, 0x8022);
    arrive(w, mac, 9000);
    fill(want, sizeof(want));
    assert_int_equal(rd(w, 0x2810), 6);
    for (unsigned i = 1; i < 5; i++) {
        assert_int_equal(load_le16(rx_desc(w, i) + 8), 2048);
        assert_int_equal(rx_desc(w, i)[12], 1);
    }
    assert_int_equal(load_le16(rx_desc(w, 5) + 8), 9004 - 4 * 2048);
    assert_int_equal(rx_desc(w, 5)[12] & 3, 3);
    assert_memory_equal(ram(w, RX_DATA + 2048 + 14), want + 14, 9000 - 14);
    /* not enough buffers: missed, and the guest is told */
    rd(w, 0xc0);
    arrive(w, mac, 9000);
    assert_int_equal(rd(w, 0x2810), 6);
    assert_int_equal(rd(w, 0x4010), 1);
    assert_int_equal(rd(w, 0xc0) & 0x40, 0x40);
    /* buffers of 256 bytes */
    rx_start(w, 0x00038000, 7, 256);
    arrive(w, mac, 1000);
    assert_int_equal(rd(w, 0x2810), 4);
    assert_int_equal(load_le16(rx_desc(w, 3) + 8), 1004 - 3 * 256);
    /* and of 4096 */
    rx_start(w, 0x02038000, 7, 4096);
    arrive(w, mac, 1000);
    assert_int_equal(load_le16(rx_desc(w, 0) + 8), 1004);
}

static void test_rx_checksums(void **arg) {
    struct world *w = *arg;
    uint8_t f[400];
    struct net_meta undone = {.flags = NET_META_CSUM, .csum_start = 34, .csum_offset = 16};
    struct net_meta valid = {.flags = NET_META_VALID};
    assert_int_equal(fixture_accepted(w->net), NET_CSUM);
    make_tcp(f, 301);
    memcpy(f, mac, 6);
    store_be16(f + 24, (uint16_t)~net_sum(0, f + 14, 20));
    wr(w, 0x5000, 0x300);
    rx_start(w, 0x8000, 7, 2048);
    /* left to us: done in the guest's memory */
    store_be16(f + 50, pseudo(f, 321));
    fixture_arrive(w->net, f, 355, &undone);
    assert_int_equal(rx_desc(w, 0)[12] & 0x64, 0x60);
    assert_int_equal(rx_desc(w, 0)[13], 0);
    check_tcp(ram(w, RX_DATA), 355);
    /* nobody looked: we do */
    fixture_arrive(w->net, f, 355, NULL);
    assert_int_equal(rx_desc(w, 1)[12] & 0x64, 0x60);
    assert_int_equal(rx_desc(w, 1)[13], 0x20); /* TCPE */
    fixture_arrive(w->net, ram(w, RX_DATA), 355, NULL);
    assert_int_equal(rx_desc(w, 2)[13], 0);
    f[25] ^= 1;
    fixture_arrive(w->net, f, 355, NULL);
    assert_int_equal(rx_desc(w, 3)[13], 0x60); /* IPE, TCPE */
    fixture_arrive(w->net, f, 355, &valid);
    assert_int_equal(rx_desc(w, 4)[13], 0);
    wr(w, 0x5000, 0);
    fixture_arrive(w->net, f, 355, NULL);
    assert_int_equal(rx_desc(w, 5)[12] & 0x64, 0x04);
}

/* Without Bus Master Enable nothing moves. */
static void test_no_master(void **arg) {
    struct world *w = *arg;
    uint8_t f[2048];
    rx_start(w, 0x8000, 7, 2048);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_MEM);
    arrive(w, mac, 100);
    assert_int_equal(fixture_waiting(w->net), 1);
    legacy(w, TX_DATA, 60, 0x0b, 0, 0, 0);
    kick(w);
    assert_int_equal(sent(w, f, NULL), 0);
    cfg_write(&w->fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
    assert_int_equal(sent(w, f, NULL), 60);
    fixture_frames(&w->fx);
    assert_int_equal(rd(w, 0x2810), 1);
}

static void test_no_cable(void **arg) {
    (void)arg;
    struct fixture fx;
    fixture_init(&fx);
    struct nic_pins pins = {.pci = fx.pci, .devfn = DEVFN, .clock = fx.clock, .qdev_id = ""};
    void *dev = e1000_new(&pins);
    cfg_write(&fx, DEVFN, PCI_BAR0, 4, BAR);
    cfg_write(&fx, DEVFN, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
    assert_int_equal(mem_read(&fx, BAR + 8, 4) & 2, 0);
    mem_write(&fx, BAR + 0x3808, 4, 128);
    mem_write(&fx, BAR + 0x400, 4, 2);
    mem_write(&fx, BAR + 0x3818, 4, 4);
    assert_int_equal(mem_read(&fx, BAR + 0x3810, 4), 4);
    e1000_device.free(dev);
    fixture_done(&fx);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_OFFLOADS(f) cmocka_unit_test_setup_teardown(f, setup_offloads, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_identity), TEST(test_eeprom), TEST(test_phy), TEST(test_autoneg),
        TEST(test_link), TEST(test_patterns), TEST(test_reset), TEST(test_io_ports),
        TEST(test_causes), TEST(test_itr), TEST(test_rx_delay), TEST(test_tx_delay),
        TEST(test_tx_delay_ends),
        TEST(test_tx_legacy), TEST(test_tx_in_parts), TEST(test_tx_short),
        TEST(test_tx_ring_wraps), TEST(test_tx_vlan), TEST(test_tx_checksums),
        TEST_OFFLOADS(test_tx_checksum_undone), TEST(test_tso), TEST_OFFLOADS(test_tso_undone),
        TEST(test_no_room), TEST(test_tx_nonsense), TEST(test_tx_flood), TEST(test_loopback),
        TEST(test_rx), TEST(test_rx_filters), TEST(test_rx_vlan), TEST(test_rx_jumbo),
        TEST(test_rx_checksums), TEST(test_no_master), cmocka_unit_test(test_no_cable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
