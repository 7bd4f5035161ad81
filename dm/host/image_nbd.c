/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network disks: the NBD protocol (the NetworkBlockDevice project's doc/proto.md) through libnbd.
 * Many requests are in flight, and the loop never waits for the server once the disk is open.
 *
 * When the connection is lost, requests wait while it is made anew, with longer and longer pauses
 * between the attempts; those that were in flight are sent again, in their order. When the server
 * stays away for longer than options->patience they fail with EIO, and so do later ones, each of
 * which may start one more attempt. A connection on which no answer comes for as long as that is
 * taken for lost.
 *
 * What a server acknowledged and did not flush may be gone with it, and we don't have it any more.
 * The guest must know: the flushes that wait then, or else the next one, fail with EIO once. As
 * with a disk of one's own, a flush that failed has said all there is to say of the writes before
 * it. A server that can't flush promises nothing, so there is nothing to be said of it either.
 *
 * A server that lives on with a broken connection may carry out a write of the old connection
 * after those that came by the new one. NBD has no means against that.
 *
 * Names are looked up once, when the disk is opened. In a chroot (dm_restrict) a Unix socket
 * outside of it can't be reached a second time.
 *
 * Not modelled: TLS, FUA, several connections a disk.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/clock.h"
#include "image_priv.h"
#include "loop.h"
#include "nbd_priv.h"

enum { PIECE = 4 << 20, TRIM_PIECE = 1 << 30 }; /* bytes of a command */
#define PATIENCE (30 * NS_PER_SEC)
#define LEAVING_MAX (2 * NS_PER_SEC)

static bool leaving; /* image_leaving was called */

static struct nbd *nbd_of(struct block *block) {
    return CONTAINER_OF(block, struct nbd, block);
}

/* ---- queues ---- */

static struct job *job_of(struct block_req *req) {
    return (struct job *)req->scratch;
}

static void push_last(struct queue *queue, struct block_req *req) {
    struct job *job = job_of(req);
    job->in = queue;
    job->prev = queue->last;
    req->next = NULL;
    if (queue->last)
        queue->last->next = req;
    else
        queue->first = req;
    queue->last = req;
}

static void push_first(struct queue *queue, struct block_req *req) {
    struct job *job = job_of(req);
    job->in = queue;
    job->prev = NULL;
    req->next = queue->first;
    if (queue->first)
        job_of(queue->first)->prev = req;
    else
        queue->last = req;
    queue->first = req;
}

static void take(struct block_req *req) {
    struct job *job = job_of(req);
    struct queue *queue = job->in;
    if (job->prev)
        job->prev->next = req->next;
    else
        queue->first = req->next;
    if (req->next)
        job_of(req->next)->prev = job->prev;
    else
        queue->last = job->prev;
    job->in = NULL;
}

/* ---- ends of requests ---- */

/* Between `from` bytes into the iovec and the bounce buffer. */
static void copy(const struct block_req *req, uint64_t from, char *bounce, size_t len,
                 bool to_bounce) {
    for (unsigned i = 0; len && i < req->niov; i++) {
        const struct iovec *iov = &req->iov[i];
        if (from >= iov->iov_len) {
            from -= iov->iov_len;
            continue;
        }
        size_t n = MIN(len, iov->iov_len - (size_t)from);
        char *at = (char *)iov->iov_base + from;
        memcpy(to_bounce ? bounce : at, to_bounce ? at : bounce, n);
        bounce += n;
        len -= n;
        from = 0;
    }
}

static void finish(struct nbd *nbd, struct block_req *req, int err) {
    struct job *job = job_of(req);
    free(job->bounce);
    job->bounce = NULL;
    if (err && !job->refused)
        nbd->block.stats.errors++;
    req->done(req, err);
}

/* Those that wait now; what they have the drives ask for next waits its turn. */
void nbd_fail_all(struct nbd *nbd) {
    unsigned n = 0;
    for (const struct block_req *req = nbd->todo.first; req; req = req->next)
        n++;
    while (n-- && nbd->todo.first) {
        struct block_req *req = nbd->todo.first;
        take(req);
        finish(nbd, req, job_of(req)->refused ? job_of(req)->err : EIO);
    }
}

static const char *op_name(enum block_op op) {
    static const char *const names[] = {"read", "write", "flush", "discard"};
    return names[op];
}

/* What the server's errors are to a guest. Discarding is a hint. */
static int error_of(const struct block_req *req, int err) {
    if (req->op == BLOCK_DISCARD)
        return err == EIO ? EIO : 0;
    return err == EPERM ? EROFS : err == ENOSPC || err == ENOMEM ? err : EIO;
}

/* An answer of the server to a command. */
static void settle(struct nbd *nbd, struct block_req *req) {
    struct job *job = job_of(req);
    int err = job->err ? error_of(req, job->err) : 0;
    if (err)
        log_guest(&nbd->errors, "image '%s': the server answers a %s at offset %llu with: %s",
                  nbd->name, op_name(req->op), (unsigned long long)(req->offset + job->moved),
                  strerror(job->err));
    if (err || req->op == BLOCK_FLUSH) {
        finish(nbd, req, err);
        return;
    }
    if (job->bounce && req->op == BLOCK_READ)
        copy(req, job->moved, job->bounce, job->piece, false);
    job->moved += job->piece;
    if (job->moved < req->len)
        push_last(&nbd->todo, req);
    else
        finish(nbd, req, 0);
}

/* ---- a server that goes ---- */

/* Ours again, and first in the row, in the order in which they came. */
void nbd_take_back(struct nbd *nbd, struct queue *queue) {
    struct block_req *req, *prev;
    for (req = queue->last; req; req = prev) {
        prev = job_of(req)->prev;
        bool unanswered = queue == &nbd->under_way || job_of(req)->err == ENOTCONN ||
                          job_of(req)->err == ESHUTDOWN;
        if (!unanswered)
            continue;
        take(req);
        push_first(&nbd->todo, req);
    }
}

/* A server that went with writes in it: see the head of this file. */
void nbd_fail_flushes(struct nbd *nbd) {
    bool failed = false;
    for (struct block_req *req = nbd->todo.first; nbd->lost && req; req = req->next) {
        struct job *job = job_of(req);
        if (req->op != BLOCK_FLUSH || job->refused)
            continue;
        job->refused = failed = true;
        job->err = EIO;
        nbd->block.stats.errors++;
    }
    nbd->lost &= !failed;
}

/* ---- commands ---- */

/* Libnbd's thread is ours, but we are inside one of its functions: only take note. */
static int answer(void *arg, int *error) {
    struct block_req *req = arg;
    struct job *job = job_of(req);
    struct nbd *nbd = job->nbd;
    job->err = *error;
    if (!*error && req->op == BLOCK_WRITE)
        nbd->acked++;
    if (!*error && req->op == BLOCK_FLUSH)
        nbd->stable = MAX(nbd->stable, job->acked);
    take(req);
    push_last(&nbd->answered, req);
    nbd->progress++;
    return 1;
}

/* Memory for the command's bytes: the request's own where they lie in one piece. */
static void *memory_of(struct block_req *req) {
    struct job *job = job_of(req);
    if (req->niov == 1)
        return (char *)req->iov[0].iov_base + job->moved;
    size_t room = MIN(req->len, (size_t)PIECE);
    if (!job->bounce)
        job->bounce = req->op == BLOCK_READ ? calloc(1, room) : malloc(room);
    if (job->bounce && req->op == BLOCK_WRITE)
        copy(req, job->moved, job->bounce, job->piece, true);
    return job->bounce;
}

static int64_t command(struct nbd *nbd, struct block_req *req) {
    struct job *job = job_of(req);
    nbd_completion_callback done = {.callback = answer, .user_data = req};
    uint64_t at = req->offset + job->moved, left = req->len - job->moved;
    if (req->op == BLOCK_FLUSH) {
        job->acked = nbd->acked;
        return nbd_lib.flush(nbd->h, done, 0);
    }
    if (req->op == BLOCK_DISCARD) {
        job->piece = (size_t)MIN(left, (uint64_t)TRIM_PIECE);
        return nbd_lib.trim(nbd->h, job->piece, at, done, 0);
    }
    job->piece = (size_t)MIN(left, (uint64_t)PIECE);
    void *memory = memory_of(req);
    if (!memory) {
        take(req);
        job->err = ENOMEM;
        push_last(&nbd->answered, req);
        return 0;
    }
    return req->op == BLOCK_READ ? nbd_lib.pread(nbd->h, memory, job->piece, at, done, 0)
                                 : nbd_lib.pwrite(nbd->h, memory, job->piece, at, done, 0);
}

/* What this server is not to be asked, and is answered without it. False: it must be asked. */
static bool needs_no_server(struct nbd *nbd, struct block_req *req, int *err) {
    *err = job_of(req)->err;
    if (job_of(req)->refused)
        return true;
    *err = 0;
    if (req->op != BLOCK_FLUSH)
        return !req->len || (req->op == BLOCK_DISCARD && !nbd->can_trim);
    if (!nbd->can_flush || nbd->block.read_only)
        return true;
    *err = nbd->lost ? EIO : 0;
    nbd->lost = false;
    return *err;
}

static void start(struct nbd *nbd, struct block_req *req) {
    struct job *job = job_of(req);
    int err;
    take(req);
    if (needs_no_server(nbd, req, &err)) {
        finish(nbd, req, err);
        return;
    }
    push_last(&nbd->under_way, req);
    if (command(nbd, req) >= 0 || job->in != &nbd->under_way)
        return;
    job->err = nbd_is_gone(nbd) ? ENOTCONN : nbd_lib.get_errno();
    take(req);
    push_last(&nbd->answered, req);
}

static bool has_gone(const struct nbd *nbd, struct block_req *req) {
    int err = job_of(req)->err;
    return nbd->link == LINK_UP && (err == ENOTCONN || err == ESHUTDOWN);
}

/* Ends what is answered. A server that says that it shuts down is as good as gone. */
static void end_answered(struct nbd *nbd) {
    struct block_req *req;
    while ((req = nbd->answered.first)) {
        if (has_gone(nbd, req)) {
            nbd_say(nbd, "it shuts down");
            nbd_link_lost(nbd);
        } else {
            take(req);
            settle(nbd, req);
        }
    }
}

/* The server is away: what waits for it fails, unless it is time to look whether it is back. */
static void try_again(struct nbd *nbd) {
    if (loop_monotonic(NULL) - nbd->tried >= NS_PER_SEC)
        nbd_start_attempt(nbd);
    else
        nbd_fail_all(nbd);
}

/* Sends what waits and ends what is answered, until all the rest is the server's turn. */
static void go_on(struct nbd *nbd) {
    do {
        struct block_req *req;
        while ((req = nbd->todo.first) && (nbd->link == LINK_UP || job_of(req)->refused))
            start(nbd, req);
        if (nbd->h)
            nbd_look(nbd);
        end_answered(nbd);
        if (nbd->link == LINK_GIVEN_UP && nbd->todo.first)
            try_again(nbd);
    } while (nbd->link == LINK_UP && nbd->todo.first);
    if (nbd->under_way.first && !nbd->timer_on) {
        nbd->progress_seen = nbd->progress;
        nbd_timer_set(nbd, nbd->patience);
    }
}

/* ---- the loop ---- */

static void leave(struct nbd *nbd);

static void turn(void *arg) {
    struct nbd *nbd = arg;
    nbd->inside++;
    go_on(nbd);
    leave(nbd);
}

static void fd_ready(void *arg, unsigned events) {
    struct nbd *nbd = arg;
    nbd->inside++;
    if (nbd->link == LINK_CONNECTING) {
        nbd_connected(nbd);
    } else if (nbd->h) {
        unsigned direction = nbd_lib.get_direction(nbd->h);
        if (events & LOOP_READ && direction & LIBNBD_AIO_DIRECTION_READ)
            nbd_lib.notify_read(nbd->h);
        else if (events & LOOP_WRITE && direction & LIBNBD_AIO_DIRECTION_WRITE)
            nbd_lib.notify_write(nbd->h);
        nbd_look(nbd);
    }
    go_on(nbd);
    leave(nbd);
}

static void timer_ready(void *arg, unsigned events) {
    struct nbd *nbd = arg;
    uint64_t times;
    (void)events;
    if (read(nbd->timer.fd, &times, sizeof(times)) != (ssize_t)sizeof(times))
        return;
    nbd->inside++;
    nbd->timer_on = false;
    nbd_timer_expired(nbd);
    go_on(nbd);
    leave(nbd);
}

/* Waits for the connection or the timer. False: nothing came in time. */
static bool wait_once(struct nbd *nbd, int ms) {
    short events = (short)((nbd->fd.events & LOOP_READ ? POLLIN : 0) |
                           (nbd->fd.events & LOOP_WRITE ? POLLOUT : 0));
    struct pollfd fds[] = {{.fd = nbd->timer.fd, .events = POLLIN},
                           {.fd = nbd->fd.added ? nbd->fd.fd : -1, .events = events}};
    int n = poll(fds, ARRAY_LEN(fds), ms);
    if (n <= 0)
        return n < 0;
    if (fds[0].revents)
        timer_ready(nbd, LOOP_READ);
    else
        fd_ready(nbd, (fds[1].revents & ~POLLOUT ? LOOP_READ : 0) |
                          (fds[1].revents & ~POLLIN ? LOOP_WRITE : 0));
    return true;
}

/* ---- what core/block.h asks ---- */

static void enqueue(struct nbd *nbd, struct block_req *req, bool refused, int err) {
    *job_of(req) = (struct job){.nbd = nbd, .refused = refused, .err = err};
    push_last(&nbd->todo, req);
    loop_defer(nbd->loop, &nbd->task);
}

static void nbd_submit(struct block *block, struct block_req *req) {
    enqueue(nbd_of(block), req, false, 0);
}

static void nbd_refuse(struct block *block, struct block_req *req, int err) {
    enqueue(nbd_of(block), req, true, err);
}

/* The process ends, and the server does not answer. */
static void abandon(struct nbd *nbd) {
    nbd_say(nbd, "it does not answer, and hvm-dm ends");
    nbd_hang_up(nbd);
    nbd_take_back(nbd, &nbd->under_way);
    nbd_take_back(nbd, &nbd->answered);
    end_answered(nbd);
    nbd->told = true;
    nbd_give_up(nbd);
}

/* Bounded by the timer: of an answer, of the attempts. */
static void nbd_drain(struct block *block) {
    struct nbd *nbd = nbd_of(block);
    nbd->inside++;
    go_on(nbd);
    while (nbd->todo.first || nbd->under_way.first) {
        if (leaving && (nbd->link != LINK_UP ||
                        !wait_once(nbd, (int)(LEAVING_MAX / NS_PER_MS))))
            abandon(nbd);
        else if (!leaving)
            wait_once(nbd, -1);
    }
    leave(nbd);
}

static void nbd_free(struct block *block) {
    struct nbd *nbd = nbd_of(block);
    nbd->inside++;
    nbd->freed = true;
    leave(nbd);
}

/* A `done` may have put the image away: that happens when nobody stands on it any more. */
static void leave(struct nbd *nbd) {
    if (--nbd->inside || !nbd->freed)
        return;
    if (nbd->link == LINK_UP)
        nbd_lib.disconnect(nbd->h, 0);
    nbd_hang_up(nbd);
    loop_cancel(nbd->loop, &nbd->task);
    loop_remove(nbd->loop, &nbd->timer);
    if (nbd->timer.fd >= 0)
        close(nbd->timer.fd);
    free(nbd);
}

static const struct block_ops nbd_ops = {
    .submit = nbd_submit, .refuse = nbd_refuse, .drain = nbd_drain, .free = nbd_free,
};

/* ---- opening ---- */

static bool connect_first(struct nbd *nbd) {
    nbd->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (nbd->timer.fd < 0 || !loop_add(nbd->loop, &nbd->timer)) {
        nbd_say(nbd, "no timer: %s", strerror(errno));
        return false;
    }
    if (!nbd_resolve(nbd))
        return false;
    nbd_start_attempt(nbd);
    while (nbd->link == LINK_CONNECTING || nbd->link == LINK_GREETING)
        wait_once(nbd, -1);
    return nbd->link == LINK_UP;
}

void image_leaving(bool yes) {
    leaving = yes;
}

struct block *nbd_open(struct loop *loop, const char *path, bool below,
                       const struct image_options *options, char *why, size_t why_len) {
    (void)below; /* an export doesn't grow */
    struct nbd_url url;
    char missing[160];
    if (!nbd_url_parse(path, &url, why, why_len))
        return NULL;
    if (!nbd_lib_load(missing, sizeof(missing))) {
        snprintf(why, why_len, "image '%.200s': %s", path, missing);
        return NULL;
    }
    struct nbd *nbd = calloc(1, sizeof(*nbd) + strlen(path) + 1);
    if (!nbd) {
        snprintf(why, why_len, "image '%.200s': out of memory", path);
        return NULL;
    }
    strcpy(nbd->name, path);
    nbd->block = (struct block){.ops = &nbd_ops, .name = nbd->name, .users = 1};
    nbd->loop = loop;
    nbd->task = (struct loop_task){.run = turn, .arg = nbd};
    nbd->url = url;
    nbd->wants_read_only = options->read_only;
    nbd->patience = options->patience_s ? options->patience_s * NS_PER_SEC : PATIENCE;
    nbd->retry = NBD_RETRY_MIN;
    nbd->sock = -1;
    nbd->fd = (struct loop_fd){.fd = -1, .ready = fd_ready, .arg = nbd};
    nbd->timer = (struct loop_fd){.fd = -1, .ready = timer_ready, .arg = nbd, .events = LOOP_READ};
    if (connect_first(nbd))
        return &nbd->block;
    snprintf(why, why_len, "image '%.200s': %s", path, nbd->why);
    nbd_free(&nbd->block);
    return NULL;
}
