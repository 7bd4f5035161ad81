/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread of a USB device of the host: carries out orders in their order, and hands jobs back.
 * See usb_priv.h.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/bits.h"
#include "usb_priv.h"

enum { POLL_FDS = 8, LEFT_MAX = 1 << 20 };
enum { GET_DESCRIPTOR = 6, TYPE_IN_STANDARD = 0x80, TYPE_MASK = 0xe0 };

/* A transfer that was killed is back at once; of a host controller that is dead it may never be. */
enum { TRIES = 100, TRY_US = 20000 };

/* ---- jobs go back ---- */

/* Under the lock. */
static void enqueue(struct host *h, struct job *job) {
    bool first = !h->done;
    job->queued = true;
    job->next = NULL;
    *h->done_end = job;
    h->done_end = &job->next;
    if (first)
        eventfd_write(h->news.fd, 1);
}

static void finish(struct job *job, enum real_usb_result result, size_t actual) {
    struct host *h = job->host;
    job->finished = true;
    job->result = result;
    job->actual = actual;
    pthread_mutex_lock(&h->lock);
    enqueue(h, job);
    pthread_mutex_unlock(&h->lock);
}

static void lose(struct host *h) {
    if (h->dead)
        return;
    h->dead = true;
    pthread_mutex_lock(&h->lock);
    h->lost = true;
    eventfd_write(h->news.fd, 1);
    pthread_mutex_unlock(&h->lock);
}

/* STALL is also for what the device has not: such an interface. */
static void finish_call(struct job *job, int rc) {
    bool stalled = rc == LIBUSB_ERROR_PIPE || rc == LIBUSB_ERROR_NOT_FOUND;
    finish(job, !rc ? REAL_OK : stalled ? REAL_STALL : REAL_ERROR, 0);
    if (rc == LIBUSB_ERROR_NO_DEVICE)
        lose(job->host);
}

/* ---- IN data that waits ---- */

static struct left *left_of(struct host *h, const struct job *job) {
    bool data = job->kind == REAL_BULK || job->kind == REAL_INTERRUPT;
    return data && job->endpoint & 0x80 ? &h->left[job->endpoint & 0x0f] : NULL;
}

static void drop_left(struct left *left) {
    free(left->bytes);
    *left = (struct left){0};
}

static void drop_all_left(struct host *h) {
    for (unsigned i = 0; i < USB_DESC_ENDPOINTS; i++)
        drop_left(&h->left[i]);
}

static void keep(struct left *left, const uint8_t *bytes, size_t len) {
    size_t have = left->len - left->at;
    uint8_t *all = len && have + len <= LEFT_MAX ? malloc(have + len) : NULL;
    if (!all)
        return;
    if (have)
        memcpy(all, left->bytes + left->at, have);
    memcpy(all + have, bytes, len);
    free(left->bytes);
    *left = (struct left){all, 0, have + len};
}

static bool give_left(struct job *job, struct left *left) {
    size_t n = MIN(left->len - left->at, job->len);
    if (left->at == left->len)
        return false;
    memcpy(job->bytes + JOB_SETUP, left->bytes + left->at, n);
    left->at += n;
    if (left->at == left->len)
        drop_left(left);
    finish(job, REAL_OK, n);
    return true;
}

/* ---- transfers ---- */

static enum real_usb_result status_of(enum libusb_transfer_status status) {
    switch (status) {
    case LIBUSB_TRANSFER_COMPLETED:
        return REAL_OK;
    case LIBUSB_TRANSFER_STALL:
        return REAL_STALL;
    case LIBUSB_TRANSFER_OVERFLOW:
        return REAL_BABBLE;
    default:
        return REAL_ERROR;
    }
}

static void LIBUSB_CALL transfer_done(struct libusb_transfer *x) {
    struct job *job = x->user_data;
    struct host *h = job->host;
    struct left *left = left_of(h, job);
    uint8_t *data = job->bytes + JOB_SETUP;
    size_t actual = x->actual_length > 0 ? MIN((size_t)x->actual_length, job->ask) : 0;
    size_t mine = job->cancelling ? 0 : MIN(actual, job->len);
    if (left && actual > mine)
        keep(left, data + mine, actual - mine);
    enum libusb_transfer_status status = x->status;
    usb_lib.free_transfer(x);
    job->transfer = NULL;
    h->in_flight--;
    finish(job, status_of(status), mine);
    if (status == LIBUSB_TRANSFER_NO_DEVICE)
        lose(h);
}

static int submit(struct job *job) {
    struct host *h = job->host;
    struct libusb_transfer *x = usb_lib.alloc_transfer(0);
    bool control = job->kind == REAL_CONTROL;
    if (!x)
        return LIBUSB_ERROR_NO_MEM;
    x->dev_handle = h->handle;
    x->endpoint = control ? 0 : job->endpoint;
    x->type = control ? LIBUSB_TRANSFER_TYPE_CONTROL
                      : job->kind == REAL_BULK ? LIBUSB_TRANSFER_TYPE_BULK
                                               : LIBUSB_TRANSFER_TYPE_INTERRUPT;
    x->buffer = control ? job->bytes : job->bytes + JOB_SETUP;
    x->length = (int)(job->ask + (control ? JOB_SETUP : 0));
    x->callback = transfer_done;
    x->user_data = job;
    int rc = usb_lib.submit_transfer(x);
    if (rc) {
        usb_lib.free_transfer(x);
        return rc;
    }
    job->transfer = x;
    h->in_flight++;
    return 0;
}

static void begin_transfer(struct job *job) {
    struct left *left = left_of(job->host, job);
    if (left && give_left(job, left))
        return;
    int rc = submit(job);
    if (rc)
        finish_call(job, rc);
}

static void handle_events(struct host *h, long us) {
    struct timeval tv = {.tv_usec = us};
    usb_lib.handle_events(h->ctx, &tv, NULL);
}

static void kill_transfer(struct job *job) {
    job->cancelling = true;
    usb_lib.cancel_transfer(job->transfer);
    for (unsigned i = 0; job->transfer && i < TRIES; i++)
        handle_events(job->host, i ? TRY_US : 0);
}

/* ---- orders ---- */

static bool makes_dirty(const struct job *job) {
    return job->kind != REAL_CONTROL || (job->bytes[0] & TYPE_MASK) != TYPE_IN_STANDARD ||
           job->bytes[1] != GET_DESCRIPTOR;
}

static int command(struct host *h, const struct job *job) {
    switch (job->kind) {
    case REAL_CONFIGURE:
        drop_all_left(h);
        return usb_device_configure(h, job->value);
    case REAL_INTERFACE:
        drop_all_left(h);
        return usb_device_interface(h, job->value, job->setting);
    case REAL_UNHALT:
        drop_left(&h->left[job->endpoint & 0x0f]);
        return usb_lib.clear_halt(h->handle, job->endpoint);
    default:
        drop_all_left(h);
        return usb_device_reset(h);
    }
}

static void begin(struct job *job) {
    struct host *h = job->host;
    if (h->dead) {
        finish(job, REAL_ERROR, 0);
        return;
    }
    if (job->kind != REAL_RESET)
        h->dirty |= makes_dirty(job);
    if (job->kind <= REAL_INTERRUPT)
        begin_transfer(job);
    else
        finish_call(job, command(h, job));
}

/* Its data may have come before it was cancelled, but after anybody would have been told. */
static void end(struct job *job) {
    struct host *h = job->host;
    struct left *left = left_of(h, job);
    if (job->transfer)
        kill_transfer(job);
    else if (left && job->actual)
        keep(left, job->bytes + JOB_SETUP, job->actual);
    if (job->transfer)
        return; /* nobody knows when it comes back: its memory stays */
    pthread_mutex_lock(&h->lock);
    job->over = true;
    if (!job->queued)
        enqueue(h, job);
    pthread_mutex_unlock(&h->lock);
}

static struct order *next_order(struct host *h) {
    pthread_mutex_lock(&h->lock);
    struct order *order = h->orders;
    if (order) {
        h->orders = order->next;
        if (!h->orders)
            h->orders_end = &h->orders;
    }
    pthread_mutex_unlock(&h->lock);
    return order;
}

/* False: the last one was carried out. */
static bool obey(struct host *h) {
    eventfd_t n;
    struct order *order;
    eventfd_read(h->wake, &n);
    while ((order = next_order(h))) {
        if (!order->job)
            return false;
        if (order->cancel)
            end(order->job);
        else
            begin(order->job);
    }
    return true;
}

/* ---- the thread ---- */

static unsigned watch(struct host *h, struct pollfd *fds) {
    unsigned n = 0;
    fds[n++] = (struct pollfd){.fd = h->wake, .events = POLLIN};
    if (h->dead)
        return n;
    const struct libusb_pollfd **theirs = usb_lib.get_pollfds(h->ctx);
    for (unsigned i = 0; theirs && theirs[i] && n < POLL_FDS; i++)
        fds[n++] = (struct pollfd){.fd = theirs[i]->fd, .events = theirs[i]->events};
    usb_lib.free_pollfds(theirs);
    return n;
}

/* What was in flight comes back; where it doesn't, its cancelling will give up on it. */
static void bury(struct host *h) {
    for (unsigned i = 0; h->in_flight && i < TRIES; i++)
        handle_events(h, TRY_US);
    lose(h);
}

/* A device that is pulled out hangs up, also when nothing is in flight. */
static bool has_hung_up(const struct host *h, const struct pollfd *fds, unsigned n) {
    for (unsigned i = 1; i < n; i++)
        if (fds[i].fd == h->fd && fds[i].revents & (POLLERR | POLLHUP))
            return true;
    return false;
}

static void serve(struct host *h) {
    struct pollfd fds[POLL_FDS];
    unsigned n = watch(h, fds);
    do {
        unsigned ready = 0;
        poll(fds, n, -1);
        for (unsigned i = 1; i < n; i++)
            ready |= (unsigned)fds[i].revents;
        if (ready)
            handle_events(h, 0);
        if (has_hung_up(h, fds, n)) {
            bury(h);
            n = 1;
        }
    } while (!(fds[0].revents & POLLIN) || obey(h));
}

void *usb_thread(void *arg) {
    struct host *h = arg;
    usb_host_take_turn(h);
    if (usb_device_open(h))
        lose(h);
    serve(h);
    drop_all_left(h);
    usb_device_give_back(h);
    usb_host_ended(h);
    return NULL;
}
