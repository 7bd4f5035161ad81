/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop's face: file descriptors and things to do later. dm/host implements it; the engine
 * and host backends use it. One thread: another thread's way in is an eventfd that the loop
 * watches.
 */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop;

/* A watched descriptor; the owner keeps the struct until it is removed. */
struct loop_fd {
    int fd;
    void (*ready)(void *arg, unsigned events); /* LOOP_READ | LOOP_WRITE; errors count as both */
    void *arg;
    unsigned events; /* 0: watched for nothing */
    bool added;
};

bool loop_add(struct loop *loop, struct loop_fd *fd);       /* false: errno says why */
void loop_change(struct loop *loop, struct loop_fd *fd, unsigned events);
void loop_remove(struct loop *loop, struct loop_fd *fd);    /* allowed inside any callback */

/* To be done once before the loop sleeps again; adding one that waits already changes nothing. */
struct loop_task {
    void (*run)(void *arg);
    void *arg;
    struct loop_task *next;
    bool queued;
};

void loop_defer(struct loop *loop, struct loop_task *task);
void loop_cancel(struct loop *loop, struct loop_task *task);

bool loop_busy(const struct loop *loop); /* something was deferred and is not done */

/* Called whenever the loop would sleep, with nothing deferred. Looks that find something again and
 * again don't keep descriptors from being served. */
struct loop_look {
    bool (*look)(void *arg); /* true: there was something to do: the loop takes another turn */
    void *arg;
    struct loop_look *next;
};

void loop_look_add(struct loop *loop, struct loop_look *look);
void loop_look_remove(struct loop *loop, struct loop_look *look);

#endif
