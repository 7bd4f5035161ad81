/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files of the PV network: net.c has the device and its connection, net_ring.c the
 * rings, net_tx.c what the guest sends, net_rx.c what it gets, net_ctrl.c its control ring with
 * the grants it keeps here, net_hash.c the hash that chooses a queue. One thread.
 */
#ifndef DEVICES_PV_NET_PRIV_H
#define DEVICES_PV_NET_PRIV_H

#include "core/log.h"
#include "core/net_frame.h"
#include "pv/net.h"
#include "pv/netif.h"
#include "pv/shared_ring.h"

enum {
    TX_PARTS = 20,             /* slots of a frame; netfront takes up to 18 */
    EXTRAS = 4,                /* of a frame, either way */
    FRAMES = 64,               /* of the guest's, collected at a time */
    AREA = 96 * PV_PAGE,       /* their bytes */
    TX_ROOM = (TX_PARTS + 1) * PV_PAGE, /* no frame takes more of it */
    COPIES = 512,
    GROUPS = 64,               /* multicast addresses; Linux' netback takes as many */
    GREFS = 512,               /* grants that a queue may keep here */
    HASH_KEY = 40, HASH_MAPPING = 128,
};

struct pv_net;

struct ring {
    struct pv_net *net;
    uint8_t *page;
    uint32_t req, rsp, told; /* next request to take, next answer to write, last one told */
    unsigned slots, slot;    /* how many, of how many bytes */
    struct pv_port *port;    /* whom to tell */
};

/* A frame of the guest's, collected. */
struct tx_frame {
    uint16_t id[TX_PARTS];
    uint8_t parts, extras;
    bool send, blank; /* it is one, and not just a wish; its checksum is to be put */
    bool bad;
    uint8_t gso;
    uint16_t mss;
    unsigned copy, copies; /* the first of its copies, and how many */
    unsigned run, runs;    /* of its bytes */
    size_t len;
};

/* A slot of the guest's that was filled, to be answered after the copies. */
struct rx_part {
    uint16_t id, flags, size;
    bool bad, extra;
    unsigned copy; /* COPIES: none is needed */
    uint8_t info[8]; /* the answer, if it is extra information */
};

struct gref {
    uint32_t ref;
    bool readonly;
    uint8_t *page;
};

struct flow_hash {
    bool tell; /* the guest wants to know it */
    uint8_t type;
    uint32_t val;
};

struct net_queue {
    struct pv_net *net;
    struct ring tx, rx;
    struct pv_port ports[2]; /* the second one only if they are split */
    bool pending;            /* it may have something to send */
    bool busy;               /* its frames come so fast that not each is told of */
    uint64_t last;           /* when the last ones came */
    /* to the guest */
    bool stalled; /* it has waited too long: frames that find no slots are lost */
    struct rx_part part[NETIF_SLOTS];
    unsigned parts;
    /* sorted by reference */
    struct gref *grefs;
    unsigned gref_count;
};

struct pv_net {
    struct xenbus_device *dev;
    const struct pv_net_board *board;
    struct net *net;
    char id[32], ifname[32];
    struct log_limit odd;
    /* connected */
    struct net_queue *queues;
    unsigned queue_count;
    struct ring ctrl; /* page NULL: there is none */
    struct pv_port ctrl_port;
    bool broken, groups_only, csum6;
    uint8_t group[GROUPS][NET_MAC];
    unsigned groups;
    uint64_t patience; /* ns that a frame waits for slots */
    struct timer drain, poll;
    struct loop_task again, ctrl_again;
    struct pv_copy copies[COPIES];
    unsigned copy_count;
    /* what was collected from one queue and is being sent */
    struct net_queue *from;
    struct tx_frame frames[FRAMES];
    struct iovec runs[COPIES];
    unsigned frame_count, run_count, frame_next, segment, turn;
    bool refused, serving;
    uint8_t *tx_area, *rx_area; /* side by side, and what is held after them */
    /* a frame that waits for slots of its queue; NULL: none does */
    struct net_queue *holder;
    uint8_t *held;
    size_t held_len;
    struct net_meta held_meta;
    struct flow_hash held_hash;
    /* the guest's rule for choosing a queue */
    uint8_t hash_algorithm, hash_flags, hash_key[HASH_KEY];
    uint32_t hash_mapping[HASH_MAPPING];
    unsigned hash_mapping_size;
};

/* ---- net.c ---- */

/* The frontend breaks the protocol: it is not served any more until it reconnects. */
void net_broken(struct pv_net *d, const char *what, unsigned val);

/* ---- net_ring.c ---- */

bool ring_map(struct ring *r, struct pv_net *d, uint32_t ref, unsigned slots, unsigned slot);
void ring_unmap(struct ring *r);
uint8_t *ring_slot(const struct ring *r, uint32_t index);
/* How many requests wait. */
uint32_t ring_waiting(struct ring *r);
/* Asks to be told when n requests wait. True: they do already. */
bool ring_want(struct ring *r, unsigned n);
/* Shows the answers to the guest, and tells it if it wants to be told. */
void ring_push(struct ring *r);

/* ---- net_tx.c, net_rx.c ---- */

void net_serve_tx(void *pv_net);      /* also when the link has room again */
void net_tx_event(void *queue);
void net_tx_poll(void *pv_net);       /* the timer's */
void net_rx_start(struct pv_net *d);  /* connected */
void net_rx_arrived(void *pv_net);    /* the link has frames */
void net_rx_event(void *queue);
void net_rx_patience(void *pv_net);   /* the timer's */

/* ---- net_ctrl.c ---- */

void net_ctrl_event(void *pv_net);
/* A kept grant, or NULL. */
const struct gref *net_gref(const struct net_queue *q, uint32_t ref);
void net_forget_grefs(struct net_queue *q);

/* ---- net_hash.c ---- */

/* The queue that a frame goes to. */
struct net_queue *net_steer(struct pv_net *d, uint8_t *frame, size_t len, struct flow_hash *hash);
uint32_t net_toeplitz(const uint8_t *key, unsigned key_len, const uint8_t *bytes, unsigned len);

#endif
