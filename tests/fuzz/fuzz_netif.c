/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frontend that writes what it likes into its rings: bytes are 12-byte slots and steps. Nothing
 * may be read or written beyond the frames, and every request is answered at most once.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "fixture.h"
#include "fixture_pv.h"
#include "loop.h"
#include "pv/net.h"

#define BE "backend/qnic/1/0/"
#define FE "/local/domain/1/device/vif/0/"

static struct fixture fx;
static struct net *net;

static struct net *open_link(void *unused, const char *id, const char *ifname) {
    (void)unused, (void)id, (void)ifname;
    net = fixture_net(&fx);
    net->offloads = NET_CSUM | NET_TSO4;
    return net;
}

static void connect_all(struct fake_pv *xen) {
    static const char *const nodes[][2] = {
        {BE "frontend", "/local/domain/1/device/vif/0"}, {BE "mac", "00:16:3e:01:02:03"},
        {BE "online", "1"}, {FE "state", "1"}, {FE "tx-ring-ref", "1"}, {FE "rx-ring-ref", "2"},
        {FE "event-channel", "7"}, {FE "request-rx-copy", "1"}, {FE "feature-sg", "1"},
        {FE "feature-gso-tcpv4", "1"}, {FE "request-multicast-control", "1"}, {BE "state", "1"}};
    for (unsigned i = 0; i < ARRAY_LEN(nodes); i++)
        fake_put(xen, nodes[i][0], nodes[i][1]);
    fake_settle(xen);
    fake_put(xen, FE "state", "4");
    fake_settle(xen);
}

static void move(uint8_t *ring, unsigned by) {
    store_le32(ring, load_le32(ring) + by);
}

/* One step: what, and 12 bytes. */
static void step(struct fake_pv *xen, const uint8_t *b) {
    uint8_t *tx = xen->pages[1], *rx = xen->pages[2], frame[9000];
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
        memset(frame, b[1], sizeof(frame));
        memcpy(frame, b + 2, 11);
        fixture_arrive(net, frame, MAX(14u, load_le16(b + 6) % sizeof(frame)),
                       &(struct net_meta){.flags = b[8] & 2});
        break;
    case 5:
        fixture_net_room(net, b[1] & 1 ? UINT_MAX : b[1] & 3);
        break;
    case 6:
        move(b[1] & 1 ? rx : tx, b[2] & 1 ? load_le16(b + 3) : 0);
        memcpy(xen->pages[8 + b[4] % 32], b + 1, 12);
        break;
    default:
        fake_kick(xen, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct pv_net_board board = {.open = open_link};
    fixture_init(&fx);
    struct fake_pv *xen = fake_pv_new();
    board.loop = loop_new();
    board.clock = fx.clock;
    struct xenbus *bus = xenbus_new(&xen->pv, &pv_net_type, &board);
    connect_all(xen);
    for (; len >= 13; bytes += 13, len -= 13)
        step(xen, bytes);
    fake_kick(xen, 0);
    loop_once(board.loop, NULL, 0);
    xenbus_free(bus);
    if (xen->maps)
        abort();
    loop_free(board.loop);
    fake_pv_free(xen);
    fixture_done(&fx);
    return 0;
}
