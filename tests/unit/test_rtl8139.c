/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RTL8139C+ as drivers use it, register by register of its datasheet: the four descriptors and
 * the byte ring, the two descriptor rings, EEPROM, PHY, timer.
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
#include "net/rtl8139.h"

enum { DEVFN = 0x18, IO = 0xc000, MEM = 0xe0000000, SLOT = DEVFN >> 3 };
enum { TX_BUF = 0x8000, RX_RING = 0x10000, TX_RING = 0x4000, HI_RING = 0x5000, RD_RING = 0x6000,
       RX_BUF = 0x20000 };

static struct fixture fx;
static struct net *net;
static void *nic;
static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 0x0a, 0x0b, 0x0c};
static uint8_t out[70000];
static size_t out_len;

static uint16_t reg16(unsigned off) {
    return in16(&fx, (uint16_t)(IO + off));
}

static uint32_t reg32(unsigned off) {
    return in32(&fx, (uint16_t)(IO + off));
}

static uint8_t reg8(unsigned off) {
    return in8(&fx, (uint16_t)(IO + off));
}

static void set8(unsigned off, uint8_t v) {
    out8(&fx, (uint16_t)(IO + off), v);
}

static void set16(unsigned off, uint16_t v) {
    out16(&fx, (uint16_t)(IO + off), v);
}

static void set32(unsigned off, uint32_t v) {
    out32(&fx, (uint16_t)(IO + off), v);
}

static int setup(void **arg) {
    (void)arg;
    fixture_init(&fx);
    net = fixture_net(&fx);
    struct nic_pins pins = {.pci = fx.pci, .devfn = DEVFN, .clock = fx.clock, .net = net};
    memcpy(pins.mac, mac, 6);
    nic = rtl8139_new(&pins);
    cfg_write(&fx, DEVFN, 0x10, 4, IO);
    cfg_write(&fx, DEVFN, 0x14, 4, MEM);
    cfg_write(&fx, DEVFN, 0x04, 2, 7);
    return 0;
}

static int teardown(void **arg) {
    (void)arg;
    rtl8139_device.free(nic);
    assert_int_equal(fx.maps, 0);
    fixture_done(&fx);
    return 0;
}

/* Takes the next frame that was sent. */
static size_t sent(struct net_meta *meta) {
    out_len = fixture_sent(net, out, sizeof(out), meta);
    return out_len;
}

/* ---- identity, EEPROM, configuration ---- */

static void test_identity(void **arg) {
    (void)arg;
    assert_int_equal(cfg_read(&fx, DEVFN, 0, 4), 0x813910ec);
    assert_int_equal(cfg_read(&fx, DEVFN, 8, 4), 0x02000020);
    assert_int_equal(reg32(0x40) & 0x7cc00000, 0x74800000); /* TCR: 8139C+ */
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(reg8(i), mac[i]);
        assert_int_equal(mem_read(&fx, MEM + i, 1), mac[i]);
    }
    assert_int_equal(reg8(0x37), 0x01); /* CR: the ring is empty */
    assert_int_equal(reg16(0x38), 0xfff0);
    assert_int_equal(reg16(0x60), 0x000f); /* TSAD: all OWN */
}

static void clock_bit(unsigned bit) {
    set8(0x50, (uint8_t)(0x88 | bit << 1));
    set8(0x50, (uint8_t)(0x8c | bit << 1));
}

/* As drivers do: `length` bits of address after the start bit and the opcode. */
static uint16_t read_eeprom(unsigned address, unsigned length) {
    uint16_t word = 0;
    unsigned command = 6u << length | address;
    set8(0x50, 0x80);
    set8(0x50, 0x88);
    for (unsigned i = length + 5; i-- > 0;)
        clock_bit(command >> i & 1);
    set8(0x50, 0x88);
    for (unsigned i = 0; i < 16; i++) {
        set8(0x50, 0x8c);
        word = (uint16_t)(word << 1 | (reg8(0x50) & 1));
        set8(0x50, 0x88);
    }
    set8(0x50, 0);
    return word;
}

static void test_eeprom(void **arg) {
    (void)arg;
    assert_int_equal(read_eeprom(0, 6), 0x8129);
    assert_int_not_equal(read_eeprom(0, 8), 0x8129); /* how drivers tell a 93C46 from a 93C56 */
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(read_eeprom(7 + i, 6), load_le16(mac + 2 * i));
}

static void command(unsigned bits, unsigned n) {
    set8(0x50, 0x80);
    set8(0x50, 0x88);
    while (n-- > 0)
        clock_bit(bits >> n & 1);
    set8(0x50, 0x80);
}

static void test_eeprom_write(void **arg) {
    (void)arg;
    command(0x145 << 16 | 0x1234, 25); /* WRITE 5 while disabled */
    assert_int_equal(read_eeprom(5, 6), 0x4020);
    command(0x130, 9); /* EWEN */
    command(0x145 << 16 | 0x1234, 25);
    assert_int_equal(read_eeprom(5, 6), 0x1234);
    command(0x1c5, 9); /* ERASE 5 */
    assert_int_equal(read_eeprom(5, 6), 0xffff);
    command(0x147 << 16 | 0x0201, 25); /* an address of one's own, and load it */
    set8(0x50, 0x40);
    assert_int_equal(reg8(0x50), 0);
    assert_int_equal(reg16(0), 0x0201);
}

static void test_config_lock(void **arg) {
    (void)arg;
    uint8_t before = reg8(0x59);
    set8(0x59, (uint8_t)(before ^ 0x20));
    set32(0, 0x44332211);
    assert_int_equal(reg8(0x59), before);
    assert_int_equal(reg8(0), mac[0]);
    set8(0x50, 0xc0);
    set8(0x59, (uint8_t)(before ^ 0x20));
    set32(0, 0x44332211);
    set8(0x50, 0);
    assert_int_equal(reg8(0x59), before ^ 0x20);
    assert_int_equal(reg32(0), 0x44332211);
    set8(0x37, 0x10); /* a software reset leaves them */
    assert_int_equal(reg32(0), 0x44332211);
}

static void test_phy(void **arg) {
    (void)arg;
    assert_int_equal(reg16(0x62), 0x1000);
    assert_int_equal(reg16(0x64) & 0x24, 0x24); /* negotiated, link */
    assert_int_equal(reg8(0x58) & 0x04, 0);     /* LINKB */
    set16(0x3c, 0x0020);
    net_set_link(net, false);
    assert_int_equal(reg16(0x3e), 0x0020);
    assert_true(fx.intx[SLOT][0]);
    assert_int_equal(reg16(0x64) & 0x24, 0);
    assert_int_equal(reg8(0x58) & 0x04, 0x04);
    set16(0x3e, 0x0020);
    assert_false(fx.intx[SLOT][0]);
    net_set_link(net, true);
    assert_true(fx.intx[SLOT][0]);
    set16(0x62, 0x9200); /* PHY reset clears itself */
    assert_int_equal(reg16(0x62), 0x1000);
}

/* 30 ns a tick; the interrupt comes once. */
static void test_timer(void **arg) {
    (void)arg;
    set16(0x3c, 0x4000);
    set32(0x48, 0);
    set32(0x54, 1000);
    fixture_sleep(&fx, 29000);
    assert_false(fx.intx[SLOT][0]);
    assert_in_range(reg32(0x48), 960, 970);
    fixture_sleep(&fx, 2000);
    assert_true(fx.intx[SLOT][0]);
    assert_int_equal(clock_next(fx.clock), TIMER_NEVER);
    set32(0x48, 0);
    set16(0x3e, 0x4000);
    assert_false(fx.intx[SLOT][0]);
    fixture_sleep(&fx, 31000);
    assert_true(fx.intx[SLOT][0]);
    set32(0x54, 0);
    set16(0x3e, 0x4000);
    assert_int_equal(clock_next(fx.clock), TIMER_NEVER);
}

/* ---- four descriptors ---- */

static void fill(uint32_t at, size_t len, unsigned seed) {
    for (size_t i = 0; i < len; i++)
        fx.ram[at + i] = (uint8_t)(i * 31 + seed);
}

static void test_send_four(void **arg) {
    (void)arg;
    set8(0x37, 0x04);
    set16(0x3c, 0x0004);
    for (unsigned i = 0; i < 6; i++) {
        unsigned n = i % 4;
        fill(TX_BUF + 4096 * n + 3, 1514, i);
        set32(0x20 + 4 * n, TX_BUF + 4096 * n + 3);
        set32(0x10 + 4 * n, (uint32_t)(60 + 200 * i));
        assert_int_equal(sent(NULL), 60 + 200 * i);
        assert_memory_equal(out, fx.ram + TX_BUF + 4096 * n + 3, out_len);
        assert_int_equal(reg32(0x10 + 4 * n) & 0xe000, 0xa000); /* TOK, OWN */
        assert_int_equal(reg16(0x3e), 0x0004);
        fixture_sleep(&fx, 250000);
        assert_true(fx.intx[SLOT][0]);
        set16(0x3e, 0x0004);
        assert_false(fx.intx[SLOT][0]);
    }
    assert_int_equal(reg16(0x60), 0xf00f);
}

static void test_send_waits(void **arg) {
    (void)arg;
    fixture_net_room(net, 1);
    set8(0x37, 0x04);
    for (unsigned i = 0; i < 3; i++) {
        fill(TX_BUF + 2048 * i, 100, i);
        set32(0x20 + 4 * i, TX_BUF + 2048 * i);
        set32(0x10 + 4 * i, 100);
    }
    assert_int_equal(fixture_sent_count(net), 1);
    assert_int_equal(reg32(0x14) & 0x2000, 0);
    fixture_net_room(net, UINT_MAX);
    assert_int_equal(fixture_sent_count(net), 3);
    for (unsigned i = 0; i < 3; i++) {
        sent(NULL);
        assert_memory_equal(out, fx.ram + TX_BUF + 2048 * i, 100);
    }
    assert_int_equal(reg32(0x18) & 0xe000, 0xa000);
    /* without bus mastering nothing is read or sent */
    cfg_write(&fx, DEVFN, 4, 2, 3);
    set32(0x1c, 100);
    assert_int_equal(fixture_sent_count(net), 0);
}

static void test_loop_back(void **arg) {
    (void)arg;
    set32(0x30, RX_RING);
    set8(0x37, 0x0c);
    set32(0x44, 0x8f);
    set32(0x40, 0x60000);
    fill(TX_BUF, 100, 1);
    set32(0x20, TX_BUF);
    set32(0x10, 100);
    assert_int_equal(fixture_sent_count(net), 0);
    assert_int_equal(load_le16(fx.ram + RX_RING + 2), 104);
    assert_memory_equal(fx.ram + RX_RING + 4, fx.ram + TX_BUF, 100);
}

/* ---- the byte ring ---- */

static uint8_t frame[9000];

/* A frame to us, or to `dst`. */
static const uint8_t *make(const uint8_t *dst, size_t len, unsigned seed) {
    for (size_t i = 0; i < len; i++)
        frame[i] = (uint8_t)(i * 7 + seed);
    memcpy(frame, dst, 6);
    return frame;
}

static void receiver_on(uint32_t rcr) {
    set32(0x30, RX_RING);
    set8(0x37, 0x0c);
    set32(0x44, rcr);
    set16(0x3c, 0x0001);
}

/* What a driver does with one frame; false: the ring is empty. */
static bool take(uint32_t *at, uint32_t size, bool wrap, size_t len) {
    if (reg8(0x37) & 1)
        return false;
    const uint8_t *h = fx.ram + RX_RING + *at;
    assert_int_equal(load_le16(h) & 1, 1);
    size_t got = load_le16(h + 2);
    assert_int_equal(got, len + 4);
    for (size_t i = 0; i < len; i++) {
        size_t off = *at + 4 + i;
        assert_int_equal(fx.ram[RX_RING + (wrap ? off : off % size)], frame[i]);
    }
    *at = (uint32_t)((*at + got + 4 + 3) & ~3u) % size;
    set16(0x38, (uint16_t)(*at - 16));
    return true;
}

/* Round the ring several times, with and without the room after its end. */
static void round_and_round(bool wrap, unsigned rblen) {
    uint32_t at = 0, size = 8192u << rblen;
    receiver_on(0x0e | (wrap ? 0x80 : 0) | rblen << 11);
    for (unsigned i = 0; i < 200; i++) {
        size_t len = 60 + i * 97 % 1455;
        assert_true(fixture_arrive(net, make(mac, len, i), len, NULL));
        assert_true(fx.intx[SLOT][0]);
        set16(0x3e, 0x0001);
        assert_true(take(&at, size, wrap && rblen < 3, len));
        assert_int_equal(reg16(0x3a), at);
    }
    assert_false(take(&at, size, wrap, 0));
}

static void test_ring(void **arg) {
    (void)arg;
    round_and_round(false, 0);
}

static void test_ring_wrap(void **arg) {
    (void)arg;
    round_and_round(true, 2);
}

static void test_ring_64k(void **arg) {
    (void)arg;
    round_and_round(true, 3);
}

/* A ring that is full makes frames wait, it loses none; and says so, as often as that is
 * acknowledged: Linux' 8139too acknowledges frame by frame and leaves after 64, full or not. */
static void test_ring_full(void **arg) {
    uint32_t at = 0;
    unsigned took = 0;
    (void)arg;
    receiver_on(0x0e);
    for (unsigned i = 0; i < 20; i++)
        assert_true(fixture_arrive(net, make(mac, 1000, 5), 1000, NULL));
    assert_int_equal(fixture_waiting(net), 20 - 7);
    assert_int_equal(reg32(0x4c), 0);
    assert_int_equal(reg16(0x3e) & 0x11, 0x11);
    set16(0x3e, 0x51);
    fixture_frames(&fx);
    assert_int_equal(reg16(0x3e) & 0x11, 0x10);
    for (; take(&at, 8192, false, 1000); took++)
        fixture_frames(&fx);
    assert_int_equal(took, 20);
}

static void test_filter(void **arg) {
    static const uint8_t broadcast[] = {255, 255, 255, 255, 255, 255};
    static const uint8_t other[] = {0, 1, 2, 3, 4, 5}, group[] = {1, 0, 0x5e, 0, 0, 1};
    static const struct {
        const uint8_t *dst;
        uint8_t rcr;
        bool listed;
        uint16_t status;
    } cases[] = {
        {mac, 0x02, false, 0x4001}, {mac, 0x0c, true, 0}, {broadcast, 0x08, false, 0x2001},
        {broadcast, 0x06, true, 0}, {group, 0x04, true, 0x8001}, {group, 0x04, false, 0},
        {group, 0x0a, true, 0}, {other, 0x0e, true, 0}, {other, 0x01, false, 0x4001},
        {group, 0x01, false, 0x8001}, {broadcast, 0x01, false, 0x2001},
    };
    (void)arg;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        set8(0x37, 0x10);
        receiver_on(cases[i].rcr);
        uint32_t bit = net_hash(group) >> 26;
        set32(0x08, cases[i].listed && bit < 32 ? 1u << bit : 0);
        set32(0x0c, cases[i].listed && bit >= 32 ? 1u << (bit - 32) : 0);
        fixture_arrive(net, make(cases[i].dst, 60, i), 60, NULL);
        assert_int_equal(reg8(0x37) & 1, cases[i].status == 0);
        if (cases[i].status)
            assert_int_equal(load_le16(fx.ram + RX_RING), cases[i].status);
        assert_int_equal(fx.intx[SLOT][0], cases[i].status != 0);
    }
}

/* A short frame is padded as on a wire, one that no buffer holds is lost. */
static void test_odd_lengths(void **arg) {
    (void)arg;
    receiver_on(0x0e);
    memset(fx.ram + RX_RING, 0xee, 200);
    fixture_arrive(net, make(mac, 42, 1), 42, NULL);
    assert_int_equal(load_le16(fx.ram + RX_RING + 2), 64);
    assert_memory_equal(fx.ram + RX_RING + 4, frame, 42);
    for (unsigned i = 42; i < 60; i++)
        assert_int_equal(fx.ram[RX_RING + 4 + i], 0);
    assert_int_equal(fx.ram[RX_RING + 4 + 64], 0xee);
    uint16_t cbr = reg16(0x3a);
    fixture_arrive(net, make(mac, 9000, 1), 9000, NULL);
    assert_int_equal(reg16(0x3a), cbr);
    assert_int_equal(fixture_waiting(net), 0);
}

/* What came while the receiver was off is not heard later. */
static void test_stale(void **arg) {
    (void)arg;
    fixture_arrive(net, make(mac, 60, 1), 60, NULL);
    assert_int_equal(fixture_waiting(net), 1);
    receiver_on(0x0e);
    assert_int_equal(fixture_waiting(net), 0);
    assert_int_equal(reg8(0x37) & 1, 1);
}

/* ---- C+: sending ---- */

static void descriptor(uint32_t ring, unsigned n, uint32_t cmd, uint32_t vlan, uint64_t addr) {
    uint8_t *d = fx.ram + ring + 16 * n;
    store_le32(d, cmd);
    store_le32(d + 4, vlan);
    store_le64(d + 8, addr);
}

static uint32_t status(uint32_t ring, unsigned n) {
    return load_le32(fx.ram + ring + 16 * n);
}

enum { OWN = 1u << 31, EOR = 1u << 30, FS = 1u << 29, LS = 1u << 28, LGSEN = 1u << 27 };

static void plus_on(uint16_t cpcr) {
    set16(0xe0, (uint16_t)(cpcr | 3));
    set32(0x20, TX_RING);
    set32(0x24, 0);
    set32(0x28, HI_RING);
    set32(0x2c, 0);
    set32(0xe4, RD_RING);
    set32(0xe8, 0);
    set8(0x37, 0x0c);
    set32(0x44, 0x0e);
    set16(0x3c, 0x0015);
}

static void test_plus_send(void **arg) {
    (void)arg;
    plus_on(0);
    fill(TX_BUF, 5000, 9);
    descriptor(TX_RING, 0, OWN | FS | LS | 100, 0, TX_BUF);
    descriptor(TX_RING, 1, OWN | FS | 20, 0, TX_BUF);
    descriptor(TX_RING, 2, 0, 0, 0);
    set8(0xd9, 0x40);
    assert_int_equal(fixture_sent_count(net), 1); /* the other is not all there yet */
    assert_int_equal(status(TX_RING, 0), FS | LS | 100);
    assert_int_equal(status(TX_RING, 1), OWN | FS | 20);
    descriptor(TX_RING, 2, OWN | EOR | LS | 80, 0, TX_BUF + 20);
    set8(0xd9, 0x40);
    assert_int_equal(sent(NULL), 100);
    assert_int_equal(sent(NULL), 100);
    assert_memory_equal(out, fx.ram + TX_BUF, 100);
    assert_int_equal(status(TX_RING, 2), EOR | LS | 80);
    assert_int_equal(reg16(0x3e), 0x0004);
    fixture_sleep(&fx, 250000);
    assert_true(fx.intx[SLOT][0]);
    /* and round the ring; the high priority ring goes first */
    descriptor(TX_RING, 0, OWN | FS | LS | 61, 0, TX_BUF);
    descriptor(HI_RING, 0, OWN | FS | LS | 62, 0, TX_BUF);
    set8(0xd9, 0xc0);
    assert_int_equal(sent(NULL), 62);
    assert_int_equal(sent(NULL), 61);
}

static void test_plus_send_waits(void **arg) {
    (void)arg;
    plus_on(0);
    fixture_net_room(net, 0);
    descriptor(TX_RING, 0, OWN | FS | LS | 100, 0, TX_BUF);
    set8(0xd9, 0x40);
    assert_int_equal(status(TX_RING, 0), OWN | FS | LS | 100);
    assert_false(fx.intx[SLOT][0]);
    fixture_net_room(net, 5);
    assert_int_equal(status(TX_RING, 0), FS | LS | 100);
    assert_int_equal(reg16(0x3e), 0x0004);
    assert_int_equal(sent(NULL), 100);
}

/* ISR.TOK alone raises the line after a while, when descriptors get rare, and with any other. */
static void test_send_told_late(void **arg) {
    (void)arg;
    plus_on(0);
    set16(0x3c, 0x0014);
    for (unsigned i = 0; i < 64; i++)
        descriptor(TX_RING, i, OWN | FS | LS | 100 | (i == 63 ? EOR : 0), 0, TX_BUF);
    descriptor(TX_RING, 1, 0, 0, 0);
    set8(0xd9, 0x40);
    assert_false(fx.intx[SLOT][0]);
    fixture_sleep(&fx, 249999);
    assert_false(fx.intx[SLOT][0]);
    fixture_sleep(&fx, 1);
    assert_true(fx.intx[SLOT][0]);
    set16(0x3e, 0x0004);
    assert_false(fx.intx[SLOT][0]);
    assert_int_equal(clock_next(fx.clock), TIMER_NEVER);
    descriptor(TX_RING, 1, OWN | FS | LS | 100, 0, TX_BUF);
    descriptor(TX_RING, 32, 0, 0, 0);
    set8(0xd9, 0x40); /* 31 */
    assert_false(fx.intx[SLOT][0]);
    descriptor(TX_RING, 32, OWN | FS | LS | 100, 0, TX_BUF);
    descriptor(TX_RING, 33, 0, 0, 0);
    set8(0xd9, 0x40);
    assert_true(fx.intx[SLOT][0]);
    set16(0x3e, 0x0004);
    descriptor(TX_RING, 33, OWN | FS | LS | 100, 0, TX_BUF);
    descriptor(TX_RING, 34, 0, 0, 0);
    set8(0xd9, 0x40);
    assert_false(fx.intx[SLOT][0]);
    set8(0xd9, 0x01); /* SWInt */
    set16(0x3c, 0x0104);
    assert_true(fx.intx[SLOT][0]);
    /* the four in registers: every other one */
    set8(0x37, 0x10);
    set8(0x37, 0x04);
    set16(0x3c, 0x0004);
    set32(0x10, 100);
    assert_false(fx.intx[SLOT][0]);
    set32(0x14, 100);
    assert_true(fx.intx[SLOT][0]);
}

/* A ring without an end, and one without a last piece. */
static void test_plus_endless(void **arg) {
    (void)arg;
    plus_on(0);
    for (unsigned i = 0; i < 64; i++)
        descriptor(TX_RING, i, OWN | (i == 0 ? FS : 0) | 1, 0, TX_BUF);
    set8(0xd9, 0x40);
    assert_int_equal(fixture_sent_count(net), 0);
    assert_int_equal(status(TX_RING, 63) & OWN, 0);
    assert_int_equal(reg16(0x3e) & 0x0008, 0x0008); /* TER */
}

/* 10.0.0.1 to 10.0.0.2, TCP with `payload` bytes; sums are left out. */
static size_t make_tcp(uint32_t at, size_t payload) {
    uint8_t *f = fx.ram + at, *ip = f + 14, *tcp = ip + 20;
    memset(f, 0, 54);
    memcpy(f, mac, 6);
    store_be16(f + 12, 0x0800);
    ip[0] = 0x45;
    store_be16(ip + 2, (uint16_t)(40 + payload));
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + 12, (const uint8_t[]){10, 0, 0, 1, 10, 0, 0, 2}, 8);
    tcp[12] = 0x50;
    tcp[13] = 0x18;
    store_be16(tcp + 16, 0xdead); /* some drivers leave a sum there, some do not */
    fill(at + 54, payload, 3);
    return 54 + payload;
}

static unsigned verify(size_t len) {
    struct iovec iov = {out, len};
    struct net_layout l;
    assert_true(net_layout(&iov, 1, &l));
    return net_verify(&iov, 1, &l);
}

static void test_plus_checksum(void **arg) {
    (void)arg;
    struct net_meta meta;
    plus_on(0);
    uint32_t len = (uint32_t)make_tcp(TX_BUF, 501);
    descriptor(TX_RING, 0, OWN | FS | LS | 1 << 18 | 1 << 16 | len, 0, TX_BUF);
    set8(0xd9, 0x40);
    assert_int_equal(sent(&meta), len);
    assert_int_equal(verify(len), NET_SUM_IP | NET_SUM_L4);
    assert_memory_equal(out + 54, fx.ram + TX_BUF + 54, 501);
    assert_int_equal(load_be16(fx.ram + TX_BUF + 50), 0xdead); /* the guest's memory is read only */
    net->offloads = NET_CSUM;
    descriptor(TX_RING, 1, OWN | EOR | FS | LS | 1 << 18 | 1 << 16 | len, 0, TX_BUF);
    set8(0xd9, 0x40);
    assert_int_equal(sent(&meta), len);
    assert_int_equal(meta.flags, NET_META_CSUM);
    assert_int_equal(meta.csum_start, 34);
}

static void test_plus_large_send(void **arg) {
    (void)arg;
    struct net_meta meta;
    plus_on(0);
    uint32_t len = (uint32_t)make_tcp(TX_BUF, 3000);
    uint32_t cmd = OWN | LGSEN | 1448u << 16;
    descriptor(TX_RING, 0, cmd | FS | 200, 0, TX_BUF);
    descriptor(TX_RING, 1, cmd | EOR | LS | (len - 200), 0, TX_BUF + 200);
    fixture_net_room(net, 2); /* in the middle of it */
    set8(0xd9, 0x40);
    assert_int_equal(status(TX_RING, 0) & OWN, OWN);
    fixture_net_room(net, 2);
    for (unsigned i = 0; i < 3; i++) {
        size_t payload = i < 2 ? 1448 : 104;
        assert_int_equal(sent(&meta), 54 + payload);
        assert_int_equal(verify(out_len), NET_SUM_IP | NET_SUM_L4);
        assert_int_equal(load_be32(out + 38), i * 1448);
        assert_memory_equal(out + 54, fx.ram + TX_BUF + 54 + i * 1448, payload);
    }
    assert_int_equal(fixture_sent_count(net), 0);
    /* no error bits where the segment size stood */
    assert_int_equal(status(TX_RING, 0) & (OWN | 0x02800000), 0);
    net->offloads = NET_CSUM | NET_TSO4;
    fixture_net_room(net, UINT_MAX);
    descriptor(TX_RING, 0, cmd | EOR | FS | LS | len, 0, TX_BUF);
    set8(0xd9, 0x40);
    assert_int_equal(sent(&meta), len);
    assert_int_equal(meta.gso_size, 1448);
    assert_int_equal(meta.hdr_len, 54);
}

static void test_plus_tag(void **arg) {
    (void)arg;
    plus_on(0x40);
    fill(TX_BUF, 100, 1);
    descriptor(TX_RING, 0, OWN | EOR | FS | LS | 100, 1 << 17 | 0x0520, TX_BUF);
    set8(0xd9, 0x40);
    assert_int_equal(sent(NULL), 104);
    assert_memory_equal(out, fx.ram + TX_BUF, 12);
    assert_int_equal(load_be32(out + 12), 0x81002005); /* VIDL PRIO CFI VIDH, as drivers swap it */
    assert_memory_equal(out + 16, fx.ram + TX_BUF + 12, 88);
    /* and in */
    descriptor(RD_RING, 0, OWN | EOR | 1600, 0, RX_BUF);
    fixture_arrive(net, make(mac, 200, 2), 200, NULL);
    assert_int_equal(load_le32(fx.ram + RD_RING + 4), 0);
    make(mac, 200, 2);
    store_be32(frame + 12, 0x81002005);
    descriptor(RD_RING, 0, OWN | EOR | 1600, 0, RX_BUF);
    fixture_arrive(net, frame, 200, NULL);
    assert_int_equal(load_le32(fx.ram + RD_RING + 4), 1 << 16 | 0x0520);
    assert_int_equal(status(RD_RING, 0) & 0x1fff, 200);
    assert_memory_equal(fx.ram + RX_BUF, frame, 12);
    assert_memory_equal(fx.ram + RX_BUF + 12, frame + 16, 184);
}

/* ---- C+: receiving ---- */

static void test_plus_receive(void **arg) {
    (void)arg;
    plus_on(0);
    for (unsigned i = 0; i < 4; i++)
        descriptor(RD_RING, i, OWN | (i == 3 ? EOR : 0) | 1536, 0, RX_BUF + 2048 * i + 2);
    for (unsigned i = 0; i < 9; i++) {
        unsigned n = i % 4;
        uint32_t end = n == 3 ? EOR : 0;
        fixture_arrive(net, make(mac, 100 + i, i), 100 + i, NULL);
        assert_int_equal(status(RD_RING, n), end | FS | LS | 1 << 25 | (104 + i));
        assert_memory_equal(fx.ram + RX_BUF + 2048 * n + 2, frame, 100 + i);
        descriptor(RD_RING, n, OWN | end | 1536, 0, RX_BUF + 2048 * n + 2);
    }
    /* too small a buffer */
    descriptor(RD_RING, 1, OWN | 100, 0, RX_BUF);
    fixture_arrive(net, make(mac, 500, 1), 500, NULL);
    assert_int_equal(status(RD_RING, 1), OWN | 100);
}

/* Drivers fill their ring without telling; they acknowledge RDU. */
static void test_plus_starved(void **arg) {
    (void)arg;
    plus_on(0);
    descriptor(RD_RING, 0, OWN | 1536, 0, RX_BUF);
    descriptor(RD_RING, 1, EOR, 0, 0);
    for (unsigned i = 0; i < 3; i++)
        fixture_arrive(net, make(mac, 100 + i, i), 100 + i, NULL);
    assert_int_equal(reg16(0x3e), 0x0011); /* ROK, RDU */
    assert_int_equal(fixture_waiting(net), 2);
    set16(0x3e, 0x0011);
    assert_false(fx.intx[SLOT][0]);
    fixture_frames(&fx); /* still none: told again */
    assert_int_equal(reg16(0x3e), 0x0010);
    descriptor(RD_RING, 1, OWN | EOR | 1536, 0, RX_BUF + 2048);
    descriptor(RD_RING, 0, OWN | 1536, 0, RX_BUF);
    set16(0x3e, 0x0010);
    fixture_frames(&fx);
    assert_int_equal(fixture_waiting(net), 0);
    assert_int_equal(status(RD_RING, 0) & 0x1fff, 106);
}

/* ... and those that don't look at it are found out by looking, ever less often. */
static void test_plus_starved_deaf(void **arg) {
    (void)arg;
    plus_on(0);
    set16(0x3c, 0);
    fixture_arrive(net, make(mac, 100, 1), 100, NULL);
    unsigned looks = 0;
    for (uint64_t end = fx.now + 60 * NS_PER_SEC; clock_next(fx.clock) < end; looks++) {
        fixture_sleep(&fx, clock_next(fx.clock) - fx.now);
        fixture_frames(&fx);
    }
    assert_in_range(looks, 50, 80);
    descriptor(RD_RING, 0, OWN | EOR | 1536, 0, RX_BUF);
    fixture_sleep(&fx, NS_PER_SEC);
    fixture_frames(&fx);
    assert_int_equal(fixture_waiting(net), 0);
    assert_int_equal(clock_next(fx.clock), TIMER_NEVER);
}

static void test_plus_verify(void **arg) {
    (void)arg;
    plus_on(0x20);
    size_t len = make_tcp(TX_BUF, 100);
    uint8_t *ip = fx.ram + TX_BUF + 14;
    struct iovec iov = {fx.ram + TX_BUF, len};
    struct net_layout l;
    store_be16(ip + 10, (uint16_t)~net_sum(0, ip, 20));
    net_layout(&iov, 1, &l);
    store_be16(ip + 36, 0);
    store_be16(ip + 36, (uint16_t)~net_iov_sum(net_pseudo_sum(&iov, 1, &l, 120), &iov, 1, 34, 120));
    descriptor(RD_RING, 0, OWN | EOR | 1536, 0, RX_BUF);
    fixture_arrive(net, iov.iov_base, len, NULL);
    assert_int_equal(status(RD_RING, 0) & 0x3e000, 1 << 16); /* TCP, no failure */
    fx.ram[TX_BUF + 60]++;
    descriptor(RD_RING, 0, OWN | EOR | 1536, 0, RX_BUF);
    fixture_arrive(net, iov.iov_base, len, NULL);
    assert_int_equal(status(RD_RING, 0) & 0x3e000, 1 << 16 | 1 << 13);
    /* the host knows already */
    struct net_meta meta = {.flags = NET_META_VALID};
    descriptor(RD_RING, 0, OWN | EOR | 1536, 0, RX_BUF);
    fixture_arrive(net, iov.iov_base, len, &meta);
    assert_int_equal(status(RD_RING, 0) & 0x3e000, 1 << 16);
}

static void test_tally(void **arg) {
    (void)arg;
    plus_on(0);
    descriptor(RD_RING, 0, OWN | EOR | 1536, 0, RX_BUF);
    fixture_arrive(net, make(mac, 100, 1), 100, NULL);
    descriptor(TX_RING, 0, OWN | EOR | FS | LS | 100, 0, TX_BUF);
    set8(0xd9, 0x40);
    set32(0x14, 0);
    set32(0x10, 0x3000 | 8);
    assert_int_equal(reg32(0x10), 0x3000); /* done */
    assert_int_equal(load_le64(fx.ram + 0x3000), 1);
    assert_int_equal(load_le64(fx.ram + 0x3008), 1);
    assert_int_equal(load_le64(fx.ram + 0x3028), 1); /* to our own address */
}

/* A flood both ways: what the guest has no room for stays on the host. */
static void test_flood(void **arg) {
    (void)arg;
    uint32_t at = 0;
    receiver_on(0x0e);
    for (unsigned i = 0; i < 10000; i++) {
        fixture_arrive(net, make(mac, 1514, 5), 1514, NULL);
        set32(0x20 + 4 * (i % 4), TX_BUF);
        set32(0x10 + 4 * (i % 4), 1514);
        if (i % 8 == 7)
            while (take(&at, 8192, false, 1514))
                fixture_frames(&fx);
    }
    assert_true(fixture_waiting(net) <= FIXTURE_FRAMES);
    assert_int_equal(net->stats.tx_frames, 10000);
    assert_true(net->stats.rx_frames > 6000); /* five in eight: what its ring holds */
}

/* The host's end is gone while frames wait: they go nowhere, and the card goes on. */
static void test_closed(void **arg) {
    (void)arg;
    fixture_net_room(net, 0);
    set8(0x37, 0x0c);
    set32(0x20, TX_BUF);
    set32(0x10, 100);
    assert_int_equal(reg32(0x10) & 0x2000, 0);
    net_close(net);
    assert_int_equal(reg32(0x10) & 0x2000, 0x2000);
    set32(0x14, 100);
    assert_int_equal(reg32(0x14) & 0x2000, 0x2000);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_identity), T(test_eeprom), T(test_eeprom_write), T(test_config_lock), T(test_phy),
        T(test_timer), T(test_send_four), T(test_send_waits), T(test_loop_back), T(test_ring),
        T(test_ring_wrap), T(test_ring_64k), T(test_ring_full), T(test_filter),
        T(test_odd_lengths), T(test_stale), T(test_plus_send), T(test_plus_send_waits),
        T(test_send_told_late),
        T(test_plus_endless), T(test_plus_checksum), T(test_plus_large_send), T(test_plus_tag),
        T(test_plus_receive), T(test_plus_starved), T(test_plus_starved_deaf),
        T(test_plus_verify), T(test_tally),
        T(test_flood), T(test_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
