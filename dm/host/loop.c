/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop, directly on epoll. A general event library costs several hundred user
 * instructions for each wake; a guest's whole port access must stay under 400 of them. There is
 * little to write: a device model has a dozen descriptors that are watched for years, and its
 * timers are the machine's.
 *
 * The only sleep is epoll_pwait2, until the next timer's nanosecond, so an idle machine wakes for
 * nothing. Without that call (Linux before 5.11) the sleep is rounded up to milliseconds.
 */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 16, SIGNALS = 8, LOOKS_A_TURN = 8 };

/* Keeps the turn that serves a guest's access short. */
#define OUT_OF_LINE __attribute__((noinline))

/* The events of one epoll call while they are handed out; what is removed meanwhile is crossed
 * out. */
struct batch {
    struct epoll_event events[BATCH];
    int n;
    struct batch *outer;
};

struct signal_handler {
    int signo;
    void (*fn)(void *arg, int signo);
    void *arg;
};

struct loop {
    int epoll;
    bool stop, no_pwait2;
    struct batch *batch;
    struct loop_task *tasks, **tasks_end; /* deferred */
    struct loop_task *running;            /* those of this turn that were not yet run */
    struct loop_look *looks;
    unsigned looks_that_found; /* descriptors have their turn after so many */
    struct loop_fd signals;
    sigset_t mask;
    struct signal_handler handlers[SIGNALS];
    unsigned handler_count;
};

struct loop *loop_new(void) {
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return NULL;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        free(loop);
        return NULL;
    }
    loop->tasks_end = &loop->tasks;
    loop->signals.fd = -1;
    sigemptyset(&loop->mask);
    return loop;
}

void loop_free(struct loop *loop) {
    if (!loop)
        return;
    if (loop->signals.fd >= 0)
        close(loop->signals.fd);
    close(loop->epoll);
    free(loop);
}

uint64_t loop_monotonic(void *unused) {
    (void)unused;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* ---- descriptors ---- */

static int control(struct loop *loop, int op, struct loop_fd *fd) {
    struct epoll_event event = {
        .events = (fd->events & LOOP_READ ? EPOLLIN : 0) | (fd->events & LOOP_WRITE ? EPOLLOUT : 0),
        .data.ptr = fd,
    };
    return epoll_ctl(loop->epoll, op, fd->fd, &event);
}

/* Events of this descriptor that are not handed out yet never will be. */
static void cross_out(struct loop *loop, const struct loop_fd *fd) {
    for (struct batch *batch = loop->batch; batch; batch = batch->outer)
        for (int i = 0; i < batch->n; i++)
            if (batch->events[i].data.ptr == fd)
                batch->events[i].data.ptr = NULL;
}

/* epoll reports hang-ups even to those who wait for nothing, so a descriptor watched for nothing is
 * not in the set at all. */
bool loop_add(struct loop *loop, struct loop_fd *fd) {
    if (fd->events && control(loop, EPOLL_CTL_ADD, fd))
        return false;
    fd->added = true;
    return true;
}

void loop_change(struct loop *loop, struct loop_fd *fd, unsigned events) {
    unsigned before = fd->events;
    if (before == events)
        return;
    fd->events = events;
    if (!fd->added)
        return;
    control(loop, !before ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd);
    if (!events)
        cross_out(loop, fd);
}

void loop_remove(struct loop *loop, struct loop_fd *fd) {
    if (!fd->added)
        return;
    if (fd->events)
        control(loop, EPOLL_CTL_DEL, fd);
    fd->added = false;
    cross_out(loop, fd);
}

/* ---- tasks ---- */

void loop_defer(struct loop *loop, struct loop_task *task) {
    if (task->queued)
        return;
    task->queued = true;
    task->next = NULL;
    *loop->tasks_end = task;
    loop->tasks_end = &task->next;
}

void loop_cancel(struct loop *loop, struct loop_task *task) {
    if (!task->queued)
        return;
    task->queued = false;
    for (struct loop_task **p = &loop->running; *p; p = &(*p)->next)
        if (*p == task) {
            *p = task->next;
            return;
        }
    struct loop_task **p = &loop->tasks;
    while (*p != task)
        p = &(*p)->next;
    *p = task->next;
    if (loop->tasks_end == &task->next)
        loop->tasks_end = p;
}

/* Those that wait now. A turn inside a task does the rest of this one's. */
OUT_OF_LINE static void run_round(struct loop *loop) {
    struct loop_task **end = &loop->running;
    while (*end)
        end = &(*end)->next;
    *end = loop->tasks;
    loop->tasks = NULL;
    loop->tasks_end = &loop->tasks;
    while (loop->running) {
        struct loop_task *task = loop->running;
        loop->running = task->next;
        task->queued = false;
        task->run(task->arg);
    }
}

/*
 * What tasks defer is done as well: an image that starts requests finishes some at once, whose
 * answers then need no further look at the descriptors. What those defer waits for the next turn,
 * so that descriptors get theirs.
 */
static void run_tasks(struct loop *loop) {
    run_round(loop);
    if (loop->tasks)
        run_round(loop);
}

bool loop_busy(const struct loop *loop) {
    return loop->tasks;
}

/* ---- looks ---- */

void loop_look_add(struct loop *loop, struct loop_look *look) {
    look->next = loop->looks;
    loop->looks = look;
}

void loop_look_remove(struct loop *loop, struct loop_look *look) {
    for (struct loop_look **p = &loop->looks; *p; p = &(*p)->next)
        if (*p == look) {
            *p = look->next;
            return;
        }
}

static inline bool looked(struct loop *loop) {
    bool found = false;
    for (struct loop_look *l = loop->looks, *next; l; l = next) {
        next = l->next;
        found |= l->look(l->arg);
    }
    return found;
}

/* ---- turns ---- */

/* By syscall(2), for epoll_wait is a cancellation point where libraries have threads: see xen.c. */
static int wait_forever(struct loop *loop, struct epoll_event *events) {
    return (int)syscall(SYS_epoll_wait, loop->epoll, events, BATCH, -1);
}

OUT_OF_LINE static int sleep_for(struct loop *loop, struct epoll_event *events, uint64_t ns) {
    if (!loop->no_pwait2) {
        struct timespec ts = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};
        int n = epoll_pwait2(loop->epoll, events, BATCH, &ts, NULL);
        if (n >= 0 || errno != ENOSYS)
            return n;
        loop->no_pwait2 = true;
    }
    int ms = ns > 1000000 * NS_PER_MS ? 1000000 : (int)((ns + NS_PER_MS - 1) / NS_PER_MS);
    return epoll_wait(loop->epoll, events, BATCH, ms);
}

static inline unsigned hand_out(struct loop *loop, uint64_t ns) {
    struct batch batch;
    batch.n = ns == LOOP_FOREVER ? wait_forever(loop, batch.events)
                                 : sleep_for(loop, batch.events, ns);
    if (batch.n <= 0)
        return 0;
    batch.outer = loop->batch;
    loop->batch = &batch;
    for (int i = 0; i < batch.n; i++) {
        struct loop_fd *fd = batch.events[i].data.ptr;
        uint32_t got = batch.events[i].events;
        if (!fd)
            continue;
        unsigned events = LOOP_READ;
        if (got != EPOLLIN)
            events = (got & (EPOLLIN | EPOLLERR | EPOLLHUP) ? LOOP_READ : 0) |
                     (got & (EPOLLOUT | EPOLLERR | EPOLLHUP) ? LOOP_WRITE : 0);
        fd->ready(fd->arg, events);
    }
    loop->batch = batch.outer;
    return (unsigned)batch.n;
}

/* Runs the timers that are due; returns how long the loop may sleep until the next one. */
OUT_OF_LINE static uint64_t run_timers(struct clock *clock, uint64_t next, uint64_t ns) {
    uint64_t now = loop_monotonic(NULL);
    if (next <= now) {
        clock_run(clock);
        next = clock_next(clock);
    }
    return next == TIMER_NEVER ? ns : next <= now ? 0 : next - now < ns ? next - now : ns;
}

/* Asks for the time once a turn, and not at all while no timer is on. */
__attribute__((always_inline)) static inline unsigned
turn(struct loop *loop, struct clock *clock, uint64_t ns) {
    uint64_t next = clock ? clock_next(clock) : TIMER_NEVER;
    if (next != TIMER_NEVER)
        ns = run_timers(clock, next, ns);
    unsigned n = 1;
    if (loop->tasks || loop->stop || !ns)
        n = hand_out(loop, 0);
    else if (!loop->looks || !looked(loop))
        n = hand_out(loop, loop->tasks || loop->stop ? 0 : ns);
    else if (++loop->looks_that_found % LOOKS_A_TURN == 0)
        hand_out(loop, 0);
    if (!n && next != TIMER_NEVER)
        clock_run(clock);
    if (loop->tasks)
        run_tasks(loop);
    return n;
}

unsigned loop_once(struct loop *loop, struct clock *clock, uint64_t ns) {
    return turn(loop, clock, ns);
}

void loop_run(struct loop *loop, struct clock *clock) {
    while (!loop->stop)
        turn(loop, clock, LOOP_FOREVER);
    loop->stop = false;
}

void loop_stop(struct loop *loop) {
    loop->stop = true;
}

/* ---- signals ---- */

static void signals_ready(void *arg, unsigned events) {
    struct loop *loop = arg;
    (void)events;
    struct signalfd_siginfo info;
    if (read(loop->signals.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    for (unsigned i = 0; i < loop->handler_count; i++)
        if (loop->handlers[i].signo == (int)info.ssi_signo)
            loop->handlers[i].fn(loop->handlers[i].arg, (int)info.ssi_signo);
}

bool loop_signal(struct loop *loop, int signo, void (*fn)(void *, int), void *arg) {
    if (loop->handler_count == SIGNALS) {
        errno = ENOSPC;
        return false;
    }
    sigaddset(&loop->mask, signo);
    int error = pthread_sigmask(SIG_BLOCK, &loop->mask, NULL);
    if (error) {
        errno = error;
        return false;
    }
    int fd = signalfd(loop->signals.fd, &loop->mask, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return false;
    loop->handlers[loop->handler_count++] = (struct signal_handler){signo, fn, arg};
    if (loop->signals.added)
        return true;
    loop->signals = (struct loop_fd){
        .fd = fd, .ready = signals_ready, .arg = loop, .events = LOOP_READ};
    return loop_add(loop, &loop->signals);
}
