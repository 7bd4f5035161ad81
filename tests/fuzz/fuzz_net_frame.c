/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of guests and networks: what is said of them, their sums, and their segments. The first
 * bytes are the meta that comes with one, and where it is cut.
 */
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/net_frame.h"
#include "core/net_join.h"
#include "fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { HEAD = 14, SEGMENTS = 100000 };

/* Exactly as long as it is, so that a byte too many is seen. */
static void play(struct net *net, struct iovec *iov, unsigned n, struct net_meta *meta) {
    struct net_layout l;
    unsigned segment = 0;
    if (net_layout(iov, n, &l))
        net_verify(iov, n, &l);
    for (unsigned i = 0; i < SEGMENTS && !net_send_undone(net, iov, n, meta, &segment); i++)
        fixture_net_room(net, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct fixture fx;
    struct net_meta meta;
    if (len < HEAD)
        return 0;
    fixture_init(&fx);
    struct net *net = fixture_net(&fx);
    memcpy(&meta, bytes, sizeof(meta));
    net->offloads = bytes[10];
    fixture_net_room(net, 3);
    size_t size = len - HEAD, cut = MIN((size_t)bytes[11], size);
    uint8_t *a = malloc(cut + 1), *b = malloc(size - cut + 1);
    memcpy(a, bytes + HEAD, cut);
    memcpy(b, bytes + HEAD + cut, size - cut);
    struct iovec iov[2] = {{a, cut}, {b, size - cut}};
    /* a checksum is left to a link only where it is in the frame: the NIC's part of the bargain */
    if (meta.csum_start + meta.csum_offset + 2u > size)
        net->offloads = 0;
    play(net, iov, 2, &meta);
    if (net_prepare_tso(a, cut, load_le16(bytes + 12), meta.gso_size, &meta))
        play(net, iov, 2, &meta);
    static struct net_join joined;
    joined.segments = 0;
    for (unsigned i = 0; i < 3; i++)
        net_join_add(&joined, iov + i % 2, i == 2 ? 2 : 1);
    net_join_finish(&joined, &meta);
    free(a);
    free(b);
    fixture_done(&fx);
    return 0;
}
