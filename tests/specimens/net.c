/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network cards on a fixture's link. A poke is what the network does: frames of all kinds arrive,
 * the link takes no more or takes again, the cable comes and goes.
 */
#include <limits.h>
#include <string.h>

#include "core/bits.h"
#include "core/net_frame.h"
#include "fixture.h"
#include "net/e1000.h"
#include "net/rtl8139.h"
#include "net/virtio_net.h"

enum { DEVFN = 0x18 };

static const uint8_t mac[NET_MAC] = {0x00, 0x16, 0x3e, 0x01, 0x02, 0x03};

/* An IPv4 frame with TCP or UDP, whose checksums are right or not, tagged or not. */
static size_t make_frame(uint8_t *f, uint8_t what) {
    static const uint16_t lengths[] = {14, 60, 64, 65, 590, 1513, 1514, 9000};
    size_t len = lengths[what & 7], at = 12;
    memset(f, what, len);
    memcpy(f, what & 8 ? (const uint8_t *)"\xff\xff\xff\xff\xff\xff" : mac, NET_MAC);
    if (what & 0x10)
        f[0] |= 1;
    if (what & 0x20 && len >= 60) {
        net_tag(f + at, 0x2005);
        at += NET_TAG;
    }
    store_be16(f + at, NET_ETH_IP4);
    if (len < 60)
        return len;
    uint8_t *ip = f + at + 2;
    memset(ip, 0, 40);
    ip[0] = 0x45;
    store_be16(ip + 2, (uint16_t)(len - at - 2));
    ip[9] = what & 1 ? NET_PROTO_TCP : NET_PROTO_UDP;
    ip[32] = 0x50;
    store_be16(ip + 10, (uint16_t)~net_sum(0, ip, 20));
    return len;
}

static void poke_nic(struct fixture *fx, void *dev, uint8_t what) {
    struct net *net = fixture_cable(fx);
    uint8_t frame[9000];
    (void)dev;
    if (what < 0xc0)
        fixture_arrive(net, frame, make_frame(frame, what), NULL);
    else if (what < 0xe0)
        fixture_net_room(net, what & 3 ? what & 3 : UINT_MAX);
    else if (what < 0xf0)
        fixture_net_room(net, 0);
    else
        net_set_link(net, what & 1);
}

static struct nic_pins nic_pins(struct fixture *fx, unsigned offloads) {
    struct net *net = fixture_net(fx);
    net->offloads = offloads;
    struct nic_pins pins = {.pci = fx->pci, .devfn = DEVFN, .clock = fx->clock, .net = net};
    memcpy(pins.mac, mac, sizeof(mac));
    return pins;
}

static void *build_rtl8139(struct fixture *fx) {
    struct nic_pins pins = nic_pins(fx, NET_CSUM);
    return rtl8139_new(&pins);
}

static void *build_e1000(struct fixture *fx) {
    struct nic_pins pins = nic_pins(fx, NET_CSUM);
    return e1000_new(&pins);
}

static void *build_virtio_net(struct fixture *fx) {
    struct nic_pins pins = nic_pins(fx, NET_CSUM | NET_TSO4);
    return virtio_net_new(&pins);
}

static void *build_virtio_pairs(struct fixture *fx) {
    struct nic_pins pins = nic_pins(fx, 0);
    pins.pairs = 3;
    pins.mtu = 1500;
    return virtio_net_new(&pins);
}

const struct specimen net_specimens[] = {
    {"e1000", build_e1000, &e1000_device, poke_nic, NULL},
    {"virtio_net", build_virtio_net, &virtio_net_device, poke_nic, NULL},
    {"virtio_pairs", build_virtio_pairs, &virtio_net_device, poke_nic, NULL},
    {"rtl8139", build_rtl8139, &rtl8139_device, poke_nic, NULL},
    {0},
};
