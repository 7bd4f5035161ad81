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
static void *build_rtl8139(struct fixture *fx) {
    struct nic_pins pins = nic_pins(fx, NET_CSUM);
    return rtl8139_new(&pins);
}

static void *build_e1000(struct fixture *fx) {
    struct nic_pins pins = nic_pins(fx, NET_CSUM);
    return e1000_new(&pins);
}

const struct specimen net_specimens[] = {
    {"rtl8139", build_rtl8139, &rtl8139_device, poke_nic, NULL},
    {"e1000", build_e1000, &e1000_device, poke_nic, NULL},
    {0},
};
