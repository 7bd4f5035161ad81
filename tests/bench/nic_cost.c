/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a frame costs in a network card: `nic_cost CARD tx|rx BYTES COUNT` sends or receives COUNT
 * frames of BYTES through one, as its driver does: a few descriptors, one register, what an
 * interrupt handler reads. There is neither hypervisor nor host, only the card: its link takes
 * everything and has always something. Under callgrind, the difference of the instructions of two
 * COUNTs over that of the COUNTs is the answer: see tests/bench/nics.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/io.h"
#include "core/net_frame.h"
#include "core/pci.h"
#include "net/e1000.h"
#include "net/rtl8139.h"
#include "net/virtio_net.h"

#define BAR 0xf0000000u
#define BAR2 0xf0100000u
enum { DEVFN = 3 << 3, RAM = 1 << 22, BATCH = 16 /* frames between two looks */, TX_RING = 0x10000,
       RX_RING = 0x20000, VQ = 0x30000, VQ_BYTES = 0x8000, BUFFERS = 0x100000, BUFFER = 0x800,
       RING = 64 };

/* ---- the world: RAM in one piece, and a link ---- */

struct world {
    struct engine engine;
    uint8_t *ram;
    struct io_bus *io;
    struct pci_bus *pci;
    struct net net;
    uint8_t frame[1514];
    size_t len;
    uint64_t waiting, sent, irqs;
    unsigned tail, seen;
};

static bool claim(struct engine *e, enum io_space space, uint64_t base, uint64_t size) {
    (void)e, (void)space, (void)base, (void)size;
    return true;
}

static void unclaim(struct engine *e, enum io_space space, uint64_t base, uint64_t size) {
    (void)e, (void)space, (void)base, (void)size;
}

static bool claim_pci(struct engine *e, unsigned bdf) {
    (void)e, (void)bdf;
    return true;
}

static void unclaim_pci(struct engine *e, unsigned bdf) {
    (void)e, (void)bdf;
}

static void intx(struct engine *e, unsigned dev, unsigned pin, bool level) {
    (void)dev, (void)pin;
    CONTAINER_OF(e, struct world, engine)->irqs += level;
}

static void *map(struct engine *e, uint64_t gpa, size_t *len, bool write) {
    struct world *w = CONTAINER_OF(e, struct world, engine);
    (void)write;
    *len = gpa < RAM ? MIN(*len, RAM - (size_t)gpa) : 1;
    return gpa < RAM ? w->ram + gpa : NULL;
}

static void unmap(struct engine *e, void *host, uint64_t gpa, size_t len, bool wrote) {
    (void)e, (void)host, (void)gpa, (void)len, (void)wrote;
}

static const struct engine_ops engine_ops = {
    .claim = claim, .unclaim = unclaim, .claim_pci = claim_pci, .unclaim_pci = unclaim_pci,
    .pci_intx = intx, .map = map, .unmap = unmap};

static bool take(struct net *net, const struct iovec *iov, unsigned n,
                 const struct net_meta *meta) {
    (void)iov, (void)n, (void)meta;
    CONTAINER_OF(net, struct world, net)->sent++;
    return true;
}

static size_t give(struct net *net, const struct iovec *iov, unsigned n, struct net_meta *meta) {
    struct world *w = CONTAINER_OF(net, struct world, net);
    if (!w->waiting)
        return 0;
    w->waiting--;
    *meta = (struct net_meta){.flags = NET_META_VALID};
    net_iov_fill(iov, n, 0, w->frame, w->len);
    return w->len;
}

static void listen_on(struct net *net, bool on) {
    (void)net, (void)on;
}

static void accept_these(struct net *net, unsigned offloads) {
    (void)net, (void)offloads;
}

static void close_it(struct net *net) {
    (void)net;
}

static const struct net_ops net_ops = {take, give, listen_on, accept_these, close_it, close_it};

static uint64_t still(void *arg) {
    (void)arg;
    return NS_PER_SEC;
}

static uint32_t rd(struct world *w, uint32_t off, unsigned size) {
    return (uint32_t)io_read(w->io, IO_MEM, BAR + off, size);
}

static void wr(struct world *w, uint32_t off, unsigned size, uint32_t val) {
    io_write(w->io, IO_MEM, BAR + off, size, val);
}

/* ---- the drivers ---- */

struct driver {
    const char *name;
    void *(*make)(const struct nic_pins *pins);
    unsigned bar; /* which of them is memory */
    void (*start)(struct world *w);
    void (*send)(struct world *w, size_t len); /* BATCH frames */
    void (*receive)(struct world *w);          /* BATCH frames are there: more buffers */
};

static uint32_t buffer(unsigned i) {
    return BUFFERS + i % RING * BUFFER;
}

static void e1000_start(struct world *w) {
    for (unsigned i = 0; i < RING; i++)
        store_le64(w->ram + RX_RING + 16 * i, buffer(i));
    wr(w, 0x3800, 4, TX_RING);
    wr(w, 0x3808, 4, RING * 16);
    wr(w, 0x2800, 4, RX_RING);
    wr(w, 0x2808, 4, RING * 16);
    wr(w, 0x2818, 4, RING - 1);
    wr(w, 0x00d0, 4, 0x9d);
    wr(w, 0x0400, 4, 2);
    wr(w, 0x0100, 4, 0x8002 | 1 << 3);
}

static void e1000_send(struct world *w, size_t len) {
    for (unsigned i = 0; i < BATCH; i++) {
        uint8_t *d = w->ram + TX_RING + 16 * w->tail;
        store_le64(d, buffer(w->tail));
        store_le32(d + 8, (uint32_t)len | 0x0b000000); /* EOP, IFCS, RS */
        store_le32(d + 12, 0);
        w->tail = (w->tail + 1) % RING;
    }
    wr(w, 0x3818, 4, w->tail);
    rd(w, 0x00c0, 4);
}

static void e1000_receive(struct world *w) {
    rd(w, 0x00c0, 4);
    w->seen = (w->seen + BATCH) % RING;
    wr(w, 0x2818, 4, (w->seen + RING - 1) % RING);
}

static void rtl8139_start(struct world *w) {
    wr(w, 0xe0, 2, 0x23);
    wr(w, 0x20, 4, TX_RING);
    wr(w, 0x24, 4, 0);
    wr(w, 0xe4, 4, RX_RING);
    wr(w, 0xe8, 4, 0);
    for (unsigned i = 0; i < RING; i++) {
        uint32_t end = i == RING - 1 ? 0x40000000 : 0;
        store_le32(w->ram + RX_RING + 16 * i, 0x80000000u | end | 0x600);
        store_le32(w->ram + RX_RING + 16 * i + 8, buffer(i));
    }
    wr(w, 0x37, 1, 0x0c);
    wr(w, 0x44, 4, 0x0f);
    wr(w, 0x3c, 2, 0x95);
}

static void rtl8139_send(struct world *w, size_t len) {
    for (unsigned i = 0; i < BATCH; i++) {
        uint8_t *d = w->ram + TX_RING + 16 * w->tail;
        store_le32(d + 4, 0);
        store_le64(d + 8, buffer(w->tail));
        store_le32(d, 0xb0000000u | (w->tail == RING - 1 ? 0x40000000 : 0) | (uint32_t)len);
        w->tail = (w->tail + 1) % RING;
    }
    wr(w, 0xd9, 1, 0x40);
    wr(w, 0x3e, 2, rd(w, 0x3e, 2));
}

static void rtl8139_receive(struct world *w) {
    wr(w, 0x3e, 2, rd(w, 0x3e, 2));
    for (unsigned i = 0; i < BATCH; i++) {
        store_le32(w->ram + RX_RING + 16 * w->seen,
                   0x80000000u | (w->seen == RING - 1 ? 0x40000000 : 0) | 0x600);
        w->seen = (w->seen + 1) % RING;
    }
}

enum { VQ_SIZE = 256, AVAIL = 0x4000, USED = 0x5000 };

static void offer(struct world *w, unsigned q, unsigned n) {
    uint8_t *ring = w->ram + VQ + VQ_BYTES * q;
    unsigned idx = load_le16(ring + AVAIL + 2);
    for (unsigned i = 0; i < n; i++, idx++)
        store_le16(ring + AVAIL + 4 + 2 * (idx % VQ_SIZE), (uint16_t)(idx % RING));
    store_le16(ring + AVAIL + 2, (uint16_t)idx);
    /* used_event: tell of the last of them */
    store_le16(ring + AVAIL + 4 + 2 * VQ_SIZE, (uint16_t)(idx - 1));
}

static void virtio_start(struct world *w) {
    wr(w, 20, 1, 0);
    wr(w, 20, 1, 3);
    wr(w, 8, 4, 0);
    wr(w, 12, 4, 1u << 29 | 0x8000 | 2); /* event index, merged buffers, GUEST_CSUM */
    wr(w, 8, 4, 1);
    wr(w, 12, 4, 1);
    wr(w, 20, 1, 11);
    for (unsigned q = 0; q < 2; q++) {
        uint32_t ring = VQ + VQ_BYTES * q;
        for (unsigned i = 0; i < RING; i++) {
            store_le64(w->ram + ring + 16 * i, buffer(i));
            store_le32(w->ram + ring + 16 * i + 8, q ? 12 + (uint32_t)w->len : BUFFER);
            store_le16(w->ram + ring + 16 * i + 12, q ? 0 : 2);
        }
        wr(w, 22, 2, q);
        wr(w, 32, 4, ring);
        wr(w, 40, 4, ring + AVAIL);
        wr(w, 48, 4, ring + USED);
        wr(w, 28, 2, 1);
    }
    for (unsigned i = 0; i < RING; i++) { /* a header that asks for nothing */
        memmove(w->ram + buffer(i) + 12, w->ram + buffer(i), w->len);
        memset(w->ram + buffer(i), 0, 12);
    }
    offer(w, 0, RING);
    wr(w, 20, 1, 15);
}

static void virtio_kick(struct world *w, unsigned q) {
    wr(w, 0x3000 + 4 * q, 2, q);
}

static void virtio_send(struct world *w, size_t len) {
    (void)len;
    offer(w, 1, BATCH);
    virtio_kick(w, 1);
    rd(w, 0x1000, 1);
}

static void virtio_receive(struct world *w) {
    rd(w, 0x1000, 1);
    offer(w, 0, BATCH);
}

static const struct driver drivers[] = {
    {"e1000", e1000_new, 0, e1000_start, e1000_send, e1000_receive},
    {"rtl8139", rtl8139_new, 1, rtl8139_start, rtl8139_send, rtl8139_receive},
    {"virtio-net", virtio_net_new, 4, virtio_start, virtio_send, virtio_receive},
};

/* ---- the measurement ---- */

/* A UDP datagram, as far as a card looks at it. */
static void make_frame(struct world *w, const uint8_t *mac) {
    uint8_t *ip = w->frame + NET_HEADER;
    memcpy(w->frame, mac, NET_MAC);
    store_be16(w->frame + 12, NET_ETH_IP4);
    ip[0] = 0x45;
    store_be16(ip + 2, (uint16_t)(w->len - NET_HEADER));
    ip[9] = NET_PROTO_UDP;
    store_be16(ip + 10, (uint16_t)~net_sum(0, ip, 20));
    store_be16(ip + 24, (uint16_t)(w->len - NET_HEADER - 20));
    for (unsigned i = 0; i < RING; i++)
        memcpy(w->ram + buffer(i), w->frame, w->len);
}

static void begin(struct world *w, const struct driver *driver) {
    struct nic_pins pins = {.pci = w->pci, .devfn = DEVFN, .clock = clock_new(still, NULL),
                            .net = &w->net, .mac = {0x00, 0x16, 0x3e, 1, 2, 3}, .qdev_id = ""};
    make_frame(w, pins.mac);
    driver->make(&pins);
    pci_config_write(w->pci, DEVFN, PCI_BAR0 + 4 * driver->bar, 4, BAR);
    pci_config_write(w->pci, DEVFN, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
    driver->start(w);
}

static uint64_t play(struct world *w, const struct driver *driver, bool tx, uint64_t count) {
    uint64_t got = 0;
    for (uint64_t n = 0; n < count; n += BATCH) {
        if (tx) {
            driver->send(w, w->len);
            continue;
        }
        w->waiting = BATCH;
        net_arrived(&w->net);
        got += BATCH - w->waiting;
        driver->receive(w);
    }
    return tx ? w->sent : got;
}

int main(int argc, char **argv) {
    struct world w = {.engine = {.ops = &engine_ops}, .ram = calloc(1, RAM),
                      .net = {.ops = &net_ops, .id = "bench", .link_up = true,
                              .offloads = NET_CSUM | NET_TSO4}};
    const struct driver *driver = NULL;
    for (unsigned i = 0; argc == 5 && i < ARRAY_LEN(drivers); i++)
        if (!strcmp(drivers[i].name, argv[1]))
            driver = &drivers[i];
    if (!driver) {
        fprintf(stderr, "nic_cost e1000|rtl8139|virtio-net tx|rx BYTES COUNT\n");
        return 2;
    }
    uint64_t count = strtoull(argv[4], NULL, 10);
    w.len = MIN((size_t)strtoul(argv[3], NULL, 10), sizeof(w.frame));
    w.io = io_bus_new(&w.engine);
    w.pci = pci_bus_new(&w.engine, w.io);
    begin(&w, driver);
    return play(&w, driver, argv[2][0] == 't', count) < count; /* one that does nothing is quick */
}
