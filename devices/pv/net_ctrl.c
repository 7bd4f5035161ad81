/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control ring: the guest's rule for choosing a queue, and the grants that a queue keeps mapped
 * here, so that nothing is to be copied by a hypercall. Document: xen/io/netif.h, "Control
 * messages". A rule or a list of grants takes effect as a whole or not at all.
 */
#include "pv/net_priv.h"

#include <string.h>

#include "core/bits.h"
#include "core/mem.h"

enum { GREF_LIST = PV_PAGE / NETGREF };

struct ctrl_request {
    uint16_t id, type;
    uint32_t data[3];
};

/* ---- kept grants ---- */

/* Where it is, or would have to be. */
static unsigned place_of(const struct net_queue *q, uint32_t ref) {
    unsigned low = 0, high = q->gref_count;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (q->grefs[mid].ref < ref)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct gref *net_gref(const struct net_queue *q, uint32_t ref) {
    if (!q->gref_count)
        return NULL;
    unsigned at = place_of(q, ref);
    return at < q->gref_count && q->grefs[at].ref == ref ? &q->grefs[at] : NULL;
}

static bool add_gref(struct net_queue *q, uint32_t ref, bool readonly) {
    struct pv *pv = q->net->dev->pv;
    unsigned at = place_of(q, ref);
    if (q->gref_count == GREFS || (at < q->gref_count && q->grefs[at].ref == ref))
        return false;
    uint8_t *page = pv->ops->map(pv, &ref, 1, !readonly);
    if (!page)
        return false;
    if (!q->grefs)
        q->grefs = mem_new(GREFS * sizeof(*q->grefs));
    memmove(q->grefs + at + 1, q->grefs + at, (q->gref_count - at) * sizeof(*q->grefs));
    q->grefs[at] = (struct gref){ref, readonly, page};
    q->gref_count++;
    return true;
}

static bool del_gref(struct net_queue *q, uint32_t ref) {
    struct pv *pv = q->net->dev->pv;
    unsigned at = place_of(q, ref);
    if (at == q->gref_count || q->grefs[at].ref != ref)
        return false;
    pv->ops->unmap(pv, q->grefs[at].page, 1);
    q->gref_count--;
    memmove(q->grefs + at, q->grefs + at + 1, (q->gref_count - at) * sizeof(*q->grefs));
    return true;
}

void net_forget_grefs(struct net_queue *q) {
    while (q->gref_count)
        del_gref(q, q->grefs[q->gref_count - 1].ref);
    mem_free(q->grefs);
    q->grefs = NULL;
}

/* The first bytes of a page of the guest's, or into it. */
static bool copy(struct pv_net *d, uint32_t ref, void *bytes, size_t len, bool to_guest) {
    struct pv_copy c = {.ref = ref, .len = (uint16_t)len, .local = bytes, .to_guest = to_guest};
    return !len || (d->dev->pv->ops->copy(d->dev->pv, &c, 1) && c.ok);
}

static uint32_t add_grefs(struct pv_net *d, const struct ctrl_request *r) {
    uint8_t list[PV_PAGE];
    struct net_queue *q = &d->queues[r->data[0]];
    unsigned n = r->data[2], done = 0;
    if (n > GREF_LIST || !copy(d, r->data[1], list, (size_t)n * NETGREF, false))
        return NETCTRL_INVALID_PARAMETER;
    while (done < n && add_gref(q, load_le32(list + done * NETGREF),
                                load_le16(list + done * NETGREF + 4) & NETGREF_READONLY))
        done++;
    if (done == n)
        return NETCTRL_SUCCESS;
    while (done--)
        del_gref(q, load_le32(list + done * NETGREF));
    return NETCTRL_INVALID_PARAMETER;
}

static uint32_t del_grefs(struct pv_net *d, const struct ctrl_request *r, uint32_t *gone) {
    uint8_t list[PV_PAGE];
    struct net_queue *q = &d->queues[r->data[0]];
    unsigned n = r->data[2];
    if (n > GREF_LIST || !copy(d, r->data[1], list, (size_t)n * NETGREF, false))
        return NETCTRL_INVALID_PARAMETER;
    for (unsigned i = 0; i < n; i++) {
        bool known = del_gref(q, load_le32(list + i * NETGREF));
        *gone += known;
        store_le16(list + i * NETGREF + 6, known ? NETCTRL_SUCCESS : NETCTRL_INVALID_PARAMETER);
    }
    return copy(d, r->data[1], list, (size_t)n * NETGREF, true) ? NETCTRL_SUCCESS
                                                               : NETCTRL_INVALID_PARAMETER;
}

/* ---- the hash ---- */

static uint32_t set_algorithm(struct pv_net *d, uint32_t algorithm) {
    if (algorithm > NETHASH_TOEPLITZ)
        return NETCTRL_INVALID_PARAMETER;
    d->hash_algorithm = (uint8_t)algorithm;
    return NETCTRL_SUCCESS;
}

static uint32_t set_flags(struct pv_net *d, uint32_t flags) {
    if (d->hash_algorithm == NETHASH_NONE)
        return NETCTRL_NOT_SUPPORTED;
    if (flags >> (NETHASH_TCP6 + 1))
        return NETCTRL_INVALID_PARAMETER;
    d->hash_flags = (uint8_t)flags;
    return NETCTRL_SUCCESS;
}

static uint32_t set_key(struct pv_net *d, uint32_t ref, uint32_t len) {
    uint8_t key[HASH_KEY] = {0};
    if (len > HASH_KEY)
        return NETCTRL_BUFFER_OVERFLOW;
    if (!copy(d, ref, key, len, false))
        return NETCTRL_INVALID_PARAMETER;
    memcpy(d->hash_key, key, HASH_KEY);
    return NETCTRL_SUCCESS;
}

static uint32_t set_mapping_size(struct pv_net *d, uint32_t size) {
    if (size > HASH_MAPPING)
        return NETCTRL_INVALID_PARAMETER;
    memset(d->hash_mapping, 0, sizeof(d->hash_mapping));
    d->hash_mapping_size = size;
    return NETCTRL_SUCCESS;
}

static uint32_t set_mapping(struct pv_net *d, uint32_t ref, uint32_t n, uint32_t offset) {
    uint8_t list[4 * HASH_MAPPING];
    if (n > d->hash_mapping_size)
        return NETCTRL_BUFFER_OVERFLOW;
    if (offset > d->hash_mapping_size - n || !copy(d, ref, list, (size_t)n * 4, false))
        return NETCTRL_INVALID_PARAMETER;
    for (unsigned i = 0; i < n; i++)
        if (load_le32(list + (size_t)i * 4) >= d->queue_count)
            return NETCTRL_INVALID_PARAMETER;
    for (unsigned i = 0; i < n; i++)
        d->hash_mapping[offset + i] = load_le32(list + (size_t)i * 4);
    return NETCTRL_SUCCESS;
}

/* ---- the ring ---- */

static uint32_t obey_hash(struct pv_net *d, const struct ctrl_request *r, uint32_t *data) {
    switch (r->type) {
    case NETCTRL_GET_HASH_FLAGS:
        if (d->hash_algorithm == NETHASH_NONE)
            return NETCTRL_NOT_SUPPORTED;
        *data = (1u << (NETHASH_TCP6 + 1)) - 1;
        return NETCTRL_SUCCESS;
    case NETCTRL_SET_HASH_FLAGS:
        return set_flags(d, r->data[0]);
    case NETCTRL_SET_HASH_KEY:
        return set_key(d, r->data[0], r->data[1]);
    case NETCTRL_GET_HASH_MAPPING_SIZE:
        *data = HASH_MAPPING;
        return NETCTRL_SUCCESS;
    case NETCTRL_SET_HASH_MAPPING_SIZE:
        return set_mapping_size(d, r->data[0]);
    case NETCTRL_SET_HASH_MAPPING:
        return set_mapping(d, r->data[0], r->data[1], r->data[2]);
    case NETCTRL_SET_HASH_ALGORITHM:
        return set_algorithm(d, r->data[0]);
    default:
        return NETCTRL_NOT_SUPPORTED;
    }
}

static uint32_t obey(struct pv_net *d, const struct ctrl_request *r, uint32_t *data) {
    if (r->type < NETCTRL_GET_GREF_MAPPING_SIZE || r->type > NETCTRL_DEL_GREF_MAPPING)
        return obey_hash(d, r, data);
    if (r->data[0] >= d->queue_count)
        return NETCTRL_INVALID_PARAMETER;
    if (r->type == NETCTRL_ADD_GREF_MAPPING)
        return add_grefs(d, r);
    if (r->type == NETCTRL_DEL_GREF_MAPPING)
        return del_grefs(d, r, data);
    *data = GREFS;
    return NETCTRL_SUCCESS;
}

static void serve_one(struct pv_net *d) {
    uint8_t s[NETIF_CTRL_SLOT];
    memcpy(s, ring_slot(&d->ctrl, d->ctrl.req++), sizeof(s));
    struct ctrl_request r = {load_le16(s), load_le16(s + 2),
                             {load_le32(s + 4), load_le32(s + 8), load_le32(s + 12)}};
    uint32_t data = 0, status = obey(d, &r, &data);
    store_le32(s + 4, status);
    store_le32(s + 8, data);
    memcpy(ring_slot(&d->ctrl, d->ctrl.rsp++), s, 12);
}

void net_ctrl_event(void *arg) {
    struct pv_net *d = arg;
    if (!d->ctrl.page || d->broken)
        return;
    for (uint32_t n = ring_waiting(&d->ctrl); n; n--)
        serve_one(d);
    ring_push(&d->ctrl);
    if (!d->broken && ring_want(&d->ctrl, 1))
        loop_defer(d->board->loop, &d->ctrl_again);
}
