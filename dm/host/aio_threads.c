/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image I/O by threads that make ordinary system calls, for kernels without io_uring. Threads are
 * started when work waits and none is free; they meet the loop at one lock and one eventfd.
 */
#include "aio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "thread.h"

enum { THREADS = 4, STACK = 128 * 1024, QUEUE = 64 };

struct aio_threads {
    struct aio aio;
    struct loop *loop;
    struct loop_fd watch; /* an eventfd */
    unsigned under_way;   /* the loop's own: started and not reaped */
    void (*ready)(void *arg);
    void *arg;
    pthread_t thread[THREADS];
    unsigned count; /* of threads */
    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t work, finished;
    struct aio_job *todo, **todo_end;
    struct aio_job *done, **done_end;
    unsigned waiting; /* jobs in todo */
    unsigned sleeping;
    bool quit;
};

static struct aio_threads *threads_of(struct aio *aio) {
    return CONTAINER_OF(aio, struct aio_threads, aio);
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

static void append(struct aio_job ***end, struct aio_job *job) {
    job->next = NULL;
    **end = job;
    *end = &job->next;
}

static struct aio_job *take(struct aio_job **head, struct aio_job ***end) {
    struct aio_job *job = *head;
    if (job) {
        *head = job->next;
        if (!*head)
            *end = head;
    }
    return job;
}

static void *worker(void *arg) {
    struct aio_threads *t = arg;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        struct aio_job *job = take(&t->todo, &t->todo_end);
        if (!job) {
            if (t->quit)
                break;
            t->sleeping++;
            pthread_cond_wait(&t->work, &t->lock);
            t->sleeping--;
            continue;
        }
        t->waiting--;
        pthread_mutex_unlock(&t->lock);
        job->result = perform(job);
        pthread_mutex_lock(&t->lock);
        append(&t->done_end, job);
        pthread_cond_signal(&t->finished);
        eventfd_write(t->watch.fd, 1);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static bool start_thread(struct aio_threads *t) {
    errno = thread_start(&t->thread[t->count], STACK, worker, t);
    if (!errno)
        t->count++;
    return !errno;
}

static bool threads_start(struct aio *aio, struct aio_job *job) {
    struct aio_threads *t = threads_of(aio);
    if (t->under_way >= QUEUE)
        return false;
    pthread_mutex_lock(&t->lock);
    append(&t->todo_end, job);
    t->waiting++;
    t->under_way++;
    bool more = t->waiting > t->sleeping && t->count < THREADS;
    pthread_cond_signal(&t->work);
    pthread_mutex_unlock(&t->lock);
    if (more)
        start_thread(t); /* one was there from the start: all gets done without more */
    return true;
}

static bool threads_submit(struct aio *aio) {
    (void)aio; /* start has told the threads */
    return true;
}

static struct aio_job *threads_reap(struct aio *aio, bool wait) {
    struct aio_threads *t = threads_of(aio);
    if (!t->under_way)
        return NULL;
    pthread_mutex_lock(&t->lock);
    while (wait && !t->done)
        pthread_cond_wait(&t->finished, &t->lock);
    struct aio_job *job = take(&t->done, &t->done_end);
    pthread_mutex_unlock(&t->lock);
    if (job)
        t->under_way--;
    return job;
}

static void threads_free(struct aio *aio) {
    struct aio_threads *t = threads_of(aio);
    pthread_mutex_lock(&t->lock);
    t->quit = true;
    pthread_cond_broadcast(&t->work);
    pthread_mutex_unlock(&t->lock);
    for (unsigned i = 0; i < t->count; i++)
        pthread_join(t->thread[i], NULL);
    loop_remove(t->loop, &t->watch);
    close(t->watch.fd);
    pthread_cond_destroy(&t->work);
    pthread_cond_destroy(&t->finished);
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

struct aio *aio_threads_new(struct loop *loop, void (*ready)(void *arg), void *arg) {
    struct aio_threads *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->aio.ops = &threads_ops;
    t->loop = loop;
    t->ready = ready;
    t->arg = arg;
    t->todo_end = &t->todo;
    t->done_end = &t->done;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->work, NULL);
    pthread_cond_init(&t->finished, NULL);
    t->watch = (struct loop_fd){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                .ready = threads_ready, .arg = t, .events = LOOP_READ};
    if (t->watch.fd >= 0 && loop_add(loop, &t->watch) && start_thread(t))
        return &t->aio;
    int err = errno;
    if (t->watch.fd >= 0)
        threads_free(&t->aio);
    else
        free(t);
    errno = err;
    return NULL;
}
