/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82540EM: transmission (manual, 3.3 to 3.5). A frame's descriptors are read, copied and checked;
 * its bytes go to the link from where they are. Only headers that the card changes are made anew in
 * a buffer. Segmentation and checksums are left to links that take them undone.
 *
 * Not modelled: FCS of the driver's own (IFCS is always as if set), collisions and speed.
 */
#include <string.h>

#include "core/bits.h"
#include "net/e1000_chip.h"

enum { /* command bits of data descriptors (tables 3-10, 3-18) */
    CMD_EOP = 0x01, CMD_IC = 0x04, CMD_TSE = 0x04, CMD_RS = 0x08, CMD_RPS = 0x10, CMD_DEXT = 0x20,
    CMD_VLE = 0x40, CMD_IDE = 0x80,
};
enum { TYPE_CONTEXT = 0, TYPE_DATA = 1, TUCMD_TCP = 0x01, TUCMD_TSE = 0x04 };
enum { POPTS_IXSM = 0x01, POPTS_TXSM = 0x02 };
enum { BATCH = 16, BUDGET = 256 /* frames at one go */, STATUS_BYTE = 12 };

const struct field e1000_context_fields[] = {
    F(struct e1000_context, ipcss), F(struct e1000_context, ipcso),
    F(struct e1000_context, tucss), F(struct e1000_context, tucso),
    F(struct e1000_context, hdrlen), F(struct e1000_context, ipcse),
    F(struct e1000_context, tucse), F(struct e1000_context, mss),
    F_MAX(struct e1000_context, paylen, 0xfffff), F(struct e1000_context, tcp), F_END};

const struct field e1000_tx_fields[] = {
    F_ARRAY(struct e1000_tx, addr), F_ARRAY_MAX(struct e1000_tx, len, 0xfffff),
    F_MAX(struct e1000_tx, parts, TX_PARTS), F_MAX(struct e1000_tx, bytes, NET_FRAME_MAX),
    F(struct e1000_tx, begun), F(struct e1000_tx, tse), F(struct e1000_tx, sum_ip),
    F(struct e1000_tx, sum_l4), F(struct e1000_tx, legacy), F(struct e1000_tx, overlong),
    F(struct e1000_tx, stalled), F(struct e1000_tx, segment), F(struct e1000_tx, cmd),
    F(struct e1000_tx, cso), F(struct e1000_tx, css), F(struct e1000_tx, special), F_END};

/* ---- what is sent ---- */

struct frame {
    uint8_t head[NET_HEADERS_MAX]; /* the first bytes, where the card changes some */
    size_t changed;                /* how many of the frame's own they replace */
    size_t head_len;
    struct iovec iov[DMA_SG_MAX + 2];
    unsigned n;
    struct net_meta meta;
};

static bool wants_tag(const struct e1000 *s) {
    return s->tx.cmd & CMD_VLE && s->ctrl & CTRL_VME;
}

/* 3.5.4: the ones' complement sum of [from, to] (to 0: to the end), put at `at`. */
static void sum_here(struct frame *f, size_t from, size_t to, size_t at) {
    size_t len = net_iov_len(f->iov, f->n), end = to ? MIN(to + 1, len) : len;
    if (from >= end || at + 2 > f->head_len)
        return;
    uint16_t sum = (uint16_t)~net_iov_sum(0, f->iov, f->n, from, end - from);
    store_be16(f->head + at, sum);
}

/* Puts the first bytes into the buffer: those that will differ are among them. */
static void take_head(struct frame *f, const struct dma_sg *sg, size_t len) {
    f->changed = f->head_len = dma_sg_fetch(sg, 0, f->head, MIN(len, (size_t)NET_HEADERS_MAX));
}

static void list_frame(struct frame *f, const struct dma_sg *sg) {
    f->n = 0;
    if (f->head_len)
        f->iov[f->n++] = (struct iovec){f->head, f->head_len};
    f->n += net_iov_slice(f->iov + f->n, DMA_SG_MAX, sg->iov, sg->n, f->changed, sg->len, NULL);
}

/* 802.1Q: between the addresses and the type. */
static void add_tag(struct e1000 *s, struct frame *f) {
    if (f->head_len < 12 || f->head_len > NET_HEADERS_MAX - NET_TAG)
        return;
    memmove(f->head + 12 + NET_TAG, f->head + 12, f->head_len - 12);
    store_be16(f->head + 12, (uint16_t)s->vet);
    store_be16(f->head + 14, s->tx.special);
    f->head_len += NET_TAG;
}

static void undone_sum(struct frame *f, size_t start, size_t at, size_t len) {
    if (at < start || at + 2 > len)
        return;
    f->meta = (struct net_meta){.flags = NET_META_CSUM, .csum_start = (uint16_t)start,
                                .csum_offset = (uint16_t)(at - start)};
}

static void prepare_sums(struct e1000 *s, struct frame *f, const struct dma_sg *sg, size_t shift) {
    const struct e1000_context *c = &s->context[0];
    const struct e1000_tx *tx = &s->tx;
    size_t len = sg->len + shift;
    bool l4_here = tx->sum_l4 && c->tucse;
    if (tx->sum_ip)
        sum_here(f, c->ipcss + shift, c->ipcse ? c->ipcse + shift : 0, c->ipcso + shift);
    if (l4_here)
        sum_here(f, c->tucss + shift, c->tucse + shift, c->tucso + shift);
    else if (tx->sum_l4)
        undone_sum(f, c->tucss + shift, c->tucso + shift, len);
    else if (tx->legacy && tx->cmd & CMD_IC)
        undone_sum(f, tx->css + shift, tx->cso + shift, len);
}

/* False: it can't be sent at all. */
static bool prepare_tso(struct e1000 *s, struct frame *f, const struct dma_sg *sg, size_t shift) {
    const struct e1000_context *c = &s->context[1];
    size_t len = c->hdrlen;
    f->head_len = 0;
    if (len < NET_HEADER || len >= sg->len || len + shift > NET_HEADERS_MAX)
        return false;
    f->changed = f->head_len = dma_sg_fetch(sg, 0, f->head, len);
    if (shift)
        add_tag(s, f);
    return net_prepare_tso(f->head, f->head_len, sg->len - len, c->mss, &f->meta);
}

/* False: there is nothing to send. */
static bool prepare(struct e1000 *s, struct frame *f, const struct dma_sg *sg) {
    const struct e1000_tx *tx = &s->tx;
    size_t shift = wants_tag(s) ? NET_TAG : 0;
    f->changed = f->head_len = 0;
    f->meta = (struct net_meta){0};
    if (sg->len < NET_HEADER)
        return false;
    if (tx->tse) {
        if (!prepare_tso(s, f, sg, shift))
            return false;
        list_frame(f, sg);
        return true;
    }
    if (shift) {
        f->changed = f->head_len = dma_sg_fetch(sg, 0, f->head,
                                                MIN(sg->len, NET_HEADERS_MAX - (size_t)NET_TAG));
        add_tag(s, f);
    } else if (tx->sum_ip || (tx->sum_l4 && s->context[0].tucse)) {
        take_head(f, sg, sg->len);
    }
    list_frame(f, sg);
    prepare_sums(s, f, sg, shift);
    static const uint8_t zeros[FRAME_MIN];
    size_t len = sg->len + shift;
    if (s->tctl & TCTL_PSP && len < FRAME_MIN)
        f->iov[f->n++] = (struct iovec){(uint8_t *)(uintptr_t)zeros, FRAME_MIN - len};
    return true;
}

static void count(struct e1000 *s, const struct frame *f) {
    uint8_t dest[NET_MAC] = {0};
    size_t len = net_iov_len(f->iov, f->n);
    net_iov_fetch(f->iov, f->n, 0, dest, sizeof(dest));
    if (!f->meta.gso_type) {
        e1000_count_frame(s, true, dest, len, 1);
        return;
    }
    size_t payload = len - f->meta.hdr_len, mss = f->meta.gso_size;
    e1000_count_frame(s, true, dest, f->meta.hdr_len + mss, (unsigned)(payload / mss));
    if (payload % mss)
        e1000_count_frame(s, true, dest, f->meta.hdr_len + payload % mss, 1);
    e1000_count(s, TSCTC, 1);
}

static bool collect(struct e1000 *s, struct dma_sg *sg) {
    const struct e1000_tx *tx = &s->tx;
    for (unsigned i = 0; i < tx->parts; i++)
        if (dma_sg_add(&s->pci.dma, sg, tx->addr[i], tx->len[i], false) < tx->len[i])
            return false;
    return true;
}

/* The frame is complete. False: the link has no room. */
static bool send_frame(struct e1000 *s) {
    struct e1000_tx *tx = &s->tx;
    struct dma_sg sg;
    struct frame f;
    bool took = true;
    sg.n = 0;
    sg.len = 0;
    if (tx->overlong || !collect(s, &sg)) {
        log_guest(&s->odd, "e1000: a frame of too many parts or bytes (%u, %u) is not sent",
                  tx->parts, tx->bytes);
    } else if (prepare(s, &f, &sg)) {
        if (s->phy[PHY_BMCR] & BMCR_LOOPBACK || s->rctl & RCTL_LBM)
            e1000_rx_loop(s, f.iov, f.n);
        else
            took = net_send_undone(s->net, f.iov, f.n, &f.meta, &tx->segment);
        if (took)
            count(s, &f);
    }
    dma_sg_done(&s->pci.dma, &sg, false);
    return took;
}

/* ---- descriptors ---- */

static uint64_t ring(const struct e1000 *s) {
    return ((uint64_t)s->tdbah << 32 | s->tdbal) & ~UINT64_C(15);
}

static void read_context(struct e1000 *s, const uint8_t *d) {
    uint32_t word2 = load_le32(d + 8);
    uint8_t tucmd = (uint8_t)(word2 >> 24);
    s->context[tucmd & TUCMD_TSE ? 1 : 0] = (struct e1000_context){
        .ipcss = d[0], .ipcso = d[1], .ipcse = load_le16(d + 2), .tucss = d[4], .tucso = d[5],
        .tucse = load_le16(d + 6), .paylen = word2 & 0xfffff, .tcp = tucmd & TUCMD_TCP,
        .hdrlen = d[13], .mss = load_le16(d + 14)};
}

static void add_part(struct e1000_tx *tx, uint64_t addr, uint32_t len) {
    if (!len)
        return;
    if (tx->parts == TX_PARTS || tx->bytes + len > NET_FRAME_MAX) {
        tx->overlong = true;
        return;
    }
    tx->addr[tx->parts] = addr;
    tx->len[tx->parts++] = len;
    tx->bytes += len;
}

static void read_legacy(struct e1000_tx *tx, const uint8_t *d) {
    tx->legacy = true;
    tx->cso = d[10];
    tx->css = d[13];
    tx->special = load_le16(d + 14);
    add_part(tx, load_le64(d), load_le16(d + 8));
}

/* What is to be done with a frame its first descriptor says (3.3.7). */
static void read_data(struct e1000_tx *tx, const uint8_t *d) {
    if (!tx->begun) {
        tx->tse = tx->cmd & CMD_TSE;
        tx->sum_ip = d[13] & POPTS_IXSM;
        tx->sum_l4 = d[13] & POPTS_TXSM;
    }
    tx->special = load_le16(d + 14);
    add_part(tx, load_le64(d), load_le32(d + 8) & 0xfffff);
}

/* What a frame was made of is forgotten; for the next. */
static void forget(struct e1000_tx *tx) {
    tx->parts = tx->bytes = tx->segment = 0;
    tx->begun = tx->tse = tx->sum_ip = tx->sum_l4 = tx->legacy = tx->overlong = tx->stalled = false;
}

static void finish(struct e1000 *s, uint8_t status, uint32_t *causes) {
    uint32_t n = s->tdlen / DESCRIPTOR;
    if (s->tx.cmd & (CMD_RS | CMD_RPS)) {
        uint8_t done = status | DESC_DD;
        __atomic_thread_fence(__ATOMIC_RELEASE);
        dma_write(&s->pci.dma, ring(s) + (uint64_t)s->tdh * DESCRIPTOR + STATUS_BYTE, &done, 1);
        if (s->tx.cmd & CMD_IDE && s->tidv & 0xffff)
            e1000_tx_note(s);
        else
            *causes |= CAUSE_TXDW;
    }
    s->tdh = s->tdh + 1 >= n ? 0 : s->tdh + 1;
}

/* One descriptor; false: it stays, the link has no room. */
static bool serve(struct e1000 *s, const uint8_t *d, uint32_t *causes) {
    struct e1000_tx *tx = &s->tx;
    unsigned type = load_le32(d + 8) >> 20 & 15;
    if (!tx->stalled) {
        tx->cmd = d[11];
        if (tx->cmd & CMD_DEXT && type != TYPE_DATA) {
            if (type == TYPE_CONTEXT)
                read_context(s, d);
            finish(s, d[STATUS_BYTE] & 0xf0, causes);
            return true;
        }
        if (tx->cmd & CMD_DEXT)
            read_data(tx, d);
        else
            read_legacy(tx, d);
        tx->begun = true;
    }
    if (tx->stalled || tx->cmd & CMD_EOP) {
        tx->stalled = !send_frame(s);
        if (tx->stalled)
            return false;
        forget(tx);
    }
    finish(s, d[STATUS_BYTE] & 0xf0, causes);
    return true;
}

static bool can_send(const struct e1000 *s) {
    return s->tctl & TCTL_EN && s->pci.master && s->tdlen >= DESCRIPTOR &&
           s->tdt < s->tdlen / DESCRIPTOR && s->tdh < s->tdlen / DESCRIPTOR && s->tdh != s->tdt;
}

/* Reads up to BATCH descriptors from tdh on that lie side by side. */
static unsigned fetch(struct e1000 *s, uint8_t batch[BATCH][DESCRIPTOR]) {
    uint32_t end = s->tdt > s->tdh ? s->tdt : s->tdlen / DESCRIPTOR;
    unsigned n = MIN(end - s->tdh, (uint32_t)BATCH);
    dma_read(&s->pci.dma, ring(s) + (uint64_t)s->tdh * DESCRIPTOR, batch, n * DESCRIPTOR);
    return n;
}

static void tell(struct e1000 *s, uint32_t causes) {
    uint32_t threshold = (s->txdctl >> 25) * 8, n = s->tdlen / DESCRIPTOR;
    uint32_t left = n ? (s->tdt + n - s->tdh) % n : 0;
    if (!left)
        causes |= CAUSE_TXQE;
    if (threshold && left <= threshold)
        causes |= CAUSE_TXD_LOW;
    e1000_cause(s, causes);
}

/*
 * Sends what is between head and tail. A frame in loopback may wake the receiver, whose driver
 * can't run before we return; `sending` guards against a link that calls back from within a send.
 */
void e1000_tx_go(void *dev) {
    struct e1000 *s = dev;
    uint8_t batch[BATCH][DESCRIPTOR];
    uint32_t causes = 0;
    unsigned budget = BUDGET;
    bool any = false, room = !s->tx.stalled;
    if (s->sending || !room)
        return;
    s->sending = true;
    while (room && budget && can_send(s)) {
        unsigned n = MIN(fetch(s, batch), budget);
        any = true;
        budget -= n;
        for (unsigned i = 0; i < n && room; i++)
            room = serve(s, batch[i], &causes);
    }
    s->sending = false;
    if (any)
        tell(s, causes);
    if (room && !budget && can_send(s))
        timer_after(&s->tx_more, 0);
}

void e1000_tx_resume(void *dev) {
    struct e1000 *s = dev;
    uint8_t d[DESCRIPTOR] = {0};
    uint32_t causes = 0;
    if (!s->tx.stalled)
        e1000_tx_go(s);
    if (s->sending || !s->tx.stalled || !can_send(s))
        return;
    s->sending = true;
    bool went = serve(s, d, &causes);
    s->sending = false;
    if (!went)
        return;
    tell(s, causes);
    e1000_tx_go(s);
}
