/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fixture's network links. See fixture.h.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/net_frame.h"
#include "fixture_priv.h"

struct frame {
    size_t len;
    struct net_meta meta;
    uint8_t *bytes;
};

struct frames {
    struct frame frame[FIXTURE_FRAMES];
    unsigned head, count;
};

struct fake_net {
    struct net net;
    struct frames sent, waiting;
    unsigned room, accepted;
    bool refused;
    struct fake_net *next;
};

static struct fake_net *fake_of(const struct net *net) {
    return CONTAINER_OF((struct net *)(uintptr_t)net, struct fake_net, net);
}

static struct frame *push(struct frames *q, size_t len, const struct net_meta *meta) {
    struct frame *f = &q->frame[(q->head + q->count++) % FIXTURE_FRAMES];
    *f = (struct frame){.len = len, .bytes = malloc(len + !len)};
    if (meta)
        f->meta = *meta;
    return f;
}

static void pop(struct frames *q) {
    free(q->frame[q->head].bytes);
    q->head = (q->head + 1) % FIXTURE_FRAMES;
    q->count--;
}

static void check_meta(const struct net_meta *meta, size_t len, unsigned offloads) {
    unsigned gso = meta->gso_type & (unsigned)~NET_GSO_ECN;
    if (meta->flags & NET_META_CSUM && !(offloads & NET_CSUM))
        fixture_wrong("a checksum is left to a side that can't do it", meta->csum_start);
    if (meta->flags & NET_META_CSUM && meta->csum_start + meta->csum_offset + 2u > len)
        fixture_wrong("a checksum beyond its frame", meta->csum_start);
    if ((gso == NET_GSO_TCP4 && !(offloads & NET_TSO4)) ||
        (gso == NET_GSO_TCP6 && !(offloads & NET_TSO6)) ||
        (gso == NET_GSO_UDP4 && !(offloads & NET_UFO)))
        fixture_wrong("segments are left to a side that can't cut them", gso);
}

static bool fake_send(struct net *net, const struct iovec *iov, unsigned n,
                      const struct net_meta *meta) {
    struct fake_net *f = fake_of(net);
    size_t len = net_iov_len(iov, n);
    if (!f->room) {
        f->refused = true;
        return false;
    }
    f->room -= f->room != UINT_MAX;
    if (meta)
        check_meta(meta, len, net->offloads);
    if (f->sent.count == FIXTURE_FRAMES)
        pop(&f->sent);
    net_iov_fetch(iov, n, 0, push(&f->sent, len, meta)->bytes, len);
    return true;
}

static size_t fake_receive(struct net *net, const struct iovec *iov, unsigned n,
                           struct net_meta *meta) {
    struct fake_net *f = fake_of(net);
    struct frame *frame = &f->waiting.frame[f->waiting.head];
    if (!f->waiting.count)
        return 0;
    size_t len = frame->len;
    net_iov_fill(iov, n, 0, frame->bytes, len);
    if (meta)
        *meta = frame->meta;
    pop(&f->waiting);
    return len;
}

static void fake_listen(struct net *net, bool on) {
    (void)net, (void)on;
}

static void fake_accept(struct net *net, unsigned offloads) {
    fake_of(net)->accepted = offloads;
}

static void fake_close(struct net *net) {
    (void)net;
}

static void fake_free(struct net *net) {
    (void)net; /* with the fixture */
}

static const struct net_ops fake_ops = {fake_send,   fake_receive, fake_listen,
                                        fake_accept, fake_close,   fake_free};

struct net *fixture_net(struct fixture *fx) {
    struct fixture_priv *priv = fx->priv;
    struct fake_net *f = calloc(1, sizeof(*f));
    f->net = (struct net){.ops = &fake_ops, .id = "fixture", .link_up = true};
    f->room = UINT_MAX;
    f->next = priv->nets;
    priv->nets = f;
    return &f->net;
}

struct net *fixture_cable(const struct fixture *fx) {
    const struct fixture_priv *priv = fx->priv;
    return priv->nets ? &priv->nets->net : NULL;
}

size_t fixture_sent(struct net *net, uint8_t *frame, size_t max, struct net_meta *meta) {
    struct frames *q = &fake_of(net)->sent;
    const struct frame *f = &q->frame[q->head];
    if (!q->count)
        return 0;
    size_t len = f->len;
    memcpy(frame, f->bytes, MIN(len, max));
    if (meta)
        *meta = f->meta;
    pop(q);
    return len;
}

unsigned fixture_sent_count(const struct net *net) {
    return fake_of(net)->sent.count;
}

void fixture_net_room(struct net *net, unsigned frames) {
    struct fake_net *f = fake_of(net);
    f->room = frames;
    if (f->refused && frames) {
        f->refused = false;
        net_sendable(net);
    }
}

static void offer(struct fake_net *f) {
    for (unsigned before = 0; f->net.listening && f->waiting.count;) {
        before = f->waiting.count;
        net_arrived(&f->net);
        if (f->waiting.count == before && f->net.listening)
            fixture_wrong("a NIC listens and does not take the frame", before);
    }
}

bool fixture_arrive(struct net *net, const uint8_t *frame, size_t len,
                    const struct net_meta *meta) {
    struct fake_net *f = fake_of(net);
    if (f->waiting.count == FIXTURE_FRAMES)
        return false;
    if (meta)
        check_meta(meta, len, f->accepted);
    memcpy(push(&f->waiting, len, meta)->bytes, frame, len);
    offer(f);
    return true;
}

unsigned fixture_waiting(const struct net *net) {
    return fake_of(net)->waiting.count;
}

unsigned fixture_accepted(const struct net *net) {
    return fake_of(net)->accepted;
}

void fixture_frames(struct fixture *fx) {
    const struct fixture_priv *priv = fx->priv;
    for (struct fake_net *f = priv->nets; f; f = f->next)
        offer(f);
}

void fixture_copy_nets(struct fixture *to, struct fixture *from) {
    const struct fixture_priv *a = from->priv, *b = to->priv;
    for (struct fake_net *x = a->nets, *y = b->nets; x && y; x = x->next, y = y->next) {
        y->room = x->room;
        y->refused = x->refused;
        net_set_link(&y->net, x->net.link_up);
        for (unsigned i = 0; i < x->waiting.count; i++) {
            const struct frame *f = &x->waiting.frame[(x->waiting.head + i) % FIXTURE_FRAMES];
            memcpy(push(&y->waiting, f->len, &f->meta)->bytes, f->bytes, f->len);
        }
    }
}

void fixture_net_done(struct fixture *fx) {
    struct fixture_priv *priv = fx->priv;
    while (priv->nets) {
        struct fake_net *f = priv->nets;
        priv->nets = f->next;
        while (f->sent.count)
            pop(&f->sent);
        while (f->waiting.count)
            pop(&f->waiting);
        free(f);
    }
}
