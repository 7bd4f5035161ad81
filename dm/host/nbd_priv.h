/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between image_nbd.c, which has the requests, and nbd_link.c, which has the connection. Thread of
 * the loop.
 */
#ifndef HOST_NBD_PRIV_H
#define HOST_NBD_PRIV_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/block.h"
#include "core/log.h"
#include "core/loop.h"
#include "nbd_lib.h"
#include "nbd_url.h"

#define NBD_RETRY_MIN (100 * NS_PER_MS)

enum { NBD_ADDRESSES = 8 };
enum link {
    LINK_WAITING,    /* for the next attempt */
    LINK_CONNECTING, /* the socket */
    LINK_GREETING,   /* NBD's handshake */
    LINK_UP,
    LINK_GIVEN_UP,
};

/* Requests in a row, linked by their `next` and their job's `prev`. */
struct queue {
    struct block_req *first, *last;
};

/* In a request's scratch. */
struct job {
    struct queue *in;
    struct block_req *prev;
    struct nbd *nbd;
    uint64_t moved; /* by earlier commands */
    size_t piece;   /* of the one under way */
    uint64_t acked; /* a flush's: nbd->acked when it was sent */
    void *bounce;   /* stands in for an iovec of several pieces */
    int err;
    bool refused;
};

static_assert(sizeof(struct job) <= sizeof(((struct block_req *)0)->scratch),
              "a job fits into a request");

struct address {
    struct sockaddr_storage addr;
    socklen_t len;
};

struct nbd {
    struct block block;
    struct loop *loop;
    struct loop_task task;
    /* the server */
    struct nbd_url url;
    struct address addresses[NBD_ADDRESSES];
    unsigned address_count, address; /* which is tried */
    bool wants_read_only;
    uint64_t patience;
    /* the connection */
    enum link link;
    struct nbd_handle *h; /* from GREETING on */
    int sock;             /* while CONNECTING */
    struct loop_fd fd, timer;
    bool timer_on, opened, can_flush, can_trim, told;
    uint64_t gone_since, tried, retry;
    uint64_t progress, progress_seen; /* answers */
    char why[160];                    /* the last attempt's failure */
    /* requests */
    struct queue todo, under_way, answered;
    uint64_t acked, stable; /* writes the server took; of these, flushed */
    bool lost;              /* a flush is to fail for what was in between */
    unsigned inside;        /* how deep we are in code that runs `done` */
    bool freed;             /* to be done when we are out of it */
    struct log_limit errors;
    char name[];
};

/* image_nbd.c */
void nbd_fail_all(struct nbd *nbd);
void nbd_take_back(struct nbd *nbd, struct queue *queue); /* what has no answer, into todo */
void nbd_fail_flushes(struct nbd *nbd);                   /* those that wait, if writes were lost */

/* nbd_link.c. Those that may give up run the `done` of requests. */
void nbd_timer_set(struct nbd *nbd, uint64_t ns); /* 0: off */
void nbd_timer_expired(struct nbd *nbd);
/* Why the connection is going to end. */
void nbd_say(struct nbd *nbd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool nbd_resolve(struct nbd *nbd);       /* blocks; false: nbd->why */
void nbd_start_attempt(struct nbd *nbd); /* to connect */
void nbd_connected(struct nbd *nbd);     /* the socket is, or has failed */
void nbd_look(struct nbd *nbd);          /* libnbd has done something */
bool nbd_is_gone(const struct nbd *nbd);
void nbd_link_lost(struct nbd *nbd);
void nbd_give_up(struct nbd *nbd);
void nbd_hang_up(struct nbd *nbd);

#endif
