/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frontend that writes what it likes into its rings: bytes are 12-byte slots and steps; a last
 * odd byte says how it connects. Nothing may be read or written beyond the frames, and every
 * request is answered at most once.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "fixture.h"
#include "fixture_hv.h"
#include "loop.h"
#include "pv/net.h"

#define BE "backend/qnic/1/0/"
#define FE "/local/domain/1/device/vif/0/"

static struct fixture fx;
static struct fixture_hv hv;
static struct net *net;

static struct net *open_link(void *unused, const char *id, const char *ifname) {
    (void)unused, (void)id, (void)ifname;
    net = fixture_net(&fx);
    net->offloads = NET_CSUM | NET_TSO4;
    return net;
}

enum { TWO_QUEUES = 1, CTRL = 2, SILENT = 4, ANY_GROUP = 8 /* of the last odd byte */ };
enum { CTRL_PAGE = 7 };

static void put_nodes(struct fixture_hv *xen, const char *const (*nodes)[2], unsigned n) {
    for (unsigned i = 0; i < n; i++)
        fixture_hv_put(xen, nodes[i][0], nodes[i][1]);
}

static void connect_all(struct fixture_hv *xen, unsigned how) {
    static const char *const nodes[][2] = {
        {BE "frontend", "/local/domain/1/device/vif/0"}, {BE "mac", "00:16:3e:01:02:03"},
        {BE "online", "1"}, {FE "state", "1"}, {FE "tx-ring-ref", "1"}, {FE "rx-ring-ref", "2"},
        {FE "event-channel", "7"}, {FE "request-rx-copy", "1"}, {FE "feature-sg", "1"},
        {FE "feature-gso-tcpv4", "1"}, {FE "request-multicast-control", "1"},
        {FE "feature-rx-notify", "1"}, {BE "state", "1"}};
    static const char *const two[][2] = {
        {FE "multi-queue-num-queues", "2"}, {FE "queue-0/tx-ring-ref", "1"},
        {FE "queue-0/rx-ring-ref", "2"}, {FE "queue-0/event-channel", "7"},
        {FE "queue-1/tx-ring-ref", "3"}, {FE "queue-1/rx-ring-ref", "4"},
        {FE "queue-1/event-channel-tx", "8"}, {FE "queue-1/event-channel-rx", "9"}};
    static const char *const ctrl[][2] = {
        {FE "ctrl-ring-ref", "7"}, {FE "event-channel-ctrl", "10"}};
    put_nodes(xen, nodes, ARRAY_LEN(nodes));
    if (how & TWO_QUEUES)
        put_nodes(xen, two, ARRAY_LEN(two));
    if (how & CTRL)
        put_nodes(xen, ctrl, ARRAY_LEN(ctrl));
    if (how & SILENT)
        fixture_hv_put(xen, FE "feature-rx-notify", "0");
    if (how & ANY_GROUP)
        fixture_hv_put(xen, FE "request-multicast-control", "0");
    fixture_hv_settle(xen);
    fixture_hv_put(xen, FE "state", "4");
    fixture_hv_settle(xen);
}

static void move(uint8_t *ring, unsigned by) {
    store_le32(ring, load_le32(ring) + by);
}

static void arrive(const uint8_t *b) {
    uint8_t frame[9000];
    memset(frame, b[1], sizeof(frame));
    memcpy(frame, b + 2, 11);
    if (b[1] & 1) { /* something to hash */
        store_be16(frame + 12, b[1] & 2 ? 0x0800 : 0x86dd);
        frame[14] = b[1] & 2 ? 0x45 : 0x60;
        frame[b[1] & 2 ? 23 : 20] = b[1] & 4 ? 6 : 17;
    }
    fixture_arrive(net, frame, MAX(14u, load_le16(b + 6) % sizeof(frame)),
                   &(struct net_meta){.flags = b[8] & 2});
}

static void control(struct fixture_hv *xen, const uint8_t *b) {
    uint8_t *ring = xen->pages[CTRL_PAGE], *s = ring + 64 + load_le32(ring) % 128 * 16;
    store_le16(s, b[2]);
    store_le16(s + 2, b[3] % 12);
    store_le32(s + 4, b[4] & 0x80 ? load_le32(b + 4) : b[4]);
    store_le32(s + 8, b[8]);
    store_le32(s + 12, load_le16(b + 9));
    move(ring, 1);
    fixture_hv_event(xen, FHV_PORT + 3);
}

/* What is rare. */
static void odd_step(struct fixture_hv *xen, const uint8_t *b) {
    switch (b[1] & 7) {
    case 1:
        control(xen, b);
        break;
    case 2:
        fixture_sleep(&fx, b[2] * 100 * NS_PER_MS);
        fixture_frames(&fx);
        break;
    case 3:
        xen->revoked[8 + b[2] % 32] ^= true;
        break;
    case 4:
        fixture_hv_put(xen, FE "request-multicast-control", b[2] & 1 ? "1" : "0");
        fixture_hv_settle(xen);
        break;
    case 5:
        memcpy(xen->pages[8 + b[2] % 32] + b[3] * 8, b + 4, 8);
        break;
    default:
        fixture_hv_event(xen, FHV_PORT + b[2] % 4);
    }
}

/* One step: what, and 12 bytes. */
static void step(struct fixture_hv *xen, const uint8_t *b) {
    uint8_t *tx = xen->pages[b[0] & 8 ? 3 : 1], *rx = xen->pages[b[0] & 8 ? 4 : 2];
    uint32_t at = load_le32(b[0] & 1 ? rx : tx);
    switch (b[0] & 7) {
    case 0:
    case 2: /* a tx slot; most references are good */
        memcpy(tx + 64 + at % 256 * 12, b + 1, 12);
        if (b[0] & 2)
            store_le32(tx + 64 + at % 256 * 12, 8 + b[1] % 32);
        move(tx, 1);
        break;
    case 1:
    case 3:
        memcpy(rx + 64 + at % 256 * 8, b + 1, 8);
        if (b[0] & 2)
            store_le32(rx + 64 + at % 256 * 8 + 4, 8 + b[1] % 32);
        move(rx, 1);
        break;
    case 4:
        arrive(b);
        break;
    case 5:
        fixture_net_room(net, b[1] & 1 ? UINT_MAX : b[1] & 3);
        break;
    case 6:
        move(b[1] & 1 ? rx : tx, b[2] & 1 ? load_le16(b + 3) : 0);
        memcpy(xen->pages[8 + b[4] % 32], b + 1, 12);
        break;
    default:
        odd_step(xen, b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct pv_net_board board = {.open = open_link};
    fixture_init(&fx);
    struct fixture_hv *xen = &hv;
    fixture_hv_init(xen);
    board.loop = loop_new();
    board.clock = fx.clock;
    struct xenbus *bus = xenbus_new(&xen->pv, &pv_net_type, &board);
    connect_all(xen, len % 13 ? bytes[len - 1] : 0);
    for (; len >= 13; bytes += 13, len -= 13)
        step(xen, bytes);
    fixture_hv_event(xen, FHV_PORT);
    loop_once(board.loop, NULL, 0);
    xenbus_free(bus);
    loop_free(board.loop);
    fixture_hv_done(xen);
    fixture_done(&fx);
    return 0;
}
