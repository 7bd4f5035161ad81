/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image I/O by threads that make ordinary system calls: all of it where io_uring can't be had, and
 * what would wait in the kernel where it can. Threads are started when work waits and none is free,
 * and meet the loop at one lock and one eventfd. A timer, set while they are there, ends them when
 * they had nothing to do from one time to the next: later nothing wakes up.
 *
 * A file in memory (tmpfs) waits for nothing but swap, so the loop's own thread does what is asked:
 * waking another would cost more. It does so, too, where no thread is to be had.
 *
 * Writes into a file's page cache take that file's lock for their time: they are made one by one.
 * Reads and writes that are quick, as they find the page cache ready, are one thread's work, and
 * told of in batches: waking others would cost more than they do. Once one has waited they go side
 * by side.
 */
#include "aio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "loop.h"
#include "thread.h"

enum { THREADS = 4, STACK = 128 * 1024, REST_SECONDS = 2, QUICK_NS = 100000, BATCH = 16 };

struct list {
    struct aio_job *head, **end;
    unsigned count;
};

struct aio_threads {
    struct aio aio;
    struct loop *loop;
    struct loop_fd watch; /* an eventfd: `done` is not empty */
    struct loop_fd rest;  /* a timerfd; both are made for the first thread */
    void (*ready)(void *arg);
    void *arg;
    bool in_memory; /* the file */
    /* the loop's own */
    unsigned under_way; /* started and not reaped */
    struct list started, reaped;
    bool used; /* since the timer last went off */
    pthread_t thread[THREADS];
    unsigned count; /* of threads */
    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct list todo, done;
    bool writing; /* one of those that are made one by one */
    bool quick;   /* the read or write that was finished last */
    bool told;    /* that `done` is not empty */
    unsigned moving, sleeping; /* threads: with a read or write; without work */
    bool quit;
};

static struct aio_threads *threads_of(struct aio *aio) {
    return CONTAINER_OF(aio, struct aio_threads, aio);
}

static void empty(struct list *list) {
    *list = (struct list){.end = &list->head};
}

static void append(struct list *list, struct aio_job *job) {
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
    list->count++;
}

/* The first one, after `before` if that is not NULL. */
static struct aio_job *take(struct list *list, struct aio_job *before) {
    struct aio_job **link = before ? &before->next : &list->head, *job = *link;
    if (job) {
        *link = job->next;
        list->count--;
        if (!job->next)
            list->end = link;
    }
    return job;
}

static int64_t perform(const struct aio_job *job) {
    int64_t n;
    do {
        switch ((enum aio_kind)job->kind) {
        case AIO_READ:
            n = preadv(job->fd, job->iov, job->niov, (off_t)job->offset);
            break;
        case AIO_WRITE:
            n = pwritev(job->fd, job->iov, job->niov, (off_t)job->offset);
            break;
        case AIO_SYNC:
            n = fdatasync(job->fd);
            break;
        default:
            n = fallocate(job->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)job->offset,
                          (off_t)job->len);
            break;
        }
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static bool is_data(const struct aio_job *job) {
    return job->kind == AIO_READ || job->kind == AIO_WRITE;
}

static bool one_by_one(const struct aio_job *job) {
    return job->kind == AIO_WRITE && !job->direct;
}

/* ---- a thread; the lock is ours before and after ---- */

static struct aio_job *next_job(struct aio_threads *t) {
    struct aio_job *before = NULL, *job = t->todo.head;
    while (job && t->writing && one_by_one(job)) {
        before = job;
        job = job->next;
    }
    if (!job)
        return NULL;
    t->writing |= one_by_one(job);
    t->moving += is_data(job);
    return take(&t->todo, before);
}

static void do_job(struct aio_threads *t, struct aio_job *job) {
    pthread_mutex_unlock(&t->lock);
    uint64_t begun = loop_monotonic(NULL);
    job->result = perform(job);
    bool quick = loop_monotonic(NULL) - begun < QUICK_NS;
    pthread_mutex_lock(&t->lock);
    if (is_data(job)) {
        t->quick = quick;
        t->moving--;
    }
    if (one_by_one(job))
        t->writing = false;
    append(&t->done, job);
}

/* Not before a job that won't take long. True: the lock was not ours for a while. */
static bool tell(struct aio_threads *t, const struct aio_job *next) {
    bool soon = next && is_data(next) && t->quick && t->done.count < BATCH;
    if (!t->done.head || t->told || soon)
        return false;
    t->told = true;
    pthread_mutex_unlock(&t->lock);
    eventfd_write(t->watch.fd, 1);
    pthread_mutex_lock(&t->lock);
    return true;
}

static void *work(void *arg) {
    struct aio_threads *t = arg;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        struct aio_job *job = next_job(t);
        bool was_open = tell(t, job);
        if (job) {
            do_job(t, job);
        } else if (t->quit) {
            break;
        } else if (!was_open) {
            t->sleeping++;
            pthread_cond_wait(&t->work, &t->lock);
            t->sleeping--;
        }
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* ---- the loop's side ---- */

static void no_descriptors(struct aio_threads *t) {
    struct loop_fd *both[] = {&t->watch, &t->rest};
    for (unsigned i = 0; i < ARRAY_LEN(both); i++) {
        loop_remove(t->loop, both[i]);
        if (both[i]->fd >= 0)
            close(both[i]->fd);
        both[i]->fd = -1;
    }
}

static bool have_descriptors(struct aio_threads *t) {
    if (t->rest.fd >= 0)
        return true;
    t->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    t->rest.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (t->watch.fd >= 0 && t->rest.fd >= 0 && loop_add(t->loop, &t->watch) &&
        loop_add(t->loop, &t->rest))
        return true;
    no_descriptors(t);
    return false;
}

static void set_timer(struct aio_threads *t) {
    struct itimerspec after = {.it_value.tv_sec = REST_SECONDS};
    timerfd_settime(t->rest.fd, 0, &after, NULL);
}

static bool start_thread(struct aio_threads *t) {
    if (t->count == THREADS || !have_descriptors(t) ||
        thread_start(&t->thread[t->count], STACK, work, t))
        return false;
    if (!t->count++)
        set_timer(t);
    return true;
}

static void end_threads(struct aio_threads *t) {
    pthread_mutex_lock(&t->lock);
    t->quit = true;
    pthread_cond_broadcast(&t->work);
    pthread_mutex_unlock(&t->lock);
    while (t->count)
        pthread_join(t->thread[--t->count], NULL);
    t->quit = false;
}

static void rest(void *arg, unsigned events) {
    struct aio_threads *t = arg;
    uint64_t times;
    (void)events;
    if (read(t->rest.fd, &times, sizeof(times)) != sizeof(times))
        return;
    if (t->used || t->under_way)
        set_timer(t);
    else
        end_threads(t);
    t->used = false;
}

static bool threads_start(struct aio *aio, struct aio_job *job) {
    struct aio_threads *t = threads_of(aio);
    if (t->under_way >= AIO_MOST)
        return false;
    append(&t->started, job);
    t->under_way++;
    return true;
}

static void perform_here(struct aio_threads *t, struct list *jobs) {
    struct aio_job *job;
    while ((job = take(jobs, NULL))) {
        job->result = perform(job);
        append(&t->reaped, job);
    }
}

/* How many of the threads that sleep, or are not there yet, have something to do. */
static unsigned wanted(const struct aio_threads *t, unsigned others) {
    if (!t->quick)
        return t->todo.count;
    return others + (!t->moving && t->todo.count > others);
}

static bool threads_submit(struct aio *aio) {
    struct aio_threads *t = threads_of(aio);
    struct aio_job *job;
    unsigned others = 0;
    if (t->in_memory)
        perform_here(t, &t->started);
    if (!t->started.head)
        return true;
    t->used = true;
    pthread_mutex_lock(&t->lock);
    while ((job = take(&t->started, NULL))) {
        others += !is_data(job);
        append(&t->todo, job);
    }
    unsigned want = wanted(t, others), wake = MIN(want, t->sleeping);
    while (want > t->sleeping && start_thread(t))
        want--;
    if (!t->count)
        perform_here(t, &t->todo); /* slow, but right */
    pthread_mutex_unlock(&t->lock);
    while (wake--)
        pthread_cond_signal(&t->work);
    return true;
}

static struct aio_job *threads_reap(struct aio *aio, bool wait) {
    struct aio_threads *t = threads_of(aio);
    struct aio_job *job;
    while (t->under_way && !t->reaped.head) {
        pthread_mutex_lock(&t->lock);
        while ((job = take(&t->done, NULL)))
            append(&t->reaped, job);
        t->told = false;
        pthread_mutex_unlock(&t->lock);
        if (t->reaped.head || !wait)
            break;
        eventfd_t n;
        poll(&(struct pollfd){.fd = t->watch.fd, .events = POLLIN}, 1, -1);
        eventfd_read(t->watch.fd, &n);
    }
    job = take(&t->reaped, NULL);
    if (job)
        t->under_way--;
    return job;
}

static void threads_free(struct aio *aio) {
    struct aio_threads *t = threads_of(aio);
    end_threads(t);
    no_descriptors(t);
    pthread_cond_destroy(&t->work);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static void threads_ready(void *arg, unsigned events) {
    struct aio_threads *t = arg;
    eventfd_t n;
    (void)events;
    eventfd_read(t->watch.fd, &n);
    t->ready(t->arg);
}

static const struct aio_ops threads_ops = {
    .start = threads_start, .submit = threads_submit, .reap = threads_reap, .free = threads_free,
};

/* A device's node may be in memory, too: the device is not. */
static bool is_in_memory(int fd) {
    struct stat st;
    struct statfs fs;
    return !fstat(fd, &st) && S_ISREG(st.st_mode) && !fstatfs(fd, &fs) &&
           fs.f_type == TMPFS_MAGIC;
}

struct aio *aio_threads_new(struct loop *loop, int fd, void (*ready)(void *arg), void *arg) {
    struct aio_threads *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->aio.ops = &threads_ops;
    t->loop = loop;
    t->ready = ready;
    t->arg = arg;
    t->in_memory = is_in_memory(fd);
    t->watch = (struct loop_fd){.fd = -1, .ready = threads_ready, .arg = t, .events = LOOP_READ};
    t->rest = (struct loop_fd){.fd = -1, .ready = rest, .arg = t, .events = LOOP_READ};
    empty(&t->started);
    empty(&t->reaped);
    empty(&t->todo);
    empty(&t->done);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->work, NULL);
    return &t->aio;
}
