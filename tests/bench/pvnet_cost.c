/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a frame costs in the PV network's backend: `pvnet_cost tx|rx BYTES COUNT` has COUNT
 * frames of BYTES sent by a guest, or brought to it, 16 at a time (fewer long ones),
 * over a link that does nothing. Grant copies are counted and done by nobody: they are the
 * hypervisor's. Under callgrind, the difference of two COUNTs over that of the instructions is the
 * answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/mem.h"
#include "core/net_frame.h"
#include "loop.h"
#include "pv/net.h"
#include "pv/netif.h"
#include "pv/shared_ring.h"

enum { BATCH = 16, PAGES = 4 };

static uint8_t (*pages)[PV_PAGE];
static struct pv_port *port;
static uint64_t copies, calls, notified;
static size_t frame_len;
static unsigned arriving;

/* ---- a hypervisor that does nothing ---- */

static const char *const nodes[][2] = {
    {"backend/qnic/1/0/frontend", "/f"}, {"backend/qnic/1/0/mac", "00:16:3e:01:02:03"},
    {"backend/qnic/1/0/online", "1"},
    {"/f/tx-ring-ref", "1"}, {"/f/rx-ring-ref", "2"}, {"/f/event-channel", "7"},
    {"/f/request-rx-copy", "1"}, {"/f/feature-rx-notify", "1"}, {"/f/feature-sg", "1"},
    {"/f/feature-gso-tcpv4", "1"}};
static const char *backend_state = "1", *frontend_state = "1";

static bool fake_read(struct pv *pv, const char *path, char *val, size_t len) {
    (void)pv;
    const char *got = strcmp(path, "backend/qnic/1/0/state") ? NULL : backend_state;
    got = strcmp(path, "/f/state") ? got : frontend_state;
    for (unsigned i = 0; i < ARRAY_LEN(nodes) && !got; i++)
        got = strcmp(path, nodes[i][0]) ? NULL : nodes[i][1];
    if (got)
        snprintf(val, len, "%s", got);
    return got;
}

static bool fake_write(struct pv *pv, const char *path, const char *val) {
    (void)pv;
    if (!strcmp(path, "backend/qnic/1/0/state"))
        backend_state = *val == '2' ? "2" : "4";
    return true;
}

static void fake_list(struct pv *pv, const char *path, void (*each)(void *, const char *),
                      void *arg) {
    (void)pv, (void)path;
    each(arg, "0");
}

static struct pv_watch *watches[8];
static unsigned watch_count;

static bool fake_watch(struct pv *pv, struct pv_watch *watch, const char *path) {
    (void)pv, (void)path;
    watches[watch_count++] = watch;
    return true;
}

static void fake_unwatch(struct pv *pv, struct pv_watch *watch) {
    (void)pv, (void)watch;
}

static void *fake_map(struct pv *pv, const uint32_t *refs, unsigned n, bool write) {
    (void)pv, (void)n, (void)write;
    return pages[refs[0]];
}

static void fake_unmap(struct pv *pv, void *page, unsigned n) {
    (void)pv, (void)page, (void)n;
}

static bool fake_copy(struct pv *pv, struct pv_copy *list, unsigned n) {
    (void)pv;
    for (unsigned i = 0; i < n; i++)
        list[i].ok = true;
    copies += n;
    calls++;
    return true;
}

static bool fake_bind(struct pv *pv, uint32_t remote, struct pv_port *p) {
    (void)pv, (void)remote;
    port = p;
    return p->bound = true;
}

static void fake_unbind(struct pv *pv, struct pv_port *p) {
    (void)pv, (void)p;
}

static void fake_notify(struct pv *pv, struct pv_port *p) {
    (void)pv, (void)p;
    notified++;
}

static void *fake_area(struct pv *pv, unsigned count) {
    (void)pv;
    return mem_pages(count);
}

static void fake_free_area(struct pv *pv, void *area) {
    (void)pv;
    mem_free(area);
}

static const struct pv_ops pv_ops = {
    .read = fake_read, .write = fake_write, .list = fake_list, .watch = fake_watch,
    .unwatch = fake_unwatch, .map = fake_map, .unmap = fake_unmap, .copy = fake_copy,
    .area = fake_area, .free_area = fake_free_area,
    .bind = fake_bind, .unbind = fake_unbind, .notify = fake_notify};

/* ---- a link that does nothing ---- */

static bool link_send(struct net *net, const struct iovec *iov, unsigned n,
                      const struct net_meta *meta) {
    (void)net, (void)iov, (void)n, (void)meta;
    return true;
}

static size_t link_receive(struct net *net, const struct iovec *iov, unsigned n,
                           struct net_meta *meta) {
    (void)net, (void)n;
    if (!arriving)
        return 0;
    arriving--;
    memset(iov[0].iov_base, 0, NET_HEADER); /* its bytes are of no interest */
    *meta = (struct net_meta){.flags = NET_META_VALID};
    return frame_len;
}

static void link_listen(struct net *net, bool on) {
    (void)net, (void)on;
}

static void link_accept(struct net *net, unsigned offloads) {
    (void)net, (void)offloads;
}

static void link_end(struct net *net) {
    (void)net;
}

static const struct net_ops link_ops = {link_send,   link_receive, link_listen,
                                        link_accept, link_end,     link_end};
static struct net link = {.ops = &link_ops, .id = "link", .link_up = true,
                          .offloads = NET_CSUM | NET_TSO4};

static struct net *open_link(void *board, const char *id, const char *ifname) {
    (void)board, (void)id, (void)ifname;
    return &link;
}

/* ---- the guest ---- */

static void settle(struct loop *loop) {
    for (unsigned i = 0; i < watch_count; i++)
        watches[i]->changed(watches[i]->arg);
    loop_once(loop, NULL, 0);
}

static uint32_t put_tx(uint32_t prod) {
    size_t left = frame_len;
    while (left) {
        uint8_t *s = pages[1] + RING_SLOTS + prod++ % NETIF_SLOTS * NETIF_TX_SLOT;
        size_t part = MIN(left, (size_t)PV_PAGE);
        store_le32(s, 3);
        store_le16(s + 4, 0);
        store_le16(s + 6, left > part ? NETTX_MORE : 0);
        store_le16(s + 8, (uint16_t)prod);
        store_le16(s + 10, (uint16_t)(left == frame_len ? frame_len : part));
        left -= part;
    }
    return prod;
}

static void run(struct loop *loop, bool tx, uint64_t count) {
    unsigned slots = (unsigned)((frame_len + PV_PAGE - 1) / PV_PAGE);
    unsigned batch = MIN((unsigned)BATCH, NETIF_SLOTS / slots);
    uint32_t prod = 0;
    for (uint64_t done = 0; done < count; done += batch) {
        if (tx) {
            for (unsigned i = 0; i < batch; i++)
                prod = put_tx(prod);
            store_le32(pages[1] + RING_REQ_PROD, prod);
            store_le32(pages[1] + RING_RSP_EVENT, prod);
            port->event(port->arg);
        } else {
            prod += batch * slots; /* all slots stay as they were: reference 0 */
            store_le32(pages[2] + RING_REQ_PROD, prod);
            store_le32(pages[2] + RING_RSP_EVENT, prod);
            arriving = batch;
            while (arriving)
                net_arrived(&link);
        }
        loop_once(loop, NULL, 0);
    }
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "pvnet_cost tx|rx BYTES COUNT\n");
        return 2;
    }
    struct loop *loop = loop_new();
    struct clock *clock = clock_new(loop_monotonic, NULL);
    struct pv pv = {&pv_ops, 1};
    struct pv_net_board board = {.loop = loop, .clock = clock, .open = open_link};
    pages = aligned_alloc(PV_PAGE, PAGES * PV_PAGE);
    memset(pages, 0, PAGES * PV_PAGE);
    struct xenbus *bus = xenbus_new(&pv, &pv_net_type, &board);
    frame_len = strtoull(argv[2], NULL, 0);
    settle(loop);
    frontend_state = "4";
    settle(loop);
    run(loop, !strcmp(argv[1], "tx"), strtoull(argv[3], NULL, 0));
    printf("%llu frames: %llu copies in %llu calls, %llu notifications\n",
           (unsigned long long)(link.stats.tx_frames + link.stats.rx_frames),
           (unsigned long long)copies, (unsigned long long)calls, (unsigned long long)notified);
    xenbus_free(bus);
    clock_free(clock);
    loop_free(loop);
    free(pages);
    return 0;
}
