/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB device of the host, as the loop sees it: requests become orders for the device's thread
 * (usb_priv.h), and what comes back is told to the chip. See usb_host.h.
 *
 * Not done: isochronous transfers, streams; a device that was pulled out and comes back is another
 * one.
 */
#include "usb_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/log.h"
#include "core/mem.h"
#include "thread.h"
#include "usb_priv.h"

/* What a guest may have under way: usbfs has 16 MiB for all devices. */
enum { JOBS_MAX = 256, LEN_MAX = 4 << 20, BYTES_MAX = 16 << 20 };
enum { SPARES = 16, SPARE_ROOM = 16 << 10, STACK = 256 << 10, LEAVE_MS = 5000 };

/* All that are open, or closed but not given back yet. */
static struct host *hosts;
static unsigned serials;
static pthread_mutex_t hosts_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hosts_change = PTHREAD_COND_INITIALIZER;

static struct host *host_of(struct real_usb *real) {
    return CONTAINER_OF(real, struct host, real);
}

/* ---- jobs ---- */

static struct job *job_new(struct host *h, size_t room) {
    struct job *job = h->spare;
    if (h->jobs >= JOBS_MAX || h->bytes + room > BYTES_MAX)
        return NULL;
    room = MAX(room, (size_t)SPARE_ROOM);
    if (room == SPARE_ROOM && job) {
        h->spare = job->next;
        h->spares--;
    } else {
        job = malloc(sizeof(*job) + JOB_SETUP + room);
    }
    if (!job)
        return NULL;
    *job = (struct job){.host = h, .room = room, .start.job = job,
                        .cancel = {.job = job, .cancel = true}};
    h->jobs++;
    h->bytes += room;
    return job;
}

static void job_free(struct job *job) {
    struct host *h = job->host;
    h->jobs--;
    h->bytes -= job->room;
    if (job->room != SPARE_ROOM || h->spares == SPARES) {
        free(job);
        return;
    }
    job->next = h->spare;
    h->spare = job;
    h->spares++;
}

static void give_order(struct host *h, struct order *order) {
    order->next = NULL;
    pthread_mutex_lock(&h->lock);
    bool first = !h->orders;
    *h->orders_end = order;
    h->orders_end = &order->next;
    if (first)
        eventfd_write(h->wake, 1);
    pthread_mutex_unlock(&h->lock);
}

static void take_data(struct job *job, const struct real_usb_req *req) {
    size_t done = 0;
    memcpy(job->bytes, req->setup, JOB_SETUP);
    for (unsigned i = 0; !(req->endpoint & 0x80) && i < req->niov; i++) {
        size_t n = MIN(req->iov[i].iov_len, job->len - done);
        memcpy(job->bytes + JOB_SETUP + done, req->iov[i].iov_base, n);
        done += n;
    }
}

static void *host_start(struct real_usb *real, const struct real_usb_req *req, void *owner) {
    struct host *h = host_of(real);
    size_t over = req->packet ? req->len % req->packet : 0;
    size_t ask = over ? req->len + req->packet - over : req->len;
    struct job *job = h->told || req->len > LEN_MAX ? NULL : job_new(h, ask);
    if (!job)
        return NULL;
    job->kind = req->kind;
    job->endpoint = req->endpoint;
    job->value = req->value;
    job->setting = req->setting;
    job->len = req->len;
    job->ask = ask;
    job->iov = req->iov;
    job->niov = req->niov;
    job->owner = owner;
    take_data(job, req);
    give_order(h, &job->start);
    return job;
}

static void host_cancel(struct real_usb *real, void *handle) {
    struct job *job = handle;
    job->cancelled = true;
    job->iov = NULL;
    give_order(host_of(real), &job->cancel);
}

/* ---- what the thread has done ---- */

static struct job *next_done(struct host *h, bool *over) {
    pthread_mutex_lock(&h->lock);
    struct job *job = h->done;
    if (job) {
        h->done = job->next;
        if (!h->done)
            h->done_end = &h->done;
        job->queued = false;
        *over = job->over;
    }
    pthread_mutex_unlock(&h->lock);
    return job;
}

static void give_data(const struct job *job) {
    const uint8_t *at = job->bytes + JOB_SETUP;
    size_t left = job->actual;
    for (unsigned i = 0; job->endpoint & 0x80 && i < job->niov && left; i++) {
        size_t n = MIN(left, job->iov[i].iov_len);
        memcpy(job->iov[i].iov_base, at, n);
        at += n;
        left -= n;
    }
}

static void tell_job(struct job *job) {
    struct host *h = job->host;
    void *owner = job->owner;
    enum real_usb_result result = job->result;
    size_t actual = job->actual;
    give_data(job);
    job_free(job); /* the chip may not cancel it any more */
    if (!h->closed) /* else it was a reset */
        h->real.done(h->real.arg, owner, result, actual);
}

static void tell_lost(struct host *h) {
    if (h->told || h->closed)
        return;
    h->told = true;
    if (*h->why)
        log_error("USB device %s can't be given to the guest: %s", h->name, h->why);
    else
        log_info("USB device %s is gone", h->name);
    h->real.gone(h->real.arg);
}

static void host_free(struct host *h) {
    struct host **p = &hosts;
    pthread_join(h->thread, NULL);
    pthread_mutex_lock(&hosts_lock);
    while (*p != h)
        p = &(*p)->next;
    *p = h->next;
    pthread_mutex_unlock(&hosts_lock);
    for (struct job *job; (job = h->spare); free(job))
        h->spare = job->next;
    loop_remove(h->loop, &h->news);
    close(h->news.fd);
    close(h->wake);
    pthread_mutex_destroy(&h->lock);
    free(h->found.descriptors);
    mem_free(h);
}

static void look(struct host *h) {
    struct job *job;
    bool over, lost;
    pthread_mutex_lock(&h->lock);
    lost = h->lost; /* asked first: what was done before it is told before it */
    pthread_mutex_unlock(&h->lock);
    while ((job = next_done(h, &over))) {
        if (!job->cancelled)
            tell_job(job);
        else if (over)
            job_free(job);
    }
    if (lost)
        tell_lost(h);
}

static bool has_ended(struct host *h) {
    pthread_mutex_lock(&h->lock);
    bool ended = h->ended;
    pthread_mutex_unlock(&h->lock);
    return ended;
}

static void news_ready(void *arg, unsigned events) {
    struct host *h = arg;
    eventfd_t n;
    (void)events;
    eventfd_read(h->news.fd, &n);
    bool ended = has_ended(h); /* asked first: then all jobs of its are in the list */
    look(h);
    if (ended)
        host_free(h);
}

/* ---- opening and closing ---- */

/* In the thread. */
void usb_host_take_turn(struct host *h) {
    pthread_mutex_lock(&hosts_lock);
    for (;;) {
        const struct host *other = hosts;
        while (other && (other->serial >= h->serial || other->ended ||
                         other->found.bus != h->found.bus || other->found.addr != h->found.addr))
            other = other->next;
        if (!other)
            break;
        pthread_cond_wait(&hosts_change, &hosts_lock);
    }
    pthread_mutex_unlock(&hosts_lock);
}

/* In the thread, at its end. */
void usb_host_ended(struct host *h) {
    pthread_mutex_lock(&hosts_lock);
    pthread_mutex_lock(&h->lock);
    h->ended = true;
    eventfd_write(h->news.fd, 1);
    pthread_mutex_unlock(&h->lock);
    pthread_cond_broadcast(&hosts_change);
    pthread_mutex_unlock(&hosts_lock);
}

static void host_close(struct real_usb *real) {
    struct host *h = host_of(real);
    h->closed = true;
    give_order(h, &h->end);
}

static bool is_taken(const struct usb_found *found) {
    for (const struct host *h = hosts; h; h = h->next)
        if (!h->closed && !h->told && h->found.bus == found->bus && h->found.addr == found->addr)
            return true;
    return false;
}

static const struct real_usb_ops host_ops = {host_start, host_cancel, host_close};

static struct host *host_new(struct loop *loop, const struct usb_found *found) {
    struct host *h = mem_new(sizeof(*h));
    *h = (struct host){.found = *found, .serial = ++serials, .loop = loop, .fd = -1};
    snprintf(h->name, sizeof(h->name), "%u.%u (%04x:%04x)", found->bus, found->addr,
             found->vendor & 0xffff, found->product & 0xffff);
    snprintf(h->path, sizeof(h->path), "%s/%03u/%03u", usb_roots.dev, found->bus, found->addr);
    h->real = (struct real_usb){.ops = &host_ops, .name = h->name, .speed = found->speed,
                                .descriptors = found->descriptors,
                                .descriptors_len = found->descriptors_len};
    pthread_mutex_init(&h->lock, NULL);
    h->orders_end = &h->orders;
    h->done_end = &h->done;
    h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    h->news = (struct loop_fd){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = news_ready,
                               .arg = h, .events = LOOP_READ};
    return h;
}

static bool start(struct host *h, char *why, size_t why_len) {
    bool good = h->wake >= 0 && h->news.fd >= 0 && loop_add(h->loop, &h->news);
    int err = good ? 0 : errno;
    pthread_mutex_lock(&hosts_lock);
    h->next = hosts;
    hosts = h;
    pthread_mutex_unlock(&hosts_lock);
    if (!err)
        err = thread_start(&h->thread, STACK, usb_thread, h);
    if (!err)
        return true;
    snprintf(why, why_len, "USB device %s: %s", h->name, strerror(err));
    pthread_mutex_lock(&hosts_lock);
    hosts = h->next;
    pthread_mutex_unlock(&hosts_lock);
    loop_remove(h->loop, &h->news);
    close(h->wake);
    close(h->news.fd);
    mem_free(h);
    return false;
}

struct real_usb *usb_host_open(struct loop *loop, const struct usb_wanted *wanted, char *why,
                               size_t why_len) {
    struct usb_found found;
    if (!usb_lib_load(why, why_len) || !usb_find_real(wanted, &found, why, why_len))
        return NULL;
    struct host *h = host_new(loop, &found);
    bool good = false;
    if (is_taken(&found))
        snprintf(why, why_len, "USB device %s is in the guest's hands already", h->name);
    else if (access(h->path, R_OK | W_OK))
        snprintf(why, why_len, "USB device %s: %s: %s", h->name, h->path, strerror(errno));
    else
        good = true;
    if (!good) {
        close(h->wake);
        close(h->news.fd);
        mem_free(h);
    }
    usb_lib.set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY); /* the kernel has told us all */
    if (good && start(h, why, why_len))
        return &h->real;
    free(found.descriptors);
    return NULL;
}

/* Those whose thread is stuck in the kernel are left to it. */
void usb_host_leave(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LEAVE_MS / 1000;
    pthread_mutex_lock(&hosts_lock);
    for (const struct host *h = hosts; h;)
        if (!h->closed || h->ended)
            h = h->next;
        else if (pthread_cond_timedwait(&hosts_change, &hosts_lock, &until))
            break;
        else
            h = hosts;
    pthread_mutex_unlock(&hosts_lock);
    for (struct host *h = hosts, *next; h; h = next) {
        next = h->next;
        if (has_ended(h)) {
            look(h);
            host_free(h);
        } else if (h->closed) {
            log_error("USB device %s does not come back to the host", h->name);
        }
    }
}
