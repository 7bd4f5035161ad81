/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings of one page, as xen/io/ring.h has them: indices are the guest's to write at any time and
 * are read once and bounded; who is told of what is decided by the event indices.
 */
#include "pv/net_priv.h"

bool ring_map(struct ring *r, struct pv_net *d, uint32_t ref, unsigned slots, unsigned slot) {
    struct pv *pv = d->dev->pv;
    *r = (struct ring){.net = d, .slots = slots, .slot = slot,
                       .page = pv->ops->map(pv, &ref, 1, true)};
    if (!r->page) {
        log_warn("%s: the ring of reference %u can't be mapped", d->dev->backend, ref);
        return false;
    }
    r->req = r->rsp = r->told = shared_load(r->page, RING_RSP_PROD);
    return true;
}

void ring_unmap(struct ring *r) {
    if (r->page)
        r->net->dev->pv->ops->unmap(r->net->dev->pv, r->page, 1);
    *r = (struct ring){0};
}

uint8_t *ring_slot(const struct ring *r, uint32_t index) {
    return r->page + RING_SLOTS + (size_t)(index & (r->slots - 1)) * r->slot;
}

uint32_t ring_waiting(struct ring *r) {
    uint32_t prod = shared_load(r->page, RING_REQ_PROD);
    if ((uint32_t)(prod - r->rsp) <= r->slots && (uint32_t)(prod - r->req) <= r->slots)
        return prod - r->req;
    net_broken(r->net, "a request index that is out by", prod - r->rsp);
    return 0;
}

bool ring_want(struct ring *r, unsigned n) {
    shared_want(r->page, r->req + n);
    return ring_waiting(r) >= n;
}

void ring_push(struct ring *r) {
    uint32_t before = r->told;
    if (before == r->rsp)
        return;
    r->told = r->rsp;
    if (shared_publish(r->page, before, r->rsp))
        r->net->dev->pv->ops->notify(r->net->dev->pv, r->port);
}
